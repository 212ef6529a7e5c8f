"""Custom resources by the documented contract, with a function that runs in its own process."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.awslambda import models as functions
from local_aws.cloudformation import answers
from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources import custom
from local_aws_tests.cloudformation.conftest import Stacks, broken, parameter, role

# responds according to its properties, and stores each event in a separate parameter
SOURCE = """
import json, urllib.request, boto3
ssm = boto3.client("ssm")

def handler(event, context):
    wanted = event["ResourceProperties"]
    kept = {k: v for k, v in event.items() if k != "ResponseURL"}
    name = f"/seen/{event['LogicalResourceId']}"
    try:
        seen = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        seen = []
    ssm.put_parameter(Name=name, Value=json.dumps([*seen, kept]), Type="String", Overwrite=True)
    if wanted.get("Die") == event["RequestType"]:
        raise RuntimeError("on purpose")
    answer = {k: event[k] for k in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {
        "Status": "FAILED" if wanted.get("Fail") == event["RequestType"] else "SUCCESS",
        "Reason": "asked to fail",
        "PhysicalResourceId": wanted.get("Id", "fixed"),
        "Data": {"Echo": wanted.get("Value", ""), "Number": 7},
        "NoEcho": wanted.get("Hidden") == "true",
    }
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT")
    urllib.request.urlopen(request)
"""


@pytest.fixture(scope="module")
def token(stacks: Stacks) -> Iterator[str]:
    """The function's ARN."""
    statement = {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    stack = stacks.create(
        {
            "Role": role(Policies=[{"PolicyName": "ssm", "PolicyDocument": policy}]),
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.14",
                    "Handler": "index.handler",
                    "Code": {"ZipFile": SOURCE},
                    "Role": {"Fn::GetAtt": "Role.Arn"},
                    "Timeout": 30,
                },
            },
        },
        Outputs={"Arn": {"Value": {"Fn::GetAtt": "Function.Arn"}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    yield stacks.outputs(stack)["Arn"]
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def seen(stacks: Stacks, logical_id: str) -> list[dict[str, Any]]:
    """The events that the function got for a resource; asked once."""
    name = f"/seen/{logical_id}"
    found: list[dict[str, Any]] = json.loads(stacks.parameter(name) or "[]")
    stacks.client("ssm").delete_parameter(Name=name)
    return found


def resource(token: str, kind: str = "Custom::Thing", **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": {"ServiceToken": token, **properties}}


def test_inline_function_answers_with_cfnresponse(stacks: Stacks) -> None:
    source = """
import cfnresponse
def handler(event, context):
    failed = event["RequestType"] == "Create" and "Fail" in event["ResourceProperties"]
    status = cfnresponse.FAILED if failed else cfnresponse.SUCCESS
    name = event.get("PhysicalResourceId", "thing-1")
    cfnresponse.send(event, context, status, {"Answer": "42"}, name, reason="asked to fail")
"""
    role_of_it = {"Fn::GetAtt": "Role.Arn"}
    function = {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Code": {"ZipFile": source},
        "Role": role_of_it,
        "Timeout": 30,
    }
    resources = {
        "Role": role(),
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Thing": {
            "Type": "Custom::Thing",
            "Properties": {"ServiceToken": {"Fn::GetAtt": "Function.Arn"}},
        },
    }
    outputs = {
        "Id": {"Value": {"Ref": "Thing"}},
        "Answer": {"Value": {"Fn::GetAtt": "Thing.Answer"}},
    }
    stack = stacks.create(resources, Outputs=outputs)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    assert stacks.outputs(stack) == {"Id": "thing-1", "Answer": "42"}
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    resources["Thing"]["Properties"]["Fail"] = "yes"
    stack = stacks.create(resources)
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "asked to fail" in str(stacks.failures(stack))
    stacks.delete(stack)


def test_lifecycle_sends_the_documented_events(stacks: Stacks, token: str) -> None:
    def resources(value: str) -> dict[str, Any]:
        thing = resource(token, Value=value, Number=30, Flag=True, Nested={"List": [1, False]})
        return {"Life": thing, "P": parameter({"Fn::Sub": "${Life} ${Life.Echo} ${Life.Number}"})}

    stack = stacks.create(resources("one"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    p = stacks.physical_id(stack, "P")
    assert stacks.parameter(p) == "fixed one 7"
    stacks.update(stack["StackName"], resources("two"))
    assert stacks.parameter(p) == "fixed two 7"
    stacks.delete(stack)
    create, update, delete = seen(stacks, "Life")
    text = {"ServiceToken": token, "Number": "30", "Flag": "true"}
    text["Nested"] = {"List": ["1", "false"]}  # type: ignore[assignment]
    request_ids = {event.pop("RequestId") for event in (create, update, delete)}
    assert len(request_ids) == 3
    common = {
        "ServiceToken": token,
        "StackId": stack["StackId"],
        "LogicalResourceId": "Life",
        "ResourceType": "Custom::Thing",
    }
    one, two = {**text, "Value": "one"}, {**text, "Value": "two"}
    known = {**common, "PhysicalResourceId": "fixed"}
    assert create == {**common, "RequestType": "Create", "ResourceProperties": one}
    assert update == {
        **known,
        "RequestType": "Update",
        "ResourceProperties": two,
        "OldResourceProperties": one,
    }
    assert delete == {**known, "RequestType": "Delete", "ResourceProperties": two}


def test_update_with_another_id_is_a_replacement(stacks: Stacks, token: str) -> None:
    def resources(name: str) -> dict[str, Any]:
        return {"Moves": resource(token, Id=name), "P": parameter({"Ref": "Moves"})}

    stack = stacks.create(resources("first"))
    updated = stacks.update(stack["StackName"], resources("second"))
    assert updated["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.parameter(stacks.physical_id(stack, "P")) == "second"
    events = seen(stacks, "Moves")
    told = [(e["RequestType"], e.get("PhysicalResourceId")) for e in events]
    assert told == [("Create", None), ("Update", "first"), ("Delete", "first")]
    assert events[-1]["ResourceProperties"]["Id"] == "first"


def test_rollback_sends_the_old_properties(stacks: Stacks, token: str) -> None:
    stack = stacks.create({"Back": resource(token, Id="b", Value="old")})
    updated = stacks.update(
        stack["StackName"],
        {
            "Back": resource(token, Id="b", Value="new"),
            "Bad": {**broken(), "DependsOn": "Back"},
        },
    )
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    events = seen(stacks, "Back")
    assert [e["RequestType"] for e in events] == ["Create", "Update", "Update"]
    assert events[2]["ResourceProperties"]["Value"] == "old"
    assert events[2]["OldResourceProperties"]["Value"] == "new"


def test_rollback_of_a_replacement_deletes_the_new_resource(stacks: Stacks, token: str) -> None:
    stack = stacks.create({"Swap": resource(token, Id="old")})
    stacks.update(
        stack["StackName"],
        {"Swap": resource(token, Id="new"), "Bad": {**broken(), "DependsOn": "Swap"}},
    )
    told = [(e["RequestType"], e.get("PhysicalResourceId")) for e in seen(stacks, "Swap")]
    assert told == [("Create", None), ("Update", "old"), ("Update", "new"), ("Delete", "new")]
    assert stacks.physical_id(stack, "Swap") == "old"


def test_failed_create_is_followed_by_a_delete_with_its_id(stacks: Stacks, token: str) -> None:
    stack = stacks.create({"Fails": resource(token, Fail="Create", Id="half-made")})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = stacks.reason(stack, "Fails", "CREATE_FAILED")
    assert reason.startswith(
        "Received response status [FAILED] from custom resource. Message returned: asked to fail"
    )
    told = [(e["RequestType"], e.get("PhysicalResourceId")) for e in seen(stacks, "Fails")]
    assert told == [("Create", None), ("Delete", "half-made")]


def test_failed_update_rolls_back_and_failed_delete_keeps_the_stack(
    stacks: Stacks, token: str
) -> None:
    stack = stacks.create({"Stays": resource(token, Value="1")})
    updated = stacks.update(stack["StackName"], {"Stays": resource(token, Fail="Update")})
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "asked to fail" in stacks.reason(stack, "Stays", "UPDATE_FAILED")
    assert [e["RequestType"] for e in seen(stacks, "Stays")] == ["Create", "Update", "Update"]
    stacks.update(stack["StackName"], {"Stays": resource(token, Fail="Delete")})
    assert stacks.delete(stack)["StackStatus"] == "DELETE_FAILED"
    assert stacks.delete(stack, RetainResources=["Stays"])["StackStatus"] == "DELETE_COMPLETE"


def test_failed_rollback_can_be_continued(stacks: Stacks, token: str) -> None:
    stack = stacks.create({"Stuck": resource(token, Fail="Update", Value="1"), "P": parameter("1")})
    updated = stacks.update(
        stack["StackName"],
        {"Stuck": resource(token, Fail="Update", Value="2"), "P": parameter("2")},
    )
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert "Stuck" in updated["StackStatusReason"]
    stacks.api.continue_update_rollback(StackName=stack["StackName"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    stacks.api.continue_update_rollback(StackName=stack["StackName"], ResourcesToSkip=["Stuck"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.parameter(stacks.physical_id(stack, "P")) == "1"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_missing_attribute_is_an_error(stacks: Stacks, token: str) -> None:
    stack = stacks.create(
        {"Lacks": resource(token), "P": parameter({"Fn::GetAtt": ["Lacks", "Nothing"]})}
    )
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.reason(stack, "P", "CREATE_FAILED") == (
        "CustomResource attribute error: Vendor response doesn't contain Nothing attribute in "
        "object fixed"
    )


def test_no_echo_attributes_are_masked_in_events(stacks: Stacks, token: str) -> None:
    stack = stacks.create(
        {
            "Hides": resource(token, Hidden="true", Value="top-secret-value"),
            "P": parameter({"Fn::GetAtt": "Hides.Echo"}),
        }
    )
    assert stacks.parameter(stacks.physical_id(stack, "P")) == "top-secret-value"
    shown = [e.get("ResourceProperties", "") for e in stacks.events(stack)]
    assert "****" in "".join(shown)
    later = [e for e in stacks.events(stack) if e["LogicalResourceId"] == "P"]
    assert "top-secret-value" not in json.dumps(later, default=str)


def test_changed_service_token_is_refused(stacks: Stacks, token: str) -> None:
    stack = stacks.create({"Fixed": resource(token)})
    updated = stacks.update(stack["StackName"], {"Fixed": resource(token + ":$LATEST")})
    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reason = stacks.reason(stack, "Fixed", "UPDATE_FAILED")
    assert reason == "Modifying service token is not allowed."


def test_crashed_function_fails_at_once(
    stacks: Stacks, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "ASYNC_RETRY_SECONDS", (0.0, 0.0))
    stack = stacks.create({"Dies": resource(token, Die="Create", ServiceTimeout=600)})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    reason = stacks.reason(stack, "Dies", "CREATE_FAILED")
    assert "each of its 3 attempts failed: RuntimeError: on purpose" in reason
    assert "AWS would wait for 600 seconds" in reason
    events = seen(stacks, "Dies")
    assert [e["RequestType"] for e in events] == ["Create"] * 3 + ["Delete"]
    assert events[-1]["PhysicalResourceId"].startswith(f"{stack['StackName']}-Dies-")


def test_missing_response_times_out(stacks: Stacks) -> None:
    silent = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.14",
            "Handler": "index.handler",
            "Code": {"ZipFile": "def handler(event, context):\n    return 'but no answer'\n"},
            "Role": {"Fn::GetAtt": "Role.Arn"},
        },
    }
    kind = "AWS::CloudFormation::CustomResource"
    arn = {"Fn::GetAtt": "Function.Arn"}
    stack = stacks.create(
        {
            "Role": role(),
            "Function": silent,
            "Waits": {"Type": kind, "Properties": {"ServiceToken": arn, "ServiceTimeout": 1}},
        },
        DisableRollback=True,
    )
    reason = stacks.reason(stack, "Waits", "CREATE_FAILED")
    assert reason.startswith("CloudFormation did not receive a response from your Custom Resource.")


def test_invalid_service_token_is_refused(stacks: Stacks) -> None:
    stack = stacks.create({"X": resource("arn:aws:sns:us-east-1:123456789012:topic")})
    assert "does not implement custom resources behind" in stacks.reason(
        stack, "X", "CREATE_FAILED"
    )
    gone = "arn:aws:lambda:us-east-1:123456789012:function:gone"
    stack = stacks.create({"X": resource(gone)})
    assert "Function not found" in stacks.reason(stack, "X", "CREATE_FAILED")
    with pytest.raises(ClientError, match=r"X \(Custom::Thing\): required key \[ServiceToken\]"):
        stacks.create({"X": {"Type": "Custom::Thing", "Properties": {}}})


EVENT = {"StackId": "s", "RequestId": "r", "LogicalResourceId": "l"}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({}, "Invalid response status"),
        ({**EVENT, "Status": "SUCCESS"}, "Invalid PhysicalResourceId"),
        ({**EVENT, "Status": "SUCCESS", "PhysicalResourceId": "p", "RequestId": "x"}, "RequestId"),
        ({**EVENT, "Status": "SUCCESS", "PhysicalResourceId": "p", "Data": [1]}, "JSON object"),
        ({**EVENT, "Status": "SUCCESS", "PhysicalResourceId": "p" * 4096}, "too long"),
    ],
)
def test_invalid_responses_are_refused(answer: dict[str, Any], message: str) -> None:
    with pytest.raises(ResourceFailed, match=message):
        custom._checked(json.dumps(answer).encode(), EVENT)


def test_response_is_accepted_once_while_expected() -> None:
    with answers.Answer("us-east-1") as answer:
        token = answer.url.rsplit("/", 1)[1]
        assert answer.wait(0) is None
        assert answers.deliver(token, b"first")
        assert answers.deliver(token, b"second")
        assert answer.wait(0) == b"first"
    assert not answers.deliver(token, b"late")
