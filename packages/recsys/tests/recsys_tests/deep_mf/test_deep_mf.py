"""Deep matrix factorization against planted ratings and a plain forward pass."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys.container.algorithms import Channel, Job, loader, trainer
from recsys.deep_mf import Scorer, hyperparameters
from recsys.deep_mf.training import Progress, train
from recsys.errors import InputError

pytestmark = pytest.mark.slow

Ints = NDArray[np.int64]


def planted(genres: bool = False) -> tuple[Ints, Ints, NDArray[np.float32], Ints]:
    """Ratings are a user's bias and an item's; the item's comes of its two genres if so wanted."""
    random = np.random.default_rng(0)
    flags = random.integers(0, 2, (40, 2))
    bias = flags @ [1.0, -1.0] if genres else random.normal(size=40)
    user, item = random.integers(0, 30, 4000), random.integers(0, 40, 4000)
    rating = 3 + random.normal(size=30)[user] + bias[item]
    return user, item, rating.astype(np.float32), flags


SETTINGS = {"epochs": 30, "mini_batch_size": 128, "learning_rate": 0.005}


def test_training_recovers_planted_ratings() -> None:
    user, item, rating, _ = planted()
    told: list[Progress] = []
    ends: list[int] = []
    model = train(
        hyperparameters.parse(SETTINGS),
        user[:3000],
        item[:3000],
        rating[:3000],
        report=told.append,
        epoch_ends=lambda epoch, _: ends.append(epoch),
    )
    error = model.predict(user[3000:], item[3000:]) - rating[3000:]
    assert np.mean(error**2) < 0.05 < 1.5 < rating.var()
    assert ends == list(range(1, 31))
    assert told[-1].loss < 0.1 * told[0].loss
    assert told[-1].done == told[-1].ratings == 3000


def test_scores_equal_an_explicit_network() -> None:
    user, item, rating, flags = planted(genres=True)
    settings = hyperparameters.parse(SETTINGS | {"epochs": 1, "genre_dim": 3})
    model = train(settings, user, item, rating, genres=flags)
    assert model.user.shape == (31, 15) and model.item.shape == (41, 25 + 3)
    x = np.concatenate([model.user[7], model.item[9]])
    (w0, b0), (w1, b1), (w2, b2) = model.layers
    expected = np.maximum(np.maximum(x @ w0 + b0, 0) @ w1 + b1, 0) @ w2 + b2
    assert model.predict(np.array([7]), np.array([9])) == pytest.approx(expected, rel=1e-5)
    # items with the same genres share the genres' part; the mean of two is between both
    same = np.flatnonzero((flags == flags[9]).all(axis=1))
    assert (model.item[same, 25:] == model.item[9, 25:]).all()
    both, first, second = (
        model.item[np.flatnonzero((flags == f).all(axis=1))[0], 25:]
        for f in ([1, 1], [1, 0], [0, 1])
    )
    assert both == pytest.approx((first + second) / 2, abs=1e-5)


def test_genres_predict_items_without_ratings() -> None:
    user, item, rating, flags = planted(genres=True)
    known = item < 30
    settings = hyperparameters.parse(SETTINGS | {"genre_dim": 5, "weight_decay": 0.001})
    model = train(settings, user[known], item[known], rating[known], genres=flags)
    found = model.predict(np.zeros(10, int), np.arange(30, 40))
    expected = flags[30:] @ [1.0, -1.0]
    assert np.corrcoef(found, expected)[0, 1] > 0.9


def test_unknown_ids_use_the_mean() -> None:
    user, item, rating, _ = planted()
    model = train(hyperparameters.parse(SETTINGS | {"epochs": 2}), user + 1, item, rating)
    found = model.predict(np.array([0, 999]), np.array([1, 1]))  # 0 had no ratings either
    assert found[0] == found[1]
    assert model.user[-1] == pytest.approx(model.user[1:-1].mean(axis=0), abs=1e-6)


def test_seed_determines_the_model_and_stop_ends_training() -> None:
    user, item, rating, _ = planted()
    settings = hyperparameters.parse(SETTINGS | {"epochs": 1})
    one, same, other = (train(settings, user, item, rating, seed=seed) for seed in (1, 1, 2))
    assert (one.user == same.user).all() and not (one.user == other.user).all()
    ends: list[int] = []
    train(settings, user, item, rating, stop=lambda: True, epoch_ends=lambda e, _: ends.append(e))
    assert ends == []


def test_saved_model_is_loaded_equal(tmp_path: Path) -> None:
    user, item, rating, _ = planted()
    model = train(hyperparameters.parse(SETTINGS | {"epochs": 1}), user, item, rating)
    model.save(tmp_path)
    again = Scorer.load(tmp_path)
    assert again.settings == model.settings
    assert (again.predict(user, item) == model.predict(user, item)).all()
    with pytest.raises(InputError, match="does not contain a deep matrix factorization"):
        Scorer.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"genre_dim": 2}, "genre_dim: there are no genres"),
        ({"learning_rate": 2}, "learning_rate: must be a number from 1e-06 to 1, not '2'"),
        ({"epoch": 2}, "epoch: not a hyperparameter of deep matrix factorization"),
        ({"epochs": "two"}, "epochs: must be an integer from 1 to 1000, not 'two'"),
    ],
)
def test_invalid_settings_are_reported(change: dict[str, object], words: str) -> None:
    user, item, rating, _ = planted()
    with pytest.raises(InputError, match=words):
        train(hyperparameters.parse(SETTINGS | change), user, item, rating)


def test_container_trains_and_serves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user, item, rating, flags = planted(genres=True)
    lines = [
        json.dumps({"in0": [int(u)], "in1": [int(i)], "label": float(r)})
        for u, i, r in zip(user, item, rating, strict=True)
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    movies = [f"{i}|T||||" + "|".join(map(str, [*f, *[0] * 17])) for i, f in enumerate(flags)]
    (tmp_path / "u.item").write_text("\n".join(movies))
    channels = {
        name: Channel("application/jsonlines", (tmp_path / "r.jsonl",))
        for name in ("train", "validation")
    } | {"movies": Channel(None, (tmp_path / "u.item",))}
    settings = {key: str(value) for key, value in SETTINGS.items()} | {"genre_dim": "2"}
    algorithm = "deep-matrix-factorization"
    trainer(algorithm)(Job(settings, channels, tmp_path / "model", "algo-1", lambda: False))
    said = capsys.readouterr().out
    for channel in ("train", "validation"):
        metric = f"#quality_metric: host=algo-1, epoch=30, {channel} mean_squared_error <loss>="
        assert metric in said
    answer = loader(algorithm)(tmp_path / "model")
    body, kind = answer(b'{"instances": [{"in0": [3], "in1": [4]}]}', "application/json", None)
    assert kind == "application/json"
    truth = rating[(user == 3) & (item == 4)]
    assert json.loads(body)["predictions"][0]["scores"][0] == pytest.approx(truth[0], abs=0.5)
    embedded, _ = answer(b'{"instances": [{"in1": [4]}]}', "application/json", None)
    assert len(json.loads(embedded)["predictions"][0]["embeddings"]) == 25 + 2
    (tmp_path / "u.item").write_text("4|nothing\n")
    with pytest.raises(InputError, match=r"u\.item line 1: is not a line of u\.item"):
        trainer(algorithm)(Job(settings, channels, tmp_path / "model", "algo-1", lambda: False))
