"""STS's API: moto's, with checks of session limits."""

from moto.core.responses import ActionResult
from moto.core.utils import get_service_model
from moto.sts.responses import TokenResponse

from local_aws import validation
from local_aws.api import AwsError, CheckedResponse, NotImplementedByLocalAws
from local_aws.iam import grammar
from local_aws.sts.models import find_role, find_session

_HOUR = 3600
_SESSION_POLICY = 2048  # characters


class LocalTokenResponse(CheckedResponse, TokenResponse):
    """Answers STS's operations."""

    def check(self, action: str) -> None:
        """Refuse an invalid session.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        """
        if action != "AssumeRole":
            return
        shape = get_service_model("sts").operation_model(action).input_shape
        if broken := validation.violations(self.params, shape):
            raise AwsError("ValidationError", validation.message(broken))
        if self.params.get("SerialNumber") or self.params.get("TokenCode"):
            raise NotImplementedByLocalAws("sts:AssumeRole with an MFA device")
        seconds = int(self.params.get("DurationSeconds") or _HOUR)
        role = find_role(self.params["RoleArn"], self.region)
        if seconds > _HOUR and find_session(self.access_key, self.current_account, self.region):
            raise AwsError(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles "
                "assumed by role chaining.",
            )
        if seconds > int(role.max_session_duration or _HOUR):
            raise AwsError(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        if policy := self.params.get("Policy"):
            if len(policy) > _SESSION_POLICY:
                raise AwsError(
                    "ValidationError",
                    "1 validation error detected: Value at 'policy' failed to satisfy constraint: "
                    f"Member must have length less than or equal to {_SESSION_POLICY}",
                )
            grammar.check(policy, grammar.IDENTITY)

    def assume_role(self) -> ActionResult:
        """Create a role's session."""
        answer = super().assume_role()
        if identity := self.params.get("SourceIdentity"):
            answer.result["SourceIdentity"] = identity  # type: ignore[index]
        return answer
