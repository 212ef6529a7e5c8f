"""Fetching what another server's answer names: from few hosts, without redirects, in bounded time.

An address in an answer is the answerer's choice. Asked from here it could be this machine's own, a
router's, or one behind a VPN, and so what is not on the list is not asked.
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

LONGEST: Final = 10.0  # seconds that an answer may take in all, drop by drop


class FetchError(Exception):
    """There is no content; the words name neither the address nor what is in it."""


class NotAsked(FetchError):
    """The address is none that may be asked."""


def fetch(url: str, most: int, wait: float, own: str, others: Collection[str]) -> bytes:
    """The content at an address.

    Args:
        url: the address.
        most: bytes that it may have.
        wait: seconds in which the server must do something.
        own: an address of the server that was configured: all of it is trusted.
        others: hosts that may be asked besides, by HTTPS and where their name is a public address.

    Raises:
        NotAsked: the address is no other's.
        FetchError: there was no such answer.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        raise NotAsked("its address is none") from None
    connection = _connection(parts, urllib.parse.urlsplit(own), wait, others)
    late, opened = threading.Event(), connection.sock

    def cut() -> None:
        late.set()
        if sock := opened or connection.sock:  # the answer may have taken it over
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
            if answer.status != HTTPStatus.OK:  # a redirect is no answer either
                raise FetchError(f"HTTP status {answer.status}")
            content = answer.read(most + 1)
            missing = answer.length
    except FetchError:
        raise
    except Exception as error:  # sockets, TLS and HTTP fail in many ways
        raise FetchError("no end" if late.is_set() else type(error).__name__) from None
    finally:
        watch.cancel()
        connection.close()
    if len(content) > most:
        raise FetchError("an answer of unreasonable size")
    if missing or late.is_set():
        raise FetchError("an answer that was cut short")
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
    raise NotAsked("its address is none that is asked")


class _Https(HTTPSConnection):
    """A connection by HTTPS, to a public address if it has to be one.

    Whatever a name resolves to, it is the address that was connected to which counts.
    """

    def __init__(self, host: str, wait: float, *, public: bool) -> None:
        self._tls, self._public = ssl.create_default_context(), public
        super().__init__(host, timeout=wait, context=self._tls)

    def connect(self) -> None:
        """Connect; nothing is sent before the address was looked at."""
        self.sock = socket.create_connection((self.host, self.port), self.timeout)
        if self._public and not _is_public(self.sock.getpeername()[0]):
            raise NotAsked("its name leads into a private network")
        self.sock = self._tls.wrap_socket(
            self.sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        self.sock.do_handshake()


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_global
