"""Fetches addresses from another server's response: few hosts, no redirects, in bounded time.

The other server chooses the address. Requested from here, it could be this machine, a router or a
host behind a VPN, so only listed hosts are allowed.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Collection
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from typing import Final

LONGEST: Final = 10.0  # maximum total seconds of a response


class FetchError(Exception):
    """Fetching failed; the message contains neither the address nor the content."""


class NotAsked(FetchError):
    """The address is not allowed."""


def fetch(url: str, most: int, wait: float, own: str, others: Collection[str]) -> bytes:
    """Fetch the content of an address.

    Args:
        url: the address.
        most: the maximum size in bytes.
        wait: the socket timeout in seconds.
        own: an address of the configured server, which is trusted.
        others: other allowed hosts, by HTTPS and with public addresses only.

    Raises:
        NotAsked: the address is not allowed.
        FetchError: there was no valid response.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise NotAsked("its address is invalid") from None
    connection = _connection(parts, urllib.parse.urlsplit(own), wait, others)
    late, opened = threading.Event(), connection.sock

    def cut() -> None:
        late.set()
        if sock := opened or connection.sock:  # the response may have taken over the socket
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    watch = threading.Timer(LONGEST, cut)
    watch.start()
    try:
        connection.connect()
        opened = connection.sock
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request("GET", path, headers={"User-Agent": "recommendation-engine"})
        with connection.getresponse() as answer:
            if answer.status != HTTPStatus.OK:  # redirects are not followed
                raise FetchError(f"HTTP status {answer.status}")
            content = answer.read(most + 1)
            missing = answer.length
    except FetchError:
        raise
    except Exception as error:  # sockets, TLS and HTTP raise many exceptions
        raise FetchError("no end" if late.is_set() else type(error).__name__) from None
    finally:
        watch.cancel()
        connection.close()
    if len(content) > most:
        raise FetchError("the response is too large")
    if missing or late.is_set():
        raise FetchError("the response is truncated")
    return content


def _connection(
    parts: urllib.parse.SplitResult,
    own: urllib.parse.SplitResult,
    wait: float,
    others: Collection[str],
) -> HTTPConnection:
    ours = (parts.scheme, parts.netloc) == (own.scheme, own.netloc)
    if ours and parts.scheme == "http":
        return HTTPConnection(parts.netloc, timeout=wait)
    if parts.scheme == "https" and (ours or parts.netloc in others):
        return _Https(parts.netloc, wait, public=not ours)
    raise NotAsked("its address is not allowed")


class _Https(HTTPSConnection):
    """An HTTPS connection, optionally restricted to public addresses.

    The check applies to the connected address, regardless of what the name resolves to.
    """

    def __init__(self, host: str, wait: float, *, public: bool) -> None:
        self._tls, self._public = ssl.create_default_context(), public
        super().__init__(host, timeout=wait, context=self._tls)

    def connect(self) -> None:
        """Connect, and check the address before anything is sent."""
        self.sock = socket.create_connection((self.host, self.port), self.timeout)
        if self._public and not _is_public(self.sock.getpeername()[0]):
            raise NotAsked("its name resolves to a private address")
        self.sock = self._tls.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock.do_handshake()


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global
