"""A deployment's outputs: the names, keys and addresses of the resources in its stacks.

And calls of the functions that they name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config

PREFIX: Final = "recommender"
"""The default prefix of the stacks' names."""

# a function may run for 15 minutes, and must not be started twice
_PATIENT: Final = Config(read_timeout=930, retries={"total_max_attempts": 1})
_GONE: Final = ("DELETE_COMPLETE", "DELETE_IN_PROGRESS", "REVIEW_IN_PROGRESS")
_SERVED: Final = re.compile(r"(Custom|Domain)(\w+?)(Campaign|Recommender)Arn")


class FunctionFailed(Exception):
    """A function ended with an error; the message is the function's own."""


def is_ours(stack: str, prefix: str = PREFIX) -> bool:
    """Whether a stack belongs to the deployment with this prefix.

    The letter after the prefix is upper-case; in a deployment whose own prefix begins with this one
    (`recommender-anna`) it is lower-case.
    """
    return re.fullmatch(rf"{re.escape(prefix)}-[A-Z][A-Za-z0-9]*", stack) is not None


def by_stack(prefix: str = PREFIX, cloudformation: Any = None) -> dict[str, dict[str, str]]:
    """Read the outputs of `PREFIX-Data`, `PREFIX-Object2Vec` and so on, by stack and by name.

    Args:
        prefix: the deployment's prefix.
        cloudformation: a boto3 client; by default, one with the environment's settings.

    Raises:
        botocore.exceptions.ClientError: AWS refused the request.
    """
    client = cloudformation or boto3.client("cloudformation")
    return {
        stack["StackName"]: {
            output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])
        }
        for page in client.get_paginator("describe_stacks").paginate()
        for stack in page["Stacks"]
        if is_ours(stack["StackName"], prefix) and stack["StackStatus"] not in _GONE
    }


def invoked(function: str) -> dict[str, Any]:
    """Call a function that takes no event, and return its answer; it may take 15 minutes.

    Args:
        function: its name.

    Raises:
        FunctionFailed: it ended with an error.
        botocore.exceptions.ClientError: AWS refused the request.
    """
    answer = boto3.client("lambda", config=_PATIENT).invoke(FunctionName=function, Payload="{}")
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise FunctionFailed(told.get("errorMessage", str(told)))
    return told


@dataclass(frozen=True, kw_only=True)
class Served:
    """A campaign or a recommender of Amazon Personalize.

    Attributes:
        group: `Custom` or `Domain`, the dataset group.
        model: the recipe or use case as the outputs spell it, such as `UserPersonalizationV2`.
        target: the request parameter for its ARN, `campaignArn` or `recommenderArn`.
        arn: its ARN.
    """

    group: str
    model: str
    target: str
    arn: str


class Outputs(dict[str, str]):
    """All outputs of a deployment by name; a missing one raises a `LookupError`."""

    @classmethod
    def of(cls, stacks: Mapping[str, Mapping[str, str]]) -> "Outputs":
        """Merge the outputs of all stacks; their names are unique."""
        return cls({name: value for one in stacks.values() for name, value in one.items()})

    def __missing__(self, name: str) -> str:
        raise LookupError(
            f"no stack has the output {name}: its stack is not deployed, or was deployed by "
            "another version of this project"
        )

    def served(self) -> list[Served]:
        """The deployed campaigns and recommenders, derived from the outputs' names."""
        return [
            Served(group=match[1], model=match[2], target=f"{match[3].lower()}Arn", arn=arn)
            for name, arn in sorted(self.items())
            if (match := _SERVED.fullmatch(name))
        ]
