"""Policies of queues, topics, keys, secrets, repositories and event buses."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.iam import keys
from local_aws.server import LocalAws
from local_aws_tests.deliveries import admit
from tests.reliability import Tally

REGION = "us-east-1"
ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
HERE = f"{REGION}:{ACCOUNT}"
_numbers = itertools.count()
Statement = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        yield


def _client(service: str) -> Any:
    return clients.client(service, REGION)


def _statement(effect: str, *actions: str, on: str = "*", **more: Any) -> Statement:
    return {"Effect": effect, "Action": list(actions), "Resource": on, **more}


def _document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _role(*statements: Statement) -> tuple[str, clients.Credentials]:
    """A role's ARN, and the credentials of a session of it."""
    name, iam = f"role-{next(_numbers)}", _client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(*statements))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    held = _client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return arn, clients.Credentials(*(held[name] for name in names))


# A resource's ARN, a call of it, and the storing of its policy
Guarded = tuple[str, Callable[[Any], Any], Callable[[str], Any]]


def _queue(name: str) -> Guarded:
    url = _client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return (
        f"arn:aws:sqs:{HERE}:{name}",
        lambda client: client.send_message(QueueUrl=url, MessageBody="m"),
        lambda policy: _client("sqs").set_queue_attributes(
            QueueUrl=url, Attributes={"Policy": policy}
        ),
    )


def _topic(name: str) -> Guarded:
    arn = _client("sns").create_topic(Name=name)["TopicArn"]
    return (
        arn,
        lambda client: client.publish(TopicArn=arn, Message="m"),
        lambda policy: _client("sns").set_topic_attributes(
            TopicArn=arn, AttributeName="Policy", AttributeValue=policy
        ),
    )


def _secret(name: str) -> Guarded:
    arn = _client("secretsmanager").create_secret(Name=name, SecretString="s")["ARN"]
    return (
        arn,
        lambda client: client.get_secret_value(SecretId=name),
        lambda policy: _client("secretsmanager").put_resource_policy(
            SecretId=name, ResourcePolicy=policy
        ),
    )


def _repository(name: str) -> Guarded:
    _client("ecr").create_repository(repositoryName=name)
    return (
        f"arn:aws:ecr:{HERE}:repository/{name}",
        lambda client: client.list_images(repositoryName=name),
        lambda policy: _client("ecr").set_repository_policy(repositoryName=name, policyText=policy),
    )


def _bus(name: str) -> Guarded:
    _client("events").create_event_bus(Name=name)
    entry = {"Source": "s", "DetailType": "d", "Detail": "{}", "EventBusName": name}
    return (
        f"arn:aws:events:{HERE}:event-bus/{name}",
        lambda client: client.put_events(Entries=[entry]),
        lambda policy: _client("events").put_permission(EventBusName=name, Policy=policy),
    )


GUARDED = {
    "sqs": (_queue, "sqs:SendMessage"),
    "sns": (_topic, "sns:Publish"),
    "secretsmanager": (_secret, "secretsmanager:GetSecretValue"),
    "ecr": (_repository, "ecr:ListImages"),
    "events": (_bus, "events:PutEvents"),
}


def _own(service: str, statement: Statement) -> str:
    """A policy of a resource; those of repositories have no Resource."""
    kept = {name: value for name, value in statement.items() if name != "Resource"}
    return _document(kept if service == "ecr" else {"Sid": "s", **statement})


@pytest.mark.parametrize("service", GUARDED)
def test_resource_policy_allows_and_denies(service: str, tally: Tally) -> None:
    make, action = GUARDED[service]
    arn, call, store = make(f"{service}-guarded")
    role, without = _role()
    _, allowed = _role(_statement("Allow", action))
    mine = clients.client(service, REGION, without)
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        call(mine)
    store(_own(service, _statement("Allow", action, on=arn, Principal={"AWS": role})))
    call(mine)
    store(_own(service, _statement("Deny", action, on=arn, Principal="*")))
    for credentials in (without, allowed, clients.OWNER):
        with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
            call(clients.client(service, REGION, credentials))
    tally("inputs tried", "policies of resources", 3)


@pytest.mark.parametrize("service", GUARDED)
def test_malformed_resource_policy_is_refused(service: str, tally: Tally) -> None:
    _, call, store = GUARDED[service][0](f"{service}-malformed")
    for policy in ("{", "[1]", '{"Statement": [{"Effect": "deny"}]}', "[" * 9_000):
        with pytest.raises(ClientError) as error:
            store(policy)
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        call(_client(service))
        tally("inputs tried", "policies of resources")


def _key(*statements: Statement) -> dict[str, Any]:
    policy = {"Policy": _document(*statements)} if statements else {}
    made: dict[str, Any] = _client("kms").create_key(**policy)["KeyMetadata"]
    return made


def test_key_is_used_only_as_its_policy_allows() -> None:
    role, without = _role()
    _, allowed = _role(_statement("Allow", "kms:*"))
    manage = _statement("Allow", "kms:PutKeyPolicy", Principal={"AWS": ROOT})
    use = _statement("Allow", "kms:Encrypt", Principal={"AWS": role})
    default, own = _key()["KeyId"], _key(manage, use)["KeyId"]

    def encrypt(credentials: clients.Credentials, key: str) -> None:
        clients.client("kms", REGION, credentials).encrypt(KeyId=key, Plaintext=b"p")

    encrypt(allowed, default)  # whose policy leaves it to identity policies
    encrypt(without, own)
    with pytest.raises(ClientError, match="no identity-based policy allows the kms:Encrypt"):
        encrypt(without, default)
    for credentials in (allowed, clients.OWNER):
        with pytest.raises(ClientError, match="no resource-based policy allows the kms:Encrypt"):
            encrypt(credentials, own)


def test_reencryption_needs_the_permissions_of_both_keys() -> None:
    kms = _client("kms")
    free, locked = _key()["KeyId"], _key()["KeyId"]
    of_free, of_locked = (
        kms.encrypt(KeyId=key, Plaintext=b"p")["CiphertextBlob"] for key in (free, locked)
    )
    manage = _statement("Allow", "kms:PutKeyPolicy", Principal={"AWS": ROOT})
    kms.put_key_policy(KeyId=locked, PolicyName="default", Policy=_document(manage))
    with pytest.raises(ClientError, match="allows the kms:ReEncryptTo action"):
        kms.re_encrypt(CiphertextBlob=of_free, DestinationKeyId=locked)
    for more in ({}, {"SourceKeyId": free}):
        with pytest.raises(ClientError, match="allows the kms:ReEncryptFrom action"):
            kms.re_encrypt(CiphertextBlob=of_locked, DestinationKeyId=free, **more)
    kms.re_encrypt(CiphertextBlob=of_free, DestinationKeyId=free)


def test_encryption_context_is_a_condition_of_a_key() -> None:
    kms, key = _client("kms"), _key()["KeyId"]
    name = "kms:EncryptionContext:aws:logs:arn"
    given, other = {"aws:logs:arn": "one"}, {"aws:logs:arn": "two"}
    actions = ("kms:Encrypt", "kms:ReEncrypt*")
    use = _statement("Allow", *actions, Condition={"StringEquals": {name: "one"}})
    limited = clients.client("kms", REGION, _role(use)[1])
    limited.encrypt(KeyId=key, Plaintext=b"p", EncryptionContext=given)
    for wrong in ({}, {"EncryptionContext": other}):
        with pytest.raises(ClientError, match="kms:Encrypt on resource"):
            limited.encrypt(KeyId=key, Plaintext=b"p", **wrong)
    for source, destination, refused in (
        (given, other, "ReEncryptTo"),
        (other, given, "ReEncryptFrom"),
        (given, given, ""),
    ):
        sealed = kms.encrypt(KeyId=key, Plaintext=b"p", EncryptionContext=source)["CiphertextBlob"]
        call = {
            "CiphertextBlob": sealed,
            "SourceEncryptionContext": source,
            "DestinationKeyId": key,
            "DestinationEncryptionContext": destination,
        }
        if not refused:
            limited.re_encrypt(**call)
            continue
        with pytest.raises(ClientError, match=f"kms:{refused} on resource"):
            limited.re_encrypt(**call)


def test_secret_is_denied_in_batches_and_in_its_replicas() -> None:
    secrets = _client("secretsmanager")
    names = ["in-a-batch", "free"]
    for name in names:
        secrets.create_secret(Name=name, SecretString="s")
    deny = _document(_statement("Deny", "secretsmanager:GetSecretValue", Principal="*"))
    secrets.put_resource_policy(SecretId=names[0], ResourcePolicy=deny)
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        secrets.batch_get_secret_value(SecretIdList=names)
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*with Filters"):
        secrets.batch_get_secret_value(Filters=[{"Key": "name", "Values": names}])
    assert secrets.batch_get_secret_value(SecretIdList=names[1:])["SecretValues"]
    there = [{"Region": "eu-west-1"}]
    secrets.replicate_secret_to_regions(SecretId=names[0], AddReplicaRegions=there)
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        clients.client("secretsmanager", "eu-west-1").get_secret_value(SecretId=names[0])


@pytest.mark.parametrize("kind", ["Federated", "CanonicalUser"])
def test_principal_of_another_kind_is_no_caller(kind: str) -> None:
    role, without = _role()
    arn, send, store = _queue(f"of-a-{kind.lower()}")
    for name in ("*", role):
        store(_document(_statement("Allow", "sqs:*", on=arn, Principal={kind: name})))
        with pytest.raises(ClientError, match="no identity-based policy allows"):
            send(clients.client("sqs", REGION, without))


def test_key_policy_that_locks_its_caller_out_is_refused() -> None:
    key = _key()["KeyId"]
    deny = _statement("Deny", "kms:*", Principal="*")
    with pytest.raises(ClientError, match="will not allow you to update the key policy"):
        _client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=_document(deny))
    _client("kms").encrypt(KeyId=key, Plaintext=b"p")


@pytest.mark.parametrize("by", ["request", "bucket"])
def test_objects_of_a_key_need_its_permissions(by: str) -> None:
    s3, key = _client("s3"), _key()["Arn"]
    bucket = f"encrypted-by-{by}"
    s3.create_bucket(Bucket=bucket)
    more = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    if by == "bucket":
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": rule}]
            },
        )
        more = {}
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret", **more)
    through = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    objects = _statement("Allow", "s3:*")
    own = [_statement("Allow", f"kms:{one}", on=key, Condition=through) for one in _USES]
    plain, reader, writer, both = (
        clients.client("s3", REGION, _role(objects, *granted)[1])
        for granted in ((), own[:1], own[1:], own)
    )
    source = {"Bucket": bucket, "Key": "k"}
    for client in (plain, writer):
        with pytest.raises(ClientError, match="kms:Decrypt on resource"):
            client.get_object(**source)
    assert reader.get_object(**source)["Body"].read() == b"secret"
    for client in (plain, reader):
        with pytest.raises(ClientError, match="kms:GenerateDataKey on resource"):
            client.put_object(**source, Body=b"other", **more)
    writer.put_object(**source, Body=b"other", **more)
    with pytest.raises(ClientError, match="kms:Decrypt on resource"):
        writer.copy_object(Bucket=bucket, Key="copy", CopySource=source, **more)
    with pytest.raises(ClientError, match="kms:Decrypt on resource"):
        writer.create_multipart_upload(Bucket=bucket, Key="parts", **more)
    both.copy_object(Bucket=bucket, Key="copy", CopySource=source, **more)
    upload = both.create_multipart_upload(Bucket=bucket, Key="parts", **more)["UploadId"]
    part = {"Bucket": bucket, "Key": "parts", "UploadId": upload, "PartNumber": 1, "Body": b"p"}
    with pytest.raises(ClientError, match="kms:GenerateDataKey on resource"):
        reader.upload_part(**part)
    both.upload_part(**part)
    plain.put_object(Bucket=bucket, Key="own", Body=b"plain", ServerSideEncryption="AES256")
    assert plain.get_object(Bucket=bucket, Key="own")["Body"].read() == b"plain"


_USES = ("Decrypt", "GenerateDataKey")


def test_services_read_objects_of_a_key_only_for_callers_who_may() -> None:
    s3, key = _client("s3"), _key()["Arn"]
    s3.create_bucket(Bucket="encrypted-code")
    told = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    s3.put_object(Bucket="encrypted-code", Key="code.zip", Body=b"code", **told)
    granted = _statement("Allow", "s3:*", "lambda:*", "dynamodb:*")
    _, plain = _role(granted)
    with pytest.raises(ClientError, match="kms:Decrypt on resource"):
        clients.client("lambda", REGION, plain).update_function_code(
            FunctionName="absent", S3Bucket="encrypted-code", S3Key="code.zip"
        )
    with pytest.raises(ClientError, match="kms:Decrypt on resource"):
        clients.client("s3", REGION, plain).get_object_attributes(
            Bucket="encrypted-code", Key="code.zip", ObjectAttributes=["Checksum"]
        )
    through = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
    decrypt = _statement("Allow", "kms:Decrypt", on=key, Condition=through)
    reader = clients.client("lambda", REGION, _role(granted, decrypt)[1])
    with pytest.raises(ClientError, match="Function not found"):
        reader.update_function_code(
            FunctionName="absent", S3Bucket="encrypted-code", S3Key="code.zip"
        )


def _via(service: str, *actions: str, key: str) -> Statement:
    through = {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
    actions = tuple(f"kms:{action}" for action in actions)
    return _statement("Allow", *actions, on=key, Condition=through)


# A call that uses a key, and what its caller needs of that
Encrypted = tuple[Callable[[Any], Any], tuple[str, ...]]


def _encrypted_queue(key: str) -> list[Encrypted]:
    attributes = {"KmsMasterKeyId": key}
    url = _client("sqs").create_queue(QueueName="sealed", Attributes=attributes)["QueueUrl"]
    entry = {"Id": "1", "MessageBody": "m"}
    return [
        (lambda sqs: sqs.send_message(QueueUrl=url, MessageBody="m"), _USES),
        (lambda sqs: sqs.send_message_batch(QueueUrl=url, Entries=[entry]), _USES),
        (lambda sqs: sqs.receive_message(QueueUrl=url), ("Decrypt",)),
    ]


def _encrypted_topic(key: str) -> list[Encrypted]:
    attributes = {"KmsMasterKeyId": key}
    arn = _client("sns").create_topic(Name="sealed", Attributes=attributes)["TopicArn"]
    return [(lambda sns: sns.publish(TopicArn=arn, Message="m"), _USES)]


def _encrypted_table(key: str) -> list[Encrypted]:
    def create(dynamodb: Any, name: str = "other") -> None:
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
        )

    create(_client("dynamodb"), "sealed")
    item = {"k": {"S": "a"}}
    batch = {"sealed": [{"PutRequest": {"Item": item}}]}
    return [
        (lambda dynamodb: dynamodb.put_item(TableName="sealed", Item=item), ("Decrypt",)),
        (lambda dynamodb: dynamodb.batch_write_item(RequestItems=batch), ("Decrypt",)),
        (lambda dynamodb: dynamodb.get_item(TableName="sealed", Key=item), ("Decrypt",)),
        (lambda dynamodb: dynamodb.scan(TableName="sealed"), ("Decrypt",)),
        (create, ("CreateGrant", "DescribeKey", "GenerateDataKey")),
    ]


def _encrypted_bus(key: str) -> list[Encrypted]:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
    actions = ("kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt")
    use = _statement("Allow", *actions, Principal={"Service": "events.amazonaws.com"})
    every = _statement("Allow", "kms:*", Principal={"AWS": ROOT})
    _client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=_document(every, use))
    bus = {"EventBusName": "sealed"}
    _client("events").create_event_bus(Name="sealed", KmsKeyIdentifier=key)
    queue = {"Id": "q", "Arn": f"arn:aws:sqs:{HERE}:absent"}
    managing = (
        *("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKeyWithoutPlaintext"),
        *("ReEncryptFrom", "ReEncryptTo"),
    )
    return [
        (
            lambda events: events.update_event_bus(Name="sealed", KmsKeyIdentifier=key),
            managing,
        ),
        (lambda events: events.create_event_bus(Name="new", KmsKeyIdentifier=key), managing),
        (
            lambda events: events.put_rule(Name="r", EventPattern='{"source": ["s"]}', **bus),
            ("Decrypt",),
        ),
        (lambda events: events.put_targets(Rule="r", Targets=[queue], **bus), ("Decrypt",)),
        (lambda events: events.describe_rule(Name="r", **bus), ("Decrypt",)),
        (lambda events: events.list_rules(**bus), ("Decrypt",)),
        (lambda events: events.list_targets_by_rule(Rule="r", **bus), ("Decrypt",)),
    ]


def _encrypted_secret(key: str) -> list[Encrypted]:
    _client("secretsmanager").create_secret(Name="sealed", SecretString="s", KmsKeyId=key)
    return [
        (lambda secrets: secrets.get_secret_value(SecretId="sealed"), ("Decrypt",)),
        (lambda secrets: secrets.put_secret_value(SecretId="sealed", SecretString="t"), _USES),
        (
            lambda secrets: secrets.create_secret(Name="other", SecretString="s", KmsKeyId=key),
            _USES,
        ),
    ]


def _encrypted_parameter(key: str) -> list[Encrypted]:
    def put(ssm: Any, name: str = "/sealed/b") -> None:
        ssm.put_parameter(Name=name, Value="s", Type="SecureString", KeyId=key)

    put(_client("ssm"), "/sealed/a")
    read = {"WithDecryption": True}
    return [
        (lambda ssm: ssm.get_parameter(Name="/sealed/a", **read), ("Decrypt",)),
        (lambda ssm: ssm.get_parameters(Names=["/sealed/a"], **read), ("Decrypt",)),
        (lambda ssm: ssm.get_parameters_by_path(Path="/sealed", **read), ("Decrypt",)),
        (put, ("Encrypt",)),
    ]


def _encrypted_vectors(key: str) -> list[Encrypted]:
    vectors, index = _client("s3vectors"), {"vectorBucketName": "sealed", "indexName": "index"}
    configuration = {"sseType": "aws:kms", "kmsKeyArn": key}
    vectors.create_vector_bucket(vectorBucketName="sealed", encryptionConfiguration=configuration)
    vectors.create_index(**index, dataType="float32", dimension=1, distanceMetric="euclidean")
    one = {"key": "k", "data": {"float32": [1.0]}}
    return [
        (lambda client: client.put_vectors(**index, vectors=[one]), _USES),
        (lambda client: client.get_vectors(**index, keys=["k"]), ("Decrypt",)),
    ]


def _encrypted_notebook(key: str) -> list[Encrypted]:
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    _client("iam").create_role(RoleName="sealing", AssumeRolePolicyDocument=_document(trust))
    return [
        (
            lambda client: client.create_notebook_instance(
                NotebookInstanceName="sealed",
                InstanceType="ml.t3.medium",
                RoleArn=f"arn:aws:iam::{ACCOUNT}:role/sealing",
                KmsKeyId=key,
            ),
            ("CreateGrant",),
        ),
        (_process_on_a_volume(key), ("CreateGrant",)),
    ]


def _process_on_a_volume(key: str) -> Callable[[Any], Any]:
    image = f"683313688378.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
    return lambda client: client.create_processing_job(
        ProcessingJobName="sealed",
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/sealing",
        AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["true"]},
        ProcessingResources={"ClusterConfig": {**cluster, "VolumeKmsKeyId": key}},
    )


@pytest.mark.parametrize("several", [False, True])
def test_key_of_a_tuning_jobs_volumes_is_found(several: bool) -> None:
    key = _key()["Arn"]
    one = {"ResourceConfig": {"VolumeKmsKeyId": key}}
    plain = {"ResourceConfig": {"InstanceType": "ml.m5.large"}}
    params: dict[str, Any] = {"TrainingJobDefinition": one}
    if several:
        params = {"TrainingJobDefinitions": [plain, one]}
    uses = keys.of_call("sagemaker", "CreateHyperParameterTuningJob", params, ACCOUNT, REGION)
    assert [(use.action, use.key) for use in uses] == [("kms:CreateGrant", key)]


@pytest.mark.parametrize(
    ("service", "make"),
    [
        ("sqs", _encrypted_queue),
        ("sns", _encrypted_topic),
        ("dynamodb", _encrypted_table),
        ("events", _encrypted_bus),
        ("secretsmanager", _encrypted_secret),
        ("ssm", _encrypted_parameter),
        ("s3vectors", _encrypted_vectors),
        ("sagemaker", _encrypted_notebook),
    ],
)
def test_key_of_a_service_is_used_only_for_callers_who_may(
    service: str, make: Callable[[str], list[Encrypted]], tally: Tally
) -> None:
    key = _key()["Arn"]
    calls = make(key)
    granted = _statement("Allow", f"{service}:*", "iam:PassRole")
    plain = clients.client(service, REGION, _role(granted)[1])
    manage = _statement("Allow", "kms:PutKeyPolicy", Principal={"AWS": ROOT})
    for call, needed in calls:
        with pytest.raises(ClientError, match=f"kms:({'|'.join(needed)}) on resource: {key}"):
            call(plain)
        for left_out in needed:
            rest = [action for action in needed if action != left_out]
            less = _role(granted, *([_via(service, *rest, key=key)] if rest else []))[1]
            with pytest.raises(ClientError, match=f"kms:{left_out} on resource: {key}"):
                call(clients.client(service, REGION, less))
        call(clients.client(service, REGION, _role(granted, _via(service, *needed, key=key))[1]))
        tally("inputs tried", "permissions of a service's key", len(needed))
    _client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=_document(manage))
    with pytest.raises(ClientError, match="no resource-based policy allows the kms:"):
        calls[0][0](_client(service))


def test_what_a_disabled_key_encrypts_cannot_be_read() -> None:
    s3, sqs, kms = map(_client, ("s3", "sqs", "kms"))
    key = _key()["KeyId"]
    url = sqs.create_queue(QueueName="shut", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    s3.create_bucket(Bucket="shut")
    place = {"Bucket": "shut", "Key": "k"}
    s3.put_object(**place, Body=b"b", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    kms.disable_key(KeyId=key)
    refused: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: s3.get_object(**place), "KMS.DisabledException"),
        (lambda: sqs.send_message(QueueUrl=url, MessageBody="m"), "KmsDisabled"),
    )
    for call, code in refused:
        with pytest.raises(ClientError, match=code) as error:
            call()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    kms.schedule_key_deletion(KeyId=key)
    with pytest.raises(ClientError, match="pending deletion"):
        s3.get_object(**place)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert s3.get_object(**place)["Body"].read() == b"b"
    sqs.send_message(QueueUrl=url, MessageBody="m")


def test_service_reaches_a_queue_only_with_the_permission_of_its_key() -> None:
    queue, topic, publish = _queue("keyed")[0], *_topic("to-keyed")[:2]
    sqs, url = _client("sqs"), _client("sqs").get_queue_url(QueueName="keyed")["QueueUrl"]
    _client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    admit("sns", queue)
    manage = _statement("Allow", "kms:*", Principal={"AWS": ROOT})
    use = _statement("Allow", "kms:Decrypt", "kms:GenerateDataKey*")
    sender = {"Principal": {"Service": "sns.amazonaws.com"}}
    closed, open_ = _key(manage)["Arn"], _key(manage, {**use, **sender})["Arn"]

    def received(key: str) -> int:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"KmsMasterKeyId": key})
        publish(_client("sns"))
        return len(sqs.receive_message(QueueUrl=url).get("Messages", []))

    assert [received(key) for key in (closed, "alias/aws/sqs", open_)] == [0, 0, 1]


@pytest.mark.parametrize("kind", ["Queue", "Topic", "LambdaFunction"])
def test_notifications_need_the_permission_of_their_destination(kind: str) -> None:
    bucket, s3 = f"notifying-{kind.lower()}", _client("s3")
    s3.create_bucket(Bucket=bucket)
    arn = f"arn:aws:lambda:{HERE}:function:absent"
    if kind != "LambdaFunction":
        arn = (_queue if kind == "Queue" else _topic)("notified")[0]
    one = {f"{kind}Arn": arn, "Events": ["s3:ObjectCreated:*"]}
    told = {f"{kind}Configurations": [one]}
    with pytest.raises(ClientError) as error:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)
    assert error.value.response["Error"]["Code"] == "InvalidArgument"
    words = "Unable to validate the following destination configurations"
    assert words in error.value.response["Error"]["Message"]
    if kind != "LambdaFunction":
        admit("s3", arn)
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)


def test_topic_and_rule_reach_only_queues_whose_policy_permits_it() -> None:
    sqs, events = _client("sqs"), _client("events")
    topic, publish, _ = _topic("sending")
    queue, _, _ = _queue("receiving")
    url = sqs.get_queue_url(QueueName="receiving")["QueueUrl"]
    _client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    events.put_rule(Name="sending", EventPattern='{"source": ["films"]}')
    events.put_targets(Rule="sending", Targets=[{"Id": "q", "Arn": queue}])

    def received() -> int:
        publish(_client("sns"))
        events.put_events(Entries=[{"Source": "films", "DetailType": "d", "Detail": "{}"}])
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return len(found)

    assert received() == 0
    admit("sns", queue)
    assert received() == 1
    admit("events", queue)
    assert received() == 1
