"""The sections `rating`, `recommendation` and `ranking`: every engine, on several splits and seeds.

Rating and recommendation: the splits that MovieLens 100k ships, three seeds on ua and one on each
of u1 … u5. Ranking: the protocol of Microsoft's Recommenders, item-stratified 75/25; there the seed
also determines the split, and 42 is the seed of Microsoft's Recommenders.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench import engines
from bench.engines import Fit
from bench.movielens import MovieLens
from bench.peers import Peers
from bench.results import Rows, clock
from recsys.datasets.ratings import Ratings
from recsys.evaluation import Predict, Task, evaluate
from recsys.protocols import stratified_split

FOLDS = ("u1", "u2", "u3", "u4", "u5")
SEEDS = (0, 1, 2)
SPLITS = (42, 43, 44, 45, 46, 47)

BAYESIAN = "Bayesian factorization machine"
EVERYTHING = f"{BAYESIAN}, ordered, side information, date"
ORDERED = f"{BAYESIAN}, ordered"
BEST_LISTS = "rating-weighted EDLAE"
DEPLOYED_LISTS = "lists, as deployed"


@dataclass(frozen=True)
class Entry:
    """An engine in a section.

    Attributes:
        fit: the engine, or a peer's name in bench/peers/run.py.
        package: the package that a peer needs.
        settings: a peer's settings.
        seeds: the number of seeds on ua, or of splits in `ranking`.
        folds: the folds among u1 … u5 to measure.
        quick: whether the quick run includes the engine.
    """

    fit: Fit | str
    package: str = ""
    settings: Mapping[str, object] | None = None
    seeds: int = 3
    folds: tuple[str, ...] = FOLDS
    quick: bool = False


def _surprise(algorithm: str, **settings: object) -> Entry:
    few = algorithm in ("SVDpp", "KNNBaseline")
    return Entry(
        "surprise",
        "surprise",
        {"algorithm": algorithm, **settings},
        seeds=3 if algorithm.startswith("SVD") else 1,
        folds=() if few else FOLDS,
    )


_KNN = {"sim_options": {"name": "pearson_baseline", "user_based": False}, "verbose": False}
_ALS = {"algorithm": "als", "factors": 32, "alpha": 1.0, "iterations": 15}
_BPR = {"algorithm": "bpr", "factors": 64, "iterations": 100}

RATING = {
    "biases": Entry(engines.bias, seeds=1, quick=True),
    "Object2Vec, default": Entry(engines.OBJECT2VEC_RATING["default"], quick=True),
    "Object2Vec, workshop": Entry(engines.OBJECT2VEC_RATING["workshop"], folds=()),
    "Object2Vec, taught": Entry(engines.OBJECT2VEC_RATING["taught"], folds=("u1",)),
    "deep matrix factorization": Entry(engines.deep_matrix_factorization),
    "factorization machines (SageMaker's)": Entry(engines.factorization_machine),
    BAYESIAN: Entry(engines.bayesian, quick=True),
    EVERYTHING: Entry(engines.bayesian_with_everything),
    "Surprise, BaselineOnly": _surprise("BaselineOnly", verbose=False),
    "Surprise, SVD": _surprise("SVD"),
    "Surprise, KNNBaseline of items": _surprise("KNNBaseline", **_KNN),
    "Surprise, SVD++": _surprise("SVDpp"),
    "myfm, SVD++ sets": Entry("myfm", "myfm", {}, folds=("u1",)),
    "plain PyTorch, the workshop's network": Entry(
        "plain_object2vec", "torch", {"epochs": 5}, seeds=1, folds=()
    ),
}

RECOMMENDATION = {
    "biases": Entry(engines.liked_bias, seeds=1, folds=(), quick=True),
    "Object2Vec, default": Entry(engines.OBJECT2VEC_LIKING["default"], folds=(), quick=True),
    "Object2Vec, workshop": Entry(engines.OBJECT2VEC_LIKING["workshop"], seeds=1, folds=()),
    "Object2Vec, taught": Entry(engines.OBJECT2VEC_LIKING["taught"], folds=()),
    ORDERED: Entry(engines.liked_bayesian, folds=()),
}

RANKING = {
    "popularity": Entry(engines.popularity, seeds=6, quick=True),
    "SAR": Entry(engines.sar, seeds=6, quick=True),
    "cosine": Entry(engines.cosine, seeds=6, quick=True),
    "EASE": Entry(engines.ease, seeds=6, quick=True),
    BEST_LISTS: Entry(engines.edlae, seeds=6, quick=True),
    DEPLOYED_LISTS: Entry(engines.lists, seeds=6),
    "biases": Entry(engines.bias, seeds=6),
    "Object2Vec, default": Entry(engines.OBJECT2VEC_RATING["default"]),
    "Object2Vec, default, by who watched what": Entry(engines.object2vec_watching, seeds=6),
    "deep matrix factorization": Entry(engines.deep_matrix_factorization),
    "factorization machines (SageMaker's)": Entry(engines.factorization_machine),
    BAYESIAN: Entry(engines.bayesian),
    "implicit, ALS": Entry("implicit", "implicit", _ALS, seeds=6),
    "implicit, BPR": Entry("implicit", "implicit", _BPR, seeds=3),
    "Surprise, SVD": Entry("surprise", "surprise", {"algorithm": "SVD"}, seeds=1),
}


ENTRIES: Mapping[Task, Mapping[str, Entry]] = {
    "rating": RATING,
    "recommendation": RECOMMENDATION,
    "ranking": RANKING,
}


def run(task: Task, data: MovieLens, peers: Peers | None, rows: Rows, quick: bool) -> None:
    """Measure the engines of one section that `rows` does not contain yet."""
    absent: dict[str, str | None] = {}
    for name, entry in ENTRIES[task].items():
        if quick and not entry.quick:
            continue
        if entry.package:
            if entry.package not in absent:
                absent[entry.package] = (
                    peers.missing(entry.package) if peers else "the peers are not installed"
                )
            if reason := absent[entry.package]:
                print(f"{name}: skipped: {reason}", file=sys.stderr, flush=True)
                if not rows.has(engine=name):
                    rows.add(engine=name, skipped=reason)
                continue
        for split, seed in _turns(task, entry, quick):
            if rows.has(engine=name, split=split, seed=seed):
                continue
            train, test = _parts(data, task, split, seed)
            with clock() as timed:
                found = evaluate(_fit(entry, data, train, peers, seed), train, test, task)
            rows.add(engine=name, split=split, seed=seed, **found, **timed.row())
            said = ", ".join(f"{key} {found[key]:.4f}" for key in _SAID[task])
            print(
                f"{name}, {split}, seed {seed}: {said}; {timed.wall:.1f} s",
                file=sys.stderr,
                flush=True,
            )


_SAID = {
    "rating": ("rmse", "mse", "mae"),
    "recommendation": ("accuracy", "auc"),
    "ranking": ("ndcg@10", "map@10"),
}


def _turns(task: Task, entry: Entry, quick: bool) -> list[tuple[str, int]]:
    """The (split, seed) pairs to measure an engine on."""
    if task == "ranking":
        return [("item-stratified", seed) for seed in SPLITS[: 1 if quick else entry.seeds]]
    if quick:
        return [("ua", 0)]
    return [("ua", seed) for seed in SEEDS[: entry.seeds]] + [(name, 0) for name in entry.folds]


def _parts(data: MovieLens, task: Task, split: str, seed: int) -> tuple[Ratings, Ratings]:
    return stratified_split(data.ratings, seed=seed) if task == "ranking" else data.split(split)


def _fit(entry: Entry, data: MovieLens, train: Ratings, peers: Peers | None, seed: int) -> Predict:
    if isinstance(entry.fit, str):
        assert peers is not None
        return peers.fit(entry.fit, train, seed=seed, **(entry.settings or {}))
    return entry.fit(data, train, seed)
