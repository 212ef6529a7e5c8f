"""The local AWS as a server on loopback: start, stop, and readable errors."""

import errno
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from traceback import walk_tb
from types import TracebackType
from typing import Any, Final

import botocore.session
from flask import request
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.exceptions import ServiceException
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.parse import RequestParserError
from moto.moto_server import werkzeug_app
from waitress.task import hop_by_hop
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from local_aws import clients, processes, state
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.apigatewayv2.gateway import Gateway
from local_aws.browsers import ProgramsOnly
from local_aws.http_server import BODY, HttpServer, parts
from local_aws.iam import propagation
from local_aws.moto_patches import install
from local_aws.refusal import error_form, refusal, scope
from local_aws.servicequotas import table

log = logging.getLogger("local_aws")

_UNSIGNED_FORM: Final = (
    1024**2
)  # bytes; the longest form, AssumeRoleWithSAML's, has 100,000 characters


# The services that are moto's with the checks and fixes of this distribution, by moto's names. Of
# others, moto invents answers, acts on buckets and containers without permissions, or only keeps
# records.
_IMPLEMENTED: Final = frozenset(
    {
        *("apigateway", "apigatewayv2", "applicationautoscaling", "awslambda", "budgets"),
        *("cloudformation", "cloudwatch", "dynamodb", "ecr", "emrserverless", "events", "glue"),
        *(
            "iam",
            "kms",
            "logs",
            "personalize",
            "s3",
            "s3vectors",
            "sagemaker",
            "sagemakerruntime",
            "scheduler",
            "secretsmanager",
        ),
        *("servicequotas", "sns", "sqs", "ssm", "stepfunctions", "sts", "xray"),
    }
)


class PortInUse(RuntimeError):
    """Another program listens on the requested port."""


class _Dispatcher(werkzeug_app.DomainDispatcherApplication):
    """Finds the service of a request, and moto's application for it.

    moto's own pages (reset, recorder, instance metadata) belong to no service: their URLs are S3's
    here, as on AWS.
    """

    def __init__(self) -> None:
        super().__init__(werkzeug_app.create_backend_app)
        # moto looks up a host's service on disk for every request; cache it
        self._backend = lru_cache(maxsize=1024)(self.get_backend_for_host)

    def get_application(self, environ: dict[str, Any]) -> Any:
        """The application of a request's service. All but S3 read bodies into memory.

        Raises:
            AwsError: the service is unknown, or the body too large for it.
            NotImplementedByLocalAws: moto does not have the service.
        """
        application, backend = self._found(environ)
        if backend != "s3" and int(environ.get("CONTENT_LENGTH") or 0) > BODY:
            raise AwsError("EntityTooLarge", f"The body may have {BODY:,} bytes at most.")
        return application

    def _found(self, environ: dict[str, Any]) -> tuple[Any, Any]:
        """The application of a request's service, and moto's name of that."""
        try:
            host = self.infer_service_region_host(environ, environ["PATH_INFO"])
        except (IndexError, KeyError, ValueError):
            if error_form(environ) == "s3":
                return self._application("s3"), "s3"  # which reports the problem of the header
            raise AwsError(
                "IncompleteSignature",
                "The headers Authorization and X-Amz-Target do not tell which service is asked. "
                "Sign the request with AWS Signature Version 4, as the SDKs and the CLI do.",
            ) from None
        backend = self._backend(host or "s3.us-east-1.amazonaws.com")
        if "HTTP_X_AMZ_TARGET" in environ and not environ.get("HTTP_AUTHORIZATION") and not host:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        region, service = scope(environ) or ("us-east-1", "s3")
        if region not in _known()[0]:
            raise AwsError(
                "InvalidSignatureException",
                f"Credential should be scoped to a valid region: there is none called '{region}'.",
            )
        if backend in (None, "moto_api._internal", "instance_metadata"):
            if service in _known()[1]:
                raise NotImplementedByLocalAws(f"the service {service}")
            raise AwsError(
                "InvalidSignatureException",
                f"Credential should be scoped to a service: there is none called '{service}'.",
            )
        if backend not in _IMPLEMENTED:
            raise NotImplementedByLocalAws(
                f"the service {service}; use it in an AWS account, or replace its client in tests"
            )
        if not _offered(backend, region):
            raise NotImplementedByLocalAws(f"{service} in {region}, where AWS has no such service")
        return self._application(backend), backend

    def infer_service_region_host(self, environ: dict[str, Any], path: str) -> str | None:
        """Distinguish API Gateway's two services, which have one signing name, by path."""
        host: str | None = super().infer_service_region_host(environ, path)
        if path.startswith("/v2/") and host and host.startswith("apigateway."):
            return "apigatewayv2"
        return host

    def _get_body(self, environ: dict[str, Any]) -> str | None:
        """The form of an unsigned request, in which moto looks for the service that is asked.

        What is larger than any such form is S3's, and is not read here.
        """
        if int(environ.get("CONTENT_LENGTH") or 0) > _UNSIGNED_FORM:
            return None
        found: str | None = super()._get_body(environ)
        return found

    def _application(self, backend: Any) -> Any:
        with self.lock:
            if backend not in self.app_instances:
                made = self.app_instances[backend] = self.create_app(backend)
                for status in (404, 405):
                    made.register_error_handler(status, _no_such_address)
            return self.app_instances[backend]


def _no_such_address(error: HTTPException) -> HTTPException | Response:
    """The answer to a request at none of moto's addresses, which moto gives as a web page."""
    if type(error) not in (NotFound, MethodNotAllowed):  # the service's own
        return error
    environ = request.environ
    if error_form(environ) == "s3":
        told = "The specified method is not allowed against this resource."
        return refusal(environ, 405, "MethodNotAllowed", told)
    what = NotImplementedByLocalAws(f"{request.method} {request.path}")
    return refusal(environ, 501, what.code, what.message)


@lru_cache(maxsize=1024)
def _offered(backend: Any, region: str) -> bool:
    """Whether a service is in a region, as far as moto knows; a global one is in all."""
    found = get_backend(backend)
    regions = found[DEFAULT_ACCOUNT_ID].regions if isinstance(found, BackendDict) else ["aws"]
    return region in regions or not {"aws", "global"}.isdisjoint(regions)


@lru_cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """The names of AWS's regions, and of its services in botocore and in signatures."""
    session = botocore.session.get_session()
    partitions = session.get_data("endpoints")["partitions"]
    regions = (name for partition in partitions for name in partition["regions"])
    services = (name for partition in partitions for name in partition["services"])
    return frozenset(regions), frozenset((*session.get_available_services(), *services))


class _Errors:
    """Converts moto's unhandled exceptions to AWS errors, and logs them."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            log.debug("%s %s %s", environ["REQUEST_METHOD"], environ["RAW_URI"], status)
            # a function may return connection headers
            head[:] = status, [one for one in headers if one[0].lower() not in hop_by_hop]

        try:
            body = parts(self._app(environ, start))
            first = next(body, b"")
        except NotImplementedError as error:
            response = refusal(
                environ,
                501,
                "NotImplementedByLocalAws",
                f"The local AWS refuses what it does not implement: {error}",
            )
        except RequestParserError as error:
            code = "MalformedXML" if error_form(environ) == "s3" else "MalformedQueryString"
            response = refusal(environ, 400, code, f"The body cannot be read: {error}")
        except ServiceException as error:
            status = 501 if isinstance(error, NotImplementedByLocalAws) else 400
            response = refusal(environ, status, str(error.code), str(error.message))
        except Exception as error:
            response = _unexpected(environ, error)
        else:
            start_response(*head)
            return _joined(first, body)
        return response(environ, start_response)


# What Python raises when moto computes with parameters that AWS refuses
_OF_PARAMETERS: Final = (ArithmeticError, AttributeError, IndexError, TypeError, ValueError)
_INVALID: Final = {
    "json": "ValidationException",
    "query": "ValidationError",
    "s3": "InvalidRequest",
}


def _unexpected(environ: dict[str, Any], error: Exception) -> Response:
    """The answer to a request that could not be processed.

    Where moto, or a parser, fails on parameters that it does not validate, AWS refuses these.
    """
    place = _place(error)
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, RecursionError):
        told = "they are nested too deeply"
    elif not (place.startswith("moto.") and _is_of_parameters(error)):
        log.exception("%s %s", environ["REQUEST_METHOD"], environ["RAW_URI"])
        words = f"{told} (the local AWS's log has the details)"
        return refusal(environ, 500, "InternalFailure", words)
    log.warning("%s %s: %s in %s", environ["REQUEST_METHOD"], environ["RAW_URI"], told, place)
    words = f"The request's parameters cannot be processed: {told}"
    return refusal(environ, 400, _INVALID[error_form(environ)], words)


def _is_of_parameters(error: Exception) -> bool:
    return isinstance(error, _OF_PARAMETERS) or type(error) is Exception  # moto's own, of no class


def _place(error: Exception) -> str:
    """The module of moto or of this distribution, with the line, in which an error was raised."""
    frames = [
        (one.f_globals.get("__name__", ""), line) for one, line in walk_tb(error.__traceback__)
    ]
    own = [one for one in frames if one[0].startswith(("moto.", "local_aws."))]
    return "{}:{}".format(*own[-1]) if own else ""


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class LocalAws:
    """A local AWS on 127.0.0.1 for the duration of the `with` block.

    Args:
        port: the port to listen on; 0 selects a free one.
        iam_delay: seconds until a change of a role's policies takes effect, from 0 to 60: on AWS,
            such changes take up to a minute.
        quotas: the profile of quotas, one of `servicequotas.table.PROFILES`: `ordinary`, or
            `new-account` for AWS's defaults.

    Raises:
        ValueError: the profile is unknown.
        PortInUse: on entering, if `port` is in use.
        RuntimeError: on entering, if another one runs in this process, because they would share
            state.
    """

    def __init__(
        self, port: int = 0, *, iam_delay: float = 0, quotas: str = table.PROFILES[0]
    ) -> None:
        if quotas not in table.PROFILES:
            raise ValueError(f"quotas must be one of {', '.join(table.PROFILES)}, not {quotas!r}")
        self._port = port
        self._iam_delay = iam_delay
        self._quotas = quotas
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """The value of AWS_ENDPOINT_URL."""
        assert self._server is not None, "not started"
        return f"http://127.0.0.1:{self._server.port}"

    def environment(self, region: str = "us-east-1") -> dict[str, str]:
        """The environment variables that point a program to this AWS."""
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
        propagation.set_delay(self._iam_delay)
        try:
            self._server = HttpServer(
                ProgramsOnly(_Errors(Gateway(_Dispatcher()))), port=self._port
            )
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise PortInUse(
                f"port {self._port} is taken (or not allowed): stop what listens there, "
                "or choose another with --port"
            ) from None
        os.environ["MOTO_PORT"] = str(self._server.port)  # moto builds its own links from it
        clients.set_endpoint_url(self.url)
        table.use(self._quotas)
        state.open_folder()
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.stop(processes.kill_all)  # requests wait for processes, and may start new ones
        processes.kill_all()
        clients.set_endpoint_url(None)
        # a reset would recreate backends, and AWS's managed policies take seconds
        default_user_config.pop("iam", None)
        BackendDict.reset()
        propagation.set_delay(0)
        table.use(table.PROFILES[0])
        state.close_folder()
