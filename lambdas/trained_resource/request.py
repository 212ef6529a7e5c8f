"""Converts a custom resource's properties to a create call: parameters and deterministic name.

CloudFormation passes every scalar to a custom resource as a string ("30", "true"); botocore's model
of the call determines the types.
"""

import hashlib
import json
import re
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator
from common.clients import client
from common.errors import FunctionError

from trained_resource.kinds import Kind


class TrainedResourceError(FunctionError):
    """The resource cannot be created or deleted; the message is for people."""


def name_of(kind: str, properties: dict[str, Any]) -> str:
    """Derive the name from a resource's properties.

    It ends in 10 hexadecimal digits of the SHA-256 over `Kind`, `Request` and `Inputs` as
    CloudFormation sends them, so equal properties give the same name and different ones do not.
    """
    described = {
        "Kind": kind,
        "Request": _as_sent(properties["Request"]),
        "Inputs": _as_sent(properties.get("Inputs", "")),
    }
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return f"{properties['NamePrefix']}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def parameters_of(kind: Kind, name: str, request: object) -> dict[str, Any]:
    """The create call's parameters, converted to the call's types, with the name.

    Raises:
        TrainedResourceError: the parameters are invalid; the message names every problem.
    """
    model = client(kind.service).meta.service_model
    operation = client(kind.service).meta.method_to_api_mapping[kind.create]
    shape = model.operation_model(operation).input_shape
    problems: list[str] = []
    if not isinstance(request, dict):
        raise TrainedResourceError(f"Request must contain the parameters of {operation}")
    derived = [each for each in (kind.name, kind.idempotency) if each]
    problems += [
        f"Request.{each} must be omitted: the name is derived from NamePrefix"
        for each in derived
        if each in request
    ]
    parameters: dict[str, Any] = _coerced(request, shape, "Request", problems)
    pattern = shape.members[kind.name].metadata["pattern"]
    longest = shape.members[kind.name].metadata["max"]
    if not re.fullmatch(pattern, name) or len(name) > longest:
        problems.append(
            f"NamePrefix gives the name {name!r}; it must match {pattern} "
            f"and have at most {longest} characters"
        )
    parameters |= dict.fromkeys(derived, name)
    if not problems:
        report = ParamValidator().validate(parameters, shape)
        if report.has_errors():
            problems += report.generate_report().splitlines()
    if problems:
        raise TrainedResourceError(f"{operation} cannot be called: {'; '.join(problems)}")
    return parameters


def _as_sent(value: Any) -> Any:
    """`value` with its scalars converted to strings as CloudFormation does."""
    if isinstance(value, dict):
        return {key: _as_sent(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_as_sent(member) for member in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _coerced(value: Any, shape: Shape, path: str, problems: list[str]) -> Any:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            problems.append(f"{path} must be an object")
            return {}
        known = ", ".join(shape.members)
        problems += [
            f"{path}.{name} is unknown; known are {known}"
            for name in value
            if name not in shape.members
        ]
        return {
            name: _coerced(member, shape.members[name], f"{path}.{name}", problems)
            for name, member in value.items()
            if name in shape.members
        }
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            problems.append(f"{path} must be a list")
            return []
        return [
            _coerced(member, shape.member, f"{path}[{index}]", problems)
            for index, member in enumerate(value)
        ]
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            problems.append(f"{path} must be an object")
            return {}
        return {
            key: _coerced(member, shape.value, f"{path}.{key}", problems)
            for key, member in value.items()
        }
    return _scalar(value, shape.type_name, path, problems)


def _scalar(value: Any, kind: str, path: str, problems: list[str]) -> Any:
    if isinstance(value, (dict, list)):
        problems.append(f"{path} must be a {kind}, not a {type(value).__name__}")
        return None
    text = _as_sent(value)
    try:
        if kind in ("integer", "long"):
            return int(text)
        if kind in ("float", "double"):
            return float(text)
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        problems.append(f"{path} must be a {kind}, not {text!r}")
        return None
    return text
