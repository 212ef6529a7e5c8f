"""Sessions of roles and of services that act with a role."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Role, iam_backends
from moto.sts.models import AssumedRole, STSBackend, Token, sts_backends
from moto.utilities.utils import get_partition

from local_aws import clients
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.iam import propagation, witness
from local_aws.iam.policies import Decision, Policy, Request, evaluate, parsed

# The duration of a service's session. AWS renews a container's credentials; here they outlast the
# longest training of 30 days: at least half of this time is left when they are issued.
_SERVICE_SECONDS = 60 * 86_400


# Services that document aws:SourceArn and aws:SourceAccount for roles that they assume. SageMaker
# does so for training, inference and transforms (not for notebook instances); Lambda does not.
# https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
# https://docs.aws.amazon.com/personalize/latest/dg/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html
# https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
_NAMES_ITS_SOURCE = frozenset({"events", "personalize", "sagemaker", "scheduler", "states"})


class AccessDenied(AwsError):
    """The principal is not authorized."""

    code = "AccessDenied"


@dataclass(frozen=True)
class Session:
    """A session of a role.

    Attributes:
        role_id: the role's id, because a recreated role has the same name.
        policy: text of the session policy, which restricts the role's; None without.
        ends: the expiry in monotonic time, which stops while a laptop sleeps.
    """

    assumed: AssumedRole
    role_id: str
    policy: str | None
    ends: float

    @property
    def role(self) -> Role | None:
        """The role; None once it is deleted."""
        here: AssumedRole = self.assumed
        return iam_backends[here.account_id][here.partition].get_role_by_id(self.role_id)

    @property
    def credentials(self) -> clients.Credentials:
        """The session's credentials."""
        here = self.assumed
        return clients.Credentials(here.access_key_id, here.secret_access_key, here.session_token)

    def lasts(self, seconds: float = 0) -> bool:
        """Whether it is still valid after the given number of seconds."""
        return self.ends > time.monotonic() + seconds


def administrator_arn(account: str, region: str) -> str:
    """The ARN of the account's administrator: a user, as the root user cannot assume roles."""
    return f"arn:{get_partition(region)}:iam::{account}:user/administrator"


class LocalSTSBackend(STSBackend):
    """moto's STS, which stores each session. Trust is checked before."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._of_services: dict[tuple[str, str, str], Session] = {}

    def get_caller_identity(self, access_key_id: str, region: str) -> tuple[str, str, str]:
        """The user id, ARN and account of a key's principal."""
        user_id, arn, account = super().get_caller_identity(access_key_id, region)
        if arn.endswith(":user/moto"):  # of credentials that IAM has not issued
            return "AIDAIOSFODNN7EXAMPLE", administrator_arn(account, region), account
        return user_id, arn, account

    def assume_role(
        self,
        region_name: str,
        role_session_name: str,
        role_arn: str,
        policy: str,
        duration: int,
        external_id: str,
    ) -> AssumedRole:
        """Create a session of a role.

        Raises:
            AccessDenied: the role does not exist.
        """
        role = find_role(role_arn, region_name)
        assumed = super().assume_role(
            region_name, role_session_name, role_arn, policy, duration, external_id
        )
        self.sessions[assumed.access_key_id] = Session(
            assumed, role.id, policy or None, time.monotonic() + duration
        )
        return assumed

    def get_session_token(self, duration: int) -> Token:
        """Refused, like other sessions whose permissions would be unknown."""
        raise NotImplementedByLocalAws("sts:GetSessionToken")

    def get_federation_token(self, name: str | None, duration: int) -> Token:
        """Refused."""
        raise NotImplementedByLocalAws("sts:GetFederationToken")

    def assume_role_with_web_identity(self, **_: Any) -> AssumedRole:
        """Refused."""
        raise NotImplementedByLocalAws("sts:AssumeRoleWithWebIdentity")

    def assume_role_with_saml(self, **_: Any) -> AssumedRole:
        """Refused."""
        raise NotImplementedByLocalAws("sts:AssumeRoleWithSAML")

    def get_assumed_role_from_access_key(self, access_key_id: str) -> AssumedRole | None:
        """The session with this access key."""
        session = self.sessions.get(access_key_id)
        return session.assumed if session else None

    def session_of_service(self, role: Role, service: str, name: str, region: str) -> Session:
        """A service's session, reused while it is fresh."""
        key = (role.id, service, name)
        with self._lock:
            session = self._of_services.get(key)
            if session is None or not session.lasts(_SERVICE_SECONDS / 2):
                made = self.assume_role(region, name, role.arn, "", _SERVICE_SECONDS, "")
                session = self._of_services[key] = self.sessions[made.access_key_id]
        return session


def find_session(access_key_id: str, account_id: str, region: str) -> Session | None:
    """The session with this access key; None if there is none."""
    backend: Any = sts_backends[account_id][get_partition(region)]
    found: Session | None = backend.sessions.get(access_key_id)
    return found


def issued_to(access_key_id: str, account_id: str) -> clients.Credentials:
    """The credentials of an access key that is no session's: an IAM user's, or the owner's."""
    backend: Any = iam_backends[account_id]["aws"]
    issued = backend.access_keys.get(access_key_id)
    if issued is None:
        return clients.OWNER
    return clients.Credentials(access_key_id, issued.secret_access_key)


def find_role(arn: str, region: str) -> Role:
    """The role of that ARN.

    Raises:
        AccessDenied: it does not exist, which STS does not distinguish from missing trust.
    """
    parts = arn.split(":")
    try:
        return iam_backends[parts[4]][get_partition(region)].get_role_by_arn(arn)
    except Exception:  # moto has its own NotFound, and others for malformed ARNs
        raise AccessDenied(f"Role {arn} does not exist, or may not be assumed.") from None


def trust_policy(role: Role) -> Policy:
    """The trust policy of a role."""
    document = propagation.trust(role)
    if document is None:
        return {"Statement": []}
    return parsed(document) if isinstance(document, str) else document


def trusts(role_arn: str, service: str, region: str, source_arn: str | None = None) -> bool:
    """Whether the role exists and trusts a service.

    Args:
        service: such as `lambda`.
        source_arn: the resource for which the service acts.
    """
    try:
        role = find_role(role_arn, region)
    except AccessDenied:
        return False
    context = {"aws:SecureTransport": "true"}
    if service in _NAMES_ITS_SOURCE:
        context["aws:SourceAccount"] = role.account_id
        if source_arn:
            context["aws:SourceArn"] = source_arn
    request = Request("sts:AssumeRole", role_arn, (f"{service}.amazonaws.com",), context)
    policy = trust_policy(role)
    if evaluate([policy], request) is not Decision.ALLOW:
        return False
    witness.tell(request, [(role.arn, "trust", policy, request)])
    return True


def assume(
    role_arn: str, *, service: str, session_name: str, region: str, source_arn: str | None = None
) -> clients.Credentials:
    """Credentials with which a service acts as a role.

    Args:
        role_arn: the role.
        service: who assumes it, such as `lambda`.
        session_name: as it shows in the session's ARN.
        region: where.
        source_arn: the resource for which the service acts.

    Raises:
        AccessDenied: the role does not exist or does not trust the service.
    """
    if not trusts(role_arn, service, region, source_arn):
        raise AccessDenied(
            f"{service}.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "
            f"{role_arn}: the role does not exist, or its trust policy does not allow it"
        )
    role = find_role(role_arn, region)
    backend: Any = sts_backends[role.account_id][get_partition(region)]
    session: Session = backend.session_of_service(role, service, session_name[:64], region)
    return session.credentials
