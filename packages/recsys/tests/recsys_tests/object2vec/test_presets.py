"""The presets learn what they are for, on data whose structure is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.datasets.generator import generate
from recsys.object2vec.estimator import Object2Vec

PRESETS = json.loads(
    (Path(__file__).parents[5] / "stacks" / "presets.json").read_text(encoding="utf-8")
)


@pytest.mark.slow
def test_neighbours_have_the_same_genre() -> None:
    data = generate("100k")
    users, films = int(data.ratings.user.max()) + 1, int(data.movies.item.max()) + 1
    sizes = {"enc0_vocab_size": users, "enc1_vocab_size": films}
    model = Object2Vec(**PRESETS["default"]["retrieval"] | sizes)
    model.fit(data.ratings.user, data.ratings.item, np.ones(len(data.ratings)))

    known = np.flatnonzero(np.bincount(data.ratings.item, minlength=films) >= 30)
    genres = data.movies.flags()[np.searchsorted(data.movies.item, known)].astype(float)
    genres /= np.linalg.norm(genres, axis=1, keepdims=True)
    alike = genres @ genres.T
    place = model.embed(in1=known)
    distance = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :5]
    among_neighbours = np.take_along_axis(alike, nearest, axis=1).mean()
    among_all = alike[~np.eye(len(known), dtype=bool)].mean()
    assert PRESETS["taught"]["retrieval"] == PRESETS["default"]["retrieval"]
    assert among_neighbours > 2 * among_all
