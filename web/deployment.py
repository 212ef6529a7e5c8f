"""Finds the deployed resources in the stacks' outputs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from outputs import Outputs, by_stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class NothingDeployed(Exception):
    """There is no deployment with this prefix, or it has no data."""


@dataclass(frozen=True)
class Deployment:
    """The outputs of all stacks of a deployment."""

    outputs: Outputs

    @classmethod
    def find(cls, cloudformation: "CloudFormationClient", prefix: str) -> "Deployment":
        """Read the outputs of the stacks `PREFIX-Data`, `PREFIX-Object2Vec` and so on.

        Raises:
            NothingDeployed: no stack has a bucket with data.
        """
        outputs = Outputs.of(by_stack(prefix, cloudformation))
        if "BucketName" not in outputs:
            raise NothingDeployed(
                f"No deployment named {prefix} with data in it was found in this account and "
                "region."
            )
        if "HeldOutKey" not in outputs:
            raise NothingDeployed(
                f"The deployment {prefix} was created by an older version of this project: deploy "
                "it again."
            )
        return cls(outputs)

    @property
    def bucket(self) -> str:
        """The bucket with the data."""
        return self.outputs["BucketName"]

    @property
    def places(self) -> str | None:
        """The endpoint whose embeddings the retrieval function uses."""
        outputs = self.outputs
        return outputs.get("RetrievalEndpointName") or outputs.get("RecommendationEndpointName")

    def filters(self, group: str) -> dict[str, str]:
        """A dataset group's filters by name."""
        return {
            name.removeprefix(group).removesuffix("FilterArn"): value
            for name, value in self.outputs.items()
            if name.startswith(group) and name.endswith("FilterArn")
        }

    def trackers(self) -> dict[str, str]:
        """Tracking ids by dataset group."""
        return {
            group: self.outputs[name]
            for group in ("Custom", "Domain")
            if (name := f"{group}TrackingId") in self.outputs
        }
