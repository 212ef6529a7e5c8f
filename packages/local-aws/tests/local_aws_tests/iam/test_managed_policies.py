from typing import Any

import pytest
from local_aws.iam.models import LocalIAMBackend
from moto.core.config import default_user_config
from moto.iam.models import IAMBackend


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"load_aws_managed_policies": True}
    monkeypatch.setitem(default_user_config, "iam", settings)


def shown(backend: IAMBackend) -> dict[str, Any]:
    return {
        arn: (p.name, p.path, p.attachment_count, [(v.version_id, v.document) for v in p.versions])
        for arn, p in backend.managed_policies.items()
    }


def test_aws_managed_policies_are_those_of_moto() -> None:
    ours = shown(LocalIAMBackend("aws", "111122223333"))
    assert "arn:aws:iam::aws:policy/ReadOnlyAccess" in ours
    assert ours == shown(IAMBackend("aws", "111122223333"))


def test_aws_managed_policies_of_a_new_backend_know_nothing_of_the_old_ones_use() -> None:
    before = LocalIAMBackend("aws", "111122223333")
    policy = before.managed_policies["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    policy.attachment_count += 1
    policy.versions.append(policy.versions[0])
    policy.versions[0].is_default = False
    policy.tags["a"] = {"Key": "a", "Value": "b"}
    after = LocalIAMBackend("aws", "111122223333")
    untouched = after.managed_policies["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    assert (untouched.attachment_count, untouched.tags) == (0, {})
    assert [version.is_default for version in untouched.versions] == [True]
