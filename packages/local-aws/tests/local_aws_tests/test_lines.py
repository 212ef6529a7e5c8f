"""Output becomes lines, whatever there is in it and however it comes."""

import os
import threading

from hypothesis import given
from hypothesis import strategies as st

from local_aws.lines import LONGEST, Lines

parts = st.lists(st.binary(max_size=30) | st.sampled_from([b"\n", b"a\nb", "ü€😀".encode()]))


@given(parts)
def test_lines_do_not_depend_on_the_parts(given_parts: list[bytes]) -> None:
    lines = Lines()
    found = [line for part in given_parts for line in lines.feed(part)] + lines.rest()
    whole = b"".join(given_parts).decode("utf-8", "replace").split("\n")
    assert found == (whole if whole[-1] else whole[:-1])


def test_long_line_is_split_to_the_event_size() -> None:
    text = "€" * 1_000_000  # three bytes each, and the limit is no multiple of three
    content = text.encode()
    lines = Lines()
    found: list[str] = []
    for start in range(0, len(content), 65_536):
        found += lines.feed(content[start : start + 65_536])
        assert len(lines._held) <= LONGEST
    found += lines.rest()
    assert "".join(found) == text
    assert max(len(line.encode()) for line in found) <= LONGEST


def test_endless_line_takes_linear_time() -> None:
    """64 MB in parts of 64 KB: copied again with each part, it would be 32 GB."""
    lines = Lines()
    done = threading.Event()

    def feed() -> None:
        part = os.urandom(1) * 65_536
        for _ in range(1024):
            lines.feed(part.replace(b"\n", b"x"))
        done.set()

    threading.Thread(target=feed, daemon=True).start()
    assert done.wait(120)
