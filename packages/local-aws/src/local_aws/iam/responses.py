"""IAM's HTTP side: moto's, but for what moto would forget."""

from typing import Final

from moto.iam.responses import IamResponse

from local_aws.api import CheckedResponse, NotImplementedByLocalAws
from local_aws.iam import grammar


class LocalIamResponse(CheckedResponse, IamResponse):
    """Answers IAM's operations as moto does."""

    def check(self, action: str) -> None:
        """Refuse a user's permissions boundary, which would not be kept, and a malformed policy."""
        if action == "CreateUser" and self._get_param("PermissionsBoundary"):
            raise NotImplementedByLocalAws("a user's PermissionsBoundary")
        for parameter, kind in _POLICIES.get(action, {}).items():
            if document := self._get_param(parameter):
                grammar.check(document, kind)


_IDENTITY: Final = {"PolicyDocument": grammar.IDENTITY}
# What holds a policy, by operation
_POLICIES: Final = {
    "CreatePolicy": _IDENTITY,
    "CreatePolicyVersion": _IDENTITY,
    "CreateRole": {"AssumeRolePolicyDocument": grammar.TRUST},
    "PutGroupPolicy": _IDENTITY,
    "PutRolePolicy": _IDENTITY,
    "PutUserPolicy": _IDENTITY,
    "UpdateAssumeRolePolicy": {"PolicyDocument": grammar.TRUST},
}
