"""The URLs of EventBridge Scheduler."""

from local_aws.api import rest_paths
from local_aws.scheduler.responses import SchedulerResponse

url_bases = [r"https?://scheduler\.(.+)\.amazonaws\.com"]
url_paths = rest_paths(SchedulerResponse)
