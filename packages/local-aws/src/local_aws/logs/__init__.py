"""CloudWatch Logs: moto's, with filter patterns that look into JSON, and prefixes of streams."""

import json
from typing import Any

from local_aws.api import AwsError
from local_aws.documents import read_json


def install() -> None:
    """Take the place of moto's filter, for which every pattern that it cannot read matches, and
    which knows no prefix of streams."""
    import moto.logs.models as moto
    from moto.logs.responses import LogsResponse

    from local_aws.logs.patterns import FilterPattern

    moto.EventMessageFilter = FilterPattern  # type: ignore[attr-defined,assignment]
    if LogsResponse.filter_log_events is not _filter_log_events:
        LogsResponse.filter_named = LogsResponse.filter_log_events  # type: ignore[attr-defined]
        LogsResponse.filter_log_events = _filter_log_events  # type: ignore[method-assign]


def _filter_log_events(self: Any) -> Any:
    """FilterLogEvents: a prefix stands for the names that begin with it."""
    prefix = self._get_param("logStreamNamePrefix")
    if prefix:
        if self._get_param("logStreamNames"):
            raise AwsError(
                "InvalidParameterException",
                "LogStreamNamePrefix and LogStreamNames are mutually exclusive.",
            )
        group = self.logs_backend.groups.get(self._get_param("logGroupName"))
        names = [name for name in (group.streams if group else ()) if name.startswith(prefix)]
        asked = read_json(self.body) | {"logStreamNames": names or [""]}  # "" is no stream's
        self.body = json.dumps(asked)
    return self.filter_named()
