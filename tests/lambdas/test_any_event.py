"""Any event is answered or refused with a message."""

import base64
import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import movie_retrieval.logic
import numpy as np
import pytest
import rec_engine.logic
from botocore.exceptions import EndpointConnectionError
from common.catalogue import Bucket
from common.errors import FunctionError
from hypothesis import example, given
from hypothesis import strategies as st
from movie_retrieval.errors import RetrievalError
from rec_engine.logic import RecommendationError

from tests.inputs import attempt, damaged
from tests.lambdas.fakes import catalogue
from tests.reliability import Tally

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
names = st.sampled_from(["in0", "in1", "instances"]) | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=6
)
ids = st.lists(st.integers(-1, 2_000) | scalars, max_size=2)
instances = st.fixed_dictionaries({"instances": st.lists(st.fixed_dictionaries(
    {}, optional={"in0": ids, "in1": ids}), max_size=4)})  # fmt: skip
data = anything | instances | instances.map(json.dumps) | anything.map(json.dumps)

rec_engine_events = anything | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["rating", "recommendation"]) | anything,
        "data": data,
        "user": st.integers(0, 2_000) | anything,
        "movies": ids | anything,
        "top_k": st.integers(-1, 5) | anything,
        "format": st.sampled_from(["sentence", "structured"]) | anything,
        "rank_by": st.just("popularity_adjusted") | anything,
    },
)
retrieval_events = anything | st.fixed_dictionaries(
    {},
    optional={
        "bucket_name": st.just("movies") | anything,
        "movie_id_to_examine": st.integers() | st.integers().map(str) | anything,
        "top_k": st.integers(-1, 101) | anything,
    },
)


def understood(parse: Callable[[object], Any], event: object, refusal: type[Exception]) -> Any:
    found, error = attempt(lambda: parse(event), refusal)
    if error:
        told = str(error)
        assert told.startswith("Bad event: ")
        assert "sys." not in told or "sys." in str(event), "Python's words"
        assert len(told.encode()) < 3_000
    return found


@given(rec_engine_events)
@example({"type": "rating", "data": "9" * 5_000})
@example({"type": "rating", "data": "[" * 100_000})
@example({"type": "\ud800", "data": {"\udfff": 1}})
@example({str(number): 1 for number in range(10_000)})
def test_any_recommendation_event_is_answered_or_refused(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of rec_engine")
    request = understood(rec_engine.logic.parse, event, RecommendationError)
    if request:
        assert request.kind in ("rating", "recommendation")
        assert request.pairs
        for pair in request.pairs:
            if request.own:
                assert all(type(one) is str and 0 < len(one) <= 256 for one in pair)
            else:
                assert all(type(one) is int and 0 <= one < 3_000_000 for one in pair)


@given(retrieval_events)
@example({"movie_id_to_examine": "\ud800"})
def test_any_retrieval_event_is_answered_or_refused(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of movie_retrieval")
    request = understood(movie_retrieval.logic.parse, event, RetrievalError)
    if request:
        assert request.bucket == "movies" or len(request.bucket) >= 3
        assert type(request.movie) is str and 0 < len(request.movie) <= 256
        assert 1 <= request.top_k <= 100


# The catalogue


class Stored:
    """S3 with one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.content), "ETag": "e"}


WHOLE = catalogue({1: "Über (1990)", 2: None, 30: "Last"}, {1: 3, 30: 1}).encode()


@given(damaged(WHOLE) | st.binary(max_size=40) | anything.map(json.dumps).map(str.encode))
@example(WHOLE.replace(b"30", b"9" * 30))
@example(WHOLE.replace(b"30", b"9" * 5_000))
@example(WHOLE.replace(b'"version": 1', b'"version": "' + b"x" * 5_000 + b'"'))
@example(b"[" * 100_000)
def test_any_catalogue_is_read_or_refused(tally: Tally, content: bytes) -> None:
    tally("inputs tried", "catalogues, damaged")
    s3: Any = Stored(content)
    items, error = attempt(lambda: Bucket(s3, "movies", "key").items("e"), FunctionError)
    if error:
        told = str(error)
        assert told.startswith("s3://movies/key ")
        assert "sys." not in told or "sys." in str(content), "Python's words"
        assert len(told.encode()) < 3_000
    else:
        assert items
        movies = [item.movie for item in items]
        assert movies == sorted(set(movies))
        assert all(type(item.movie) is type(item.ratings) is int for item in items)
        assert all(item.title is None or isinstance(item.title, str) for item in items)
        np.array([*movies, *(item.ratings for item in items)], np.int64)


# Over HTTP


class Nobody:
    """A client of a service that cannot be reached."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __getattr__(self, _: str) -> Any:
        raise EndpointConnectionError(endpoint_url="nowhere")


@pytest.fixture(scope="module")
def handlers() -> Iterator[tuple[Any, Any]]:
    """Both functions, which no service answers: a good request gets 502."""
    names = ("rec_engine.handler", "movie_retrieval.handler")
    with pytest.MonkeyPatch.context() as patch:
        for variable in (
            *("ENDPOINT_NAME", "ENDPOINT_NAME_RATING", "ENDPOINT_NAME_REC"),
            "ENDPOINT_NAME_RANKING",
        ):
            patch.setenv(variable, "nobody")
        patch.setenv("BUCKET_NAME", "movies")
        patch.setattr("common.clients.client", Nobody)
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        yield tuple(importlib.import_module(name) for name in names)  # type: ignore[misc]
        for name in names:
            sys.modules.pop(name, None)


def over_http(answer: dict[str, Any], *statuses: int) -> None:
    """An answer that the gateway can pass on."""
    assert answer["statusCode"] in statuses
    body = answer["body"].encode()
    assert len(body) < 3_000
    assert set(json.loads(body)) == {"message"}


def request(path: str, **members: Any) -> dict[str, Any]:
    return {"routeKey": f"POST {path}", "requestContext": {}, "rawPath": path, **members}


texts = (
    rec_engine_events.map(json.dumps).map(str.encode)
    | damaged(b'{"user": 1, "movies": [1, 2], "top_k": 1}')
    | st.binary(max_size=40)
)


@given(texts, st.booleans(), st.sampled_from(["/rating", "/recommendation", "/", "/other", ""]))
@example(b'{"user": "\\ud800", "movies": [1]}', False, "/rating")
@example(b'{"user": ' + b"9" * 5_000 + b"}", True, "/rating")
@example(b"[" * 100_000, False, "/rating")
@example(b'{"user": 1, "movies": [1], "rank_by": "popularity_adjusted"}', False, "/recommendation")
def test_any_recommendation_request_is_answered_or_refused(
    tally: Tally, handlers: tuple[Any, Any], body: bytes, encoded: bool, path: str
) -> None:
    tally("inputs tried", "requests of rec_engine over HTTP")
    text = base64.b64encode(body).decode() if encoded else body.decode("latin-1")
    event = request(path, body=text, isBase64Encoded=encoded)
    over_http(handlers[0].handler(event, None), 400, 502)


@given(st.text(), st.dictionaries(st.sampled_from(["top_k", "bucket_name"]) | st.text(), st.text()))
@example("\ud800", {"\ud801": "\ud802"})
@example("9" * 5_000, {"top_k": "9" * 5_000})
@example("0\x1f", {"top_k": "\x1c5"})
def test_any_retrieval_request_is_answered_or_refused(
    tally: Tally, handlers: tuple[Any, Any], movie: str, query: dict[str, str]
) -> None:
    tally("inputs tried", "requests of movie_retrieval over HTTP")
    event = request(
        "/movies/x/neighbours", pathParameters={"movie": movie}, queryStringParameters=query
    )
    over_http(handlers[1].handler(event, None), 400, 502)
