"""The local AWS as a server on loopback: start, stop, and the errors that a client can read."""

import errno
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from local_aws import clients, processes, state
from local_aws.apigatewayv2.gateway import Gateway
from local_aws.install import install

log = logging.getLogger("local_aws")


class PortInUse(RuntimeError):
    """Another program listens on the wanted port."""


class _Quiet(MotoRequestHandler):
    """In HTTP/1.1 an answer of unknown length comes in chunks: one that is cut off is seen."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        log.debug('"%s" %s', self.requestline, code)


class _Dispatcher(DomainDispatcherApplication):
    """moto looks for a host's service on the disk, with every request; once is enough."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._services: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._services:
            self._services[host] = super().get_backend_for_host(host)
        return self._services[host]

    def infer_service_region_host(self, environ: dict[str, Any], path: str) -> str | None:
        """API Gateway's two services sign as one: the second's paths do not load the first."""
        host: str | None = super().infer_service_region_host(environ, path)
        if path.startswith("/v2/") and host and host.startswith("apigateway."):
            return "apigatewayv2"
        return host


class _Errors:
    """Turns an exception that moto lets through into an AWS error, and logs it once."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            return list(self.app(environ, start_response))
        except NotImplementedError as error:
            code, status, text = (
                "NotImplementedByLocalAws",
                "501 Not Implemented",
                (f"The local AWS refuses what it does not implement: {error}"),
            )
        except Exception as error:
            log.exception("%s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            code, status, text = (
                "InternalFailure",
                "500 Internal Server Error",
                (f"{type(error).__name__}: {error} (the local AWS's log has the details)"),
            )
        body, content_type = _error_body(environ, code, text)
        headers = [
            ("Content-Type", content_type),
            ("x-amzn-ErrorType", code),
            ("Content-Length", str(len(body))),
        ]
        start_response(status, headers)
        return [body]


def _error_body(environ: dict[str, Any], code: str, text: str) -> tuple[bytes, str]:
    if "json" in environ.get("CONTENT_TYPE", ""):
        return json.dumps({"__type": code, "message": text}).encode(), "application/x-amz-json-1.1"
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    error = f"<Error><Type>Receiver</Type><Code>{code}</Code><Message>{escaped}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>".encode(), "text/xml"


class LocalAws:
    """A whole AWS on 127.0.0.1, for as long as the `with` block lasts.

    Args:
        port: the port to listen on; 0 takes a free one.

    Raises:
        PortInUse: on entering, when `port` is taken.
        RuntimeError: on entering, when another runs in this process: both would share one state.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What AWS_ENDPOINT_URL is set to."""
        assert self._server is not None, "not started"
        return f"http://127.0.0.1:{self._server.port}"

    def environment(self, region: str = "us-east-1") -> dict[str, str]:
        """The variables with which a program talks to this AWS instead of the real one."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **clients.OWNER.environment(),
        }

    def __enter__(self) -> "LocalAws":
        if running := clients.endpoint_url():
            raise RuntimeError(f"a local AWS runs in this process already, at {running}")
        install()
        app = Gateway(_Dispatcher())
        try:
            self._server = make_server(
                "127.0.0.1", self._port, _Errors(app), threaded=True, request_handler=_Quiet
            )
        except (OSError, SystemExit) as error:
            if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise PortInUse(
                f"port {self._port} is taken (or not allowed): stop what listens there, "
                "or choose another with --port"
            ) from None
        os.environ["MOTO_PORT"] = str(self._server.port)  # moto builds its own links from it
        clients.set_endpoint_url(self.url)
        state.open_folder()
        self._thread = threading.Thread(target=self._server.serve_forever, name="local-aws")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None and self._thread is not None
        processes.kill_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        processes.kill_all()  # what a last request started
        clients.set_endpoint_url(None)
        # a reset makes each backend anew, and AWS's managed policies take seconds to make
        default_user_config.pop("iam", None)
        BackendDict.reset()
        state.close_folder()
