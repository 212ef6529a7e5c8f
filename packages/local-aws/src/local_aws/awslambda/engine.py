"""Runs functions in sandboxes, which are reused for one invocation at a time and end when idle."""

import logging
import sys
import threading
import time
import weakref
from collections import Counter
from dataclasses import dataclass, field

from moto.utilities.utils import get_partition

from local_aws import clients
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.awslambda import packages, standins
from local_aws.awslambda.logs import LogSettings, LogStream
from local_aws.awslambda.sandbox import Answer, Sandbox
from local_aws.servicequotas.models import applied
from local_aws.sts.models import AccessDenied, assume

log = logging.getLogger("local_aws.lambda")

IDLE_SECONDS = 300.0  # idle sandboxes end after this time
LIFE_SECONDS = 3000.0  # a sandbox ends before its role's credentials (one hour) do
CONCURRENCY = 100  # maximum number of sandboxes, regardless of the account's quota


class TooManyRequests(AwsError):
    """There is no free sandbox, and the limit is reached."""

    code = "TooManyRequestsException"

    def __init__(self, reason: str) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason
        self.type = "User"


@dataclass(frozen=True)
class Layer:
    """A layer version's archive."""

    digest: str
    archive: bytes = field(compare=False, repr=False)


@dataclass(frozen=True)
class Program:
    """The inputs of a sandbox; sandboxes of equal programs are interchangeable."""

    account: str
    region: str
    function: str
    version: str
    runtime: str
    handler: str
    role: str
    memory_mb: int
    timeout: int
    variables: tuple[tuple[str, str], ...]
    logging: LogSettings
    layers: tuple[Layer, ...]
    digest: str
    code: bytes = field(compare=False, repr=False)

    @property
    def arn(self) -> str:
        """The function's unqualified ARN."""
        partition = get_partition(self.region)
        return f"arn:{partition}:lambda:{self.region}:{self.account}:function:{self.function}"


def concurrency(account: str, region: str) -> int:
    """The number of concurrent invocations of an account in a region."""
    return min(CONCURRENCY, int(applied("lambda", "Concurrent executions", account, region)))


class Engine:
    """The sandboxes of one account and region."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[Program, list[Sandbox]] = {}
        self._busy: Counter[str] = Counter()
        self._current: dict[tuple[str, str], Program] = {}
        self._closed = False
        _engines.add(self)

    def invoke(
        self,
        program: Program,
        event: bytes,
        *,
        request_id: str,
        function_arn: str,
        client_context: str | None = None,
        reserved: int | None = None,
    ) -> Answer:
        """Run one invocation.

        Raises:
            AwsError: the function cannot be started, or too many invocations run.
        """
        sandbox = self._take(program, reserved)
        try:
            if sandbox is None:
                sandbox = _sandbox(program)
            return sandbox.invoke(request_id, event, function_arn, client_context)
        finally:
            self._give_back(program, sandbox)

    def forget(self, function: str) -> None:
        """End the idle sandboxes of a function; busy ones end after their invocation."""
        with self._lock:
            gone = [program for program in self._idle if program.function == function]
            ended = [sandbox for program in gone for sandbox in self._idle.pop(program)]
            for key in [key for key in self._current if key[0] == function]:
                del self._current[key]
        for sandbox in ended:
            sandbox.end()

    def close(self) -> None:
        """End all sandboxes and start no more."""
        with self._lock:
            self._closed = True
            ended = [sandbox for idle in self._idle.values() for sandbox in idle]
            self._idle.clear()
        for sandbox in ended:
            sandbox.end()

    def reap(self) -> None:
        """End sandboxes that have been idle for too long."""
        now = time.monotonic()
        ended: list[Sandbox] = []
        with self._lock:
            for program in list(self._idle):
                kept: list[Sandbox] = []
                for sandbox in self._idle[program]:
                    fresh = now - sandbox.last_used < IDLE_SECONDS
                    (kept if fresh else ended).append(sandbox)
                if kept:
                    self._idle[program] = kept
                else:
                    del self._idle[program]
        for sandbox in ended:
            sandbox.end()

    def _take(self, program: Program, reserved: int | None) -> Sandbox | None:
        stale: list[Sandbox] = []
        with self._lock:
            if self._closed:
                raise AwsError("ServiceException", "The local AWS is stopping.")
            if reserved is not None and self._busy[program.function] >= reserved:
                raise TooManyRequests("ReservedFunctionConcurrentInvocationLimitExceeded")
            if self._busy.total() >= concurrency(program.account, program.region):
                raise TooManyRequests("ConcurrentInvocationLimitExceeded")
            key = (program.function, program.version)
            before = self._current.get(key)
            if before != program:  # code, configuration or role changed: end the old processes
                if before is not None:
                    stale = self._idle.pop(before, [])
                self._current[key] = program
            self._busy[program.function] += 1
            idle = self._idle.get(program, [])
            taken = None
            while idle and taken is None:
                candidate = idle.pop()  # use the most recent one, so that others become idle
                if time.monotonic() - candidate.started < LIFE_SECONDS:
                    taken = candidate
                else:
                    stale.append(candidate)
        if stale:  # the caller does not wait for this
            threading.Thread(target=_end, args=(stale,), daemon=True).start()
        return taken

    def _give_back(self, program: Program, sandbox: Sandbox | None) -> None:
        key = (program.function, program.version)
        with self._lock:
            self._busy[program.function] -= 1
            keep = (
                sandbox is not None
                and sandbox.alive
                and not self._closed
                and self._current.get(key) == program
            )
            if keep and sandbox is not None:
                self._idle.setdefault(program, []).append(sandbox)
        if sandbox is not None and not keep:
            sandbox.end()


def _end(sandboxes: list[Sandbox]) -> None:
    for sandbox in sandboxes:
        sandbox.end()


def _sandbox(program: Program) -> Sandbox:
    endpoint = clients.endpoint_url()
    if endpoint is None:
        raise NotImplementedByLocalAws("running a function without its server (LocalAws)")
    runtime_root = packages.runtime_root()
    handler = standins.stand_in(program.handler, program.code)
    try:
        if handler is not None:
            task_root, layers = standins.FOLDER, None
        elif not program.runtime.startswith("python"):
            raise AwsError(
                "InvalidRuntimeException",
                "The local AWS runs Python functions, and CDK's own helper functions by their "
                f"contract. {program.function} is a {program.runtime} function with the handler "
                f"{program.handler}, which is neither: on AWS it would run.",
            )
        else:
            handler = program.handler
            task_root = packages.task_root(program.digest, program.code)
            layers = None
            if program.layers:
                layers = packages.layers_root(
                    [layer.digest for layer in program.layers],
                    [layer.archive for layer in program.layers],
                    program.runtime,
                )
    except packages.CannotReplace as error:
        raise AwsError(
            "InvalidRuntimeException", f"{program.function} cannot run here: {error}."
        ) from None
    try:
        credentials = assume(
            program.role,
            service="lambda",
            session_name=program.function.ljust(2, "-"),  # STS requires at least two characters
            region=program.region,
            source_arn=program.arn,
        )
    except AccessDenied:
        raise AwsError(
            "AccessDeniedException",
            "The role defined for the function cannot be assumed by Lambda.",
        ) from None
    stream = LogStream(program.logging, program.arn, program.version, program.role)
    opt = str(layers) if layers else "/opt"
    variables = {
        **dict(program.variables),
        **credentials.environment(),
        "AWS_REGION": program.region,
        "AWS_DEFAULT_REGION": program.region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_LAMBDA_FUNCTION_NAME": program.function,
        "AWS_LAMBDA_FUNCTION_VERSION": program.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(program.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": program.logging.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream.name,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{program.runtime}",
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": str(runtime_root),
        "_HANDLER": handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{opt}/bin",
        "LD_LIBRARY_PATH": f"{task_root}:{task_root}/lib:{opt}/lib",
    }
    if program.logging.json:
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = program.logging.application_level or "INFO"
    return Sandbox(
        paths=[str(task_root), *packages.search_path(layers, program.runtime), str(runtime_root)],
        task_root=task_root,
        variables=variables,
        timeout=program.timeout,
        memory_mb=program.memory_mb,
        runtime=f"{program.runtime}, on this machine's Python {_PYTHON}",
        stream=stream,
    )


def _reap_forever() -> None:
    while True:
        time.sleep(30)
        for engine in list(_engines):
            engine.reap()


_PYTHON = ".".join(map(str, sys.version_info[:3]))
_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
threading.Thread(target=_reap_forever, name="lambda-reaper", daemon=True).start()
