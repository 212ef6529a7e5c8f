"""Matches untrusted regular expressions in a separate process.

Some expressions take practically forever, and Python blocks the process meanwhile. Here each text,
and the compilation of a long expression, has one second of CPU time; expressions that take longer
are abandoned. Run as a program, this
module is the separate process; it uses only the standard library.
"""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

_SECONDS = 1.0  # seconds of CPU time per expression and text
_PATIENCE = 60.0  # seconds; a busy machine may be slow to provide the CPU time
_SHORT = 100  # characters of an expression that takes milliseconds to compile
_TOO_SLOW = "it takes too long to compile"


class TooSlow(ValueError):
    """An expression that cannot be decided in time."""


class Expressions:
    """Finds regular expressions in texts, in the order of the texts.

    Args:
        patterns: valid regular expressions.
        on_match: called from a thread with a text's tag, an expression's index, and the text of its
            first group (None without a matching group).
        on_slow: called with the index of an abandoned expression.
        whole: whether expressions must match the whole text.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        on_match: Callable[[Any, int, str | None], None],
        on_slow: Callable[[int], None],
        whole: bool = False,
    ) -> None:
        self._on_match, self._on_slow = on_match, on_slow
        self._texts: SimpleQueue[Any] = SimpleQueue()
        self._texts.put({"patterns": list(patterns), "whole": whole})
        self._child = _child()
        self._threads = [threading.Thread(target=self._write), threading.Thread(target=self._read)]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def feed(self, tag: Any, text: str) -> None:
        """Queue a text.

        Args:
            tag: JSON data passed to `on_match`.
            text: the text.
        """
        self._texts.put([tag, text])

    def close(self, patience: float) -> bool:
        """Stop after all texts; returns False if that takes longer than `patience` seconds."""
        self._texts.put(None)
        reader = self._threads[1]
        reader.join(patience)
        done = not reader.is_alive()
        self._child.kill()
        for thread in self._threads:
            thread.join()
        return done

    def _write(self) -> None:
        stdin = self._child.popen.stdin
        assert stdin is not None
        try:
            with stdin:
                while (text := self._texts.get()) is not None:
                    stdin.write(json.dumps(text).encode() + b"\n")
                    if self._texts.empty():
                        stdin.flush()
        except (OSError, ValueError):  # the process has ended
            return

    def _read(self) -> None:
        stdout = self._child.popen.stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                tag, index, group, slow = json.loads(line)
                if slow:
                    self._on_slow(index)
                else:
                    self._on_match(tag, index, group)


@lru_cache(maxsize=256)
def fault(pattern: str) -> str | None:
    """The problem of a regular expression that is invalid, or takes too long to compile.

    A long one is compiled in a separate process.

    Returns:
        None if there is none.
    """
    return _fault(pattern) if len(pattern) <= _SHORT else _fault_elsewhere(pattern)


def _fault(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return None


def _fault_elsewhere(pattern: str) -> str | None:
    child = _child()
    try:
        asked = json.dumps({"check": pattern}).encode() + b"\n"
        told, _ = child.popen.communicate(asked, _PATIENCE)
        found: str | None = json.loads(told)
    except subprocess.TimeoutExpired:
        return _TOO_SLOW
    finally:
        child.kill()
    return found


def _child() -> Any:
    """A separate process, which has not been told anything yet."""
    from local_aws.processes import Child

    return Child(
        [__file__],
        env={},
        cwd=Path("/"),
        python_flags=("-I", "-S"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def fullmatch(pattern: str, *texts: str) -> list[bool]:
    """Which of some texts a valid regular expression matches as a whole.

    Raises:
        TooSlow: the matches take too long.
    """
    found: set[int] = set()
    slow: list[int] = []
    expressions = Expressions(
        [pattern],
        on_match=lambda place, _, __: found.add(place),
        on_slow=slow.append,
        whole=True,
    )
    for place, text in enumerate(texts):
        expressions.feed(place, text)
    done = expressions.close(_PATIENCE)
    if slow or not done:
        raise TooSlow(f"{pattern} cannot be matched in time")
    return [place in found for place in range(len(texts))]


def _interrupted(*_: object) -> None:
    raise TimeoutError


def _main() -> None:
    told = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGVTALRM, _interrupted)  # checked by the matching from time to time
    if "check" in told:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
            words = _fault(told["check"])
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except TimeoutError:
            words = _TOO_SLOW
        sys.stdout.write(json.dumps(words))
        return
    patterns = dict(enumerate(map(re.compile, told["patterns"])))
    for line in sys.stdin:
        tag, text = json.loads(line)
        for index, pattern in list(patterns.items()):
            found, slow = None, False
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
                found = pattern.fullmatch(text) if told["whole"] else pattern.search(text)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            except TimeoutError:
                slow = True
                del patterns[index]
            if found or slow:
                group = found[1] if found and pattern.groups else None
                sys.stdout.write(json.dumps([tag, index, group, slow]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
