"""The quotas of one account and region: applied values and requested increases."""

import uuid
from datetime import UTC, datetime
from typing import Any, Final

from moto.core.base_backend import BaseBackend
from moto.servicequotas.models import servicequotas_backends
from moto.utilities.utils import get_partition

from local_aws.api import AwsError
from local_aws.servicequotas import table
from local_aws.servicequotas.table import Quota

SERVICES: Final = {
    "emr-serverless": "Amazon EMR Serverless",
    "lambda": "AWS Lambda",
    "personalize": "Amazon Personalize",
    "sagemaker": "Amazon SageMaker",
}
"""The services whose quotas are known here, by code."""


class ServiceQuotasBackend(BaseBackend):
    """Applied quotas: those of the server's profile, and granted increases."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.requests: list[dict[str, Any]] = []
        self._granted: dict[tuple[str, str], float] = {}

    def value(self, service: str, name: str) -> float:
        """The applied value of a quota; 0 if it is not in the table.

        On AWS, instance types without a requested increase also have 0.
        """
        found = table.quotas().get((service, name))
        if found is None:
            return 0.0
        return self._granted.get((service, name), found.applied[table.profile()])

    def listed(self, service: str) -> list[Quota]:
        """The quotas of a service.

        Raises:
            AwsError: the service is unknown.
        """
        if service not in SERVICES:
            raise _no_such("service", service)
        return [one for one in table.quotas().values() if one.service == service and one.code]

    def find(self, service: str, code: str) -> Quota:
        """A quota by its code.

        Raises:
            AwsError: the quota does not exist.
        """
        for one in self.listed(service):
            if one.code == code:
                return one
        raise _no_such("quota", code)

    def request(self, service: str, code: str, desired: float) -> dict[str, Any]:
        """Request an increase. It is granted at once; on AWS that takes minutes to days.

        Raises:
            AwsError: the quota is not adjustable, or is not increased.
        """
        quota = self.find(service, code)
        if not quota.adjustable:
            raise AwsError("IllegalArgumentException", f"The quota {quota.name} is not adjustable.")
        if desired <= self.value(service, quota.name):
            raise AwsError(
                "IllegalArgumentException",
                "You must provide a quota value greater than the current quota value.",
            )
        self._granted[service, quota.name] = desired
        made = datetime.now(UTC)
        asked = {
            "Id": uuid.uuid4().hex,
            "ServiceCode": service,
            "ServiceName": SERVICES[service],
            "QuotaCode": code,
            "QuotaName": quota.name,
            "QuotaArn": self.arn(quota),
            "DesiredValue": desired,
            "Status": "APPROVED",
            "Created": made,
            "LastUpdated": made,
            "GlobalQuota": False,
            "Unit": "None",
            "QuotaRequestedAtLevel": "ACCOUNT",
        }
        self.requests.append(asked)
        return asked

    def arn(self, quota: Quota, account: str | None = None) -> str:
        """A quota's ARN; without an account, that of the default."""
        place = (
            f"servicequotas:{self.region_name}:{self.account_id if account is None else account}"
        )
        return f"arn:{get_partition(self.region_name)}:{place}:{quota.service}/{quota.code}"


def applied(service: str, name: str, account: str, region: str) -> float:
    """The applied value of a quota in an account and region; 0 if it is not in the table."""
    backend: Any = servicequotas_backends[account][region]
    assert isinstance(backend, ServiceQuotasBackend)
    return backend.value(service, name)


def _no_such(what: str, code: str) -> AwsError:
    return AwsError(
        "NoSuchResourceException", f"The specified {what} does not exist in this region: {code}"
    )
