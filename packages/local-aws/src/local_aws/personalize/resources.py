"""Named resources of the control plane, their states, and transitions between states."""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.utilities.utils import get_partition

from local_aws.personalize import access, errors
from local_aws.personalize.data import GroupData
from local_aws.servicequotas.models import applied

Params = dict[str, Any]  # of a request or a response, by AWS's names

log = logging.getLogger("local_aws.personalize")
_PAGE = 100
_DELETION = 0.5  # seconds that a deletion waits to be seen by a Describe
TAGS = 50
_USES_DATA = ("", "CREATE", "START")  # the verbs of transitions that do


@dataclass(frozen=True)
class Kind:
    """A resource type and its names in the API.

    Attributes:
        name: the member of a Describe response.
        plural: the member of a List response.
        path: the first part of the ARN's resource.
        parent: the filter parameter of List.
    """

    name: str
    plural: str
    path: str
    parent: str | None = None

    @property
    def arn(self) -> str:
        """The name of the ARN's parameter and attribute."""
        return f"{self.name}Arn"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("datasetGroup", "datasetGroups", "dataset-group"),
        Kind("schema", "schemas", "schema"),
        Kind("dataset", "datasets", "dataset", "datasetGroupArn"),
        Kind("datasetImportJob", "datasetImportJobs", "dataset-import-job", "datasetArn"),
        Kind("datasetExportJob", "datasetExportJobs", "dataset-export-job", "datasetArn"),
        Kind("dataDeletionJob", "dataDeletionJobs", "data-deletion-job", "datasetGroupArn"),
        Kind("metricAttribution", "metricAttributions", "metric-attribution", "datasetGroupArn"),
        Kind("solution", "solutions", "solution", "datasetGroupArn"),
        Kind("solutionVersion", "solutionVersions", "solution", "solutionArn"),
        Kind("campaign", "campaigns", "campaign", "solutionArn"),
        Kind("recommender", "recommenders", "recommender", "datasetGroupArn"),
        Kind("filter", "Filters", "filter", "datasetGroupArn"),
        Kind("eventTracker", "eventTrackers", "event-tracker", "datasetGroupArn"),
        Kind(
            "batchInferenceJob", "batchInferenceJobs", "batch-inference-job", "solutionVersionArn"
        ),
        Kind("batchSegmentJob", "batchSegmentJobs", "batch-segment-job", "solutionVersionArn"),
    )
}


class Failed(Exception):
    """A transition failed; the message becomes the failureReason."""


class Stopped(Exception):
    """A transition was stopped on request."""


@dataclass(eq=False)
class Resource:
    """One resource.

    Attributes:
        kind: the resource type.
        arn: its ARN.
        group: the ARN of its dataset group, "" for a schema.
        attributes: its attributes in Describe, and a few internal ones.
        tags: tags by key.
        inner: the in-process implementation, by kind.
        seen: set when a Describe has shown the deletion.
    """

    kind: Kind
    arn: str
    group: str
    attributes: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    inner: Any = None
    seen: threading.Event = field(default_factory=threading.Event)

    @property
    def deleting(self) -> bool:
        """Whether it is being deleted."""
        return self.status.startswith("DELETE")

    @property
    def status(self) -> str:
        """Its state; a schema has none and is always ready."""
        return str(self.attributes.get("status", "ACTIVE"))

    @property
    def busy(self) -> bool:
        """Whether a transition is in progress, including an update."""
        return any(in_progress(str(each.get("status", ""))) for each in self.layers())

    def layers(self) -> Iterable[dict[str, Any]]:
        """The attributes, and those of its latest update: each has a status."""
        yield self.attributes
        for name, value in self.attributes.items():
            if name.startswith("latest") and name.endswith("Update"):
                yield value

    def __getitem__(self, name: str) -> Any:
        return self.attributes.get(name)


def in_progress(status: str) -> bool:
    """Whether a status is transitional."""
    return status.endswith(("PENDING", "IN_PROGRESS", "STOPPING"))


class Registry:
    """All resources of one account in one region, and their transitions."""

    def __init__(self, region_name: str, account_id: str) -> None:
        self.region_name = region_name
        self.account_id = account_id
        self.lock = threading.RLock()
        self.resources: dict[str, Resource] = {}
        self.closing: list[Callable[[], None]] = []  # resources to close at the end

    def close(self) -> None:
        """End all processes."""
        for resource in list(self.resources.values()):
            if hasattr(resource.inner, "close"):
                resource.inner.close()
        for close in list(self.closing):
            close()

    def arn_of(self, kind: str, *parts: str) -> str:
        """The ARN of a resource with this name."""
        place = f"personalize:{self.region_name}:{self.account_id}"
        name = "/".join((KINDS[kind].path, *parts))
        return f"arn:{get_partition(self.region_name)}:{place}:{name}"

    def find(self, kind: str, arn: str, *, ready: bool = False) -> Resource:
        """The resource with this ARN.

        Args:
            kind: the expected resource type.
            arn: its ARN.
            ready: whether it must be ACTIVE.

        Raises:
            NotFound: there is none.
            InUse, InvalidInput: it is not ready yet, or has failed.
        """
        with self.lock:
            resource = self.resources.get(arn)
        if resource is None or resource.kind is not KINDS[kind]:
            raise errors.NotFound(arn)
        if ready and resource.status != "ACTIVE":
            error = errors.InUse if in_progress(resource.status) else errors.InvalidInput
            raise error(f"{arn} is in status {resource.status}; it must be ACTIVE.")
        return resource

    def data(self, group: str) -> GroupData:
        """The data of the dataset group with this ARN."""
        inner = self.find("datasetGroup", group).inner
        assert isinstance(inner, GroupData)
        return inner

    def key_refusal(self, group: str) -> str | None:
        """The reason why the key of a dataset group cannot be used; None if it can, or has none."""
        with self.lock:
            found = self.resources.get(group)
        if found is None or not found["kmsKeyArn"]:
            return None
        return access.key_refusal(found["kmsKeyArn"], found["roleArn"], group)

    def open(self, group: str) -> None:
        """Check that the data of a dataset group can be decrypted.

        Raises:
            InvalidInput: its key cannot be used.
        """
        if why := self.key_refusal(group):
            raise errors.InvalidInput(f"The key of {group} cannot be used: {why}")

    def all(self, kind: str, **where: Any) -> list[Resource]:
        """The resources of a kind with the given attributes, in order of creation."""
        with self.lock:
            return [
                resource
                for resource in self.resources.values()
                if resource.kind is KINDS[kind]
                and all(resource.attributes.get(name) == value for name, value in where.items())
            ]

    def add(
        self, kind: str, arn: str, group: str, attributes: dict[str, Any], params: dict[str, Any]
    ) -> Resource:
        """Create a resource without a status.

        Raises:
            AlreadyExists: the ARN is taken.
            TooManyTags: more than fifty.
        """
        tags = {tag["tagKey"]: tag["tagValue"] for tag in params.get("tags") or []}
        if len(tags) > TAGS:
            raise errors.TooManyTags(f"A resource may have {TAGS} tags, not {len(tags)}.")
        made = now()
        with self.lock:
            if arn in self.resources:
                raise errors.AlreadyExists(arn)
            resource = Resource(KINDS[kind], arn, group, {**attributes}, tags)
            resource.attributes[KINDS[kind].arn] = arn
            resource.attributes["creationDateTime"] = made
            resource.attributes["lastUpdatedDateTime"] = made
            self.resources[arn] = resource
        return resource

    def page(self, kind: str, params: dict[str, Any]) -> dict[str, Any]:
        """A List answer.

        Raises:
            InvalidNextToken: the token is invalid.
        """
        described = KINDS[kind]
        found = self.all(kind)
        if described.parent and params.get(described.parent) is not None:
            parent = params[described.parent]
            found = [each for each in found if each[described.parent] == parent]
        return paged(described.plural, [r.attributes for r in found], params)

    def quota(self, count: int, name: str) -> None:
        """Check that one more is allowed.

        Args:
            count: the current number.
            name: the quota's name in Service Quotas.

        Raises:
            LimitExceeded: otherwise.
        """
        most = applied("personalize", name, self.account_id, self.region_name)
        if count >= most:
            raise errors.LimitExceeded(
                f"The quota '{name}' of {most:g} is used up. Delete one, or wait for it to end."
            )

    def work(
        self,
        resource: Resource,
        verb: str,
        done: str | None,
        task: Callable[[], None] | None = None,
        layer: dict[str, Any] | None = None,
        then: Callable[[], None] | None = None,
        gate: threading.Semaphore | None = None,
    ) -> None:
        """Run a transition from `VERB PENDING` through `VERB IN_PROGRESS` to `done`, in a thread.

        Args:
            resource: the resource.
            verb: CREATE, DELETE, START, STOP…; empty for single-word states.
            done: the final state; None if the resource is deleted.
            task: the work; it raises `Failed` with the failureReason.
            layer: the attributes with the state, by default the resource's own.
            then: called on success, before the state becomes visible.
            gate: limits concurrent transitions; others are pending.
        """
        attributes = resource.attributes if layer is None else layer
        attributes["status"] = f"{verb} PENDING".strip()

        def run() -> None:
            with gate or contextlib.nullcontext():
                with self.lock:
                    if (
                        attributes["status"] != f"{verb} PENDING".strip()
                    ):  # stopped before it started
                        return
                    self.turn(attributes, f"{verb} IN_PROGRESS".strip())
                try:
                    if verb in _USES_DATA and (why := self.key_refusal(resource.group)):
                        raise Failed(f"The key of {resource.group} cannot be used: {why}")
                    if task is not None:
                        task()
                except Stopped:
                    self.turn(attributes, f"{verb} STOPPED")
                    return
                except Exception as error:
                    reason = str(error) if isinstance(error, Failed) else repr(error)
                    if not isinstance(error, Failed):
                        log.exception("%s %s", verb, resource.arn)
                    attributes["failureReason"] = reason
                    self.turn(attributes, f"{verb} FAILED".strip())
                    return
            if done is None:  # AWS takes some time, so clients wait until they have seen it
                resource.seen.wait(_DELETION)
            with self.lock:
                if then is not None:
                    then()
                if done is not None:
                    self.turn(attributes, done)
                elif self.resources.get(resource.arn) is resource:
                    del self.resources[resource.arn]

        threading.Thread(target=run, name=resource.arn, daemon=True).start()

    def turn(self, attributes: dict[str, Any], status: str) -> None:
        """Show a new state."""
        with self.lock:
            attributes["status"] = status
            attributes["lastUpdatedDateTime"] = now()

    def delete(self, resource: Resource, task: Callable[[], None] | None = None) -> None:
        """Begin to delete.

        Raises:
            InUse: a transition is in progress.
        """
        with self.lock:
            self.idle(resource)
            self.work(resource, "DELETE", None, task)

    def idle(self, resource: Resource) -> None:
        """Check that no transition of the resource is in progress.

        Raises:
            InUse: otherwise.
        """
        if resource.busy:
            states = [str(layer.get("status")) for layer in resource.layers()]
            raise errors.InUse(
                f"{resource.arn} is in status {', '.join(states)}; wait until that is over."
            )

    def unused(self, resource: Resource, users: Iterable[Resource]) -> None:
        """Check that nothing depends on the resource.

        Raises:
            InUse: otherwise, naming what does.
        """
        arns = [user.arn for user in users]
        if arns:
            raise errors.InUse(f"{resource.arn} is in use by {', '.join(arns)}. Delete that first.")


def paged(name: str, entries: list[Any], params: dict[str, Any]) -> dict[str, Any]:
    """One page of a List answer; the token is the position where the next begins."""
    token = params.get("nextToken")
    if token is not None and not (token.isdecimal() and int(token) <= len(entries)):
        raise errors.InvalidNextToken
    first = int(token or 0)
    last = first + (params.get("maxResults") or _PAGE)
    answer: dict[str, Any] = {name: entries[first:last]}
    if last < len(entries):
        answer["nextToken"] = str(last)
    return answer


def given(params: Params, names: tuple[str, ...]) -> Params:
    """The given parameters."""
    return {name: params[name] for name in names if params.get(name) is not None}


def now() -> datetime:
    """The time in the API's format."""
    return datetime.now(UTC)


def token() -> str:
    """Eight random hexadecimal digits, as in the ARN of a solution version."""
    return secrets.token_hex(4)
