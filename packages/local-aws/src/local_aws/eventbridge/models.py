"""Scheduled rules, which moto stores but never fires, and rules with event patterns."""

import json
import logging
import re
import threading
import time
import uuid
import weakref
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.events.models import EventsBackend as MotoBackend
from moto.events.models import Rule
from moto.utilities.arns import parse_arn

from local_aws.api import NotImplementedByLocalAws
from local_aws.eventbridge.rules import check, check_pattern

_log = logging.getLogger("local_aws.events")
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_TICK: Final = 1.0


class EventsBackend(MotoBackend):
    """moto's backend, with functions called on schedules, `rate(…)` only."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._due: dict[str, float] = {}
        _backends.add(self)

    def put_rule(self, name: str, *arguments: Any, **settings: Any) -> Rule:
        """Create or update a rule; its interval starts now."""
        schedule = settings.get("scheduled_expression")
        if schedule and not _RATE.fullmatch(schedule):
            raise NotImplementedByLocalAws(f"schedules other than rate(…): {schedule}")
        check_pattern(settings.get("event_pattern"))
        rule = super().put_rule(name, *arguments, **settings)
        self._due.pop(rule.arn, None)
        if schedule:
            _start_clock()
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
        super().put_targets(name, event_bus_arn, targets)

    def tick(self) -> None:
        """Call the targets that are due."""
        for bus in list(self.event_buses.values()):
            for rule in list(bus.rules.values()):
                due = self._due.get(rule.arn)
                if due is not None and time.monotonic() >= due:
                    self._due[rule.arn] = due + _seconds(rule.scheduled_expression or "")
                    if rule.state == "ENABLED":
                        _fire(rule)


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
        arn = parse_arn(target["Arn"])
        payload = target.get("Input") or json.dumps(event)
        backend: Any = lambda_backends[arn.account][arn.region]
        try:
            backend.run(target["Arn"], None, payload.encode(), "Event")
        except ServiceException as error:  # as on AWS, deleted targets are not called
            _log.warning("%s: %s", rule.name, error)


def _tick_forever() -> None:
    while True:
        time.sleep(_TICK)
        for backend in list(_backends):
            backend.tick()


@cache
def _start_clock() -> None:
    threading.Thread(target=_tick_forever, name="events-clock", daemon=True).start()


_backends: "weakref.WeakSet[EventsBackend]" = weakref.WeakSet()
