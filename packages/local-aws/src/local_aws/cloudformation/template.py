"""Templates: parsed from JSON or YAML, and validated."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml  # type: ignore[import-untyped]

from local_aws.cloudformation.errors import ValidationError
from local_aws.documents import check_depth
from local_aws.expressions import fault

PSEUDO_PARAMETERS = frozenset(
    f"AWS::{name}"
    for name in (
        [
            "AccountId",
            "NotificationARNs",
            "NoValue",
            "Partition",
            "Region",
            "StackId",
            "StackName",
            "URLSuffix",
        ]
    )
)
FUNCTIONS = frozenset(
    f"Fn::{name}"
    for name in (
        [
            "And",
            "Base64",
            "Equals",
            "FindInMap",
            "GetAZs",
            "GetAtt",
            "If",
            "ImportValue",
            "Join",
            "Not",
            "Or",
            "Select",
            "Split",
            "Sub",
        ]
    )
)
RULE_FUNCTIONS = frozenset(
    f"Fn::{name}" for name in ["Contains", "EachMemberEquals", "EachMemberIn"]
)
_MOST_RESOURCES = 500
_SECTIONS = frozenset(
    [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Mappings",
        "Conditions",
        "Transform",
        "Resources",
        "Outputs",
        "Hooks",
    ]
)
_RESOURCE_KEYS = frozenset(
    [
        "Type",
        "Properties",
        "DependsOn",
        "Condition",
        "Metadata",
        "DeletionPolicy",
        "UpdateReplacePolicy",
        "UpdatePolicy",
        "CreationPolicy",
        "Version",
    ]
)
_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"})
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
_WITH_SNAPSHOTS = frozenset(
    [
        "AWS::DocDB::DBCluster",
        "AWS::EC2::Volume",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::Neptune::DBCluster",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
    ]
)
# characters that XML 1.0, and so a response of CloudFormation, cannot contain
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLACEHOLDER = re.compile(r"\$\{([^!{}][^{}]*)\}")


@dataclass(frozen=True)
class Definition:
    """One resource as declared in the template; `properties` contain unevaluated functions."""

    logical_id: str
    type: str
    properties: dict[str, Any]
    depends_on: frozenset[str]
    condition: str | None
    deletion_policy: str
    update_replace_policy: str
    metadata: dict[str, Any] | None


@dataclass(frozen=True)
class Template:
    """A template with valid structure and references."""

    body: str
    description: str | None
    parameters: dict[str, dict[str, Any]]
    mappings: dict[str, Any]
    conditions: dict[str, Any]
    rules: dict[str, dict[str, Any]]
    resources: dict[str, Definition]
    outputs: dict[str, dict[str, Any]]
    metadata: dict[str, Any] = field(default_factory=dict)

    def dependencies(self, logical_id: str) -> frozenset[str]:
        """The resources that must exist before `logical_id`."""
        definition = self.resources[logical_id]
        found = {name for name in references(definition.properties) if name in self.resources}
        return frozenset(found | definition.depends_on) - {logical_id}

    def capability(self) -> str | None:
        """The capability that the template's IAM resources need, if any."""
        names = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName"}
        iam = [r for r in self.resources.values() if r.type.startswith("AWS::IAM::")]
        if any(names.get(r.type) in r.properties for r in iam):
            return "CAPABILITY_NAMED_IAM"
        return "CAPABILITY_IAM" if iam else None


def parse(body: str) -> Template:
    """Read a template.

    Raises:
        ValidationError: it is not a template, or refers to something undeclared; all problems of
            one kind are listed.
    """
    document = _load(body)
    if "Transform" in document:  # which may support further sections, such as SAM's Globals
        raise ValidationError(
            f"The local AWS does not implement a template's Transform ({document['Transform']}): "
            "macros, AWS::Serverless among them."
        )
    unknown = sorted(set(document) - _SECTIONS)
    if unknown:
        raise ValidationError(
            f"Invalid template property or properties [{', '.join(map(str, unknown))}]"
        )
    if "Hooks" in document:
        raise ValidationError("The local AWS does not implement a template's Hooks.")
    declared = document.get("Resources")
    if not isinstance(declared, dict) or not declared:
        raise ValidationError(
            "Template format error: At least one Resources member must be defined."
        )
    if len(declared) > _MOST_RESOURCES:
        raise ValidationError(
            f"Template format error: Number of resources, {len(declared)}, is greater than maximum "
            f"allowed, {_MOST_RESOURCES}"
        )
    template = Template(
        body=body,
        description=document.get("Description"),
        parameters=_parameters(document),
        mappings=_mappings(document),
        conditions=_conditions(document),
        rules=_rules(document),
        resources={name: _definition(name, value) for name, value in declared.items()},
        outputs=_section(document, "Outputs"),
        metadata=_section(document, "Metadata"),
    )
    _check(template)
    return template


def is_custom(resource_type: str) -> bool:
    """Whether resources of this type are custom resources."""
    return resource_type.startswith("Custom::") or (
        resource_type == "AWS::CloudFormation::CustomResource"
    )


def references(value: Any) -> Iterator[str]:
    """All names that `value` refers to by Ref, Fn::GetAtt or Fn::Sub."""
    if isinstance(value, list):
        for member in value:
            yield from references(member)
    elif isinstance(value, dict):
        function, argument = _function(value)
        if function == "Ref" and isinstance(argument, str):
            yield argument
        elif function == "Fn::GetAtt":
            logical_id, attribute = attribute_path(argument)
            yield logical_id
            yield from references(attribute)
        elif function == "Fn::Sub":
            text, variables = sub_arguments(argument)
            yield from references(variables)
            for name in placeholders(text):
                if name not in variables:
                    yield name.split(".", 1)[0]
        else:
            for member in value.values():
                yield from references(member)


def attributes(value: Any) -> Iterator[tuple[str, str]]:
    """All (logical id, attribute) that `value` refers to by Fn::GetAtt or Fn::Sub."""
    if isinstance(value, list):
        for member in value:
            yield from attributes(member)
    elif isinstance(value, dict):
        function, argument = _function(value)
        if function == "Fn::GetAtt":
            logical_id, attribute = attribute_path(argument)
            if isinstance(attribute, str):
                yield logical_id, attribute
        elif function == "Fn::Sub":
            text, variables = sub_arguments(argument)
            yield from attributes(variables)
            for name in placeholders(text):
                if name not in variables and "." in name:
                    logical_id, attribute = name.split(".", 1)
                    yield logical_id, attribute
        else:
            for member in value.values():
                yield from attributes(member)


def attribute_path(argument: Any) -> tuple[str, Any]:
    """The resource and the attribute that an Fn::GetAtt names, in either of its two forms."""
    if isinstance(argument, str) and "." in argument:
        logical_id, attribute = argument.split(".", 1)
        return logical_id, attribute
    if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[0], str):
        return argument[0], argument[1]
    raise ValidationError(
        "Template error: every Fn::GetAtt object requires two non-empty parameters, "
        "the resource name and the resource attribute"
    )


def sub_arguments(argument: Any) -> tuple[str, dict[str, Any]]:
    """The text and the variables of an Fn::Sub, in either of its two forms."""
    if isinstance(argument, str):
        return argument, {}
    if (
        isinstance(argument, list)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and isinstance(argument[1], dict)
    ):
        return argument[0], argument[1]
    raise ValidationError(
        "Template error: One or more Fn::Sub intrinsic functions don't specify expected "
        "arguments. Specify a string as first argument, and an optional second argument to "
        "specify a mapping of values to replace in the string"
    )


def placeholders(text: str) -> list[str]:
    """The names in `${…}` of an Fn::Sub text, without the escaped `${!…}`."""
    return [name.strip() for name in _PLACEHOLDER.findall(text)]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """The Fn::Sub text with its placeholders filled and its escapes undone."""
    filled = _PLACEHOLDER.sub(lambda match: values[match.group(1).strip()], text)
    return filled.replace("${!", "${")


def _function(value: dict[str, Any]) -> tuple[str | None, Any]:
    if len(value) == 1:
        name, argument = next(iter(value.items()))
        if name == "Ref" or (isinstance(name, str) and name.startswith("Fn::")):
            return name, argument
    return None, None


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Parse YAML with CloudFormation's short functions; dates and keys remain strings."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValidationError(
                "Template error: YAML aliases are not allowed in CloudFormation templates"
            )
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def _load(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body) if body.lstrip().startswith("{") else None
    except json.JSONDecodeError:
        document = None  # YAML in flow style also begins with a brace
    except (RecursionError, ValueError) as error:
        raise ValidationError(f"Template format error: JSON not well-formed. ({error})") from None
    if document is None:
        try:
            document = yaml.load(body, Loader=_Loader)  # noqa: S506 (a SafeLoader)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise ValidationError(
                f"Template format error: YAML not well-formed. ({error})"
            ) from None
    if not isinstance(document, dict):
        raise ValidationError("Template format error: unsupported structure.")
    try:
        check_depth(document)
    except ValueError as error:
        raise ValidationError(f"Template format error: {error}.") from None
    for text in _texts(document):
        if found := unprintable(text):
            raise ValidationError(f"Template format error: {found}.")
    return document


def unprintable(text: str) -> str | None:
    """The problem of a text that an XML response cannot contain; None if it can."""
    found = _UNPRINTABLE.search(text)
    return f"the character U+{ord(found[0]):04X} is not allowed" if found else None


def _texts(document: dict[Any, Any]) -> Iterator[str]:
    """All strings of a document, including keys."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            yield value


def _section(document: dict[str, Any], name: str) -> dict[str, Any]:
    section = document.get(name, {})
    if not isinstance(section, dict) or not (
        name == "Metadata" or all(isinstance(member, dict) for member in section.values())
    ):
        raise ValidationError(f"Template format error: Every {name} member must be a map.")
    return section


def _mappings(document: dict[str, Any]) -> dict[str, Any]:
    """Parse the mappings, which contain only strings and lists of strings."""
    section = _section(document, "Mappings")
    for name, mapping in section.items():
        for keys in mapping.values():
            values = keys.values() if isinstance(keys, dict) else [keys]
            members = (one for value in values for one in _listed(value))
            if not isinstance(keys, dict) or any(isinstance(m, (dict, list)) for m in members):
                raise ValidationError(
                    f"Template validation error: Template error: every Mappings attribute must be "
                    f"a String or a List: {name}"
                )
    return section


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _conditions(document: dict[str, Any]) -> dict[str, Any]:
    """The conditions, each after those that it depends on."""
    section = _section(document, "Conditions")
    needed = {name: set(_conditions_in(term)) for name, term in section.items()}
    for missing in sorted(set().union(*needed.values()) - set(section)):
        raise ValidationError(
            f"Template format error: Unresolved condition dependency {missing} in the template"
        )
    try:
        return {name: section[name] for name in TopologicalSorter(needed).static_order()}
    except CycleError as error:
        circle = " and ".join(error.args[1])
        raise ValidationError(
            f"Template error: Found circular condition dependency between {circle}"
        ) from None


def _conditions_in(term: Any) -> Iterator[str]:
    """The names of the conditions on which one depends."""
    for member in term if isinstance(term, list) else ():
        yield from _conditions_in(member)
    for name, member in term.items() if isinstance(term, dict) else ():
        if name == "Condition" and isinstance(member, str):
            yield member
        yield from _conditions_in(member)


def _parameters(document: dict[str, Any]) -> dict[str, Any]:
    section = _section(document, "Parameters")
    for name, declaration in section.items():
        if not isinstance(declaration.get("Type"), str):
            raise ValidationError(
                f"Template format error: Every Parameters object must contain a Type member: {name}"
            )
        for key, value in declaration.items():
            if key in _PARAMETER_SHAPES and not _PARAMETER_SHAPES[key](value):
                raise ValidationError(
                    f"Template format error: {key} of parameter {name} cannot be {value!r}"
                )
    return section


def _rules(document: dict[str, Any]) -> dict[str, Any]:
    section = _section(document, "Rules")
    for name, rule in section.items():
        assertions = rule.get("Assertions")
        if not isinstance(assertions, list) or not all(
            isinstance(one, dict) and "Assert" in one for one in assertions
        ):
            raise ValidationError(
                f"Template format error: Assertions of rule {name} must be a list of maps, each "
                "with an Assert member"
            )
    return section


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _is_whole(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str) and fault(value) is None


_PARAMETER_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    "AllowedValues": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "AllowedPattern": _is_pattern,
    "ConstraintDescription": _is_text,
    "Default": _is_text,
    "MinLength": _is_whole,
    "MaxLength": _is_whole,
    "MinValue": _is_number,
    "MaxValue": _is_number,
}


def _definition(name: str, value: Any) -> Definition:
    if not isinstance(value, dict) or not isinstance(value.get("Type"), str):
        raise ValidationError(
            "Template format error: [/Resources/" + str(name) + "] Every Resources object must "
            "contain a Type member."
        )
    unknown = sorted(set(value) - _RESOURCE_KEYS)
    if unknown:
        raise ValidationError(
            f"Invalid template resource property '{unknown[0]}' of resource '{name}'"
        )
    for unsupported in ("UpdatePolicy", "CreationPolicy"):
        if unsupported in value:
            raise ValidationError(
                f"The local AWS does not implement {unsupported} (resource '{name}')."
            )
    properties = value.get("Properties") or {}
    if not isinstance(properties, dict):
        raise ValidationError(
            f"Template format error: Properties of resource '{name}' must be an object"
        )
    depends = value.get("DependsOn", [])
    depends = [depends] if isinstance(depends, str) else depends
    if not isinstance(depends, list) or not all(isinstance(one, str) for one in depends):
        raise ValidationError(
            f"Template format error: DependsOn of resource '{name}' must be a string or a list"
        )
    if not isinstance(value.get("Condition", ""), str):
        raise ValidationError(
            f"Template format error: Condition of resource '{name}' must be a string"
        )
    deletion = value.get("DeletionPolicy", "Delete")
    replacement = value.get("UpdateReplacePolicy", "Delete")
    for key, policy in (("DeletionPolicy", deletion), ("UpdateReplacePolicy", replacement)):
        if not isinstance(policy, str) or policy not in _POLICIES:
            raise ValidationError(
                f"Template error: Unrecognized {key} {policy} for resource {name}"
            )
        if policy == "Snapshot" and value["Type"] not in _WITH_SNAPSHOTS:
            raise ValidationError(
                f"Template error: resource type {value['Type']} does not support {key} "
                f"policy Snapshot (resource '{name}')"
            )
    return Definition(
        logical_id=name,
        type=value["Type"],
        properties=properties,
        depends_on=frozenset(depends),
        condition=value.get("Condition"),
        deletion_policy=deletion,
        update_replace_policy=replacement,
        metadata=value.get("Metadata"),
    )


def _check(template: Template) -> None:
    known = set(template.parameters) | set(template.resources) | PSEUDO_PARAMETERS
    for block, values in (
        ("Resources", {n: r.properties for n, r in template.resources.items()}),
        ("Outputs", template.outputs),
    ):
        missing = sorted({n for value in values.values() for n in references(value)} - known)
        if missing:
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                f"in the {block} block of the template"
            )
    depended = {n for r in template.resources.values() for n in r.depends_on}
    missing = sorted(depended - set(template.resources))
    if missing:
        raise ValidationError(
            f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
            "in the Resources block of the template"
        )
    named = {r.condition for r in template.resources.values() if r.condition}
    named |= {o["Condition"] for o in template.outputs.values() if "Condition" in o}
    missing = sorted(named - set(template.conditions))
    if missing:
        raise ValidationError(
            f"Template format error: Unresolved condition dependency {missing[0]} in the template"
        )
    for name, output in template.outputs.items():
        if not isinstance(output, dict) or "Value" not in output:
            raise ValidationError(
                f"Template format error: Output {name} is malformed. Every Outputs member must "
                "contain a Value object"
            )
    unknown = sorted(_unknown_functions(template))
    if unknown:
        raise ValidationError(
            f"The local AWS does not implement these functions of templates: {', '.join(unknown)}"
        )
    _refuse_cycles(template)


def _unknown_functions(template: Template) -> set[str]:
    found: set[str] = set()

    def search(value: Any, allowed: frozenset[str]) -> None:
        if isinstance(value, list):
            for member in value:
                search(member, allowed)
        elif isinstance(value, dict):
            function, _ = _function(value)
            if function and function != "Ref" and function not in allowed:
                found.add(function)
            for member in value.values():
                search(member, allowed)

    for definition in template.resources.values():
        search(definition.properties, FUNCTIONS)
    search(template.outputs, FUNCTIONS)
    search(template.conditions, FUNCTIONS)
    search(template.rules, FUNCTIONS | RULE_FUNCTIONS)
    return found


def _refuse_cycles(template: Template) -> None:
    remaining = {name: set(template.dependencies(name)) for name in template.resources}
    while free := [name for name, needed in remaining.items() if not needed]:
        for name in free:
            del remaining[name]
        for needed in remaining.values():
            needed.difference_update(free)
    if remaining:
        raise ValidationError(
            f"Circular dependency between resources: [{', '.join(sorted(remaining))}]"
        )
