"""The movies that a bucket lists, in the catalogue.json that `make data` writes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, code_of, failure, text_of
from common.text import decoded, listed

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = 1  # of catalogue.json


@dataclass(frozen=True)
class Version:
    """What a catalogue was made of: an endpoint configuration, and catalogue.json's ETag."""

    bucket: str
    config: str
    etag: str


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

    def movies(self, etag: str) -> tuple[dict[int, str], list[int]]:
        """Titles by movie id, and the ids of all movies, ascending.

        Args:
            etag: the catalogue's, as `etag` told it.

        Raises:
            FunctionError: it is missing, was replaced or is malformed; or there is no movie.
        """
        body = self._get(IfMatch=etag)["Body"].read()
        try:
            # an item becomes a pair at once: millions of them would not fit as they are
            catalogue = decoded(body, object_hook=_pair)
        except ValueError as error:
            raise FunctionError(f"{self._path} is malformed: {error}.") from None
        if not isinstance(catalogue, dict):
            raise FunctionError(f"{self._path} is malformed: it must be an object with items.")
        if catalogue.get("version") != VERSION:
            raise FunctionError(
                f"{self._path} is of version {catalogue.get('version')!r}, and this function reads "
                f"version {VERSION}: deploy the data and the functions of one version."
            )
        items = catalogue.get("items")
        if not isinstance(items, list):
            raise FunctionError(f"{self._path} is malformed: its items must be a list.")
        problems = [
            f"item {number} must have a whole number as item, and a text or null as title"
            for number, item in enumerate(items, 1)
            if not isinstance(item, tuple)
        ]
        if problems:
            raise FunctionError(f"{self._path} is malformed: {listed(problems)}.")
        if not items:
            raise FunctionError(f"{self._path} lists no movies.")
        return {movie: title for movie, title in items if title}, sorted({one for one, _ in items})

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
        if code in ("NoSuchKey", "404"):
            return FunctionError(
                f"{self._path} does not exist: upload the prepared data to this key."
            )
        if code in ("AccessDenied", "403"):
            return FunctionError(
                f"{self._path} does not exist, or this function may not read it: "
                "its role reads the project's own bucket only."
            )
        if code == "PreconditionFailed":
            return FunctionError(f"{self._path} was replaced while it was being read; try again.")
        return failure(error, f"{self._path} cannot be read: {code} {text_of(error)}")


def _pair(found: dict[str, Any]) -> Any:
    """An item as its id and title; whatever is not an item as it is."""
    if "item" not in found:
        return found
    item, title = found["item"], found.get("title")
    whole = isinstance(item, int) and not isinstance(item, bool) and item >= 0
    return (item, title) if whole and (title is None or isinstance(title, str)) else found
