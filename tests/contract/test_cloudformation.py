"""AWS CloudFormation: templates, states, events and change sets."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.contract.cloud import Cloud, documented, refused

_API = "https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_"
_GUIDE = "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/"
_FUNCTIONS = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"
GROUP = {"Type": "AWS::Logs::LogGroup"}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
}


def template(resources: dict[str, Any], **sections: Any) -> str:
    return json.dumps({"Resources": resources, **sections})


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return cloud.client("cloudformation")


@pytest.fixture(scope="module")
def create(cloud: Cloud, api: Any) -> Callable[..., str]:
    """Create a stack and wait for it; returns its name."""

    def make(name: str, body: str, **more: Any) -> str:
        name = f"{cloud.prefix}-{name}"
        api.create_stack(StackName=name, TemplateBody=body, **more)

        def delete() -> None:
            api.describe_stacks(StackName=name)
            api.update_termination_protection(StackName=name, EnableTerminationProtection=False)
            api.delete_stack(StackName=name)
            api.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=POLL)

        cloud.undo(name, delete)
        with suppress(WaiterError):
            api.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=POLL)
        return name

    return make


POLL = {"Delay": 1, "MaxAttempts": 120}


@pytest.fixture(scope="module")
def stack(create: Callable[..., str]) -> str:
    """A stack with a log group, a parameter and an output."""
    parameters = {"Days": {"Type": "Number", "Default": 1, "AllowedValues": [1, 3]}}
    group = {**GROUP, "Properties": {"RetentionInDays": {"Ref": "Days"}}}
    outputs = {"Name": {"Value": {"Ref": "Group"}, "Description": "the group"}}
    return create(
        "stack", template({"Group": group}, Parameters=parameters, Outputs=outputs), Tags=[TAG]
    )


TAG = {"Key": "colour", "Value": "blue"}


@pytest.fixture(scope="module")
def failed(create: Callable[..., str], stack: str, api: Any) -> str:
    """A stack that was rolled back, because its group's name was taken."""
    taken = api.describe_stack_resource(StackName=stack, LogicalResourceId="Group")
    name = taken["StackResourceDetail"]["PhysicalResourceId"]
    group = {**GROUP, "Properties": {"LogGroupName": name}}
    return create("failed", template({"First": GROUP, "Taken": {**group, "DependsOn": "First"}}))


def events(api: Any, stack: str) -> Iterator[dict[str, Any]]:
    """The oldest first."""
    pages = api.get_paginator("describe_stack_events").paginate(StackName=stack)
    yield from reversed([event for page in pages for event in page["StackEvents"]])


@documented(_API + "DescribeStacks.html")
def test_stack_tells_its_parameters_outputs_and_tags(api: Any, stack: str) -> None:
    (told,) = api.describe_stacks(StackName=stack)["Stacks"]
    assert told["StackStatus"] == "CREATE_COMPLETE"
    assert told["Parameters"] == [{"ParameterKey": "Days", "ParameterValue": "1"}]
    ((output),) = told["Outputs"]
    assert (output["OutputKey"], output["Description"]) == ("Name", "the group")
    assert output["OutputValue"].startswith(f"{stack}-Group-")
    assert told["Tags"] == [TAG]
    assert told["EnableTerminationProtection"] is False


@documented(_API + "DescribeStackEvents.html")
def test_events_of_a_creation_are_in_the_documented_order(api: Any, stack: str) -> None:
    told = [(event["LogicalResourceId"], event["ResourceStatus"]) for event in events(api, stack)]
    first = [one for number, one in enumerate(told) if one not in told[:number]]
    assert [one for one in first if "CREATE" in one[1]][:4] == [
        (stack, "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_IN_PROGRESS"),
        ("Group", "CREATE_COMPLETE"),
        (stack, "CREATE_COMPLETE"),
    ]
    (started, *_) = events(api, stack)
    assert started["ResourceStatusReason"] == "User Initiated"


@documented(_API + "ListStackResources.html")
def test_resources_are_listed_with_their_physical_ids(api: Any, stack: str) -> None:
    (told,) = api.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    assert (told["LogicalResourceId"], told["ResourceType"]) == ("Group", "AWS::Logs::LogGroup")
    assert told["ResourceStatus"] == "CREATE_COMPLETE"
    assert told["PhysicalResourceId"].startswith(f"{stack}-Group-")


@documented(_API + "GetTemplate.html")
def test_template_is_told_as_it_was_given(api: Any, stack: str) -> None:
    told = api.get_template(StackName=stack)["TemplateBody"]
    told = told if isinstance(told, dict) else json.loads(told)
    assert told["Resources"]["Group"]["Properties"] == {"RetentionInDays": {"Ref": "Days"}}


@documented(_API + "ValidateTemplate.html")
def test_validation_tells_parameters_and_capabilities(api: Any) -> None:
    parameters = {"Size": {"Type": "Number", "Default": 3, "Description": "how large"}}
    told = api.validate_template(TemplateBody=template({"Role": ROLE}, Parameters=parameters))
    assert told["Parameters"] == [
        {
            "ParameterKey": "Size",
            "DefaultValue": "3",
            "NoEcho": False,
            "Description": "how large",
        }
    ]
    assert told["Capabilities"] == ["CAPABILITY_IAM"]


@documented(_GUIDE + "view-stack-events.html")
def test_failed_creation_is_rolled_back_with_its_reason(api: Any, failed: str) -> None:
    (told,) = api.describe_stacks(StackName=failed)["Stacks"]
    assert told["StackStatus"] == "ROLLBACK_COMPLETE"
    found = list(events(api, failed))
    (broken,) = [one for one in found if one["ResourceStatus"] == "CREATE_FAILED"]
    assert broken["LogicalResourceId"] == "Taken"
    assert "already exists" in broken["ResourceStatusReason"]
    states = [one["ResourceStatus"] for one in found if one["LogicalResourceId"] == failed]
    assert states == ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    first = [one["ResourceStatus"] for one in found if one["LogicalResourceId"] == "First"]
    assert first[-1] == "DELETE_COMPLETE"


@documented(_GUIDE + "view-stack-events.html")
def test_update_of_a_stack_that_was_rolled_back_is_refused(api: Any, failed: str) -> None:
    with refused("ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated"):
        api.update_stack(StackName=failed, TemplateBody=template({"Group": GROUP}))


@documented(_API + "UpdateStack.html")
def test_update_without_changes_is_refused(api: Any, stack: str) -> None:
    with refused("ValidationError", "No updates are to be performed"):
        api.update_stack(StackName=stack, UsePreviousTemplate=True, Tags=[TAG])


@documented(_API + "UpdateStack.html")
def test_update_of_a_property_keeps_the_resource(api: Any, create: Callable[..., str]) -> None:
    def body(days: int) -> str:
        return template({"Group": {**GROUP, "Properties": {"RetentionInDays": days}}})

    name = create("updated", body(1))
    before = api.describe_stack_resource(StackName=name, LogicalResourceId="Group")
    api.update_stack(StackName=name, TemplateBody=body(3))
    api.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=POLL)
    after = api.describe_stack_resource(StackName=name, LogicalResourceId="Group")
    place = "StackResourceDetail", "PhysicalResourceId"
    assert before[place[0]][place[1]] == after[place[0]][place[1]]
    assert after[place[0]]["ResourceStatus"] == "UPDATE_COMPLETE"


@documented(_API + "Parameter.html")
def test_update_by_one_parameter_keeps_the_template_and_the_others(
    api: Any, create: Callable[..., str]
) -> None:
    parameters = {"Days": {"Type": "Number", "Default": 1}, "Other": {"Type": "String"}}
    outputs = {name: {"Value": {"Ref": name}} for name in parameters}
    group = {**GROUP, "Properties": {"RetentionInDays": {"Ref": "Days"}}}
    body = template({"Group": group}, Parameters=parameters, Outputs=outputs)
    given = [{"ParameterKey": "Other", "ParameterValue": "kept"}]
    name = create("by-parameter", body, Parameters=given)
    api.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "Days", "ParameterValue": "3"},
            {"ParameterKey": "Other", "UsePreviousValue": True},
        ],
    )
    api.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=POLL)
    found = api.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    values = {one["OutputKey"]: one["OutputValue"] for one in found}
    assert values == {"Days": "3", "Other": "kept"}


@documented(_API + "UpdateTerminationProtection.html")
def test_protected_stack_is_not_deleted(api: Any, create: Callable[..., str]) -> None:
    name = create("protected", template({"Group": GROUP}), EnableTerminationProtection=True)
    with refused("ValidationError", "cannot be deleted while TerminationProtection is enabled"):
        api.delete_stack(StackName=name)


@documented(_API + "DeleteStack.html")
def test_deletion_of_a_missing_stack_succeeds(api: Any) -> None:
    assert api.delete_stack(StackName="missing-stack")["ResponseMetadata"]["HTTPStatusCode"] == 200


@documented(_API + "DescribeStacks.html")
def test_deleted_stack_is_known_by_its_id_alone(api: Any, create: Callable[..., str]) -> None:
    name = create("deleted", template({"Group": GROUP}))
    place = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
    api.delete_stack(StackName=name)
    api.get_waiter("stack_delete_complete").wait(StackName=place, WaiterConfig=POLL)
    (told,) = api.describe_stacks(StackName=place)["Stacks"]
    assert told["StackStatus"] == "DELETE_COMPLETE"
    with refused("ValidationError", "does not exist"):
        api.describe_stacks(StackName=name)


@documented(_GUIDE + "using-cfn-stack-exports.html")
def test_stack_whose_export_is_used_is_not_deleted(
    cloud: Cloud, api: Any, create: Callable[..., str]
) -> None:
    export = f"{cloud.prefix}-export"
    outputs = {"Out": {"Value": "value", "Export": {"Name": export}}}
    name = create("exporting", template({"Group": GROUP}, Outputs=outputs))
    used = {"In": {"Value": {"Fn::ImportValue": export}}}
    create("importing", template({"Group": GROUP}, Outputs=used))
    # the deletion may be refused at once, or fail
    with suppress(ClientError, WaiterError):
        api.delete_stack(StackName=name)
        api.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=POLL)
    (told,) = api.describe_stacks(StackName=name)["Stacks"]
    assert told["StackStatus"] in ("DELETE_FAILED", "CREATE_COMPLETE")
    assert api.list_imports(ExportName=export)["Imports"] == [f"{cloud.prefix}-importing"]


@documented(_API + "DescribeChangeSet.html")
def test_change_set_without_changes_fails(api: Any, stack: str) -> None:
    request = {"StackName": stack, "ChangeSetName": "nothing"}
    api.create_change_set(**request, UsePreviousTemplate=True, Tags=[TAG])
    for _ in range(60):
        told = api.describe_change_set(**request)
        if told["Status"] == "FAILED":
            break
        time.sleep(1)
    assert told["Status"] == "FAILED"
    assert "didn't contain changes" in told["StatusReason"]
    assert told["ExecutionStatus"] == "UNAVAILABLE"
    api.delete_change_set(**request)


@documented(_API + "DescribeChangeSet.html")
def test_change_set_tells_the_change(api: Any, stack: str) -> None:
    request = {"StackName": stack, "ChangeSetName": "days"}
    days = [{"ParameterKey": "Days", "ParameterValue": "3"}]
    api.create_change_set(**request, UsePreviousTemplate=True, Parameters=days, Tags=[TAG])
    api.get_waiter("change_set_create_complete").wait(**request, WaiterConfig=POLL)
    (change,) = api.describe_change_set(**request)["Changes"]
    told = change["ResourceChange"]
    assert (told["Action"], told["LogicalResourceId"]) == ("Modify", "Group")
    assert told["Replacement"] == "False"
    api.delete_change_set(**request)


PARAMETERS = {"Size": {"Type": "Number", "MaxValue": 9}, "Any": {"Type": "String", "Default": ""}}
WITH_SIZE = template({"Group": GROUP}, Parameters=PARAMETERS)
LOOP = {"A": {**GROUP, "DependsOn": "B"}, "B": {**GROUP, "DependsOn": "A"}}
_CREATE = _API + "CreateStack.html"
INVALID: dict[str, tuple[str, str, str, str]] = {
    "no JSON": (_CREATE, "{", "ValidationError", "Template format error"),
    "no resources": (_CREATE, "{}", "ValidationError", "At least one Resources member"),
    "a resource without a type": (
        *(_GUIDE + "resources-section-structure.html", template({"A": {}})),
        *("ValidationError", "Template format error"),
    ),
    "an unknown section": (
        *(_GUIDE + "template-anatomy.html", template({"A": GROUP}, Nonsense={})),
        *("ValidationError", "Invalid template property or properties"),
    ),
    "an unknown type": (
        *(_GUIDE + "resources-section-structure.html", template({"A": {"Type": "AWS::No::Such"}})),
        *("ValidationError", "Unrecognized resource types"),
    ),
    "a reference to nothing": (
        _FUNCTIONS + "intrinsic-function-reference-ref.html",
        template({"A": {**GROUP, "Properties": {"LogGroupName": {"Ref": "Nothing"}}}}),
        *("ValidationError", "Unresolved resource dependencies"),
    ),
    "a circle": (
        *(_FUNCTIONS + "aws-attribute-dependson.html", template(LOOP)),
        *("ValidationError", "Circular dependency between resources"),
    ),
    "a missing parameter": (
        *(_GUIDE + "parameters-section-structure.html", WITH_SIZE),
        *("ValidationError", r"Parameters: \[Size\] must have values"),
    ),
    "a role without its capability": (
        *(_CREATE, template({"Role": ROLE})),
        *("InsufficientCapabilitiesException", "CAPABILITY_IAM"),
    ),
}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        pytest.param(body, code, words, id=case, marks=documented(page))
        for case, (page, body, code, words) in INVALID.items()
    ],
)
def test_template_is_refused(cloud: Cloud, api: Any, body: str, code: str, words: str) -> None:
    with refused(code, words):
        api.create_stack(StackName=f"{cloud.prefix}-never", TemplateBody=body)


@documented(_GUIDE + "parameters-section-structure.html")
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("Size", "many", "number"),
        ("Size", "10", "9"),
        ("Other", "1", r"Parameters: \[Other\] do not exist in the template"),
    ],
)
def test_invalid_parameter_is_refused(
    cloud: Cloud, api: Any, key: str, value: str, words: str
) -> None:
    given = {"Size": "1", key: value}
    with refused("ValidationError", words):
        api.create_stack(
            StackName=f"{cloud.prefix}-never",
            TemplateBody=WITH_SIZE,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
        )


REFUSED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a missing stack": (
        *("DescribeStacks", "ValidationError", "describe_stacks"),
        {"StackName": "missing-stack"},
    ),
    "the events of a missing stack": (
        *("DescribeStackEvents", "ValidationError", "describe_stack_events"),
        {"StackName": "missing-stack"},
    ),
    "the template of a missing stack": (
        *("GetTemplate", "ValidationError", "get_template"),
        {"StackName": "missing-stack"},
    ),
    "the update of a missing stack": (
        *("UpdateStack", "ValidationError", "update_stack"),
        {"StackName": "missing-stack", "TemplateBody": template({"Group": GROUP})},
    ),
    "a missing resource": (
        *("DescribeStackResource", "ValidationError", "describe_stack_resource"),
        {"LogicalResourceId": "Missing"},
    ),
    "a missing change set": (
        *("DescribeChangeSet", "ChangeSetNotFound", "describe_change_set"),
        {"ChangeSetName": "missing"},
    ),
    "a stack that exists": (
        *("CreateStack", "AlreadyExistsException", "create_stack"),
        {"TemplateBody": template({"Group": GROUP})},
    ),
    "a stack's name with an underscore": (
        *("CreateStack", "ValidationError", "create_stack"),
        {"StackName": "a_b", "TemplateBody": template({"Group": GROUP})},
    ),
}


@pytest.mark.parametrize(
    ("code", "operation", "request_"),
    [
        pytest.param(code, operation, request, id=case, marks=documented(f"{_API}{page}.html"))
        for case, (page, code, operation, request) in REFUSED.items()
    ],
)
def test_request_is_refused(
    api: Any, stack: str, code: str, operation: str, request_: dict[str, Any]
) -> None:
    with refused(code):
        getattr(api, operation)(**{"StackName": stack} | request_)
