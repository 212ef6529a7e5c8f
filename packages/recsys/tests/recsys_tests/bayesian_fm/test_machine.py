"""The sampler against brute force, and the machine against models planted in the data."""

import copy
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsys.bayesian_fm import BayesianFactorizationMachine
from recsys.bayesian_fm.blocks import Block, Rows, identity, implicit
from recsys.bayesian_fm.machine import _Chain
from recsys.errors import InputError

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]

USER = np.array([0, 0, 1, 1, 2, 2, 2])
ITEM = np.array([0, 1, 1, 2, 0, 2, 3])
DAY = np.array([0, 0, 1, 0, 1, 1, 0])
ROWS = [USER, ITEM, DAY]
RATING = np.array([1.0, 4.0, 3.0, 5.0, 2.0, 4.0, 3.0])


@pytest.fixture
def chain() -> _Chain:
    blocks = [
        Block.of([identity(3), implicit(USER, ITEM, (3, 4))]),
        Block.of([identity(4), csr_array(np.array([[1.0, 0], [1, 1], [0, 1], [0.5, 0]]))]),
        Block.of([identity(2)]),
    ]
    seed = np.random.SeedSequence(3)
    made = _Chain(blocks, Rows.of(ROWS, [3, 4, 2]), RATING, None, 2, seed)
    for b, block in enumerate(blocks):  # no two groups alike, so that a mix-up is seen
        groups = int(block.group.max()) + 1
        made.mean[b] = 0.1 * np.arange(3 * groups, dtype=float).reshape(groups, 3)
        made.precision[b] = 1.0 + np.arange(3 * groups, dtype=float).reshape(groups, 3)
    made.alpha = 2.5
    return made


def plain(chain: _Chain) -> Floats:
    """Rendle's formula as it stands in the paper, for the pairs of features of different blocks."""
    values = np.full(len(RATING), chain.bias)
    design = [b.features.toarray()[rows] for b, rows in zip(chain.blocks, ROWS, strict=True)]
    for x, v in zip(design, chain.v, strict=True):
        values += x @ v[:, 0]
    for (x, v), (y, w) in combinations(zip(design, chain.v, strict=True), 2):
        for i, j in product(range(x.shape[1]), range(y.shape[1])):
            values += x[:, i] * y[:, j] * (v[i, 1:] @ w[j, 1:])
    return values


@pytest.mark.parametrize("b", [0, 1, 2])
def test_features_are_drawn_from_their_conditional(chain: _Chain, b: int) -> None:
    expected = copy.deepcopy(chain)
    chain._draw_features(b)
    noise = expected.random.standard_normal(expected.v[b].shape)
    for j, g in enumerate(expected.blocks[b].group):
        # The formula is linear in a feature's numbers: four points give intercept and slopes.
        expected.v[b][j] = 0.0
        intercept = plain(expected)
        slopes = np.empty((len(RATING), 3))
        for k in range(3):
            expected.v[b][j] = np.eye(3)[k]
            slopes[:, k] = plain(expected) - intercept
        mean, precision = expected.mean[b][g], expected.precision[b][g]
        certainty = 2.5 * slopes.T @ slopes + np.diag(precision)
        centre = np.linalg.solve(
            certainty, 2.5 * slopes.T @ (RATING - intercept) + precision * mean
        )
        root = np.linalg.cholesky(certainty)
        expected.v[b][j] = centre + np.linalg.solve(root.T, noise[j])
    assert chain.v[b] == pytest.approx(expected.v[b])


def test_residuals_equal_the_formula_after_draws(chain: _Chain) -> None:
    for _ in range(20):
        chain.draw()
    assert chain.e == pytest.approx(RATING - plain(chain))
    assert chain.sample().scores(ROWS) == pytest.approx(plain(chain))


def test_implicit_features_have_weight_one_over_root_size() -> None:
    met = implicit(np.array([0, 0, 0, 2]), np.array([1, 3, 1, 0]), (3, 4)).toarray()
    root = 2**-0.5
    assert met == pytest.approx(np.array([[0, root, 0, root], [0, 0, 0, 0], [1, 0, 0, 0]]))


def planted(seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """Users, items, their true values (a bias each, two factors), and those with noise of 0.3."""
    random = np.random.default_rng(seed)
    user, item = (rows.ravel() for rows in np.indices((60, 50)))
    p, q = random.normal(size=(60, 2)), random.normal(size=(50, 2))
    truth = 3 + random.normal(size=60)[user] + random.normal(size=50)[item] + (p @ q.T).ravel()
    return user, item, truth, truth + 0.3 * random.normal(size=len(truth))


def test_fit_recovers_a_planted_model() -> None:
    user, item, truth, seen = planted()
    train = np.random.default_rng(1).random(len(user)) < 0.5
    machine = BayesianFactorizationMachine(
        factors=2, iterations=120, burn_in=40, chains=1, implicit_features=False
    ).fit(user[train], item[train], seen[train])
    error = machine.predict(user[~train], item[~train]) - truth[~train]
    # 1500 ratings for some 330 parameters: the least error is near 0.3 · (330 / 1500)^½ = 0.14.
    assert np.sqrt(np.mean(error**2)) < 0.2
    grid = machine.predict_grid(np.arange(60), np.arange(50))
    assert grid.ravel() == pytest.approx(machine.predict(user, item))


def test_ordered_probit_recovers_planted_probabilities() -> None:
    random = np.random.default_rng(2)
    item = np.repeat([0, 1], 3000)
    user = random.integers(0, 20, len(item))
    cuts, value = np.array([-1.0, 0.0, 0.5]), np.where(item == 0, -0.5, 0.6)
    rating = 1.0 + (value + random.normal(size=len(item)))[:, None].__gt__(cuts).sum(axis=1)
    machine = BayesianFactorizationMachine(
        factors=1, iterations=150, burn_in=50, chains=1, implicit_features=False, ordered=True
    ).fit(user, item, rating)
    found = np.stack([machine.probabilities(np.arange(20), np.full(20, i)) for i in (0, 1)])
    assert found.sum(axis=2) == pytest.approx(np.ones((2, 20)))
    assert (found > 0).all()
    # Φ(cut + 0.5) and Φ(cut − 0.6), by table: chances of the four levels
    expected = [[0.3085, 0.3829, 0.1499, 0.1587], [0.0548, 0.2195, 0.1859, 0.5398]]
    assert found.mean(axis=1) == pytest.approx(np.array(expected), abs=0.03)
    mean = machine.predict(np.arange(20), np.zeros(20, int))
    assert mean == pytest.approx(found[0] @ [1, 2, 3, 4])


def test_side_information_predicts_users_without_ratings() -> None:
    random = np.random.default_rng(3)
    kind = np.arange(40) % 2
    user, item = random.integers(0, 38, 2000), random.integers(0, 20, 2000)
    rating = 2.0 + 2.0 * kind[user] + 0.2 * random.normal(size=2000)
    machine = BayesianFactorizationMachine(
        factors=1, iterations=200, burn_in=100, chains=1, implicit_features=False
    ).fit(user, item, rating, shape=(40, 20), user_features=csr_array(np.eye(2)[kind]))
    found = machine.predict(np.repeat([38, 39], 20), np.tile(np.arange(20), 2))
    assert found.reshape(2, 20).mean(axis=1) == pytest.approx([2, 4], abs=0.5)


def test_context_improves_predictions() -> None:
    random = np.random.default_rng(4)
    user, item, day = (random.integers(0, n, 3000) for n in (30, 20, 3))
    rating = 3.0 + np.array([-1.0, 0.0, 1.0])[day] + 0.2 * random.normal(size=3000)
    machine = BayesianFactorizationMachine(factors=1, iterations=60, burn_in=20, chains=1).fit(
        user, item, rating, context=(day, 3)
    )
    found = machine.predict(np.zeros(3, int), np.zeros(3, int), np.arange(3))
    assert found == pytest.approx([2, 3, 4], abs=0.2)


def test_seed_determines_the_model_and_progress_is_reported() -> None:
    user, item, _, seen = planted()
    told: list[tuple[int, int, float]] = []

    def predictions(seed: int) -> Floats:
        machine = BayesianFactorizationMachine(
            factors=2, iterations=6, burn_in=2, chains=2, seed=seed
        )
        machine.fit(user, item, seen, progress=lambda *step: told.append(step))
        return machine.predict(user, item)

    first = predictions(0)
    assert [(done, total) for done, total, _ in told] == [(2 * n, 12) for n in range(1, 7)]
    assert told[-1][2] < told[0][2]
    assert (predictions(0) == first).all()
    assert not (predictions(1) == first).all()


def test_predictions_stay_on_the_scale() -> None:
    user, item, truth, _ = planted()
    rating = np.clip(np.round(truth), 1, 5)
    machine = BayesianFactorizationMachine(factors=2, iterations=10, burn_in=5, chains=1)
    found = machine.fit(user, item, rating).predict(user, item)
    assert found.min() >= 1 and found.max() <= 5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rating": RATING[:-1]}, "the same length"),
        ({"user": USER[:0], "item": ITEM[:0], "rating": RATING[:0]}, "of at least one"),
        ({"rating": np.where(RATING == 1, np.nan, RATING)}, "rating: every value must be a finite"),
        ({"user": USER - 1}, "user: every value must be from 0 to"),
        ({"shape": (3, 3)}, "item: every value must be from 0 to 2"),
        ({"user_features": csr_array(np.eye(2))}, "user_features: has 2 rows, not 3"),
        ({"context": (DAY, 1)}, "context: every value must be from 0 to 0"),
    ],
)
def test_invalid_training_data_are_reported(change: dict[str, object], words: str) -> None:
    given: dict[str, object] = {"user": USER, "item": ITEM, "rating": RATING} | change
    with pytest.raises(InputError, match=words):
        BayesianFactorizationMachine(iterations=2, burn_in=1).fit(**given)  # type: ignore[arg-type]


def test_invalid_queries_are_reported() -> None:
    machine = BayesianFactorizationMachine(factors=1, iterations=2, burn_in=1, chains=1)
    machine.fit(USER, ITEM, RATING)
    with pytest.raises(InputError, match="item: every value must be from 0 to 3"):
        machine.predict(np.array([0]), np.array([4]))
    with pytest.raises(InputError, match="fitted without"):
        machine.predict(np.array([0]), np.array([0]), np.array([0]))
    with pytest.raises(InputError, match="ordered=True"):
        machine.probabilities(np.array([0]), np.array([0]))
