"""One deployment, seen in a real browser and through its API."""

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import jsonschema
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from openapi_spec_validator import validate
from PIL import Image

from tests.web.conftest import KEY, FakeOmdb, Page, serving
from web import api
from web.__main__ import omdb_key
from web.app import create_app
from web.posters import Omdb

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

Open = Callable[..., "Tab"]

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}


@pytest.fixture
def open_tab(browser: "Browser", page: Page) -> Iterator[Open]:
    """Opens tabs; in the end, none may have complained of a script, a style or a picture."""
    tabs, complaints = [], []

    def run(**options: Any) -> "Tab":
        options = {"viewport": DESKTOP, "base_url": page.url, **options}
        tab = browser.new_context(**options).new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: complaints.append(f"{tab.url}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(f"{tab.url}: {error}"))
        tabs.append(tab)
        return tab

    yield run
    for tab in tabs:
        tab.context.close()
    assert [one for one in complaints if "/nowhere" not in one] == []


def listed(tab: "Tab") -> dict[str, list[str]]:
    """The titles in each engine's list."""
    script = """() => Object.fromEntries([...document.querySelectorAll(".lists .list")].map(
        list => [list.id, [...list.querySelectorAll(".name")].map(name => name.innerText)]))"""
    found: dict[str, list[str]] = tab.evaluate(script)
    return found


def picture(tab: "Tab", path: Path, **options: Any) -> None:
    """A screenshot; that for the documentation has a palette of colours, to keep it small."""
    tab.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    tab.wait_for_load_state("networkidle")
    tab.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    taken = tab.screenshot(**options)
    if "SCREENSHOTS" not in os.environ:
        path.write_bytes(taken)
        return
    Image.open(BytesIO(taken)).convert("RGB").quantize(
        256, kmeans=2, dither=Image.Dither.NONE
    ).save(path, optimize=True)


@pytest.mark.parametrize("script", [True, False], ids=["", "no-javascript"])
def test_watched_movie_changes_the_lists(open_tab: Open, pictures: Path, script: bool) -> None:
    number = "12" if script else "13"
    tab = open_tab(java_script_enabled=script)
    tab.goto("/")
    if script:
        picture(tab, pictures / "users.png")
    tab.get_by_label("User id").fill(number)
    with tab.expect_navigation():  # a click alone waits for no page
        tab.get_by_role("button", name="Find").click()
    with tab.expect_navigation():
        tab.get_by_role("link", name=re.compile(rf"User {number}\b")).first.click()
    before = listed(tab)
    assert next(iter(before)) == "lists"
    assert set(before) == {
        "lists",
        "object2vec",
        "object2vec-by-who-watched-what",
        "custom-user-personalization-v2",
        "domain-top-picks",
    }
    assert all(len(set(titles)) == 10 for titles in before.values())

    seen = set(
        tab.get_by_label("Watched so far, newest first").get_by_role("link").all_inner_texts()
    )
    reasons = tab.locator("#lists .because").all_inner_texts()
    assert len(reasons) == 10
    assert all(one.startswith("because you watched ") for one in reasons)
    assert any(name in one for one in reasons for name in seen)

    picks = tab.locator("#domain-top-picks")
    watched = before["domain-top-picks"][0]
    with tab.expect_navigation(url=f"**/users/{number}"):
        picks.get_by_role("button", name=f"Watched {watched}").click()
    assert watched in tab.get_by_role("status").inner_text()
    after = listed(tab)
    assert not [titles for titles in after.values() if watched in titles]
    # Personalize used the event: more has changed than that the movie is excluded
    left = [title for title in before["domain-top-picks"] if title != watched]
    assert after["domain-top-picks"][:9] != left
    assert picks.locator(".change").count() > 0
    if script:
        picture(tab, pictures / "changed.png")
    assert tab.get_by_label("Watched so far, newest first").get_by_role(
        "link"
    ).first.inner_text() == (watched)
    tab.reload()  # nothing is sent twice, and changes are no longer marked
    assert listed(tab) == after
    assert picks.locator(".change").count() == 0

    tab.get_by_label("Genre").select_option("Drama")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Show").click()
    assert tab.get_by_role("heading", name="Suggested: Drama").is_visible()
    for words in tab.locator(".picks .words .meta").all_inner_texts():
        assert "Drama" in words


def test_titles_are_suggested_while_they_are_typed(open_tab: Open, page: Page) -> None:
    """From the whole catalogue: a title that is not among the best known is found by its words."""
    known = page.service.catalogue().known
    words = known[-1].name.rsplit(maxsplit=1)[0]
    wanted = [one.name for one in known if all(w in one.name for w in words.split())][:12]
    tab = open_tab()
    tab.goto("/movies")
    options = tab.locator("#titles option")
    assert options.count() == 24
    tab.get_by_label("Title").press_sequentially(words)
    tab.wait_for_function(
        "count => document.querySelectorAll('#titles option').length == count", arg=len(wanted)
    )
    assert [one.get_attribute("value") for one in options.all()] == wanted


def test_movie_page_shows_the_functions_results(open_tab: Open, pictures: Path) -> None:
    functions = boto3.client("lambda")

    def invoke(name: str, event: dict[str, Any]) -> Any:
        answer = functions.invoke(FunctionName=f"recommender-{name}", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    told = invoke(
        "Recommendation_Engine_Object2Vec", {"type": "rating", "user": 20, "movies": [3, 4]}
    )["predictions"][0]["rating"]
    (bucket,) = (
        bucket["Name"]
        for bucket in boto3.client("s3").list_buckets()["Buckets"]
        if bucket["Name"].startswith("recommender-data")
    )
    event = {"bucket_name": bucket, "movie_id_to_examine": 3}
    near = json.loads(invoke("Movie_Retrieval_Object2Vec", event)["body"])["neighbours"]

    tab = open_tab(color_scheme="dark")
    tab.goto("/movies/3?user=20")
    facts = tab.locator(".facts").inner_text()
    assert re.search(rf"User 20 would give\s+says Object2Vec\s+★ {told:.1f}", facts)
    lists = listed(tab)
    titles = [re.sub(r"(.*), (The|An?)$", r"\2 \1", one["title"][:-7]) for one in near]
    assert lists["neighbours"] == titles
    assert len(lists["domain-more-like-x"]) == 10
    assert tab.get_by_role("heading", level=1).inner_text() not in lists["domain-more-like-x"]
    picture(tab, pictures / "movie.png")

    with tab.expect_navigation():
        tab.get_by_role("link", name="Find it on the map").click()
    assert tab.locator("circle.here").count() == 1
    assert tab.locator("circle.near").count() == 10
    tab.locator("circle.near").last.hover(force=True)  # it may lie under another
    assert tab.locator("#tip").inner_text()
    picture(tab, pictures / "map.png")
    with tab.expect_navigation(url=re.compile(r"/map\?movie=(?!3&)")):
        tab.locator("circle.near").last.click(force=True)


def test_page_is_usable_by_keyboard(open_tab: Open) -> None:
    tab = open_tab()
    tab.goto("/")

    def reach(words: str) -> None:
        """Press Tab until the focus is on the visible element with this name."""
        for _ in range(80):
            tab.keyboard.press("Tab")
            name, outline = tab.evaluate(
                """() => { const one = document.activeElement;
                   return [one.labels?.[0]?.innerText ?? one.innerText ?? "",
                           getComputedStyle(one).outlineStyle]; }"""
            )
            if " ".join(name.split()).startswith(words):
                assert outline != "none"
                return
        pytest.fail(f"{words!r} cannot be reached")

    reach("Skip to the content")
    tab.keyboard.press("Enter")
    reach("User id")
    tab.keyboard.type("30")
    with tab.expect_navigation(url="**/?q=30"):
        tab.keyboard.press("Enter")
    reach("30 User 30")
    with tab.expect_navigation(url="**/users/30"):
        tab.keyboard.press("Enter")
    before = listed(tab)["lists"]
    reach("Watched")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert tab.get_by_role("status").is_visible()
    assert before[0] not in listed(tab)["lists"]


ADDRESSES = (
    *("/", "/users/8", "/movies", "/movies/3?user=8", "/map?movie=3&genre=Drama", "/operations"),
    *("/freshness", "/nowhere"),
)


def test_page_fits_a_phone(open_tab: Open, pictures: Path) -> None:
    tab = open_tab(viewport=PHONE, color_scheme="dark")
    for address in ADDRESSES:
        tab.goto(address)
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        small = tab.evaluate(
            """() => [...document.querySelectorAll("button, input:not([type=hidden]), select")]
               .filter(one => one.getBoundingClientRect().height < 40).map(one => one.outerHTML)"""
        )
        assert small == [], address
    tab.goto("/users/8")
    picture(tab, pictures / "phone.png")


# The contrast of every text with its background (WCAG 2), and elements without a name.
AUDIT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(
    v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = one => { for (; one; one = one.parentElement) {
    const c = rgba(getComputedStyle(one).backgroundColor); if (c[3] == 255) return c; }
    return [255, 255, 255, 255]; };
  const faults = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || one.closest(".unseen, .skip, svg")) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(rgba(style.color)), light(behind(one))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    if ((a + 0.05) / (b + 0.05) < (large ? 3 : 4.5))
      faults.push("contrast: " + walk.currentNode.data.trim());
  }
  for (const one of document.querySelectorAll("input:not([type=hidden]), select"))
    if (!one.labels.length) faults.push("label: " + one.outerHTML);
  for (const one of document.querySelectorAll("a, button"))
    if (!(one.innerText || one.getAttribute("aria-label") || one.textContent).trim())
      faults.push("name: " + one.outerHTML);
  for (const one of document.querySelectorAll("img:not([alt])")) faults.push("alt: " + one.src);
  for (const name of ["header", "nav", "main", "h1"])
    if (!document.querySelector(name)) faults.push("landmark: " + name);
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id);
  faults.push(...ids.filter((id, at) => ids.indexOf(id) != at).map(id => "twice: " + id));
  return faults; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(open_tab: Open, scheme: Any) -> None:
    tab = open_tab(color_scheme=scheme)
    for address in ADDRESSES:
        tab.goto(address)
        assert tab.evaluate(AUDIT) == [], address


@pytest.mark.parametrize("mood", ["well", "broken", "slow"])
def test_posters_and_plots_are_shown(
    open_tab: Open,
    page: Page,
    fake_omdb: FakeOmdb,
    tmp_path: Path,
    mood: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()

    def answer(asked: dict[str, str]) -> tuple[int, Any]:
        if mood == "slow":
            release.wait(20)
        plot = f"A plot about <b>{asked['t']}</b>."
        poster = f"{fake_omdb.url}/poster.png"
        told = {"Response": "True", "Year": "1990", "Plot": plot, "Poster": poster}
        return (500, b"oops") if mood == "broken" else (200, told)

    fake_omdb.answer = answer
    omdb = Omdb(KEY, tmp_path, fake_omdb.url, 1000)
    with serving(page.service, omdb) as url:
        tab = open_tab(base_url=url)
        seen = []
        tab.on("response", lambda response: seen.append(response))
        tab.goto("/movies/3?user=8")
        name = tab.get_by_role("heading", level=1).inner_text()
        tab.wait_for_load_state("networkidle")
        image = tab.locator(".movie .poster")
        drawn = image.evaluate("image => image.decode().then(() => image.naturalWidth)")
        if mood == "well":
            assert tab.locator(".plot").inner_text() == f"A plot about <b>{name}</b>."
            assert drawn == 1  # the fake's picture is a point
        else:
            assert tab.locator(".plot").count() == 0
            assert drawn == 200
        assert all(response.status == 200 for response in seen)
        assert not [response.url for response in seen if not response.url.startswith(url)]
        assert not [response.url for response in seen if KEY in response.text()]
        release.set()
    assert KEY not in caplog.text


def test_command_prints_the_address(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("secretsmanager").create_secret(Name="omdb", SecretString=f"{KEY}\n")
    monkeypatch.setenv("OMDB_SECRET_ID", "omdb")
    assert omdb_key() == KEY
    with subprocess.Popen(
        [sys.executable, "-m", "web", "--port", "0", "--prefix", "another"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        url = process.stdout.readline().rsplit(" ", 1)[1].strip()
        with pytest.raises(urllib.error.HTTPError) as answer:  # nothing of that name is deployed
            urllib.request.urlopen(url)
        error = answer.value
        text = error.read().decode()
        process.terminate()
        rest = process.stdout.read()
    assert error.code == 503
    assert "No deployment named another" in text
    assert "cdk deploy --all" in text
    assert f"export AWS_ENDPOINT_URL={os.environ['AWS_ENDPOINT_URL']}" in text
    assert "SECRET" not in text
    assert "default-src 'none'" in error.headers["Content-Security-Policy"]
    assert KEY not in text + rest


def test_http_api_equals_the_functions(page: Page) -> None:
    def ask(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        url, keys = page.outputs["ApiEndpoint"] + path, boto3.Session().get_credentials()
        assert keys
        request = AWSRequest(method, url, data=data)
        SigV4Auth(keys, "execute-api", "us-east-1").add_auth(request)
        call = urllib.request.Request(url, data, dict(request.headers), method=method)
        try:
            with urllib.request.urlopen(call) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    about = page.service.about("3", "20")
    status, told = ask("POST", "/rating", {"user": 20, "movies": [3, 4]})
    assert status == 200
    assert round(told["predictions"][0]["rating"], 2) == about.predictions[0].rating
    status, told = ask("POST", "/recommendation", {"user": 20, "movies": [3, 4, 5], "top_k": 2})
    assert (status, told["type"], len(told["predictions"])) == (200, "recommendation", 2)
    status, told = ask("GET", "/movies/3/neighbours?top_k=4")
    assert status == 200
    near = next(one for one in about.similar if one.engine.key == "neighbours").movies
    assert [str(one["movie_id"]) for one in told["neighbours"]] == [
        one.movie.id for one in near[:4]
    ]
    status, told = ask("GET", "/items/3/similar?count=5")
    assert status == 200
    alike = next(one for one in about.similar if one.engine.key == "lists").movies
    assert [one["item"] for one in told["items"]] == [one.movie.id for one in alike[:5]]
    event = {"user": "a visitor", "item": told["items"][0]["item"], "timestamp": 1764428400}
    assert ask("POST", "/events", {"events": [event]}) == (200, {"written": 1, "unknown_items": []})
    status, told = ask("GET", "/users/a%20visitor/recommendations")
    assert (status, told["basis"]) == (200, "history")
    assert ask("DELETE", "/users/a%20visitor") == (200, {"user": "a visitor", "forgotten": 1})
    status, told = ask("GET", "/openapi.json")
    validate(told)
    assert (status, {"/rating", "/events"} < set(told["paths"])) == (200, True)
    for method, path, body, code, word in (
        ("POST", "/rating", {"user": 20}, 400, "`movies`"),
        ("POST", "/rating", {"type": "rating"}, 400, "`type`"),
        ("GET", "/movies/x/neighbours", None, 404, "Movie x"),
        ("GET", "/movies/3/neighbours?bucket=b", None, 400, "bucket"),
        ("GET", "/movies/999999/neighbours", None, 404, "999999"),
        ("POST", "/nowhere", {}, 404, "Not Found"),
    ):
        status, told = ask(method, path, body)
        assert (status, word in told["message"]) == (code, True), (path, told)
    with pytest.raises(urllib.error.HTTPError, match="403"):  # not signed
        urllib.request.urlopen(page.outputs["ApiEndpoint"] + "/movies/3/neighbours")


# The API: the document, the routes and the answers agree -----------------------------------------


@pytest.fixture(scope="module")
def client(page: Page) -> Any:
    return create_app(page.service, Omdb(None, page.data, "", 0), b"a secret").test_client()


def test_openapi_document_equals_the_routes(client: Any) -> None:
    document = client.get(api.DOCUMENT).json
    validate(document)
    described = {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }
    served = {
        (method.lower(), str(rule).replace("<id:", "{").replace(">", "}"))
        for rule in client.application.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule != api.DOCUMENT
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert described == served


def test_responses_match_the_openapi_document(client: Any) -> None:
    document = client.get(api.DOCUMENT).json
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            address = path.replace("{user}", "2").replace("{movie}", "3")
            for parameter in operation["parameters"]:
                name = parameter["name"]
                assert parameter["in"] == "query" or f"{{{name}}}" in path
            body = {"json": {"movie": 3}} if method == "post" else {}
            answer = getattr(client, method)(address, **body)
            assert answer.status_code == 200, answer.text
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            jsonschema.validate(answer.json, {**schema, "components": document["components"]})


@pytest.mark.parametrize(
    ("address", "status", "word"),
    [
        ("/api/users/999999", 404, "999999"),
        ("/api/movies/999999", 404, "999999"),
        ("/api/movies/3?user=999999", 404, "999999"),
        ("/api/users/2/recommendations?engine=none", 404, "object2vec"),
        ("/api/users/2/recommendations?count=0&genre=Drama", 400, "count"),
        ("/api/users/2/recommendations?colour=red", 400, "colour"),
        ("/api/nowhere", 404, ""),
    ],
)
def test_invalid_requests_return_a_message(
    client: Any, address: str, status: int, word: str
) -> None:
    answer = client.get(address)
    assert answer.status_code == answer.json["status"] == status
    assert word in answer.json["message"]


def test_cross_site_form_changes_nothing(client: Any) -> None:
    assert client.post("/api/users/2/watched", data={"movie": "5"}).status_code == 415
    assert client.post("/users/2/watched", data={"movie": "5", "token": ""}).status_code == 400
    watched = client.get("/api/users/2").json["watched"]
    assert 5 not in [one["movie"]["number"] for one in watched]


def test_next_page_continues_every_list(client: Any) -> None:
    def lists(query: str) -> dict[str, Any]:
        answer = client.get(f"/api/users/6/recommendations?{query}").json
        return {one["engine"]["key"]: one for one in answer["lists"]}

    whole, first, second = (lists(query) for query in ("count=20", "count=10", "count=10&page=2"))
    assert len(whole["lists"]["movies"]) == 20
    for key, one in whole.items():
        movies = [entry["movie"]["id"] for entry in one["movies"]]
        for part, of in ((movies[:10], first), (movies[10:], second)):
            assert [entry["movie"]["id"] for entry in of[key]["movies"]] == part
        assert first[key]["more"]
        # relative to the list's best, which is on the first page
        assert [entry["share"] for entry in one["movies"]] == [
            entry["share"] for of in (first, second) for entry in of[key]["movies"]
        ]
    page = client.get("/users/6?page=2").text
    assert 'rel="prev"' in page and 'rel="next"' in page
    assert 'name="page" value="2"' in page
    last = lists("count=100&page=1000")
    assert not any(one["movies"] or one["more"] for one in last.values())


def test_filters_apply_to_every_engine(client: Any) -> None:
    whole = client.get("/api/users/4/recommendations?count=100").json["lists"]
    assert {one["engine"]["key"] for one in whole} >= {"object2vec", "domain-top-picks"}
    movies = [one["movie"] for one in whole[0]["movies"]]
    genre, decade = movies[0]["genres"][0], movies[0]["year"] // 10 * 10
    query = {"genre": genre, "decade": decade, "count": 100}
    seen = {one["movie"]["number"] for one in client.get("/api/users/4").json["rated"]}
    for one in client.get("/api/users/4/recommendations", query_string=query).json["lists"]:
        assert one["problem"] is None
        assert one["movies"]
        for suggestion in one["movies"]:
            movie = suggestion["movie"]
            assert genre in movie["genres"]
            assert decade <= movie["year"] < decade + 10
            assert movie["number"] not in seen
