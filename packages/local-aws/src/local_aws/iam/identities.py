"""Resources that a call identifies by something other than their ARNs, or needs indirectly.

A key has aliases, and a ciphertext its key; a secret is named with or without its ARN's suffix; a
parameter with or without a version; a stack without its id. Policies have the resource's own ARN.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from moto.secretsmanager.models import secretsmanager_backends

_OF_BUS: Final = re.compile(r"arn:[^:]+:events:[^:]*:\d*:event-bus/")
_OF_GROUP: Final = re.compile(r"arn:[^:]+:logs:[^:]*:\d*:log-group:")
# a parameter's version or label
_SELECTOR: Final = re.compile(r"(:parameter/[^:]*):.*", re.DOTALL)
_KEY_ID: Final = 36  # bytes, with which moto's ciphertexts begin
# the names of parameters that hold the values of secrets
_REFERENCE: Final = "/aws/reference/secretsmanager/"


def complete(prefix: str, operation: str, values: dict[str, list[str]]) -> None:
    """Add the names of resources that a call tells in another way.

    Args:
        prefix: IAM's name of the service.
        operation: the operation.
        values: texts by their parameter's name in small letters.
    """
    if prefix == "events":
        _complete_buses(operation, values)
    elif prefix == "kms" and "aliasname" in values:
        values["alias"] = [name.removeprefix("alias/") for name in values["aliasname"]]
    elif prefix == "logs":
        for name in [name for name in values if name.endswith("arn")]:
            values[name] = [text.removesuffix(":*") for text in values[name]]
        for name in ("loggroupnames", "loggroupidentifier", "loggroupidentifiers"):
            groups = [_OF_GROUP.sub("", text).removesuffix(":*") for text in values.get(name, ())]
            if groups:
                values.setdefault("loggroupname", []).extend(groups)
    elif prefix == "lambda" and "functionname" in values and "qualifier" in values:
        [name], [qualifier] = values["functionname"], values["qualifier"]
        if not name.endswith(f":{qualifier}"):
            values["functionname"] = [f"{name}:{qualifier}"]
    elif prefix == "s3vectors" and {"vectorbucketarn", "indexname"} <= values.keys():
        values["vectorbucketname"] = [arn.rpartition("/")[2] for arn in values["vectorbucketarn"]]
    elif prefix == "sns" and "subscriptionarn" in values:
        values["topicarn"] = [arn.rpartition(":")[0] for arn in values["subscriptionarn"]]
    elif prefix == "ssm" and "Parameter" not in operation:
        tagged = values.pop("resourceid", [])
        values.pop("name", None)  # of a document, for one
        if values.get("resourcetype") == ["Parameter"]:
            values["name"] = tagged
    elif prefix == "states":  # a version or an alias is no resource of its own
        arns = ("statemachinearn", "statemachinealiasarn", "statemachineversionarn")
        for name in (*arns, f"routingconfiguration.{arns[2]}"):
            found = [":".join(arn.split(":")[:7]) for arn in values.pop(name, ())]
            if found:
                values.setdefault("statemachinearn", []).extend(found)


def _complete_buses(operation: str, values: dict[str, list[str]]) -> None:
    """Name event buses as their rules' ARNs do, in which the default one is missing."""
    if operation.endswith("EventBus"):
        values["eventbusname"] = values.pop("name", ["default"])
    elif operation == "PutEvents":
        values["eventbusname"] = values.pop("entries.eventbusname", ["default"])
    elif operation == "StartReplay":
        values["destinationarn"] = values.get("destination.arn", [])
    if "eventbusname" in values:
        buses = [_OF_BUS.sub("", name) for name in values.pop("eventbusname")]
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
    if prefix == "cloudformation":
        return [_stack(arn, account, region) for arn in arns]
    if prefix == "events":
        on_buses = [arn for arn in arns if ":rule/" in arn and arn.count("/") > 1]
        return on_buses or list(arns)
    if prefix == "ssm":
        return [_SELECTOR.sub(r"\1", arn).rstrip("/") for arn in arns]
    if prefix == "secretsmanager":
        named = [name for name in (params.get("SecretId"), *params.get("SecretIdList", ())) if name]
        return _secrets(named, account, region) or list(arns)
    if prefix == "kms":
        keys = list(_keys(operation, params, account, region))
        aliases = [arn for arn in arns if operation.endswith("Alias") and ":alias/" in arn]
        return [*aliases, *dict.fromkeys(keys)] if keys else list(arns)
    return list(arns)


def of_other_services(
    prefix: str, operation: str, params: Mapping[str, Any], account: str, region: str
) -> Iterator[tuple[str, str]]:
    """Actions and resources that a call's caller needs besides the call's own.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """
    read: list[str] = []
    if prefix == "ssm":
        names = [params.get("Name"), *(params.get("Names") or ())]
        read = [
            name.removeprefix(_REFERENCE).partition(":")[0]
            for name in names
            if isinstance(name, str) and name.startswith(_REFERENCE)
        ]
    elif operation == "BatchGetSecretValue":
        read = list(params.get("SecretIdList") or ())
        if not read:  # filters find any of them
            store = secretsmanager_backends[account][region].secrets
            read = [secret.arn for secret in list(dict.values(store))]
    elif operation == "RotateSecret" and params.get("RotationLambdaARN"):
        yield "lambda:InvokeFunction", params["RotationLambdaARN"]
    for secret in _secrets(read, account, region):
        yield "secretsmanager:GetSecretValue", secret


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


def _secrets(names: Sequence[str], account: str, region: str) -> list[str]:
    store = secretsmanager_backends[account][region].secrets
    found = [store.get(name) for name in names]
    return list(dict.fromkeys(secret.arn for secret in found if secret))


def _keys(operation: str, params: Mapping[str, Any], account: str, region: str) -> Iterator[str]:
    from moto.kms.models import kms_backends

    backend = kms_backends[account][region]
    names = [params.get("KeyId"), params.get("TargetKeyId")]
    if operation in ("DeleteAlias", "UpdateAlias"):
        names.append(params.get("AliasName"))
    if operation in ("RetireGrant", "RevokeGrant"):
        names += [
            key.id
            for key in list(backend.keys.values())
            for grant in list(key.grants.values())
            if params.get("GrantId") == grant.id or params.get("GrantToken") == grant.token
        ]
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
