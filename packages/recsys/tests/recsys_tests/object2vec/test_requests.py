from __future__ import annotations

import json

import pytest

from recsys.errors import InputError, UnsupportedMediaType
from recsys.instances import JSON, JSON_LINES
from recsys.object2vec.requests import answer
from recsys.object2vec.scorer import Scorer

PAIR = {"in0": [1], "in1": [2]}


def test_json_request_returns_scores(by_hand: Scorer) -> None:
    body = json.dumps({"instances": [PAIR, PAIR]}).encode()
    result, kind = answer(by_hand, body, JSON, None)
    assert kind == JSON
    assert json.loads(result) == {"predictions": [{"scores": [3.25]}, {"scores": [3.25]}]}


def test_json_lines_request_returns_scores(by_hand: Scorer) -> None:
    body = f"{json.dumps(PAIR)}\n\n{json.dumps(PAIR)}".encode()
    result, kind = answer(by_hand, body, JSON_LINES, None)
    assert kind == JSON_LINES
    assert [json.loads(line) for line in result.splitlines()] == [{"scores": [3.25]}] * 2


def test_request_with_one_side_returns_embeddings(by_hand: Scorer) -> None:
    body = json.dumps({"instances": [{"in1": [2]}, {"in1": [0]}]}).encode()
    result, _ = answer(by_hand, body, JSON, None)
    assert json.loads(result) == {
        "predictions": [{"embeddings": [2, -1, 0, 1]}, {"embeddings": [0, 0, 0, 0]}]
    }
    result, _ = answer(by_hand, b'{"in0": [3]}', JSON_LINES, None)
    assert json.loads(result) == {"embeddings": [3, 0, 1, -4]}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/jsonlines", JSON_LINES),
        ("Application/JSONLines; verbose=true", JSON_LINES),
        ("text/html, application/jsonlines", JSON_LINES),
    ],
)
def test_accept_selects_the_response_format(
    by_hand: Scorer, accept: str | None, expected: str
) -> None:
    _, kind = answer(by_hand, json.dumps({"instances": [PAIR]}).encode(), JSON, accept)
    assert kind == expected


def test_unknown_formats_are_refused(by_hand: Scorer) -> None:
    body = json.dumps({"instances": [PAIR]}).encode()
    with pytest.raises(UnsupportedMediaType, match="text/csv"):
        answer(by_hand, body, "text/csv", None)
    with pytest.raises(UnsupportedMediaType, match="Accept image/png"):
        answer(by_hand, body, JSON, "image/png")


def test_infer_max_seqlens_replaces_the_limits(by_hand: Scorer) -> None:
    body = json.dumps({"instances": [{"in0": [1, 3, 1], "in1": [2]}]}).encode()
    with pytest.raises(InputError, match=r"in0 has 3 tokens, more than the maximum .* 2"):
        answer(by_hand, body, JSON, None)
    answer(by_hand, body, "application/json; infer_max_seqlens=3,1", None)
    with pytest.raises(InputError, match=r"in0 has 3 tokens, more than the maximum .* 1"):
        answer(by_hand, body, "application/json;infer_max_seqlens=1,1", None)
    for text in ("3", "0,1", "5001,1", "a,b", "1,2,3"):
        with pytest.raises(InputError, match="infer_max_seqlens must be two integers"):
            answer(by_hand, body, f"application/json; infer_max_seqlens={text}", None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not JSON"),
        (b"not json", "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[]", 'must be {"instances"'),
        (b"{}", 'must be {"instances"'),
        (b'{"instances": {}}', 'must be {"instances"'),
        (b'{"instances": []}', "has no instances"),
        (b'{"instances": [1]}', "instances[0] must be an object"),
        (b'{"instances": [{}]}', "instances[0] has neither in0 nor in1"),
        (b'{"instances": [{"in0": [NaN]}]}', "contains NaN"),
        (b'{"instances": [{"in0": [Infinity]}]}', "contains Infinity"),
        (b'{"instances": [{"in0": [1.5]}]}', "instances[0].in0 token ids must be integers"),
        (b'{"instances": [{"in0": ["1"]}]}', "instances[0].in0 token ids must be integers"),
        (b'{"instances": [{"in0": [true]}]}', "instances[0].in0 token ids must be integers"),
        (b'{"instances": [{"in0": [[1]]}]}', "instances[0].in0 token ids must be integers"),
        (b'{"instances": [{"in0": 1}]}', "instances[0].in0 must be a list"),
        (b'{"instances": [{"in0": null}]}', "instances[0].in0 must be a list"),
        (b'{"instances": [{"in0": []}]}', "instances[0].in0 is empty"),
        (b'{"instances": [{"in0": [5]}]}', "token id 5 is not in the vocabulary (0 to 4)"),
        (b'{"instances": [{"in0": [-1]}]}', "token id -1 is not in the vocabulary"),
        (b'{"instances": [{"in1": [1, 2]}]}', "in1 has 2 tokens"),
        (b'{"instances": [{"in0": [1], "in1": [2]}, {"in0": [1]}]}', "instances[1] has in0, but"),
        (b'{"instances": [{"in0": [1]}, {"in1": [1]}]}', "instances[1] has in1, but"),
    ],
)
def test_invalid_request_is_reported(by_hand: Scorer, body: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        answer(by_hand, body, JSON, None)
    assert words in str(caught.value)


def test_invalid_lines_are_numbered(by_hand: Scorer) -> None:
    with pytest.raises(InputError) as caught:
        answer(by_hand, b'{"in0": [1]}\n{oops\n\n[', JSON_LINES, None)
    assert [problem[:7] for problem in caught.value.problems] == ["line 2 ", "line 4 "]


def test_problems_are_listed_up_to_a_limit(by_hand: Scorer) -> None:
    body = json.dumps({"instances": [{"in0": [99]}] * 50}).encode()
    with pytest.raises(InputError) as caught:
        answer(by_hand, body, JSON, None)
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1] == "… and 40 more like these"
