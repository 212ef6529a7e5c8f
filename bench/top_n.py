"""Top-10 recommendation on MovieLens 100k, by the protocol of Microsoft's Recommenders.

    python -m bench.top_n --data FOLDER/ml-100k [--out top_n.json]

Item-stratified 75/25 split, seed 42 and five more; every test rating is relevant; what a user has
rated in training is not recommended. SAR with its published settings is run only to prove that the
split is theirs: its published nDCG@10 is 0.393819.
Their table: https://github.com/recommenders-team/recommenders/tree/main/examples/06_benchmarks
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from recsys.datasets.ratings import Ratings
from recsys.datasets.readers import read_100k_ratings
from recsys.item_models import Cosine, Ease
from recsys.metrics import ranking_metrics, top_k
from recsys.protocols import matrix, stratified_split

SEEDS = (42, 43, 44, 45, 46, 47)
K = 10
PUBLISHED = {"SAR": 0.393819, "BPR": 0.4450, "LightGCN (GPU)": 0.4198, "BiVAE (GPU)": 0.4751}

Scores = Any  # (users, items)
Shape = tuple[int, int]


def popularity(train: Ratings, shape: Shape) -> Scores:
    """The number of ratings."""
    return np.tile(np.bincount(train.item, minlength=shape[1]).astype(float), (shape[0], 1))


def sar(train: Ratings, shape: Shape) -> Scores:
    """Jaccard similarity, ratings halved every 30 days: the published configuration."""
    taken = matrix(train, np.ones(len(train)), *shape)
    shared = np.asarray((taken.T @ taken).toarray())
    users = np.diag(shared)
    either = users[:, None] + users[None, :] - shared
    similar = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    age = (train.timestamp.max() - train.timestamp) / (30 * 24 * 60 * 60)
    return matrix(train, train.rating * 0.5**age, *shape) @ similar


def cosine(train: Ratings, shape: Shape) -> Scores:
    """Cosine with shrinkage."""
    taken = matrix(train, np.ones(len(train)), *shape)
    return Cosine(shrinkage=10).fit(taken).score(taken)


def ease(train: Ratings, shape: Shape) -> Scores:
    """EASE on who rated what."""
    taken = matrix(train, np.ones(len(train)), *shape)
    return Ease(400, dropout=0).fit(taken).score(taken)


def edlae(train: Ratings, shape: Shape) -> Scores:
    """EDLAE, a rating of r weighing (r / 5)^0.2."""
    interest = matrix(train, (train.rating / 5) ** 0.2, *shape)
    return Ease(300, dropout=0.2).fit(interest).score(interest)


ENGINES: dict[str, Callable[[Ratings, Shape], Scores]] = {
    "popularity": popularity,
    "SAR": sar,
    "cosine": cosine,
    "EASE": ease,
    "rating-weighted EDLAE": edlae,
}


def run(data_folder: Path) -> list[dict[str, Any]]:
    """One row for each engine: nDCG@10 and MAP@10 at seed 42, mean and spread over the seeds.

    Args:
        data_folder: MovieLens 100k, with `u.data`.
    """
    (ratings,) = read_100k_ratings(data_folder / "u.data")
    shape = (int(ratings.user.max()) + 1, int(ratings.item.max()) + 1)
    splits = [stratified_split(ratings, seed=seed) for seed in SEEDS]
    rows = []
    for name, engine in ENGINES.items():
        figures, seconds = [], []
        for train, test in splits:
            started = time.process_time()
            scores = np.array(engine(train, shape))
            seconds.append(time.process_time() - started)
            scores[train.user, train.item] = -np.inf
            relevant: csr_array = matrix(test, np.ones(len(test)), *shape)
            found = ranking_metrics(top_k(scores, K), relevant, (K,))
            figures.append((found[f"ndcg@{K}"], found[f"map@{K}"]))
        ndcg, average_precision = np.transpose(figures)
        rows.append(
            {
                "engine": name,
                "ndcg@10": round(float(ndcg[0]), 6),
                "map@10": round(float(average_precision[0]), 6),
                "ndcg@10 mean": round(float(ndcg.mean()), 4),
                "ndcg@10 spread": round(float(ndcg.std(ddof=1)), 4),
                "published ndcg@10": PUBLISHED.get(name),
                "cpu_seconds": round(float(np.median(seconds)), 2),
            }
        )
    rows += [
        {"engine": name, "published ndcg@10": figure}
        for name, figure in PUBLISHED.items()
        if name not in ENGINES
    ]
    return rows


def main() -> None:
    """Print the rows as JSON, and write them where `--out` says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="the folder of MovieLens 100k")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    options = parser.parse_args()
    text = json.dumps(run(options.data), indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
