"""What the resources of CloudFormation templates need of an account's service quotas."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cost.template import Template

Use = Counter[str]
"""How much of each quota, by its name in Service Quotas."""

SAGEMAKER, PERSONALIZE, LAMBDA = "sagemaker", "personalize", "lambda"
SPARK: Final = "emr-serverless"
VCPUS: Final = "Max concurrent vCPUs per account"
LEAST_VCPUS: Final = 8  # a driver and an executor of EMR Serverless's default size
CONCURRENT: Final = "Concurrent executions"
GROUPS: Final = "Active dataset groups"
_SERVERLESS: Final = "Maximum number of serverless endpoints"
_CONCURRENCY: Final = (
    "Maximum total concurrency that can be allocated across all serverless endpoints"
)
# Functions that run at a time for each custom resource that is polled: the framework's and ours
_FUNCTIONS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What takes of the quotas as long as the deployment stands.

    Attributes:
        name: the resource's own name in the account; "" if CloudFormation chooses it.
        use: what it takes.
    """

    name: str
    use: Use


@dataclass(kw_only=True)
class Needs:
    """What a set of templates needs.

    Attributes:
        standing: endpoints and notebook instances of SageMaker.
        update: what is needed more while the endpoints of one stack are updated, all at a time:
            the new instances start before the present ones end.
        groups: names of Amazon Personalize's dataset groups.
        per_group: the most that one dataset group needs of the quotas that count for each.
        at_once: training and transform jobs that run at a time, in the stack that has most: by
            default the CDK CLI deploys one stack after another. With fewer they wait for each
            other.
        functions: functions that run at a time while that stack is deployed.
        vcpus: the most of an application of EMR Serverless.
    """

    standing: list[Standing] = field(default_factory=list)
    update: Use = field(default_factory=Counter)
    groups: list[str] = field(default_factory=list)
    per_group: Use = field(default_factory=Counter)
    at_once: Use = field(default_factory=Counter)
    functions: int = 0
    vcpus: int = 0


def of_templates(templates: Mapping[str, Mapping[str, Any]]) -> Needs:
    """The needs of templates by their stacks' names."""
    needs = Needs()
    for template in templates.values():
        _Stack(template["Resources"], needs).read()
    return needs


def instances(what: str, total: str, machine: str, count: int) -> Use:
    """The use of instances: of the quota of their type, and of that of all types."""
    return Counter({f"{machine} for {what} usage": count, total: count})


def of_training(request: Mapping[str, Any]) -> Use:
    """The use of a training job while it runs, by CreateTrainingJob's parameters."""
    machines = request["ResourceConfig"]
    spot = "spot " if _true(request.get("EnableManagedSpotTraining")) else ""
    return instances(
        f"{spot}training job",
        f"Number of instances across all {spot}training jobs",
        machines["InstanceType"],
        int(machines["InstanceCount"]),
    )


def of_transform(request: Mapping[str, Any]) -> Use:
    """The use of a transform job while it runs, by CreateTransformJob's parameters."""
    machines = request["TransformResources"]
    return instances(
        "transform job",
        "Number of instances across all transform jobs",
        machines["InstanceType"],
        int(machines["InstanceCount"]),
    )


def of_variants(variants: list[dict[str, Any]], most: int | None = None) -> Use:
    """The use of an endpoint's production variants.

    Args:
        variants: as in an endpoint configuration.
        most: instances that a variant grows to under load.
    """
    use: Use = Counter()
    for variant in variants:
        if serverless := variant.get("ServerlessConfig"):
            use += Counter({_SERVERLESS: 1, _CONCURRENCY: int(serverless["MaxConcurrency"])})
        else:
            use += instances(
                "endpoint",
                "Number of instances across active endpoints",
                variant["InstanceType"],
                most or int(variant["InitialInstanceCount"]),
            )
    return use


def of_notebook(machine: str) -> Use:
    """The use of a running notebook instance."""
    return instances("notebook instance", "Total number of notebook instances", machine, 1)


class _Stack:
    """One template's resources."""

    def __init__(self, resources: Mapping[str, Any], needs: Needs) -> None:
        self._template, self._needs = Template(resources), needs
        self._update: Use = Counter()

    def read(self) -> None:
        jobs: Use = Counter()
        started = 0
        for logical, resource in self._template.resources.items():
            properties = resource.get("Properties", {})
            match resource["Type"]:
                case "AWS::SageMaker::Endpoint":
                    self._endpoint(logical, properties)
                case "AWS::SageMaker::NotebookInstance":
                    use = of_notebook(properties["InstanceType"])
                    name = _literal(properties.get("NotebookInstanceName"))
                    self._needs.standing.append(Standing(name=name, use=use))
                case "AWS::Personalize::DatasetGroup":
                    self._group(logical, properties)
                case "AWS::EMRServerless::Application":
                    vcpus = int(properties["MaximumCapacity"]["Cpu"].split()[0])
                    self._needs.vcpus = max(self._needs.vcpus, vcpus)
                case "Custom::TrainedStart":
                    if properties["Kind"] == "TransformJob":
                        jobs += of_transform(properties["Request"])
                    if self._waits_for_training(properties):
                        continue
                    started += 1
                    if properties["Kind"] == "TrainingJob":
                        jobs += of_training(properties["Request"])
        self._needs.at_once |= jobs
        self._needs.update |= self._update
        self._needs.functions = max(self._needs.functions, _FUNCTIONS * started)

    def _waits_for_training(self, properties: Mapping[str, Any]) -> bool:
        """Whether it is a job that begins after another one, such as a training on all ratings."""
        resources = self._template.resources
        return properties["Kind"] in ("TrainingJob", "TransformJob") and any(
            resources[name]["Type"] == "Custom::TrainedStart"
            for name in self._template.reached(properties)
        )

    def _endpoint(self, logical: str, properties: Mapping[str, Any]) -> None:
        variants = self._template.variants(logical)
        most = self._template.most_instances(logical)
        name = _literal(properties.get("EndpointName"))
        self._needs.standing.append(Standing(name=name, use=of_variants(variants, most)))
        machines = [variant for variant in variants if "ServerlessConfig" not in variant]
        self._update += of_variants(machines, most)

    def _group(self, logical: str, properties: Mapping[str, Any]) -> None:
        self._needs.groups.append(_literal(properties.get("Name")))
        use: Use = Counter()
        for resource in self._template.resources.values():
            properties = resource.get("Properties", {})
            quota = _PER_GROUP.get((resource["Type"], properties.get("Kind", "")))
            if quota and logical in self._template.reached(properties):
                use[quota] += 1
        self._needs.per_group |= use


# By type, and for a trained resource by kind
_PER_GROUP: Final = {
    ("AWS::Personalize::Campaign", ""): "Active campaigns per dataset group",
    ("AWS::Personalize::Filter", ""): "Active filters per dataset group",
    ("Custom::TrainedStart", "Recommender"): "Active recommenders per dataset group",
    ("Custom::TrainedStart", "Solution"): "Active solutions per dataset group",
}


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _true(value: Any) -> bool:
    return value is True or value == "true"
