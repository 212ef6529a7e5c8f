"""Any input of a model server or a training is answered correctly or refused with a message."""

import http.client
import json
import math
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recsys.container import deep_mf
from recsys.container.algorithms import Answer
from recsys.container.serve import handler
from recsys.deep_mf.hyperparameters import parse as deep_mf_settings
from recsys.deep_mf.scorer import Scorer as DeepMf
from recsys.errors import InputError, UnsupportedMediaType
from recsys.factorization_machines import requests as fm_requests
from recsys.factorization_machines.machine import Machine
from recsys.object2vec import requests
from recsys.object2vec.hyperparameters import parse
from recsys.object2vec.records import read_pairs
from recsys.object2vec.scorer import Affine, Scorer
from tests.inputs import attempt, damaged
from tests.reliability import Tally

JSON, LINES = "application/json", "application/jsonlines"
SIZE = 5  # ids of each side, and features
DEEP = range(900, 1000, 3)  # about where Python's parser gives up
SETTINGS = parse(
    {
        "enc0_network": "pooled_embedding",
        "enc0_max_seq_len": "2",
        "enc0_vocab_size": str(SIZE),
        "enc1_max_seq_len": "2",
        "enc1_vocab_size": str(SIZE),
        "enc_dim": "4",
        "output_layer": "mean_squared_error",
    }
)


def object2vec() -> Answer:
    """Scores the first in0 token plus ten times the first in1 token, for single tokens."""
    table = np.zeros((SIZE + 1, 4), np.float32)
    table[:SIZE, 0] = np.arange(SIZE)
    weight = np.zeros((16, 1), np.float32)
    weight[4], weight[8] = 1, 10  # of in0's and of in1's first number
    ids = np.arange(SIZE, dtype=np.int32)
    scorer = Scorer(
        SETTINGS, (ids, ids), (table, table), (Affine(weight, np.zeros(1, np.float32)),)
    )
    return lambda body, kind, accept: requests.answer(scorer, body, kind, accept)


def machine() -> Answer:
    """Scores the sum of features times 1, 2, 3, …"""
    model = Machine(
        False, 0.0, np.arange(1, SIZE + 1, dtype=np.float32), np.zeros((SIZE, 2), np.float32)
    )
    return lambda body, kind, accept: fm_requests.answer(model, body, kind, accept)


def network() -> Answer:
    """Scores the sum of two ids below SIZE."""
    table = np.arange(SIZE + 1, dtype=np.float32)[:, None]
    layers = (
        (np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),
        (np.ones((2, 1), np.float32), np.zeros(1, np.float32)),
    )
    model = DeepMf(deep_mf_settings({"hidden_layers": "1"}), table, table, layers)
    return lambda body, kind, accept: requests.answer(
        deep_mf._Endpoint(model),  # type: ignore[arg-type]
        body,
        kind,
        accept,
    )


def asked(answer: Answer, body: bytes, kind: str, accept: str | None = None) -> list[Any] | None:
    """The predictions; None if the request is refused."""
    try:
        found, refusal = attempt(lambda: answer(body, kind, accept), InputError)
    except UnsupportedMediaType as error:
        refusal, found = InputError(str(error)), None
    if refusal:
        assert 0 < len(str(refusal)) < 3_000
        str(refusal).encode()
    if not found:
        return None
    content, given = found
    assert b"NaN" not in content and b"Infinity" not in content
    if given == LINES:
        return [json.loads(line) for line in content.decode().splitlines()]
    predictions: list[Any] = json.loads(content)["predictions"]
    return predictions


def body_of(instances: list[Any], kind: str) -> bytes:
    if kind == JSON:
        return json.dumps({"instances": instances}).encode()
    return "\n".join(map(json.dumps, instances)).encode()


kinds = st.sampled_from([JSON, LINES])
token = st.integers(0, SIZE - 1)
pairs = st.lists(st.tuples(token, token), min_size=1, max_size=5)


@given(pairs, kinds, kinds, st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_any_valid_request_is_answered(
    tally: Tally, pairs: list[tuple[int, int]], kind: str, accept: str, mark: bytes
) -> None:
    tally("inputs tried", "requests of model servers, well-formed", 3)
    body = mark + body_of([{"in0": [user], "in1": [item]} for user, item in pairs], kind)
    assert asked(object2vec(), body, kind, accept) == [
        {"scores": [user + 10 * item]} for user, item in pairs
    ]
    assert asked(network(), body, kind, accept) == [
        {"scores": [user + item]} for user, item in pairs
    ]
    sparse = [{"keys": [user], "values": [item], "shape": [SIZE]} for user, item in pairs]
    body = mark + body_of([{"data": {"features": one}} for one in sparse], kind)
    assert asked(machine(), body, kind, accept) == [
        {"score": (user + 1) * item} for user, item in pairs
    ]


scalars = st.none() | st.booleans() | st.integers(-1, 6) | st.floats() | st.text(max_size=3)
names = st.sampled_from(["in0", "in1", "data", "features", "keys", "values", "shape", "instances"])
anything = st.recursive(
    scalars | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
ids = st.lists(token | scalars, max_size=3) | anything
sides = st.fixed_dictionaries({}, optional={"in0": ids, "in1": ids})
numbers = st.lists(scalars, max_size=6)
tensors = numbers | st.fixed_dictionaries(
    {}, optional={"keys": numbers, "values": numbers, "shape": numbers | anything}
)
features = st.fixed_dictionaries({"data": st.fixed_dictionaries({"features": tensors})})
instances = st.lists(sides | features | anything, max_size=3)
BODIES = (
    b'{"instances": [{"in0": [1], "in1": [2]}, {"in0": [1, 2], "in1": [0]}]}',
    b'{"in0": [1], "in1": [2]}\n{"in0": [1, 2], "in1": [0]}\n',
    b'{"instances": [{"data": {"features": {"keys": [0, 2], "values": [1, 2.5], "shape": [5]}}}]}',
)
bodies = (
    st.tuples(instances, kinds).map(lambda drawn: body_of(*drawn))
    | anything.map(json.dumps).map(str.encode)
    | st.sampled_from(BODIES).flatmap(damaged)
    | st.binary(max_size=60)
)
media = st.sampled_from(
    [
        *(JSON, LINES, "application/x-recordio-protobuf", "text/csv", "", ";", ",", "*/*"),
        *(f"{JSON};infer_max_seqlens={text}" for text in ("1,1", '"2,2"', "0,1", "1", "²,1")),
        f"{JSON};infer_max_seqlens={'9' * 5_000},1",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=20)


def tensor_body(features: object) -> bytes:
    return body_of([{"data": {"features": features}}], JSON)


@given(bodies, media | kinds, st.none() | media | kinds)
@example(b'{"instances": [{"in0": [' + b"9" * 5_000 + b'], "in1": [1]}]}', JSON, None)
@example(BODIES[0], f"{JSON};infer_max_seqlens={'9' * 5_000},1", None)
@example(tensor_body({"keys": [1, 1], "values": [1, 2]}), JSON, None)
@example(tensor_body({"keys": False, "values": [1, 2, 3, 4, 5]}), JSON, None)
def test_any_body_is_answered_or_refused(
    tally: Tally, body: bytes, kind: str, accept: str | None
) -> None:
    tally("inputs tried", "requests of model servers", 3)
    for answer in (object2vec(), machine(), network()):
        for prediction in asked(answer, body, kind, accept) or ():
            (values,) = prediction.values() if len(prediction) == 1 else (None,)
            assert values is not None
            flat = values if isinstance(values, list) else [values]
            assert all(math.isfinite(value) for value in flat)


@pytest.mark.parametrize("depth", [*DEEP, 100_000])
def test_deeply_nested_body_is_refused(tally: Tally, depth: int) -> None:
    tally("inputs tried", "requests of model servers", 4)
    deep = "[" * depth + "]" * depth
    for text in (
        f'{{"instances": [{{"in0": [{deep}], "in1": [1]}}]}}',
        f'{{"instances": [{{"data": {{"features": {{"values": [], "shape": {deep}}}}}}}]}}',
    ):
        for answer in (object2vec(), machine()):
            assert asked(answer, text.encode(), JSON) is None


# Training files


ROW = b'{"label": 3.5, "in0": [1], "in1": [2]}\n'
sequence = st.lists(token, min_size=1, max_size=2)
label = st.floats(-9, 9, width=32)
rows = st.lists(
    st.fixed_dictionaries({"label": label, "in0": sequence, "in1": sequence}), max_size=6
)


def by_line(content: bytes) -> list[tuple[float, list[int], list[int]]]:
    """What json makes of it, line by line."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    found = [json.loads(line.decode().strip()) for line in lines if line.strip()]
    return [(float(np.float32(row["label"])), row["in0"], row["in1"]) for row in found]


@given(
    rows.map(lambda made: b"".join(json.dumps(row).encode() + b"\n" for row in made))
    | damaged(ROW * 3)
    | st.binary(max_size=60)
)
@example(b'{"label":1,"in0":[1],"in1":[1],"x":[{"a":1}\n{"b":2}]},' + ROW)  # two halves
@example(ROW.replace(b"3.5", b"9" * 5_000))
@example(ROW.replace(b"3.5", b"1e39"))
@example(ROW + ROW.replace(b"\n", b"\x0c\r\n"))
def test_any_training_lines_are_read_or_refused(
    tally: Tally, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    tally("inputs tried", "training files in JSON Lines")
    file = tmp_path_factory.getbasetemp() / "a.jsonl"
    file.write_bytes(content)
    found, refusal = attempt(lambda: read_pairs([file], SETTINGS), InputError)
    if refusal:
        assert all(line.startswith(("a.jsonl line ", "… and")) for line in refusal.problems)
        assert len(str(refusal)) < 9_000
    if found is None:
        return
    got = [
        (
            label,
            found.in0.take(np.array([row])).tokens.tolist(),
            found.in1.take(np.array([row])).tokens.tolist(),
        )
        for row, label in enumerate(found.labels.tolist())
    ]
    assert got == by_line(content)


MOVIES = (
    b"1|Up|01-Jan-1990||u" + b"|0" * 18 + b"|1\n2|Down\x85 \x1d|||" + b"|1" + b"|0" * 18 + b"\r\n"
)


@given(damaged(MOVIES))
@example(MOVIES)  # a line of u.item ends at a line's end only
@example(b"9" * 5_000 + MOVIES)
@example("²".encode("latin-1") + MOVIES[1:])
def test_any_movies_are_read_or_refused(
    tally: Tally, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    tally("inputs tried", "tables of movies, damaged")
    file = tmp_path_factory.getbasetemp() / "u.item"
    file.write_bytes(content)
    found, refusal = attempt(lambda: deep_mf._genres((file,)), InputError)
    assert (found is None) == (refusal is not None)
    if content == MOVIES:
        assert found is not None
        assert np.argwhere(found).tolist() == [[1, 18], [2, 0]]


# The HTTP server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(object2vec()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@given(st.sampled_from(BODIES).flatmap(damaged) | st.binary(max_size=40), media | kinds)
def test_any_http_request_is_answered(tally: Tally, port: int, body: bytes, kind: str) -> None:
    tally("inputs tried", "requests of model servers")
    headers = {"Content-Type": "".join(c for c in kind if c.isprintable())}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/invocations", body, headers)
    response = connection.getresponse()
    assert response.status in (200, 400, 415)
    assert response.read()
    connection.close()


@pytest.mark.parametrize(
    ("length", "status"),
    [("9" * 5_000, 413), (str(1 << 40), 413), ("-1", 411), ("1e3", 411), ("²", 411), ("", 411)],
)
def test_invalid_content_lengths_are_refused(
    tally: Tally, port: int, length: str, status: int
) -> None:
    tally("inputs tried", "requests of model servers")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()
