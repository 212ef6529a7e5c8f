"""The event trackers of the deployment's Amazon Personalize, wherever and whenever it is deployed.

The stack of Personalize may come, change or go while this function stays, so its outputs are asked
for: a reference between the stacks would keep either from changing.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import code_of, failure, text_of

# ends the name of a stack's output: which events a dataset group learns from, unless they say
_KINDS: Final = {"CustomTrackingId": "Rating", "DomainTrackingId": "Watch"}
_REMEMBERED: Final = 300.0  # seconds


class Tracker(NamedTuple):
    """An event tracker, and the type of events that do not tell theirs."""

    id: str
    kind: str


class Trackers:
    """The trackers that a stack tells in its outputs.

    Args:
        stack: its name; empty where there is none.
        cloudformation: makes a boto3 client, where it is needed.
    """

    def __init__(self, stack: str = "", cloudformation: Callable[[], Any] = lambda: None) -> None:
        self._stack, self._cloudformation = stack, cloudformation
        self._known: tuple[Tracker, ...] = ()
        self._until = 0.0

    def known(self) -> Sequence[Tracker]:
        """The trackers as they were within the last five minutes; none without the stack.

        Raises:
            FunctionError: CloudFormation refuses.
        """
        if self._stack and time.monotonic() >= self._until:
            self._known, self._until = self._found(), time.monotonic() + _REMEMBERED
        return self._known

    def forget(self) -> None:
        """Ask again before the next event."""
        self._until = 0.0

    def _found(self) -> tuple[Tracker, ...]:
        try:
            answer = self._cloudformation().describe_stacks(StackName=self._stack)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "ValidationError":  # there is no such stack
                return ()
            words = f"The outputs of {self._stack} cannot be read: {text_of(error)}"
            raise failure(error, words) from None
        return tuple(
            Tracker(output["OutputValue"], _KINDS[output["OutputKey"]])
            for stack in answer["Stacks"]
            for output in stack.get("Outputs", [])
            if output["OutputKey"] in _KINDS
        )
