"""Service Quotas' operations."""

from typing import Any, cast

from moto.servicequotas.models import servicequotas_backends

from local_aws.api import AwsError, LocalResponse, NotImplementedByLocalAws
from local_aws.servicequotas.models import SERVICES, ServiceQuotasBackend
from local_aws.servicequotas.table import Quota

_PAGE = 100


class ServiceQuotasResponse(LocalResponse):
    """The API of Service Quotas, for the services whose quotas are enforced here."""

    service = "service-quotas"
    validation_code = "IllegalArgumentException"

    @property
    def backend(self) -> ServiceQuotasBackend:
        """The quotas of the caller's account and region."""
        return cast(ServiceQuotasBackend, servicequotas_backends[self.current_account][self.region])

    def list_services(self) -> dict[str, Any]:
        """The services whose quotas are known."""
        services = [{"ServiceCode": code, "ServiceName": SERVICES[code]} for code in SERVICES]
        return self._page("Services", services)

    def list_service_quotas(self) -> dict[str, Any]:
        """A service's applied quotas."""
        self._account_level_only()
        found = [self._applied(one) for one in self.backend.listed(self.params["ServiceCode"])]
        code = self.params.get("QuotaCode")
        return self._page("Quotas", [one for one in found if code in (None, one["QuotaCode"])])

    def get_service_quota(self) -> dict[str, Any]:
        """One applied quota."""
        self._account_level_only()
        return {"Quota": self._applied(self._named())}

    def list_aws_default_service_quotas(self) -> dict[str, Any]:
        """A service's default quotas."""
        found = self.backend.listed(self.params["ServiceCode"])
        return self._page("Quotas", [self._default(one) for one in found])

    def get_aws_default_service_quota(self) -> dict[str, Any]:
        """One default quota."""
        return {"Quota": self._default(self._named())}

    def request_service_quota_increase(self) -> dict[str, Any]:
        """Request an increase."""
        self._account_level_only()
        asked = self.backend.request(
            self.params["ServiceCode"], self.params["QuotaCode"], self.params["DesiredValue"]
        )
        return {"RequestedQuota": asked}

    def get_requested_service_quota_change(self) -> dict[str, Any]:
        """One request."""
        for asked in self.backend.requests:
            if asked["Id"] == self.params["RequestId"]:
                return {"RequestedQuota": asked}
        raise AwsError(
            "NoSuchResourceException", f"There is no request {self.params['RequestId']}."
        )

    def list_requested_service_quota_change_history(self) -> dict[str, Any]:
        """All requests, or those for one service."""
        return self._requests("ServiceCode", "Status")

    def list_requested_service_quota_change_history_by_quota(self) -> dict[str, Any]:
        """The requests for one quota."""
        self._named()
        return self._requests("ServiceCode", "QuotaCode", "Status")

    def _requests(self, *members: str) -> dict[str, Any]:
        if self.params.get("QuotaRequestedAtLevel", "ACCOUNT") == "RESOURCE":
            raise NotImplementedByLocalAws("quotas at the level of resources")
        asked = [
            one
            for one in reversed(self.backend.requests)
            if all(self.params.get(name) in (None, one[name]) for name in members)
        ]
        return self._page("RequestedQuotas", asked)

    def _named(self) -> Quota:
        return self.backend.find(self.params["ServiceCode"], self.params["QuotaCode"])

    def _account_level_only(self) -> None:
        if self.params.get("ContextId"):
            raise NotImplementedByLocalAws("quotas of a single resource (ContextId)")
        if self.params.get("QuotaAppliedAtLevel", "ACCOUNT") == "RESOURCE":
            raise NotImplementedByLocalAws("quotas at the level of resources")

    def _applied(self, quota: Quota) -> dict[str, Any]:
        value = self.backend.value(quota.service, quota.name)
        level = {"QuotaAppliedAtLevel": "ACCOUNT"}
        return self._described(quota, value, self.backend.arn(quota)) | level

    def _default(self, quota: Quota) -> dict[str, Any]:
        return self._described(quota, quota.default, self.backend.arn(quota, ""))

    def _described(self, quota: Quota, value: float, arn: str) -> dict[str, Any]:
        return {
            "ServiceCode": quota.service,
            "ServiceName": SERVICES[quota.service],
            "QuotaArn": arn,
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "Value": value,
            "Unit": "None",
            "Adjustable": quota.adjustable,
            "GlobalQuota": False,
        }

    def _page(self, member: str, found: list[dict[str, Any]]) -> dict[str, Any]:
        token = self.params.get("NextToken", "0")
        if not token.isdecimal():
            raise AwsError("InvalidPaginationTokenException", "Invalid token was provided.")
        start = int(token)
        end = start + self.params.get("MaxResults", _PAGE)
        return {
            member: found[start:end],
            **({"NextToken": str(end)} if end < len(found) else {}),
        }
