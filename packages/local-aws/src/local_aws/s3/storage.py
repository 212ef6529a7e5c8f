"""Storage of objects: small ones in memory, others in files, opened when used."""

import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from types import TracebackType
from typing import Final

from local_aws import state
from local_aws.s3.checksums import Checksum

IN_MEMORY: Final = 64 * 1024  # maximum bytes of an object kept in memory
CHUNK: Final = 256 * 1024  # bytes read at a time


class _File:
    """A file that is deleted with the last content that uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, path.unlink, missing_ok=True)


@dataclass(frozen=True)
class _Part:
    source: bytes | _File
    begin: int
    end: int

    def chunks(self) -> Iterator[bytes]:
        if isinstance(self.source, bytes):
            if self.begin < self.end:
                yield self.source[self.begin : self.end]
            return
        with self.source.path.open("rb", buffering=0) as file:
            file.seek(self.begin)
            left = self.end - self.begin
            while left:
                data = file.read(min(left, CHUNK))
                if not data:
                    raise OSError(f"{self.source.path} was cut off, and with it an object of S3")
                left -= len(data)
                yield data


class Content:
    """Immutable bytes, of which only requested parts are loaded into memory.

    Slices, copies and concatenations share the files of their sources.

    Attributes:
        md5: the hexadecimal MD5; None if not computed.
        checksum: the checksum; None if not computed.
    """

    def __init__(
        self, parts: Iterable[_Part] = (), md5: str | None = None, checksum: Checksum | None = None
    ) -> None:
        self._parts = tuple(parts)
        self._length = sum(part.end - part.begin for part in self._parts)
        self.md5, self.checksum = md5, checksum

    @classmethod
    def of(cls, data: bytes) -> "Content":
        """Store bytes from memory."""
        with Writer() as writer:
            writer.write(data)
            return writer.content()

    @classmethod
    def joined(cls, contents: Iterable["Content"]) -> "Content":
        """Concatenate contents."""
        return cls(part for content in contents for part in content._parts)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, wanted: slice) -> "Content":
        begin, end, step = wanted.indices(self._length)
        assert step == 1, "bytes in their order"
        if (begin, end) == (0, self._length):
            return self
        found, place = [], 0
        for part in self._parts:
            first = part.begin + max(begin - place, 0)
            last = min(part.end, part.begin + end - place)
            if first < last:
                found.append(_Part(part.source, first, last))
            place += part.end - part.begin
        return Content(found)

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            yield from part.chunks()

    def __bytes__(self) -> bytes:
        return b"".join(self)

    def hexdigest(self) -> str:
        """The MD5, computed if necessary."""
        if self.md5 is None:
            digest = md5(usedforsecurity=False)
            for chunk in self:
                digest.update(chunk)
            self.md5 = digest.hexdigest()
        return self.md5


class Writer:
    """Writes bytes incrementally; they are discarded after the block unless made a content."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._file: int | None = None
        self._path: Path | None = None
        self._length = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.close(self._file)
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._length += len(data)
        if self._file is None and self._length <= IN_MEMORY:
            self._held += data
            return
        if self._file is None:
            self._file, path = tempfile.mkstemp(dir=state.folder("s3"))
            self._path = Path(path)
            _write(self._file, self._held)
            self._held.clear()
        _write(self._file, data)

    def content(self, md5: str | None = None, checksum: Checksum | None = None) -> Content:
        """The written bytes as a content."""
        source: bytes | _File = bytes(self._held)
        if self._path is not None:
            source = _File(self._path)
            self._path = None
        return Content([_Part(source, 0, self._length)], md5, checksum)


def _write(file: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
