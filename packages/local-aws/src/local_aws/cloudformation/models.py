"""Stacks, their resources, events and change sets, and the backend."""

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend

from local_aws import clients
from local_aws.cloudformation import answers
from local_aws.cloudformation.blueprint import Blueprint
from local_aws.cloudformation.changes import Change
from local_aws.cloudformation.errors import (
    AlreadyExists,
    ChangeSetNotFound,
    LimitExceeded,
    ResourceFailed,
    ValidationError,
)
from local_aws.cloudformation.template import Template
from local_aws.workers import WorkingBackend

_STACK_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,127}")
DELETED = "DELETE_COMPLETE"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MOST_STACKS = 2000
_DEEPEST = 10  # stacks in each other; AWS documents no limit


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


@dataclass
class Resource:
    """One resource of a stack: its current state, with the last successful properties."""

    logical_id: str
    type: str
    physical_id: str | None = None
    status: str = ""
    reason: str | None = None
    updated: datetime = field(default_factory=now)
    properties: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    attempted: dict[str, Any] | None = None
    depends_on: frozenset[str] = frozenset()
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    metadata: dict[str, Any] | None = None
    no_echo: bool = False

    @property
    def exists(self) -> bool:
        """Whether the resource exists and can be updated or deleted."""
        return self.physical_id is not None and self.status not in (DELETED, "DELETE_SKIPPED")


@dataclass(frozen=True)
class Event:
    """One event of a stack."""

    id: str
    logical_id: str
    physical_id: str | None
    type: str
    status: str
    reason: str | None
    properties: str | None
    token: str | None
    operation: str
    time: datetime


@dataclass
class Snapshot:
    """The state that a failed update restores."""

    blueprint: Blueprint
    resources: dict[str, Resource]
    outputs: list[dict[str, str]]


@dataclass
class ChangeSet:
    """A proposed operation on a stack."""

    id: str
    name: str
    type: str
    blueprint: Blueprint | None
    template_body: str
    description: str | None
    capabilities: list[str]
    role_arn: str | None
    on_failure: str | None
    options: dict[str, Any]
    changes: list[Change] = field(default_factory=list)
    status: str = "CREATE_COMPLETE"
    reason: str | None = None
    execution_status: str = "AVAILABLE"
    created: datetime = field(default_factory=now)


class Stack:
    """A stack: its blueprint, its resources and its history.

    Attributes:
        parent: the stack that it is a resource of, if any.
        content: what a nested stack is made from: the address of its template, and parameters.
    """

    def __init__(
        self,
        name: str,
        region: str,
        account_id: str,
        partition: str,
        parent: "Stack | None" = None,
        content: Any = None,
    ) -> None:
        self.name = name
        self.parent = parent
        self.content = content
        self.region = region
        self.account_id = account_id
        self.partition = partition
        self.id = (
            f"arn:{partition}:cloudformation:{region}:{account_id}:stack/{name}/{uuid.uuid4()}"
        )
        self.blueprint: Blueprint | None = None
        self.resources: dict[str, Resource] = {}
        self.outputs: list[dict[str, str]] = []
        self.imports: set[str] = set()
        self.events: list[Event] = []
        self.change_sets: dict[str, ChangeSet] = {}
        self.status = ""
        self.reason: str | None = None
        self.role_arn: str | None = None
        self.caller = clients.OWNER  # the principal if no role is given
        self.capabilities: list[str] = []
        self.notification_arns: list[str] = []
        self.termination_protection = False
        self.disable_rollback = False
        self.retain_except_on_create = False
        self.timeout_minutes: int | None = None
        self.change_set_id: str | None = None
        self.created = now()
        self.updated: datetime | None = None
        self.deleted: datetime | None = None
        self.snapshot: Snapshot | None = None
        self.doomed: list[Resource] = []
        self.operation: Any = None  # the deployment in progress
        self.lock = threading.RLock()

    @property
    def path(self) -> "list[Stack]":
        """The stack, the one that it is in, and so on, to the outermost."""
        found = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found

    @property
    def root(self) -> "Stack":
        """The outermost stack that it is in."""
        return self.path[-1]

    @property
    def exists(self) -> bool:
        """Whether the stack occupies its name."""
        return self.status != DELETED

    @property
    def busy(self) -> bool:
        """Whether an operation is in progress."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def template(self) -> Template | None:
        """The stack's current template."""
        return self.blueprint.template if self.blueprint else None

    def exports(self) -> dict[str, str]:
        """The stack's exports by name."""
        return {o["ExportName"]: o["OutputValue"] for o in self.outputs if "ExportName" in o}

    def set_status(
        self, status: str, reason: str | None, token: str | None, operation: str
    ) -> None:
        """Change the stack's status and record an event."""
        with self.lock:
            self.status, self.reason = status, reason
            self.events.append(
                Event(
                    id=str(uuid.uuid4()),
                    logical_id=self.name,
                    physical_id=self.id,
                    type="AWS::CloudFormation::Stack",
                    status=status,
                    reason=reason,
                    properties=None,
                    token=token,
                    operation=operation,
                    time=self._next_moment(),
                )
            )

    def _next_moment(self) -> datetime:
        """The current time in milliseconds, after all earlier events: clients sort by it."""
        moment = now()
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        if self.events and moment <= self.events[-1].time:
            moment = self.events[-1].time + timedelta(milliseconds=1)
        return moment

    def note(
        self,
        resource: Resource,
        status: str,
        reason: str | None,
        token: str | None,
        operation: str,
        properties: str | None = None,
    ) -> None:
        """Change a resource's status and record an event, with its properties as JSON."""
        with self.lock:
            moment = self._next_moment()
            resource.status, resource.reason, resource.updated = status, reason, moment
            self.events.append(
                Event(
                    id=f"{resource.logical_id}-{uuid.uuid4()}",
                    logical_id=resource.logical_id,
                    physical_id=resource.physical_id or "",
                    type=resource.type,
                    status=status,
                    reason=reason,
                    properties=properties,
                    token=token,
                    operation=operation,
                    time=moment,
                )
            )

    def take_snapshot(self) -> None:
        """Take a snapshot of the stack, for a rollback."""
        assert self.blueprint
        self.snapshot = Snapshot(
            self.blueprint,
            {name: replace(resource) for name, resource in self.resources.items()},
            list(self.outputs),
        )


class CloudFormationBackend(WorkingBackend, BaseBackend):
    """The stacks of one account in one region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.stacks: dict[str, Stack] = {}
        self.lock = threading.RLock()
        self._nested: dict[str, tuple[Stack, Any]] = {}  # which are about to be created

    @contextmanager
    def nesting(self, parent: Stack, name: str, content: Any) -> Iterator[None]:
        """Let a new stack of this name be within another one while the block runs.

        Raises:
            ResourceFailed: that would have no end, or be too deep.
        """
        above = parent.path
        if any(stack.content == content for stack in above):
            raise ResourceFailed(
                "The template contains itself, with the same parameters: its stacks would have no "
                "end"
            )
        if len(above) > _DEEPEST:
            raise ResourceFailed(f"Stacks are within stacks deeper than {_DEEPEST}")
        self._nested[name] = parent, content
        try:
            yield
        finally:
            del self._nested[name]

    def end_work(self) -> None:
        """Cancel all operations."""
        operations = [s.operation for s in self.stacks.values() if s.operation]
        for operation in operations:
            operation.abandon()
        answers.release()
        for operation in operations:
            operation.join(timeout=5)

    def find(self, name_or_id: str) -> Stack | None:
        """The stack with this id, or the existing one with this name."""
        with self.lock:
            if name_or_id.startswith("arn:"):
                return self.stacks.get(name_or_id)
            living = (s for s in self.stacks.values() if s.name == name_or_id and s.exists)
            return next(living, None)

    def stack(self, name_or_id: str) -> Stack:
        """The stack with this name or id.

        Raises:
            ValidationError: it does not exist, with the message that the CDK CLI expects.
        """
        stack = self.find(name_or_id)
        if stack is None:
            raise ValidationError(f"Stack with id {name_or_id} does not exist")
        return stack

    def new_stack(self, name: str) -> Stack:
        """Create a stack with a free name.

        Raises:
            AlreadyExists: the name is taken.
            LimitExceeded: there are as many stacks as AWS allows.
            ValidationError: the name is invalid.
        """
        if not _STACK_NAME.fullmatch(name):
            raise ValidationError(
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: "
                "[a-zA-Z][-a-zA-Z0-9]*|arn:[-a-zA-Z0-9:/._+]*"
            )
        with self.lock:
            if self.find(name):
                raise AlreadyExists(f"Stack [{name}] already exists")
            if sum(stack.exists for stack in self.stacks.values()) >= _MOST_STACKS:
                raise LimitExceeded(f"Limit for stack has been exceeded: {_MOST_STACKS}")
            parent, content = self._nested.get(name, (None, None))
            stack = Stack(name, self.region_name, self.account_id, self.partition, parent, content)
            self.stacks[stack.id] = stack
            return stack

    def change_set(self, name_or_id: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
        """A change set and its stack.

        Raises:
            ChangeSetNotFound: the change set does not exist.
            ValidationError: the stack does not exist.
        """
        stacks = [self.stack(stack_name)] if stack_name else list(self.stacks.values())
        for stack in stacks:
            for change_set in stack.change_sets.values():
                if name_or_id in (change_set.id, change_set.name):
                    return stack, change_set
        raise ChangeSetNotFound(name_or_id)

    def exports(self) -> dict[str, tuple[Stack, str]]:
        """All exports of the region, with their stacks and values."""
        return {
            name: (stack, value)
            for stack in list(self.stacks.values())
            if stack.exists
            for name, value in stack.exports().items()
        }

    def importers(self, export: str) -> list[str]:
        """The names of the stacks that import `export`."""
        return [s.name for s in list(self.stacks.values()) if s.exists and export in s.imports]


cloudformation_backends = BackendDict(CloudFormationBackend, "cloudformation")
