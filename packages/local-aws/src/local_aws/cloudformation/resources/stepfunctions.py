"""AWS::StepFunctions: state machines."""

import json
import re
from typing import Any

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    lowered,
    retag,
    tag_list,
)


class StateMachine(Handler):
    """AWS::StepFunctions::StateMachine."""

    type = "AWS::StepFunctions::StateMachine"
    supported = frozenset(
        [
            "Definition",
            "DefinitionS3Location",
            "DefinitionString",
            "DefinitionSubstitutions",
            "EncryptionConfiguration",
            "LoggingConfiguration",
            "RoleArn",
            "StateMachineName",
            "StateMachineType",
            "Tags",
            "TracingConfiguration",
        ]
    )
    gone_codes = frozenset({"StateMachineDoesNotExist"})

    def create(self, call: Call) -> Attributes:
        """Create the machine."""
        wanted = call.properties
        name = wanted.get("StateMachineName") or call.generated_name(80)
        request = self._settings(call)
        if "StateMachineType" in wanted:
            request["type"] = wanted["StateMachineType"]
        if wanted.get("Tags"):
            request["tags"] = lowered(tag_list(wanted["Tags"]))
        answer = call.client("stepfunctions").create_state_machine(name=name, **request)
        call.identify(answer["stateMachineArn"])
        return self._attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change definition, role, logging, tracing and tags."""
        client = call.client("stepfunctions")
        client.update_state_machine(stateMachineArn=call.physical_id, **self._settings(call))
        retag(call, client, lambda tags: lowered(tag_list(tags)), resourceArn=call.physical_id)
        return self._attributes(call)

    def delete(self, call: Call) -> None:
        """Delete the machine."""
        call.client("stepfunctions").delete_state_machine(stateMachineArn=call.physical_id)

    def _settings(self, call: Call) -> dict[str, Any]:
        wanted = call.properties
        settings = {"definition": _definition(call), "roleArn": wanted["RoleArn"]}
        for name in ("LoggingConfiguration", "TracingConfiguration", "EncryptionConfiguration"):
            if name in wanted:
                settings[name[:1].lower() + name[1:]] = lowered(wanted[name])
        return settings

    def _attributes(self, call: Call) -> Attributes:
        assert call.physical_id
        return {"Arn": call.physical_id, "Name": call.physical_id.rsplit(":", 1)[1]}


HANDLERS = (StateMachine,)


def _definition(call: Call) -> str:
    wanted = call.properties
    if "DefinitionString" in wanted:
        text = wanted["DefinitionString"]
    elif "Definition" in wanted:
        text = json.dumps(wanted["Definition"])
    elif "DefinitionS3Location" in wanted:
        place = wanted["DefinitionS3Location"]
        version = {"VersionId": place["Version"]} if "Version" in place else {}
        answer = call.client("s3").get_object(Bucket=place["Bucket"], Key=place["Key"], **version)
        text = answer["Body"].read().decode()
    else:
        raise ResourceFailed(
            "One of Definition, DefinitionString, DefinitionS3Location is required"
        )
    values = wanted.get("DefinitionSubstitutions", {})
    return re.sub(r"\$\{([^}]+)\}", lambda found: str(values.get(found[1], found[0])), text)
