"""Policies that belong to resources other than buckets and roles: where they are, and when valid.

A key's policy must allow a request, itself or by naming the account, which leaves the decision to
identity policies. Every other one may allow what identity policies do not, and may deny.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_identity-vs-resource.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from local_aws.api import AwsError
from local_aws.documents import read_json
from local_aws.iam import grammar
from local_aws.iam.policies import Policy, listed, parsed

# IAM's prefix → the attribute of moto's backend with the resources
_STORES: Final = {
    "ecr": "repositories",
    "events": "event_buses",
    "kms": "keys",
    "secretsmanager": "secrets",  # pragma: allowlist secret
    "sns": "topics",
    "sqs": "queues",
}
_FUNCTION: Final = re.compile(r"function:([^:]+)(?::([^:]+))?")
SERVICES: Final = frozenset({*_STORES, "lambda"})
# (prefix, operation) → the path of the policy in its parameters, and the error for a malformed one
_STORING: Final = {
    ("ecr", "SetRepositoryPolicy"): ("policyText", "InvalidParameterException"),
    ("events", "PutPermission"): ("Policy", "ValidationException"),
    ("logs", "PutResourcePolicy"): ("policyDocument", "InvalidParameterException"),
    ("kms", "CreateKey"): ("Policy", "MalformedPolicyDocumentException"),
    ("kms", "PutKeyPolicy"): ("Policy", "MalformedPolicyDocumentException"),
    ("secretsmanager", "PutResourcePolicy"): (
        "ResourcePolicy",
        "MalformedPolicyDocumentException",
    ),
    ("sns", "CreateTopic"): ("Attributes.Policy", "InvalidParameter"),
    ("sns", "SetTopicAttributes"): ("AttributeValue", "InvalidParameter"),
    ("sqs", "CreateQueue"): ("Attributes.Policy", "InvalidAttributeValue"),
    ("sqs", "SetQueueAttributes"): ("Attributes.Policy", "InvalidAttributeValue"),
}


def of(arn: str) -> Policy | None:
    """The policy of a resource of one of `SERVICES`; None if it has none."""
    _, partition, prefix, region, account, name = arn.split(":", 5)
    if prefix == "events" and name.startswith("rule/"):  # which belongs to a bus
        bus = name.split("/")[1] if name.count("/") > 1 else "default"
        arn = f"arn:{partition}:events:{region}:{account}:event-bus/{bus}"
    if prefix == "lambda":
        return _of_function(name, account, region)
    for its_arn, resource in resources(prefix, account, region):
        if arn == its_arn:
            return _policy(resource)
    return None


def _of_function(name: str, account: str, region: str) -> Policy | None:
    """A function's policy, or that of a version or alias of it."""
    found = _FUNCTION.fullmatch(name)
    backend: Any = lambda_backends[account][region]
    try:
        function = backend.get_function(found[1], found[2]) if found else None
    except (ServiceException, HTTPException):
        return None
    return {"Statement": function.policy.statements} if function else None


def concern_everyone(prefix: str, operation: str, account: str, region: str) -> bool:
    """Whether a call may be refused to the account's administrator, too, because of a policy."""
    return (
        prefix == "kms"
        or (prefix, operation) in _STORING
        or any(
            statement["Effect"] == "Deny"
            for _, resource in resources(prefix, account, region)
            for statement in listed((_policy(resource) or {}).get("Statement", []))
        )
    )


def resources(prefix: str, account: str, region: str) -> list[tuple[str, Any]]:
    """The ARNs and moto's resources of one of `SERVICES`; none of others."""
    if prefix not in _STORES:
        return []
    backends = getattr(import_module(f"moto.{prefix}.models"), f"{prefix}_backends")[account]
    if region not in backends.regions:
        return []
    found = list(getattr(backends[region], _STORES[prefix]).values())
    return [(_arn(resource), resource) for resource in found]


def _arn(resource: Any) -> str:
    return str(resource.queue_arn if hasattr(resource, "queue_arn") else resource.arn)


def _policy(resource: Any) -> Policy | None:
    # a secret's replica has that of the secret
    document = getattr(getattr(resource, "source", resource), "policy", None)
    return parsed(document) if document else None


def stored(prefix: str, operation: str, params: Mapping[str, Any]) -> Policy | None:
    """The policy that a call stores; None if it stores none.

    Raises:
        AwsError: it is malformed, and could not be evaluated later: the service's error.
        NotImplementedByLocalAws: it has a condition whose operator or key is not implemented.
    """
    if (prefix, operation) not in _STORING:
        return None
    if operation == "SetTopicAttributes" and params.get("AttributeName") != "Policy":
        return None
    path, code = _STORING[prefix, operation]
    document: Any = params
    for name in path.split("."):
        document = document.get(name) or {}
    if not document:  # the default one, or none any more
        return None
    kind = grammar.REPOSITORY if prefix == "ecr" else grammar.RESOURCE
    try:
        policy = read_json(document)
        fault = grammar.fault(policy, kind) if isinstance(policy, dict) else "it is no object"
    except ValueError as error:
        fault = str(error)
    if fault:
        raise AwsError(code, f"Invalid value for the parameter {path}: {fault}")
    return dict(policy)
