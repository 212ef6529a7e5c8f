"""IAM's quotas of policies: their sizes, and how many are attached.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from local_aws.api import AwsError

_INLINE: Final = {"Group": 5_120, "Role": 10_240, "User": 2_048}  # characters of all, together
_MANAGED: Final = 6_144  # characters
_TRUST: Final = 2_048  # characters
_ATTACHED: Final = 10  # managed policies per user, group or role
_OF_HOLDER: Final = re.compile("(Put|Attach)(Group|Role|User)Policy")


def check(operation: str, params: Mapping[str, str], backend: Any) -> None:
    """Refuse a policy that exceeds a quota. White space does not count.

    Args:
        operation: an operation of IAM.
        params: its parameters, as far as they are given.
        backend: moto's IAM, which has the existing policies.

    Raises:
        AwsError: a quota is exceeded.
        ServiceException: there is no such group, role or user.
    """
    document = params.get("PolicyDocument", "")
    if operation in ("CreatePolicy", "CreatePolicyVersion"):
        _limit(_size(document) <= _MANAGED, f"Cannot exceed quota for PolicySize: {_MANAGED}")
    elif operation in ("CreateRole", "UpdateAssumeRolePolicy"):
        size = _size(params.get("AssumeRolePolicyDocument", document))
        _limit(size <= _TRUST, f"Cannot exceed quota for ACLSizePerRole: {_TRUST}")
    elif found := _OF_HOLDER.fullmatch(operation):
        verb, kind = found.groups()
        name = params.get(f"{kind}Name", "")
        holder = getattr(backend, f"get_{kind.lower()}")(name)
        if verb == "Put":
            policies = {**holder.policies, params.get("PolicyName", ""): document}
            _limit(
                sum(map(_size, policies.values())) <= _INLINE[kind],
                f"Maximum policy size of {_INLINE[kind]} bytes exceeded for {kind.lower()} {name}",
            )
        else:
            attached = {*holder.managed_policies, params.get("PolicyArn", "")}
            _limit(
                len(attached) <= _ATTACHED,
                f"Cannot exceed quota for PoliciesPer{kind}: {_ATTACHED}",
            )


def _size(document: str) -> int:
    return len("".join(document.split()))


def _limit(kept: bool, told: str) -> None:
    if not kept:
        raise AwsError("LimitExceeded", told)
