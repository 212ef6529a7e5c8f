"""Broken, slow or large requests do not affect other clients."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws import http_server
from local_aws.http_server import HttpServer
from local_aws_tests import http_clients
from local_aws_tests.http_clients import CHUNKED, HEAD, MIB, connect, echo, ping, told
from tests.reliability import Tally

CLIENTS = Path(http_clients.__file__)

PROJECT = Path(__file__).resolve().parents[4]
SCOPE = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{}/aws4_request, Signature=0"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@contextmanager
def serving(application: Application = echo) -> Iterator[HttpServer]:
    server = HttpServer(application, 0)
    server.start()
    try:
        yield server
    finally:
        server.stop(lambda: None)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with serving() as running:
        yield running


def send(server: HttpServer, request: bytes, *, end: bool = False) -> bytes:
    """What is answered, until the connection's end; `end` tells that no more will be sent."""
    with connect(server) as connection:
        with suppress(ConnectionError):
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
        return told(connection)


MALFORMED = {
    "negative length": HEAD + b"Content-Length: -5\r\n\r\n",
    "length with a sign": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "text as length": HEAD + b"Content-Length: three\r\n\r\nabc",
    "length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\n" + b"a" * 10,
    "length of too many digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "no length": HEAD + b"Content-Length: \r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two lengths in one": HEAD + b"Content-Length: 3, 4\r\n\r\nabcd",
    "length and chunks": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked"
    b"\r\n\r\n0\r\n\r\n",
    "other encoding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunk without a size": CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n",
    "chunk of negative size": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "chunk with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "chunk with an endless head": CHUNKED + b"3;" + b"a" * 2000,
    "endless trailer": CHUNKED + b"0\r\n" + b"a" * 100_000,
    "bare line feed": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\nX: y\r\n\r\n",
    "header with a space": HEAD + b"X : y\r\n\r\n",
    "header without a colon": HEAD + b"nothing\r\n\r\n",
    "no version of ours": b"GET / HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n",
    "no request line": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_is_refused_in_aws_form(
    server: HttpServer, tally: Tally, name: str
) -> None:
    tally("faults injected", "malformed HTTP requests")
    answer = send(server, MALFORMED[name])
    assert answer.split(b" ")[1] in (b"400", b"501"), answer
    assert len(re.findall(rb"HTTP/1.\d \d", answer)) == 1
    assert b"<Error><Code>" in answer
    assert b"Traceback" not in answer


def test_malformed_request_is_refused_in_the_form_of_its_service(server: HttpServer) -> None:
    bad = b"Content-Length: x\r\n\r\n"
    target = b"X-Amz-Target: AmazonSSM.GetParameter\r\n"
    assert b'{"__type": "BadRequest"' in send(server, HEAD + target + bad)
    signed = f"Authorization: {SCOPE.format('iam')}\r\n".encode()
    assert b"<ErrorResponse><Error><Type>Sender" in send(server, HEAD + signed + bad)


@given(st.data())
def test_damaged_requests_get_one_answer_at_most_each(
    server: HttpServer, tally: Tally, data: st.DataObject
) -> None:
    """Bytes changed, taken out and put in, where framing is decided."""
    tally("inputs tried", "HTTP requests, damaged")
    whole = data.draw(
        st.sampled_from(
            [
                CHUNKED + b"5\r\nabcde\r\n0\r\nX-Trailer: y\r\n\r\n",
                HEAD + b"Content-Length: 5\r\n\r\nabcde",
                HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            ]
        )
    )
    at = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.integers(0, 3))
    damaged = whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + gone :]
    answer = send(server, damaged, end=True)
    assert answer.count(b"HTTP/1.1 200") + answer.count(b"HTTP/1.0 200") <= 1
    assert b" 500 " not in answer
    assert ping(server)


def test_end_within_a_chunk_ends_the_request(server: HttpServer, tally: Tally) -> None:
    tally("faults injected", "clients that go in the middle")
    before = psutil.Process().memory_info().rss
    for request in (
        CHUNKED + b"ffff\r\nabc",
        HEAD + b"Content-Length: 1000000\r\n\r\nabc",
        b"POST / HT",
    ):
        assert send(server, request, end=True) == b""
    assert ping(server)
    assert psutil.Process().memory_info().rss < before + 50 * MIB


@pytest.mark.parametrize("size", [b"ffffffffffffff", b"ffffffffffffffffffffffff", b"200000000"])
def test_huge_chunk_is_refused_at_once(server: HttpServer, tally: Tally, size: bytes) -> None:
    tally("faults injected", "malformed HTTP requests")
    answer = send(server, CHUNKED + size + b"\r\nabc\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"<Code>EntityTooLarge</Code>" in answer
    assert b"may have 5,368,709,120 bytes at most" in answer


def test_body_is_bounded_by_what_the_service_may_take(server: HttpServer) -> None:
    signed = f"Authorization: {SCOPE.format('lambda')}\r\n".encode()
    answer = send(server, HEAD + signed + b"Content-Length: 104857601\r\n\r\n")
    assert b"413" in answer and b"may have 104,857,600 bytes at most" in answer
    waits = HEAD + signed + b"Expect: 100-continue\r\nContent-Length: 104857601\r\n\r\n"
    assert b"100 Continue" not in send(server, waits)
    store = f"Authorization: {SCOPE.format('s3')}\r\n".encode()
    answer = send(server, HEAD + store + b"Content-Length: 5368709121\r\n\r\n")
    assert b"HTTP/1.1 400" in answer and b"<Code>EntityTooLarge</Code>" in answer
    chunked = store + b"X-Amz-Decoded-Content-Length: 5368709120\r\nContent-Length: "
    answer = send(server, HEAD + chunked + b"5422396212\r\n\r\n")
    assert b"HTTP/1.1 400" in answer and b"<Code>EntityTooLarge</Code>" in answer
    with connect(server) as connection:  # 5 GB may come
        fits = b"Expect: 100-continue\r\nContent-Length: 5368709120\r\n\r\n"
        connection.sendall(HEAD + store + fits)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")


@pytest.mark.parametrize("header", [b"Origin: http://evil.example", b"Sec-Fetch-Site: cross-site"])
def test_body_of_a_web_page_is_refused_before_it_fills_the_disk(
    server: HttpServer, tally: Tally, header: bytes
) -> None:
    tally("faults injected", "requests that a web page could make")
    size = b"Content-Length: %d\r\n" % (MIB + 1)
    answer = send(server, HEAD + header + b"\r\n" + size + b"\r\n")
    assert b"may have 1,048,576 bytes at most" in answer


def test_whole_bodies_arrive(server: HttpServer) -> None:
    body = b"abcdefgh" * MIB  # more than is kept in memory
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as client:
        for headers in ({}, {"Expect": "100-continue"}):
            client.request("PUT", "/a%2Fb?c=%20", body, headers)
            assert client.getresponse().read() == b"PUT /a%2Fb?c=%20 8388608 b'abcdefgha'"
        client.request("PUT", "/chunks", iter([body[:5], b"", body[5:]]), encode_chunked=True)
        assert client.getresponse().read() == b"PUT /chunks 8388608 b'abcdefgha'"
        client.request("PUT", "/nothing", b"", {"Expect": "100-continue"})
        assert client.getresponse().read() == b"PUT /nothing 0 b''"


def limited(what: str, *, megabytes: int = 0, descriptors: int = 0) -> str:
    """What a process prints that tries something with so much and no more."""
    done = subprocess.run(
        [sys.executable, str(CLIENTS), what, str(megabytes), str(descriptors)],
        cwd=PROJECT,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "2",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bodies_are_not_kept_in_memory(tally: Tally) -> None:
    tally("faults injected", "malformed HTTP requests", 3)
    assert int(limited("bodies", megabytes=1536)) < 400 * 1024  # KiB at the peak


def test_half_sent_requests_hold_up_no_one(server: HttpServer, tally: Tally) -> None:
    tally("faults injected", "half-sent requests", 50)
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\nA"
    with ExitStack() as open_ones:
        for number in range(50):
            connection = open_ones.enter_context(connect(server))
            connection.sendall((HEAD + form)[: 10 + number * 3])
        for _ in range(20):
            assert ping(server)


@pytest.mark.parametrize(
    ("begun", "code"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHo", b"408"),
        (HEAD + b"Content-Length: 9\r\n\r\nab", b"408"),
    ],
    ids=["idle", "head", "body"],
)
def test_slow_client_is_let_go(
    monkeypatch: pytest.MonkeyPatch, tally: Tally, begun: bytes, code: bytes
) -> None:
    tally("faults injected", "half-sent requests")
    with serving() as server:
        with monkeypatch.context() as limits:
            limits.setattr(http_server, "IDLE", 0.2)
            limits.setattr(http_server, "SILENCE", 0.2)
            answer = send(server, begun)
        assert code in answer
        assert bool(code) == (b"<Code>RequestTimeout</Code>" in answer)
        assert ping(server)  # with the usual limits, whatever else the machine does


def test_connection_is_not_closed_as_idle_when_a_request_has_just_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = HttpServer(echo, 0)
    with connect(server) as asking, connect(server) as idle:
        while len(server.active_channels) < 2:
            server._turn(1.0)
        asking.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        with monkeypatch.context() as limits:
            limits.setattr(http_server, "IDLE", 0.0)
            server.maintenance(time.monotonic() + 1.0)  # before the request is read
        assert idle.recv(1) == b""
        server.start()
        try:
            assert told(asking).startswith(b"HTTP/1.1 200 OK")
        finally:
            server.stop(lambda: None)


def test_dripping_head_is_let_go(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    tally("faults injected", "half-sent requests")
    monkeypatch.setattr(http_server, "SILENCE", 1.0)
    with serving() as server, connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(600):
            time.sleep(0.1)
            try:
                connection.sendall(f"X-{number}: y\r\n".encode())
            except ConnectionError:
                break
        else:
            pytest.fail("a head may be sent for a minute, where it may take a second")


def test_client_that_does_not_read_is_let_go(monkeypatch: pytest.MonkeyPatch, tally: Tally) -> None:
    tally("faults injected", "clients that do not read")
    monkeypatch.setattr(http_server, "SILENCE", 1.0)
    ended = threading.Event()

    def much(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", str(1000 * MIB))])
        try:
            for _ in range(1000):
                yield b"x" * MIB
        finally:
            ended.set()

    with serving(much) as server, connect(server) as connection:
        connection.sendall(HEAD + b"\r\n")
        assert ended.wait(60)


def test_answer_that_breaks_off_is_seen_by_the_client(tally: Tally) -> None:
    tally("faults injected", "answers that break off", 2)

    def broken(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
        known = [("Content-Length", "10")] if environ["PATH_INFO"] == "/known" else []
        start("200 OK", known)
        yield b"half"
        raise OSError("the disk is gone")

    with serving(broken) as server:
        for path in ("/known", "/unknown"):
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as one:
                one.request("GET", path)
                answer = one.getresponse()
                with pytest.raises(http.client.IncompleteRead):
                    answer.read()


def test_requests_that_wait_for_each_other_are_all_answered() -> None:
    """A chain of calls to the server itself, each answered once the next one is."""
    depth = 120

    def nested(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        left = int(environ["PATH_INFO"].removeprefix("/"))
        told = b"the end"
        if left:
            with closing(http.client.HTTPConnection("127.0.0.1", servers[0].port)) as next_one:
                next_one.request("GET", f"/{left - 1}")
                told = next_one.getresponse().read()
        start("200 OK", [("Content-Length", str(len(told)))])
        return [told]

    servers: list[HttpServer] = []
    with serving(nested) as server, ThreadPoolExecutor(3) as callers:
        servers.append(server)

        def call(_: int) -> bytes:
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as one:
                one.request("GET", f"/{depth}")
                return one.getresponse().read()

        assert list(callers.map(call, range(3))) == [b"the end"] * 3


def test_connections_are_limited_and_the_idlest_goes_first(
    monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    tally("faults injected", "connections beyond the limit", 200)
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 20)
    with serving() as server, ExitStack() as open_ones:
        idle = [open_ones.enter_context(connect(server)) for _ in range(200)]
        assert ping(server)
        assert idle[0].recv(1) == b""  # the first to come had been idle the longest
        assert len(server.active_channels) <= 20


def test_connection_with_a_request_does_not_make_room(
    monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    tally("faults injected", "connections beyond the limit")
    monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 3)
    go = threading.Event()

    def waiting(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        assert go.wait(60)
        start("200 OK", [("Content-Length", "4")])
        return [b"done"]

    with serving(waiting) as server, ExitStack() as open_ones:
        busy = [open_ones.enter_context(connect(server)) for _ in range(3)]
        for one in busy:
            one.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        deadline = time.monotonic() + 60
        while sum(channel.busy for channel in list(server.active_channels.values())) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with connect(server) as one_more:
            assert told(one_more).startswith(b"HTTP/1.1 503")
        go.set()
        assert all(told(one).endswith(b"done") for one in busy)


@pytest.mark.parametrize("why", ["idle", "limit"])
def test_descriptor_of_a_closed_connection_is_free_only_for_later_ones(
    monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """In one turn of the server, a connection has to leave and another one comes.

    The new one could get the descriptor of the old one, and the events found for that.
    """
    if why == "limit":
        monkeypatch.setattr(http_server, "MOST_CONNECTIONS", 1)
    server = HttpServer(echo, 0)
    with connect(server) as old:
        server._turn(60)
        (channel,) = server.active_channels.values()
        if why == "idle":
            channel.waiting_since -= http_server.IDLE + 1
            server.next_channel_cleanup = 0.0
        else:
            old.sendall(b"GET / HTT")
        with connect(server) as new:
            server._turn(60)
            new.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            server.start()
            answer = told(new)
            server.stop(lambda: None)
        assert answer.startswith(b"HTTP/1.1 200")


def test_few_descriptors_are_enough(tally: Tally) -> None:
    tally("faults injected", "no descriptor left")
    assert limited("descriptors", descriptors=64) == "answered\n"


def test_stop_waits_for_requests_and_for_no_connection(tally: Tally) -> None:
    tally("faults injected", "connections open at the end", 30)
    go, ended = threading.Event(), threading.Event()
    began = threading.Event()

    def waiting(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        began.set()
        assert go.wait(60)
        time.sleep(0.2)
        ended.set()
        start("200 OK", [("Content-Length", "4")])
        return [b"done"]

    before = set(threading.enumerate())
    server = HttpServer(waiting, 0)
    server.start()
    with ExitStack() as open_ones:
        idle = [open_ones.enter_context(connect(server)) for _ in range(20)]
        half = [open_ones.enter_context(connect(server)) for _ in range(10)]
        for one in half:
            one.sendall(HEAD + b"Content-Length: 10\r\n\r\nab")
        asking = open_ones.enter_context(connect(server))
        asking.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert began.wait(60)
        server.stop(go.set)
        assert ended.is_set()
        assert told(asking).endswith(b"done")
        assert [told(one) for one in (*idle, *half)] == [b""] * 30
        with pytest.raises(ConnectionRefusedError):
            connect(server)
    assert {one for one in threading.enumerate() if "waitress" in one.name} <= before
