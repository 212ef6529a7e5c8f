"""The customer's KMS keys with which services other than S3 encrypt, and who needs them for what.

A service uses a key on behalf of its caller, who needs permission for that: from the key's
policy and, if it leaves that to IAM, from their own policies. AWS's own keys are open to every
caller of their service in the account. What S3 needs is in `local_aws.s3.encryption`.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/secure-string-parameter-kms-encryption.html
https://docs.aws.amazon.com/sagemaker/latest/dg/api-permissions-reference.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from moto.kms.models import kms_backends
from moto.utilities.utils import get_partition

from local_aws.api import AwsError
from local_aws.iam import identities
from local_aws.iam.policies import Request
from local_aws.iam.resource_policies import resources

_READS: Final = ("Decrypt",)
_WRITES: Final = ("GenerateDataKey", "Decrypt")
_TABLES: Final = ("DescribeKey", "GenerateDataKey", "CreateGrant")
# action → what its caller needs of the key of the action's resource
_USED: Final = {
    **dict.fromkeys(
        (
            *(
                f"dynamodb:{operation}"
                for operation in (
                    *("BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem"),
                    *("Query", "Scan", "UpdateItem"),
                )
            ),
            *("s3vectors:GetVectors", "s3vectors:ListVectors", "s3vectors:QueryVectors"),
            *("secretsmanager:GetSecretValue", "sqs:ReceiveMessage"),
        ),
        _READS,
    ),
    **dict.fromkeys(
        (
            *("s3vectors:PutVectors", "secretsmanager:PutSecretValue"),
            *("secretsmanager:UpdateSecret", "sns:Publish", "sqs:SendMessage"),
        ),
        _WRITES,
    ),
}
# actions that decrypt only if they are asked to
_DECRYPTING: Final = (
    *("ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParameters"),
    "ssm:GetParametersByPath",
)
_BUSES: Final = (
    *("GenerateDataKeyWithoutPlaintext", "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo"),
    "DescribeKey",
)
# operations of EventBridge that read or write the rules of a bus, which its key encrypts
_OF_RULES: Final = frozenset(
    {
        *("DescribeRule", "DisableRule", "EnableRule", "ListRules", "ListTargetsByRule"),
        *("ListRuleNamesByTarget", "PutRule", "PutTargets"),
    }
)
_CONTEXT_OF_BUSES: Final = "kms:EncryptionContext:aws:events:event-bus:arn"
# (prefix, operation) → the path of a new resource's key in the parameters, and what is needed of it
_CHOSEN: Final = {
    ("dynamodb", "CreateTable"): (
        "SSESpecification.KMSMasterKeyId",
        _TABLES,
    ),
    ("dynamodb", "ImportTable"): (
        "TableCreationParameters.SSESpecification.KMSMasterKeyId",
        _TABLES,
    ),
    ("dynamodb", "UpdateTable"): (
        "SSESpecification.KMSMasterKeyId",
        _TABLES,
    ),
    ("ecr", "CreateRepository"): (
        "encryptionConfiguration.kmsKey",
        ("DescribeKey", "CreateGrant"),
    ),
    ("events", "CreateEventBus"): ("KmsKeyIdentifier", _BUSES),
    ("events", "UpdateEventBus"): ("KmsKeyIdentifier", _BUSES),
    ("lambda", "CreateFunction"): ("KMSKeyArn", ("CreateGrant", "Encrypt")),
    ("lambda", "UpdateFunctionConfiguration"): ("KMSKeyArn", ("CreateGrant", "Encrypt")),
    ("sagemaker", "CreateNotebookInstance"): ("KmsKeyId", ("CreateGrant",)),
    ("sagemaker", "CreateHyperParameterTuningJob"): (
        "*.ResourceConfig.VolumeKmsKeyId",  # of TrainingJobDefinition or TrainingJobDefinitions
        ("CreateGrant",),
    ),
    ("sagemaker", "CreateProcessingJob"): (
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        ("CreateGrant",),
    ),
    ("sagemaker", "CreateTrainingJob"): ("ResourceConfig.VolumeKmsKeyId", ("CreateGrant",)),
    ("sagemaker", "CreateTransformJob"): ("TransformResources.VolumeKmsKeyId", ("CreateGrant",)),
    ("secretsmanager", "CreateSecret"): ("KmsKeyId", _WRITES),
    ("secretsmanager", "UpdateSecret"): ("KmsKeyId", _WRITES),
    ("ssm", "PutParameter"): ("KeyId", ("Encrypt",)),
}
# IAM's prefix → the errors for a disabled key, and for one that is about to be deleted
_UNUSABLE: Final = {
    "s3": ("KMS.DisabledException", "KMS.KMSInvalidStateException"),
    "sns": ("KMSDisabled", "KMSInvalidState"),
    "sqs": ("KmsDisabled", "KmsInvalidState"),
}
SERVICES: Final = frozenset(
    {action.partition(":")[0] for action in (*_USED, *_DECRYPTING)}
    | {prefix for prefix, _ in _CHOSEN}
)


@dataclass(frozen=True)
class Use:
    """A permission of KMS that a request needs.

    Attributes:
        action: such as `kms:Decrypt`.
        key: the ARN of the customer's key; None for one of AWS, whose policy cannot be changed.
        context: the condition keys that KMS adds.
    """

    action: str
    key: str | None
    context: dict[str, str]


def concern_everyone(prefix: str, account: str, region: str) -> bool:
    """Whether the policies of keys may refuse a call of the account's administrator, too."""
    return prefix in SERVICES and any(
        not identities.is_of_aws(key) for key in list(kms_backends[account][region].keys.values())
    )


def of_resource(action: str, resource: str, *, decrypting: bool = True) -> Iterator[Use]:
    """What an action needs of the key of its resource.

    Args:
        action: with its prefix.
        resource: its ARN.
        decrypting: whether what is only decrypted on demand is.
    """
    needed = _USED.get(action, _READS if action in _DECRYPTING and decrypting else ())
    if not needed or resource.count(":") < 5:
        return
    _, _, prefix, region, account, _ = resource.split(":", 5)
    if account not in kms_backends:  # which then has no keys here
        return
    for name in dict.fromkeys(_names(prefix, resource, account, region)):
        yield from _uses(needed, name, prefix, account, region)


def of_call(
    prefix: str, operation: str, params: Mapping[str, Any], account: str, region: str
) -> Iterator[Use]:
    """What a call needs of the key that it chooses for a resource."""
    if (prefix, operation) in _CHOSEN:
        path, needed = _CHOSEN[prefix, operation]
        context = {}
        if prefix == "events":
            context = {_CONTEXT_OF_BUSES: _bus(str(params.get("Name")), account, region)}
        for name in _at(params, path.split(".")):
            yield from _uses(needed, name, prefix, account, region, context)
    if prefix == "events" and operation in _OF_RULES:
        arn = _bus(params.get("EventBusName") or "default", account, region)
        for bus in list(_backend("events", account, region).event_buses.values()):
            if bus.arn == arn and bus.kms_key_identifier:
                context = {_CONTEXT_OF_BUSES: arn}
                yield from _uses(_READS, bus.kms_key_identifier, prefix, account, region, context)
    if prefix == "sagemaker" and operation in ("CreateEndpoint", "UpdateEndpoint"):
        backend = _backend("sagemaker", account, region)
        config = backend.configs.find(str(params.get("EndpointConfigName")))
        if config and (name := config.description().get("KmsKeyId")):
            yield from _uses(("CreateGrant",), name, prefix, account, region)


def _at(value: Any, path: Sequence[str]) -> Iterator[str]:
    """The values at a path, of every element of a list; `*` stands for every member."""
    if isinstance(value, list):
        for one in value:
            yield from _at(one, path)
    elif path and isinstance(value, Mapping):
        for one in value.values() if path[0] == "*" else [value.get(path[0])]:
            yield from _at(one, path[1:])
    elif not path and value:
        yield str(value)


def check_usable(prefix: str, needs: Iterable[Request], account: str, region: str) -> None:
    """Refuse a service's call whose key is disabled or about to be deleted.

    Args:
        prefix: IAM's name of the service.
        needs: what the call needs.
        account, region: where it is made.

    Raises:
        AwsError: in the service's words.
    """
    disabled, invalid = _UNUSABLE.get(prefix, _UNUSABLE["s3"])
    for need in needs:
        if not need.action.startswith("kms:"):
            continue
        key = kms_backends[account][region].keys.get(need.resource.rpartition("/")[2])
        if key is not None and key.key_state != "Enabled":
            code = disabled if key.key_state == "Disabled" else invalid
            raise AwsError(code, f"{need.resource} {_state(key)}.")


def fault(arn: str, account: str, region: str) -> str | None:
    """Why a service cannot encrypt with a key, whatever its policy says; None if it can.

    Args:
        arn: the customer's key.
        account, region: where the service is, which uses no key of another region.
    """
    *_, key_region, key_account, name = arn.split(":", 5)
    key: Any = None
    if (key_account, key_region) == (account, region):
        key = kms_backends[account][region].keys.get(name.removeprefix("key/"))
    if key is None:
        return f"{arn} does not exist in {region}"
    if key.key_state != "Enabled":
        return f"{arn} {_state(key)}"
    if key.key_spec != "SYMMETRIC_DEFAULT":
        return f"{arn} is not a symmetric key for encryption"
    return None


def _state(key: Any) -> str:
    return "is disabled" if key.key_state == "Disabled" else "is pending deletion"


def _uses(
    needed: tuple[str, ...],
    name: str,
    prefix: str,
    account: str,
    region: str,
    encryption: Mapping[str, str] | None = None,
) -> Iterator[Use]:
    key = identities.customers_key(name, account, region)
    context = {"kms:CallerAccount": account, "kms:ViaService": f"{prefix}.{region}.amazonaws.com"}
    for action in needed:
        more = {"kms:GrantIsForAWSResource": "true"} if action == "CreateGrant" else {}
        if encryption and action != "DescribeKey":  # which encrypts nothing
            more |= encryption
        yield Use(f"kms:{action}", key, context | more)


def _bus(name: str, account: str, region: str) -> str:
    """The ARN of an event bus, by its name or ARN."""
    partition = get_partition(region)
    return (
        name
        if name.startswith("arn:")
        else f"arn:{partition}:events:{region}:{account}:event-bus/{name}"
    )


def _names(prefix: str, resource: str, account: str, region: str) -> Iterator[str]:
    """The keys of a resource, by any of their names."""
    if prefix == "dynamodb":  # or an index
        table = _backend(prefix, account, region).tables.get(resource.split("/")[1])
        if table and table.sse_specification and table.sse_specification.get("Enabled"):
            yield table.sse_specification["KMSMasterKeyId"]
    elif prefix == "s3vectors":
        bucket, _, index = resource.partition(":bucket/")[2].partition("/index/")
        found = _backend(prefix, account, region).buckets.get(bucket)
        if found and index in found.indexes:
            found = found.indexes[index]
        if found and (name := found.shown["encryptionConfiguration"].get("kmsKeyArn")):
            yield name
    elif prefix == "ssm":
        path = resource.partition(":parameter")[2]
        for name, versions in list(_backend(prefix, account, region)._parameters.items()):
            place = f"/{name.lstrip('/')}"
            if place == path or place.startswith(f"{path}/"):
                yield from (one.keyid for one in versions if one.keyid)
    else:
        attribute = "kms_key_id" if prefix == "secretsmanager" else "kms_master_key_id"
        for arn, one in resources(prefix, account, region):
            if arn == resource and (name := getattr(one, attribute, None)):
                yield name


def _backend(prefix: str, account: str, region: str) -> Any:
    module = import_module(
        "local_aws.s3vectors.models" if prefix == "s3vectors" else f"moto.{prefix}.models"
    )
    return getattr(module, f"{prefix}_backends")[account][region]
