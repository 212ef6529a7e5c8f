"""What becomes of an event that a function could not process: a record of it is sent."""

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.awslambda.conftest import REGION, TRUST
from local_aws_tests.deliveries import admit
from tests.reliability import Tally

FAILING = "def handler(e, c):\n    raise ValueError('always')\n"


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_aws.awslambda.models.ASYNC_RETRY_SECONDS", (0.1, 0.2))


def queue(aws: Any) -> tuple[str, str]:
    """A queue's URL and ARN."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=f"failed-{uuid.uuid4()}")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    return url, found["QueueArn"]


def received(aws: Any, url: str) -> Any:
    """The next message; an assertion fails if there is none after a minute."""
    for _ in range(30):
        found = aws.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages")
        if found:
            return json.loads(found[0]["Body"])
    raise AssertionError("no message came")


def role(aws: Any, *actions: str) -> str:
    """The ARN of a function's role that may do these."""
    name, iam = f"role-{uuid.uuid4()}", aws.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    statement = {"Effect": "Allow", "Action": ["logs:*", *actions], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    arn: str = made["Role"]["Arn"]
    return arn


def configure(aws: Any, name: str, destination: str, **more: Any) -> None:
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": destination}}, **more
    )


def send(aws: Any, name: str, event: Any) -> str:
    answer = aws.client("lambda").invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event)
    )
    request_id: str = answer["ResponseMetadata"]["RequestId"]
    return request_id


def test_failed_event_is_sent_to_a_queue(aws: Any, tally: Tally) -> None:
    url, arn = queue(aws)
    name = aws.deploy(FAILING, Role=role(aws, "sqs:SendMessage"))
    configure(aws, name, arn, MaximumRetryAttempts=1)
    told = aws.client("lambda").get_function_event_invoke_config(FunctionName=name)
    assert told["DestinationConfig"]["OnFailure"] == {"Destination": arn}
    request_id = send(aws, name, {"n": 7})
    record = received(aws, url)
    assert record["version"] == "1.0"
    assert record["timestamp"].endswith("Z")
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"arn:aws:lambda:{REGION}:123456789012:function:{name}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 2,
    }
    assert record["requestPayload"] == {"n": 7}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorMessage"] == "always"
    assert record["responsePayload"]["errorType"] == "ValueError"
    tally("faults injected", "asynchronous events")


def test_failed_event_is_sent_to_a_topic(aws: Any, tally: Tally) -> None:
    url, arn = queue(aws)
    sns = aws.client("sns")
    topic = sns.create_topic(Name=f"failed-{uuid.uuid4()}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    admit("sns", arn)
    name = aws.deploy(FAILING, Role=role(aws, "sns:Publish"))
    configure(aws, name, topic, MaximumRetryAttempts=0)
    request_id = send(aws, name, 7)
    record = json.loads(received(aws, url)["Message"])
    assert record["requestContext"]["requestId"] == request_id
    assert record["requestPayload"] == 7
    send(aws, name, "x" * 300_000)  # a topic takes 256 KB
    record = json.loads(received(aws, url)["Message"])
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert not {"requestPayload", "responsePayload"} & set(record)
    tally("faults injected", "asynchronous events", 2)


def test_successful_event_is_not_sent(aws: Any) -> None:
    url, arn = queue(aws)
    name = aws.deploy(
        "def handler(e, c):\n    if e: raise ValueError('bad')\n",
        Role=role(aws, "sqs:SendMessage"),
    )
    configure(aws, name, arn, MaximumRetryAttempts=0)
    send(aws, name, 0)
    bad = send(aws, name, 1)
    assert received(aws, url)["requestContext"]["requestId"] == bad


def test_failed_delivery_without_permission_is_counted(aws: Any, tally: Tally) -> None:
    url, arn = queue(aws)
    name = aws.deploy(FAILING, Role=role(aws))
    configure(aws, name, arn, MaximumRetryAttempts=0)
    send(aws, name, 1)
    wanted = {
        "Namespace": "AWS/Lambda",
        "MetricName": "DestinationDeliveryFailures",
        "Dimensions": [{"Name": "FunctionName", "Value": name}],
    }
    now = time.time()
    for _ in range(600):
        points = aws.client("cloudwatch").get_metric_statistics(
            **wanted, StartTime=now - 3600, EndTime=now + 3600, Period=60, Statistics=["Sum"]
        )["Datapoints"]
        if points:
            break
        time.sleep(0.1)
    assert [point["Sum"] for point in points] == [1]
    assert "Messages" not in aws.client("sqs").receive_message(QueueUrl=url)
    tally("faults injected", "asynchronous events")


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"OnFailure": {"Destination": "arn:aws:lambda:eu-west-1:123456789012:function:f"}}, ""),
        ({"OnFailure": {"Destination": "arn:aws:events:eu-west-1:123456789012:event-bus/b"}}, ""),
        ({"OnFailure": {"Destination": "arn:aws:s3:::bucket"}}, ""),
        ({"OnSuccess": {"Destination": "arn:aws:sqs:eu-west-1:123456789012:q"}}, ""),
        (
            {"OnFailure": {"Destination": "arn:aws:sqs:eu-west-1:123456789012:q.fifo"}},
            "InvalidParameterValueException",
        ),
        (
            {"OnFailure": {"Destination": "arn:aws:dynamodb:eu-west-1:123456789012:table/t"}},
            "InvalidParameterValueException",
        ),
    ],
)
def test_other_destinations_are_refused(aws: Any, config: dict[str, Any], code: str) -> None:
    name = aws.deploy("")
    with pytest.raises(ClientError) as refused:
        aws.client("lambda").put_function_event_invoke_config(
            FunctionName=name, DestinationConfig=config
        )
    assert refused.value.response["Error"]["Code"] == (code or "NotImplementedByLocalAws")
