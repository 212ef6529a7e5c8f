"""Metric attribution: sums of the events that follow recommendations.

Events from PutEvents and incremental imports are reported to CloudWatch; imports can also write a
report to S3.

https://docs.aws.amazon.com/personalize/latest/dg/measuring-recommendation-impact.html
"""

import csv
import io
import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from local_aws.cloudwatch.metrics import report
from local_aws.iam import access
from local_aws.personalize.access import AccessDenied, JobStorage, Place, check_role
from local_aws.personalize.data import GroupData
from local_aws.personalize.errors import InvalidInput, LimitExceeded
from local_aws.personalize.resources import (
    Failed,
    Params,
    Registry,
    Resource,
    given,
    now,
    paged,
)

METRICS = 10
_REMEMBERED = 100_000  # recommendations
_INTERVAL = 900  # seconds covered by a row of a report
_EXPRESSION: Final = re.compile(
    r"\s*(?:(SAMPLECOUNT)\(\s*\)|SUM\(\s*(Items|Interactions)\.(\w+)\s*\))\s*", re.IGNORECASE
)
_HEADER: Final = (
    *("METRIC_NAME", "EVENT_TYPE", "VALUE"),
    *("MATH_FUNCTION", "EVENT_ATTRIBUTION_SOURCE", "TIMESTAMP"),
)


@dataclass(frozen=True)
class Happened:
    """An event with its columns, for metrics.

    Attributes:
        event_type, item: names.
        timestamp: seconds since 1970.
        source: the ARN or name of its source; empty if unknown.
        columns: the columns of its row, including EVENT_VALUE.
    """

    event_type: str
    item: str
    timestamp: int
    source: str
    columns: dict[str, Any]


class Attribution:
    """Operations of metric attributions, and the source of each answer."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._sources: dict[str, str] = {}

    def create_metric_attribution(self, params: Params) -> Params:
        """CreateMetricAttribution: one for each group."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        arn = self._registry.arn_of("metricAttribution", params["name"])
        self._check_output(params["metricsOutputConfig"], arn)
        metrics = self._checked(self._registry.data(group.arn), params["metrics"])
        attributes = given(params, ("name", "datasetGroupArn", "metricsOutputConfig"))
        with self._registry.lock:
            there = self._registry.all("metricAttribution", datasetGroupArn=group.arn)
            if there and arn not in self._registry.resources:
                raise LimitExceeded(
                    f"Dataset group {group.arn} has a metric attribution: {there[0].arn}."
                )
            made = self._registry.add("metricAttribution", arn, group.arn, attributes, params)
            made.inner = metrics
            self._registry.work(made, "CREATE", "ACTIVE")
        return {"metricAttributionArn": arn}

    def update_metric_attribution(self, params: Params) -> Params:
        """UpdateMetricAttribution: metrics to add and to remove, and where reports go."""
        found = self._registry.find(
            "metricAttribution", params.get("metricAttributionArn") or "", ready=True
        )
        removed = set(params.get("removeMetrics") or [])
        with self._registry.lock:
            if unknown := sorted(removed - {metric["metricName"] for metric in found.inner}):
                raise InvalidInput(f"{found.arn} has no metric {', '.join(unknown)}.")
            kept = [metric for metric in found.inner if metric["metricName"] not in removed]
            metrics = self._checked(
                self._registry.data(found.group), [*kept, *(params.get("addMetrics") or [])]
            )
            if output := params.get("metricsOutputConfig"):
                self._check_output(output, found.arn)
                found.attributes["metricsOutputConfig"] = output
            found.inner = metrics
            found.attributes["lastUpdatedDateTime"] = now()
        return {"metricAttributionArn": found.arn}

    def delete_metric_attribution(self, params: Params) -> None:
        """DeleteMetricAttribution."""
        self._registry.delete(
            self._registry.find("metricAttribution", params["metricAttributionArn"])
        )

    def list_metric_attribution_metrics(self, params: Params) -> Params:
        """ListMetricAttributionMetrics."""
        found = self._registry.find("metricAttribution", params.get("metricAttributionArn") or "")
        return paged("metrics", found.inner, params)

    def _check_output(self, output: Params, arn: str) -> None:
        check_role(output["roleArn"], arn, self._registry.region_name)
        if destination := output.get("s3DataDestination"):
            Place.of(destination["path"])

    @staticmethod
    def _checked(data: GroupData, metrics: list[Params]) -> list[Params]:
        wrong = []
        names = [metric["metricName"] for metric in metrics]
        if not 0 < len(metrics) <= METRICS:
            wrong.append(f"1 to {METRICS} metrics are needed, not {len(metrics)}")
        wrong += [f"{name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
        for metric in metrics:
            parts = _EXPRESSION.fullmatch(metric["expression"])
            if parts is None:
                wrong.append(
                    f"{metric['metricName']}: the expression must be SAMPLECOUNT(), "
                    f"SUM(Interactions.COLUMN) or SUM(Items.COLUMN), not {metric['expression']}"
                )
            elif parts[2]:
                schema = data.schema(parts[2].upper())
                column = schema.field(parts[3]) if schema else None
                if column is None or not column.numeric:
                    wrong.append(f"{metric['metricName']}: {parts[2]} has no number {parts[3]}")
        if wrong:
            raise InvalidInput(f"Invalid metrics: {'; '.join(wrong)}.")
        return metrics

    def source_of(self, recommendation_id: str) -> str:
        """The ARN of the campaign or recommender of an answer; empty if unknown."""
        return self._sources.get(recommendation_id, "")

    def remember_source(self, recommendation_id: str, arn: str) -> None:
        """Record the source of an answer, for events that refer to it."""
        with self._registry.lock:
            self._sources[recommendation_id] = arn
            while len(self._sources) > _REMEMBERED:
                del self._sources[next(iter(self._sources))]

    def happened(self, group: str, events: Iterable[Happened]) -> None:
        """Report events to CloudWatch, if the group has a metric attribution and its role may."""
        for attribution in self._active(group):
            role = attribution["metricsOutputConfig"]["roleArn"]
            if not access.service_may(
                role, "cloudwatch:PutMetricData", "*", self._registry.region_name
            ):
                continue
            sums: dict[tuple[str, str], float] = {}
            for metric, event, value in self._values(attribution, events):
                key = metric["metricName"], event.source
                sums[key] = sums.get(key, 0.0) + value
            for (name, source), value in sums.items():
                dimensions = {"EVENT_ATTRIBUTION_SOURCE": source} if source else {}
                values = {name: (value, "None")}
                report(
                    self._registry.account_id,
                    self._registry.region_name,
                    "AWS/Personalize",
                    dimensions,
                    values,
                )

    def streamed(self, group: str, checked: list[Params], events: list[Params]) -> None:
        """Report events from PutEvents; their source is what answered with the recommendation."""
        self.happened(
            group,
            [
                Happened(
                    event["event_type"],
                    event["item_id"],
                    event["timestamp"],
                    (told.get("metricAttribution") or {}).get("eventAttributionSource")
                    or self.source_of(told.get("recommendationId") or ""),
                    {**event["context"], "EVENT_VALUE": event["value"]},
                )
                for event, told in zip(checked, events, strict=True)
            ],
        )

    def imported(self, job: Resource, dataset: Resource, rows: list[dict[str, Any]]) -> None:
        """Report the events of an import of interactions.

        Raises:
            Failed: a requested report cannot be written.
        """
        events = [
            Happened(
                str(row.get("EVENT_TYPE") or ""),
                row["ITEM_ID"],
                row["TIMESTAMP"],
                row.get("EVENT_ATTRIBUTION_SOURCE")
                or self.source_of(row.get("RECOMMENDATION_ID") or ""),
                row,
            )
            for row in rows
        ]
        if job["importMode"] == "INCREMENTAL":
            self.happened(dataset.group, events)
        if job["publishAttributionMetricsToS3"]:
            for attribution in self._active(dataset.group):
                self._publish(job, attribution, events)

    def _publish(self, job: Resource, attribution: Resource, events: list[Happened]) -> None:
        output = attribution["metricsOutputConfig"]
        sums: dict[tuple[str, str, str, str, int], float] = {}
        for metric, event, value in self._values(attribution, events):
            function = (
                "sum" if metric["expression"].strip().upper().startswith("SUM") else ("samplecount")
            )
            moment = event.timestamp - event.timestamp % _INTERVAL
            key = metric["metricName"], metric["eventType"], function, event.source, moment
            sums[key] = sums.get(key, 0.0) + value
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_HEADER)
        for (name, kind, function, source, moment), value in sorted(sums.items()):
            writer.writerow((name, kind, value, function, source, moment))
        name = f"AggregatedAttributionMetrics-{job['importMode']}-{int(time.time())}.csv"
        storage = JobStorage(
            output["roleArn"], job.arn, self._registry.account_id, self._registry.region_name
        )
        try:
            target = output["s3DataDestination"]
            content = text.getvalue().encode()
            storage.write(Place.of(target["path"]), name, content, target.get("kmsKeyArn"))
        except AccessDenied as error:
            raise Failed(str(error)) from None

    def check_publishing(self, group: str) -> None:
        """Check that a report can be written to S3.

        Raises:
            InvalidInput: the group's metric attribution has no output location.
        """
        found = self._active(group)
        if not found or not found[0]["metricsOutputConfig"].get("s3DataDestination"):
            raise InvalidInput(
                "publishAttributionMetricsToS3 needs an ACTIVE metric attribution of the dataset "
                "group with an s3DataDestination."
            )

    def _active(self, group: str) -> list[Resource]:
        found = self._registry.all("metricAttribution", datasetGroupArn=group)
        return [one for one in found if one.status == "ACTIVE"]

    def _values(
        self, attribution: Resource, events: Iterable[Happened]
    ) -> Iterable[tuple[Params, Happened, float]]:
        """The contribution of each event to each metric."""
        data = self._registry.data(attribution.group)
        for event in events:
            for metric in attribution.inner:
                if metric["eventType"].lower() != event.event_type.lower():
                    continue
                parts = _EXPRESSION.fullmatch(metric["expression"])
                assert parts  # checked when it was set
                value = 1.0 if parts[1] else _column(data, event, parts[2], parts[3])
                if value is not None and math.isfinite(value):
                    yield metric, event, value


def _column(data: GroupData, event: Happened, dataset: str, name: str) -> float | None:
    """A number from the event's row or its item's row."""
    row = event.columns
    if dataset.upper() == "ITEMS":
        table = data.metadata.get("ITEMS")
        row = table.rows.get(data.items.find(event.item), {}) if table else {}
    found = {key.upper(): value for key, value in row.items()}.get(name.upper())
    return None if found is None else float(found)
