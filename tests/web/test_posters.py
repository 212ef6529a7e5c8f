"""The page with an OMDb that answers, is slow, or fails."""

import json
import logging
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.web.conftest import KEY, PNG, FakeOmdb
from web import drawing, posters
from web.answers import Movie
from web.posters import Omdb


def omdb(fake: FakeOmdb, folder: Path, *, limit: int = 1000) -> Omdb:
    return Omdb(KEY, folder / "omdb", fake.url, limit)


def told(fake: FakeOmdb, **more: Any) -> dict[str, Any]:
    return {
        **{"Response": "True", "Title": "The Invented", "Year": "1984", "Plot": "It happens."},
        **{"Poster": f"{fake.url}/poster.png", **more},
    }


NOT_FOUND = {"Response": "False", "Error": "Movie not found!"}


def test_plot_is_requested_once_by_title_and_year_and_cached(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path
) -> None:
    fake_omdb.answer = lambda _: (200, told(fake_omdb))
    asked = omdb(fake_omdb, tmp_path)
    assert asked.plot(movie) == "It happens."
    picture = asked.poster(movie)
    assert picture and (picture.content, picture.kind) == (PNG, "image/png")
    later = omdb(fake_omdb, tmp_path)  # another start of the page
    assert later.plot(movie) == "It happens."
    assert later.poster(movie) == picture
    assert fake_omdb.asked == [{"apikey": KEY, "t": "The Invented", "y": "1984", "type": "movie"}]


@pytest.mark.parametrize(("year", "plot"), [("1985", "It happens."), ("2004", None)])
def test_entry_of_an_adjacent_year_is_accepted_and_a_remake_is_not(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path, year: str, plot: str | None
) -> None:
    fake_omdb.answer = lambda asked: (
        200,
        NOT_FOUND if "y" in asked else told(fake_omdb, Year=year),
    )
    assert omdb(fake_omdb, tmp_path).plot(movie) == plot


def test_omdb_without_a_key_makes_no_requests(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path
) -> None:
    silent = Omdb(None, tmp_path / "omdb", fake_omdb.url, 1000)
    assert (silent.plot(movie), silent.poster(movie)) == (None, None)
    assert fake_omdb.asked == []
    assert not (tmp_path / "omdb").exists()


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"),
        (200, b"<html>not JSON"),
        (200, {"Response": "False", "Error": f"Invalid API key: {KEY}"}),
        (200, b"x" * 300_000),
        (200, []),
    ],
)
def test_failing_omdb_is_paused_without_logging_the_key(
    fake_omdb: FakeOmdb,
    movie: Movie,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    answer: tuple[int, Any],
) -> None:
    fake_omdb.answer = lambda _: answer
    broken = omdb(fake_omdb, tmp_path)
    with caplog.at_level(logging.DEBUG):
        assert (broken.plot(movie), broken.poster(movie)) == (None, None)
        assert broken.plot(movie.model_copy(update={"number": 196})) is None
    assert len(fake_omdb.asked) == 1  # then it is given a rest
    assert "OMDb, asked about movie 195" in caplog.text
    assert KEY not in caplog.text
    assert not list((tmp_path / "omdb").glob("195-*"))  # a failure is not kept


def test_slow_omdb_does_not_delay_the_page(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posters, "WAIT", 0.2)
    release = threading.Event()

    def answer(_: Any) -> tuple[int, Any]:
        release.wait(10)
        return 200, told(fake_omdb)

    fake_omdb.answer = answer
    slow = omdb(fake_omdb, tmp_path)
    assert slow.plot(movie) is None
    assert not release.is_set()  # it gave up while OMDb still thought
    release.set()


@pytest.mark.parametrize("poster", ["N/A", "ftp://a/b.png", "", None, "poster-is-text"])
def test_movie_without_a_poster_has_none(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path, poster: str | None
) -> None:
    link = f"{fake_omdb.url}/" if poster == "poster-is-text" else poster  # JSON is no picture
    fake_omdb.answer = lambda _: (200, told(fake_omdb, Poster=link, Plot="N/A"))
    asked = omdb(fake_omdb, tmp_path)
    assert (asked.poster(movie), asked.plot(movie)) == (None, None)


def test_requests_stop_at_the_daily_limit(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path
) -> None:
    fake_omdb.answer = lambda _: (200, told(fake_omdb))
    for number in range(3):  # a new start each time: the count is on disk
        omdb(fake_omdb, tmp_path, limit=2).plot(movie.model_copy(update={"number": number}))
    assert len(fake_omdb.asked) == 2
    count = tmp_path / "omdb" / "asked.json"
    count.write_text(json.dumps({**json.loads(count.read_text()), "day": "2001-01-01"}))
    omdb(fake_omdb, tmp_path, limit=2).plot(movie.model_copy(update={"number": 9}))
    assert len(fake_omdb.asked) == 3  # another day


def test_drawn_poster_is_an_svg_with_the_title(movie: Movie) -> None:
    hostile = movie.model_copy(update={"name": '</text><script>alert("&")</script>', "genres": ()})
    for one in (movie, hostile, movie.model_copy(update={"year": None})):
        root = ElementTree.fromstring(drawing.poster(one))  # noqa: S314
        words = "".join(root.itertext())
        assert one.name[:5] in words
        assert not [child for child in root.iter() if child.tag.endswith("script")]
    assert drawing.poster(movie) == drawing.poster(movie)
