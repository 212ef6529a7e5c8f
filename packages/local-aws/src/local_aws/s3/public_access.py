"""S3's Block Public Access, and buckets with disabled access control lists.

Both are the defaults of new buckets since April 2023.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from moto.s3.models import FakeBucket, PublicAccessBlock

from local_aws.api import AwsError
from local_aws.iam.policies import Policy, listed

_ENFORCED: Final = "BucketOwnerEnforced"
_PUBLIC_ACLS: Final = ("public-read", "public-read-write", "authenticated-read")
_GROUPS: Final = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_GRANTS: Final = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_WITH_ACL: Final = (
    *("CopyObject", "CreateMultipartUpload", "PutBucketAcl", "PutObject", "PutObjectAcl"),
)
# A condition on a fixed value of one of these keys makes a policy non-public.
_NARROWING: Final = frozenset(
    {
        *("aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:sourceaccount"),
        *("aws:sourcearn", "aws:sourceip", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce"),
        *("aws:userid", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"),
    }
)
_EQUAL: Final = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "IpAddress")
_BROADEST: Final = {4: 8, 6: 32}  # the shortest prefix that is not public, by IP version


def protect(bucket: FakeBucket) -> None:
    """Apply AWS's default settings to a new bucket."""
    bucket.public_access_block = PublicAccessBlock(True, True, True, True)
    bucket.ownership_rule = _ENFORCED  # type: ignore[assignment]


def is_public(policy: Policy) -> bool:
    """Whether a bucket's policy is public, that is, allows something to everyone."""
    return any(
        statement["Effect"] == "Allow"
        and _names_everybody(statement)
        and not any(
            _narrows(operator, key, value)
            for operator, keys in statement.get("Condition", {}).items()
            for key, value in keys.items()
        )
        for statement in listed(policy["Statement"])
    )


def _names_everybody(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement["Principal"]
    return principal == "*" or "*" in listed(principal.get("AWS", []))


def _narrows(operator: str, key: str, value: Any) -> bool:
    if operator not in _EQUAL or key.lower() not in _NARROWING:
        return False
    values = [str(one) for one in listed(value)]
    if key.lower() == "aws:sourceip":
        networks = [ipaddress.ip_network(one, strict=False) for one in values]
        return all(one.is_private or one.prefixlen >= _BROADEST[one.version] for one in networks)
    if key.lower() == "s3:dataaccesspointarn":  # any access point
        values = [":".join(one.split(":")[:5]) for one in values]
    return not any("*" in one or "?" in one or "${" in one for one in values)


def restricts(bucket: FakeBucket, policy: Policy) -> bool:
    """Whether a bucket is restricted to its own account and AWS's services."""
    block = bucket.public_access_block
    return block is not None and bool(block.restrict_public_buckets) and is_public(policy)


def refused_policy(bucket: FakeBucket, policy: Policy) -> str | None:
    """The reason why a policy is not allowed on a bucket; None if it is."""
    block = bucket.public_access_block
    if block is None or not block.block_public_policy or not is_public(policy):
        return None
    return (
        "because public policies are prevented by the BlockPublicPolicy setting in S3 Block "
        "Public Access"
    )


def refused_acl(bucket: FakeBucket | None, operation: str, params: Mapping[str, Any]) -> str | None:
    """The reason why a call may not set an access control list; None if it may or sets none.

    Raises:
        AwsError: access control lists are disabled.
    """
    acl = params.get("ACL")
    granted = any(params.get(name) for name in (*_GRANTS, "AccessControlPolicy"))
    if operation == "CreateBucket":
        ownership = params.get("ObjectOwnership", _ENFORCED)
        if (acl not in (None, "private") or granted) and ownership == _ENFORCED:
            raise AwsError(
                "InvalidBucketAclWithObjectOwnership",
                "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            )
        if _is_public_acl(params):
            raise AwsError(
                "InvalidBucketAclWithBlockPublicAccessError",
                "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
            )
        return None
    if bucket is None or operation not in _WITH_ACL or not (acl or granted):
        return None
    if str(bucket.ownership_rule) == _ENFORCED and (granted or acl != "bucket-owner-full-control"):
        raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    block = bucket.public_access_block
    if block is None or not block.block_public_acls or not _is_public_acl(params):
        return None
    return (
        "because public access control lists (ACLs) are prevented by the BlockPublicAcls setting "
        "in S3 Block Public Access"
    )


def _is_public_acl(params: Mapping[str, Any]) -> bool:
    grants = params.get("AccessControlPolicy", {}).get("Grants", [])
    named = [str(params.get(name, "")) for name in _GRANTS]
    named += [str(grant.get("Grantee", {}).get("URI", "")) for grant in grants]
    return params.get("ACL") in _PUBLIC_ACLS or any(
        group in one for group in _GROUPS for one in named
    )
