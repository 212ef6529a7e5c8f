"""Deep matrix factorization under the container contract.

It uses Object2Vec's input (JSON Lines of one-token `in0` and `in1` with a rating as `label`) and
response formats, so that a client of one can call the other. Genres come from a separate channel,
`movies`: a file in the format of MovieLens 100k's u.item.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.container.algorithms import Answer, Job
from recsys.deep_mf import hyperparameters
from recsys.deep_mf.scorer import Scorer
from recsys.errors import InputError
from recsys.object2vec import hyperparameters as object2vec
from recsys.object2vec import requests
from recsys.object2vec.records import Pairs, Sequences, read_pairs

_CHANNELS = ("train", "validation", "test", "movies")
_LONGEST = 3_000_000  # ids, as Object2Vec's vocabulary
_GENRES = 19
_MOVIE = re.compile(rf"([0-9]{{1,18}})(?:\|[^|]*){{4}}((?:\|[01]){{{_GENRES}}})")

# Lines of files and instances of requests are checked like Object2Vec's with one token per side.
_FORM = object2vec.parse(
    {
        "enc0_network": "pooled_embedding",
        "enc0_max_seq_len": 1,
        "enc0_vocab_size": _LONGEST,
        "output_layer": "mean_squared_error",
    }
)


class _Endpoint:
    """Adapts a scorer to the interface of Object2Vec's requests."""

    settings = _FORM

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def scores(self, in0: Sequences, in1: Sequences) -> NDArray[np.float32]:
        return self._scorer.predict(in0.tokens, in1.tokens)[:, None]

    def embed(self, side: int, sequences: Sequences) -> NDArray[np.float32]:
        table = (self._scorer.user, self._scorer.item)[side]
        ids = sequences.tokens
        return table[np.minimum(ids, len(table) - 1)]


def train(job: Job) -> None:
    """Train on `train` with the genres of `movies`; evaluate on `validation` and `test`."""
    problems: list[str] = []
    settings = hyperparameters.Hyperparameters()
    try:
        settings = hyperparameters.parse(job.hyperparameters)
    except InputError as error:
        problems += error.problems
    if "train" not in job.channels:
        problems.append("channel train: required, but not given")
    problems += [
        f"channel {name}: not one of {', '.join(_CHANNELS)}"
        for name in job.channels
        if name not in _CHANNELS
    ]
    if settings.genre_dim and "movies" not in job.channels:
        problems.append("genre_dim: needs the channel movies, with a file like u.item")
    if problems:
        raise InputError(problems)
    pairs: dict[str, Pairs] = {}
    genres = None
    for name, channel in job.channels.items():
        try:
            if name == "movies":
                genres = _genres(channel.files)
            else:
                pairs[name] = read_pairs(channel.files, _FORM)
                if not len(pairs[name]):
                    problems.append(f"channel {name}: no data in its files")
        except InputError as error:
            problems += [f"channel {name}: {problem}" for problem in error.problems]
    if problems:
        raise InputError(problems)

    # Importing JAX takes over a second, so check the input first.
    from recsys import compilation
    from recsys.deep_mf import training

    compilation.remember()

    def say(epoch: int, channel: str, mse: float) -> None:
        print(
            f"#quality_metric: host={job.host}, epoch={epoch}, "
            f"{channel} mean_squared_error <loss>={mse:.6g}",
            flush=True,
        )

    def ended(epoch: int, model: Scorer) -> None:
        for name, some in pairs.items():
            if name != "train":
                error = model.predict(some.in0.tokens, some.in1.tokens) - some.labels
                say(epoch, name, float(np.mean(error.astype(np.float64) ** 2)))

    def report(progress: training.Progress) -> None:
        print(
            f"epoch {progress.epoch}/{settings.epochs}: {progress.done / progress.ratings:.0%}, "
            f"training MSE {progress.loss:.4f}, {progress.ratings_a_second:,.0f} ratings/s, "
            f"{progress.seconds_left:.0f} s left",
            flush=True,
        )
        if progress.done == progress.ratings:
            say(progress.epoch, "train", progress.loss)

    known = pairs["train"]
    training.train(
        settings,
        known.in0.tokens,
        known.in1.tokens,
        known.labels,
        genres=genres,
        report=report,
        epoch_ends=ended,
        stop=job.stop,
    ).save(job.model)


def load(model: Path) -> Answer:
    """Load the model and return the function that answers requests."""
    return partial(requests.answer, _Endpoint(Scorer.load(model)))  # type: ignore[arg-type]


def _genres(files: tuple[Path, ...]) -> NDArray[np.uint8]:
    """Read genre flags by item id from files in u.item's format. Raises InputError."""
    problems: list[str] = []
    found: dict[int, list[int]] = {}
    for file in files:
        for number, line in enumerate(file.read_bytes().decode("latin-1").split("\n"), 1):
            if not line.strip():
                continue
            match = _MOVIE.fullmatch(line.rstrip("\r"))
            if match is None:
                problems.append(f"{file.name} line {number}: is not a line of u.item")
            elif (item := int(match[1])) >= _LONGEST:
                problems.append(f"{file.name} line {number}: id {item} is not below {_LONGEST}")
            else:
                found[item] = [int(flag) for flag in match[2].split("|")[1:]]
    if not found and not problems:
        problems.append("no data in its files")
    if problems:
        raise InputError(problems[:20])
    table = np.zeros((max(found) + 1, _GENRES), np.uint8)
    table[list(found)] = list(found.values())
    return table
