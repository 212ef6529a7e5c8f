"""The kinds of trained resources, and their operations in the AWS services.

A row has the operations of a kind and the paths into its descriptions that `resource` reads. A new
kind is a new row; `resource` does not change.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError
from common.clients import client

Description = Mapping[str, Any]

_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
_TRANSFORM_LOGS = "/aws/sagemaker/TransformJobs"
# as DescribeTrainingJob shows the metrics of built-in algorithms, and our script prints them
_VALIDATION = re.compile(
    r"#quality_metric: host=\S+, epoch=(\d+), validation (?:mean_squared_error|cross_entropy) "
    r"<loss>=(\S+)"
)

METRICS_LENGTH = 1024  # characters; CloudFormation limits the whole response to 4 KB


@dataclass(frozen=True)
class Thing:
    """One trained resource, which may or may not exist.

    Attributes:
        kind: its kind.
        name: its name, as in the create call.
        arn: its ARN with the name's capitals, which AWS's responses may change to lower case.
    """

    kind: "Kind"
    name: str
    arn: str

    def find(self) -> Description | None:
        """The resource's description, or None if it does not exist."""
        return self.kind.find(self)

    def call(self, method: str, found: Description | None = None) -> dict[str, Any]:
        """Call a method of the service that takes only the resource's name or ARN."""
        parameters = self.kind.identify(self, found or {})
        answer: dict[str, Any] = getattr(client(self.kind.service), method)(**parameters)
        return answer


def _identify(thing: Thing, found: Description) -> dict[str, str]:
    by = thing.kind.by
    if by.endswith("Arn"):
        return {by: value_at(found, thing.kind.arn) or thing.arn}
    return {by: thing.name}


def _describe(thing: Thing) -> Description | None:
    try:
        return thing.call(thing.kind.describe)
    except ClientError as error:
        if is_missing(error):
            return None
        raise


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of trained resource.

    Attributes:
        service: the name of the boto3 client.
        resource: the first part of the ARN's resource.
        create, describe, stop, delete: the client's methods. A kind without `stop` is waited for; a
            kind without `delete` is deleted with its parent.
        name: the create call's parameter for the name.
        by: the other calls' parameter that identifies a resource: its name or ARN.
        status, reason, arn: dotted paths into a description; without `arn` the ARN is derived from
            the name.
        ready: statuses in which the resource can be used.
        failed: statuses in which it has failed permanently and can be deleted.
        running: statuses in which it is training; empty if it is created within moments. In all
            other statuses, wait.
        attributes: computes the stack's attributes of a finished resource from its description.
        clean: deletes what the resource leaves elsewhere, given the resource and its definition
            (its description or create request); returns false to be called again.
        within: the member of the request with the parent's ARN, or with its ID; the resource's own
            ARN appends its name.
        identify: returns the other calls' parameters, given the resource and its description.
        idempotency: the create call's parameter by which the same call again answers the same
            resource; its value is the name.
        find: returns the description, or None if the resource does not exist.
        named: dotted path into a description, for kinds that cannot be deleted: after a failure,
            another one is created under the next name.
        stale: ready statuses that require replacement.
        queues: whether to wait until fewer resources of the kind are in progress.
        created: dotted path into a description, for kinds of which a new one can be compared with
            the one before.
    """

    service: str
    resource: str
    create: str
    describe: str
    stop: str | None
    delete: str | None
    name: str
    by: str
    status: str
    reason: str
    ready: frozenset[str]
    failed: frozenset[str]
    running: frozenset[str] = frozenset()
    arn: str = ""
    attributes: Callable[[Description], dict[str, str]] = lambda _: {}
    clean: Callable[[Thing, Description], bool] = lambda _thing, _definition: True
    within: str | None = None
    find: Callable[[Thing], Description | None] = _describe
    identify: Callable[[Thing, Description], dict[str, str]] = _identify
    idempotency: str | None = None
    named: str = ""
    stale: frozenset[str] = frozenset()
    queues: bool = False
    created: str = ""

    def state(self, found: Description) -> str:
        """The status of a description, with spaces for `_`: services and documentation differ."""
        return str(value_at(found, self.status)).replace("_", " ")


def is_missing(error: ClientError) -> bool:
    """Whether `error` means that the resource does not exist.

    SageMaker's describe and stop operations raise a ValidationException in this case.
    """
    code = error.response["Error"].get("Code", "")
    if code in ("ResourceNotFound", "ResourceNotFoundException", "NoSuchBucket", "404"):
        return True
    text = error.response["Error"].get("Message", "")
    return is_invalid(error) and bool(re.search("not found|could not find", text, re.IGNORECASE))


def is_invalid(error: ClientError) -> bool:
    """Whether `error` means that the request, or the resource's current state, is invalid."""
    code = error.response["Error"].get("Code", "")
    return code in ("ValidationException", "ValidationError", "InvalidInputException")


def value_at(description: Description, path: str) -> Any:
    """The member at a dotted path, or None if any part of it is missing."""
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
    # if there are too many metrics, keep those on held-out data first
    names = sorted(metrics, key=lambda name: (name.startswith("train"), name))
    while len(text := json.dumps({name: metrics[name] for name in names})) > METRICS_LENGTH:
        names.pop()
    return {
        "ModelDataUrl": value_at(description, "ModelArtifacts.S3ModelArtifacts") or "",
        "Metrics": text,
        "Epochs": _best_epochs(description),
    }


def _best_epochs(description: Description) -> str:
    """After how many epochs the loss on the channel `validation` was least, as the log says.

    Without that channel, how many epochs there were to be; empty where neither is told.
    """
    epochs = str(value_at(description, "HyperParameters.epochs") or "")
    channels = {one["ChannelName"] for one in description.get("InputDataConfig", [])}
    if not epochs or "validation" not in channels or "ModelArtifacts" not in description:
        return epochs
    job = description["TrainingJobName"]
    losses: dict[int, float] = {}
    for message in _log(_TRAINING_LOGS, f"{job}/"):
        if told := _VALIDATION.search(message):
            losses.setdefault(int(told[1]), float(told[2]))  # the kept epoch's is repeated
    if not losses:
        return ""
    # algorithms count from 0 or from 1
    return str(1 + min(losses, key=lambda epoch: losses[epoch]) - min(losses))


def _log(group: str, prefix: str) -> Iterator[str]:
    """The messages in all streams of a log group that begin with `prefix`, in order."""
    logs = client("logs")
    streams = _unless_missing(
        logs.describe_log_streams, logGroupName=group, logStreamNamePrefix=prefix
    )
    for stream in streams.get("logStreams", []):
        asked = {"logGroupName": group, "logStreamName": stream["logStreamName"]}
        token: dict[str, str] = {}
        while True:
            page = logs.get_log_events(**asked, startFromHead=True, **token)
            yield from (event["message"] for event in page["events"])
            if token.get("nextToken") == page["nextForwardToken"]:
                break  # the end: CloudWatch Logs answers the token that it got
            token = {"nextToken": page["nextForwardToken"]}


def _clean_training_job(thing: Thing, definition: Description) -> bool:
    """Delete a job's log streams and output folder, one page of each per call."""
    more = _delete_log_streams(_TRAINING_LOGS, f"{thing.name}/")
    if output := _place_at(definition, "OutputDataConfig.S3OutputPath"):
        bucket, path = output
        more |= _delete_objects(bucket, f"{path}{thing.name}/")
    return not more


def _place_at(definition: Description, path: str) -> tuple[str, str] | None:
    """The bucket and the prefix, which ends in / or is empty, of a member; None if it is none."""
    found = re.fullmatch(r"s3://([^/]+)/?(.*)", str(value_at(definition, path) or ""))
    if found is None:
        return None
    prefix = found[2].strip("/")
    return found[1], f"{prefix}/" if prefix else ""


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
    """The call's response, or an empty one if the resource no longer exists."""
    try:
        return method(**parameters)
    except ClientError as error:
        if is_missing(error):
            return {}
        raise


_STREAMS = 20  # log streams deleted per call; AWS allows a few deletions per second


# SageMaker's transform job -----------------------------------------------------------------------


def _find_transform_job(thing: Thing) -> Description | None:
    """The newest job with this name or a later one (`NAME--2`): SageMaker keeps all of them.

    A completed one whose output was deleted is `Emptied`.
    """
    found: Description | None = None
    name = thing.name
    while described := _describe(replace(thing, name=name)):
        found, name = described, next_name(name)
    output = _place_at(found or {}, _TRANSFORMED)
    if found and output and found["TransformJobStatus"] == "Completed":
        bucket, prefix = output
        listed = _unless_missing(
            client("s3").list_objects_v2, Bucket=bucket, Prefix=prefix, MaxKeys=1
        )
        if not listed.get("KeyCount"):
            return {**found, "TransformJobStatus": "Emptied"}
    return found


def _clean_transform_job(thing: Thing, definition: Description) -> bool:
    """Delete the output and the log streams of all jobs of the name, one page of each per call."""
    more = [_delete_log_streams(_TRANSFORM_LOGS, f"{thing.name}{end}") for end in ("/", "--")]
    output = _place_at(definition, _TRANSFORMED)
    if output and output[1]:
        more.append(_delete_objects(*output))
    return not any(more)


_TRANSFORMED = "TransformOutput.S3OutputPath"


# Personalize -------------------------------------------------------------------------------------


def next_name(name: str) -> str:
    """The name after `name`: `NAME--2` after `NAME`, then `NAME--3`."""
    first, _, number = name.partition("--")
    return f"{first}--{int(number or 1) + 1}"


def _is_ours(thing: Thing, name: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(thing.name)}(--\d+)?", name))


def _find_import(thing: Thing) -> Description | None:
    """The newest import with this name or a later one (`NAME--2`).

    A dataset contains the data of its newest import. If that is another one, or the dataset was
    created again since, the status is OVERTAKEN, or BEING OVERTAKEN while the other still runs.
    """
    first = _describe(thing)
    if first is None:
        return None
    personalize = client("personalize")
    dataset = first["datasetImportJob"]["datasetArn"]
    ours, others = [first["datasetImportJob"]], []
    try:
        others.append(personalize.describe_dataset(datasetArn=dataset)["dataset"])
        for page in personalize.get_paginator("list_dataset_import_jobs").paginate(
            datasetArn=dataset
        ):
            for job in page["datasetImportJobs"]:
                if _is_ours(thing, job["jobName"]):
                    ours.append(job)
                elif job.get("importMode") != "INCREMENTAL" and "FAILED" not in job["status"]:
                    others.append(job)
    except ClientError as error:
        if not is_missing(error):
            raise
        return None  # the dataset was deleted with its data
    newest = max(ours, key=_age)
    described = personalize.describe_dataset_import_job(
        datasetImportJobArn=newest["datasetImportJobArn"]
    )["datasetImportJob"]
    newer = [other["status"] for other in others if _age(other) > _age(newest)]
    if newer and described["status"] == "ACTIVE":
        runs = any(status.replace("_", " ") in _TRAINING for status in newer)
        described["status"] = "BEING OVERTAKEN" if runs else "OVERTAKEN"
    return {"datasetImportJob": described}


def _age(described: Description) -> Any:
    return described["creationDateTime"]


def _find_version(thing: Thing) -> Description | None:
    """The newest version with this name or a later one (`NAME--2`).

    Neither a version's ARN nor a list of versions contains the name.
    """
    solution, _, _ = thing.arn.rpartition("/")
    personalize = client("personalize")
    found: list[Description] = []
    try:
        for page in personalize.get_paginator("list_solution_versions").paginate(
            solutionArn=solution
        ):
            for summary in page["solutionVersions"]:
                arn = summary["solutionVersionArn"]
                described = personalize.describe_solution_version(solutionVersionArn=arn)
                if _is_ours(thing, described["solutionVersion"].get("name", "")):
                    found.append(described)
    except ClientError as error:
        if not is_missing(error):
            raise
    return max(found, key=lambda one: _age(one["solutionVersion"]), default=None)


def _clean_solution(thing: Thing, _: Description) -> bool:
    """Stop versions in training; false as long as there are any."""
    personalize = client("personalize")
    busy = False
    try:
        for page in personalize.get_paginator("list_solution_versions").paginate(
            solutionArn=thing.arn
        ):
            for summary in page["solutionVersions"]:
                status = summary["status"].replace("_", " ")
                busy |= status in _TRAINING or status == "CREATE STOPPING"
                if status in _TRAINING:
                    arn = summary["solutionVersionArn"]
                    personalize.stop_solution_version_creation(solutionVersionArn=arn)
    except ClientError as error:
        if is_invalid(error) or is_missing(error):
            return not is_invalid(error)  # a version ended meanwhile, or everything is deleted
        raise
    return not busy


def _version_attributes(description: Description) -> dict[str, str]:
    version = description["solutionVersion"]
    arn, metrics = version["solutionVersionArn"], {}
    if version["status"] == "ACTIVE":
        metrics = client("personalize").get_solution_metrics(solutionVersionArn=arn)["metrics"]
    return {"Arn": arn, "Metrics": _rounded(metrics)}


def _recommender_attributes(description: Description) -> dict[str, str]:
    return {"Metrics": _rounded(description["recommender"].get("modelMetrics") or {})}


def _rounded(metrics: Mapping[str, float]) -> str:
    return json.dumps({name: float(f"{metrics[name]:.4g}") for name in sorted(metrics)})


_TRAINING = frozenset({"CREATE PENDING", "CREATE IN PROGRESS"})


# EMR Serverless's job run ------------------------------------------------------------------------


def _application(thing: Thing) -> str:
    return thing.arn.split("/")[-2]


def _find_job_run(thing: Thing) -> Description | None:
    """The newest job run with this name or a later one (`NAME--2`): its ARN has an ID instead."""
    emr = client("emr-serverless")
    found: list[Description] = []
    try:
        for page in emr.get_paginator("list_job_runs").paginate(applicationId=_application(thing)):
            found += [run for run in page["jobRuns"] if _is_ours(thing, run.get("name", ""))]
        if not found:
            return None
        newest = max(found, key=lambda run: run["createdAt"])
        described: Description = emr.get_job_run(
            applicationId=_application(thing), jobRunId=newest["id"]
        )
    except ClientError as error:
        if is_missing(error):
            return None  # or its application does not exist
        raise
    return described


def _output_of(definition: Description) -> tuple[str, str]:
    """Bucket and prefix of a job's argument `--out`; empty if it has none."""
    driver = value_at(definition, "jobRun.jobDriver") or value_at(definition, "jobDriver") or {}
    arguments = [*(value_at(driver, "sparkSubmit.entryPointArguments") or []), ""]
    place = arguments[arguments.index("--out") + 1] if "--out" in arguments else ""
    found = re.fullmatch(r"s3://([^/]+)/(.+/)", str(place))
    return (found[1], found[2]) if found else ("", "")


def _clean_job_run(thing: Thing, definition: Description) -> bool:
    """Delete a job's output, and stop an application that runs nothing else.

    CloudFormation cannot delete an application that is started.
    """
    bucket, prefix = _output_of(definition)
    if prefix and _delete_objects(bucket, prefix):
        return False
    emr, application = client("emr-serverless"), _application(thing)
    found = _unless_missing(emr.get_application, applicationId=application)
    state = value_at(found, "application.state")
    if state in ("STARTING", "STARTED"):
        try:
            emr.stop_application(applicationId=application)
        except ClientError as error:
            if not is_missing(error) and not is_invalid(error):
                raise
            return is_invalid(error)  # it runs another job, whose deletion stops it
    return state not in ("STARTING", "STARTED", "STOPPING")


def _of_personalize(noun: str) -> Kind:
    """What the kinds of Personalize have in common, which names everything after the resource.

    Args:
        noun: such as `solution_version`.
    """
    first, *others = noun.split("_")
    key = first + "".join(word.capitalize() for word in others)
    return Kind(
        service="personalize",
        resource=noun.replace("_", "-"),
        create=f"create_{noun}",
        describe=f"describe_{noun}",
        stop=None,
        delete=None,
        name="name",
        by=f"{key}Arn",
        status=f"{key}.status",
        reason=f"{key}.failureReason",
        ready=frozenset({"ACTIVE"}),
        failed=frozenset({"CREATE FAILED"}),
    )


KINDS = {
    "TrainingJob": Kind(
        service="sagemaker",
        resource="training-job",
        create="create_training_job",
        describe="describe_training_job",
        stop="stop_training_job",
        delete="delete_training_job",
        name="TrainingJobName",
        by="TrainingJobName",
        status="TrainingJobStatus",
        reason="FailureReason",
        ready=frozenset({"Completed"}),
        failed=frozenset({"Failed", "Stopped"}),
        running=frozenset({"InProgress"}),
        attributes=_training_job_attributes,
        clean=_clean_training_job,
        queues=True,
    ),
    # SageMaker cannot delete one
    "TransformJob": Kind(
        service="sagemaker",
        resource="transform-job",
        create="create_transform_job",
        describe="describe_transform_job",
        stop="stop_transform_job",
        delete=None,
        name="TransformJobName",
        by="TransformJobName",
        identify=lambda thing, found: {
            "TransformJobName": value_at(found, "TransformJobName") or thing.name
        },
        status="TransformJobStatus",
        reason="FailureReason",
        ready=frozenset({"Completed", "Emptied"}),
        failed=frozenset({"Failed", "Stopped"}),
        running=frozenset({"InProgress"}),
        clean=_clean_transform_job,
        find=_find_transform_job,
        named="TransformJobName",
        stale=frozenset({"Emptied"}),
        queues=True,
    ),
    "DatasetImportJob": replace(
        _of_personalize("dataset_import_job"),
        name="jobName",
        ready=frozenset({"ACTIVE", "OVERTAKEN"}),
        running=_TRAINING,
        find=_find_import,
        named="datasetImportJob.jobName",
        stale=frozenset({"OVERTAKEN"}),
        queues=True,
    ),
    "Solution": replace(
        _of_personalize("solution"), delete="delete_solution", clean=_clean_solution
    ),
    "SolutionVersion": replace(
        _of_personalize("solution_version"),
        resource="solution",
        stop="stop_solution_version_creation",
        arn="solutionVersion.solutionVersionArn",
        failed=frozenset({"CREATE FAILED", "CREATE STOPPED"}),
        running=_TRAINING,
        attributes=_version_attributes,
        within="solutionArn",
        find=_find_version,
        named="solutionVersion.name",
        queues=True,
        created="solutionVersion.creationDateTime",
    ),
    "Recommender": replace(
        _of_personalize("recommender"),
        delete="delete_recommender",
        # a manually stopped recommender is left alone: it costs nothing and can be restarted
        ready=frozenset({"ACTIVE", "INACTIVE"}),
        running=_TRAINING,
        attributes=_recommender_attributes,
    ),
    # a dataset group has one at most: a changed one cannot be made before the old one is deleted
    "MetricAttribution": replace(
        _of_personalize("metric_attribution"), delete="delete_metric_attribution"
    ),
    "JobRun": Kind(
        service="emr-serverless",
        resource="/applications",
        create="start_job_run",
        describe="get_job_run",
        stop="cancel_job_run",
        delete=None,
        name="name",
        by="jobRunId",
        identify=lambda thing, found: {
            "applicationId": _application(thing),
            "jobRunId": value_at(found, "jobRun.jobRunId"),
        },
        idempotency="clientToken",
        status="jobRun.state",
        reason="jobRun.stateDetails",
        ready=frozenset({"SUCCESS"}),
        failed=frozenset({"FAILED", "CANCELLED"}),
        running=frozenset({"SUBMITTED", "PENDING", "SCHEDULED", "QUEUED", "RUNNING"}),
        clean=_clean_job_run,
        within="applicationId",
        find=_find_job_run,
        named="jobRun.name",
    ),
}
