"""Models, endpoint configurations, and endpoints that answer from processes."""

import logging
import random
import shutil
import socket
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Iterator

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.sagemaker import images, storage
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.container import Container
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.logs import LogStream
from local_aws.sagemaker.roles import Role
from local_aws.sagemaker.storage import Location

log = logging.getLogger(__name__)

_STARTUP = 240  # seconds in which a container must answer /ping, unless its variant says otherwise
_DRAIN = 60  # seconds that a call may last, and so that an old deployment lives on
_GRACE = 30  # seconds between a serving container's SIGTERM and SIGKILL
_LONGEST_PAUSE = 10.0  # seconds between two attempts to bring a dying container back


class Model:
    """A model: an image, its artifact, and the role that may read it.

    Raises:
        ServiceException: the request cannot be honoured.
    """

    def __init__(self, params: dict[str, Any], arn: str, account_id: str, region: str) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["ModelName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self.created = now()
        containers = params.get("Containers") or []
        if bool(containers) == bool(params.get("PrimaryContainer")):
            raise ValidationException("Specify either PrimaryContainer or Containers.")
        if len(containers) > 1:
            raise NotImplementedByLocalAws("an inference pipeline of several Containers")
        self.container: dict[str, Any] = params.get("PrimaryContainer") or containers[0]
        if "ExecutionRoleArn" not in params:
            raise ValidationException("CreateModel needs an ExecutionRoleArn.")
        refuse_members(
            self.container,
            ("ModelPackageName", "MultiModelConfig", "AdditionalModelDataSources", "ImageConfig"),
            "ContainerDefinition",
        )
        if self.container.get("Mode", "SingleModel") != "SingleModel":
            raise NotImplementedByLocalAws(f"a container's Mode {self.container['Mode']}")
        if "Image" not in self.container:
            raise ValidationException("The container needs an Image.")
        self.program = images.find(self.container["Image"], region)
        self.artifact = _artifact(self.container)
        self.role = Role(params["ExecutionRoleArn"], account_id, region)
        if self.artifact and not storage.exists(self.role.client("s3"), self.artifact):
            raise ValidationException(f"Could not find model data at {self.artifact}.")

    def summary(self) -> dict[str, Any]:
        """The model as ListModels shows it."""
        return {"ModelName": self.name, "ModelArn": self.arn, "CreationTime": self.created}

    def description(self) -> dict[str, Any]:
        """The model as DescribeModel shows it."""
        return {"EnableNetworkIsolation": False, **self._request, **self.summary()}


def _artifact(container: Mapping[str, Any]) -> Location | None:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        url = container.get("ModelDataUrl")
        return Location.of(url) if url else None
    if (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise NotImplementedByLocalAws("a ModelDataSource other than one S3Object in Gzip")
    return Location.of(source["S3Uri"])


class EndpointConfig:
    """An endpoint configuration: the variants to host.

    Args:
        has_model: whether there is a model of that name; AWS's error if there is none.

    Raises:
        ServiceException: the request cannot be honoured.
    """

    def __init__(
        self, params: dict[str, Any], arn: str, has_model: Callable[[str], object]
    ) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["EndpointConfigName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self.created = now()
        self.variants: list[dict[str, Any]] = params["ProductionVariants"]
        refuse_members(
            params,
            ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")
            + ("CrossRegionTrafficConfig",),
            "CreateEndpointConfig",
        )
        if params.get("DataCaptureConfig", {}).get("EnableCapture"):
            raise NotImplementedByLocalAws("DataCaptureConfig")
        names = [variant["VariantName"] for variant in self.variants]
        if len(set(names)) < len(names):
            raise ValidationException("Production variant names must be unique.")
        for variant in self.variants:
            self._check(variant, has_model)

    def _check(self, variant: dict[str, Any], has_model: Callable[[str], object]) -> None:
        name = variant["VariantName"]
        refuse_members(
            variant,
            ("InstancePools", "CoreDumpConfig", "ManagedInstanceScaling", "AcceleratorType")
            + ("CapacityReservationConfig", "AcceleratorPartitionLayouts"),
            f"variant {name}",
        )
        if "ModelName" not in variant:
            raise NotImplementedByLocalAws(f"variant {name}: inference components (no ModelName)")
        has_model(variant["ModelName"])
        if "ServerlessConfig" in variant:
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


class Unavailable(Exception):
    """The variant's container cannot be asked just now."""


class Variant:
    """A hosted production variant: one serving process, kept alive, and the calls in flight.

    One process stands in for all of a variant's instances; their number is bookkeeping.
    """

    def __init__(self, settings: dict[str, Any], model: Model, endpoint: str) -> None:
        self.name: str = settings["VariantName"]
        self.serverless: dict[str, int] | None = settings.get("ServerlessConfig")
        self.weight: float = settings.get("InitialVariantWeight", 1.0)
        self.instances: int | None = settings.get("InitialInstanceCount")
        self.log_group = f"/aws/sagemaker/Endpoints/{endpoint}"
        self.in_flight = 0
        self._patience = settings.get("ContainerStartupHealthCheckTimeoutInSeconds", _STARTUP)
        self._model = model
        self._root = state.folder("endpoints", f"{endpoint}-{self.name}-{uuid.uuid4().hex[:8]}")
        self._idle = threading.Condition()
        self._closed = threading.Event()
        self._healthy = threading.Event()
        self._stream: LogStream | None = None
        self._container: Container | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._keeper = threading.Thread(target=self._keep_alive, name=endpoint, daemon=True)

    @property
    def image(self) -> str:
        """The URI of the image that it runs."""
        return str(self._model.container["Image"])

    def deploy(self) -> None:
        """Fetch the artifact, start the container, and return when it is healthy.

        Raises:
            Failed: it cannot; the text is in AWS's words.
        """
        self._fetch()
        stream = f"{self.name}/i-{uuid.uuid4().hex[:17]}"
        self._stream = LogStream(self._model.role.client("logs"), self.log_group, stream)
        self._start()
        if not self._await_health():
            raise Failed(
                f"The primary container for production variant {self.name} did not pass the ping "
                "health check. Please check CloudWatch logs for this endpoint."
            )
        self._keeper.start()

    def invoke(self, body: bytes, headers: Mapping[str, str], timeout: float) -> Any:
        """The container's answer to POST /invocations, as urllib3 gives it.

        Raises:
            Unavailable: it is down, or goes down during the call.
            TimeoutError: it does not answer in `timeout` seconds.
        """
        if not self._healthy.is_set():
            raise Unavailable
        assert self._pool is not None
        for last in (False, True):
            try:
                return self._pool.urlopen(
                    "POST",
                    "/invocations",
                    body=body,
                    headers=headers,
                    retries=False,
                    timeout=timeout,
                )
            except urllib3.exceptions.ReadTimeoutError:
                raise TimeoutError from None
            except urllib3.exceptions.HTTPError:
                # a kept connection may have been closed at the moment of its reuse
                if last:
                    raise Unavailable from None
        raise AssertionError

    def enter(self) -> None:
        """A call begins."""
        with self._idle:
            self.in_flight += 1

    def leave(self) -> None:
        """A call has ended."""
        with self._idle:
            self.in_flight -= 1
            self._idle.notify_all()

    def drain(self) -> None:
        """Wait until no call is in flight."""
        with self._idle:
            self._idle.wait_for(lambda: self.in_flight == 0, _DRAIN)

    def close(self, grace: float = _GRACE) -> None:
        """End the process and remove its files."""
        self._closed.set()
        self._healthy.clear()
        if self._container is not None:
            self._container.terminate(grace)
        if self._keeper.is_alive() and self._keeper is not threading.current_thread():
            self._keeper.join()
        if self._stream is not None:
            self._stream.close()
        if self._pool is not None:
            self._pool.close()
        shutil.rmtree(self._root, ignore_errors=True)

    def _fetch(self) -> None:
        folder = self._root / "model"
        folder.mkdir(parents=True, exist_ok=True)
        artifact = self._model.artifact
        if artifact is None:
            return
        hostname = self._model.container.get("ContainerHostname", "container_1")
        try:
            storage.download(
                self._model.role.client("s3"), artifact, self._root, "model.tar.gz"
            )
        except (ClientError, BotoCoreError):
            raise Failed(
                f'Failed to download model data for container "{hostname}" from URL: '
                f'"{artifact}". Please ensure that there is an object located at the URL and that '
                "the role passed to CreateModel has permissions to download the object."
            ) from None
        archive = self._root / "model.tar.gz"
        try:
            storage.unpack(archive, folder)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise Failed(
                f'Failed to extract model data archive for container "{hostname}" from URL: '
                f'"{artifact}". Please ensure that the object located at the URL is a valid '
                f"tar.gz archive. ({error})"
            ) from None
        archive.unlink()

    def _start(self) -> None:
        assert self._stream is not None
        port = _free_port()
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=32)
        self._container = Container(
            self._model.program,
            "serve",
            self._root,
            {
                **self._model.container.get("Environment", {}),
                "SAGEMAKER_BIND_TO_PORT": str(port),
            },
            threads=1,
            on_line=self._stream.write,
        )

    def _await_health(self) -> bool:
        """Poll /ping until it answers (True), or the process ends or time is up (False)."""
        assert self._container is not None and self._pool is not None
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline and not self._closed.is_set():
            with suppress(urllib3.exceptions.HTTPError):
                if self._pool.request("GET", "/ping", retries=False, timeout=2.0).status == 200:
                    self._healthy.set()
                    return True
            if self._container.wait(0.05) is not None:
                return False
        return False

    def _keep_alive(self) -> None:
        """Start the container again whenever it ends, as SageMaker replaces an instance."""
        pause = 0.1
        while not self._closed.is_set():
            assert self._container is not None and self._stream is not None
            status = self._container.wait()
            self._healthy.clear()
            if self._closed.wait(pause):
                return
            self._stream.write(f"The container ended with status {status}; it is started again.")
            self._start()
            if self._closed.is_set():  # closed while it started
                self._container.terminate(0)
                return
            if self._await_health():
                pause = 0.1
            else:
                self._container.terminate(0)
                pause = min(pause * 2, _LONGEST_PAUSE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Deployment = dict[str, Variant]  # by variant name


class Endpoint:
    """A hosted endpoint: its status, and the deployment that answers."""

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
        self._closed = threading.Event()
        self._deployment: Deployment = {}
        self._pending: Deployment = {}
        self._desired: dict[str, dict[str, Any]] = {}

    @property
    def status(self) -> str:
        """One of SageMaker's endpoint statuses."""
        return str(self._facts["EndpointStatus"])

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

    @contextmanager
    def variant(self, name: str | None) -> Iterator[Variant]:
        """The variant that answers the next call, held for as long as the call lasts.

        Raises:
            LookupError: the endpoint does not answer calls now.
            KeyError: it has no variant of that name.
        """
        with self._lock:
            if not self._deployment or self.status == "Deleting":
                raise LookupError(self.status)
            if name is not None:
                variant = self._deployment[name]
            else:
                variants = list(self._deployment.values())
                weights = [each.weight for each in variants]
                if sum(weights) <= 0:
                    weights = [1.0] * len(variants)
                variant = random.choices(variants, weights)[0]  # noqa: S311
            variant.enter()
        try:
            yield variant
        finally:
            variant.leave()

    def begin(self, status: str) -> None:
        """Go from a settled status to `status`.

        Raises:
            ValidationException: another operation is under way, or the endpoint has failed.
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
        """Bring `config` up beside what answers now, switch, and drain the old; in a thread.

        Where it cannot be brought up, what answered before goes on answering.

        Args:
            models: the models of the configuration's variants by name.
            retain: keep the present weights and instance counts of variants of the same name.
        """
        threading.Thread(
            target=self._deploy, args=(config, models, retain), name=f"endpoint {self.name}"
        ).start()

    def _deploy(self, config: EndpointConfig, models: Mapping[str, Model], retain: bool) -> None:
        fresh = {
            settings["VariantName"]: Variant(settings, models[settings["ModelName"]], self.name)
            for settings in config.variants
        }
        with self._lock:
            self._pending = fresh
        reason = ""
        try:
            for variant in fresh.values():
                variant.deploy()
        except Failed as failure:
            reason = str(failure)
        except Exception as error:
            log.exception("endpoint %s", self.name)
            reason = f"{type(error).__name__}: {error}"
        with self._lock:
            self._pending = {}
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
            variant.drain()
            variant.close()
        with self._lock:
            failed = bool(reason) and not self._deployment
            self._facts.update(
                EndpointStatus="Failed" if failed else "InService", LastModifiedTime=now()
            )
            if reason:
                self._facts["FailureReason"] = reason

    def delete(self, gone: Callable[[], None]) -> None:
        """End every process, then call `gone`; in a thread."""
        threading.Thread(target=self._delete, args=(gone,), name=f"endpoint {self.name}").start()

    def _delete(self, gone: Callable[[], None]) -> None:
        for variant in self._deployment.values():
            variant.drain()
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
        """End every process at once, because this AWS ends."""
        with self._lock:
            for variant in (*self._deployment.values(), *self._pending.values()):
                variant.close(grace=0)
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
