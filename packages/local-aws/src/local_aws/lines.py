"""Splits a child's output into lines, in linear time and with a maximum length."""

LONGEST = 262_144 - 26
"""Bytes of a log event's message in CloudWatch Logs: 256 KB, of which an event itself takes 26.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""


class Lines:
    """Splits received output into lines; those longer than `LONGEST` are split into parts."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, part: bytes) -> list[str]:
        """The lines completed by this part of the output."""
        *complete, last = part.split(b"\n")
        lines: list[str] = []
        for line in complete:
            self._held += line
            lines += [*self._cut(), _text(self._held)]
            self._held.clear()
        self._held += last
        return lines + self._cut()

    def rest(self) -> list[str]:
        """The rest without a line end."""
        lines = [_text(self._held)] if self._held else []
        self._held.clear()
        return lines

    def _cut(self) -> list[str]:
        lines = []
        start = 0
        while len(self._held) - start > LONGEST:
            end = start + LONGEST
            while end > start + LONGEST - 4 and self._held[end] & 0xC0 == 0x80:
                end -= 1  # do not split a character
            lines.append(_text(self._held[start:end]))
            start = end
        del self._held[:start]
        return lines


def _text(line: bytearray) -> str:
    return line.decode("utf-8", "replace")
