"""Endpoint configurations, and endpoints that run as processes."""

import logging
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.inflight import InFlight
from local_aws.logs.streams import LogStream
from local_aws.sagemaker import quotas
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.serving import Model, ModelServer

log = logging.getLogger(__name__)

_STARTUP = 240  # default timeout in seconds for a container to answer /ping
_GRACE = 30  # seconds between a serving container's SIGTERM and SIGKILL
_UNSUPPORTED = (
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "ShadowProductionVariants",
    "CrossRegionTrafficConfig",
)
_UNSUPPORTED_OF_VARIANTS = (
    "InstancePools",
    "CoreDumpConfig",
    "ManagedInstanceScaling",
    "AcceleratorType",
    "CapacityReservationConfig",
    "AcceleratorPartitionLayouts",
    "EnableSSMAccess",
)
_LONGEST_PAUSE = 10.0  # seconds between attempts to restart a container


class EndpointConfig:
    """An endpoint configuration: the variants to host.

    Args:
        find: the model of a name; raises AWS's error if it does not exist.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: dict[str, Any], arn: str, find: Callable[[str], Model]) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["EndpointConfigName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self.created = now()
        self.variants: list[dict[str, Any]] = params["ProductionVariants"]
        self.isolated: bool = params.get("EnableNetworkIsolation", False)
        refuse_members(params, _UNSUPPORTED, "CreateEndpointConfig")
        if params.get("DataCaptureConfig", {"EnableCapture": False}).get("EnableCapture", True):
            raise NotImplementedByLocalAws("DataCaptureConfig")
        refuse_members(
            params.get("MetricsConfig", {}),
            ("EnableEnhancedMetrics", "EnableDetailedObservability"),
            "MetricsConfig",
        )
        names = [variant["VariantName"] for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValidationException("Production variant names must be unique.")
        for variant in self.variants:
            self._check(variant, find)

    def _check(self, variant: dict[str, Any], find: Callable[[str], Model]) -> None:
        name = variant["VariantName"]
        refuse_members(variant, _UNSUPPORTED_OF_VARIANTS, f"variant {name}")
        if "ModelName" not in variant:
            raise NotImplementedByLocalAws(f"variant {name}: inference components (no ModelName)")
        model = find(variant["ModelName"])
        if "ServerlessConfig" in variant:
            model.refuse_data_source("a serverless endpoint")
            self._check_serverless(name, variant["ServerlessConfig"])
            if "InstanceType" in variant or "InitialInstanceCount" in variant:
                raise ValidationException(
                    f"Variant {name} has a ServerlessConfig: it cannot have an InstanceType or an "
                    "InitialInstanceCount."
                )
            if len(self.variants) > 1:
                raise ValidationException(
                    "An endpoint configuration with a ServerlessConfig can have one variant only."
                )
        elif "InstanceType" not in variant or "InitialInstanceCount" not in variant:
            raise ValidationException(
                f"Variant {name} needs an InstanceType and an InitialInstanceCount, or a "
                "ServerlessConfig."
            )

    @staticmethod
    def _check_serverless(name: str, config: dict[str, Any]) -> None:
        if config["MemorySizeInMB"] % 1024:
            raise ValidationException(
                f"Variant {name}: MemorySizeInMB must be one of 1024, 2048, 3072, 4096, 5120, 6144."
            )
        if config.get("ProvisionedConcurrency", 0) > config["MaxConcurrency"]:
            raise ValidationException(
                f"Variant {name}: ProvisionedConcurrency must be at most MaxConcurrency."
            )

    def summary(self) -> dict[str, Any]:
        """The configuration as ListEndpointConfigs shows it."""
        return {
            "EndpointConfigName": self.name,
            "EndpointConfigArn": self.arn,
            "CreationTime": self.created,
        }

    def description(self) -> dict[str, Any]:
        """The configuration as DescribeEndpointConfig shows it."""
        variants = [{"InitialVariantWeight": 1.0, **variant} for variant in self.variants]
        isolation = {"EnableNetworkIsolation": False}
        return {**isolation, **self._request, "ProductionVariants": variants, **self.summary()}


class Variant:
    """A hosted production variant: a model server that is kept running, and its in-flight calls.

    A single process represents all of a variant's instances; their number is only recorded.
    """

    def __init__(
        self, settings: dict[str, Any], model: Model, endpoint: str, *, isolated: bool
    ) -> None:
        self.name: str = settings["VariantName"]
        self.settings = settings
        self.image: str = model.container["Image"]
        self.serverless: dict[str, int] | None = settings.get("ServerlessConfig")
        self.weight: float = settings.get("InitialVariantWeight", 1.0)
        self.instances: int | None = settings.get("InitialInstanceCount")
        self.log_group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self.calls = InFlight()
        self._closed = threading.Event()
        self._model = model
        self._stream: LogStream | None = None
        self.server = ModelServer(
            model,
            state.folder("endpoints", f"{endpoint}-{self.name}-{uuid.uuid4().hex[:8]}"),
            on_line=self._write,
            patience=settings.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP),
            isolated=isolated,
        )
        self._keeper = threading.Thread(target=self._keep_alive, name=endpoint, daemon=True)

    def deploy(self) -> None:
        """Start the server and return when it is healthy.

        Raises:
            Failed: it cannot; with AWS's message.
        """
        stream = f"{self.name}/i-{uuid.uuid4().hex[:17]}"
        self._stream = LogStream(self._model.role.client("logs"), self.log_group, stream)
        self.server.fetch()
        if not self.server.start():
            raise Failed(
                f"The primary container for production variant {self.name} did not pass the ping "
                "health check. Please check CloudWatch logs for this endpoint."
            )
        self._keeper.start()

    def close(self) -> None:
        """End the server, and deliver its output."""
        self._closed.set()
        self.server.close(_GRACE)
        if self._keeper.is_alive():
            self._keeper.join()
        if self._stream is not None:
            self._stream.close()

    def abandon(self) -> None:
        """End the server at once; pending output is discarded."""
        self._closed.set()
        self.server.close(grace=0)
        if self._stream is not None:
            self._stream.abandon()

    def sized(self) -> dict[str, Any]:
        """Its settings, with the current number of instances."""
        count = {} if self.instances is None else {"InitialInstanceCount": self.instances}
        return {**self.settings, **count}

    def _write(self, line: str) -> None:
        if self._stream is not None:
            self._stream.write(line)

    def _keep_alive(self) -> None:
        """Restart the server whenever it ends, as SageMaker replaces an instance."""
        pause = 0.1
        while True:
            status = self.server.wait()
            if self._closed.wait(pause):
                return
            self._write(f"The container ended with status {status}; it is started again.")
            pause = 0.1 if self.server.start() else min(pause * 2, _LONGEST_PAUSE)


Deployment = dict[str, Variant]  # by variant name


class Endpoint:
    """A hosted endpoint: its status and active deployment."""

    def __init__(self, params: dict[str, Any], arn: str, config: EndpointConfig) -> None:
        self.name: str = params["EndpointName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        created = now()
        self._facts: dict[str, Any] = {
            "EndpointConfigName": config.name,
            "EndpointStatus": "Creating",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        self._lock = threading.RLock()
        self._deployment: Deployment = {}
        self._pending: Deployment = {}
        self._coming: list[dict[str, Any]] = []  # the variants being deployed
        self._abandoned = False

    @property
    def status(self) -> str:
        """One of SageMaker's endpoint statuses."""
        return str(self._facts["EndpointStatus"])

    @property
    def use(self) -> quotas.Use:
        """Its current use of quotas; during an update, both deployments count."""
        with self._lock:
            hosted = [variant.sized() for variant in self._deployment.values()]
            return quotas.of_variants(hosted) + quotas.of_variants(self._coming)

    def replacement(self, config: EndpointConfig) -> quotas.Use:
        """The additional use of quotas by an update to another configuration.

        New instances run in addition to the current ones; for a serverless endpoint only the
        difference counts.
        """
        use, serverless = (
            quotas.of_variants(config.variants),
            ("ServerlessConfig" in config.variants[0]),
        )
        return use - self.use if serverless else use

    def growth(self, desired: list[dict[str, Any]]) -> quotas.Use:
        """The additional use of quotas with other instance counts of its variants."""
        counts = {each["VariantName"]: each.get("DesiredInstanceCount") for each in desired}
        with self._lock:
            variants = [variant.sized() for variant in self._deployment.values()]
        now_used = quotas.of_variants(variants)
        resized = [
            {**variant, "InitialInstanceCount": counts[variant["VariantName"]]}
            if counts.get(variant["VariantName"]) is not None and "ServerlessConfig" not in variant
            else variant
            for variant in variants
        ]
        return quotas.of_variants(resized) - now_used

    def summary(self) -> dict[str, Any]:
        """The endpoint as ListEndpoints shows it."""
        with self._lock:
            facts = {
                key: self._facts[key]
                for key in ("EndpointStatus", "CreationTime", "LastModifiedTime")
            }
        return {"EndpointName": self.name, "EndpointArn": self.arn, **facts}

    def description(self) -> dict[str, Any]:
        """The endpoint as DescribeEndpoint shows it."""
        with self._lock:
            variants = [_shown(variant) for variant in self._deployment.values()]
            shown = {"EndpointName": self.name, "EndpointArn": self.arn, **self._facts}
        return {**shown, "ProductionVariants": variants} if variants else shown

    def enter(self, name: str | None) -> Variant:
        """The variant for the next call: `name`, or by weight. The caller must leave it.

        Raises:
            LookupError: the endpoint is not in service, or has no variant with this name.
        """
        with self._lock:
            if not self._deployment or self.status == "Deleting":
                raise LookupError(
                    f"Endpoint {self.name} is {self.status}: it answers once it is InService."
                )
            if name is not None and name not in self._deployment:
                raise LookupError(f"Variant {name} of endpoint {self.name} not found.")
            variants = list(self._deployment.values())
            weights = [each.weight for each in variants]
            if name is not None:
                variant = self._deployment[name]
            elif sum(weights) > 0:
                variant = random.choices(variants, weights)[0]  # noqa: S311
            else:
                variant = variants[0]
            variant.calls.enter()
            return variant

    def has(self, variant: str) -> bool:
        """Whether a variant with this name is hosted."""
        return variant in self._deployment

    def begin(self, status: str) -> None:
        """Change from a stable status to `status`.

        Raises:
            ValidationException: another operation is in progress, or the endpoint has failed.
        """
        settled = ("InService", "Failed") if status == "Deleting" else ("InService",)
        with self._lock:
            if self.status not in settled:
                verb = "delete" if status == "Deleting" else "update"
                kind = "failed" if self.status == "Failed" else "in-progress"
                raise ValidationException(f'Cannot {verb} {kind} endpoint "{self.arn}".')
            self._facts.update(EndpointStatus=status, LastModifiedTime=now())
            if status == "Updating":
                self._facts.pop("FailureReason", None)

    def deploy(self, config: EndpointConfig, models: Mapping[str, Model], retain: bool) -> None:
        """Deploy `config`, switch to it, and drain the old deployment, in a thread.

        If the new deployment fails, the old one remains active.

        Args:
            models: the models of the configuration's variants by name.
            retain: keep the current weights and instance counts of variants with the same name.
        """
        with self._lock:
            self._coming = config.variants
        self._in_background(self._deploy, config, models, retain)

    def _deploy(self, config: EndpointConfig, models: Mapping[str, Model], retain: bool) -> None:
        fresh: Deployment = {}
        reason = ""
        try:
            for settings in config.variants:
                model = models[settings["ModelName"]]
                variant = Variant(settings, model, self.name, isolated=config.isolated)
                fresh[variant.name] = variant
                with self._lock:
                    if self._abandoned:
                        raise Failed("the local AWS was stopped")
                    self._pending = dict(fresh)
                variant.deploy()
        except Failed as failure:
            reason = str(failure)
        except Exception as error:
            log.exception("endpoint %s", self.name)
            reason = f"{type(error).__name__}: {error}"
        with self._lock:
            self._pending, self._coming = {}, []
            old = {} if reason else self._deployment
            if not reason:
                if retain:
                    for name in fresh.keys() & old.keys():
                        fresh[name].weight = old[name].weight
                        fresh[name].instances = old[name].instances
                self._deployment = fresh
                self._facts["EndpointConfigName"] = config.name
            elif self._deployment:
                self._facts["EndpointStatus"] = "RollingBack"
        for variant in (fresh if reason else old).values():
            variant.calls.drain()
            variant.close()
        with self._lock:
            failed = bool(reason) and not self._deployment
            self._facts.update(
                EndpointStatus="Failed" if failed else "InService", LastModifiedTime=now()
            )
            if reason:
                self._facts["FailureReason"] = reason

    def _in_background(self, work: Callable[..., None], *arguments: Any) -> None:
        name = f"endpoint {self.name}"
        threading.Thread(target=work, args=arguments, name=name, daemon=True).start()

    def delete(self, gone: Callable[[], None]) -> None:
        """End all processes, then call `gone`, in a thread."""
        self._in_background(self._delete, gone)

    def _delete(self, gone: Callable[[], None]) -> None:
        for variant in self._deployment.values():
            variant.calls.drain()
            variant.close()
        gone()

    def resize(self, desired: list[dict[str, Any]]) -> None:
        """Set weights and instance counts of variants.

        Raises:
            ValidationException: a variant does not exist, or is serverless.
        """
        with self._lock:
            for each in desired:
                variant = self._deployment.get(each["VariantName"])
                if variant is None:
                    raise ValidationException(
                        f'Could not find variant {each["VariantName"]} of endpoint "{self.arn}".'
                    )
                if variant.serverless and "DesiredInstanceCount" in each:
                    raise ValidationException(
                        f"Variant {variant.name} is serverless: it has no instance count."
                    )
            for each in desired:
                variant = self._deployment[each["VariantName"]]
                variant.weight = each.get("DesiredWeight", variant.weight)
                variant.instances = each.get("DesiredInstanceCount", variant.instances)
            self._facts["LastModifiedTime"] = now()

    def abandon(self) -> None:
        """End all processes at once, because the server stops."""
        with self._lock:
            self._abandoned = True
            for variant in (*self._deployment.values(), *self._pending.values()):
                variant.abandon()
            self._deployment = {}


def _shown(variant: Variant) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": variant.image, "ResolvedImage": variant.image}],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
    }
    if variant.serverless:
        shown["CurrentServerlessConfig"] = variant.serverless
    else:
        shown["CurrentInstanceCount"] = variant.instances
        shown["DesiredInstanceCount"] = variant.instances
    return shown
