"""Where the functions behind custom resources answer: an address each, good for one answer.

On AWS the address is a pre-signed one of an S3 bucket of CloudFormation's own, where the function
puts a JSON document; here it is a route of this server that takes the same PUT.
"""

import secrets
import threading

from local_aws import clients

_pending: dict[str, "Answer"] = {}
_lock = threading.Lock()


class Answer:
    """One awaited answer.

    Args:
        region: where the stack lives.
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
        """The answer, or None if it has not come by then."""
        return self._body if self._arrived.wait(seconds) else None

    def take(self, body: bytes) -> None:
        """Keep the first answer."""
        if not self._arrived.is_set():
            self._body = body
            self._arrived.set()


def release() -> None:
    """Let everybody who waits go on, with an empty answer: this AWS ends."""
    with _lock:
        waiting = list(_pending.values())
    for answer in waiting:
        answer.take(b"")


def deliver(token: str, body: bytes) -> bool:
    """Hand an answer to whom it is for; False if nobody waits for it any more."""
    with _lock:
        answer = _pending.get(token)
    if answer is None:
        return False
    answer.take(body)
    return True
