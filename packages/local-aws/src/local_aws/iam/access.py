"""Decides whether a principal may make a call, by combining all policies as AWS does.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from moto.iam.models import Role, iam_backends
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from local_aws.iam import keys, propagation, resource_policies, witness
from local_aws.iam.policies import Decision, Policy, Request, evaluate, listed, parsed, weigh
from local_aws.iam.reference import may_have
from local_aws.s3 import object_tags, public_access
from local_aws.sts.models import AccessDenied, Session, administrator_arn, find_role, trust_policy


@dataclass(frozen=True)
class Caller:
    """A principal of the account.

    Attributes:
        arn: its ARN in error messages.
        account: its account.
        names: its ARNs, any of which a policy's Principal element may name.
        policies: texts of its identity policies by name; None for the account's administrator.
        boundary: text of its permissions boundary, if any.
        session: text of its session policy, if any.
    """

    arn: str
    account: str
    names: tuple[str, ...]
    policies: Mapping[str, str] | None
    boundary: str | None = None
    session: str | None = None

    @property
    def limited(self) -> bool:
        """Whether anything may be refused: it is no administrator, nor does it have its policy."""
        if self.policies is None:
            return False
        statements = [
            statement
            for text in self.policies.values()
            for statement in listed(parsed(text).get("Statement", []))
        ]
        return bool(
            self.boundary
            or self.session
            or any(one["Effect"] == "Deny" for one in statements)
            or not any(map(_allows_everything, statements))
        )


def _allows_everything(statement: Mapping[str, Any]) -> bool:
    return (
        "*" in listed(statement.get("Action", []))
        and "*" in listed(statement.get("Resource", []))
        and not statement.get("Condition")
    )


# Actions that a role's trust policy controls.
_OF_TRUST: Final = frozenset({"sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"})
_MEND_BUCKET: Final = frozenset(
    {"s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:PutBucketPolicy"}
)
_NOTHING: Final = '{"Statement": []}'  # what a deleted permissions boundary allows
# The anonymous principal of unsigned requests, which may do what a bucket policy allows everyone.
ANONYMOUS: Final = Caller("anonymous", "", (), {})


def administrator(account: str, region: str) -> Caller:
    """The account's administrator: the principal of credentials that IAM has not issued."""
    arn = administrator_arn(account, region)
    return Caller(arn, account, (arn,), None)


def role_session(session: Session, role: Role) -> Caller:
    """The principal of a role's session."""
    return _as_role(role, session.assumed.arn, session.policy)


def user(name: str, account: str, region: str) -> Caller:
    """An IAM user."""
    backend: Any = iam_backends[account][get_partition(region)]
    found = backend.get_user(name)
    policies: dict[str, str] = {}
    for holder in (found, *backend.get_groups_for_user(name)):  # which may have one name
        policies |= {f"{holder.arn}/{key}": text for key, text in holder.policies.items()}
        policies |= {
            policy.arn: propagation.text(policy) for policy in holder.managed_policies.values()
        }
    return Caller(found.arn, account, (found.arn,), policies)


def service_may(role_arn: str, action: str, resource: str, region: str) -> bool:
    """Whether a role allows an action of a service that is not a separate call."""
    try:
        role = find_role(role_arn, region)
    except AccessDenied:
        return False
    context: dict[str, str] = {"aws:RequestedRegion": region}
    needs = [
        Request(action, resource, context=context),
        *(
            Request(use.action, use.key, context=context | use.context)
            for use in keys.of_resource(action, resource)
            if use.key
        ),
    ]
    caller = _as_role(role, role.arn)
    return all(refusal(caller, need) is None for need in needs)


def simulated(principal: str, requests: list[Request], region: str) -> list[Decision]:
    """What the policies of a role or a user say of requests, without the resources' own policies.

    Args:
        principal: the ARN of the role or the user.
        requests: what is asked.
        region: where.

    Raises:
        LookupError: there is no such role or user.
        NotImplementedByLocalAws: that depends on what is unknown here of a condition.
    """
    account, path = principal.split(":", 5)[4:6]
    name = path.rpartition("/")[2]
    if path.startswith("role/"):
        try:
            caller = _as_role(find_role(principal, region), principal)
        except AccessDenied as error:
            raise LookupError(principal) from error
    elif path.startswith("user/") and name in iam_backends[account][get_partition(region)].users:
        caller = user(name, account, region)
    else:
        raise LookupError(principal)
    found = []
    for request in requests:
        decision = evaluate(map(parsed, (caller.policies or {}).values()), request)
        if decision is Decision.ALLOW and caller.boundary:
            decision = evaluate([parsed(caller.boundary)], request)
        found.append(decision)
    return found


def of_bucket(name: str, request: Request, region: str) -> Decision | None:
    """Evaluate a bucket's policy for a service's request; None without such a bucket."""
    account, partition = str(request.context["aws:SourceAccount"]), get_partition(region)
    if name not in s3_backends[account][partition].buckets:
        return None
    found = _bucket_policy(name, account, partition)
    if found is None:
        return Decision.NEUTRAL
    tags = object_tags.condition_keys(request.action, request.resource, account)
    request = replace(request, context={**request.context, **tags})
    decision = evaluate([found.policy], request)
    if decision is Decision.ALLOW:
        witness.tell(request, [(found.holder, found.kind, found.policy, request)])
    return decision


def locks_out(caller: Caller, key_policy: Policy) -> bool:
    """Whether a key's new policy would keep its caller, and the account, from changing it again."""
    names = (*caller.names, caller.account, f"arn:aws:iam::{caller.account}:root")
    request = Request("kms:PutKeyPolicy", "*", names)
    return evaluate([key_policy], request) is not Decision.ALLOW


def service_refusal(service: str, action: str, resource: str, source_arn: str) -> str | None:
    """The reason why a resource's policy refuses a service's request; None if it allows it.

    Args:
        service: who acts, such as `sns`.
        action: the action, such as `sqs:SendMessage`.
        resource: the ARN of the resource with the policy.
        source_arn: the resource for which the service acts.
    """
    region, account = resource.split(":", 5)[3:5]
    context = {
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": account,
        "aws:SecureTransport": "true",
        "aws:SourceAccount": account,  # the only one here
        "aws:SourceArn": source_arn,
    }
    name = f"{service}.amazonaws.com"
    needs = [
        (action, resource),
        *((use.action, use.key) for use in keys.of_resource(action, resource)),
    ]
    for one, of in needs:
        # the policy of a key of AWS cannot be changed
        request = Request(one, of or "a key of AWS", (name,), context)
        held = _resource_policy(request) if of else None
        if held is None or evaluate([held.policy], request) is not Decision.ALLOW:
            return (
                f"{name} is not authorized to perform: {one} on resource: {request.resource} "
                f"for {source_arn} {_nothing('resource-based policy', request)}"
            )
    return None


def key_refusal(
    principal: str, key: str, actions: Sequence[str], source: str, context: Mapping[str, str]
) -> str | None:
    """The reason why a service cannot use a customer's key; None if it can.

    Args:
        principal: the service, such as `events.amazonaws.com`.
        key: the key's ARN.
        actions: what it needs of the key, such as `Decrypt`.
        source: the ARN of the resource that is encrypted.
        context: condition keys, of which an action gets those that it may have.
    """
    region, account = source.split(":", 5)[3:5]
    if why := keys.fault(key, account, region):
        return why
    common = {
        "aws:RequestedRegion": region,
        "aws:ResourceAccount": account,
        "aws:SecureTransport": "true",
    }
    for action in (f"kms:{one}" for one in actions):
        fitting = {
            name: value for name, value in context.items() if may_have(action, name) is not False
        }
        request = Request(action, key, (principal,), common | fitting)
        held = _resource_policy(request)
        if held is None or evaluate([held.policy], request) is not Decision.ALLOW:
            return (
                f"{principal} is not authorized to perform: {action} on resource: {key} "
                f"for {source} {_nothing('resource-based policy', request)}"
            )
    return None


def refusal(caller: Caller, request: Request) -> str | None:
    """The reason why a request is refused, as AWS's message; None if it is allowed.

    Raises:
        NotImplementedByLocalAws: the decision depends on an unsupported condition.
    """
    own = anybody = request
    if caller is not ANONYMOUS:
        context = {
            **request.context,
            "aws:PrincipalArn": caller.names[0],
            "aws:PrincipalAccount": caller.account,
        }
        root = f"arn:{caller.arn.split(':')[1]}:iam::{caller.account}:root"
        request = replace(request, context=context)
        own = replace(request, principals=caller.names)
        anybody = replace(request, principals=(*caller.names, caller.account, root))

    account = str(request.context.get("aws:ResourceAccount", ""))
    owner = request.resource.split(":", 5)[4] if request.resource.count(":") > 4 else ""
    if account and owner not in ("", "aws", account):  # no local policy applies
        return _refused(caller, request, _nothing("resource-based policy", request))
    identity, doubt = Decision.ALLOW, None
    if caller.policies is not None:
        identity, doubt = weigh(map(parsed, caller.policies.values()), request)
    if identity is Decision.DENY:
        return _refused(caller, request, "with an explicit deny in an identity-based policy")
    # the account's root user can always change it
    mends = caller.policies is None and request.action in _MEND_BUCKET
    held = None if mends else _resource_policy(request)
    granted = False
    if held:
        if caller is ANONYMOUS and held.restricted:
            return _refused(
                caller,
                request,
                "because public access is prevented by the RestrictPublicBuckets setting in S3 "
                "Block Public Access",
            )
        decision = evaluate([held.policy], anybody)
        if decision is Decision.DENY:
            return _refused(caller, request, "with an explicit deny in a resource-based policy")
        if held.decides and decision is not Decision.ALLOW:
            return _refused(caller, request, _nothing("resource-based policy", request))
        granted = evaluate([held.policy], own) is Decision.ALLOW
    if not granted and identity is not Decision.ALLOW:
        if doubt:
            raise doubt
        return _refused(caller, request, _nothing("identity-based policy", request))
    for text, kind in (
        (caller.session, "session policy"),
        (caller.boundary, "permissions boundary"),
    ):
        decision = evaluate([parsed(text)], request) if text else Decision.ALLOW
        if decision is Decision.DENY:
            return _refused(caller, request, f"with an explicit deny in a {kind}")
        if decision is not Decision.ALLOW:
            return _refused(caller, request, _nothing(kind, request))
    identities = [
        (caller.names[0], name, parsed(text), request)
        for name, text in (caller.policies or {}).items()
    ]
    if held and held.decides:  # all of them must allow
        witness.tell(request, [(held.holder, held.kind, held.policy, anybody)])
    elif held:  # one of them must allow
        identities.append((held.holder, held.kind, held.policy, own))
    if caller.policies is not None:
        witness.tell(request, identities)
    return None


@dataclass(frozen=True)
class _ResourcePolicy:
    """The policy of a resource.

    Attributes:
        holder: the resource's ARN.
        kind: `trust`, `bucket`, or the prefix of the service's actions.
        policy: the document.
        decides: whether it must allow the request in addition to identity policies.
        restricted: whether principals outside the account are refused regardless of the policy.
    """

    holder: str
    kind: str
    policy: Policy
    decides: bool
    restricted: bool = False


def _resource_policy(request: Request) -> _ResourcePolicy | None:
    if request.action in _OF_TRUST:
        role = find_role(request.resource, str(request.context["aws:RequestedRegion"]))
        return _ResourcePolicy(role.arn, "trust", trust_policy(role), decides=True)
    if request.action.startswith("s3:") and request.resource != "*":
        _, partition, *_, place = request.resource.split(":", 5)
        account = str(request.context["aws:ResourceAccount"])
        return _bucket_policy(place.split("/", 1)[0], account, partition)
    prefix = request.action.partition(":")[0]
    if prefix in resource_policies.SERVICES and request.resource.count(":") > 4:
        policy = resource_policies.of(request.resource)
        if policy is not None:
            return _ResourcePolicy(request.resource, prefix, policy, decides=prefix == "kms")
    return None


def _bucket_policy(name: str, account: str, partition: str) -> _ResourcePolicy | None:
    bucket = s3_backends[account][partition].buckets.get(name)
    if bucket is None or bucket.policy is None:
        return None
    policy = parsed(bucket.policy)
    restricted = public_access.restricts(bucket, policy)
    return _ResourcePolicy(bucket.arn, "bucket", policy, decides=False, restricted=restricted)


def _as_role(role: Role, arn: str, session_policy: str | None = None) -> Caller:
    policies = propagation.policies(role)
    boundary = None
    if role.permissions_boundary_arn:
        backend: Any = iam_backends[role.account_id][role.partition]
        held = backend.managed_policies.get(role.permissions_boundary_arn)
        boundary = propagation.text(held) if held else _NOTHING
    return Caller(arn, role.account_id, (role.arn, arn), policies, boundary, session_policy)


def _nothing(kind: str, request: Request) -> str:
    return f"because no {kind} allows the {request.action} action"


def _refused(caller: Caller, request: Request, why: str) -> str:
    quote = '"' if request.action.startswith("s3:") else ""
    return (
        f"User: {caller.arn} is not authorized to perform: {request.action} on resource: "
        f"{quote}{request.resource}{quote} {why}"
    )
