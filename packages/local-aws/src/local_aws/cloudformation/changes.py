"""Computes change sets: what a blueprint would change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_aws.cloudformation import schemas, template
from local_aws.cloudformation.intrinsics import UNKNOWN, unknown
from local_aws.cloudformation.resolution import Resolution

if TYPE_CHECKING:
    from local_aws.cloudformation.blueprint import Blueprint
    from local_aws.cloudformation.models import CloudFormationBackend, Resource, Stack


@dataclass
class Detail:
    """One property (or other attribute) of a resource that changes."""

    attribute: str
    name: str | None
    recreation: str
    before: Any
    after: Any
    source: str
    cause: str | None = None
    static: bool = True

    def described(self, *, with_values: bool) -> dict[str, Any]:
        """As DescribeChangeSet shows it."""
        target: dict[str, Any] = {
            "Attribute": self.attribute,
            "RequiresRecreation": self.recreation,
        }
        if self.name:
            target["Name"] = self.name
            target["Path"] = f"/Properties/{self.name}"
        if with_values:
            for key, value in (("BeforeValue", self.before), ("AfterValue", self.after)):
                if value is not None:
                    target[key] = value if isinstance(value, str) else json.dumps(value)
            kind = "Add" if self.before is None else "Remove" if self.after is None else "Modify"
            target["AttributeChangeType"] = kind
        detail: dict[str, Any] = {
            "Target": target,
            "Evaluation": "Static" if self.static else "Dynamic",
            "ChangeSource": self.source,
        }
        if self.cause:
            detail["CausingEntity"] = self.cause
        return detail


@dataclass
class Change:
    """The change of one resource."""

    action: str
    logical_id: str
    type: str
    physical_id: str | None = None
    replacement: str | None = None
    policy: str | None = None
    details: list[Detail] = field(default_factory=list)
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None

    def described(self, *, with_values: bool) -> dict[str, Any]:
        """As DescribeChangeSet shows it."""
        change: dict[str, Any] = {
            "Action": self.action,
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.type,
            "Scope": sorted({d.attribute for d in self.details}),
            "Details": [d.described(with_values=with_values) for d in self.details],
        }
        optional = {
            "PhysicalResourceId": self.physical_id,
            "Replacement": self.replacement,
            "PolicyAction": self.policy,
        }
        change |= {key: value for key, value in optional.items() if value}
        if with_values:
            for key, context in (("BeforeContext", self.before), ("AfterContext", self.after)):
                if context is not None:
                    change[key] = json.dumps(context)
        return {"Type": "Resource", "ResourceChange": change}


@dataclass
class Preview:
    """All changes of a blueprint."""

    changes: list[Change]
    outputs_change: bool
    inputs_change: bool

    def __bool__(self) -> bool:
        return bool(self.changes) or self.outputs_change or self.inputs_change


class _Scope(Resolution):
    """A scope with the values known before the deployment; others are UNKNOWN."""

    def __init__(self, backend: "CloudFormationBackend", stack: "Stack", wanted: "Blueprint"):
        super().__init__(backend, stack, wanted)
        self.actions: dict[str, Change | None] = {}

    def resource_reference(self, name: str) -> Any:
        change, resource = self.actions.get(name), self.stack.resources.get(name)
        if resource is None or resource.physical_id is None:
            return UNKNOWN
        if change and change.replacement in ("True", "Conditional"):
            return UNKNOWN
        return resource.physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        change, resource = self.actions.get(logical_id), self.stack.resources.get(logical_id)
        if resource is None or resource.physical_id is None:
            return UNKNOWN
        if change and (change.replacement != "False" or template.is_custom(resource.type)):
            return UNKNOWN
        return resource.attributes.get(name, UNKNOWN)


def preview(backend: "CloudFormationBackend", stack: "Stack", wanted: "Blueprint") -> Preview:
    """Compute the changes of `wanted` in `stack`.

    Raises:
        ValidationError: a function or an import of the template cannot be evaluated.
    """
    scope = _Scope(backend, stack, wanted)
    active = scope.active_resources()
    changes: list[Change] = []
    for logical_id in _in_order(wanted.template, active):
        definition = wanted.template.resources[logical_id]
        properties = scope.properties(definition)
        resource = stack.resources.get(logical_id)
        if resource is None or not resource.exists:
            change: Change | None = Change(
                "Add", logical_id, definition.type, after={"Properties": properties}
            )
        else:
            change = _modification(stack, resource, definition, properties, scope)
        scope.actions[logical_id] = change
        if change:
            changes.append(change)
    for logical_id, resource in stack.resources.items():
        if logical_id not in active and resource.exists:
            changes.append(_removal(resource))
    previous = stack.blueprint
    outputs = scope.outputs()
    known = {o["OutputKey"]: o for o in stack.outputs}
    wanted_outputs = {o["OutputKey"]: o for o in outputs}
    return Preview(
        changes,
        outputs_change=known != wanted_outputs,
        inputs_change=previous is not None
        and (previous.tags != wanted.tags or previous.values != wanted.values),
    )


def _in_order(template: template.Template, active: set[str]) -> Iterator[str]:
    done: set[str] = set()
    while len(done) < len(active):
        for name in template.resources:
            needed = template.dependencies(name) & active
            if name in active - done and needed <= done:
                done.add(name)
                yield name


def _removal(resource: "Resource") -> Change:
    retained = resource.deletion_policy in ("Retain", "RetainExceptOnCreate")
    return Change(
        "Remove",
        resource.logical_id,
        resource.type,
        resource.physical_id,
        policy="Retain" if retained else "Delete",
        before={"Properties": resource.properties},
    )


def _modification(
    stack: "Stack",
    resource: "Resource",
    definition: template.Definition,
    properties: dict[str, Any],
    scope: _Scope,
) -> Change | None:
    details = []
    replacing: set[str] = set()
    if not template.is_custom(definition.type):
        schema = schemas.schema(definition.type, stack.region)
        replacing = schema.replaces(resource.properties, properties)
    for name in sorted(properties.keys() | resource.properties.keys()):
        before, after = resource.properties.get(name), properties.get(name)
        if before == after:
            continue
        dynamic = unknown(after)
        recreation = "Always" if name in replacing else "Never"
        cause, source = _cause(definition.properties.get(name), scope)
        details.append(
            Detail("Properties", name, recreation, before, after, source, cause, not dynamic)
        )
    if resource.type != definition.type:
        details.append(Detail("Properties", None, "Always", None, None, "DirectModification"))
    if (resource.metadata or {}) != (definition.metadata or {}):
        details.append(Detail("Metadata", None, "Never", None, None, "DirectModification"))
    for attribute, old, new in (
        ("DeletionPolicy", resource.deletion_policy, definition.deletion_policy),
        ("UpdateReplacePolicy", resource.update_replace_policy, definition.update_replace_policy),
    ):
        if old != new:
            details.append(Detail(attribute, None, "Never", old, new, "DirectModification"))
    if resource.status.endswith("_FAILED") and not details:
        # an incomplete update is repeated even if the template is unchanged
        details.append(Detail("Properties", None, "Never", None, None, "Automatic"))
    if not details:
        return None
    recreating = [detail for detail in details if detail.recreation == "Always"]
    certain = any(detail.static for detail in recreating)
    replacement = "True" if certain else "Conditional" if recreating else "False"
    policy = None
    if replacement == "True":
        retained = definition.update_replace_policy != "Delete"
        policy = "ReplaceAndRetain" if retained else "ReplaceAndDelete"
    return Change(
        "Modify",
        resource.logical_id,
        definition.type,
        resource.physical_id,
        replacement,
        policy,
        details,
        before={"Properties": resource.properties},
        after={"Properties": properties},
    )


def _cause(raw: Any, scope: _Scope) -> tuple[str | None, str]:
    for logical_id, attribute in template.attributes(raw):
        if scope.actions.get(logical_id):
            return f"{logical_id}.{attribute}", "ResourceAttribute"
    for name in template.references(raw):
        if scope.actions.get(name):
            return name, "ResourceReference"
        if name in scope.wanted.template.parameters:
            return name, "ParameterReference"
    return None, "DirectModification"
