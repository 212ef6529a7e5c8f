"""Runs inside a sandbox: imports the handler, then answers one invocation after another.

`bootstrap.py FD PATHS`: FD is the socket to the local AWS, PATHS the JSON list of folders that the
function may import from. It uses the standard library only, because nothing else is on its path.

A message is two big-endian lengths, a JSON head and a body. The first one reports the
result of the initialisation; then each `invoke` is answered with a `result`. A head has the time,
by the machine's monotonic clock, at which its message was `sent`. A log record goes to
stdout; line ends inside it are written as `RECORD_BREAK`, so that it stays one event.
"""

import importlib
import json
import logging
import os
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

RECORD_BREAK = "\x1e"
LONGEST = 6_291_556
"""The maximum bytes of a response, as in AWS's messages."""
_LENGTHS = struct.Struct(">II")
Handler = Callable[[Any, Any], Any]


class Fault(Exception):
    """An error of the runtime itself, with Lambda's error type."""

    def __init__(self, error_type: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.trace = trace or []


class Identity:
    """`context.identity`: the caller in a mobile application."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self.cognito_identity_id = identity.get("cognitoIdentityId")
        self.cognito_identity_pool_id = identity.get("cognitoIdentityPoolId")


class Client:
    """`context.client_context.client`."""

    def __init__(self, client: dict[str, Any]) -> None:
        self.installation_id = client.get("installation_id")
        self.app_title = client.get("app_title")
        self.app_version_name = client.get("app_version_name")
        self.app_version_code = client.get("app_version_code")
        self.app_package_name = client.get("app_package_name")


class ClientContext:
    """`context.client_context`: data that the caller sent with the event."""

    def __init__(self, sent: dict[str, Any]) -> None:
        self.client = Client(sent.get("client") or {})
        self.custom = sent.get("custom")
        self.env = sent.get("env")


class LambdaContext:
    """The second argument of a handler."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.aws_request_id: str = head["request_id"]
        self.invoked_function_arn: str = head["function_arn"]
        self._deadline: float = head["deadline"]  # of the monotonic clock
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity({})
        sent = head.get("client_context")
        self.client_context = ClientContext(sent) if isinstance(sent, dict) else None

    def get_remaining_time_in_millis(self) -> int:
        """The remaining time of the invocation."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)

    def log(self, message: object) -> None:
        """Write to the function's log."""
        sys.stdout.write(str(message))


class _RequestId(logging.Filter):
    current = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.current
        return True


class _JsonFormatter(logging.Formatter):
    _known = frozenset(
        (*vars(logging.makeLogRecord({})), "aws_request_id", "message", "asctime", "taskName")
    )

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, value, trace = record.exc_info
            line["stackTrace"] = [text.rstrip() for text in traceback.format_tb(trace)]
            line["errorType"] = kind.__name__
            line["errorMessage"] = str(value)
            line["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        line.update((k, v) for k, v in vars(record).items() if k not in self._known)
        line["requestId"] = getattr(record, "aws_request_id", "")
        return json.dumps(line, default=str, ensure_ascii=False)


class _Records(logging.Handler):
    """Lambda's root handler: a record is one event, however many lines it has."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _write_record(self.format(record))
        except Exception:
            self.handleError(record)


def _write_record(text: str) -> None:
    sys.stdout.write(text.replace("\n", RECORD_BREAK) + "\n")


def _json_logs() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON"


def _set_up_logging() -> _RequestId:
    handler = _Records()
    if _json_logs():
        handler.setFormatter(_JsonFormatter())
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    request_id = _RequestId()
    handler.addFilter(request_id)
    root = logging.getLogger()
    root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL")
    if level:
        root.setLevel({"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level))
    return request_id


def _load(handler: str) -> Handler:
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault(
            "Runtime.BuiltInModuleConflict",
            f"Cannot use built-in module {module_name} as a handler module",
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}"
        ) from None
    except SyntaxError as error:
        raise Fault(
            "Runtime.UserCodeSyntaxError",
            f"Syntax error in module '{module_name}': {error}",
            [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'],
        ) from None
    try:
        function: Handler = getattr(module, function_name)
    except AttributeError:
        raise Fault(
            "Runtime.HandlerNotFound",
            f"Handler '{function_name}' missing on module '{module_name}'",
        ) from None
    return function


def _described(error: BaseException, request_id: str) -> dict[str, Any]:
    if isinstance(error, Fault):
        error_type, trace = error.error_type, error.trace
    else:
        frames = traceback.extract_tb(error.__traceback__)
        while frames and frames[0].filename in (__file__, "<frozen runpy>"):
            frames.pop(0)
        # omit importlib's own frames
        shown = [f for f in frames if not f.filename.startswith("<frozen importlib")]
        error_type, trace = type(error).__name__, traceback.format_list(shown)
    return {
        "errorMessage": str(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _log_error(described: dict[str, Any]) -> None:
    if _json_logs():
        if logging.getLogger().level > logging.ERROR:
            return  # CDK's functions request this, because their errors contain a ResponseURL
        now = time.time()
        stamp = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        )
        _write_record(json.dumps({"timestamp": stamp, "level": "ERROR", **described}))
        return
    text = f"[ERROR] {described['errorType']}: {described['errorMessage']}"
    if described["stackTrace"]:
        text += "\nTraceback (most recent call last):\n" + "".join(described["stackTrace"])
    _write_record(text.rstrip("\n"))


def _marshalled(answer: object) -> bytes:
    try:
        return json.dumps(answer, default=_decimal, ensure_ascii=False).encode()
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _decimal(value: object) -> object:
    if type(value).__name__ == "Decimal":
        number = float(value)  # type: ignore[arg-type]
        return int(number) if number.is_integer() else number
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class _Link:
    """The socket to the local AWS."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        sys.stdout.flush()  # flush the log before the response
        sys.stderr.flush()
        encoded = json.dumps({**head, "sent": time.monotonic()}).encode()
        body = body[: LONGEST + 1]  # a longer one is refused, for its length
        self._socket.sendall(_LENGTHS.pack(len(encoded), len(body)) + encoded + body)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        head_length, body_length = _LENGTHS.unpack(self._read(_LENGTHS.size))
        return json.loads(self._read(head_length)), self._read(body_length)

    def _read(self, count: int) -> bytes:
        parts = []
        while count:
            part = self._socket.recv(min(count, 1 << 20))
            if not part:
                sys.exit(0)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def main() -> None:
    """Initialise, then serve until the local AWS closes the socket."""
    link = _Link(int(sys.argv[1]))
    sys.path[:0] = json.loads(sys.argv[2])
    del sys.argv[1:]
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    request_id = _set_up_logging()
    try:
        handler = _load(os.environ["_HANDLER"])
    except Exception as error:
        described = _described(error, "")
        _log_error(described)
        answer = json.dumps(described, ensure_ascii=False).encode()
        link.send({"kind": "init_error", "error_type": described["errorType"]}, answer)
        sys.exit(1)
    link.send({"kind": "ready"})
    while True:
        head, body = link.receive()
        request_id.current = head["request_id"]
        try:
            event = json.loads(body)
            answer = _marshalled(handler(event, LambdaContext(head)))
        except Exception as error:
            described = _described(error, head["request_id"])
            _log_error(described)
            answer = json.dumps(described, ensure_ascii=False).encode()
            link.send({"kind": "result", "error_type": described["errorType"]}, answer)
        else:
            link.send({"kind": "result"}, answer)


if __name__ == "__main__":
    main()
