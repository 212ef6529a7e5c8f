"""The two Lambda functions behind CDK's Provider for trained resources.

Permissions: `on_event` needs none, because it makes no calls. `is_complete` needs, for training
jobs, sagemaker:CreateTrainingJob, DescribeTrainingJob, StopTrainingJob and DeleteTrainingJob on the
jobs of its prefix (AddTags, if the request has tags), iam:PassRole of the training role to
sagemaker.amazonaws.com, logs:DescribeLogStreams on the group /aws/sagemaker/TrainingJobs and
logs:DeleteLogStream on the streams of its prefix, s3:ListBucket and s3:DeleteObject below the
training output. For transform jobs it needs sagemaker:CreateTransformJob, DescribeTransformJob and
StopTransformJob, and for their logs and output the same as for training jobs. For Spark jobs it
needs emr-serverless:StartJobRun, ListJobRuns, GetJobRun, CancelJobRun, GetApplication and
StopApplication, iam:PassRole of the job's role to emr-serverless.amazonaws.com, and s3:ListBucket
and s3:DeleteObject below the jobs' output.
"""

import logging
from collections.abc import Callable
from typing import Any

from common.custom_resource import polled

from trained_resource import resource
from trained_resource.request import TrainedResourceError

_log = logging.getLogger("trained_resource")


def on_event(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the requested resource's physical id; see `resource.begin`."""
    return _answered(resource.begin, event, context)


def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the next step of CloudFormation's request; see `resource.proceed`."""
    return _answered(resource.proceed, event, context)


def _answered(
    work: Callable[[dict[str, Any]], dict[str, Any]], event: dict[str, Any], context: Any
) -> dict[str, Any]:
    answer = polled(TrainedResourceError, event, context, lambda: work(event))
    told = {
        "request": event.get("RequestType"),
        "resource": event.get("LogicalResourceId"),
        "id": event.get("PhysicalResourceId"),
    }
    _log.info("done", extra=told | {"answer": answer})
    return answer
