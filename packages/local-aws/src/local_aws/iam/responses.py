"""IAM's API: moto's, without settings that moto ignores."""

from typing import Final

from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.iam.responses import IamResponse

from local_aws import validation
from local_aws.api import AwsError, CheckedResponse, NotImplementedByLocalAws
from local_aws.iam import access, grammar, quotas
from local_aws.iam.policies import Decision, Request


class LocalIamResponse(CheckedResponse, IamResponse):
    """Answers IAM's operations as moto does."""

    def check(self, action: str) -> None:
        """Refuse changes of AWS's managed policies, a user's permissions boundary, which moto
        ignores, and policies that are malformed or exceed a quota."""
        self.parse_parameters(self.normalized_request)
        shape = get_service_model("iam").operation_model(action).input_shape
        if broken := validation.violations(self.params, shape):
            raise AwsError("ValidationError", validation.message(broken))
        arn = self._get_param("PolicyArn") or ""
        if action in _OF_OWN_POLICIES and ":iam::aws:" in arn:
            raise AwsError(
                "AccessDenied",
                f"Not authorized to perform: iam:{action} on resource: policy {arn}, which AWS "
                "manages",
            )
        if action == "CreateUser" and self._get_param("PermissionsBoundary"):
            raise NotImplementedByLocalAws("a user's PermissionsBoundary")
        for parameter, kind in _POLICIES.get(action, {}).items():
            if document := self._get_param(parameter):
                grammar.check(document, kind)
        given = {name: self._get_param(name) for name in _OF_QUOTAS}
        quotas.check(action, {name: text for name, text in given.items() if text}, self.backend)

    def simulate_principal_policy(self) -> ActionResult:
        """What a role's or a user's policies say of actions, a page at a time.

        Raises:
            AwsError: the request is invalid, or there is no such role or user.
            NotImplementedByLocalAws: a group, resources of other accounts, policies of the
                request, or keys of a context take part.
        """
        asked = {name: self._get_param(name) for name in _SIMULATED}
        asked = {name: value for name, value in asked.items() if value is not None}
        model = get_service_model("iam").operation_model("SimulatePrincipalPolicy")
        if broken := validation.violations(asked, model.input_shape):
            raise AwsError("ValidationError", validation.message(broken))
        if given := [name for name in _NOT_SIMULATED if self._get_param(name)]:
            raise NotImplementedByLocalAws(f"iam:SimulatePrincipalPolicy with {', '.join(given)}")
        principal, actions = asked["PolicySourceArn"], asked["ActionNames"]
        resources = asked.get("ResourceArns") or ["*"]
        if others := [arn for arn in resources if _owner(arn) not in ("", self.current_account)]:
            raise NotImplementedByLocalAws(
                f"iam:SimulatePrincipalPolicy with a resource of another account, {others[0]}"
            )
        if ":group/" in principal:
            raise NotImplementedByLocalAws("iam:SimulatePrincipalPolicy of a group")
        count = len(actions) * len(resources)
        start = _position(asked.get("Marker", "0"), count)
        end = min(count, start + asked.get("MaxItems", _PAGE))
        page = [
            Request(actions[at // len(resources)], resources[at % len(resources)])
            for at in range(start, end)
        ]
        try:
            decisions = access.simulated(principal, page, self.region)
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
            for request, decision in zip(page, decisions, strict=True)
        ]
        more = {"Marker": str(end)} if end < count else {}
        return ActionResult({"EvaluationResults": results, "IsTruncated": bool(more), **more})


def _owner(arn: str) -> str:
    """The account that an ARN names, if any."""
    owner = arn.split(":", 5)[4] if arn.count(":") > 4 else ""
    return owner if owner.isdigit() else ""


def _position(marker: str, count: int) -> int:
    """The number of results before a page.

    Raises:
        AwsError: an earlier page has not given this marker.
    """
    if not (marker.isascii() and marker.isdigit() and int(marker[:20]) <= count):
        raise AwsError("InvalidInput", f"Invalid Marker: {marker}")
    return int(marker)


_PAGE: Final = 100  # results, unless MaxItems says so
_DECISIONS: Final = {
    Decision.ALLOW: "allowed",
    Decision.DENY: "explicitDeny",
    Decision.NEUTRAL: "implicitDeny",
}
_SIMULATED: Final = ("PolicySourceArn", "ActionNames", "ResourceArns", "MaxItems", "Marker")
_NOT_SIMULATED: Final = (
    *("CallerArn", "ContextEntries", "PermissionsBoundaryPolicyInputList", "PolicyInputList"),
    *("ResourceHandlingOption", "ResourceOwner", "ResourcePolicy"),
)
# Operations that change a managed policy
_OF_OWN_POLICIES: Final = frozenset(
    {
        *("CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion"),
        *("SetDefaultPolicyVersion", "TagPolicy", "UntagPolicy"),
    }
)
_IDENTITY: Final = {"PolicyDocument": grammar.IDENTITY}
_OF_QUOTAS: Final = (
    *("AssumeRolePolicyDocument", "PolicyDocument", "PolicyArn", "PolicyName"),
    *("GroupName", "RoleName", "UserName"),
)
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
