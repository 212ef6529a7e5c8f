"""SageMaker's quotas, checked against current and requested use.

The names are Service Quotas'; their values are in `local_aws/servicequotas/quotas.csv`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from local_aws.sagemaker.errors import ResourceLimitExceeded
from local_aws.servicequotas.models import applied

_SERVERLESS: Final = "Maximum number of serverless endpoints"
_CONCURRENCY: Final = (
    "Maximum total concurrency that can be allocated across all serverless endpoints"
)
_UNITS: Final = {_SERVERLESS: "Endpoints", _CONCURRENCY: "Concurrency"}
Use = Counter[str]
"""Use of quotas by name."""


def of_training_job(request: Mapping[str, Any]) -> Use:
    """The use of quotas by a training job, from CreateTrainingJob's parameters."""
    machines = request["ResourceConfig"]
    spot = "spot " if request.get("EnableManagedSpotTraining") else ""
    return _instances(
        f"{spot}training job",
        f"Number of instances across all {spot}training jobs",
        machines["InstanceType"],
        machines.get("InstanceCount", 1),
    )


def of_transform_job(request: Mapping[str, Any]) -> Use:
    """The use of quotas by a transform job, from CreateTransformJob's parameters."""
    machines = request["TransformResources"]
    return _instances(
        "transform job",
        "Number of instances across all transform jobs",
        machines["InstanceType"],
        machines["InstanceCount"],
    )


def of_processing_job(request: Mapping[str, Any]) -> Use:
    """The use of quotas by a processing job, from CreateProcessingJob's parameters."""
    machines = request["ProcessingResources"]["ClusterConfig"]
    return _instances(
        "processing job",
        "Number of instances across all processing jobs",
        machines["InstanceType"],
        machines.get("InstanceCount", 1),
    )


def of_notebook_instance(machine: str) -> Use:
    """The use of quotas by a notebook instance of a type."""
    return _instances("notebook instance", "Total number of notebook instances", machine, 1)


def of_variants(variants: Iterable[Mapping[str, Any]]) -> Use:
    """The use of quotas by an endpoint's production variants."""
    use: Use = Counter()
    for variant in variants:
        if serverless := variant.get("ServerlessConfig"):
            use += Counter({_SERVERLESS: 1, _CONCURRENCY: serverless["MaxConcurrency"]})
        else:
            use += _instances(
                "endpoint",
                "Number of instances across active endpoints",
                variant["InstanceType"],
                variant["InitialInstanceCount"],
            )
    return use


def check(more: Use, used: Use, account: str, region: str) -> None:
    """Check that additional use fits into the quotas.

    Raises:
        ResourceLimitExceeded: it does not; the message names the first exceeded quota.
    """
    for name, delta in more.items():
        limit = applied("sagemaker", name, account, region)
        if delta > 0 and used[name] + delta > limit:
            unit = _UNITS.get(name, "Instances")
            raise ResourceLimitExceeded(
                f"The account-level service limit '{name}' is {limit:g} {unit}, with current "
                f"utilization of {used[name]} {unit} and a request delta of {delta} {unit}. "
                "Please use AWS Service Quotas to request an increase for this quota. If AWS "
                "Service Quotas is not available, contact AWS support to request an increase for "
                "this quota."
            )


def _instances(what: str, total: str, machine: str, count: int) -> Use:
    return Counter({f"{machine} for {what} usage": count, total: count})
