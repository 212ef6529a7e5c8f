"""The recommendation function: parse an event, call an Object2Vec endpoint, format the answer.

The answer has one of two formats:

* the sentence of the workshop's function, if `data` is a string with one instance;
* a dict of predictions, if `data` is an object, if there are several instances, if the event has
  `user` and `movies`, `top_k` or `rank_by`, or if it has `"format": "structured"`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from common.errors import FunctionError
from common.own_ids import OwnIds
from common.pair_models import Tokens, scored
from common.text import decoded, id_of, listed, names, shown, told_id

from rec_engine.ranking import clipped_logit, popularity_adjusted

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

MAX_INSTANCES = 10_000
MAX_ID = 2_999_999  # Object2Vec's largest vocabulary has 3,000,000 ids

POPULARITY_ADJUSTED = "popularity_adjusted"
SCORES = {"rating": 1, "recommendation": 2}  # number of scores per pair of each model


class RecommendationError(FunctionError):
    """The event cannot be answered; the message is for people."""


@dataclass(frozen=True)
class Request:
    """A parsed event.

    Attributes:
        kind: "rating" or "recommendation".
        pairs: the (user id, movie id) pairs to score, in the event's order: numbers of the model,
            or, where `own`, texts that are the data's own ids.
        structured: answer with a dict instead of the workshop's sentence.
        top_k: rank the pairs and keep this number; None keeps all, in the event's order unless
            `rank_by` is given.
        rank_by: "popularity_adjusted", or None for the model's own score.
        own: whether the pairs are the data's own ids.
    """

    kind: str
    pairs: Sequence[tuple[int | str, int | str]]
    structured: bool
    top_k: int | None = None
    rank_by: str | None = None
    own: bool = False


def parse(event: object) -> Request:
    """Parse an event.

    Raises:
        RecommendationError: the event is malformed; the message names every problem.
    """
    if not isinstance(event, dict):
        raise RecommendationError(
            "Bad event: it must be a JSON object such as "
            '{"data": "{\\"instances\\": [{\\"in0\\": [789], \\"in1\\": [286]}]}", '
            f'"type": "rating"}}, but it is {shown(event)}.'
        )
    problems: list[str] = []
    unknown = [name for name in event if name not in _FIELDS]
    if unknown:
        problems.append(f"unknown field {names(unknown)} (the fields are {', '.join(_FIELDS)})")

    kind = event.get("type")
    if not isinstance(kind, str) or kind not in SCORES:
        told = f"not {shown(kind)}" if "type" in event else "and it is missing"
        problems.append(f'`type` must be "rating" or "recommendation", {told}')

    form = event.get("format")
    if "format" in event and form not in ("sentence", "structured"):
        problems.append(f'`format` must be "sentence" or "structured", not {shown(form)}')

    top_k = event.get("top_k")
    if "top_k" in event and not (_whole(top_k) and 1 <= top_k <= MAX_INSTANCES):
        problems.append(
            f"`top_k` must be a whole number from 1 to {MAX_INSTANCES}, not {shown(top_k)}"
        )

    rank_by = event.get("rank_by")
    if "rank_by" in event and rank_by != POPULARITY_ADJUSTED:
        problems.append(f'`rank_by` must be "{POPULARITY_ADJUSTED}", not {shown(rank_by)}')
    if "rank_by" in event and kind == "rating":
        problems.append('`rank_by` requires the type "recommendation"')

    pairs: Sequence[tuple[int | str, int | str]] = []
    if "data" in event and ("user" in event or "movies" in event):
        problems.append("give either `data` or `user` and `movies`, not both")
    elif "data" in event:
        pairs = _instances(event["data"], problems)
    elif "user" in event or "movies" in event:
        pairs = _user_and_movies(event, problems)
    else:
        problems.append("`data` is missing (or `user` and `movies`)")

    ranking = [f"`{name}`" for name in ("top_k", "rank_by") if name in event]
    if ranking and not problems and len({user for user, _ in pairs}) > 1:
        problems.append(f"{ranking[0]} ranks the movies of one user, but `data` names several")
    plain = len(pairs) == 1 and isinstance(event.get("data"), str) and not ranking
    structured = form == "structured" or (form != "sentence" and not plain)
    if form == "sentence" and (len(pairs) > 1 or ranking):
        without = ranking[0] if ranking else "`top_k`"
        problems.append(f'`"format": "sentence"` answers one pair, with no {without}')
    if problems:
        raise RecommendationError(f"Bad event: {listed(problems)}.")
    assert isinstance(kind, str)
    return Request(kind, pairs, structured, top_k, rank_by, own="data" not in event)


def numbered(request: Request, ids: OwnIds) -> list[tuple[int, int]]:
    """The request's pairs as the model's numbers.

    Raises:
        RecommendationError: the data have no such ids; the message names them.
        FunctionError: the ids' file cannot be read.
    """
    if not request.own:
        return [(int(user), int(movie)) for user, movie in request.pairs]
    found = [
        (ids.number("users", str(user)), ids.number("items", str(movie)))
        for user, movie in request.pairs
    ]
    problems = dict.fromkeys(
        f"the data have no {what} {shown(told_id(str(own)))}"
        for pair, numbers in zip(request.pairs, found, strict=True)
        for what, own, number in zip(("user", "movie"), pair, numbers, strict=True)
        if number is None
    )
    if problems:
        raise RecommendationError(f"Bad event: {listed(problems)}.")
    return [(user, movie) for user, movie in found if user is not None and movie is not None]


def answer(
    request: Request,
    numbers: list[tuple[int, int]],
    client: "SageMakerRuntimeClient",
    endpoint: str,
    counts: Mapping[int, int] | None = None,
) -> str | dict[str, Any]:
    """Score the request's pairs with `endpoint` and format the answer.

    Args:
        request: the parsed event.
        numbers: its pairs as the model's numbers.
        client: a client of SageMaker's runtime.
        endpoint: the name of the endpoint that scores the pairs.
        counts: the number of training ratings of each movie, for ranking by popularity.

    Returns:
        The workshop's sentence, or `{"type", "predictions"}` where a prediction is
        `{"user", "movie", "rating"}` or `{"user", "movie", "recommend", "probability"}`; or, ranked
        by popularity, `{"user", "movie", "score"}`.

    Raises:
        FunctionError: the endpoint is missing, refuses the pairs or returns an invalid answer.
    """
    scores = scored(client, endpoint, Tokens(SCORES[request.kind]), numbers)
    if not request.structured:
        return _sentence(request.kind, scores[0])
    told = (
        [_prediction(request.kind, score) for score in scores]
        if counts is None
        else [
            {"score": popularity_adjusted(clipped_logit(score[1]), counts.get(movie, 0))}
            for (_, movie), score in zip(numbers, scores, strict=True)
        ]
    )
    predictions = [
        {"user": told_id(str(user)), "movie": told_id(str(movie)), **each}
        for (user, movie), each in zip(request.pairs, told, strict=True)
    ]
    if request.top_k is not None or request.rank_by is not None:
        own = "rating" if request.kind == "rating" else "probability"
        by = own if request.rank_by is None else "score"
        best_first: Callable[[dict[str, Any]], float] = lambda one: -one[by]  # noqa: E731
        predictions = sorted(predictions, key=best_first)[: request.top_k]
    return {"type": request.kind, "predictions": predictions}


def _sentence(kind: str, scores: list[float]) -> str:
    if kind == "rating":
        return "The User will likely rate this movie to " + str(scores)
    if scores[1] > 0.5:
        return "We recommend the user this movie."
    return "We DO NOT recommend the user this movie."


def _prediction(kind: str, scores: list[float]) -> dict[str, Any]:
    if kind == "rating":
        return {"rating": scores[0]}
    return {"recommend": scores[1] > 0.5, "probability": scores[1]}


# Events ----------------------------------------------------------------------------------------

_FIELDS = ("type", "data", "user", "movies", "top_k", "rank_by", "format")


def _instances(data: object, problems: list[str]) -> list[tuple[int, int]]:
    if isinstance(data, str):
        try:
            data = decoded(data)
        except ValueError as error:
            problems.append(f"`data` is not JSON: {error}")
            return []
    if not isinstance(data, dict):
        problems.append(
            "`data` must contain an object such as "
            f'{{"instances": [{{"in0": [789], "in1": [286]}}]}}, not {shown(data)}'
        )
        return []
    unknown = [name for name in data if name != "instances"]
    if unknown:
        problems.append(f"`data` has unknown {names(unknown)}")
    instances = data.get("instances")
    if not _sized(instances, "`instances`", "instances", problems):
        return []
    pairs = []
    for number, instance in enumerate(instances):
        where = f"instance {number}"
        if not isinstance(instance, dict):
            problems.append(f"{where} must be an object with in0 and in1, not {shown(instance)}")
            continue
        unknown = [name for name in instance if name not in ("in0", "in1")]
        if unknown:
            problems.append(f"{where} has unknown {names(unknown)}")
        user = _single(instance, "in0", "user", where, problems)
        movie = _single(instance, "in1", "movie", where, problems)
        pairs.append((user, movie))
    return pairs


def _single(instance: dict[str, Any], name: str, what: str, where: str, problems: list[str]) -> int:
    """The single id in an instance's list, or -1 with the problem recorded."""
    if name not in instance:
        problems.append(f"{where} lacks {name}, the {what} id in a list")
        return -1
    value = instance[name]
    if not isinstance(value, list) or len(value) != 1:
        problems.append(f"{where}: {name} must be a list of one {what} id, not {shown(value)}")
        return -1
    return _id(value[0], f"{where}: {name}", problems)


def _user_and_movies(event: dict[str, Any], problems: list[str]) -> list[tuple[str, str]]:
    user = ""
    if "user" in event:
        user = id_of(event["user"], "`user`", problems)
    else:
        problems.append("`user` is missing")
    movies = event.get("movies")
    if not _sized(movies, "`movies`", "movie ids", problems):
        return []
    ids = [id_of(movie, f"`movies`, number {n}", problems) for n, movie in enumerate(movies)]
    return [(user, movie) for movie in dict.fromkeys(ids)]  # score duplicate movies once


def _sized(value: object, name: str, what: str, problems: list[str]) -> TypeGuard[list[Any]]:
    """Whether `value` is a list of an allowed size; otherwise the problem is recorded."""
    if not isinstance(value, list):
        told = "is missing" if value is None else f"is {shown(value)}"
        problems.append(f"{name} must be a list of {what}, but it {told}")
    elif not value:
        problems.append(f"{name} is empty")
    elif len(value) > MAX_INSTANCES:
        problems.append(
            f"{name} has {len(value):,} {what}; one event may have {MAX_INSTANCES:,}: split it"
        )
    else:
        return True
    return False


def _id(value: object, where: str, problems: list[str]) -> int:
    if _whole(value) and 0 <= value <= MAX_ID:
        return value
    problems.append(f"{where} must be a whole number from 0 to {MAX_ID}, not {shown(value)}")
    return -1


def _whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
