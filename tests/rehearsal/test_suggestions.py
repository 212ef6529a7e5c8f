"""What engines are asked for three users, and what is told of their answers."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from outputs import Outputs
from rehearsal.personalize import Catalogue
from rehearsal.suggestions import shelves
from tests.rehearsal.test_report import NOUNS

USERS = {1: "a", 2: "b", 3: "c", 4: "d"}
ITEMS = {number: f"bk-{number}" for number in range(1, 31)}
CATALOGUE = Catalogue(USERS, ITEMS, {}, {}, {}, 7, NOUNS)
MANIFEST = {
    "keys": {"interactions": "interactions.npz"},
    "sample": {"user": 2},
    "object2vec": {"enc0_vocab_size": 5, "enc1_vocab_size": 31},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """User n has had the items 1 to 3 n, the last of them last."""
    rows = [(user, item) for user in USERS for item in range(1, 3 * user + 1)]
    user, item = np.array(rows, np.int32).T
    (tmp_path / "bucket").mkdir()
    np.savez(
        tmp_path / "bucket" / "interactions.npz",
        allow_pickle=False,
        user=user,
        item=item,
        value=item.astype(np.float32),
        timestamp=item.astype(np.int64),
    )
    return tmp_path


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints that prefer items of high numbers; a function that fails."""

    def invoke_endpoint(*, EndpointName: str, Body: str, ContentType: str) -> Any:  # noqa: N803
        found = []
        for one in json.loads(Body)["instances"]:
            if EndpointName == "deep":
                found.append({"scores": [one["in1"][0]]})
            else:
                user, item = one["data"]["features"]["keys"]
                assert 1 <= user <= 4 and one["data"]["features"]["shape"] == [36]
                found.append({"score": item - 5})
        return {"Body": io.BytesIO(json.dumps({"predictions": found}).encode())}

    def invoke(**_: Any) -> Any:
        told = {"errorMessage": "no model"}
        return {"FunctionError": "x", "Payload": io.BytesIO(json.dumps(told).encode())}

    clients = {
        "sagemaker-runtime": SimpleNamespace(invoke_endpoint=invoke_endpoint),
        "lambda": SimpleNamespace(invoke=invoke),
    }
    monkeypatch.setattr("boto3.client", clients.__getitem__)


def test_each_engine_suggests_what_a_user_has_not_had(aws: None, data: Path) -> None:
    outputs = {"DeepMfEndpointName": "deep", "FactorizationMachinesEndpointName": "machine"}
    found = shelves(Outputs(outputs), CATALOGUE, data, MANIFEST)
    assert [one.user for one in found] == [
        "b",
        "c",
    ]  # the sample, who is the median, and a busy one
    b, c = found
    assert (b.total, b.history[0]) == (6, ("bk-6", 6.0))
    # only items that anybody has had are suggested
    assert b.lists["Deep matrix factorization"] == [f"bk-{n}" for n in range(12, 6, -1)]
    assert c.lists["Factorization machines"] == ["bk-12", "bk-11", "bk-10"]
    assert b.errors == {}


def test_a_failing_engine_is_reported_beside_the_others(aws: None, data: Path) -> None:
    outputs = {"ListsFunctionName": "lists", "DeepMfEndpointName": "deep"}
    found = shelves(Outputs(outputs), CATALOGUE, data, MANIFEST)
    assert {one.errors["Lists"] for one in found} == {"no model"}
    assert all("Deep matrix factorization" in one.lists for one in found)
