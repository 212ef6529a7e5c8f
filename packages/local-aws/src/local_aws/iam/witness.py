"""Who wants to see what policies allowed: which part of which policy let which request through."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local_aws.iam.policies import Policy, Request, permissions


@dataclass(frozen=True)
class Permission:
    """What allowed a request: an action of a statement.

    Attributes:
        holder: ARN of the role, or of the bucket, that has the policy.
        policy: its name in the role, or its ARN; `trust` and `bucket` for those policies.
        statement: the statement, as JSON with its keys in order.
        action: one of the statement's, which may have wildcards.
    """

    holder: str
    policy: str
    statement: str
    action: str


@dataclass(frozen=True)
class Allowed:
    """A request that was allowed, and all that allowed it."""

    action: str
    resource: str
    permissions: frozenset[Permission]


_witnesses: list[set[Allowed]] = []


@contextmanager
def witnessed() -> Iterator[set[Allowed]]:
    """Everything that roles and services are allowed while the block runs."""
    seen: set[Allowed] = set()
    _witnesses.append(seen)
    try:
        yield seen
    finally:
        _witnesses.remove(seen)


def tell(request: Request, policies: Iterable[tuple[str, str, Policy, Request]]) -> None:
    """Show the witnesses an allowed request.

    Args:
        request: what was allowed.
        policies: the policies that had a say: holder, name, the policy, and the request as it
            sees it.
    """
    if not _witnesses:
        return
    found = frozenset(
        Permission(holder, name, text_of(statement), action)
        for holder, name, policy, seen in policies
        for statement, action in permissions(policy, seen)
    )
    for witness in _witnesses:
        witness.add(Allowed(request.action, request.resource, found))


def text_of(statement: Mapping[str, Any]) -> str:
    """A statement as a `Permission` has it."""
    return json.dumps(statement, sort_keys=True)
