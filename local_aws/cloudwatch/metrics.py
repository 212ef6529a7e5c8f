"""What the local services report of themselves, under AWS's names of metrics and dimensions."""

from collections.abc import Mapping

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends


def report(
    account: str,
    region: str,
    namespace: str,
    dimensions: Mapping[str, str],
    values: Mapping[str, tuple[float, str]],
) -> None:
    """Add one value to each of some metrics.

    Args:
        account: whose metrics.
        region: where.
        namespace: such as `AWS/Lambda`.
        dimensions: by name.
        values: each with its unit, by the metric's name.
    """
    named = [{"Name": name, "Value": dimensions[name]} for name in sorted(dimensions)]
    cloudwatch_backends[account][region].metric_data += [
        MetricDatum(namespace, name, value, named, None, unit)
        for name, (value, unit) in values.items()
    ]
