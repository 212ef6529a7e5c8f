"""IAM and STS: roles, policies, who is denied and in which words."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, policy, refused

_IAM = "https://docs.aws.amazon.com/IAM/latest/APIReference/API_"
_STS = "https://docs.aws.amazon.com/STS/latest/APIReference/API_"
_DENIED = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"
Role = Callable[..., str]
NOTHING = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})


@pytest.fixture(scope="module")
def iam(cloud: Cloud) -> Any:
    return cloud.client("iam")


@pytest.fixture(scope="module")
def name(cloud: Cloud, role: Role) -> str:
    """Of a role with the inline policy `inline`."""
    return role("iam", NOTHING).rpartition("/")[2]


TRUST = policy({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
REFUSED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a missing role": ("GetRole", "NoSuchEntity", "get_role", {"RoleName": "missing-role"}),
    "a missing user": ("GetUser", "NoSuchEntity", "get_user", {"UserName": "missing-user"}),
    "a missing policy": (
        "GetPolicy",
        "NoSuchEntity",
        "get_policy",
        {"PolicyArn": "arn:aws:iam::aws:policy/missing"},
    ),
    "a missing inline policy": (
        "GetRolePolicy",
        "NoSuchEntity",
        "get_role_policy",
        {"PolicyName": "missing"},
    ),
    "the deletion of a missing inline policy": (
        "DeleteRolePolicy",
        "NoSuchEntity",
        "delete_role_policy",
        {"PolicyName": "missing"},
    ),
    "the deletion of a role with a policy": ("DeleteRole", "DeleteConflict", "delete_role", {}),
    "a role that exists": (
        "CreateRole",
        "EntityAlreadyExists",
        "create_role",
        {"AssumeRolePolicyDocument": TRUST},
    ),
    "a role's name with a space": (
        "CreateRole",
        "ValidationError",
        "create_role",
        {"RoleName": "a b", "AssumeRolePolicyDocument": TRUST},
    ),
    "a trust policy that is no JSON": (
        "CreateRole",
        "MalformedPolicyDocument",
        "create_role",
        {"RoleName": "never", "AssumeRolePolicyDocument": "{"},
    ),
    "a trust policy with a resource": (
        "CreateRole",
        "MalformedPolicyDocument",
        "create_role",
        {
            "RoleName": "never",
            "AssumeRolePolicyDocument": policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Resource": "*",
                }
            ),
        },
    ),
    "a session of thirteen hours": (
        "CreateRole",
        "ValidationError",
        "create_role",
        {
            "RoleName": "never",
            "AssumeRolePolicyDocument": TRUST,
            "MaxSessionDuration": 13 * 3600,
        },
    ),
    "a policy with a principal": (
        "PutRolePolicy",
        "MalformedPolicyDocument",
        "put_role_policy",
        {
            "PolicyName": "never",
            "PolicyDocument": policy(
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
            ),
        },
    ),
    "a policy without a resource": (
        "PutRolePolicy",
        "MalformedPolicyDocument",
        "put_role_policy",
        {
            "PolicyName": "never",
            "PolicyDocument": policy({"Effect": "Allow", "Action": "s3:GetObject"}),
        },
    ),
    "an action without a service": (
        "PutRolePolicy",
        "MalformedPolicyDocument",
        "put_role_policy",
        {
            "PolicyName": "never",
            "PolicyDocument": policy({"Effect": "Allow", "Action": "Get", "Resource": "*"}),
        },
    ),
    "the attachment of a missing policy": (
        "AttachRolePolicy",
        "NoSuchEntity",
        "attach_role_policy",
        {"PolicyArn": "arn:aws:iam::aws:policy/missing"},
    ),
    "the detachment of what is not attached": (
        "DetachRolePolicy",
        "NoSuchEntity",
        "detach_role_policy",
        {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
}


@pytest.mark.parametrize(
    ("code", "operation", "request_"),
    [
        pytest.param(code, operation, request, id=case, marks=documented(f"{_IAM}{page}.html"))
        for case, (page, code, operation, request) in REFUSED.items()
    ],
)
def test_request_is_refused(
    iam: Any, name: str, code: str, operation: str, request_: dict[str, Any]
) -> None:
    about_role = operation not in ("get_user", "get_policy")
    with refused(code):
        getattr(iam, operation)(**({"RoleName": name} if about_role else {}) | request_)


@documented(_IAM + "GetRole.html")
def test_role_tells_its_trust_policy_and_defaults(cloud: Cloud, iam: Any, name: str) -> None:
    told = iam.get_role(RoleName=name)["Role"]
    assert told["AssumeRolePolicyDocument"]["Statement"][0]["Action"] == "sts:AssumeRole"
    assert (told["Path"], told["MaxSessionDuration"]) == ("/", 3600)
    assert told["Arn"] == f"arn:aws:iam::{cloud.account}:role/{name}"
    assert told["RoleId"].startswith("AROA")


@documented(_IAM + "GetRolePolicy.html")
def test_inline_policy_is_told_as_it_was_put(iam: Any, name: str) -> None:
    told = iam.get_role_policy(RoleName=name, PolicyName="inline")
    assert told["PolicyDocument"] == json.loads(NOTHING)


@documented(_IAM + "SimulatePrincipalPolicy.html")
@pytest.mark.parametrize(
    ("action", "decision"),
    [
        ("s3:GetObject", "allowed"),
        ("s3:PutObject", "implicitDeny"),
        ("iam:ListRoles", "explicitDeny"),
    ],
)
def test_simulation_tells_what_decides(
    cloud: Cloud, iam: Any, denied: Callable[[str], Any], action: str, decision: str
) -> None:
    arn = f"arn:aws:iam::{cloud.account}:role/{cloud.prefix}-denied"
    told = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=[action], ResourceArns=["*"]
    )
    (result,) = told["EvaluationResults"]
    assert (result["EvalActionName"], result["EvalDecision"]) == (action, decision)


@pytest.fixture(scope="module")
def denied(cloud: Cloud, role: Role) -> Callable[[str], Any]:
    """Clients of a role that may do nothing but read objects, and is forbidden to list buckets."""
    allow = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "iam:ListRoles", "Resource": "*"}
    return cloud.as_role(role("denied", policy(allow, deny)))


@documented(_STS + "GetCallerIdentity.html")
def test_identity_of_a_role_names_its_session(cloud: Cloud, denied: Callable[[str], Any]) -> None:
    told = denied("sts").get_caller_identity()
    place = f"arn:aws:sts::{cloud.account}:assumed-role/{cloud.prefix}-denied/contract"
    assert told["Arn"] == place
    assert told["UserId"].endswith(":contract")


@pytest.mark.parametrize(
    ("service", "operation", "code", "action"),
    [
        pytest.param(service, operation, code, action, id=action, marks=documented(page))
        for service, operation, code, action, page in (
            (
                *("s3", "list_buckets", "AccessDenied", "s3:ListAllMyBuckets"),
                "https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html",
            ),
            ("iam", "list_users", "AccessDenied", "iam:ListUsers", _DENIED),
            (
                "lambda",
                "list_functions",
                "AccessDeniedException",
                "lambda:ListFunctions",
                _DENIED,
            ),
            (
                *("sagemaker", "list_endpoints", "AccessDeniedException"),
                *("sagemaker:ListEndpoints", _DENIED),
            ),
            (
                *("personalize", "list_schemas", "AccessDeniedException"),
                *("personalize:ListSchemas", _DENIED),
            ),
            (
                *("logs", "describe_log_groups", "AccessDeniedException"),
                *("logs:DescribeLogGroups", _DENIED),
            ),
            (
                *("dynamodb", "list_tables", "AccessDeniedException"),
                *("dynamodb:ListTables", _DENIED),
            ),
            (
                *("s3vectors", "list_vector_buckets", "AccessDeniedException"),
                *("s3vectors:ListVectorBuckets", _DENIED),
            ),
            (
                *("cloudformation", "list_stacks", "AccessDenied"),
                *("cloudformation:ListStacks", _DENIED),
            ),
            (
                *("service-quotas", "list_services", "AccessDeniedException"),
                *("servicequotas:ListServices", _DENIED),
            ),
        )
    ],
)
def test_denied_call_names_the_action(
    denied: Callable[[str], Any],
    service: str,
    operation: str,
    code: str,
    action: str,
) -> None:
    with refused(code, f"is not authorized to perform: {action}"):
        getattr(denied(service), operation)()


@documented(_DENIED)
def test_explicit_denial_is_told(denied: Callable[[str], Any]) -> None:
    with refused("AccessDenied", "with an explicit deny in an identity-based policy"):
        denied("iam").list_roles()


@documented(_STS + "AssumeRole.html")
def test_role_that_trusts_a_service_alone_is_not_assumed(cloud: Cloud, role: Role) -> None:
    arn = role("services", service="lambda.amazonaws.com")
    with refused("AccessDenied", "is not authorized to perform: sts:AssumeRole"):
        cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="contract")


@documented(_STS + "AssumeRole.html")
def test_session_longer_than_the_roles_maximum_is_refused(cloud: Cloud, role: Role) -> None:
    arn = role("short")
    with refused("ValidationError", "DurationSeconds exceeds the MaxSessionDuration"):
        cloud.client("sts").assume_role(
            RoleArn=arn, RoleSessionName="contract", DurationSeconds=2 * 3600
        )


@documented(_STS + "AssumeRole.html")
def test_assumed_role_has_temporary_credentials(cloud: Cloud, role: Role) -> None:
    arn = role("temporary")
    sts = cloud.client("sts")
    told = cloud.settled(lambda: sts.assume_role(RoleArn=arn, RoleSessionName="contract"))
    assert told["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert told["AssumedRoleUser"]["Arn"].endswith(
        f":assumed-role/{cloud.prefix}-temporary/contract"
    )
