"""The kinds of trained things that this resource makes: what each is called in its AWS service.

A row names the operations and where a description keeps what the engine in `resource` reads. A new
kind is a new row; the engine does not change.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

Description = Mapping[str, Any]

METRICS_LENGTH = 1024  # characters; CloudFormation takes 4 KB for the whole answer


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of trained thing.

    Attributes:
        service: the boto3 client that makes it.
        resource: what precedes the name in its ARN.
        create, describe, stop, delete: the client's methods.
        name: the parameter and the member that hold its name.
        status, reason: dotted paths into a description.
        ready: statuses in which it can be used.
        failed: statuses in which it never will be, and can be deleted.
        running: statuses in which it works and can be stopped. In any other one waits.
        attributes: what a finished one offers to the stack, from its description.
        clean: deletes what it leaves outside itself, given its name and its definition (its
            description or the request that made it); false asks to be called again.
    """

    service: str
    resource: str
    create: str
    describe: str
    stop: str
    delete: str
    name: str
    status: str
    reason: str
    ready: frozenset[str]
    failed: frozenset[str]
    running: frozenset[str]
    attributes: Callable[[Description], dict[str, str]]
    clean: Callable[[str, Description], bool]

    def call(self, method: str, name: str, **parameters: Any) -> dict[str, Any]:
        """Call one of the service's methods for the thing named `name`."""
        method_of_client = getattr(client(self.service), method)
        answer: dict[str, Any] = method_of_client(**{self.name: name}, **parameters)
        return answer

    def find(self, name: str) -> Description | None:
        """The description of the one named `name`, or None if there is none."""
        try:
            return self.call(self.describe, name)
        except ClientError as error:
            if is_missing(error):
                return None
            raise


@cache
def client(service: str) -> Any:
    """A client that gives up soon: whoever polls will ask again."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        config=Config(
            connect_timeout=5,
            read_timeout=15,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


def is_missing(error: ClientError) -> bool:
    """Whether `error` says that the thing asked for does not exist.

    SageMaker's describing and stopping operations say it with a ValidationException.
    """
    code = error.response["Error"].get("Code", "")
    if code in ("ResourceNotFound", "ResourceNotFoundException", "NoSuchBucket", "404"):
        return True
    text = error.response["Error"].get("Message", "")
    return is_invalid(error) and bool(re.search("not found|could not find", text, re.IGNORECASE))


def is_invalid(error: ClientError) -> bool:
    """Whether `error` refuses the request as such, or in the resource's present state."""
    return error.response["Error"].get("Code", "") in ("ValidationException", "ValidationError")


def value_at(description: Description, path: str) -> Any:
    """The member at a dotted path, or None where any part of it is absent."""
    value: Any = description
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


# SageMaker's training job ------------------------------------------------------------------------


def _training_job_attributes(description: Description) -> dict[str, str]:
    metrics = {
        one["MetricName"]: float(f"{one['Value']:.6g}")
        for one in description.get("FinalMetricDataList", [])
    }
    # what was measured on held-out data is kept first, should there be too many
    names = sorted(metrics, key=lambda name: (name.startswith("train"), name))
    while len(text := json.dumps({name: metrics[name] for name in names})) > METRICS_LENGTH:
        names.pop()
    return {
        "ModelDataUrl": value_at(description, "ModelArtifacts.S3ModelArtifacts") or "",
        "Metrics": text,
    }


def _clean_training_job(name: str, definition: Description) -> bool:
    """Delete a job's log streams and its folder below the output path, a page of each a call."""
    more = _delete_log_streams("/aws/sagemaker/TrainingJobs", f"{name}/")
    output = re.fullmatch(
        r"s3://([^/]+)/?(.*)", str(value_at(definition, "OutputDataConfig.S3OutputPath") or "")
    )
    if output:
        bucket, path = output.groups()
        prefix = f"{path.rstrip('/')}/{name}/".lstrip("/")
        more |= _delete_objects(bucket, prefix)
    return not more


def _delete_log_streams(group: str, prefix: str) -> bool:
    """Delete one page of the streams that begin with `prefix`; true if there are more."""
    logs = client("logs")
    page = _unless_missing(
        logs.describe_log_streams, logGroupName=group, logStreamNamePrefix=prefix, limit=_STREAMS
    )
    for stream in page.get("logStreams", []):
        name = stream["logStreamName"]
        _unless_missing(logs.delete_log_stream, logGroupName=group, logStreamName=name)
    return "nextToken" in page


def _delete_objects(bucket: str, prefix: str) -> bool:
    """Delete one page of the objects below `prefix`; true if there are more."""
    s3 = client("s3")
    page = _unless_missing(s3.list_objects_v2, Bucket=bucket, Prefix=prefix)
    keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
    if keys:
        wanted = {"Objects": keys, "Quiet": True}
        answer = _unless_missing(s3.delete_objects, Bucket=bucket, Delete=wanted)
        for error in answer.get("Errors", []):
            raise ClientError({"Error": error}, "DeleteObjects")
    return bool(page.get("IsTruncated"))


def _unless_missing(method: Callable[..., dict[str, Any]], **parameters: Any) -> dict[str, Any]:
    """The call's answer, or an empty one if what it is about is gone already."""
    try:
        return method(**parameters)
    except ClientError as error:
        if is_missing(error):
            return {}
        raise


_STREAMS = 20  # log streams deleted in one call; AWS allows a few deletions a second

KINDS = {
    "TrainingJob": Kind(
        service="sagemaker",
        resource="training-job",
        create="create_training_job",
        describe="describe_training_job",
        stop="stop_training_job",
        delete="delete_training_job",
        name="TrainingJobName",
        status="TrainingJobStatus",
        reason="FailureReason",
        ready=frozenset({"Completed"}),
        failed=frozenset({"Failed", "Stopped"}),
        running=frozenset({"InProgress"}),
        attributes=_training_job_attributes,
        clean=_clean_training_job,
    ),
}
