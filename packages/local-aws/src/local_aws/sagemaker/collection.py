"""Collections of SageMaker resources: names, ARNs, look-up, listing and tags."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from moto.core.exceptions import ServiceException

from local_aws.sagemaker.errors import ValidationException


def now() -> datetime:
    """The current time in milliseconds, the API's resolution."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Resource(Protocol):
    """The interface of a collection's members; `summary` has AWS's names."""

    name: str
    arn: str
    tags: dict[str, str]

    def summary(self) -> dict[str, Any]:
        """The resource's summary in List…."""


# filters by features that no resource here has
_OF_NOTHING = ("WarmPoolStatusEquals", "TrainingPlanArnEquals")
# of which CreationTimeAfter includes the moment itself
_FROM_THE_MOMENT = ("Model", "EndpointConfig", "Endpoint")
Item = TypeVar("Item", bound=Resource)
Error = Callable[[str], ServiceException]  # of a resource's ARN


class Collection(Generic[Item]):
    """The resources of one kind in one account and region.

    Args:
        kind: its name in ARNs, such as `training-job`.
        prefix: `arn:PARTITION:sagemaker:REGION:ACCOUNT`.
        label: the prefix of a summary's members, such as `TrainingJob` (Name, Arn, Status).
        taken, missing: the errors for an existing and a missing name.
        descending: whether listings are newest first by default.
        by: the default order.
    """

    def __init__(
        self,
        kind: str,
        prefix: str,
        label: str,
        *,
        taken: Error,
        missing: Error,
        descending: bool,
        by: str = "CreationTime",
    ) -> None:
        self.kind = kind
        self._prefix, self._label = prefix, label
        self._taken, self._missing = taken, missing
        self._descending, self._by = descending, by
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def arn(self, name: str) -> str:
        """The ARN of a resource with this name."""
        return f"{self._prefix}:{self.kind}/{name}"

    def check_free(self, name: str) -> None:
        """Raise AWS's error if `name` is taken."""
        if name in self._items:
            raise self._taken(self.arn(name))

    def add(self, item: Item) -> None:
        """Add a resource; AWS's error if its name is taken."""
        with self._lock:
            self.check_free(item.name)
            self._items[item.name] = item

    def get(self, name: str) -> Item:
        """The resource `name`; AWS's error if it does not exist."""
        item = self._items.get(name)
        if item is None:
            raise self._missing(self.arn(name))
        return item

    def find(self, name: str) -> Item | None:
        """The resource `name`, or None."""
        return self._items.get(name)

    def remove(self, name: str) -> None:
        """Delete the resource `name`; AWS's error if it does not exist."""
        with self._lock:
            self.get(name)
            del self._items[name]

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def page(self, params: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The summaries for a List… request, and the NextToken if there are more.

        Applies the filters, order and paging common to SageMaker's List… operations.
        """
        summaries = [item.summary() for item in self]
        params = {"SortBy": self._by, **params}
        return listing(summaries, params, self._label, descending=self._descending)


def listing(
    summaries: list[dict[str, Any]], params: Mapping[str, Any], label: str, *, descending: bool
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Those of the summaries that a List… request asks for, and its NextToken if there are more.

    Args:
        summaries: all.
        params: the request's filters, order and paging.
        label: as in the members of a summary, such as `TrainingJob` (Name, Arn, Status).
        descending: whether the default order is the newest first.
    """
    entries = [entry for entry in summaries if _wanted(entry, params, label)]
    by = params.get("SortBy", "CreationTime")
    if by == "FinalObjectiveMetricValue":
        known = "FinalHyperParameterTuningJobObjectiveMetric"
        entries = [entry for entry in entries if known in entry]
        entries.sort(key=lambda entry: entry[known]["Value"])
    else:
        key = by if by.endswith("Time") else f"{label}{by}"
        entries.sort(key=lambda entry: entry[key])
    if params.get("SortOrder", "Descending" if descending else "Ascending") == "Descending":
        entries.reverse()
    try:
        start = int(params.get("NextToken", 0))
    except ValueError:
        raise ValidationException("Invalid NextToken.") from None
    end = start + params.get("MaxResults", 10)
    return entries[start:end], {"NextToken": str(end)} if end < len(entries) else {}


def _wanted(entry: Mapping[str, Any], params: Mapping[str, Any], label: str) -> bool:
    status = params.get("StatusEquals")
    if params.get("NameContains", "").lower() not in entry[f"{label}Name"].lower():
        return False
    if status is not None and entry[f"{label}Status"] != status:
        return False
    if any(name in params for name in _OF_NOTHING):
        return False
    for field in ("CreationTime", "LastModifiedTime"):
        after, before = params.get(f"{field}After"), params.get(f"{field}Before")
        if after is not None and not (
            entry[field] > _aware(after)
            or (label in _FROM_THE_MOMENT and entry[field] == _aware(after))
        ):
            return False
        if before is not None and entry[field] >= _aware(before):
            return False
    return True


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
