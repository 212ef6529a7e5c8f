"""This project's engines: each is fitted on a training part, with a seed, and then scores rows.

Settings were chosen on held-out parts of ua.base. Where the number of epochs is chosen, it is
chosen within each training part, and the engine is then refitted on the whole training part.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from bench.movielens import ITEMS, SCALE, USERS, MovieLens, held_out
from recsys.bayesian_fm import BayesianFactorizationMachine
from recsys.datasets import teacher
from recsys.datasets.baselines import Bias
from recsys.datasets.ratings import Ratings
from recsys.deep_mf import hyperparameters as deep_mf
from recsys.evaluation import Predict
from recsys.factorization_machines import hyperparameters as machines
from recsys.item_models import Cosine, Ease
from recsys.lists.model import Catalogue, ListModel
from recsys.lists.training import Interactions, Lists
from recsys.object2vec import hyperparameters as object2vec
from recsys.object2vec.records import Pairs, Sequences
from recsys.protocols import matrix
from recsys.ranking import clipped_logit, popularity_adjusted

Fit = Callable[[MovieLens, Ratings, int], Predict]
Floats = NDArray[np.floating]

PRESETS = json.loads(
    (Path(__file__).resolve().parent.parent / "stacks" / "presets.json").read_text("utf-8")
)
_DEEP_MF = PRESETS["default"]["deep_mf"]
_MACHINE = PRESETS["default"]["factorization_machines"] | {"feature_dim": USERS + ITEMS}
_MOST_EPOCHS = 40


# Biases -------------------------------------------------------------------------------------------


def bias(_: MovieLens, train: Ratings, __: int) -> Predict:
    """The mean plus user and item biases."""
    return Bias.fit(train, train.rating).predict


def liked_bias(_: MovieLens, train: Ratings, __: int) -> Predict:
    """The mean plus user and item biases, fitted on the labels."""
    return Bias.fit(train, SCALE.likes(train.rating).astype(np.float32)).predict


# Object2Vec ---------------------------------------------------------------------------------------


def pairs(rows: Ratings, task: str) -> Pairs:
    """Convert rows to Object2Vec's pairs of one token each, labelled for the task."""
    labels = rows.rating if task == "rating" else SCALE.likes(rows.rating)
    return Pairs(tokens(rows.user), tokens(rows.item), labels.astype(np.float32))


def tokens(ids: NDArray[np.integer]) -> Sequences:
    """Sequences of one token each."""
    return Sequences(ids.astype(np.int32), np.arange(len(ids) + 1, dtype=np.int64))


def object2vec_settings(preset: str, task: str) -> dict[str, Any]:
    """The hyperparameters of a preset of the stacks, for MovieLens 100k."""
    settings: dict[str, Any] = PRESETS[preset][task]
    return settings | {"enc0_vocab_size": USERS, "enc1_vocab_size": ITEMS}


def _object2vec(preset: str, task: str) -> Fit:
    """Object2Vec with a preset; epochs by early stopping, then refitted on the whole part."""

    def fit(_: MovieLens, train: Ratings, seed: int) -> Predict:
        from recsys.object2vec import training

        given = object2vec_settings(preset, task)
        if preset == "taught":
            taught = teacher.opinions(train, SCALE, seed)
            whole = pairs(taught.rows, "rating")
            if task != "rating":
                whole = Pairs(whole.in0, whole.in1, taught.liked.astype(np.float32))
        else:
            learn, judge = held_out(train, seed=seed)
            found = training.train(
                object2vec.parse(given), pairs(learn, task), pairs(judge, task), seed=seed
            )
            assert found is not None
            given |= {"epochs": found.best}
            whole = pairs(train, task)
        settings = object2vec.parse(given | {"early_stopping_tolerance": "1e-6"})
        found = training.train(settings, whole, seed=seed)
        assert found is not None
        scorer = found.scorer
        return lambda rows: scorer.scores(tokens(rows.user), tokens(rows.item))[:, -1]

    return fit


def object2vec_watching(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """Lists of the recommendation model as on the page: odds times popularity squared."""
    from recsys.object2vec import training

    watched = np.ones(len(train), np.float32)
    found = training.train(
        object2vec.parse(object2vec_settings("default", "retrieval")),
        Pairs(tokens(train.user), tokens(train.item), watched),
        seed=seed,
    )
    assert found is not None
    scorer = found.scorer
    counts = np.bincount(train.item, minlength=ITEMS)

    def predict(rows: Ratings) -> Floats:
        chances = scorer.scores(tokens(rows.user), tokens(rows.item))[:, -1]
        return popularity_adjusted(clipped_logit(chances), counts[rows.item])

    return predict


# Factorization ------------------------------------------------------------------------------------


def deep_matrix_factorization(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """The workshop's network, with weight decay; epochs chosen within the training part."""
    from recsys.deep_mf.training import train as learn_from

    def fit(rows: Ratings, epochs: int, **told: Any) -> Any:
        settings = deep_mf.parse(_DEEP_MF | {"epochs": epochs})
        return learn_from(settings, rows.user, rows.item, rows.rating, seed=seed, **told)

    learn, judge = held_out(train, seed=seed)
    errors: list[float] = []
    fit(
        learn,
        10,
        epoch_ends=lambda _, model: errors.append(
            float(np.mean((model.predict(judge.user, judge.item) - judge.rating) ** 2))
        ),
    )
    model = fit(train, int(np.argmin(errors)) + 1)
    return lambda rows: np.asarray(model.predict(rows.user, rows.item))


def factorization_machine(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """SageMaker's factorization machines; epochs chosen within the training part."""
    from recsys.factorization_machines.training import train as learn_from

    def design(rows: Ratings) -> csr_array:
        columns = np.stack([rows.user, rows.item + USERS], axis=1).ravel()
        ends = np.arange(0, len(columns) + 1, 2)
        shape = (len(rows), USERS + ITEMS)
        return csr_array((np.ones(len(columns), np.float32), columns, ends), shape=shape)

    learn, judge = held_out(train, seed=seed)
    errors: list[float] = []
    judged = design(judge)
    learn_from(
        machines.parse(_MACHINE | {"epochs": _MOST_EPOCHS}),
        design(learn),
        learn.rating,
        seed=seed,
        epoch_ends=lambda _, model: errors.append(model.metrics(judged, judge.rating)["mse"]),
    )
    settings = machines.parse(_MACHINE | {"epochs": int(np.argmin(errors)) + 1})
    machine = learn_from(settings, design(train), train.rating, seed=seed)
    return lambda rows: machine.scores(design(rows))


def bayesian(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """The Bayesian factorization machine on ids and SVD++'s sets."""
    machine = BayesianFactorizationMachine(seed=seed)
    machine.fit(train.user, train.item, train.rating, shape=(USERS, ITEMS))
    return lambda rows: machine.predict(rows.user, rows.item)


def bayesian_with_everything(data: MovieLens, train: Ratings, seed: int) -> Predict:
    """The ordered probit with side information and the day of each user's rating."""
    machine = BayesianFactorizationMachine(seed=seed, iterations=80, chains=16, ordered=True)
    machine.fit(
        train.user,
        train.item,
        train.rating,
        shape=(USERS, ITEMS),
        user_features=data.user_features,
        item_features=data.item_features,
        context=(data.user_day(train), len(data.user_days)),
    )
    return lambda rows: machine.predict(rows.user, rows.item, data.user_day(rows))


def liked_bayesian(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """The ordered probit's probability of a liked rating, from ids and SVD++'s sets."""
    machine = BayesianFactorizationMachine(seed=seed, ordered=True)
    machine.fit(train.user, train.item, train.rating, shape=(USERS, ITEMS))
    above = SCALE.likes(np.unique(train.rating))
    return lambda rows: machine.probabilities(rows.user, rows.item)[:, above].sum(axis=1)


# Lists --------------------------------------------------------------------------------------------


def _of(scores: Floats) -> Predict:
    """A predictor that looks scores up in a table, (users, items)."""
    return lambda rows: scores[rows.user, rows.item]


def popularity(_: MovieLens, train: Ratings, __: int) -> Predict:
    """Popularity: the number of ratings."""
    count = np.bincount(train.item, minlength=ITEMS).astype(np.float64)
    return lambda rows: count[rows.item]


def sar(_: MovieLens, train: Ratings, __: int) -> Predict:
    """SAR in its published configuration: Jaccard similarity, half-life of 30 days."""
    taken = matrix(train, np.ones(len(train)), USERS, ITEMS)
    shared = np.asarray((taken.T @ taken).toarray())
    users = np.diag(shared)
    either = users[:, None] + users[None, :] - shared
    similar = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    age = (train.timestamp.max() - train.timestamp) / (30 * 24 * 60 * 60)
    return _of(matrix(train, train.rating * 0.5**age, USERS, ITEMS) @ similar)


def cosine(_: MovieLens, train: Ratings, __: int) -> Predict:
    """Item-to-item cosine similarity with shrinkage."""
    taken = matrix(train, np.ones(len(train)), USERS, ITEMS)
    return _of(Cosine(shrinkage=10).fit(taken).score(taken))


def _edlae(train: Ratings, regularization: float, weighting: float, dropout: float) -> Predict:
    interest = matrix(train, (train.rating / 5) ** weighting, USERS, ITEMS)
    return _of(Ease(regularization, dropout).fit(interest).score(interest))


def ease(_: MovieLens, train: Ratings, __: int) -> Predict:
    """EASE on the binary matrix of rated items."""
    return _edlae(train, 400, 0.0, 0.0)


def edlae(_: MovieLens, train: Ratings, __: int) -> Predict:
    """EDLAE, where a rating r has the weight (r / 5)^0.2."""
    return _edlae(train, 300, 0.2, 0.2)


def lists(_: MovieLens, train: Ratings, seed: int) -> Predict:
    """The lists as they are deployed: settings by nested validation, pruned, written, read, asked.

    Settings are chosen by a random quarter of the training part, for it was split so.
    """
    catalogue = Catalogue(
        ids=tuple(map(str, range(ITEMS))),
        titles=("",) * ITEMS,
        years=np.zeros(ITEMS, np.int32),
        genres=np.zeros(ITEMS, np.uint64),
        genre_names=(),
    )
    given = Interactions(train.user, train.item, train.rating, train.timestamp, catalogue)
    learned = Lists(validation="random", seed=seed).fit(given).model_
    model = ListModel.from_bytes(learned.to_bytes())
    items = np.array(model.catalogue.ids, np.int64)
    order = np.lexsort((train.timestamp, train.user))
    events: dict[int, list[tuple[int, float | None]]] = {}
    for user, item, rating in zip(
        train.user[order].tolist(),
        train.item[order].tolist(),
        train.rating[order].tolist(),
        strict=True,
    ):
        place = model.place(str(item))
        assert place is not None
        events.setdefault(user, []).append((place, rating))
    scores = np.full((USERS, ITEMS), -np.inf)
    for user, taken in events.items():
        scores[user, items] = model.scores(model.history(taken))
    return _of(scores)


OBJECT2VEC_RATING = {preset: _object2vec(preset, "rating") for preset in PRESETS}
OBJECT2VEC_LIKING = {preset: _object2vec(preset, "recommendation") for preset in PRESETS}
