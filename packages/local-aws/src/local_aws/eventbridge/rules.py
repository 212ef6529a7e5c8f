"""Rules by a pattern: what they send to functions, queues and topics."""

import copy
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.events.models import Rule as MotoRule
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from local_aws.api import NotImplementedByLocalAws
from local_aws.documents import read_json

_INGESTED: Final = "ingestion-time"  # which an input transformer alone gets to see
_log = logging.getLogger("local_aws.events")

Event = dict[str, Any]


class Rule(MotoRule):
    """moto's rule, which sends to functions and topics, too, and nothing while it is disabled."""

    def send_to_targets(self, original_event: Any, transform_input: bool = True) -> None:
        """Send an event to the targets, if it matches; one that is gone gets none."""
        if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
            return
        rest = copy.copy(self)
        rest.targets = []
        for target in self.targets:
            arn = parse_arn(target["Arn"])
            send = SENDERS.get(arn.service)
            if send is None:
                rest.targets.append(target)
                continue
            try:
                send(target, _text(target, _told(original_event)).encode())
            except ServiceException as error:
                _log.warning("%s: %s", self.name, error)
        if rest.targets:
            MotoRule.send_to_targets(rest, original_event, transform_input)


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
        NotImplementedByLocalAws: it is of another kind, or has a setting that would be ignored.
    """
    service = parse_arn(target["Arn"]).service
    if service not in (*SENDERS, "logs", "events") or ":api-destination/" in target["Arn"]:
        raise NotImplementedByLocalAws(
            f"a rule that sends to {target['Arn']}: functions, SQS queues, SNS topics, log groups "
            "and event buses can be targets"
        )
    if service in SENDERS:
        for setting in ("InputPath", "RetryPolicy", "DeadLetterConfig"):
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


def _invoke(target: dict[str, Any], payload: bytes) -> None:
    arn = parse_arn(target["Arn"])
    backend: Any = lambda_backends[arn.account][arn.region]
    backend.run(target["Arn"], None, payload, "Event")


def _send(target: dict[str, Any], payload: bytes) -> None:
    arn = parse_arn(target["Arn"])
    group = target.get("SqsParameters", {}).get("MessageGroupId")
    queues = sqs_backends[arn.account][arn.region]
    queues.send_message(arn.resource_id, payload.decode(), group_id=group)


def _publish(target: dict[str, Any], payload: bytes) -> None:
    arn = parse_arn(target["Arn"])
    sns_backends[arn.account][arn.region].publish(message=payload.decode(), arn=target["Arn"])


SENDERS: Final[dict[str, Callable[[dict[str, Any], bytes], None]]] = {
    "lambda": _invoke,
    "sns": _publish,
    "sqs": _send,
}
