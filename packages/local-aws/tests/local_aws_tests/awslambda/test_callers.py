"""Other services that call a function: the one that they name, or none."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.awslambda.models import Invocation, LocalLambdaBackend
from local_aws_tests.awslambda.conftest import REGION, TRUST
from tests.reliability import Tally

ACCOUNT = "123456789012"


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that other services have called."""
    names: list[str] = []

    def run(self: LocalLambdaBackend, function: str, *_: Any, **__: Any) -> Invocation:
        names.append(self.get_function(function).function_arn)
        return Invocation("id", "$LATEST")

    monkeypatch.setattr(LocalLambdaBackend, "run", run)
    return names


def _by_topic(aws: Any, name: str, arn: str) -> None:
    topic = aws.client("sns").create_topic(Name=name)["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    aws.client("sns").publish(TopicArn=topic, Message="hello")


def _by_queue(aws: Any, name: str, arn: str) -> None:
    queue = aws.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    aws.client("lambda").create_event_source_mapping(FunctionName=arn, EventSourceArn=source)
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="hello")


def test_queue_calls_only_functions_whose_role_may_receive_its_messages(aws: Any) -> None:
    trust = json.dumps(TRUST)
    role = aws.client("iam").create_role(RoleName="deaf", AssumeRolePolicyDocument=trust)
    name = aws.deploy("def handler(event, context): pass", Role=role["Role"]["Arn"])
    aws.client("sqs").create_queue(QueueName="unheard")
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:unheard"
    mapping = {"FunctionName": name, "EventSourceArn": source}
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage"):
        aws.client("lambda").create_event_source_mapping(**mapping)
    allowed = aws.deploy("def handler(event, context): pass")
    made = aws.client("lambda").create_event_source_mapping(**mapping | {"FunctionName": allowed})
    with pytest.raises(ClientError, match="does not have permissions to call ReceiveMessage"):
        aws.client("lambda").update_event_source_mapping(UUID=made["UUID"], FunctionName=name)


def _by_bucket(aws: Any, name: str, arn: str) -> None:
    where = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=name,
        NotificationConfiguration={"LambdaFunctionConfigurations": [rule]},
        SkipDestinationValidation=True,  # the function is asked again for each notification
    )
    aws.client("s3").put_object(Bucket=name, Key="hello", Body=b"")


def _by_log(aws: Any, name: str, arn: str) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    logs.put_subscription_filter(
        logGroupName=name, filterName="f", filterPattern="", destinationArn=arn
    )
    event = {"timestamp": int(time.time() * 1000), "message": "hello"}
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=[event])


def _by_rule(aws: Any, name: str, arn: str) -> None:
    events = aws.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "f", "Arn": arn}])
    events.put_events(Entries=[{"Source": name, "DetailType": "d", "Detail": "{}"}])


# ways, and who calls for which resource; a queue's function has its role's permissions instead
WAYS = (_by_topic, _by_queue, _by_bucket, _by_log, _by_rule)
HERE = f"{REGION}:{ACCOUNT}"
SOURCES = {
    _by_topic: ("sns", f"arn:aws:sns:{HERE}:{{}}"),
    _by_bucket: ("s3", "arn:aws:s3:::{}"),
    _by_log: ("logs", f"arn:aws:logs:{HERE}:log-group:{{}}:*"),
    _by_rule: ("events", f"arn:aws:events:{HERE}:rule/{{}}"),
}


@pytest.mark.parametrize("way", WAYS)
def test_service_calls_the_function_that_it_names(aws: Any, called: list[str], way: Any) -> None:
    name = aws.deploy("def handler(event, context): pass")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    where = f"own{way.__name__.replace('_', '-')}"
    if way in SOURCES:
        service, source = SOURCES[way]
        aws.permit(name, service, source.format(where))
    way(aws, where, arn)
    assert called == [arn]


@pytest.mark.parametrize("way", SOURCES)
def test_service_calls_no_function_whose_policy_does_not_let_it(
    aws: Any, called: list[str], tally: Tally, way: Any
) -> None:
    """Whoever may create a topic, a rule or a bucket could run any function by it."""
    name = aws.deploy("def handler(event, context): pass")
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    service, source = SOURCES[way]
    aws.permit(name, service, source.format("another"))
    way(aws, f"no{way.__name__.replace('_', '-')}", arn)
    tally("inputs tried", "calls of functions whose policy does not allow them")
    assert called == []


@pytest.mark.parametrize("place", [f"us-east-1:{ACCOUNT}", f"{REGION}:999999999999"])
@pytest.mark.parametrize("way", WAYS)
def test_service_calls_no_function_of_the_same_name_elsewhere(
    aws: Any, called: list[str], tally: Tally, way: Any, place: str
) -> None:
    name = aws.deploy("def handler(event, context): pass")
    where = f"{place[0]}{way.__name__.replace('_', '-')}"
    with suppress(ClientError):  # some say so at once
        way(aws, where, f"arn:aws:lambda:{place}:function:{name}")
    tally("inputs tried", "functions of other accounts and regions")
    assert called == []


def test_message_for_a_deleted_function_is_published(aws: Any) -> None:
    name = aws.deploy("def handler(event, context): pass")
    topic = aws.client("sns").create_topic(Name="gone")["TopicArn"]
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    aws.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    _by_log(aws, "gone", arn)
    aws.client("lambda").delete_function(FunctionName=name)
    assert aws.client("sns").publish(TopicArn=topic, Message="hello")["MessageId"]
    event = {"timestamp": int(time.time() * 1000), "message": json.dumps({"a": 1})}
    put = aws.client("logs").put_log_events(
        logGroupName="gone", logStreamName="s", logEvents=[event]
    )
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_topic_sends_to_no_address(aws: Any, protocol: str) -> None:
    topic = aws.client("sns").create_topic(Name="addressed")["TopicArn"]
    with pytest.raises(ClientError, match="NotImplementedByLocalAws"):
        aws.client("sns").subscribe(
            TopicArn=topic, Protocol=protocol, Endpoint=f"{protocol}://127.0.0.1:9/"
        )
    found = aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)
    assert found["Subscriptions"] == []


def test_function_policy_lets_the_roles_that_it_names_invoke(aws: Any) -> None:
    name = aws.deploy("def handler(event, context): return 1")
    arn, mine = _role(aws, "named")
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        mine.invoke(FunctionName=name)
    permission = {"FunctionName": name, "Action": "lambda:InvokeFunction", "Principal": arn}
    aws.client("lambda").add_permission(**permission, StatementId="s")
    assert mine.invoke(FunctionName=name)["StatusCode"] == 200
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        _role(aws, "unnamed")[1].invoke(FunctionName=name)
    aws.client("lambda").remove_permission(FunctionName=name, StatementId="s")
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        mine.invoke(FunctionName=name)


def _role(aws: Any, name: str) -> tuple[str, Any]:
    """A role without policies, and a client of Lambda with its credentials."""
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    trust = {"Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    made = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    arn = made["Role"]["Arn"]
    held = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    credentials = clients.Credentials(*(held[name] for name in names))
    return arn, clients.client("lambda", REGION, credentials)


def test_permission_has_only_what_lambda_knows_of(aws: Any) -> None:
    name = aws.deploy("def handler(event, context): pass")
    permission = {"FunctionName": name, "Action": "lambda:InvokeFunction", "StatementId": "s"}
    for principal in ("nobody", "arn:aws:s3:::bucket", "lambda.example.com"):
        with pytest.raises(ClientError, match="principal was invalid"):
            aws.client("lambda").add_permission(**permission, Principal=principal)
    answer = aws.client("lambda").add_permission(**permission, Principal=ACCOUNT)
    told = json.loads(answer["Statement"])
    assert told["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
