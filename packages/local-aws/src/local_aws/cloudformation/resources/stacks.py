"""AWS::CloudFormation: stacks within stacks."""

from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import Attributes, Call, Handler, tag_list, texts

_OUTPUTS = "Outputs."


class NestedStack(Handler):
    """AWS::CloudFormation::Stack: with the capabilities of the stack that it is in."""

    type = "AWS::CloudFormation::Stack"
    supported = frozenset({"Parameters", "Tags", "TemplateURL"})

    def has_attribute(self, name: str) -> bool:
        """Whether Fn::GetAtt may ask for it: for whatever output the nested template has."""
        return name.startswith(_OUTPUTS)

    def create(self, call: Call) -> Attributes:
        """Create the stack and wait until it is there."""
        name, request = call.generated_name(128), self._request(call)
        with call.nesting(name, (request["TemplateURL"], request["Parameters"])):
            answer = call.client("cloudformation").create_stack(StackName=name, **request)
        call.identify(answer["StackId"])
        return self._settled(call, "CREATE_COMPLETE", "created")

    def update(self, call: Call) -> Attributes:
        """Update the stack and wait until that is done."""
        try:
            call.client("cloudformation").update_stack(
                StackName=call.physical_id, **self._request(call)
            )
        except ClientError as error:
            if "No updates are to be performed" not in error.response["Error"]["Message"]:
                raise
            return call.attributes
        return self._settled(call, "UPDATE_COMPLETE", "updated")

    def delete(self, call: Call) -> None:
        """Delete the stack and wait until it is gone."""
        call.client("cloudformation").delete_stack(StackName=call.physical_id)
        stack = self._wait(call)
        if stack["StackStatus"] != "DELETE_COMPLETE":
            raise ResourceFailed(_failure(stack, "deleted"))

    @staticmethod
    def _request(call: Call) -> dict[str, Any]:
        client, wanted = call.client("cloudformation"), call.properties
        [parent] = client.describe_stacks(StackName=call.stack_id)["Stacks"]
        parameters: dict[str, Any] = wanted.get("Parameters", {})
        return {
            "TemplateURL": wanted["TemplateURL"],
            "Parameters": [
                # a list is told as its members, with commas between
                {"ParameterKey": key, "ParameterValue": _told(value)}
                for key, value in texts(parameters).items()
            ],
            "Capabilities": parent.get("Capabilities", []),
            "Tags": tag_list(wanted.get("Tags")),
        }

    def _settled(self, call: Call, status: str, done: str) -> Attributes:
        stack = self._wait(call)
        if stack["StackStatus"] != status:
            raise ResourceFailed(_failure(stack, done))
        return {f"{_OUTPUTS}{one['OutputKey']}": one["OutputValue"] for one in stack["Outputs"]}

    @staticmethod
    def _wait(call: Call) -> dict[str, Any]:
        client = call.client("cloudformation")
        while True:
            [stack] = client.describe_stacks(StackName=call.physical_id)["Stacks"]
            if not stack["StackStatus"].endswith("IN_PROGRESS"):
                return {"Outputs": [], **stack}
            call.pause(0.1)


def _told(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def _failure(stack: dict[str, Any], done: str) -> str:
    reason = stack.get("StackStatusReason", "")
    return f"Embedded stack {stack['StackId']} was not successfully {done}: {reason}"


HANDLERS = (NestedStack,)
