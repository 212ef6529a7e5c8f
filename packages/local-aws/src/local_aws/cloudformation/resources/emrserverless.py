"""AWS::EMRServerless: applications."""

from typing import Any

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    lowered,
    retag,
    tag_map,
)


class Application(Handler):
    """AWS::EMRServerless::Application: it is neither started nor stopped.

    So on AWS: its update and its deletion fail unless it is created or stopped. The registry's
    handlers do not have the permission emr-serverless:StopApplication.
    """

    type = "AWS::EMRServerless::Application"
    supported = frozenset(
        [
            "Architecture",
            "AutoStartConfiguration",
            "AutoStopConfiguration",
            "InitialCapacity",
            "MaximumCapacity",
            "MonitoringConfiguration",
            "Name",
            "NetworkConfiguration",
            "ReleaseLabel",
            "RuntimeConfiguration",
            "Tags",
            "Type",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the application, and wait until it may be started."""
        client = call.client("emr-serverless")
        made = client.create_application(
            **_request(call.properties),
            **({"tags": tag_map(call.properties["Tags"])} if call.properties.get("Tags") else {}),
        )
        name, attributes = made["applicationId"], {"Arn": made["arn"]}
        attributes["ApplicationId"] = name
        call.identify(name, attributes)
        while client.get_application(applicationId=name)["application"]["state"] == "CREATING":
            call.pause(0.1)
        return attributes

    def update(self, call: Call) -> Attributes:
        """Change settings and tags."""
        client = call.client("emr-serverless")
        wanted, before = _request(call.properties), _request(call.old)
        if wanted != before:
            for name in ("name", "type"):
                wanted.pop(name, None)
            client.update_application(applicationId=call.physical_id, **wanted)
        retag(call, client, dict, resourceArn=call.attributes["Arn"])
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete the application, which must not be started."""
        call.client("emr-serverless").delete_application(applicationId=call.physical_id)


HANDLERS = (Application,)


def _request(properties: Properties) -> dict[str, Any]:
    kept = {name: value for name, value in properties.items() if name != "Tags"}
    request: dict[str, Any] = lowered(kept, keep=frozenset({"Properties"}))
    if "initialCapacity" in request:
        request["initialCapacity"] = _map(request["initialCapacity"])
    watch = request.get("monitoringConfiguration", {}).get("cloudWatchLoggingConfiguration", {})
    if "logTypeMap" in watch:
        watch["logTypes"] = _map(watch.pop("logTypeMap"))
    return request


def _map(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in pairs}
