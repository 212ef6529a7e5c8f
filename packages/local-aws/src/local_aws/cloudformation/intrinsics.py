"""Evaluates a template's parameters, conditions and functions."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from local_aws.cloudformation import template as templates
from local_aws.cloudformation.errors import ValidationError
from local_aws.cloudformation.template import Template

# AWS's token in change sets for values that are only known at deployment
UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
NO_VALUE = object()
_LONGEST = 4 * 1024**2  # characters of a text; the longest property, a function's code, has as many
_MOST = 64 * _LONGEST  # of all that one evaluator makes
_MEMBER = 64  # characters as which a member of a list counts
_DYNAMIC = re.compile(r"\{\{resolve:([^:}]+):([^}]*)\}\}")


class Scope(Protocol):
    """The evaluator's source of values from outside the template."""

    def reference(self, name: str) -> Any:
        """The value of `Ref` for a parameter, a pseudo parameter or a resource."""

    def attribute(self, logical_id: str, name: str) -> Any:
        """The value of `Fn::GetAtt`."""

    def imported(self, name: str) -> Any:
        """The value of the export `name`."""

    def dynamic(self, service: str, key: str) -> str:
        """The value of `{{resolve:service:key}}`."""


def unknown(value: Any) -> bool:
    """Whether `value` depends on something that is only known at deployment."""
    return UNKNOWN in (value if isinstance(value, str) else json.dumps(value, default=str))


class Evaluator:
    """Evaluates one template's values in a scope.

    Raises:
        ValidationError: from every method, if a function is misused or refers to something unknown.
    """

    def __init__(self, template: Template, scope: Scope) -> None:
        self._template = template
        self._scope = scope
        self._conditions: dict[str, bool] = {}
        self._made = 0  # characters
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Condition": lambda name: self.condition(name),
            "Fn::And": lambda terms: all(self._truth(term) for term in terms),
            "Fn::Or": lambda terms: any(self._truth(term) for term in terms),
            "Fn::Not": lambda terms: not self._truth(terms[0]),
            "Fn::Equals": self._equals,
            "Fn::If": self._if,
            "Fn::Base64": self._base64,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._zones,
            "Fn::GetAtt": self._get_att,
            "Fn::ImportValue": lambda name: self._scope.imported(str(self.value(name))),
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
            "Fn::Contains": lambda pair: self.value(pair[1]) in self.value(pair[0]),
            "Fn::EachMemberEquals": lambda pair: all(
                member == self.value(pair[1]) for member in self.value(pair[0])
            ),
            "Fn::EachMemberIn": lambda pair: all(
                member in self.value(pair[1]) for member in self.value(pair[0])
            ),
        }

    def active(self, condition: str | None) -> bool:
        """Whether an element with this condition exists."""
        return condition is None or self.condition(condition)

    def condition(self, name: str) -> bool:
        """The value of a condition of the template."""
        if name not in self._template.conditions:
            raise ValidationError(
                f"Template error: unresolved condition dependency {name} in the template"
            )
        for one, term in self._template.conditions.items():  # each after those that it depends on
            if name in self._conditions:
                break
            if one not in self._conditions:
                self._conditions[one] = self._truth(term)
        return self._conditions[name]

    def check_rules(self) -> None:
        """Evaluate the template's Rules, listing every assertion that fails."""
        broken = []
        for name, rule in self._template.rules.items():
            if "RuleCondition" in rule and not self._truth(rule["RuleCondition"]):
                continue
            broken += [
                f"Rule '{name}': {assertion.get('AssertDescription', 'the assertion is false')}"
                for assertion in rule["Assertions"]
                if not self._truth(assertion["Assert"])
            ]
        if broken:
            raise ValidationError(f"Template validation error: {'; '.join(broken)}")

    def properties(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluate each property; those with the value AWS::NoValue are omitted."""
        evaluated = {name: self.value(value) for name, value in values.items()}
        return {name: value for name, value in evaluated.items() if value is not NO_VALUE}

    def value(self, value: Any) -> Any:
        """Evaluate all functions in `value`; the result may be NO_VALUE."""
        if isinstance(value, str):
            return self._resolve(value)
        if isinstance(value, list):
            members = [self.value(member) for member in value]
            return [member for member in members if member is not NO_VALUE]
        if isinstance(value, dict):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                if name == "Ref" or (isinstance(name, str) and name.startswith("Fn::")):
                    return self._call(name, argument)
            return self.properties(value)
        return value

    def _call(self, name: str, argument: Any) -> Any:
        try:
            return self._functions[name](argument)
        except (TypeError, IndexError, KeyError, ValueError, AttributeError):
            shown = json.dumps(argument, default=str)[:300]
            raise ValidationError(f"Template error: cannot evaluate {name}: {shown}") from None

    def _truth(self, term: Any) -> bool:
        if isinstance(term, dict) and set(term) == {"Condition"}:
            return self.condition(term["Condition"])
        truth = self.value(term)
        if truth in ("true", "false"):
            return bool(truth == "true")
        if not isinstance(truth, bool):
            raise ValidationError(f"Template error: {json.dumps(term)[:300]} is not a condition")
        return truth

    def _ref(self, name: str) -> Any:
        return NO_VALUE if name == "AWS::NoValue" else self._scope.reference(name)

    def _equals(self, pair: list[Any]) -> bool:
        left, right = (_text(self.value(member)) for member in pair)
        return bool(left == right)

    def _if(self, argument: list[Any]) -> Any:
        name, yes, no = argument
        return self.value(yes if self.condition(name) else no)

    def _base64(self, argument: Any) -> str:
        text = self.value(argument)
        if unknown(text):
            return UNKNOWN
        self._count(len(text) * 4 // 3)
        return base64.b64encode(text.encode()).decode()

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, top, second = (self.value(member) for member in argument[:3])
        try:
            return self.value(self._template.mappings[name][str(top)][str(second)])
        except KeyError:
            if len(argument) == 4 and isinstance(argument[3], dict):
                return self.value(argument[3]["DefaultValue"])
            raise ValidationError(
                f"Template error: Unable to get mapping for {name}::{top}::{second}"
            ) from None

    def _get_att(self, argument: Any) -> Any:
        logical_id, attribute = templates.attribute_path(argument)
        return self._scope.attribute(logical_id, self.value(attribute))

    def _zones(self, argument: Any) -> list[str]:
        """The availability zones of a region; by default, of the stack's region."""
        # imported late, because it is slow and rarely used
        from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

        region = self.value(argument) or self._scope.reference("AWS::Region")
        zones = RegionsAndZonesBackend.zones.get(region)
        if zones is None:
            raise ValidationError(f"Template error: Fn::GetAZs: there is no region {region}")
        return sorted(zone.name for zone in zones)

    def _join(self, argument: list[Any]) -> str:
        delimiter, values = argument
        members = self.value(values)
        if members == UNKNOWN:
            return UNKNOWN
        if not isinstance(members, list) or not isinstance(delimiter, str):
            raise ValidationError(
                "Template error: every Fn::Join object requires two parameters, (1) a string "
                "delimiter and (2) a list of strings to be joined"
            )
        texts = [_text(member) for member in members]
        self._count(sum(map(len, texts)) + len(delimiter) * len(texts))
        return delimiter.join(texts)

    def _select(self, argument: list[Any]) -> Any:
        index, values = int(self.value(argument[0])), self.value(argument[1])
        if values == UNKNOWN:
            return UNKNOWN
        if not 0 <= index < len(values):
            # the list that a still unknown text will be split into is not known either
            if unknown(values):
                return UNKNOWN
            raise ValidationError(
                f"Template error: Fn::Select cannot select nonexistent value at index {index}"
            )
        return values[index]

    def _split(self, argument: list[Any]) -> Any:
        text, delimiter = self.value(argument[1]), argument[0]
        if unknown(text):
            return UNKNOWN
        self._count(len(text), _MEMBER * text.count(delimiter))
        return text.split(delimiter)

    def _sub(self, argument: Any) -> str:
        text, variables = templates.sub_arguments(argument)
        values: dict[str, str] = {}
        names = templates.placeholders(text)
        for name in dict.fromkeys(names):
            if name in variables:
                value = self.value(variables[name])
            elif "." in name:
                value = self._scope.attribute(*name.split(".", 1))
            else:
                value = self._scope.reference(name)
            values[name] = _text(value)
        self._count(len(text) + sum(len(values[name]) for name in names))
        return templates.substitute(text, values)

    def _count(self, length: int, more: int = 0) -> None:
        """Limit the size of generated strings, to bound memory.

        Args:
            length: of the text that is about to be made.
            more: characters as which what is made with it counts.
        """
        self._made += length + more
        if length > _LONGEST or self._made > _MOST:
            raise ValidationError(
                f"Template error: its functions may make texts of {_LONGEST:,} characters, and of "
                f"{_MOST:,} in all"
            )

    def _resolve(self, text: str) -> str:
        if "{{resolve:" not in text:
            return text
        return _DYNAMIC.sub(lambda found: self._scope.dynamic(found[1], found[2]), text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise ValidationError(f"Template error: {json.dumps(value)[:200]} is not a string")
    return str(value)
