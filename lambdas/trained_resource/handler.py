"""The two Lambda functions behind CDK's Provider for things that are trained.

Permissions: `on_event` needs none, it calls nothing. `is_complete` needs, for training jobs,
sagemaker:CreateTrainingJob, DescribeTrainingJob, StopTrainingJob and DeleteTrainingJob on the jobs
of its prefix (AddTags, if the request has tags), iam:PassRole of the training role to
sagemaker.amazonaws.com, logs:DescribeLogStreams on the group /aws/sagemaker/TrainingJobs and
logs:DeleteLogStream on the streams of its prefix, s3:ListBucket and s3:DeleteObject below the
training output.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any

from trained_resource import resource
from trained_resource.request import TrainedResourceError

_log = logging.getLogger("trained_resource")
_REASON = 1500  # bytes; CloudFormation takes 4 KB for the whole answer


def on_event(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Name the resource that CloudFormation asks for; see `resource.begin`."""
    return _answered(resource.begin, event, context)


def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the next step of what CloudFormation asks for; see `resource.proceed`."""
    return _answered(resource.proceed, event, context)


def _answered(
    work: Callable[[dict[str, Any]], dict[str, Any]], event: dict[str, Any], context: Any
) -> dict[str, Any]:
    sys.tracebacklimit = 1000
    told = {
        "request": event.get("RequestType"),
        "resource": event.get("LogicalResourceId"),
        "id": event.get("PhysicalResourceId"),
    }
    try:
        answer = work(event)
    except TrainedResourceError as error:
        _log.warning("failed", extra=told | {"error": str(error)})
        # Lambda would send a stack trace along; words suffice. A bug above keeps its trace.
        sys.tracebacklimit = 0
        stream = getattr(context, "log_stream_name", "unknown")
        reason = f"{event.get('LogicalResourceId')}: {error}".encode()[:_REASON]
        raise TrainedResourceError(
            f"{reason.decode(errors='ignore')} (log stream {stream})"
        ) from None
    _log.info("done", extra=told | {"answer": answer})
    return answer
