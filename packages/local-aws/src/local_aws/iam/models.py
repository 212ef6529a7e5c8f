"""moto's IAM, with what authentication needs to know."""

import json
from copy import copy
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy
from moto.settings import load_iam_aws_managed_policies


class SharedDict(dict[Any, Any]):
    """A dict whose views are copies, so that other threads may change it while one iterates."""

    def values(self) -> list[Any]:  # type: ignore[override]
        """The values at the time of the call."""
        return list(super().values())

    def items(self) -> list[tuple[Any, Any]]:  # type: ignore[override]
        """The items at the time of the call."""
        return list(super().items())


class LocalIAMBackend(IAMBackend):
    """moto's IAM, which tells a deleted access key from one that was never issued.

    moto looks for roles and the like by iterating, while requests in other threads make some.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deleted_keys: set[str] = set()
        for name in ("roles", "users", "groups", "instance_profiles", "managed_policies"):
            setattr(self, name, SharedDict(getattr(self, name)))

    def delete_access_key_by_name(self, name: str) -> None:
        """Delete a key, and remember it: it must not become the administrator's."""
        super().delete_access_key_by_name(name)
        self.deleted_keys.add(name)

    def update_user(
        self, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> None:
        """Rename a user, with the keys, unless there is one of that name."""
        if new_user_name and new_user_name != user_name and new_user_name in self.users:
            raise EntityAlreadyExists(f"User with name {new_user_name} already exists.")
        super().update_user(user_name, new_path, new_user_name)
        user = self.users[new_user_name or user_name]
        for key in user.access_keys:
            key.user_name = user.name

    def delete_user(self, user_name: str) -> None:
        """Delete a user that has no access key, which would be without a user then."""
        if self.get_user(user_name).access_keys:
            raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
        super().delete_user(user_name)

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        """AWS's own policies, of which there are over a thousand: parsed once a process."""
        if not load_iam_aws_managed_policies():
            return []
        policies: list[ManagedPolicy] = []
        for parsed in _aws_policies(self.account_id, self.region_name):
            policy = copy(parsed)
            policy.versions = [copy(version) for version in parsed.versions]
            policy.tags = dict(parsed.tags)
            policies.append(policy)
        return policies


@cache
def _aws_policies(account_id: str, region: str) -> tuple[ManagedPolicy, ...]:
    documents = json.loads(aws_managed_policies_data)
    return tuple(
        AWSManagedPolicy.from_data(name, account_id, region, document)
        for name, document in documents.items()
    )
