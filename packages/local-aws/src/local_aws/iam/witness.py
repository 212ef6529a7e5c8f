"""Audit log of allowed requests and the policy statements that allowed them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local_aws.iam.policies import Policy, Request, permissions


@dataclass(frozen=True)
class Permission:
    """A statement and action that allowed a request.

    Attributes:
        holder: ARN of the policy's role or bucket.
        policy: its name in the role, or its ARN; `trust` and `bucket` for those policies.
        statement: the statement, as JSON with its keys in order.
        action: one of the statement's actions, which may have wildcards.
    """

    holder: str
    policy: str
    statement: str
    action: str


@dataclass(frozen=True)
class Allowed:
    """An allowed request with all permissions that allowed it."""

    action: str
    resource: str
    permissions: frozenset[Permission]


_witnesses: list[set[Allowed]] = []


@contextmanager
def witnessed() -> Iterator[set[Allowed]]:
    """Record all allowed requests of roles and services while the block runs."""
    seen: set[Allowed] = set()
    _witnesses.append(seen)
    try:
        yield seen
    finally:
        _witnesses.remove(seen)


def tell(request: Request, policies: Iterable[tuple[str, str, Policy, Request]]) -> None:
    """Record an allowed request.

    Args:
        request: the allowed request.
        policies: the evaluated policies: holder, name, policy, and request context.
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
    """A statement in the form of `Permission.statement`."""
    return json.dumps(statement, sort_keys=True)
