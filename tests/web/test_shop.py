"""The page with a book shop's data and planted tastes, in a browser, without a deployment.

The engines' answers are planted, too: what is seen is the page's own work.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from outputs import Outputs
from rehearsal.pages import page as report_page
from tests.book_shop import GENRES, book_shop
from tests.rehearsal.test_pages import CATALOGUE, shop_run
from tests.web.conftest import serving
from tests.web.test_page import AUDIT, DESKTOP, PHONE, picture
from web import cartography, engines, projection
from web.answers import Map, Movie, Nouns, Point, Scale
from web.catalogue import Catalogue
from web.deployment import Deployment
from web.posters import Omdb
from web.service import Service, _Deployed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

READERS, BOOKS = 60, 160
USERS = READERS + 1  # numbers from 1
OUTPUTS = {
    "BucketName": "books",
    "DeepMfEndpointName": "deep",
    "FactorizationMachinesEndpointName": "machine",
    "FactorizationMachinesUsers": str(USERS),
    "FactorizationMachinesItems": str(BOOKS + 1),
    "RetrievalEndpointName": "retrieval",
    "MovieRetrievalFunctionName": "retrieval",
    "MovieIndexArn": "arn:aws:s3vectors:us-east-1:123456789012:bucket/books/index/books-1",
}


class Planted:
    """Endpoints that score a reader's favourite genre best, and an index of genres' vectors."""

    def __init__(self, favourite: dict[int, str], genre: dict[int, str]) -> None:
        self.favourite, self.genre = favourite, genre
        self.noise = np.random.default_rng(0).normal(0, 0.25, (BOOKS + 1, len(GENRES)))

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        scored = []
        for one in json.loads(request["Body"])["instances"]:
            if "data" in one:
                user, book = one["data"]["features"]["keys"]
                book -= USERS
            else:
                (user,), (book,) = one["in0"], one["in1"]
            score = 3 + 5 * (self.genre[book] == self.favourite[user]) + self.noise[book, 0]
            scored.append({"score": score} if "data" in one else {"scores": [score]})
        return {"Body": io.BytesIO(json.dumps({"predictions": scored}).encode())}

    def get_vectors(self, *, keys: list[str], **_: Any) -> dict[str, Any]:
        found = []
        for key in keys:
            number = int(key[3:-1]) + 1
            place = np.eye(len(GENRES))[GENRES.index(self.genre[number])] + self.noise[number]
            found.append({"key": key, "data": {"float32": place.tolist()}})
        return {"vectors": found}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Service:
    shop = book_shop(tmp_path_factory.mktemp("shop"), "1 to 10", readers=READERS, books=BOOKS)
    users = {reader: number for number, reader in enumerate(sorted(shop.favourite), 1)}
    numbers = {book: int(book[3:-1]) + 1 for book in shop.genre}
    with shop.ratings.open(encoding="utf-8") as file:
        rows = [
            (users[one["reader"]], numbers[one["book"]], float(one["rating"]), float(one["time"]))
            for one in csv.DictReader(file)
        ]
    with (shop.ratings.parent / "books.csv").open(encoding="utf-8") as file:
        titles = {one["book"]: one["title"] for one in csv.DictReader(file)}
    fame = Counter(row[1] for row in rows)
    items = [
        {
            "item": number,
            "id": book,
            "title": titles[book],
            "year": None,
            "genres": [shop.genre[book]],
            "ratings": fame[number],
        }
        for book, number in numbers.items()
    ]
    nouns = Nouns(item="book", items="books", user="reader", users="readers", event="read")
    scale = Scale(least=1, most=10, step=1, liked=7)
    # a fifth is held out: both parts count as read
    parts = [np.array(rows[len(rows) // 5 :]), np.array(rows[: len(rows) // 5])]
    catalogue = Catalogue(items, parts, {n: name for name, n in users.items()}, scale, nouns)
    planted: Any = Planted(
        {number: shop.favourite[name] for name, number in users.items()},
        {number: shop.genre[book] for book, number in numbers.items()},
    )
    clients: Any = SimpleNamespace(sagemaker_runtime=planted, s3vectors=planted)
    deployment = Deployment(Outputs(OUTPUTS))
    known = deployment, catalogue, clients
    deployed = _Deployed(
        deployment, catalogue, engines.recommenders(*known), engines.raters(*known), []
    )
    service = Service(clients, "shop")
    service._now = lambda: deployed
    return service


@pytest.fixture(scope="module")
def url(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(service, Omdb(None, tmp_path_factory.mktemp("omdb"), "", 0)) as address:
        yield address


def test_lists_of_every_engine_leave_out_what_was_read_in_any_part(service: Service) -> None:
    """Of engines that answer the whole catalogue, every page of every list of every reader."""
    for user in service.catalogue().users[:20]:
        read = service.catalogue().seen(user.number)
        found = service.recommendations(user.id, count=BOOKS)
        assert [one.engine.title for one in found.lists] == [
            "Deep matrix factorization",
            "Factorization machines",
        ]
        for one in found.lists:
            listed = {suggestion.movie.number for suggestion in one.movies}
            assert listed == set(range(1, BOOKS + 1)) - read


def test_planted_genres_are_apart_on_the_map(service: Service) -> None:
    points = service.map().points
    assert len(points) == BOOKS
    places = np.array([(point.x, point.y) for point in points])
    genres = np.array([GENRES.index(point.movie.genres[0]) for point in points])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert np.mean(genres[apart.argmin(axis=1)] == genres) > 0.9


def test_labels_have_room_and_colours_go_to_the_commonest_genres(service: Service) -> None:
    points = service.map().points
    colours = cartography.colours(points)
    assert set(colours) == set(GENRES)
    assert sorted(colours.values()) == list(range(len(GENRES)))
    labels = cartography.labels(points, tuple(colours))
    assert [label.text for label in labels if not label.zoom] == list(colours)
    titles = [label for label in labels if label.zoom == 1]
    assert titles
    for one in titles:
        for other in titles:
            room = abs(one.x - other.x) > 0.15 or abs(one.y - other.y) > 0.04
            assert one is other or room
    assert cartography.labels([], ()) == []


def test_labels_that_would_overlap_are_left_out(service: Service) -> None:
    points = service.map().points
    genre = points[0].movie.genres[0]
    same = [one.movie for one in points if one.movie.genres[0] == genre][:2]
    other = next(one.movie for one in points if one.movie.genres[0] != genre)

    def at(movie: Movie, x: float, y: float = 0.5) -> Point:
        return Point(movie=movie, x=x, y=y)

    # two genres in one place
    placed = [at(same[0], 0.95), at(same[1], 0.8), at(other, 0.85)]
    labels = cartography.labels(placed, (genre, other.genres[0]))
    assert [label.text for label in labels if not label.zoom] == [genre]
    # a title that ends at the edge reaches into the middle
    wide = cartography.labels([at(same[0], 0.95), at(same[1], 0.78)], ())
    assert [(label.zoom, label.side) for label in wide] == [(1, "east"), (2, "")]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "view", "scheme"),
    [("desktop", DESKTOP, "light"), ("phone", PHONE, "light"), ("dark", DESKTOP, "dark")],
)
def test_book_shop_fits_every_screen(
    browser: "Browser", url: str, pictures: Path, name: str, view: Any, scheme: Any
) -> None:
    """The readers' suggestions and the map: nothing overflows, every text can be read."""
    context = browser.new_context(viewport=view, color_scheme=scheme, base_url=url)
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.set_default_timeout(120_000)
    tab.goto("/")
    reader = tab.locator(".people a").first.get_attribute("href")
    assert reader
    for place, address in (("user", reader), ("map", "/map")):
        tab.goto(address)
        assert tab.evaluate("document.documentElement.scrollWidth") <= view["width"]
        assert tab.evaluate(AUDIT) == []
        picture(tab, pictures / f"shop-{place}-{name}.png")
    context.close()
    assert complaints == []


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "view", "scheme"),
    [("desktop", DESKTOP, "light"), ("phone", PHONE, "light"), ("dark", DESKTOP, "dark")],
)
def test_report_fits_every_screen(
    browser: "Browser", tmp_path: Path, pictures: Path, name: str, view: Any, scheme: Any
) -> None:
    """The rehearsal's report, opened as a file: nothing overflows the screen."""
    report = tmp_path / "report.html"
    report.write_text(report_page(shop_run(), CATALOGUE, "30 November 2026, 02:00"), "utf-8")
    context = browser.new_context(viewport=view, color_scheme=scheme)
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    tab.goto(report.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= view["width"]
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", ground)[:3])) > 3 * 128
    assert light is (scheme == "light")
    picture(tab, pictures / f"report-{name}.png")
    context.close()


@pytest.mark.browser
def test_map_is_searched_and_magnified(browser: "Browser", url: str) -> None:
    view: Any = DESKTOP
    tab = browser.new_page(viewport=view, base_url=url)
    tab.set_default_timeout(120_000)
    tab.goto("/map")
    sheet = tab.locator(".map > svg")
    size = "map => map.viewBox.baseVal.width"
    whole = sheet.evaluate(size)
    assert tab.locator(".legend li").count() == len(GENRES)
    hidden = tab.locator(".map .z2").first
    assert not hidden.is_visible()
    tab.get_by_role("button", name="Zoom in").click()
    tab.get_by_role("button", name="Zoom in").click()
    assert sheet.evaluate(size) == pytest.approx(whole / 1.6**2)
    assert hidden.evaluate("one => getComputedStyle(one).display") != "none"
    tab.get_by_role("button", name="Whole map").click()
    assert sheet.evaluate(size) == whole
    tab.get_by_label("Title").fill("Красная")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Highlight").click()
    lit = tab.locator(".map circle.lit")
    titles = [one for one in range(BOOKS) if one % 12 == 1]  # the second of twelve first words
    assert lit.count() == len(titles)
    assert f"{len(titles)} books found" in tab.get_by_role("status").inner_text()
    tab.close()


ARROWS = {"ArrowRight": 1, "ArrowDown": 1j, "ArrowLeft": -1, "ArrowUp": -1j}


def arrow_steps(places: NDArray[np.complex128]) -> dict[str, list[int]]:
    """By key, where each point's arrow should lead: the nearest one within 45 degrees, or none.

    Points are complex numbers, downwards is positive, and angles tell the directions.
    """
    to = places[None] - places[:, None]
    found = {}
    for key, direction in ARROWS.items():
        off = np.abs(np.angle(to / direction))
        apart = np.where((to != 0) & (off <= np.pi / 4), np.abs(to), np.inf)
        stay = np.isinf(apart).all(axis=1)
        found[key] = np.where(stay, np.arange(len(places)), apart.argmin(axis=1)).tolist()
    return found


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_map_is_walked_by_arrow_keys(
    browser: "Browser", url: str, pictures: Path, scheme: Any
) -> None:
    """One stop of Tab; arrows reach every point: named, marked and in sight; Enter opens it."""
    view: Any = DESKTOP
    context = browser.new_context(viewport=view, color_scheme=scheme, base_url=url)
    tab = context.new_page()
    tab.set_default_timeout(120_000)
    tab.goto("/map")
    sheet = tab.get_by_role("application", name="Map of the books")
    keys = tab.locator(f"#{sheet.get_attribute('aria-describedby')}")
    assert "Arrow keys" in (keys.text_content() or "")
    assert not keys.is_visible()
    names, places = tab.evaluate("""() => { const all = [...document.querySelectorAll(".map a")];
        const place = ({cx, cy}) => [cx.baseVal.value, cy.baseVal.value];
        return [all.map(one => one.getAttribute("aria-label")),
                all.map(one => place(one.firstElementChild))]; }""")
    steps = arrow_steps(np.array(places) @ [1, 1j])

    reached = edge = {0}
    while edge:
        edge = {there[one] for there in steps.values() for one in edge} - reached
        reached = reached | edge
    assert len(reached) == BOOKS

    focus = "document.activeElement.getAttribute('aria-label')"
    tab.get_by_role("button", name="Whole map").focus()
    for key, name in (("Tab", names[0]), ("Tab", None), ("Shift+Tab", names[0])):
        tab.keyboard.press(key)
        assert tab.evaluate(focus) == name
    assert keys.is_visible()
    at = 0
    for key in (*ARROWS, "ArrowLeft", "ArrowDown", "ArrowDown"):
        tab.keyboard.press(key)
        at = steps[key][at]
        assert (tab.evaluate(focus), tab.locator("#tip").inner_text()) == (names[at], names[at])
    ring = tab.locator(".ring circle").last
    assert [ring.evaluate(f"one => one.c{axis}.baseVal.value") for axis in "xy"] == places[at]
    text = tab.locator("h1").evaluate("one => getComputedStyle(one).color")
    assert ring.evaluate("one => getComputedStyle(one).stroke") == text
    picture(tab, pictures / f"shop-map-keys-{scheme}.png")
    tab.keyboard.press("Escape")
    assert tab.locator("#tip").inner_text() == ""

    for _ in range(4):
        tab.get_by_role("button", name="Zoom in").click()
    tab.get_by_role("button", name="Whole map").press("Tab")
    while True:  # as far as the edge, where the focus stays
        assert tab.evaluate("""() => { const one = document.activeElement.getBoundingClientRect();
            const all = document.querySelector(".map > svg").getBoundingClientRect();
            return all.left <= one.left && one.right <= all.right
                && all.top <= one.top && one.bottom <= all.bottom; }""")
        tab.keyboard.press("ArrowLeft")
        if at == steps["ArrowLeft"][at]:
            break
        at = steps["ArrowLeft"][at]
    assert tab.evaluate(focus) == names[at]
    with tab.expect_navigation(url="**/map?movie=*"):
        tab.keyboard.press("Enter")
    assert tab.get_by_role("heading", name=f"Nearest to {names[at]}").is_visible()
    for sign in ("[aria-current=true]", "[tabindex='0']"):  # where the arrows go on
        assert tab.locator(f".map a{sign}").get_attribute("aria-label") == names[at]
    assert not tab.locator(".ring").is_visible()
    context.close()


def test_map_without_embeddings_says_so() -> None:
    clients: Any = SimpleNamespace()
    catalogue: Any = SimpleNamespace(known=[])
    found = projection.lay(clients, Deployment(Outputs({"BucketName": "b"})), catalogue)
    assert found == Map(points=(), problem="No embeddings are deployed.")
