"""Who may ask the page, and how much one of them may ask of it."""

import http.client
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.reliability import Tally
from tests.web.conftest import CHROMIUM, serving
from web.app import create_app
from web.posters import Omdb
from web.service import Service

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCALE = {"least": 1, "most": 10, "step": 1, "liked": 7}
NOUNS = {"item": "book", "items": "books", "user": "reader", "users": "readers", "event": "read"}
ITEMS = [
    {
        "item": 1,
        "id": "1",
        "title": "Invented, The (1984)",
        "year": 1984,
        "genres": ["Action"],
        "attributes": {"author": ["Лев Толстой", "A & B"]},
    },
    {"item": 2, "id": "2", "title": "Made Up (1999)", "year": 1999, "genres": ["Comedy"]},
]


class Aws:
    """A deployment with one endpoint and one event tracker; what they were asked is counted."""

    def __init__(self) -> None:
        self.questions, self.events = 0, 0
        outputs = {
            "BucketName": "b",
            "CatalogueKey": "catalogue.json",
            "IdsKey": "ids.json",
            "RatingsKey": "ua.base",
            "HeldOutKey": "ua.test",
            "RecommendationEndpointName": "e",
            "CustomTrackingId": "t",
        }
        stack = {
            "StackName": "recommender-Data",
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        paginator = SimpleNamespace(paginate=lambda: [{"Stacks": [stack]}])
        self.cloudformation = SimpleNamespace(get_paginator=lambda _: paginator)
        self.s3 = self
        self.exceptions = SimpleNamespace(NoSuchKey=KeyError)
        self.sagemaker_runtime = self.personalize_events = self

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"ETag": "1"}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        items = [{**item, "ratings": 1} for item in ITEMS]
        document = json.dumps(
            {"version": 1, "scale": SCALE, "nouns": NOUNS, "items": items}
        ).encode()
        content = {"catalogue.json": document, "ua.base": b"7\t1\t5\t100\n", "ua.test": b""}[Key]
        body = SimpleNamespace(read=lambda: content, iter_chunks=lambda _: [content])
        return {"Body": body}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.questions += 1
        count = len(json.loads(request["Body"])["instances"])
        answer = {"predictions": [{"scores": [0.5, 0.5]}] * count}
        return {"Body": io.BytesIO(json.dumps(answer).encode())}

    def put_events(self, **_: Any) -> None:
        self.events += 1


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def service(aws: Aws) -> Service:
    clients: Any = aws
    return Service(clients, "recommender")


@pytest.fixture
def url(service: Service, tmp_path: Path) -> Iterator[str]:
    with serving(service, Omdb(None, tmp_path, "", 0)) as url:
        yield url


def ask(
    url: str,
    path: str,
    headers: dict[str, str] | None = None,
    *,
    method: str = "GET",
    body: Any = "",
) -> tuple[int, str, http.client.HTTPMessage]:
    """Status, content and headers of an answer to exactly these headers."""
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    content = body if isinstance(body, bytes) else body.encode()
    for name, value in {
        "Host": host,
        "Content-Length": str(len(content)),
        **(headers or {}),
    }.items():
        connection.putheader(name, value)
    connection.endheaders(content)
    with connection.getresponse() as answer:
        return answer.status, answer.read().decode(), answer.headers


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "127.0.0.1.evil.example:PORT",
        "localhost.:PORT",
        "localhost:1",
        "localhost",
        "127.0.0.1@evil.example:PORT",
        "192.168.0.1:PORT",
        "0.0.0.0:PORT",
        "[::1]evil:PORT",
        "",
        "a" * 5_000,
    ],
)
def test_foreign_host_is_refused(url: str, aws: Aws, host: str, tally: Tally) -> None:
    host = host.replace("PORT", url.rpartition(":")[2])
    for path, method, body, more in (
        ("/api/users", "GET", "", {}),
        ("/", "GET", "", {}),
        ("/static/style.css", "GET", "", {}),
        ("/nowhere", "GET", "", {}),
        ("/api/users/7/watched", "POST", '{"movie": 2}', JSON),
    ):
        origin = {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        status, text, _ = ask(url, path, {"Host": host, **origin, **more}, method=method, body=body)
        assert status in ((421, 400) if host == "" else (421,)), (path, text)
        assert "Made Up" not in text
        tally("inputs tried", "requests of other sites to the page")
    assert aws.events == 0


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_own_host_names_are_accepted(url: str, name: str) -> None:
    port = url.rpartition(":")[2]
    assert ask(url, "/api/users", {"Host": f"{name}:{port}"})[0] == 200


EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    ("listens", "name", "status"),
    [
        ("192.168.0.5", "192.168.0.5", 200),
        ("192.168.0.5", "192.168.0.6", 421),
        ("page.lan", "page.lan", 200),
        ("page.lan", "evil.example", 421),
        (EVERYWHERE, "10.1.2.3", 200),
        ("::", "[fe80::1]", 200),
        (EVERYWHERE, socket.gethostname(), 200),
        (EVERYWHERE, "evil.example", 421),
    ],
)
def test_configured_host_is_accepted(
    service: Service, tmp_path: Path, listens: str, name: str, status: int
) -> None:
    app = create_app(service, Omdb(None, tmp_path, "", 0), b"a secret", listens)
    answer = app.test_client().get("/api/users", headers={"Host": f"{name}:80"})
    assert answer.status_code == status


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},  # another program's page on this machine
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda one: " ".join(one.values()))
def test_cross_site_request_is_refused(
    url: str, aws: Aws, headers: dict[str, str], tally: Tally
) -> None:
    for path, method, body, more in (
        ("/api/users/7/recommendations", "GET", "", {}),
        ("/users/7", "GET", "", {}),
        ("/posters/1", "GET", "", {}),
        ("/api/users/7/watched", "POST", '{"movie": 2}', JSON),
        ("/api/users/7/watched", "OPTIONS", "", {"Access-Control-Request-Method": "POST"}),
    ):
        status, _, told = ask(url, path, {**headers, **more}, method=method, body=body)
        assert status == 403
        assert not [name for name in told if name.lower().startswith("access-control")]
        tally("inputs tried", "requests of other sites to the page")
    assert (aws.questions, aws.events) == (0, 0)


def test_cross_site_link_is_allowed_and_form_is_refused(url: str, aws: Aws) -> None:
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert ask(url, "/users/7", link)[0] == 200
    assert ask(url, "/users/7/watched", link, method="POST", body="movie=2")[0] == 403
    assert aws.events == 0


def test_same_origin_requests_and_programs_are_accepted(url: str, aws: Aws) -> None:
    own = {"Origin": url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    for headers in (own, {}, {"Sec-Fetch-Site": "none"}):
        post = {**JSON, **headers}
        status, text, told = ask(
            url, "/api/users/7/watched", post, method="POST", body='{"movie": 2}'
        )
        assert status == 200, text
        assert told["Cross-Origin-Resource-Policy"] == "same-origin"
    assert aws.events == 3


ATTACK = """<!doctype html><title>another site</title><body><script>
async function attack(page) {
  const said = {};
  const tell = async (name, work) => {
    try { said[name] = await work(); } catch (error) { said[name] = error.name; } };
  const json = {method: "POST", body: '{"movie": 2}',
                headers: {"Content-Type": "application/json"}};
  await tell("read", async () => (await fetch(page + "/api/users")).text());
  await tell("blind read", async () => (await fetch(page + "/api/users/7/recommendations",
    {mode: "no-cors"})).type);
  await tell("post", async () => (await fetch(page + "/api/users/7/watched", json)).text());
  await tell("blind post", async () => (await fetch(page + "/api/users/7/watched",
    {...json, mode: "no-cors", headers: {"Content-Type": "text/plain"}})).type);
  const load = (kind, path) => new Promise(done => {
    const one = Object.assign(document.createElement(kind), {src: page + path});
    one.onload = () => done("loaded"); one.onerror = () => done("failed");
    document.body.append(one); });
  await tell("image", () => load("img", "/posters/1"));
  await tell("script", () => load("script", "/api/users/7/recommendations"));
  return said;
}
</script>"""


@pytest.fixture
def another_site() -> Iterator[str]:
    """The port of a web server with a hostile page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACK.encode())

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


@pytest.fixture(scope="module")
def misled(browser: "Browser") -> "Iterator[Browser]":
    """A Chromium for which evil.example is this machine, as after DNS rebinding."""
    chromium = browser.browser_type.launch(
        executable_path=CHROMIUM,
        args=["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
    )
    yield chromium
    chromium.close()


@pytest.mark.parametrize("site", ["http://evil.example", "http://localhost"])
def test_browser_cross_site_request_is_refused(
    misled: "Browser", another_site: str, url: str, aws: Aws, site: str, tally: Tally
) -> None:
    tab = misled.new_context().new_page()
    tab.goto(f"{site}:{another_site}/")
    for page in (url, url.replace("127.0.0.1", "localhost")):
        said = tab.evaluate(f"attack('{page}')")
        assert said["read"] == said["post"] == "TypeError", said
        assert said["image"] == said["script"] == "failed", said
        tally("inputs tried", "requests of other sites to the page", len(said))
        form = f"""() => {{ const form = document.createElement("form");
            Object.assign(form, {{method: "post", action: "{page}/users/7/watched"}});
            form.innerHTML = '<input name="movie" value="2">';
            document.body.append(form); form.submit(); }}"""
        with tab.expect_navigation():
            tab.evaluate(form)
        assert "This request came from another site's page" in tab.content()
        tally("inputs tried", "requests of other sites to the page")
        tab.go_back()
    assert (aws.questions, aws.events) == (0, 0)
    with tab.expect_navigation():
        tab.evaluate(f"location = '{url}/users/7'")
    assert tab.get_by_role("heading", level=1).inner_text() == "Reader 7"  # a link is followed
    tab.context.close()


def test_browser_request_with_a_foreign_host_is_refused(
    misled: "Browser", url: str, aws: Aws, tally: Tally
) -> None:
    rebound = url.replace("127.0.0.1", "evil.example")
    tab = misled.new_context().new_page()
    answer = tab.goto(rebound)
    assert answer and answer.status == 421
    said = tab.evaluate("""async () => {
        const json = {method: "POST", headers: {"Content-Type": "application/json"},
                      body: '{"movie": 2}'};
        const post = await fetch("/api/users/7/watched", json);
        return [(await fetch("/api/users")).status, post.status]; }""")
    assert said == [421, 421]
    assert (aws.questions, aws.events) == (0, 0)
    tally("inputs tried", "requests of other sites to the page", 3)
    tab.context.close()


# How much may be asked ----------------------------------------------------------------------------


def test_half_sent_requests_do_not_block_others(url: str, tally: Tally) -> None:
    parts = urlsplit(url)
    address = (str(parts.hostname), int(parts.port or 0))
    with ExitStack() as stack:
        for _ in range(300):
            half = stack.enter_context(socket.create_connection(address, timeout=60))
            half.sendall(b"POST /api/users/7/watched HTTP/1.1\r\nContent-Length: 10\r\n")
        assert ask(url, "/api/users")[0] == 200
    tally("faults injected", "half-sent requests to the page", 300)


def test_idle_connections_are_closed(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=120) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n")
        assert idle.recv(1) == b""


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/movies?q=" + "t+" * 120_000, 431, ""),
        ("/movies?q=" + "t+" * 150, 400, "q: String should have at most 200"),
        ("/api/movies?q=" + "t+" * 150, 400, "q: String should have at most 200"),
        ("/?q=" + "1" * 201, 400, "q: String should have at most 200"),
        ("/api/users?q=" + "1" * 201, 400, "q: String should have at most 200"),
        ("/api/users?count=1001", 400, "count"),
        ("/api/movies?genre=Nonsense", 400, "none of Action, Comedy"),
        ("/movies?genre=Nonsense", 400, "none of Action, Comedy"),
        ("/movies?decade=1970", 400, "none of 1990, 1980"),
        ("/api/users/7/recommendations?genre=Nonsense", 400, "none of Action, Comedy"),
        ("/api/users/7/recommendations?genre=", 400, "none of Action, Comedy"),
        ("/api/users/7/recommendations?decade=1991", 400, "none of 1990, 1980"),
        ("/users/7?genre=Nonsense", 400, "none of Action, Comedy"),
        ("/users/7?decade=1970", 400, "none of 1990, 1980"),
        ("/movies?page=" + "9" * 4_000, 400, "page"),
        ("/movies/1?user=" + "9" * 5_000, 400, "user"),
        ("/api/movies/1?user=" + "9" * 5_000, 400, "user"),
        ("/api/movies/" + "9" * 5_000, 404, ""),
        ("/users/" + "9" * 4_000, 404, ""),
    ],
)
def test_oversized_query_is_refused_without_calling_engines(
    url: str, aws: Aws, path: str, status: int, word: str, tally: Tally
) -> None:
    told, text, _ = ask(url, path)
    assert (told, word in text) == (status, True), text
    assert aws.questions == 0
    tally("inputs tried", "questions to the page that are too much")


def test_valid_choice_reaches_the_engine(url: str, aws: Aws) -> None:
    assert ask(url, "/api/users/7/recommendations?genre=Comedy&decade=1990")[0] == 200
    assert aws.questions == 1


NUMBERS = "9" * 5_000


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[" * 90_000,
        '{"movie":' * 10_000,
        '{"movie": true}',
        '{"movie": ""}',
        '{"movie": 2.0}',
        '{"movie": NaN}',
        '{"movie": Infinity}',
        '{"movie": -1}',
        '{"movie": null}',
        f'{{"movie": {NUMBERS}}}',
        '{"movie": 1e400}',
        '{"movie": 2, "user": 7}',
        "[2]",
        "2",
        "{",
        "{'movie': 2}",
        '{"movie": 2} x',
        b'{"movie": "\xff"}',
        b"\xff\xfe{\x00",
    ],
    ids=repr,
)
def test_invalid_body_is_refused_with_a_message(
    url: str, aws: Aws, body: str | bytes, tally: Tally
) -> None:
    status, text, _ = ask(url, "/api/users/7/watched", JSON, method="POST", body=body)
    assert status == 400, text
    assert json.loads(text)["message"]
    assert aws.events == 0
    tally("inputs tried", "bodies that are not what the page takes")


def test_oversized_body_is_refused(url: str, aws: Aws) -> None:
    body = '{"movie": 2' + " " * 200_000 + "}"
    status, _, _ = ask(url, "/api/users/7/watched", JSON, method="POST", body=body)
    assert status == 413
    assert aws.events == 0


def test_movie_page_shows_the_attributes_of_the_data(url: str) -> None:
    status, text, _ = ask(url, "/movies/1?user=7")
    assert (status, "<dt>Author</dt><dd>Лев Толстой, A &amp; B</dd>" in text) == (200, True)
    status, text, _ = ask(url, "/movies?q=%D1%82%D0%BE%D0%BB%D1%81%D1%82%D0%BE%D0%B9")
    found = re.sub(r"<datalist.*?</datalist>", "", text, flags=re.DOTALL)  # suggested titles
    assert (status, "The Invented" in found, "Made Up" in found) == (200, True, False)
    assert "1 book, the best known first." in text
