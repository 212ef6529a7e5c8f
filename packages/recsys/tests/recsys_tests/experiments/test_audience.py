"""The simulated audience: tastes are those behind generated ratings, clicks the click model's."""

import numpy as np

from recsys.datasets.generator import generate_with_tastes
from recsys.experiments.audience import Audience


def test_tastes_are_the_truth_behind_the_ratings() -> None:
    data, tastes = generate_with_tastes("small")
    told = np.concatenate(
        [
            tastes.likes(user, data.ratings.item[data.ratings.user == user])
            for user in range(1, len(tastes.user) + 1)
        ]
    )
    liked = data.ratings.rating >= 4
    for low in np.arange(0, 1, 0.25):  # of those liked with about some probability, as many are
        some = (told >= low) & (told <= low + 0.25)
        error = 4 * np.sqrt(0.25 / some.sum())
        assert abs(liked[some].mean() - told[some].mean()) < error


def test_clicks_follow_places_and_tastes() -> None:
    audience = Audience("small")
    items = [str(item) for item in range(1, 11)]
    clicks = [audience.clicks("7", items) for _ in range(4000)]
    shares = [np.mean([item in one for one in clicks]) for item in items]
    expected = audience.likes("7", items) / np.arange(1, 11)
    assert np.abs(np.array(shares) - expected).max() < 4 * 0.5 / np.sqrt(4000)
