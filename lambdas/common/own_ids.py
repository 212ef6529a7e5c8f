"""The engines' numbers of the data's own ids, as `make data` wrote them into ids.json."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, failure, text_of
from common.text import decoded, shown

FRESH: Final = 60.0  # seconds for which a looked-up file counts as current
_LAST: Final = 2_999_999  # Object2Vec's largest vocabulary has 3,000,000 ids


class OwnIds:
    """The numbers of the users' and items' own ids; kept in memory.

    Args:
        s3: a boto3 client.
        bucket: where ids.json is.
        key: of it; empty where the data's own ids are the engines' numbers.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, s3: Any, bucket: str, key: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._s3, self._bucket, self._key, self._clock = s3, bucket, key, clock
        self._etag, self._fresh_until = "", 0.0
        self._numbers: Mapping[str, Mapping[str, int]] = {}

    def number(self, kind: str, own: str) -> int | None:
        """The number of an id; None if the data have no such id.

        Args:
            kind: `users` or `items`.
            own: the data's own id.

        Raises:
            FunctionError: ids.json cannot be read.
        """
        known = self._current().get(kind)
        if known is not None:
            return known.get(own)
        plain = own.isascii() and own.isdecimal() and len(own) < len(str(_LAST)) + 1
        return int(own) if plain and int(own) <= _LAST else None

    def _current(self) -> Mapping[str, Mapping[str, int]]:
        if self._key and (not self._etag or self._clock() >= self._fresh_until):
            where = {"Bucket": self._bucket, "Key": self._key}
            path = f"s3://{self._bucket}/{self._key}"
            try:
                etag = self._s3.head_object(**where)["ETag"]
                if etag != self._etag:
                    body = self._s3.get_object(**where)
                    self._numbers = _numbers(body["Body"].read(), path)
                    self._etag = body["ETag"]
            except (ClientError, BotoCoreError) as error:
                raise failure(error, f"{path} cannot be read: {text_of(error)}") from None
            self._fresh_until = self._clock() + FRESH
        return self._numbers


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
