"""Requests made with a role's credentials: allowed by its policies, or refused as AWS does it."""

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws
from tests.reliability import Tally

REGION = "us-east-1"
ACCOUNT = "123456789012"
ME = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
JOB = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/job"
_UNKNOWN = "for callers with limited permissions"  # in the error of what policies cannot decide
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        s3 = clients.client("s3", REGION)
        s3.create_bucket(Bucket="books")
        s3.put_object(Bucket="books", Key="a/1", Body=b"1")
        yield


def _allow(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _role(*statements: dict[str, Any], principal: Any = ME, **more: Any) -> str:
    """A role's name, of which each is new."""
    name = f"role-{next(_numbers)}"
    iam = clients.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust), **more)
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(*statements))
    return name


def _arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{role}"


def _as(role: str, service: str, **more: Any) -> Any:
    """A client with a role's credentials."""
    answer = clients.client("sts", REGION).assume_role(
        RoleArn=_arn(role), RoleSessionName="me", **more
    )["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return clients.client(service, REGION, clients.Credentials(*(answer[name] for name in names)))


def _unsigned(service: str) -> Any:
    """A client of somebody without credentials."""
    make: Any = boto3.client
    return make(
        service,
        region_name=REGION,
        endpoint_url=clients.client(service, REGION).meta.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )


def _refused(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def test_implicitly_denied_request_has_the_services_error_format() -> None:
    role = _role(_allow("s3:GetObject", on="arn:aws:s3:::books/b/*"))
    who = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role}/me is not authorized to perform:"
    why = "because no identity-based policy allows the"
    with pytest.raises(ClientError) as error:
        _as(role, "s3").get_object(Bucket="books", Key="a/1")
    assert _refused(error) == (
        "AccessDenied",
        f'{who} s3:GetObject on resource: "arn:aws:s3:::books/a/1" {why} s3:GetObject action',
    )
    with pytest.raises(ClientError) as error:
        _as(role, "sagemaker").describe_training_job(TrainingJobName="Job")
    action = "sagemaker:DescribeTrainingJob"
    assert _refused(error) == (
        "AccessDeniedException",
        f"{who} {action} on resource: {JOB} {why} {action} action",
    )


def test_policy_allows_its_actions_resources_and_conditions() -> None:
    s3 = _as(
        _role(
            _allow("s3:Get*", on="arn:aws:s3:::books/a/*"),
            _allow("s3:ListBucket", Condition={"StringLike": {"s3:prefix": "a/*"}}),
        ),
        "s3",
    )
    assert s3.get_object(Bucket="books", Key="a/1")["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket="books", Prefix="a/")["KeyCount"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket="books", Prefix="b/")
    with pytest.raises(ClientError, match="s3:PutObject"):
        s3.put_object(Bucket="books", Key="a/1", Body=b"2")
    with pytest.raises(ClientError, match='s3:DeleteObject on resource: "arn:aws:s3:::books/a/2"'):
        s3.delete_objects(Bucket="books", Delete={"Objects": [{"Key": "a/2"}]})


def test_explicit_deny_overrides_allow() -> None:
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::books/a/*"}
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        _as(_role(_allow("*"), deny), "s3").get_object(Bucket="books", Key="a/1")


def test_bucket_policy_allows_a_role_and_denies_the_administrator() -> None:
    s3, role = clients.client("s3", REGION), _role()
    s3.create_bucket(Bucket="shared")
    s3.put_object(Bucket="shared", Key="x", Body=b"x")
    admit = _allow("s3:GetObject", on="arn:aws:s3:::shared/*", Principal={"AWS": _arn(role)})
    deny = {
        **{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject"},
        "Resource": "arn:aws:s3:::shared/*",
    }
    s3.put_bucket_policy(Bucket="shared", Policy=_document(admit, deny))
    assert _as(role, "s3").get_object(Bucket="shared", Key="x")["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        _as(_role(), "s3").get_object(Bucket="shared", Key="x")
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        s3.put_object(Bucket="shared", Key="y", Body=b"y")


def test_unsigned_request_is_anonymous() -> None:
    s3, nobody = clients.client("s3", REGION), _unsigned("s3")
    s3.create_bucket(Bucket="open")
    s3.put_object(Bucket="open", Key="a/1", Body=b"1")
    everybody = _allow("s3:GetObject", on="arn:aws:s3:::open/a/*", Principal="*")
    account = _allow("s3:PutObject", on="arn:aws:s3:::open/*", Principal=ME)
    s3.delete_public_access_block(Bucket="open")
    s3.put_bucket_policy(Bucket="open", Policy=_document(everybody, account))
    assert nobody.get_object(Bucket="open", Key="a/1")["Body"].read() == b"1"
    for call, place in (
        (nobody.put_object, {"Bucket": "open", "Key": "a/1"}),
        (nobody.list_objects_v2, {"Bucket": "open"}),
        (nobody.get_object, {"Bucket": "books", "Key": "a/1"}),
    ):
        with pytest.raises(ClientError, match="User: anonymous is not authorized"):
            call(**place)
    with pytest.raises(ClientError, match="Missing Authentication Token"):
        _unsigned("sagemaker").list_training_jobs()
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):  # which need no signature
        _unsigned("sts").assume_role_with_web_identity(
            RoleArn=_arn("any"), RoleSessionName="me", WebIdentityToken="a token"
        )


def test_authorization_covers_every_object_version_and_setting() -> None:
    admin = clients.client("s3", REGION)
    admin.create_bucket(Bucket="versions")
    versions = {"Status": "Enabled"}
    admin.put_bucket_versioning(Bucket="versions", VersioningConfiguration=versions)
    old = admin.put_object(Bucket="versions", Key="a b/1", Body=b"1")["VersionId"]
    s3 = _as(
        _role(
            _allow("s3:PutObject", "s3:DeleteObject", "s3:GetObject"),
            {
                **{"Effect": "Deny", "Action": "s3:GetObject"},
                "Resource": "arn:aws:s3:::versions/a b/*",
            },
        ),
        "s3",
    )
    source = {"Bucket": "versions", "Key": "a b/1"}
    both: Any = {"Objects": [{"Key": "b"}, {"Key": "a b/1", "VersionId": old}]}
    for call, more, action in (
        (s3.copy_object, {"Key": "b", "CopySource": source}, "GetObject"),
        (
            s3.copy_object,
            {"Key": "b", "CopySource": source | {"VersionId": old}},
            "GetObjectVersion",
        ),
        (s3.delete_objects, {"Delete": both}, "DeleteObjectVersion"),
        (s3.put_object, {"Key": "b", "ACL": "public-read"}, "PutObjectAcl"),
        (s3.put_object, {"Key": "b", "Tagging": "a=b"}, "PutObjectTagging"),
    ):
        with pytest.raises(ClientError, match=f"AccessDenied.* s3:{action} on resource"):
            call(Bucket="versions", **more)
    s3.put_object(Bucket="versions", Key="b", Body=b"")
    s3.delete_objects(Bucket="versions", Delete={"Objects": [{"Key": "b"}]})


def test_arn_in_free_text_is_not_a_resource() -> None:
    """It may be a tag's, or that of what else a call is about."""
    jobs, functions = (
        f"{JOB.rpartition('/')[0]}/mine",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function",
    )
    role = _role(
        _allow("sagemaker:CreateTrainingJob", on=jobs),
        _allow("lambda:AddPermission", on=f"{functions}:mine"),
        _allow("iam:PassRole"),
    )
    job: Any = {
        "TrainingJobName": "theirs",
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "RoleArn": _arn(role),
        "OutputDataConfig": {"S3OutputPath": "s3://books/x"},
        "ResourceConfig": {
            **{"InstanceType": "ml.m5.large", "InstanceCount": 1},
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": [{"Key": "like", "Value": jobs}],
    }
    with pytest.raises(ClientError, match=r"AccessDenied.*training-job/theirs"):
        _as(role, "sagemaker").create_training_job(**job)
    permission = {
        **{"StatementId": "1", "Action": "lambda:InvokeFunction"},
        **{"Principal": "s3.amazonaws.com", "SourceArn": f"{functions}:mine"},
    }
    lambda_ = _as(role, "lambda")
    for theirs in ("theirs", f"{functions}:theirs"):
        with pytest.raises(ClientError, match=r"AccessDenied.*function:theirs"):
            lambda_.add_permission(FunctionName=theirs, **permission)
    for mine in ("mine", f"{functions}:mine"):  # it may, and there is none
        with pytest.raises(ClientError, match="ResourceNotFound"):
            lambda_.add_permission(FunctionName=mine, **permission)


def test_inactive_or_deleted_access_key_is_refused() -> None:
    iam = clients.client("iam", REGION)
    iam.create_user(UserName="reader")
    iam.put_user_policy(
        UserName="reader", PolicyName="p", PolicyDocument=_document(_allow("s3:GetObject"))
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    names = {"UserName": "reader", "AccessKeyId": key["AccessKeyId"]}
    held = clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"], "")
    s3, sagemaker = (clients.client(one, REGION, held) for one in ("s3", "sagemaker"))
    assert s3.get_object(Bucket="books", Key="a/1")["Body"].read() == b"1"
    iam.update_access_key(**names, Status="Inactive")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.get_object(Bucket="books", Key="a/1")
    iam.delete_access_key(**names)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        sagemaker.list_training_jobs()  # which the administrator could
    assert iam.list_access_keys(UserName="reader")["AccessKeyMetadata"] == []
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*PermissionsBoundary"):
        iam.create_user(UserName="bounded", PermissionsBoundary=_arn("any"))


def test_missing_object_is_reported_only_with_list_permission() -> None:
    reads = _allow("s3:GetObject")
    with pytest.raises(ClientError, match="s3:ListBucket"):
        _as(_role(reads), "s3").get_object(Bucket="books", Key="none")
    with pytest.raises(ClientError, match="NoSuchKey"):
        _as(_role(reads, _allow("s3:ListBucket")), "s3").get_object(Bucket="books", Key="none")


def test_assume_role_requires_trust_and_permission() -> None:
    closed = _role(principal={"Service": "lambda.amazonaws.com"})
    with pytest.raises(ClientError, match=r"AccessDenied.*sts:AssumeRole"):
        _as(closed, "s3")
    first, second = _role(), _role()
    with pytest.raises(ClientError, match="no identity-based policy allows the sts:AssumeRole"):
        _as(first, "sts").assume_role(RoleArn=_arn(second), RoleSessionName="me")
    may = _role(_allow("sts:AssumeRole", on=_arn(second)))
    _as(may, "sts").assume_role(RoleArn=_arn(second), RoleSessionName="me")


def test_pass_role_requires_permission_for_the_service() -> None:
    passed = _role(principal={"Service": "lambda.amazonaws.com"})
    job = _allow("lambda:CreateFunction")
    arguments = {
        **{"FunctionName": "f", "Runtime": "python3.11", "Handler": "a.b", "Role": _arn(passed)},
        "Code": {"ZipFile": b"no archive"},
    }
    for service in ("sagemaker", None):
        condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        grant = [_allow("iam:PassRole", Condition=condition)] if service else []
        with pytest.raises(ClientError, match=f"iam:PassRole on resource: {_arn(passed)}"):
            _as(_role(job, *grant), "lambda").create_function(**arguments)
    condition = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    grant = [_allow("iam:PassRole", on=_arn(passed), Condition=condition)]
    with pytest.raises(ClientError, match="unzip"):  # what it hands over is bad, and it may
        _as(_role(job, *grant), "lambda").create_function(**arguments)


def test_boundaries_and_session_policies_restrict() -> None:
    reads, lists = _allow("s3:GetObject"), _allow("s3:ListBucket")
    boundary = clients.client("iam", REGION).create_policy(
        PolicyName="boundary", PolicyDocument=_document(reads)
    )["Policy"]["Arn"]
    bounded = _as(_role(reads, lists, PermissionsBoundary=boundary), "s3")
    sessioned = _as(_role(reads, lists), "s3", Policy=_document(reads))
    for s3, kind in ((bounded, "permissions boundary"), (sessioned, "session policy")):
        assert s3.get_object(Bucket="books", Key="a/1")["Body"].read() == b"1"
        with pytest.raises(ClientError, match=f"no {kind} allows the s3:ListBucket"):
            s3.list_objects_v2(Bucket="books")


def test_deleted_boundary_allows_nothing() -> None:
    iam = clients.client("iam", REGION)
    boundary = iam.create_policy(PolicyName="gone", PolicyDocument=_document(_allow("*")))
    arn = boundary["Policy"]["Arn"]
    bounded = _as(_role(_allow("s3:GetObject"), PermissionsBoundary=arn), "s3")
    assert bounded.get_object(Bucket="books", Key="a/1")["Body"].read() == b"1"
    iam.delete_policy(PolicyArn=arn)
    with pytest.raises(ClientError, match="no permissions boundary allows the s3:GetObject"):
        bounded.get_object(Bucket="books", Key="a/1")


def test_policies_that_aws_manages_cannot_be_changed(tally: Tally) -> None:
    policy = {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    limited, owner = _as(_role(_allow("iam:*")), "iam"), clients.client("iam", REGION)
    version = owner.get_policy(**policy)["Policy"]["DefaultVersionId"]
    everything = _document(_allow("*"))
    changes: dict[str, dict[str, Any]] = {
        "create_policy_version": {"PolicyDocument": everything, "SetAsDefault": True},
        "set_default_policy_version": {"VersionId": "v1"},
        "delete_policy_version": {"VersionId": "v1"},
        "delete_policy": {},
        "tag_policy": {"Tags": [{"Key": "a", "Value": "b"}]},
    }
    for iam in (limited, owner):
        for name, more in changes.items():
            with pytest.raises(ClientError, match="which AWS manages"):
                getattr(iam, name)(**policy, **more)
            tally("inputs tried", "changes of AWS's managed policies")
    assert owner.get_policy(**policy)["Policy"]["DefaultVersionId"] == version


def test_unknown_elements_are_never_allowed() -> None:
    everything = _role(_allow("*"))
    for s3 in (_as(everything, "s3"), clients.client("s3", REGION)):
        with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*s3:DeleteBucketRepl"):
            s3.delete_bucket_replication(Bucket="books")
    strange = _allow("s3:GetObject", Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}})
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*aws:PrincipalTag/a"):
        _as(_role(strange), "s3").get_object(Bucket="books", Key="a/1")
    sts = clients.client("sts", REGION)
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*GetSessionToken"):
        sts.get_session_token()
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*GetFederationToken"):
        sts.get_federation_token(Name="me")
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*PolicyArns"):
        _as(everything, "s3", PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])


def test_workshop_managed_policies_allow_reading_objects() -> None:
    s3 = clients.client("s3", REGION)
    s3.create_bucket(Bucket="my-sagemaker-bucket")
    s3.put_object(Bucket="my-sagemaker-bucket", Key="k", Body=b"2")
    iam = clients.client("iam", REGION)
    for others, bucket, key in (
        ([], "my-sagemaker-bucket", "k"),  # of that name the policy itself lets in
        (["AmazonS3FullAccess", "AWSLambda_FullAccess"], "books", "a/1"),
        (["AdministratorAccess"], "books", "a/1"),
    ):
        role = _role()
        for name in ("AmazonSageMakerFullAccess", *others):
            iam.attach_role_policy(RoleName=role, PolicyArn=f"arn:aws:iam::aws:policy/{name}")
        mine = _as(role, "s3")
        mine.head_object(Bucket=bucket, Key=key)
        mine.get_object(Bucket=bucket, Key=key)
        mine.copy_object(Bucket="my-sagemaker-bucket", Key="n", CopySource=f"{bucket}/{key}")
    role = _role()
    iam.attach_role_policy(
        RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        _as(role, "s3").get_object(Bucket="books", Key="a/1")


def test_object_tags_control_access_by_version() -> None:
    s3 = clients.client("s3", REGION)
    s3.create_bucket(Bucket="tagged")
    s3.put_bucket_versioning(Bucket="tagged", VersioningConfiguration={"Status": "Enabled"})
    versions = {
        tag: s3.put_object(Bucket="tagged", Key="k", Body=tag.encode(), Tagging=f"SageMaker={tag}")[
            "VersionId"
        ]
        for tag in ("false", "TRUE")
    }
    condition = {"StringEqualsIgnoreCase": {"s3:ExistingObjectTag/SageMaker": "true"}}
    role = _role(
        _allow("s3:GetObject", "s3:GetObjectVersion", Condition=condition),
        _allow("s3:PutObject", "s3:PutObjectTagging", "s3:GetObjectVersionTagging"),
    )
    mine = _as(role, "s3")
    assert mine.get_object(Bucket="tagged", Key="k")["Body"].read() == b"TRUE"
    newer = {"Bucket": "tagged", "Key": "k", "VersionId": versions["TRUE"]}
    older = {**newer, "VersionId": versions["false"]}
    assert mine.get_object(**newer)["Body"].read() == b"TRUE"
    mine.copy_object(Bucket="books", Key="copied", CopySource=newer)
    for operation, parameters in (
        ("get_object", older),
        ("copy_object", {"Bucket": "books", "Key": "copied", "CopySource": older}),
        ("get_object", {"Bucket": "books", "Key": "a/1"}),  # without a tag
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(mine, operation)(**parameters)


def test_copy_of_a_tagged_object_needs_its_tags_to_be_read_and_written() -> None:
    s3 = clients.client("s3", REGION)
    s3.put_object(Bucket="books", Key="labelled", Body=b"1", Tagging="a=b")
    place, copy = "arn:aws:s3:::books/labelled", "arn:aws:s3:::books/labelled-copy"
    objects = _allow("s3:GetObject", "s3:PutObject")
    reads = _allow("s3:GetObjectTagging", on=place)
    writes = _allow("s3:PutObjectTagging", on=copy)
    request = {"Bucket": "books", "Key": "labelled-copy", "CopySource": "books/labelled"}
    for granted, missing in (
        ((objects,), "GetObjectTagging"),
        ((objects, reads), "PutObjectTagging"),
        ((objects, writes), "GetObjectTagging"),
    ):
        mine = _as(_role(*granted), "s3")
        with pytest.raises(ClientError, match=f"not authorized to perform: s3:{missing} on"):
            mine.copy_object(**request)
        mine.copy_object(**request | {"CopySource": "books/a/1"})  # has no tags
        mine.copy_object(**request, TaggingDirective="REPLACE")
    _as(_role(objects, reads, writes), "s3").copy_object(**request)


def test_secret_tags_and_service_names_are_condition_keys() -> None:
    secrets = clients.client("secretsmanager", REGION)
    for name, tag in (("open", "true"), ("closed", "false")):
        secrets.create_secret(
            Name=name, SecretString="x", Tags=[{"Key": "SageMaker", "Value": tag}]
        )
    role = _role()
    clients.client("iam", REGION).attach_role_policy(
        RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    )
    caller = _as(role, "secretsmanager")
    found = caller.get_secret_value(SecretId="open")  # pragma: allowlist secret
    assert found["SecretString"] == "x"
    with pytest.raises(ClientError, match="AccessDenied"):
        caller.get_secret_value(SecretId="closed")  # pragma: allowlist secret
    named = {
        "StringEquals": {"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"}
    }
    linked = (
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling"
        ".amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    iam = _as(_role(_allow("iam:CreateServiceLinkedRole", on=linked, Condition=named)), "iam")
    iam.create_service_linked_role(AWSServiceName="sagemaker.application-autoscaling.amazonaws.com")
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):  # its role's name is unknown
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


def test_session_ends_with_its_role() -> None:
    role = _role()
    sagemaker, iam = _as(role, "sagemaker"), clients.client("iam", REGION)
    iam.delete_role(RoleName=role)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        sagemaker.list_training_jobs()


def test_dynamodb_batch_requires_permission_on_each_table() -> None:
    owner = clients.client("dynamodb", REGION)
    for name in ("mine", "other"):
        owner.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        )
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/mine"
    client = _as(_role(_allow("dynamodb:BatchWriteItem", on=arn)), "dynamodb")
    put = [{"PutRequest": {"Item": {"k": {"S": "a"}}}}]
    client.batch_write_item(RequestItems={"mine": put})
    assert owner.scan(TableName="mine")["Count"] == 1
    for items in ({"other": put}, {"mine": put, "other": put}):
        with pytest.raises(ClientError) as error:
            client.batch_write_item(RequestItems=items)
        assert "table/other" in _refused(error)[1]
    assert owner.scan(TableName="other")["Count"] == 0


def test_code_from_s3_requires_read_permission() -> None:
    """Else Lambda would hand out what it alone may read."""
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:code"
    runs = _role(principal={"Service": "lambda.amazonaws.com"})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("index.py", "")
    clients.client("s3", REGION).put_object(Bucket="books", Key="code", Body=archive.getvalue())
    code = {"S3Bucket": "books", "S3Key": "code"}
    may = (
        _allow("lambda:CreateFunction", "lambda:UpdateFunctionCode", on=function),
        _allow("lambda:PublishLayerVersion"),
        _allow("iam:PassRole", on=_arn(runs)),
    )
    settings = {"Runtime": "python3.14", "Handler": "index.handler", "Role": _arn(runs)}

    def create(client: Any) -> None:
        client.create_function(FunctionName="code", Code=code, **settings)

    def update(client: Any) -> None:
        client.update_function_code(FunctionName="code", **code)

    def publish(client: Any) -> None:
        client.publish_layer_version(LayerName="code", Content=code)

    blind = _as(_role(*may), "lambda")
    sees = _as(_role(*may, _allow("s3:GetObject", on="arn:aws:s3:::books/code")), "lambda")
    for call in (create, update, publish):
        with pytest.raises(ClientError, match="not authorized to perform: s3:GetObject on"):
            call(blind)
        call(sees)


def test_bucket_with_another_expected_owner_is_refused() -> None:
    s3 = clients.client("s3", REGION)
    place: dict[str, Any] = {"Bucket": "books", "Key": "a/1"}
    assert s3.get_object(**place, ExpectedBucketOwner=ACCOUNT)["ContentLength"] == 1
    copy = {"Bucket": "books", "Key": "copy", "CopySource": place}
    for call, parameters in (
        (s3.get_object, place),
        (s3.put_object, {**place, "Body": b"2"}),
        (s3.delete_object, place),
        (s3.list_objects_v2, {"Bucket": "books"}),
    ):
        with pytest.raises(ClientError) as error:
            call(**parameters, ExpectedBucketOwner="999999999999")
        assert error.value.response["Error"]["Code"] == "AccessDenied"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.copy_object(**copy, ExpectedSourceBucketOwner="999999999999")
    assert s3.get_object(**place)["Body"].read() == b"1"


def test_mfa_code_is_refused() -> None:
    device = f"arn:aws:iam::{ACCOUNT}:mfa/me"
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
        _as(_role(), "s3", SerialNumber=device, TokenCode="123456")


def test_administrator_is_a_user_of_iam() -> None:
    told = clients.client("sts", REGION).get_caller_identity()
    assert told["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/administrator"


def test_access_key_follows_its_renamed_user() -> None:
    iam = clients.client("iam", REGION)
    for name in ("ann", "eve"):
        iam.create_user(UserName=name)
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    held = clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.update_user(UserName="eve", NewUserName="ann")
    iam.update_user(UserName="eve", NewUserName="bob")
    told = clients.client("sts", REGION, held).get_caller_identity()
    assert told["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/bob"
    with pytest.raises(ClientError, match="user/bob is not authorized"):
        clients.client("s3", REGION, held).list_buckets()
    with pytest.raises(ClientError, match="DeleteConflict"):
        iam.delete_user(UserName="bob")
    iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="bob")


def test_queue_is_identified_by_its_url() -> None:
    sqs = clients.client("sqs", REGION)
    for name in ("mine", "theirs"):
        sqs.create_queue(QueueName=name)
    url = sqs.get_queue_url(QueueName="mine")["QueueUrl"]
    host = url.removesuffix(f"/{ACCOUNT}/mine")
    mine = _as(_role(_allow("sqs:SendMessage", on=f"arn:aws:sqs:{REGION}:{ACCOUNT}:mine")), "sqs")
    for place in (url, "mine", f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/mine"):
        assert mine.send_message(QueueUrl=place, MessageBody="1")["MessageId"]
    for place in (f"{host}/{ACCOUNT}/theirs", "theirs", f"{url}/../theirs", f"{host}/mine/theirs"):
        with pytest.raises(ClientError, match=f"not authorized to perform: sqs:Send|{_UNKNOWN}"):
            mine.send_message(QueueUrl=place, MessageBody="1")
    for client in (mine, sqs):
        with pytest.raises(ClientError, match=r"sqs:SendMessage on resource: .*:9{12}:mine"):
            client.send_message(QueueUrl=f"{host}/999999999999/mine", MessageBody="1")


def test_deny_of_a_resource_holds_for_its_other_names() -> None:
    secrets, kms = clients.client("secretsmanager", REGION), clients.client("kms", REGION)
    secret = secrets.create_secret(Name="denied", SecretString="s")["ARN"]
    clients.client("ssm", REGION).put_parameter(Name="/denied", Value="v", Type="String")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/denied", TargetKeyId=key)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/denied"
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    denied = {"Effect": "Deny", "Action": "*", "Resource": [secret, key, parameter, bus]}
    role = _role(_allow("*"), denied)
    secrets, kms, ssm = _as(role, "secretsmanager"), _as(role, "kms"), _as(role, "ssm")
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}"}
    calls: list[tuple[Any, dict[str, Any]]] = [
        (secrets.get_secret_value, {"SecretId": "denied"}),  # pragma: allowlist secret
        (secrets.get_secret_value, {"SecretId": secret[:-7]}),
        (ssm.get_parameter, {"Name": "/denied:1"}),
        (ssm.get_parameters, {"Names": [f"{parameter}:1"]}),
        (kms.encrypt, {"KeyId": "alias/denied", "Plaintext": b"x"}),
        (kms.decrypt, {"CiphertextBlob": sealed}),
        (kms.decrypt, {"CiphertextBlob": sealed, "KeyId": other}),
        (kms.delete_alias, {"AliasName": "alias/denied"}),
        (kms.update_alias, {"AliasName": "alias/denied", "TargetKeyId": other}),
        (_as(role, "events").put_events, {"Entries": [entry]}),
    ]
    for call, parameters in calls:
        with pytest.raises(ClientError, match="explicit deny"):
            call(**parameters)
    assert kms.encrypt(KeyId=other, Plaintext=b"x")["KeyId"].endswith(other)


def test_policies_of_a_user_and_its_group_hold_whatever_their_names() -> None:
    """The same names, as far as IAM allows."""
    iam = clients.client("iam", REGION)
    iam.create_user(UserName="twin")
    iam.create_group(GroupName="twin")
    iam.add_user_to_group(UserName="twin", GroupName="twin")
    denied = {**_allow("sqs:CreateQueue"), "Effect": "Deny"}
    iam.put_user_policy(UserName="twin", PolicyName="p", PolicyDocument=_document(denied))
    iam.put_group_policy(GroupName="twin", PolicyName="p", PolicyDocument=_document(_allow("*")))
    key = iam.create_access_key(UserName="twin")["AccessKey"]
    credentials = clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    sqs = clients.client("sqs", REGION, credentials)
    assert sqs.list_queues(QueueNamePrefix="none")["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(ClientError, match="explicit deny in an identity-based policy"):
        sqs.create_queue(QueueName="twins")


@pytest.mark.parametrize("by", ["vectorBucketName", "vectorBucketArn"])
def test_creation_of_an_index_is_a_call_on_the_index(by: str) -> None:
    """By whatever its bucket is named; the reference has Index as the action's only resource."""
    vectors = clients.client("s3vectors", REGION)
    name = f"indexed-{by.lower()}"
    arn = vectors.create_vector_bucket(vectorBucketName=name)["vectorBucketArn"]
    allowed = {"Effect": "Allow", "Action": "s3vectors:*", "Resource": f"{arn}/index/mine-*"}
    role = _as(_role(allowed), "s3vectors")
    index = {"dataType": "float32", "dimension": 2, "distanceMetric": "euclidean"}
    bucket = {by: arn if by.endswith("Arn") else name}
    role.create_index(indexName="mine-1", **bucket, **index)
    with pytest.raises(ClientError, match=r"index/yours because no identity-based policy"):
        role.create_index(indexName="yours", **bucket, **index)


def test_call_of_an_unknown_resource_is_refused_to_all_but_administrators() -> None:
    everything = _allow("*")
    boundary = clients.client("iam", REGION).create_policy(
        PolicyName="everything", PolicyDocument=_document(everything)
    )["Policy"]["Arn"]
    own = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    limited = (
        _as(_role(everything, {**_allow("sqs:*"), "Effect": "Deny"}), "logs"),
        _as(_role(everything, PermissionsBoundary=boundary), "logs"),
        _as(_role(everything), "logs", Policy=_document(everything)),
        _as(_role(_allow("*", Condition=own)), "logs"),
        _as(_role(_allow("logs:*")), "logs"),
        _as(_role(_allow("*", on="arn:aws:*")), "logs"),
    )
    for logs in limited:
        with pytest.raises(ClientError, match=_UNKNOWN) as error:
            logs.describe_export_tasks()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
        assert error.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    for logs in (_as(_role(everything, _allow("s3:*")), "logs"), clients.client("logs", REGION)):
        assert logs.describe_export_tasks()["exportTasks"] == []


def _victims() -> dict[str, str]:
    """Resources that a role may not touch, by their service, and the ids of others."""
    events, sns = clients.client("events", REGION), clients.client("sns", REGION)
    events.create_event_bus(Name="untouched")
    events.put_rule(Name="rule", EventBusName="untouched", EventPattern='{"source": ["a"]}')
    topic = sns.create_topic(Name="untouched")["TopicArn"]
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:untouched"
    clients.client("sqs", REGION).create_queue(QueueName="untouched")
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    kms = clients.client("kms", REGION)
    key, other = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    kms.create_alias(AliasName="alias/untouched", TargetKeyId=other)
    grant = kms.create_grant(KeyId=key, GranteePrincipal=_arn("x"), Operations=["Decrypt"])
    clients.client("dynamodb", REGION).create_table(
        TableName="untouched",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    body = {"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {}}}}
    body["Resources"]["P"]["Properties"] = {"Type": "String", "Value": "v"}
    stack = clients.client("cloudformation", REGION).create_stack(
        StackName="untouched", TemplateBody=json.dumps(body)
    )
    clients.client("ssm", REGION).put_parameter(Name="/untouched", Value="v", Type="String")
    iam = clients.client("iam", REGION)
    iam.create_user(UserName="renamed", Path="/path/")
    iam.create_group(GroupName="renamed")
    return {
        "topic": topic,
        "subscription": subscribed["SubscriptionArn"],
        "key": key,
        "other": other,
        "grant": grant["GrantId"],
        "stack": stack["StackId"],
    }


def test_deny_of_a_resource_holds_in_every_way_to_name_it(tally: Tally) -> None:
    """Parts of paths, ARNs for names, two names at once: what moto takes for the resource."""
    ids, here = _victims(), f"{REGION}:{ACCOUNT}"
    denied = [
        *(f"arn:aws:events:{here}:event-bus/untouched", ids["topic"], ids["stack"]),
        *(f"arn:aws:events:{here}:rule/untouched/rule", f"arn:aws:sqs:{here}:untouched"),
        *(f"arn:aws:kms:{here}:alias/untouched", f"arn:aws:kms:{here}:key/{ids['key']}"),
        *(f"arn:aws:dynamodb:{here}:table/untouched", f"arn:aws:ssm:{here}:parameter/untouched"),
        *(f"arn:aws:iam::{ACCOUNT}:user/path/admin", f"arn:aws:iam::{ACCOUNT}:group/admin"),
        *(f"arn:aws:lambda:{here}:function:untouched", f"arn:aws:lambda:{here}:layer:untouched:1"),
        *("arn:aws:s3:::books/untouched", f"arn:aws:events:{here}:event-bus/default"),
        *(
            f"arn:aws:logs:{here}:log-group:untouched:*",
            f"arn:aws:sagemaker:{here}:model/untouched",
        ),
    ]
    role = _role(_allow("*"), {"Effect": "Deny", "Action": "*", "Resource": denied})
    bus, table = denied[0], f"arn:aws:dynamodb:{here}:table"
    mine = clients.client("sns", REGION).create_topic(Name="mine")["TopicArn"]
    entry = {"Source": "a", "DetailType": "b", "Detail": "{}"}
    tag = {"Key": "a", "Value": "b"}
    alias = {"AliasName": "alias/untouched"}
    model = "sagemaker:{}:model/untouched"
    group = f"x/arn:aws:logs:{here}:log-group:untouched"
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("events", "disable_rule", {"Name": "rule", "EventBusName": bus}),
        ("events", "disable_rule", {"Name": "rule", "EventBusName": "x/untouched"}),
        ("events", "list_targets_by_rule", {"Rule": "rule", "EventBusName": bus}),
        ("events", "put_events", {"Entries": [entry | {"EventBusName": "x/untouched"}]}),
        ("events", "put_events", {"Entries": [entry, entry | {"EventBusName": "other"}]}),
        ("events", "disable_rule", {"Name": "rule", "EventBusName": f"x{bus}"}),
        ("events", "describe_event_bus", {"Name": "untouched"}),
        ("events", "delete_event_bus", {"Name": "untouched"}),
        ("sns", "publish", {"TopicArn": mine, "TargetArn": ids["topic"], "Message": "m"}),
        ("sns", "unsubscribe", {"SubscriptionArn": ids["subscription"]}),
        ("sqs", "receive_message", {"QueueUrl": "http://x/y/untouched"}),
        ("kms", "delete_alias", alias),
        ("kms", "update_alias", alias | {"TargetKeyId": ids["other"]}),
        ("kms", "retire_grant", {"KeyId": ids["other"], "GrantId": ids["grant"]}),
        ("dynamodb", "tag_resource", {"ResourceArn": f"{table}/x/untouched", "Tags": [tag]}),
        ("dynamodb", "tag_resource", {"ResourceArn": f"{table}/untouched/", "Tags": [tag]}),
        ("cloudformation", "get_template", {"StackName": "untouched"}),
        ("cloudformation", "delete_stack", {"StackName": "untouched"}),
        ("ssm", "get_parameters_by_path", {"Path": "/untouched/"}),
        (
            "ssm",
            "add_tags_to_resource",
            {"ResourceType": "Parameter", "ResourceId": "/untouched", "Tags": [tag]},
        ),
        ("iam", "update_user", {"UserName": "renamed", "NewUserName": "admin"}),
        ("iam", "update_user", {"UserName": "renamed", "NewPath": "/other/"}),
        ("iam", "update_group", {"GroupName": "renamed", "NewGroupName": "admin"}),
        ("lambda", "get_layer_version", {"LayerName": "untouched", "VersionNumber": 1}),
        ("lambda", "list_tags", {"Resource": "untouched"}),
        (
            "lambda",
            "update_function_configuration",
            {"FunctionName": "f", "Layers": [f"arn:aws:lambda:{here}:layer:untouched:1"]},
        ),
        ("s3", "get_object_attributes", {"Bucket": "books", "Key": "untouched"}),
        ("logs", "filter_log_events", {"logGroupIdentifier": group}),
        *(
            ("sagemaker", "add_tags", {"ResourceArn": arn, "Tags": [tag]})
            for arn in (
                f"arn:aws-cn:{model.format(here)}",
                f"arn:aws:{model.format(f':{ACCOUNT}')}",
                f"arn:aws:{model.format(f'{REGION}:')}",
            )
        ),
    ]
    for service, operation, parameters in calls:
        attributes = {"ObjectAttributes": ["ETag"]} if "attributes" in operation else {}
        with pytest.raises(ClientError, match=f"explicit deny|{_UNKNOWN}"):
            getattr(_as(role, service), operation)(**parameters, **attributes)
        tally("inputs tried", "names of resources that a policy denies")


def test_upload_in_parts_is_of_one_key_alone() -> None:
    """moto finds it by its id, and lets who may write one key complete another."""
    s3 = clients.client("s3", REGION)
    upload = s3.create_multipart_upload(Bucket="books", Key="theirs")["UploadId"]
    mine = {"Bucket": "books", "Key": "mine/1", "UploadId": upload}
    role = _as(_role(_allow("s3:*", on="arn:aws:s3:::books/mine/*")), "s3")
    for call, parameters in (
        (role.list_parts, {}),
        (role.upload_part, {"PartNumber": 1, "Body": b"1"}),
        (role.complete_multipart_upload, {"MultipartUpload": {"Parts": []}}),
        (role.abort_multipart_upload, {}),
    ):
        with pytest.raises(ClientError, match="NoSuchUpload"):
            call(**mine, **parameters)
    assert s3.list_multipart_uploads(Bucket="books")["Uploads"][0]["Key"] == "theirs"


@pytest.mark.parametrize("service", ["lambda", "stepfunctions"])
def test_version_is_named_in_a_function_s_arn_and_not_in_a_state_machine_s(service: str) -> None:
    here = f"{REGION}:{ACCOUNT}"
    calls: list[tuple[str, dict[str, Any]]]
    if service == "lambda":
        denied = f"arn:aws:lambda:{here}:function:versioned:live"
        calls = [
            ("invoke", {"FunctionName": "versioned", "Qualifier": "live"}),
            ("invoke", {"FunctionName": "versioned:live"}),
            ("get_function", {"FunctionName": f"{ACCOUNT}:versioned", "Qualifier": "live"}),
        ]
    else:
        denied = f"arn:aws:states:{here}:stateMachine:versioned"
        calls = [("start_execution", {"stateMachineArn": f"{denied}:1"})]
    role = _role(_allow("*"), {"Effect": "Deny", "Action": "*", "Resource": denied})
    for operation, parameters in calls:
        with pytest.raises(ClientError, match="explicit deny"):
            getattr(_as(role, service), operation)(**parameters)


def test_key_of_an_object_is_never_read_as_an_arn() -> None:
    s3 = _as(_role(_allow("s3:*", on="arn:aws:s3:::mine/*")), "s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="books", Key="arn:aws:s3:::mine/key", Body=b"")


def test_object_s_attributes_need_its_reading() -> None:
    s3 = _as(_role(_allow("s3:GetObjectAttributes")), "s3")
    with pytest.raises(ClientError, match="s3:GetObject on resource"):
        s3.get_object_attributes(Bucket="books", Key="a/1", ObjectAttributes=["ETag"])


def test_version_s_attributes_need_the_actions_of_versions() -> None:
    admin, asked = clients.client("s3", REGION), {"Bucket": "attributes", "Key": "k"}
    admin.create_bucket(Bucket="attributes")
    admin.put_bucket_versioning(Bucket="attributes", VersioningConfiguration={"Status": "Enabled"})
    asked |= {"VersionId": admin.put_object(**asked)["VersionId"]}
    own = ("s3:GetObjectVersion", "s3:GetObjectVersionAttributes")
    for allowed, missing in (
        (("s3:GetObject", "s3:GetObjectAttributes"), "s3:GetObjectVersionAttributes"),
        ((*own[:1], "s3:GetObject"), own[1]),
        ((*own[1:], "s3:GetObject"), own[0]),
    ):
        with pytest.raises(ClientError, match=f"{missing} on resource"):
            _as(_role(_allow(*allowed)), "s3").get_object_attributes(
                **asked, ObjectAttributes=["ETag"]
            )
    found = _as(_role(_allow(*own)), "s3").get_object_attributes(**asked, ObjectAttributes=["ETag"])
    assert found["VersionId"] == asked["VersionId"]


def test_user_reads_itself_without_its_name() -> None:
    iam = clients.client("iam", REGION)
    mine = iam.create_user(UserName="itself", Path="/own/")["User"]["Arn"]
    key = iam.create_access_key(UserName="itself")["AccessKey"]
    me = clients.client(
        "iam", REGION, clients.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    )
    policy = {"UserName": "itself", "PolicyName": "p"}
    iam.put_user_policy(
        **policy, PolicyDocument=_document(_allow("iam:GetUser", on=f"{mine}-other"))
    )
    with pytest.raises(ClientError, match=f"iam:GetUser on resource: {mine} "):
        me.get_user()
    iam.put_user_policy(**policy, PolicyDocument=_document(_allow("iam:GetUser", on=mine)))
    assert me.get_user()["User"]["Arn"] == mine
    with pytest.raises(ClientError, match="Must specify userName"):
        _as(_role(_allow("iam:GetUser")), "iam").get_user()


def test_rule_of_a_bus_needs_permission_on_its_own_arn_alone() -> None:
    clients.client("events", REGION).create_event_bus(Name="allowed")
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/allowed"
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/allowed/rule"
    events = _as(_role(_allow("events:PutRule", on=rule)), "events")
    for name in ("allowed", bus):
        events.put_rule(Name="rule", EventBusName=name, EventPattern='{"source": ["a"]}')
    for name in ("default", "other"):
        with pytest.raises(ClientError, match="AccessDenied"):
            events.put_rule(Name="rule", EventBusName=name, EventPattern='{"source": ["a"]}')


def test_secret_needs_its_permission_through_every_call_that_reads_it() -> None:
    clients.client("secretsmanager", REGION).create_secret(Name="read", SecretString="s")
    ssm = _as(_role(_allow("ssm:*")), "ssm")
    name = "/aws/reference/secretsmanager/read"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
    calls: list[tuple[Any, dict[str, Any]]] = [
        (ssm.get_parameter, {"Name": name, "WithDecryption": True}),
        (ssm.get_parameters, {"Names": [name], "WithDecryption": True}),
        (ssm.get_parameter, {"Name": f"{parameter}{name}", "WithDecryption": True}),
        (ssm.get_parameters, {"Names": [f"{parameter}{name}"], "WithDecryption": True}),
    ]
    for call, parameters in calls:
        with pytest.raises(ClientError, match="secretsmanager:GetSecretValue"):
            call(**parameters)


def test_import_of_a_table_needs_each_of_its_objects() -> None:
    s3 = clients.client("s3", REGION)
    for key in ("tables/a", "tables/hidden/b"):
        s3.put_object(Bucket="books", Key=key, Body=b'{"Item": {"id": {"S": "1"}}}')
    hidden = {
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::books/tables/hidden/*",
    }
    with pytest.raises(ClientError, match="tables/hidden/b"):
        _as(_role(_allow("*"), hidden), "dynamodb").import_table(
            S3BucketSource={"S3Bucket": "books", "S3KeyPrefix": "tables/"},
            InputFormat="DYNAMODB_JSON",
            TableCreationParameters={
                "TableName": "imported",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
