"""FilterLogEvents with prefixes of stream names, log groups by name or ARN, keys of log groups, and
no exports."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from moto.core.responses import BaseResponse

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.documents import read_json

_ARN: Final = re.compile(r"arn:[^:]+:logs:[^:]*:\d*:log-group:(.+)", re.DOTALL)

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


def group_name(identifier: str) -> str:
    """The name of a log group that is identified by its name or its ARN."""
    arn = _ARN.fullmatch(identifier)
    return (arn[1] if arn else identifier).removesuffix(":*")


def by_prefix(filter_log_events: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """moto's FilterLogEvents, with support for prefixes of stream names."""

    def filtered(response: Any) -> Any:
        prefix = response._get_param("logStreamNamePrefix")
        if prefix:
            if response._get_param("logStreamNames"):
                raise AwsError(
                    "InvalidParameterException",
                    "LogStreamNamePrefix and LogStreamNames are mutually exclusive.",
                )
            group = response.logs_backend.groups.get(response._get_param("logGroupName"))
            names = [name for name in (group.streams if group else ()) if name.startswith(prefix)]
            asked = read_json(response.body) | {
                "logStreamNames": names or [""]
            }  # "" matches no stream
            response.body = json.dumps(asked)
        return filter_log_events(response)

    return filtered


def of_known_days(put_retention_policy: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """moto's PutRetentionPolicy, of the periods that there are."""

    def put(response: Any) -> Any:
        days = response._get_param("retentionInDays")
        if days not in _DAYS:
            known = ", ".join(map(str, _DAYS))
            raise AwsError(
                "InvalidParameterException",
                f"Invalid retention value {days}. The valid values are: [{known}]",
            )
        return put_retention_policy(response)

    return put


def parameter(response: Any, param_name: str, if_none: Any = None) -> Any:
    """A parameter; log groups may also be given by an identifier, a name or ARN."""
    found = BaseResponse._get_param(response, param_name, if_none)
    if param_name != "logGroupName":
        return found
    identifier = BaseResponse._get_param(response, "logGroupIdentifier")
    if identifier is None:
        return found
    if found is not None:
        raise AwsError(
            "InvalidParameterException",
            "LogGroup name and identifier cannot be specified at the same time.",
        )
    return group_name(identifier)


def associate_kms_key(response: Any) -> str:
    """AssociateKmsKey: of one log group."""
    response.logs_backend.associate_kms_key(_key_holder(response), response._get_param("kmsKeyId"))
    return ""


def disassociate_kms_key(response: Any) -> str:
    """DisassociateKmsKey: of one log group."""
    response.logs_backend.associate_kms_key(_key_holder(response), None)
    return ""


def _key_holder(response: Any) -> str:
    """The name of the group whose key changes.

    Raises:
        AwsError: none is named, or twice.
        NotImplementedByLocalAws: the results of queries are named.
    """
    name, arn = response._get_param("logGroupName"), response._get_param("resourceIdentifier")
    if bool(name) == bool(arn):
        raise AwsError(
            "InvalidParameterException",
            "Exactly one of logGroupName and resourceIdentifier must be specified.",
        )
    if arn and not _ARN.fullmatch(arn):
        raise NotImplementedByLocalAws(f"a KMS key of {arn}: only log groups have one")
    return group_name(name or arn)


def no_exports(_: Any) -> str:
    """Refuse CreateExportTask.

    Raises:
        NotImplementedByLocalAws: always.
    """
    raise NotImplementedByLocalAws(
        "logs:CreateExportTask; read the events with FilterLogEvents and put them into the bucket"
    )
