"""The functions behind an HTTP API: what becomes of a request, and of an error."""

import base64
import json
from typing import Any

import movie_retrieval.http_api
import pytest
import rec_engine.http_api
from common import http
from rec_engine.logic import RecommendationError


def request(body: str | None = None, path: str = "/rating", **more: Any) -> dict[str, Any]:
    """An HTTP API's event, as far as the functions look at it."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "requestContext": {},
    }
    return {**event, **({} if body is None else {"body": body}), **more}


def test_workshop_events_are_not_http_requests() -> None:
    assert http.is_request(request())
    others: list[Any] = [{"data": "{}", "type": "rating"}, None, [], "routeKey", {"routeKey": 1}]
    assert not [one for one in others if http.is_request(one)]


@pytest.mark.parametrize("encoded", [False, True])
def test_type_is_that_of_the_path(encoded: bool) -> None:
    text = json.dumps({"user": 7, "movies": [1]})
    body = base64.b64encode(text.encode()).decode() if encoded else text
    asked = request(body, "/recommendation", isBase64Encoded=encoded)
    assert rec_engine.http_api.event_in(asked) == {
        **{"type": "recommendation", "user": 7, "movies": [1]}
    }


@pytest.mark.parametrize("body", [None, "", "{", "[]", '"a"', '{"type": "rating"}', "[" * 99_999])
def test_invalid_body_is_refused_with_a_message(body: str | None) -> None:
    with pytest.raises(RecommendationError, match="Bad request: its body"):
        rec_engine.http_api.event_in(request(body))
    with pytest.raises(RecommendationError, match="Bad request: its body"):
        rec_engine.http_api.event_in(request("&&&", isBase64Encoded=True))


def test_bucket_cannot_be_chosen_over_http() -> None:
    asked = request(
        pathParameters={"movie": "195"},
        queryStringParameters={"top_k": "3", "bucket_name": "another", "movie_id_to_examine": "1"},
    )
    assert movie_retrieval.http_api.event_in(asked, "ours") == {
        **{"bucket_name": "ours", "movie_id_to_examine": "195", "top_k": "3"}
    }
