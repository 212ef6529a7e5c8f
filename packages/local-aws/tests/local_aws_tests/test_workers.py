"""Background work: a bound on what runs at once, and the order of the line."""

import threading
import time
from collections.abc import Callable

import pytest

from local_aws import workers
from local_aws.workers import Workers


def after(event: threading.Event, then: Callable[[], object]) -> Callable[[], None]:
    """A task that waits for an event before it does something."""

    def task() -> None:
        assert event.wait(60)
        then()

    return task


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_more_than_the_bound_run_at_once_and_all_run() -> None:
    pool = Workers(3, "test")
    lock, go_on = threading.Lock(), threading.Event()
    running, most, done = 0, 0, 0

    def task() -> None:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        go_on.wait(60)
        with lock:
            running -= 1
            done += 1

    for _ in range(500):
        pool.submit(task)
    eventually(lambda: running == 3)
    assert pool.full
    assert sum(thread.name == "test" for thread in threading.enumerate()) == 3
    go_on.set()
    eventually(lambda: done == 500)
    assert most == 3


def test_order_is_that_of_their_coming_but_for_those_that_wait() -> None:
    pool = Workers(1, "test")
    ran: list[str] = []
    blocked = threading.Event()
    pool.submit(after(blocked, lambda: ran.append("first")))
    pool.submit(lambda: ran.append("late"), after=0.5)
    for name in "abc":
        pool.submit(lambda name=name: ran.append(name))  # type: ignore[misc]
    blocked.set()
    eventually(lambda: len(ran) == 5)
    assert ran == ["first", "a", "b", "c", "late"]


def test_cancelled_task_never_runs() -> None:
    pool = Workers(1, "test")
    blocked = threading.Event()
    ran: list[str] = []
    running = pool.submit(after(blocked, lambda: ran.append("running")))
    eventually(lambda: not pool._line)
    cancel = pool.submit(lambda: ran.append("cancelled"))
    last = pool.submit(lambda: ran.append("last"))
    assert cancel() is True
    assert cancel() is False
    assert running() is False, "it runs already"
    blocked.set()
    eventually(lambda: "last" in ran)
    assert ran == ["running", "last"]
    assert last() is False


def test_failing_task_costs_no_worker() -> None:
    pool = Workers(1, "test")
    ran, failing = threading.Event(), threading.Event()
    failing.set()
    pool.submit(after(failing, lambda: 1 // 0))
    pool.submit(ran.set)
    assert ran.wait(60)


def test_threads_end_when_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_LINGER", 0.05)
    pool = Workers(4, "ending")
    for _ in range(8):
        pool.submit(lambda: None)
    eventually(lambda: all(thread.name != "ending" for thread in threading.enumerate()))
    late = threading.Event()
    pool.submit(late.set, after=0.2)  # one thread waits for it
    assert late.wait(60)


def test_closed_pool_forgets_what_waits() -> None:
    pool = Workers(1, "closing")
    blocked = threading.Event()
    ran: list[str] = []
    pool.submit(after(blocked, lambda: ran.append("running")))
    eventually(lambda: not pool._line)
    pool.submit(lambda: ran.append("waiting"))
    pool.close()
    pool.submit(lambda: ran.append("after"))
    blocked.set()
    eventually(lambda: all(thread.name != "closing" for thread in threading.enumerate()))
    assert ran == ["running"]
