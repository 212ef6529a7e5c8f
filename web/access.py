"""Which requests the page takes: by its own names, and not what another site's page sends.

The page has no users' accounts: a request that reaches it acts with the AWS credentials that it was
started with. The pages of other sites reach loopback too: by forms, pictures and scripts, and, once
their own name resolves to 127.0.0.1 (DNS rebinding), as if they were this page's own.
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
    """Passes to an application what it may take, and refuses the rest before it is looked at.

    A request that came by another name is a 421, one that another site's page made the browser
    send a 403. Programs send neither Origin nor Sec-Fetch-Site, and pages cannot change those. A
    link from another site is followed: it shows the page to its user and tells the site nothing.

    Args:
        application: what is guarded.
        host: the address or name that the page was told to listen on.
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
                f"http://127.0.0.1:{port}, or start it with the --host that it is to be known by."
            )
        site, mode, destination = (
            environ.get(f"HTTP_SEC_FETCH_{name}") for name in ("SITE", "MODE", "DEST")
        )
        link = (environ["REQUEST_METHOD"], mode, destination) == ("GET", "navigate", "document")
        foreign = site not in (None, "none", "same-origin") and not link
        if foreign or environ.get("HTTP_ORIGIN") not in (None, f"http://{told}"):
            return HTTPStatus.FORBIDDEN, (
                "Another site's page asked for this; only links to this page are followed."
            )
        return None


def _is_own(name: str, host: str) -> bool:
    if host not in _EVERYWHERE:
        return name in _LOOPBACK or name.strip("[]") == host.lower()
    if name in _LOOPBACK or name == socket.gethostname().lower():
        return True
    try:  # a name that resolves elsewhere tomorrow is never an address
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
