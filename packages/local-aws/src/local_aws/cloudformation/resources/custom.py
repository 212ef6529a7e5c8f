"""AWS::CloudFormation::CustomResource and Custom::*: created by the user's functions."""

import json
import time
from typing import Any
from uuid import uuid4

from local_aws.awslambda.models import async_outcome
from local_aws.cloudformation.answers import LONGEST, Answer
from local_aws.cloudformation.errors import Cancelled, ResourceFailed
from local_aws.cloudformation.resources.base import Attributes, Call, Handler, Properties, texts
from local_aws.documents import read_json

_DEFAULT_TIMEOUT = 3600
_GRACE = 10.0  # seconds for a cancelled request to report its physical id
_GLANCE = 0.1  # seconds between checks of the function's status


class CustomResource(Handler):
    """The documented contract: an event to the function, a response to its ResponseURL."""

    type = "AWS::CloudFormation::CustomResource"
    supported = frozenset()  # any properties

    def create(self, call: Call) -> Attributes:
        """Send Create; after a failure, send Delete with the response's or a generated id."""
        fallback = call.generated_name()
        try:
            answer = self._ask(call, "Create")
        except _Refused as refusal:
            call.identify(refusal.physical_id or fallback)
            raise
        except _Cancelled as cancelled:
            call.identify(cancelled.physical_id or fallback)
            raise Cancelled from None
        call.identify(answer["PhysicalResourceId"])
        return self._attributes(call, answer)

    def update(self, call: Call) -> Attributes:
        """Send Update; another id in the response means replacement."""
        answer = self._ask(call, "Update")
        call.physical_id = answer["PhysicalResourceId"]
        return self._attributes(call, answer)

    def delete(self, call: Call) -> None:
        """Send Delete."""
        self._ask(call, "Delete")

    def _attributes(self, call: Call, answer: Properties) -> Attributes:
        call.no_echo = bool(answer.get("NoEcho"))
        return dict(answer.get("Data") or {})

    def _ask(self, call: Call, request_type: str) -> Properties:
        token = call.properties["ServiceToken"]
        if ":lambda:" not in token:
            raise ResourceFailed(
                f"The local AWS does not implement custom resources behind {token}: "
                "a ServiceToken is a Lambda function's ARN here."
            )
        seconds = _timeout(call.properties)
        with Answer(call.region) as answer:
            request_id = str(uuid4())
            event: Properties = {
                "RequestType": request_type,
                "ServiceToken": token,
                "ResponseURL": answer.url,
                "StackId": call.stack_id,
                "RequestId": request_id,
                "LogicalResourceId": call.logical_id,
                "ResourceType": call.type,
                "ResourceProperties": texts(call.properties),
            }
            if request_type != "Create":
                event["PhysicalResourceId"] = call.physical_id
            if request_type == "Update":
                event["OldResourceProperties"] = texts(call.old)
            accepted = call.client("lambda").invoke(
                FunctionName=token, InvocationType="Event", Payload=json.dumps(event).encode()
            )
            body = self._wait(call, answer, accepted, seconds)
        return _checked(body, event)

    def _wait(self, call: Call, answer: Answer, accepted: Any, seconds: float) -> bytes:
        invocation = accepted["ResponseMetadata"]["RequestId"]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            body = answer.wait(_GLANCE)
            if body is not None:
                return body
            if call.cancelled.is_set():
                # wait for the id of a resource in creation, which has to be deleted
                raise _Cancelled(_physical_id(answer.wait(_GRACE)))
            outcome = async_outcome(invocation)
            if outcome and outcome.status == "failed" and answer.wait(_GLANCE) is None:
                raise _Refused(
                    f"The function did not answer, and each of its {outcome.attempts} attempts "
                    f"failed: {outcome.reason}. (AWS would wait for {seconds:g} seconds before it "
                    "gives up; the local AWS knows that no answer can come.)"
                )
        raise _Refused(
            "CloudFormation did not receive a response from your Custom Resource. Please check "
            f"your logs for requestId [{invocation}]. (Waited for {seconds:g} seconds.)"
        )


class _Refused(ResourceFailed):
    """A failed request; `physical_id` is the id in the response, if any."""

    def __init__(self, reason: str, physical_id: str | None = None) -> None:
        super().__init__(reason)
        self.physical_id = physical_id


class _Cancelled(Cancelled):
    """A cancelled request; `physical_id` is the id reported meanwhile, if any."""

    def __init__(self, physical_id: str | None) -> None:
        super().__init__()
        self.physical_id = physical_id


HANDLERS = (CustomResource,)


def _physical_id(body: bytes | None) -> str | None:
    try:
        found = read_json(body or b"{}")["PhysicalResourceId"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and found else None


def _timeout(properties: Properties) -> float:
    given = properties.get("ServiceTimeout", _DEFAULT_TIMEOUT)
    try:
        seconds = int(given)
    except (TypeError, ValueError):
        seconds = 0
    if not 1 <= seconds <= _DEFAULT_TIMEOUT:
        raise ResourceFailed(
            f"Invalid ServiceTimeout {given}: it must be a whole number of seconds from 1 to "
            f"{_DEFAULT_TIMEOUT}"
        )
    return seconds


def _checked(body: bytes, event: Properties) -> Properties:
    if len(body) > LONGEST:
        raise _Refused("Response object is too long.")
    try:
        answer = read_json(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _Refused(
            "Invalid Response object: Value of Property Status must be SUCCESS or FAILED"
        )
    physical_id = answer.get("PhysicalResourceId")
    if answer.get("Status") == "FAILED":
        raise _Refused(
            "Received response status [FAILED] from custom resource. Message returned: "
            f"{answer.get('Reason', 'no reason given')} (RequestId: {event['RequestId']})",
            str(physical_id) if physical_id else None,
        )
    if answer.get("Status") != "SUCCESS":
        raise _Refused("Invalid response status: it must be SUCCESS or FAILED")
    for name in ("StackId", "RequestId", "LogicalResourceId"):
        if answer.get(name) != event[name]:
            raise _Refused(f"Invalid response: {name} is not that of the request")
    if not isinstance(physical_id, str) or not physical_id:
        raise _Refused("Invalid PhysicalResourceId")
    data = answer.get("Data")
    if data is not None and not isinstance(data, dict):
        raise _Refused("Vendor response doesn't contain a JSON object in Data", physical_id)
    return answer
