"""What a second training on all ratings gains: `python -m bench.refit [--data DATA] [--seeds 3]`.

The test part is MovieLens 100k's ua.test, which no model sees. ua.base is divided as `recsys
prepare` divides a data set. The evaluated model learns from its larger part, and its epochs are
chosen by the other one; the refitted model learns from both, for as many epochs. Both make lists
without what a user has in either part. Prints Markdown.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.engines import PRESETS, object2vec_settings, pairs, tokens
from bench.movielens import SCALE, MovieLens
from recsys.datasets import load, split
from recsys.datasets.download import cached
from recsys.datasets.ratings import Ratings
from recsys.deep_mf import hyperparameters as deep_mf
from recsys.evaluation import Predict, evaluate
from recsys.object2vec import hyperparameters as object2vec

Fit = Callable[[Ratings, Ratings, Ratings, int], tuple[Predict, Predict, int]]
"""Of the parts to learn from, to judge by, both, and a seed: both models, and their epochs."""


def _object2vec(task: str) -> Fit:
    def fit(
        learn: Ratings, judge: Ratings, both: Ratings, seed: int
    ) -> tuple[Predict, Predict, int]:
        from recsys.object2vec import training

        given = object2vec_settings("default", task)
        first = training.train(
            object2vec.parse(given), pairs(learn, task), pairs(judge, task), seed=seed
        )
        assert first is not None
        settings = object2vec.parse(given | {"epochs": first.best})
        second = training.train(settings, pairs(both, task), seed=seed)
        assert second is not None

        def scores(of: Any) -> Predict:
            return lambda rows: of.scores(tokens(rows.user), tokens(rows.item))[:, -1]

        return scores(first.scorer), scores(second.scorer), first.best

    return fit


def _deep_mf(
    learn: Ratings, judge: Ratings, both: Ratings, seed: int
) -> tuple[Predict, Predict, int]:
    from recsys.deep_mf.training import train

    preset = PRESETS["default"]["deep_mf"]

    def fit(rows: Ratings, epochs: int, **told: Any) -> Any:
        settings = deep_mf.parse(preset | {"epochs": epochs})
        return train(settings, rows.user, rows.item, rows.rating, seed=seed, **told)

    errors: list[float] = []
    fit(
        learn,
        int(preset["epochs"]),
        epoch_ends=lambda _, model: errors.append(
            float(np.mean((model.predict(judge.user, judge.item) - judge.rating) ** 2))
        ),
    )
    epochs = int(np.argmin(errors)) + 1

    def scores(of: Any) -> Predict:
        return lambda rows: np.asarray(of.predict(rows.user, rows.item))

    return scores(fit(learn, epochs)), scores(fit(both, epochs)), epochs


ENGINES: dict[str, Fit] = {
    "Object2Vec, rating": _object2vec("rating"),
    "Object2Vec, recommendation": _object2vec("recommendation"),
    "deep matrix factorization": _deep_mf,
}


def _losses(predict: Predict, test: Ratings, task: str) -> Any:
    """Each test rating's squared error; for the recommendation, whether it is misjudged."""
    found = predict(test)
    if task == "Object2Vec, recommendation":
        return ((found > 0.5) != SCALE.likes(test.rating)).astype(float)
    return (np.clip(found, SCALE.least, SCALE.most) - test.rating) ** 2


def main() -> int:
    """Print a row for each engine and seed."""
    parser = argparse.ArgumentParser(prog="python -m bench.refit", description=__doc__)
    parser.add_argument("--data", type=Path, default=cached(), help="the folder of MovieLens 100k")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.data is None:
        print("MovieLens 100k is not available; name its folder: --data", file=sys.stderr)
        return 1
    base, test = MovieLens(options.data).split("ua")
    whole = load(options.data)
    print("| engine | seed | epochs | loss, evaluated | loss, refitted | gain | nDCG@10, both |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, fit in ENGINES.items():
        for seed in range(options.seeds):
            parts = split(replace(whole, ratings=base), "per-user", seed=seed)
            *models, epochs = fit(parts.train, parts.validation, base, seed)
            first, second = (_losses(one, test, name) for one in models)
            gain = first - second
            error = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain))
            lists = [evaluate(one, base, test, "ranking", cutoffs=[10]) for one in models]
            print(
                f"| {name} | {seed} | {epochs} | {first.mean():.4f} | {second.mean():.4f} "
                f"| {gain.mean():.4f} ± {error:.4f} "
                f"| {lists[0]['ndcg@10']:.4f}, {lists[1]['ndcg@10']:.4f} |",
                flush=True,
            )
    print("\nLoss: mean squared error; of the recommendation, the share of wrong answers.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
