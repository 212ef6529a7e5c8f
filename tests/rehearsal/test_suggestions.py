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
from rehearsal.suggestions import Survey, shelves, surveys
from tests.rehearsal.test_report import NOUNS

USERS = {1: "a", 2: "b", 3: "c", 4: "d"}
ITEMS = {number: f"bk-{number}" for number in range(1, 31)}
# items 1 to 6 are poems, all others crimes; 7 and more are liked
GENRES = {own: ["Poetry" if number <= 6 else "Crime"] for number, own in ITEMS.items()}
CATALOGUE = Catalogue(USERS, ITEMS, {}, GENRES, {}, 7, NOUNS)
MANIFEST = {
    "keys": {"interactions": "interactions.npz"},
    "sample": {"user": 2},
    "scale": {"events": False},
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


def test_lists_of_every_user_are_described(aws: None, data: Path) -> None:
    """Users 3 and 4 like items 7 to 9, and 7 to 12: crimes; users 1 and 2 like nothing."""
    outputs = {"ListsFunctionName": "lists", "DeepMfEndpointName": "deep"}
    (found,) = surveys(Outputs(outputs), CATALOGUE, data, MANIFEST)
    # user 1: items 12 to 4 (nine), 2: 12 to 7, 3: 12 to 10, 4 has had all that anybody has had
    assert found == Survey(
        engine="Deep matrix factorization",
        users=4,
        places=9 + 6 + 3,
        different=9,
        had=0,
        favourite=1.0,  # user 3's three; user 4 has no list
        chance=1.0,
    )


def test_lists_of_events_count_all_as_liked_and_repetitions_are_told(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function suggests items 1 and 12 to everybody."""

    def invoke(*, Payload: str, **_: Any) -> Any:  # noqa: N803
        assert json.loads(Payload)["count"] == 10
        told = {"items": [{"item": "bk-1"}, {"item": "bk-12"}]}
        return {"Payload": io.BytesIO(json.dumps(told).encode())}

    monkeypatch.setattr("boto3.client", lambda _: SimpleNamespace(invoke=invoke))
    events = {**MANIFEST, "scale": {"events": True}}
    (found,) = surveys(Outputs({"ListsFunctionName": "lists"}), CATALOGUE, data, events)
    # all have had item 1, and user 4 item 12; user 4 has as many poems as crimes: Crime comes first
    assert (found.places, found.different, found.had) == (8, 2, 5)
    assert found.favourite == 0.5
    # of what they have not had: 3 poems of 9, none of 6, none of 3, nothing
    assert found.chance == pytest.approx((3 / 9 + 0 + 0) / 3, abs=1e-4)


def test_lists_of_data_without_genres_have_no_favourite(aws: None, data: Path) -> None:
    plain = Catalogue(USERS, ITEMS, {}, {}, {}, 7, NOUNS)
    (found,) = surveys(Outputs({"DeepMfEndpointName": "deep"}), plain, data, MANIFEST)
    assert (found.favourite, found.chance) == (None, None)
