"""Validates policy documents, so that stored policies can always be evaluated.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from local_aws.api import AwsError
from local_aws.documents import read_json
from local_aws.iam.policies import Policy, condition_fault, listed

_ELEMENTS: Final = frozenset(
    {
        *("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition"),
    }
)
_VERSIONS: Final = ("2008-10-17", "2012-10-17")
_ACCOUNT: Final = re.compile(r"\d{12}")
_OF_STS: Final = re.compile(r"\*$|sts:", re.IGNORECASE)
_UNIQUE_ID: Final = re.compile(r"A(?:IDA|ROA)[A-Z0-9]{12,}")
_PRINCIPAL: Final = re.compile(
    r"arn:[\w-]+:(?:iam|sts)::(\d{12}):"
    r"(root|(?:user|role|assumed-role|federated-user)/[\w+=,.@/-]+)"
)
_SERVICE: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")


@dataclass(frozen=True)
class Kind:
    """The elements of a kind of policy; None for one that is optional."""

    principal: bool
    resource: bool | None


IDENTITY: Final = Kind(principal=False, resource=True)
TRUST: Final = Kind(principal=True, resource=False)
RESOURCE: Final = Kind(principal=True, resource=True)
REPOSITORY: Final = Kind(principal=True, resource=None)


def check(document: str, kind: Kind) -> None:
    """Check an identity policy, a session policy or a trust policy as IAM does.

    Raises:
        ServiceException: MalformedPolicyDocument.
    """
    if kind.resource:
        IAMPolicyDocumentValidator(document).validate()
    try:
        policy = read_json(document)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json")
    if found := fault(policy, kind):
        raise AwsError("MalformedPolicyDocument", found)


def fault(policy: Policy, kind: Kind) -> str | None:
    """The problem of a policy, as AWS's message; None if it is valid.

    Raises:
        NotImplementedByLocalAws: a condition's operator or key is not implemented.
    """
    return next(_faults(policy, kind), None)


def _faults(policy: Policy, kind: Kind) -> Iterator[str]:
    if unknown := set(policy) - {"Version", "Id", "Statement"}:
        yield f"Unknown field {min(unknown)}"
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        yield "The policy must contain a valid version string"
    if not isinstance(policy.get("Id", ""), str):
        yield "Invalid policy syntax: Id must be a string"
    if "Statement" not in policy:
        yield "Missing required field Statement"
    found = listed(policy.get("Statement", []))
    if not found:
        yield "Could not parse the policy: Statement is empty!"
    for statement in found:
        if not isinstance(statement, dict):
            yield "Could not parse the policy: Statement must be an object"
            return
        yield from _of_statement(statement, kind)


def _of_statement(statement: Mapping[str, Any], kind: Kind) -> Iterator[str]:
    if unknown := set(statement) - _ELEMENTS:
        yield f"Unknown field {min(unknown)}"
    if not isinstance(statement.get("Sid", ""), str):
        yield "Invalid policy syntax: Sid must be a string"
    if "Effect" not in statement:
        yield "Missing required field Effect"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"Invalid effect: {statement.get('Effect')}"
    elements: tuple[tuple[str, bool | None], ...] = (
        ("Principal", kind.principal),
        ("Action", True),
        ("Resource", kind.resource),
    )
    for name, wanted in elements:
        given = [one for one in (name, f"Not{name}") if one in statement]
        if wanted is False and given and name == "Principal":
            yield "Policy document should not specify a principal."
        elif wanted is False and given:
            yield f"Has prohibited field {given[0]}"
        elif wanted and not given:
            yield f"Missing required field {name}"
        elif len(given) > 1:
            yield f"Statement must not have both {name} and Not{name}"
        for one in () if wanted is False else given:
            values = listed(statement[one])
            if name == "Principal":
                yield from _of_principal(statement[one])
            elif not values or not all(isinstance(value, str) for value in values):
                yield f"Policy has invalid {name.lower()}"
            elif name == "Action" and kind == TRUST and not all(map(_OF_STS.match, values)):
                yield "AssumeRole policy may only specify STS AssumeRole actions."
    if wrong := condition_fault(statement.get("Condition", {})):
        yield wrong


def _of_principal(element: Any) -> Iterator[str]:
    wrong = "Invalid principal in policy"
    if element == "*":
        return
    if not isinstance(element, dict) or not element:
        yield wrong
        return
    for kind, value in element.items():
        for name in listed(value) or [None]:
            if not isinstance(name, str) or not _is_principal(kind, name):
                yield f"{wrong}: {kind}: {name}"


def _is_principal(kind: str, name: str) -> bool:
    if kind == "AWS":
        if name == "*" or _ACCOUNT.fullmatch(name) or _UNIQUE_ID.fullmatch(name):
            return True
        arn = _PRINCIPAL.fullmatch(name)
        return arn is not None and _exists(arn[1], name, arn[2])
    if kind == "Service":
        return _SERVICE.fullmatch(name) is not None
    return kind in ("Federated", "CanonicalUser")


def _exists(account: str, arn: str, resource: str) -> bool:
    """Whether a user or role exists; those of other accounts are accepted."""
    kind = resource.partition("/")[0]
    if account not in iam_backends or kind not in ("user", "role"):
        return True
    backend: Any = iam_backends[account][arn.split(":")[1]]
    try:
        if kind == "role":
            backend.get_role_by_arn(arn)
            return True
        return bool(backend.get_user(resource.rpartition("/")[2]).arn == arn)
    except ServiceException:
        return False
