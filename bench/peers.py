"""Other people's engines, run where they are installed: `pip install -r bench/peers.txt`.

Each is a function from a split and a seed to predictions, with the settings its authors publish.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from bench.engines import Engine, Floats
from bench.movielens import ITEMS, USERS, Split
from recsys.bayesian_fm.blocks import identity, implicit
from recsys.datasets.ratings import Ratings
from recsys.protocols import matrix


def _surprise(algorithm: str, **settings: Any) -> Any:
    def predict(_: Path, parts: Split, seed: int) -> Floats:
        surprise = import_module("surprise")
        scale = surprise.Reader(rating_scale=(1, 5))
        made = surprise.Dataset(scale)
        rows = zip(
            parts.train.user.tolist(),
            parts.train.item.tolist(),
            parts.train.rating.tolist(),
            [None] * len(parts.train),
            strict=True,
        )
        known = made.construct_trainset(list(rows))
        given = {"random_state": seed} if algorithm.startswith("SVD") else {}
        model = getattr(surprise, algorithm)(**settings, **given).fit(known)
        pairs = zip(parts.test.user.tolist(), parts.test.item.tolist(), strict=True)
        return np.array([model.predict(user, item).est for user, item in pairs])

    return predict


def _myfm(_: Path, parts: Split, seed: int) -> Floats:
    """Ids and SVD++'s sets as relation blocks; 10 factors, 300 draws."""
    myfm = import_module("myfm")
    train = parts.train
    sets = (
        implicit(train.user, train.item, (USERS, ITEMS)),
        implicit(train.item, train.user, (ITEMS, USERS)),
    )
    blocks = [
        csr_matrix(hstack([identity(n), s])) for n, s in zip((USERS, ITEMS), sets, strict=True)
    ]

    def relations(rows: Any) -> Any:
        return [
            myfm.RelationBlock(rows.user.astype(np.int64), blocks[0]),
            myfm.RelationBlock(rows.item.astype(np.int64), blocks[1]),
        ]

    groups = np.repeat(np.arange(4), [USERS, ITEMS, ITEMS, USERS])
    model = myfm.MyFMGibbsRegressor(rank=10, random_seed=seed)
    model.fit(
        None,
        train.rating.astype(np.float64),
        relations(train),
        group_shapes=np.bincount(groups).tolist(),
        n_iter=300,
        n_kept_samples=280,
    )
    return np.asarray(model.predict(None, relations(parts.test)))


PEERS = {
    "surprise": (
        Engine("Surprise, BaselineOnly", _surprise("BaselineOnly", verbose=False), ("ua", "u1"), 1),
        Engine("Surprise, SVD", _surprise("SVD"), ("ua", "u1"), 1),
        Engine(
            "Surprise, KNNBaseline of items",
            _surprise(
                "KNNBaseline",
                sim_options={"name": "pearson_baseline", "user_based": False},
                verbose=False,
            ),
            ("ua",),
            1,
            quick=False,
        ),
        Engine("Surprise, SVD++", _surprise("SVDpp"), ("ua",), 1, quick=False),
    ),
    "myfm": (Engine("myfm, SVD++ sets", _myfm, ("ua",), 1, quick=False),),
}


def implicit_als(train: Ratings, shape: tuple[int, int]) -> Any:
    """Top-10 scores (users, items) of implicit's ALS with 32 factors."""
    interest = csr_matrix(matrix(train, np.ones(len(train), np.float32), *shape))
    als = import_module("implicit.cpu.als").AlternatingLeastSquares
    model = als(factors=32, alpha=1.0, iterations=15, random_state=0, num_threads=1)
    model.fit(interest, show_progress=False)
    return model.user_factors @ model.item_factors.T
