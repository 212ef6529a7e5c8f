"""A deployment with the smallest models, the page on it, a browser, and an OMDb of our own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from local_aws.server import LocalAws
from outputs import Outputs, by_stack
from rehearsal.cdk import PROJECT, cdk
from tests.synthesis import bootstrap, synthesize
from web.answers import Movie
from web.app import create_app
from web.clients import Clients
from web.posters import Omdb
from web.server import create_server
from web.service import Service

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def _point() -> bytes:
    """A picture of one red point."""
    file = BytesIO()
    Image.new("RGB", (1, 1), "red").save(file, "PNG")
    return file.getvalue()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
KEY = "a-very-secret-key"
PNG = _point()


@dataclass
class FakeOmdb:
    """A fake OMDb that answers, is slow, or is broken. It records its requests."""

    url: str = ""
    answer: Callable[[dict[str, str]], tuple[int, Any]] = lambda asked: (200, {})
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def fake_omdb() -> Iterator[FakeOmdb]:
    fake = FakeOmdb()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/poster.png":
                status, content = 200, PNG
            else:
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                fake.asked.append(asked)
                status, told = fake.answer(asked)
                content = told if isinstance(told, bytes) else json.dumps(told).encode()
            with suppress(ConnectionError):  # the client may have given up
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield fake
        server.shutdown()


@pytest.fixture
def movie() -> Movie:
    return Movie(
        number=195,
        id="195",
        title="Invented, The (1984)",
        name="The Invented",
        year=1984,
        genres=("Sci-Fi",),
        ratings=3,
        mean=4.0,
    )


@dataclass(frozen=True)
class Page:
    """The page on the deployment: its address, its service, and the deployment."""

    url: str
    service: Service
    data: Path
    outputs: Mapping[str, str]


@contextmanager
def serving(service: Service, omdb: Omdb) -> Iterator[str]:
    """The page's address, while it is served as in real life."""
    server = create_server(create_app(service, omdb, b"a secret"), "127.0.0.1", 0)
    # not waited for: it runs until the browser has closed its connections
    threading.Thread(target=server.run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}"
    finally:
        server.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("web")
    data = folder / "data"
    prepare = ("-m", "recsys", "prepare", "--size", "small", "--out", str(data))
    subprocess.run([sys.executable, *prepare], cwd=PROJECT, check=True, capture_output=True)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        aws = stack.enter_context(LocalAws())
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        log = folder / "cdk.log"
        small = [f"{model}.epochs=1" for model in ("rating", "recommendation", "retrieval")]
        more = [
            "personalize.groups=both",
            "personalize.domain_solutions=",
            "api.http=true",
            "refit=false",
        ]
        settings = dict(one.split("=", 1) for one in (*small, *more, f"data={data}"))
        bootstrap()
        synthesize(folder / "cdk.out", settings)
        deploy = ("deploy", "--all", "--require-approval=never", "--concurrency=4")
        cdk(*deploy, "--app", str(folder / "cdk.out"), log=log)
        service = Service(Clients(), "recommender")
        url = stack.enter_context(serving(service, Omdb(None, folder, "", 0)))
        every = Outputs.of(by_stack())
        yield Page(url, service, data, every)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real headless Chromium, if the machine has one."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (apt-get install chromium): the page is not seen")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pictures() -> Path:
    """Where screenshots go: `make screenshots` names the documentation's folder."""
    folder = Path(os.environ.get("SCREENSHOTS", PROJECT / "build" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
