"""What is deployed, read from the stacks' outputs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_GONE: Final = ("DELETE_COMPLETE", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS")
_SERVED: Final = re.compile(r"(Custom|Domain)(\w+?)(Campaign|Recommender)Arn")


class NothingDeployed(Exception):
    """There is no deployment of this prefix, or none with data."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A campaign or a recommender of Amazon Personalize.

    Attributes:
        group: `Custom` or `Domain`, the dataset group.
        model: the recipe or use case as the outputs spell it, such as `UserPersonalizationV2`.
        target: the request's parameter that names it, `campaignArn` or `recommenderArn`.
        arn: its ARN.
    """

    group: str
    model: str
    target: str
    arn: str


@dataclass(frozen=True)
class Deployment:
    """The outputs of all of a deployment's stacks."""

    outputs: Mapping[str, str]

    @classmethod
    def find(cls, cloudformation: "CloudFormationClient", prefix: str) -> "Deployment":
        """Read the outputs of the stacks `PREFIX-Data`, `PREFIX-Object2Vec` and so on.

        Raises:
            NothingDeployed: none of them has a bucket with data.
        """
        # A deployment whose prefix merely begins with this one has a small letter next.
        ours = re.compile(rf"{re.escape(prefix)}-[A-Z][A-Za-z0-9]*")
        outputs: dict[str, str] = {}
        for page in cloudformation.get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                if ours.fullmatch(stack["StackName"]) and stack["StackStatus"] not in _GONE:
                    outputs |= {
                        output["OutputKey"]: output["OutputValue"]
                        for output in stack.get("Outputs", [])
                    }
        if "BucketName" not in outputs:
            raise NothingDeployed(
                f"No deployment named {prefix} with data in it was found in this account and "
                "region."
            )
        if "CatalogueKey" not in outputs:
            raise NothingDeployed(
                f"The deployment {prefix} was made by an older version of this project: deploy it "
                "again."
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

    def served(self) -> list[Served]:
        """What answers of Amazon Personalize."""
        found = []
        for name, value in sorted(self.outputs.items()):
            if match := _SERVED.fullmatch(name):
                group, model, kind = match.groups()
                target = f"{kind.lower()}Arn"
                found.append(Served(group=group, model=model, target=target, arn=value))
        return found

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
