"""The URLs of EventBridge Scheduler, from botocore's model."""

import re

from moto.core.utils import get_service_model

from local_aws.scheduler.responses import SchedulerResponse

url_bases = [r"https?://scheduler\.(.+)\.amazonaws\.com"]

_model = get_service_model("scheduler")
url_paths = {
    # tags belong to an ARN, which has slashes
    "{0}"
    + re.sub(
        r"\{(\w+)\}",
        lambda name: f"(?P<{name[1]}>{'.+' if name[1] == 'ResourceArn' else '[^/]+'})",
        _model.operation_model(name).http["requestUri"],
    )
    + "$": SchedulerResponse.dispatch
    for name in _model.operation_names
}
