"""Where a driver's output goes: CloudWatch Logs while it runs, and S3 when it has ended.

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/logging.html
"""

import gzip
import logging
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.api import NotImplementedByLocalAws
from local_aws.emrserverless.errors import Invalid
from local_aws.lines import Lines
from local_aws.logs.streams import LogStream

log = logging.getLogger(__name__)

_GROUP: Final = "/aws/emr-serverless"
STREAMS: Final = ("stdout", "stderr")


class Clients(Protocol):
    """boto3 clients of the job's role."""

    def __call__(self, service: str) -> Any:
        """The client of a service."""


def check(configuration: Mapping[str, Any]) -> None:
    """Refuse what is invalid or not implemented in a monitoring configuration.

    Raises:
        ServiceException: names it.
    """
    if configuration.get("prometheusMonitoringConfiguration"):
        raise NotImplementedByLocalAws("prometheusMonitoringConfiguration")
    watch = configuration.get("cloudWatchLoggingConfiguration") or {}
    if watch.get("encryptionKeyArn"):
        raise NotImplementedByLocalAws("encryptionKeyArn of cloudWatchLoggingConfiguration")
    for worker, types in (watch.get("logTypes") or {}).items():
        names = {one.lower() for one in types}
        if worker not in ("SPARK_DRIVER", "SPARK_EXECUTOR") or names - {*STREAMS}:
            raise Invalid(f"The log types {', '.join(types)} of {worker} are not a Spark job's")
    uri = (configuration.get("s3MonitoringConfiguration") or {}).get("logUri")
    if uri is not None and not (uri.startswith("s3://") and uri.removeprefix("s3://").strip("/")):
        raise Invalid(f"The log URI '{uri}' is not of the form s3://bucket/prefix/")


class Output:
    """The standard output and error of one job run's driver.

    As on AWS, output is lost without failing the job if the role may not write it.

    Args:
        configuration: the job's monitoring configuration.
        run: the job run as log streams and keys name it, as `applications/ID/jobs/ID`.
        folder: for the output until the driver's end.
        clients: of the job's role.
    """

    def __init__(
        self, configuration: Mapping[str, Any], run: str, folder: Path, clients: Clients
    ) -> None:
        self._run, self._folder, self._clients = run, folder, clients
        self._s3 = configuration.get("s3MonitoringConfiguration") or {}
        watch = configuration.get("cloudWatchLoggingConfiguration") or {}
        self._streams: dict[str, LogStream] = {}
        if watch.get("enabled"):
            wanted = (watch.get("logTypes") or {"SPARK_DRIVER": ["STDOUT", "STDERR"]}).get(
                "SPARK_DRIVER", ()
            )
            group, prefix = watch.get("logGroupName", _GROUP), watch.get("logStreamNamePrefix", "")
            logs = clients("logs")
            for name in STREAMS:
                if name.upper() in {one.upper() for one in wanted}:
                    stream = f"{prefix}/{run}/SPARK_DRIVER/{name}"
                    self._streams[name] = LogStream(logs, group, stream)
        self._readers: list[threading.Thread] = []

    def path(self, name: str) -> Path:
        """The file with the output so far."""
        return self._folder / name

    def read(self, name: str, pipe: IO[bytes]) -> None:
        """Read a pipe to its end, in the background."""
        reader = threading.Thread(target=self._read, args=(name, pipe), daemon=True)
        self._readers.append(reader)
        reader.start()

    def write(self, name: str, line: str) -> None:
        """Add a line that is not the driver's."""
        with self.path(name).open("a") as file:
            file.write(f"{line}\n")
        if name in self._streams:
            self._streams[name].write(line)

    def close(self) -> None:
        """Wait for the end of the pipes, and deliver all."""
        for reader in self._readers:
            reader.join()
        for stream in self._streams.values():
            stream.close()
        if uri := self._s3.get("logUri"):
            bucket, _, prefix = uri.removeprefix("s3://").partition("/")
            place = f"{prefix.rstrip('/')}/{self._run}/SPARK_DRIVER".lstrip("/")
            try:
                self._upload(bucket, place)
            except (ClientError, BotoCoreError, OSError) as error:
                log.debug("no logs to %s: %s", uri, error)

    def abandon(self) -> None:
        """Stop delivery without waiting."""
        for stream in self._streams.values():
            stream.abandon()

    def _upload(self, bucket: str, place: str) -> None:
        more = {}
        if key := self._s3.get("encryptionKeyArn"):
            more = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        s3 = self._clients("s3")
        for name in STREAMS:
            packed = self._folder / f"{name}.gz"
            with self.path(name).open("rb") as file, gzip.open(packed, "wb") as target:
                shutil.copyfileobj(file, target)
            s3.upload_file(str(packed), bucket, f"{place}/{name}.gz", ExtraArgs=more)

    def _read(self, name: str, pipe: IO[bytes]) -> None:
        lines, stream = Lines(), self._streams.get(name)
        with pipe, self.path(name).open("ab") as file:
            while part := pipe.read1(1 << 16):  # type: ignore[attr-defined]
                file.write(part)
                if stream is not None:
                    for line in lines.feed(part):
                        stream.write(line.rstrip())
            if stream is not None:
                for line in lines.rest():
                    stream.write(line.rstrip())
