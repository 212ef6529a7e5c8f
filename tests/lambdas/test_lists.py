"""The functions `Lists` and `Events`, and the training behind them, on moto's S3 and DynamoDB."""

import gzip
import importlib
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from common import clients
from common.errors import BusyError, DeniedError, FunctionError
from common.histories import Event, Histories, with_plain_items
from common.own_ids import OwnIds
from common.stack_outputs import StackOutputs
from events.logic import Taker
from events.request import EventsError
from events.request import parse as parse_events
from events.trackers import Trackers
from jsonschema import Draft202012Validator
from list_training import handler as training
from lists import engines
from lists.experiments import Experiments
from lists.request import ListsError, parse
from moto import mock_aws

import openapi
from local_aws.moto_patches import install
from recsys.experiments.assignment import assign
from recsys.experiments.definition import parse_all
from recsys.lists.blend import Blend
from recsys.lists.model import Catalogue, ItemWeights, ListModel, Pruned
from tests.lambdas.fakes import client_error, reply
from tests.reliability import Tally

BUCKET, KEY, TABLE = "movies", "lists/movielens/models/one.npz", "histories"
NOW = 1_764_428_400.0
STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/recommender-Lists/1"
ITEMS = ("10", "20", "30", "forty")


def model() -> ListModel:
    """Having taken an item speaks for the next one alone: 10 for 20, 20 for 30, 30 for forty."""
    following = Pruned(
        np.array([0, 1, 2, 3, 4], np.int64),
        np.array([1, 2, 3, 0], np.uint16),
        np.full(4, 127, np.int8),
        np.full(4, 1 / 127, np.float32),
    )
    return ListModel(
        scorer=ItemWeights(following, following, Blend(half_life=10.0, next_item=0.0)),
        counts=np.array([5.0, 1.0, 9.0, 1.0]),
        trending=np.array([5.0, 1.0, 9.0, 1.0]),
        largest=5.0,
        power=0.2,
        catalogue=Catalogue(
            ids=ITEMS,
            titles=("Ten", "Twenty", "Thirty", "Forty"),
            years=np.array([1990, 1991, 1992, 0], np.int32),
            genres=np.array([1, 2, 3, 1], np.uint64),
            genre_names=("Comedy", "Drama"),
            attributes=(
                {"author": ["Лев Толстой"]},
                {"author": ["Gogol", "A B"]},
                {},
                {"of": ["x"]},
            ),
        ),
    )


def create_table(name: str = TABLE) -> None:
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "user", "AttributeType": "S"},
            {"AttributeName": "event", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "user", "KeyType": "HASH"},
            {"AttributeName": "event", "KeyType": "RANGE"},
        ],
    )


@pytest.fixture
def aws() -> Iterator[None]:
    install()
    with mock_aws():
        clients.client.cache_clear()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=model().to_bytes())
        create_table()
        yield
        clients.client.cache_clear()


@pytest.fixture
def functions(aws: None, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The handlers of Lists and of Events, as Lambda loads them."""
    return load_functions(monkeypatch)


def load_functions(monkeypatch: pytest.MonkeyPatch, **more: str) -> tuple[Any, Any]:
    environment = {"BUCKET_NAME": BUCKET, "MODEL_KEY": KEY, "TABLE_NAME": TABLE, **more}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    loaded = []
    for name in ("lists.handler", "events.handler"):
        sys.modules.pop(name, None)
        loaded.append(importlib.import_module(name).handler)
    return loaded[0], loaded[1]


def test_attributes_filter_lists_and_are_told(functions: tuple[Any, Any]) -> None:
    lists = functions[0]

    def asked(attributes: Any, **more: Any) -> list[str]:
        filters = {"attributes": attributes, **more}
        return [one["item"] for one in lists({"user": "x", "filters": filters}, None)["items"]]

    assert asked({"author": ["лев толстой", "gogol"]}) == ["10", "20"]
    assert asked({"author": ["A B"], "of": ["x"]}) == []
    assert asked({"OF": ["x"]}) == ["forty"]
    assert asked({"author": ["Gogol", "Лев Толстой"]}, genres=["Drama"]) == ["20"]
    assert asked({"publisher": ["x"]}) == []
    told = {one["item"]: one for one in lists({"user": "x"}, None)["items"]}
    assert told["20"]["attributes"] == {"author": ["Gogol", "A B"]}
    assert "attributes" not in told["30"]


def test_attributes_over_http_are_json(functions: tuple[Any, Any]) -> None:
    def get(text: str) -> tuple[int, Any]:
        answer = functions[0](
            {
                "routeKey": "GET /users/{id}/recommendations",
                "rawPath": "/users/x/recommendations",
                "requestContext": {},
                "pathParameters": {"id": "x"},
                "queryStringParameters": {"attributes": text},
            },
            None,
        )
        return answer["statusCode"], json.loads(answer["body"])

    status, told = get('{"author": ["Gogol"]}')
    assert (status, [one["item"] for one in told["items"]]) == (200, ["20"])
    for wrong in ("author", '{"author": "Gogol"}', '{"author": [1]}', '{"author": []}', "[]"):
        status, told = get(wrong)
        assert (status, "`filters.attributes`" in told["message"]) == (400, True)


def take(functions: tuple[Any, Any], user: str, *items: str, at: int = 100) -> Any:
    events = [
        {"user": user, "item": item, "timestamp": at + number} for number, item in enumerate(items)
    ]
    return functions[1]({"events": events}, None)


def listed(answer: Any) -> list[str]:
    return [one["item"] for one in answer["items"]]


# Lists --------------------------------------------------------------------------------------------


def test_an_event_counts_in_the_next_list(functions: tuple[Any, Any]) -> None:
    lists, _ = functions
    answer = lists({"user": "anna", "count": 1}, None)
    assert (answer["basis"], listed(answer)) == ("popular", ["30"])
    assert take(functions, "anna", "10") == {"written": 1, "unknown_items": []}
    answer = lists({"user": "anna", "count": 1}, None)
    assert (answer["basis"], listed(answer)) == ("history", ["20"])
    take(functions, "anna", "20", at=200)
    answer = lists({"user": "anna", "count": 1}, None)
    assert listed(answer) == ["30"]
    (entry,) = answer["items"]
    assert entry["title"] == "Thirty" and entry["year"] == 1992
    assert entry["genres"] == ["Comedy", "Drama"]
    assert [one["item"] for one in entry["because"]] == ["20"]


def test_ids_may_be_numbers_and_what_was_watched_may_be_listed(functions: tuple[Any, Any]) -> None:
    lists, _ = functions
    take(functions, "7", "10", "20", "30", "forty")
    assert lists({"user": 7}, None)["items"] == []
    answer = lists({"user": 7, "exclude_watched": False, "explain": False}, None)
    assert set(listed(answer)) == set(ITEMS)
    assert "because" not in answer["items"][0]


def test_relatives_rankings_sessions_and_batches(functions: tuple[Any, Any]) -> None:
    lists, _ = functions
    answer = lists({"item": 20, "count": 1}, None)
    assert (answer["item"], answer["basis"], listed(answer)) == ("20", "item", ["30"])
    assert lists({"item": "unheard of", "count": 1}, None)["basis"] == "popular"
    answer = lists({"session": ["20"], "items": ["10", "30", "nothing"]}, None)
    assert (listed(answer), answer["unknown_items"]) == (["30", "10"], ["nothing"])
    take(functions, "anna", "10")
    answer = lists({"users": ["anna", "bert"], "count": 1}, None)
    assert [(one["user"], one["basis"], listed(one)) for one in answer["lists"]] == [
        ("anna", "history", ["20"]),
        ("bert", "popular", ["30"]),
    ]


def test_filters_hold_by_genre_and_years(functions: tuple[Any, Any]) -> None:
    lists, _ = functions

    def found(**filters: Any) -> set[str]:
        return set(listed(lists({"user": "new", "filters": filters}, None)))

    assert found(genres=["drama"]) == {"20", "30"}
    assert found(years=[1991, None]) == {"20", "30"}
    assert found(genres=["Comedy"], years=[None, 1990]) == {"10"}
    assert found(genres=["Western"]) == set()


def test_only_items_that_the_model_lacks_are_no_history(functions: tuple[Any, Any]) -> None:
    lists, _ = functions
    told = take(functions, "anna", "a film of tomorrow")
    assert told == {"written": 1, "unknown_items": ["a film of tomorrow"]}
    assert lists({"user": "anna", "count": 1}, None)["basis"] == "popular"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ("user", "must be an object"),
        ({}, "give one of"),
        ({"user": "1", "item": "2"}, "not `user` and `item`"),
        ({"user": 1.5}, "`user` must be an id"),
        ({"user": True}, "`user` must be an id"),
        ({"user": ""}, "1 to 256 characters"),
        ({"user": "a\nb"}, "`user` must be an id"),
        ({"users": []}, "`users` is empty"),
        ({"users": ["1"] * 101}, "may hold 100"),
        ({"user": "1", "count": 0}, "`count` must be"),
        ({"user": "1", "count": True}, "`count` must be"),
        ({"user": "1", "explain": "yes"}, "`explain` must be true or false"),
        ({"user": "1", "filters": {"actor": "x"}}, "unknown filter"),
        ({"user": "1", "filters": {"genres": [1]}}, "must be a list of texts"),
        ({"user": "1", "filters": {"years": [1999, 1990]}}, "begin after they end"),
        ({"user": "1", "filters": {"years": 1990}}, "the first and the last year"),
        ({"item": "1", "items": ["2"]}, "ranked for a `user`"),
        ({"user": "1", "colour": "red"}, 'unknown field "colour"'),
    ],
)
def test_a_bad_event_is_refused_by_name(event: Any, words: str) -> None:
    with pytest.raises(ListsError, match="Bad event") as refused:
        parse(event)
    assert words in str(refused.value)


def test_every_problem_of_an_event_is_told_at_once() -> None:
    with pytest.raises(ListsError) as refused:
        parse({"user": None, "count": -1, "filters": 3, "explain": 0})
    for field in ("`user`", "`count`", "`filters`", "`explain`"):
        assert field in str(refused.value)


# Experiments --------------------------------------------------------------------------------------

EXPOSURES = "exposures"


def experiment(kind: str = "ab", **settings: Any) -> Any:
    """The deployed lists against others."""
    return {
        "kind": kind,
        "arms": {"as-is": {"share": 50}, "other": {"share": 50, **settings}},
        "metric": {"event": "Watch"},
    }


@pytest.fixture
def running(aws: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """Loads the handlers of Lists and of Events with experiments."""

    def load(**experiments: Any) -> tuple[Any, Any]:
        create_table(EXPOSURES)
        given = {"EXPERIMENTS": json.dumps(experiments), "EXPOSURES_TABLE": EXPOSURES}
        return load_functions(monkeypatch, **given)

    return load


def exposures() -> list[Any]:
    found: list[Any] = boto3.client("dynamodb").scan(TableName=EXPOSURES)["Items"]
    return found


def user_in(arm: str, name: str = "one") -> str:
    """A user who is in that arm."""
    shares = {"as-is": 50.0, "other": 50.0}
    return next(user for user in map(str, count()) if assign(name, shares, user) == arm)


def call(request: str) -> Any:
    return SimpleNamespace(aws_request_id=request)


def test_a_users_arm_answers_and_the_exposure_is_recorded_once(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    functions = running(one=experiment(model="popular"))
    for arm, basis, first in (("as-is", "history", "20"), ("other", "popular", "30")):
        user = user_in(arm)
        take(functions, user, "10")
        answers = [functions[0]({"user": user}, call(str(number))) for number in range(3)]
        assert {(one["basis"], one["items"][0]["item"]) for one in answers} == {(basis, first)}
        assert answers[0]["experiments"] == {"one": arm}
        (row,) = (row for row in exposures() if row["user"]["S"] == user)
        assert row["event"] == {"S": "one"} and row["arm"] == {"S": arm}
        assert json.loads(row["items"]["S"]) == listed(answers[0])
        assert row["shares"] == {"S": "as-is:50 other:50"}
        assert abs(float(row["at"]["N"]) - time.time()) < 3600
        assert "because" not in answers[0]["items"][0] or arm == "as-is"


def test_an_exposure_that_another_sandbox_recorded_is_not_overwritten(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    functions = running(one=experiment(model="popular"))
    key = {"user": {"S": "u"}, "event": {"S": "one"}}
    boto3.client("dynamodb").put_item(TableName=EXPOSURES, Item={**key, "at": {"N": "1"}})
    functions[0]({"user": "u"}, None)
    assert exposures() == [{**key, "at": {"N": "1"}}]


def test_batches_rankings_sessions_and_items_are_no_exposures(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    functions = running(one=experiment(model="popular"))
    for event in (
        {"users": ["a", "b"]},
        {"user": "a", "items": ["10", "20"]},
        {"session": ["10"]},
        {"item": "10"},
    ):
        assert "experiments" not in json.dumps(functions[0](event, None))
    assert exposures() == []


def test_each_session_has_an_arm_and_an_exposure(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    by_session = {**experiment(model="popular"), "unit": "session"}
    functions = running(one=by_session, two=experiment(next_item=5))
    first, second = user_in("as-is"), user_in("other")  # as sessions
    shares = {"as-is": 50.0, "other": 50.0}
    of_user = assign("two", shares, "u")
    take(functions, "u", "10")
    for session, arm, basis in ((first, "as-is", "history"), (second, "other", "popular")):
        for _ in range(2):
            answer = functions[0]({"user": "u", "session_id": session}, None)
            assert answer["experiments"] == {"one": arm, "two": of_user}
            assert answer["basis"] == basis
    # without a session only the users' experiment runs; without a user, only the sessions'
    assert functions[0]({"user": "u"}, None)["experiments"] == {"two": of_user}
    visit = functions[0]({"session": ["10"], "session_id": second}, None)
    assert visit["experiments"] == {"one": "other"} and visit["basis"] == "popular"
    assert "experiments" not in functions[0]({"session": ["10"]}, None)
    ranked = {"session": ["10"], "session_id": second, "items": ["10", "20"]}
    assert "experiments" not in functions[0](ranked, None)
    keys = {
        (row["user"]["S"], row["event"]["S"], row.get("session", {}).get("S"), row["arm"]["S"])
        for row in exposures()
    }
    assert keys == {
        ("u", f"one#{first}", first, "as-is"),
        ("u", f"one#{second}", second, "other"),
        ("u", "two", None, of_user),
        (second, f"one#{second}", second, "other"),
    }
    functions[1]({"forget": "u"}, None)  # with the sessions in which the user had an account
    assert {row["user"]["S"] for row in exposures()} == {second}


def test_a_sessions_lists_are_mixed_by_the_session(running: Callable[..., tuple[Any, Any]]) -> None:
    mixed = {**experiment("interleaving", model="popular"), "unit": "session"}
    functions = running(one=mixed)
    answer = functions[0]({"session": ["10"], "session_id": "s", "count": 3}, call("x"))
    assert {one["arm"] for one in answer["items"]} == {"as-is", "other"}
    (row,) = exposures()
    assert (row["user"]["S"], row["session"]["S"]) == ("s", "s") and row["event"]["S"] == "one#x"
    assert "arm" not in functions[0]({"session": ["10"]}, call("y"))["items"][0]


def test_a_session_over_http_is_a_parameter(running: Callable[..., tuple[Any, Any]]) -> None:
    functions = running(one={**experiment(model="popular"), "unit": "session"})
    session, path = user_in("other"), "GET /users/{id}/recommendations"
    answer = functions[0](request(path, query={"session_id": session}, id="u"), call("x"))
    assert json.loads(answer["body"])["experiments"] == {"one": "other"}
    for event in ({"item": "10", "session_id": "s"}, {"user": "u", "session_id": "two words"}):
        with pytest.raises(ListsError, match=r"`session_id` (goes with|must be 1 to 100 print)"):
            parse(event)


def test_an_event_tells_its_session(functions: tuple[Any, Any]) -> None:
    event = {"user": "a", "item": "10", "timestamp": 5, "session_id": "s-1"}
    functions[1]({"events": [event]}, None)
    (row,) = rows("a")
    assert row["session"] == {"S": "s-1"}
    with pytest.raises(EventsError, match="event 0: `session_id` must be 1 to 100 printable"):
        parse_events({"events": [{**event, "session_id": 7}]}, NOW)


def test_two_experiments_assign_independently_and_both_settings_hold(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    functions = running(one=experiment(half_life=0.1), two=experiment(next_item=5))
    told = functions[0]({"user": "a"}, None)["experiments"]
    shares = {"as-is": 50.0, "other": 50.0}
    assert told == {name: assign(name, shares, "a") for name in ("one", "two")}
    assert {row["event"]["S"] for row in exposures()} == {"one", "two"}


def test_mixed_lists_tell_each_items_arm_and_each_is_recorded(
    running: Callable[..., tuple[Any, Any]],
) -> None:
    functions = running(one=experiment("interleaving", model="popular"))
    take(functions, "a", "10")
    answer = functions[0]({"user": "a", "count": 3}, call("first"))
    assert "experiments" not in answer
    assert {one["arm"] for one in answer["items"]} == {"as-is", "other"}
    # after 10 follows 20; the popular ones are 30, 20, forty: each arm's best comes first
    best = {one["arm"]: one["item"] for one in reversed(answer["items"])}
    assert best == {"as-is": "20", "other": "30"}
    again = functions[0]({"user": "a", "count": 3}, call("first"))  # as Lambda tries again
    assert again == answer
    functions[0]({"user": "a", "count": 3}, call("second"))
    rows = exposures()
    assert sorted(row["event"]["S"] for row in rows) == ["one#first", "one#second"]
    (row,) = (row for row in rows if row["event"]["S"] == "one#first")
    assert json.loads(row["items"]["S"]) == listed(answer)
    assert json.loads(row["teams"]["S"]) == [one["arm"] for one in answer["items"]]


def test_a_forgotten_user_leaves_no_exposure(running: Callable[..., tuple[Any, Any]]) -> None:
    functions = running(one=experiment(half_life=1), two=experiment("interleaving", next_item=5))
    for user in ("a", "b"):
        for request in "xyz":
            functions[0]({"user": user}, call(request))
    assert len(exposures()) == 8
    assert functions[1]({"forget": "a"}, None) == {"user": "a", "forgotten": 0}
    assert {row["user"]["S"] for row in exposures()} == {"b"}


def test_an_exposure_that_cannot_be_recorded_is_no_answer() -> None:
    def refused(code: str) -> Any:
        def put_item(**_: Any) -> None:
            raise client_error(code, "refused")

        return SimpleNamespace(put_item=put_item)

    running = parse_all({"one": experiment(half_life=1)})
    for code, error in (("ThrottlingException", BusyError), ("ValidationException", FunctionError)):
        with pytest.raises(error, match="exposure cannot be recorded"):
            Experiments(running, refused(code), EXPOSURES).answer(
                {"user": "a", "session": ""}, "x", lambda _: {"items": []}
            )


# Engines of arms ----------------------------------------------------------------------------------

ARN = "arn:aws:personalize:us-east-1:123456789012:campaign/recommender-user-personalization-v2-x"
CAMPAIGN = {"CustomUserPersonalizationV2CampaignArn": ARN, "CustomSimsCampaignArn": "of items"}


class Runtime:
    """The data plane of Personalize, with one list for all users."""

    def __init__(self, *items: str, fails: str = "") -> None:
        self.items, self.fails = items, fails
        self.asked: list[Any] = []

    def get_recommendations(self, **request: Any) -> Any:
        self.asked.append(request)
        if self.fails:
            raise client_error(self.fails, "no")
        return {"itemList": [{"itemId": item, "score": 0.1} for item in self.items]}


def asking(outputs: dict[str, str] | None, runtime: Runtime) -> engines.Personalize:
    stack = Outputs(outputs)
    return engines.Personalize(
        StackOutputs("recommender-Personalize", lambda: stack), lambda: runtime
    )


def test_the_items_of_an_arms_engine_come_first_and_the_models_own_follow(
    running: Callable[..., tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = running(one=experiment(model="personalize"))
    runtime = Runtime("forty", "unheard of", "10", "30")
    engine = asking(CAMPAIGN, runtime)
    monkeypatch.setattr(sys.modules["lists.handler"].answers, "_engines", {"personalize": engine})
    user, other = user_in("other"), user_in("as-is")
    take(functions, user, "10")
    answer = functions[0]({"user": user}, call("x"))
    assert answer["experiments"] == {"one": "other"} and answer["basis"] == "history"
    # 10 was watched; 20, which follows 10, is what the model adds
    assert listed(answer)[:3] == ["forty", "30", "20"]
    scores = [one["score"] for one in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert not any("because" in one for one in answer["items"])
    assert runtime.asked == [{"campaignArn": ARN, "userId": user, "numResults": 500}]
    only = functions[0]({"user": user, "filters": {"genres": ["Drama"]}}, call("y"))
    assert set(listed(only)) < set(listed(answer))
    functions[0]({"user": other}, call("z"))
    assert {one["userId"] for one in runtime.asked} == {user}
    (row,) = (row for row in exposures() if row["user"]["S"] == user)
    assert json.loads(row["items"]["S"]) == listed(answer)


def test_the_engine_is_what_answers_for_users_of_personalizes_stack() -> None:
    runtime = Runtime("1", "2")
    assert asking(CAMPAIGN, runtime).best("a", {}) == ["1", "2"]
    assert asking({"DomainTopPicksRecommenderArn": "r"}, runtime).best("a", {}) == ["1", "2"]
    assert runtime.asked[1] == {"recommenderArn": "r", "userId": "a", "numResults": 500}


@pytest.mark.parametrize(
    ("outputs", "fails", "kind"),
    [
        (None, "", BusyError),  # not deployed yet, or being replaced
        ({"CustomSimsCampaignArn": "c"}, "", BusyError),
        (CAMPAIGN, "ResourceNotFoundException", BusyError),
        (CAMPAIGN, "ThrottlingException", BusyError),
        (CAMPAIGN, "AccessDeniedException", DeniedError),
    ],
)
def test_an_engine_that_cannot_answer_is_no_answer_and_no_exposure(
    outputs: dict[str, str] | None, fails: str, kind: type[FunctionError]
) -> None:
    runtime = Runtime("1", fails=fails)
    engine = asking(outputs, runtime)
    written: list[Any] = []
    table = SimpleNamespace(put_item=lambda **row: written.append(row))
    running = Experiments(parse_all({"one": experiment(model="personalize")}), table, EXPOSURES)
    with pytest.raises(kind, match="Amazon Personalize"):
        running.answer(
            {"user": user_in("other"), "session": ""},
            "x",
            lambda settings: {"items": [{"item": engine.best("a", {})}]},
        )
    assert written == []


class Scores:
    """SageMaker's data plane: scores a pair by the item's number, the highest as given."""

    def __init__(self, *best: int, form: str = "", fails: str = "") -> None:
        self.best, self.form, self.fails = best, form, fails
        self.asked: list[Any] = []

    def invoke_endpoint(self, **request: Any) -> Any:
        self.asked.append(request)
        if self.fails:
            raise client_error(self.fails, "no")
        predictions: list[Any] = []
        for one in json.loads(request["Body"])["instances"]:
            if self.form == "factorization_machines":
                user, column = one["data"]["features"]["keys"]
                assert one["data"]["features"] == {
                    "keys": [user, column],
                    "shape": [50 + 90],  # columns of users, then of items
                    "values": [1, 1],
                }
                predictions.append({"score": self.score(column - 50)})
            else:
                score = self.score(one["in1"][0])
                two = self.form == "object2vec"
                predictions.append({"scores": [1 - score, score] if two else [score]})
        return reply({"predictions": predictions})

    def score(self, item: int) -> float:
        return 1 / (2 + self.best.index(item))


NUMBERS = {"users": {}, "items": {"10": 1, "20": 2, "30": 3, "forty": 4}}


@pytest.fixture
def with_engines(aws: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """Loads both handlers with an experiment whose second arm asks an engine."""

    def load(model: str, scores: Scores, kind: str = "ab") -> tuple[Any, Any]:
        create_table(EXPOSURES)
        users = {user_in("other"): 7}
        ids = json.dumps({**NUMBERS, "users": users})
        boto3.client("s3").put_object(Bucket=BUCKET, Key="ids.json", Body=ids)
        loaded = load_functions(
            monkeypatch,
            EXPERIMENTS=json.dumps({"one": experiment(kind, model=model)}),
            EXPOSURES_TABLE=EXPOSURES,
            ENDPOINTS=json.dumps({model: "an-endpoint"}),
            SIZES="50,90",
            IDS_KEY="ids.json",
        )
        known = SimpleNamespace(client=lambda _: scores)  # all that is asked for later
        monkeypatch.setattr(sys.modules["lists.handler"], "clients", known)
        return loaded

    return load


@pytest.mark.parametrize("model", ["object2vec", "deep_mf", "factorization_machines"])
def test_an_engine_behind_an_endpoint_puts_the_lists_candidates_in_order(
    model: str, with_engines: Callable[..., tuple[Any, Any]]
) -> None:
    scores = Scores(4, 2, 3, 1, form=model)
    functions = with_engines(model, scores)
    user = user_in("other")
    take(functions, user, "10")
    answer = functions[0]({"user": user, "count": 2}, call("x"))
    # 10 was watched and is no candidate; odds times popularity: 30 is taken by nine users
    adjusted = ["30", "forty"]
    assert listed(answer) == (adjusted if model == "object2vec" else ["forty", "20"])
    assert answer["experiments"] == {"one": "other"} and answer["basis"] == "history"
    assert not any("because" in one for one in answer["items"])
    (asked,) = scores.asked
    assert asked["EndpointName"] == "an-endpoint"
    assert len(json.loads(asked["Body"])["instances"]) == 3
    filtered = functions[0]({"user": user, "filters": {"genres": ["Drama"]}}, call("y"))
    assert set(listed(filtered)) == {"20", "30"}
    assert len(json.loads(scores.asked[1]["Body"])["instances"]) == 2


def test_users_whom_an_engine_does_not_know_get_the_lists(
    with_engines: Callable[..., tuple[Any, Any]],
) -> None:
    scores = Scores(4, 2, 3, 1)
    functions = with_engines("deep_mf", scores)
    shares = {"as-is": 50.0, "other": 50.0}
    users = (f"new {number}" for number in count())
    stranger = next(user for user in users if assign("one", shares, user) == "other")
    take(functions, stranger, "10")
    answer = functions[0]({"user": stranger}, call("x"))
    assert answer["experiments"] == {"one": "other"} and scores.asked == []
    assert listed(answer)[0] == "20" and "because" in answer["items"][0]
    # with numbers as ids, those beyond the model's
    for ids, known in ((OwnIds(None, "", ""), 50), (OwnIds(None, "", ""), 51)):
        made = engines.of_endpoints({"deep_mf": "x"}, (known, 90), lambda: scores, ids)
        assert list(made["deep_mf"].best("50", {"2": 1, "4": 1})) == (["4", "2"] * (known > 50))


@pytest.mark.parametrize(
    ("fails", "kind"),
    [
        ("ValidationError", BusyError),  # not deployed yet, or being replaced
        ("ThrottlingException", BusyError),
        ("AccessDeniedException", DeniedError),
    ],
)
def test_an_endpoint_that_cannot_answer_is_no_answer_and_no_exposure(
    fails: str, kind: type[FunctionError], with_engines: Callable[..., tuple[Any, Any]]
) -> None:
    functions = with_engines("deep_mf", Scores(fails=fails))
    user = user_in("other")
    with pytest.raises(ListsError, match="ndpoint an-endpoint"):
        functions[0]({"user": user}, call("x"))
    if kind is BusyError:
        assert (
            functions[0](request("GET /users/{id}/recommendations", id=user), call("x"))[
                "statusCode"
            ]
            == 503
        )
    assert exposures() == []


def test_interleaving_mixes_an_engines_order_with_the_lists(
    with_engines: Callable[..., tuple[Any, Any]],
) -> None:
    functions = with_engines("deep_mf", Scores(4, 2, 3, 1), "interleaving")
    user = user_in("other")
    take(functions, user, "10")
    answer = functions[0]({"user": user, "count": 2}, call("x"))
    assert {one["arm"]: one["item"] for one in answer["items"]} == {"as-is": "20", "other": "forty"}


# Events -------------------------------------------------------------------------------------------


def rows(user: str) -> list[Any]:
    found: list[Any] = boto3.client("dynamodb").query(
        TableName=TABLE,
        KeyConditionExpression="#u = :u",
        ExpressionAttributeNames={"#u": "user"},
        ExpressionAttributeValues={":u": {"S": user}},
    )["Items"]
    return found


def test_an_event_that_is_sent_again_is_written_once(functions: tuple[Any, Any]) -> None:
    event = {"user": "a", "item": "10", "timestamp": 5, "event_id": "x", "type": "Watch"}
    other = {**event, "event_id": "y"}
    for _ in range(3):
        assert functions[1]({"events": [event, other, event]}, None)["written"] == 3
    assert [one["event"]["S"] for one in rows("a")] == ["000000000005#x", "000000000005#y"]
    assert rows("a")[0]["kind"] == {"S": "Watch"}


def test_a_hundred_events_of_many_users_are_written(functions: tuple[Any, Any]) -> None:
    events = [
        {"user": f"u{number % 7}", "item": "10", "timestamp": number} for number in range(100)
    ]
    assert functions[1]({"events": events}, None)["written"] == 100
    assert sum(len(rows(f"u{number}")) for number in range(7)) == 100


def test_a_forgotten_user_leaves_no_trace(functions: tuple[Any, Any]) -> None:
    for first in range(0, 130, 100):
        take(functions, "anna", *[f"i{n}" for n in range(first, min(first + 100, 130))], at=first)
    take(functions, "bert", "10")
    assert functions[1]({"forget": "anna"}, None) == {"user": "anna", "forgotten": 130}
    assert rows("anna") == []
    assert len(rows("bert")) == 1
    assert functions[1]({"forget": "anna"}, None)["forgotten"] == 0


def test_a_forgotten_user_has_no_list_of_the_job(aws: None, monkeypatch: Any) -> None:
    dynamodb, key = boto3.client("dynamodb"), {"AttributeName": "user"}
    dynamodb.create_table(
        TableName="lists",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        KeySchema=[{**key, "KeyType": "HASH"}],
    )
    for user in ("anna", "bert"):
        item = {"user": {"S": user}, "items": {"L": [{"M": {"item": {"S": "10"}}}]}}
        dynamodb.put_item(TableName="lists", Item=item)
    functions = load_functions(monkeypatch, LISTS_TABLE="lists")
    for _ in range(2):
        assert functions[1]({"forget": "anna"}, None) == {"user": "anna", "forgotten": 0}
    assert [one["user"]["S"] for one in dynamodb.scan(TableName="lists")["Items"]] == ["bert"]
    dynamodb.delete_table(TableName="lists")
    with pytest.raises(EventsError, match="The list cannot be deleted"):
        functions[1]({"forget": "bert"}, None)


def test_the_newest_thousand_events_count(functions: tuple[Any, Any]) -> None:
    histories = Histories(boto3.client("dynamodb"), TABLE)
    histories.write([Event("a", str(n), n, "x") for n in range(1100)])
    found = histories.newest("a")
    assert [int(item) for item, _ in found] == list(range(100, 1100))


def test_a_page_of_a_history_reads_as_botocore_reads_it(aws: None) -> None:
    """Texts of any script, values, and a second page."""
    histories = Histories(with_plain_items(boto3.client("dynamodb")), TABLE)
    wide = "ü🎬\u2028" * 360  # 900 of them are more than a page's 1 MB
    events = [
        Event("u", f"{n} {wide}", n, str(n), value=None if n % 2 else n / 8) for n in range(900)
    ]
    histories.write(events)
    pages = (
        boto3.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=TABLE,
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "user"},
            ExpressionAttributeValues={":u": {"S": "u"}},
        )
    )
    rows = [page["Items"] for page in pages]
    assert len(rows) > 1
    read = [
        (row["item"]["S"], float(row["value"]["N"]) if "value" in row else None)
        for page in rows
        for row in page
    ]
    assert histories.newest("u") == read == [(event.item, event.value) for event in events]


def test_an_event_expires_where_that_is_set() -> None:
    event = {"events": [{"user": "a", "item": "b", "timestamp": 1000}]}
    (kept,) = parse_events(event, NOW).events
    assert "expires" not in kept.row
    (fading,) = parse_events(event, NOW, days=2).events
    assert fading.row["expires"] == {"N": str(1000 + 2 * 86_400)}


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ([], "must be an object"),
        ({"events": [], "forget": "x"}, "must be an object"),
        ({"events": {}}, "must be a list"),
        ({"events": []}, "1 to 100 events"),
        ({"events": [{}] * 101}, "not 101"),
        ({"events": [3]}, "event 0 must be an object"),
        ({"events": [{"user": "a", "item": "b"}]}, "`timestamp` must be"),
        ({"events": [{"user": "a", "item": "b", "timestamp": NOW + 1e6}]}, "not in the future"),
        ({"events": [{"user": "a", "item": "b", "timestamp": float("nan")}]}, "`timestamp`"),
        ({"events": [{"user": "a", "item": "b", "timestamp": 1, "value": -1}]}, "`value`"),
        ({"events": [{"user": "a", "item": "b", "timestamp": 1, "value": 10**400}]}, "`value`"),
        ({"events": [{"user": "a", "item": "b", "timestamp": 1, "event_id": "a b"}]}, "`event_id`"),
        ({"events": [{"user": "a", "item": "b", "timestamp": 1, "x": 2}]}, 'unknown field "x"'),
        ({"forget": None}, "`forget` must be an id"),
    ],
)
def test_bad_events_are_refused_by_name_and_nothing_is_written(event: Any, words: str) -> None:
    with pytest.raises(EventsError) as refused:
        parse_events(event, NOW)
    assert words in str(refused.value)


class Throttled:
    """A client of DynamoDB that leaves some of each batch undone for a while."""

    def __init__(self, client: Any, times: int) -> None:
        self._client, self._times = client, times

    def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        if self._times:
            self._times -= 1
            self._client.batch_write_item(RequestItems={table: requests[:1]})
            return {"UnprocessedItems": {table: requests[1:]}} if requests[1:] else {}
        return self._client.batch_write_item(RequestItems=RequestItems)


def test_what_dynamodb_leaves_undone_is_sent_again(aws: None) -> None:
    histories = Histories(Throttled(boto3.client("dynamodb"), 3), TABLE)
    histories.write([Event("a", str(n), n, "x") for n in range(20)])
    assert len(rows("a")) == 20


def test_a_table_that_never_takes_all_is_busy(aws: None) -> None:
    histories = Histories(Throttled(boto3.client("dynamodb"), 99), TABLE)
    with pytest.raises(BusyError, match="send the same again"):
        histories.write([Event("a", str(n), n, "x") for n in range(25)])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ProvisionedThroughputExceededException", BusyError),
        ("ThrottlingException", BusyError),
        ("InternalServerError", BusyError),
        ("ResourceNotFoundException", FunctionError),
        ("AccessDeniedException", DeniedError),
    ],
)
def test_dynamodbs_errors_are_told_apart(code: str, kind: Any, tally: Tally) -> None:
    class Failing:
        def query(self, **_: Any) -> Any:
            raise client_error(code, "no")

        batch_write_item = query

    histories = Histories(Failing(), TABLE)
    for call in (lambda: histories.newest("a"), lambda: histories.write([Event("a", "b", 1, "c")])):
        with pytest.raises(FunctionError) as failed:
            call()
        assert type(failed.value) is kind
        tally("faults injected", "Lists: DynamoDB refuses", 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ],
)
def test_a_table_that_fails_twice_answers_the_third_time(
    functions: tuple[Any, Any],
    status: int,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    tally: Tally,
) -> None:
    lists, events = functions
    events({"events": [{"user": "anna", "item": "1", "timestamp": 1}]}, None)
    failing: list[str] = []
    asked = 0

    def fail(request: Any, **_: Any) -> Any:
        nonlocal asked
        asked += 1
        if not failing:
            return None  # moto answers
        body = json.dumps({"__type": failing.pop(), "message": "no"}).encode()
        raw, headers = SimpleNamespace(stream=lambda **_: iter([body])), HTTPHeaders()
        return AWSResponse(request.url, status, headers, raw)

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    told = {"events": [{"user": "anna", "item": "2", "timestamp": 2}]}
    calls = {"Query": (lists, {"user": "anna"}), "BatchWriteItem": (events, told)}
    for operation, (function, event) in calls.items():
        failing[:], asked = [code, code], 0
        name = f"before-send.dynamodb.{operation}"
        clients.client("dynamodb").meta.events.register_first(name, fail)
        function(event, None)
        assert asked == 3
        tally("faults injected", "Lists: DynamoDB refuses", 2)
    assert [row["item"]["S"] for row in rows("anna")] == ["1", "2"]


class Outputs:
    """CloudFormation, where a stack tells some outputs, or is not there."""

    def __init__(self, outputs: dict[str, str] | None) -> None:
        self.outputs, self.asked = outputs, 0

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        self.asked += 1
        if self.outputs is None:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        told = [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]
        return {"Stacks": [{"Outputs": told}]}


class Personalize:
    """Its data plane, which knows some trackers."""

    def __init__(self, *trackers: str, fails: str = "") -> None:
        self.trackers, self.fails = trackers, fails
        self.sent: list[Any] = []

    def put_events(self, **request: Any) -> None:
        if self.fails:
            raise client_error(self.fails, "no")
        if request["trackingId"] not in self.trackers:
            raise client_error("ResourceNotFoundException", "no such tracker")
        self.sent.append(request)


class Kept:
    """Histories that keep nothing."""

    def write(self, _: Any) -> None: ...


def taker(stack: Outputs, personalize: Personalize) -> Taker:
    trackers = Trackers("recommender-Personalize", lambda: stack)
    return Taker(Kept(), lambda _: True, trackers, lambda: personalize)  # type: ignore[arg-type]


def watched(user: str = "a") -> Any:
    return parse_events({"events": [{"user": user, "item": "1", "timestamp": 1}]}, NOW)


def test_events_reach_every_tracker_of_personalizes_stack() -> None:
    outputs = {"CustomTrackingId": "one", "DomainTrackingId": "two", "CustomGroupArn": "arn:…"}
    stack, personalize = Outputs(outputs), Personalize("one", "two")
    events = [{"user": "a", "item": str(n), "timestamp": n, "value": 3} for n in range(12)]
    other = {"user": "b", "item": "x", "timestamp": 5, "type": "Watch", "event_id": "e"}
    taking = taker(stack, personalize)
    taking.take(parse_events({"events": [*events, other]}, NOW))
    assert [
        (each["trackingId"], each["userId"], len(each["eventList"])) for each in (personalize.sent)
    ] == [(to, *rest) for to in ("one", "two") for rest in (("a", 10), ("a", 2), ("b", 1))]
    (last,) = personalize.sent[-1]["eventList"]
    assert last == {"eventId": "e", "eventType": "Watch", "itemId": "x", "sentAt": 5}
    kinds = [each["eventList"][0]["eventType"] for each in personalize.sent]
    assert kinds == ["Rating", "Rating", "Watch", "Watch", "Watch", "Watch"]
    assert personalize.sent[0]["eventList"][0]["eventValue"] == 3.0
    taking.take(watched())
    assert stack.asked == 1, "the trackers are remembered"


def test_trackers_are_told_the_session_and_what_showed_the_item() -> None:
    personalize = Personalize("one")
    event = {"user": "a", "item": "1", "timestamp": 1, "event_id": "e"}
    events = [
        {**event, "session_id": "s", "recommendation_id": "RID-1", "source": "recency/recent"},
        {**event, "session_id": "t"},
        event,
    ]
    taker(Outputs({"CustomTrackingId": "one"}), personalize).take(
        parse_events({"events": events}, NOW)
    )
    assert [one["sessionId"] for one in personalize.sent] == ["s", "t", "a"]
    shown, *others = (one["eventList"][0] for one in personalize.sent)
    assert shown["recommendationId"] == "RID-1"
    assert shown["metricAttribution"] == {"eventAttributionSource": "recency/recent"}
    plain = {"eventId": "e", "eventType": "Rating", "itemId": "1", "sentAt": 1}
    assert others == [plain, plain]
    with pytest.raises(EventsError, match="`recommendation_id` is longer than 40 characters"):
        parse_events({"events": [{**event, "recommendation_id": "x" * 41}]}, NOW)


def test_without_personalizes_stack_events_are_taken_all_the_same() -> None:
    personalize = Personalize()
    assert taker(Outputs(None), personalize).take(watched())["written"] == 1
    unset = Taker(Kept(), lambda _: True, Trackers(), lambda: personalize)  # type: ignore[arg-type]
    assert unset.take(watched())["written"] == 1
    assert personalize.sent == []


def test_a_replaced_tracker_is_looked_up_again() -> None:
    stack, personalize = Outputs({"CustomTrackingId": "old"}), Personalize("new")
    taking = taker(stack, personalize)
    assert taking.take(watched())["written"] == 1
    stack.outputs = {"CustomTrackingId": "new"}
    taking.take(watched("b"))
    assert [each["userId"] for each in personalize.sent] == ["b"]


@pytest.mark.parametrize(
    ("code", "kind"), [("ThrottlingException", BusyError), ("AccessDeniedException", DeniedError)]
)
def test_what_personalize_refuses_is_told_with_the_remedy(code: str, kind: Any) -> None:
    taking = taker(Outputs({"CustomTrackingId": "one"}), Personalize("one", fails=code))
    with pytest.raises(FunctionError, match=r"in the histories, .* Send them again") as failed:
        taking.take(watched())
    assert type(failed.value) is kind


# HTTP ---------------------------------------------------------------------------------------------


def request(route: str, body: Any = None, query: Any = None, **path: str) -> dict[str, Any]:
    return {
        "routeKey": route,
        "requestContext": {},
        "pathParameters": path,
        **({"queryStringParameters": query} if query else {}),
        **({} if body is None else {"body": body if isinstance(body, str) else json.dumps(body)}),
    }


def test_the_routes_answer_as_the_functions_do(functions: tuple[Any, Any]) -> None:
    lists, events = functions
    event = {"user": "anna", "item": "10", "timestamp": 5}
    answer = events(request("POST /events", {"events": [event]}), None)
    assert (answer["statusCode"], json.loads(answer["body"])["written"]) == (200, 1)
    query = {"count": "1", "genres": "Drama,Western", "years": "1990-", "explain": "false"}
    answer = lists(request("GET /users/{id}/recommendations", query=query, id="anna"), None)
    assert answer["headers"]["cache-control"] == "no-store"
    assert listed(json.loads(answer["body"])) == ["20"]
    answer = lists(request("POST /users/{id}/ranking", {"items": ["10", "20"]}, id="anna"), None)
    assert listed(json.loads(answer["body"])) == ["20", "10"]
    answer = events(request("DELETE /users/{id}", id="anna"), None)
    assert json.loads(answer["body"]) == {"user": "anna", "forgotten": 1}


EXAMPLES: dict[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, operations in openapi.document()["paths"].items()
    for method, operation in operations.items()
    if "lists" in operation["tags"]
}


@pytest.mark.parametrize("route", EXAMPLES)
def test_a_described_example_is_answered_as_described(
    functions: tuple[Any, Any], route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lists.http_api._DOCUMENT", openapi.DOCUMENT)
    monkeypatch.setenv("API_TAGS", "lists")
    take(functions, "789", "10")
    told = EXAMPLES[route]
    given = {where: {} for where in ("query", "path")}  # type: dict[str, dict[str, str]]
    for one in told.get("parameters", ()):
        value = one["example"]
        text = value if isinstance(value, str) else json.dumps(value)
        text = ",".join(value) if isinstance(value, list) else text
        given[one["in"]][one["name"]] = text
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    asked = request(route, body.get("example"), query=given["query"], **given["path"])
    answered = functions[route in ("POST /events", "DELETE /users/{id}")](asked, None)
    assert answered["statusCode"] == 200, answered
    schema = told["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(json.loads(answered["body"]))


def test_an_answer_about_an_item_is_kept_by_its_etag(functions: tuple[Any, Any]) -> None:
    lists, _ = functions
    asked = request("GET /items/{id}/similar", query={"count": "1"}, id="20")
    answer = lists(asked, None)
    assert listed(json.loads(answer["body"])) == ["30"]
    tag = answer["headers"]["etag"]
    again = lists({**asked, "headers": {"if-none-match": tag}}, None)
    assert (again["statusCode"], again["body"], again["headers"]["etag"]) == (304, "", tag)
    assert lists({**asked, "headers": {"If-None-Match": '"other"'}}, None)["statusCode"] == 200


@pytest.mark.parametrize(
    "asked",
    [
        request("GET /users/{id}/recommendations", query={"count": "many"}, id="a"),
        request("GET /users/{id}/recommendations", query={"years": "90s"}, id="a"),
        request("GET /users/{id}/recommendations", query={"item": "3"}, id="a"),
        request("GET /users/{id}/recommendations", query={"user": "another"}, id="a"),
        request("POST /users/{id}/ranking", "{", id="a"),
        request("POST /users/{id}/ranking", ["10"], id="a"),
        request("POST /users/{id}/ranking", {"user": "other", "items": ["10"]}, id="a"),
        request("POST /users/{id}/ranking", {"items": []}, id="a"),
    ],
)
def test_a_bad_request_is_a_400_that_says_why(functions: tuple[Any, Any], asked: Any) -> None:
    answer = functions[0](asked, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["message"].startswith("Bad ")


def test_a_post_forgets_no_user(functions: tuple[Any, Any]) -> None:
    answer = functions[1](request("POST /events", {"forget": "anna"}), None)
    assert answer["statusCode"] == 400


# Training -----------------------------------------------------------------------------------------


def upload(**more: Any) -> None:
    users = np.repeat(np.arange(30), 4)
    items = (users % 2) * 4 + np.tile(np.arange(4), 30)
    written = io.BytesIO()
    columns = {
        "user": users,
        "item": items + 1,
        "value": np.full(120, 4, np.float32),
        "timestamp": np.arange(120),
    }
    np.savez(written, **{**columns, **more})
    document = {
        "version": 1,
        "items": [
            {"item": n + 1, "id": f"i{n}", "title": f"Film {n}", "year": None, "genres": ["Drama"]}
            for n in range(8)
        ],
    }
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="interactions.npz", Body=written.getvalue())
    s3.put_object(Bucket=BUCKET, Key="catalogue.json", Body=json.dumps(document))


PROPERTIES = {
    "Bucket": BUCKET,
    "Interactions": "interactions.npz",
    "Catalogue": "catalogue.json",
    "Output": "models/",
    "Validation": "newest",
    "MostItems": "100",
    "Inputs": "of the data",
    "Code": "of the code",
}


def resource(**more: Any) -> dict[str, Any]:
    return {
        "RequestType": "Create",
        "ResourceType": "Custom::TrainedLists",
        "LogicalResourceId": "Model",
        "StackId": STACK,
        "ResourceProperties": {**PROPERTIES, **more},
    }


def deploy(**more: Any) -> tuple[str, dict[str, Any]]:
    event = resource(**more)
    event |= training.on_event(event, None)
    return event["PhysicalResourceId"], training.is_complete(event, None)


def write_job_output(prefix: str = "prepared/1/", **more: Any) -> None:
    """What a Spark job writes: two parts of items, and the manifest."""
    items = [
        {
            "item": n,
            "id": f"i{n}",
            "title": f"Film {n}",
            "year": None,
            "genres": [],
            "users": 1,
            "trend": 1.0,
            "vector": [1.0, n / 10],
        }
        for n in range(6)
    ]
    s3 = boto3.client("s3")
    for part, some in enumerate((items[3:], items[:3])):
        content = gzip.compress("\n".join(map(json.dumps, some)).encode())
        s3.put_object(Bucket=BUCKET, Key=f"{prefix}items/part-{part}.txt.gz", Body=content)
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}items/_SUCCESS", Body=b"")
    als = {"factors": 2, "regularization": 0.1, "alpha": 1.0}
    manifest = {"als": als, "largest": 5.0, "metrics": {"ndcg@10": 0.5}, **more}
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}manifest.json", Body=json.dumps(manifest))


def deploy_prepared() -> tuple[str, dict[str, Any]]:
    event = resource(Prepared="prepared/1/")
    for name in ("Interactions", "Catalogue", "Validation", "MostItems"):
        del event["ResourceProperties"][name]
    event |= training.on_event(event, None)
    return event["PhysicalResourceId"], training.is_complete(event, None)


def test_a_spark_jobs_vectors_become_a_model(aws: None) -> None:
    write_job_output()
    _, answer = deploy_prepared()
    assert json.loads(answer["Data"]["Metrics"])["ndcg@10"] == 0.5
    written = boto3.client("s3").get_object(Bucket=BUCKET, Key=answer["Data"]["ModelKey"])
    learned = ListModel.from_bytes(written["Body"].read())
    assert learned.catalogue.ids == tuple(f"i{n}" for n in range(6))
    history = learned.history([(5, 5.0)])
    assert learned.best(learned.scores(history), 1, without=history.items).tolist() == [4]


def test_a_malformed_output_of_a_spark_job_is_told(aws: None) -> None:
    write_job_output(als={})
    with pytest.raises(training.ListTrainingError, match=r"prepared/1/ is malformed: KeyError"):
        deploy_prepared()


def test_a_training_writes_a_model_that_is_found_again(aws: None) -> None:
    upload()
    place, answer = deploy()
    assert answer["IsComplete"]
    assert place == f"s3://{BUCKET}/{answer['Data']['ModelKey']}"
    s3 = boto3.client("s3")
    written = s3.get_object(Bucket=BUCKET, Key=answer["Data"]["ModelKey"])
    learned = ListModel.from_bytes(written["Body"].read())
    assert learned.catalogue.ids == tuple(f"i{n}" for n in range(8))
    history = learned.history([(4, 4.0), (5, 4.0)])
    best = learned.best(learned.scores(history), 2, without=history.items)
    assert set(best.tolist()) == {6, 7}
    assert json.loads(answer["Data"]["Metrics"])["users"] == 30
    again, _ = deploy()
    assert again == place
    found = s3.head_object(Bucket=BUCKET, Key=answer["Data"]["ModelKey"])
    assert found["LastModified"] == written["LastModified"]


@pytest.mark.parametrize("changed", ["Inputs", "Code", "Validation"])
def test_other_data_code_or_settings_are_another_model(aws: None, changed: str) -> None:
    upload()
    assert deploy()[0] != deploy(**{changed: "random"})[0]


def test_a_deleted_model_is_gone_and_may_be_deleted_again(aws: None) -> None:
    upload()
    place, _ = deploy()
    event = {**resource(), "RequestType": "Delete", "PhysicalResourceId": place}
    for _ in range(2):
        assert training.is_complete(event, None) == {"IsComplete": True}
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="models/")
    assert "Contents" not in found
    # what CloudFormation named itself was never begun; a bucket may be gone before
    for name in ("recommender-Lists-Model-1ABC", "s3://no-such-bucket/models/a.npz"):
        event = {**resource(), "RequestType": "Delete", "PhysicalResourceId": name}
        assert training.is_complete(event, None) == {"IsComplete": True}


def test_properties_that_make_no_sense_are_told_at_once() -> None:
    with pytest.raises(training.ListTrainingError) as refused:
        training.on_event(resource(Bucket="", Validation="some", MostItems="-3"), None)
    for words in ("Bucket is missing", "Validation must be", "MostItems must be"):
        assert words in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"item": np.full(120, 99)}, "names items that"),
        (
            {
                "item": np.zeros(0, int),
                "user": np.zeros(0, int),
                "value": np.zeros(0, np.float32),
                "timestamp": np.zeros(0, int),
            },
            "no interactions to train on",
        ),
    ],
)
def test_data_that_cannot_be_learned_from_fail_with_words(
    aws: None, change: Any, words: str
) -> None:
    upload(**change)
    with pytest.raises(training.ListTrainingError, match=words):
        deploy()


def test_missing_data_fail_with_their_place(aws: None) -> None:
    with pytest.raises(training.ListTrainingError, match=r"s3://movies/interactions\.npz"):
        deploy()


def handover(**more: Any) -> dict[str, Any]:
    event = {
        "RequestType": "Update",
        "ResourceType": "Custom::ListsHandover",
        "LogicalResourceId": "Handover",
        "StackId": STACK,
        "ResourceProperties": {"Table": "new", "Model": "two"},
        "OldResourceProperties": {"Table": TABLE, "Model": "one"},
        **more,
    }
    return event | training.on_event(event, None)


def test_live_events_are_carried_to_the_table_that_takes_anothers_place(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_table("new")
    dynamodb = boto3.client("dynamodb")
    Histories(dynamodb, TABLE).write([Event("a", str(n), n, "x", value=2.5) for n in range(60)])
    imported = {"user": {"S": "a"}, "event": {"S": "000000000001#i"}, "item": {"S": "i"}}
    dynamodb.put_item(TableName=TABLE, Item=imported)
    event = handover()
    assert training.is_complete(event, None) == {"IsComplete": False}  # old calls may go on
    assert dynamodb.scan(TableName="new")["Count"] == 0
    monkeypatch.setattr("list_training.handover.SETTLING", 0.0)
    for _ in range(2):
        assert training.is_complete(event, None) == {"IsComplete": True}
        found = Histories(dynamodb, "new").newest("a")
        assert found == [(str(n), 2.5) for n in range(60)]


def test_another_model_is_waited_for_until_calls_with_the_one_before_have_ended() -> None:
    event = handover(OldResourceProperties={"Table": "new", "Model": "one"})
    assert training.is_complete(event, None) == {"IsComplete": False}
    event["Begun"] -= 45  # the functions' calls take no longer than 30 seconds
    assert training.is_complete(event, None) == {"IsComplete": True}


def test_what_has_no_table_before_is_complete_at_once(aws: None) -> None:
    for more in (
        {"RequestType": "Create", "OldResourceProperties": {}},
        {"RequestType": "Delete", "PhysicalResourceId": "any"},
    ):
        assert training.is_complete(handover(**more), None) == {"IsComplete": True}
    assert handover()["PhysicalResourceId"] == "recommender-Lists-Handover"


# Many at once -------------------------------------------------------------------------------------


def test_no_list_is_older_than_the_last_acknowledged_event(
    functions: tuple[Any, Any], tally: Tally
) -> None:
    lists, _ = functions
    stale: list[str] = []

    def live(user: str) -> None:
        for round_, (item, wanted) in enumerate((("10", "20"), ("20", "30"), ("30", "forty"))):
            take(functions, user, item, at=round_)
            answer = lists({"user": user, "count": 1}, None)
            if listed(answer) != [wanted]:
                stale.append(f"{user}: {item} → {listed(answer)}")

    threads = [threading.Thread(target=live, args=(f"user {n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stale == []
    tally("calls under load", "Lists: events and lists of the same user", 120)


def test_answering_takes_milliseconds_where_nothing_is_read(functions: tuple[Any, Any]) -> None:
    """No limit that a busy machine could miss: a call that reads the model again would show."""
    began = time.monotonic()
    for _ in range(50):
        functions[0]({"session": ["10"]}, None)
    assert time.monotonic() - began < 60
