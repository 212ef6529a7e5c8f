"""CloudFormation's API: the operations of the stack engine; others are refused."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from moto.core.common_types import TYPE_RESPONSE

from local_aws import clients
from local_aws.api import LocalResponse, NotImplementedByLocalAws
from local_aws.cloudformation import answers, blueprint, template
from local_aws.cloudformation.blueprint import Blueprint
from local_aws.cloudformation.changes import preview
from local_aws.cloudformation.engine import Deployment
from local_aws.cloudformation.errors import (
    AlreadyExists,
    InvalidChangeSetStatus,
    ValidationError,
)
from local_aws.cloudformation.models import (
    ChangeSet,
    CloudFormationBackend,
    Event,
    Resource,
    Stack,
    cloudformation_backends,
    now,
)
from local_aws.sts.models import find_session, issued_to, trusts

_PAGE = 100
_NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a "
    "change set."
)
_UPDATABLE = frozenset(
    [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "CREATE_FAILED",
        "UPDATE_FAILED",
    ]
)
_REFUSED = {
    "StackPolicyBody": "stack policies",
    "StackPolicyURL": "stack policies",
    "StackPolicyDuringUpdateBody": "stack policies",
    "StackPolicyDuringUpdateURL": "stack policies",
    "ResourcesToImport": "resource import",
    "ResourceTypes": "stacks of some resource types only",
    "TimeoutInMinutes": "a stack's time limit",
}


class CloudFormationResponse(LocalResponse):
    """CloudFormation."""

    service = "cloudformation"
    validation_code = "ValidationError"

    @property
    def backend(self) -> CloudFormationBackend:
        """The caller's account and region."""
        return cloudformation_backends[self.current_account][self.region]

    # ---- stacks

    def create_stack(self) -> dict[str, Any]:
        """Create a stack, in the background."""
        self._refuse_unsupported()
        body = self._body(None)
        wanted = self._draw(body, None)
        stack = self.backend.new_stack(self.params["StackName"])
        self._settings(stack)
        stack.termination_protection = bool(self.params.get("EnableTerminationProtection"))
        on_failure = self.params.get("OnFailure")
        if on_failure and self.params.get("DisableRollback") is not None:
            raise ValidationError("You may not specify both OnFailure and DisableRollback")
        if self._rollback_disabled():
            on_failure = "DO_NOTHING"
        self._start_creation(stack, wanted, on_failure or "ROLLBACK", self._token())
        return {"StackId": stack.id}

    def update_stack(self) -> dict[str, Any]:
        """Update a stack, in the background."""
        self._refuse_unsupported()
        stack = self.backend.stack(self.params["StackName"])
        self._require_updatable(stack)
        wanted = self._draw(self._body(stack), stack)
        self._settings(stack)
        if not preview(self.backend, stack, wanted) and not stack.status.endswith("_FAILED"):
            raise ValidationError("No updates are to be performed.")
        self._start_update(stack, wanted, not self._rollback_disabled(), self._token())
        return {"StackId": stack.id}

    def delete_stack(self) -> dict[str, Any]:
        """Delete a stack in the background; a missing stack is ignored."""
        self._refuse_express()
        stack = self.backend.find(self.params["StackName"])
        if stack is None or not stack.exists or stack.status == "DELETE_IN_PROGRESS":
            return {}
        if stack.termination_protection:
            raise ValidationError(
                f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            )
        if stack.busy and not stack.status.startswith("CREATE_"):
            raise ValidationError(
                f"Stack [{stack.name}] cannot be deleted while in status {stack.status}"
            )
        retained = self.params.get("RetainResources", [])
        force = self.params.get("DeletionMode") == "FORCE_DELETE_STACK"
        if (retained or force) and stack.status != "DELETE_FAILED":
            raise ValidationError(
                "Invalid operation on stack. Resources can be retained, and deletion forced, only "
                "when the stack is in the DELETE_FAILED state."
            )
        replaced = stack.operation if stack.busy else None
        self._assume(stack)
        if stack.blueprint is None:  # a stack in review has no resources
            stack.set_status("DELETE_COMPLETE", None, self._token(), "")
            return {}
        deployment = Deployment(self.backend, stack, stack.blueprint, self._token())
        stack.set_status("DELETE_IN_PROGRESS", "User Initiated", self._token(), deployment.id)
        deployment.start(lambda: deployment.delete(retained, force=force), instead_of=replaced)
        return {}

    def rollback_stack(self) -> dict[str, Any]:
        """Roll back a stack whose failed resources were kept."""
        self._refuse_express()
        stack = self.backend.stack(self.params["StackName"])
        self._assume(stack)
        if stack.status not in ("CREATE_FAILED", "UPDATE_FAILED"):
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not be rolled back."
            )
        assert stack.blueprint
        deployment = Deployment(self.backend, stack, stack.blueprint, self._token())
        if stack.status == "CREATE_FAILED":
            stack.set_status("ROLLBACK_IN_PROGRESS", "User Initiated", self._token(), deployment.id)
            deployment.start(lambda: deployment.roll_back_creation("User Initiated"))
        else:
            self._begin_rollback(stack, deployment, ())
        return {"StackId": stack.id}

    def continue_update_rollback(self) -> dict[str, Any]:
        """Continue the rollback of a failed update."""
        if self.params.get("ForceRollback"):
            raise NotImplementedByLocalAws("a forced rollback (ForceRollback)")
        stack = self.backend.stack(self.params["StackName"])
        self._assume(stack)
        if stack.status != "UPDATE_ROLLBACK_FAILED":
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not continue update rollback."
            )
        assert stack.blueprint
        deployment = Deployment(self.backend, stack, stack.blueprint, self._token())
        self._begin_rollback(stack, deployment, self.params.get("ResourcesToSkip", []))
        return {}

    def describe_stacks(self) -> dict[str, Any]:
        """Describe one stack, or all existing ones."""
        name = self.params.get("StackName")
        if name:
            return {"Stacks": [_stack(self.backend.stack(name))]}
        living = [s for s in list(self.backend.stacks.values()) if s.exists]
        return self._page("Stacks", living, _stack)

    def list_stacks(self) -> dict[str, Any]:
        """Summaries of all stacks, including deleted ones."""
        wanted = self.params.get("StackStatusFilter")
        stacks = [s for s in list(self.backend.stacks.values()) if not wanted or s.status in wanted]
        return self._page("StackSummaries", stacks[::-1], _stack_summary)

    def update_termination_protection(self) -> dict[str, Any]:
        """Allow or forbid the stack's deletion."""
        stack = self.backend.stack(self.params["StackName"])
        stack.termination_protection = self.params["EnableTerminationProtection"]
        return {"StackId": stack.id}

    # ---- contents of a stack

    def describe_stack_events(self) -> dict[str, Any]:
        """The stack's history, newest first."""
        stack = self._stack_or("Stack [{}] does not exist")
        with stack.lock:
            events = stack.events[::-1]
        return self._page("StackEvents", events, lambda event: _event(stack, event))

    def describe_events(self) -> dict[str, Any]:
        """The events of an operation, which the CLI requests for a failed change set."""
        if "StackName" not in self.params:
            raise NotImplementedByLocalAws("cloudformation:DescribeEvents without a StackName")
        stack = self.backend.stack(self.params["StackName"])
        events = stack.events[::-1]
        if "ChangeSetName" in self.params:
            events = []  # the local AWS validates a change set at its creation, not in events
        if operation := self.params.get("OperationId"):
            events = [e for e in events if e.operation == operation]
        if self.params.get("Filters", {}).get("FailedEvents"):
            events = [e for e in events if e.status.endswith("_FAILED")]
        return self._page("OperationEvents", events, lambda event: _operation_event(stack, event))

    def describe_stack_resource(self) -> dict[str, Any]:
        """One resource of a stack."""
        stack = self._stack_or("Stack '{}' does not exist")
        name = self.params["LogicalResourceId"]
        resource = stack.resources.get(name)
        if resource is None:
            raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")
        detail = _resource(stack, resource, "LastUpdatedTimestamp")
        if resource.metadata:
            detail["Metadata"] = json.dumps(resource.metadata)
        return {"StackResourceDetail": detail}

    def describe_stack_resources(self) -> dict[str, Any]:
        """All resources of a stack, or of the stack with a given physical resource."""
        physical_id = self.params.get("PhysicalResourceId")
        if physical_id:
            stack = next(
                (
                    s
                    for s in self.backend.stacks.values()
                    if s.exists and any(r.physical_id == physical_id for r in s.resources.values())
                ),
                None,
            )
            if stack is None:
                raise ValidationError(f"Stack for {physical_id} does not exist")
        else:
            stack = self.backend.stack(self.params.get("StackName", ""))
        name = self.params.get("LogicalResourceId")
        found = [r for r in list(stack.resources.values()) if name in (None, r.logical_id)]
        return {"StackResources": [_resource(stack, r, "Timestamp") for r in found]}

    def list_stack_resources(self) -> dict[str, Any]:
        """Summaries of a stack's resources."""
        stack = self.backend.stack(self.params["StackName"])
        return self._page(
            "StackResourceSummaries",
            sorted(stack.resources.values(), key=lambda r: r.logical_id),
            lambda r: _resource(stack, r, "LastUpdatedTimestamp", names=False),
        )

    def list_exports(self) -> dict[str, Any]:
        """The exports of the region's stacks."""
        exports = sorted(self.backend.exports().items())
        return self._page(
            "Exports",
            exports,
            lambda e: {"ExportingStackId": e[1][0].id, "Name": e[0], "Value": e[1][1]},
        )

    def list_imports(self) -> dict[str, Any]:
        """The stacks that import an export."""
        name = self.params["ExportName"]
        users = self.backend.importers(name)
        if not users:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        return self._page("Imports", users, lambda user: user)

    # ---- templates

    def get_template(self) -> dict[str, Any]:
        """The template as it was given."""
        if "ChangeSetName" in self.params:
            _, change_set = self.backend.change_set(
                self.params["ChangeSetName"], self.params.get("StackName")
            )
            body = change_set.template_body
        else:
            stack = self.backend.stack(self.params["StackName"])
            body = stack.template.body if stack.template else ""
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self) -> dict[str, Any]:
        """Parameters, types and capabilities of a template or a stack."""
        if "StackSetName" in self.params:
            raise NotImplementedByLocalAws("stack sets (StackSetName)")
        if "StackName" in self.params:
            stack = self.backend.stack(self.params["StackName"])
            parsed = stack.template
            if parsed is None:
                raise ValidationError(f"Stack {stack.name} has no template yet")
        else:
            parsed = template.parse(self._body(None))
        summary = _declarations(parsed, summary=True)
        return {**summary, "ResourceTypes": sorted({r.type for r in parsed.resources.values()})}

    def validate_template(self) -> dict[str, Any]:
        """Parameters and capabilities of a valid template."""
        return _declarations(template.parse(self._body(None)), summary=False)

    # ---- change sets

    def create_change_set(self) -> dict[str, Any]:
        """Create a change set."""
        self._refuse_unsupported()
        kind = self.params.get("ChangeSetType", "UPDATE")
        # `cdk bootstrap` asks for ImportExistingResources: where a resource of a given name exists
        # already, the creation fails and says so, instead of adopting it
        if kind == "IMPORT":
            raise NotImplementedByLocalAws("the import of existing resources")
        if self.params.get("DeploymentMode"):
            raise NotImplementedByLocalAws("change sets that revert drift (DeploymentMode)")
        stack_name, name = self.params["StackName"], self.params["ChangeSetName"]
        stack = self.backend.find(stack_name)
        if kind == "CREATE":
            if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
                raise ValidationError(
                    f"Stack [{stack_name}] already exists and cannot be created again with the "
                    f"changeSet [{name}]."
                )
            if stack is None and stack_name.startswith("arn:"):
                raise ValidationError(f"Stack [{stack_name}] does not exist")
        else:
            if stack is None:
                raise ValidationError(f"Stack [{stack_name}] does not exist")
            self._require_updatable(stack)
        if stack is not None and name in stack.change_sets:
            raise AlreadyExists(f"ChangeSet {name} cannot be created due to a naming conflict")
        body = self._body(stack)
        wanted = self._draw(body, stack)
        if stack is None:
            stack = self.backend.new_stack(stack_name)
            stack.set_status("REVIEW_IN_PROGRESS", "User Initiated", self._token(), "")
        change_set = self._new_change_set(stack, name, kind, wanted)
        with stack.lock:
            stack.change_sets[name] = change_set
        return {"Id": change_set.id, "StackId": stack.id}

    def describe_change_set(self) -> dict[str, Any]:
        """A change set and its changes."""
        stack, change_set = self.backend.change_set(
            self.params["ChangeSetName"], self.params.get("StackName")
        )
        with_values = bool(self.params.get("IncludePropertyValues"))
        wanted = change_set.blueprint
        assert wanted
        secrets = wanted.secrets()
        page = self._page(
            "Changes",
            change_set.changes,
            lambda c: _masked(c.described(with_values=with_values), secrets),
        )
        return {
            **_change_set_summary(stack, change_set),
            **page,
            "Parameters": wanted.shown_parameters(),
            "Tags": [{"Key": k, "Value": v} for k, v in wanted.tags.items()],
            "Capabilities": change_set.capabilities,
            "NotificationARNs": change_set.options["NotificationARNs"],
            "RollbackConfiguration": {},
        }

    def list_change_sets(self) -> dict[str, Any]:
        """The change sets of a stack."""
        stack = self.backend.stack(self.params["StackName"])
        return self._page(
            "Summaries",
            list(stack.change_sets.values()),
            lambda change_set: _change_set_summary(stack, change_set),
        )

    def delete_change_set(self) -> dict[str, Any]:
        """Delete a change set; a missing one on an existing stack is ignored."""
        name = self.params["ChangeSetName"]
        if not name.startswith("arn:"):
            stack = self.backend.stack(self.params.get("StackName", ""))
            stack.change_sets.pop(name, None)
            return {}
        for stack in self.backend.stacks.values():
            for change_set in list(stack.change_sets.values()):
                if change_set.id == name:
                    del stack.change_sets[change_set.name]
        return {}

    def execute_change_set(self) -> dict[str, Any]:
        """Execute a change set in the background."""
        stack, change_set = self.backend.change_set(
            self.params["ChangeSetName"], self.params.get("StackName")
        )
        if change_set.execution_status != "AVAILABLE":
            raise InvalidChangeSetStatus(
                f"ChangeSet [{change_set.id}] cannot be executed in its current execution status "
                f"of [{change_set.execution_status}]"
            )
        if change_set.type == "UPDATE":
            self._require_updatable(stack)
        assert change_set.blueprint
        stack.role_arn = change_set.role_arn or stack.role_arn
        stack.caller = self._caller()
        stack.capabilities = change_set.capabilities
        stack.notification_arns = change_set.options["NotificationARNs"]
        stack.change_set_id = change_set.id
        stack.retain_except_on_create = bool(self.params.get("RetainExceptOnCreate"))
        disabled = self.params.get("DisableRollback")
        if disabled is None:
            disabled = change_set.options["DisableRollback"]
        stack.disable_rollback = bool(disabled)
        # the stack's other change sets are outdated
        stack.change_sets.clear()
        token = self.params.get("ClientRequestToken")
        if change_set.type == "CREATE":
            on_failure = "DO_NOTHING" if disabled else change_set.on_failure or "ROLLBACK"
            self._start_creation(stack, change_set.blueprint, on_failure, token)
        else:
            self._start_update(stack, change_set.blueprint, not disabled, token)
        return {}

    # ---- responses of custom resources

    @classmethod
    def custom_resource_answer(cls, request: Any, full_url: str, _: Any) -> TYPE_RESPONSE:
        """Receive a custom resource's response at its ResponseURL."""
        token = full_url.split("?", 1)[0].rsplit("/", 1)[1]
        if answers.deliver(token, request.stream.read(answers.LONGEST + 1)):
            return 200, {}, ""
        expired = "<Code>AccessDenied</Code><Message>Request has expired</Message>"
        return 403, {"Content-Type": "application/xml"}, f"<Error>{expired}</Error>"

    # ---- helpers

    def _token(self) -> str | None:
        token = self.params.get("ClientRequestToken") or self.params.get("ClientToken")
        return str(token) if token else None

    def _body(self, stack: Stack | None) -> str:
        body, url = self.params.get("TemplateBody"), self.params.get("TemplateURL")
        if self.params.get("UsePreviousTemplate"):
            if stack is None or stack.template is None:
                raise ValidationError("There is no previous template to use")
            return stack.template.body
        if body and url:
            raise ValidationError("You may not specify both TemplateBody and TemplateURL")
        if url:
            return blueprint.fetch(url, self.region, self._caller())
        if not body:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        blueprint.check_length(body)
        return str(body)

    def _draw(self, body: str, stack: Stack | None) -> Blueprint:
        self._check_role(stack)
        previous = stack.blueprint if stack else None
        tags: Sequence[dict[str, str]] | None = self.params.get("Tags")
        if tags is None and previous:
            tags = [{"Key": k, "Value": v} for k, v in previous.tags.items()]
        return blueprint.draw(
            body,
            self.params.get("Parameters", []),
            tags or [],
            self.params.get("Capabilities", []),
            self.region,
            self._caller(),
            previous,
        )

    def _refuse_unsupported(self) -> None:
        self._refuse_express()
        self._check_role()
        for parameter, what in _REFUSED.items():
            if self.params.get(parameter):
                raise NotImplementedByLocalAws(f"{what} ({parameter})")
        if self.params.get("RollbackConfiguration", {}).get("RollbackTriggers"):
            raise NotImplementedByLocalAws("rollback triggers (RollbackTriggers)")
        if self.params.get("NotificationARNs"):
            raise NotImplementedByLocalAws("notifications of stack events (NotificationARNs)")

    def _check_role(self, stack: Stack | None = None) -> None:
        """Refuse a service role, given or the stack's, that CloudFormation cannot assume."""
        role = self.params.get("RoleARN") or (stack.role_arn if stack else None)
        if role and not trusts(role, "cloudformation", self.region):
            raise ValidationError(f"Role {role} is invalid or cannot be assumed")

    def _refuse_express(self) -> None:
        if self.params.get("DeploymentConfig", {}).get("Mode", "STANDARD") != "STANDARD":
            raise NotImplementedByLocalAws("express deployments (DeploymentConfig)")

    def _rollback_disabled(self) -> bool:
        config = self.params.get("DeploymentConfig", {})
        return bool(self.params.get("DisableRollback") or config.get("DisableRollback"))

    def _assume(self, stack: Stack) -> None:
        stack.role_arn = self.params.get("RoleARN") or stack.role_arn
        stack.caller = self._caller()

    def _caller(self) -> clients.Credentials:
        session = find_session(self.access_key, self.current_account, self.region)
        return session.credentials if session else issued_to(self.access_key, self.current_account)

    def _settings(self, stack: Stack) -> None:
        self._assume(stack)
        stack.capabilities = self.params.get("Capabilities", [])
        stack.disable_rollback = self._rollback_disabled()
        stack.retain_except_on_create = bool(self.params.get("RetainExceptOnCreate"))
        stack.change_set_id = None

    def _require_updatable(self, stack: Stack) -> None:
        if stack.status not in _UPDATABLE:
            raise ValidationError(
                f"Stack:{stack.id} is in {stack.status} state and can not be updated."
            )

    def _stack_or(self, message: str) -> Stack:
        name = self.params.get("StackName", "")
        stack = self.backend.find(name)
        if stack is None:
            raise ValidationError(message.format(name))
        return stack

    def _start_creation(
        self, stack: Stack, wanted: Blueprint, on_failure: str, token: str | None
    ) -> None:
        stack.blueprint = wanted
        deployment = Deployment(self.backend, stack, wanted, token)
        stack.set_status("CREATE_IN_PROGRESS", "User Initiated", token, deployment.id)
        deployment.start(lambda: deployment.create(on_failure))

    def _start_update(
        self, stack: Stack, wanted: Blueprint, roll_back: bool, token: str | None
    ) -> None:
        if stack.snapshot is None:  # otherwise the last good state is older than the failure
            stack.take_snapshot()
        deployment = Deployment(self.backend, stack, wanted, token)
        stack.updated = now()
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated", token, deployment.id)
        stack.blueprint = wanted
        deployment.start(lambda: deployment.update(roll_back=roll_back))

    def _begin_rollback(self, stack: Stack, deployment: Deployment, skip: Sequence[str]) -> None:
        stack.set_status(
            "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated", self._token(), deployment.id
        )
        deployment.start(lambda: deployment.roll_back_update("User Initiated", skip))

    def _new_change_set(self, stack: Stack, name: str, kind: str, wanted: Blueprint) -> ChangeSet:
        change_set = ChangeSet(
            id=(
                f"arn:{stack.partition}:cloudformation:{stack.region}:{stack.account_id}"
                f":changeSet/{name}/{uuid4()}"
            ),
            name=name,
            type=kind,
            blueprint=wanted,
            template_body=wanted.template.body,
            description=self.params.get("Description"),
            capabilities=self.params.get("Capabilities", []),
            role_arn=self.params.get("RoleARN"),
            on_failure=self.params.get("OnStackFailure"),
            options={
                "NotificationARNs": self.params.get("NotificationARNs", []),
                "DisableRollback": self._rollback_disabled(),
                "IncludeNestedStacks": bool(self.params.get("IncludeNestedStacks")),
            },
        )
        try:
            found = preview(self.backend, stack, wanted)
        except ValidationError as error:
            self._fail(change_set, error.message)
            return change_set
        change_set.changes = found.changes
        if not found and kind == "UPDATE":
            self._fail(change_set, _NO_CHANGES)
        return change_set

    @staticmethod
    def _fail(change_set: ChangeSet, reason: str) -> None:
        change_set.status, change_set.reason = "FAILED", reason
        change_set.execution_status = "UNAVAILABLE"

    def _page(self, key: str, items: Sequence[Any], shown: Callable[[Any], Any]) -> dict[str, Any]:
        """One page of a listing that goes from the newest to the oldest, or by name.

        The token counts from the end, where a history grows from the front.
        """
        token = self.params.get("NextToken")
        start = 0
        if token:
            try:
                start = max(0, len(items) - int(base64.b64decode(token, validate=True)))
            except ValueError:
                raise ValidationError("The specified token is invalid") from None
        page = {key: [shown(item) for item in items[start : start + _PAGE]]}
        left = len(items) - start - _PAGE
        if left > 0:
            page["NextToken"] = base64.b64encode(str(left).encode()).decode()  # type: ignore[assignment]
        return page


def _stack(stack: Stack) -> dict[str, Any]:
    wanted = stack.blueprint
    shown: dict[str, Any] = {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DisableRollback": stack.disable_rollback,
        "RollbackConfiguration": {},
        "NotificationARNs": stack.notification_arns,
        "Capabilities": stack.capabilities,
        "Parameters": wanted.shown_parameters() if wanted else [],
        "Outputs": stack.outputs,
        "Tags": [{"Key": k, "Value": v} for k, v in wanted.tags.items()] if wanted else [],
        "EnableTerminationProtection": stack.termination_protection,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }
    optional = {
        "Description": wanted.template.description if wanted else None,
        "StackStatusReason": stack.reason,
        "ChangeSetId": stack.change_set_id,
        "LastUpdatedTime": stack.updated,
        "DeletionTime": stack.deleted,
        "RoleARN": stack.role_arn,
        "ParentId": stack.parent.id if stack.parent else None,
        "RootId": stack.root.id if stack.parent else None,
    }
    return {**shown, **{key: value for key, value in optional.items() if value is not None}}


def _stack_summary(stack: Stack) -> dict[str, Any]:
    described = _stack(stack)
    names = [
        "StackId",
        "StackName",
        "CreationTime",
        "LastUpdatedTime",
        "DeletionTime",
        "StackStatus",
    ]
    names += ["StackStatusReason", "DriftInformation", "ParentId", "RootId"]
    summary = {name: described[name] for name in names if name in described}
    if stack.template and stack.template.description:
        summary["TemplateDescription"] = stack.template.description
    return summary


def _event(stack: Stack, event: Event) -> dict[str, Any]:
    shown = {
        "StackId": stack.id,
        "StackName": stack.name,
        "EventId": event.id,
        "OperationId": event.operation or None,
        "LogicalResourceId": event.logical_id,
        "PhysicalResourceId": event.physical_id,
        "ResourceType": event.type,
        "ResourceStatus": event.status,
        "ResourceStatusReason": event.reason,
        "ResourceProperties": event.properties,
        "ClientRequestToken": event.token,
        "Timestamp": event.time,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _operation_event(stack: Stack, event: Event) -> dict[str, Any]:
    shown = _event(stack, event)
    del shown["StackName"]
    return {**shown, "EventType": "STACK_EVENT"}


def _resource(stack: Stack, resource: Resource, time: str, *, names: bool = True) -> dict[str, Any]:
    shown = {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        time: resource.updated,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }
    if names:
        shown |= {"StackName": stack.name, "StackId": stack.id}
    return {name: value for name, value in shown.items() if value is not None}


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {name: _masked(member, secrets) for name, member in value.items()}
    if isinstance(value, list):
        return [_masked(member, secrets) for member in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "****") if secret else value
    return value


def _change_set_summary(stack: Stack, change_set: ChangeSet) -> dict[str, Any]:
    shown = {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.id,
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": change_set.description,
        "CreationTime": change_set.created,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "ExecutionStatus": change_set.execution_status,
        "IncludeNestedStacks": change_set.options["IncludeNestedStacks"],
    }
    return {name: value for name, value in shown.items() if value is not None}


def _declarations(parsed: template.Template, *, summary: bool) -> dict[str, Any]:
    parameters = []
    for name, declaration in parsed.parameters.items():
        entry: dict[str, Any] = {
            "ParameterKey": name,
            "NoEcho": str(declaration.get("NoEcho", "false")).lower() == "true",
        }
        if "Default" in declaration:
            entry["DefaultValue"] = str(declaration["Default"])
        if "Description" in declaration:
            entry["Description"] = declaration["Description"]
        if summary:
            entry["ParameterType"] = declaration.get("Type", "String")
            allowed = [str(value) for value in declaration.get("AllowedValues", [])]
            entry["ParameterConstraints"] = {"AllowedValues": allowed} if allowed else {}
        parameters.append(entry)
    answer: dict[str, Any] = {"Parameters": parameters}
    if parsed.description:
        answer["Description"] = parsed.description
    if capability := parsed.capability():
        answer["Capabilities"] = [capability]
        types = {r.type for r in parsed.resources.values() if r.type.startswith("AWS::IAM::")}
        answer["CapabilitiesReason"] = (
            f"The following resource(s) require capabilities: [{', '.join(sorted(types))}]"
        )
    return answer
