"""The estimator of lists: an item-to-item model and transitions, tuned by nested validation.

lists = Lists().fit(interactions)
lists.model_.scores(history)
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.errors import InputError
from recsys.fields import TREND
from recsys.item_models import Ease, Transitions, gram
from recsys.lists.blend import Blend, Floats
from recsys.lists.model import Catalogue, ItemWeights, ListModel, Pruned
from recsys.metrics import ndcg, top_k

Validation = Literal["newest", "random"]

MOST_ENTRIES: Final = 6_000_000  # entries of a pruned matrix: 18 MB
MOST_FOLLOWERS: Final = 2_000_000
_TUNED_ITEMS: Final = 2_000  # the most taken items, on which settings are chosen
_JUDGED: Final = 2_000  # users for evaluation
_CUTOFF: Final = 10
_FEW: Final = 1_000_000  # interactions
_KEPT: Final = 0.998  # share of the validation's nDCG that pruning must keep
_KEPT_COVERAGE: Final = 0.98  # the same of the number of items in the lists
_ROWS: Final = 512  # rows of a dense matrix pruned at a time

# Neighbouring values are tried in turn, as long as they improve the result.
GRID: Final[Mapping[str, tuple[float, ...]]] = {
    "regularization": (20, 50, 100, 150, 200, 300, 450, 700, 1000, 1500, 2500, 5000),
    "dropout": (0.0, 0.1, 0.2, 0.33, 0.5, 0.67),
    "power": (0.0, 0.2, 0.5, 1.0),
    "half_life": (2.5, 5.0, 10.0, 20.0, 50.0, 100.0, 1e9),
    "next_item": (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5),
}


@dataclass(frozen=True, eq=False)
class Interactions:
    """Interactions of users with items; all arrays have the same length.

    Attributes:
        user: users' integers.
        item: items' integers, places in `catalogue`.
        value: float32, a positive rating or strength; NaN if there is none.
        timestamp: seconds since 1970.
        catalogue: metadata of all items.
    """

    user: NDArray[np.integer]
    item: NDArray[np.integer]
    value: NDArray[np.float32]
    timestamp: NDArray[np.int64]
    catalogue: Catalogue


@dataclass(frozen=True)
class Settings:
    """The settings that nested validation chooses.

    Attributes:
        regularization, dropout: as in `recsys.item_models.Ease`.
        power: an event of value v has the weight (v / largest value) ** power.
        half_life, next_item: as in `recsys.lists.blend.Blend`.
    """

    regularization: float = 300.0
    dropout: float = 0.33
    power: float = 0.2
    half_life: float = 50.0
    next_item: float = 0.25

    @property
    def blend(self) -> Blend:
        """The settings that scoring needs."""
        return Blend(self.half_life, self.next_item)


_START: Final[Mapping[Validation, Settings]] = {
    # the local Personalize's strongest recipe, which predicts what comes next, too
    "newest": Settings(150.0, 0.5, 0.5, half_life=10.0, next_item=0.75),
    # the order does not predict random held-out interactions
    "random": Settings(half_life=1e9, next_item=0.0),
}
"""Where the search for settings begins; chosen on MovieLens 100k."""


class _Outcome(NamedTuple):
    """The nDCG of each evaluated user, and the number of different items in all lists."""

    ndcg: Floats
    coverage: float


class _Rows(NamedTuple):
    """Interactions sorted by user, then by time, with each item of a user once."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    value: NDArray[np.float64]
    timestamp: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> "_Rows":
        return _Rows(*(column[rows] for column in self))


class Lists:
    """Trains models of lists on interactions.

    Args:
        validation: the held-out part of the training data for choosing settings: each user's
            `newest` tenth, or a `random` quarter of each item's interactions. Lists predict what
            comes next, so a deployment uses the first; the second is for data that were split at
            random.
        settings: fixed settings, instead of those that validation would choose.
        most_items: the limit to the most taken items; the item-to-item matrix needs 4 bytes per
            pair.
        seed: the random seed.

    Attributes:
        model_: the trained `ListModel`. Set by `fit`.
        settings_: the chosen settings.
        metrics_: metrics on the validation's interactions, duration and size.
    """

    def __init__(
        self,
        *,
        validation: Validation = "newest",
        settings: Settings | None = None,
        most_items: int = 30_000,
        seed: int = 0,
    ) -> None:
        self.validation = validation
        self.settings = settings
        self.most_items = most_items
        self.seed = seed

    def fit(self, interactions: Interactions) -> Self:
        """Train on interactions.

        Raises:
            InputError: there are no interactions.
        """
        began = time.perf_counter()
        rows = _ordered(interactions)
        if not len(rows.user):
            raise InputError("there are no interactions to train on")
        learned, place = _most_taken(rows.item, len(interactions.catalogue.ids), self.most_items)
        rows = _placed(rows, place)
        self.metrics_: dict[str, float] = {}
        kept = 1.0
        search = _Search(rows, len(learned), self.validation, self.seed)
        self.settings_ = self.settings or _START[self.validation]
        if search.judged:
            if self.settings is None:
                self.settings_ = search.best(self.settings_)
            found, kept = search.pruning(self.settings_)
            self.metrics_ |= found
        self.metrics_["tuning_seconds"] = round(time.perf_counter() - began, 2)
        weights = self._learn(rows, len(learned), kept)
        self.model_ = self._model(weights, rows, interactions.catalogue, learned)
        self.metrics_ |= {
            "seconds": round(time.perf_counter() - began, 2),
            "users": len(np.unique(rows.user)),
            "items": len(learned),
            "interactions": len(rows.user),
            "items_left_out": len(np.unique(interactions.item)) - len(learned),
            "entries": len(weights.together.data),
        }
        about = {"settings": asdict(self.settings_), "validation": self.validation}
        self.model_ = replace(self.model_, about={**about, "metrics": self.metrics_})
        return self

    def _learn(self, rows: _Rows, items: int, kept: float) -> ItemWeights:
        settings = self.settings_
        # what is needed for one part is freed before the next, because both are large
        follows = _pruned_sparse(
            Transitions().fit(rows.user, rows.item, items).weights, MOST_FOLLOWERS
        )
        x = _matrix(rows, _strength(rows.value, settings.power), items)
        ease = Ease(settings.regularization, settings.dropout).fit(x[np.diff(x.indptr) > 0])
        together = _pruned_dense(ease.weights, min(int(kept * items * items), MOST_ENTRIES))
        return ItemWeights(together, follows, settings.blend)

    def _model(
        self, weights: ItemWeights, rows: _Rows, catalogue: Catalogue, learned: NDArray[np.int64]
    ) -> ListModel:
        items = len(learned)
        age = rows.timestamp.max() - rows.timestamp
        values = rows.value[np.isfinite(rows.value)]
        return ListModel(
            scorer=weights,
            counts=np.bincount(rows.item, minlength=items).astype(np.float64),
            trending=np.asarray(
                np.bincount(rows.item, 0.5 ** (age / TREND), minlength=items), np.float64
            ),
            largest=float(values.max()) if len(values) else 0.0,
            power=self.settings_.power,
            catalogue=Catalogue(
                ids=tuple(catalogue.ids[place] for place in learned),
                titles=tuple(catalogue.titles[place] for place in learned),
                years=catalogue.years[learned],
                genres=catalogue.genres[learned],
                genre_names=catalogue.genre_names,
                attributes=tuple(catalogue.attributes[place] for place in learned)
                if catalogue.attributes
                else (),
            ),
        )


class _Search:
    """Nested validation: chooses settings on held-out interactions of the training data.

    With more than `_TUNED_ITEMS` items, settings are chosen on the most taken ones only. Their
    matrix is a part of the full XᵀX, so the chosen settings have the same units.
    """

    def __init__(self, rows: _Rows, items: int, validation: Validation, seed: int) -> None:
        if items > _TUNED_ITEMS:
            _, place = _most_taken(rows.item, items, _TUNED_ITEMS)
            rows, items = _placed(rows, place), _TUNED_ITEMS
        self._items = items
        if validation == "newest":
            hidden = [_newest(rows)]
        else:  # small data are sampled several times, because one sample is too noisy
            draws = 3 if len(rows.user) < _FEW else 1
            hidden = [_random(rows, seed + draw) for draw in range(draws)]
        folds = [_Fold(rows, each, items, seed) for each in hidden]
        self._folds = [fold for fold in folds if fold.judged]
        self.judged = sum(fold.judged for fold in self._folds)
        self._tried: dict[Settings, _Outcome] = {}

    def best(self, start: Settings) -> Settings:
        """Hill-climb from `start`, one setting at a time, until no step is an improvement.

        A step is taken if it improves the users' nDCG by more than half its standard error;
        smaller differences are chance.
        """
        best = start
        for _ in range(3):
            before = best
            for name in ("next_item", "half_life", "regularization", "dropout", "power"):
                for step in (1, -1):
                    while other := _neighbour(best, name, step, self._better):
                        best = other
            if best == before:
                break
        return best

    def _better(self, other: Settings, best: Settings) -> bool:
        gain = self._outcome(other).ndcg - self._outcome(best).ndcg
        return bool(gain.mean() > 0.5 * gain.std() / np.sqrt(len(gain)))

    def _outcome(self, settings: Settings) -> _Outcome:
        if settings not in self._tried:
            self._tried[settings] = self._judged(settings)
        return self._tried[settings]

    def _judged(self, settings: Settings, entries: int | None = None) -> _Outcome:
        """Judge settings; with a number of entries, of the matrix that is pruned to these."""
        found = []
        for fold in self._folds:
            weights = fold.ease(settings)
            if entries is not None:
                weights = _pruned_dense(weights, entries).dense()
            found.append(fold.judge(settings, weights))
        return _Outcome(
            np.concatenate([one.ndcg for one in found]),
            float(np.mean([one.coverage for one in found])),
        )

    def pruning(self, settings: Settings) -> tuple[dict[str, float], float]:
        """The metrics with these settings, and the share of entries that nearly preserves them."""
        unpruned = self._outcome(settings)
        whole = float(unpruned.ndcg.mean())
        reached, share = whole, 1.0
        for each in (50, 100, 200, 400, 800):
            if each >= self._items:
                break
            entries = each * self._items
            pruned = self._judged(settings, entries)
            good = pruned.ndcg.mean() >= _KEPT * whole
            if good and pruned.coverage >= _KEPT_COVERAGE * unpruned.coverage:
                reached, share = float(pruned.ndcg.mean()), each / self._items
                break
        return {
            f"validation_ndcg@{_CUTOFF}": round(reached, 4),
            f"validation_ndcg@{_CUTOFF}_unpruned": round(whole, 4),
            f"validation_ndcg@{_CUTOFF}_popular": round(
                float(np.concatenate([fold.popular().ndcg for fold in self._folds]).mean()), 4
            ),
            "validation_users": self.judged,
            "settings_tried": len(self._tried),
        }, share


class _Fold:
    """The input interactions and the held-out targets of one validation split."""

    def __init__(self, rows: _Rows, hidden: NDArray[np.bool_], items: int, seed: int) -> None:
        self._items = items
        self._shown = shown = rows.take(~hidden)
        asked = np.intersect1d(rows.user[hidden], shown.user)
        users = np.sort(np.random.default_rng(seed).permutation(asked)[:_JUDGED])
        self.judged = len(users)
        self._profile = shown.take(np.isin(shown.user, users))
        answers = rows.take(hidden & np.isin(rows.user, users))
        owner = np.searchsorted(users, answers.user)
        self._relevant = np.zeros((self.judged, items), bool)
        self._relevant[owner, answers.item] = True
        self._owner = np.searchsorted(users, self._profile.user)
        counts = np.bincount(self._owner, minlength=self.judged)
        self._age = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(self._owner))
        self._follows = Transitions().fit(shown.user, shown.item, items).weights
        self._grams: dict[float, NDArray[np.float32]] = {}
        self._fitted: tuple[Any, NDArray[np.float32]] = (None, np.empty(0, np.float32))

    def ease(self, settings: Settings) -> NDArray[np.float32]:
        """The item-to-item model of the input interactions."""
        key = (settings.regularization, settings.dropout, settings.power)
        if self._fitted[0] != key:
            if settings.power not in self._grams:
                strength = _strength(self._shown.value, settings.power)
                self._grams[settings.power] = gram(_matrix(self._shown, strength, self._items))
            ease = Ease(settings.regularization, settings.dropout)
            self._fitted = key, ease.fit_gram(self._grams[settings.power].copy()).weights
        return self._fitted[1]

    def judge(self, settings: Settings, weights: NDArray[np.float32]) -> _Outcome:
        """Judge the lists of the evaluated users."""
        blend, follows = settings.blend, None
        if settings.next_item:
            last = self._matrix(blend.next_weights(self._age))
            follows = (last @ self._follows).toarray().astype(np.float64)
        strength = _strength(self._profile.value, settings.power)
        together = self._matrix(blend.weights(strength, self._age)) @ weights
        return self._judge(blend.combined(np.asarray(together, np.float64), follows))

    def popular(self) -> _Outcome:
        """Judge the most taken items as a list for each user."""
        counts = np.bincount(self._shown.item, minlength=self._items).astype(np.float64)
        return self._judge(np.tile(counts, (self.judged, 1)))

    def _judge(self, scores: Floats) -> _Outcome:
        scores[self._owner, self._profile.item] = -np.inf
        best = top_k(scores, _CUTOFF)
        hit = np.take_along_axis(self._relevant, best, axis=1) & (best >= 0)
        gains = ndcg(hit, self._relevant.sum(axis=1))
        return _Outcome(gains, float(len(np.unique(best[best >= 0]))))

    def _matrix(self, values: Floats) -> csr_array:
        used = values > 0
        place = self._owner[used], self._profile.item[used]
        return csr_array((values[used].astype(np.float32), place), shape=(self.judged, self._items))


def _neighbour(
    settings: Settings, name: str, step: int, better: Callable[[Settings, Settings], bool]
) -> Settings | None:
    """The settings with the next value of one of them in the grid, if there is one."""
    values = GRID[name]
    place = int(np.argmin(np.abs(np.array(values) - getattr(settings, name)))) + step
    if not 0 <= place < len(values):
        return None
    other = replace(settings, **{name: values[place]})
    return other if better(other, settings) else None


def _ordered(data: Interactions) -> _Rows:
    """Sort by user, then by time; keep a user's newest interaction with each item."""
    order = np.lexsort((data.timestamp, data.user))
    user, item = data.user[order].astype(np.int64), data.item[order].astype(np.int64)
    pair = (user << 32) | item
    _, last = np.unique(pair[::-1], return_index=True)
    keep = np.sort(len(pair) - 1 - last)
    return _Rows(
        user[keep],
        item[keep],
        data.value[order][keep].astype(np.float64),
        data.timestamp[order][keep].astype(np.int64),
    )


def _most_taken(
    item: NDArray[np.int64], items: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most taken items, ascending, and every item's index among them, −1 for none."""
    counts = np.bincount(item, minlength=items)
    learned = np.argsort(-counts, kind="stable")[:most]
    learned = np.sort(learned[counts[learned] > 0])
    place = np.full(items, -1, np.int64)
    place[learned] = np.arange(len(learned))
    return learned, place


def _placed(rows: _Rows, place: NDArray[np.int64]) -> _Rows:
    where = place[rows.item]
    return rows._replace(item=where).take(where >= 0)


def _strength(value: Floats, power: float) -> Floats:
    """As `ListModel.interest`."""
    finite = np.isfinite(value)
    if not finite.any():
        return np.ones(len(value))
    largest = value[finite].max()
    return np.where(finite, (np.maximum(value, 0) / largest) ** power, 1.0)


def _matrix(rows: _Rows, strength: Floats, items: int) -> csr_array:
    shape = (int(rows.user.max()) + 1, items)
    return csr_array((strength.astype(np.float32), (rows.user, rows.item)), shape=shape)


def _newest(rows: _Rows) -> NDArray[np.bool_]:
    """The newest tenth of each user's interactions, at least one if the user has several."""
    _, first, counts = np.unique(rows.user, return_index=True, return_counts=True)
    hidden = np.where(counts > 1, np.maximum(1, np.rint(counts * 0.1)), 0).astype(np.int64)
    place = np.arange(len(rows.user)) - np.repeat(first, counts)
    return np.asarray(place >= np.repeat(counts - hidden, counts))


def _random(rows: _Rows, seed: int) -> NDArray[np.bool_]:
    """A random quarter of each item's interactions."""
    drawn = np.random.default_rng(seed).random(len(rows.item))
    order = np.lexsort((drawn, rows.item))
    _, first, counts = np.unique(rows.item[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, counts)
    hidden = np.zeros(len(order), bool)
    hidden[order] = rank >= np.repeat(np.rint(0.75 * counts), counts)
    return hidden


def _pruned_dense(weights: NDArray[np.float32], entries: int) -> Pruned:
    """The approximately `entries` strongest non-zero entries over all rows."""
    threshold = _threshold(weights, entries)
    parts = []
    for begin in range(0, len(weights), _ROWS):
        block = weights[begin : begin + _ROWS]
        strong = np.abs(block) >= threshold if threshold else block != 0
        row, column = np.nonzero(strong)
        parts.append((np.bincount(row, minlength=len(block)), column, block[row, column]))
    counts, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _packed(counts, columns, values, len(weights))


def _threshold(weights: NDArray[np.float32], entries: int) -> float:
    """The absolute value that `entries` entries reach, from a sample of large matrices."""
    if entries >= weights.size:
        return 0.0
    step = max(1, weights.size // 50_000_000)
    sample = np.abs(weights[::step]).ravel()
    place = max(0, len(sample) - max(1, int(entries * len(sample) / weights.size)))
    return float(np.partition(sample, place)[place])


def _pruned_sparse(matrix: csr_array, entries: int) -> Pruned:
    """The `entries` strongest entries of a sparse matrix."""
    values = matrix.data
    if len(values) > entries:
        keep = values >= np.partition(values, len(values) - entries)[len(values) - entries]
        row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[keep]
        counts = np.bincount(row, minlength=matrix.shape[0])
        return _packed(counts, matrix.indices[keep], values[keep], matrix.shape[0])
    return _packed(np.diff(matrix.indptr), matrix.indices, values, matrix.shape[0])


def _packed(
    counts: NDArray[Any], columns: NDArray[Any], values: NDArray[np.float32], items: int
) -> Pruned:
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    row = np.repeat(np.arange(len(counts)), counts)
    largest = np.zeros(len(counts), np.float32)
    np.maximum.at(largest, row, np.abs(values))
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    small = np.uint16 if items <= 1 << 16 else np.uint32
    data = np.rint(values / scale[row]).astype(np.int8)
    return Pruned(indptr, columns.astype(small), data, scale)
