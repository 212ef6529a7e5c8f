"""Rules by a pattern: what they send to functions, queues, topics and event buses."""

import copy
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.events.models import Rule as MotoRule
from moto.events.models import events_backends
from moto.events.utils import EventTemplateParser
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json
from local_aws.eventbridge import keys
from local_aws.iam import access
from local_aws.iam.policies import Decision, Request, evaluate, parsed
from local_aws.sts.models import AccessDenied, trusts

_IGNORED: Final = ("InputPath", "RetryPolicy", "DeadLetterConfig")  # settings of a target
_INGESTED: Final = "ingestion-time"  # which an input transformer alone gets to see
_MOST_SENT: Final = 18_750  # by one request; AWS's highest quota of invocations in a second
_log = logging.getLogger("local_aws.events")

Event = dict[str, Any]


@dataclass
class _Request:
    """One call of PutEvents.

    Attributes:
        sent: how often its events were sent to a target.
        passed_on: whether a rule has sent the current event to another bus.
    """

    sent: int = 0
    passed_on: bool = False


_request: ContextVar[_Request] = ContextVar("request")


@contextmanager
def sending() -> Iterator[None]:
    """Count the deliveries of one request together, including those of other buses' rules."""
    if _request.get(None) is not None:
        yield
        return
    token = _request.set(_Request())
    try:
        yield
    finally:
        _request.reset(token)


_MOST_FILLED: Final = 16 * 1024**2  # bytes of a template that is filled


class Rule(MotoRule):
    """moto's rule, which also sends to functions and topics, and sends nothing while disabled."""

    def send_to_targets(self, original_event: Any, transform_input: bool = True) -> None:
        """Send an event to the targets, if it matches; one that is gone gets none."""
        if (
            self.state == "ENABLED"
            and is_readable(self)
            and self.event_pattern.matches_event(original_event)
        ):
            with sending():  # a replay sends events without a request
                self._send(original_event, transform_input)

    def _send(self, original_event: Any, transform_input: bool) -> None:
        rest = copy.copy(self)
        rest.targets = []
        for target in self.targets:
            _count()
            send = SENDERS.get(parse_arn(target["Arn"]).service)
            try:
                if send:
                    send(self.arn, target, _text(target, _told(original_event)).encode())
                elif ":event-bus/" in target["Arn"]:
                    self._pass_on(target, _told(original_event))
                else:
                    _check_group(target["Arn"], self.arn)
                    rest.targets.append(target)
            except _TooManySent:
                raise
            except (JsonRESTError, ServiceException) as error:
                _log.warning("%s: %s", self.name, error)
        try:
            if rest.targets:
                MotoRule.send_to_targets(rest, original_event, transform_input)
        except (JsonRESTError, ServiceException) as error:  # such as a group's key
            _log.warning("%s: %s", self.name, error)

    def _pass_on(self, target: dict[str, Any], event: Event) -> None:
        """Send an event to another bus with the target's role, unless it came from one.

        Raises:
            AccessDenied: the role does not allow it, or the bus's policy denies it.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-bus-to-bus.html
        """
        request, bus, role = _request.get(), target["Arn"], target["RoleArn"]
        if request.passed_on:
            _log.warning(
                "%s: %s does not get an event that was sent on by a rule: EventBridge sends none "
                "to a third event bus",
                *(self.name, bus),
            )
            return
        place = parse_arn(bus)
        if not (
            trusts(role, "events", self.region_name, self.arn)
            and access.service_may(role, "events:PutEvents", bus, place.region)
        ):
            raise AccessDenied(
                f"{role} may not be assumed, or does not allow events:PutEvents on {bus}"
            )
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
            "EventBusName": place.resource_id,
            "Resources": event["resources"],
            "Time": event["time"],
        }
        request.passed_on = True
        try:
            events_backends[place.account][place.region].put_events([entry])
        finally:
            request.passed_on = False


def is_readable(rule: MotoRule) -> bool:
    """Whether EventBridge may use the key of a rule's bus, which encrypts its rules and events.

    If not, the event is lost, as AWS documents of buses without a dead-letter queue.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-dlq.html
    """
    buses = events_backends[rule.account_id][rule.region_name].event_buses
    bus = buses.get(rule.event_bus_name)
    why = keys.refusal(bus.kms_key_identifier, bus.arn) if bus and bus.kms_key_identifier else None
    if why:
        _log.warning("%s: an event is lost: %s", rule.name, why)
    return why is None


class _TooManySent(NotImplementedByLocalAws):
    """The rules multiply an event too often."""


def _count() -> None:
    request = _request.get()
    request.sent += 1
    if request.sent > _MOST_SENT:
        raise _TooManySent(
            f"more than {_MOST_SENT:,} deliveries to targets by one call of PutEvents; send fewer "
            "events, or let fewer rules match them"
        )


def bounded_template(parse: Callable[..., Any]) -> Callable[..., Any]:
    """moto's filling of a target's template, unless the result may be far larger than an event."""

    def parsed(input_template: str, input_paths_map: dict[str, Any], event: Any) -> Any:
        places = (input_template or "").count("<")
        size = len(input_template or "") + places * len(json.dumps(event, default=str))
        if size > _MOST_FILLED:
            raise NotImplementedByLocalAws(
                f"an InputTemplate that {places} parts of an event fill to over {_MOST_FILLED:,} "
                "bytes"
            )
        return parse(input_template, input_paths_map, event)

    return parsed


def check_pattern(text: str | None) -> None:
    """Refuse a pattern of events that nothing here sends.

    Raises:
        NotImplementedByLocalAws: it waits for events of AWS's own services.
    """
    pattern = read_json(text) if text else {}
    sources = pattern.get("source") if isinstance(pattern, dict) else None
    named = [one.get("prefix", "") if isinstance(one, dict) else one for one in sources or []]
    if own := [one for one in named if isinstance(one, str) and one.startswith("aws.")]:
        raise NotImplementedByLocalAws(
            f"events of AWS's own services (source {', '.join(own)} in an EventPattern)"
        )


def check(target: dict[str, Any]) -> None:
    """Refuse a target of a pattern's rule that would not get what it should.

    Raises:
        AwsError: it is an event bus without a role.
        NotImplementedByLocalAws: it is of another kind, or has a setting that would be ignored.

    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html
    """
    service = parse_arn(target["Arn"]).service
    if service not in (*SENDERS, "logs", "events") or ":api-destination/" in target["Arn"]:
        raise NotImplementedByLocalAws(
            f"a rule that sends to {target['Arn']}: functions, SQS queues, SNS topics, log groups "
            "and event buses can be targets"
        )
    ignored: tuple[str, ...] = _IGNORED if service in SENDERS else ()
    if service == "events":
        ignored = (*_IGNORED, "Input", "InputTransformer")
        if not target.get("RoleArn"):
            raise AwsError(
                "ValidationException", f"RoleArn is required for target {target['Arn']}."
            )
    for setting in ignored:
        if setting in target:
            raise NotImplementedByLocalAws(f"{setting} of the rule's target {target['Arn']}")


def _told(event: Any) -> Event:
    """An event as targets get it, with its time as EventBridge writes it."""
    moment = event["time"]
    if isinstance(moment, (int, float)):
        moment = datetime.fromtimestamp(moment, UTC)
    if isinstance(moment, datetime):
        moment = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return {**event, "time": moment}


def _text(target: dict[str, Any], event: Event) -> str:
    if "Input" in target:
        return str(target["Input"])
    transformer = target.get("InputTransformer")
    if transformer is None:
        return json.dumps({name: value for name, value in event.items() if name != _INGESTED})
    found: Any = EventTemplateParser.parse(
        transformer["InputTemplate"],
        transformer.get("InputPathsMap", {}),
        event,  # type: ignore[arg-type]
    )
    return found if isinstance(found, str) else json.dumps(found)


def invoke(rule: str, target: dict[str, Any], payload: bytes) -> None:
    """Call a rule's function, if its policy allows that.

    Args:
        rule: the rule's ARN.
        target: the function.
        payload: the event.

    Raises:
        ServiceException: the function does not exist, or its policy does not allow it.
    """
    arn = parse_arn(target["Arn"])
    backend: Any = lambda_backends[arn.account][arn.region]
    backend.check_permission(target["Arn"], "events", rule)
    backend.run(target["Arn"], None, payload, "Event")


def _check(action: str, target: dict[str, Any], rule: str) -> None:
    """Check that the policy of a rule's queue or topic lets EventBridge send to it.

    Raises:
        AccessDenied: it does not.
    """
    if why := access.service_refusal("events", action, target["Arn"], rule):
        raise AccessDenied(why)


def _check_group(group: str, rule: str) -> None:
    """Check that a policy of CloudWatch Logs lets EventBridge write to a log group.

    Raises:
        AccessDenied: none does.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    """
    place = parse_arn(group)
    context = {"aws:SourceAccount": place.account, "aws:SourceArn": rule}
    request = Request(
        "logs:PutLogEvents",
        f"{group.removesuffix(':*')}:log-stream:{rule.rpartition('/')[2]}",
        ("events.amazonaws.com", "delivery.logs.amazonaws.com"),
        context,
    )
    stored = logs_backends[place.account][place.region].resource_policies.values()
    policies = [parsed(one.policy_document) for one in list(stored)]
    if evaluate(policies, request) is not Decision.ALLOW:
        raise AccessDenied(
            f"no resource policy of CloudWatch Logs allows EventBridge to write to {group}"
        )


def _send(rule: str, target: dict[str, Any], payload: bytes) -> None:
    _check("sqs:SendMessage", target, rule)
    arn = parse_arn(target["Arn"])
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    queues = sqs_backends[arn.account][arn.region]
    queues.send_message(arn.resource_id, payload.decode(), group_id=group)


def _publish(rule: str, target: dict[str, Any], payload: bytes) -> None:
    _check("sns:Publish", target, rule)
    arn = parse_arn(target["Arn"])
    sns_backends[arn.account][arn.region].publish(message=payload.decode(), arn=target["Arn"])


SENDERS: Final[dict[str, Callable[[str, dict[str, Any], bytes], None]]] = {
    "lambda": invoke,
    "sns": _publish,
    "sqs": _send,
}
