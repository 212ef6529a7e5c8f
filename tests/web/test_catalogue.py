"""Titles as people say them, and what a user has seen."""

from typing import Any

import numpy as np
import pytest

from web.answers import Scale
from web.catalogue import Catalogue, said


def item(number: int, label: str, title: str, year: int | None, *genres: str) -> dict[str, Any]:
    """An item as catalogue.json has it, with as many ratings as there are below."""
    ratings = {1: 2, 2: 1, 3: 1, 4: 0}[number]
    return {
        "item": number,
        "id": label,
        "title": title,
        "year": year,
        "genres": list(genres),
        "ratings": ratings,
    }


SCALE = Scale(least=1, most=5, step=1, liked=4)
ITEMS = [
    item(1, "alpha", "Invented, The (1984)", 1984, "Action", "Sci-Fi"),
    item(2, "beta", "Made Up (Erfunden) (1999)", 1999, "Comedy"),
    item(3, "gamma", "unknown", None),
    item(4, "delta", "Nobody\x85 Rated", 1971, "Comedy"),
]
RATINGS = np.array([[7, 2, 3, 100], [5, 1, 4, 50], [7, 1, 5, 200], [7, 3, 1, 150]], np.float64)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue(ITEMS, [RATINGS[:1], RATINGS[1:]], {7: "anna", 5: "b"}, SCALE)


@pytest.mark.parametrize(
    ("title", "name", "year"),
    [
        ("Terminator, The (1984)", "The Terminator", 1984),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly", 1966),
        (
            "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
            *("The City of Lost Children", 1995),
        ),
        ("Seven (a.k.a. Se7en) (1995)", "Seven", 1995),
        ("America, L' (1994)", "L'America", 1994),
        ("Postino, Il (1994)", "Il Postino", 1994),
        ("Die Hard (1988)", "Die Hard", 1988),
        ("Land Before Time III, The (1995) (V)", "The Land Before Time III", 1995),
        ("A Series (2006–2007)", "A Series", 2006),
        ("Me, Myself and I", "Me, Myself and I", None),
        ("unknown", "unknown", None),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("(1999)", "(1999)", 1999),
    ],
)
def test_titles_are_converted_to_natural_word_order(
    title: str, name: str, year: int | None
) -> None:
    assert said(title) == (name, year)


def test_movies_have_their_ratings(catalogue: Catalogue) -> None:
    first = catalogue.movies[1]
    assert (first.id, first.name, first.year) == ("alpha", "The Invented", 1984)
    assert first.genres == ("Action", "Sci-Fi")
    assert (first.ratings, first.mean) == (2, 4.5)
    assert catalogue.movies[4].year == 1971  # the catalogue's, where the title has none
    assert (catalogue.movies[4].ratings, catalogue.movies[4].mean) == (0, None)
    assert catalogue.movies[3].genres == ()
    assert [movie.number for movie in catalogue.known] == [1, 2, 3, 4]
    assert catalogue.choices.genres == ("Action", "Comedy", "Sci-Fi")
    assert catalogue.choices.decades == (1990, 1980, 1970)


def test_ratings_of_a_user_are_newest_first(catalogue: Catalogue) -> None:
    assert [one.movie.number for one in catalogue.rated(7)] == [1, 3, 2]
    assert [one.rating for one in catalogue.rated(7)] == [5, 1, 3]
    assert catalogue.seen(7) == {1, 2, 3}
    assert catalogue.seen(99) == set()


def test_users_and_movies_are_found(catalogue: Catalogue) -> None:
    assert [user.id for user in catalogue.users] == ["anna", "b"]
    assert [user.id for user in catalogue.find_users("NN")] == ["anna"]
    assert [movie.number for movie in catalogue.find_movies("the INV", None, None)] == [1]
    assert [movie.number for movie in catalogue.find_movies("", "Comedy", 1990)] == [2]
    assert catalogue.find_movies("", "Comedy", 1980) == []


def test_movies_are_found_by_their_attributes() -> None:
    first = {**ITEMS[0], "attributes": {"author": ["Лев Толстой"], "tags": ["a", "war"]}}
    found = Catalogue([first, *ITEMS[1:]], [RATINGS], {}, SCALE)
    assert [one.number for one in found.find_movies("толстой WAR", None, None)] == [1]
    assert found.find_movies("толстой peace", None, None) == []
    author, tags = found.movies[1].attributes
    assert (author.name, author.values, tags.values) == ("author", ("Лев Толстой",), ("a", "war"))
    assert len({found.movies[1], found.movies[2]}) == 2  # answers are kept by their movie


def test_users_and_movies_are_found_by_their_own_ids(catalogue: Catalogue) -> None:
    anna, alpha = catalogue.user("anna"), catalogue.by_id("alpha")
    assert anna is not None and anna.number == 7
    assert alpha is not None and alpha.number == 1
    assert catalogue.user("7") is None  # the models' number, and no user's id
