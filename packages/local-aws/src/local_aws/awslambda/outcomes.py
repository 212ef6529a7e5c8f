"""What became of asynchronous invocations, for the stack engine to ask."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

_REMEMBERED = 10_000


@dataclass(frozen=True)
class AsyncOutcome:
    """An event's fate; `reason` is the last error, `attempts` how often the function ran."""

    status: Literal["pending", "succeeded", "failed"]
    reason: str = ""
    attempts: int = 0


_outcomes: OrderedDict[str, AsyncOutcome] = OrderedDict()
_lock = threading.Lock()


def async_outcome(request_id: str) -> AsyncOutcome | None:
    """What became of the event with this request id; None if no such event was accepted."""
    with _lock:
        return _outcomes.get(request_id)


def remember(request_id: str, outcome: AsyncOutcome) -> None:
    """Keep an event's fate; the oldest ones are forgotten."""
    with _lock:
        _outcomes[request_id] = outcome
        _outcomes.move_to_end(request_id)
        while len(_outcomes) > _REMEMBERED:
            _outcomes.popitem(last=False)
