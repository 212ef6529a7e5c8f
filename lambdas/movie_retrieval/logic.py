"""The movie retrieval function: finds a movie's neighbours by Object2Vec embeddings."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from common.text import id_of, names, shown, told_id

from movie_retrieval.embeddings import Neighbour
from movie_retrieval.errors import NoNeighboursError, RetrievalError

DEFAULT_TOP_K = 10
MAX_TOP_K = 100

_FIELDS = ("bucket_name", "movie_id_to_examine", "top_k")


@dataclass(frozen=True)
class Request:
    """A parsed event: bucket, the movie's own id, and number of neighbours."""

    bucket: str
    movie: str
    top_k: int


def parse(event: object) -> Request:
    """Parse an event such as `{"bucket_name": "…", "movie_id_to_examine": 195}`.

    Raises:
        RetrievalError: the event is malformed; the message names every problem.
    """
    if not isinstance(event, dict):
        raise RetrievalError(
            'Bad event: it must be a JSON object such as {"bucket_name": "your-bucket-name", '
            f'"movie_id_to_examine": 195}}, but it is {shown(event)}.'
        )
    problems = []
    unknown = [name for name in event if name not in _FIELDS]
    if unknown:
        problems.append(f"unknown field {names(unknown)} (the fields are {', '.join(_FIELDS)})")

    bucket = event.get("bucket_name")
    if "bucket_name" not in event:
        problems.append("`bucket_name` is missing: it names the bucket with the movies")
    elif not isinstance(bucket, str) or not re.fullmatch(
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket
    ):
        problems.append(f"`bucket_name` must be the name of an S3 bucket, not {shown(bucket)}")

    movie = ""
    if "movie_id_to_examine" not in event:
        problems.append("`movie_id_to_examine` is missing")
    else:
        movie = id_of(event["movie_id_to_examine"], "`movie_id_to_examine`", problems).strip()

    top_k = _whole(event.get("top_k", DEFAULT_TOP_K))
    if top_k is None or not 1 <= top_k <= MAX_TOP_K:
        problems.append(
            f"`top_k` must be a whole number from 1 to {MAX_TOP_K}, not {shown(event['top_k'])}"
        )
    if problems:
        raise RetrievalError(f"Bad event: {'; '.join(problems)}.")
    assert isinstance(bucket, str)
    assert top_k is not None
    return Request(bucket, movie, top_k)


class Movies(Protocol):
    """A source of neighbours: memory, or an index of Amazon S3 Vectors."""

    def around(self, movie: str, count: int) -> tuple[str, list[Neighbour]]:
        """The movie's title and its `count` nearest movies, nearest first.

        Args:
            movie: the data's own id.
            count: how many.

        Raises:
            FunctionError: the movie does not exist, or the source is unavailable.
        """


def answer(request: Request, movies: Movies) -> dict[str, Any]:
    """Find the nearest movies.

    Returns:
        `sentence` (the workshop's), `movie` (`movie_id`, `title`) and `neighbours` (`movie_id`,
        `title`, `distance`, nearest first).

    Raises:
        NoNeighboursError: the movie is not in the catalogue, or the only one.
        FunctionError: the catalogue is unavailable.
    """
    title, neighbours = movies.around(request.movie, request.top_k)
    if not neighbours:
        raise NoNeighboursError(
            f"Movie {request.movie} has no neighbours: the model knows no other movie."
        )
    return {
        "sentence": f"The closest movie to {title} in the embedding space is {neighbours[0].title}",
        "movie": {"movie_id": told_id(request.movie), "title": title},
        "neighbours": [
            {"movie_id": told_id(one.movie), "title": one.title, "distance": one.distance}
            for one in neighbours
        ],
    }


def _whole(value: object) -> int | None:
    """Parse a non-negative integer, given as a number or as digits; None if it is not one."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
        return int(value.strip())
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
