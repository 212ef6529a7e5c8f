"""A validated template with parameter values and tags."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.cloudformation import resources, schemas, template
from local_aws.cloudformation.errors import InsufficientCapabilities, ValidationError
from local_aws.cloudformation.intrinsics import Evaluator
from local_aws.cloudformation.template import Template, is_custom
from local_aws.expressions import TooSlow, fullmatch

_LONGEST_BODY, _LONGEST_FILE = 51_200, 1_000_000
_STORED = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_LIST = re.compile(r"List<(.+)>|CommaDelimitedList")


@dataclass(frozen=True)
class Blueprint:
    """The desired state of a stack.

    `parameters` are as given or defaulted; `values` are what Ref returns for them.
    """

    template: Template
    parameters: dict[str, str]
    values: dict[str, Any]
    tags: dict[str, str]

    def shown_parameters(self) -> list[dict[str, str]]:
        """The parameters as Describe calls show them, secrets masked."""
        shown = []
        for name, text in self.parameters.items():
            declaration = self.template.parameters[name]
            shown_text = "****" if _secret(declaration) else text
            entry = {"ParameterKey": name, "ParameterValue": shown_text}
            if "AWS::SSM::Parameter::Value" in declaration["Type"]:
                value = self.values[name]
                entry["ResolvedValue"] = value if isinstance(value, str) else ",".join(value)
            shown.append(entry)
        return shown

    def secrets(self) -> list[str]:
        """The values of the NoEcho parameters."""
        declared = self.template.parameters
        return [text for name, text in self.parameters.items() if _secret(declared[name])]


def draw(
    body: str,
    given: Sequence[Mapping[str, Any]],
    tags: Sequence[Mapping[str, str]],
    capabilities: Sequence[str],
    region: str,
    credentials: clients.Credentials,
    previous: Blueprint | None = None,
) -> Blueprint:
    """Check a template and its parameters, and find the parameters' values.

    Args:
        body: the template's text.
        given: parameters as the API takes them (ParameterKey, ParameterValue, UsePreviousValue).
        tags: the stack's tags as the API takes them.
        capabilities: what the caller acknowledges.
        region: the stack's region.
        credentials: with which parameters are read from SSM's store.
        previous: the stack's current blueprint, for an update.

    Raises:
        ValidationError: lists all problems of one kind.
        InsufficientCapabilities: the template creates IAM resources without the capability.
    """
    parsed = template.parse(body)
    needed = parsed.capability()
    if needed and not {needed, "CAPABILITY_NAMED_IAM"} & set(capabilities):
        raise InsufficientCapabilities(needed)
    _check_types(parsed, region)
    _check_properties(parsed, region)
    _check_attributes(parsed, region)
    texts = _parameters(parsed, given, previous)
    values = {
        name: _value(name, text, parsed.parameters[name]["Type"], region, credentials)
        for name, text in texts.items()
    }
    Evaluator(parsed, _Inputs(values)).check_rules()
    return Blueprint(parsed, texts, values, {tag["Key"]: tag["Value"] for tag in tags})


def fetch(url: str, region: str, credentials: clients.Credentials) -> str:
    """The template at an S3 address, path-style or virtual-hosted, of AWS's S3 or of this one.

    Raises:
        ValidationError: the address is invalid, or the object does not exist.
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    # bucket.s3.region.amazonaws.com, bucket.s3-region.amazonaws.com, bucket.localhost
    virtual = re.fullmatch(
        r"(.+)\.(?:s3[.-][a-z0-9.-]*amazonaws\.com(?:\.cn)?|(?:s3\.)?localhost)", host
    )
    plain = re.fullmatch(
        r"s3[.-](?:[a-z0-9.-]*)amazonaws\.com(?:\.cn)?|localhost|127\.0\.0\.1", host
    )
    if plain:
        bucket, _, key = path.partition("/")
    elif virtual:
        bucket, key = virtual[1], path
    else:
        bucket, key = "", ""
    if not bucket or not key:
        raise ValidationError("TemplateURL must be a supported URL.")
    try:
        answer = clients.client("s3", region, credentials).get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise ValidationError(f"S3 error: {error.response['Error']['Message']} ({url})") from None
    if answer["ContentLength"] > _LONGEST_FILE:
        raise ValidationError(
            f"Template may not exceed {_LONGEST_FILE} bytes in size; this one has "
            f"{answer['ContentLength']}."
        )
    body: bytes = answer["Body"].read()
    return body.decode()


def check_length(body: str) -> None:
    """Refuse a template in the request that is too large for AWS and belongs in S3.

    Raises:
        ValidationError: it is longer than 51,200 bytes.
    """
    if len(body.encode()) > _LONGEST_BODY:
        raise ValidationError(
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_LONGEST_BODY}"
        )


@dataclass(frozen=True)
class _Inputs:
    """The scope of a template's rules, which may look at parameters only."""

    values: Mapping[str, Any]

    def reference(self, name: str) -> Any:
        if name not in self.values:
            raise ValidationError(f"Template validation error: a rule cannot refer to {name}")
        return self.values[name]

    def attribute(self, logical_id: str, name: str) -> Any:
        return self.reference(f"{logical_id}.{name}")

    def imported(self, name: str) -> Any:
        return self.reference(name)

    def dynamic(self, service: str, key: str) -> str:
        return str(self.reference(f"{service}:{key}"))


def _check_types(parsed: Template, region: str) -> None:
    types = {r.type for r in parsed.resources.values() if not is_custom(r.type)}
    unknown = sorted(t for t in types if not schemas.exists(t, region))
    missing = sorted(t for t in types - set(unknown) if resources.find(t) is None)
    messages = []
    if unknown:
        messages.append(
            f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )
    if missing:
        messages.append(
            "The local AWS does not implement these resource types, and skips none: "
            f"[{', '.join(missing)}]"
        )
    if messages:
        raise ValidationError("; ".join(messages))


def _check_properties(parsed: Template, region: str) -> None:
    faults = []
    for name, definition in parsed.resources.items():
        if is_custom(definition.type):
            if "ServiceToken" not in definition.properties:
                faults.append(f"{name} ({definition.type}): required key [ServiceToken] not found")
            continue
        handler = resources.find(definition.type)
        assert handler  # checked before
        schema = schemas.schema(definition.type, region)
        given = {k for k in definition.properties if not k.startswith("Fn::")}
        if unknown := sorted(given - schema.settable):
            faults.append(f"{name} ({definition.type}): unsupported property {', '.join(unknown)}")
        if lacking := sorted((given & schema.settable) - handler.supported):
            faults.append(
                f"{name} ({definition.type}): the local AWS does not implement {', '.join(lacking)}"
            )
        if missing := sorted(schema.required - given):
            faults.append(
                f"{name} ({definition.type}): required key [{', '.join(missing)}] not found"
            )
    if faults:
        raise ValidationError(f"Properties validation failed: {'; '.join(faults)}")


def _check_attributes(parsed: Template, region: str) -> None:
    asked = [template.attributes(r.properties) for r in parsed.resources.values()]
    asked.append(template.attributes(parsed.outputs))
    for logical_id, attribute in (pair for pairs in asked for pair in pairs):
        definition = parsed.resources.get(logical_id)
        if definition is None:
            raise ValidationError(
                "Template error: instance of Fn::GetAtt references undefined resource " + logical_id
            )
        if is_custom(definition.type):
            continue
        handler = resources.find(definition.type)
        assert handler  # checked before
        further = handler.further_attributes
        known = schemas.schema(definition.type, region).attributes | further
        if attribute not in known and not handler.has_attribute(attribute):
            raise ValidationError(
                f"Template error: resource {logical_id} does not support attribute type "
                f"{attribute} in Fn::GetAtt"
            )


def _parameters(
    parsed: Template, given: Sequence[Mapping[str, Any]], previous: Blueprint | None
) -> dict[str, str]:
    known = {p["ParameterKey"]: p for p in given}
    surplus = sorted(set(known) - set(parsed.parameters))
    if surplus:
        raise ValidationError(f"Parameters: [{', '.join(surplus)}] do not exist in the template")
    texts: dict[str, str] = {}
    missing = []
    for name, declaration in parsed.parameters.items():
        entry = known.get(name, {})
        if entry.get("UsePreviousValue") and previous and name in previous.parameters:
            texts[name] = previous.parameters[name]
        elif "ParameterValue" in entry:
            texts[name] = entry["ParameterValue"]
        elif "Default" in declaration:
            texts[name] = _text(declaration["Default"])
        else:
            missing.append(name)
    if missing:
        raise ValidationError(f"Parameters: [{', '.join(missing)}] must have values")
    faults = [
        fault
        for name, text in texts.items()
        for fault in _faults(name, text, parsed.parameters[name])
    ]
    if faults:
        raise ValidationError("; ".join(faults))
    return texts


def _secret(declaration: Mapping[str, Any]) -> bool:
    return str(declaration.get("NoEcho", "false")).lower() == "true"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _faults(name: str, text: str, declaration: Mapping[str, Any]) -> list[str]:
    because = declaration.get("ConstraintDescription")
    faults = []
    if found := template.unprintable(text):
        raise ValidationError(f"Parameter '{name}': {found}.")
    allowed = [_text(value) for value in declaration.get("AllowedValues", [])]
    if allowed and text not in allowed:
        faults.append(f"Parameter '{name}' must be one of AllowedValues")
    if declaration["Type"] == "Number":
        try:
            number = float(text)
        except ValueError:
            return [f"Parameter '{name}' must be a number"]
        if number < float(declaration.get("MinValue", number)):
            faults.append(
                f"Parameter '{name}' must be a number not less than {declaration['MinValue']}"
            )
        if number > float(declaration.get("MaxValue", number)):
            faults.append(
                f"Parameter '{name}' must be a number not greater than {declaration['MaxValue']}"
            )
    else:
        if len(text) < int(declaration.get("MinLength", 0)):
            faults.append(
                f"Parameter '{name}' must contain at least {declaration['MinLength']} characters"
            )
        if len(text) > int(declaration.get("MaxLength", len(text))):
            faults.append(
                f"Parameter '{name}' must contain at most {declaration['MaxLength']} characters"
            )
        pattern = declaration.get("AllowedPattern")
        try:
            fits = not pattern or all(fullmatch(pattern, text))
        except TooSlow as error:
            raise ValidationError(f"Parameter '{name}' cannot be checked: {error}.") from None
        if not fits:
            faults.append(f"Parameter '{name}' must match pattern {pattern}")
    return (
        [f"Parameter {name} failed to satisfy constraint: {because}"]
        if faults and because
        else faults
    )


def _value(name: str, text: str, kind: str, region: str, credentials: clients.Credentials) -> Any:
    stored = _STORED.fullmatch(kind)
    if stored:
        kind = stored[1]
        try:
            answer = clients.client("ssm", region, credentials).get_parameters(Names=[text])
        except ClientError:
            answer = {"Parameters": []}
        if not answer["Parameters"]:
            raise ValidationError(
                f"Unable to fetch parameters [{text}] from parameter store for this account."
            )
        text = answer["Parameters"][0]["Value"]
    if kind == "Number" or kind == "String" or kind.startswith("AWS::"):
        return text
    if _LIST.fullmatch(kind):
        return [member.strip() for member in text.split(",")]
    raise ValidationError(
        f"Template format error: Unrecognized parameter type: {kind} (parameter {name})"
    )
