"""Records of batch transform: splitting, filtering, and joining with predictions.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

import csv
import io
import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from local_aws.documents import read_json
from local_aws.sagemaker.errors import Failed, ValidationException

INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
_MAGIC: Final = 0xCED7230A  # of a RecordIO frame
_NAME = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_STEP: Final = re.compile(
    rf"\.(?P<name>[\w-]+|\*)|\[\s*(?:(?P<names>(?:{_NAME})(?:\s*,\s*(?:{_NAME}))*)"
    r"|(?P<all>\*)|(?P<start>-?\d+)?\s*:\s*(?P<stop>-?\d+)?|(?P<places>-?\d+(?:\s*,\s*-?\d+)*))\s*\]"
)
_Select = Callable[[Any], Any]


class TooLong(Exception):
    """A record is longer than a request may be."""


def lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """The non-empty lines of an object, read one by one.

    Args:
        file: the object.
        longest: the most bytes of a line.

    Raises:
        TooLong: a line is longer.
    """
    while line := file.readline(longest + 1):
        for part in line.splitlines(keepends=True):
            if len(part) > longest:
                raise TooLong
            if part.strip():
                yield part


def frames(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """The records of an object in RecordIO, each with its frame, read one by one.

    Args:
        file: the object.
        longest: the most bytes of a frame.

    Raises:
        Failed: it is not RecordIO.
        TooLong: a frame is longer.
    """
    at = 0
    while head := file.read(8):
        if len(head) < 8:
            raise Failed("ClientError: the object is not in RecordIO: it ends within a record")
        magic, length = struct.unpack("<II", head)
        size = (length + 3) // 4 * 4
        if magic == _MAGIC and len(head) + size > longest:
            raise TooLong
        content = file.read(size) if magic == _MAGIC else b""
        if magic != _MAGIC or len(content) < size:
            raise Failed(f"ClientError: the object is not in RecordIO (at byte {at})")
        yield head + content
        at += len(head) + size


def whole(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """An object as one record.

    Args:
        file: the object.
        longest: the most bytes that it may have.

    Raises:
        TooLong: it has more.
    """
    content = file.read(longest + 1)
    if len(content) > longest:
        raise TooLong
    yield content


class Path:
    """The part of JSONPath that batch transform supports.

    Raises:
        ValidationException: the expression is invalid.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps: list[_Select] = []
        at = 1
        while text.startswith("$") and at < len(text):
            step = _STEP.match(text, at)
            if step is None:
                break
            self._steps.append(_selection(step))
            at = step.end()
        if not text.startswith("$") or at < len(text):
            raise ValidationException(
                f"{text} is not a JSONPath that batch transform knows: $ with .name, ['name', …], "
                "[number, …], [start:stop] and *."
            )

    @property
    def whole(self) -> bool:
        """Whether it selects everything."""
        return not self._steps

    def of(self, value: Any) -> Any:
        """Select from a value.

        Raises:
            Failed: the path does not exist.
        """
        try:
            for step in self._steps:
                value = step(value)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Failed(f"ClientError: {self.text} selects nothing in a record") from None
        return value


def _selection(step: re.Match[str]) -> _Select:
    if step["name"] not in (None, "*"):
        name = step["name"]
        return lambda value: value[name]
    if step["names"]:
        names = [one[1:-1] for one in re.findall(_NAME, step["names"])]
        if len(names) == 1:
            return lambda value: value[names[0]]
        return lambda value: {each: value[each] for each in names}
    if step["places"]:
        places = [int(one) for one in step["places"].split(",")]
        if len(places) == 1:
            return lambda value: _listed(value)[places[0]]
        return lambda value: [_listed(value)[place] for place in places]
    if step["name"] == "*" or step["all"]:
        return lambda value: list(value.values()) if isinstance(value, dict) else _listed(value)
    part = slice(*(int(one) if one else None for one in (step["start"], step["stop"])))
    return lambda value: _listed(value)[part]


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


class Format:
    """Parses and formats records of a content type.

    Args:
        content_type: the input's content type.

    Raises:
        ValidationException: batch transform does not support this content type here.
    """

    def __init__(self, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in ("text/csv", "application/json", "application/jsonlines"):
            raise ValidationException(
                f"DataProcessing needs records in text/csv, application/json or "
                f"application/jsonlines, not {content_type}."
            )
        self.csv = kind == "text/csv"

    def read(self, record: bytes) -> Any:
        """Parse a record.

        Raises:
            Failed: it is not in this format.
        """
        try:
            text = record.decode("utf-8").rstrip("\r\n")
            if not self.csv:
                return read_json(text)
            [row] = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        except (ValueError, csv.Error) as error:
            raise Failed(f"ClientError: a record cannot be read: {error}") from None
        return row

    def write(self, value: Any) -> bytes:
        """Format a value as a line without a line end."""
        if not self.csv:
            return json.dumps(value).encode()
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="").writerow(
            [*map(_cell, value)] if isinstance(value, list) else [_cell(value)]
        )
        return text.getvalue().encode()

    def joined(self, record: Any, answer: Any) -> Any:
        """Join a record with its prediction."""
        if self.csv:
            return [*record, *(answer if isinstance(answer, list) else [answer])]
        if isinstance(record, dict):
            return {**record, OUTPUT: answer}
        return {INPUT: record, OUTPUT: answer}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
