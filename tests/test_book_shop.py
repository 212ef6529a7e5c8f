"""A book shop's readers get books of their favourite genre, whatever the scale of the ratings.

Each engine is trained with its preset, adapted as a deployment adapts it, on what `recsys prepare`
wrote; lists are made as the page makes them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.__main__ import main
from recsys.deep_mf import hyperparameters as deep_mf
from recsys.deep_mf.training import train as train_deep_mf
from recsys.factorization_machines import hyperparameters as machines
from recsys.factorization_machines.training import train as train_machine
from recsys.lists.model import Catalogue
from recsys.lists.training import Interactions, Lists
from recsys.object2vec import hyperparameters as object2vec
from recsys.object2vec.records import Pairs, Sequences, read_pairs
from recsys.object2vec.training import Outcome
from recsys.object2vec.training import train as train_object2vec
from recsys.ranking import clipped_logit, popularity_adjusted
from stacks.hyperparameters import adapted
from tests.book_shop import KINDS, BookShop, Kind, book_shop

PRESETS = json.loads(
    (Path(__file__).resolve().parents[1] / "stacks" / "presets.json").read_text("utf-8")
)["default"]
JUDGED = 60  # readers
LEAST = 0.75  # the mean share of the favourite genre in a list
RATED = {"recommendation", "deep_mf", "factorization_machines"}

Scores = Callable[[int], NDArray[Any]]
"""Of a user's number: a score of each book."""


@dataclass(frozen=True)
class Prepared:
    """A shop's data, prepared; `users` are numbers by id, `books` ids in the order of numbers.

    `known` has the pairs that were read before, by task and channel.
    """

    shop: BookShop
    folder: Path
    manifest: dict[str, Any]
    users: dict[str, int]
    numbers: NDArray[np.int32]
    books: list[str]
    known: dict[tuple[str, str], Pairs] = field(default_factory=dict)

    def file(self, key: str) -> Path:
        return self.folder / "bucket" / key

    def preset(self, name: str, **more: Any) -> dict[str, Any]:
        scale = self.manifest["scale"]
        values = adapted(
            name,
            PRESETS[name],
            self.manifest["users"],
            self.manifest["train"],
            scale["most"] - scale["least"],
        )
        return {**values, **more}

    def pairs(self, task: str, channel: str) -> Pairs | None:
        """Of a channel, if there is one; `everything` is for a second training, or the only one."""
        keys = self.manifest["keys"]
        files = {name: [key] for name, key in keys["input"][task].items()}
        files["everything"] = [*files["train"], keys["rest"][task]]
        if channel not in files:
            return None
        if (task, channel) not in self.known:
            settings = object2vec.parse(self.preset(task, **self.manifest["object2vec"]))
            self.known[task, channel] = read_pairs(map(self.file, files[channel]), settings)
        return self.known[task, channel]


@pytest.fixture(scope="module", params=KINDS)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("shop")
    shop = book_shop(folder / "data", kind)
    out = folder / "out"
    assert main(["prepare", "--data", str(folder / "data"), "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    ids = json.loads((out / "bucket" / manifest["keys"]["ids"]).read_text("utf-8"))
    books = sorted(ids["items"], key=ids["items"].get)
    numbers = np.array([ids["items"][book] for book in books], np.int32)
    return Prepared(shop, out, manifest, ids["users"], numbers, books)


def tokens(numbers: NDArray[Any]) -> Sequences:
    return Sequences(numbers.astype(np.int32), np.arange(len(numbers) + 1, dtype=np.int64))


def by_object2vec(task: str) -> Callable[[Prepared], Scores]:
    models: dict[tuple[Any, ...], tuple[Outcome, Pairs]] = {}  # by what they are trained with

    def trained(data: Prepared) -> tuple[Outcome, Pairs]:
        preset = data.preset(task, **data.manifest["object2vec"])
        files = [
            *data.manifest["keys"]["input"][task].values(),
            data.manifest["keys"]["rest"][task],
        ]
        key = (
            *sorted(preset.items()),
            *(sha256(data.file(one).read_bytes()).digest() for one in files),
        )
        if key in models:  # some scales differ in the ratings alone
            return models[key]
        train, everything = data.pairs(task, "train"), data.pairs(task, "everything")
        assert train is not None and everything is not None
        if (validation := data.pairs(task, "validation")) is not None:
            judged = train_object2vec(object2vec.parse(preset), train, validation)
            assert judged is not None
            preset["epochs"] = str(judged.best)
        found = train_object2vec(object2vec.parse(preset), everything)
        assert found is not None
        models[key] = found, train
        return models[key]

    def fit(data: Prepared) -> Scores:
        found, train = trained(data)
        counts = np.bincount(train.in1.tokens, minlength=1 + int(data.numbers.max()))

        def scores(user: int) -> NDArray[Any]:
            users = np.full(len(data.numbers), user)
            chances: NDArray[Any] = found.scorer.scores(tokens(users), tokens(data.numbers))[:, -1]
            if task == "recommendation":
                return chances
            return popularity_adjusted(clipped_logit(chances), counts[data.numbers])

        return scores

    return fit


def by_deep_mf(data: Prepared) -> Scores:
    train = data.pairs("rating", "train")
    assert train is not None
    settings = deep_mf.parse(data.preset("deep_mf"))
    model = train_deep_mf(settings, train.in0.tokens, train.in1.tokens, train.labels)
    return lambda user: model.predict(np.full(len(data.numbers), user), data.numbers)


def by_machine(data: Prepared) -> Scores:
    train = data.pairs("rating", "train")
    assert train is not None
    users, items = data.manifest["object2vec"].values()

    def features(user: NDArray[Any], item: NDArray[Any]) -> csr_array:
        columns = np.stack([user, item + users], axis=1).ravel()
        ends = np.arange(0, len(columns) + 1, 2)
        shape = len(user), users + items
        return csr_array((np.ones(len(columns), np.float32), columns, ends), shape=shape)

    preset = data.preset("factorization_machines", feature_dim=str(users + items))
    model = train_machine(
        machines.parse(preset), features(train.in0.tokens, train.in1.tokens), train.labels
    )
    return lambda user: model.scores(features(np.full(len(data.numbers), user), data.numbers))


def by_lists(data: Prepared) -> Scores:
    with np.load(data.file(data.manifest["keys"]["interactions"])) as rows:
        user, item, value, stamp = (rows[name] for name in ("user", "item", "value", "timestamp"))
    count = len(data.books)
    unknown = np.zeros(count, np.int32)
    place = np.searchsorted(data.numbers, item)
    catalogue = Catalogue(tuple(data.books), ("",) * count, unknown, unknown.astype(np.uint64), ())
    model = Lists().fit(Interactions(user, place, value, stamp, catalogue)).model_
    order = np.argsort(stamp, kind="stable")
    places = {label: k for k, label in enumerate(model.catalogue.ids)}
    at = np.array([places[book] for book in data.books])

    def scores(number: int) -> NDArray[Any]:
        theirs = order[user[order] == number]
        events = [(places[data.books[place[row]]], float(value[row])) for row in theirs]
        found: NDArray[Any] = model.scores(model.history(events))[at]
        return found

    return scores


ENGINES: dict[str, Callable[[Prepared], Scores]] = {
    "recommendation": by_object2vec("recommendation"),
    "retrieval": by_object2vec("retrieval"),
    "deep_mf": by_deep_mf,
    "factorization_machines": by_machine,
    "lists": by_lists,
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_lists_hold_the_readers_favourite_genre(prepared: Prepared, engine: str) -> None:
    """Of the lists of 60 readers, the mean share of the favourite genre is at least LEAST.

    Chance gives an eighth. The lists are the ten best of all books, without those of the reader,
    which the test leaves out as the page does; at least 100 different books are in them.
    """
    if engine in RATED and prepared.manifest["scale"]["events"]:
        pytest.skip("there are no ratings to learn from")
    shop, score = prepared.shop, ENGINES[engine](prepared)
    readers = np.random.default_rng(1).choice(sorted(prepared.users), JUDGED, replace=False)
    shares, books = [], set()
    for reader in readers.tolist():
        best = np.argsort(-score(prepared.users[reader]), kind="stable")
        named = [prepared.books[place] for place in best.tolist()]
        top = [book for book in named if book not in shop.read[reader]][:10]
        shares.append(np.mean([shop.genre[book] == shop.favourite[reader] for book in top]))
        books |= set(top)
    print(f"{engine}: {np.mean(shares):.2f} of the favourite genre, {len(books)} books")
    assert np.mean(shares) >= LEAST
    assert len(books) >= 100
