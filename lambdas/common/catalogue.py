"""The movies that a bucket lists, in the catalogue.json that `make data` writes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import (
    DeniedError,
    FunctionError,
    code_of,
    failure,
    is_absent,
    is_denied,
    text_of,
)
from common.text import decoded, listed, shown

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = 1  # of catalogue.json


@dataclass(frozen=True)
class Version:
    """What a catalogue was made of: an endpoint configuration, and catalogue.json's ETag."""

    bucket: str
    config: str
    etag: str


class Item(NamedTuple):
    """A movie.

    Attributes:
        movie: the engines' number.
        title: its title, if it has one.
        ratings: how many training ratings it has.
        id: the data's own id.
    """

    movie: int
    title: str | None
    ratings: int
    id: str


class Bucket:
    """A bucket with the prepared data.

    Args:
        s3: a boto3 client.
        name: of the bucket.
        key: of its catalogue.json.
    """

    def __init__(self, s3: "S3Client", name: str, key: str) -> None:
        self._s3, self.name, self._key = s3, name, key
        self._path = f"s3://{name}/{key}"

    def etag(self) -> str:
        """The catalogue's ETag, which tells one catalogue from another.

        Raises:
            FunctionError: bucket or key is missing, or refuses.
        """
        try:
            return self._s3.head_object(Bucket=self.name, Key=self._key)["ETag"]
        except (ClientError, BotoCoreError):
            # only the answer to a GET says what is wrong
            body = self._get()
            body["Body"].close()
            return str(body["ETag"])

    def items(self, etag: str) -> list[Item]:
        """What the catalogue tells of each movie, by ascending ids.

        Args:
            etag: the catalogue's, as `etag` told it.

        Raises:
            FunctionError: it is missing, was replaced or is malformed; or there is no movie.
        """
        body = self._get(IfMatch=etag)["Body"].read()
        try:
            # each object becomes an item at once: millions of them would not fit as they are
            catalogue = decoded(body, object_hook=_item)
        except ValueError as error:
            raise FunctionError(f"{self._path} is malformed: {error}.") from None
        if not isinstance(catalogue, dict):
            raise FunctionError(f"{self._path} is malformed: it must be an object with items.")
        if catalogue.get("version") != VERSION:
            raise FunctionError(
                f"{self._path} is of version {shown(catalogue.get('version'))}, and this function "
                f"reads version {VERSION}: deploy the data and the functions of one version."
            )
        items = catalogue.get("items")
        if not isinstance(items, list):
            raise FunctionError(f"{self._path} is malformed: its items must be a list.")
        problems = [
            f"item {number} must have whole numbers as item and ratings, a text as id, and a text "
            "or null as title"
            for number, item in enumerate(items, 1)
            if not isinstance(item, Item)
        ]
        if problems:
            raise FunctionError(f"{self._path} is malformed: {listed(problems)}.")
        if not items:
            raise FunctionError(f"{self._path} lists no movies.")
        known = {item.movie: item for item in items}
        return [known[movie] for movie in sorted(known)]

    def _get(self, **conditions: str) -> dict[str, Any]:
        try:
            return dict(self._s3.get_object(Bucket=self.name, Key=self._key, **conditions))  # type: ignore[arg-type]
        except (ClientError, BotoCoreError) as error:
            raise self._explained(error) from None

    def _explained(self, error: ClientError | BotoCoreError) -> FunctionError:
        """What is wrong with bucket or key, and what to do."""
        code = code_of(error)
        if code == "NoSuchBucket":
            return FunctionError(f"Bucket {self.name} does not exist.")
        if is_absent(error):
            return FunctionError(
                f"{self._path} does not exist: upload the prepared data to this key."
            )
        if is_denied(error):
            return DeniedError(
                f"{self._path} does not exist, or this function may not read it: "
                "its role reads the project's own bucket only."
            )
        if code == "PreconditionFailed":
            return FunctionError(f"{self._path} was replaced while it was being read; try again.")
        return failure(error, f"{self._path} cannot be read: {code} {text_of(error)}")


def _item(found: dict[str, Any]) -> Any:
    """An object as an item if it is one, else as it is."""
    movie, title, ratings = found.get("item"), found.get("title"), found.get("ratings")
    own = found.get("id")
    titled = title is None or isinstance(title, str)
    if _is_whole(movie) and _is_whole(ratings) and titled and isinstance(own, str):
        return Item(movie, title, ratings, own)
    return found


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
