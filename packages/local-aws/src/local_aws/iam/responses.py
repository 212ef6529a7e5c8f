"""IAM's API: moto's, without settings that moto ignores."""

from typing import Final

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from local_aws.api import AwsError, CheckedResponse, NotImplementedByLocalAws
from local_aws.iam import access, grammar
from local_aws.iam.policies import Decision, Request


class LocalIamResponse(CheckedResponse, IamResponse):
    """Answers IAM's operations as moto does."""

    def check(self, action: str) -> None:
        """Refuse a user's permissions boundary, which moto ignores, and malformed policies."""
        if action == "CreateUser" and self._get_param("PermissionsBoundary"):
            raise NotImplementedByLocalAws("a user's PermissionsBoundary")
        for parameter, kind in _POLICIES.get(action, {}).items():
            if document := self._get_param(parameter):
                grammar.check(document, kind)

    def simulate_principal_policy(self) -> ActionResult:
        """What a role's or a user's policies say of actions.

        Raises:
            AwsError: there is no such role or user.
            NotImplementedByLocalAws: policies of the request, or keys of a context, take part.
        """
        if given := [name for name in _NOT_SIMULATED if self._get_param(name)]:
            raise NotImplementedByLocalAws(f"iam:SimulatePrincipalPolicy with {', '.join(given)}")
        principal = self._get_param("PolicySourceArn")
        asked = [
            Request(action, resource)
            for action in self._get_param("ActionNames")
            for resource in self._get_param("ResourceArns") or ["*"]
        ]
        try:
            decisions = access.simulated(principal, asked, self.region)
        except (IndexError, LookupError):
            raise AwsError("NoSuchEntity", f"The entity {principal} cannot be found.") from None
        results = [
            {
                "EvalActionName": request.action,
                "EvalResourceName": request.resource,
                "EvalDecision": _DECISIONS[decision],
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for request, decision in zip(asked, decisions, strict=True)
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})


_DECISIONS: Final = {
    Decision.ALLOW: "allowed",
    Decision.DENY: "explicitDeny",
    Decision.NEUTRAL: "implicitDeny",
}
_NOT_SIMULATED: Final = (
    *("CallerArn", "ContextEntries", "PermissionsBoundaryPolicyInputList", "PolicyInputList"),
    *("ResourceHandlingOption", "ResourceOwner", "ResourcePolicy"),
)
_IDENTITY: Final = {"PolicyDocument": grammar.IDENTITY}
# The policy parameter by operation
_POLICIES: Final = {
    "CreatePolicy": _IDENTITY,
    "CreatePolicyVersion": _IDENTITY,
    "CreateRole": {"AssumeRolePolicyDocument": grammar.TRUST},
    "PutGroupPolicy": _IDENTITY,
    "PutRolePolicy": _IDENTITY,
    "PutUserPolicy": _IDENTITY,
    "UpdateAssumeRolePolicy": {"PolicyDocument": grammar.TRUST},
}
