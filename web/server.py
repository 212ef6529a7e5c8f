"""The server of the page: waitress, with limits that one client alone cannot exhaust."""

import resource
from typing import Any, Final

import waitress
from flask import Flask

BODY: Final = 100_000
"""Bytes that a request's body may have."""
_HEADERS: Final = 16_384  # bytes of its first line and headers
_THREADS: Final = 32
_CONNECTIONS: Final = 1_000
_IDLE: Final = 10  # seconds without a byte after which a connection without a request is closed
_SPARE: Final = 100  # files that the page itself may have open: its engines' connections, mostly


def create_server(app: Flask, host: str, port: int) -> Any:
    """A server that listens; `run()` serves until it is interrupted.

    A request takes a thread only once it has come whole; until then, and between two requests, a
    connection is a file and some bytes. Browsers keep idle ones, which must not keep others out.

    Args:
        app: the application.
        host: address or name to listen on.
        port: 0 lets the system choose; `effective_port` says which it is.

    Raises:
        OSError: it cannot listen there.
    """
    return waitress.create_server(
        app,
        host=host,
        port=port,
        ident=None,
        threads=_THREADS,
        connection_limit=max(_open_files() - _SPARE, 1),
        channel_timeout=_IDLE,
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() knows 1,024 files at most
        max_request_header_size=_HEADERS,
        max_request_body_size=BODY,
    )


def _open_files() -> int:
    """How many files may be open, after asking for enough: macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
