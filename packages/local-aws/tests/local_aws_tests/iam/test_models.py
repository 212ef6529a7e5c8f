from moto.iam.models import iam_backends

from local_aws.iam.models import LocalIAMBackend, SharedDict
from local_aws.moto_patches import install


def test_values_of_shared_dict_while_it_grows_are_those_of_the_call() -> None:
    """moto looks for a role by iterating over all, while other requests create roles."""
    roles = SharedDict({number: f"role-{number}" for number in range(50)})
    found = []
    for value in roles.values():
        roles[f"new-{value}"] = "new"
        found.append(value)
    assert found == [f"role-{number}" for number in range(50)]
    assert [key for key, _ in roles.items() if roles.pop(key)] == [*range(50)] + [
        f"new-role-{number}" for number in range(50)
    ]


def test_roles_of_the_backend_are_shared() -> None:
    install()
    backend = iam_backends["123456789012"]["aws"]
    assert isinstance(backend, LocalIAMBackend)
    for name in ("roles", "users", "groups", "instance_profiles", "managed_policies"):
        assert isinstance(getattr(backend, name), SharedDict), name
