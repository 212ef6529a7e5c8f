"""A child's output as lines: in linear time, and never more of a line than an event may hold."""

LONGEST = 262_144 - 26
"""Bytes of a log event's message in CloudWatch Logs: 256 KB, of which an event itself takes 26.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""


class Lines:
    """Takes output as it comes and gives its lines; a longer one than `LONGEST` comes in parts."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, part: bytes) -> list[str]:
        """The lines that are complete with this part of the output."""
        *complete, last = part.split(b"\n")
        lines: list[str] = []
        for line in complete:
            self._held += line
            lines += [*self._cut(), _text(self._held)]
            self._held.clear()
        self._held += last
        return lines + self._cut()

    def rest(self) -> list[str]:
        """What no line end has come for."""
        lines = [_text(self._held)] if self._held else []
        self._held.clear()
        return lines

    def _cut(self) -> list[str]:
        lines = []
        start = 0
        while len(self._held) - start > LONGEST:
            end = start + LONGEST
            while end > start + LONGEST - 4 and self._held[end] & 0xC0 == 0x80:
                end -= 1  # not inside a character
            lines.append(_text(self._held[start:end]))
            start = end
        del self._held[:start]
        return lines


def _text(line: bytearray) -> str:
    return line.decode("utf-8", "replace")
