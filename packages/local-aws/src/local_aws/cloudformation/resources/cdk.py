"""AWS::CDK::Metadata and AWS::CloudFormation::WaitConditionHandle: resources that are only ids."""

from local_aws.cloudformation.resources.base import Attributes, Call, Handler


class Metadata(Handler):
    """AWS::CDK::Metadata: CDK's usage report, which is not sent."""

    type = "AWS::CDK::Metadata"
    supported = frozenset({"Analytics", "Modules"})

    def create(self, call: Call) -> Attributes:
        """Give it an id."""
        call.identify(call.generated_name())
        return {}

    def update(self, call: Call) -> Attributes:
        """Nothing to change."""
        return {}

    def delete(self, call: Call) -> None:
        """Nothing to delete."""


class WaitConditionHandle(Metadata):
    """AWS::CloudFormation::WaitConditionHandle: an unused resource of CDK's empty stacks."""

    type = "AWS::CloudFormation::WaitConditionHandle"
    supported = frozenset()


HANDLERS = (Metadata, WaitConditionHandle)
