"""AWS::SNS: topics, policies and subscriptions."""

import json

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    retag,
    tag_list,
)

_ATTRIBUTES = ("DisplayName", "KmsMasterKeyId")


class Topic(Handler):
    """AWS::SNS::Topic."""

    type = "AWS::SNS::Topic"
    supported = frozenset({"DisplayName", "KmsMasterKeyId", "TopicName", "Tags"})

    def create(self, call: Call) -> Attributes:
        """Create the topic."""
        name = call.properties.get("TopicName") or call.generated_name(256)
        arn = call.client("sns").create_topic(
            Name=name,
            Attributes={name: call.properties.get(name, "") for name in _ATTRIBUTES},
            Tags=tag_list(call.properties.get("Tags")),
        )["TopicArn"]
        call.identify(arn)
        return {"TopicArn": arn, "TopicName": name}

    def update(self, call: Call) -> Attributes:
        """Change its display name, key and tags."""
        sns = call.client("sns")
        for name in filter(call.changed, _ATTRIBUTES):
            sns.set_topic_attributes(
                TopicArn=call.physical_id,
                AttributeName=name,
                AttributeValue=call.properties.get(name, ""),
            )
        retag(call, sns, ResourceArn=call.physical_id)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete the topic with its subscriptions."""
        call.client("sns").delete_topic(TopicArn=call.physical_id)


class TopicPolicy(Handler):
    """AWS::SNS::TopicPolicy."""

    type = "AWS::SNS::TopicPolicy"
    supported = frozenset({"PolicyDocument", "Topics"})
    gone_codes = frozenset({"NotFound", "NotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the policy on its topics."""
        self._put(call)
        call.identify(call.generated_name(256))
        return {"Id": call.physical_id}

    def update(self, call: Call) -> Attributes:
        """Update the policy."""
        self._put(call)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Restore AWS's default policy, which allows only the owner."""
        for topic in call.properties["Topics"]:
            owner = {
                "Version": "2008-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "*"},
                        "Action": "SNS:Publish",
                        "Resource": topic,
                        "Condition": {"StringEquals": {"AWS:SourceOwner": call.account_id}},
                    }
                ],
            }
            call.client("sns").set_topic_attributes(
                TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(owner)
            )

    def _put(self, call: Call) -> None:
        document = call.properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document)
        for topic in call.properties["Topics"]:
            call.client("sns").set_topic_attributes(
                TopicArn=topic, AttributeName="Policy", AttributeValue=text
            )


class Subscription(Handler):
    """AWS::SNS::Subscription."""

    type = "AWS::SNS::Subscription"
    supported = frozenset({"Endpoint", "Protocol", "TopicArn"})
    gone_codes = frozenset({"NotFound", "NotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Subscribe."""
        arn = call.client("sns").subscribe(**call.properties, ReturnSubscriptionArn=True)
        call.identify(arn["SubscriptionArn"])
        return {"Arn": arn["SubscriptionArn"]}

    def delete(self, call: Call) -> None:
        """Unsubscribe."""
        call.client("sns").unsubscribe(SubscriptionArn=call.physical_id)


HANDLERS = (Topic, TopicPolicy, Subscription)
