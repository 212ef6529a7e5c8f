"""Whatever an event of Lists or Events holds, it is understood or refused with a message."""

import base64
import json

from events.request import EventsError
from events.request import parse as parse_events
from hypothesis import example, given
from hypothesis import strategies as st
from lists import http_api
from lists.request import ListsError
from lists.request import parse as parse_lists

from tests.inputs import attempt, damaged
from tests.lambdas.test_any_event import anything, understood
from tests.reliability import Tally

NOW = 1_764_428_400.0
ids = st.integers(-5, 2_000) | st.text(max_size=5) | anything
lists_events = anything | st.fixed_dictionaries(
    {},
    optional={
        "user": ids,
        "users": st.lists(ids, max_size=4) | anything,
        "item": ids,
        "items": st.lists(ids, max_size=4) | anything,
        "session": st.lists(ids, max_size=4) | anything,
        "count": st.integers(-1, 501) | anything,
        "explain": st.booleans() | anything,
        "exclude_watched": st.booleans() | anything,
        "filters": anything
        | st.fixed_dictionaries(
            {},
            optional={
                "genres": st.lists(st.text(max_size=4), max_size=3) | anything,
                "years": st.lists(st.none() | st.integers(-1, 10_000), max_size=3) | anything,
            },
        ),
    },
)
one_event = anything | st.fixed_dictionaries(
    {},
    optional={
        "user": ids,
        "item": ids,
        "timestamp": st.integers(0, 2_000_000_000) | anything,
        "event_id": st.text(max_size=5) | anything,
        "type": st.text(max_size=5) | anything,
        "value": st.floats() | anything,
    },
)
events_events = (
    anything
    | st.fixed_dictionaries({"events": st.lists(one_event, max_size=4) | anything})
    | st.fixed_dictionaries({"forget": ids})
)


@given(lists_events)
@example({"user": "\ud800"})
@example({"user": 1 << 70})
@example({"users": ["1"] * 10_000})
@example({str(number): 1 for number in range(10_000)})
def test_a_question_is_understood_or_refused(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of lists")
    request = understood(parse_lists, event, ListsError)
    if request:
        assert (
            sum((bool(request.users), request.item is not None, request.session is not None)) == 1
        )
        for one in (*request.users, *(request.items or ()), *(request.session or ())):
            assert 1 <= len(one) <= 256 and one.isprintable()
        assert request.count is None or 1 <= request.count <= 500


@given(events_events)
@example({"events": [{"user": "a", "item": "b", "timestamp": 1e400}]})
@example({"events": [{"user": "a", "item": "b", "timestamp": 10**400, "value": 10**400}]})
@example({"forget": "\udfff"})
def test_an_event_is_understood_or_refused(tally: Tally, event: object) -> None:
    tally("inputs tried", "events of events")
    request = understood(lambda given: parse_events(given, NOW), event, EventsError)
    if request:
        assert (request.forget is None) == bool(request.events)
        for one in request.events:
            key = one.key["event"]["S"]
            assert key[:12].isdigit() and key[12] == "#" and len(key.encode()) <= 1_024
            assert len(one.user.encode()) <= 2_048
            json.dumps(one.row, allow_nan=False)


texts = (
    lists_events.map(json.dumps).map(str.encode)
    | damaged(b'{"items": ["50", 181], "count": 3}')
    | st.binary(max_size=40)
)
queries = st.dictionaries(
    st.sampled_from(["count", "genres", "years", "explain", "user"]) | st.text(max_size=4),
    st.text(max_size=8),
    max_size=3,
)


@given(texts, st.booleans(), st.text(max_size=6), queries)
def test_a_request_asks_for_the_user_of_its_path_alone(
    tally: Tally, body: bytes, encoded: bool, user: str, query: dict[str, str]
) -> None:
    tally("inputs tried", "requests of lists over HTTP")
    text = base64.b64encode(body).decode() if encoded else body.decode("latin-1")
    event = {
        "routeKey": "POST /users/{id}/ranking",
        "requestContext": {},
        "pathParameters": {"id": user},
        "queryStringParameters": query,
        "body": text,
        "isBase64Encoded": encoded,
    }
    request, error = attempt(lambda: parse_lists(http_api.event_in(event)), ListsError)
    if error:
        assert str(error).startswith(("Bad event: ", "Bad request: "))
    else:
        assert request and request.users == (user,)
