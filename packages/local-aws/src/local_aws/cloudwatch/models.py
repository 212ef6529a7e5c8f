"""Evaluated alarms; moto does not evaluate them."""

import operator
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
from moto.cloudwatch.models import Alarm, Dimension, MetricDatum, MetricDatumBase, Statistics
from moto.cloudwatch.models import CloudWatchBackend as MotoBackend
from moto.core.utils import utcnow

from local_aws.api import NotImplementedByLocalAws

# of a metric in an answer of GetMetricData
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
_MOST_PERIODS: Final = 100_800
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
        before = self.alarms.get(name)
        alarm = super().put_metric_alarm(name, *arguments, **settings)
        if before:
            alarm.state_value, alarm.history = before.state_value, before.history
            alarm.state_reason = before.state_reason
        else:
            alarm.state_value = "INSUFFICIENT_DATA"
        return alarm

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """Add data."""
        super().put_metric_data(namespace, [_in_order(datum) for datum in metric_data])

    def get_metric_data(
        self,
        queries: list[dict[str, Any]],
        start_time: datetime,
        end_time: datetime,
        *arguments: Any,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """Read data; moto distinguishes the order of dimensions, AWS does not, and visits every
        period, with or without data.

        Raises:
            NotImplementedByLocalAws: there are more periods than AWS returns at once.
        """
        for query in queries:
            if "MetricStat" in query:
                query["MetricStat"]["Metric"] = _in_order(query["MetricStat"]["Metric"])
                period = timedelta(seconds=int(query["MetricStat"]["Period"]))
                if period <= timedelta() or (end_time - start_time) / period > _MOST_PERIODS:
                    raise NotImplementedByLocalAws(
                        f"cloudwatch:GetMetricData of more than {_MOST_PERIODS:,} periods"
                    )
        answer: list[dict[str, Any]] = super().get_metric_data(
            queries, start_time, end_time, *arguments, **more
        )
        return answer

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
    values = [_statistic(alarm, window) for window in windows if window]
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


def _statistic(alarm: Alarm, data: list[MetricDatumBase]) -> float:
    if alarm.extended_statistic:
        values = [datum.value for datum in data if isinstance(datum, MetricDatum)]
        return float(np.percentile(values, float(alarm.extended_statistic.removeprefix("p"))))
    statistics = Statistics([alarm.statistic], utcnow())
    statistics.metric_data = data
    return float(statistics.get_statistics_for_type(alarm.statistic) or 0.0)


def _in_order(metric: dict[str, Any]) -> dict[str, Any]:
    dimensions = sorted(metric.get("Dimensions") or [], key=lambda one: str(one["Name"]))
    return {**metric, "Dimensions": dimensions}
