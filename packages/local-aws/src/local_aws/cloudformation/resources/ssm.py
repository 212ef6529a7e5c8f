"""AWS::SSM: parameters."""

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    pick,
    random_suffix,
    tag_changes,
    tag_list,
)


class Parameter(Handler):
    """AWS::SSM::Parameter."""

    type = "AWS::SSM::Parameter"
    supported = frozenset(
        ["AllowedPattern", "DataType", "Description", "Name", "Tags", "Tier", "Type", "Value"]
    )
    gone_codes = frozenset({"ParameterNotFound"})

    def create(self, call: Call) -> Attributes:
        """Create the parameter."""
        name = call.properties.get("Name") or f"CFN-{call.logical_id}-{random_suffix()}"
        request = pick(
            call.properties, ["AllowedPattern", "DataType", "Description", "Tier", "Type", "Value"]
        )
        if call.properties.get("Tags"):
            request["Tags"] = tag_list(call.properties["Tags"])
        call.client("ssm").put_parameter(Name=name, Overwrite=False, **request)
        call.identify(name)
        return {}

    def update(self, call: Call) -> Attributes:
        """Update value, description and tags."""
        ssm = call.client("ssm")
        request = pick(
            call.properties, ["AllowedPattern", "DataType", "Description", "Tier", "Type", "Value"]
        )
        ssm.put_parameter(Name=call.physical_id, Overwrite=True, **request)
        resource = {"ResourceType": "Parameter", "ResourceId": call.physical_id}
        new, removed = tag_changes(call)
        if new:
            ssm.add_tags_to_resource(**resource, Tags=tag_list(new))
        if removed:
            ssm.remove_tags_from_resource(**resource, TagKeys=removed)
        return {}

    def delete(self, call: Call) -> None:
        """Delete the parameter."""
        call.client("ssm").delete_parameter(Name=call.physical_id)


HANDLERS = (Parameter,)
