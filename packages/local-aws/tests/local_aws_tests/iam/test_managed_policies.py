import fnmatch
from itertools import chain
from typing import Any

import pytest
from moto.core.config import default_user_config
from moto.iam.models import IAMBackend

from local_aws.api import NotImplementedByLocalAws
from local_aws.iam.models import LocalIAMBackend
from local_aws.iam.policies import Request, evaluate, listed, parsed
from local_aws.iam.reference import IAM


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


# of operations that the local AWS refuses: Studio's apps and spaces, work teams, Service Catalog
_REFUSED = {
    "sagemaker:CreateFlowDefinition",
    "sagemaker:CreateLabelingJob",
    *(f"sagemaker:{verb}{what}" for verb in ("Create", "Delete") for what in ("App", "Space")),
    "sagemaker:UpdateSpace",
    "servicecatalog:TerminateProvisionedProduct",
    "servicecatalog:UpdateProvisionedProduct",
}


@pytest.mark.parametrize(
    "name",
    [
        "AdministratorAccess",
        "AmazonS3FullAccess",
        "AmazonS3ReadOnlyAccess",
        "AmazonSageMakerFullAccess",
        "AWSLambda_FullAccess",
        "CloudWatchFullAccess",
        "IAMFullAccess",
        "service-role/AWSLambdaBasicExecutionRole",
        "service-role/AmazonPersonalizeFullAccess",
    ],
)
def test_managed_policies_of_the_workshops_have_no_unknown_condition(name: str) -> None:
    policy = LocalIAMBackend("aws", "111122223333").managed_policies[
        f"arn:aws:iam::aws:policy/{name}"
    ]
    unknown = set()
    for statement in listed(parsed(policy.versions[0].document)["Statement"]):
        resource = str(listed(statement.get("Resource", "*"))[0])
        patterns = map(str, listed(statement["Action"]) if "Condition" in statement else [])
        for action in chain.from_iterable(map(_actions, patterns)):
            try:
                evaluate([{"Statement": statement}], Request(action, resource))
            except NotImplementedByLocalAws:
                unknown.add(action)
    assert unknown <= _REFUSED


def _actions(pattern: str) -> list[str]:
    service = pattern.partition(":")[0]
    names = IAM.actions.get_actions_for_service(service)
    return fnmatch.filter([f"{service}:{name}" for name in names], pattern)
