"""What counts as left over after a removal."""

from typing import Any

from rehearsal.inventory import _transform_jobs


class SageMaker:
    """Answers ListTransformJobs by the status that is asked for."""

    def __init__(self, jobs: dict[str, str]) -> None:
        self._jobs = jobs

    def get_paginator(self, operation: str) -> "SageMaker":
        assert operation == "list_transform_jobs"
        return self

    def paginate(self, **asked: str) -> Any:
        wanted = [name for name, status in self._jobs.items() if status == asked["StatusEquals"]]
        yield {"TransformJobSummaries": [{"TransformJobName": name} for name in wanted]}


def test_transform_jobs_that_have_ended_are_records_and_nothing_left_over() -> None:
    jobs = {"a": "Completed", "b": "InProgress", "c": "Stopped", "d": "Stopping", "e": "Failed"}
    assert sorted(_transform_jobs(SageMaker(jobs))) == ["b", "d"]
