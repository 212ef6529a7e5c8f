"""Estimates the running and one-time costs of the resources in CloudFormation templates.

Each resource type has a pricer, is free by itself, or is reported as not priced: no type is ignored
silently.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from cost.assembly import templates
from cost.lists import Usage, of_engine, of_stack
from cost.prices import HOURS, Price, read
from cost.spark import Expected, of_job
from cost.template import Template

Resource = dict[str, Any]
_SIZES: Final = "SourceBytes"  # in a template's metadata: see stacks/preparation.py


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A number of units of one price, for one resource.

    Attributes:
        stack: the template's name.
        resource: the resource's readable name.
        what: a description of what is paid for.
        units: the number of the price's units: running at one time for hours and months, the
            maximum for `once`, and 1 if they depend on use.
        price: the row of the table.
        once: whether it is paid once, when the resource is created.
    """

    stack: str
    resource: str
    what: str
    units: float
    price: Price
    once: bool = False

    @property
    def hourly(self) -> float:
        """US dollars per hour; 0 for one-time and usage-based charges."""
        hours = {"hour": 1.0, "month": HOURS, "GB-month": HOURS}.get(self.price.per)
        return 0.0 if self.once or hours is None else self.units * self.price.usd / hours

    @property
    def at_once(self) -> float:
        """The maximum one-time cost in US dollars; 0 for running charges."""
        return self.units * self.price.usd if self.once else 0.0


@dataclass(kw_only=True)
class Estimate:
    """The cost of a set of templates.

    Attributes:
        charges: known amounts: per hour, per month, or once.
        by_use: usage-based prices by a description of the resource type; not in the sums.
        unpriced: descriptions of what has no price in the table, with the resources that need it.
        lists: what lists cost by use, if there are any.
        engines: what they cost more in arms of experiments that ask engines.
        spark: what the Spark job is expected to take, if there is one and its source was seen.
    """

    charges: list[Charge] = field(default_factory=list)
    by_use: dict[str, list[Price]] = field(default_factory=dict)
    unpriced: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lists: Usage | None = None
    engines: list[Usage] = field(default_factory=list)
    spark: Expected | None = None

    @property
    def hourly(self) -> float:
        """US dollars per hour while all resources exist."""
        return sum(charge.hourly for charge in self.charges)

    @property
    def monthly(self) -> float:
        """US dollars per month of 730 hours."""
        return self.hourly * HOURS

    @property
    def once(self) -> float:
        """The maximum one-time cost in US dollars."""
        return sum(charge.at_once for charge in self.charges)


def of_assembly(folder: Path) -> Estimate:
    """Estimate the cost of a cloud assembly, as `cdk synth` writes it.

    Raises:
        ValueError: the folder contains no assembly.
    """
    return of_templates(templates(folder))


def of_templates(
    templates: Mapping[str, Mapping[str, Any]], prices: Mapping[str, Price] | None = None
) -> Estimate:
    """Estimate the cost of templates, given by stack name."""
    estimate = Estimate()
    for stack, template in templates.items():
        pricer = _Pricer(stack, template, prices or read(), estimate)
        for name in template["Resources"]:
            pricer.price(name)
    return estimate


class _Pricer:
    """Prices the resources of one template into an estimate."""

    def __init__(
        self,
        stack: str,
        template: Mapping[str, Any],
        prices: Mapping[str, Price],
        estimate: Estimate,
    ) -> None:
        self._stack, self._prices = stack, prices
        self._resources: Mapping[str, Resource] = template["Resources"]
        self._metadata = template.get("Metadata") or {}
        self._template = Template(self._resources)
        self._estimate = estimate

    def price(self, name: str) -> None:
        kind = self._resources[name]["Type"]
        pricer = _PRICERS.get(kind)
        if pricer is not None:
            try:
                pricer(self, name, self._resources[name].get("Properties", {}))
            except (AttributeError, KeyError, TypeError, ValueError):
                self._unpriced(f"{kind} whose size is only known at deployment", name)
        elif kind in _BY_USE:
            words, items = _BY_USE[kind]
            self._by_use(words, *items)
        elif kind not in _FREE:
            self._unpriced(kind, name)

    def endpoint(self, name: str, properties: Resource) -> None:
        for variant in self._template.variants(name):
            if "ServerlessConfig" in variant:
                self._by_use("serverless endpoints", "sagemaker/serverless")
            else:
                count, most = variant["InitialInstanceCount"], self._template.most_instances(name)
                machine = variant["InstanceType"]
                scales = f", up to {most} under load" if most else ""
                item = f"sagemaker/{machine}"
                self._add(name, f"{count} × {machine}{scales}", float(count), item)

    def notebook(self, name: str, properties: Resource) -> None:
        machine, volume = properties["InstanceType"], properties.get("VolumeSizeInGB", 5)
        self._add(name, machine, 1, f"sagemaker/{machine}")
        self._add(name, f"{volume} GB disk", float(volume), "sagemaker/storage")

    def spark(self, _: str, properties: Resource) -> None:
        machine = properties.get("Architecture", "X86_64").lower()
        items = (f"vcpu-{machine}", f"memory-{machine}", "storage")
        self._by_use("Spark job runs", *[f"emr-serverless/{item}" for item in items])

    def started(self, name: str, properties: Resource) -> None:
        request = properties.get("Request", {})
        match properties["Kind"]:
            case "TrainingJob":
                self._training_job(name, request)
            case "TransformJob":
                self._transform_job(name, request)
            case "Solution" | "SolutionVersion":
                if properties["Kind"] == "SolutionVersion":
                    v2 = self._is_v2(name)
                    self._by_use(
                        f"training of Personalize's {'v2' if v2 else 'other'} recipes",
                        "personalize/training-v2" if v2 else "personalize/training",
                    )
            case "DatasetImportJob":
                self._by_use("imports into Personalize", "personalize/import")
            case "Recommender":
                self._add(name, "recommender", 1, "personalize/recommender")
            case "MetricAttribution":
                self._by_use("metrics of attribution, by event and source", "cloudwatch/metric")
            case "JobRun":
                self._job_run(name, request)
            case kind:
                self._unpriced(f"Custom::TrainedStart of kind {kind}", name)

    def _job_run(self, name: str, request: Resource) -> None:
        """At most the application's capacity for the job's time limit, and what is expected."""
        (application,) = (
            one["Properties"]
            for one in self._resources.values()
            if one["Type"] == "AWS::EMRServerless::Application"
        )
        machine = application.get("Architecture", "X86_64").lower()
        hours = int(request["executionTimeoutMinutes"]) / 60
        for part, item in (("cpu", "vcpu"), ("memory", "memory")):
            most = application["MaximumCapacity"][part.capitalize()]
            what = f"at most {most} for {hours * 60:.0f} min"
            units = float(most.split()[0]) * hours
            self._add(name, what, units, f"emr-serverless/{item}-{machine}", once=True)
        if sizes := self._metadata.get(_SIZES):
            self._estimate.spark = of_job(
                {form: int(size) for form, size in sizes.items()},
                int(application["MaximumCapacity"]["Cpu"].split()[0]),
                self._prices[f"emr-serverless/vcpu-{machine}"].usd,
                self._prices[f"emr-serverless/memory-{machine}"].usd,
                "--lists" in request["jobDriver"]["sparkSubmit"]["entryPointArguments"],
            )

    def _training_job(self, name: str, request: Resource) -> None:
        machines = request["ResourceConfig"]
        hours = request["StoppingCondition"]["MaxRuntimeInSeconds"] / 3600
        count, machine = machines["InstanceCount"], machines["InstanceType"]
        # AWS publishes no price of spot training: it is at most that on demand
        spot = " spot, up to 90 % less," if request.get("EnableManagedSpotTraining") else ","
        # the epochs of a second training are those that the first one tells
        epochs = request.get("HyperParameters", {}).get("epochs")
        again = " again on all ratings (refit)" if isinstance(epochs, dict) else ""
        what = f"{count} × {machine}{again}{spot} at most {hours * 60:.0f} min"
        self._add(name, what, count * hours, f"sagemaker/{machine}", once=True)
        volume = machines["VolumeSizeInGB"]
        gb_months = count * volume * hours / HOURS
        self._add(name, f"{volume} GB disk", gb_months, "sagemaker/storage", once=True)

    def _transform_job(self, name: str, request: Resource) -> None:
        """SageMaker gives it no time limit: at most, it takes as long as the deployment waits."""
        machines = request["TransformResources"]
        seconds = sum(
            int(one["Properties"]["Seconds"])
            for one in self._resources.values()
            if one["Type"] == "Custom::TrainedWait"
            and name in self._template.referred(one["Properties"].get("Arn"))
        )
        count, machine = machines["InstanceCount"], machines["InstanceType"]
        what = f"{count} × {machine}, for the {seconds / 60:.0f} min that the deployment may wait"
        self._add(name, what, count * seconds / 3600, f"sagemaker/{machine}", once=True)

    def campaign(self, name: str, properties: Resource) -> None:
        tps = properties.get("MinProvisionedTPS", 1)
        v2 = self._is_v2(name)
        self._add(
            name,
            f"campaign of a {'v2' if v2 else 'v1'} recipe, {tps} provisioned request(s) per second",
            tps * 3600 / 1000,
            "personalize/requests-v2" if v2 else "personalize/requests",
            per="hour",
        )

    def function(self, name: str, properties: Resource) -> None:
        (architecture,) = properties.get("Architectures", ["x86_64"])
        self._by_use(f"functions ({architecture})", "lambda/requests", f"lambda/{architecture}")
        if properties.get("TracingConfig", {}).get("Mode") == "Active":
            self._by_use("X-Ray", "xray/traces")
        if "NAMESPACE" in properties.get("Environment", {}).get("Variables", {}):
            # the caretaker's hourly metric is billed with or without an alarm
            self._add(name, "custom metric", 1, "cloudwatch/metric")

    def lists(self, _name: str, _properties: Resource) -> None:
        for resource in self._resources.values():
            function = resource.get("Properties", {})
            variables = function.get("Environment", {}).get("Variables", {})
            if resource["Type"] == "AWS::Lambda::Function" and "MODEL_KEY" in variables:
                (architecture,) = function.get("Architectures", ["x86_64"])
                memory = int(function["MemorySize"])
                self._estimate.lists = of_stack(self._stack, memory, architecture, self._prices)
                self._estimate.engines += [
                    of_engine(model, memory, architecture, self._prices)
                    for model in _asked(json.loads(variables.get("EXPERIMENTS", "{}")))
                ]

    def dataset(self, _: str, properties: Resource) -> None:
        if "DatasetImportJob" in properties:
            self._by_use("imports into Personalize", "personalize/import")

    def table(self, name: str, properties: Resource) -> None:
        if properties.get("BillingMode") != "PAY_PER_REQUEST":
            self._unpriced("tables with provisioned throughput", name)
            return
        items = ["dynamodb/reads", "dynamodb/writes", "dynamodb/storage"]
        recovery = properties.get("PointInTimeRecoverySpecification", {})
        if recovery.get("PointInTimeRecoveryEnabled"):
            items.append("dynamodb/recovery")
        if "ImportSourceSpecification" in properties:
            items.append("dynamodb/import")
        self._by_use("tables", *items)

    def key(self, name: str, _: Resource) -> None:
        self._add(name, "key", 1, "kms/key")

    def alarm(self, name: str, properties: Resource) -> None:
        metrics = sum("MetricStat" in one for one in properties.get("Metrics", [])) or 1
        self._add(name, "alarm", float(metrics), "cloudwatch/alarm")

    def scaling(self, name: str, _: Resource) -> None:
        # created by Application Auto Scaling: one to scale out, one to scale in
        self._add(name, "alarms of target tracking", 2, "cloudwatch/alarm")

    def dashboard(self, name: str, _: Resource) -> None:
        self._add(name, "dashboard", 1, "cloudwatch/dashboard")

    def _add(
        self, name: str, what: str, units: float, item: str, *, once: bool = False, per: str = ""
    ) -> None:
        """Add a charge; `per` is the unit of the rate if the price is usage-based."""
        price = self._prices.get(item)
        if price is None:
            self._unpriced(item, name)
            return
        if per:
            price = Price(**{**vars(price), "per": per})
        self._estimate.charges.append(
            Charge(
                stack=self._stack,
                resource=self._called(name),
                what=what,
                units=units,
                price=price,
                once=once,
            )
        )

    def _unpriced(self, what: str, name: str) -> None:
        self._estimate.unpriced[what].append(self._called(name))

    def _by_use(self, words: str, *items: str) -> None:
        found = [self._prices[item] for item in items if item in self._prices]
        self._estimate.by_use[words] = found

    def _called(self, name: str) -> str:
        """A resource's CDK path, without the stack's name and generated parts."""
        path = self._resources[name].get("Metadata", {}).get("aws:cdk:path", name)
        parts = [part for part in path.split("/") if part not in ("Resource", "Default", "Start")]
        return "/".join(parts[1:] if len(parts) > 1 else parts)

    def _is_v2(self, name: str) -> bool:
        """Whether the recipe of the nearest solution is billed as version 2."""
        for near in chain([name], self._template.reached(self._resources[name].get("Properties"))):
            properties = self._resources[near].get("Properties", {})
            if properties.get("Kind") == "Solution":
                return '-v2"' in json.dumps(properties["Request"]["recipeArn"])
        return False


def _asked(experiments: Resource) -> list[str]:
    """The engines that arms ask: all models but the function's own."""
    models = {
        arm["model"]
        for one in experiments.values()
        for arm in one["arms"].values()
        if arm.get("model", "lists") not in ("lists", "popular")
    }
    return sorted(models)


_PRICERS: Final[Mapping[str, Callable[[_Pricer, str, Resource], None]]] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": _Pricer.scaling,
    "AWS::CloudWatch::Alarm": _Pricer.alarm,
    "AWS::CloudWatch::Dashboard": _Pricer.dashboard,
    "AWS::DynamoDB::Table": _Pricer.table,
    "AWS::EMRServerless::Application": _Pricer.spark,
    "AWS::KMS::Key": _Pricer.key,
    "AWS::Lambda::Function": _Pricer.function,
    "AWS::Personalize::Campaign": _Pricer.campaign,
    "AWS::Personalize::Dataset": _Pricer.dataset,
    "AWS::SageMaker::Endpoint": _Pricer.endpoint,
    "AWS::SageMaker::NotebookInstance": _Pricer.notebook,
    "Custom::TrainedLists": _Pricer.lists,
    "Custom::TrainedStart": _Pricer.started,
}
_BY_USE: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "AWS::ApiGatewayV2::Api": ("HTTP APIs", ("apigateway/http",)),
    "AWS::Logs::LogGroup": ("logs", ("logs/ingestion",)),
    "AWS::S3::Bucket": ("buckets", ("s3/storage",)),
    "AWS::Scheduler::Schedule": ("schedules", ("scheduler/invocations",)),
    "AWS::SNS::Topic": ("e-mails", ("sns/email",)),
    "AWS::SQS::Queue": ("queues", ("sqs/requests",)),
    "AWS::StepFunctions::StateMachine": ("state machines", ("states/transitions",)),
    "AWS::S3Vectors::VectorBucket": (
        "vector indexes (queries also by the data that they search)",
        ("s3vectors/storage", "s3vectors/put", "s3vectors/queries"),
    ),
}
# These are free by themselves; the costs that they cause are priced with other resources.
_FREE: Final = frozenset(
    {
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::Budgets::Budget",
        "AWS::CDK::Metadata",
        "AWS::Events::Rule",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::ResourcePolicy",
        "AWS::Personalize::DatasetGroup",
        "AWS::Personalize::EventTracker",
        "AWS::Personalize::Filter",
        "AWS::Personalize::Schema",
        "AWS::S3::BucketPolicy",
        "AWS::S3Vectors::VectorBucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Model",
        "AWS::SageMaker::NotebookInstanceLifecycleConfig",
        "Custom::CDKBucketDeployment",
        "Custom::IndexedMovies",
        "Custom::ListsHandover",
        "Custom::PairsToScore",
        "Custom::S3AutoDeleteObjects",
        "Custom::TrainedWait",
    }
)
