"""moto's Step Functions interpreter, with fixes for the waiter of CDK's Provider framework."""

import uuid
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local_aws import clients
from local_aws.api import AwsError
from local_aws.stepfunctions import limits
from local_aws.sts.models import AccessDenied, assume
from local_aws.workers import WorkingBackend


class LocalStepFunctionsBackend(WorkingBackend, StepFunctionsParserBackend):
    """moto's interpreting backend with fixes."""

    def create_state_machine(self, name: str, definition: str, *rest: Any, **named: Any) -> Any:
        """Create a state machine; the same one may be created again, another one may not.

        Raises:
            AwsError: StateMachineAlreadyExists.
        """
        found = super().create_state_machine(name, definition, *rest, **named)
        if found.definition != definition:
            raise AwsError(
                "StateMachineAlreadyExists", f"State Machine Already Exists: '{found.arn}'"
            )
        return found

    def start_execution(
        self,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: Any = None,
        trace_header: Any = None,
    ) -> Any:
        """Start an execution, with a unique name by default.

        Raises:
            ExecutionLimitExceeded: as many run as can.
        """
        if why := limits.exhausted():
            raise AwsError(
                "ExecutionLimitExceeded",
                f"The maximum number of running executions has been reached: {why}. Running "
                "executions must end or be stopped before a new execution can be started.",
            )
        return super().start_execution(
            state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header
        )

    def delete_state_machine(self, arn: str) -> None:
        """Delete a state machine and stop its executions."""
        self._stop(arn)
        super().delete_state_machine(arn)

    def end_work(self) -> None:
        """Stop all executions."""
        self._stop()

    def _stop(self, arn: str | None = None) -> None:
        for machine in self.state_machines:
            for execution in machine.executions:
                if execution.status == "RUNNING" and arn in (None, machine.arn):
                    execution.stop(stop_date=datetime.now(UTC), error="", cause="")


def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """A task's client with the state machine's role and region."""
    if state_credentials is None:
        return clients.client(service, region)
    try:
        credentials = assume(
            state_credentials.role_arn, service="states", session_name="states", region=region
        )
    except AccessDenied as error:
        raise ClientError(
            {"Error": {"Code": "AccessDeniedException", "Message": str(error.message)}},
            "AssumeRole",
        ) from None
    client = clients.client(service, region, credentials)
    client.meta.events.register("after-call", _as_json, unique_id="states")
    return client


def _as_json(parsed: dict[str, Any], **_: Any) -> None:
    """Make an answer JSON, in which times are texts, as in the results of AWS SDK integrations."""
    for name, value in parsed.items():
        parsed[name] = _without_times(value)


def _without_times(value: Any) -> Any:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z").replace(".000Z", "Z")
    if isinstance(value, dict):
        return {name: _without_times(part) for name, part in value.items()}
    return [_without_times(part) for part in value] if isinstance(value, list) else value
