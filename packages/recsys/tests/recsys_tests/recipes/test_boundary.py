"""The boundary's own parts: the folder, the commands, the metrics, with answers worked out."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys.recipes import dataset
from recsys.recipes.recipe import top
from recsys_tests.recipes.worlds import small

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3] / "src"


# users 0-2 take items 0 and 1, users 3 and 4 take items 2 and 3, nobody takes item 4
PAIRS = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 2), (3, 3), (4, 2), (4, 3)]
DATA = small(PAIRS, 5, 5)


def test_top_returns_the_best_finite_scores_with_ties_by_position() -> None:
    scores = np.array([1.0, 3.0, -np.inf, 3.0, 2.0])
    assert top(scores, 3).tolist() == [1, 3, 4]
    assert top(scores, 10).tolist() == [1, 3, 4, 0]
    assert top(np.full(3, -np.inf), 2).tolist() == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training's folder, as it is handed over."""
    (tmp_path / "data").mkdir()
    columns: dict[str, Any] = {
        "items": {
            "YEAR": {"kind": "number"},
            "GENRES": {"kind": "category", "values": ["War", "Drama"]},
            "PLOT": {"kind": "text", "values": list("abcde")},
        },
        "users": {},
        "interactions": {},
    }
    strings = {
        "users": DATA.users,
        "items": DATA.items,
        "event_types": DATA.event_types,
        "columns": columns,
    }
    (tmp_path / "data" / "strings.json").write_text(json.dumps(strings))
    arrays: dict[str, Any] = {
        name: getattr(DATA, name)
        for name in ("user", "item", "timestamp", "event_type", "event_value")
    }
    arrays["items.YEAR"] = np.array([1990, np.nan, 1991, 1992, 1993])
    arrays["items.GENRES.indptr"] = np.array([0, 1, 1, 3, 3, 3], np.int32)
    arrays["items.GENRES.indices"] = np.array([1, 0, 1], np.int32)
    np.savez(tmp_path / "data" / "arrays.npz", **arrays)
    (tmp_path / "config.json").write_text(
        json.dumps({"recipe": "aws-vod-top-picks", "exclude_event_types": ["watch"]})
    )
    return tmp_path


def test_load_reads_the_folder(folder: Path) -> None:
    data = dataset.load(folder / "data")
    assert (data.users, data.items) == (DATA.users, DATA.items)
    assert data.indptr.tolist() == [0, 2, 4, 6, 8, 10]
    genres = data.item_columns["GENRES"]
    assert genres.indptr is not None
    assert genres.indices is not None
    rows = [genres.indices[a:b] for a, b in zip(genres.indptr[:-1], genres.indptr[1:], strict=True)]
    assert [[genres.values[code] for code in row] for row in rows] == [
        ["Drama"],
        [],
        ["War", "Drama"],
        [],
        [],
    ]
    assert data.item_columns["PLOT"].values == list("abcde")
    half = data.rows(data.user < 2)
    assert half.indptr.tolist() == [0, 2, 4, 4, 4, 4]


def test_commands_train_and_serve(folder: Path) -> None:
    command = [sys.executable, "-m", "recsys.recipes"]
    subprocess.run([*command, "train", str(folder)], cwd=ROOT, check=True)
    result = json.loads((folder / "result.json").read_text())
    assert 0 <= result["metrics"]["precision_at_5"] <= 1

    def encoded(values: list[int], kind: str) -> str:
        return base64.b64encode(np.array(values, kind).tobytes()).decode()

    allow = base64.b64encode(np.packbits(np.array([1, 1, 1, 1, 0], bool)).tobytes()).decode()
    history = {
        "user": -1,
        "items": encoded([3], "<i4"),
        "timestamps": encoded([0], "<i8"),
        "event_types": encoded([0], "<i2"),
        "event_values": encoded([0], "<f4"),
    }
    requests: list[dict[str, Any]] = [
        {"op": "recommend", **history, "item": -1, "allow": allow, "k": 9},
        {"op": "rank", **history, "item": -1, "among": [0, 2]},
        {"op": "recommend"},
    ]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [*command, "serve", str(folder)],
        cwd=ROOT,
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    ready, recommended, ranked, broken = map(json.loads, done.stdout.splitlines())
    assert ready == {"ready": True}
    assert recommended["items"][0] == 2  # 3 was watched, 4 is not allowed
    assert sorted(recommended["items"]) == [0, 1, 2]
    assert sum(recommended["scores"]) == pytest.approx(1)
    assert ranked["items"] == [2, 0]
    assert "error" in broken


def test_untrainable_data_are_reported(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for change, words in (
        ({"recipe": "aws-nothing"}, "unknown recipe aws-nothing"),
        ({"recipe": "aws-popularity-count", "hpo": {}}, "no tunable hyperparameters"),
        (
            {"hyperparameters": {"depth": "3", "popularity_discount_factor": "2"}},
            "depth is not one",
        ),
        ({"objective": {"itemAttribute": "YEAR"}}, "does not optimise for an objective"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        done = subprocess.run(
            [sys.executable, "-m", "recsys.recipes", "train", str(folder)], cwd=ROOT, check=False
        )
        assert done.returncode == 1
        assert words in (folder / "failure").read_text()


def test_serving_does_not_import_scipy() -> None:
    """A campaign starts in half the time without it."""
    code = "import sys, recsys.recipes.serve; sys.exit('scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
