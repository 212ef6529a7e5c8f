"""The page's server: waitress, with limits that a single client cannot exhaust."""

import resource
from typing import Any, Final

import waitress
from flask import Flask

BODY: Final = 100_000
"""The maximum size of a request's body in bytes."""
_HEADERS: Final = 16_384  # maximum bytes of the request line and headers
_THREADS: Final = 32
_CONNECTIONS: Final = 1_000
_IDLE: Final = 10  # seconds without data after which an idle connection is closed
_SPARE: Final = 100  # open files of the page itself, mostly connections to engines


def create_server(app: Flask, host: str, port: int) -> Any:
    """Create a listening server; `run()` serves until it is interrupted.

    A request uses a thread only once it is complete; until then, and between requests, a connection
    needs a file and little memory. Browsers keep idle connections, which must not block others.

    Args:
        app: the application.
        host: address or name to listen on.
        port: 0 lets the system choose; `effective_port` is the result.

    Raises:
        OSError: the address cannot be used.
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
        asyncore_use_poll=True,  # select() is limited to 1,024 files
        max_request_header_size=_HEADERS,
        max_request_body_size=BODY,
    )


def _open_files() -> int:
    """The limit of open files, after raising it: macOS starts with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
