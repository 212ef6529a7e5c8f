"""Files of whatever storage Spark reads: listing, small texts, deleting."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyspark.sql import SparkSession


class File(NamedTuple):
    """A file.

    Attributes:
        path: its URI.
        name: its last part.
        size: in bytes.
    """

    path: str
    name: str
    size: int


class Storage:
    """A folder by its URI, through Hadoop's file systems.

    Args:
        spark: the session.
        uri: such as `s3://bucket/prefix/` or `file:///folder/`.
    """

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._spark = spark
        session: Any = spark  # whose bridge to Java has no types
        self._jvm = session._jvm
        self._path = self._jvm.org.apache.hadoop.fs.Path
        configuration = session._jsc.hadoopConfiguration()
        self._system = self._path(self.uri).getFileSystem(configuration)

    def at(self, name: str) -> str:
        """The URI of something in the folder."""
        return f"{self.uri}/{name}"

    def files(self) -> list[File]:
        """All files that hold something, in all folders; hidden ones left out.

        Spark lists them: Java's iterator would take a round trip for each part of each entry.
        """
        if not self._system.exists(self._path(self.uri)):
            return []
        table = self._spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        entries = table.load(self.uri).where("length > 0").select("path", "length").collect()
        return [File(path, path.rpartition("/")[2], size) for path, size in entries]

    def read(self, name: str) -> str | None:
        """A small text; None if there is none."""
        path = self._path(self.at(name))
        if not self._system.exists(path):
            return None
        stream = self._system.open(path)
        try:
            text: str = self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()
        return text

    def write(self, name: str, text: str) -> None:
        """Write a small text, whole or not at all where the storage can do so, as S3 does."""
        stream = self._system.create(self._path(self.at(name)), True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()

    def clear(self) -> None:
        """Delete the folder with all that is in it."""
        self._system.delete(self._path(self.uri), True)
