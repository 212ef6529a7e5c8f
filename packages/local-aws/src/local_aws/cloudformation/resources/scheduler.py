"""AWS::Scheduler: schedules."""

from typing import Any

from local_aws.cloudformation.resources.base import Attributes, Call, Handler, pick

_SETTINGS = (
    "Description",
    "FlexibleTimeWindow",
    "GroupName",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "State",
    "Target",
)


class Schedule(Handler):
    """AWS::Scheduler::Schedule."""

    type = "AWS::Scheduler::Schedule"
    supported = frozenset({*_SETTINGS, "Name"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the schedule."""
        call.identify(call.properties.get("Name") or call.generated_name())
        return {"Arn": self._client(call).create_schedule(**self._request(call))["ScheduleArn"]}

    def update(self, call: Call) -> Attributes:
        """Replace the schedule's settings."""
        return {"Arn": self._client(call).update_schedule(**self._request(call))["ScheduleArn"]}

    def delete(self, call: Call) -> None:
        """Delete the schedule."""
        group = pick(call.properties, ("GroupName",))
        self._client(call).delete_schedule(Name=call.physical_id, **group)

    @staticmethod
    def _client(call: Call) -> Any:
        return call.client("scheduler")

    @staticmethod
    def _request(call: Call) -> dict[str, Any]:
        return {"Name": call.physical_id, **pick(call.properties, _SETTINGS)}


HANDLERS = (Schedule,)
