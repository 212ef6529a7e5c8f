"""What is authorized is what is executed: in S3 for every operation and spelling, in the others for
every place where a request can name its operation and its parameters."""

import functools
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from moto.core.utils import camelcase_to_underscores
from moto.s3.models import S3Backend, s3_backends
from moto.s3.responses import S3Response

from local_aws import clients
from local_aws.iam import requests
from local_aws.s3.models import LocalS3Backend
from local_aws.s3.responses import LocalS3Response
from local_aws.server import LocalAws
from local_aws_tests import raw
from tests.reliability import Tally

REGION = "us-east-1"
ACCOUNT = "123456789012"
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        yield


def _role(*statements: dict[str, Any], path: str = "/") -> clients.Credentials:
    """Credentials of a new role."""
    name, iam = f"role-{next(_numbers)}", clients.client("iam", REGION)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=_document(trust))[
        "Role"
    ]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(*statements))
    session = clients.client("sts", REGION).assume_role(RoleArn=role["Arn"], RoleSessionName="me")
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return clients.Credentials(*(session["Credentials"][name] for name in names))


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(*actions: str, on: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


# --- S3

# moto's name → the operation's, in snake case, where they differ
_SPELT: Final = {
    "all_buckets": "list_buckets",
    "get_bucket_lifecycle": "get_bucket_lifecycle_configuration",
    "get_bucket_notification": "get_bucket_notification_configuration",
    "get_bucket_tags": "get_bucket_tagging",
    "put_bucket_lifecycle": "put_bucket_lifecycle_configuration",
}
# what moto asks its backend on the way to any operation
_ON_THE_WAY: Final = {"get_bucket", "get_object", "log_incoming_request", "upload"}
_POLICY: Final = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject",'
    f' "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:root"}},'
    ' "Resource": "arn:aws:s3:::exact/*"}}'
)
# bodies that moto accepts, by sub-resource
_BODIES: Final = {
    "accelerate": "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
    "cors": "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>"
    "<AllowedOrigin>a</AllowedOrigin></CORSRule></CORSConfiguration>",
    "delete": "<Delete><Object><Key>other</Key></Object></Delete>",
    "encryption": "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
    "<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    "</ServerSideEncryptionConfiguration>",
    "lifecycle": "<LifecycleConfiguration><Rule><Status>Enabled</Status></Rule>"
    "</LifecycleConfiguration>",
    "ownershipControls": "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred"
    "</ObjectOwnership></Rule></OwnershipControls>",
    "policy": _POLICY,
    "uploadId=1": "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>"
    "</CompleteMultipartUpload>",
    "publicAccessBlock": "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>"
    "</PublicAccessBlockConfiguration>",
    "restore": "<RestoreRequest><Days>1</Days></RestoreRequest>",
    "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    "versioning": "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
}


def _subresources() -> list[str]:
    """Every parameter by which botocore's model of S3 tells operations apart."""
    model = Loader().load_service_model("s3", "service-2")
    found = set()
    for operation in model["operations"].values():
        query = operation["http"]["requestUri"].partition("?")[2]
        found |= set(query.split("&")) - {""}
        shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {}
        for name in shape.get("required", ()):
            member = shape["members"][name]
            if member.get("location") == "querystring":
                found.add(f"{member['locationName']}=1")
    return sorted(found)


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What is judged, and what moto calls, as it happens."""
    seen: dict[str, list[str]] = {"judged": [], "answers": [], "backend": []}
    needed = requests.needed

    def judging(call: requests.Call, **how: bool) -> Any:
        if call.service == "s3":
            seen["judged"].append(camelcase_to_underscores(call.operation))
        return needed(call, **how)

    def watch(owner: type, name: str, into: str) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def watching(*arguments: Any, **named: Any) -> Any:
            seen[into].append(_SPELT.get(name, name))
            return original(*arguments, **named)

        monkeypatch.setattr(owner, name, watching)

    monkeypatch.setattr(requests, "needed", judging)
    model = Loader().load_service_model("s3", "service-2")
    known = {camelcase_to_underscores(one) for one in model["operations"]} | {*_SPELT}
    for owner in (S3Response, LocalS3Response):
        for name in known & {*vars(owner)}:
            watch(owner, name, "answers")
    for backend in (S3Backend, LocalS3Backend):
        for name, value in list(vars(backend).items()):
            if callable(value) and not name.startswith("_") and name not in _ON_THE_WAY:
                watch(backend, name, "backend")
    return seen


def _renewed() -> None:
    """The bucket and the object, whatever the last request did to them."""
    backend = s3_backends[ACCOUNT]["aws"]
    if "exact" not in backend.buckets:
        backend.create_bucket("exact", REGION)
    if "key" not in backend.buckets["exact"].keys:
        backend.put_object("exact", "key", b"content")
    backend.buckets["exact"].policy = None


def _spellings() -> Iterator[str]:
    """Query strings: each sub-resource alone, spelt in other ways, and with others in any order."""
    alone = _subresources()
    yield from ("", "x-id=DeleteBucket", "versionId=null", "uploadId=")
    for one in alone:
        name = one.partition("=")[0]
        yield from (one, f"{name}=", f"{name}=false", f"%{ord(name[0]):x}{name[1:]}", name.upper())
        yield from (f"{one}&{one}", f"{one}&versionId=null", f"{one}#acl")
    common = ("policy", "acl", "tagging", "lifecycle", "uploadId=1", "list-type=2", "delete")
    for one, two in itertools.product(alone, common):
        if one != two:
            yield from (f"{one}&{two}", f"{two}&{one}")
    yield "partNumber=1&uploadId=1"
    yield "partNumber=1&uploadId=1&acl"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_s3_request_in_any_spelling_executes_what_was_authorized_or_nothing(
    traced: dict[str, list[str]], method: str, tally: Tally
) -> None:
    executed, wrong = set(), []
    for target, query in itertools.product(("/exact", "/exact/key"), _spellings()):
        _renewed()
        for names in traced.values():
            names.clear()
        sent = _BODIES.get(query.partition("&")[0], "").encode() if method[0] == "P" else b""
        spelt = f"{target}?{query}" if query else target
        answer = raw.request("s3", method, spelt, body=sent)
        ran = [*traced["answers"], *traced["backend"]][:1]
        if ran != traced["judged"][:1] and (ran or answer.status < 300):
            wrong.append(f"{method} {spelt}: judged {traced['judged']}, ran {ran}")
        executed |= {*ran}
        tally("inputs tried", "S3 requests, authorized as one operation and executed as one")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:30])
    assert len(executed) >= {"GET": 20, "HEAD": 2, "PUT": 13, "POST": 4, "DELETE": 12}[method]


def test_s3_operation_that_moto_lacks_is_refused_and_changes_nothing(tally: Tally) -> None:
    s3, bucket = clients.client("s3", REGION), {"Bucket": "lacking"}
    s3.create_bucket(**bucket)
    key = {**bucket, "Key": "k"}
    for call, arguments in (
        (s3.delete_bucket_metadata_table_configuration, bucket),
        (s3.put_bucket_request_payment, bucket | _payer()),
        (s3.get_bucket_request_payment, bucket),
        (s3.put_bucket_abac, {**bucket, "AbacStatus": {"Status": "Enabled"}}),
        (s3.get_object_torrent, key),
        (s3.get_object_retention, key),
        (s3.delete_bucket_inventory_configuration, {**bucket, "Id": "1"}),
        (s3.put_object_retention, {**key, "Retention": {"Mode": "GOVERNANCE"}}),
    ):
        with pytest.raises(ClientError, match=rf"NotImplementedByLocalAws.*s3:{_camel(call)}\b"):
            call(**arguments)
        tally("inputs tried", "operations that moto lacks")
    assert s3.head_bucket(**bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_operation_whose_answer_moto_invents_or_multiplies_is_refused(tally: Tally) -> None:
    ssm, gateway = clients.client("ssm", REGION), clients.client("apigateway", REGION)
    yaml = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {}\n"
    document = {"Content": yaml, "Name": "d", "DocumentFormat": "YAML"}
    for call, arguments in (
        (ssm.create_document, document),
        (ssm.send_command, {"DocumentName": "d"}),
        (ssm.create_maintenance_window, _window()),
        (gateway.import_rest_api, {"body": yaml.encode()}),
        (gateway.put_rest_api, {"restApiId": "1", "body": yaml.encode()}),
        (clients.client("apigatewayv2", REGION).import_api, {"Body": yaml}),
    ):
        with pytest.raises(ClientError, match=rf"NotImplementedByLocalAws.*:{_camel(call)}\b"):
            call(**arguments)
        tally("inputs tried", "operations that moto lacks")
    replicas = [{"Create": {"RegionName": "eu-west-1"}}]
    with pytest.raises(ClientError, match="UpdateTable with ReplicaUpdates"):
        clients.client("dynamodb", REGION).update_table(TableName="any", ReplicaUpdates=replicas)
    ssm.put_parameter(Name="/tagged", Value="v", Type="String")
    tagged = {"ResourceType": "Parameter", "ResourceId": "/tagged"}
    ssm.add_tags_to_resource(**tagged, Tags=[{"Key": "k", "Value": "v"}])
    assert ssm.list_tags_for_resource(**tagged)["TagList"] == [{"Key": "k", "Value": "v"}]
    assert gateway.create_rest_api(name="n")["name"] == "n"


def _window() -> dict[str, Any]:
    times = {"Schedule": "rate(1 day)", "Duration": 2, "Cutoff": 1}
    return {"Name": "window", "AllowUnassociatedTargets": True, **times}


@pytest.mark.parametrize("value", [True, False])
def test_retention_of_an_object_cannot_be_bypassed(value: bool) -> None:
    """moto bypasses it for everyone who sends the header, whatever its value."""
    s3 = clients.client("s3", REGION)
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*bypass-governance"):
        s3.delete_object(Bucket="lacking", Key="k", BypassGovernanceRetention=value)


def _payer() -> dict[str, Any]:
    return {"RequestPaymentConfiguration": {"Payer": "Requester"}}


def _camel(call: Any) -> str:
    return "".join(part.capitalize() for part in call.__name__.split("_"))


def test_copy_source_is_the_one_that_was_authorized() -> None:
    s3 = clients.client("s3", REGION)
    for bucket in ("pub", "secret2"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="key", Body=bucket.encode())
    s3.put_object(Bucket="pub", Key="secret2/key", Body=b"nested")
    s3.put_object(Bucket="pub", Key="a +%?;#b", Body=b"odd")
    reader = _role(
        _allow("s3:GetObject", "s3:PutObject", on="arn:aws:s3:::pub/*"),
        _allow("s3:ListBucket"),
    )
    for source, found in (
        ("pub/key", b"pub"),
        ("/pub/key", b"pub"),
        ("pub/secret2/key", b"nested"),
        ("pub/a%20%2B%25%3F%3B%23b", b"odd"),
        ("//pub/secret2/key", None),
        ("//pub/../secret2/key", None),
        ("http://pub/secret2/key", None),
        ("secret2/key", None),
        ("secret2%2Fkey", None),
    ):
        answer = raw.request(
            "s3",
            "PUT",
            "/pub/copy",
            headers={"x-amz-copy-source": source},
            credentials=reader,
        )
        copied = s3.list_objects_v2(Bucket="pub", Prefix="copy").get("Contents", [])
        if found is None:
            assert answer.status in (400, 403, 404) and not copied, f"{source}: {answer}"
        else:
            assert s3.get_object(Bucket="pub", Key="copy")["Body"].read() == found, source
            s3.delete_object(Bucket="pub", Key="copy")


def test_address_with_another_split_of_bucket_and_key_is_refused() -> None:
    s3 = clients.client("s3", REGION)
    s3.create_bucket(Bucket="split")
    s3.put_object(Bucket="split", Key="a/b", Body=b"content")
    stranger = _role()
    for target in ("//split/a/b", "/split%2Fa/b", "///split/a/b", "/%2Fsplit/a/b"):
        answer = raw.request("s3", "GET", target, credentials=stranger)
        assert answer.status in (400, 403, 404) and "content" not in answer.text, target


@pytest.mark.parametrize(
    "headers",
    [
        {"x-moto-account-id": "999999999999"},
        {"User-Agent": "aws-sdk region/cn-north-1"},
        {"X_Moto_Account_Id": "999999999999"},
    ],
    ids=["account", "partition", "underscores"],
)
def test_header_that_only_moto_knows_opens_no_bucket(headers: dict[str, str]) -> None:
    s3, name = clients.client("s3", REGION), f"closed-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"content")
    stranger = _role()
    for method, target in (("GET", f"/{name}/k"), ("GET", f"/{name}"), ("DELETE", f"/{name}/k")):
        answer = raw.request("s3", method, target, headers=headers, credentials=stranger)
        assert answer.status == 403, f"{method} {target}: {answer}"
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"content"


@pytest.mark.parametrize(
    "listed",
    [
        "<Object><Key>mine</Key><Key>theirs</Key></Object>",
        "<Object><Key>theirs</Key><Key>mine</Key></Object>",
        "<Object><Key>mine</Key></Object><Object xmlns='urn:x'><Key>theirs</Key></Object>",
        "<x:Object xmlns:x='urn:x'><Key>mine</Key></x:Object><Object><Key>theirs</Key></Object>",
        "<Objects><Key>mine</Key></Objects><Object><Key>theirs</Key></Object>",
        "<Object><Key kind='x'>theirs</Key></Object>",
    ],
)
def test_objects_of_a_deletion_are_those_that_were_authorized(listed: str, tally: Tally) -> None:
    s3 = clients.client("s3", REGION)
    s3.create_bucket(Bucket="several")
    for key in ("mine", "theirs"):
        s3.put_object(Bucket="several", Key=key)
    held = _role(_allow("s3:DeleteObject", on="arn:aws:s3:::several/mine"))
    answer = raw.request(
        "s3",
        "POST",
        "/several?delete",
        body=f"<Delete>{listed}</Delete>".encode(),
        credentials=held,
    )
    tally("inputs tried", "S3 requests, authorized as one operation and executed as one")
    assert answer.status in (400, 403), answer
    assert len(s3.list_objects_v2(Bucket="several")["Contents"]) == 2


def test_deletion_that_declares_an_entity_is_malformed() -> None:
    body = "<!DOCTYPE a [<!ENTITY e 'theirs'>]><Delete><Object><Key>&e;</Key></Object></Delete>"
    clients.client("s3", REGION).create_bucket(Bucket="entities")
    answer = raw.request("s3", "POST", "/entities?delete", body=body.encode())
    assert (answer.status, "<Code>MalformedXML</Code>" in answer.text) == (400, True)


def test_signature_without_a_credential_is_malformed() -> None:
    answer = raw.request(
        "s3", "GET", "/any/key", headers={"Authorization": "AWS4-HMAC-SHA256 x"}, credentials=None
    )
    assert answer.status == 400 and "<Code>AuthorizationHeaderMalformed</Code>" in answer.text


# --- the other protocols

_JSON: Final = {"Content-Type": "application/x-amz-json-1.1"}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/?Action=DeleteParameter", {"Name": "mine"}),
        ("/?Name=theirs", {"Name": "mine"}),
        ("/", {"Name": "mine", "x": "&Action=DeleteParameter&Name=theirs&"}),
        ("/?Action=DeleteParameter&Name=theirs", {"Name": "mine"}),
    ],
)
def test_json_request_names_its_operation_and_parameters_in_one_place(
    target: str, body: dict[str, str], tally: Tally
) -> None:
    ssm = clients.client("ssm", REGION)
    for name in ("mine", "theirs"):
        ssm.put_parameter(Name=name, Value=f"value of {name}", Type="String", Overwrite=True)
    reader = _role(_allow("ssm:GetParameter", on=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mine"))
    answer = raw.request(
        "ssm",
        "POST",
        target,
        body=json.dumps(body).encode(),
        headers={**_JSON, "X-Amz-Target": "AmazonSSM.GetParameter"},
        credentials=reader,
    )
    tally("inputs tried", "requests that name two operations, or a parameter twice")
    assert answer.status == 200 and "value of mine" in answer.text
    assert "theirs" not in answer.text
    for name in ("mine", "theirs"):
        assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == f"value of {name}"


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("/?Action=GetRole&RoleName=open", "Action=PutRolePolicy{}", "NotImplementedByLocalAws"),
        ("/?RoleName=open", "Action=PutRolePolicy{}", "NotImplementedByLocalAws"),
        ("/", "Action=GetRole&Action=PutRolePolicy{}", "MalformedQueryString"),
        ("/", "Action=PutRolePolicy&RoleName=open{}", "MalformedQueryString"),
    ],
)
def test_form_names_its_operation_and_parameters_once(
    target: str, body: str, code: str, tally: Tally
) -> None:
    reader = _role(
        _allow("iam:GetRole"), _allow("iam:PutRolePolicy", on=f"arn:aws:iam::{ACCOUNT}:role/open")
    )
    rest = "&Version=2010-05-08&RoleName=closed&PolicyName=p&PolicyDocument=" + _document(
        _allow("*")
    )
    iam = clients.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    for role in ("open", "closed"):
        with suppress(iam.exceptions.EntityAlreadyExistsException):  # made by the first case
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=_document(trust))
    answer = raw.request(
        "iam",
        "POST",
        target,
        body=body.format(rest).encode(),
        headers=_FORM,
        credentials=reader,
    )
    tally("inputs tried", "requests that name two operations, or a parameter twice")
    assert answer.status >= 400 and code in answer.text
    assert iam.list_role_policies(RoleName="closed")["PolicyNames"] == []


def test_rest_body_does_not_stand_in_for_the_address() -> None:
    answer = raw.request(
        "lambda",
        "PUT",
        "/2015-03-31/functions/mine/configuration?FunctionName=theirs",
        body=json.dumps({"FunctionName": "theirs", "MemorySize": 128}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 400 and "FunctionName does not belong into the body" in answer.text


@pytest.mark.parametrize("path", ["/v2/apis/{};x", "/v2/apis/{};", "//v2/apis/{};x"])
def test_end_of_an_address_does_not_hide_what_it_names(path: str) -> None:
    gateway = clients.client("apigatewayv2", REGION)
    name = gateway.create_api(Name="theirs", ProtocolType="HTTP")["ApiId"]
    apis = f"arn:aws:apigateway:{REGION}::/apis"
    denied = {"Effect": "Deny", "Action": "apigateway:*", "Resource": f"{apis}/{name}"}
    limited = _role(_allow("apigateway:*", on=f"{apis}*"), denied)
    for method in ("GET", "DELETE"):
        answer = raw.request("apigateway", method, path.format(name), credentials=limited)
        assert answer.status >= 400
    assert gateway.get_api(ApiId=name)["Name"] == "theirs"


def test_parameter_for_a_role_or_a_key_names_no_other_resource() -> None:
    events = clients.client("events", REGION)
    events.put_rule(Name="theirs", EventPattern='{"source": ["a"]}')
    rules = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    limited = clients.client("events", REGION, _role(_allow("events:PutRule", on=f"{rules}/mine")))
    limited.put_rule(Name="mine", EventPattern='{"source": ["b"]}')
    with pytest.raises(ClientError, match=f"on resource: {rules}/theirs"):
        limited.put_rule(Name="theirs", EventPattern='{"source": ["b"]}', RoleArn=f"{rules}/mine")
    assert events.describe_rule(Name="theirs")["EventPattern"] == '{"source": ["a"]}'
    for parameter in ("roleArn", "kmsKeyArn"):
        group = f"arn:aws:personalize:{REGION}:{ACCOUNT}:dataset-group"
        call = requests.Call(
            "personalize",
            "CreateDatasetGroup",
            {"name": "theirs", parameter: f"{group}/mine"},
            ACCOUNT,
            REGION,
            "aws",
        )
        assert [one.resource for one in requests.needed(call)] == [f"{group}/theirs"]


def test_qualifier_is_part_of_what_is_authorized_also_of_a_function_that_is_called_so() -> None:
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:live"
    for name in ("live", f"{ACCOUNT}:function:live", function, "live:live", f"{function}:live"):
        call = requests.Call(
            "lambda", "Invoke", {"FunctionName": name, "Qualifier": "live"}, ACCOUNT, REGION, "aws"
        )
        assert [one.resource for one in requests.needed(call)] == [f"{function}:live"]


_EVERY_FUNCTION: Final = "arn:aws:lambda:*:*:function:*"


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        (
            f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:here",
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            f"eu-west-1:{ACCOUNT}:function:here",
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            f"arn:aws:lambda:{REGION}:999999999999:function:here",
            "AccessDeniedException",
            "no resource-based policy allows the lambda:",
        ),
        (
            "999999999999:function:here",
            "AccessDeniedException",
            "no resource-based policy allows the lambda:",
        ),
        ("999999999999:here", "AccessDeniedException", "no resource-based policy allows"),
    ],
)
def test_function_of_another_region_or_account_is_not_the_one_here(
    name: str, code: str, told: str
) -> None:
    permitted = _role(_allow("lambda:*", on=_EVERY_FUNCTION))
    for credentials in (permitted, clients.OWNER):
        lambda_ = clients.client("lambda", REGION, credentials)
        for call in (lambda_.invoke, lambda_.get_function, lambda_.delete_function):
            with pytest.raises(ClientError) as error:
                call(FunctionName=name)
            assert error.value.response["Error"]["Code"] == code
            assert told in error.value.response["Error"]["Message"]


def test_resource_of_another_region_or_account_is_not_the_one_here() -> None:
    """Whatever the service: by an ARN in a form, in a JSON body, and in an address."""
    for service, call, parameter, arn in (
        ("sns", "publish", "TopicArn", "arn:aws:sns:{}:{}:t"),
        ("sagemaker", "list_tags", "ResourceArn", "arn:aws:sagemaker:{}:{}:model/m"),
        (
            "stepfunctions",
            "start_execution",
            "stateMachineArn",
            "arn:aws:states:{}:{}:stateMachine:m",
        ),
        (
            "personalize",
            "describe_dataset_group",
            "datasetGroupArn",
            "arn:aws:personalize:{}:{}:dataset-group/g",
        ),
        ("ssm", "get_parameter", "Name", "arn:aws:ssm:{}:{}:parameter/p"),
        ("logs", "list_tags_for_resource", "resourceArn", "arn:aws:logs:{}:{}:log-group:g"),
    ):
        more = {"Message": "m"} if service == "sns" else {}
        for region, account, code in (
            ("eu-west-1", ACCOUNT, "NotFound|DoesNotExist"),
            (REGION, "999999999999", "AccessDenied|AuthorizationError"),
        ):
            place = {parameter: arn.format(region, account)}
            with pytest.raises(ClientError, match=code):
                getattr(clients.client(service, REGION), call)(**place, **more)


def test_role_is_judged_by_its_arn_with_its_path() -> None:
    iam = clients.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="pathrole", Path="/admin/", AssumeRolePolicyDocument=_document(trust))
    iam.create_user(UserName="pathuser", Path="/admin/")
    roles, users = f"arn:aws:iam::{ACCOUNT}:role", f"arn:aws:iam::{ACCOUNT}:user"
    without = _role(
        _allow("iam:*", on=f"{roles}/pathrole"), _allow("iam:*", on=f"{users}/pathuser")
    )
    with_path = _role(
        _allow("iam:*", on=f"{roles}/admin/*"), _allow("iam:*", on=f"{users}/admin/*")
    )
    tags = [{"Key": "a", "Value": "b"}]
    for credentials, allowed in ((without, False), (with_path, True)):
        held = clients.client("iam", REGION, credentials)
        for call, name in (
            (held.tag_role, {"RoleName": "pathrole", "Tags": tags}),
            (held.get_user, {"UserName": "pathuser"}),
        ):
            if allowed:
                call(**name)
            else:
                with pytest.raises(ClientError, match=r"AccessDenied.*/admin/path"):
                    call(**name)
    new = {"RoleName": "another", "AssumeRolePolicyDocument": _document(trust)}
    held = clients.client("iam", REGION, with_path)
    held.create_role(**new, Path="/admin/")
    with pytest.raises(ClientError, match=r"AccessDenied.*role/other"):
        held.create_role(**new | {"RoleName": "other"})


def test_role_with_a_path_is_passed_by_that_arn() -> None:
    iam = clients.client("iam", REGION)
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="passed", Path="/deep/er/", AssumeRolePolicyDocument=_document(trust)
    )["Role"]["Arn"]
    iam.create_instance_profile(InstanceProfileName="profile")
    profile = {"InstanceProfileName": "profile", "RoleName": "passed"}
    may_add = _allow("iam:AddRoleToInstanceProfile")
    held = clients.client("iam", REGION, _role(may_add))
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {role}"):
        held.add_role_to_instance_profile(**profile)
    passes = _role(may_add, _allow("iam:PassRole", on=role))
    clients.client("iam", REGION, passes).add_role_to_instance_profile(**profile)
