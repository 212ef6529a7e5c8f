"""The event trackers of the deployment's Amazon Personalize, wherever and whenever it is deployed.

The stack of Personalize may come, change or go while this function stays, so its outputs are asked
for: a reference between the stacks would keep either from changing.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import code_of, failure, text_of

_OUTPUT: Final = "TrackingId"  # ends the name of a stack's output
_REMEMBERED: Final = 300.0  # seconds


class Trackers:
    """The ids of the trackers that a stack tells in its outputs.

    Args:
        stack: its name; empty where there is none.
        cloudformation: makes a boto3 client, where it is needed.
    """

    def __init__(self, stack: str = "", cloudformation: Callable[[], Any] = lambda: None) -> None:
        self._stack, self._cloudformation = stack, cloudformation
        self._ids: tuple[str, ...] = ()
        self._until = 0.0

    def ids(self) -> Sequence[str]:
        """The trackers as they were within the last five minutes; none without the stack.

        Raises:
            FunctionError: CloudFormation refuses.
        """
        if self._stack and time.monotonic() >= self._until:
            self._ids, self._until = self._found(), time.monotonic() + _REMEMBERED
        return self._ids

    def forget(self) -> None:
        """Ask again before the next event."""
        self._until = 0.0

    def _found(self) -> tuple[str, ...]:
        try:
            answer = self._cloudformation().describe_stacks(StackName=self._stack)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "ValidationError":  # there is no such stack
                return ()
            words = f"The outputs of {self._stack} cannot be read: {text_of(error)}"
            raise failure(error, words) from None
        return tuple(
            output["OutputValue"]
            for stack in answer["Stacks"]
            for output in stack.get("Outputs", [])
            if output["OutputKey"].endswith(_OUTPUT)
        )
