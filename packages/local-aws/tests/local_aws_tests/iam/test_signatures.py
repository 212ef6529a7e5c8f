"""Signatures: AWS's documented examples are verified, and whatever differs from them is refused."""

import base64
import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Secret
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.request import Request

from local_aws import clients
from local_aws.clients import OWNER, Credentials
from local_aws.iam import signatures
from local_aws.moto_patches import install
from local_aws.server import LocalAws
from tests.reliability import Tally

REGION = "us-east-1"
ACCOUNT = "123456789012"
FAULTS = "requests that are signed wrongly"
_numbers = itertools.count()

# the key of AWS's documentation
EXAMPLE = Credentials(
    "AKIAIOSFODNN7EXAMPLE",  # pragma: allowlist secret
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # pragma: allowlist secret
)
EMPTY = sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        s3 = clients.client("s3", REGION)
        s3.create_bucket(Bucket="books")
        s3.put_object(Bucket="books", Key="a/1", Body=b"1")
        yield running


def session() -> Credentials:
    """A role's, which may do all."""
    name = f"signer-{next(_numbers)}"
    iam = clients.client("iam", REGION)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document("*"))
    made = clients.client("sts", REGION).assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="me"
    )["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def user() -> Credentials:
    """A user's, who may do all."""
    name = f"signer-{next(_numbers)}"
    iam = clients.client("iam", REGION)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document("*"))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def document(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def client(service: str, held: Credentials, **config: Any) -> Any:
    make: Any = boto3.client
    return make(
        service,
        region_name=REGION,
        endpoint_url=clients.endpoint_url(),
        aws_access_key_id=held.access_key_id,
        aws_secret_access_key=held.secret_access_key,
        aws_session_token=held.session_token,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def fetch(
    url: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, str]:
    """The status and the body of an answer."""
    request = urllib.request.Request(url, data=body, method=method)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def at(monkeypatch: pytest.MonkeyPatch, *when: int) -> None:
    moment = datetime(*when, tzinfo=UTC)  # type: ignore[misc,arg-type]
    monkeypatch.setattr(signatures, "_now", lambda: moment)


def judged(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> None:
    request = Request.from_primitives(method, url, headers or {})
    signed = signatures.read(request, "s3")
    assert signed is not None
    assert signed.access_key == EXAMPLE.access_key_id
    signed.check(request, EXAMPLE, unsigned=False)


# --- documented examples ---------------------------------------------------------------------


HEADERS = {
    "Range": "bytes=0-9",
    "x-amz-content-sha256": EMPTY,
    "x-amz-date": "20130524T000000Z",
    "Authorization": (
        f"AWS4-HMAC-SHA256 Credential={EXAMPLE.access_key_id}/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    ),
}
PRESIGNED = (
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential={EXAMPLE.access_key_id}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)
OLD_PRESIGNED = (
    f"http://johnsmith.s3.amazonaws.com/photos/puppy.jpg?AWSAccessKeyId={EXAMPLE.access_key_id}"
    "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
)


def test_documented_header_is_verified_and_a_changed_header_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    at(monkeypatch, 2013, 5, 24, 0, 14)
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    judged(url, HEADERS)
    for other_url, changed in (
        (url, {"Range": "bytes=0-10"}),
        (url, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        (url, {"x-amz-acl": "public-read"}),
        (f"{url}?acl", {}),
        (f"{url}2", {}),
        (url.replace("example", "other"), {}),
    ):
        with pytest.raises(signatures.SignatureError):
            judged(other_url, HEADERS | changed)
    with pytest.raises(signatures.SignatureError):
        judged(url, HEADERS, "PUT")


def test_documented_presigned_url_is_verified_until_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
    at(monkeypatch, 2013, 5, 24, 23, 59)
    judged(PRESIGNED)
    for url in (
        PRESIGNED.replace("test.txt", "other.txt"),
        PRESIGNED.replace("=86400", "=86401"),
        f"{PRESIGNED}&versionId=1",
    ):
        with pytest.raises(signatures.SignatureError, match="does not match"):
            judged(url)
    at(monkeypatch, 2013, 5, 25, 0, 1)
    with pytest.raises(signatures.SignatureError, match="AccessDenied: Request has expired"):
        judged(PRESIGNED)


def test_documented_presigned_url_of_version_2_is_verified_until_it_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html"""
    at(monkeypatch, 2007, 3, 29, 3, 40)
    judged(OLD_PRESIGNED)
    with pytest.raises(signatures.SignatureError, match="does not match"):
        judged(OLD_PRESIGNED.replace("puppy", "kitten"))
    with pytest.raises(signatures.SignatureError, match="does not match"):
        judged(f"{OLD_PRESIGNED}&uploadId=1")
    at(monkeypatch, 2007, 3, 29, 3, 41)
    with pytest.raises(signatures.SignatureError, match="AccessDenied: Request has expired"):
        judged(OLD_PRESIGNED)


def test_documented_chunks_are_verified_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html"""
    at(monkeypatch, 2013, 5, 24, 0, 0)
    headers = {
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "Content-Encoding": "aws-chunked",
        "Content-Length": "66824",
        "x-amz-decoded-content-length": "66560",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={EXAMPLE.access_key_id}/20130524/us-east-1/s3/"
            "aws4_request,"
            "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
            "x-amz-decoded-content-length;x-amz-storage-class,"
            "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
        ),
    }
    request = Request.from_primitives(
        "PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", headers, bytes(66_824)
    )
    signed = signatures.read(request, "s3")
    assert signed is not None
    signed.check(request, EXAMPLE, unsigned=False)
    chunks = signatures.chunk_signatures(request)
    assert chunks is not None
    first, second = b"a" * 65_536, b"a" * 1_024
    signatures_of_chunks = (
        # pragma: allowlist nextline secret
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        # pragma: allowlist nextline secret
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        # pragma: allowlist nextline secret
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    )
    for data, signature in zip((first, second, b""), signatures_of_chunks, strict=True):
        with pytest.raises(signatures.SignatureError):
            chunks.check(sha256(data + b"b").hexdigest(), signature)
        chunks.check(sha256(data).hexdigest(), signature)


# --- through the server ----------------------------------------------------------------------


@pytest.mark.parametrize("who", [session, user, lambda: OWNER], ids=["role", "user", "owner"])
def test_signature_of_a_known_key_is_verified(
    aws: LocalAws, tally: Tally, who: Callable[[], Credentials]
) -> None:
    held = who()
    wrong = Credentials(held.access_key_id, "another secret", held.session_token)
    calls: tuple[tuple[str, Callable[[Any], Any], str, int], ...] = (
        ("s3", lambda s3: s3.get_object(Bucket="books", Key="a/1"), "SignatureDoesNotMatch", 403),
        ("sts", lambda sts: sts.get_caller_identity(), "SignatureDoesNotMatch", 403),
        ("sagemaker", lambda it: it.list_training_jobs(), "InvalidSignatureException", 400),
        ("lambda", lambda it: it.list_functions(), "InvalidSignatureException", 403),
    )
    for service, call, code, status in calls:
        call(client(service, held))
        tally("faults injected", FAULTS)
        with pytest.raises(ClientError, match="calculated does not match") as error:
            call(client(service, wrong))
        assert refusal(error) == (code, status)


def test_session_without_its_token_is_unknown(aws: LocalAws, tally: Tally) -> None:
    held = session()
    for token, for_s3 in ((None, "InvalidAccessKeyId"), ("another", "InvalidToken")):
        without = Credentials(held.access_key_id, held.secret_access_key, token)
        calls: tuple[tuple[str, Callable[[Any], Any], str], ...] = (
            ("s3", lambda s3: s3.list_buckets(), for_s3),
            ("sts", lambda sts: sts.get_caller_identity(), "InvalidClientTokenId"),
            ("sagemaker", lambda it: it.list_training_jobs(), "UnrecognizedClientException"),
        )
        for service, call, code in calls:
            tally("faults injected", FAULTS)
            with pytest.raises(ClientError) as error:
                call(client(service, without))
            assert refusal(error)[0] == code


def test_date_is_judged_for_every_key(aws: LocalAws, tally: Tally) -> None:
    made_up = Credentials("local", "local")
    for held in (made_up, OWNER):
        for minutes in (-16, 16):
            for service, url, body, code in (
                ("s3", "/books/a/1", b"", "RequestTimeTooSkewed"),
                ("sts", "/", b"Action=GetCallerIdentity&Version=2011-06-15", "SignatureDoesNot"),
                ("ssm", "/", b"{}", "InvalidSignatureException"),
            ):
                tally("faults injected", FAULTS)
                request = _dated(f"{aws.url}{url}", service, body, held, minutes)
                status, told = _sent(request)
                assert 400 <= status <= 403
                assert code in told
        status, told = _sent(_dated(f"{aws.url}/books/a/1", "s3", b"", held, -14))
        assert (status, told) == (200, "1")


def _dated(url: str, service: str, body: bytes, held: Credentials, minutes: int) -> Any:
    """A request that is signed so many minutes from now."""

    signer: Any = S3SigV4Auth if service == "s3" else SigV4Auth

    class Clock(signer):  # type: ignore[misc]
        def _modify_request_before_signing(self, request: Any) -> None:
            moment = datetime.now(UTC) + timedelta(minutes=minutes)
            request.context["timestamp"] = f"{moment:%Y%m%dT%H%M%SZ}"
            super()._modify_request_before_signing(request)

    kind = "application/x-www-form-urlencoded"
    headers = {"Content-Type": kind} if service == "sts" else {}
    if service == "ssm":
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AmazonSSM.DescribeParameters",
        }
    method = "POST" if body else "GET"
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    secret = Secret(held.access_key_id, held.secret_access_key)
    clock: Any = Clock
    clock(secret, service, REGION).add_auth(request)
    return request


def _sent(request: Any) -> tuple[int, str]:
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}
    return fetch(request.url, request.method, request.data or None, **headers)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("who", [session, user, lambda: OWNER], ids=["role", "user", "owner"])
def test_presigned_url_is_good_for_what_it_was_signed_for(
    aws: LocalAws, tally: Tally, version: str, who: Callable[[], Credentials]
) -> None:
    s3 = client("s3", who(), signature_version=version)
    place = {"Bucket": "books", "Key": "a +ü/~*1"}
    put = s3.generate_presigned_url("put_object", Params=place)
    assert fetch(put, "PUT", b"2", Content_Type="")[0] == 200
    assert fetch(s3.generate_presigned_url("get_object", Params=place)) == (200, "2")
    last = "&X-Amz-Signature=" if version == "s3v4" else "&Signature="
    for url, more in (
        (put.replace("books", "other"), {}),
        (put.replace(last, f"{last}0"), {}),
        (f"{put}&uploadId=1&partNumber=1", {}),
        (put, {"x_amz_acl": "public-read"}),
        (put, {"x_amz_copy_source": "/books/a/1"}),
    ):
        tally("faults injected", FAULTS)
        assert fetch(url, "PUT", b"3", Content_Type="", **more)[0] == 403, url
    tally("faults injected", FAULTS)
    assert fetch(put, "GET")[0] == 403
    assert fetch(s3.generate_presigned_url("get_object", Params=place))[1] == "2"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("held", [OWNER, Credentials("local", "local")], ids=["owner", "made up"])
def test_presigned_url_expires_whoever_signed_it(
    aws: LocalAws, monkeypatch: pytest.MonkeyPatch, version: str, held: Credentials
) -> None:
    s3 = client("s3", held, signature_version=version)
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "books", "Key": "a/1"}, ExpiresIn=60
    )
    assert fetch(url) == (200, "1")
    later = datetime.now(UTC) + timedelta(seconds=62)
    monkeypatch.setattr(signatures, "_now", lambda: later)
    status, told = fetch(url)
    assert status == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in told


def test_unsigned_query_is_not_the_administrator(aws: LocalAws, tally: Tally) -> None:
    for query, code in (
        ("AWSAccessKeyId=zzz", "AccessDenied"),
        (f"AWSAccessKeyId={OWNER.access_key_id}&Expires=9999999999", "AccessDenied"),
        ("Credential=zzz", "AccessDenied"),
        ("X-Amz-Credential=zzz", "AuthorizationQueryParametersError"),
        (
            "X-Amz-Credential=zzz/20260101/us-east-1/s3/aws4_request",
            "AuthorizationQueryParametersError",
        ),
    ):
        for method in ("PUT", "GET"):
            tally("faults injected", FAULTS)
            body = b"evil" if method == "PUT" else None
            status, told = fetch(f"{aws.url}/books/a/1?{query}", method, body)
            assert status in (400, 403), told
            assert f"<Code>{code}</Code>" in told
    found = clients.client("s3", REGION).get_object(Bucket="books", Key="a/1")["Body"].read()
    assert found == b"1"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 Credential=", "AuthorizationHeaderMalformed"),
        (
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request",
            "AuthorizationHeaderMalformed",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "AccessDenied",
        ),
        ("AWS a", "InvalidArgument"),
        ("AWS :", "InvalidArgument"),
        ("Credential=a", "InvalidArgument"),
        ("Bearer AWSAccessKeyId=a", "InvalidArgument"),
    ],
)
def test_malformed_authorization_is_refused(
    aws: LocalAws, tally: Tally, header: str, code: str
) -> None:
    tally("faults injected", FAULTS)
    status, told = fetch(f"{aws.url}/books/a/1", Authorization=header)
    assert 400 <= status <= 403
    assert f"<Code>{code}</Code>" in told


def test_malformed_authorization_of_a_query_service_is_told_in_its_words(aws: LocalAws) -> None:
    status, told = fetch(
        f"{aws.url}/",
        "POST",
        b"Action=GetCallerIdentity&Version=2011-06-15",
        Authorization="AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request",
    )
    assert status == 400
    assert "<Code>IncompleteSignature</Code>" in told
    assert "requires &#39;Signature&#39; parameter" in told or "'Signature' parameter" in told


def test_presigned_call_of_another_service_is_verified(aws: LocalAws) -> None:
    """As EKS's tokens are: in process, where the host names the service."""
    install()
    with mock_aws():
        for secret, status in ((OWNER.secret_access_key, 200), ("another", 403)):
            url = "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
            request = AWSRequest(method="GET", url=url)
            signer = SigV4QueryAuth(Secret(OWNER.access_key_id, secret), "sts", REGION, 60)
            signer.add_auth(request)
            answer = _in_process(request)
            assert answer == status


def _in_process(request: AWSRequest) -> int:
    from moto.core.models import botocore_stubber

    answer = botocore_stubber.process_request(request.prepare())
    assert answer is not None
    return int(answer[0])


def test_wrong_signature_is_refused_in_process_too() -> None:
    install()
    with mock_aws():
        clients.client("s3", REGION).create_bucket(Bucket="books")
        made_up: Any = boto3.client("s3", region_name=REGION)
        made_up.put_object(Bucket="books", Key="a", Body=base64.b64decode("MQ=="))
        wrong = Credentials(OWNER.access_key_id, "another")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            clients.client("s3", REGION, wrong).get_object(Bucket="books", Key="a")
        found = clients.client("s3", REGION).get_object(Bucket="books", Key="a")["Body"]
        assert found.read() == b"1"
