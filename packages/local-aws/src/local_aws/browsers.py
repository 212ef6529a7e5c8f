"""Refuses requests of web pages, which could otherwise act as the administrator.

A page cannot leave out what its browser adds, and programs (SDKs, the CLI, curl) add none of it:
https://www.w3.org/TR/fetch-metadata/
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from local_aws.refusal import refusal

# Names that always resolve to this machine: a page elsewhere can make its own name resolve here
# (DNS rebinding), but neither these nor AWS's names, which virtual-hosted buckets use.
_LOOPBACK: Final = re.compile(
    r"(?:127\.0\.0\.1|\[::1\]|(?:[\w-]+\.)*localhost)(?::(\d+))?", re.ASCII | re.IGNORECASE
)
_AWS: Final = re.compile(
    r"(?:[\w-]+\.)+(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::\d+)?", re.ASCII | re.IGNORECASE
)
_PRESIGNED: Final = re.compile(r"(?:^|&)(?:X-Amz-)?Signature=")
# Stored objects shown in a browser must not run scripts, because they have this server's origin
_POLICY: Final = "script-src 'none'; form-action 'none'; frame-ancestors 'none'"


class ProgramsOnly:
    """WSGI middleware that refuses requests of web pages.

    Addresses that a person opens are allowed: typed or pasted ones, and links to pre-signed URLs of
    S3, whose response the linking page cannot read.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(  # noqa: D102
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, ("Content-Security-Policy", _POLICY)], *error)

        fault = _fault(environ)
        return (refusal(environ, *fault) if fault else self._app)(environ, start)


def _fault(environ: dict[str, Any]) -> tuple[int, str, str] | None:
    """The status, code and message with which to refuse a request; None to answer it."""
    host, port = environ.get("HTTP_HOST", ""), environ["SERVER_PORT"]
    if not host:
        return 400, "InvalidRequest", "The request has no Host header. Send one, as 127.0.0.1."
    loopback = _LOOPBACK.fullmatch(host)
    if not (loopback and loopback[1] in (None, port)) and not _AWS.fullmatch(host):
        return (
            403,
            "AccessDenied",
            (
                f"The local AWS does not answer to the host '{host}', by which a web page could "
                f"reach it. Use http://127.0.0.1:{port} as the endpoint."
            ),
        )
    origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE", "none")
    if origin in (None, f"http://{host}") and site in ("none", "same-origin"):
        return None
    if origin is None and _opened(environ):
        return None
    return (
        403,
        "AccessDenied",
        (
            f"The local AWS answers programs, not web pages ({origin or site}): any page could "
            "otherwise use it. Use the AWS CLI or an SDK, or paste the address into the browser."
        ),
    )


def _opened(environ: dict[str, Any]) -> bool:
    """Whether a link to a pre-signed URL was opened in a tab, which changes nothing."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and environ.get("HTTP_SEC_FETCH_DEST") == "document"
        and "HTTP_AUTHORIZATION" not in environ
        and _PRESIGNED.search(environ.get("QUERY_STRING", "")) is not None
        and not environ["PATH_INFO"].startswith("/_")  # functions, which may have any effect
    )
