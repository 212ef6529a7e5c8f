"""Policies that AWS refuses to keep, and what S3 keeps closed to the public."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends

from local_aws import clients
from local_aws.iam.policies import Request, evaluate
from local_aws.s3.public_access import is_public
from local_aws.server import LocalAws
from tests.reliability import Tally

REGION = "us-east-1"
ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        yield


@pytest.fixture
def bucket() -> str:
    """A new bucket with the object `key`."""
    s3, name = clients.client("s3", REGION), f"bucket-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="key", Body=b"content")
    return name


def _role(*, trust: Any = None, **more: Any) -> str:
    """The ARN of a new role that may do everything."""
    iam, name = clients.client("iam", REGION), f"role-{next(_numbers)}"
    trust = trust or {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust), **more)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(everything))
    return str(made["Role"]["Arn"])


def _as(role: str, service: str, by: clients.Credentials = clients.OWNER, **more: Any) -> Any:
    sts = clients.client("sts", REGION, by)
    session = sts.assume_role(RoleArn=role, RoleSessionName="me", **more)["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return clients.client(service, REGION, clients.Credentials(*(session[n] for n in names)))


def _anonymous() -> Any:
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=clients.endpoint_url(),
        config=Config(signature_version=UNSIGNED),
    )


def _document(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


_STATEMENT: Final = {
    **{"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "s3:GetObject"},
    "Resource": "arn:aws:s3:::BUCKET/*",
}


def _but(*without: str, **others: Any) -> str:
    kept = {name: value for name, value in _STATEMENT.items() if name not in without}
    return _document(kept | others)


# a document and S3's words
_MALFORMED: Final = [
    ("hello", "This policy contains invalid Json"),
    ("[" * 9_000, "This policy contains invalid Json"),
    ("[1]", "Policies must be valid JSON and the first byte must be '{'"),
    ('"Statement"', "Policies must be valid JSON and the first byte must be '{'"),
    ('{"Version": "2012-10-17"}', "Missing required field Statement"),
    ('{"Statement": "x"}', "Could not parse the policy"),
    ('{"Statement": null}', "Could not parse the policy"),
    ('{"Statement": []}', "Could not parse the policy"),
    (_document(_STATEMENT, Version="2012-10-18"), "must contain a valid version string"),
    (_document(_STATEMENT, Foo=1), "Unknown field Foo"),
    (_but(Foo=1), "Unknown field Foo"),
    (_but("Effect"), "Missing required field Effect"),
    (_but(Effect="deny"), "Invalid effect: deny"),
    (_but(Effect=["Allow"]), "Invalid effect"),
    (_but("Principal"), "Missing required field Principal"),
    (_but("Action"), "Missing required field Action"),
    (_but("Resource"), "Missing required field Resource"),
    (_but(NotAction="s3:PutObject"), "must not have both Action and NotAction"),
    (_but(NotResource="arn:aws:s3:::BUCKET/a"), "must not have both Resource and NotResource"),
    (_but(NotPrincipal={"AWS": ROOT}), "must not have both Principal and NotPrincipal"),
    (_but(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/none"}), "Invalid principal in policy"),
    (_but(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}), "Invalid principal in policy"),
    (_but(Principal={"Foo": "*"}), "Invalid principal in policy"),
    (_but(Principal={}), "Invalid principal in policy"),
    (_but(Principal=5), "Invalid principal in policy"),
    (_but(Action=5), "Policy has invalid action"),
    (_but(Action=[]), "Policy has invalid action"),
    (_but(Action="s3:ListObjects"), "Policy has invalid action"),
    (_but(Action="ec2:*"), "Policy has invalid action"),
    (_but(Action="s3:ListBucket"), "Action does not apply to any resource"),
    (_but(Resource="arn:aws:s3:::another/*"), "Policy has invalid resource"),
    (_but(Resource=f"arn:aws:s3:{REGION}:{ACCOUNT}:BUCKET/*"), "Policy has invalid resource"),
    (_but(Resource={"a": 1}), "Policy has invalid resource"),
    (_but(Condition={"Foo": {"aws:SourceIp": "1"}}), "Invalid Condition type : Foo"),
    (_but(Condition=[]), "Invalid Condition"),
    (_but(Condition={"StringEquals": "x"}), "Invalid Condition"),
    (_but(Condition={"NumericEquals": {"s3:max-keys": "many"}}), "Invalid Condition value"),
    (_but(Condition={"IpAddress": {"aws:SourceIp": "here"}}), "Invalid Condition value"),
    (_but(Condition={"DateLessThan": {"aws:SourceIp": "soon"}}), "Invalid Condition value"),
]


@pytest.mark.parametrize(("document", "told"), _MALFORMED, ids=itertools.count())
def test_bucket_policy_that_s3_refuses_is_refused_and_the_last_one_stays(
    bucket: str, document: str, told: str, tally: Tally
) -> None:
    s3 = clients.client("s3", REGION)
    kept = _but().replace("BUCKET", bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=kept)
    with pytest.raises(ClientError) as error:
        s3.put_bucket_policy(Bucket=bucket, Policy=document.replace("BUCKET", bucket))
    tally("inputs tried", "malformed policies")
    assert _code(error) == "MalformedPolicy"
    assert told in error.value.response["Error"]["Message"]
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == kept
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


def test_bucket_policy_with_an_unknown_condition_key_is_refused_by_name(bucket: str) -> None:
    policy = _but(Condition={"StringEquals": {"aws:PrincipalTag/a": "b"}})
    with pytest.raises(ClientError, match=r"NotImplementedByLocalAws.*aws:PrincipalTag/a"):
        clients.client("s3", REGION).put_bucket_policy(
            Bucket=bucket, Policy=policy.replace("BUCKET", bucket)
        )


def test_root_mends_a_bucket_policy_that_denies_everybody_everything(bucket: str) -> None:
    s3 = clients.client("s3", REGION)
    both = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": both}
    s3.put_bucket_policy(Bucket=bucket, Policy=_document(deny))
    for call in (s3.list_objects_v2, s3.get_bucket_acl, _as(_role(), "s3").delete_bucket_policy):
        with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
            call(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_malformed_policy_that_is_kept_all_the_same_allows_nothing(bucket: str) -> None:
    s3 = clients.client("s3", REGION)
    policy = _but(Effect="deny", Principal="*").replace("BUCKET", bucket)
    s3_backends[ACCOUNT]["aws"].buckets[bucket].policy = policy.encode()
    with pytest.raises(ClientError, match="malformed statement"):
        _anonymous().get_object(Bucket=bucket, Key="key")
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"


def test_denial_excepts_the_role_that_a_condition_names(bucket: str) -> None:
    """The bucket's policy is evaluated once, with the principal."""
    role, other = _role(), _role()
    deny = {
        **{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject"},
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringNotEquals": {"aws:PrincipalArn": role}},
    }
    clients.client("s3", REGION).put_bucket_policy(Bucket=bucket, Policy=_document(deny))
    assert _as(role, "s3").get_object(Bucket=bucket, Key="key")["Body"].read() == b"content"
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        _as(other, "s3").get_object(Bucket=bucket, Key="key")


def test_denial_excepts_what_not_principal_names_in_full(bucket: str) -> None:
    """Account, role and session, as AWS documents."""
    role, other, s3 = _role(), _role(), clients.client("s3", REGION)
    session = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/me"
    for names, admitted in (([role, session, ROOT], True), ([session, ROOT], False)):
        deny = {
            **{"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "s3:GetObject"},
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=_document(deny))
        if admitted:
            found = _as(role, "s3").get_object(Bucket=bucket, Key="key")
            assert found["Body"].read() == b"content"
        else:
            with pytest.raises(ClientError, match="explicit deny"):
                _as(role, "s3").get_object(Bucket=bucket, Key="key")
        with pytest.raises(ClientError, match="explicit deny"):
            _as(other, "s3").get_object(Bucket=bucket, Key="key")


# --- Block Public Access


def _everybody(bucket: str, **more: Any) -> str:
    return _but(Principal="*", **more).replace("BUCKET", bucket)


def test_new_bucket_blocks_public_access_and_has_no_acls(bucket: str) -> None:
    s3 = clients.client("s3", REGION)
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(block) == 4 and all(block.values())
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    for call, arguments in (
        (s3.put_bucket_acl, {"ACL": "private"}),
        (s3.put_object_acl, {"Key": "key", "ACL": "public-read"}),
        (s3.put_object, {"Key": "key", "ACL": "public-read"}),
        (s3.put_object, {"Key": "key", "GrantRead": "id=1"}),
    ):
        with pytest.raises(ClientError, match="AccessControlListNotSupported"):
            call(Bucket=bucket, **arguments)
    s3.put_object(Bucket=bucket, Key="key", ACL="bucket-owner-full-control")
    with pytest.raises(ClientError, match="InvalidBucketAclWithObjectOwnership"):
        s3.create_bucket(Bucket=f"{bucket}-2", ACL="public-read")
    with pytest.raises(ClientError, match="InvalidBucketAclWithBlockPublicAccessError"):
        s3.create_bucket(
            Bucket=f"{bucket}-2", ACL="public-read", ObjectOwnership="BucketOwnerPreferred"
        )


def test_block_public_policy_refuses_a_public_policy(bucket: str) -> None:
    s3 = clients.client("s3", REGION)
    with pytest.raises(ClientError, match=r"AccessDenied.*BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=_everybody(bucket))
    own = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    s3.put_bucket_policy(Bucket=bucket, Policy=_everybody(bucket, Condition=own))
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=_everybody(bucket))


def test_restrict_public_buckets_lets_in_the_account_alone(bucket: str) -> None:
    s3, place = clients.client("s3", REGION), {"Bucket": bucket, "Key": "key"}
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=_everybody(bucket))
    assert _anonymous().get_object(**place)["Body"].read() == b"content"
    s3.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    with pytest.raises(ClientError, match=r"AccessDenied.*RestrictPublicBuckets"):
        _anonymous().get_object(**place)
    assert _as(_role(), "s3").get_object(**place)["Body"].read() == b"content"


def test_block_public_acls_refuses_a_public_acl(bucket: str) -> None:
    s3 = clients.client("s3", REGION)
    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    everybody = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    for call, arguments in (
        (s3.put_bucket_acl, {"ACL": "public-read"}),
        (s3.put_object_acl, {"Key": "key", "ACL": "authenticated-read"}),
        (s3.put_object, {"Key": "key", "GrantRead": everybody}),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied.*BlockPublicAcls"):
            call(Bucket=bucket, **arguments)
    s3.put_object_acl(Bucket=bucket, Key="key", ACL="private")


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": [ROOT, "*"]}}, True),
        ({"NotPrincipal": {"AWS": ROOT}}, True),
        ({"Principal": {"AWS": ROOT}}, False),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, False),
        ({"Principal": "*", "Effect": "Deny"}, False),
        (
            {"Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}},
            False,
        ),
        ({"Principal": "*", "Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}, True),
        (
            {"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "54.240.143.0/24"}}},
            False,
        ),
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}, True),
        ({"Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
    ],
)
def test_policy_is_public_by_the_documented_meaning(statement: Any, public: bool) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"""
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", **statement}]}
    assert is_public(policy) is public


# --- roles


def test_session_lasts_no_longer_than_its_role_allows() -> None:
    short, long = _role(), _role(MaxSessionDuration=7200)
    sts = clients.client("sts", REGION)
    session = {"RoleSessionName": "me"}
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role") as e:
        sts.assume_role(RoleArn=short, **session, DurationSeconds=3601)
    assert _code(e) == "ValidationError"
    answer = sts.assume_role(RoleArn=long, **session, DurationSeconds=7200)
    assert answer["Credentials"]
    with pytest.raises(ClientError, match="MaxSessionDuration"):
        sts.assume_role(RoleArn=long, **session, DurationSeconds=7201)
    with pytest.raises(ClientError, match=r"ValidationError.*43200"):
        sts.assume_role(RoleArn=long, **session, DurationSeconds=43201)
    chained = _as(short, "sts")
    assert chained.assume_role(RoleArn=long, **session, DurationSeconds=3600)
    with pytest.raises(ClientError, match="exceeds the 1 hour session limit for roles assumed by"):
        chained.assume_role(RoleArn=long, **session, DurationSeconds=3601)


def test_tags_and_source_identity_of_a_session_need_the_trust_policys_permission() -> None:
    tags: Any = {"Tags": [{"Key": "a", "Value": "b"}]}
    plain = _role()
    with pytest.raises(ClientError, match=r"AccessDenied.*sts:TagSession"):
        _as(plain, "s3", **tags)
    with pytest.raises(ClientError, match=r"AccessDenied.*sts:SetSourceIdentity"):
        _as(plain, "s3", SourceIdentity="somebody")
    trust = {
        **{"Effect": "Allow", "Principal": {"AWS": ROOT}},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    role = _role(trust=trust)
    _as(role, "s3", **tags)
    answer = clients.client("sts", REGION).assume_role(
        RoleArn=role, RoleSessionName="me", SourceIdentity="somebody"
    )
    assert answer["SourceIdentity"] == "somebody"


@pytest.mark.parametrize(
    "policy",
    [
        "hello",
        "[1]",
        _document({"Effect": "allow", "Action": "s3:*", "Resource": "*"}),
        _document({"Effect": "Allow", "Action": "s3:*"}),
        _document({"Effect": "Allow", "Resource": "*"}),
        _document({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": "*"}),
    ],
)
def test_malformed_session_and_identity_policies_are_refused(policy: str, tally: Tally) -> None:
    role, iam = _role(), clients.client("iam", REGION)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: _as(role, "s3", Policy=policy),
        lambda: iam.put_role_policy(
            RoleName=role.rpartition("/")[2], PolicyName="q", PolicyDocument=policy
        ),
        lambda: iam.create_policy(PolicyName="q", PolicyDocument=policy),
    )
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        assert _code(error) == "MalformedPolicyDocument"
        tally("inputs tried", "malformed policies")


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "sts:AssumeRole"},
        {"Effect": "allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROOT}},
        {"Effect": "Allow", "Action": "s3:GetObject", "Principal": {"AWS": ROOT}},
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"{ROOT}x"}},
        {
            **{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROOT}},
            "Resource": "*",
        },
    ],
)
def test_malformed_trust_policy_is_refused(statement: Any, tally: Tally) -> None:
    iam, role = clients.client("iam", REGION), _role().rpartition("/")[2]
    for call, arguments in (
        (iam.create_role, {"RoleName": "new", "AssumeRolePolicyDocument": _document(statement)}),
        (iam.update_assume_role_policy, {"RoleName": role, "PolicyDocument": _document(statement)}),
    ):
        with pytest.raises(ClientError) as error:
            call(**arguments)
        assert _code(error) == "MalformedPolicyDocument"
        tally("inputs tried", "malformed policies")


def test_value_that_is_no_number_or_address_meets_no_condition() -> None:
    for operator, key in (("NumericEquals", "s3:max-keys"), ("IpAddress", "aws:SourceIp")):
        request = Request("s3:GetObject", "arn:aws:s3:::b/k", context={key: "none"})
        expected = "1" if key == "s3:max-keys" else "10.0.0.0/8"
        statement = {
            **{"Effect": "Allow", "Action": "*", "Resource": "*"},
            "Condition": {operator: {key: expected}},
        }
        assert evaluate([{"Statement": [statement]}], request).value == "neutral"
