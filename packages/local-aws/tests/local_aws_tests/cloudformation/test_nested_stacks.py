"""Stacks within stacks."""

import json
from typing import Any

import pytest

from local_aws_tests.cloudformation.conftest import Stacks, broken, parameter, role

CHILD = {
    "Parameters": {"Value": {"Type": "String"}, "Names": {"Type": "CommaDelimitedList"}},
    "Resources": {
        "P": parameter({"Ref": "Value"}),
        "Q": parameter({"Fn::Join": ["+", {"Ref": "Names"}]}),
    },
    "Outputs": {"Name": {"Value": {"Ref": "P"}}, "Joined": {"Value": {"Ref": "Q"}}},
}


@pytest.fixture(scope="module")
def bucket(stacks: Stacks) -> str:
    stacks.client("s3").create_bucket(Bucket="templates")
    return "templates"


def put(stacks: Stacks, key: str, template: Any) -> str:
    """The address of a template."""
    body = json.dumps(template).encode()
    stacks.client("s3").put_object(Bucket="templates", Key=key, Body=body)
    return f"https://templates.s3.amazonaws.com/{key}"


def nested(url: Any, **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudFormation::Stack",
        "Properties": {"TemplateURL": url, **properties},
    }


def alive(stacks: Stacks) -> list[str]:
    found = stacks.client("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in found]


def test_nested_stack_is_created_updated_and_deleted_with_its_parent(
    stacks: Stacks, bucket: str
) -> None:
    url = put(stacks, "child.json", CHILD)

    def resources(value: str) -> dict[str, Any]:
        inner = nested(url, Parameters={"Value": value, "Names": ["a", "b"]})
        return {
            "Child": inner,
            "Copy": parameter({"Fn::GetAtt": ["Child", "Outputs.Name"]}),
            "Text": parameter({"Fn::Sub": "of ${Child.Outputs.Joined}"}),
        }

    before = alive(stacks)
    stack = stacks.create(resources("one"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    child = stacks.physical_id(stack, "Child")
    [shown] = stacks.client("cloudformation").describe_stacks(StackName=child)["Stacks"]
    assert shown["StackName"].startswith(f"{stack['StackName']}-Child-")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in shown["Outputs"]}
    assert stacks.parameter(outputs["Name"]) == "one"
    assert stacks.parameter(outputs["Joined"]) == "a+b"
    assert stacks.parameter(stacks.physical_id(stack, "Copy")) == outputs["Name"]
    assert stacks.parameter(stacks.physical_id(stack, "Text")) == f"of {outputs['Joined']}"

    updated = stacks.update(stack["StackName"], resources("two"))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stacks.physical_id(stack, "Child") == child
    assert stacks.parameter(outputs["Name"]) == "two"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert alive(stacks) == before
    assert stacks.parameter(outputs["Name"]) is None


def test_nested_stack_failure_rolls_back_the_parent(stacks: Stacks, bucket: str) -> None:
    url = put(stacks, "broken.json", {"Resources": {"Good": parameter("x"), "Bad": broken()}})
    before = alive(stacks)
    stack = stacks.create({"Child": nested(url)})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "was not successfully created" in stacks.reason(stack, "Child", "CREATE_FAILED")
    stacks.delete(stack)
    assert alive(stacks) == before


def test_nested_stack_has_the_capabilities_of_its_parent(stacks: Stacks, bucket: str) -> None:
    url = put(stacks, "roles.json", {"Resources": {"R": role()}})
    body = stacks.body({"Child": nested(url)}, {})
    made = stacks.api.create_stack(StackName=stacks.name(), TemplateBody=body)
    stack = stacks.settled(made["StackId"])
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    told = stacks.reason(stack, "Child", "CREATE_FAILED")
    assert "Requires capabilities : [CAPABILITY_IAM]" in told
    stacks.delete(stack)
    stack = stacks.create({"Child": nested(url)})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    stacks.delete(stack)


def test_recursive_nested_stack_fails(stacks: Stacks, bucket: str) -> None:
    url = "https://templates.s3.amazonaws.com/endless.json"
    assert put(stacks, "endless.json", {"Resources": {"Child": nested(url)}}) == url
    before = alive(stacks)
    stack = stacks.create({"Child": nested(url)})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    stacks.delete(stack)
    assert alive(stacks) == before
