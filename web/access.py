"""Protects the page from requests of other sites and under foreign host names.

The page has no user accounts: a request that reaches it acts with the AWS credentials that it was
started with. Pages of other sites can send requests to loopback: by forms, images and scripts, and,
if their name resolves to 127.0.0.1 (DNS rebinding), even as the same origin.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


class Guard:
    """WSGI middleware that refuses foreign requests before they reach the application.

    A request with a foreign Host receives 421, one from another site's page 403. Programs send
    neither Origin nor Sec-Fetch-Site, and pages cannot change these headers. Links from other sites
    are allowed: they show the page to its user and reveal nothing to the site.

    Args:
        application: the protected application.
        host: the address or name that the page listens on.
    """

    def __init__(self, application: "WSGIApplication", host: str) -> None:
        self._application, self._host = application, host

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        if not (refusal := self._refusal(environ)):
            return self._application(environ, start_response)
        status, words = refusal
        answer = Response(f"{words}\n", status, {"X-Content-Type-Options": "nosniff"})
        return answer(environ, start_response)

    def _refusal(self, environ: "WSGIEnvironment") -> tuple[HTTPStatus, str] | None:
        told, port = environ.get("HTTP_HOST", ""), environ["SERVER_PORT"]
        found = _AUTHORITY.fullmatch(told)
        if not (found and _is_own(found[1].lower(), self._host) and (found[2] or "80") == port):
            return HTTPStatus.MISDIRECTED_REQUEST, (
                f"This page does not answer to the name {told[:100]!r}. Open "
                f"http://127.0.0.1:{port}, or start it with this name as --host."
            )
        site, mode, destination = (
            environ.get(f"HTTP_SEC_FETCH_{name}") for name in ("SITE", "MODE", "DEST")
        )
        link = (environ["REQUEST_METHOD"], mode, destination) == ("GET", "navigate", "document")
        foreign = site not in (None, "none", "same-origin") and not link
        if foreign or environ.get("HTTP_ORIGIN") not in (None, f"http://{told}"):
            return HTTPStatus.FORBIDDEN, (
                "This request came from another site's page; only links to this page are allowed."
            )
        return None


def _is_own(name: str, host: str) -> bool:
    if host not in _EVERYWHERE:
        return name in _LOOPBACK or name.strip("[]") == host.lower()
    if name in _LOOPBACK or name == socket.gethostname().lower():
        return True
    try:  # only literal addresses are accepted, because names can change
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
