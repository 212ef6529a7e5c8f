"""Values for one stack's blueprint: parameters, resources, imports and dynamic references."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_aws.cloudformation import resources, schemas
from local_aws.cloudformation.errors import ValidationError
from local_aws.cloudformation.intrinsics import NO_VALUE, Evaluator
from local_aws.cloudformation.resources.base import tag_list, tag_map
from local_aws.cloudformation.template import Definition, is_custom

if TYPE_CHECKING:
    from local_aws.cloudformation.blueprint import Blueprint
    from local_aws.cloudformation.models import CloudFormationBackend, Stack

_SUFFIXES = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}


class Resolution:
    """The scope in which a blueprint's values are evaluated.

    Subclasses provide a resource's id and attributes.
    """

    def __init__(
        self, backend: "CloudFormationBackend", stack: "Stack", wanted: "Blueprint"
    ) -> None:
        self.backend = backend
        self.stack = stack
        self.wanted = wanted
        self.imports: set[str] = set()
        self.evaluator = Evaluator(wanted.template, self)

    def client(self, service: str) -> Any:
        """A boto3 client with the credentials with which the stack is made."""
        raise NotImplementedError

    def resource_reference(self, name: str) -> Any:
        """The value of Ref for a resource."""
        raise NotImplementedError

    def attribute(self, logical_id: str, name: str) -> Any:
        """The value of Fn::GetAtt."""
        raise NotImplementedError

    def reference(self, name: str) -> Any:
        """The value of Ref."""
        stack = self.stack
        pseudo = {
            "AWS::AccountId": stack.account_id,
            "AWS::NotificationARNs": stack.notification_arns,
            "AWS::Partition": stack.partition,
            "AWS::Region": stack.region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": _SUFFIXES.get(stack.partition, "amazonaws.com"),
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.wanted.values:
            return self.wanted.values[name]
        self._require(name)
        return self.resource_reference(name)

    def imported(self, name: str) -> Any:
        """The value of another stack's export."""
        found = self.backend.exports().get(name)
        if found is None:
            raise ValidationError(f"No export named {name} found.")
        self.imports.add(name)
        return found[1]

    def dynamic(self, service: str, key: str) -> str:
        """The value of `{{resolve:ssm:NAME}}` and its like."""
        try:
            if service in ("ssm", "ssm-secure"):
                answer = self.client("ssm").get_parameter(
                    Name=key, WithDecryption=service == "ssm-secure"
                )
                return str(answer["Parameter"]["Value"])
        except ClientError as error:
            raise ValidationError(
                f"Cannot resolve {{{{resolve:{service}:{key}}}}}: {error}"
            ) from None
        raise ValidationError(
            f"The local AWS does not implement dynamic references to {service} ({key})."
        )

    def secrets(self) -> list[str]:
        """Secrets: values of NoEcho parameters and custom resources."""
        values = self.wanted.secrets()
        for resource in list(self.stack.resources.values()):
            if resource.no_echo:
                values += [v for v in resource.attributes.values() if isinstance(v, str)]
        return sorted(filter(None, values), key=len, reverse=True)

    def active_resources(self) -> set[str]:
        """The resources whose conditions are true."""
        resources = self.wanted.template.resources.items()
        return {name for name, d in resources if self.evaluator.active(d.condition)}

    def properties(self, definition: Definition) -> dict[str, Any]:
        """A resource's evaluated properties, with the stack's tags, in its schema's types."""
        values = self.evaluator.properties(definition.properties)
        if is_custom(definition.type):
            return values
        schema = schemas.schema(definition.type, self.stack.region)
        handler = resources.find(definition.type)
        assert handler
        # do not add the stack's tags if the local service ignores tags
        if schema.tag_property in handler.supported and self.wanted.tags:
            assert schema.tag_property
            own = tag_map(values.get(schema.tag_property))
            merged = {**self.wanted.tags, **own}
            values[schema.tag_property] = merged if schema.tags_are_a_map else tag_list(merged)
        return schema.coerce(values)[0]

    def outputs(self) -> list[dict[str, str]]:
        """The stack's outputs as DescribeStacks shows them."""
        shown = []
        for name, output in self.wanted.template.outputs.items():
            if not self.evaluator.active(output.get("Condition")):
                continue
            value = self.evaluator.value(output["Value"])
            if value is NO_VALUE or isinstance(value, (dict, list)):
                raise ValidationError(
                    f"Template format error: Output {name} is malformed. The Value field of every "
                    "Outputs member must evaluate to a String."
                )
            if isinstance(value, bool):
                value = "true" if value else "false"
            entry = {"OutputKey": name, "OutputValue": str(value)}
            if "Description" in output:
                entry["Description"] = output["Description"]
            if "Export" in output:
                entry["ExportName"] = str(self.evaluator.value(output["Export"]["Name"]))
            shown.append(entry)
        return shown

    def _require(self, name: str) -> None:
        definition = self.wanted.template.resources[name]
        if not self.evaluator.active(definition.condition):
            raise ValidationError(
                f"Template format error: Unresolved resource dependencies [{name}] "
                "in the Resources block of the template"
            )
