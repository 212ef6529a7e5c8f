"""Whatever an event holds, it is understood or refused in words."""

import json
from collections.abc import Callable
from typing import Any

import movie_retrieval.logic
import rec_engine.logic
from hypothesis import given
from hypothesis import strategies as st
from movie_retrieval.errors import RetrievalError
from rec_engine.logic import RecommendationError

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
    try:
        return parse(event)
    except refusal as error:
        told = str(error)
    assert told.startswith("Bad event: ")
    assert len(told) < 3_000
    return None


@given(rec_engine_events)
def test_recommendation(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of rec_engine")
    request = understood(rec_engine.logic.parse, event, RecommendationError)
    if request:
        assert request.kind in ("rating", "recommendation")
        assert request.pairs
        for pair in request.pairs:
            assert all(type(one) is int and 0 <= one < 3_000_000 for one in pair)


@given(retrieval_events)
def test_retrieval(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of movie_retrieval")
    request = understood(movie_retrieval.logic.parse, event, RetrievalError)
    if request:
        assert request.bucket == "movies" or len(request.bucket) >= 3
        assert type(request.movie) is int and request.movie >= 0
        assert 1 <= request.top_k <= 100
