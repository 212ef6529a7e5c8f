"""The lists: what they learn, what they answer, and why."""

import io
import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys.errors import InputError
from recsys.item_models import Ease
from recsys.lists import training
from recsys.lists.blend import Blend, Dense, standardized
from recsys.lists.factors import from_items
from recsys.lists.model import Catalogue, History, ItemFactors, ItemWeights, ListModel, Pruned
from recsys.lists.training import Interactions, Lists, Settings


def catalogue(items: int, **more: Any) -> Catalogue:
    given = {
        "ids": tuple(f"i{number}" for number in range(items)),
        "titles": tuple(f"Film {number}" for number in range(items)),
        "years": np.arange(1990, 1990 + items).astype(np.int32),
        "genres": np.array([1 + number % 2 for number in range(items)], np.uint64),
        "genre_names": ("Comedy", "Drama"),
    }
    return Catalogue(**{**given, **more})


def groups(users: int = 60, seed: int = 0, items: int = 20) -> Interactions:
    """Users of two kinds: the even ones take even items, the others odd ones; six each."""
    random = np.random.default_rng(seed)
    rows = [
        (user, 2 * item + user % 2, rank)
        for user in range(users)
        for rank, item in enumerate(random.permutation(items // 2)[:6])
    ]
    user, item, rank = np.array(rows).T
    return Interactions(user, item, np.full(len(rows), np.nan, np.float32), rank, catalogue(items))


def pruned(dense: np.ndarray) -> Pruned:
    """Every entry, the scale such that the integers are exact for multiples of 1/127."""
    rows = csr_array(dense)
    scale = np.full(len(dense), 1 / 127, np.float32)
    data = np.rint(rows.data * 127).astype(np.int8)
    return Pruned(rows.indptr.astype(np.int64), rows.indices.astype(np.uint16), data, scale)


def model(
    items: int = 6,
    seed: int = 1,
    blend: Blend = Blend(half_life=2.0, next_item=0.5),  # noqa: B008 - frozen
    **more: Any,
) -> ListModel:
    random = np.random.default_rng(seed)

    def matrix() -> np.ndarray:
        dense = random.integers(-127, 128, (items, items)) / 127
        np.fill_diagonal(dense, 0)
        return dense

    given: dict[str, Any] = {
        "scorer": ItemWeights(pruned(matrix()), pruned(np.abs(matrix())), blend),
        "counts": np.arange(1.0, items + 1),
        "trending": np.ones(items),
        "largest": 5.0,
        "power": 0.5,
        "catalogue": catalogue(items),
    }
    return ListModel(**{**given, **more})


def unpacked(matrix: Pruned, items: int) -> np.ndarray:
    dense = np.zeros((items, items))
    for row in range(items):
        for entry in range(matrix.indptr[row], matrix.indptr[row + 1]):
            dense[row, matrix.indices[entry]] = matrix.data[entry] * float(matrix.scale[row])
    return dense


def scorer(one: ListModel) -> ItemWeights:
    assert isinstance(one.scorer, ItemWeights)
    return one.scorer


def by_hand(one: ListModel, history: History) -> np.ndarray:
    """The formula of the module `blend`, worked out item by item."""
    items, used = len(one), scorer(one)
    together, follows = unpacked(used.together, items), unpacked(used.follows, items)
    sums, nexts = np.zeros(items), np.zeros(items)
    for age, (item, interest) in enumerate(
        zip(history.items[::-1], history.interest[::-1], strict=True)
    ):
        sums += interest * 0.5 ** (age / used.blend.half_life) * together[item]
        nexts += 0.5 ** (age / 3.0) * follows[item]
    scaled = (sums - sums.mean()) / sums.std()
    return np.asarray(scaled + used.blend.next_item * (nexts - nexts.mean()) / nexts.std())


# Answers ------------------------------------------------------------------------------------------


def test_scores_of_a_history_equal_manual_results() -> None:
    one = model()
    history = one.history([(0, 5.0), (3, 1.25), (4, None)])
    np.testing.assert_allclose(history.interest, [1.0, 0.5, 1.0])
    np.testing.assert_allclose(one.scores(history), by_hand(one, history), atol=1e-6)


def test_shares_of_a_history_add_up_to_the_score() -> None:
    one = model()
    history = one.history([(0, 5.0), (3, 1.25), (4, None)])
    shares = one.shares(history, np.arange(len(one)))
    rest = by_hand(one, history) - shares.sum(axis=0)
    np.testing.assert_allclose(rest, np.full(len(one), rest[0]), atol=1e-6)


def test_reason_is_the_item_with_the_largest_effect() -> None:
    one = model(items=8, seed=3)
    history = one.history([(0, None), (1, None), (2, None)])
    chosen = one.best(one.scores(history), 3, without=history.items)
    for item, reasons in zip(chosen, one.reasons(history, chosen), strict=True):
        shares = dict(zip(history.items, one.shares(history, np.array([item]))[:, 0], strict=True))
        wanted = sorted((-share, place) for place, share in shares.items() if share > 0)
        assert [reason.item for reason in reasons] == [place for _, place in wanted]
        assert [reason.share for reason in reasons] == pytest.approx([-each for each, _ in wanted])


def test_history_keeps_an_items_latest_event() -> None:
    one = model()
    history = one.history([(2, 5.0), (1, 5.0), (2, 1.25)])
    assert history.items.tolist() == [1, 2]
    assert history.interest.tolist() == [1.0, 0.5]


def test_event_without_value_has_the_largest_weight() -> None:
    one = model()
    assert one.interest(None) == one.interest(5.0) == one.interest(50.0) == 1.0
    assert 0 < one.interest(0.0) < one.interest(1.0) < 1.0


def test_empty_history_recommends_popular_and_trending_items() -> None:
    one = model(trending=np.array([9.0, 0, 0, 0, 0, 0]), counts=np.array([1.0, 2, 3, 4, 5, 60]))
    best = one.best(one.scores(one.history([])), 2)
    assert set(best.tolist()) == {0, 5}


def test_best_excludes_disallowed_items_and_may_be_short() -> None:
    one = model()
    scores = np.array([1.0, 2.0, 2.0, 5.0, 4.0, 3.0])
    assert one.best(scores, 3).tolist() == [3, 4, 5]
    assert one.best(scores, 2, without=np.array([3, 4, 5])).tolist() == [1, 2]  # ties in order
    allowed = one.allowed(genres=["drama"], years=(1991, 1993))
    assert one.best(scores, 6, allowed).tolist() == [3, 1]
    assert one.best(scores, 6, one.allowed(genres=["Western"])).tolist() == []
    assert one.allowed() is None
    assert scores.tolist() == [1.0, 2.0, 2.0, 5.0, 4.0, 3.0]


def test_allowed_excludes_items_of_unknown_year() -> None:
    years = np.array([0, 1991, 1992, 0, 0, 0], np.int32)
    one = model(catalogue=catalogue(6, years=years))
    for years_, wanted in (((None, 1991), [1]), ((1992, None), [2])):
        allowed = one.allowed(years=years_)
        assert allowed is not None
        assert np.flatnonzero(allowed).tolist() == wanted


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("small", [0, 50])  # items of a matrix that is unpacked to be summed
def test_sums_of_pruned_rows_equal_the_dense_matrix(
    rows: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys.lists.model._SMALL", small)
    one = model(items=50, seed=5)
    dense = unpacked(scorer(one).together, 50)
    random = np.random.default_rng(0)
    chosen, weights = random.integers(0, 50, rows), random.random(rows)
    np.testing.assert_allclose(
        scorer(one).together.sum_rows(chosen, weights, 50), weights @ dense[chosen], atol=1e-5
    )
    columns = np.array([7, 3, 49])
    np.testing.assert_allclose(
        scorer(one).together.at(chosen, columns), dense[chosen][:, columns], atol=1e-6
    )


def test_standardized_equal_scores_are_zero() -> None:
    assert standardized(np.full(5, 0.1)).tolist() == [0.0] * 5
    assert standardized(np.array([1.0, 3.0])).tolist() == [-1.0, 1.0]


def test_scores_of_dense_and_pruned_matrix_are_equal() -> None:
    one = model()
    items = np.array([1, 4])
    age, interest = np.array([1, 0]), np.array([0.3, 1.0])
    dense = scorer(one).blend.score(
        Dense(unpacked(scorer(one).together, 6).astype(np.float32)),
        Dense(unpacked(scorer(one).follows, 6).astype(np.float32)),
        items,
        interest,
        age,
        6,
    )
    np.testing.assert_allclose(dense, one.scores(History(items, interest)), atol=1e-5)


# The artifact -------------------------------------------------------------------------------------


def test_saved_model_is_loaded_equal() -> None:
    for blend in (Blend(half_life=2.0, next_item=0.5), Blend(half_life=np.inf, next_item=0.0)):
        one = model(blend=blend, about={"metrics": {"users": 3}})
        read = ListModel.from_bytes(one.to_bytes())
        history = one.history([(0, 5.0), (3, 1.25)])
        np.testing.assert_array_equal(read.scores(history), one.scores(history))
        assert read.catalogue.titles == one.catalogue.titles
        assert read.catalogue.genres_of(1) == ["Drama"]
        assert read.place("i3") == 3 and read.place("i9") is None
        assert read.about == {"metrics": {"users": 3}}


def test_invalid_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not a model of lists"):
        ListModel.from_bytes(b"something else")
    written = io.BytesIO()
    np.savez(written, about=np.frombuffer(b'{"version": 99}', np.uint8))
    with pytest.raises(ValueError, match="version 99"):
        ListModel.from_bytes(written.getvalue())


# Training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("validation", ["newest", "random"])
def test_users_of_two_kinds_get_items_of_their_kind(validation: Any) -> None:
    lists = Lists(validation=validation).fit(groups())
    one = lists.model_
    for kind in (0, 1):
        history = one.history([(kind, None), (kind + 2, None), (kind + 4, None)])
        best = one.best(one.scores(history), 7, without=history.items)
        assert [item % 2 for item in best.tolist()] == [kind] * 7
    # each item has its nine companions; of those not seen, whichever is hidden may be any
    assert lists.metrics_["validation_ndcg@10"] > lists.metrics_["validation_ndcg@10_popular"]
    assert lists.metrics_["users"] == 60 and lists.metrics_["items"] == 20


def test_fixed_setting_is_kept_and_reported() -> None:
    settings = Settings(regularization=7.0, dropout=0.1, half_life=3.0, next_item=0.0)
    lists = Lists(settings=settings).fit(groups())
    assert lists.settings_ == settings
    assert lists.model_.about["settings"]["regularization"] == 7.0
    assert scorer(lists.model_).blend == Blend(3.0, 0.0)


def test_fit_on_ordered_data_ranks_the_next_item_first() -> None:
    """Everybody goes round in a circle: only the last item tells the next one."""
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(200), 8)
    start = np.repeat(random.integers(0, 30, 200), 8)
    step = np.tile(np.arange(8), 200)
    given = Interactions(
        user,
        (start + step) % 30,
        np.full(1600, np.nan, np.float32),
        step.astype(np.int64),
        catalogue(30),
    )
    lists = Lists().fit(given)
    blind = Lists(settings=Settings(half_life=1e9, next_item=0.0)).fit(given)
    reached = "validation_ndcg@10"
    assert blind.metrics_[reached] + 0.05 < lists.metrics_[reached]
    one = lists.model_
    history = one.history([(3, None), (4, None), (5, None)])
    assert one.best(one.scores(history), 1, without=history.items).tolist() == [6]


def test_pruning_that_loses_variety_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as 50 entries a row are tried first; whichever variety they keep, it is no less."""
    given, items = groups(users=150, items=120), 120
    entries = {}
    for kept in (0.0, 1e9):
        monkeypatch.setattr(training, "_KEPT", 0.0)  # of the nDCG
        monkeypatch.setattr(training, "_KEPT_COVERAGE", kept)
        entries[kept] = int(Lists(settings=Settings()).fit(given).metrics_["entries"])
    assert entries[0.0] <= 50 * items < entries[1e9]


def test_search_begins_with_settings_for_what_is_held_out() -> None:
    """Three users whose lists cannot differ: no step is an improvement."""
    user, item = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    value = np.full(9, np.nan, np.float32)
    given = Interactions(user, item, value, np.tile(np.arange(3), 3), catalogue(3))
    newest = Lists(validation="newest").fit(given).settings_
    assert (newest.half_life, newest.next_item, newest.dropout) == (10.0, 0.75, 0.5)
    random = Lists(validation="random").fit(given).settings_
    assert (random.half_life, random.next_item) == (1e9, 0.0)


def test_items_beyond_the_limit_are_excluded_and_counted() -> None:
    given = groups()
    lists = Lists(most_items=5).fit(given)
    counts = np.bincount(given.item, minlength=20)
    wanted = np.sort(np.argsort(-counts, kind="stable")[:5])
    assert lists.model_.catalogue.ids == tuple(f"i{place}" for place in wanted)
    assert lists.metrics_["items_left_out"] == 15


def test_fit_needs_at_least_one_interaction() -> None:
    one = Interactions(
        np.array([3]),
        np.array([1]),
        np.array([4.0], np.float32),
        np.array([0], np.int64),
        catalogue(2),
    )
    learned = Lists().fit(one).model_
    assert learned.catalogue.ids == ("i1",)
    assert learned.best(learned.scores(learned.history([])), 10).tolist() == [0]
    none = Interactions(one.user[:0], one.item[:0], one.value[:0], one.timestamp[:0], one.catalogue)
    with pytest.raises(InputError, match="no interactions to train on"):
        Lists().fit(none)


def test_fit_keeps_the_newest_rating_of_an_item() -> None:
    given = Interactions(
        np.array([0, 0, 1]),
        np.array([0, 0, 1]),
        np.array([1.0, 4.0, 2.0], np.float32),
        np.array([5, 9, 1], np.int64),
        catalogue(2),
    )
    lists = Lists().fit(given)
    assert lists.metrics_["interactions"] == 2
    assert lists.model_.counts.tolist() == [1.0, 1.0]
    assert lists.model_.largest == 4.0


def test_fit_gram_equals_fit() -> None:
    random = np.random.default_rng(0)
    dense = (random.random((40, 12)) < 0.3).astype(np.float32)
    whole = Ease(30.0, 0.3).fit(csr_array(dense)).weights
    product = Ease(30.0, 0.3).fit_gram(dense.T @ dense).weights
    np.testing.assert_allclose(product, whole, atol=1e-5)


# Factors ------------------------------------------------------------------------------------------


def factors() -> tuple[ListModel, ItemFactors]:
    random = np.random.default_rng(2)
    lines = [
        {
            "item": number,
            "id": f"i{number}",
            "title": f"Title {number}",
            "year": 1990 + number,
            "genres": ["Drama"] if number % 2 else ["Comedy"],
            "attributes": {"author": ["Ann"]},
            "users": number,
            "trend": number / 2,
            **({"vector": random.normal(size=3).tolist()} if number < 7 else {}),
        }
        for number in range(8)
    ]
    order = random.permutation(8)
    manifest = {
        "als": {"factors": 3, "regularization": 0.1, "alpha": 2.0},
        "largest": 5.0,
        "metrics": {"ndcg@10": 0.5},
    }
    one = from_items((json.dumps(lines[k]) for k in order), manifest)
    assert isinstance(one.scorer, ItemFactors)
    return one, one.scorer


def test_users_vector_minimizes_the_loss_that_als_trains() -> None:
    """At the minimum every small step raises the loss, which is summed here item by item."""
    one, scorer = factors()
    history = one.history([(1, 5.0), (4, 2.0), (6, 4.0)])
    np.testing.assert_allclose(history.interest, [1.0, 0.4, 0.8])

    def loss(x: np.ndarray) -> float:
        total = 0.1 * 3 * float(x @ x)
        for item, vector in enumerate(scorer.vectors.astype(float)):
            where = np.flatnonzero(history.items == item)
            confidence = 1 + 2.0 * (history.interest[where[0]] if len(where) else 0.0)
            total += confidence * (float(len(where) > 0) - float(x @ vector)) ** 2
        return total

    scores = one.scores(history)
    x = np.linalg.lstsq(scorer.vectors.astype(float), scores, rcond=None)[0]
    np.testing.assert_allclose(scorer.vectors @ x, scores, atol=1e-5)
    for step in 1e-3 * np.vstack([np.eye(3), -np.eye(3)]):
        assert loss(x + step) > loss(x)


def test_factors_reasons_add_up_to_the_scores() -> None:
    one, _ = factors()
    history = one.history([(1, 5.0), (4, None), (6, 4.0)])
    chosen = np.arange(8)
    np.testing.assert_allclose(
        one.shares(history, chosen).sum(axis=0), one.scores(history), atol=1e-5
    )
    assert one.scores(history)[7] == 0  # which was not learned


def test_saved_factors_are_loaded_equal() -> None:
    one, _ = factors()
    read = ListModel.from_bytes(one.to_bytes())
    history = one.history([(0, 5.0), (3, 1.25)])
    np.testing.assert_array_equal(read.scores(history), one.scores(history))
    assert read.catalogue.ids == tuple(f"i{number}" for number in range(8))
    assert read.catalogue.genres_of(1) == ["Drama"]
    assert read.catalogue.attributes_of(2) == {"author": ["Ann"]}
    assert read.about["metrics"] == {"ndcg@10": 0.5}
    assert read.counts.tolist() == list(range(8))


def test_items_without_any_vector_are_refused() -> None:
    manifest = {"als": {"factors": 3, "regularization": 0.1, "alpha": 2.0}, "largest": 5}
    with pytest.raises(ValueError, match="no item has a vector"):
        from_items(['{"item": 1, "id": "a", "users": 1, "trend": 1}'], manifest)


def test_factors_cannot_be_blended() -> None:
    one, _ = factors()
    assert one.blended(None, None) is one
    with pytest.raises(ValueError, match="neither half_life nor next_item"):
        one.blended(2.0, None)
