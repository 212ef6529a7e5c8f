"""Metrics of the local services, with AWS's names of metrics and dimensions."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from moto.cloudwatch.models import Dimension, MetricDatum, MetricDatumBase, cloudwatch_backends

_KEPT: Final = 200_000  # maximum number of values of all metrics; about half a kilobyte each


def report(
    account: str,
    region: str,
    namespace: str,
    dimensions: Mapping[str, str],
    values: Mapping[str, tuple[float, str]],
) -> None:
    """Add one value to each metric; the oldest values are dropped beyond `_KEPT`.

    Args:
        account: the account.
        region: the region.
        namespace: the namespace, such as `AWS/Lambda`.
        dimensions: dimensions by name.
        values: values with units, by metric name.
    """
    shared = _shared(tuple(sorted(dimensions.items())))
    kept = cloudwatch_backends[account][region].metric_data
    for name, (value, unit) in values.items():
        datum = MetricDatum(namespace, name, value, [], None, unit)
        datum.dimensions = shared
        kept.append(datum)
    drop_oldest(kept)


def drop_oldest(kept: list[MetricDatumBase]) -> None:
    """Drop the oldest values of all metrics beyond `_KEPT`."""
    if len(kept) > 1.1 * _KEPT:
        del kept[: len(kept) - _KEPT]


@lru_cache(maxsize=1024)
def _shared(dimensions: tuple[tuple[str, str], ...]) -> list[Dimension]:
    """One list for all values of the same thing."""
    return [Dimension(name, value) for name, value in dimensions]
