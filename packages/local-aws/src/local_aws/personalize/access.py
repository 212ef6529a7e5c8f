"""Checks a job's access to S3, and a dataset group's to its KMS key.

Amazon Personalize reads with the role's permissions, and the bucket's policy must allow the service
as well. S3 itself checks the role's permissions, because the calls are signed with its credentials.
So it is with a key, whose policy must allow the role and the service. AWS documents that filters
and recommendations need it later on, but neither what else does nor the errors.

https://docs.aws.amazon.com/personalize/latest/dg/granting-personalize-key-access.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.iam import access
from local_aws.iam.policies import Decision, Request
from local_aws.personalize.errors import InvalidInput
from local_aws.sts.models import AccessDenied as NoTrust
from local_aws.sts.models import assume, trusts

PRINCIPAL = "personalize.amazonaws.com"
# what a role and the policy of a dataset group's key must allow
_OF_ROLE: Final = ("Decrypt", "GenerateDataKey", "DescribeKey", "ListGrants")


class AccessDenied(Exception):
    """The job lacks a permission; the message names it."""


@dataclass(frozen=True)
class Place:
    """An object or a folder in S3."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "Place":
        """The place of an s3:// address.

        Raises:
            InvalidInput: it is none.
        """
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not bucket:
            raise InvalidInput(f"'{uri}' is not an S3 location: s3://bucket/key is needed.")
        return cls(bucket, key)


class JobStorage:
    """S3 as one job of the service sees it.

    Args:
        role_arn: the job's role.
        job_arn: the job's ARN, which is compared with aws:SourceArn in policies.
        account_id, region: the job's account and region.
    """

    def __init__(self, role_arn: str, job_arn: str, account_id: str, region: str) -> None:
        self._role_arn = role_arn
        self._job_arn = job_arn
        self._context = {
            "aws:SourceAccount": account_id,
            "aws:SourceArn": job_arn,
            "aws:SecureTransport": "true",
        }
        self._region = region
        self._s3: Any = None

    def read(self, place: Place) -> Iterator[tuple[str, bytes]]:
        """Name and content of the object, or of the objects directly in the folder, one by one.

        Raises:
            AccessDenied: the role or the bucket does not allow it, or the object does not exist.
        """
        self._context["s3:prefix"] = place.key
        self._need(place.bucket, "s3:ListBucket", f"arn:aws:s3:::{place.bucket}")
        keys = self._keys(place)
        for key in keys:
            self._need(place.bucket, "s3:GetObject", f"arn:aws:s3:::{place.bucket}/{key}")
        s3 = self._client()
        for key in keys:
            found = self._call(s3.get_object, Bucket=place.bucket, Key=key)
            yield f"s3://{place.bucket}/{key}", found["Body"].read()

    def write(
        self, place: Place, name: str, content: bytes | IO[bytes], key_arn: str | None = None
    ) -> None:
        """Put an object into a folder, encrypted with a key of KMS if there is one.

        Raises:
            AccessDenied: the role or the bucket does not allow it.
        """
        key = f"{place.key.rstrip('/')}/{name}".lstrip("/")
        self._need(place.bucket, "s3:PutObject", f"arn:aws:s3:::{place.bucket}/{key}")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_arn} if key_arn else {}
        self._call(
            self._client().put_object, Bucket=place.bucket, Key=key, Body=content, **encrypted
        )

    def _keys(self, place: Place) -> list[str]:
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._call(
                self._client().list_objects_v2, Bucket=place.bucket, Prefix=place.key, **token
            )
            found += [entry["Key"] for entry in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        if place.key in found and not place.key.endswith("/"):
            return [place.key]
        folder = place.key if place.key.endswith("/") or not place.key else place.key + "/"
        inside = [
            key
            for key in found
            if key.startswith(folder) and "/" not in key[len(folder) :]
            if key != folder
        ]
        if not inside:
            raise AccessDenied(f"There is no object at s3://{place.bucket}/{place.key}.")
        return sorted(inside)

    def _client(self) -> Any:
        if self._s3 is None:
            try:
                credentials = assume(
                    self._role_arn,
                    service="personalize",
                    session_name="Personalize",
                    region=self._region,
                    source_arn=self._job_arn,
                )
            except NoTrust as error:
                raise AccessDenied(str(error.message)) from None
            self._s3 = clients.client("s3", self._region, credentials)
        return self._s3

    def _call(self, operation: Any, **arguments: Any) -> Any:
        try:
            return operation(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            where = (
                f"s3://{arguments['Bucket']}/{arguments.get('Key', arguments.get('Prefix', ''))}"
            )
            if code in ("AccessDenied", "403", "AccessDeniedException"):
                raise AccessDenied(
                    "Insufficient privileges for accessing data in S3. Role "
                    f"{self._role_arn} may not {error.operation_name} {where}."
                ) from None
            raise AccessDenied(
                f"{error.operation_name} {where}: {error.response['Error']['Message']}"
            ) from None

    def _need(self, bucket: str, action: str, resource: str) -> None:
        request = Request(action, resource, (PRINCIPAL,), self._context)
        decision = access.of_bucket(bucket, request, self._region)
        if decision is None:
            raise AccessDenied(f"There is no bucket {bucket}.")
        says = "denies" if decision is Decision.DENY else "does not allow"
        if decision is not Decision.ALLOW:
            raise AccessDenied(
                "Insufficient privileges for accessing data in S3. The policy of bucket "
                f"{bucket} {says} {PRINCIPAL} "
                f"the action {action} on {resource}."
            )


def key_refusal(key: str, role: str, group: str) -> str | None:
    """The reason why Personalize cannot use a dataset group's key; None if it can.

    Args:
        key: the key's ARN.
        role: the ARN of the group's role.
        group: the group's ARN.
    """
    region, account = group.split(":", 5)[3:5]
    if not trusts(role, "personalize", region, group):
        return f"Role {role} does not exist, or does not trust {PRINCIPAL}."
    context = {"aws:SourceAccount": account, "aws:SourceArn": group}
    actions = (*_OF_ROLE, "CreateGrant")
    if why := access.key_refusal(PRINCIPAL, key, actions, group, context):
        return why
    for action in (f"kms:{one}" for one in _OF_ROLE):
        if not access.service_may(role, action, key, region):
            return f"Role {role} is not authorized to perform: {action} on resource: {key}"
    return None


def check_role(arn: str, job_arn: str, region: str) -> None:
    """Check that the role exists and that the service may assume it for this job.

    Raises:
        InvalidInput: otherwise.
    """
    if not trusts(arn, "personalize", region, job_arn):
        raise InvalidInput(
            f"Role {arn} does not exist, or does not trust {PRINCIPAL}: its trust policy must let "
            "it assume the role."
        )
