"""The delay until changes of roles take effect: on AWS, IAM is eventually consistent.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from moto.iam.models import Role

LONGEST: Final = 60.0  # seconds


@dataclass(frozen=True)
class _Version:
    """A role's policies before a change.

    Attributes:
        until: when it was changed, by the monotonic clock.
        policies: texts of the identity policies, by name or ARN.
        trust: text of the trust policy; None before the role existed.
    """

    until: float
    policies: Mapping[str, str]
    trust: str | None


_delay = 0.0
_versions: "WeakKeyDictionary[Role, list[_Version]]" = WeakKeyDictionary()


def delay() -> float:
    """The delay in seconds until a change takes effect."""
    return _delay


def set_delay(seconds: float) -> None:
    """Set the delay, from 0 to `LONGEST` seconds.

    Raises:
        ValueError: the delay is out of range.
    """
    global _delay
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"the delay of IAM is from 0 to {LONGEST:g} seconds, not {seconds:g}")
    _delay = seconds
    _versions.clear()


def created(role: Role) -> None:
    """Record the creation of a role."""
    if _delay:
        _versions[role] = [_Version(time.monotonic(), {}, None)]


@contextmanager
def change(backend: Any, role_name: str) -> Iterator[None]:
    """Let what a role allowed before a change hold for the delay.

    Args:
        backend: moto's IAM, in which the role is.
        role_name: the role's name.
    """
    if not _delay:
        yield
        return
    role = backend.get_role(role_name)
    before = _Version(time.monotonic(), _current(role), role.assume_role_policy_document)
    yield
    _versions.setdefault(role, []).append(before)


def policies(role: Role) -> Mapping[str, str]:
    """The texts of a role's identity policies in effect."""
    version = _held(role)
    return _current(role) if version is None else version.policies


def trust(role: Role) -> str | None:
    """The text of the trust policy in effect; None if the role is not in effect yet."""
    version = _held(role)
    return role.assume_role_policy_document if version is None else version.trust


def text(policy: Any) -> str:
    """A managed policy's current text."""
    versions = {version.version_id: version.document for version in policy.versions}
    return str(versions[policy.default_version_id])


def _current(role: Role) -> dict[str, str]:
    managed = {policy.arn: text(policy) for policy in role.managed_policies.values()}
    return {**role.policies, **managed}


def _held(role: Role) -> _Version | None:
    """The previous version, if it is still in effect; None otherwise."""
    if not _delay:
        return None
    versions = _versions.get(role, [])
    while versions and versions[0].until + _delay <= time.monotonic():
        versions.pop(0)
    return versions[0] if versions else None
