"""What AWS documents, asked of the local AWS, or of an account: `make contract`."""

import os
from collections.abc import Callable, Iterator

import boto3
import pytest

from local_aws.server import LocalAws
from tests.contract.cloud import Cloud, policy
from tests.contract.known import KNOWN
from tests.contract.tiers import TIERS

_PROFILE = os.environ.get("CONTRACT_PROFILE", "")
_TIERS = os.environ.get("CONTRACT_TIERS", ",".join(TIERS)).split(",")


@pytest.fixture(scope="package")
def cloud() -> Iterator[Cloud]:
    """The cloud under test, which is left as it was."""
    if _PROFILE:
        yield from _kept(Cloud("aws", boto3.Session(profile_name=_PROFILE)))
        return
    with LocalAws() as aws:
        told = aws.environment()
        session = boto3.Session(
            aws_access_key_id=told["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=told["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        yield from _kept(Cloud("local", session, aws.url))


def _kept(cloud: Cloud) -> Iterator[Cloud]:
    try:
        yield cloud
    finally:
        left = cloud.clean_up()
        print(f"\nrecorded in {cloud.write()}")
    assert left == [], "not deleted"


@pytest.fixture(autouse=True)
def _named(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[None]:
    """Record answers under the test's name."""
    cloud.test = request.node.nodeid.rpartition("/")[2]
    yield
    cloud.test = ""


@pytest.fixture(scope="package")
def role(cloud: Cloud) -> Callable[..., str]:
    """Create a role that the account may assume, or a service; returns its ARN."""
    iam = cloud.client("iam")

    def make(name: str, permissions: str = "", *, service: str = "") -> str:
        name = f"{cloud.prefix}-{name}"
        principal = {"Service": service} if service else {"AWS": cloud.account}
        trust = policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        cloud.undo(arn, lambda: iam.delete_role(RoleName=name))
        if permissions:
            iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=permissions)
            cloud.undo(arn, lambda: iam.delete_role_policy(RoleName=name, PolicyName="inline"))
        return arn

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tiers that are not asked for; each test has the page that it is from.

    On the local AWS, tests of known differences have to fail.
    """
    for item in items:
        if item.path.parent.name != "contract":
            continue
        mark = item.get_closest_marker("documented")
        assert mark, f"{item.nodeid} needs the page that documents it"
        if mark.kwargs.get("tier", "cheap") not in _TIERS:
            item.add_marker(pytest.mark.skip(reason=f"tiers: {', '.join(_TIERS)}"))
        if not _PROFILE and (how := KNOWN.get(item.nodeid.rpartition("/")[2])):
            item.add_marker(pytest.mark.xfail(reason=how, strict=True))
