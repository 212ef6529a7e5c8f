"""A running local AWS for the module, and its stacks as a test sees them."""

import itertools
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local_aws import clients
from local_aws.server import LocalAws

REGION = "us-east-1"
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
_BUSY = "_IN_PROGRESS"


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    """The cheapest resource there is: an SSM parameter."""
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}, **more}


def broken(**more: Any) -> dict[str, Any]:
    """A resource that fails when it is made: its role attaches a policy that does not exist."""
    return role(ManagedPolicyArns=["arn:aws:iam::123456789012:policy/missing"], **more)


def role(**properties: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": trust, **properties},
    }


class Stacks:
    """The account's stacks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.api = self.client("cloudformation")
        self._numbers = itertools.count()

    def client(self, service: str) -> Any:
        return clients.client(service, REGION)

    def name(self) -> str:
        return f"stack-{next(self._numbers)}"

    def create(self, resources: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Create a stack and wait for the end of it; as DescribeStacks shows it."""
        name = more.pop("StackName", None) or self.name()
        body = self.body(resources, more)
        answer = self.api.create_stack(
            StackName=name, TemplateBody=body, Capabilities=CAPABILITIES, **more
        )
        return self.settled(answer["StackId"])

    def update(self, name: str, resources: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Update a stack and wait for the end of it; as DescribeStacks shows it."""
        body = self.body(resources, more)
        self.api.update_stack(StackName=name, TemplateBody=body, Capabilities=CAPABILITIES, **more)
        return self.settled(name)

    def delete(self, stack: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Delete a stack and wait for the end of it; as DescribeStacks shows it."""
        self.api.delete_stack(StackName=stack["StackId"], **more)
        return self.settled(stack["StackId"])

    def settled(self, name: str) -> dict[str, Any]:
        """The stack once nothing happens to it."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            stack: dict[str, Any] = self.api.describe_stacks(StackName=name)["Stacks"][0]
            if not stack["StackStatus"].endswith(_BUSY):
                return stack
            time.sleep(0.1)
        raise TimeoutError(f"{name} is {stack['StackStatus']}")

    def events(self, stack: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The stack's history, oldest first."""
        pages = self.api.get_paginator("describe_stack_events").paginate(StackName=stack["StackId"])
        return [event for page in pages for event in page["StackEvents"]][::-1]

    def history(self, stack: Mapping[str, Any], logical_id: str) -> list[str]:
        """The states that a resource went through."""
        found = [e for e in self.events(stack) if e["LogicalResourceId"] == logical_id]
        return [event["ResourceStatus"] for event in found]

    def reason(self, stack: Mapping[str, Any], logical_id: str, status: str) -> str:
        """Why a resource reached a state."""
        return str(
            next(
                event["ResourceStatusReason"]
                for event in self.events(stack)
                if event["LogicalResourceId"] == logical_id and event["ResourceStatus"] == status
            )
        )

    def failures(self, stack: Mapping[str, Any]) -> list[str]:
        """What failed and why, for a test's own message."""
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in self.events(stack)
            if event["ResourceStatus"].endswith("_FAILED")
        ]

    def physical_id(self, stack: Mapping[str, Any], logical_id: str) -> str:
        answer = self.api.describe_stack_resource(
            StackName=stack["StackId"], LogicalResourceId=logical_id
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def outputs(self, stack: Mapping[str, Any]) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}

    def parameter(self, name: str) -> str | None:
        """The value of an SSM parameter, None if there is none."""
        ssm = self.client("ssm")
        try:
            return str(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            return None

    @staticmethod
    def body(resources: Mapping[str, Any], more: dict[str, Any]) -> str:
        """A template's text; its other sections are taken out of `more`."""
        sections: dict[str, Any] = {
            key: more.pop(key)
            for key in ("Outputs", "Conditions", "Mappings", "Rules", "Description")
            if key in more
        }
        if "Declared" in more:
            sections["Parameters"] = more.pop("Declared")
        return json.dumps({"Resources": resources, **sections})


@pytest.fixture(scope="module")
def stacks() -> Iterator[Stacks]:
    with LocalAws() as aws:
        yield Stacks(aws.url)
