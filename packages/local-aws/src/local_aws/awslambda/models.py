"""moto's Lambda with functions that run."""

import copy
import io
import json
import logging
import re
import threading
import time
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from botocore.model import StringShape, StructureShape
from moto.awslambda.exceptions import (
    FunctionAlreadyExists,
    InvalidParameterValueException,
    UnknownFunctionException,
)
from moto.awslambda.models import (
    EventSourceMapping,
    LambdaBackend,
    LambdaFunction,
    LambdaStorage,
    LayerDataType,
    LayerVersion,
)
from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model, iso_8601_datetime_with_nanoseconds
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.awslambda import destinations
from local_aws.awslambda.bootstrap import LONGEST
from local_aws.awslambda.engine import Engine, Layer, Program, TooManyRequests, concurrency
from local_aws.awslambda.logs import LogSettings
from local_aws.awslambda.outcomes import AsyncOutcome, async_outcome, remember
from local_aws.awslambda.sandbox import Answer
from local_aws.cloudwatch.metrics import report
from local_aws.documents import read_json
from local_aws.iam.access import service_may
from local_aws.iam.policies import Decision, Request, evaluate
from local_aws.paths import UnsafePath, relative
from local_aws.sts.models import AccessDenied, trusts
from local_aws.workers import EVENTS_AT_ONCE, Workers, WorkingBackend

__all__ = ["AsyncOutcome", "Invocation", "LocalFunction", "LocalLambdaBackend", "async_outcome"]

log = logging.getLogger("local_aws.lambda")

SYNC_PAYLOAD_BYTES = LONGEST  # request and response
QUEUED_BYTES = 256 * 1024**2  # of an account's asynchronous events in a region; our limit
ASYNC_PAYLOAD_BYTES = 1_048_576  # 1 MB since October 2025
ASYNC_RETRY_SECONDS = (60.0, 120.0)  # AWS's delays before an event's second and third attempt
_THROTTLED_RETRY_SECONDS = 1.0  # after the first throttle; doubled each time
_LONGEST_PAUSE_SECONDS = 300.0
_OLDEST_EVENT_SECONDS = 21_600
_UNZIPPED_BYTES = 262_144_000
_VARIABLES_BYTES = 4096
_RETIRED_RUNTIMES = ("python2.7", "python3.6", "python3.7", "python3.8")

# unsupported members of CreateFunction and UpdateFunctionConfiguration
_NOT_HONOURED = {
    "DeadLetterConfig": "TargetArn",
    "FileSystemConfigs": None,
    "ImageConfig": None,
    "CodeSigningConfigArn": None,
    "TenancyConfig": None,
    "CapacityProviderConfig": None,
    "DurableConfig": None,
    "AcceleratorConfig": None,
    "PublishTo": None,
}


_RESERVED_VARIABLES = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
}


@dataclass(frozen=True)
class Invocation:
    """A request to invoke a function, with its request id."""

    request_id: str
    version: str
    payload: bytes = b""
    error: bool = False
    log_tail: bytes = b""


@dataclass
class _Event:
    """A queued asynchronous event."""

    function: "LocalFunction"
    request_id: str
    payload: bytes
    arn: str
    context: str | None
    came: float = field(default_factory=time.monotonic)
    attempts: int = 0
    throttled: int = 0
    reason: str = ""
    answer: bytes | None = None


class LocalFunction(LambdaFunction):
    """moto's function with additional settings."""

    def __init__(
        self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1
    ) -> None:
        self.revision_id = str(uuid.uuid4())
        self.logging_config: dict[str, str] = {}
        self.layer_archives: tuple[Layer, ...] = ()
        _check_s3_object(account_id, region, spec["Code"])
        _check_role(account_id, spec["Role"], spec["FunctionName"], region)
        super().__init__(account_id=account_id, spec=spec, region=region, version=version)
        _check_archives(self.code_bytes, self.layer_archives)
        self.logs_backend = None  # type: ignore[assignment]  # moto would copy all logs with it
        self._set_logging(spec.get("LoggingConfig") or {})

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """The response of GetFunctionConfiguration."""
        configuration: dict[str, Any] = super().get_configuration(on_create)
        configuration["LoggingConfig"] = self.logging_config
        configuration["RevisionId"] = self.revision_id
        return configuration

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Apply UpdateFunctionConfiguration."""
        updates = dict(config_updates)
        _check_settings(updates)
        if "Role" in updates:
            _check_role(self.account_id, updates["Role"], self.function_name, self.region)
        if "Environment" in updates:
            updates["Environment"] = {"Variables": updates["Environment"].get("Variables") or {}}
        super().update_configuration(updates)
        if "LoggingConfig" in updates:
            self._set_logging(updates["LoggingConfig"])
        if "EphemeralStorage" in updates:
            self.ephemeral_storage = updates["EphemeralStorage"]["Size"]
        if "TracingConfig" in updates:
            self.tracing_config = updates["TracingConfig"]
        if "KMSKeyArn" in updates:
            self.kms_key_arn = updates["KMSKeyArn"]
        return self._changed()

    def update_function_code(self, updated_spec: dict[str, Any]) -> dict[str, Any]:
        """Apply UpdateFunctionCode."""
        if updated_spec.get("DryRun"):
            return self.get_configuration()
        if updated_spec.get("Architectures"):
            self.architectures = updated_spec["Architectures"]
        _check_s3_object(self.account_id, self.region, updated_spec)
        before = (self.code_bytes, self.code_size, self.code_sha_256, self.code_digest)
        try:
            super().update_function_code(updated_spec)
            _check_archives(self.code_bytes, self.layer_archives)
        except Exception:
            self.code_bytes, self.code_size, self.code_sha_256, self.code_digest = before
            raise
        return self._changed()

    def invoke(
        self, body: str, request_headers: Mapping[str, str], response_headers: dict[str, str]
    ) -> str | bytes:
        """Run the function for another of moto's services (SNS, EventBridge, S3…)."""
        backend = _backend(self.account_id, self.region)
        done = backend.run(self.function_arn, None, (body or "{}").encode(), "Event")
        response_headers["x-amzn-requestid"] = done.request_id
        return b""

    def program(self) -> Program:
        """The program of its sandboxes."""
        assert self.run_time is not None and self.handler is not None  # validated at creation
        config = self.logging_config
        return Program(
            account=self.account_id,
            region=self.region,
            function=self.function_name,
            version=str(self.version),
            runtime=self.run_time,
            handler=self.handler,
            role=self.role,
            memory_mb=int(self.memory_size),
            timeout=int(self.timeout),
            variables=tuple(sorted(self.environment_vars.items())),
            logging=LogSettings(
                group=config["LogGroup"],
                json=config["LogFormat"] == "JSON",
                application_level=config.get("ApplicationLogLevel"),
                system_level=config.get("SystemLogLevel", "INFO"),
            ),
            layers=self.layer_archives,
            digest=self.code_digest,
            code=self.code_bytes,
        )

    def _get_layers_data(self, layers_versions_arns: list[str]) -> list[LayerDataType]:
        for arn in layers_versions_arns:
            account = arn.split(":")[4] if arn.count(":") > 4 else self.account_id
            if account != self.account_id:
                raise NotImplementedByLocalAws(
                    f"layers of other accounts, such as {arn}: publish one with its packages, and "
                    "name that"
                )
        data: list[LayerDataType] = super()._get_layers_data(layers_versions_arns)
        backend = _backend(self.account_id, self.region)
        found = [backend.layers_versions_by_arn(arn) for arn in layers_versions_arns]
        # a function keeps its layers' content, even when a layer version is deleted
        self.layer_archives = tuple(
            Layer(layer.code_digest, layer.code_bytes) for layer in found if layer
        )
        return data

    def _set_logging(self, config: dict[str, str]) -> None:
        chosen = {
            "LogFormat": config.get("LogFormat", "Text"),
            "LogGroup": config.get("LogGroup", f"/aws/lambda/{self.function_name}"),
        }
        if chosen["LogFormat"] == "JSON":
            chosen["ApplicationLogLevel"] = config.get("ApplicationLogLevel", "INFO")
            chosen["SystemLogLevel"] = config.get("SystemLogLevel", "INFO")
        elif "ApplicationLogLevel" in config or "SystemLogLevel" in config:
            raise InvalidParameterValueException(
                "To use ApplicationLogLevel or SystemLogLevel, you must set LogFormat to JSON."
            )
        self.logging_config = chosen

    def _changed(self) -> dict[str, Any]:
        self.revision_id = str(uuid.uuid4())
        self.last_modified = iso_8601_datetime_with_nanoseconds()
        return self.get_configuration()


class _Functions(LambdaStorage):
    """The functions of an account and region."""

    def split_function_arn(self, arn: str) -> tuple[str, str, str | None]:
        """The unqualified ARN, the name and the qualifier.

        Raises:
            UnknownFunctionException: the function belongs to another account or region; moto would
                take the one of the same name here.
        """
        if arn.split(":")[3:5] != [self.region_name, self.account_id]:
            raise UnknownFunctionException(arn)
        return super().split_function_arn(arn)


class LocalLambdaBackend(WorkingBackend, LambdaBackend):
    """moto's Lambda backend with an engine behind it."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._lambdas = _Functions(region_name, account_id)
        self.engine = Engine()
        self._events = Workers(EVENTS_AT_ONCE, "lambda-events")
        self._queueing = threading.Lock()
        self._queued = 0  # bytes of the events that are queued or being processed
        self._permitting = threading.Lock()
        self._naming = threading.RLock()  # held while names and versions are looked up and given

    def end_work(self) -> None:
        """End all executions."""
        self._events.close()
        self.engine.close()

    def account_settings(self) -> dict[str, Any]:
        """The account's limits and usage, as in GetAccountSettings. Sizes are in bytes.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
        """
        functions = list(self.list_functions())
        code: list[Any] = [*self.list_functions("ALL")]
        code += [
            version
            for one in self.list_layers()
            for version in self.list_layer_versions(one["LayerName"])
        ]
        most = concurrency(self.account_id, self.region_name)
        reserved = sum(int(one.reserved_concurrency or 0) for one in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": 75 << 30,
                "CodeSizeUnzipped": _UNZIPPED_BYTES,
                "CodeSizeZipped": 50 << 20,
                "ConcurrentExecutions": most,
                "UnreservedConcurrentExecutions": most - reserved,
            },
            "AccountUsage": {
                "TotalCodeSize": sum(one.code_size for one in code),
                "FunctionCount": len(functions),
            },
        }

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        """Create a function; unsupported settings are refused."""
        _refuse_unsupported(spec)
        if spec.get("PackageType", "Zip") == "Image":
            raise NotImplementedByLocalAws("functions from container images (PackageType=Image)")
        _check_runtime(spec)
        _check_settings(spec)
        function = LocalFunction(  # type: ignore[abstract]  # as moto's own is
            self.account_id, spec, self.region_name, "$LATEST"
        )
        with self._naming:
            if function.function_name in self._lambdas._functions:
                raise FunctionAlreadyExists(function.function_name)
            self._lambdas.put_function(function)
            if spec.get("Publish"):
                published = copy.copy(function)
                published.version = self._publish(function.function_name).version
                return published
        return function

    def publish_version(self, function_name: str, description: str = "") -> LambdaFunction | None:
        """Publish the latest code and configuration as the next version."""
        with self._naming:
            return super().publish_version(function_name, description)

    def update_function_configuration(
        self, function_name: str, qualifier: str | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Change a function's configuration."""
        _refuse_unsupported(body)
        if "Runtime" in body:
            _check_runtime({"Handler": "unchanged", **body})
        self._check_revision(function_name, body)
        return self.get_function(function_name, qualifier).update_configuration(body)

    def update_function_code(
        self, function_name: str, qualifier: str | None, body: dict[str, Any]
    ) -> dict[str, Any]:
        """Change a function's code, and publish it if requested."""
        if "ImageUri" in body:
            raise NotImplementedByLocalAws("functions from container images (ImageUri)")
        self._check_revision(function_name, body)
        function = self.get_function(function_name, qualifier)
        answer: dict[str, Any] = function.update_function_code(body)
        if body.get("Publish") and not body.get("DryRun"):
            answer = self._publish(function_name).get_configuration()
        return answer

    def publish_layer_version(self, spec: dict[str, Any]) -> LayerVersion:
        """Publish a layer version, if its content is there and a zip file."""
        _check_s3_object(self.account_id, self.region_name, spec["Content"])
        with self._naming:
            version = super().publish_layer_version(spec)
            try:
                _check_archives(version.code_bytes, ())
            except Exception:
                self.delete_layer_version(version.name, str(version.version))
                raise
        return version

    def put_function_event_invoke_config(
        self, function_name: str, config: dict[str, Any]
    ) -> dict[str, Any]:
        """Configure an event's retries and failure destination."""
        destinations.check(config.get("DestinationConfig") or {})
        self.get_function(function_name).event_invoke_config = []
        answer: dict[str, Any] = super().put_function_event_invoke_config(function_name, config)
        return answer

    def create_function_url_config(self, name_or_arn: str, config: dict[str, Any]) -> Any:
        """Refused: function URLs are not implemented."""
        raise NotImplementedByLocalAws("lambda:CreateFunctionUrlConfig")

    def create_alias(
        self,
        name: str,
        function_name: str,
        function_version: str,
        description: str,
        routing_config: Any,
    ) -> Any:
        """Create an alias; weighted routing is refused."""
        _refuse_routing(routing_config)
        with self._naming:
            return super().create_alias(
                name, function_name, function_version, description, routing_config
            )

    def update_alias(
        self,
        name: str,
        function_name: str,
        function_version: str,
        description: str,
        routing_config: Any,
    ) -> Any:
        """Update an alias; weighted routing is refused."""
        _refuse_routing(routing_config)
        return super().update_alias(
            name, function_name, function_version, description, routing_config
        )

    def create_event_source_mapping(self, spec: dict[str, Any]) -> EventSourceMapping:
        """Let a queue's messages invoke a function, whose role may receive them."""
        self._check_source(spec.get("FunctionName", ""), spec.get("EventSourceArn", ""))
        return super().create_event_source_mapping(spec)

    def update_event_source_mapping(
        self, uuid: str, spec: dict[str, Any]
    ) -> EventSourceMapping | None:
        """Change a mapping, perhaps to another function."""
        mapping = self.get_event_source_mapping(uuid)
        if mapping and "FunctionName" in spec:
            self._check_source(spec["FunctionName"], mapping.event_source_arn)
        return super().update_event_source_mapping(uuid, spec)

    def _check_source(self, function: str, source: str) -> None:
        """Refuse a source whose records a function's role may not read.

        Raises:
            AwsError: the role may not.
            NotImplementedByLocalAws: the source is not a queue.

        https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        """
        if source.split(":")[2:3] != ["sqs"]:
            raise NotImplementedByLocalAws(f"event source mappings of {source}")
        role = self.get_function(function).role
        for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
            if not service_may(role, f"sqs:{action}", source, self.region_name):
                raise AwsError(
                    "InvalidParameterValueException",
                    "The provided execution role does not have permissions to call "
                    f"{action} on SQS",
                )

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Delete a function or one version, and end its idle sandboxes."""
        name = self.get_function(function_name, qualifier).function_name
        super().delete_function(function_name, qualifier)
        self.engine.forget(name)

    def send_sns_message(self, function_name: str, *arguments: Any, **named: Any) -> None:
        """Invoke a function with a topic's message; its failure does not fail the publisher."""
        try:
            super().send_sns_message(function_name, *arguments, **named)
        except (ServiceException, HTTPException) as error:
            log.warning("a topic's message for %s: %s", function_name, error)

    def add_permission(self, function_name: str, qualifier: str, raw: str) -> dict[str, Any]:
        """Add a statement to a function's policy.

        Raises:
            AwsError: the policy has a statement with this id.
        """
        shape = get_service_model("lambda").operation_model("AddPermission").input_shape
        assert isinstance(shape, StructureShape)
        given = {name: one for name, one in read_json(raw).items() if name in shape.members}
        principal = _principal(str(given.get("Principal")))
        policy = self.get_function(function_name, qualifier).policy
        with self._permitting:
            before = {one.get("Sid"): one["Resource"] for one in policy.statements}
            added: dict[str, Any] = super().add_permission(
                function_name, qualifier, json.dumps(given)
            )
            added["Principal"] = principal
            if before.get(added["Sid"]) == added["Resource"]:
                policy.statements.remove(added)
                raise AwsError(
                    "ResourceConflictException",
                    f"The statement id ({added['Sid']}) provided already exists. Please provide a "
                    "new statement id, or remove the existing statement.",
                )
        return added

    def check_permission(self, function_arn: str, service: str, source_arn: str) -> None:
        """Check that a function's policy lets a service call it.

        Args:
            function_arn: the function, with its qualifier, if any.
            service: who calls it, such as `events`.
            source_arn: the resource for which the service calls it.

        Raises:
            AccessDenied: it does not.
        """
        names = (f"{service}.amazonaws.com", f"{service}.{self.region_name}.amazonaws.com")
        source = {"aws:SourceArn": source_arn, "aws:SourceAccount": self.account_id}
        asked = Request("lambda:InvokeFunction", function_arn, names, source)
        statements = {"Statement": self.get_function(function_arn).policy.statements}
        if evaluate([statements], asked) is not Decision.ALLOW:
            raise AccessDenied(
                f"{names[0]} is not authorized to perform: {asked.action} on resource: "
                f"{function_arn} for {source_arn}, because no resource-based policy allows the "
                f"{asked.action} action"
            )

    def send_log_event(
        self, function_arn: str, filter_name: str, log_group_name: str, *rest: Any, **named: Any
    ) -> None:
        """Invoke a function with log events; its failure does not fail the writer."""
        here = f"arn:{get_partition(self.region_name)}:logs:{self.region_name}:{self.account_id}"
        try:
            function = self.get_function(function_arn).function_arn
            self.check_permission(function_arn, "logs", f"{here}:log-group:{log_group_name}:*")
            super().send_log_event(function, filter_name, log_group_name, *rest, **named)
        except (ServiceException, HTTPException) as error:
            log.warning("log events for %s: %s", function_arn, error)

    def invoke(
        self,
        function_name: str,
        qualifier: str | None,
        body: Any,
        headers: Any,
        response_headers: Any,
    ) -> str | bytes | None:
        """Run a function for another of moto's services; the API's own calls come through `run`."""
        kind = headers.get("x-amz-invocation-type") or headers.get("X-Amz-Invocation-Type")
        event = body if isinstance(body, bytes) else (body or "{}").encode()
        return self.run(function_name, qualifier, event, kind or "RequestResponse").payload

    def run(
        self,
        function_name: str,
        qualifier: str | None,
        event: bytes,
        invocation_type: str,
        client_context: str | None = None,
    ) -> Invocation:
        """Invoke a function: `RequestResponse`, `Event` or `DryRun`.

        Raises:
            AwsError: the function does not exist or cannot run here, the event is invalid or too
                large, or too many invocations run.
        """
        function = self.get_function(function_name, qualifier)
        event = event or b"{}"
        sync = invocation_type != "Event"
        limit = SYNC_PAYLOAD_BYTES if sync else ASYNC_PAYLOAD_BYTES
        if len(event) > limit:
            raise AwsError(
                "RequestTooLargeException",
                f"{len(event)} byte payload is too large for the {invocation_type} invocation "
                f"type (limit {limit} bytes)",
            )
        try:
            read_json(event)
        except ValueError as error:
            raise AwsError(
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            ) from None
        request_id = str(uuid.uuid4())
        version = str(function.version)
        if invocation_type == "DryRun":
            return Invocation(request_id, version)
        arn = _invoked_arn(function, function_name, qualifier)
        if not sync:
            with self._queueing:
                if self._queued + len(event) > QUEUED_BYTES:
                    raise TooManyRequests("CallerRateLimitExceeded")
                self._queued += len(event)
            remember(request_id, AsyncOutcome("pending"))
            waiting = _Event(function, request_id, event, arn, client_context)
            self._events.submit(lambda: self._deliver(waiting))
            return Invocation(request_id, version)
        answer = self._once(function, request_id, event, arn, client_context)
        payload, failed = answer.payload, answer.error_type is not None
        if len(payload) > SYNC_PAYLOAD_BYTES:
            failed = True
            payload = json.dumps(
                {
                    "errorType": "Function.ResponseSizeTooLarge",
                    "errorMessage": "Response payload size exceeded maximum allowed payload "
                    f"size ({SYNC_PAYLOAD_BYTES} bytes).",
                }
            ).encode()
        return Invocation(request_id, version, payload, failed, answer.log_tail)

    def _once(
        self, function: LocalFunction, request_id: str, event: bytes, arn: str, context: str | None
    ) -> Answer:
        reserved = self.get_function(function.function_name).reserved_concurrency
        began = time.monotonic()
        try:
            answer = self.engine.invoke(
                function.program(),
                event,
                request_id=request_id,
                function_arn=arn,
                client_context=context,
                reserved=None if reserved is None else int(reserved),
            )
        except TooManyRequests:
            self._report(function, Throttles=(1.0, "Count"))
            raise
        self._report(
            function,
            Invocations=(1.0, "Count"),
            Errors=(float(answer.error_type is not None), "Count"),
            Throttles=(0.0, "Count"),
            Duration=((time.monotonic() - began) * 1000, "Milliseconds"),
        )
        return answer

    def _report(self, function: LocalFunction, **values: tuple[float, str]) -> None:
        dimensions = {"FunctionName": function.function_name}
        report(self.account_id, self.region_name, "AWS/Lambda", dimensions, values)

    def _deliver(self, event: "_Event") -> None:
        """Process an event; queue it again if it has to be retried."""
        function = event.function
        config = function.event_invoke_config[0].config if function.event_invoke_config else {}
        retries = config.get("MaximumRetryAttempts", len(ASYNC_RETRY_SECONDS))
        oldest = event.came + config.get("MaximumEventAgeInSeconds", _OLDEST_EVENT_SECONDS)
        wait = None
        condition: destinations.Condition = "RetriesExhausted"
        if time.monotonic() > oldest:
            event.reason = event.reason or "The event was older than MaximumEventAgeInSeconds."
            condition = "EventAgeExceeded"
        else:
            try:
                answer = self._once(
                    function, event.request_id, event.payload, event.arn, event.context
                )
            except TooManyRequests as error:
                event.reason = str(error)
                wait = min(_THROTTLED_RETRY_SECONDS * 2**event.throttled, _LONGEST_PAUSE_SECONDS)
                event.throttled += 1
            except Exception as error:  # it cannot run here, or was deleted: do not retry
                log.warning("event for %s: %s", function.function_name, error)
                event.reason = str(error)
                event.attempts += 1
            else:
                event.attempts += 1
                if answer.error_type is None:
                    self._done(event)
                    remember(event.request_id, AsyncOutcome("succeeded", attempts=event.attempts))
                    return
                event.answer = answer.payload
                event.reason = _reason(answer.payload)
                if event.attempts <= retries:
                    wait = ASYNC_RETRY_SECONDS[event.attempts - 1]
        status: Literal["pending", "failed"] = "failed" if wait is None else "pending"
        if wait is None:
            self._done(event)
        remember(event.request_id, AsyncOutcome(status, event.reason, event.attempts))
        if wait is not None:
            self._events.submit(lambda: self._deliver(event), after=wait)
            return
        on_failure = (config.get("DestinationConfig") or {}).get("OnFailure") or {}
        if destination := on_failure.get("Destination"):
            failure = destinations.Failure(
                event.request_id,
                event.arn,
                function.role,
                str(function.version),
                event.payload,
                condition,
                event.attempts,
                event.answer,
            )
            destinations.tell(destination, failure)

    def _done(self, event: "_Event") -> None:
        with self._queueing:
            self._queued -= len(event.payload)

    def get_function(
        self, function_name_or_arn: str, qualifier: str | None = None
    ) -> LocalFunction:
        """The function or version with this name or ARN."""
        function = super().get_function(function_name_or_arn, qualifier)
        assert isinstance(function, LocalFunction)
        return function

    def _publish(self, name: str) -> LambdaFunction:
        published = self.publish_version(name)
        assert published is not None
        return published

    def _check_revision(self, function_name: str, body: dict[str, Any]) -> None:
        wanted = body.get("RevisionId")
        if wanted and wanted != self.get_function(function_name).revision_id:
            raise AwsError(
                "PreconditionFailedException",
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
            )


def _backend(account: str, region: str) -> LocalLambdaBackend:
    from moto.awslambda.models import lambda_backends

    backend = lambda_backends[account][region]
    assert isinstance(backend, LocalLambdaBackend)
    return backend


def _check_s3_object(account: str, region: str, code: dict[str, Any]) -> None:
    """Refuse a missing object, which moto would treat as empty code."""
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key:
        return
    try:
        found = s3_backends[account][get_partition(region)].get_object(bucket, key)
    except MissingBucket:
        reason = "NoSuchBucket. S3 Error Message: The specified bucket does not exist"
    else:
        if found is not None:
            return
        reason = "NoSuchKey. S3 Error Message: The specified key does not exist."
    raise InvalidParameterValueException(f"Error occurred while GetObject. S3 Error Code: {reason}")


def _check_archives(code: bytes, layers: tuple[Layer, ...]) -> None:
    """Refuse code that cannot be unzipped, or is too large with layers that were checked before."""
    try:
        unzipped = sum(map(_unzipped, (code, *(layer.archive for layer in layers))))
        if unzipped <= _UNZIPPED_BYTES:
            with zipfile.ZipFile(io.BytesIO(code)) as zipped:
                if broken := zipped.testzip():
                    raise zipfile.BadZipFile(broken)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,  # a compression
        RuntimeError,  # encryption
        UnsafePath,
    ):
        raise InvalidParameterValueException(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    if unzipped > _UNZIPPED_BYTES:
        raise InvalidParameterValueException(
            f"Function code combined with layers exceeds the maximum allowed size of "
            f"{_UNZIPPED_BYTES} bytes. The actual size is {unzipped} bytes."
        )


def _unzipped(archive: bytes) -> int:
    """The bytes that a zip file says it holds, all of them inside a folder."""
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for entry in zipped.infolist():
            relative(entry.filename)
        return sum(entry.file_size for entry in zipped.infolist())


def _check_role(account: str, role: str, function: str, region: str) -> None:
    arn = f"arn:{get_partition(region)}:lambda:{region}:{account}:function:{function}"
    if not trusts(role, "lambda", region, arn):
        raise InvalidParameterValueException(
            "The role defined for the function cannot be assumed by Lambda."
        )


def _check_settings(spec: dict[str, Any]) -> None:
    if int(spec.get("Timeout", 3)) > 900:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{spec['Timeout']}' at 'timeout' failed to "
            "satisfy constraint: Member must have value less than or equal to 900",
        )
    if len(spec.get("Layers") or []) > 5:
        raise InvalidParameterValueException("Cannot reference more than 5 layers.")
    cannot = (
        "Lambda was unable to configure your environment variables because the environment "
        "variables you have provided"
    )
    variables = (spec.get("Environment") or {}).get("Variables") or {}
    reserved = sorted(_RESERVED_VARIABLES & set(variables))
    if reserved:
        raise InvalidParameterValueException(
            f"{cannot} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    if len(json.dumps(variables, separators=(",", ":"))) > _VARIABLES_BYTES:
        raise InvalidParameterValueException(
            f"{cannot} exceeded the 4KB limit. String measured: "
            f"{json.dumps(variables, separators=(',', ':'))}"
        )


def _invoked_arn(function: LocalFunction, name: str, qualifier: str | None) -> str:
    if qualifier is None and name.count(":") in (1, 7):  # NAME:QUALIFIER, or an ARN with one
        qualifier = name.rsplit(":", 1)[1]
    bare = ":".join(function.function_arn.split(":")[:7])
    return f"{bare}:{qualifier}" if qualifier else bare


def _reason(payload: bytes) -> str:
    try:
        described = read_json(payload)
        return f"{described.get('errorType', 'Error')}: {described['errorMessage']}"
    except (ValueError, KeyError, AttributeError):
        return payload.decode("utf-8", "replace")


def _refuse_unsupported(spec: dict[str, Any]) -> None:
    for name, member in _NOT_HONOURED.items():
        value = spec.get(name)
        if value and (member is None or value.get(member)):
            raise NotImplementedByLocalAws(f"{name} of a Lambda function")
    if (spec.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise NotImplementedByLocalAws("SnapStart of a Lambda function")


def _refuse_routing(config: Any) -> None:
    if config and config.get("AdditionalVersionWeights"):
        raise NotImplementedByLocalAws("weighted aliases of a Lambda function")


def _check_runtime(spec: dict[str, Any]) -> None:
    runtime = spec.get("Runtime")
    if not runtime or not spec.get("Handler"):
        raise InvalidParameterValueException(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )
    shape = get_service_model("lambda").shape_for("Runtime")
    assert isinstance(shape, StringShape)
    if runtime not in shape.enum:
        listed = ", ".join(shape.enum)
        raise InvalidParameterValueException(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{listed}] or be a valid ARN"
        )
    if runtime in _RETIRED_RUNTIMES:
        raise InvalidParameterValueException(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating "
            "AWS Lambda functions. We recommend you use a supported runtime while creating or "
            "updating functions."
        )


_ACCOUNT: Final = re.compile(r"(?:arn:(?P<partition>[\w-]+):iam::)?(?P<id>\d{12})(?::root)?")
_ROLE_OR_USER: Final = re.compile(r"arn:[\w-]+:(?:iam|sts)::\d{12}:[\w+=,.@/-]+")


def _principal(name: str) -> str | dict[str, str]:
    """The Principal element of AddPermission's principal.

    Raises:
        AwsError: there is no such kind of principal.
    """
    if name == "*":
        return name
    if name.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return {"Service": name}
    if account := _ACCOUNT.fullmatch(name):
        return {"AWS": f"arn:{account['partition'] or 'aws'}:iam::{account['id']}:root"}
    if _ROLE_OR_USER.fullmatch(name):
        return {"AWS": name}
    raise AwsError(
        "InvalidParameterValueException",
        "The provided principal was invalid. Please check the principal and try again.",
    )
