"""Whether a new model of lists should replace the one in service.

Both are asked for the lists of the same users, at the time at which the newest half of the new
events begins, and judged by these events. The data are compared with those of the last training.

* `cut`, `judges`, `learned` and `compare`: nDCG of both, and the interval of the difference.
* `coverage`: how much of the catalogue the lists show.
* `of_data`, `of_models`: the findings, some of which refuse the new model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recsys.lists.blend import Floats
from recsys.lists.model import Catalogue, ListModel
from recsys.metrics import ndcg

CUTOFF: Final = 10
_JUDGED: Final = 1_000  # users
_ENOUGH: Final = 50  # users by whom a model is refused: a bootstrap of few is too narrow
_DRAWS: Final = 2_000  # of the bootstrap
_LEVEL: Final = 0.95
_BINS: Final = 10
_FEW: Final = 100  # events with values, whose distribution is not judged

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """What users did; all arrays have the same length.

    Attributes:
        user: users' integers.
        item: places in `catalogue`.
        value: a rating or strength; NaN if there is none.
        timestamp: seconds since 1970.
        catalogue: metadata of all items.
        unknown: the times of events of items that the catalogue does not have.
    """

    user: NDArray[np.integer]
    item: NDArray[np.integer]
    value: NDArray[np.floating]
    timestamp: Longs
    catalogue: Catalogue
    unknown: Longs


@dataclass(frozen=True)
class Limits:
    """When a new model is refused; shares.

    Attributes:
        coverage: less of the catalogue than this, or of what lists could show, is shown.
        volume: fewer events than this share of those of the last training are there.
        unknown: more than this share of the new events are of unknown items.
        drift: the population stability index of ratings or of popularity exceeds this.
    """

    coverage: float
    volume: float
    unknown: float
    drift: float

    @classmethod
    def of_percent(cls, values: Mapping[str, float]) -> "Limits":
        """The limits that settings give in percent."""
        return cls(**{name: value / 100 for name, value in values.items()})


@dataclass(frozen=True)
class Finding:
    """Something that was judged.

    Attributes:
        name: what.
        value: the figure.
        limit: what it was compared with.
        refused: whether it refuses the new model.
        words: the finding in a sentence.
    """

    name: str
    value: float
    limit: float
    refused: bool
    words: str


@dataclass(frozen=True)
class Distribution:
    """Shares of events by bin, of the last training and now."""

    labels: tuple[str, ...]
    last: Floats
    now: Floats

    @property
    def drift(self) -> float:
        """The population stability index, Σ (now − last) · ln(now / last).

        Of an empty bin, half an event is counted. By convention, less than 0.1 is no change and
        more than 0.25 a large one. B. Yurdakul: Statistical properties of population stability
        index, 2018, https://scholarworks.wmich.edu/dissertations/3208.
        """
        return float(np.sum((self.now - self.last) * np.log(self.now / self.last)))


@dataclass(frozen=True)
class Comparison:
    """Two models on the same users.

    Attributes:
        candidate, current: mean nDCG of the new model and of that in service.
        low, high: the interval of the mean difference, paired by user.
        users: how many were judged.
    """

    candidate: float
    current: float
    low: float
    high: float
    users: int


def cut(events: Events, since: int) -> int:
    """The time from which events are judged by: the newest half of those after `since`.

    The new model is trained for the comparison on what is before, so that neither of the two has
    seen what they are judged by.
    """
    new = events.timestamp[events.timestamp > since]
    return int(np.ceil(np.median(new))) if len(new) else since + 1


def judges(events: Events, begin: int) -> NDArray[Any]:
    """The users by whom models are judged, ascending.

    They are half of those who took an item from `begin` on that they had not taken before; of many,
    a sample. The new model learns from the others.
    """
    users = np.unique(events.user[_taken_later(events, begin)])
    return _sample(users, min(_JUDGED, (len(users) + 1) // 2))


def learned(events: Events, since: int, begin: int, users: NDArray[Any]) -> NDArray[np.bool_]:
    """A mask of what the new model is trained on for the comparison.

    Args:
        events: of all users.
        since: the time of the last training.
        begin: the time from which models are judged.
        users: by whom they are judged. Of what these did since the last training the new model
            learns nothing, as the model in service has not either: a linear model that has a user's
            row has learned that all other items are 0, and ranks lower what that user takes next.
    """
    own = np.isin(events.user, users) & (events.timestamp > since)
    return (events.timestamp < begin) & ~own


def compare(
    candidate: ListModel,
    current: ListModel,
    events: Events,
    begin: int,
    users: NDArray[Any],
) -> Comparison:
    """Judge both models by what users took from `begin` on and had not taken before.

    Users without an item before are asked, too: their lists are those of popular items. The
    interval is a percentile bootstrap over users: B. Efron and R. Tibshirani, An Introduction to
    the Bootstrap, 1993, chapter 13.
    """
    if not len(users):
        return Comparison(0.0, 0.0, 0.0, 0.0, 0)
    shown = events.timestamp < begin
    chosen = _taken_later(events, begin) & np.isin(events.user, users)
    wanted = np.unique(np.searchsorted(users, events.user[chosen]) << 32 | events.item[chosen])
    counts = np.bincount(wanted >> 32, minlength=len(users))
    scores = []
    for model in (candidate, current):
        lists = _lists(model, events, shown, users)
        asked = np.arange(len(users))[:, None] << 32 | lists
        scores.append(ndcg(np.isin(asked, wanted) & (lists >= 0), counts))
    low, high = _interval(scores[0] - scores[1])
    means = [float(each.mean()) for each in scores]
    return Comparison(means[0], means[1], low, high, len(users))


def coverage(model: ListModel, events: Events) -> float:
    """The share of the items in the lists of a sample of users; of those that fit into them."""
    users = _sample(np.unique(events.user), _JUDGED)
    lists = _lists(model, events, np.ones(len(events.user), bool), users)
    most = min(len(events.catalogue.ids), CUTOFF * len(users))
    return len(np.unique(lists[lists >= 0])) / max(1, most)


def ratings(last: Events, now: Events) -> Distribution | None:
    """The values' distributions; None if there are too few of them, or no different ones."""
    old, new = (each.value[np.isfinite(each.value)] for each in (last, now))
    if min(len(old), len(new)) < _FEW:
        return None
    inner = np.linspace(0, 1, _BINS + 1)[1:-1]
    edges = np.unique(np.quantile(old, inner, method="inverted_cdf"))
    edges = edges[edges < old.max()]
    if not len(edges):  # all are the same
        return None
    counts = (np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) for x in (old, new))
    labels = (*(f"to {edge:g}" for edge in edges), f"above {edges[-1]:g}")
    return _distribution(labels, *counts)


def popularity(last: Events, now: Events) -> Distribution:
    """The shares of the items by how popular they were: each bin had a tenth of the events."""
    items = len(now.catalogue.ids)
    place = {label: number for number, label in enumerate(now.catalogue.ids)}
    same = np.array([place.get(label, -1) for label in last.catalogue.ids], np.int64)[last.item]
    before = np.bincount(same[same >= 0], minlength=items)
    order = np.argsort(-before, kind="stable")
    sums = np.cumsum(before[order]) - before[order] / 2
    bins = np.empty(items, np.int64)
    bins[order] = np.minimum(sums * _BINS // max(1, before.sum()), _BINS - 1)
    counts = (np.bincount(bins[each], minlength=_BINS) for each in (same[same >= 0], now.item))
    return _distribution(tuple(f"{number + 1}" for number in range(_BINS)), *counts)


def of_data(
    last: Events,
    now: Events,
    limits: Limits,
    distributions: Mapping[str, Distribution | None],
) -> list[Finding]:
    """What the data tell, before anything is trained.

    Args:
        last: of the last training.
        now: of this one.
        limits: when they are refused.
        distributions: by name, those that are compared.
    """
    since = int(last.timestamp.max(initial=0))
    share = len(now.user) / max(1, len(last.user))
    found = [
        Finding(
            "volume",
            share,
            limits.volume,
            share < limits.volume,
            f"{len(now.user):,} events, {share:.0%} of the last training's (at least "
            f"{limits.volume:.0%} are required)",
        )
    ]
    bad = int((now.unknown > since).sum())
    new = bad + int((now.timestamp > since).sum())
    least = _wilson(bad, new)
    found.append(
        Finding(
            "unknown items",
            bad / max(1, new),
            limits.unknown,
            least > limits.unknown,
            f"{bad:,} of {new:,} new events are of items that the catalogue does not have, "
            f"{bad / max(1, new):.0%} (at most {limits.unknown:.0%} are allowed, beyond chance)",
        )
    )
    for name, distribution in distributions.items():
        if distribution is not None:
            found.append(
                Finding(
                    f"drift of {name}",
                    distribution.drift,
                    limits.drift,
                    distribution.drift > limits.drift,
                    f"the distribution of {name} changed by a population stability index of "
                    f"{distribution.drift:.2f} (at most {limits.drift:.2f} is allowed)",
                )
            )
    return found


def of_models(comparison: Comparison, shown: float, limits: Limits) -> list[Finding]:
    """What the models tell.

    Args:
        comparison: of both.
        shown: the new model's coverage.
        limits: when it is refused.
    """
    gain = comparison.candidate - comparison.current
    words = (
        f"nDCG@{CUTOFF} {comparison.candidate:.4f} against {comparison.current:.4f} of the model "
        f"in service, for {comparison.users:,} users: a difference of {gain:+.4f} "
        f"({_LEVEL:.0%} interval {comparison.low:+.4f} to {comparison.high:+.4f})"
        if comparison.users
        else "no new events to judge the models by"
    )
    enough = comparison.users >= _ENOUGH
    if comparison.users and not enough:
        words += f"; fewer than {_ENOUGH} users refuse no model"
    return [
        Finding(f"nDCG@{CUTOFF}", gain, 0.0, enough and comparison.high < 0, words),
        Finding(
            f"coverage@{CUTOFF}",
            shown,
            limits.coverage,
            shown < limits.coverage,
            f"its lists show {shown:.1%} of the items that they could (at least "
            f"{limits.coverage:.1%} are required)",
        ),
    ]


def _taken_later(events: Events, begin: int) -> NDArray[np.bool_]:
    """A mask of events from `begin` on whose user has not taken the item before."""
    shown = events.timestamp < begin
    pair = events.user.astype(np.int64) << 32 | events.item
    return ~shown & ~np.isin(pair, pair[shown])


def _sample(users: NDArray[Any], most: int) -> NDArray[Any]:
    return np.sort(np.random.default_rng(0).permutation(users)[:most])


def _lists(
    model: ListModel, events: Events, shown: NDArray[np.bool_], users: NDArray[Any]
) -> Longs:
    """Lists of users by their shown events: places in the catalogue, int64[users, CUTOFF]; −1 none.

    Args:
        model: makes them.
        events: of all users.
        shown: a mask of the events that make a history.
        users: ascending.
    """
    labels = events.catalogue.ids
    known = [model.place(label) for label in labels]
    place = np.array([-1 if one is None else one for one in known], np.int64)
    back = np.empty(len(model), np.int64)
    back[place[place >= 0]] = np.flatnonzero(place >= 0)
    used = np.flatnonzero(shown & np.isin(events.user, users) & (place[events.item] >= 0))
    used = used[np.lexsort((events.timestamp[used], events.user[used]))]
    owner = np.searchsorted(users, events.user[used])
    bounds = np.searchsorted(owner, np.arange(len(users) + 1))
    values = events.value[used].astype(np.float64)
    items = place[events.item[used]]
    found = np.full((len(users), CUTOFF), -1, np.int64)
    for row, (first, last) in enumerate(pairwise(bounds)):
        pairs = zip(items[first:last].tolist(), values[first:last].tolist(), strict=True)
        history = model.history([(item, None if np.isnan(v) else v) for item, v in pairs])
        best = model.best(model.scores(history), CUTOFF, without=history.items)
        found[row, : len(best)] = back[best]
    return found


def _interval(gain: Floats) -> tuple[float, float]:
    random, count = np.random.default_rng(0), len(gain)
    share = np.full(count, 1 / count)
    means = [random.multinomial(count, share) @ gain / count for _ in range(_DRAWS)]
    low, high = np.quantile(means, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return float(low), float(high)


def _wilson(hits: int, tries: int) -> float:
    """The lower bound of a share: E. B. Wilson, Probable inference, JASA 22, 1927."""
    if not tries:
        return 0.0
    z, share = 1.96, hits / tries
    centre = share + z * z / (2 * tries)
    spread = z * np.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    return float((centre - spread) / (1 + z * z / tries))


def _distribution(labels: Sequence[str], last: Longs, now: Longs) -> Distribution:
    shares = []
    for counts in (last, now):
        counted = np.maximum(counts, 0.5)
        shares.append(np.asarray(counted / counted.sum(), np.float64))
    return Distribution(tuple(labels), shares[0], shares[1])
