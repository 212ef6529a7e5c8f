"""The section `growth`: time and memory from 100,000 ratings to 20 million.

The ratings are random, in the shapes of MovieLens 100k, 1M, 10M and 20M: this measures speed, not
accuracy. Each figure is measured in a separate process:
`python -m bench.growth ENGINE SHAPE`.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from bench.results import Rows, clock

SHAPES = {
    "100k": (943, 1_682, 100_000),
    "1M": (6_040, 3_706, 1_000_209),
    "10M": (69_878, 10_677, 10_000_054),
    "20M": (138_493, 26_744, 20_000_263),
}
"""The numbers of users, items and ratings of each shape."""

Told = dict[str, Any]


def _draw(shape: str) -> tuple[Any, Any, Any]:
    """Draw the user, item and rating of each row; items follow Zipf's law."""
    users, items, ratings = SHAPES[shape]
    random = np.random.default_rng(0)
    user = random.integers(0, users, ratings).astype(np.int32)
    item = (random.zipf(1.3, ratings) % items).astype(np.int32)
    user[0], item[0] = users - 1, items - 1
    return user, item, random.integers(1, 6, ratings).astype(np.float32)


def deep_matrix_factorization(shape: str) -> Told:
    """One epoch with the default settings: the second, because the first compiles."""
    from recsys.deep_mf import hyperparameters
    from recsys.deep_mf.training import train

    user, item, rating = _draw(shape)
    at: list[float] = []
    train(
        hyperparameters.parse({"epochs": 2}),
        user,
        item,
        rating,
        epoch_ends=lambda *_: at.append(time.perf_counter()),
    )
    return {"ratings": len(rating), "seconds": at[1] - at[0]}


def object2vec(shape: str) -> Told:
    """One epoch of the default preset, with minibatches that grow with the data."""
    from bench.engines import PRESETS, tokens
    from recsys.object2vec import hyperparameters, training
    from recsys.object2vec.records import Pairs

    users, items, _ = SHAPES[shape]
    user, item, rating = _draw(shape)
    settings = hyperparameters.parse(
        PRESETS["default"]["rating"]
        | {"enc0_vocab_size": users, "enc1_vocab_size": items, "epochs": 2}
        | {"mini_batch_size": min(10_000, max(512, len(rating) // 2_000))}
    )
    found = training.train(settings, Pairs(tokens(user), tokens(item), rating))
    assert found is not None
    return {
        "ratings": len(rating),
        "seconds": found.history[1].seconds,
        "minibatch": settings.mini_batch_size,
    }


def ease(shape: str) -> Told:
    """EASE's fit on liked items: half of the ratings; 20,108 items at 20M."""
    from recsys.item_models import Ease

    users, items, ratings = SHAPES[shape]
    user, item, _ = _draw(shape)
    if shape == "20M":
        users, items = 136_677, 20_108
    half = slice(0, ratings // 2)
    taken = csr_array(
        (np.ones(ratings // 2, np.float32), (user[half] % users, item[half] % items)),
        shape=(users, items),
    )
    taken.data[:] = 1  # pairs drawn twice were added up
    del user, item
    started = time.perf_counter()
    Ease().fit(taken)
    return {"ratings": ratings // 2, "seconds": time.perf_counter() - started, "items": items}


def bayesian(shape: str) -> Told:
    """One draw of one chain with ids, SVD++'s sets and 10 factors: the mean without the first."""
    from recsys.bayesian_fm import BayesianFactorizationMachine

    user, item, rating = _draw(shape)
    at: list[float] = []
    machine = BayesianFactorizationMachine(iterations=3, burn_in=2, chains=1)
    machine.fit(user, item, rating, progress=lambda *_: at.append(time.perf_counter()))
    return {"ratings": len(rating), "seconds": (at[-1] - at[0]) / (len(at) - 1)}


def lists(shape: str) -> Told:
    """The training of the deployed lists: settings by nested validation, the fit, the pruning."""
    from recsys.lists.training import Lists

    interactions = _interactions(shape)
    started = time.perf_counter()
    learned = Lists(validation="newest", most_items=30_000).fit(interactions)
    seconds = time.perf_counter() - started
    model = learned.model_.to_bytes()
    if keep := os.environ.get("LISTS_MODEL"):
        Path(keep).write_bytes(model)
    return {
        "ratings": len(interactions.user),
        "seconds": seconds,
        "items": len(learned.model_),
        "megabytes": len(model) / 1e6,
    }


def _interactions(shape: str) -> Any:
    """As the function `list_training` reads them: every rating has a time."""
    from recsys.lists.model import Catalogue
    from recsys.lists.training import Interactions

    _, items, ratings = SHAPES[shape]
    user, item, rating = _draw(shape)
    catalogue = Catalogue(
        ids=tuple(map(str, range(items))),
        titles=tuple(f"Movie {number} (1999)" for number in range(items)),
        years=np.full(items, 1999, np.int32),
        genres=np.ones(items, np.uint64),
        genre_names=("Drama",),
    )
    return Interactions(user, item, rating, np.arange(ratings), catalogue)


DEEP_MF = "deep matrix factorization, an epoch"
OBJECT2VEC = "Object2Vec, default, an epoch"
EASE = "EASE, the fit"
BAYESIAN = "Bayesian factorization machine, a draw"
LISTS = "lists, the training"

ENGINES: dict[str, Callable[[str], Told]] = {
    DEEP_MF: deep_matrix_factorization,
    OBJECT2VEC: object2vec,
    EASE: ease,
    BAYESIAN: bayesian,
    LISTS: lists,
}


def run(rows: Rows, quick: bool) -> None:
    """Measure the rows that `rows` does not contain yet."""
    for engine in ENGINES:
        for shape in list(SHAPES)[: 2 if quick else None]:
            if rows.has(engine=engine, shape=shape):
                continue
            with clock() as timed:
                done = subprocess.run(
                    [sys.executable, "-m", "bench.growth", engine, shape],
                    stdout=subprocess.PIPE,
                    check=True,
                )
            told = json.loads(done.stdout)
            rows.add(engine=engine, shape=shape, **told, **timed.row())
            print(
                f"{engine}, {shape}: {told['seconds']:.2f} s, {told['peak_gb']:.1f} GB",
                file=sys.stderr,
                flush=True,
            )


def main(engine: str, shape: str) -> None:
    """Measure one engine at one shape and print the result as JSON."""
    told = ENGINES[engine](shape)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(told | {"peak_gb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
