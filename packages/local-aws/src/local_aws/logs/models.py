"""moto's log groups, with the KMS keys that encrypt their events.

CloudWatch Logs itself uses the key, as its policy must permit, whenever events are stored or read;
events that a key encrypted need it even if the group has another one, or none, since. AWS does not
document the error if that fails later on; here it is the one of a new association.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html
"""

import re
from typing import Any, Final

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup, LogsBackend

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.iam import access, keys

_ARN: Final = re.compile(r"arn:[\w-]+:kms:[\w-]+:\d{12}:key/[\w-]+")
# what AWS's policy for CloudWatch Logs allows it; its condition leaves DescribeKey out
_NEEDED: Final = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey")
_CONTEXT: Final = "kms:EncryptionContext:aws:logs:arn"


class LocalLogsBackend(LogsBackend):
    """moto's backend, which encrypts with the keys of groups."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._sealed: dict[str, set[str]] = {}  # a group's name → the keys of its events

    def create_log_group(self, log_group_name: str, tags: Any, **settings: Any) -> LogGroup:
        """Create a log group.

        Raises:
            AwsError: its key does not exist, is disabled or does not permit its use.
        """
        key = settings.get("kmsKeyId")
        if key and log_group_name not in self.groups:
            place = f"arn:{self.partition}:logs:{self.region_name}:{self.account_id}"
            self._check_new(key, f"{place}:log-group:{log_group_name}")
        return super().create_log_group(log_group_name, tags, **settings)

    def delete_log_group(self, log_group_name: str) -> None:
        """Delete a log group with its events."""
        super().delete_log_group(log_group_name)
        self._sealed.pop(log_group_name, None)

    def associate_kms_key(self, name: str, key: str | None) -> None:
        """Encrypt what is stored in a group from now on with a key, or with one of AWS (None).

        Raises:
            AwsError: there is no such group, or as for a new group's key.
        """
        group = self._group(name)
        if key:
            self._check_new(key, _arn(group))
        group.kms_key_id = key

    def put_log_events(self, log_group_name: str, *arguments: Any, **named: Any) -> Any:
        """Store events."""
        group = self.groups.get(log_group_name)
        key = group.kms_key_id if group else None
        if group and key:
            self._check(key, _arn(group))
        answer = super().put_log_events(log_group_name, *arguments, **named)
        if key:
            self._sealed.setdefault(log_group_name, set()).add(key)
        return answer

    def get_log_events(
        self, log_group_name: str, log_group_id: str, *arguments: Any, **named: Any
    ) -> Any:
        """Read the events of a stream."""
        self._check_stored(self._find_log_group(log_group_id, log_group_name))
        return super().get_log_events(log_group_name, log_group_id, *arguments, **named)

    def filter_log_events(self, log_group_name: str, *arguments: Any, **named: Any) -> Any:
        """Find events of several streams."""
        if log_group_name in self.groups:
            self._check_stored(self.groups[log_group_name])
        return super().filter_log_events(log_group_name, *arguments, **named)

    def start_query(self, log_group_names: list[str], *arguments: Any, **named: Any) -> str:
        """Begin to query the events of several groups.

        Raises:
            NotImplementedByLocalAws: they are identified in another way than by their names.
        """
        if not log_group_names:
            raise NotImplementedByLocalAws("logs:StartQuery without names of log groups")
        for name in log_group_names:
            self._check_stored(self._group(name))
        return super().start_query(log_group_names, *arguments, **named)

    def start_live_tail(
        self, log_group_identifiers: list[str], *arguments: Any, **named: Any
    ) -> Any:
        """Begin to follow the events of several groups."""
        for identifier in log_group_identifiers:
            self._check_stored(self._find_live_tail_log_group(identifier))
        return super().start_live_tail(log_group_identifiers, *arguments, **named)

    def _group(self, name: str) -> LogGroup:
        if name not in self.groups:
            raise ResourceNotFoundException()
        return self.groups[name]

    def _check_stored(self, group: LogGroup) -> None:
        for key in sorted(self._sealed.get(group.name, ())):
            self._check(key, _arn(group))

    def _check_new(self, key: str, group: str) -> None:
        if not _ARN.fullmatch(key):
            why: str | None = f"{key} is not the ARN of a key"
        else:
            why = keys.fault(key, self.account_id, self.region_name)
        if why:
            raise AwsError(
                "InvalidParameterException",
                f"The specified KMS Key Id could not be found or used for '{group}': {why}",
            )
        self._check(key, group)

    def _check(self, key: str, group: str) -> None:
        """Check that CloudWatch Logs may use a key.

        Raises:
            AwsError: it may not.
        """
        principal = f"logs.{self.region_name}.amazonaws.com"
        if why := access.key_refusal(principal, key, _NEEDED, group, {_CONTEXT: group}):
            raise AwsError(
                "AccessDeniedException",
                "The specified KMS key does not exist or is not allowed to be used with Arn "
                f"'{group}': {why}",
            )


def _arn(group: LogGroup) -> str:
    return str(group.arn).removesuffix(":*")
