"""The stack engine: runs one operation on one stack in a separate thread.

Resources are processed as soon as their dependencies are done, independent ones in parallel; every
step is recorded as an event of the stack.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from local_aws import clients
from local_aws.cloudformation import resources, schemas
from local_aws.cloudformation.blueprint import Blueprint
from local_aws.cloudformation.errors import Cancelled, ResourceFailed, ValidationError
from local_aws.cloudformation.models import CloudFormationBackend, Resource, Stack, now
from local_aws.cloudformation.resolution import Resolution
from local_aws.cloudformation.resources.base import Call
from local_aws.cloudformation.template import Definition, is_custom
from local_aws.sts.models import assume

log = logging.getLogger("local_aws.cloudformation")

_PARALLEL = 16
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MOST_NESTED = 2500  # resources that an operation creates and updates with nested stacks
_REPLACING = (
    "Requested update requires the creation of a new physical resource; hence creating one."
)


class Abandoned(Exception):
    """The operation was cancelled: the server stops, or the stack is being deleted."""


class Deployment(Resolution):
    """One operation that creates, updates or deletes a stack.

    Args:
        backend: the stack's backend.
        stack: the stack.
        wanted: the desired blueprint; for a delete, the current one.
        token: the caller's ClientRequestToken, shown in every event.
    """

    def __init__(
        self,
        backend: CloudFormationBackend,
        stack: Stack,
        wanted: Blueprint,
        token: str | None = None,
    ) -> None:
        super().__init__(backend, stack, wanted)
        self.id = str(uuid4())
        self._token = token
        self._cancelled = threading.Event()
        self._abandoned = threading.Event()
        self._credentials = stack.caller
        self._thread: threading.Thread | None = None
        self._changed = 0  # resources, with those of nested stacks

    # ---- lifecycle

    def start(self, work: Callable[[], None], *, instead_of: "Deployment | None" = None) -> None:
        """Run `work`, one of the operations below, in the background.

        Args:
            instead_of: an operation to cancel first.
        """
        self.stack.operation = self
        self._thread = threading.Thread(
            target=self._run, args=(work, instead_of), name=f"stack-{self.stack.name}", daemon=True
        )
        self._thread.start()

    def abandon(self) -> None:
        """Stop as soon as possible, leaving everything as it is."""
        self._abandoned.set()
        self._cancelled.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the operation."""
        if self._thread:
            self._thread.join(timeout)

    def _run(self, work: Callable[[], None], instead_of: "Deployment | None") -> None:
        try:
            if instead_of:
                instead_of.abandon()
                instead_of.join()
            if self.stack.role_arn:
                self._credentials = assume(
                    self.stack.role_arn,
                    service="cloudformation",
                    session_name="AWSCloudFormation",
                    region=self.stack.region,
                )
            work()
        except Abandoned:
            return
        except Exception as error:
            if self._abandoned.is_set():
                return
            log.exception("stack %s", self.stack.name)
            self._status(
                self.stack.status.replace("_COMPLETE_CLEANUP", "").replace("IN_PROGRESS", "FAILED"),
                f"Internal error of the local AWS: {type(error).__name__}: {error}",
            )

    # ---- operations

    def create(self, on_failure: str) -> None:
        """Create the stack; on failure roll back, delete, or keep it."""
        stack = self.stack
        failed = self._apply(keep_going=on_failure == "DO_NOTHING")
        if failed is None:
            stack.snapshot = None
            self._status("CREATE_COMPLETE")
        elif on_failure == "DO_NOTHING":
            self._status("CREATE_FAILED", failed)
        elif on_failure == "DELETE":
            self.delete(reason=failed)
        else:
            self.roll_back_creation(failed)

    def roll_back_creation(self, reason: str | None) -> None:
        """Delete the resources of a failed creation."""
        stack = self.stack
        self._status("ROLLBACK_IN_PROGRESS", reason)
        existing = [r for r in stack.resources.values() if r.exists]
        stack.outputs = []
        stack.imports = set()
        failed = self._remove(existing, self._policy_for_new)
        if failed:
            self._status("ROLLBACK_FAILED", _failures("delete", failed))
        else:
            self._status("ROLLBACK_COMPLETE")

    def update(self, *, roll_back: bool) -> None:
        """Update the stack to the blueprint; on failure restore the snapshot."""
        failed = self._apply(keep_going=not roll_back)
        if failed is None:
            self._clean_up()
        elif roll_back:
            self.roll_back_update(failed)
        else:
            self._status("UPDATE_FAILED", failed)

    def roll_back_update(self, reason: str | None, skip: Iterable[str] = ()) -> None:
        """Restore the snapshot taken before the update."""
        stack = self.stack
        assert stack.snapshot
        self._changed = 0
        self._status("UPDATE_ROLLBACK_IN_PROGRESS", reason)
        failed = self._restore(frozenset(skip))
        if failed:
            self._status("UPDATE_ROLLBACK_FAILED", _failures("update", failed))
            return
        stack.blueprint = stack.snapshot.blueprint
        stack.outputs = stack.snapshot.outputs
        self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        self._remove_doomed()
        stack.snapshot = None
        self._status("UPDATE_ROLLBACK_COMPLETE")

    def delete(
        self, retained: Iterable[str] = (), *, force: bool = False, reason: str | None = None
    ) -> None:
        """Delete all resources in reverse order of creation."""
        stack = self.stack
        self._status("DELETE_IN_PROGRESS", reason or "User Initiated")
        for export in stack.exports():
            users = [name for name in self.backend.importers(export) if name != stack.name]
            if users:
                self._status(
                    "DELETE_FAILED",
                    f"Export {export} cannot be deleted as it is in use by {' and '.join(users)}",
                )
                return
        kept = set(retained)
        existing = [r for r in [*stack.resources.values(), *stack.doomed] if r.exists]
        failed = self._remove(
            existing, lambda r: "Retain" if r.logical_id in kept else r.deletion_policy
        )
        if failed and not force:
            self._status("DELETE_FAILED", _failures("delete", failed))
            return
        stack.imports = set()
        stack.doomed = []
        stack.deleted = now()
        self._status("DELETE_COMPLETE")

    # ---- execution

    def _apply(self, *, keep_going: bool) -> str | None:
        """Create and update resources; returns None or the reason of a failure."""
        stack = self.stack
        try:
            active = self.active_resources()
        except ValidationError as error:
            return error.message
        template = self.wanted.template
        failed: dict[str, list[str]] = {"create": [], "update": []}

        def work(logical_id: str) -> bool:
            resource = stack.resources.get(logical_id)
            verb = "update" if resource and resource.exists else "create"
            succeeded = self._apply_one(template.resources[logical_id])
            if not succeeded:
                failed[verb].append(logical_id)
                if not keep_going:
                    self._cancelled.set()
            return succeeded

        graph = {name: template.dependencies(name) & active for name in active}
        self._run_graph(graph, work)
        self._cancelled.clear()
        self._check_abandoned()
        reasons = [_failures(verb, names) for verb, names in failed.items() if names]
        if reasons:
            return " ".join(reasons)
        return self._finish()

    def _finish(self) -> str | None:
        """Set outputs, exports and imports after all resources; returns None or the problem."""
        stack = self.stack
        try:
            outputs = self.outputs()
        except ValidationError as error:
            return error.message
        new = {o["ExportName"]: o["OutputValue"] for o in outputs if "ExportName" in o}
        for name, value in stack.exports().items():
            if new.get(name) == value:
                continue
            users = [user for user in self.backend.importers(name) if user != stack.name]
            if users:
                verb = "updated" if name in new else "deleted"
                return f"Export {name} cannot be {verb} as it is in use by {' and '.join(users)}"
        for name in new:
            holder = self.backend.exports().get(name)
            if holder and holder[0] is not stack:
                return f"Export with name {name} is already exported by stack {holder[0].name}"
        stack.outputs = outputs
        stack.imports = set(self.imports)
        return None

    def _apply_one(self, definition: Definition) -> bool:
        stack = self.stack
        name = definition.logical_id
        resource = stack.resources.get(name)
        try:
            properties = self._checked_properties(definition)
        except Exception as error:
            resource = resource or self._new_resource(definition)
            verb = "UPDATE" if resource.exists else "CREATE"
            self._note(resource, f"{verb}_FAILED", self._explain(error, "Cancelled"))
            return False
        if resource is not None and resource.exists and resource.status == "CREATE_FAILED":
            # the remains of a failed creation are useless
            if self._remove([resource], lambda _: "Delete"):
                return False
            resource = None
        if resource is None or not resource.exists:
            return self._create(self._new_resource(definition), properties, "CREATE")
        try:
            return self._update(resource, definition, properties)
        except ResourceFailed as error:
            self._note(resource, "UPDATE_FAILED", str(error))
            return False

    def _checked_properties(self, definition: Definition) -> dict[str, Any]:
        properties = self.properties(definition)
        if not is_custom(definition.type):
            _, faults = schemas.schema(definition.type, self.stack.region).coerce(properties)
            handler = resources.find(definition.type)
            assert handler
            unsupported = sorted(set(properties) - handler.supported)
            if unsupported:  # only known after evaluation
                faults.append(f"the local AWS does not implement {', '.join(unsupported)}")
            if faults:
                raise ResourceFailed(
                    f"Properties validation failed for resource {definition.logical_id} with "
                    f"message:\n{chr(10).join(faults)}"
                )
        return properties

    def _new_resource(self, definition: Definition) -> Resource:
        resource = Resource(definition.logical_id, definition.type)
        self._adopt(resource, definition)
        with self.stack.lock:
            self.stack.resources[definition.logical_id] = resource
        return resource

    def _adopt(self, resource: Resource, definition: Definition) -> None:
        """Copy from the template what is not a property."""
        resource.depends_on = self.wanted.template.dependencies(definition.logical_id)
        resource.deletion_policy = definition.deletion_policy
        resource.update_replace_policy = definition.update_replace_policy
        resource.metadata = definition.metadata

    def _create(self, resource: Resource, properties: dict[str, Any], verb: str) -> bool:
        self._note(resource, f"{verb}_IN_PROGRESS", _REPLACING if verb == "UPDATE" else None)
        handler = _handler(resource.type)

        def identified(call: Call) -> None:
            resource.physical_id, resource.attributes = call.physical_id, call.attributes
            resource.properties = properties  # needed to delete it in a rollback
            self._note(resource, f"{verb}_IN_PROGRESS", "Resource creation Initiated", properties)

        call = self._call(resource, properties, {}, None, identified)
        try:
            self._count()
            resource.attributes = handler.create(call)
        except Exception as error:
            reason = self._explain(error, "Resource creation cancelled")
            self._note(resource, f"{verb}_FAILED", reason, properties)
            return False
        assert call.physical_id, f"{resource.type} did not identify itself"
        resource.no_echo = call.no_echo
        self._note(resource, f"{verb}_COMPLETE", None, properties)
        return True

    def _update(
        self, resource: Resource, definition: Definition, properties: dict[str, Any]
    ) -> bool:
        custom = is_custom(definition.type)
        same_type = resource.type == definition.type
        unchanged = resource.properties == properties and resource.status != "UPDATE_FAILED"
        if same_type and unchanged:
            if (resource.metadata or {}) != (definition.metadata or {}):
                self._note(resource, "UPDATE_COMPLETE", None)
            self._adopt(resource, definition)
            return True
        replaces = not same_type
        if same_type and custom:
            if properties["ServiceToken"] != resource.properties["ServiceToken"]:
                raise ResourceFailed("Modifying service token is not allowed.")
        elif same_type:
            schema = schemas.schema(definition.type, self.stack.region)
            replaces = bool(schema.replaces(resource.properties, properties))
            fixed = schema.identifier & schema.create_only & properties.keys()
            if (
                replaces
                and fixed
                and all(properties[n] == resource.properties.get(n) for n in fixed)
            ):
                raise ResourceFailed(
                    "CloudFormation cannot update a stack when a custom-named resource requires "
                    f"replacing. Rename {properties[min(fixed)]} and update the stack again."
                )
        if replaces:
            return self._replace(resource, definition, properties)
        return self._update_in_place(resource, definition, properties)

    def _replace(
        self, resource: Resource, definition: Definition, properties: dict[str, Any]
    ) -> bool:
        stack = self.stack
        successor = self._new_resource(definition)
        succeeded = self._create(successor, properties, "UPDATE")
        with stack.lock:
            if succeeded:
                policy = definition.update_replace_policy
                stack.doomed.append(replace(resource, deletion_policy=policy))
            else:
                stack.resources[definition.logical_id] = resource
                resource.status, resource.reason = successor.status, successor.reason
                if successor.exists:
                    stack.doomed.append(replace(successor, deletion_policy="Delete"))
        return succeeded

    def _update_in_place(
        self, resource: Resource, definition: Definition, properties: dict[str, Any]
    ) -> bool:
        self._note(resource, "UPDATE_IN_PROGRESS", None, properties)
        before = replace(resource, deletion_policy=definition.update_replace_policy)
        call = self._call(resource, properties, resource.properties, resource.physical_id)
        resource.attempted = properties
        try:
            self._count()
            attributes = _handler(resource.type).update(call)
        except Exception as error:
            reason = self._explain(error, "Resource update cancelled")
            self._note(resource, "UPDATE_FAILED", reason, properties)
            return False
        resource.attributes, resource.properties, resource.attempted = attributes, properties, None
        resource.no_echo = call.no_echo
        self._adopt(resource, definition)
        if call.physical_id != before.physical_id:  # a custom resource replaced itself
            resource.physical_id = call.physical_id
            with self.stack.lock:
                self.stack.doomed.append(before)
        self._note(resource, "UPDATE_COMPLETE", None, properties)
        return True

    def _count(self) -> None:
        """Count a resource that is created or updated, also for the outermost stack.

        Raises:
            ResourceFailed: there are more than an operation may have.
        """
        root = self.stack.root
        whole = root.operation if root.busy and root.operation else self
        with root.lock:
            whole._changed += 1
            if whole._changed > _MOST_NESTED:
                raise ResourceFailed(
                    f"An operation creates or updates up to {_MOST_NESTED} resources, with those "
                    "of its nested stacks"
                )

    # ---- clean-up and rollback

    def _clean_up(self) -> None:
        """After a successful update, delete replaced and removed resources."""
        stack = self.stack
        stack.blueprint = self.wanted
        active = self.active_resources()
        removed = [r for name, r in stack.resources.items() if name not in active]
        for resource in removed:
            del stack.resources[resource.logical_id]
        stack.doomed += [r for r in removed if r.exists]
        self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        self._remove_doomed()
        stack.snapshot = None
        self._status("UPDATE_COMPLETE")

    def _remove_doomed(self) -> None:
        """Delete resources that left the stack; failures to delete are ignored."""
        doomed, self.stack.doomed = self.stack.doomed, []
        self._remove(doomed, lambda resource: resource.deletion_policy)

    def _restore(self, skipped: frozenset[str]) -> list[str]:
        """Restore every resource from the snapshot; returns the ones that failed."""
        stack = self.stack
        snapshot = stack.snapshot
        assert snapshot
        failed: list[str] = []
        changed = [
            name
            for name, old in snapshot.resources.items()
            if name in stack.resources and _differs(stack.resources[name], old)
        ]

        def work(logical_id: str) -> bool:
            if logical_id in skipped:
                stack.resources[logical_id] = replace(snapshot.resources[logical_id])
                self._note(
                    stack.resources[logical_id],
                    "UPDATE_COMPLETE",
                    "Resource was skipped during rollback",
                )
                return True
            if not self._restore_one(stack.resources[logical_id], snapshot.resources[logical_id]):
                failed.append(logical_id)
                return False
            return True

        for name in set(snapshot.resources) & set(stack.resources) - set(changed):
            if stack.resources[name].status == "UPDATE_FAILED":  # before anything was done to it
                self._note(stack.resources[name], "UPDATE_COMPLETE", None)
            # also restore policies and metadata
            status = stack.resources[name].status
            stack.resources[name] = replace(snapshot.resources[name], status=status)
        graph = {
            name: frozenset(snapshot.resources[name].depends_on & set(changed)) for name in changed
        }
        self._run_graph(graph, work)
        self._check_abandoned()
        if failed:
            return failed
        stack.doomed = [r for r in stack.doomed if not _is_current(r, snapshot.resources)]
        for name in set(stack.resources) - set(snapshot.resources):
            resource = stack.resources.pop(name)
            resource.deletion_policy = self._policy_for_new(resource)
            if resource.exists:
                stack.doomed.append(resource)
        return []

    def _restore_one(self, resource: Resource, old: Resource) -> bool:
        stack = self.stack
        replaced = resource.physical_id != old.physical_id
        if replaced and not is_custom(old.type):
            # the old one still exists; the clean-up deletes the new one
            with stack.lock:
                stack.resources[old.logical_id] = restored = replace(old)
                if resource.exists:
                    stack.doomed.append(replace(resource, deletion_policy="Delete"))
            self._note(restored, "UPDATE_COMPLETE", None, old.properties)
            return True
        self._note(resource, "UPDATE_IN_PROGRESS", None, old.properties)
        tried = resource.attempted or resource.properties
        call = self._call(resource, old.properties, tried, resource.physical_id)
        try:
            attributes = _handler(resource.type).update(call)
        except Exception as error:
            self._note(resource, "UPDATE_FAILED", self._explain(error, "Cancelled"), old.properties)
            return False
        if call.physical_id != resource.physical_id:
            with stack.lock:
                stack.doomed.append(replace(resource, deletion_policy="Delete"))
        restored = replace(old, physical_id=call.physical_id, attributes=attributes)
        with stack.lock:
            stack.resources[old.logical_id] = restored
        self._note(restored, "UPDATE_COMPLETE", None, old.properties)
        return True

    def _remove(self, doomed: list[Resource], policy: Callable[[Resource], str]) -> list[str]:
        """Delete resources, dependents first; returns the logical ids of those that failed."""
        failed: list[str] = []
        keys = {f"{i}": resource for i, resource in enumerate(doomed)}

        def work(key: str) -> bool:
            resource = keys[key]
            if policy(resource) in ("Retain", "RetainExceptOnCreate"):
                self._note(resource, "DELETE_SKIPPED", None)
                return True
            if not self._delete_one(resource):
                failed.append(resource.logical_id)
                return False
            return True

        graph = {
            key: frozenset(
                other for other, r in keys.items() if resource.logical_id in r.depends_on
            )
            for key, resource in keys.items()
        }
        self._run_graph(graph, work)
        self._check_abandoned()
        return sorted(failed)

    def _delete_one(self, resource: Resource) -> bool:
        self._note(resource, "DELETE_IN_PROGRESS", None)
        handler = _handler(resource.type)
        call = self._call(resource, resource.properties, resource.properties, resource.physical_id)
        try:
            handler.delete(call)
        except Exception as error:
            if not (isinstance(error, ClientError) and handler.gone(error)):
                self._note(resource, "DELETE_FAILED", self._explain(error, "Cancelled"))
                return False
        self._note(resource, "DELETE_COMPLETE", None)
        return True

    def _policy_for_new(self, resource: Resource) -> str:
        """Handle a resource that the failed operation itself created."""
        excepted = resource.deletion_policy == "RetainExceptOnCreate"
        if excepted or self.stack.retain_except_on_create:
            return "Delete"
        return resource.deletion_policy

    # ---- scope

    def resource_reference(self, name: str) -> Any:
        """The physical id of an existing resource."""
        resource = self.stack.resources[name]
        assert resource.physical_id is not None, f"{name} is not there yet"
        return resource.physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        """An attribute of an existing resource."""
        self._require(logical_id)
        resource = self.stack.resources[logical_id]
        if name not in resource.attributes:
            if is_custom(resource.type):
                raise ValidationError(
                    f"CustomResource attribute error: Vendor response doesn't contain {name} "
                    f"attribute in object {resource.physical_id}"
                )
            raise ValidationError(
                f"Attribute '{name}' does not exist in resource {logical_id} ({resource.type})"
            )
        return resource.attributes[name]

    # ---- machinery

    def _run_graph(self, graph: Mapping[str, frozenset[str]], work: Callable[[str], bool]) -> None:
        """Run `work` on nodes in order of dependency; dependents of failed ones are skipped."""
        waiting = dict(graph)
        done: set[str] = set()
        blocked = False
        running: dict[Future[bool], str] = {}
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix=self.stack.name) as pool:
            while True:
                if not self._cancelled.is_set():
                    ready = [name for name, needs in waiting.items() if needs <= done]
                    for name in ready:
                        del waiting[name]
                        running[pool.submit(work, name)] = name
                if not running:
                    assert blocked or not waiting or self._cancelled.is_set(), f"cycle: {waiting}"
                    return
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    name = running.pop(future)
                    if future.result():
                        done.add(name)
                    else:
                        blocked = True

    def _call(
        self,
        resource: Resource,
        properties: dict[str, Any],
        old: dict[str, Any],
        physical_id: str | None,
        on_identified: Callable[[Call], None] = lambda _: None,
    ) -> Call:
        stack = self.stack
        return Call(
            stack_name=stack.name,
            stack_id=stack.id,
            region=stack.region,
            account_id=stack.account_id,
            logical_id=resource.logical_id,
            type=resource.type,
            properties=properties,
            old=old,
            physical_id=physical_id,
            attributes=dict(resource.attributes),
            client=self.client,
            cancelled=self._cancelled,
            on_identified=on_identified,
            nesting=partial(self.backend.nesting, stack),
        )

    def client(self, service: str) -> Any:
        """A boto3 client with the stack's credentials."""
        return clients.client(service, self.stack.region, self._credentials)

    def _explain(self, error: Exception, cancelled: str) -> str:
        if isinstance(error, Cancelled):
            return cancelled
        if not isinstance(error, (ClientError, BotoCoreError, ResourceFailed, ValidationError)):
            if not self._abandoned.is_set():
                log.exception("stack %s", self.stack.name, exc_info=error)
            return f"Internal error of the local AWS: {type(error).__name__}: {error}"
        return _reason(error)

    def _check_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise Abandoned

    def _status(self, status: str, reason: str | None = None) -> None:
        self._check_abandoned()
        if status == self.stack.status:
            return  # already recorded by the API call that started the operation
        self.stack.set_status(status, reason, self._token, self.id)

    def _note(
        self,
        resource: Resource,
        status: str,
        reason: str | None,
        properties: dict[str, Any] | None = None,
    ) -> None:
        shown = json.dumps(properties) if properties else None
        if shown:
            for secret in self.secrets():
                shown = shown.replace(json.dumps(secret)[1:-1], "****")
        self.stack.note(resource, status, reason, self._token, self.id, shown)


def _handler(resource_type: str) -> resources.Handler:
    handler = resources.find(resource_type)
    assert handler, resource_type
    return handler


def _differs(resource: Resource, old: Resource) -> bool:
    return (
        resource.physical_id != old.physical_id
        or resource.properties != old.properties
        or resource.attempted is not None
    )


def _is_current(resource: Resource, kept: Mapping[str, Resource]) -> bool:
    return any(
        resource.physical_id == r.physical_id and resource.type == r.type for r in kept.values()
    )


def _failures(verb: str, names: list[str]) -> str:
    return f"The following resource(s) failed to {verb}: [{', '.join(sorted(names))}]. "


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        details = error.response["Error"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return (
            f"{details.get('Message')} (Service: {error.operation_name}, Status Code: {status}, "
            f"Error Code: {details.get('Code')})"
        )
    return getattr(error, "message", None) or str(error)
