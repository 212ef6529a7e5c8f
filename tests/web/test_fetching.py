"""What OMDb's answers name is asked only where pictures are, and never without end."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.reliability import Tally
from tests.web.conftest import KEY, PNG, FakeOmdb
from web import fetching
from web.answers import Movie
from web.fetching import FetchError, NotAsked, fetch
from web.posters import Omdb

HOST = "m.media-amazon.com"
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """The port of a server that says what `talk` does, and the first bytes of each client."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        def answer(client: socket.socket) -> None:
            with suppress(OSError), client:
                heard.append(client.recv(1, socket.MSG_PEEK))
                talk(client)

        threading.Thread(target=run, daemon=True).start()
        yield server.getsockname()[1], heard


def saying(content: bytes) -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(content)

    return talk


def of(port: int, most: int = 1_000) -> bytes:
    url = f"http://127.0.0.1:{port}"
    return fetch(f"{url}/a?b=c", most, 5, url, {HOST})


def test_configured_server_is_fetched() -> None:
    with serving(saying(OK + b"Content-Length: 3\r\n\r\nabc")) as (port, _):
        assert of(port) == b"abc"
    with serving(saying(OK + b"\r\nabc")) as (port, _):  # until it closes the connection
        assert of(port) == b"abc"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:PORT/internal",
        "http://localhost:PORT/internal",
        "https://127.0.0.1:PORT/internal",
        f"http://{HOST}/a.jpg",
        f"https://{HOST}:8443/a.jpg",
        f"https://{HOST}@127.0.0.1:PORT/a.jpg",
        f"https://user@{HOST}/a.jpg",
        f"https://{HOST}.evil.example/a.jpg",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        f"//{HOST}/a",
        "https:///a",
        "https://[::1/a",
    ],
)
def test_other_addresses_are_refused(url: str, tally: Tally) -> None:
    with serving(saying(OK + b"Content-Length: 3\r\n\r\nabc")) as (port, heard):
        with pytest.raises(NotAsked):
            fetch(url.replace("PORT", str(port)), 1_000, 5, "https://www.omdbapi.com/", {HOST})
        assert heard == []
    tally("inputs tried", "addresses of posters")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "::1",
                "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "100.64.0.1", "0.0.0.0"]  # noqa: S104
)  # fmt: skip
def test_private_addresses_are_not_public(address: str, tally: Tally) -> None:
    assert not fetching._is_public(address)
    tally("inputs tried", "addresses of posters")


@pytest.mark.parametrize("address", ["54.230.1.1", "2600:9000:2000::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert fetching._is_public(address)


@pytest.fixture
def rebound(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the pictures' host be a port of this machine."""
    lookup = socket.getaddrinfo

    def to(port: int) -> None:
        def answer(host: Any, service: Any, *more: Any, **others: Any) -> Any:
            if host == HOST:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
            return lookup(host, service, *more, **others)

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    return to


def test_name_resolving_to_this_machine_is_refused(
    rebound: Callable[[int], None], tally: Tally
) -> None:
    with serving(saying(OK + b"\r\nabc")) as (port, heard):
        rebound(port)
        with pytest.raises(NotAsked, match="private address"):
            fetch(f"https://{HOST}/a.jpg", 1_000, 5, "https://www.omdbapi.com/", {HOST})
    assert heard in ([], [b""])  # connected at most: nothing was sent
    tally("inputs tried", "addresses of posters")


def certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(("name", "status"), [(HOST, "200"), ("evil.example", ""), (HOST, "302")])
def test_image_is_fetched_from_its_host_by_tls(
    rebound: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    status: str,
) -> None:
    """Its certificate has to be the host's, and a redirect is not followed."""
    file = certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setattr(fetching, "_is_public", lambda _: True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    asked = []

    def talk(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secure:
            asked.append(secure.recv(65_536).split(b"\r\n")[0])
            location = b"Location: https://127.0.0.1/internal\r\n"
            secure.sendall(
                b"HTTP/1.1 %s X\r\n%sContent-Length: 3\r\n\r\nabc" % (status.encode(), location)
            )

    with serving(talk) as (port, _):
        rebound(port)
        if status == "200":
            assert fetch(f"https://{HOST}/a.jpg?x", 9, 5, "https://o.example/", {HOST}) == b"abc"
        else:
            with pytest.raises(FetchError, match=r"HTTP status 302|SSLCertVerificationError"):
                fetch(f"https://{HOST}/a.jpg?x", 9, 5, "https://o.example/", {HOST})
    assert asked == ([b"GET /a.jpg?x HTTP/1.1"] if name == HOST else [])


def test_redirect_is_not_followed(tally: Tally) -> None:
    with serving(saying(OK + b"Content-Length: 3\r\n\r\nabc")) as (other, heard):
        location = f"http://127.0.0.1:{other}/internal"
        moved = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        moving = serving(saying(moved.encode()))
        with moving as (port, _), pytest.raises(FetchError, match="HTTP status 302"):
            of(port)
        assert heard == []
    tally("faults injected", "posters")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (OK + b"Content-Length: 30\r\n\r\nabc", "truncated"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "IncompleteRead"),
        (OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 5_000, "too large"),
        (OK + b"\r\n" + b"x" * 5_000, "too large"),
        (OK + b"X: y\r\n" * 1_000 + b"\r\n", "HTTPException"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_invalid_response_is_reported(content: bytes, words: str, tally: Tally) -> None:
    with serving(saying(content)) as (port, _), pytest.raises(FetchError, match=words):
        of(port)
    tally("faults injected", "posters")


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", OK + b"\r\n", OK + b"Content-Length: 100000\r\n\r\n",
     OK + b"Connection: close\r\n\r\n"],
)  # fmt: skip
def test_slow_response_times_out(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """A byte comes often enough for each wait, and the last one would come in an hour."""
    monkeypatch.setattr(fetching, "LONGEST", 0.5)
    stopped, gone = threading.Event(), threading.Event()

    def talk(client: socket.socket) -> None:
        client.sendall(beginning)
        try:
            while not stopped.wait(0.05):
                client.sendall(b"x")
        finally:
            gone.set()

    with serving(talk) as (port, _):
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(FetchError):
            fetch(f"{url}/a", 1_000_000, 60, url, ())
        assert gone.wait(60)  # the connection is closed
        stopped.set()
    tally("faults injected", "posters")


def test_poster_on_another_host_is_skipped_without_pausing_omdb(
    fake_omdb: FakeOmdb, movie: Movie, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(saying(OK + b"\r\n" + PNG)) as (port, heard):
        answer = {"Response": "True", "Year": "1984", "Plot": "It happens."}
        poster = f"http://127.0.0.1:{port}/{KEY}.png"
        fake_omdb.answer = lambda _: (200, {**answer, "Poster": poster})
        omdb = Omdb(KEY, tmp_path / "omdb", fake_omdb.url, 1000)
        assert omdb.poster(movie) is None
        assert heard == []
        assert omdb.plot(movie.model_copy(update={"number": 196})) == "It happens."
    assert "The poster of movie 195: its address is not allowed" in caplog.text
    assert KEY not in caplog.text
