"""Stacks within stacks."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.cloudformation import engine, models
from local_aws_tests.cloudformation.conftest import Stacks, broken, parameter, role
from tests.reliability import Tally

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


def reasons(stacks: Stacks, parent: Any, logical_id: str) -> list[str]:
    """Why resources of a nested stack could not be created."""
    child = stacks.physical_id(parent, logical_id)
    return [
        event.get("ResourceStatusReason", "")
        for event in stacks.events({"StackId": child, "StackName": child})
        if event["ResourceStatus"] == "CREATE_FAILED"
    ]


def test_template_that_contains_itself_fails_at_once(
    stacks: Stacks, bucket: str, tally: Tally
) -> None:
    url = "https://templates.s3.amazonaws.com/endless.json"
    children = {f"Child{number}": nested(url) for number in range(3)}
    assert put(stacks, "endless.json", {"Resources": children}) == url
    before = alive(stacks)
    stack = stacks.create({"Child": nested(url)})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    told = reasons(stacks, stack, "Child")
    assert any("The template contains itself, with the same parameters" in one for one in told)
    every = stacks.client("cloudformation").list_stacks()["StackSummaries"]
    assert [one for one in every if f"{stack['StackName']}-Child-Child" in one["StackName"]] == []
    stacks.delete(stack)
    assert alive(stacks) == before
    tally("inputs tried", "templates that contain themselves")


def test_stacks_within_stacks_have_a_depth(stacks: Stacks, bucket: str, tally: Tally) -> None:
    url = "https://templates.s3.amazonaws.com/deep.json"
    longer = {"Fn::Join": ["", [{"Ref": "N"}, "+"]]}  # another parameter each time
    template = {
        "Parameters": {"N": {"Type": "String"}},
        "Resources": {"C": nested(url, Parameters={"N": longer})},
    }
    assert put(stacks, "deep.json", template) == url
    before = alive(stacks)
    stack = stacks.create({"C": nested(url, Parameters={"N": "+"})})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    every = stacks.client("cloudformation").get_paginator("list_stacks").paginate()
    within = [
        one
        for page in every
        for one in page["StackSummaries"]
        if one.get("RootId") == stack["StackId"]
    ]
    assert len(within) == 10
    assert len({one["ParentId"] for one in within}) == 10
    stacks.delete(stack)
    assert alive(stacks) == before
    tally("inputs tried", "templates that contain themselves")


def test_operation_has_a_number_of_resources_with_its_nested_stacks(
    stacks: Stacks, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put(stacks, "three.json", {"Resources": {name: parameter("x") for name in "ABC"}})
    children = {f"Child{number}": nested(url) for number in range(2)}
    monkeypatch.setattr(engine, "_MOST_NESTED", 8)  # two stacks with three resources each
    stack = stacks.create(children)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    stacks.delete(stack)
    monkeypatch.setattr(engine, "_MOST_NESTED", 7)
    stack = stacks.create(children)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    told = [*reasons(stacks, stack, "Child0"), *reasons(stacks, stack, "Child1")]
    words = "creates or updates up to 7 resources, with those of its nested stacks"
    assert any(words in one for one in told)
    stacks.delete(stack)


def test_numbers_of_resources_and_stacks_are_those_of_aws(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"P{number}" for number in range(501)]
    body = json.dumps({"Resources": {name: {"Type": "AWS::SSM::Parameter"} for name in names}})
    with pytest.raises(ClientError, match=r"Number of resources, 501, is greater than .*, 500"):
        stacks.client("cloudformation").validate_template(TemplateBody=body)
    monkeypatch.setattr(models, "_MOST_STACKS", len(alive(stacks)))
    with pytest.raises(ClientError, match="LimitExceededException"):
        stacks.create({"P": parameter("x")})
