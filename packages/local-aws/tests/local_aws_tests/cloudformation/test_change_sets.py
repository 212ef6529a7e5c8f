"""Change sets: what would change, and what becomes of them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.cloudformation.conftest import CAPABILITIES, Stacks, broken, parameter, role

MODEL = "arn:aws:iam::123456789012:role/x"


def propose(
    stacks: Stacks, name: str, resources: Mapping[str, Any], kind: str = "UPDATE", **more: Any
) -> dict[str, Any]:
    """Create a change set; as DescribeChangeSet shows it, values included."""
    body = stacks.body(resources, more)
    answer = stacks.api.create_change_set(
        StackName=name,
        ChangeSetName="proposal",
        ChangeSetType=kind,
        TemplateBody=body,
        Capabilities=CAPABILITIES,
        **more,
    )
    shown: dict[str, Any] = stacks.api.describe_change_set(
        ChangeSetName=answer["Id"], IncludePropertyValues=True
    )
    return shown


def changes(shown: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = [change["ResourceChange"] for change in shown["Changes"]]
    return {change["LogicalResourceId"]: change for change in found}


def named(name: Any, value: Any = "v") -> dict[str, Any]:
    properties = {"Type": "String", "Value": value, "Name": name}
    return {"Type": "AWS::SSM::Parameter", "Properties": properties}


def test_new_stack_with_a_change_set_is_in_review(stacks: Stacks) -> None:
    shown = propose(
        stacks, "reviewed", {"P": parameter("1")}, "CREATE", Outputs={"N": {"Value": {"Ref": "P"}}}
    )
    assert (shown["Status"], shown["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert changes(shown)["P"]["Action"] == "Add"
    stack = stacks.api.describe_stacks(StackName="reviewed")["Stacks"][0]
    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"])
    stack = stacks.settled("reviewed")
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.parameter(stacks.outputs(stack)["N"]) == "1"
    assert stack["ChangeSetId"] == shown["ChangeSetId"]
    assert stacks.api.list_change_sets(StackName="reviewed")["Summaries"] == []
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        propose(stacks, "reviewed", {"P": parameter("1")}, "CREATE")


def test_empty_change_set_fails_with_the_message_for_the_cdk(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    shown = propose(stacks, stack["StackName"], {"P": parameter("1")})
    assert shown["Status"] == "FAILED"
    assert shown["ExecutionStatus"] == "UNAVAILABLE"
    assert shown["StatusReason"].startswith("The submitted information didn't contain changes.")
    with pytest.raises(ClientError) as error:
        stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"])
    assert error.value.response["Error"]["Code"] == "InvalidChangeSetStatus"


def test_changed_outputs_are_a_change(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    shown = propose(
        stacks, stack["StackName"], {"P": parameter("1")}, Outputs={"N": {"Value": {"Ref": "P"}}}
    )
    assert shown["Status"] == "CREATE_COMPLETE"
    assert shown["Changes"] == []
    stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"])
    assert "N" in stacks.outputs(stacks.settled(stack["StackName"]))


def test_change_set_lists_changes_and_replacements(stacks: Stacks) -> None:
    stack = stacks.create(
        {
            "InPlace": parameter("1"),
            "Replaced": named("/cs/one"),
            "Follows": parameter({"Fn::Sub": "see ${Replaced}"}),
            "FollowsByName": named("/cs/name"),
            "Same": parameter("1"),
            "Gone": parameter("1"),
            "Kept": parameter("1", DeletionPolicy="Retain"),
        }
    )
    shown = propose(
        stacks,
        stack["StackName"],
        {
            "InPlace": parameter("2"),
            "Replaced": named("/cs/two"),
            "Follows": parameter({"Fn::Sub": "see ${Replaced}"}),
            "FollowsByName": named({"Fn::Sub": "/cs${Replaced}"}),
            "Same": parameter("1"),
            "New": parameter({"Ref": "Replaced"}),
        },
    )
    found = changes(shown)
    assert set(found) == {"InPlace", "Replaced", "Follows", "FollowsByName", "New", "Gone", "Kept"}
    in_place = found["InPlace"]
    assert (in_place["Action"], in_place["Replacement"]) == ("Modify", "False")
    assert in_place["Scope"] == ["Properties"]
    assert in_place["Details"] == [
        {
            "Target": {
                "Attribute": "Properties",
                "Name": "Value",
                "RequiresRecreation": "Never",
                "Path": "/Properties/Value",
                "BeforeValue": "1",
                "AfterValue": "2",
                "AttributeChangeType": "Modify",
            },
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
    ]
    assert found["Replaced"]["Replacement"] == "True"
    assert found["Replaced"]["PolicyAction"] == "ReplaceAndDelete"
    follows = found["Follows"]
    assert follows["Replacement"] == "False"
    assert follows["Details"][0]["Evaluation"] == "Dynamic"
    assert follows["Details"][0]["ChangeSource"] == "ResourceReference"
    assert follows["Details"][0]["CausingEntity"] == "Replaced"
    after = follows["Details"][0]["Target"]["AfterValue"]
    assert after == "see {{changeSet:KNOWN_AFTER_APPLY}}"
    assert found["FollowsByName"]["Replacement"] == "Conditional"
    assert found["New"]["Action"] == "Add"
    assert (found["Gone"]["Action"], found["Gone"]["PolicyAction"]) == ("Remove", "Delete")
    assert found["Kept"]["PolicyAction"] == "Retain"
    assert json.loads(in_place["BeforeContext"])["Properties"]["Value"] == "1"
    plain = stacks.api.describe_change_set(ChangeSetName=shown["ChangeSetId"])
    assert "BeforeContext" not in json.dumps(plain, default=str)
    assert "BeforeValue" not in json.dumps(plain, default=str)
    # and so it comes to pass
    before = stacks.physical_id(stack, "InPlace")
    stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"])
    assert stacks.settled(stack["StackName"])["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.physical_id(stack, "InPlace") == before
    assert stacks.physical_id(stack, "FollowsByName") == "/cs/cs/two"


def test_changed_metadata_has_the_scope_metadata(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    shown = propose(
        stacks, stack["StackName"], {"P": parameter("1", Metadata={"aws:cdk:path": "x"})}
    )
    assert changes(shown)["P"]["Scope"] == ["Metadata"]
    assert changes(shown)["P"]["Replacement"] == "False"


def test_change_set_masks_secrets(stacks: Stacks) -> None:
    secret = [{"ParameterKey": "S", "ParameterValue": "hush-hush"}]
    declared = {"S": {"Type": "String", "NoEcho": True}}
    resources = {"P": parameter({"Fn::Sub": "the ${S}"})}
    shown = propose(stacks, "secretive", resources, "CREATE", Parameters=secret, Declared=declared)
    text = json.dumps(shown, default=str)
    assert "hush-hush" not in text
    assert "the ****" in text


def test_change_set_is_deleted(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    shown = propose(stacks, stack["StackName"], {"P": parameter("2")})
    with pytest.raises(ClientError, match="AlreadyExists"):
        propose(stacks, stack["StackName"], {"P": parameter("2")})
    template = stacks.api.get_template(ChangeSetName=shown["ChangeSetId"])["TemplateBody"]
    assert template["Resources"]["P"]["Properties"]["Value"] == "2"
    stacks.api.delete_change_set(StackName=stack["StackName"], ChangeSetName="proposal")
    stacks.api.delete_change_set(StackName=stack["StackName"], ChangeSetName="proposal")
    with pytest.raises(ClientError) as error:
        stacks.api.describe_change_set(StackName=stack["StackName"], ChangeSetName="proposal")
    assert error.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_change_set_with_a_missing_import_fails(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    shown = propose(stacks, stack["StackName"], {"P": parameter({"Fn::ImportValue": "nowhere"})})
    assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "No export named nowhere found.")


def test_executed_change_set_with_a_failure_is_described(stacks: Stacks) -> None:
    shown = propose(stacks, "doomed", {"Bad": broken(), "P": parameter("1")}, "CREATE")
    stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"], DisableRollback=True)
    assert stacks.settled("doomed")["StackStatus"] == "CREATE_FAILED"
    shown = propose(stacks, "doomed", {"Bad": role(), "P": parameter("1")})
    assert set(changes(shown)) == {"Bad"}
    stacks.api.execute_change_set(ChangeSetName=shown["ChangeSetId"])
    assert stacks.settled("doomed")["StackStatus"] == "UPDATE_COMPLETE"
