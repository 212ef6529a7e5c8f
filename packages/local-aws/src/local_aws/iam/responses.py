"""IAM's HTTP side: moto's, but for what moto would forget."""

from moto.iam.responses import IamResponse

from local_aws.api import CheckedResponse, NotImplementedByLocalAws


class LocalIamResponse(CheckedResponse, IamResponse):
    """Answers IAM's operations as moto does."""

    def check(self, action: str) -> None:
        """Refuse a user's permissions boundary, which would not be kept."""
        if action == "CreateUser" and self._get_param("PermissionsBoundary"):
            raise NotImplementedByLocalAws("a user's PermissionsBoundary")
