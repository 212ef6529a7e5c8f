"""Evaluated alarms; moto does not evaluate them."""

import operator
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from moto.cloudwatch.models import Alarm, Dimension, MetricDatum, MetricDatumBase, Statistics
from moto.cloudwatch.models import CloudWatchBackend as MotoBackend
from moto.core.utils import utcnow

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.cloudwatch.metrics import drop_oldest

# of a metric in an answer of GetMetricData
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_MOST_PERIODS: Final = 100_800
_MOST_COUNTED: Final = 10_000
_STATISTICS: Final = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
_PERCENTILE: Final = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400  # seconds
_SHORT: Final = (10, 20, 30)  # seconds, of high-resolution metrics
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class CloudWatchBackend(MotoBackend):
    """moto's backend with evaluated alarms, and with dimensions in any order."""

    def put_metric_alarm(self, name: str, *arguments: Any, **settings: Any) -> Alarm:
        """Create or update an alarm of one metric; an updated one keeps its state."""
        if settings.get("rule"):
            raise NotImplementedByLocalAws("composite alarms")
        if settings.get("metric_data_queries"):
            raise NotImplementedByLocalAws("alarms on metric math (Metrics of PutMetricAlarm)")
        if settings.get("comparison_operator") not in _COMPARISONS:
            raise NotImplementedByLocalAws("alarms on anomalies")
        _check_alarm(settings)
        before = self.alarms.get(name)
        alarm = super().put_metric_alarm(name, *arguments, **settings)
        if before:
            alarm.state_value, alarm.history = before.state_value, before.history
            alarm.state_reason = before.state_reason
        else:
            alarm.state_value = "INSUFFICIENT_DATA"
        return alarm

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """Add data; the oldest values are dropped where there are too many.

        Raises:
            AwsError: a count is not a number from 0.
            NotImplementedByLocalAws: a value is to be counted too often.
        """
        for datum in metric_data:
            counts = [float(one) for one in datum.get("Counts") or ()]
            if any(not one >= 0 for one in counts):  # or is none
                raise AwsError("InvalidParameterValue", "A value of Counts must be 0 or more.")
            if sum(counts) > _MOST_COUNTED:
                raise NotImplementedByLocalAws(
                    f"cloudwatch:PutMetricData with Counts of more than {_MOST_COUNTED:,}"
                )
        super().put_metric_data(namespace, [_in_order(datum) for datum in metric_data])
        drop_oldest(self.metric_data)

    def get_metric_data(
        self,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        scan_by: str = "TimestampAscending",
    ) -> list[dict[str, Any]]:
        """Read data in one pass; moto reads all of them for each period, with or without data.

        Raises:
            AwsError: the end is not after the start.
            NotImplementedByLocalAws: there are more periods or values than AWS returns at once, or
                a query has metric math or is in SQL.
        """
        start, end = start_time.replace(microsecond=0), end_time.replace(microsecond=0)
        if start >= end:
            raise AwsError(
                "ValidationError", "The parameter EndTime must be greater than StartTime."
            )
        metrics = [query["MetricStat"]["Metric"] for query in queries if "MetricStat" in query]
        data = self._of(metrics, start, end)
        found: dict[str, dict[datetime, float]] = {}
        for query in queries:
            if "MetricStat" in query:
                found[query["Id"]] = _points(query["MetricStat"], data, start, end)
                if sum(map(len, found.values())) > _MOST_PERIODS:
                    raise NotImplementedByLocalAws(
                        f"cloudwatch:GetMetricData of more than {_MOST_PERIODS:,} values"
                    )
        for query in queries:
            if "Expression" in query:
                if query["Expression"] not in found:
                    raise NotImplementedByLocalAws(
                        f"cloudwatch:GetMetricData of the expression {query['Expression']}"
                    )
                found[query["Id"]] = found[query["Expression"]]
        shown = [query for query in queries if query.get("ReturnData", True)]
        return [_answer(query, found[query["Id"]], scan_by) for query in shown]

    def _of(
        self, metrics: list[dict[str, Any]], start: datetime, end: datetime
    ) -> dict[tuple[Any, ...], list[MetricDatumBase]]:
        """The data of metrics from `start` until before `end`, by `_metric`."""
        found: dict[tuple[Any, ...], list[MetricDatumBase]] = {_metric(one): [] for one in metrics}
        names = {(metric["Namespace"], metric["MetricName"]) for metric in metrics}
        for datum in self.get_all_metrics():
            if start <= datum.timestamp < end and (datum.namespace, datum.name) in names:
                key = (datum.namespace, datum.name, _named(datum.dimensions))
                if key in found:
                    found[key].append(datum)
        return found

    def evaluate(self) -> None:
        """Evaluate all alarms now."""
        alarms, now = list(self.alarms.values()), utcnow()
        metrics = {(alarm.namespace, alarm.metric_name) for alarm in alarms}
        oldest = now - max((_span(alarm) for alarm in alarms), default=timedelta())
        found: dict[tuple[Any, ...], list[MetricDatumBase]] = defaultdict(list)
        for datum in list(self.metric_data):
            metric = (datum.namespace, datum.name)
            if datum.timestamp > oldest and metric in metrics:
                found[*metric, _named(datum.dimensions)].append(datum)
        for alarm in alarms:
            metric = (alarm.namespace, alarm.metric_name)
            state, reason = _state(alarm, found[*metric, _named(alarm.dimensions)], now)
            if state != alarm.state_value:
                alarm.update_state(reason, "{}", state)


def _check_alarm(settings: Mapping[str, Any]) -> None:
    """Refuse an alarm that cannot be evaluated.

    Raises:
        AwsError: its periods or its statistic are not valid.
        NotImplementedByLocalAws: there is no such statistic here.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    period, periods = (int(settings.get(name) or 0) for name in ("period", "evaluation_periods"))
    if period not in _SHORT and (period < _MINUTE or period % _MINUTE):
        raise AwsError(
            "ValidationError", f"Period must be 10, 20, 30 or a multiple of 60: {period}"
        )
    days = 7 if period >= _HOUR else 1
    if not 0 < periods * period <= days * _DAY:
        raise AwsError(
            "ValidationError",
            "Metrics cannot be checked across more than a day, or a week with periods of an hour "
            f"or more (EvaluationPeriods * Period must be <= {days * _DAY})",
        )
    if not 0 < int(settings.get("datapoints_to_alarm") or periods) <= periods:
        raise AwsError("ValidationError", "DatapointsToAlarm must be from 1 to EvaluationPeriods")
    statistics = [settings.get(name) for name in ("statistic", "extended_statistic")]
    told = [one for one in statistics if one]
    if len(told) != 1:
        raise AwsError("ValidationError", "Either Statistic or ExtendedStatistic must be given")
    if told[0] not in _STATISTICS and not _PERCENTILE.fullmatch(told[0]):
        raise NotImplementedByLocalAws(f"the statistic {told[0]} of CloudWatch's metrics")


def _metric(told: dict[str, Any]) -> tuple[Any, ...]:
    dimensions = [Dimension(one["Name"], one["Value"]) for one in told.get("Dimensions") or []]
    return told["Namespace"], told["MetricName"], _named(dimensions)


def _points(
    query: dict[str, Any],
    data: dict[tuple[Any, ...], list[MetricDatumBase]],
    start: datetime,
    end: datetime,
) -> dict[datetime, float]:
    """The statistic of each period that has data, by its start."""
    period = int(query["Period"])
    if period <= 0 or (end - start).total_seconds() / period > _MOST_PERIODS:
        raise NotImplementedByLocalAws(
            f"cloudwatch:GetMetricData of more than {_MOST_PERIODS:,} periods"
        )
    windows: dict[int, list[MetricDatumBase]] = defaultdict(list)
    for datum in data[_metric(query["Metric"])]:
        if query.get("Unit") in (None, datum.unit):
            windows[int((datum.timestamp - start).total_seconds() // period)].append(datum)
    return {
        start + timedelta(seconds=number * period): _statistic(query["Stat"], windows[number])
        for number in sorted(windows)
    }


def _answer(query: dict[str, Any], points: dict[datetime, float], scan_by: str) -> dict[str, Any]:
    label = query["Id"]
    if "MetricStat" in query:
        label = f"{query['MetricStat']['Metric']['MetricName']} {query['MetricStat']['Stat']}"
    step = -1 if scan_by == "TimestampDescending" else 1
    return {
        "id": query["Id"],
        "label": query.get("Label") or label,
        "values": list(points.values())[::step],
        "timestamps": list(points)[::step],
        "status_code": "Complete",
    }


def _named(dimensions: list[Dimension]) -> tuple[tuple[str | None, str | None], ...]:
    return tuple(sorted((one.name, one.value) for one in dimensions))


def _span(alarm: Alarm) -> timedelta:
    return timedelta(seconds=int(alarm.period) * int(alarm.evaluation_periods))


def _state(alarm: Alarm, data: list[MetricDatumBase], now: datetime) -> tuple[str, str]:
    """An alarm's current state and its reason."""
    periods = int(alarm.evaluation_periods)
    windows: list[list[MetricDatumBase]] = [[] for _ in range(periods)]
    for datum in data:
        window = (now - datum.timestamp) // timedelta(seconds=int(alarm.period))
        if window < periods:
            windows[max(window, 0)].append(datum)
    crosses = _COMPARISONS[alarm.comparison_operator]
    threshold = float(alarm.threshold)
    values = [
        _statistic(alarm.extended_statistic or alarm.statistic, window)
        for window in windows
        if window
    ]
    crossed = [value for value in values if crosses(value, threshold)]
    breaching = len(crossed)
    missing = periods - len(values)
    match alarm.treat_missing_data or "missing":
        case "breaching":
            breaching += missing
        case "ignore" if not values:
            return alarm.state_value, alarm.state_reason
        case "missing" if not values:
            return "INSUFFICIENT_DATA", f"Insufficient Data: {missing} datapoints were unknown."
    told = f"{crossed} of the last {periods} periods crossed the threshold ({threshold})."
    if breaching >= int(alarm.datapoints_to_alarm or periods):
        return "ALARM", f"Threshold Crossed: {told}"
    return "OK", f"Threshold not Crossed: {told}"


def _statistic(name: str, data: list[MetricDatumBase]) -> float:
    """A statistic, such as `Sum` or `p90`, of a period's data.

    Raises:
        NotImplementedByLocalAws: it is another one.
    """
    if percentile := _PERCENTILE.fullmatch(name):
        values = [datum.value for datum in data if isinstance(datum, MetricDatum)]
        return float(np.percentile(values, min(float(percentile[1]), 100))) if values else 0.0
    if name not in _STATISTICS:
        raise NotImplementedByLocalAws(f"the statistic {name} of CloudWatch's metrics")
    statistics = Statistics([name], utcnow())
    statistics.metric_data = data
    return float(statistics.get_statistics_for_type(name) or 0.0)


def _in_order(metric: dict[str, Any]) -> dict[str, Any]:
    dimensions = sorted(metric.get("Dimensions") or [], key=lambda one: str(one["Name"]))
    return {**metric, "Dimensions": dimensions}
