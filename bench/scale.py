"""How training time grows with the ratings, in the shape of MovieLens 20M.

The ratings are drawn at random: this is about speed, and says nothing about accuracy.
"""

import os
import resource
import time
from typing import Any

import numpy as np

USERS, ITEMS = 138_493, 26_744


def run(ratings: int = 20_000_000) -> list[dict[str, Any]]:
    """Seconds of an epoch of deep matrix factorization, at a tenth of `ratings` and at all.

    Nineteen of twenty are trained on, as in the workshop. The second epoch is timed, for the first
    compiles.
    """
    from recsys.deep_mf import hyperparameters
    from recsys.deep_mf.training import train

    rows = []
    for size in (ratings // 10, ratings):
        random = np.random.default_rng(0)
        count = size * 19 // 20
        user = random.integers(0, USERS, count).astype(np.int32)
        item = (random.zipf(1.3, count) % ITEMS).astype(np.int32)
        user[0], item[0] = USERS - 1, ITEMS - 1
        rating = random.integers(1, 6, count).astype(np.float32)
        at: list[tuple[float, float]] = []
        train(
            hyperparameters.parse({"epochs": 2}),
            user,
            item,
            rating,
            epoch_ends=lambda *_: at.append((time.perf_counter(), time.process_time())),  # noqa: B023
        )
        wall, cpu = (float(b - a) for a, b in zip(*at, strict=True))
        rows.append(
            {
                "engine": "deep matrix factorization",
                "ratings": count,
                "wall": wall,
                "cpu": cpu,
                "load": os.getloadavg()[0],
                "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            }
        )
    return rows
