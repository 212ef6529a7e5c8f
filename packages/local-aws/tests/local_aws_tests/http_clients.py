"""Clients that know no more of HTTP than a socket does, and what they try in a process with limits.

`python http_clients.py bodies|descriptors [megabytes of addresses] [descriptors]`
"""

import http.client
import os
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

from local_aws.http_server import HttpServer

MIB = 1024**2
HEAD = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def signed(service: str, region: str = "us-east-1") -> dict[str, str]:
    """Headers of a request signed with a made-up key, whose signature cannot be verified.

    `dated` puts the time into them when they are sent.
    """
    scope = f"local/{{date}}/{region}/{service}/aws4_request"
    headers = {"X-Amz-Date": "{time}"}
    if service == "s3":
        headers["X-Amz-Content-Sha256"] = "UNSIGNED-PAYLOAD"
    names = ";".join(sorted(["host", *map(str.lower, headers)]))
    return headers | {
        "Authorization": (
            f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={'0' * 64}"
        )
    }


def dated(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the time of now in place of `{date}` and `{time}`."""
    now = datetime.now(UTC)
    date, time = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
    return {
        name: value.replace("{date}", date).replace("{time}", time)
        for name, value in headers.items()
    }


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Tells what has come."""
    body = environ["wsgi.input"].read()
    told = f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {len(body)} {body[:9]!r}".encode()
    start("200 OK", [("Content-Length", str(len(told)))])
    return [told]


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def told(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    found = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def ping(server: HttpServer) -> bool:
    """Whether another client is answered."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as client:
        client.request("GET", "/ping")
        return client.getresponse().read() == b"GET /ping 0 b''"


def peak() -> int:
    """The most memory that this program has used, in KiB; getrusage's counts its parent's, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def bodies() -> None:
    """Send bodies of 600 MB and chunks that lie; print the KiB that were used at the peak."""

    def size(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        stream, found = environ["wsgi.input"], 0
        while part := stream.read(65536):
            found += len(part)
        start("200 OK", [("Content-Length", str(len(str(found))))])
        return [str(found).encode()]

    server = HttpServer(size, 0)
    server.start()
    part = b"x" * MIB

    def put(number: int) -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        client.request("PUT", "/", iter([part] * number), encode_chunked=True)
        assert client.getresponse().read() == str(number * MIB).encode()

    put(1)
    for head in (b"ffffffffffffff", b"ffffffff"):
        with connect(server) as broken:
            broken.sendall(CHUNKED + head + b"\r\nabc\r\n")
    with connect(server) as endless:  # a chunk's head
        endless.sendall(CHUNKED)
        with suppress(ConnectionError):
            for _ in range(300):
                endless.sendall(b"0" * MIB)
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(put, [150] * 4))
    put(1)
    server.stop(lambda: None)
    print(peak())


def descriptors() -> None:
    """Be answered while there is no descriptor left."""
    server = HttpServer(echo, 0)
    server.start()
    idle: list[socket.socket] = []
    with suppress(OSError):
        idle.extend(connect(server) for _ in range(100))
    for one in idle[10:]:  # they are the client's, in this same process
        one.close()
    assert ping(server)
    taken = []
    with suppress(OSError):
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    os.close(taken.pop())  # for the client
    assert ping(server)
    for descriptor in taken:
        os.close(descriptor)
    assert ping(server)
    server.stop(lambda: None)
    print("answered")


if __name__ == "__main__":
    what, size, number = sys.argv[1:]
    if int(size):
        resource.setrlimit(resource.RLIMIT_AS, (int(size) * MIB, int(size) * MIB))
    if int(number):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(number), int(number)))
    {"bodies": bodies, "descriptors": descriptors}[what]()
