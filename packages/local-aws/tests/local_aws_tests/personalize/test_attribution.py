"""Metric attribution: what events add up to, by who recommended the items."""

import csv
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.personalize.conftest import BUCKET, avro

INTERACTIONS = avro(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("EVENT_TYPE", "string"),
    ("EVENT_VALUE", ["float", "null"]),
    ("EVENT_ATTRIBUTION_SOURCE", ["string", "null"]),
    ("TIMESTAMP", "long"),
)
ITEMS = avro("Items", ("ITEM_ID", "string"), ("PRICE", "float"), ("GENRE", "string"))
METRICS = [
    {"eventType": "Click", "metricName": "COUNTCLICKS", "expression": "SAMPLECOUNT()"},
    {"eventType": "Buy", "metricName": "SALES", "expression": "SUM(Items.PRICE)"},
    {"eventType": "Buy", "metricName": "PAID", "expression": "SUM(Interactions.EVENT_VALUE)"},
]


@pytest.fixture
def group(world: Any) -> Iterator[str]:
    made = str(world.group())
    interactions = world.dataset(made, "Interactions", INTERACTIONS)
    assert world.load(interactions, history())["status"] == "ACTIVE"
    items = "".join(f"i{n},{n}.5,War\n" for n in range(50))
    dataset = world.dataset(made, "Items", ITEMS)
    assert world.load(dataset, f"ITEM_ID,PRICE,GENRE\n{items}")["status"] == "ACTIVE"
    yield made
    for found in world.personalize.list_metric_attributions(datasetGroupArn=made)[
        "metricAttributions"
    ]:
        world.personalize.delete_metric_attribution(
            metricAttributionArn=found["metricAttributionArn"]
        )
        world.gone("metricAttribution", found["metricAttributionArn"])
    world.clear(made)


HEAD = "USER_ID,ITEM_ID,EVENT_TYPE,EVENT_VALUE,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP\n"


def history() -> str:
    """30 of 1,200 events from `mail`: i2, i3, i4 bought for 10 each; others have no source."""
    lines = [
        f"u{user},i{n},{'Buy' if n in (2, 3, 4) and user < 10 else 'See'},"
        f"{'10' if n in (2, 3, 4) else ''},{'mail' if n in (2, 3, 4) else ''},"
        f"{1_600_000_200 + n}"
        for user in range(40)
        for n in range(30)
    ]
    return HEAD + "\n".join(lines) + "\n"


def attribution(world: Any, group: str, **more: Any) -> str:
    output = {
        "roleArn": world.role,
        "s3DataDestination": {"path": f"s3://{BUCKET}/reports/{world.name('r')}/"},
    }
    arn: str = world.personalize.create_metric_attribution(
        name=world.name("attribution"),
        datasetGroupArn=group,
        **{"metrics": METRICS, "metricsOutputConfig": output, **more},
    )["metricAttributionArn"]
    assert world.settled("metricAttribution", arn)["status"] == "ACTIVE"
    return arn


def values(world: Any, metric: str, source: str | None) -> float:
    """What CloudWatch has of a metric."""
    dimensions = [{"Name": "EVENT_ATTRIBUTION_SOURCE", "Value": source}] if source else []
    moment = datetime.now(UTC)
    points = world.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Personalize",
        MetricName=metric,
        Dimensions=dimensions,
        StartTime=moment - timedelta(hours=2),
        EndTime=moment + timedelta(hours=2),
        Period=86400,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def let_in(world: Any, allowed: bool = True) -> None:
    """Let the role add metrics to CloudWatch."""
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow" if allowed else "Deny",
            "Action": "cloudwatch:PutMetricData",
            "Resource": "*",
        },
    }
    world.iam.put_role_policy(
        RoleName="Personalize", PolicyName="metrics", PolicyDocument=json.dumps(document)
    )


def test_metrics_are_kept_changed_and_listed(world: Any, group: str) -> None:
    arn = attribution(world, group)
    listed = world.personalize.list_metric_attribution_metrics(metricAttributionArn=arn)
    assert listed["metrics"] == METRICS
    new = {"eventType": "See", "metricName": "SEEN", "expression": "samplecount( )"}
    world.personalize.update_metric_attribution(
        metricAttributionArn=arn, addMetrics=[new], removeMetrics=["SALES", "PAID"]
    )
    listed = world.personalize.list_metric_attribution_metrics(metricAttributionArn=arn)
    assert listed["metrics"] == [METRICS[0], new]
    with pytest.raises(ClientError, match="has no metric SALES"):
        world.personalize.update_metric_attribution(
            metricAttributionArn=arn, removeMetrics=["SALES"]
        )
    with pytest.raises(ClientError, match="LimitExceeded"):
        attribution(world, group)
    with pytest.raises(ClientError, match="in use by"):
        world.personalize.delete_dataset_group(datasetGroupArn=group)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("AVG(Items.PRICE)", r"must be SAMPLECOUNT\(\), SUM"),
        ("SUM(Items.GENRE)", "Items has no number GENRE"),
        ("SUM(Users.AGE)", "must be SAMPLECOUNT"),
        ("SUM(Interactions.NONE)", "Interactions has no number NONE"),
    ],
)
def test_metric_that_cannot_be_summed_is_refused(
    world: Any, group: str, expression: str, words: str
) -> None:
    metric = {"eventType": "Buy", "metricName": "M", "expression": expression}
    with pytest.raises(ClientError, match=words):
        attribution(world, group, metrics=[metric])


def test_events_are_reported_by_their_source(world: Any, group: str) -> None:
    attribution(world, group)
    made = world.personalize.create_event_tracker(name=world.name("t"), datasetGroupArn=group)
    world.settled("eventTracker", made["eventTrackerArn"])
    version = world.version(world.solution(group, "aws-popularity-count"))
    assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
    campaign = world.campaign(version)
    answer = world.runtime.get_recommendations(campaignArn=campaign, userId="u1")[
        "recommendationId"
    ]

    def put(kind: str, item: str, **more: Any) -> None:
        world.events.put_events(
            trackingId=made["trackingId"],
            userId="u1",
            sessionId="s",
            eventList=[{"eventType": kind, "itemId": item, "sentAt": time.time(), **more}],
        )

    let_in(world, allowed=False)  # then nothing is reported
    put("Click", "i1", recommendationId=answer)
    assert values(world, "COUNTCLICKS", campaign) == 0
    let_in(world)
    mail = {"metricAttribution": {"eventAttributionSource": "mail-of-may"}}
    for _ in range(3):
        put("click", "i1", recommendationId=answer)
    put("Click", "i1", **mail)
    put("Buy", "i7", eventValue=20.0, **mail)
    put("Buy", "i8", recommendationId=answer, eventValue=1.0, **mail)  # the source told wins
    put("See", "i8", **mail)
    assert values(world, "COUNTCLICKS", campaign) == 3
    assert values(world, "COUNTCLICKS", "mail-of-may") == 1
    assert values(world, "SALES", "mail-of-may") == 7.5 + 8.5
    assert values(world, "PAID", "mail-of-may") == 21


def test_import_leaves_a_report_in_s3(world: Any, group: str) -> None:
    arn = attribution(world, group)
    [dataset] = [
        found["datasetArn"]
        for found in world.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        if found["datasetType"] == "INTERACTIONS"
    ]
    job = world.load(dataset, history(), publishAttributionMetricsToS3=True)
    assert job["status"] == "ACTIVE", job
    assert job["publishAttributionMetricsToS3"] is True
    place = world.describe("metricAttribution", arn)["metricsOutputConfig"]["s3DataDestination"]
    prefix = place["path"].removeprefix(f"s3://{BUCKET}/")
    [entry] = world.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert entry["Key"].startswith(f"{prefix}AggregatedAttributionMetrics-FULL-")
    body = world.s3.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read().decode()
    found = list(csv.DictReader(io.StringIO(body)))
    # 1600000202 … 1600000204 are in the quarter of an hour that begins at 1600000200
    assert [(one["METRIC_NAME"], float(one["VALUE"]), one["MATH_FUNCTION"]) for one in found] == [
        ("PAID", 300.0, "sum"),
        ("SALES", 10 * (2.5 + 3.5 + 4.5), "sum"),
    ]
    assert {one["EVENT_ATTRIBUTION_SOURCE"] for one in found} == {"mail"}
    assert {one["TIMESTAMP"] for one in found} == {"1600000200"}


def test_import_without_a_place_for_its_report_is_refused(world: Any, group: str) -> None:
    [dataset] = [
        found["datasetArn"]
        for found in world.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        if found["datasetType"] == "INTERACTIONS"
    ]
    with pytest.raises(ClientError, match="needs an ACTIVE metric attribution"):
        world.load(dataset, history(), publishAttributionMetricsToS3=True)
