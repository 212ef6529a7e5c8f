"""Object2Vec with scikit-learn's interface: `fit`, `predict`, `embed`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import InputError, Problems
from recsys.object2vec import hyperparameters, training
from recsys.object2vec.records import Pairs, Sequences, label_problem, sequence_problem
from recsys.object2vec.scorer import Scorer
from recsys.object2vec.training import Epoch, Outcome, Progress

Tokens = Iterable[Any]  # token ids, or lists of token ids


class Object2Vec:
    """An estimator that scores pairs and embeds either side.

    Keyword arguments are the built-in algorithm's hyperparameters. After `fit`, `scorer` is the
    model and `outcome` describes the training.
    """

    scorer: Scorer
    outcome: Outcome

    def __init__(self, *, seed: int = 0, **settings: object) -> None:
        self.seed = seed
        self.settings = settings

    def fit(
        self,
        in0: Tokens,
        in1: Tokens,
        labels: ArrayLike,
        *,
        validation: tuple[Tokens, Tokens, ArrayLike] | None = None,
        report: Callable[[Progress | Epoch], None] = lambda _: None,
    ) -> Object2Vec:
        """Fit on pairs; with a validation set the best epoch is kept and training stops early.

        Raises InputError (a ValueError) with all problems of the settings or data.
        """
        settings = hyperparameters.parse(self.settings)

        def pairs(in0: Tokens, in1: Tokens, labels: ArrayLike) -> Pairs:
            sides = [_checked(settings, side, tokens) for side, tokens in enumerate((in0, in1))]
            values = np.asarray(labels, np.float32)
            if not len(sides[0]) == len(sides[1]) == len(values) > 0:
                raise InputError("in0, in1 and labels need the same length, of at least one")
            problems = Problems()
            for row, label in enumerate(values.tolist()):
                if (problem := label_problem(label, settings)) is not None:
                    problems.add(f"labels: row {row}: {problem}")
            problems.raise_if_any()
            return Pairs(sides[0], sides[1], values)

        outcome = training.train(
            settings,
            pairs(in0, in1, labels),
            None if validation is None else pairs(*validation),
            seed=self.seed,
            report=report,
        )
        assert outcome is not None
        self.outcome, self.scorer = outcome, outcome.scorer
        return self

    def predict(self, in0: Tokens, in1: Tokens) -> NDArray[np.float32]:
        """Predict ratings (pairs,), or class probabilities (pairs, num_classes)."""
        settings = self.scorer.settings
        scores = self.scorer.scores(_checked(settings, 0, in0), _checked(settings, 1, in1))
        return scores[:, 0] if settings.output_layer == "mean_squared_error" else scores

    def embed(self, in0: Tokens | None = None, in1: Tokens | None = None) -> NDArray[np.float32]:
        """Encode the sequences of one side, (rows, enc_dim)."""
        if (in0 is None) == (in1 is None):
            raise InputError("give either in0 or in1")
        side, tokens = (0, in0) if in0 is not None else (1, in1)
        assert tokens is not None
        return self.scorer.embed(side, _checked(self.scorer.settings, side, tokens))


def _checked(settings: hyperparameters.Hyperparameters, side: int, tokens: Tokens) -> Sequences:
    """Convert ids or lists of ids to sequences. Raises InputError."""
    rows = tokens.tolist() if isinstance(tokens, np.ndarray) else list(tokens)
    rows = [row if isinstance(row, list | tuple) else [row] for row in rows]
    problems = Problems()
    limits = settings.vocab_sizes[side], settings.max_seq_lens[side]
    for number, row in enumerate(rows):
        if (problem := sequence_problem(list(row), *limits)) is not None:
            problems.add(f"in{side}: row {number}: {problem}")
    problems.raise_if_any()
    return Sequences.of(rows)
