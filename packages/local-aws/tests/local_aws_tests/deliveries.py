"""Policies that let services deliver to queues and topics."""

import json

from local_aws import clients


def admit(service: str, *arns: str) -> None:
    """Let a service send to queues and publish to topics, by their policies alone."""
    for arn in arns:
        _, _, kind, region, account, name = arn.split(":")
        policy = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": f"{service}.amazonaws.com"},
                    "Action": {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}[kind],
                    "Resource": arn,
                    "Condition": {"StringEquals": {"aws:SourceAccount": account}},
                },
            }
        )
        client = clients.client(kind, region)
        if kind == "sqs":
            url = client.get_queue_url(QueueName=name)["QueueUrl"]
            client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        else:
            client.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
