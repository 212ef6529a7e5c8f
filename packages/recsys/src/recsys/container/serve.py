"""Serves a model over HTTP as SageMaker requires: GET /ping and POST /invocations."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from recsys.container.algorithms import Answer, loader
from recsys.errors import InputError, UnsupportedMediaType

_LONGEST_BODY = 100 << 20  # batch transform's largest payload; an endpoint's is 6 MB


def serve(algorithm: str, root: Path) -> int:
    """Load the model under `root` and answer requests until SIGTERM. Return the exit status."""
    try:
        port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
        answer = loader(algorithm)(root / "model")
        server = ThreadingHTTPServer(("127.0.0.1", port), handler(answer))
    except (InputError, OSError, ValueError, OverflowError) as error:
        print(f"cannot serve: {error}", file=sys.stderr, flush=True)
        return 1

    def stop(*_: object) -> None:
        # shutdown() waits for serve_forever(), which runs in this thread.
        threading.Thread(target=server.shutdown).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"serving {algorithm} on 127.0.0.1:{server.server_address[1]}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.05)
    return 0


def handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    """Create the HTTP request handler of a loaded model."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections alive
        disable_nagle_algorithm = True
        wbufsize = -1  # send headers and body together
        timeout = 300

        def do_GET(self) -> None:
            if self.path == "/ping":
                self._send(HTTPStatus.OK, b"", "text/plain")
            else:
                self._send(HTTPStatus.NOT_FOUND, b"there is GET /ping and POST /invocations")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self.close_connection = True
                self._send(HTTPStatus.LENGTH_REQUIRED, b"a Content-Length is needed")
                return
            if len(length) > 18 or int(length) > _LONGEST_BODY:
                self.close_connection = True
                text = f"the request has more than {_LONGEST_BODY} bytes"
                self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text.encode())
                return
            body = self.rfile.read(int(length))
            if self.path != "/invocations":
                self._send(HTTPStatus.NOT_FOUND, b"there is GET /ping and POST /invocations")
                return
            try:
                result, kind = answer(
                    body, self.headers.get("Content-Type"), self.headers.get("Accept")
                )
            except UnsupportedMediaType as error:
                self._send(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error).encode())
            except InputError as error:
                self._send(HTTPStatus.BAD_REQUEST, str(error).encode())
            except Exception as error:
                traceback.print_exc()
                text = f"{type(error).__name__}: {error}"
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, text.encode())
            else:
                self._send(HTTPStatus.OK, result, kind)

        def _send(
            self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Do not log successful requests."""

    return Handler
