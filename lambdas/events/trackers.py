"""The event trackers of the deployment's Amazon Personalize."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from common.stack_outputs import StackOutputs

# ends the name of a stack's output: which events a dataset group learns from, unless they say
_KINDS: Final = {"CustomTrackingId": "Rating", "DomainTrackingId": "Watch"}


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
        self._outputs = StackOutputs(stack, cloudformation)

    def known(self) -> Sequence[Tracker]:
        """The trackers as they were within the last five minutes; none without the stack.

        Raises:
            FunctionError: CloudFormation refuses.
        """
        known = self._outputs.known()
        return [Tracker(known[name], kind) for name, kind in _KINDS.items() if name in known]

    def forget(self) -> None:
        """Ask again before the next event."""
        self._outputs.forget()
