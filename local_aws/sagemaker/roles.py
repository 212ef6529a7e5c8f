"""Execution roles: whether SageMaker may assume one, and clients that act with its credentials."""

import json
from typing import Any

from moto.iam.models import iam_backends
from moto.utilities.utils import get_partition

from local_aws import clients
from local_aws.sagemaker.errors import Failed, ValidationException

_PRINCIPAL = "sagemaker.amazonaws.com"


class Role:
    """An execution role as SageMaker uses it in one region.

    Raises:
        ValidationException: it does not exist, or does not trust SageMaker.
    """

    def __init__(self, arn: str, account_id: str, region: str) -> None:
        self.arn = arn
        self._region = region
        self._endpoint = clients.endpoint_url()
        self._credentials: clients.Credentials | None = None
        if not _trusts_sagemaker(arn, account_id, region):
            raise ValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                f"principal '{_PRINCIPAL}' to assume the role."
            )

    def client(self, service: str) -> Any:
        """A boto3 client for `service` with this role's credentials.

        Raises:
            Failed: the local AWS that the role belongs to has ended.
        """
        if clients.endpoint_url() != self._endpoint:  # never call another AWS from a late thread
            raise Failed("the local AWS was stopped")
        if self._credentials is None:
            self._credentials = clients.assume_role(self.arn, "SageMaker", self._region)
        return clients.client(service, self._region, self._credentials)


def _trusts_sagemaker(arn: str, account_id: str, region: str) -> bool:
    try:
        role = iam_backends[account_id][get_partition(region)].get_role_by_arn(arn)
    except Exception:  # moto raises its own NotFound, and others for malformed ARNs
        return False
    document = role.assume_role_policy_document
    policy = json.loads(document) if isinstance(document, str) else document
    return any(_allows(statement) for statement in _listed(policy.get("Statement")))


def _allows(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = [principal] if isinstance(principal, str) else _listed(principal.get("Service"))
    actions = {action.lower() for action in _listed(statement.get("Action"))}
    return (
        statement.get("Effect") == "Allow"
        and bool({_PRINCIPAL, "*"}.intersection(services))
        and bool({"sts:assumerole", "sts:*", "*"}.intersection(actions))
    )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
