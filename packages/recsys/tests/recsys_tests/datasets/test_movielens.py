"""What is published or was measured elsewhere about the real MovieLens data."""

import hashlib
from pathlib import Path

import pytest

from recsys.datasets import load, split
from recsys.datasets.baselines import baselines
from recsys.datasets.export import export


def test_movielens_100k(real_ml_100k: Path, tmp_path: Path) -> None:
    data = load(real_ml_100k)
    assert len(data.movies) == 1682
    manifest = export(data, split(data), tmp_path / "out")
    counts = [manifest[key] for key in ("users", "items", "ratings", "train", "validation")]
    assert counts == [943, 1682, 100_000, 90_570, 9_430]
    assert manifest["object2vec"] == {"enc0_vocab_size": 944, "enc1_vocab_size": 1684}
    assert manifest["sample"] == {"user": 789, "movie": 286, "neighbour_movie": 195}
    mse, accuracy = manifest["baselines"].values()
    assert mse["user_mean"] == pytest.approx(1.0881, abs=5e-5)
    assert mse["bias"] == pytest.approx(0.9189, abs=1e-4)
    assert accuracy["majority"] == pytest.approx(0.5800, abs=5e-5)
    folder = tmp_path / "out/bucket/object2vec/movielens/ml-100k"
    known = {
        "ua.base": "346eb46a756be3b382bdef4f7dcf3a01",  # pragma: allowlist secret
        "u.item": "c9e7f390115d79079537301d5204f3f7",  # pragma: allowlist secret
    }
    for name, digest in known.items():
        content = (folder / name).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digest


def test_global_mean_of_ua(real_ml_100k: Path) -> None:
    data = load(real_ml_100k)
    parts = split(data, "ua")
    # The workshop rounds the mean to 3.52 before it squares: 1.2594; unrounded it is a little less.
    assert parts.train.rating.mean(dtype=float) == pytest.approx(3.5238, abs=5e-5)
    rounded = ((parts.validation.rating.astype(float) - 3.52) ** 2).mean()
    assert rounded == pytest.approx(1.2594, abs=5e-5)
    assert baselines(parts, data.scale)["rating_mse"]["global_mean"] == pytest.approx(
        1.2589, abs=5e-5
    )
    assert data.scale.likes(parts.train.rating).mean() == pytest.approx(0.5510, abs=5e-5)


@pytest.mark.parametrize("how", ["u1", "u2", "u3", "u4", "u5"])
def test_the_other_splits(real_ml_100k: Path, how: str) -> None:
    parts = split(load(real_ml_100k), how)
    assert len(parts.train) == 80_000
    assert len(parts.validation) == 20_000


def test_movielens_latest_small(real_ml_latest_small: Path) -> None:
    data = load(real_ml_latest_small)
    assert data.format == "ml-csv"
    assert (len(data.ratings), len(data.movies)) == (100_836, 9_742)
    assert len(set(data.ratings.item.tolist())) == 9_724
    assert int((data.ratings.rating > 3).sum()) == 61_716
    assert int((data.movies.year == 0).sum()) == 12  # titles without a year
    # ten of each user's ratings, and a fifth of them at most
    assert len(split(data).validation) == 5_173
