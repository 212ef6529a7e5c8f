"""Sends records of events that a function could not process to their destinations.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.exceptions import InvalidParameterValueException
from moto.utilities.arns import parse_arn

from local_aws import clients
from local_aws.api import NotImplementedByLocalAws
from local_aws.cloudwatch.metrics import report
from local_aws.sts.models import AccessDenied, assume

log = logging.getLogger("local_aws.lambda")

Condition = Literal["RetriesExhausted", "EventAgeExceeded"]

_SNS_BYTES = 262_144  # maximum bytes of a message; longer records are sent without payloads
_SERVICES = ("sqs", "sns")


@dataclass(frozen=True)
class Failure:
    """A failed event, and the function's last response.

    Attributes:
        request_id: the event's request id.
        function_arn: the ARN that was invoked.
        role: the function's role, which sends the record.
        version: the function's version.
        event: the payload.
        condition: the reason of the failure.
        attempts: the number of runs.
        answer: the last response; None if the function never ran.
    """

    request_id: str
    function_arn: str
    role: str
    version: str
    event: bytes
    condition: Condition
    attempts: int
    answer: bytes | None


def check(config: dict[str, Any]) -> None:
    """Refuse an unsupported DestinationConfig.

    Raises:
        NotImplementedByLocalAws: the destination is not an SQS queue or an SNS topic, or it is for
            successful events.
        AwsError: Lambda does not support this kind of destination.
    """
    if (config.get("OnSuccess") or {}).get("Destination"):
        raise NotImplementedByLocalAws("OnSuccess destinations of asynchronous invocations")
    if not (arn := (config.get("OnFailure") or {}).get("Destination")):
        return
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    if service in ("lambda", "events", "s3"):
        raise NotImplementedByLocalAws(
            f"OnFailure destinations of {service} (an SQS queue or an SNS topic is told)"
        )
    if service not in _SERVICES or arn.endswith(".fifo"):
        raise InvalidParameterValueException(
            f"The provided destination config DestinationConfig(onSuccess=null, "
            f"onFailure=OnFailure(destination={arn})) is invalid."
        )


def tell(destination: str, failure: Failure) -> None:
    """Send a failure record with the function's role; errors are counted in a metric."""
    arn = parse_arn(destination)
    try:
        _send(arn.service, destination, arn.region, failure)
    except (AccessDenied, BotoCoreError, ClientError) as error:
        name = failure.function_arn.split(":")[6]
        log.warning("the record of an event that %s failed was not sent: %s", name, error)
        owner = parse_arn(failure.function_arn)
        values = {"DestinationDeliveryFailures": (1.0, "Count")}
        report(owner.account, owner.region, "AWS/Lambda", {"FunctionName": name}, values)


def _send(service: str, destination: str, region: str, failure: Failure) -> None:
    function = failure.function_arn.split(":")
    credentials = assume(
        failure.role,
        service="lambda",
        session_name=function[6].ljust(2, "-"),
        region=function[3],
        source_arn=":".join(function[:7]),
    )
    client = clients.client(service, region, credentials)
    text = json.dumps(_record(failure, with_payloads=True))
    if service == "sqs":
        account, name = destination.split(":")[4:6]
        # derive the queue's URL, because requesting it would need another permission
        url = f"{clients.endpoint_url() or 'https://sqs.' + region + '.amazonaws.com'}"
        client.send_message(QueueUrl=f"{url}/{account}/{name}", MessageBody=text)
        return
    if len(text.encode()) > _SNS_BYTES:
        text = json.dumps(_record(failure, with_payloads=False))
    client.publish(TopicArn=destination, Message=text)


def _record(failure: Failure, *, with_payloads: bool) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    arn = failure.function_arn
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": now,
        "requestContext": {
            "requestId": failure.request_id,
            "functionArn": arn if arn.count(":") == 7 else f"{arn}:$LATEST",
            "condition": failure.condition,
            "approximateInvokeCount": failure.attempts,
        },
    }
    if with_payloads:
        record["requestPayload"] = json.loads(failure.event)
    if failure.answer is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": failure.version,
            "functionError": "Unhandled",
        }
        if with_payloads:
            record["responsePayload"] = _parsed(failure.answer)
    return record


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return answer.decode("utf-8", "replace")
