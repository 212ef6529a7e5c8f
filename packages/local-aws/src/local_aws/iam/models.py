"""moto's IAM, with additions for authentication."""

import json
import threading
from copy import copy
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, Role
from moto.settings import load_iam_aws_managed_policies

from local_aws.iam import propagation


class SharedDict(dict[Any, Any]):
    """A dict whose views are copies, so that iteration tolerates concurrent changes."""

    def values(self) -> list[Any]:  # type: ignore[override]
        """The values at the time of the call."""
        return list(super().values())

    def items(self) -> list[tuple[Any, Any]]:  # type: ignore[override]
        """The items at the time of the call."""
        return list(super().items())


class LocalIAMBackend(IAMBackend):
    """moto's IAM, which also distinguishes deleted access keys from keys never issued.

    moto searches roles by iterating, while requests in other threads create some. It creates a
    backend for each partition at the first request, and again at each reset: AWS's managed
    policies, over a thousand, are copied when they are first needed.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._policies: SharedDict | None = None
        self._policies_lock = threading.Lock()
        super().__init__(*arguments, **named)
        self.deleted_keys: set[str] = set()
        for name in ("roles", "users", "groups", "instance_profiles"):
            setattr(self, name, SharedDict(getattr(self, name)))

    @property
    def managed_policies(self) -> SharedDict:
        """Managed policies by ARN, AWS's and the account's."""
        with self._policies_lock:
            if self._policies is None:
                copies = map(_copy, _aws_policies(self.account_id, self.region_name))
                self._policies = SharedDict({policy.arn: policy for policy in copies})
            return self._policies

    @managed_policies.setter
    def managed_policies(self, initial: dict[str, ManagedPolicy]) -> None:
        """Ignore what moto's initialization assigns: `_init_aws_policies` has none."""

    def create_role(self, *arguments: Any, **named: Any) -> Role:
        """Create a role, which services accept after the delay."""
        role = super().create_role(*arguments, **named)
        propagation.created(role)
        return role

    def update_assume_role_policy(self, role_name: str, policy_document: str) -> None:
        """Change who may assume a role."""
        with propagation.change(self, role_name):
            super().update_assume_role_policy(role_name, policy_document)

    def put_role_policy(self, role_name: str, policy_name: str, policy_json: str) -> None:
        """Put an inline policy."""
        with propagation.change(self, role_name):
            super().put_role_policy(role_name, policy_name, policy_json)

    def delete_role_policy(self, role_name: str, policy_name: str) -> None:
        """Delete an inline policy."""
        with propagation.change(self, role_name):
            super().delete_role_policy(role_name, policy_name)

    def attach_role_policy(self, policy_arn: str, role_name: str) -> None:
        """Attach a managed policy."""
        with propagation.change(self, role_name):
            super().attach_role_policy(policy_arn, role_name)

    def detach_role_policy(self, policy_arn: str, role_name: str) -> None:
        """Detach a managed policy."""
        with propagation.change(self, role_name):
            super().detach_role_policy(policy_arn, role_name)

    def delete_access_key_by_name(self, name: str) -> None:
        """Delete a key, and record it, because it must not become the administrator's."""
        super().delete_access_key_by_name(name)
        self.deleted_keys.add(name)

    def update_user(
        self, user_name: str, new_path: str | None = None, new_user_name: str | None = None
    ) -> None:
        """Rename a user with its keys, unless the name is taken."""
        if new_user_name and new_user_name != user_name and new_user_name in self.users:
            raise EntityAlreadyExists(f"User with name {new_user_name} already exists.")
        super().update_user(user_name, new_path, new_user_name)
        user = self.users[new_user_name or user_name]
        for key in user.access_keys:
            key.user_name = user.name

    def delete_user(self, user_name: str) -> None:
        """Delete a user that has no access keys."""
        if self.get_user(user_name).access_keys:
            raise DeleteConflictException("Cannot delete entity, must delete access keys first.")
        super().delete_user(user_name)

    def _init_aws_policies(self) -> list[ManagedPolicy]:
        return []


def _copy(parsed: ManagedPolicy) -> ManagedPolicy:
    """A policy that can be attached and tagged independently of other backends' copies."""
    policy = copy(parsed)
    policy.versions = [copy(version) for version in parsed.versions]
    policy.tags = dict(parsed.tags)
    return policy


@cache
def _aws_policies(account_id: str, region: str) -> tuple[ManagedPolicy, ...]:
    """AWS's managed policies, parsed once per process."""
    if not load_iam_aws_managed_policies():
        return ()
    documents = json.loads(aws_managed_policies_data)
    return tuple(
        AWSManagedPolicy.from_data(name, account_id, region, document)
        for name, document in documents.items()
    )
