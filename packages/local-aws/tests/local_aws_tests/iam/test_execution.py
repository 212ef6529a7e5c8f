"""What is authorized is what is executed: in S3 for every operation and spelling, in the others for
every place where a request can name its operation and its parameters."""

import functools
import itertools
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from botocore.loaders import Loader
from moto.core.utils import camelcase_to_underscores
from moto.s3.models import S3Backend, s3_backends
from moto.s3.responses import S3Response

from local_aws import clients
from local_aws.iam import requests
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
_ON_THE_WAY: Final = {"get_bucket", "get_object", "log_incoming_request"}
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

    def judging(call: requests.Call) -> Any:
        if call.service == "s3":
            seen["judged"].append(camelcase_to_underscores(call.operation))
        return needed(call)

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
    for name in known & {*vars(S3Response)}:
        watch(S3Response, name, "answers")
    for name, value in list(vars(S3Backend).items()):
        if callable(value) and not name.startswith("_") and name not in _ON_THE_WAY:
            watch(S3Backend, name, "backend")
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
    assert len(executed) >= {"GET": 20, "HEAD": 2, "PUT": 14, "POST": 4, "DELETE": 12}[method]
