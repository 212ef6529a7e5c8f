"""The HTTP server: waitress, with limits on what a client may take.

One thread reads and writes all connections and hands each request, once it is there as a whole,
to a thread that answers it. A request may wait for others to this same server (a function's
invocation lasts up to 15 minutes, and the function calls AWS), so there are as many threads as
requests; the number of connections is what is limited.
Why this server: docs/decisions/0012-http-server.md.
"""

import contextlib
import errno
import logging
import re
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from local_aws.inflight import LONGEST
from local_aws.refusal import error_form, refusal, scope

log = logging.getLogger("local_aws")

IDLE: Final = 350.0  # seconds that an idle connection is kept
SILENCE: Final = 60.0  # seconds for headers, for a pause in the body, and for a pause in reading
MOST_CONNECTIONS: Final = 1000
S3_BODY: Final = 5 * 1024**3  # an object
S3_CHUNKED: Final = S3_BODY * 101 // 100  # an object in signed chunks, which add to it
BODY: Final = 100 * 1024**2  # above other services' limits (Lambda: 70,167,211 bytes)
_PAGE: Final = 1024**2  # of a web page's request, which is refused once received
_OF_BROWSERS: Final = frozenset({"ORIGIN", "SEC_FETCH_SITE"})
_TO_READ: Final = 1.0  # seconds for clients to read responses when the server stops
_IN_MEMORY: Final = 256 * 1024  # bytes of a body in memory; longer ones go to a temporary file
_CONTROL_LINE: Final = 1024  # bytes, before a chunk
_TRAILER: Final = 64 * 1024  # bytes, after the last chunk
_PART: Final = 256 * 1024  # bytes of a response passed on at a time
_UNSENT: Final = 4 * 1024**2  # buffered bytes of a response
_SPARE: Final = 16  # idle threads kept for the next burst

_UNDERSCORED: Final = re.compile(rb"(?im)^(x-amz-meta-[^:\s]*_[^:\s]*):[ \t]*([^\r\n]*?)[ \t]*\r?$")
_METADATA: Final = re.compile(rb"(?m)^X-Amz-Meta-[^:\r\n]+")
_CODES: Final = {
    400: "BadRequest",
    408: "RequestTimeout",
    413: "EntityTooLarge",
    431: "RequestHeaderSectionTooLarge",
    501: "NotImplemented",
}


class _TooSlow(Error):  # type: ignore[misc]
    code, reason = 408, "Request Timeout"


class _NoRoom(Error):  # type: ignore[misc]
    code, reason = 507, "Insufficient Storage"


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """One request as it arrives."""

    limit = BODY
    completed: bool
    error: Error | None
    query = ""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers. A request with two different length headers is refused."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # of int()
            raise ParsingError("the Content-Length has too many digits") from None
        if self.version not in ("1.0", "1.1"):
            raise ParsingError(f"HTTP/{self.version} is not spoken here, but HTTP/1.1")
        if "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("there are both a Content-Length and a Transfer-Encoding")
        self.original_names = {}
        for name, value in _UNDERSCORED.findall(header_plus):  # S3 distinguishes them from dashes
            key = environ_key_for_header(name.decode("latin-1"))
            if key.removeprefix("HTTP_") not in self.headers:
                self.headers[key.removeprefix("HTTP_")] = value.decode("latin-1")
                self.original_names[key] = name.decode("latin-1")
        signed = scope(self.environ())
        if signed is None or signed[1] == "s3":
            self.limit = S3_CHUNKED if "X_AMZ_DECODED_CONTENT_LENGTH" in self.headers else S3_BODY
        if not _OF_BROWSERS.isdisjoint(self.headers):
            self.limit = _PAGE

    def environ(self) -> dict[str, str]:
        """The part of the WSGI environment that identifies the service."""
        kept = {"AUTHORIZATION", "X_AMZ_TARGET"} & self.headers.keys()
        return {
            "CONTENT_TYPE": self.headers.get("CONTENT_TYPE", ""),
            "QUERY_STRING": self.query,
            **{f"HTTP_{name}": self.headers[name] for name in kept},
        }

    def received(self, data: bytes) -> int:
        """Process received bytes; returns the number that belongs to this request."""
        try:
            taken: int = super().received(data)
        except OSError as error:
            self.refuse(_NoRoom(f"the body cannot be kept: {error.strerror}"))
            return len(data)
        expected = max(self.content_length, self.body_bytes_received)
        if self.chunked:
            expected += self.body_rcv.chunk_remainder
            if len(self.body_rcv.control_line) > _CONTROL_LINE:
                self.refuse(BadRequest(f"a chunk's head is longer than {_CONTROL_LINE} bytes"))
            if len(self.body_rcv.trailer) > _TRAILER:
                self.refuse(BadRequest(f"the trailer is longer than {_TRAILER} bytes"))
        if expected > self.limit:
            self.refuse(RequestEntityTooLarge(f"the body may have {self.limit:,} bytes at most"))
        if self.completed:  # otherwise waitress would wait for a body
            self.expect_continue = False
        return taken

    def refuse(self, error: Error) -> None:
        """Stop reading with an error."""
        self.error = self.error or error
        self.completed = True


class _Task(WSGITask):  # type: ignore[misc]
    """The task that runs the application for a request."""

    def get_environment(self) -> dict[str, Any]:
        """The WSGI environment, with additions that moto reads."""
        request, environ = self.request, super().get_environment()
        environ["RAW_URI"] = request.request_uri
        if request.proxy_netloc:  # the target is an absolute URL, which overrides Host
            environ["HTTP_HOST"] = request.proxy_netloc
        environ[PRESERVED_HEADER_NAMES_ENVIRON_KEY] = request.original_names
        return dict(environ)

    def build_response_header(self) -> bytes:
        """Format the headers; names of S3's metadata are in lower case, as on AWS."""
        return _METADATA.sub(lambda name: name[0].lower(), super().build_response_header())


class _Refusal(ErrorTask):  # type: ignore[misc]
    """The task that answers an invalid HTTP request in AWS's format."""

    def execute(self) -> None:
        """Answer and close the connection."""
        error = self.request.error
        if error.code < 500:
            text = f"The request is malformed or too large: {error.body}."
        else:
            text = f"The request cannot be answered: {error.body}."
        code = _CODES.get(error.code, "InternalFailure")
        environ = self.request.environ()
        of_s3 = code == "EntityTooLarge" and error_form(environ) == "s3"
        response = refusal(environ, 400 if of_s3 else error.code, code, text)
        body = response.get_data()
        self.status = response.status
        self.response_headers.extend(response.headers.items())
        self.request.headers["CONNECTION"] = "close"
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A client's connection, with timeouts."""

    parser_class, task_class, error_task_class = _Request, _Task, _Refusal
    request: _Request | None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.waiting_since = self._began = self._heard = time.monotonic()
        self._unread: tuple[float, float] | None = (
            None  # the last activity and the time when it was noticed
        )

    def received(self, data: bytes) -> bool:
        """Process received bytes."""
        self._heard = time.monotonic()
        if self.request is None:
            self._began = self._heard
        return bool(super().received(data))

    def service(self) -> None:
        """Answer a request in its own thread."""
        super().service()
        self.waiting_since = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self.requests or self.total_outbufs_len)

    @property
    def _unread_request(self) -> bool:
        """Whether something has arrived that is not read yet.

        A client that has just sent a request takes a closed connection for a failed call.
        """
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:  # nothing has arrived, or the connection has failed
            return False

    def check(self, now: float) -> None:
        """Close connections that exceed a timeout."""
        if self.total_outbufs_len:
            if self._unread is None or self._unread[0] != self.last_activity:
                self._unread = self.last_activity, now
            elif now - self._unread[1] > SILENCE:  # the response is not being read
                self.handle_close()
            return
        self._unread = None
        if self.requests:
            return
        if self.request is None:
            if now - self.waiting_since > IDLE and not self._unread_request:
                self.handle_close()
        elif now - (self._heard if self.request.headers_finished else self._began) > SILENCE:
            self._give_up()

    def _give_up(self) -> None:
        with self.requests_lock:
            request, self.request = self.request, None
            assert request is not None, "only this thread reads"
            request.refuse(_TooSlow(f"no more of it has come for {SILENCE:.0f} seconds"))
            self.requests.append(request)
        self.server.add_task(self)


class _Workers(ThreadedTaskDispatcher):  # type: ignore[misc]
    """A dispatcher with one thread per request, so that nested requests cannot deadlock."""

    def __init__(self) -> None:
        super().__init__()
        self._growing = threading.Lock()

    def add_task(self, task: _Connection) -> None:
        """Start answering a request at once."""
        with self._growing:
            with self.lock:
                self.queue.append(task)
                self.queue_cv.notify()
                needed = self.active_count + len(self.queue)
                running = len(self.threads) - self.stop_count
            if needed > running:
                self.set_thread_count(needed)

    def trim(self) -> None:
        """End idle threads after a burst."""
        with self._growing:
            with self.lock:
                kept = self.active_count + len(self.queue) + _SPARE
                running = len(self.threads) - self.stop_count
            if running > kept:
                self.set_thread_count(kept)


class HttpServer(TcpWSGIServer):  # type: ignore[misc]
    """Serves a WSGI application on 127.0.0.1 until it is closed.

    Args:
        application: the WSGI application; its responses may be iterators, which are streamed.
        port: the port to listen on; 0 selects a free one.

    Raises:
        OSError: the port cannot be used.
    """

    channel_class = _Connection
    next_channel_cleanup: float

    def __init__(self, application: Callable[..., Iterable[bytes]], port: int) -> None:
        adjustments = Adjustments(
            host="127.0.0.1",
            port=port,
            clear_untrusted_proxy_headers=False,  # they may be signed
            max_request_body_size=S3_CHUNKED + 1,
            inbuf_overflow=_IN_MEMORY,
            outbuf_overflow=2 * _UNSENT,
            outbuf_high_watermark=_UNSENT,
            recv_bytes=_IN_MEMORY,
            cleanup_interval=1,
            log_socket_errors=False,
            ident=None,
        )
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = min(MOST_CONNECTIONS, max(descriptors // 2, 1))
        self._paused_until = 0.0
        self._leaving: _Connection | None = None
        self._stopping = False
        super().__init__(application, dispatcher=_Workers(), adj=adjustments)
        self._thread = threading.Thread(target=self._serve, name="local-aws")

    def start(self) -> None:
        """Serve requests until the server is closed."""
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.effective_port)

    def stop(self, meanwhile: Callable[[], None]) -> None:
        """Accept no more requests, and wait until the current ones are answered.

        Args:
            meanwhile: called repeatedly, to end what requests wait for.
        """
        self._stopping = True
        self.pull_trigger()
        while self._thread.is_alive():
            meanwhile()
            self._thread.join(0.05)
        self.task_dispatcher.shutdown()

    def _serve(self) -> None:
        while not self._stopping:
            self._turn(1.0)
        self.del_channel()
        self.socket.close()  # refuse connections from now on
        now = time.monotonic()
        end, unread = now + LONGEST, now + _TO_READ
        while channels := list(self.active_channels.values()):
            now = time.monotonic()
            if any(channel.requests for channel in channels):
                unread = now + _TO_READ
                if now > end:
                    log.error("requests are not answered %.0f seconds after the end", LONGEST)
                    break
            elif now > unread:
                break
            for channel in channels:
                if not channel.busy:
                    channel.handle_close()
            self._turn(0.05)
        wasyncore.close_all(self._map)

    def _turn(self, seconds: float) -> None:
        """Read and write what can be; then close connections that should be.

        Were one closed before, a connection accepted in the same turn could get its descriptor, and
        with it the events that were found for the closed one: it would be closed, too.
        """
        wasyncore.loop(seconds, use_poll=True, map=self._map, count=1)
        if self._leaving and not self._leaving.busy:
            self._leaving.handle_close()
        self._leaving = None
        now = time.monotonic()
        if now >= self.next_channel_cleanup:
            self.next_channel_cleanup = now + self.adj.cleanup_interval
            self.maintenance(now)

    def readable(self) -> bool:
        """Whether connections are accepted."""
        return bool(self.accepting and time.monotonic() >= self._paused_until)

    def maintenance(self, now: float) -> None:
        """Close connections that exceed a timeout."""
        for channel in list(self.active_channels.values()):
            channel.check(now)
        self.task_dispatcher.trim()

    def accept(self) -> tuple[Any, Any] | None:
        """Accept a connection; at the limit, the one that has been idle longest has to leave."""
        try:
            accepted: tuple[Any, Any] | None = super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            if not self._make_room():
                self._paused_until = time.monotonic() + 0.5
            return None
        full = accepted and len(self.active_channels) >= self._most
        if accepted and full and not self._make_room():  # all are busy
            with contextlib.suppress(OSError), accepted[0] as refused:
                refused.send(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
            return None
        return accepted

    def _make_room(self) -> bool:
        free = [channel for channel in self.active_channels.values() if not channel.busy]
        self._leaving = min(free, key=lambda channel: channel.waiting_since, default=None)
        return self._leaving is not None


def parts(body: Iterable[bytes]) -> Iterator[bytes]:
    """Split bytes into pieces, to avoid a second copy of all of them."""
    try:
        for piece in body:
            for at in range(0, len(piece), _PART):
                yield piece[at : at + _PART]
    finally:
        if close := getattr(body, "close", None):
            close()
