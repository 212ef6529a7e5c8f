"""Scheduled rules, which moto stores but never fires, and rules with event patterns."""

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.events.models import EventBus, Rule
from moto.events.models import EventsBackend as MotoBackend
from moto.utilities.arns import parse_arn

from local_aws import clock
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json
from local_aws.eventbridge.keys import check_key
from local_aws.eventbridge.rules import check, check_pattern, invoke, is_readable, sending
from local_aws.iam.policies import listed

_log = logging.getLogger("local_aws.events")
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_RATE: Final = re.compile(r"rate\(([1-9]\d{0,8}) (minute|hour|day)s?\)")
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
_MOST_BUSES, _MOST_RULES, _MOST_TARGETS = 100, 300, 5
_ENTRIES_BYTES: Final = 1 << 20  # of one PutEvents
_TIME_BYTES: Final = 14
_PREFIX: Final = re.compile(r"[\.\-_A-Za-z0-9]{1,64}")


class EventsBackend(MotoBackend):
    """moto's backend, with AWS's quotas and functions called on schedules, `rate(…)` only."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._due: dict[str, float] = {}

    def put_rule(self, name: str, *arguments: Any, **settings: Any) -> Rule:
        """Create or update a rule; its interval starts now."""
        schedule = settings.get("scheduled_expression")
        if schedule and not _RATE.fullmatch(schedule):
            raise NotImplementedByLocalAws(f"schedules other than rate(…): {schedule}")
        check_pattern(settings.get("event_pattern"))
        bus = self.event_buses.get(self._normalize_event_bus_arn(settings.get("event_bus_arn")))
        if bus and name not in bus.rules and len(bus.rules) >= _MOST_RULES:
            raise _exceeded(f"an event bus has up to {_MOST_RULES} rules")
        rule = super().put_rule(name, *arguments, **settings)
        self._due.pop(rule.arn, None)
        if schedule:
            clock.add(self)
            self._due[rule.arn] = time.monotonic() + _seconds(schedule)
        return rule

    def put_targets(
        self, name: str, event_bus_arn: str | None, targets: list[dict[str, Any]]
    ) -> None:
        """Set a rule's targets: schedules call functions only, patterns also other targets."""
        rule = self.describe_rule(name, event_bus_arn)
        for target in targets:
            if not rule.scheduled_expression:
                check(target)
            elif rule.event_pattern.get_pattern():
                raise NotImplementedByLocalAws("a rule with both a schedule and a pattern")
            elif parse_arn(target["Arn"]).service != "lambda":
                raise NotImplementedByLocalAws(f"a rule that calls {target['Arn']} by a schedule")
        if len({one["Id"] for one in (*rule.targets, *targets)}) > _MOST_TARGETS:
            raise _exceeded(f"a rule has up to {_MOST_TARGETS} targets")
        super().put_targets(name, event_bus_arn, targets)

    def list_rules(self, *arguments: Any, **settings: Any) -> tuple[list[Rule], str | None]:
        """The rules of a bus whose names begin with a prefix, which moto takes for an expression.

        Raises:
            AwsError: no name may begin so.
        """
        prefix = settings.get("prefix")
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            raise AwsError(
                "ValidationException",
                f"1 validation error detected: Value '{prefix[:64]}' at 'namePrefix' failed to "
                rf"satisfy constraint: Member must satisfy regular expression pattern: "
                rf"{_PREFIX.pattern}",
            )
        if prefix is not None:
            settings["prefix"] = re.escape(prefix)
        return super().list_rules(*arguments, **settings)

    def create_event_bus(self, name: str, *arguments: Any, **settings: Any) -> EventBus:
        """Create an event bus.

        Raises:
            AwsError: there are too many, or its key cannot be used.
            NotImplementedByLocalAws: it has a dead-letter queue.
        """
        if len(self.event_buses) >= _MOST_BUSES:
            raise _exceeded(f"there are up to {_MOST_BUSES} event buses")
        if name not in self.event_buses:
            place = f"arn:{self.partition}:events:{self.region_name}:{self.account_id}"
            self._check_settings(f"{place}:event-bus/{name}", settings)
        return super().create_event_bus(name, *arguments, **settings)

    def update_event_bus(self, name: str | None, **settings: Any) -> EventBus:
        """Change an event bus; a setting that is left out is removed.

        Args:
            name: the bus; None is the default one.
            settings: `description`, `kms_key_identifier` and `dead_letter_config`.

        Raises:
            AwsError: there is no such bus, or its key cannot be used.
            NotImplementedByLocalAws: it has a dead-letter queue.
        """
        bus = self.describe_event_bus(name or "default")
        self._check_settings(bus.arn, settings)
        bus.description = settings["description"]
        bus.kms_key_identifier = settings["kms_key_identifier"]
        bus.last_modified_time = time.time()
        return bus

    def _check_settings(self, arn: str, settings: dict[str, Any]) -> None:
        if settings.get("dead_letter_config"):
            raise NotImplementedByLocalAws(
                "the DeadLetterConfig of an event bus; without it, events that its key cannot "
                "encrypt are lost with a warning"
            )
        if name := settings.get("kms_key_identifier"):
            check_key(name, arn)

    def put_permission(
        self,
        event_bus_name: str,
        action: str,
        principal: str,
        statement_id: str,
        condition: dict[str, str],
        policy: str,
    ) -> None:
        """Add a statement to a bus's policy, or replace the policy."""
        if condition:
            raise NotImplementedByLocalAws("events:PutPermission for an organization (Condition)")
        if not policy:
            super().put_permission(
                event_bus_name, action, principal, statement_id, condition, policy
            )
            return
        bus: Any = self.describe_event_bus(event_bus_name)
        bus._statements = {}
        for number, statement in enumerate(listed(read_json(policy)["Statement"])):
            name = statement.get("Sid", "")
            name = name if name and name not in bus._statements else f"{name}#{number}"
            bus._statements[name] = _Statement(statement)

    def put_events(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send events to the targets of the rules that match them."""
        if sum(map(_size, events)) >= _ENTRIES_BYTES:
            raise AwsError(
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            )
        with sending():
            return super().put_events(events)

    def tick(self) -> None:
        """Call the targets that are due."""
        for bus in list(self.event_buses.values()):
            for rule in list(bus.rules.values()):
                due = self._due.get(rule.arn)
                if due is not None and time.monotonic() >= due:
                    self._due[rule.arn] = due + _seconds(rule.scheduled_expression or "")
                    if rule.state == "ENABLED" and is_readable(rule):
                        _fire(rule)


@dataclass(frozen=True)
class _Statement:
    """A statement of a bus's policy as it was given; moto has those with all elements only."""

    content: dict[str, Any]

    @property
    def principal(self) -> Any:
        """Its Principal element, by which moto finds the statement that another one replaces."""
        return self.content.get("Principal")

    def describe(self) -> dict[str, Any]:
        """The statement in the policy."""
        return self.content


def _size(entry: dict[str, Any]) -> int:
    """The bytes of an entry, as EventBridge counts them."""
    texts = (entry.get("Source"), entry.get("DetailType"), entry.get("Detail"))
    counted = sum(len(text.encode()) for text in (*texts, *entry.get("Resources", ())) if text)
    return counted + _TIME_BYTES * ("Time" in entry)


def _exceeded(quota: str) -> AwsError:
    return AwsError(
        "LimitExceededException",
        f"The requested resource exceeds the maximum number allowed: {quota}.",
    )


def _seconds(expression: str) -> int:
    match = _RATE.fullmatch(expression)
    assert match, expression
    return int(match[1]) * _UNITS[match[2]]


def _fire(rule: Rule) -> None:
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": rule.account_id,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": rule.region_name,
        "resources": [rule.arn],
        "detail": {},
    }
    for target in rule.targets:
        payload = target.get("Input") or json.dumps(event)
        try:
            invoke(rule.arn, target, payload.encode())
        except ServiceException as error:  # as on AWS, deleted targets are not called
            _log.warning("%s: %s", rule.name, error)
