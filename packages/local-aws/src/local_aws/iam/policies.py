"""Policy documents, evaluated as AWS documents it: effect, principal, action, resource, condition.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import fnmatch
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache, partial
from typing import Any

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.iam.reference import may_have

Policy = Mapping[str, Any]

_ACCOUNT = re.compile(r"\d{12}|arn:[\w-]+:iam::\d{12}:root")

# Condition keys that a request here has whenever it has them on AWS. Keys that the Reference does
# not list for the action are absent. For all others it is unknown whether a statement matches:
# treating the key as absent might allow or deny what AWS would not.
KNOWN_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceowner",  # of a topic's default policy; no request has it any more
        "cloudwatch:namespace",
        "iam:awsservicename",
        "iam:passedtoservice",
        "kms:calleraccount",
        # of other services' contexts, no request has them here
        "kms:encryptioncontext:aws:events:event-bus:arn",
        "kms:encryptioncontext:aws:logs:arn",
        "kms:grantisforawsresource",
        "kms:viaservice",
        "s3:delimiter",
        "s3:existingobjecttag",
        "s3:max-keys",
        "s3:prefix",
        "s3:resourceaccount",
        "s3:tlsversion",
        "sagemaker:taggingaction",
        "secretsmanager:resourcetag",
        "sts:externalid",
        "sts:rolesessionname",
        "sts:sourceidentity",
    }
)


class Decision(Enum):
    """The result of a policy: implicit deny, allow, or explicit deny."""

    NEUTRAL = "neutral"
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True)
class Request:
    """The request context that policies are evaluated with.

    Attributes:
        action: the action, such as `s3:GetObject`.
        resource: the resource's ARN; `*` for a call without one.
        principals: all names of the principal: ARNs, account, or a service such as
            `sagemaker.amazonaws.com`; empty for policies without principals.
        context: condition keys (any case) and their values.
    """

    action: str
    resource: str
    principals: tuple[str, ...] = ()
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def evaluate(policies: Iterable[Policy], request: Request) -> Decision:
    """Combine several policies: a deny overrides an allow.

    Raises:
        NotImplementedByLocalAws: the decision depends on a condition operator, condition key or
            policy variable that is not implemented.
    """
    decision, doubt = weigh(policies, request)
    if decision is Decision.NEUTRAL and doubt:
        raise doubt
    return decision


def weigh(
    policies: Iterable[Policy], request: Request
) -> tuple[Decision, NotImplementedByLocalAws | None]:
    """Combine several policies; also return what is unknown about a further allow.

    Raises:
        NotImplementedByLocalAws: it is unknown whether a deny matches, and no other does.
    """
    doubts: dict[str, NotImplementedByLocalAws] = {}
    allowed = False
    for policy in policies:
        for statement in listed(policy.get("Statement", [])):
            try:
                matches = _matches(statement, request)
            except NotImplementedByLocalAws as unknown:
                doubts.setdefault(statement["Effect"], unknown)
                continue
            if matches and statement["Effect"] == "Deny":
                return Decision.DENY, None
            allowed = allowed or matches
    if "Deny" in doubts:
        raise doubts["Deny"]
    return Decision.ALLOW if allowed else Decision.NEUTRAL, doubts.get("Allow")


def grants(policy: Policy) -> Iterator[tuple[Mapping[str, Any], str]]:
    """All allowing statements of a policy with their actions."""
    for statement in listed(policy.get("Statement", [])):
        if statement["Effect"] == "Allow":
            for action in listed(statement.get("Action", [])):
                yield statement, str(action)


def permissions(policy: Policy, request: Request) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The statements and actions of a policy that allow a request."""
    for statement, action in grants(policy):
        with suppress(NotImplementedByLocalAws):  # then another one allowed it
            if like(action, request.action, ignore_case=True) and _matches(statement, request):
                yield statement, action


@lru_cache(maxsize=1024)
def parsed(document: str | bytes) -> Policy:
    """Parse a policy; results are cached."""
    policy: Policy = json.loads(document)
    return policy


def _matches(statement: Mapping[str, Any], request: Request) -> bool:
    if statement.get("Effect") not in ("Allow", "Deny") or (
        ("Action" in statement) == ("NotAction" in statement)
    ):
        raise AwsError(
            "MalformedPolicyDocument", f"A policy has a malformed statement: {statement}"
        )
    return _every(
        lambda: _principal(statement, request),
        lambda: _element(statement, "Action", request.action, ignore_case=True),
        lambda: _element(statement, "Resource", request.resource),
        *(
            partial(_condition, operator, key, expected, request)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        ),
    )


def _every(*tests: Callable[[], bool]) -> bool:
    """Whether all tests are true; false if one is certainly false, even if others are unknown."""
    return not _some(*(partial(lambda test: not test(), test) for test in tests))


def _some(*tests: Callable[[], bool]) -> bool:
    """Whether any test is true; true if one certainly is, even if others are unknown.

    Raises:
        NotImplementedByLocalAws: none is certainly true, and one is unknown.
    """
    doubt = None
    for test in tests:
        try:
            if test():
                return True
        except NotImplementedByLocalAws as unknown:
            doubt = doubt or unknown
    if doubt:
        raise doubt
    return False


def _principal(statement: Mapping[str, Any], request: Request) -> bool:
    if "NotPrincipal" in statement:
        return not _exempted(statement, request.principals)
    return "Principal" not in statement or _named(statement["Principal"], request.principals)


def _exempted(statement: Mapping[str, Any], principals: Sequence[str]) -> bool:
    """Whether NotPrincipal excludes the principal.

    For a deny, it must name the account, the user or role, and the role's session.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    element = statement["NotPrincipal"]
    if statement["Effect"] == "Allow":
        return _named(element, principals)
    accounts = [name for name in principals if _ACCOUNT.fullmatch(name)]
    others = [name for name in principals if name not in accounts]
    return (
        bool(principals)
        and all(_named(element, [name]) for name in others)
        and (not accounts or _named(element, accounts))
    )


def _named(element: str | Mapping[str, Any], principals: Sequence[str]) -> bool:
    if element == "*":
        return True
    assert isinstance(element, Mapping)
    # federated and canonical users call nothing here
    users, services = (listed(element.get(kind, [])) for kind in ("AWS", "Service"))
    return "*" in users or not {*map(str, users), *map(str, services)}.isdisjoint(principals)


def _element(
    statement: Mapping[str, Any], name: str, value: str, ignore_case: bool = False
) -> bool:
    negated = f"Not{name}" in statement
    if not negated and name not in statement:
        return True  # a trust policy has no Resource: it applies to its own role
    patterns = listed(statement[f"Not{name}" if negated else name])
    found = _some(*(partial(like, str(pattern), value, ignore_case) for pattern in patterns))
    return found != negated


def _condition(operator: str, key: str, expected: Any, request: Request) -> bool:
    lowered = {name.lower(): value for name, value in request.context.items()}
    quantifier, _, plain = operator.rpartition(":")
    if_exists = plain.endswith("IfExists")
    plain = plain.removesuffix("IfExists")
    actual = lowered.get(key.lower())
    if actual is None and may_have(request.action, key) is not False:
        _known(operator, key)
    wanted = [_text(value) for value in listed(expected)]
    if plain == "Null":
        return (actual is None) == (wanted[0].lower() == "true")
    if plain not in _OPERATORS:
        raise NotImplementedByLocalAws(f"the condition operator {operator}")
    test, negated = _OPERATORS[plain]
    if actual is None:
        return if_exists or quantifier == "ForAllValues" or (negated and not quantifier)
    values = [_text(value) for value in listed(actual)]
    hits = [partial(_hit, test, wanted, value, negated) for value in values]
    return _some(*hits) if quantifier == "ForAnyValue" else _every(*hits)


def _hit(
    test: Callable[[str, str], bool], wanted: Sequence[str], value: str, negated: bool
) -> bool:
    return _some(*(partial(_test, test, want, value) for want in wanted)) != negated


def _test(test: Callable[[str, str], bool], wanted: str, value: str) -> bool:
    _refuse_variables(wanted)
    try:
        return test(wanted, value)
    except ValueError:  # not a number, date or address, so it does not match
        return False


def condition_fault(conditions: Any) -> str | None:
    """The problem of a Condition element, as AWS's message; None if it is valid.

    Raises:
        NotImplementedByLocalAws: an operator, key or policy variable is not implemented.
    """
    if not isinstance(conditions, dict):
        return "Invalid Condition: it must be an object"
    for operator, keys in conditions.items():
        quantifier, _, plain = operator.rpartition(":")
        plain = plain.removesuffix("IfExists")
        if quantifier not in ("", "ForAllValues", "ForAnyValue") or not _OPERATOR.fullmatch(plain):
            return f"Invalid Condition type : {operator}"
        if not isinstance(keys, dict) or not keys:
            return f"Invalid Condition: {operator} must have keys"
        if plain != "Null" and plain not in _OPERATORS:
            raise NotImplementedByLocalAws(f"the condition operator {operator}")
        for key, expected in keys.items():
            _known(operator, key)
            for value in listed(expected) or [None]:
                _refuse_variables(str(value))
                if not isinstance(value, (str, bool, int, float)) or not _fits(plain, _text(value)):
                    return f"Invalid Condition value of {operator} {key}: {value}"
    return None


# all that AWS has
_OPERATOR = re.compile(
    "String(Not)?Equals(IgnoreCase)?|String(Not)?Like|Arn(Not)?(Equals|Like)|Bool|BinaryEquals|Null"
    "|(Numeric|Date)((Not)?Equals|(LessThan|GreaterThan)(Equals)?)|(Not)?IpAddress"
)


def _fits(operator: str, value: str) -> bool:
    """Whether a policy's value has the type of its operator."""
    if operator in ("Bool", "Null"):
        return value.lower() in ("true", "false")
    try:
        _OPERATORS[operator][0](value, _SAMPLES.get(operator[:2], value))
    except ValueError:
        return False
    return True


# a value to compare with, by the first letters of an operator
_SAMPLES = {"Nu": "0", "Da": "2000-01-01T00:00:00Z", "Ip": "127.0.0.1", "No": "127.0.0.1"}


def _known(operator: str, key: str) -> None:
    if key.lower().partition("/")[0] not in KNOWN_KEYS:
        raise NotImplementedByLocalAws(f"the condition key {key} (of the operator {operator})")


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, value: compare(float(value), float(wanted))


def _date(compare: Callable[[datetime, datetime], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, value: compare(_moment(value), _moment(wanted))


def _moment(text: str) -> datetime:
    """Parse a time in ISO 8601 or in seconds since 1970; the default time zone is UTC."""
    if text.isdigit() and len(text) > len("2000"):
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _in_network(wanted: str, value: str) -> bool:
    return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)


def like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    """Whether a string matches a policy's pattern with the wildcards `*` and `?`."""
    _refuse_variables(pattern)
    compiled = _pattern(pattern.lower() if ignore_case else pattern)
    return compiled.fullmatch(value.lower() if ignore_case else value) is not None


def _refuse_variables(text: str) -> None:
    if "${" in text:
        raise NotImplementedByLocalAws(f"policy variables, such as in {text}")


def _arn_like(pattern: str, value: str) -> bool:
    """Match ARNs part by part: in the first five of six parts, * does not match colons."""
    parts, values = pattern.split(":", 5), value.split(":", 5)
    return len(parts) == len(values) and all(map(like, parts, values))


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    # policies only have the wildcards * and ?; fnmatch would also interpret [
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


# name → test of (expected, value), and whether the operator is negated
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (lambda wanted, value: wanted == value, False),
    "StringNotEquals": (lambda wanted, value: wanted == value, True),
    "StringEqualsIgnoreCase": (lambda wanted, value: wanted.lower() == value.lower(), False),
    "StringNotEqualsIgnoreCase": (lambda wanted, value: wanted.lower() == value.lower(), True),
    "StringLike": (like, False),
    "StringNotLike": (like, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
    "Bool": (lambda wanted, value: wanted.lower() == value.lower(), False),
    "NumericEquals": (_number(lambda value, wanted: value == wanted), False),
    "NumericNotEquals": (_number(lambda value, wanted: value == wanted), True),
    "NumericLessThan": (_number(lambda value, wanted: value < wanted), False),
    "NumericLessThanEquals": (_number(lambda value, wanted: value <= wanted), False),
    "NumericGreaterThan": (_number(lambda value, wanted: value > wanted), False),
    "NumericGreaterThanEquals": (_number(lambda value, wanted: value >= wanted), False),
    "DateEquals": (_date(lambda value, wanted: value == wanted), False),
    "DateNotEquals": (_date(lambda value, wanted: value == wanted), True),
    "DateLessThanEquals": (_date(lambda value, wanted: value <= wanted), False),
    "DateGreaterThanEquals": (_date(lambda value, wanted: value >= wanted), False),
    "DateLessThan": (_date(lambda value, wanted: value < wanted), False),
    "DateGreaterThan": (_date(lambda value, wanted: value > wanted), False),
    "IpAddress": (_in_network, False),
    "NotIpAddress": (_in_network, True),
}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def listed(value: Any) -> list[Any]:
    """The values of an element that is a single value or a list."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Sequence):
        return [value]
    return list(value)
