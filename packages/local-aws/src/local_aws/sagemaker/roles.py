"""Execution roles: whether SageMaker may assume one, and clients that act with its credentials."""

from typing import Any

from local_aws import clients
from local_aws.sagemaker.errors import Failed, ValidationException
from local_aws.sts.models import AccessDenied, assume


class Role:
    """An execution role as SageMaker uses it in one region.

    Args:
        arn: the role.
        source_arn: the job or model for which SageMaker acts.
        region: where.

    Raises:
        ValidationException: it does not exist, or does not trust SageMaker.
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
            Failed: the local AWS that the role belongs to has ended, or the role is gone.
        """
        if clients.endpoint_url() != self._endpoint:  # never call another AWS from a late thread
            raise Failed("the local AWS was stopped")
        try:
            return clients.client(service, self.region, self._credentials())
        except AccessDenied:
            raise Failed(f"Could not assume role {self.arn}.") from None

    def environment(self) -> dict[str, str]:
        """The variables by which a container that may call AWS does so as this role.

        Raises:
            Failed: the role is gone.
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
