"""Resources that a call identifies by something other than their ARNs, or needs indirectly.

A key has aliases, and a ciphertext its key; a secret is named with or without its ARN's suffix; a
parameter with or without a version; a stack without its id. Policies have the resource's own ARN.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from moto.secretsmanager.models import secretsmanager_backends
from moto.utilities.utils import get_partition

from local_aws.api import NotImplementedByLocalAws
from local_aws.logs.responses import group_name

# a parameter's version or label
_SELECTOR: Final = re.compile(r"(:parameter/[^:]*):.*", re.DOTALL)
_KEY_ID: Final = 36  # bytes, with which moto's ciphertexts begin
_OF_AWS: Final = "alias/aws/"
# the names of parameters that hold the values of secrets
_REFERENCE: Final = "/aws/reference/secretsmanager/"
# of a function's ARN, or of a part of it
_BEFORE_NAME: Final = re.compile(
    r"\A(?:arn:[\w-]+:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d:)?(?:\d{12}:)?(?:function:)?"
)
_OF_PARAMETER: Final = re.compile(r"\Aarn:[^:]+:ssm:[^:]*:\d*:parameter")
# service → the name of its service-linked role, as far as documented
# https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html
_SERVICE_ROLES: Final = {
    "sagemaker.application-autoscaling.amazonaws.com": (
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    ),
}


def complete(
    prefix: str,
    operation: str,
    params: Mapping[str, Any],
    values: dict[str, list[str]],
    account: str,
    region: str,
) -> None:
    """Add the names of resources that a call tells in another way.

    Args:
        prefix: IAM's name of the service.
        operation: the operation.
        params: its parameters.
        values: texts by their parameter's name in small letters.
        account: the caller's account.
        region: the called region.
    """
    if prefix == "cloudformation":
        _complete_stacks(values, account, region)
    elif prefix == "events":
        _complete_buses(operation, params, values, f"{region}:{account}")
    elif prefix == "iam" and "awsservicename" in values:
        [service] = values["awsservicename"]
        if service in _SERVICE_ROLES:
            values["rolename"] = [f"aws-service-role/{service}/{_SERVICE_ROLES[service]}"]
    elif operation == "ReEncrypt":
        values["keyid"] = values.get("destinationkeyid", [])
    elif prefix == "kms" and "aliasname" in values:
        values["alias"] = [name.removeprefix("alias/") for name in values["aliasname"]]
    elif prefix == "logs":
        for name in [name for name in values if name.endswith("arn")]:
            values[name] = [text.removesuffix(":*") for text in values[name]]
        identified = [*values.get("loggroupidentifier", ()), *values.get("resourceidentifier", ())]
        if groups := list(map(group_name, identified)):
            values.setdefault("loggroupname", []).extend(groups)
    elif prefix == "lambda" and "functionname" in values and "qualifier" in values:
        [name], [qualifier] = values["functionname"], values["qualifier"]
        if _BEFORE_NAME.sub("", name).partition(":")[2] != qualifier:  # the name's own
            values["functionname"] = [f"{name}:{qualifier}"]
    elif prefix == "s3vectors" and {"vectorbucketarn", "indexname"} <= values.keys():
        values["vectorbucketname"] = [arn.rpartition("/")[2] for arn in values["vectorbucketarn"]]
    elif prefix == "scheduler" and operation.endswith("Schedule"):
        values.setdefault("groupname", ["default"])
    elif prefix == "secretsmanager" and operation == "CreateSecret":
        # AWS appends six characters that a policy cannot foresee
        values["secretid"] = [f"{name}-??????" for name in values.get("name", ())]
    elif prefix == "sns" and "subscriptionarn" in values:
        values["topicarn"] = [arn.rpartition(":")[0] for arn in values["subscriptionarn"]]
    elif prefix == "ssm" and "resourceid" in values:
        tagged = values.pop("resourceid")
        if values.get("resourcetype") == ["Parameter"]:
            values["name"] = tagged
    elif prefix == "states" and "statemachinearn" in values:  # a version is no resource of its own
        values["statemachinearn"] = [
            ":".join(arn.split(":")[:7]) for arn in values["statemachinearn"]
        ]


def _complete_stacks(values: dict[str, list[str]], account: str, region: str) -> None:
    """Name a change set's stack, and no stack that a call does not use."""
    from local_aws.cloudformation.models import cloudformation_backends

    backend: Any = cloudformation_backends[account][region]
    if "physicalresourceid" in values:  # which finds a stack before its name does
        values.pop("stackname", None)
    for name in values.get("changesetname", ()):
        if name.startswith("arn:"):
            values.setdefault("stackname", []).extend(
                stack.id
                for stack in list(backend.stacks.values())
                if any(one.id == name for one in list(stack.change_sets.values()))
            )


def _complete_buses(
    operation: str, params: Mapping[str, Any], values: dict[str, list[str]], here: str
) -> None:
    """Name event buses as their rules' ARNs do, in which the default one is missing.

    Those of other regions and accounts keep their ARNs.
    """
    if operation.endswith("EventBus"):
        values["eventbusname"] = values.pop("name", ["default"])
    elif operation == "PutEvents":
        values["eventbusname"] = [
            entry.get("EventBusName") or "default" for entry in params.get("Entries", ())
        ]
    if "eventbusname" in values:
        own = re.compile(rf"\Aarn:[^:]+:events:{here}:event-bus/")
        buses = [own.sub("", name) for name in values.pop("eventbusname")]
        if buses != ["default"] or operation.endswith(("EventBus", "PutEvents")):
            values["eventbusname"] = buses


def identified(
    prefix: str,
    operation: str,
    params: Mapping[str, Any],
    arns: Sequence[str],
    account: str,
    region: str,
) -> list[str]:
    """The ARNs of a call's resources, as policies have them.

    Args:
        prefix: IAM's name of the service.
        operation: the operation.
        params: its parameters.
        arns: the ARNs as the parameters name them.
        account: the caller's account.
        region: the called region.
    """
    if prefix == "application-autoscaling":
        return [_target(arn, params, account, region) for arn in arns]
    if prefix == "cloudformation":
        return [_stack(arn, account, region) for arn in arns]
    if prefix == "events":
        on_buses = [arn for arn in arns if ":rule/" in arn and arn.count("/") > 1]
        return on_buses or list(arns)
    if prefix == "ssm":
        return [_SELECTOR.sub(r"\1", arn).rstrip("/") for arn in arns]
    if prefix == "secretsmanager":
        return _secrets(filter(None, [params.get("SecretId")]), account, region) or list(arns)
    if prefix == "kms":
        keys = list(_keys(operation, params, account, region))
        aliases = [arn for arn in arns if operation.endswith("Alias") and ":alias/" in arn]
        return [*aliases, *dict.fromkeys(keys)] if keys else list(arns)
    return list(arns)


def of_other_services(
    prefix: str, operation: str, params: Mapping[str, Any], account: str, region: str
) -> Iterator[tuple[str, str]]:
    """Actions and resources that a call's caller needs besides the call's own.

    Raises:
        NotImplementedByLocalAws: the call selects its resources by filters.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
    """
    if operation == "ReEncrypt":
        source = {**params, "KeyId": params.get("SourceKeyId"), "DestinationKeyId": None}
        for arn in _keys("Decrypt", source, account, region):
            yield "kms:ReEncryptFrom", arn
    if operation == "BatchGetSecretValue":
        if params.get("Filters"):
            raise NotImplementedByLocalAws(
                "the authorization of secretsmanager:BatchGetSecretValue with Filters; use "
                "SecretIdList"
            )
        for arn in _secrets(params.get("SecretIdList") or (), account, region):
            yield "secretsmanager:GetSecretValue", arn
    if prefix == "ssm":
        given = [params.get("Name"), *(params.get("Names") or ())]
        names = [_OF_PARAMETER.sub("", name) for name in given if isinstance(name, str)]
        read = [
            name.removeprefix(_REFERENCE).partition(":")[0]
            for name in names
            if name.startswith(_REFERENCE)
        ]
        for secret in _secrets(read, account, region):
            yield "secretsmanager:GetSecretValue", secret


def _target(arn: str, params: Mapping[str, Any], account: str, region: str) -> str:
    """The ARN of a scalable target, which its resource's name is no part of; with `*` if new."""
    from moto.applicationautoscaling.models import applicationautoscaling_backends

    backend: Any = applicationautoscaling_backends[account][region]
    named = [params.get(name) for name in ("ResourceId", "ScalableDimension")]
    return next(
        (
            str(target.arn)
            for targets in list(backend.targets.values())
            for target in list(targets.values())
            if named == [target.resource_id, target.scalable_dimension]
        ),
        f"{arn.partition(':scalable-target/')[0]}:scalable-target/*",
    )


def _stack(arn: str, account: str, region: str) -> str:
    """The ARN of the stack that exists, if an ARN has no id."""
    from local_aws.cloudformation.models import cloudformation_backends

    kind, _, rest = arn.rpartition(":stack/")
    name, _, unique = rest.partition("/")
    if not kind or unique != "*":
        return arn
    backend: Any = cloudformation_backends[account][region]
    found = backend.find(name)
    return found.id if found else arn


def _secrets(names: Iterable[str], account: str, region: str) -> list[str]:
    store = secretsmanager_backends[account][region].secrets
    found = [store.get(name) for name in names]
    return list(dict.fromkeys(secret.arn for secret in found if secret))


def customers_key(name: str, account: str, region: str) -> str | None:
    """The ARN of a customer's KMS key by its id, its ARN or an alias, whether it exists or not.

    None if it is one of AWS, which are called `alias/aws/SERVICE`.
    """
    from moto.kms.models import kms_backends

    if name.rpartition(":")[2].startswith(_OF_AWS):
        return None
    if found := next(_keys("", {"KeyId": name}, account, region), None):
        key: Any = kms_backends[account][region].keys.get(found.rpartition("/")[2])
        return None if key and is_of_aws(key) else found
    partition = get_partition(region)
    return name if name.startswith("arn:") else f"arn:{partition}:kms:{region}:{account}:key/{name}"


def is_of_aws(key: Any) -> bool:
    """Whether one of moto's KMS keys is managed by AWS."""
    return any(name.startswith(_OF_AWS) for name in list(key.aliases))


def _keys(operation: str, params: Mapping[str, Any], account: str, region: str) -> Iterator[str]:
    from moto.kms.models import kms_backends

    backend = kms_backends[account][region]
    names = [params.get("KeyId"), params.get("TargetKeyId"), params.get("DestinationKeyId")]
    if operation in ("DeleteAlias", "UpdateAlias"):
        names.append(params.get("AliasName"))
    if operation == "Decrypt":
        names.append(
            bytes(params.get("CiphertextBlob") or b"")[:_KEY_ID].decode("ascii", "replace")
        )
    for name in names:
        if not name:
            continue
        alias = backend.get_alias_name(name)
        key = backend.get_key_id_from_alias(alias) if alias.startswith("alias/") else None
        found = backend.keys.get(key or backend.get_key_id(name))
        if found:
            yield found.arn
