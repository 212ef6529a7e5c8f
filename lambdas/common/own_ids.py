"""The engines' numbers of the data's own ids, as `make data` wrote them into ids.json."""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, failure, text_of
from common.refreshed import Refreshed
from common.text import decoded, shown

_LAST: Final = 2_999_999  # Object2Vec's largest vocabulary has 3,000,000 ids


class OwnIds:
    """The numbers of the users' and items' own ids; kept in memory.

    Args:
        s3: a boto3 client.
        bucket: where ids.json is.
        key: of it; empty where the data's own ids are the engines' numbers.
    """

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._key = s3, key
        self._where, self._path = {"Bucket": bucket, "Key": key}, f"s3://{bucket}/{key}"
        self._file = Refreshed(self._etag, lambda _: self._read())

    def number(self, kind: str, own: str) -> int | None:
        """The number of an id; None if the data have no such id.

        Args:
            kind: `users` or `items`.
            own: the data's own id.

        Raises:
            FunctionError: ids.json cannot be read.
        """
        known = self._file.content().get(kind) if self._key else None
        if known is not None:
            return known.get(own)
        plain = own.isascii() and own.isdecimal() and len(own) <= len(str(_LAST))
        return int(own) if plain and int(own) <= _LAST else None

    def labels(self, kind: str) -> Mapping[int, str]:
        """The data's own ids by their numbers; empty where they are the numbers.

        Args:
            kind: `users` or `items`.

        Raises:
            FunctionError: ids.json cannot be read.
        """
        known = self._file.content().get(kind) if self._key else None
        return {number: own for own, number in (known or {}).items()}

    def _etag(self) -> str:
        try:
            return str(self._s3.head_object(**self._where)["ETag"])
        except (ClientError, BotoCoreError) as error:
            raise self._unread(error) from None

    def _read(self) -> Mapping[str, Mapping[str, int]]:
        try:
            content = self._s3.get_object(**self._where)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise self._unread(error) from None
        return _numbers(content, self._path)

    def _unread(self, error: ClientError | BotoCoreError) -> FunctionError:
        return failure(error, f"{self._path} cannot be read: {text_of(error)}")


def _numbers(content: bytes, path: str) -> dict[str, dict[str, int]]:
    try:
        found = decoded(content)
    except ValueError as error:
        raise FunctionError(f"{path} is malformed: {error}.") from None
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise FunctionError(
            f"{path} is malformed: it must be an object of objects, not {shown(found)}."
        )
    return found
