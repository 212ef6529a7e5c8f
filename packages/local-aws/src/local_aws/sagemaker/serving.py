"""Models, and the processes that serve them over HTTP."""

import re
import shutil
import tarfile
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import urllib3
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.api import NotImplementedByLocalAws
from local_aws.paths import untar
from local_aws.sagemaker import images, storage
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.container import Container
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.roles import Role
from local_aws.sagemaker.storage import Location

_UNSUPPORTED = (
    "ModelPackageName",
    "MultiModelConfig",
    "AdditionalModelDataSources",
    "ImageConfig",
    "InferenceSpecificationName",
    "ContainerMetricsConfig",
)
_UNSUPPORTED_OF_SOURCES = (
    "ModelAccessConfig",
    "HubAccessConfig",
    "ManifestS3Uri",
    "ETag",
    "ManifestEtag",
)
_ENVIRONMENT = 32 << 10  # bytes of all variables together

# Printed by a program once it listens, with its port
_SERVING = re.compile(r"serving .* on 127\.0\.0\.1:(\d+)")


class Model:
    """A model: an image, its artifact, and the role that may read it.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: dict[str, Any], arn: str, region: str) -> None:
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
        if params.get("InferenceExecutionConfig", {}).get("Mode", "Serial") != "Serial":
            raise NotImplementedByLocalAws("the direct invocation of containers")
        self.container: dict[str, Any] = params.get("PrimaryContainer") or containers[0]
        if "ExecutionRoleArn" not in params:
            raise ValidationException("CreateModel needs an ExecutionRoleArn.")
        refuse_members(self.container, _UNSUPPORTED, "ContainerDefinition")
        if self.container.get("Mode", "SingleModel") != "SingleModel":
            raise NotImplementedByLocalAws(f"a container's Mode {self.container['Mode']}")
        if "Image" not in self.container:
            raise ValidationException("The container needs an Image.")
        size = sum(
            len(name.encode()) + len(value.encode())
            for name, value in self.container.get("Environment", {}).items()
        )
        if size > _ENVIRONMENT:
            raise ValidationException(
                f"The keys and values of Environment may have {_ENVIRONMENT} bytes, not {size}."
            )
        self.program = images.find(self.container["Image"], region)
        self.artifact = _artifact(self.container)
        self.isolated: bool = params.get("EnableNetworkIsolation", False)
        self.role = Role(params["ExecutionRoleArn"], arn, region)
        if self.artifact and not storage.exists(self.role.client("s3"), self.artifact):
            raise ValidationException(f"Could not find model data at {self.artifact}.")

    def refuse_data_source(self, use: str) -> None:
        """Refuse a use that needs a ModelDataUrl.

        Raises:
            ValidationException: the model has a ModelDataSource.
        """
        if "ModelDataSource" in self.container:
            raise ValidationException(
                f"The model {self.name} has a ModelDataSource, which {use} does not support."
            )

    def summary(self) -> dict[str, Any]:
        """The model as ListModels shows it."""
        return {"ModelName": self.name, "ModelArn": self.arn, "CreationTime": self.created}

    def description(self) -> dict[str, Any]:
        """The model as DescribeModel shows it."""
        containers = {
            name: _with_defaults(self._request[name])
            if name == "PrimaryContainer"
            else [_with_defaults(one) for one in self._request[name]]
            for name in ("PrimaryContainer", "Containers")
            if self._request.get(name)
        }
        return {"EnableNetworkIsolation": False, **self._request, **containers, **self.summary()}


def _with_defaults(container: Mapping[str, Any]) -> dict[str, Any]:
    return {"Mode": "SingleModel", "Environment": {}, **container}


def _artifact(container: Mapping[str, Any]) -> Location | None:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        url = container.get("ModelDataUrl")
        return Location.of(url) if url else None
    if "ModelDataUrl" in container:
        raise ValidationException("Specify either ModelDataUrl or ModelDataSource.")
    refuse_members(source, _UNSUPPORTED_OF_SOURCES, "ModelDataSource.S3DataSource")
    if (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise NotImplementedByLocalAws("a ModelDataSource other than one S3Object in Gzip")
    return Location.of(source["S3Uri"])


class Unavailable(Exception):
    """The server is currently unavailable."""


class ModelServer:
    """A model's program, serving on a separate port.

    Args:
        root: its folder; removed when it is closed.
        on_line: called with each line of its output.
        patience: timeout in seconds for /ping after the start.
        environment: variables in addition to those of the model.
        isolated: whether it has no network access, also if the model would have.
    """

    def __init__(
        self,
        model: Model,
        root: Path,
        *,
        on_line: Callable[[str], None],
        patience: float,
        environment: Mapping[str, str] | None = None,
        isolated: bool = False,
    ) -> None:
        self._model, self._root = model, root
        self._isolated = isolated or model.isolated
        self._on_line, self._patience = on_line, patience
        self._environment = {**model.container.get("Environment", {}), **(environment or {})}
        self._s3 = model.role.client("s3")
        self._lock = threading.Lock()  # held while the process starts or ends
        self._closed = False
        self._healthy = False
        self._container: Container | None = None
        self._pool: urllib3.HTTPConnectionPool | None = None

    def fetch(self) -> None:
        """Download the model's artifact to the folder.

        Raises:
            Failed: it does not exist or is not an archive; with AWS's message.
        """
        folder = self._root / "model"
        folder.mkdir(parents=True, exist_ok=True)
        artifact = self._model.artifact
        if artifact is None:
            return
        source = f'container "container_1" from URL: "{artifact}"'
        archive = self._root / "model.tar.gz"
        try:
            storage.download(self._s3, artifact, self._root, archive.name)
        except (ClientError, BotoCoreError):
            raise Failed(
                f"Failed to download model data for {source}. Please ensure that there is an "
                "object located at the URL and that the role passed to CreateModel has "
                "permissions to download the object."
            ) from None
        except OSError as error:
            raise Failed(f"Failed to download model data for {source}: {error}") from None
        try:
            untar(archive, folder)
        except (tarfile.TarError, zlib.error, ValueError, OSError, EOFError) as error:
            raise Failed(
                f"Failed to extract model data archive for {source}. Please ensure that the "
                f"object located at the URL is a valid tar.gz archive: {error}"
            ) from None
        archive.unlink()

    def start(self) -> bool:
        """Start or restart the process; returns whether it became healthy."""
        with self._lock:
            if self._closed:
                return False
            ports: SimpleQueue[int] = SimpleQueue()

            def on_line(line: str) -> None:
                if told := _SERVING.fullmatch(line):
                    ports.put(int(told[1]))
                self._on_line(line)

            # a preselected port could be taken meanwhile, so the program chooses one
            try:
                self._container = container = Container(
                    self._model.program.run("serve"),
                    self._root,
                    {**self._environment, "SAGEMAKER_BIND_TO_PORT": "0"},
                    role=self._model.role,
                    isolated=self._isolated,
                    threads=1,
                    on_line=on_line,
                )
            except Failed as error:
                self._on_line(str(error))
                return False
        deadline = time.monotonic() + self._patience
        pool = None
        while time.monotonic() < deadline:
            with suppress(Empty, urllib3.exceptions.HTTPError):
                pool = pool or urllib3.HTTPConnectionPool(
                    "127.0.0.1", ports.get(timeout=0.05), maxsize=32
                )
                if pool.request("GET", "/ping", retries=False, timeout=2.0).status == 200:
                    self._pool, self._healthy = pool, True
                    return True
            if container.wait(0.05) is not None:
                return False
        container.terminate(0)
        return False

    def wait(self) -> int:
        """Wait until the process ends; returns its exit status."""
        assert self._container is not None
        status = self._container.wait()
        self._healthy = False
        assert status is not None
        return status

    def invoke(self, body: bytes, headers: Mapping[str, str], seconds: float) -> Any:
        """Send POST /invocations; returns urllib3's response.

        Raises:
            Unavailable: the server is down, or ends during the call.
            TimeoutError: no response in `seconds`.
        """
        pool = self._pool
        if pool is None or not self._healthy:
            raise Unavailable
        for last in (False, True):
            try:
                return pool.urlopen(
                    "POST",
                    "/invocations",
                    body=body,
                    headers=headers,
                    retries=False,
                    timeout=seconds,
                )
            except urllib3.exceptions.ReadTimeoutError:
                raise TimeoutError from None
            except urllib3.exceptions.HTTPError:
                # a kept connection may just have been closed
                if last:
                    raise Unavailable from None
        raise AssertionError

    def close(self, grace: float) -> None:
        """End the process, by force after `grace` seconds, and remove its files."""
        with self._lock:
            self._closed = True
            self._healthy = False
            if self._container is not None:
                self._container.terminate(grace)
            if self._pool is not None:
                self._pool.close()
        shutil.rmtree(self._root, ignore_errors=True)
