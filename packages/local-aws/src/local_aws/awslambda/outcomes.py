"""The status of asynchronous invocations, for the stack engine."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

_REMEMBERED = 10_000


@dataclass(frozen=True)
class AsyncOutcome:
    """The status of an event; `reason` is the last error, `attempts` the number of runs."""

    status: Literal["pending", "succeeded", "failed"]
    reason: str = ""
    attempts: int = 0


_outcomes: OrderedDict[str, AsyncOutcome] = OrderedDict()
_lock = threading.Lock()


def async_outcome(request_id: str) -> AsyncOutcome | None:
    """The status of the event with this request id; None if it was not accepted."""
    with _lock:
        return _outcomes.get(request_id)


def remember(request_id: str, outcome: AsyncOutcome) -> None:
    """Record an event's status; the oldest ones are dropped."""
    with _lock:
        _outcomes[request_id] = outcome
        _outcomes.move_to_end(request_id)
        while len(_outcomes) > _REMEMBERED:
            _outcomes.popitem(last=False)
