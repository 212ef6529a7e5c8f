"""The trained model of lists: scoring and serialization, with numpy only.

Items are identified by their places 0 … m − 1; `ListModel.place` looks up a place by original id.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.fields import LEAST_INTEREST
from recsys.lists.blend import Blend, Floats, Places, moments, standardized

VERSION: Final = 1
"""The artifact's version; it changes with incompatible formats."""


_GENRES: Final = 64  # that an item's bits have place for
_SMALL: Final = 4_000  # items of a matrix that is unpacked, to 64 MB
_FULL: Final = 20  # of so many entries, one must be kept


@dataclass(frozen=True, eq=False)
class Pruned:
    """The strongest entries of an items × items matrix: compressed rows of 8-bit numbers.

    Attributes:
        indptr: int64[items + 1].
        indices: the entries' columns, uint16 or uint32.
        data: the entries in units of their row's scale, int8.
        scale: float32[items].
    """

    indptr: NDArray[np.int64]
    indices: NDArray[Any]
    data: NDArray[np.int8]
    scale: NDArray[np.float32]

    def sum_rows(self, rows: NDArray[Any], weights: NDArray[Any], columns: int) -> Floats:
        """The weighted sum of some rows, float64[columns]."""
        if self._dense is not None:
            return np.asarray(weights.astype(np.float32) @ self._dense[rows], np.float64)
        entries, counts = self._entries(rows)
        values = self.data[entries] * np.repeat(weights * self.scale[rows], counts)
        return np.bincount(self.indices[entries], values, columns).astype(np.float64, copy=False)

    def at(self, rows: NDArray[Any], columns: Places) -> Floats:
        """The entries of some rows in some columns, float64[rows, columns]."""
        if self._dense is not None:
            return np.asarray(self._dense[np.ix_(rows, columns)], np.float64)
        wanted = np.full(len(self.scale), -1, np.int64)
        wanted[columns] = np.arange(len(columns))
        entries, counts = self._entries(rows)
        place = wanted[self.indices[entries]]
        hit = place >= 0
        found = np.zeros((len(rows), len(columns)))
        row = np.repeat(np.arange(len(rows)), counts)[hit]
        found[row, place[hit]] = self.data[entries[hit]] * self.scale[rows[row]]
        return found

    def dense(self) -> NDArray[np.float32]:
        """The whole matrix, float32[items, items]."""
        counts = np.diff(self.indptr)
        whole = np.zeros((len(self.scale), len(self.scale)), np.float32)
        row = np.repeat(np.arange(len(self.scale)), counts)
        whole[row, self.indices] = self.data * np.repeat(self.scale, counts)
        return whole

    @cached_property
    def _dense(self) -> NDArray[np.float32] | None:
        """The whole matrix, whose sums are faster, if it is small and not sparse."""
        items = len(self.scale)
        return self.dense() if items <= _SMALL and len(self.data) * _FULL >= items**2 else None

    def _entries(self, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first = self.indptr[rows]
        counts = self.indptr[rows + 1] - first
        starts = np.cumsum(counts) - counts
        return np.arange(int(counts.sum())) + np.repeat(first - starts, counts), counts


_PARTS: Final = tuple(part.name for part in fields(Pruned))


class History(NamedTuple):
    """A user's items, oldest first, each item once.

    Attributes:
        items: places, int64[n].
        interest: interest in each item, float64[n], positive.
    """

    items: Places
    interest: Floats


@dataclass(frozen=True, eq=False)
class ItemWeights:
    """Scores by item-to-item weights and next-item transitions.

    Attributes:
        together: the item-to-item model.
        follows: the next-item model.
        blend: the settings that combine both.
    """

    together: Pruned
    follows: Pruned
    blend: Blend

    def scores(self, history: History, items: int) -> Floats:
        """Score every item, float64[items]."""
        age = np.arange(len(history.items))[::-1]
        return self.blend.score(
            self.together, self.follows, history.items, history.interest, age, items
        )

    def shares(self, history: History, chosen: Places, items: int) -> Floats:
        """The contribution of each item of the history to each chosen item's score, (n, chosen)."""
        rows, age = history.items, np.arange(len(history.items))[::-1]
        shares = np.zeros((len(rows), len(chosen)))
        parts = (
            (self.together, self.blend.weights(history.interest, age), 1.0),
            (self.follows, self.blend.next_weights(age), self.blend.next_item),
        )
        for matrix, weight, factor in parts:
            used = weight > 0
            if used.any() and factor:
                felt, weight = rows[used], weight[used]
                _, spread = moments(matrix.sum_rows(felt, weight, items))
                shares[used] += factor * weight[:, None] * matrix.at(felt, chosen) / spread
        return shares


@dataclass(frozen=True, eq=False)
class ItemFactors:
    """Scores by items' vectors and a user's, which is solved from the history at each call.

    With the items' vectors y, the user's minimizes Σ c_i (p_i − x·y_i)² + regularization · n · x·x,
    where p_i is 1 for the n items of the history and else 0, and c_i = 1 + alpha · interest or 1:
    as Spark's MLlib does while it trains.

    Source: Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008.

    Attributes:
        vectors: float32[items, factors]; 0 for items that were not learned.
        regularization: of a vector, times the number of its rows.
        alpha: of the confidence.
    """

    vectors: NDArray[np.float32]
    regularization: float
    alpha: float

    def scores(self, history: History, items: int) -> Floats:
        """Score every item, float64[items]."""
        each = self._each(history)
        return np.asarray(self.vectors @ each.sum(axis=0).astype(np.float32), np.float64)

    def shares(self, history: History, chosen: Places, items: int) -> Floats:
        """The contribution of each item of the history to each chosen item's score, (n, chosen)."""
        return np.asarray(self._each(history) @ self.vectors[chosen].T, np.float64)

    def _each(self, history: History) -> Floats:
        """What each item of the history adds to the user's vector, float64[n, factors]."""
        taken = self.vectors[history.items].astype(np.float64)
        extra = self.alpha * history.interest
        penalty = self.regularization * len(taken) * np.eye(taken.shape[1])
        left = self._gram + taken.T @ (extra[:, None] * taken) + penalty
        return np.asarray(np.linalg.solve(left, ((1 + extra)[:, None] * taken).T).T, np.float64)

    @cached_property
    def _gram(self) -> Floats:
        return np.asarray(self.vectors.T @ self.vectors, np.float64)


class Reason(NamedTuple):
    """An item of the history, and its contribution to a score."""

    item: int
    share: float


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Metadata of the items, in the order of their places.

    Attributes:
        ids: original ids.
        titles: empty if unknown.
        years: int32, 0 if unknown.
        genres: for each item, bits of `genre_names`, uint64.
        genre_names: at most 64 names.
        attributes: what else is known of each item, such as its author: values by name.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    years: NDArray[np.int32]
    genres: NDArray[np.uint64]
    genre_names: tuple[str, ...]
    attributes: tuple[Mapping[str, Sequence[str]], ...] = ()

    @classmethod
    def of(cls, items: Sequence[Mapping[str, Any]]) -> "Catalogue":
        """The catalogue of items in the form of catalogue.json, in the order of their places.

        Raises:
            KeyError: an item has no `id`, `title`, `year` or `genres`.
        """
        names = sorted({name for one in items for name in one["genres"]})[:_GENRES]
        bit = {name: 1 << number for number, name in enumerate(names)}
        flags = [sum(bit.get(name, 0) for name in set(one["genres"])) for one in items]
        return cls(
            ids=tuple(str(one["id"]) for one in items),
            titles=tuple(one["title"] or "" for one in items),
            years=np.array([one["year"] or 0 for one in items], np.int32),
            genres=np.array(flags, np.uint64),
            genre_names=tuple(names),
            attributes=tuple(one.get("attributes", {}) for one in items),
        )

    def attributes_of(self, place: int) -> Mapping[str, Sequence[str]]:
        """An item's attributes."""
        return self.attributes[place] if self.attributes else {}

    def with_any(self, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
        """A mask of the items whose attribute has one of the values; case does not matter."""
        mask = np.zeros(len(self.ids), bool)
        for value in values:
            mask[self._places.get((name.lower(), value.lower()), [])] = True
        return mask

    @cached_property
    def _places(self) -> dict[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for place, attributes in enumerate(self.attributes):
            for name, values in attributes.items():
                for value in values:
                    found.setdefault((name.lower(), value.lower()), []).append(place)
        return found

    def genres_of(self, place: int) -> list[str]:
        """The names of an item's genres."""
        bits = int(self.genres[place])
        return [name for bit, name in enumerate(self.genre_names) if bits >> bit & 1]


@dataclass(frozen=True, eq=False)
class ListModel:
    """A trained recommender.

    Attributes:
        scorer: the trained weights or factors, which score items for a history.
        counts: number of users of each item, float64[m].
        trending: the same, weighted by recency.
        largest: the largest event value in the training data, 0 if events have no values.
        power: an event of value v has the weight (v / largest) ** power.
        catalogue: metadata of the m items.
        about: the training's metrics and chosen settings, for people.
    """

    scorer: ItemWeights | ItemFactors
    counts: Floats
    trending: Floats
    largest: float
    power: float
    catalogue: Catalogue
    about: Mapping[str, Any] = field(default_factory=dict)
    _places: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        places = {label: place for place, label in enumerate(self.catalogue.ids)}
        object.__setattr__(self, "_places", places)

    def __len__(self) -> int:
        return len(self.counts)

    def blended(self, half_life: float | None, next_item: float | None) -> "ListModel":
        """The same model with other settings of `Blend`; None keeps a setting.

        Raises:
            ValueError: the model is of factors, which have none.
        """
        if half_life is None and next_item is None:
            return self
        if isinstance(self.scorer, ItemFactors):
            raise ValueError("a model of factors has neither half_life nor next_item")
        blend = Blend(
            self.scorer.blend.half_life if half_life is None else half_life,
            self.scorer.blend.next_item if next_item is None else next_item,
        )
        return replace(self, scorer=replace(self.scorer, blend=blend))

    def place(self, label: str) -> int | None:
        """An item's place by its original id, or None if the item is not in the model."""
        return self._places.get(label)

    def interest(self, value: float | None) -> float:
        """The weight of an event with the given value, such as a rating, or without one."""
        if value is None or value <= 0 or self.largest <= 0:
            return 1.0 if value is None or self.largest <= 0 else LEAST_INTEREST
        return float(min(value / self.largest, 1.0) ** self.power)

    def history(self, events: Sequence[tuple[int, float | None]]) -> History:
        """Build a history from (place, value) of events, oldest first; an item's latest counts."""
        newest: dict[int, float] = {}
        for item, value in events:
            newest.pop(item, None)
            newest[item] = self.interest(value)
        return History(
            np.fromiter(newest.keys(), np.int64, len(newest)),
            np.fromiter(newest.values(), np.float64, len(newest)),
        )

    def scores(self, history: History) -> Floats:
        """Score every item, float64[m]; popularity and trend for an empty history."""
        if not len(history.items):
            return standardized(np.log1p(self.counts)) + standardized(np.log1p(self.trending))
        return self.scorer.scores(history, len(self))

    def reasons(self, history: History, chosen: Places, most: int = 3) -> list[list[Reason]]:
        """For each chosen item, the history's items with the largest contributions, largest first.

        The model is linear: the contributions of a history add up to the score, up to a constant
        that is the same for all items.
        """
        shares = self.shares(history, chosen)
        found = []
        for column in range(len(chosen)):
            order = np.argsort(-shares[:, column], kind="stable")[:most]
            found.append(
                [
                    Reason(int(history.items[row]), float(shares[row, column]))
                    for row in order
                    if shares[row, column] > 0
                ]
            )
        return found

    def shares(self, history: History, chosen: Places) -> Floats:
        """The contribution of each item of the history to each chosen item's score, (n, chosen)."""
        return self.scorer.shares(history, chosen, len(self))

    def best(
        self,
        scores: Floats,
        count: int,
        allowed: NDArray[np.bool_] | None = None,
        without: Places | None = None,
    ) -> Places:
        """Places of the `count` best items, best first; fewer if fewer are allowed.

        Args:
            scores: float64[m].
            count: the number of items.
            allowed: bool[m], None for all.
            without: places to exclude.
        """
        candidates = scores if allowed is None else np.where(allowed, scores, -np.inf)
        if without is not None and len(without):
            candidates = candidates.copy() if candidates is scores else candidates
            candidates[without] = -np.inf
        count = min(count, len(candidates))
        part = np.argpartition(-candidates, count - 1)[:count]
        part.sort()  # equal scores: the lower place first
        part = part[np.argsort(-candidates[part], kind="stable")]
        return part[candidates[part] > -np.inf].astype(np.int64)

    def allowed(
        self,
        genres: Sequence[str] = (),
        years: tuple[int | None, int | None] = (None, None),
        attributes: Mapping[str, Sequence[str]] | None = None,
    ) -> NDArray[np.bool_] | None:
        """A mask of the items with any of the genres and a year within the inclusive range.

        Of each attribute an item must have one of the values. Items without a year match no
        range. None if all items match.
        """
        passed: NDArray[np.bool_] | None = None
        if genres:
            names = {name.lower(): bit for bit, name in enumerate(self.catalogue.genre_names)}
            bits = sum(1 << names[name.lower()] for name in set(genres) if name.lower() in names)
            passed = (self.catalogue.genres & np.uint64(bits)) > 0
        low, high = years
        if low is not None or high is not None:
            year = self.catalogue.years
            within = (year > 0) & (year >= (low or 1)) & (year <= (high or 1 << 30))
            passed = within if passed is None else passed & within
        for name, values in (attributes or {}).items():
            having = self.catalogue.with_any(name, values)
            passed = having if passed is None else passed & having
        return passed

    def to_bytes(self) -> bytes:
        """Serialize the artifact: a `.npz` file, whose entry `about` is JSON."""
        catalogue, scorer = self.catalogue, self.scorer
        if isinstance(scorer, ItemFactors):
            settings: dict[str, float | None] = {
                "regularization": scorer.regularization,
                "alpha": scorer.alpha,
            }
            trained: dict[str, NDArray[Any]] = {"vectors": scorer.vectors}
        else:
            life = scorer.blend.half_life
            settings = {
                "half_life": None if np.isinf(life) else life,
                "next_item": scorer.blend.next_item,
            }
            trained = {
                f"{kind}_{name}": getattr(matrix, name)
                for kind, matrix in (("together", scorer.together), ("follows", scorer.follows))
                for name in _PARTS
            }
        about = {
            "version": VERSION,
            **settings,
            "largest": self.largest,
            "power": self.power,
            "ids": catalogue.ids,
            "titles": catalogue.titles,
            "genre_names": catalogue.genre_names,
            "attributes": [dict(one) for one in catalogue.attributes],
            "about": dict(self.about),
        }
        arrays = {
            **trained,
            "counts": self.counts.astype(np.float32),
            "trending": self.trending.astype(np.float32),
            "years": catalogue.years,
            "genres": catalogue.genres,
            "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
        }
        written = io.BytesIO()
        np.savez(written, allow_pickle=False, **arrays)
        return written.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ListModel":
        """Load what `to_bytes` wrote.

        Raises:
            ValueError: the content is not such an artifact, or has another version.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                read = {name: arrays[name] for name in arrays.files}
            about = json.loads(read["about"].tobytes())
            version = about["version"]
        except Exception as error:
            raise ValueError(f"not a model of lists: {error!r}") from None
        if version != VERSION:
            raise ValueError(f"the model has version {version}, but {VERSION} is required")
        scorer: ItemWeights | ItemFactors
        if "vectors" in read:
            scorer = ItemFactors(read["vectors"], about["regularization"], about["alpha"])
        else:
            half_life = np.inf if about["half_life"] is None else about["half_life"]
            together, follows = (
                Pruned(*(read[f"{kind}_{name}"] for name in _PARTS))
                for kind in ("together", "follows")
            )
            scorer = ItemWeights(together, follows, Blend(half_life, about["next_item"]))
        return cls(
            scorer=scorer,
            counts=read["counts"].astype(np.float64),
            trending=read["trending"].astype(np.float64),
            largest=about["largest"],
            power=about["power"],
            catalogue=Catalogue(
                ids=tuple(about["ids"]),
                titles=tuple(about["titles"]),
                years=read["years"],
                genres=read["genres"],
                genre_names=tuple(about["genre_names"]),
                attributes=tuple(about.get("attributes", ())),
            ),
            about=about["about"],
        )
