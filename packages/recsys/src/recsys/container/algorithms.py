"""The algorithms that can be trained and served, by name.

An algorithm is a module with two functions, which is imported on first use, so that serving does
not import what only training needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast


@dataclass(frozen=True)
class Channel:
    """A training job's input channel: its content type (None if not given) and its files."""

    content_type: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Job:
    """The inputs of an algorithm in a training job."""

    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    model: Path  # the folder for the model's files
    host: str
    stop: Callable[[], bool]  # whether the job was asked to stop early


class Train(Protocol):
    """Train and write the model's files; raises InputError if the user's input is invalid."""

    def __call__(self, job: Job) -> None:
        """Train."""


# Maps a request's body, Content-Type and Accept to the response's body and content type; raises
# InputError (400) and UnsupportedMediaType (415).
Answer = Callable[[bytes, str | None, str | None], tuple[bytes, str]]


class Load(Protocol):
    """Read the model's files and return the function that answers requests."""

    def __call__(self, model: Path) -> Answer:
        """Load."""
        ...


_MODULES = {
    "deep-matrix-factorization": "recsys.container.deep_mf",
    "factorization-machines": "recsys.container.factorization_machines",
    "object2vec": "recsys.container.object2vec",
}


def names() -> list[str]:
    """The names of all algorithms."""
    return sorted(_MODULES)


def trainer(algorithm: str) -> Train:
    """The training function of an algorithm."""
    return cast(Train, import_module(_MODULES[algorithm]).train)


def loader(algorithm: str) -> Load:
    """The loading function of an algorithm."""
    return cast(Load, import_module(_MODULES[algorithm]).load)
