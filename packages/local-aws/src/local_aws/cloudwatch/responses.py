"""CloudWatch's API: moto's, with alarms evaluated on request."""

from typing import Any, cast

from moto.cloudwatch.models import Alarm, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse as MotoResponse
from moto.core.responses import ActionResult

from local_aws.cloudwatch.models import CloudWatchBackend


class CloudWatchResponse(MotoResponse):
    """moto's responses, but all filters of a request apply, not only the first."""

    def describe_alarms(self) -> ActionResult:
        """Alarms by name, by prefix of name or action, and by state."""
        names = self._get_param("AlarmNames", [])
        prefix = self._get_param("AlarmNamePrefix") or ""
        state = self._get_param("StateValue")
        action = self._get_param("ActionPrefix") or ""
        return _answer(
            alarm
            for alarm in self._alarms()
            if (not names or alarm.name in names)
            and alarm.name.startswith(prefix)
            and state in (None, alarm.state_value)
            and (not action or any(one.startswith(action) for one in alarm.alarm_actions))
        )

    def describe_alarms_for_metric(self) -> ActionResult:
        """Alarms on this metric with exactly these dimensions."""
        wanted = sorted((one["Name"], one["Value"]) for one in self._get_param("Dimensions", []))
        return _answer(
            alarm
            for alarm in self._alarms()
            if alarm.namespace == self._get_param("Namespace")
            and alarm.metric_name == self._get_param("MetricName")
            and sorted((one.name, one.value) for one in alarm.dimensions) == wanted
        )

    def _alarms(self) -> list[Alarm]:
        backend = cast(CloudWatchBackend, cloudwatch_backends[self.current_account][self.region])
        backend.evaluate()
        return list(backend.alarms.values())


def _answer(alarms: Any) -> ActionResult:
    return ActionResult({"MetricAlarms": list(alarms), "CompositeAlarms": []})
