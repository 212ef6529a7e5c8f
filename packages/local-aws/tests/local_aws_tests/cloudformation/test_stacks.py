"""A stack's life: creation, update, replacement, rollback, deletion."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.cloudformation.conftest import Stacks, broken, parameter, role


def ref(name: str) -> dict[str, Any]:
    return {"Ref": name}


def test_order_follows_references_and_depends_on(stacks: Stacks) -> None:
    stack = stacks.create(
        {
            "Last": parameter({"Fn::Sub": "${Middle}!"}),
            "Middle": parameter({"Fn::Join": ["-", ["a", ref("First")]]}),
            "First": parameter("x", DependsOn="Before"),
            "Before": parameter("y"),
        },
        Outputs={"Last": {"Value": ref("Last")}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    done = [
        e["LogicalResourceId"]
        for e in stacks.events(stack)
        if e["ResourceStatus"] == "CREATE_COMPLETE" and e["LogicalResourceId"] != stack["StackName"]
    ]
    assert done == ["Before", "First", "Middle", "Last"]
    first, middle = (stacks.physical_id(stack, name) for name in ("First", "Middle"))
    assert stacks.parameter(middle) == f"a-{first}"
    assert stacks.parameter(stacks.outputs(stack)["Last"]) == f"{middle}!"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    gone = [
        e["LogicalResourceId"]
        for e in stacks.events(stack)
        if e["ResourceStatus"] == "DELETE_COMPLETE" and e["LogicalResourceId"] != stack["StackName"]
    ]
    assert gone == ["Last", "Middle", "First", "Before"]
    assert stacks.parameter(middle) is None


def test_events_are_newest_first_with_unique_times(stacks: Stacks) -> None:
    stack = stacks.create({f"P{i}": parameter(str(i)) for i in range(40)})
    page = stacks.api.describe_stack_events(StackName=stack["StackName"])
    assert len(page["StackEvents"]) == 100
    assert page["StackEvents"][0]["LogicalResourceId"] == stack["StackName"]
    assert page["StackEvents"][0]["ResourceStatus"] == "CREATE_COMPLETE"
    events = stacks.events(stack)
    assert len(events) == 2 + 3 * 40
    times = [event["Timestamp"] for event in events]
    assert times == sorted(set(times))
    assert len({event["EventId"] for event in events}) == len(events)


def test_independent_resources_are_created_in_parallel(stacks: Stacks) -> None:
    stack = stacks.create({f"R{i}": role() for i in range(6)})
    states = [
        e["ResourceStatus"] for e in stacks.events(stack) if e["LogicalResourceId"].startswith("R")
    ]
    # several have begun before the first is done
    assert states[: states.index("CREATE_COMPLETE")].count("CREATE_IN_PROGRESS") >= 6


def test_failed_creation_is_rolled_back_with_the_reason(stacks: Stacks) -> None:
    stack = stacks.create(
        {
            "Good": parameter("1"),
            "Bad": {**broken(), "DependsOn": "Good"},
            "After": {**parameter("2"), "DependsOn": "Bad"},
        }
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "policy/missing does not exist" in stacks.reason(stack, "Bad", "CREATE_FAILED")
    reason = stacks.reason(stack, stack["StackName"], "ROLLBACK_IN_PROGRESS")
    assert reason == "The following resource(s) failed to create: [Bad]. "
    assert stacks.history(stack, "Good")[-2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    # the role was there before its policy failed, so it has to go as well
    assert stacks.history(stack, "Bad")[-1] == "DELETE_COMPLETE"
    assert stacks.history(stack, "After") == []
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        stacks.update(stack["StackName"], {"Good": parameter("1")})
    stacks.delete(stack)


def test_failed_creation_can_be_kept_repaired_or_rolled_back(stacks: Stacks) -> None:
    resources = {
        "Good": parameter("1"),
        "Bad": broken(),
        "After": {**parameter("2"), "DependsOn": "Bad"},
    }
    stack = stacks.create(resources, DisableRollback=True)
    assert stack["StackStatus"] == "CREATE_FAILED"
    good = stacks.physical_id(stack, "Good")
    assert stacks.parameter(good) == "1"
    stacks.api.rollback_stack(StackName=stack["StackName"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.parameter(good) is None

    stack = stacks.create(resources, OnFailure="DO_NOTHING")
    good = stacks.physical_id(stack, "Good")
    repaired = stacks.update(stack["StackName"], {**resources, "Bad": role()})
    assert repaired["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.physical_id(stack, "Good") == good
    assert stacks.history(stack, "After")[-1] == "CREATE_COMPLETE"

    stack = stacks.create(resources, OnFailure="DELETE")
    assert stack["StackStatus"] == "DELETE_COMPLETE"


def test_update_in_place_keeps_the_resource(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1"), "Q": parameter(ref("P"))})
    before = stacks.physical_id(stack, "P")
    updated = stacks.update(
        stack["StackName"], {"P": parameter("2"), "Q": parameter(ref("P")), "R": parameter("3")}
    )
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.physical_id(stack, "P") == before
    assert stacks.parameter(before) == "2"
    assert "UPDATE_IN_PROGRESS" not in stacks.history(stack, "Q")
    assert stacks.history(stack, "R")[-1] == "CREATE_COMPLETE"
    last = [s for s in stacks.history(stack, stack["StackName"]) if s.startswith("UPDATE")]
    assert last == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]


def test_update_without_changes_has_awss_message(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    with pytest.raises(ClientError) as error:
        stacks.update(stack["StackName"], {"P": parameter("1")}, Description="other words")
    assert error.value.response["Error"] == {
        "Type": "Sender",
        "Code": "ValidationError",
        "Message": "No updates are to be performed.",
    }


def test_replacement_updates_dependents_before_deletion(stacks: Stacks) -> None:
    def resources(name: str) -> dict[str, Any]:
        return {
            "P": {
                **parameter("v"),
                "Properties": {"Type": "String", "Value": "v", "Name": name},
            },
            "Q": parameter({"Fn::Sub": "see ${P}"}),
        }

    stack = stacks.create(resources("/replace/one"))
    updated = stacks.update(stack["StackName"], resources("/replace/two"))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.parameter(stacks.physical_id(stack, "Q")) == "see /replace/two"
    assert stacks.parameter("/replace/one") is None
    assert stacks.parameter("/replace/two") == "v"
    events = [(e["LogicalResourceId"], e["ResourceStatus"]) for e in stacks.events(stack)]
    begun = events.index((stack["StackName"], "UPDATE_IN_PROGRESS"))
    assert events[begun:].index(("Q", "UPDATE_COMPLETE")) < events[begun:].index(
        ("P", "DELETE_IN_PROGRESS")
    )


def test_replacement_with_a_custom_name_is_refused(stacks: Stacks) -> None:
    def resources(path: str) -> dict[str, Any]:
        return {"R": role(RoleName="custom-named", Path=path)}

    stack = stacks.create(resources("/a/"))
    updated = stacks.update(stack["StackName"], resources("/b/"))
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Rename custom-named and update the stack again." in stacks.reason(
        stack, "R", "UPDATE_FAILED"
    )
    assert stacks.client("iam").get_role(RoleName="custom-named")["Role"]["Path"] == "/a/"
    stacks.delete(stack)


def test_failed_update_restores_the_previous_state(stacks: Stacks) -> None:
    first = {
        "P": parameter("1"),
        "N": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": "n", "Name": "/back/one"},
        },
        "Gone": parameter("to be removed"),
    }
    stack = stacks.create(first, Outputs={"V": {"Value": ref("N")}})
    gone, p = stacks.physical_id(stack, "Gone"), stacks.physical_id(stack, "P")
    updated = stacks.update(
        stack["StackName"],
        {
            "P": parameter("2"),
            "N": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": "n", "Name": "/back/two"},
            },
            "New": parameter("new"),
            "Bad": {**broken(), "DependsOn": ["P", "N", "New"]},
        },
    )
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "failed to create: [Bad]" in stacks.reason(
        stack, stack["StackName"], "UPDATE_ROLLBACK_IN_PROGRESS"
    )
    assert stacks.parameter(p) == "1"
    assert stacks.parameter("/back/one") == "n"
    assert stacks.parameter("/back/two") is None
    assert stacks.parameter(gone) == "to be removed"
    assert stacks.outputs(updated) == {"V": "/back/one"}
    names = {
        r["LogicalResourceId"]
        for r in stacks.api.list_stack_resources(StackName=stack["StackName"])[
            "StackResourceSummaries"
        ]
    }
    assert names == {"P", "N", "Gone"}
    template = stacks.api.get_template(StackName=stack["StackName"])["TemplateBody"]
    assert set(template["Resources"]) == names
    again = stacks.update(stack["StackName"], {**first, "P": parameter("3")})
    assert again["StackStatus"] == "UPDATE_COMPLETE"


def test_kept_failed_update_can_be_rolled_back_or_repaired(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    p = stacks.physical_id(stack, "P")
    bad = {"P": parameter("2"), "Bad": broken()}
    updated = stacks.update(stack["StackName"], bad, DisableRollback=True)
    assert updated["StackStatus"] == "UPDATE_FAILED"
    assert stacks.parameter(p) == "2"
    stacks.api.rollback_stack(StackName=stack["StackName"])
    assert stacks.settled(stack["StackName"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.parameter(p) == "1"
    stacks.update(stack["StackName"], bad, DisableRollback=True)
    repaired = stacks.update(stack["StackName"], {"P": parameter("2"), "Bad": role()})
    assert repaired["StackStatus"] == "UPDATE_COMPLETE"


def test_retained_resources_are_kept(stacks: Stacks) -> None:
    stack = stacks.create(
        {
            "Kept": parameter("k", DeletionPolicy="Retain"),
            "P": parameter("1"),
            "Q": parameter("q", DeletionPolicy="RetainExceptOnCreate"),
        }
    )
    kept, q = stacks.physical_id(stack, "Kept"), stacks.physical_id(stack, "Q")
    stacks.update(
        stack["StackName"],
        {"P": parameter("1"), "Q": parameter("q", DeletionPolicy="RetainExceptOnCreate")},
    )
    assert stacks.parameter(kept) == "k"
    assert stacks.history(stack, "Kept")[-1] == "DELETE_SKIPPED"
    stacks.delete(stack)
    assert stacks.parameter(q) == "q"
    failed = stacks.create(
        {
            "Q": parameter("q", DeletionPolicy="RetainExceptOnCreate"),
            "Bad": {**broken(), "DependsOn": "Q"},
        }
    )
    assert stacks.history(failed, "Q")[-1] == "DELETE_COMPLETE"


def test_update_replace_policy_keeps_the_old(stacks: Stacks) -> None:
    def resources(name: str) -> dict[str, Any]:
        return {
            "P": {
                "Type": "AWS::SSM::Parameter",
                "UpdateReplacePolicy": "Retain",
                "Properties": {"Type": "String", "Value": "v", "Name": name},
            }
        }

    stack = stacks.create(resources("/policy/one"))
    stacks.update(stack["StackName"], resources("/policy/two"))
    assert stacks.parameter("/policy/one") == "v"
    assert stacks.parameter("/policy/two") == "v"


def test_bucket_with_objects_is_not_deleted(stacks: Stacks) -> None:
    stack = stacks.create({"B": {"Type": "AWS::S3::Bucket"}, "P": parameter("1")})
    bucket = stacks.physical_id(stack, "B")
    s3 = stacks.client("s3")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    failed = stacks.delete(stack)
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [B]. "
    assert "not empty" in stacks.reason(stack, "B", "DELETE_FAILED")
    assert stacks.history(stack, "P")[-1] == "DELETE_COMPLETE"
    s3.delete_object(Bucket=bucket, Key="k")
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"

    stack = stacks.create({"B": {"Type": "AWS::S3::Bucket"}})
    bucket = stacks.physical_id(stack, "B")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert stacks.delete(stack)["StackStatus"] == "DELETE_FAILED"
    assert stacks.delete(stack, RetainResources=["B"])["StackStatus"] == "DELETE_COMPLETE"
    s3.head_bucket(Bucket=bucket)


def test_missing_resources_do_not_stop_a_deletion(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    stacks.client("ssm").delete_parameter(Name=stacks.physical_id(stack, "P"))
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    stacks.api.delete_stack(StackName=stack["StackId"])  # twice is no error
    stacks.api.delete_stack(StackName="never-was")


def test_exports_are_locked_while_imported(stacks: Stacks) -> None:
    def exported(value: str) -> dict[str, Any]:
        return {"V": {"Value": value, "Export": {"Name": "shared"}}}

    exporter = stacks.create({"P": parameter("1")}, Outputs=exported("one"))
    importer = stacks.create({"Q": parameter({"Fn::ImportValue": "shared"})})
    assert stacks.parameter(stacks.physical_id(importer, "Q")) == "one"
    assert stacks.api.list_exports()["Exports"] == [
        {"ExportingStackId": exporter["StackId"], "Name": "shared", "Value": "one"}
    ]
    assert stacks.api.list_imports(ExportName="shared")["Imports"] == [importer["StackName"]]
    in_use = f"as it is in use by {importer['StackName']}"
    failed = stacks.delete(exporter)
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == f"Export shared cannot be deleted {in_use}"
    other = stacks.create({"P": parameter("1")}, Outputs=exported("two"))
    assert other["StackStatus"] == "ROLLBACK_COMPLETE"
    stacks.delete(importer)
    assert stacks.delete(exporter)["StackStatus"] == "DELETE_COMPLETE"

    exporter = stacks.create({"P": parameter("1")}, Outputs=exported("one"))
    importer = stacks.create({"Q": parameter({"Fn::ImportValue": "shared"})})
    updated = stacks.update(exporter["StackName"], {"P": parameter("1")}, Outputs=exported("two"))
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = stacks.reason(exporter, exporter["StackName"], "UPDATE_ROLLBACK_IN_PROGRESS")
    assert "Export shared cannot be updated" in reason
    assert stacks.outputs(updated) == {"V": "one"}
    missing = stacks.create({"Q": parameter({"Fn::ImportValue": "nowhere"})})
    assert stacks.reason(missing, "Q", "CREATE_FAILED") == "No export named nowhere found."


def test_parameters_conditions_and_mappings(stacks: Stacks) -> None:
    stacks.client("ssm").put_parameter(Name="/stored", Value="from the store", Type="String")
    template: dict[str, Any] = {
        "Declared": {
            "Stage": {"Type": "String", "Default": "test", "AllowedValues": ["test", "prod"]},
            "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/stored"},
            "Secret": {"Type": "String", "NoEcho": True},
            "Many": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
        },
        "Conditions": {"Prod": {"Fn::Equals": [ref("Stage"), "prod"]}},
        "Mappings": {"Sizes": {"test": {"n": "1"}, "prod": {"n": "9"}}},
        "Outputs": {"OnlyProd": {"Condition": "Prod", "Value": ref("Extra")}},
    }
    resources = {
        "P": parameter(
            {
                "Fn::Join": [
                    "|",
                    [
                        {"Fn::FindInMap": ["Sizes", ref("Stage"), "n"]},
                        ref("Stored"),
                        {"Fn::Select": [1, ref("Many")]},
                        {"Fn::If": ["Prod", "big", "small"]},
                    ],
                ]
            }
        ),
        "S": parameter(ref("Secret")),
        "Extra": parameter("only in prod", Condition="Prod"),
    }
    secret = [{"ParameterKey": "Secret", "ParameterValue": "hush-hush"}]
    stack = stacks.create(resources, Parameters=secret, **template)
    assert stacks.parameter(stacks.physical_id(stack, "P")) == "1|from the store|b|small"
    assert stacks.parameter(stacks.physical_id(stack, "S")) == "hush-hush"
    assert "hush-hush" not in json.dumps([stacks.events(stack), stack], default=str)
    shown = {p["ParameterKey"]: p for p in stack["Parameters"]}
    assert shown["Secret"]["ParameterValue"] == "****"
    assert shown["Stored"]["ResolvedValue"] == "from the store"
    assert stacks.outputs(stack) == {}
    updated = stacks.update(
        stack["StackName"],
        resources,
        Parameters=[
            {"ParameterKey": "Stage", "ParameterValue": "prod"},
            {"ParameterKey": "Secret", "UsePreviousValue": True},
        ],
        **template,
    )
    assert stacks.parameter(stacks.outputs(updated)["OnlyProd"]) == "only in prod"
    assert stacks.parameter(stacks.physical_id(stack, "P")) == "9|from the store|b|big"
    assert stacks.parameter(stacks.physical_id(stack, "S")) == "hush-hush"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], r"Parameters: \[N\] must have values"),
        ([("N", "1"), ("M", "2")], r"Parameters: \[M\] do not exist in the template"),
        ([("N", "x")], "Parameter 'N' must be a number"),
        ([("N", "11")], "Parameter 'N' must be a number not greater than 10"),
    ],
)
def test_invalid_parameters_are_refused(
    stacks: Stacks, given: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        stacks.create(
            {"P": parameter("1")},
            Declared={"N": {"Type": "Number", "MaxValue": 10}},
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given],
        )


def test_rules_are_evaluated(stacks: Stacks) -> None:
    """As in CDK's own CheckBootstrapVersion."""
    template: dict[str, Any] = {
        "Declared": {"Version": {"Type": "String", "Default": "6"}},
        "Rules": {
            "Check": {
                "Assertions": [
                    {
                        "Assert": {
                            "Fn::Not": [{"Fn::Contains": [["1", "2", "5"], ref("Version")]}]
                        },
                        "AssertDescription": "version 6 is needed",
                    }
                ]
            }
        },
    }
    assert stacks.create({"P": parameter("1")}, **template)["StackStatus"] == "CREATE_COMPLETE"
    low = [{"ParameterKey": "Version", "ParameterValue": "5"}]
    with pytest.raises(ClientError, match="version 6 is needed"):
        stacks.create({"P": parameter("1")}, Parameters=low, **template)


def test_stack_tags_are_applied_to_resources(stacks: Stacks) -> None:
    def tags_of(name: str) -> dict[str, str]:
        answer = stacks.client("ssm").list_tags_for_resource(
            ResourceType="Parameter", ResourceId=name
        )
        return {tag["Key"]: tag["Value"] for tag in answer["TagList"]}

    own = {"Type": "String", "Value": "v", "Tags": {"own": "1", "team": "mine"}}
    resources = {"P": {"Type": "AWS::SSM::Parameter", "Properties": own}}
    stack = stacks.create(
        resources, Tags=[{"Key": "team", "Value": "all"}, {"Key": "cost", "Value": "x"}]
    )
    name = stacks.physical_id(stack, "P")
    assert tags_of(name) == {"own": "1", "team": "mine", "cost": "x"}
    updated = stacks.update(stack["StackName"], resources, Tags=[{"Key": "cost", "Value": "y"}])
    assert updated["Tags"] == [{"Key": "cost", "Value": "y"}]
    assert tags_of(name) == {"own": "1", "team": "mine", "cost": "y"}
    assert stacks.physical_id(stack, "P") == name


def test_protected_stack_is_not_deleted(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")}, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="while TerminationProtection is enabled"):
        stacks.delete(stack)
    stacks.api.update_termination_protection(
        StackName=stack["StackName"], EnableTerminationProtection=False
    )
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_names_and_ids(stacks: Stacks) -> None:
    stack = stacks.create({"P": parameter("1")})
    name = stack["StackName"]
    with pytest.raises(ClientError, match=rf"Stack \[{name}\] already exists") as error:
        stacks.create({"P": parameter("1")}, StackName=name)
    assert error.value.response["Error"]["Code"] == "AlreadyExistsException"
    stacks.delete(stack)
    with pytest.raises(ClientError) as error:
        stacks.api.describe_stacks(StackName=name)
    assert error.value.response["Error"]["Message"] == f"Stack with id {name} does not exist"
    by_id = stacks.api.describe_stacks(StackName=stack["StackId"])["Stacks"][0]
    assert by_id["StackStatus"] == "DELETE_COMPLETE"
    second = stacks.create({"P": parameter("1")}, StackName=name)
    assert second["StackId"] != stack["StackId"]
    with pytest.raises(ClientError, match="stackName"):
        stacks.create({"P": parameter("1")}, StackName="1-bad_name")


def test_iam_resources_require_the_capability(stacks: Stacks) -> None:
    for resource, capability in ((role(), "IAM"), (role(RoleName="x"), "NAMED_IAM")):
        with pytest.raises(
            ClientError, match=rf"Requires capabilities : \[CAPABILITY_{capability}"
        ):
            stacks.api.create_stack(
                StackName="x", TemplateBody=json.dumps({"Resources": {"R": resource}})
            )


def test_execution_role_creates_the_resources(stacks: Stacks) -> None:
    trust = role()["Properties"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Principal"] = {"Service": "cloudformation.amazonaws.com"}
    arn = stacks.client("iam").create_role(
        RoleName="executor", AssumeRolePolicyDocument=json.dumps(trust)
    )["Role"]["Arn"]
    stack = stacks.create({"P": parameter("1")}, RoleARN=arn)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "assumed-role/executor/AWSCloudFormation is not authorized to perform: ssm:" in str(
        stacks.failures(stack)
    )
    allow = {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}
    stacks.client("iam").put_role_policy(
        RoleName="executor",
        PolicyName="parameters",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allow}),
    )
    stack = stacks.create({"P": parameter("1")}, RoleARN=arn)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["RoleARN"] == arn
    nobody = "arn:aws:iam::123456789012:role/nobody"
    with pytest.raises(ClientError, match="is invalid or cannot be assumed"):
        stacks.create({"P": parameter("1")}, RoleARN=nobody)


def test_unimplemented_features_are_refused_by_name(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="cloudformation:DetectStackDrift"):
        stacks.api.detect_stack_drift(StackName="x")
    with pytest.raises(ClientError, match="express deployments"):
        stacks.create({"P": parameter("1")}, DeploymentConfig={"Mode": "EXPRESS"})


def test_template_from_s3_is_read_by_any_address(stacks: Stacks) -> None:
    s3 = stacks.client("s3")
    s3.create_bucket(Bucket="templates")
    body = json.dumps({"Resources": {"P": parameter("1")}})
    s3.put_object(Bucket="templates", Key="a/t.json", Body=body.encode())
    port = stacks.url.rsplit(":", 1)[1]
    for url in (
        f"http://localhost:{port}/templates/a/t.json",
        f"http://127.0.0.1:{port}/templates/a/t.json",
        f"http://templates.localhost:{port}/a/t.json",
        "https://s3.us-east-1.amazonaws.com/templates/a/t.json",
        "https://templates.s3.us-east-1.amazonaws.com/a/t.json",
        "https://templates.s3.amazonaws.com/a/t.json",
    ):
        summary = stacks.api.get_template_summary(TemplateURL=url)
        assert summary["ResourceTypes"] == ["AWS::SSM::Parameter"], url
    for url in ("http://example.com/t.json", "https://s3.us-east-1.amazonaws.com/templates/no"):
        with pytest.raises(ClientError, match="ValidationError"):
            stacks.api.validate_template(TemplateURL=url)


def test_stack_can_be_deleted_during_its_creation(stacks: Stacks) -> None:
    name = stacks.name()
    body = json.dumps(
        {
            "Resources": {
                f"P{i}": parameter({"Ref": f"P{i + 1}"}) if i < 40 else (parameter("1"))
                for i in range(41)
            }
        }
    )
    stack_id = stacks.api.create_stack(StackName=name, TemplateBody=body)["StackId"]
    started = time.monotonic()
    stacks.api.delete_stack(StackName=name)
    assert stacks.settled(stack_id)["StackStatus"] == "DELETE_COMPLETE"
    assert time.monotonic() - started < 60
    stack = {"StackId": stack_id, "StackName": name}
    made = [e for e in stacks.events(stack) if e["ResourceStatus"] == "CREATE_COMPLETE"]
    assert len(made) < 41
    assert not [e for e in stacks.events(stack) if "ROLLBACK" in e["ResourceStatus"]]
    names = {e["PhysicalResourceId"] for e in made}
    assert all(stacks.parameter(each) is None for each in names)
