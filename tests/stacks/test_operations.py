"""What watches over a deployment, for settings that ask for all of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.stacks.deployments import PROJECT, Deployment, Synthesize


@pytest.fixture(scope="module")
def watched(variant: Callable[[str], Deployment]) -> Deployment:
    return variant("all of Personalize")


def properties(deployment: Deployment, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in deployment.resources("Operations", kind).values()]


def test_operations_by_default_deploy_nothing(default: Deployment) -> None:
    assert "Operations" not in default.templates
    assert "xray:" not in json.dumps(dict(default.templates))


def test_alarms_cover_all_functions_endpoints_and_trainings(watched: Deployment) -> None:
    alarms = {one["AlarmName"]: one for one in properties(watched, "AWS::CloudWatch::Alarm")}
    ages = alarms.pop("recommender-models-age")
    assert (ages["Namespace"], ages["Threshold"]) == ("RecommendationEngine", 30)
    by_metric: dict[tuple[str, str], set[str]] = {}
    for alarm in alarms.values():
        watching = next(iter(alarm["Dimensions"]))["Value"]
        name = json.dumps(watching).rsplit("/", 1)[-1].strip('"]}')
        by_metric.setdefault((alarm["Namespace"], alarm["MetricName"]), set()).add(name)
    functions = {
        "recommender-Recommendation_Engine_Object2Vec",
        "recommender-Movie_Retrieval_Object2Vec",
        "recommender-Lists",
        "recommender-Events",
        "recommender-Caretaker",
    }
    trainers = {"recommender-Object2Vec-Trainer", "recommender-Personalize-Trainer"}
    endpoints = {f"recommender-{task}Model" for task in ("rating", "recommendation", "retrieval")}
    campaigns = {
        one["Properties"]["Name"]
        for one in watched.resources("Personalize", "AWS::Personalize::Campaign").values()
    }
    assert len(campaigns) == 4
    assert by_metric == {
        ("AWS/Lambda", "Errors"): functions | trainers,
        ("AWS/Lambda", "Throttles"): functions,
        ("AWS/Lambda", "Duration"): functions,
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {"recommender-Events-failed"},
        ("AWS/SageMaker", "Invocation5XXErrors"): endpoints,
        ("AWS/SageMaker", "ModelLatency"): endpoints,
        ("AWS/Personalize", "GetRecommendations5xxErrors"): campaigns,
        ("AWS/Personalize", "GetPersonalizedRanking5xxErrors"): campaigns,
    }
    # the monitored resources exist under that name
    for stack in ("Object2Vec", "Personalize"):
        named = watched.resources(stack, "AWS::Lambda::Function").values()
        names = {one["Properties"].get("FunctionName") for one in named}
        assert f"recommender-{stack}-Trainer" in names


def test_recommender_alarm_is_in_its_own_stack(watched: Deployment) -> None:
    alarms = watched.resources("Personalize", "AWS::CloudWatch::Alarm").values()
    assert {one["Properties"]["AlarmName"] for one in alarms} == {
        "recommender-more-like-x-5xx",
        "recommender-top-picks-5xx",
    }
    resources = watched.templates["Personalize"]["Resources"]
    for one in alarms:
        (dimension,) = one["Properties"]["Dimensions"]
        assert dimension["Name"] == "RecommenderArn"
        waiter, attribute = dimension["Value"]["Fn::GetAtt"]
        assert (resources[waiter]["Type"], attribute) == ("Custom::TrainedWait", "Arn")
        (told,) = one["Properties"]["AlarmActions"]
        assert told["Fn::Join"][1][-1] == ":recommender-alarms"


def test_api_alarms_are_in_its_own_stack(variant: Callable[[str], Deployment]) -> None:
    deployment = variant("kms, other names")
    (api,) = deployment.resources("Functions", "AWS::ApiGatewayV2::Api")
    alarms = deployment.resources("Functions", "AWS::CloudWatch::Alarm").values()
    seen = {
        (one["Properties"]["AlarmName"], one["Properties"]["MetricName"])
        for one in alarms
        if one["Properties"]["Dimensions"] == [{"Name": "ApiId", "Value": {"Ref": api}}]
    }
    assert seen == {("team-a-anna-api-5xx", "5xx"), ("team-a-anna-api-latency", "Latency")}
    assert all("AlarmActions" not in one["Properties"] for one in alarms), "no one is notified"


def test_index_import_has_no_alarm(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("kms, other names")
    alarms = properties(deployment, "AWS::CloudWatch::Alarm")
    names = {one["AlarmName"].removeprefix("team-a-anna-") for one in alarms}
    assert "Movie_Retrieval_Object2Vec-errors" in names
    assert not {name for name in names if "Import" in name}


def test_alarms_notify_and_refer_to_the_runbook(
    watched: Deployment,
) -> None:
    runbook = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
    assert "## An API fails" in runbook
    chapters = {
        line.removeprefix("## ").lower().replace(" ", "-")
        for line in runbook.splitlines()
        if line.startswith("## ")
    }
    (topic,) = watched.resources("Operations", "AWS::SNS::Topic")
    for alarm in properties(watched, "AWS::CloudWatch::Alarm"):
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert alarm["TreatMissingData"] == "notBreaching"
        file, _, chapter = alarm["AlarmDescription"].rsplit(" ", 1)[-1].partition("#")
        assert file == "docs/runbook.md"
        assert chapter in chapters
    (subscription,) = properties(watched, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "anna@example.com")


@pytest.fixture(scope="module")
def tidied(synthesize: Synthesize) -> Deployment:
    """What goes when it is idle, and no alarms."""
    operations = {"idle_hours": 24, "email": "anna@example.com"}
    return synthesize({"operations": operations}, validate=True)


def statements(deployment: Deployment, stack: str, kind: str, document: str) -> list[Any]:
    found = deployment.resources(stack, kind).values()
    return [one for each in found for one in each["Properties"][document]["Statement"]]


ALARMS_USE_THE_KEY = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "*",
    "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
}


def test_topic_key_is_usable_by_alarms(watched: Deployment, tidied: Deployment) -> None:
    (key,) = tidied.resources("Operations", "AWS::KMS::Key")
    assert tidied.resources("Operations", "AWS::KMS::Key")[key]["Properties"]["EnableKeyRotation"]
    (topic,) = properties(tidied, "AWS::SNS::Topic")
    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    assert ALARMS_USE_THE_KEY in statements(tidied, "Operations", "AWS::KMS::Key", "KeyPolicy")
    # with `kms` the deployment's own
    assert not watched.resources("Operations", "AWS::KMS::Key")
    (topic,) = properties(watched, "AWS::SNS::Topic")
    assert topic["KmsMasterKeyId"] == {"Fn::ImportValue": "recommender-Data-KeyArn"}
    assert ALARMS_USE_THE_KEY in statements(watched, "Data", "AWS::KMS::Key", "KeyPolicy")


def test_key_without_email_is_closed_to_alarms(
    variant: Callable[[str], Deployment],
) -> None:
    quiet = variant("kms, other names")
    assert "cloudwatch.amazonaws.com" not in json.dumps(quiet.templates["Data"])


@pytest.mark.parametrize("key", [True, False], ids=["kms", "no kms"])
def test_failed_caretaker_runs_go_to_an_encrypted_queue(
    watched: Deployment, tidied: Deployment, key: bool
) -> None:
    deployment = watched if key else tidied
    (name,) = deployment.resources("Operations", "AWS::SQS::Queue")
    (queue,) = properties(deployment, "AWS::SQS::Queue")
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    shared = {"Fn::ImportValue": "recommender-Data-KeyArn"}
    assert queue.get("KmsMasterKeyId") == (shared if key else None)
    assert queue.get("SqsManagedSseEnabled") == (None if key else True)
    (policy,) = statements(deployment, "Operations", "AWS::SQS::QueuePolicy", "PolicyDocument")
    assert policy["Effect"] == "Deny"
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    (tries,) = properties(deployment, "AWS::Lambda::EventInvokeConfig")
    (function,) = deployment.resources("Operations", "AWS::Lambda::Function")
    assert tries["FunctionName"] == {"Ref": function}
    arn = {"Fn::GetAtt": [name, "Arn"]}
    assert tries["DestinationConfig"] == {"OnFailure": {"Destination": arn}}
    allowed = [
        (one["Action"], one["Resource"])
        for role in properties(deployment, "AWS::IAM::Role")
        for each in role["Policies"]
        for one in each["PolicyDocument"]["Statement"]
    ]
    assert ("sqs:SendMessage", arn) in allowed
    keys = shared if key else {"Fn::GetAtt": [next(iter(
        tidied.resources("Operations", "AWS::KMS::Key"))), "Arn"]}  # fmt: skip
    assert (["kms:Decrypt", "kms:GenerateDataKey"], keys) in allowed


def test_caretaker_without_alarms_setting_has_an_alarm(
    tidied: Deployment, synthesize: Synthesize
) -> None:
    (alarm,) = properties(tidied, "AWS::CloudWatch::Alarm")
    (topic,) = tidied.resources("Operations", "AWS::SNS::Topic")
    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Errors")
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "recommender-Caretaker"}]
    assert alarm["AlarmActions"] == [{"Ref": topic}]
    alone = synthesize({"operations": {"idle_hours": 24}})
    (alarm,) = properties(alone, "AWS::CloudWatch::Alarm")
    assert alarm["AlarmName"] == "recommender-Caretaker-errors"
    assert "AlarmActions" not in alarm
    assert not alone.resources("Operations", "AWS::KMS::Key")


def test_latency_threshold_uses_the_metrics_unit(watched: Deployment) -> None:
    slow = {
        (alarm["MetricName"], alarm["Threshold"], alarm["ExtendedStatistic"])
        for alarm in properties(watched, "AWS::CloudWatch::Alarm")
        if "ExtendedStatistic" in alarm
    }
    assert slow == {("Duration", 1000, "p95"), ("ModelLatency", 1_000_000, "p95")}


def test_dashboard_shows_all_resources(watched: Deployment) -> None:
    (board,) = properties(watched, "AWS::CloudWatch::Dashboard")
    text = json.dumps(board["DashboardBody"])
    for shown in ("ratingModel", "Movie_Retrieval", "RecommenderArn", "CampaignArn", "ModelAge"):
        assert shown in text
    # the lists: their functions, their table, whose name begins with the stack's, and their queue
    for shown in ("recommender-Lists", "recommender-Events", "recommender-Events-failed"):
        assert f'\\"{shown}\\"' in text
    for metric in ("ConsumedReadCapacityUnits", "WriteThrottleEvents"):
        query = f'{{AWS/DynamoDB,TableName}} MetricName=\\\\\\"{metric}\\\\\\" recommender'
        assert query in text


def test_budget_notifies_the_email_address(watched: Deployment) -> None:
    (budget,) = properties(watched, "AWS::Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    for told in budget["NotificationsWithSubscribers"]:
        assert told["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": "anna@example.com"}]


def test_caretaker_may_only_delete_stacks_billed_by_the_hour(
    watched: Deployment, synthesize: Synthesize
) -> None:
    def expiring(deployment: Deployment) -> str:
        (function,) = properties(deployment, "AWS::Lambda::Function")
        return str(function["Environment"]["Variables"]["EXPIRING"])

    assert expiring(watched) == "recommender-Object2Vec,recommender-Personalize"
    policy = json.dumps(properties(watched, "AWS::IAM::Role"))
    for stack in ("Data", "Functions", "Operations"):
        assert f"stack/recommender-{stack}/" not in policy
    serverless = synthesize(
        {"endpoint": {"kind": "serverless"}, "operations": {"idle_hours": 6}},
    )
    assert expiring(serverless) == "recommender-Personalize"


def test_tracing_covers_all_own_functions(watched: Deployment) -> None:
    functions = [
        (stack, function["Properties"])
        for stack in watched.templates
        for function in watched.resources(stack, "AWS::Lambda::Function").values()
        if function["Properties"]["Runtime"] == "python3.14"
    ]
    assert len(functions) >= 7
    for stack, function in functions:
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        role = watched.templates[stack]["Resources"][function["Role"]["Fn::GetAtt"][0]]
        assert "xray:PutTraceSegments" in json.dumps(role)
