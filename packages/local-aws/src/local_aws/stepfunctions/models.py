"""moto's Step Functions interpreter, with fixes for the waiter of CDK's Provider framework."""

import uuid
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local_aws import clients
from local_aws.sts.models import AccessDenied, assume


class LocalStepFunctionsBackend(StepFunctionsParserBackend):
    """moto's interpreting backend with fixes."""

    def start_execution(
        self,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: Any = None,
        trace_header: Any = None,
    ) -> Any:
        """Start an execution, with a unique name by default."""
        return super().start_execution(
            state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header
        )

    def delete_state_machine(self, arn: str) -> None:
        """Delete a state machine and stop its executions."""
        self._stop(arn)
        super().delete_state_machine(arn)

    def reset(self) -> None:
        """Stop all executions and delete all state."""
        self._stop()
        super().reset()

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
    return clients.client(service, region, credentials)
