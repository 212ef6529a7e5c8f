"""Determines the IAM actions, resource ARNs and condition keys of a call.

The data come from AWS's Service Authorization Reference (`local_aws.iam.reference`): actions, their
resource types, and ARN formats. An ARN's variables are the call's parameters of the same name. The
tables below contain what the Reference lacks, such as variables whose parameter has another name.
Which operations are known so well that policies can decide about them is in
`local_aws.iam.operations`.

https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from local_aws.api import NotImplementedByLocalAws
from local_aws.iam import identities, keys
from local_aws.iam.operations import OPERATIONS, Known
from local_aws.iam.policies import Request
from local_aws.iam.reference import IAM, action_details
from local_aws.s3 import encryption
from local_aws.s3.object_tags import condition_keys, tags
from local_aws.s3.operations import copy_source

# botocore's signing name → IAM's prefix, where they differ
_PREFIXES: Final = {"monitoring": "cloudwatch"}

# (prefix, operation) → a further action, if one of these parameters is given and not false
_FURTHER: Final = (
    ("iam", "AddRoleToInstanceProfile", "PassRole", ("rolename",)),
    ("s3", "GetObjectAttributes", "GetObject", ("bucket",)),
    ("sts", "AssumeRole", "SetSourceIdentity", ("sourceidentity",)),
    ("sts", "AssumeRole", "TagSession", ("tags", "transitivetagkeys")),
    ("s3vectors", "ListVectors", "GetVectors", ("returndata", "returnmetadata")),
    ("s3vectors", "QueryVectors", "GetVectors", ("filter", "querytexts", "returnmetadata")),
    *(
        ("s3", operation, action, parameters)
        for operation in ("PutObject", "CopyObject", "CreateMultipartUpload")
        for action, parameters in (
            (
                "PutObjectAcl",
                ("acl", "grantfullcontrol", "grantread", "grantreadacp", "grantwriteacp"),
            ),
            ("PutObjectTagging", ("tagging",)),
            ("PutObjectRetention", ("objectlockmode", "objectlockretainuntildate")),
            ("PutObjectLegalHold", ("objectlocklegalholdstatus",)),
        )
    ),
)

# an ARN's variable → the parameters (in small letters) that hold it, where the names differ; what
# begins with = is the value itself
_VARIABLES: Final = {
    "alarmname": ("alarmnames",),
    "budgetname": ("budget.budgetname", "newbudget.budgetname"),
    "bucketname": ("bucket", "vectorbucketname"),
    "dashboardname": ("dashboardnames",),
    "id": ("=*",),  # of a stack, which a call does not know
    "layerversion": ("versionnumber",),
    "objectname": ("key",),
    "parameternamewithoutleadingslash": ("name", "names", "path"),
    "repositoryname": ("repositorynames",),
    "resourceid": ("name", "jobname"),  # Personalize's
    "tablename": ("tablecreationparameters.tablename",),
    "groupnamewithpath": ("groupname",),
    "instanceprofilenamewithpath": ("instanceprofilename",),
    "policynamewithpath": ("policyname",),
    "rolenamewithpath": ("rolename",),
    "usernamewithpath": ("username",),
    "rulename": ("name", "rule"),
    "schedulename": ("name",),
    "statemachinename": ("name",),
    "topicname": ("name",),
}
# variables that IAM's store completes, and its name for the resource
_WITH_PATH: Final = {
    "GroupNameWithPath": "group",
    "InstanceProfileNameWithPath": "instance_profile",
    "PolicyNameWithPath": "policy",
    "RoleNameWithPath": "role",
    "UserNameWithPath": "user",
}
# parameters whose keys are the values of an ARN's variable, as in DynamoDB's batches
_KEYED: Final = {"RequestItems": "tablename"}
# (prefix, type of resource) → its ARN, where IAM compares with another one than the Reference has
_ARNS: Final = {
    # which is why a log group's ARN in a policy ends in :*
    ("logs", "log-group"): (
        "arn:${Partition}:logs:${Region}:${Account}:log-group:${LogGroupName}:log-stream:"
    ),
}
_WITH_PLAIN_GROUP: Final = ("ListTagsForResource", "TagResource", "UntagResource")

# parameters that pass a role to a service
_ROLE: Final = re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+", re.DOTALL)
_OF_ROLE: Final = ("role", "rolearn", "credentialsarn")
_OF_KEY: Final = ("keyarn", "keyid", "keyidentifier")  # of KMS
# parameters that may name any type of resource by its ARN
_ANY_RESOURCE: Final = ("arn", "arns", "identifier", "identifiers", "resource")
# parameters of many operations that name what is created, unless an ARN does
_GENERIC: Final = frozenset({"name", "jobname"})
_FREE: Final = ("AlarmName", "ObjectName")
# what an ARN's variable may be; of the others, what has neither colons nor slashes: moto also takes
# parts of paths, URLs and ARNs for names, whose resource would then be another one than here
_TEXTS: Final = {
    **dict.fromkeys(_FREE, ".+"),
    **dict.fromkeys(
        (
            *("Alias", "ApiDestinationName", "BudgetName", "ConnectionName", "LogGroupName"),
            *("LogStreamName", "MfaTokenIdWithPath", "ModelPackageName", "OidcProviderName"),
            *("RepositoryName", "ResourceId", "SecretId", "Type", *_WITH_PATH),
        ),
        "[^:]+",
    ),
    "FunctionName": r"[\w-]+(?::[\w$-]+)?",
    "ParameterNameWithoutLeadingSlash": "[^:]+(?::[^:]+)?",
    "Account": r"(?:\d+|aws)",
}
_NO_LETTER: Final = re.compile(r"[^a-z]")
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
_FIXED: Final = ("Partition", "Region", "Account")
# [REGION:][ACCOUNT:][function:]NAME[:QUALIFIER]
_FUNCTION: Final = re.compile(
    r"(?:arn:[\w-]+:lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?"
    r"([\w-]+(?::[\w$-]+)?)"
)


@dataclass(frozen=True)
class Call:
    """A request as it was parsed.

    Attributes:
        service: the signing name of its service, such as `sagemaker`, also for its runtime.
        operation: as botocore names it.
        params: by botocore's names.
        method, path: of the HTTP request.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    account: str
    region: str
    partition: str
    method: str = ""
    path: str = ""

    @property
    def action(self) -> str:
        """IAM's name of the operation; API Gateway's are those of HTTP."""
        if self.service == "apigateway":
            return self.method
        return self.known.action if self.known else self.operation

    @property
    def known(self) -> Known | None:
        """The operation's entry on the allow-list, if it has one."""
        return OPERATIONS.get(self.prefix, {}).get(self.operation)

    @property
    def prefix(self) -> str:
        """IAM's name of the service."""
        return _PREFIXES.get(self.service, self.service)


def needed(call: Call, *, exact: bool = True) -> list[Request]:
    """All permissions that a call requires, without principals.

    An action without resources requires the action on `*`, which only a statement with the resource
    `*` allows.

    Args:
        call: the call.
        exact: whether policies decide about the call, so that all of its resources must be known;
            otherwise, unknown ones are `*`.

    Raises:
        NotImplementedByLocalAws: the operation or the call's resources are not known.
    """
    if exact and call.known is None:
        raise _unknown(call)
    action = call.action
    values = _told(call)
    context = _context(call, values)
    needs = list(_of_objects(call)) if call.prefix == "s3" else []
    if call.operation != "DeleteObjects" or not needs:
        if call.prefix == "s3" and "versionid" in values:
            action = _of_version(action)
        needs += [(action, resource) for resource in _own(call, action, values, exact)]
    given = {name.lower() for name, value in call.params.items() if value}
    for prefix, operation, further, parameters in _FURTHER:
        if (prefix, operation) == (call.prefix, call.operation) and given & {*parameters}:
            further = _of_version(further) if given & {"versionid"} else further
            needs += [(further, resource) for resource in _own(call, further, values, exact)]
    requests = [
        Request(
            f"{call.prefix}:{one}",
            resource,
            context=context
            | _of_tags(call, f"{call.prefix}:{one}", resource)
            | _of_encryption(call, f"{call.prefix}:{one}"),
        )
        for one, resource in needs
    ]
    if call.prefix not in ("iam", "sts") and _level(call.prefix, action) not in ("List", "Read"):
        service = {**context, "iam:PassedToService": f"{call.prefix}.amazonaws.com"}
        requests += [Request("iam:PassRole", role, context=service) for role in _roles(call.params)]
    others = identities.of_other_services(
        call.prefix, call.operation, call.params, call.account, call.region
    )
    requests += [
        Request(one, arn, context=context | _of_object(call, one, arn) | _of_encryption(call, one))
        for one, arn in (*_code_of_a_function(call), *_files_of_a_table(call), *others)
    ]
    decrypting = bool(call.params.get("WithDecryption"))
    uses = [
        use
        for one in requests
        for use in keys.of_resource(one.action, one.resource, decrypting=decrypting)
    ]
    uses += keys.of_call(call.prefix, call.operation, call.params, call.account, call.region)
    requests += [
        Request(use.action, use.key, context=context | use.context) for use in uses if use.key
    ]
    requests += [
        Request(f"kms:{one}", arn, context=context | {"kms:ViaService": service})
        for one, arn, service in (encryption.permissions(call) if call.prefix == "s3" else ())
    ]
    return requests


def _own(call: Call, action: str, values: Mapping[str, list[str]], exact: bool) -> list[str]:
    """The ARNs of an action's resources, as policies have them.

    Raises:
        NotImplementedByLocalAws: they must be known exactly, and are not.
    """
    named: list[str] = []
    anywhere = _anywhere(call, action)
    try:
        named = _resources(call, action, values)
    except _Unreadable:
        anywhere = False
    arns = identities.identified(
        call.prefix, call.operation, call.params, named, call.account, call.region
    )
    if exact and not arns and not anywhere:
        raise _unknown(call)
    return arns or ["*"]


def _anywhere(call: Call, action: str) -> bool:
    """Whether a call that names no resource needs its action on `*`."""
    facts = _facts(call.prefix, action)
    without = facts is not None and not facts.required and not facts.optional
    return without or (call.known is not None and call.known.anywhere)


def _unknown(call: Call) -> NotImplementedByLocalAws:
    """The error for a call about which policies cannot decide."""
    facts = _facts(call.prefix, call.action)
    arns = [arn for _, arn in (*facts.required, *facts.optional)] if facts else []
    if call.known:
        why = f"which resource {', '.join(call.params) or 'it'} means is not known exactly"
    else:
        why = "which resources the operation touches is not known"
    wanted = f"needs {call.prefix}:{call.action}" if facts else "may need several actions"
    return NotImplementedByLocalAws(
        f"the authorization of {call.prefix}:{call.operation} for callers with limited permissions:"
        f" {why}. Use administrator credentials (keys that IAM has not issued, or a policy that "
        "allows * on * without a condition, and neither a Deny, a boundary nor a session policy). "
        f"On AWS, the caller {wanted}{' on ' if arns else ''}{' or '.join(arns)}"
    )


def _of_object(call: Call, action: str, arn: str) -> dict[str, str]:
    if action == "kms:Decrypt":
        return {
            "kms:CallerAccount": call.account,
            "kms:ViaService": f"s3.{arn.split(':')[3]}.amazonaws.com",
        }
    return condition_keys(action, arn, call.account) if action.startswith("s3:") else {}


def _of_encryption(call: Call, action: str) -> dict[str, str]:
    """The condition keys of the encryption context that a call of KMS gives.

    A grant's are those that it requires of its uses.
    """
    if call.prefix != "kms":
        return {}
    names = {
        "kms:ReEncryptFrom": "SourceEncryptionContext",
        "kms:ReEncryptTo": "DestinationEncryptionContext",
    }
    required = call.params.get("Constraints") or {}
    given = (
        call.params.get(names.get(action, "EncryptionContext")),
        required.get("EncryptionContextSubset"),
        required.get("EncryptionContextEquals"),
    )
    return {
        f"kms:EncryptionContext:{name}": str(value)
        for pairs in given
        for name, value in (pairs or {}).items()
    }


def touched(call: Call) -> list[str]:
    """The ARNs of a call's resources, and others of its service that it names."""
    values = _told(call)
    service = re.compile(f"arn:[^:]+:{call.prefix}:.+", re.DOTALL)
    named: list[str] = []
    with suppress(_Unreadable):
        named = _resources(call, call.action, values)
    return [*named, *_arns(service, values)]


def has_action(call: Call) -> bool:
    """Whether the Reference has the call's action."""
    return _facts(call.prefix, call.action) is not None


@lru_cache
def _of_any_type(prefix: str, partition: str) -> re.Pattern[str]:
    """The ARNs of a service's resources."""
    kinds = IAM.resources.get_resource_types_for_service(prefix)
    arns = (IAM.resources.get_resource_type_details(prefix, kind)["arn"] for kind in kinds)
    return re.compile("|".join(_pattern(arn, partition).pattern for arn in arns), re.DOTALL)


def _of_objects(call: Call) -> Iterator[tuple[str, str]]:
    """An S3 call's permissions on other or several objects."""
    bucket = f"arn:{call.partition}:s3:::"
    if call.operation == "DeleteObjects":
        for one in call.params.get("Delete", {}).get("Objects", []):
            action = _of_version("DeleteObject") if one.get("VersionId") else "DeleteObject"
            yield action, f"{bucket}{call.params['Bucket']}/{one['Key']}"
    if "CopySource" in call.params:
        source = copy_source(call.params["CopySource"])
        action = _of_version("GetObject") if source.version else "GetObject"
        place = f"{bucket}{source.bucket}/{source.key}"
        yield action, place
        copies_tags = call.operation == "CopyObject" and (
            call.params.get("TaggingDirective", "COPY") == "COPY"
        )
        if copies_tags and tags(place, call.account, source.version):
            yield _of_version("GetObjectTagging") if source.version else "GetObjectTagging", place
            yield "PutObjectTagging", f"{bucket}{call.params['Bucket']}/{call.params['Key']}"


def _of_version(action: str) -> str:
    """S3's action for a given version, if there is a separate one."""
    its_own = action.replace("Object", "ObjectVersion")
    return its_own if _facts("s3", its_own) else action


def _code_of_a_function(call: Call) -> Iterator[tuple[str, str]]:
    """The object from which Lambda takes code, and the layers, which its caller must be able to
    read."""
    if call.prefix != "lambda":
        return
    if call.operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        for layer in map(str, call.params.get("Layers") or ()):
            if f":{call.account}:layer:" in layer:  # Lambda refuses those of other accounts itself
                yield "lambda:GetLayerVersion", layer
    for told in (call.params, call.params.get("Code", {}), call.params.get("Content", {})):
        if told.get("S3Bucket") and told.get("S3Key"):
            version, place = told.get("S3ObjectVersion"), f"{told['S3Bucket']}/{told['S3Key']}"
            yield from _reading(call, place, version)


def _reading(call: Call, place: str, version: str | None = None) -> Iterator[tuple[str, str]]:
    """The permissions to read an object, as another service does for the caller."""
    action = "GetObjectVersion" if version else "GetObject"
    yield f"s3:{action}", f"arn:{call.partition}:s3:::{place}"
    for key in encryption.to_read(place, version, call.account, call.partition):
        yield "kms:Decrypt", key


def _files_of_a_table(call: Call) -> Iterator[tuple[str, str]]:
    """What DynamoDB reads in S3 for its caller, who must be able to do the same."""
    if call.prefix != "dynamodb" or call.operation != "ImportTable":
        return
    bucket, source = f"arn:{call.partition}:s3:::", call.params.get("S3BucketSource", {})
    yield "s3:ListBucket", f"{bucket}{source.get('S3Bucket')}"
    files = f"{source.get('S3Bucket')}/{source.get('S3KeyPrefix', '')}"
    stored = s3_backends[call.account][call.partition].buckets.get(source.get("S3Bucket", ""))
    keys = [f"{stored.name}/{key}" for key in list(stored.keys)] if stored else []
    found = [key for key in keys if key.startswith(files)]
    for key in found or [f"{files}*"]:
        yield from _reading(call, key)


def to_list(call: Call) -> Request:
    """The permission to learn that an object is missing from GetObject or HeadObject."""
    bucket = f"arn:{call.partition}:s3:::{call.params['Bucket']}"
    return Request("s3:ListBucket", bucket, context=_context(call, {}))


@dataclass(frozen=True)
class _Facts:
    """The required and optional resources of an action in the Reference, by type and ARN."""

    level: str
    required: tuple[tuple[str, str], ...]
    optional: tuple[tuple[str, str], ...]


@lru_cache(maxsize=4096)
def _facts(prefix: str, action: str) -> _Facts | None:
    found = action_details(prefix, action)
    if found is None:
        return None
    arns: dict[bool, list[tuple[str, str]]] = {True: [], False: []}
    for kind in found["resourceTypes"]:
        arn = IAM.resources.get_resource_type_details(prefix, kind["name"])["arn"]
        if action not in _WITH_PLAIN_GROUP:
            arn = _ARNS.get((prefix, kind["name"]), arn)
        arns[kind["required"]].append((_NO_LETTER.sub("", kind["name"].lower()), arn))
    return _Facts(found["accessLevel"], tuple(arns[True]), tuple(arns[False]))


def _level(prefix: str, action: str) -> str:
    facts = _facts(prefix, action)
    return facts.level if facts else "Write"


def _resources(call: Call, action: str, values: Mapping[str, list[str]]) -> list[str]:
    """The ARNs that a call's parameters name.

    Raises:
        _Unreadable: a name is malformed.
    """
    if call.service == "apigateway":
        return [f"arn:{call.partition}:apigateway:{call.region}::{call.path.removeprefix('/v2')}"]
    facts = _facts(call.prefix, action)
    if facts is None:
        return []
    found: dict[str, None] = {}
    for _, template in (*facts.required, *facts.optional):
        found |= dict.fromkeys(_filled(template, call, values))
    if not found and facts.required:  # such as a recommender's instead of a campaign's
        found |= dict.fromkeys(_arns(_of_any_type(call.prefix, call.partition), values))
    return list(found)


class _Unreadable(Exception):
    """A parameter has no name of a resource, but perhaps something that moto takes for one."""


def _filled(template: str, call: Call, values: Mapping[str, list[str]]) -> Iterator[str]:
    """The ARNs of one type in a call, in every way in which it names them.

    Free text of the caller, such as tags, is never used, because an ARN in it could replace that of
    the actual resource.

    Raises:
        _Unreadable: a name is malformed.
    """
    pattern = _pattern(template, call.partition)
    arns = _arns(pattern, values)
    yield from arns
    if arns:
        values = {name: texts for name, texts in values.items() if name not in _GENERIC}
    yield from _named(template, pattern, call, values)


def _arns(pattern: re.Pattern[str], values: Mapping[str, list[str]]) -> list[str]:
    return [
        text
        for name, texts in values.items()
        if name.endswith(_ANY_RESOURCE) and "." not in name
        for text in texts
        if pattern.fullmatch(text) and _may_hold(name, text)
    ]


def _may_hold(name: str, arn: str) -> bool:
    """Whether a parameter may name that resource; one for a role or a key names no other.

    Services do not look whether it is one: PutRule takes any text as a rule's role.
    """
    if name.endswith(_OF_ROLE):
        return _ROLE.fullmatch(arn) is not None
    return not name.endswith(_OF_KEY) or arn.split(":")[2:3] == ["kms"]


def _named(
    template: str, pattern: re.Pattern[str], call: Call, values: Mapping[str, list[str]]
) -> Iterator[str]:
    fixed = {"Partition": call.partition, "Region": call.region, "Account": call.account}
    names = [name for name in _VARIABLE.findall(template) if name not in fixed]
    for chosen in product(*(_value(name, values) for name in names)):
        if chosen and names[0] not in _FREE and pattern.fullmatch(chosen[0]):
            yield chosen[0]  # an ARN is accepted as a name
            continue
        given = fixed | dict(zip(names, chosen, strict=True))
        if "FunctionName" in given and (parts := _FUNCTION.fullmatch(given["FunctionName"])):
            # a name may come with its account, and with its region
            told = {"Region": parts[1], "Account": parts[2], "FunctionName": parts[3]}
            given |= {name: text for name, text in told.items() if text}
        if any(not _text(name).fullmatch(given[name]) for name in names):
            raise _Unreadable
        given = {name: _spelt(call, name, text) for name, text in given.items()}
        yield _VARIABLE.sub(lambda match: given[match[1]], template)  # noqa: B023


@lru_cache
def _text(variable: str) -> re.Pattern[str]:
    return re.compile(_TEXTS.get(variable, "[^:/]+"), re.DOTALL)


def _value(variable: str, values: Mapping[str, list[str]]) -> list[str]:
    name = variable.lower()
    parameters = (name, *_VARIABLES.get(name, ()))
    found = [text for parameter in parameters for text in values.get(parameter, ())]
    return found or [one.removeprefix("=") for one in parameters if one.startswith("=")]


def _spelt(call: Call, variable: str, text: str) -> str:
    """A parameter's value in an ARN."""
    if call.prefix == "sagemaker" and variable not in _FIXED:
        return text.lower()
    if variable == "ParameterNameWithoutLeadingSlash":
        return text.lstrip("/")
    if kind := _WITH_PATH.get(variable):
        return _path_of(call, kind, text) + text
    return text


def _path_of(call: Call, kind: str, name: str) -> str:
    """The IAM path in an ARN, of an existing resource or one to be created."""
    backend: Any = iam_backends[call.account][call.partition]
    with suppress(ServiceException):  # there is none
        return str(getattr(backend, f"get_{kind}")(name).path or "/").lstrip("/")
    return str(call.params.get("Path") or "/").lstrip("/")


@lru_cache(maxsize=4096)
def _pattern(template: str, partition: str) -> re.Pattern[str]:
    """The ARNs of a type of resource in a partition, with region and account."""
    parts = _VARIABLE.split(template.replace("${Partition}", partition))  # text, name, text, …
    return re.compile(
        "".join(
            _text(part).pattern if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        ),
        re.DOTALL,
    )


def _told(call: Call) -> dict[str, list[str]]:
    """Texts by their parameter's name in small letters, and by what they stand for."""
    values = _values(call.params)
    for parameter, variable in _KEYED.items():
        if keys := list(call.params.get(parameter) or ()):
            values[variable] = keys
    identities.complete(call.prefix, call.operation, call.params, values, call.account, call.region)
    if call.prefix == "sqs" and "queueurl" in values:
        values["queuearn"] = [_queue_arn(call, url) for url in values["queueurl"]]
    return values


def _queue_arn(call: Call, url: str) -> str:
    """A queue's ARN by its URL, or by its name, which SQS accepts in place of that."""
    account, name = call.account, url
    if url.startswith(("http://", "https://")):
        account, name = url.split("/")[-2:]
    return f"arn:{call.partition}:sqs:{call.region}:{account}:{name}"


def _values(params: Mapping[str, Any], within: str = "") -> dict[str, list[str]]:
    """Strings by lower-case parameter name; nested ones by path."""
    found: dict[str, list[str]] = {}
    for name, value in params.items():
        path = f"{within}{name.lower()}"
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                found.setdefault(path, []).append(one)
            elif isinstance(one, Mapping):
                for inner, texts in _values(one, f"{path}.").items():
                    found.setdefault(inner, []).extend(texts)
            elif isinstance(one, (int, float)):
                found.setdefault(path, []).append(str(one))
    return found


def _roles(params: Any, name: str = "") -> Iterator[str]:
    if isinstance(params, Mapping):
        for key, value in params.items():
            if key == "AttributeValue":  # of the attribute that another parameter names
                key = params.get("AttributeName", key)
            yield from _roles(value, str(key))
    elif isinstance(params, list):
        for value in params:
            yield from _roles(value, name)
    elif name.lower().endswith(_OF_ROLE) and _ROLE.fullmatch(str(params)):
        yield str(params)


def _context(call: Call, values: Mapping[str, list[str]]) -> dict[str, str]:
    # loopback cannot be intercepted, so it counts as TLS
    context = {
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": call.region,
        "aws:ResourceAccount": call.account,
        "aws:SourceIp": "127.0.0.1",
    }
    if call.prefix == "s3":
        context |= {"s3:TlsVersion": "1.3", "s3:ResourceAccount": call.account}
    if call.prefix in ("kms", "s3"):
        context["kms:CallerAccount"] = call.account
    for key, parameter in _KEYS.get(call.prefix, {}).items():
        if parameter in values:
            context[key] = values[parameter][0]
    return context


def _of_tags(call: Call, action: str, resource: str) -> dict[str, str]:
    """The condition keys of a resource's attributes."""
    if call.prefix == "s3":
        version = call.params.get("VersionId")
        if "CopySource" in call.params and action.startswith("s3:Get"):
            version = copy_source(call.params["CopySource"]).version
        return condition_keys(action, resource, call.account, version)
    if call.prefix == "secretsmanager" and "SecretId" in call.params:
        secret = secretsmanager_backends[call.account][call.region].secrets.get(
            call.params["SecretId"]
        )
        return {
            f"secretsmanager:ResourceTag/{tag['Key']}": tag["Value"]
            for tag in (secret.tags if secret else None) or []
        }
    return {}


_KEYS: Final = {
    "cloudwatch": {"cloudwatch:namespace": "namespace"},
    "iam": {"iam:AWSServiceName": "awsservicename"},
    "s3": {"s3:prefix": "prefix", "s3:delimiter": "delimiter", "s3:max-keys": "maxkeys"},
    "sts": {
        "sts:ExternalId": "externalid",
        "sts:RoleSessionName": "rolesessionname",
        "sts:SourceIdentity": "sourceidentity",
    },
}
