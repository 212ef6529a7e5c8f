"""The movies that a bucket lists: u.item names them, ua.base holds what was rated."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from movie_retrieval.errors import RetrievalError, kind_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RATINGS = "object2vec/movielens/ml-100k/ua.base"
ITEMS = "object2vec/movielens/ml-100k/u.item"
SHOWN = 10  # problems told in one message


class Bucket:
    """A bucket with the prepared data.

    Args:
        s3: a boto3 client.
        name: of the bucket.
    """

    def __init__(self, s3: "S3Client", name: str) -> None:
        self._s3, self.name = s3, name

    def etags(self) -> tuple[str, str]:
        """Those of the ratings and of the titles: they tell one catalogue from another.

        Raises:
            RetrievalError: bucket or key is missing, or refuses.
        """
        return self._etag(RATINGS), self._etag(ITEMS)

    def movies(self, ratings: str, items: str) -> tuple[dict[int, str], list[int]]:
        """Titles by movie id, and the ids of all movies that are listed or rated, ascending.

        Args:
            ratings, items: the files' ETags, as `etags` told them.

        Raises:
            RetrievalError: a file is missing, was replaced or is malformed; or there is no movie.
        """
        titles = self._titles(items)
        movies = sorted(titles.keys() | self._rated(ratings))
        if not movies:
            raise RetrievalError(f"s3://{self.name}/{ITEMS} lists no movies.")
        return titles, movies

    def _etag(self, key: str) -> str:
        try:
            return self._s3.head_object(Bucket=self.name, Key=key)["ETag"]
        except (ClientError, BotoCoreError):
            # only the answer to a GET says in words what is wrong
            body = self._get(key)
            body["Body"].close()
            return str(body["ETag"])

    def _get(self, key: str, **conditions: str) -> dict[str, Any]:
        try:
            return dict(self._s3.get_object(Bucket=self.name, Key=key, **conditions))  # type: ignore[arg-type]
        except ClientError as error:
            kind = kind_of(error)
            code = error.response["Error"].get("Code", "")
            text = error.response["Error"].get("Message", "")
        except BotoCoreError as error:
            kind, code, text = kind_of(error), "", str(error)
        path = f"s3://{self.name}/{key}"
        if code == "NoSuchBucket":
            raise RetrievalError(f"Bucket {self.name} does not exist.")
        if code in ("NoSuchKey", "404"):
            raise RetrievalError(f"{path} does not exist: upload the prepared data to this key.")
        if code in ("AccessDenied", "403"):
            raise RetrievalError(
                f"{path} does not exist, or this function may not read it: "
                "its role reads the project's own bucket only."
            )
        if code == "PreconditionFailed":
            raise RetrievalError(f"{path} was replaced while it was being read; try again.")
        raise kind(f"{path} cannot be read: {code} {text}")

    def _titles(self, etag: str) -> dict[int, str]:
        """Titles by movie id, from u.item."""
        body = self._get(ITEMS, IfMatch=etag)["Body"].read()
        titles, problems = {}, []
        for number, line in enumerate(body.decode("latin-1").split("\n"), 1):
            if not line.strip():
                continue
            fields = line.rstrip("\r").split("|")
            if len(fields) < 2 or not _is_id(fields[0]):
                problems.append(f"line {number} must begin with a movie id, | and a title")
            else:
                titles[int(fields[0])] = fields[1]
        _refuse(f"s3://{self.name}/{ITEMS}", problems)
        return titles

    def _rated(self, etag: str) -> set[int]:
        """The movies in ua.base, read piece by piece: it may be much larger than memory."""
        body = self._get(RATINGS, IfMatch=etag)["Body"]
        movies: set[bytes] = set()
        problems: list[str] = []
        rest, before = b"", 0
        for piece in _and_end(body.iter_chunks(1 << 20)):
            *lines, rest = (rest + piece).split(b"\n")
            found = {field for line in lines for field in line.split(b"\t", 2)[1:2]}
            bad = {field for field in found - movies if not _is_id(field)}
            if bad or any(line and b"\t" not in line for line in lines):
                problems += [
                    f"line {before + number} must hold a user id, a tab and a movie id"
                    for number, line in enumerate(lines, 1)
                    if line.strip() and (b"\t" not in line or line.split(b"\t", 2)[1] in bad)
                ]
            movies |= found - bad
            before += len(lines)
        _refuse(f"s3://{self.name}/{RATINGS}", problems)
        return {int(movie) for movie in movies}


def _is_id(text: str | bytes) -> bool:
    return text.isdigit() and text.isascii() and len(text) < 19


def _and_end(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """The pieces and a last line's end, should the file lack it."""
    yield from pieces
    yield b"\n"


def _refuse(path: str, problems: list[str]) -> None:
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RetrievalError(f"{path} is malformed: {'; '.join(problems[:SHOWN])}{more}.")
