"""Execution roles: trust of SageMaker, and clients with the role's credentials."""

from typing import Any

from local_aws import clients
from local_aws.sagemaker.errors import Failed, ValidationException
from local_aws.sts.models import AccessDenied, assume


class Role:
    """An execution role in one region.

    Args:
        arn: the role.
        source_arn: the job or model for which SageMaker acts.
        region: where.

    Raises:
        ValidationException: the role does not exist, or does not trust SageMaker.
    """

    def __init__(self, arn: str, source_arn: str, region: str) -> None:
        self.arn = arn
        self._source_arn = source_arn
        self.region = region
        self._endpoint = clients.endpoint_url()
        try:
            self._credentials()
        except AccessDenied:
            raise ValidationException(
                f"Could not assume role {arn}. Please ensure that the role exists and allows "
                "principal 'sagemaker.amazonaws.com' to assume the role."
            ) from None

    def client(self, service: str) -> Any:
        """A boto3 client for `service` with this role's credentials.

        Raises:
            Failed: the server has stopped, or the role no longer exists.
        """
        if clients.endpoint_url() != self._endpoint:  # a late thread must not call another AWS
            raise Failed("the local AWS was stopped")
        try:
            return clients.client(service, self.region, self._credentials())
        except AccessDenied:
            raise Failed(f"Could not assume role {self.arn}.") from None

    def environment(self) -> dict[str, str]:
        """The environment variables for a container that calls AWS as this role.

        Raises:
            Failed: the role no longer exists.
        """
        try:
            return self._credentials().environment()
        except AccessDenied:
            raise Failed(f"Could not assume role {self.arn}.") from None

    def _credentials(self) -> clients.Credentials:
        return assume(
            self.arn,
            service="sagemaker",
            session_name="SageMaker",
            region=self.region,
            source_arn=self._source_arn,
        )
