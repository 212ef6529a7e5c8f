"""Single-use response URLs for the functions behind custom resources.

On AWS the address is a pre-signed URL of one of CloudFormation's S3 buckets, where the function
puts a JSON document; here it is a route of this server that accepts the same PUT.
"""

import secrets
import threading

from local_aws import clients

LONGEST = 4096
"""The maximum bytes of a response."""

_pending: dict[str, "Answer"] = {}
_lock = threading.Lock()


class Answer:
    """One expected response.

    Args:
        region: the stack's region.
    """

    def __init__(self, region: str) -> None:
        self._token = secrets.token_urlsafe(32)
        self._arrived = threading.Event()
        self._body = b""
        base = clients.endpoint_url() or f"https://cloudformation.{region}.amazonaws.com"
        self.url = f"{base}/cloudformation_{region}/response/{self._token}"

    def __enter__(self) -> "Answer":
        with _lock:
            _pending[self._token] = self
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _pending.pop(self._token, None)

    def wait(self, seconds: float) -> bytes | None:
        """Wait for the response; None on timeout."""
        return self._body if self._arrived.wait(seconds) else None

    def take(self, body: bytes) -> None:
        """Store the first response."""
        if not self._arrived.is_set():
            self._body = body
            self._arrived.set()


def release() -> None:
    """Wake all waiting threads with an empty response, because the server stops."""
    with _lock:
        waiting = list(_pending.values())
    for answer in waiting:
        answer.take(b"")


def deliver(token: str, body: bytes) -> bool:
    """Deliver a response; False if it is no longer expected."""
    with _lock:
        answer = _pending.get(token)
    if answer is None:
        return False
    answer.take(body)
    return True
