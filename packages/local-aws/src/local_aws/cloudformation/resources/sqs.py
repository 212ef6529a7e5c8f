"""AWS::SQS: queues and their policies."""

import json
from typing import Any

from local_aws.cloudformation.resources.base import Attributes, Call, Handler, pick, tag_map

_ATTRIBUTES = (
    "DelaySeconds",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
_DEFAULTS = {
    "DelaySeconds": "0",
    "KmsDataKeyReusePeriodSeconds": "300",
    "KmsMasterKeyId": "",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


class Queue(Handler):
    """AWS::SQS::Queue, a standard one."""

    type = "AWS::SQS::Queue"
    supported = frozenset({*_ATTRIBUTES, "QueueName", "Tags"})
    gone_codes = frozenset(
        {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}  # by protocol
    )

    def create(self, call: Call) -> Attributes:
        """Create the queue."""
        name = call.properties.get("QueueName") or call.generated_name(80)
        sqs = call.client("sqs")
        url = sqs.create_queue(
            QueueName=name,
            Attributes=_texts(pick(call.properties, _ATTRIBUTES)),
            tags=tag_map(call.properties.get("Tags")),
        )["QueueUrl"]
        call.identify(url)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return {"Arn": arn["Attributes"]["QueueArn"], "QueueName": name, "QueueUrl": url}

    def update(self, call: Call) -> Attributes:
        """Change its settings and tags."""
        sqs, queue = call.client("sqs"), {"QueueUrl": call.physical_id}
        changed = [name for name in _ATTRIBUTES if call.changed(name)]
        if changed:
            settings = {name: call.properties.get(name, _DEFAULTS[name]) for name in changed}
            sqs.set_queue_attributes(**queue, Attributes=_texts(settings))
        if call.changed("Tags"):
            old, new = tag_map(call.old.get("Tags")), tag_map(call.properties.get("Tags"))
            if dropped := sorted(set(old) - set(new)):
                sqs.untag_queue(**queue, TagKeys=dropped)
            if new:
                sqs.tag_queue(**queue, Tags=new)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete the queue with its messages."""
        call.client("sqs").delete_queue(QueueUrl=call.physical_id)


class QueuePolicy(Handler):
    """AWS::SQS::QueuePolicy."""

    type = "AWS::SQS::QueuePolicy"
    supported = frozenset({"PolicyDocument", "Queues"})
    gone_codes = Queue.gone_codes

    def create(self, call: Call) -> Attributes:
        """Put the policy on its queues."""
        self._put(call)
        call.identify(call.generated_name(256))
        return {"Id": call.physical_id}

    def update(self, call: Call) -> Attributes:
        """Update the policy, and remove it from queues that left the list."""
        self._clear(call, set(call.old["Queues"]) - set(call.properties["Queues"]))
        self._put(call)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Remove the policy, so that only the owner has access."""
        self._clear(call, set(call.properties["Queues"]))

    def _put(self, call: Call) -> None:
        document = call.properties["PolicyDocument"]
        text = document if isinstance(document, str) else json.dumps(document)
        for queue in call.properties["Queues"]:
            call.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": text})

    def _clear(self, call: Call, queues: set[str]) -> None:
        for queue in sorted(queues):
            call.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})


HANDLERS = (Queue, QueuePolicy)


def _texts(settings: dict[str, Any]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in settings.items()
    }
