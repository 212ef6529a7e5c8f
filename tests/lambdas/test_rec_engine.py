"""The recommendation function: the workshop's exact sentences, and the other formats."""

import importlib
import json
import logging
import math
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import ANY, Stubber
from common import clients
from common.catalogue import Bucket
from common.own_ids import OwnIds
from common.pair_models import CHUNK
from common.refreshed import FRESH
from moto import mock_aws
from rec_engine.logic import MAX_INSTANCES, RecommendationError
from rec_engine.ranking import Popularity, clipped_logit, popularity_adjusted

import recsys.ranking
from tests.lambdas.fakes import CATALOGUE, catalogue, client_error, http, reply

EVENTS = Path(__file__).parents[2] / "lambdas" / "rec_engine" / "events"
WORKSHOP_DATA = '{ "instances": [{"in0": [789], "in1": [286]}]}'


@pytest.fixture(scope="module")
def imported() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ENDPOINT_NAME_RATING", "ratingModel")
        environment.setenv("ENDPOINT_NAME_REC", "recommendationModel")
        yield importlib.import_module("rec_engine.handler")


@pytest.fixture
def engine(imported: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The function's module; a test may put another client into it."""
    monkeypatch.setattr(imported, "client", imported.client)
    return imported


class Model:
    """An endpoint that scores a pair by a function, and remembers what it was asked."""

    def __init__(self, score: Any) -> None:
        self.score = score
        self.asked: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        instances = json.loads(request["Body"])["instances"]
        scores = [self.score(one["in0"][0], one["in1"][0]) for one in instances]
        return reply({"predictions": [{"scores": score} for score in scores]})


def ask(engine: ModuleType, model: Any, event: object) -> Any:
    engine.client = model  # type: ignore[attr-defined]
    return engine.handler(event, None)


def refusal(engine: ModuleType, event: object) -> str:
    with pytest.raises(RecommendationError) as caught:
        ask(engine, None, event)
    return str(caught.value)


class TestWorkshop:
    @pytest.mark.parametrize(
        ("kind", "endpoint", "scores", "sentence"),
        [
            (
                "rating",
                "ratingModel",
                [3.478087663650513],
                "The User will likely rate this movie to [3.478087663650513]",
            ),
            (
                "recommendation",
                "recommendationModel",
                [0.25, 0.75],
                "We recommend the user this movie.",
            ),
            (
                "recommendation",
                "recommendationModel",
                [0.75, 0.25],
                "We DO NOT recommend the user this movie.",
            ),
            (
                "recommendation",
                "recommendationModel",
                [0.5, 0.5],
                "We DO NOT recommend the user this movie.",
            ),
        ],
    )
    def test_workshop_event_returns_the_sentence(
        self, engine: ModuleType, kind: str, endpoint: str, scores: list[float], sentence: str
    ) -> None:
        with Stubber(engine.client) as stub:
            stub.add_response(
                "invoke_endpoint",
                reply({"predictions": [{"scores": scores}]}),
                {"EndpointName": endpoint, "ContentType": "application/json", "Body": ANY},
            )
            assert engine.handler({"data": WORKSHOP_DATA, "type": kind}, None) == sentence

    def test_pair_reaches_the_model(self, engine: ModuleType) -> None:
        model = Model(lambda user, movie: [user + movie / 1000])
        answer = ask(engine, model, {"data": WORKSHOP_DATA, "type": "rating"})
        assert answer == "The User will likely rate this movie to [789.286]"

    @pytest.mark.parametrize("name", ["rating", "recommendation"])
    def test_sample_events_equal_the_workshops(self, engine: ModuleType, name: str) -> None:
        event = json.loads((EVENTS / f"{name}.json").read_text())
        assert event == {"data": WORKSHOP_DATA, "type": name}


class TestStructured:
    def test_structured_format_returns_a_rating(self, engine: ModuleType) -> None:
        event = {"data": WORKSHOP_DATA, "type": "rating", "format": "structured"}
        assert ask(engine, Model(lambda *_: [3.5]), event) == {
            "type": "rating",
            "predictions": [{"user": 789, "movie": 286, "rating": 3.5}],
        }

    def test_object_data_returns_a_recommendation(self, engine: ModuleType) -> None:
        event = {"data": json.loads(WORKSHOP_DATA), "type": "recommendation"}
        assert ask(engine, Model(lambda *_: [0.2, 0.8]), event) == {
            "type": "recommendation",
            "predictions": [{"user": 789, "movie": 286, "recommend": True, "probability": 0.8}],
        }

    def test_sentence_format_of_an_object_returns_the_sentence(self, engine: ModuleType) -> None:
        event = {"data": json.loads(WORKSHOP_DATA), "type": "rating", "format": "sentence"}
        answer = ask(engine, Model(lambda *_: [4.0]), event)
        assert answer == "The User will likely rate this movie to [4.0]"

    def test_several_instances_keep_their_order(self, engine: ModuleType) -> None:
        data = {"instances": [{"in0": [u], "in1": [m]} for u, m in [(1, 30), (2, 10), (1, 20)]]}
        model = Model(lambda user, movie: [user * 100 + movie])
        answer = ask(engine, model, {"data": json.dumps(data), "type": "rating"})
        assert answer["predictions"] == [
            {"user": 1, "movie": 30, "rating": 130},
            {"user": 2, "movie": 10, "rating": 210},
            {"user": 1, "movie": 20, "rating": 120},
        ]

    def test_large_events_are_split(self, engine: ModuleType) -> None:
        model = Model(lambda _, movie: [movie / 2])
        movies = list(range(2 * CHUNK + 1))
        answer = ask(engine, model, {"user": 5, "movies": movies, "type": "rating"})
        sizes = [len(json.loads(asked["Body"])["instances"]) for asked in model.asked]
        assert sizes == [CHUNK, CHUNK, 1]
        assert [one["rating"] for one in answer["predictions"]] == [m / 2 for m in movies]

    def test_largest_event_stays_below_the_payload_limit(self, engine: ModuleType) -> None:
        model = Model(lambda *_: [1.0])
        movies = [2_999_999 - n for n in range(MAX_INSTANCES)]
        ask(engine, model, {"user": 2_999_999, "movies": movies, "type": "rating"})
        assert max(len(asked["Body"]) for asked in model.asked) < 4_000_000

    def test_top_k_ranks_the_given_movies(self, engine: ModuleType) -> None:
        chance = {11: 0.4, 12: 0.9, 13: 0.1, 14: 0.7}
        model = Model(lambda _, movie: [1 - chance[movie], chance[movie]])
        event = {"type": "recommendation", "user": 7, "movies": [11, 12, 12, 13, 14], "top_k": 3}
        assert ask(engine, model, event)["predictions"] == [
            {"user": 7, "movie": 12, "recommend": True, "probability": 0.9},
            {"user": 7, "movie": 14, "recommend": True, "probability": 0.7},
            {"user": 7, "movie": 11, "recommend": False, "probability": 0.4},
        ]

    def test_top_k_above_the_number_of_movies_returns_all(self, engine: ModuleType) -> None:
        event = {"type": "rating", "user": 7, "movies": [1, 3, 2], "top_k": 10}
        answer = ask(engine, Model(lambda _, movie: [float(movie)]), event)
        assert [one["movie"] for one in answer["predictions"]] == [3, 2, 1]

    @pytest.mark.parametrize("name", ["batch", "top_k"])
    def test_sample_events_are_answered(self, engine: ModuleType, name: str) -> None:
        event = json.loads((EVENTS / f"{name}.json").read_text())
        width = 1 if event["type"] == "rating" else 2
        answer = ask(engine, Model(lambda *_: [0.5] * width), event)
        wanted = event.get("top_k") or len(event["data"]["instances"])
        assert len(answer["predictions"]) == wanted


_OF_PYTHON = vars(logging.makeLogRecord({}))


def test_log_contains_counts_and_no_users(
    engine: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rec_engine")
    pairs = [{"in0": [user], "in1": [movie]} for user, movie in ((987, 1), (765, 1), (987, 2))]
    ask(engine, Model(lambda *_: [4.0]), {"type": "rating", "data": {"instances": pairs}})
    (logged,) = caplog.records
    told = {key: vars(logged)[key] for key in ("kind", "users", "pairs")}
    assert told == {"kind": "rating", "users": 2, "pairs": 3}
    assert "instances" not in str(vars(logged))
    asked = {name: value for name, value in vars(logged).items() if name not in _OF_PYTHON}
    assert "987" not in str(asked) and "765" not in str(asked)


def data(*instances: object) -> dict[str, object]:
    return {"type": "rating", "data": json.dumps({"instances": instances})}


BAD_EVENTS: list[tuple[object, str]] = [
    (None, "it must be a JSON object"),
    ([], "it must be a JSON object"),
    ("rating", "it must be a JSON object"),
    ({}, "`type` must be \"rating\" or \"recommendation\", and it is missing"),
    ({}, "`data` is missing"),
    ({"data": WORKSHOP_DATA, "type": "Rating"}, 'not "Rating"'),
    ({"data": WORKSHOP_DATA, "type": ["rating"]}, 'not ["rating"]'),
    ({"data": WORKSHOP_DATA, "type": None}, "not null"),
    ({"data": WORKSHOP_DATA, "type": "rating", "topk": 3}, 'unknown field "topk"'),
    ({"data": WORKSHOP_DATA, "type": "rating", "format": "xml"}, 'not "xml"'),
    ({"data": '{"instances": [', "type": "rating"}, "is not JSON: Expecting value at line 1"),
    ({"data": "", "type": "rating"}, "`data` is not JSON"),
    ({"data": "[" * 100_000, "type": "rating"}, "`data` is not JSON"),
    ({"data": "9" * 5_000, "type": "rating"}, "`data` is not JSON"),
    ({"data": '{"instances": [{"in0": [NaN], "in1": [1]}]}', "type": "rating"}, "NaN is no JSON"),
    ({"data": '{"instances": [{"in0": [1], "in1": [-Infinity]}]}', "type": "rating"}, "-Infinity"),
    ({"data": "[]", "type": "rating"}, "`data` must contain an object"),
    ({"data": None, "type": "rating"}, "`data` must contain an object"),
    ({"data": "{}", "type": "rating"}, "must be a list of instances, but it is missing"),
    ({"data": '{"instances": 5}', "type": "rating"}, "but it is 5"),
    ({"data": '{"instances": [], "x": 1}', "type": "rating"}, '`data` has unknown "x"'),
    (data(), "`instances` is empty"),
    (data(5), "instance 0 must be an object with in0 and in1, not 5"),
    (data({"in0": [1]}), "instance 0 lacks in1, the movie id in a list"),
    (data({"in1": [1]}), "instance 0 lacks in0, the user id in a list"),
    (data({"in0": [1], "in1": [2], "in2": [3]}), 'instance 0 has unknown "in2"'),
    (data({"in0": 1, "in1": [2]}), "instance 0: in0 must be a list of one user id, not 1"),
    (data({"in0": [], "in1": [2]}), "in0 must be a list of one user id, not []"),
    (data({"in0": [1, 2], "in1": [2]}), "in0 must be a list of one user id, not [1, 2]"),
    (data({"in0": [-1], "in1": [2]}), "in0 must be a whole number from 0 to 2999999, not -1"),
    (data({"in0": [1], "in1": [2.0]}), "in1 must be a whole number from 0 to 2999999, not 2.0"),
    (data({"in0": [True], "in1": [2]}), "not true"),
    (data({"in0": ["1"], "in1": [2]}), 'not "1"'),
    (data({"in0": [1], "in1": [None]}), "not null"),
    (data({"in0": [3_000_000], "in1": [1]}), "not 3000000"),
    (data(*[{"in0": [1], "in1": [1]}] * 10_001), "has 10,001 instances"),
    ({"type": "rating", "user": 1}, "`movies` must be a list of movie ids, but it is missing"),
    ({"type": "rating", "movies": [1]}, "`user` is missing"),
    ({"type": "rating", "user": 1, "movies": []}, "`movies` is empty"),
    ({"type": "rating", "user": float("nan"), "movies": [1]}, "not NaN"),
    ({"type": "rating", "user": 1, "movies": [1, 2.5]}, '`movies`, number 1 must be'),
    ({"type": "rating", "user": 1, "movies": [1, "x"]}, 'the data have no movie "x"'),
    ({"type": "rating", "user": 3_000_000, "movies": [1]}, "the data have no user 3000000"),
    ({"type": "rating", "user": "١", "movies": ["-1"]}, 'no user "١"; the data have no movie "-1"'),
    ({"type": "rating", "user": 1, "movies": [1], "data": "{}"}, "not both"),
    ({"type": "rating", "user": 1, "movies": [1], "top_k": 0}, "`top_k` must be a whole number"),
    ({"type": "rating", "user": 1, "movies": [1], "top_k": True}, "not true"),
    ({"type": "rating", "user": 1, "movies": [1], "top_k": None}, "not null"),
    ({**data({"in0": [1], "in1": [1]}, {"in0": [2], "in1": [1]}), "top_k": 1}, "names several"),
    ({**data({"in0": [1], "in1": [1]}, {"in0": [2], "in1": [1]}), "format": "sentence"}, "one"),
    ({**data({"in0": [1], "in1": [1]}), "format": "sentence", "top_k": 1}, "one pair"),
]  # fmt: skip


class TestBadEvents:
    @pytest.mark.parametrize(("event", "told"), BAD_EVENTS)
    def test_error_is_reported(self, engine: ModuleType, event: object, told: str) -> None:
        message = refusal(engine, event)
        assert told in message
        assert message.startswith("Bad event: ")
        assert len(message) < 2_000

    def test_problems_are_all_reported_at_once(self, engine: ModuleType) -> None:
        message = refusal(engine, {"type": "x", **{"data": data({"in0": [-1]})["data"]}})
        assert "`type`" in message
        assert "not -1" in message
        assert "lacks in1" in message

    def test_long_list_of_problems_is_truncated(self, engine: ModuleType) -> None:
        message = refusal(engine, {"type": "rating", "user": 1, "movies": [0.5] * 50})
        assert "; and 40 more" in message

    def test_errors_have_no_stack_trace(self, engine: ModuleType) -> None:
        """Lambda's runtime sends what `traceback` extracts; for our own errors that is nothing."""
        try:
            ask(engine, None, {})
        except RecommendationError:
            assert traceback.extract_tb(sys.exc_info()[2]) == []
        else:
            pytest.fail("an empty event was answered")

    def test_bugs_keep_their_stack_trace(self, engine: ModuleType) -> None:
        try:
            ask(engine, None, {"data": WORKSHOP_DATA, "type": "rating"})  # None is no client
        except AttributeError:
            assert traceback.extract_tb(sys.exc_info()[2]) != []
        else:
            pytest.fail("no client was needed")


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def invoke_endpoint(self, **_: Any) -> None:
        raise self.error


class TestEndpointErrors:
    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                client_error(
                    "ModelError",
                    "Received client error (400) from primary with message ...",
                    OriginalStatusCode=400,
                    OriginalMessage="in1 holds 1700, but enc1_vocab_size is 1684",
                ),
                "The model behind endpoint ratingModel refused the request: "
                "in1 holds 1700, but enc1_vocab_size is 1684",
            ),
            (
                client_error("ModelError", "Received server error (500)", OriginalStatusCode=500),
                "The model behind endpoint ratingModel failed; see its log. "
                "It returned: Received server error (500)",
            ),
            (
                client_error("ValidationError", "Endpoint ratingModel of account 1 not found."),
                "Endpoint ratingModel cannot be invoked; does it exist, and is it in service? "
                "(Endpoint ratingModel of account 1 not found.)",
            ),
            (
                client_error("ThrottlingException", "Rate exceeded"),
                "Endpoint ratingModel is too busy to answer now; try again in a moment. "
                "(Rate exceeded)",
            ),
            (
                client_error("ModelNotReadyException", "not ready"),
                "Endpoint ratingModel is still loading its model; try again in a moment. "
                "(not ready)",
            ),
            (
                client_error("AccessDeniedException", "User x is not authorized"),
                "This function's role may not invoke endpoint ratingModel: "
                "User x is not authorized",
            ),
            (
                client_error("InternalFailure", "oops"),
                "Endpoint ratingModel did not respond: InternalFailure: oops",
            ),
            (
                EndpointConnectionError(endpoint_url="http://x"),
                "Endpoint ratingModel could not be reached: Could not connect to the endpoint URL: "
                '"http://x"',
            ),
        ],
    )
    def test_error_is_reported(self, engine: ModuleType, error: Exception, told: str) -> None:
        with pytest.raises(RecommendationError) as caught:
            ask(engine, Failing(error), {"data": WORKSHOP_DATA, "type": "rating"})
        assert str(caught.value) == told

    @pytest.mark.parametrize(
        "body",
        [
            b"not JSON",
            [],
            {"predictions": []},
            {"predictions": [{"scores": [1.0, 2.0]}]},
            {"predictions": [{"embeddings": [1.0]}]},
            {"predictions": [{"scores": [float("nan")]}]},
            {"predictions": [{"scores": ["1"]}]},
            {"predictions": [{"scores": [1.0]}, {"scores": [1.0]}]},
        ],
    )
    def test_response_of_another_model_is_refused(self, engine: ModuleType, body: object) -> None:
        class Other:
            def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
                return reply(body)

        with pytest.raises(RecommendationError, match=r"1 score\(s\) for each of 1 instance"):
            ask(engine, Other(), {"data": WORKSHOP_DATA, "type": "rating"})

    def test_throttled_call_is_retried(self, engine: ModuleType) -> None:
        answers = [
            http(429, {"message": "Rate exceeded"}, {"x-amzn-errortype": "ThrottlingException"}),
            http(503, {"message": "busy"}, {"x-amzn-errortype": "ServiceUnavailable"}),
            http(200, {"predictions": [{"scores": [2.5]}]}),
        ]
        event = "before-send.sagemaker-runtime.InvokeEndpoint"
        answering = lambda **_: answers.pop(0)  # noqa: E731
        engine.client.meta.events.register(event, answering)
        answer = engine.handler({"data": WORKSHOP_DATA, "type": "rating"}, None)
        engine.client.meta.events.unregister(event, answering)
        assert answer == "The User will likely rate this movie to [2.5]"
        assert answers == []


@pytest.mark.parametrize("missing", ["ENDPOINT_NAME_RATING", "ENDPOINT_NAME_REC"])
def test_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv("ENDPOINT_NAME_RATING", "a")
    monkeypatch.setenv("ENDPOINT_NAME_REC", "b")
    monkeypatch.delenv(missing)
    monkeypatch.delitem(sys.modules, "rec_engine.handler", raising=False)
    with pytest.raises(RecommendationError, match=f"Set {missing} in this function's environment"):
        importlib.import_module("rec_engine.handler")


def test_without_ratings_only_lists_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT_NAME_RATING", "ENDPOINT_NAME_REC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENDPOINT_NAME_RANKING", "retrievalModel")
    monkeypatch.delitem(sys.modules, "rec_engine.handler", raising=False)
    module = importlib.import_module("rec_engine.handler")
    monkeypatch.delitem(sys.modules, "rec_engine.handler")
    for kind in ("rating", "recommendation"):
        with pytest.raises(RecommendationError, match="There are no ratings in the deployed data"):
            module.handler({"type": kind, "user": 7, "movies": [1]}, None)


BUCKET = "movies"
# odds times (ratings + 1)^2: 1 * 100, 97/3 * 4 = 129.33, 99 * 1; movie 4 is not in the catalogue
CHANCES = {1: 0.5, 2: 0.97, 3: 0.99, 4: 0.9}
COUNTS = {1: 9, 2: 1, 3: 0}
RANKED = {"type": "recommendation", "user": 7, "rank_by": "popularity_adjusted"}


@pytest.fixture
def ranking(engine: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The function with a catalogue in S3 and a model of who watched what."""
    monkeypatch.setenv("ENDPOINT_NAME_RANKING", "retrievalModel")
    monkeypatch.setenv("BUCKET_NAME", BUCKET)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        put_counts(s3, COUNTS)
        monkeypatch.setattr("common.clients.client", lambda _: s3)
        engine._popularity.cache_clear()
        yield engine
        engine._popularity.cache_clear()


def put_counts(s3: Any, counts: dict[int, int]) -> None:
    titles = {movie: f"Film {movie}" for movie in counts}
    s3.put_object(Bucket=BUCKET, Key=CATALOGUE, Body=catalogue(titles, counts).encode())


@pytest.fixture
def own_ids(ranking: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The function with data whose ids had to be numbered, books' and readers'."""
    s3 = clients.client("s3")
    numbers = {"users": {"李 0003": 7, "276726": 8}, "items": {"bk-1é": 1, "3": 2, "0155": 3}}
    s3.put_object(Bucket=BUCKET, Key="the/ids.json", Body=json.dumps(numbers).encode())
    monkeypatch.setattr(ranking, "ids", OwnIds(s3, BUCKET, "the/ids.json"))
    return ranking


def test_own_ids_are_taken_and_told(own_ids: ModuleType) -> None:
    event = {**RANKED, "user": "李 0003", "movies": ["bk-1é", 3, "0155"]}
    found = ask(own_ids, watching(), event)["predictions"]
    assert [(one["user"], one["movie"]) for one in found] == [
        ("李 0003", 3),
        ("李 0003", "bk-1é"),
        ("李 0003", "0155"),
    ]
    event = {"type": "rating", "user": 276726, "movies": ["3"]}
    found = ask(own_ids, Model(lambda user, movie: [user + movie / 10]), event)["predictions"]
    assert found == [{"user": 276726, "movie": 3, "rating": 8.2}]
    # 7 and 1 are the model's numbers, and no ids of the data
    message = refusal(own_ids, {"type": "rating", "user": 7, "movies": [1, "bk-1é"]})
    assert message == "Bad event: the data have no user 7; the data have no movie 1."


def test_workshop_events_have_the_models_numbers(own_ids: ModuleType) -> None:
    model = Model(lambda user, movie: [user + movie / 10])
    event = {"type": "rating", "data": '{"instances": [{"in0": [7], "in1": [1]}]}'}
    assert ask(own_ids, model, event) == "The User will likely rate this movie to [7.1]"


@pytest.mark.parametrize(
    ("content", "told"), [(b"[", "is malformed"), (b"[]", "an object of objects"), (None, "NoSuch")]
)
def test_unreadable_ids_are_reported(own_ids: ModuleType, content: bytes | None, told: str) -> None:
    s3 = clients.client("s3")
    if content is None:
        s3.delete_object(Bucket=BUCKET, Key="the/ids.json")
    else:
        s3.put_object(Bucket=BUCKET, Key="the/ids.json", Body=content)
    event = {"type": "rating", "user": "x", "movies": ["y"]}
    message = refusal(own_ids, event)
    assert message.startswith("s3://movies/the/ids.json ")
    assert told in message or content is None
    request = {
        "routeKey": "POST /rating",
        "rawPath": "/rating",
        "requestContext": {},
        "body": json.dumps({"user": "x", "movies": ["y"]}),
    }
    assert own_ids.handler(request, None)["statusCode"] == 502


def watching() -> Model:
    return Model(lambda _, movie: [1 - CHANCES[movie], CHANCES[movie]])


class TestRanking:
    def test_rank_by_popularity_multiplies_odds_by_the_squared_count(
        self, ranking: ModuleType
    ) -> None:
        model = watching()
        answer = ask(ranking, model, {**RANKED, "movies": [1, 2, 3]})
        assert answer["type"] == "recommendation"
        assert [(one["user"], one["movie"]) for one in answer["predictions"]] == [
            (7, 2),
            (7, 1),
            (7, 3),
        ]
        scores = [math.exp(one["score"]) for one in answer["predictions"]]
        assert scores == pytest.approx([129.3333, 100, 99], rel=1e-5)
        assert {request["EndpointName"] for request in model.asked} == {"retrievalModel"}

    def test_rank_by_popularity_of_an_unlisted_movie_counts_zero_ratings(
        self, ranking: ModuleType
    ) -> None:
        (one,) = ask(ranking, watching(), {**RANKED, "movies": [4]})["predictions"]
        assert math.exp(one["score"]) == pytest.approx(9)

    def test_rank_by_popularity_with_top_k_keeps_the_best(self, ranking: ModuleType) -> None:
        answer = ask(ranking, watching(), {**RANKED, "movies": [1, 2, 3], "top_k": 2})
        assert [one["movie"] for one in answer["predictions"]] == [2, 1]

    def test_rank_by_popularity_of_workshop_data_returns_an_object(
        self, ranking: ModuleType
    ) -> None:
        data = json.dumps({"instances": [{"in0": [7], "in1": [1]}]})
        event = {"type": "recommendation", "data": data, "rank_by": "popularity_adjusted"}
        assert ask(ranking, watching(), event)["predictions"][0]["movie"] == 1

    def test_rank_by_popularity_over_http_behaves_equally(self, ranking: ModuleType) -> None:
        def told(**members: Any) -> tuple[int, Any]:
            body = json.dumps({"user": 7, "movies": [1, 2, 3]} | members)
            event = {"routeKey": "r", "requestContext": {}, "rawPath": "/recommendation"}
            answer = ask(ranking, watching(), {**event, "body": body})
            return answer["statusCode"], json.loads(answer["body"])

        status, found = told(rank_by="popularity_adjusted")
        assert (status, [one["movie"] for one in found["predictions"]]) == (200, [2, 1, 3])
        status, found = told(rank_by="fame", top_k=0)
        assert status == 400
        assert '`rank_by` must be "popularity_adjusted", not "fame"' in found["message"]
        assert "`top_k` must be a whole number" in found["message"]
        boto3.client("s3", region_name="us-east-1").delete_object(Bucket=BUCKET, Key=CATALOGUE)
        ranking._popularity.cache_clear()
        status, found = told(rank_by="popularity_adjusted")
        assert status == 502
        assert found["message"].startswith(f"s3://movies/{CATALOGUE} does not exist")

    def test_rank_by_popularity_reads_the_catalogue_at_most_once_a_minute(
        self, ranking: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        s3 = boto3.client("s3", region_name="us-east-1")
        now = [0.0]
        popularity = Popularity(Bucket(s3, BUCKET, CATALOGUE), lambda: now[0])
        assert popularity.counts() == COUNTS
        put_counts(s3, {1: 5})
        assert popularity.counts() == COUNTS
        now[0] = FRESH + 1
        assert popularity.counts() == {1: 5}
        read = Bucket.items
        monkeypatch.setattr(Bucket, "items", lambda *_: pytest.fail("it has not changed"))
        now[0] = 2 * FRESH + 2
        assert popularity.counts() == {1: 5}
        monkeypatch.setattr(Bucket, "items", read)

    @pytest.mark.parametrize(
        ("event", "told"),
        [
            ({"rank_by": "fame"}, '`rank_by` must be "popularity_adjusted", not "fame"'),
            ({"rank_by": None}, '`rank_by` must be "popularity_adjusted", not null'),
            ({"type": "rating"}, '`rank_by` requires the type "recommendation"'),
            ({"format": "sentence"}, "answers one pair, with no `rank_by`"),
            (
                {"rank_by": "fame", "type": "rating", "top_k": 0, "movies": []},
                "`rank_by` requires the type",
            ),
        ],
    )
    def test_rank_by_invalid_value_is_refused_with_all_problems(
        self, engine: ModuleType, event: dict[str, Any], told: str
    ) -> None:
        message = refusal(engine, {**RANKED, "movies": [1], **event})
        assert message.startswith("Bad event: ")
        assert told in message
        if "top_k" in event:
            assert "`top_k` must be" in message
            assert "`movies` is empty" in message
            assert '`rank_by` must be "popularity_adjusted"' in message

    def test_rank_by_popularity_of_several_users_is_refused(self, engine: ModuleType) -> None:
        pairs = [{"in0": [user], "in1": [1]} for user in (1, 2)]
        event = {"type": "recommendation", "data": {"instances": pairs}}
        message = refusal(engine, {**event, "rank_by": "popularity_adjusted"})
        assert "`rank_by` ranks the movies of one user, but `data` names several" in message

    def test_rank_by_popularity_without_its_variables_names_them(
        self, engine: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("ENDPOINT_NAME_RANKING", "BUCKET_NAME"):
            monkeypatch.delenv(name, raising=False)
        engine._popularity.cache_clear()
        message = refusal(engine, {**RANKED, "movies": [1]})
        assert "set ENDPOINT_NAME_RANKING and BUCKET_NAME in its environment" in message

    def test_ranking_rule_equals_recsys(self) -> None:
        """Functions cannot import it: so it is written twice, and must be the same."""
        draw = np.random.default_rng(0)
        chances = [0, 1, 1e-9, 1 - 1e-9, 0.5, *draw.random(1_000).tolist()]
        counts = draw.integers(0, 100_000, len(chances)).tolist()
        ours = [
            popularity_adjusted(clipped_logit(chance), count)
            for chance, count in zip(chances, counts, strict=True)
        ]
        theirs = recsys.ranking.popularity_adjusted(recsys.ranking.clipped_logit(chances), counts)
        assert ours == pytest.approx(theirs.tolist(), rel=1e-12, abs=1e-12)
