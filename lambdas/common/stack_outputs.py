"""The outputs of another stack, wherever and whenever it is deployed.

The stack may come, change or go while a function stays, so its outputs are asked for: a reference
between the stacks would keep either from changing.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import code_of, failure, text_of

_REMEMBERED: Final = 300.0  # seconds


class StackOutputs:
    """The outputs of a stack.

    Args:
        stack: its name; empty where there is none.
        cloudformation: makes a boto3 client, where it is needed.
    """

    def __init__(self, stack: str = "", cloudformation: Callable[[], Any] = lambda: None) -> None:
        self._stack, self._cloudformation = stack, cloudformation
        self._known: Mapping[str, str] = {}
        self._until = 0.0

    def known(self) -> Mapping[str, str]:
        """The outputs by name as they were within the last five minutes; none without the stack.

        Raises:
            FunctionError: CloudFormation refuses.
        """
        if self._stack and time.monotonic() >= self._until:
            self._known, self._until = self._found(), time.monotonic() + _REMEMBERED
        return self._known

    def forget(self) -> None:
        """Ask again the next time."""
        self._until = 0.0

    def _found(self) -> Mapping[str, str]:
        try:
            answer = self._cloudformation().describe_stacks(StackName=self._stack)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "ValidationError":  # there is no such stack
                return {}
            words = f"The outputs of {self._stack} cannot be read: {text_of(error)}"
            raise failure(error, words) from None
        return {
            output["OutputKey"]: output["OutputValue"]
            for stack in answer["Stacks"]
            for output in stack.get("Outputs", [])
        }
