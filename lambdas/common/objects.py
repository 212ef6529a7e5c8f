"""Objects of a bucket, for functions: what S3 refuses is told with the object's URI."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import failure, may_be_absent, text_of


class Objects:
    """The objects of a bucket.

    All methods raise a `BusyError` if S3 could not answer now, and a `FunctionError` if it refuses.

    Args:
        s3: a boto3 client.
        bucket: its name.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def uri(self, key: str) -> str:
        """Where a key, or a prefix, is."""
        return f"s3://{self._bucket}/{key}"

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin with a prefix."""
        with self._told(prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def get(self, key: str) -> bytes:
        """An object's content."""
        with self._told(key):
            return self._content(key)

    def find(self, key: str) -> bytes | None:
        """An object's content; None if there is no such object, or S3 denies to say so."""
        with self._told(key):
            try:
                return self._content(key)
            except (ClientError, BotoCoreError) as error:
                if may_be_absent(error):
                    return None
                raise

    def put(self, key: str, content: bytes, **more: Any) -> None:
        """Write an object; `more` are parameters of PutObject."""
        with self._told(key):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, **more)

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with self._told(key):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _content(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise failure(error, f"{self.uri(key)}: {text_of(error)}") from None
