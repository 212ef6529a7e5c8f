"""Damage for files and requests, and a clock over those who read them."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import strategies as st

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)

ODD = (
    *(b"", b"\0", b"\r", b"\n", b"\r\n", b'"', b"'", b",", b"\t", b"::", b"|", b";", b" ", b"\\"),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\x0b", b"\x1c"),
    *(b"NaN", b"inf", b"-Infinity", b"1e999", b"-1", b"-0", b"1_0", b"0x10", b"+3", b"1.5", b"NA"),
    *("٣".encode(), "²".encode(), "½".encode(), b"9" * 20, b"9" * 5_000, b"true", b"null", b'""'),
    *(b"[", b"]", b"{", b"}", b":", b"[[", b"[" * 990 + b"]" * 990, b'"\\ud800"', b"1" + b"0" * 39),
)
"""Bytes that readers of text stumble over."""


@st.composite
def damaged(draw: Any, content: bytes, odd: Sequence[bytes] = ODD) -> bytes:
    """The content with an odd value, another part of itself, or nothing in one to three places."""
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(content)))
        last = draw(st.integers(first, min(len(content), first + draw(st.sampled_from((0, 1, 9))))))
        other = draw(st.integers(0, len(content)))
        piece = draw(
            st.sampled_from(odd)
            | st.binary(max_size=4)
            | st.just(content[other : other + draw(st.integers(1, 40))])
        )
        content = content[:first] + piece + content[last:]
    return (
        content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content
    )


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail what takes longer, with a trace of where it was."""

    def late(*_: object) -> None:
        raise AssertionError(f"no end after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(
    call: Callable[[], _T], refusal: type[_E], seconds: float = 20
) -> tuple[_T, None] | tuple[None, _E]:
    """What a call returns, or with what it refuses; any other end of it is a failure."""
    with within(seconds):
        try:
            return call(), None
        except refusal as error:
            return None, error
