"""Updates of a stack by one of its parameters, with its template as it is.

CloudFormation trains, switches and rolls back, and there is no drift (decision 21).
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, failure, text_of


class StackUpdate:
    """Updates a stack.

    Every method raises a `FunctionError` where CloudFormation refuses, a `BusyError` where it may
    do it in a moment.

    Args:
        cloudformation: a boto3 client.
        stack: the stack's name.
        parameter: the parameter that changes.
    """

    def __init__(self, cloudformation: Any, stack: str, parameter: str) -> None:
        self._cloudformation, self._stack, self._parameter = cloudformation, stack, parameter

    def described(self) -> Mapping[str, Any]:
        """The stack, as CloudFormation describes it."""
        try:
            answer = self._cloudformation.describe_stacks(StackName=self._stack)
        except (ClientError, BotoCoreError) as error:
            raise failure(error, f"The stack {self._stack}: {text_of(error)}") from None
        found: Mapping[str, Any] = answer["Stacks"][0]
        return found

    def value(self, described: Mapping[str, Any]) -> str:
        """The parameter's present value."""
        return _parameters(described)[self._parameter]

    def busy(self, described: Mapping[str, Any]) -> str:
        """Why the stack cannot be updated now; empty if it can.

        Raises:
            FunctionError: it has to be repaired first.
        """
        status = described["StackStatus"]
        if status.endswith("_IN_PROGRESS"):
            return (
                f"The stack {self._stack} is being updated ({status}), by a retraining or a "
                "deployment: try again when that has ended"
            )
        if status.endswith("_FAILED"):
            raise FunctionError(
                f"The stack {self._stack} is in the state {status}: docs/runbook.md tells how to "
                "repair it; until then nothing is retrained"
            )
        return ""

    def update(self, described: Mapping[str, Any], value: str, token: str) -> None:
        """Begin an update to another value; all other parameters stay as they are.

        The stack's own role does it: CloudFormation uses the one that was used before.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html

        Args:
            described: the stack.
            value: the parameter's new value.
            token: names the update in the stack's events.
        """
        others = [name for name in _parameters(described) if name != self._parameter]
        try:
            self._cloudformation.update_stack(
                StackName=self._stack,
                UsePreviousTemplate=True,
                Parameters=[
                    {"ParameterKey": self._parameter, "ParameterValue": value},
                    *({"ParameterKey": name, "UsePreviousValue": True} for name in others),
                ],
                Capabilities=described.get("Capabilities", []),
                ClientRequestToken=token,
            )
        except (ClientError, BotoCoreError) as error:
            raise failure(
                error, f"The stack {self._stack} cannot be updated: {text_of(error)}"
            ) from None


def _parameters(described: Mapping[str, Any]) -> dict[str, str]:
    return {one["ParameterKey"]: one["ParameterValue"] for one in described["Parameters"]}
