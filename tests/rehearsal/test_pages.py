"""The report as a page: what it says, and that it needs nothing but itself."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rehearsal.calls import Call
from rehearsal.pages import page
from rehearsal.personalize import Catalogue
from rehearsal.run import Rehearsal
from rehearsal.steps import AlreadyRunning, alone
from rehearsal.suggestions import Shelf, Survey
from tests.rehearsal.test_report import NOUNS, rehearsed

CATALOGUE = Catalogue(
    users={1: "李 0003"},
    items={1: "bk-1", 2: "bk-2"},
    titles={"bk-1": "Красная <Küche>", "bk-2": "日本文学"},
    genres={"bk-1": ["Poetry"], "bk-2": []},
    years={},
    liked=7,
    nouns=NOUNS,
)


def shop_run() -> Rehearsal:
    """A rehearsal of a book shop with something of everything."""
    run = rehearsed(0.8, 0.70)
    run.data |= {
        "source": "your ratings (shop)",
        "ratings": 1,
        "items": 2,
        "users": 1,
        "train": 1,
        "split": "random",
        "scale": {"events": False},
    }
    run.training["rating"] |= {
        "seconds": 3.0,
        "curves": {"train": [(1, 2.0), (2, 1.0), (3, 0.5)], "validation": [(1, 2.5), (3, 1.5)]},
    }
    run.training["recommendation"] |= {"seconds": None, "curves": {}}
    history = [("bk-1", 9.0)]
    shelf = Shelf(user="李 0003", total=1, history=history, lists={"Lists": ["bk-2"]})
    shelf.errors["Object2Vec"] = "too busy"
    run.shelves = [shelf]
    run.surveys = [
        Survey(
            engine="Lists", users=60, places=600, different=139, had=2, favourite=0.81, chance=0.125
        )
    ]
    event = {"type": "rating", "user": "李 0003", "movies": ["bk-1"]}
    run.calls = [Call(function="f", event=event, answer="4.5", error=False, milliseconds=1)]
    run.left_out = {"Amazon Personalize": "the data do not meet its requirements"}
    run.cost = "On AWS this costs $0.35 an hour"
    run.leftovers = ["a bucket"]
    return run


@pytest.fixture
def run() -> Rehearsal:
    return shop_run()


class Parser(HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in ("meta", "br", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and tag == self.open[-1]:
            self.open.pop()


def test_page_needs_no_other_file(run: Rehearsal) -> None:
    text = page(run, CATALOGUE, "30 November 2026, 02:00")
    parser = Parser()
    parser.feed(text)
    assert parser.links == []
    assert not re.search(r"url\(|@import|<script", text)
    assert parser.open == []


def test_page_has_verdicts_suggestions_and_words_of_the_data(run: Rehearsal) -> None:
    text = page(run, CATALOGUE, "30 November 2026, 02:00")
    rows = re.findall(r"<tr><td>([^<]+)</td><td><span class=\"state(?: good)?\">([^<]+)", text)
    assert rows == [
        ("Object2Vec", "better"),
        ("Object2Vec, recommendation", "no better"),
        ("Lists", "better"),
    ]
    assert text.index("Verdict") < text.index("Learning curves")
    assert "1 rating of 2 books by 1 reader;" in text
    assert "Reader 李 0003" in text and "Read so far" in text
    assert "Красная &lt;Küche&gt;" in text and "<Küche>" not in text
    assert "日本文学" in text and "too busy" in text
    figures = re.findall(r'<td data-label="([^"]+)" class="number">([^<]+)</td>', text)
    assert figures[-3:] == [
        ("Different books", "139 in 600 places"),
        ("Already read", "2"),
        ("Of the favourite genre", "81 %"),
    ]
    assert "60 readers" in text and "by chance it would have 12 %" in text
    assert "Amazon Personalize: not deployed; the data do not meet its requirements." in text
    assert "a bucket" in text and "$0.35 an hour" in text
    assert "movie" not in text.replace('"movies"', "").replace("&#34;movies&#34;", "")


def test_learning_curves_go_from_the_first_to_the_last_epoch(run: Rehearsal) -> None:
    text = page(run, CATALOGUE, "30 November 2026, 02:00")
    train, held_out = re.findall(r'<polyline class="(?:other)?" points="([^"]+)"', text)
    points = [tuple(map(float, one.split(","))) for one in train.split()]
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    heights = [y for _, y in points]
    assert heights == sorted(heights)  # the loss falls, and SVG's heights grow downwards
    assert held_out.split()[0].split(",")[0] == train.split()[0].split(",")[0]
    assert held_out.split()[-1].split(",")[0] == train.split()[-1].split(",")[0]


def test_a_second_run_in_a_folder_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    lock = tmp_path / "build" / ".running"
    hold = (
        "import sys; from pathlib import Path; from rehearsal.steps import alone\n"
        "with alone(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout and first.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=f"Process {first.pid} already runs"), alone(lock):
            pytest.fail("two runs at once")
        first.kill()  # a lock does not outlive its holder
        first.wait()
    with alone(lock):
        pass
