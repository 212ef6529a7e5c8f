"""EventBridge Scheduler over HTTP: schedules in groups; other operations are refused."""

from typing import Any, cast

from moto.scheduler.models import Schedule, scheduler_backends

from local_aws.api import LocalResponse
from local_aws.scheduler.models import SchedulerBackend


class SchedulerResponse(LocalResponse):
    """The operations of schedules."""

    service = "scheduler"

    @property
    def backend(self) -> SchedulerBackend:
        """The backend of the caller's account and region."""
        found = scheduler_backends[self.current_account][self.region]
        return cast(SchedulerBackend, found)

    def create_schedule(self) -> dict[str, Any]:
        """CreateSchedule."""
        return {"ScheduleArn": self.backend.create(self.params).arn}

    def update_schedule(self) -> dict[str, Any]:
        """UpdateSchedule."""
        return {"ScheduleArn": self.backend.update(self.params).arn}

    def get_schedule(self) -> dict[str, Any]:
        """GetSchedule."""
        found = self.backend.get_schedule(self.params.get("GroupName"), self.params["Name"])
        return _told(found)

    def delete_schedule(self) -> dict[str, Any]:
        """DeleteSchedule."""
        self.backend.delete_schedule(self.params.get("GroupName"), self.params["Name"])
        return {}

    def list_schedules(self) -> dict[str, Any]:
        """ListSchedules."""
        page, token = self.backend.list_schedules(
            group_names=self.params.get("GroupName"),
            state=self.params.get("State"),
            name_prefix=self.params.get("NamePrefix"),
            next_token=self.params.get("NextToken"),
            max_results=self.params.get("MaxResults"),
        )
        answer: dict[str, Any] = {"Schedules": [_told(one, short=True) for one in page]}
        return {**answer, "NextToken": token} if token else answer


def _told(schedule: Schedule, short: bool = False) -> dict[str, Any]:
    told = schedule.to_dict(short=short)
    return {name: value for name, value in told.items() if value is not None}
