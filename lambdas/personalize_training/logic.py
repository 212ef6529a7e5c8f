"""A training of Amazon Personalize's solutions: an update of their stack to another training."""

from datetime import UTC, datetime
from typing import Any

from common.errors import FunctionError
from common.stack_update import StackUpdate


class TrainingError(FunctionError):
    """A training cannot be started; the message says why, to a person."""


def start(stack: StackUpdate, *, scheduled: bool) -> dict[str, Any]:
    """Start a training of all solutions.

    Args:
        stack: the solutions' stack, whose parameter names the training.
        scheduled: whether a schedule asks: then a stack that is being updated is no failure.

    Returns:
        `outcome`: `started`, with the name of the `training`; or `busy`, with `reason`.

    Raises:
        FunctionError: it cannot be started; a `BusyError` if it may be in a moment.
    """
    described = stack.described()
    if reason := stack.busy(described):
        if scheduled:
            return {"outcome": "busy", "reason": reason}
        raise TrainingError(reason)
    # a name that no training had, also none that was refused
    training = datetime.now(UTC).strftime("%Y%m%d%H%M%S")
    stack.update(described, training, f"training-{training}")
    return {"outcome": "started", "training": training}
