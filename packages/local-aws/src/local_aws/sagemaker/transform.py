"""Batch transform: sends a bucket's objects to a model server and stores its responses."""

import gzip
import io
import logging
import shutil
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import state
from local_aws.api import NotImplementedByLocalAws
from local_aws.logs.streams import LogStream
from local_aws.sagemaker import quotas, records, storage
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.errors import Failed, ValidationException, refuse_members
from local_aws.sagemaker.serving import Model, ModelServer, Unavailable
from local_aws.sagemaker.storage import Location
from local_aws.workers import JOBS

log = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_TERMINAL = ("Completed", "Failed", "Stopped")
_STARTUP = 600  # timeout in seconds for /ping
_UNPACKED = 1 << 30  # maximum bytes of a decompressed object
_LARGEST_REQUEST = 100 << 20  # bytes, where MaxPayloadInMB sets no limit; its greatest is as large
_MOST_RECORDS = 1_000_000  # of a request
_MOST_AT_ONCE = 100  # MB, of all requests at the same time
_DEFAULT_PAYLOAD, _DEFAULT_SECONDS, _DEFAULT_RETRIES = 6, 600, 3
_UNSUPPORTED = ("DataCaptureConfig", "ExperimentConfig")


class TransformJob:
    """One batch transform job, from CreateTransformJob's parameters to its `.out` objects.

    Raises:
        ServiceException: the request is invalid or not implemented.
    """

    def __init__(self, params: dict[str, Any], arn: str, model: Model) -> None:
        self._request = {key: value for key, value in params.items() if key != "Tags"}
        self.name: str = params["TransformJobName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        _check(params)
        model.refuse_data_source("batch transform")
        self._processing = _Processing.of(params)
        self._source = Location.of(params["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])
        self._target = Location.of(params["TransformOutput"]["S3OutputPath"])
        self._s3, self._logs = model.role.client("s3"), model.role.client("logs")
        self._instance = f"i-{uuid.uuid4().hex[:17]}"
        self._stop = threading.Event()
        self._lock = threading.Lock()
        created = now()
        self._facts: dict[str, Any] = {
            "TransformJobStatus": "InProgress",
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        self._stream: LogStream | None = None
        self._cancel: Callable[[], bool] = lambda: False
        self._server = ModelServer(
            model,
            state.folder("transform", f"{self.name}-{self._instance}"),
            on_line=self._write,
            patience=_STARTUP,
            environment=params.get("Environment"),
        )

    @property
    def use(self) -> quotas.Use:
        """Its current use of quotas."""
        ended = self._facts["TransformJobStatus"] in _TERMINAL
        return quotas.Use() if ended else quotas.of_transform_job(self._request)

    def start(self) -> None:
        """Start or queue the job; returns at once."""
        self._cancel = JOBS.submit(self._run)

    def stop(self) -> None:
        """Stop a running job after the current request.

        Raises:
            ValidationException: it has ended.
        """
        with self._lock:
            status = self._facts["TransformJobStatus"]
            if status in _TERMINAL:
                raise ValidationException(
                    f"The request was rejected because the transform job is in status {status}."
                )
            self._facts.update(TransformJobStatus="Stopping", LastModifiedTime=now())
        self._stop.set()
        if self._cancel():  # it was queued
            self._server.close(grace=0)
            self._end("Stopped")

    def abandon(self) -> None:
        """End at once, because the server stops."""
        self._stop.set()
        self._cancel()
        self._server.close(grace=0)

    def summary(self) -> dict[str, Any]:
        """The job as ListTransformJobs shows it."""
        with self._lock:
            return {"TransformJobName": self.name, "TransformJobArn": self.arn, **self._facts}

    def description(self) -> dict[str, Any]:
        """The job as DescribeTransformJob shows it."""
        return {
            "DataProcessing": {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"},
            **self._request,
            "TransformInput": {
                "CompressionType": "None",
                "SplitType": "None",
                **self._request["TransformInput"],
            },
            "TransformOutput": {
                "AssembleWith": "None",
                "KmsKeyId": "",
                **self._request["TransformOutput"],
            },
            **self.summary(),
        }

    def _write(self, line: str) -> None:
        if self._stream is not None:
            self._stream.write(line)

    def _run(self) -> None:
        status, reason = "Completed", ""
        try:
            self._work()
            if self._stop.is_set():
                status = "Stopped"
        except Failed as failure:
            status, reason = "Failed", str(failure)
        except Exception as error:
            log.exception("transform job %s", self.name)
            status, reason = "Failed", f"InternalServerError: {type(error).__name__}: {error}"
        self._end(status, reason)

    def _end(self, status: str, reason: str = "") -> None:
        with self._lock:
            ended = now()
            self._facts.update(
                TransformJobStatus=status, TransformEndTime=ended, LastModifiedTime=ended
            )
            if reason:
                self._facts["FailureReason"] = reason[:1024]

    def _work(self) -> None:
        with self._lock:
            self._facts["TransformStartTime"] = now()
        self._stream = LogStream(self._logs, LOG_GROUP, f"{self.name}/{self._instance}")
        try:
            found = self._objects()
            first = next(found, None)
            if first is None:
                raise Failed(f"ClientError: No S3 objects found under S3 URL {self._source}")
            self._server.fetch()
            if not self._server.start():
                raise Failed(
                    "The primary container did not pass the ping health check. Please check "
                    "CloudWatch logs for this transform job."
                )
            for location, relative in chain([first], found):
                if self._stop.is_set():
                    return
                self._transform(location, f"{relative}.out")
        finally:
            self._server.close(grace=30)
            self._stream.close()

    def _objects(self) -> Iterator[tuple[Location, str]]:
        kind = self._request["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"]
        try:
            yield from storage.listed(self._s3, self._source, kind)
        except (ClientError, ValueError) as error:
            raise Failed(f"ClientError: {error}") from None

    def _transform(self, location: Location, name: str) -> None:
        """Transform an object, which passes through files: in memory is a request at a time."""
        folder = state.folder("transform", f"{self.name}-{self._instance}-object")
        try:
            source = self._fetched(location, folder)
            with source.open("rb") as file, (folder / "output").open("w+b") as answers:
                self._answer(file, answers, location)
                if not self._stop.is_set():
                    self._store(answers, self._target.child(name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetched(self, location: Location, folder: Path) -> Path:
        try:
            storage.download(self._s3, location, folder, "input")
        except (ClientError, BotoCoreError, OSError) as error:
            raise Failed(f"ClientError: Download of {location} failed: {error}") from None
        if self._request["TransformInput"].get("CompressionType") != "Gzip":
            return folder / "input"
        _unpack(folder / "input", folder / "unpacked", location)
        return folder / "unpacked"

    def _answer(self, file: BinaryIO, answers: BinaryIO, location: Location) -> None:
        assembled = self._request["TransformOutput"].get("AssembleWith", "None") == "Line"
        for batch in self._batches(file, location):
            payload = b"".join(map(self._processing.asked, batch))
            answer = self._processing.told(batch, self._ask(payload, location))
            if assembled and not answer.endswith(b"\n"):
                answer += b"\n"
            answers.write(answer)
            if self._stop.is_set():
                return

    def _store(self, answers: BinaryIO, output: Location) -> None:
        answers.seek(0)
        try:
            self._s3.put_object(
                Bucket=output.bucket,
                Key=output.key,
                Body=answers,
                **storage.encryption(self._request["TransformOutput"]),
            )
        except (ClientError, BotoCoreError) as error:
            raise Failed(f"ClientError: Upload to {output} failed: {error}") from None

    def _batches(self, file: BinaryIO, location: Location) -> Iterator[list[bytes]]:
        """The records of each request: the object itself, one line of it, or as many as fit."""
        limit = self._request.get("MaxPayloadInMB", _DEFAULT_PAYLOAD) << 20
        longest, why = limit or _LARGEST_REQUEST, f"MaxPayloadInMB, {limit >> 20}"
        if not limit:
            why = f"{longest} bytes, the most that the local AWS sends at once"
        single = self._request.get("BatchStrategy", "MultiRecord") == "SingleRecord"
        batch: list[bytes] = []
        size = 0
        split = _SPLITS[self._request["TransformInput"].get("SplitType", "None")]
        try:
            for piece in split(file, longest):
                full = single or size + len(piece) > longest or len(batch) == _MOST_RECORDS
                if batch and full:
                    yield batch
                    batch, size = [], 0
                batch.append(piece)
                size += len(piece)
        except records.TooLong:
            raise Failed(f"ClientError: {location}: a record is over {why}") from None
        if batch:
            yield batch

    def _ask(self, payload: bytes, location: Location) -> bytes:
        client = self._request.get("ModelClientConfig", {})
        headers = {
            "Content-Type": self._request["TransformInput"].get("ContentType", "application/json"),
            "Accept": self._request["TransformOutput"].get("Accept", "*/*"),
        }
        text = ""
        for _ in range(1 + client.get("InvocationsMaxRetries", _DEFAULT_RETRIES)):
            try:
                answer = self._server.invoke(
                    payload, headers, client.get("InvocationsTimeoutInSeconds", _DEFAULT_SECONDS)
                )
            except (TimeoutError, Unavailable) as error:
                text = f"no answer ({type(error).__name__})"
                continue
            if answer.status < 400:
                return bytes(answer.data)
            text = f"status {answer.status}: {answer.data.decode(errors='replace')[:500]}"
            if answer.status < 500:
                break
        self._write(f"{location}: {text}")
        raise Failed(f"ClientError: See job logs for more information: {location}: {text}")


_SPLITS: dict[str, Callable[[BinaryIO, int], Iterator[bytes]]] = {
    "None": records.whole,
    "Line": records.lines,
    "RecordIO": records.frames,
}


class _Processing:
    """Processing of records before and after prediction (DataProcessing).

    Args:
        settings: the settings of CreateTransformJob.
        content_type: the records' content type.

    Raises:
        ServiceException: the settings are invalid or not implemented.
    """

    def __init__(self, settings: dict[str, Any], content_type: str) -> None:
        self._ask, self._tell = (
            records.Path(settings.get(name) or "$") for name in ("InputFilter", "OutputFilter")
        )
        self._joins = settings.get("JoinSource", "None") == "Input"
        self._active = self._joins or not (self._ask.whole and self._tell.whole)
        if self._active:
            self._format = records.Format(content_type)

    @classmethod
    def of(cls, params: dict[str, Any]) -> "_Processing":
        """Build from a CreateTransformJob request."""
        content_type = params["TransformInput"].get("ContentType", "application/json")
        return cls(params.get("DataProcessing") or {}, content_type)

    def asked(self, record: bytes) -> bytes:
        """The part of a record that is sent to the model."""
        if self._ask.whole:
            return record
        kept = self._format.write(self._ask.of(self._format.read(record)))
        return kept + (b"\n" if record.endswith(b"\n") else b"")

    def told(self, asked: list[bytes], answer: bytes) -> bytes:
        """The stored part of a response to records.

        Raises:
            Failed: the number of predictions does not match.
        """
        if not self._joins and self._tell.whole:
            return answer
        answers = [answer]
        if len(asked) > 1:
            answers = list(records.lines(io.BytesIO(answer), len(answer)))
        if len(answers) != len(asked):
            raise Failed(
                f"ClientError: the model gave {len(answers)} answers to {len(asked)} records; "
                "they cannot be told apart. Use the BatchStrategy SingleRecord."
            )
        told = []
        for record, one in zip(asked, answers, strict=True):
            value = self._format.read(one)
            if self._joins:
                value = self._format.joined(self._format.read(record), value)
            told.append(self._format.write(self._tell.of(value)))
        return b"\n".join(told)


def _unpack(packed: Path, target: Path, location: Location) -> None:
    size = 0
    try:
        with gzip.open(packed) as source, target.open("wb") as file:
            while chunk := source.read(1 << 20):
                size += len(chunk)
                if size > _UNPACKED:
                    raise Failed(
                        f"ClientError: {location} is larger than {_UNPACKED} bytes unpacked, the "
                        "most that the local AWS unpacks"
                    )
                file.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise Failed(f"ClientError: {location} is not gzip: {error}") from None


def _check(params: dict[str, Any]) -> None:
    refuse_members(params, _UNSUPPORTED, "CreateTransformJob")
    source = params["TransformInput"]
    kind = source["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in storage.KINDS:
        raise NotImplementedByLocalAws(f"S3DataType {kind}")
    if source.get("CompressionType", "None") not in ("None", "Gzip"):
        raise NotImplementedByLocalAws(f"CompressionType {source['CompressionType']}")
    if source.get("SplitType", "None") not in _SPLITS:
        raise NotImplementedByLocalAws(f"SplitType {source['SplitType']}")
    size, parallel = params.get("MaxPayloadInMB"), params.get("MaxConcurrentTransforms", 0)
    if size is not None and size * parallel > _MOST_AT_ONCE:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB must be at most {_MOST_AT_ONCE}, not "
            f"{size * parallel}."
        )
    if params["TransformResources"]["InstanceCount"] != 1:
        raise NotImplementedByLocalAws("batch transform on more than one instance")
