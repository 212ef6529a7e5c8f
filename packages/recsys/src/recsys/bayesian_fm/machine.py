"""Factorization machine by Gibbs sampling, with regression or ordered-probit output.

The model is Rendle's (ICDM 2010): a rating is a bias, a weighted sum of features, and an inner
product of factors for each pair of features; here the two must be of different blocks, as in SVD++,
because products of features of the same user add more noise than information. Every weight and
factor has a normal prior whose mean and precision are sampled too (Freudenthaler, Schmidt-Thieme
and Rendle, 2011), so only the number of factors needs tuning. With SVD++'s
implicit features on both sides it is the strongest simple model known for MovieLens (Rendle, Zhang
and Koren, 2019).

A feature's weight and factors are drawn jointly (as in Salakhutdinov and Mnih's BPMF, 2008): such a
chain converges in a fraction of the draws that a chain of single numbers needs.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import ndtr, ndtri

from recsys.bayesian_fm.blocks import Block, Floats, Ints, Rows, identity, implicit
from recsys.bayesian_fm.kernels import gather, residuals, sample_features
from recsys.errors import InputError

_START = 0.1  # standard deviation of the factors before the first draw
# The latent ratings' standard deviation when the machine explains half of their variance; their
# noise is 1. The cut points' scale changes slowly, so it should start near its final value.
_SPREAD = 2**0.5
_CUT_VARIANCE = 100.0  # of the cut points' weakly informative prior


@dataclass
class _Sample:
    """One draw, by block: each row's linear part and factors, (rows, 1 + factors)."""

    bias: float
    parts: list[Floats]
    cuts: Floats

    def scores(self, rows: Sequence[NDArray[np.integer]]) -> Floats:
        """The machine's values for cases with row `rows[b][i]` of each block b; (cases,)."""
        total = np.full(len(rows[0]), self.bias)
        met = np.zeros((len(rows[0]), self.parts[0].shape[1] - 1))
        for parts, row in zip(self.parts, rows, strict=True):
            part = parts[row]
            total += part[:, 0] + np.einsum("ij,ij->i", met, part[:, 1:])
            met += part[:, 1:]
        return total

    def grid(self, first: Ints, second: Ints) -> Floats:
        """The machine's values for all pairs of rows of the first and the second block."""
        a, b = self.parts[0][first], self.parts[1][second]
        values: Floats = a[:, 1:] @ b[:, 1:].T
        values += (self.bias + a[:, 0])[:, None]
        values += b[:, 0]
        return values

    def above(self, scores: Floats) -> Floats:
        """Under the probit: the probability that the rating is above each level except the last."""
        chance: Floats = ndtr(scores[..., None] - self.cuts)
        return chance

    def expected(self, scores: Floats, levels: Floats) -> Floats:
        """Expected ratings: the values themselves, or under the probit means over the levels."""
        if not len(self.cuts):
            return scores
        expected: Floats = levels[0] + self.above(scores) @ np.diff(levels)
        return expected


class BayesianFactorizationMachine:
    """Predicts ratings of (user, item) pairs, with SVD++ features on both sides.

    Args:
        factors: length of the factor vectors.
        iterations: draws of each chain, of which the first `burn_in` are discarded.
        chains: independent chains, run in parallel and averaged; many short ones are more accurate
            than few long ones, because each converges to a different mode.
        implicit_features: add to users the set of items they rated, and to items their raters.
        ordered: treat ratings as ordered levels (ordered probit) instead of numbers.
        seed: the same seed gives the same model.
    """

    def __init__(
        self,
        *,
        factors: int = 10,
        iterations: int = 40,
        burn_in: int = 5,
        chains: int = 8,
        implicit_features: bool = True,
        ordered: bool = False,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.iterations = iterations
        self.burn_in = burn_in
        self.chains = chains
        self.implicit_features = implicit_features
        self.ordered = ordered
        self.seed = seed
        self._samples: list[_Sample] = []
        self._sizes: list[int] = []
        self._levels: Floats = np.zeros(0)

    def fit(
        self,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        rating: NDArray[np.floating],
        *,
        shape: tuple[int, int] | None = None,
        user_features: csr_array | None = None,
        item_features: csr_array | None = None,
        context: tuple[NDArray[np.integer], int] | None = None,
        progress: Callable[[int, int, float], None] = lambda *_: None,
    ) -> "BayesianFactorizationMachine":
        """Fit the machine: draw from the posterior given ratings.

        Args:
            user, item: (ratings,) indices.
            rating: (ratings,) values.
            shape: (users, items), needed if some have no rating; by default from the largest
            indices. user_features, item_features: (users, any), (items, any) side information.
            context: (ratings,) a category of each rating, such as its date, and the number of
                categories.
            progress: called after each draw with (draws done, total draws, root mean squared
                residual); under the probit the residual is that of the latent values.

        Raises:
            InputError: lengths differ, there are no ratings, or a value or index is out of range.
        """
        _check_ratings(user, item, rating)
        users, items = shape or (int(user.max()) + 1, int(item.max()) + 1)
        _check_rows({"user": (user, users), "item": (item, items)}, len(rating))
        for name, features, size in (
            ("user_features", user_features, users),
            ("item_features", item_features, items),
        ):
            if features is not None and features.shape[0] != size:
                raise InputError(f"{name}: has {features.shape[0]} rows, not {size}")
        # Shared features come first and individual ones last: a chain starts with the whole
        # variance of the ratings, and features that are drawn first explain as much of it as they
        # can.
        user_parts = [] if user_features is None else [csr_array(user_features)]
        item_parts = [] if item_features is None else [csr_array(item_features)]
        if self.implicit_features:
            user_parts.append(implicit(user, item, (users, items)))
            item_parts.append(implicit(item, user, (items, users)))
        user_parts.append(identity(users))
        item_parts.append(identity(items))
        blocks = [Block.of(user_parts), Block.of(item_parts)]
        rows = [user, item]
        if context is not None:
            _check_rows({"context": context}, len(rating))
            blocks.append(Block.of([identity(context[1])]))
            rows.append(context[0])
        y = np.asarray(rating, np.float64)
        self._sizes = [block.rows for block in blocks]
        self._levels = np.unique(y)
        numbered = Rows.of(rows, self._sizes)
        seeds = np.random.SeedSequence(self.seed).spawn(self.chains)
        total = self.chains * self.iterations

        def chain(number: int) -> list[_Sample]:
            levels = self._levels if self.ordered else None
            sampler = _Chain(blocks, numbered, y, levels, self.factors, seeds[number])
            kept = []
            for draw in range(self.iterations):
                sampler.draw()
                if draw >= self.burn_in:
                    kept.append(sampler.sample())
                if number == 0:
                    progress((draw + 1) * self.chains, total, sampler.rmse)
            return kept

        with ThreadPoolExecutor(self.chains) as pool:
            self._samples = [
                sample for kept in pool.map(chain, range(self.chains)) for sample in kept
            ]
        return self

    def predict(
        self,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        context: NDArray[np.integer] | None = None,
    ) -> Floats:
        """Predict ratings of pairs, the mean over all kept draws; (pairs,), in rating units.

        Raises:
            InputError: an index is out of range, or the context is missing or not expected.
        """
        rows = self._rows(user, item, context)
        total = np.zeros(len(user))
        for sample in self._samples:
            total += sample.expected(sample.scores(rows), self._levels)
        return self._mean(total)

    def predict_grid(self, users: NDArray[np.integer], items: NDArray[np.integer]) -> Floats:
        """Predict the rating of each user for each item, (users, items); needs no context.

        Raises:
            InputError: an index is out of range, or the machine was fitted with a context.
        """
        first = self._rows(users, np.zeros(len(users), np.int64), None)[0]
        second = self._rows(np.zeros(len(items), np.int64), items, None)[1]
        total = np.zeros((len(users), len(items)))
        for sample in self._samples:
            total += sample.expected(sample.grid(first, second), self._levels)
        return self._mean(total)

    def probabilities(
        self,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        context: NDArray[np.integer] | None = None,
    ) -> Floats:
        """Predict the probability of each rating level, ascending; (pairs, levels).

        Raises:
            InputError: as in `predict`, or the machine is not ordered.
        """
        if not self.ordered:
            raise InputError("probabilities need ordered=True")
        rows = self._rows(user, item, context)
        above = np.zeros((len(user), len(self._levels) - 1))
        for sample in self._samples:
            above += sample.above(sample.scores(rows))
        above /= len(self._samples)
        ends = np.ones((len(user), 1)), np.zeros((len(user), 1))
        return -np.diff(np.hstack([ends[0], above, ends[1]]), axis=1)

    def _mean(self, total: Floats) -> Floats:
        """The mean over the draws, clipped to the rating scale."""
        return np.clip(total / len(self._samples), self._levels[0], self._levels[-1])

    def _rows(
        self,
        user: NDArray[np.integer],
        item: NDArray[np.integer],
        context: NDArray[np.integer] | None,
    ) -> list[Ints]:
        names, given = ("user", "item", "context"), [user, item]
        if context is not None:
            given.append(context)
        if len(given) != len(self._sizes):
            raise InputError(
                "context: the machine was fitted " + ("with one" if context is None else "without")
            )
        sizes = zip(given, self._sizes, strict=True)
        _check_rows(dict(zip(names, sizes, strict=False)), len(user))
        return [np.asarray(rows, np.int64) for rows in given]


def _check_ratings(
    user: NDArray[np.integer], item: NDArray[np.integer], rating: NDArray[np.floating]
) -> None:
    if not len(user) == len(item) == len(rating) > 0:
        raise InputError(
            "user, item and rating need the same length, of at least one, "
            f"not {len(user)}, {len(item)} and {len(rating)}"
        )
    if not np.isfinite(rating).all():
        raise InputError("rating: every value must be a finite number")


def _check_rows(given: Mapping[str, tuple[NDArray[np.integer], int]], length: int) -> None:
    """Check that all arrays have the given length and that indices are in range."""
    problems = []
    for name, (rows, size) in given.items():
        if len(rows) != length:
            problems.append(f"{name}: has {len(rows)} values, not {length}")
        elif length and not (rows.min() >= 0 and rows.max() < size):
            problems.append(f"{name}: every value must be from 0 to {size - 1}")
    if problems:
        raise InputError(problems)


class _Chain:
    """The state of one Markov chain over the machine's parameters."""

    def __init__(
        self,
        blocks: Sequence[Block],
        rows: Rows,
        y: Floats,
        levels: Floats | None,
        factors: int,
        seed: np.random.SeedSequence,
    ) -> None:
        self.blocks = blocks
        self.rows = rows
        self.random = np.random.default_rng(seed)
        # under the probit: the ratings of each level, and the cut points between the levels
        self.members = [] if levels is None else [np.flatnonzero(y == level) for level in levels]
        shares = np.cumsum([len(rows) for rows in self.members])[:-1] / len(y)
        self.cuts = _SPREAD * ndtri(shares)
        self.y = np.zeros(len(y)) if self.members else y
        self.alpha = 1.0
        self.bias = 0.0 if self.members else float(y.mean())
        # index 0 of the last axis is the linear weights', the rest the factors'
        width = 1 + factors
        self.v = [
            _START * self.random.standard_normal((block.features.shape[1], width))
            for block in blocks
        ]
        for v in self.v:
            v[:, 0] = 0.0
        groups = [int(block.group.max()) + 1 for block in blocks]
        self.mean = [np.zeros((count, width)) for count in groups]
        self.precision = [np.ones((count, width)) for count in groups]
        self.moments = [np.empty((block.rows, width, width)) for block in blocks]
        self.pulls = [np.empty((block.rows, width)) for block in blocks]
        # parts of all blocks, in the order of the row numbers, and views of each block
        self.all_parts = np.concatenate(
            [block.features @ v for block, v in zip(blocks, self.v, strict=True)]
        )
        self.parts = np.split(self.all_parts, np.cumsum([block.rows for block in blocks])[:-1])
        self.e = np.empty(len(y))
        self._update_residuals()

    @property
    def rmse(self) -> float:
        """Root mean squared residual of the current draw."""
        return float(np.sqrt(np.mean(self.e**2)))

    def draw(self) -> None:
        """Draw all parameters once."""
        if self.members:
            self._draw_ordered()
        else:
            self.alpha = float(self.random.gamma((1 + len(self.e)) / 2, 2 / (1 + self.e @ self.e)))
        self._draw_bias()
        for b in range(len(self.blocks)):
            self._draw_priors(b)
            self._draw_features(b)

    def sample(self) -> _Sample:
        """The current parameters, gathered by row."""
        return _Sample(self.bias, [part.copy() for part in self.parts], self.cuts.copy())

    def _update_residuals(self) -> None:
        residuals(self.rows.numbers, self.all_parts, self.bias, self.y, self.e)

    def _draw_bias(self) -> None:
        certainty = self.alpha * len(self.e) + 1e-6
        centre = self.alpha * (self.e.sum() + self.bias * len(self.e)) / certainty
        new = centre + self.random.standard_normal() / np.sqrt(certainty)
        self.e -= new - self.bias
        self.bias = float(new)

    def _draw_priors(self, b: int) -> None:
        group, mean, precision = self.blocks[b].group, self.mean[b], self.precision[b]
        for g in range(len(mean)):
            values = self.v[b][group == g]
            size = len(values)
            spread = ((values - mean[g]) ** 2).sum(axis=0)
            precision[g] = self.random.gamma((1 + size + 1) / 2, 2 / (1 + spread + mean[g] ** 2))
            noise = self.random.standard_normal(len(spread))
            mean[g] = values.sum(axis=0) / (size + 1) + noise / np.sqrt((size + 1) * precision[g])

    def _draw_features(self, b: int) -> None:
        block, of = self.blocks[b], (self.moments[b], self.pulls[b])
        gather(*self.rows.by_row[b], self.all_parts, self.e, *of)
        sample_features(
            self.v[b],
            *block.columns,
            block.group,
            self.mean[b],
            self.precision[b],
            self.alpha,
            self.random.standard_normal(self.v[b].shape),
            *of,
            self.parts[b],
        )
        self._update_residuals()

    def _draw_ordered(self) -> None:
        """Draw the cut points given the values, then the latent ratings given both.

        Each cut point takes a Metropolis-Hastings step, with the latent ratings integrated out
        (Cowles, 1996): conditional on them it could hardly move. Only the two adjacent levels
        matter.
        """
        values = self.y - self.e
        at = [values[rows] for rows in self.members]
        ends = [-np.inf, *self.cuts, np.inf]
        low = [ndtr(ends[k] - value) for k, value in enumerate(at)]  # probability of a lower level
        high = [ndtr(ends[k + 1] - value) for k, value in enumerate(at)]  # … of this one or lower
        scale = 1.5 / np.sqrt(len(values))
        for k, cut in enumerate(self.cuts):
            new = cut + scale * self.random.standard_normal()
            if not ends[k] < new < ends[k + 2]:
                continue
            left, right = ndtr(new - at[k]), ndtr(new - at[k + 1])
            gain = (
                _log_ratio(left - low[k], high[k] - low[k])
                + _log_ratio(high[k + 1] - right, high[k + 1] - low[k + 1])
                - 0.5 * (new**2 - cut**2) / _CUT_VARIANCE
            )
            if np.log(self.random.random()) < gain:
                self.cuts[k] = ends[k + 1] = new
                high[k], low[k + 1] = left, right
        for rows, value, below, upto in zip(self.members, at, low, high, strict=True):
            share = below + (upto - below) * self.random.random(len(rows))
            self.y[rows] = value + ndtri(np.clip(share, 1e-12, 1 - 1e-12))
        self.e = self.y - values


def _log_ratio(new: Floats, old: Floats) -> float:
    """Log of the ratio of two likelihoods, given for each case."""
    return float((np.log(np.maximum(new, 1e-300)) - np.log(np.maximum(old, 1e-300))).sum())
