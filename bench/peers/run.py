"""Runs in the peers' environment: `python run.py ENGINE SETTINGS FOLDER`.

Reads FOLDER/request.npz, writes FOLDER/predicted.npy and FOLDER/answer.json. Needs numpy, scipy and
the engine's package. Settings are those that its authors publish, unless given.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Arrays = dict[str, NDArray[Any]]
Answer = tuple[NDArray[Any], dict[str, Any]]


def surprise(request: Arrays, *, algorithm: str, seed: int = 0, **settings: Any) -> Answer:
    """NicolasHug/Surprise."""
    package = import_module("surprise")
    train = [request[f"train_{name}"].tolist() for name in ("user", "item", "rating")]
    data = package.Dataset(package.Reader(rating_scale=(1, 5)))
    known = data.construct_trainset([(*row, None) for row in zip(*train, strict=True)])
    if algorithm.startswith("SVD"):
        settings["random_state"] = seed
    started = time.perf_counter()
    model = getattr(package, algorithm)(**settings).fit(known)
    seconds = time.perf_counter() - started
    asked = zip(request["asked_user"].tolist(), request["asked_item"].tolist(), strict=True)
    return np.array([model.predict(user, item).est for user, item in asked]), {"seconds": seconds}


def _sets(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> Any:
    """The row's id and SVD++'s set of its columns, each member with the weight 1/sqrt(set size)."""
    met = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
    size = np.sqrt(np.maximum(np.asarray(met.sum(axis=1)).ravel(), 1))
    return sparse.csr_matrix(
        sparse.hstack([sparse.identity(shape[0]), sparse.diags(1 / size) @ met])
    )


def myfm(request: Arrays, *, seed: int = 0, iterations: int = 300) -> Answer:
    """tohtsky/myFM: ids and SVD++'s sets on both sides as relation blocks, 10 factors."""
    package = import_module("myfm")
    user, item = request["train_user"], request["train_item"]
    users, items = (
        int(max(request[f"train_{name}"].max(), request[f"asked_{name}"].max())) + 1
        for name in ("user", "item")
    )
    blocks = _sets(user, item, (users, items)), _sets(item, user, (items, users))

    def relations(part: str) -> Any:
        return [
            package.RelationBlock(request[f"{part}_{name}"].astype(np.int64), block)
            for name, block in zip(("user", "item"), blocks, strict=True)
        ]

    model = package.MyFMGibbsRegressor(rank=10, random_seed=seed)
    started = time.perf_counter()
    model.fit(
        None,
        request["train_rating"].astype(np.float64),
        relations("train"),
        group_shapes=[users, items, items, users],
        n_iter=iterations,
        n_kept_samples=iterations - 20,
    )
    seconds = time.perf_counter() - started
    return np.asarray(model.predict(None, relations("asked"))), {"seconds": seconds}


def implicit(request: Arrays, *, algorithm: str, seed: int = 0, **settings: Any) -> Answer:
    """benfred/implicit, on the binary matrix of rated items."""
    for name in ("implicit.cpu.als", "implicit.cpu.bpr"):
        import_module(name)
    user, item = request["train_user"], request["train_item"]
    shape = tuple(
        int(max(request[f"train_{name}"].max(), request[f"asked_{name}"].max())) + 1
        for name in ("user", "item")
    )
    taken = sparse.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=shape)
    modules = {"als": "AlternatingLeastSquares", "bpr": "BayesianPersonalizedRanking"}
    made = getattr(import_module(f"implicit.cpu.{algorithm}"), modules[algorithm])
    model = made(random_state=seed, num_threads=1, **settings)
    started = time.perf_counter()
    model.fit(taken, show_progress=False)
    seconds = time.perf_counter() - started
    scores = np.einsum(
        "ij,ij->i",
        model.user_factors[request["asked_user"]],
        model.item_factors[request["asked_item"]],
    )
    return scores, {"seconds": seconds}


def plain_object2vec(
    request: Arrays, *, seed: int = 0, epochs: int = 20, target: float = 0.0, device: str = "cpu"
) -> Answer:
    """The workshop's network for ratings, in plain PyTorch.

    The answer has each epoch's `mse` on the requested rows, and `seconds` from the start of
    training to the epoch's end. Stops at the first epoch whose MSE is at most `target`.
    """
    torch = import_module("torch")
    torch.manual_seed(seed)

    def ids(part: str) -> list[Any]:
        each = (request[f"{part}_{name}"].astype("int64") for name in ("user", "item"))
        return [torch.as_tensor(column, device=device) for column in each]

    train, asked = ids("train"), ids("asked")
    label = torch.as_tensor(request["train_rating"], device=device)
    users, items = (
        int(max(request[f"train_{name}"].max(), request[f"asked_{name}"].max())) + 1
        for name in ("user", "item")
    )
    nn = torch.nn
    encoders = nn.ModuleList(
        nn.Sequential(nn.Embedding(size, 300), nn.Linear(300, 1024)) for size in (users, items)
    )
    head = nn.Sequential(nn.Linear(4 * 1024, 256), nn.Tanh(), nn.Linear(256, 1)).to(device)
    encoders.to(device)
    optimizer = torch.optim.Adam([*encoders.parameters(), *head.parameters()], lr=0.001)

    def score(user: Any, item: Any) -> Any:
        a, b = encoders[0](user), encoders[1](item)
        return head(torch.cat([a * b, a, b, (a - b).abs()], dim=1))[:, 0]

    def judge() -> NDArray[Any]:
        with torch.no_grad():
            parts = zip(*(side.split(4096) for side in asked), strict=True)
            return np.asarray(torch.cat([score(*part) for part in parts]).cpu().numpy())

    curve: list[dict[str, float]] = []
    best, kept = np.inf, np.zeros(0)
    started, judging = time.perf_counter(), 0.0
    for _ in range(epochs):
        for rows in torch.randperm(len(label), device=device).split(64):
            optimizer.zero_grad()
            loss = ((score(train[0][rows], train[1][rows]) - label[rows]) ** 2).mean()
            loss.backward()
            optimizer.step()
        paused = time.perf_counter()
        predicted = judge()
        mse = float(np.mean((np.clip(predicted, 1, 5) - request["asked_rating"]) ** 2))
        judging += time.perf_counter() - paused
        curve.append({"mse": mse, "seconds": time.perf_counter() - started - judging})
        if mse < best:
            best, kept = mse, predicted
        if mse <= target:
            break
    return kept, {"curve": curve, "seconds": curve[-1]["seconds"]}


ENGINES: dict[str, Callable[..., Answer]] = {
    each.__name__: each for each in (surprise, myfm, implicit, plain_object2vec)
}


def main(engine: str, settings: str, folder: str) -> None:
    """Answer the request in `folder`."""
    with np.load(Path(folder) / "request.npz") as arrays:
        request = dict(arrays)
    predicted, told = ENGINES[engine](request, **json.loads(settings))
    np.save(Path(folder) / "predicted.npy", predicted)
    (Path(folder) / "answer.json").write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
