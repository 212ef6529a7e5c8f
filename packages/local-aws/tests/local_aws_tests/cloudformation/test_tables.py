"""AWS::DynamoDB::Table: made, filled from S3, changed and deleted; queries of one partition."""

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.cloudformation.conftest import Stacks

KEYS = {
    "AttributeDefinitions": [
        {"AttributeName": "user", "AttributeType": "S"},
        {"AttributeName": "event", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "user", "KeyType": "HASH"},
        {"AttributeName": "event", "KeyType": "RANGE"},
    ],
    "BillingMode": "PAY_PER_REQUEST",
}


def table(**properties: Any) -> dict[str, Any]:
    return {"T": {"Type": "AWS::DynamoDB::Table", "Properties": {**KEYS, **properties}}}


def imported(bucket: str, prefix: str, **more: Any) -> dict[str, Any]:
    return {
        "ImportSourceSpecification": {
            "InputFormat": "DYNAMODB_JSON",
            "InputCompressionType": "GZIP",
            "S3BucketSource": {"S3Bucket": bucket, "S3KeyPrefix": prefix},
            **more,
        }
    }


def upload(stacks: Stacks, bucket: str, key: str, rows: list[tuple[str, str]]) -> None:
    s3 = stacks.client("s3")
    s3.create_bucket(Bucket=bucket)
    lines = [
        json.dumps({"Item": {"user": {"S": user}, "event": {"S": event}}}) for user, event in rows
    ]
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress("\n".join(lines).encode()))


def test_table_is_imported_updated_and_deleted(stacks: Stacks) -> None:
    upload(stacks, "histories", "a/part-0.json.gz", [("anna", "2"), ("anna", "1"), ("bert", "9")])
    settings = {
        **imported("histories", "a/"),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
        "Tags": [{"Key": "a", "Value": "1"}],
    }
    stack = stacks.create(
        table(**settings), Outputs={"Arn": {"Value": {"Fn::GetAtt": ["T", "Arn"]}}}
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    dynamodb, name = stacks.client("dynamodb"), stacks.physical_id(stack, "T")
    described = dynamodb.describe_table(TableName=name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert stacks.outputs(stack) == {"Arn": described["TableArn"]}
    assert dynamodb.scan(TableName=name)["Count"] == 3

    def recovery() -> str:
        found = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        return str(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])

    def expiry() -> Any:
        return dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]

    def tags() -> Any:
        return dynamodb.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]

    assert recovery() == "ENABLED"
    assert expiry() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    assert tags() == [{"Key": "a", "Value": "1"}]

    changed = {
        **imported("histories", "a/"),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False},
        "DeletionProtectionEnabled": True,
        "Tags": [{"Key": "b", "Value": "2"}],
    }
    stack = stacks.update(stack["StackName"], table(**changed))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stacks.physical_id(stack, "T") == name
    assert dynamodb.scan(TableName=name)["Count"] == 3
    assert (recovery(), expiry()["TimeToLiveStatus"]) == ("DISABLED", "DISABLED")
    assert tags() == [{"Key": "b", "Value": "2"}]
    assert dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"]
    stack = stacks.update(stack["StackName"], table(**imported("histories", "a/")))
    stacks.delete(stack)
    assert name not in dynamodb.list_tables()["TableNames"]


def test_changed_source_replaces_the_table(stacks: Stacks) -> None:
    upload(stacks, "sources", "a/0.gz", [("anna", "1")])
    upload(stacks, "sources", "b/0.gz", [("bert", "1"), ("bert", "2")])
    stack = stacks.create(table(**imported("sources", "a/")))
    first = stacks.physical_id(stack, "T")
    stack = stacks.update(stack["StackName"], table(**imported("sources", "b/")))
    second = stacks.physical_id(stack, "T")
    dynamodb = stacks.client("dynamodb")
    assert dynamodb.scan(TableName=second)["Count"] == 2
    assert first not in dynamodb.list_tables()["TableNames"]
    stacks.delete(stack)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (imported("no-such-bucket", "a/"), "no-such-bucket"),
        (imported("broken", "a/"), "bad items"),
        (imported("broken", "a/", InputFormat="CSV"), "does not implement imports of CSV"),
    ],
)
def test_failed_import_rolls_back_with_the_reason(stacks: Stacks, source: Any, words: str) -> None:
    s3 = stacks.client("s3")
    s3.create_bucket(Bucket="broken")
    line = json.dumps({"Item": {"user": {"S": "anna"}}})  # it lacks the sort key
    s3.put_object(Bucket="broken", Key="a/0.gz", Body=gzip.compress(line.encode()))
    before = stacks.client("dynamodb").list_tables()["TableNames"]
    stack = stacks.create(table(**source))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert words in str(stacks.failures(stack))
    assert stacks.client("dynamodb").list_tables()["TableNames"] == before


def test_query_reads_only_its_partition(stacks: Stacks) -> None:
    dynamodb = stacks.client("dynamodb")
    dynamodb.create_table(TableName="plain", **KEYS)
    for user in ("anna", "bert"):
        for event in ("3", "1", "2"):
            item = {"user": {"S": user}, "event": {"S": event}}
            dynamodb.put_item(TableName="plain", Item=item)

    def query(user: str, **more: Any) -> Any:
        return dynamodb.query(
            TableName="plain",
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "user"},
            ExpressionAttributeValues={":u": {"S": user}},
            **more,
        )

    assert [one["event"]["S"] for one in query("anna")["Items"]] == ["1", "2", "3"]
    page = query("bert", ScanIndexForward=False, Limit=2)
    assert [one["event"]["S"] for one in page["Items"]] == ["3", "2"]
    rest = query("bert", ScanIndexForward=False, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert [one["event"]["S"] for one in rest["Items"]] == ["1"]
    assert query("nobody")["Items"] == []
    assert dynamodb.scan(TableName="plain")["Count"] == 6
    dynamodb.delete_table(TableName="plain")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        query("anna")


def test_projection_has_the_named_attributes_as_they_were(stacks: Stacks) -> None:
    dynamodb = stacks.client("dynamodb")
    dynamodb.create_table(TableName="projected", **KEYS)
    key = {"user": {"S": "anna"}, "event": {"S": "1"}}
    item = {**key, "n": {"N": "1.5"}, "s": {"SS": ["a"]}, "m": {"M": {"x": {"S": "y"}}}}
    dynamodb.put_item(TableName="projected", Item=item)

    def query(expression: str) -> Any:
        return dynamodb.query(
            TableName="projected",
            KeyConditionExpression="#u = :u",
            ExpressionAttributeNames={"#u": "user"},
            ExpressionAttributeValues={":u": {"S": "anna"}},
            ProjectionExpression=expression,
        )["Items"]

    assert query("n, s, absent") == [{"n": {"N": "1.5"}, "s": {"SS": ["a"]}}]
    assert query("absent") == [{}]
    assert query("m.x, event") == [{"event": {"S": "1"}, "m": {"M": {"x": {"S": "y"}}}}]
    read = query("n, s, m")
    dynamodb.update_item(
        TableName="projected",
        Key=key,
        UpdateExpression="SET n = n + :one, m.x = :z ADD s :b",
        ExpressionAttributeValues={":one": {"N": "1"}, ":z": {"S": "z"}, ":b": {"SS": ["b"]}},
    )
    (after,) = query("n, s, m")
    assert (after["n"], after["m"]) == ({"N": "2.5"}, {"M": {"x": {"S": "z"}}})
    assert read == [{name: item[name] for name in ("n", "s", "m")}]
    dynamodb.delete_table(TableName="projected")


def test_an_import_reads_every_text_as_json_means_it(stacks: Stacks) -> None:
    """Letters as `\\u00fc`, quotation marks and backslashes are escaped in JSON."""
    users = ["Müller, Karl", 'Ann "A"', "back\\slash", "李"]
    upload(stacks, "texts", "a/part-0.json.gz", [(user, "1") for user in users])
    stack = stacks.create(table(**imported("texts", "a/"), TableName="texts"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    rows = stacks.client("dynamodb").scan(TableName="texts")["Items"]
    assert sorted(row["user"]["S"] for row in rows) == sorted(users)


def test_pages_of_a_partition_go_by_the_sort_key_a_limit_and_a_megabyte(stacks: Stacks) -> None:
    dynamodb, kinds = stacks.client("dynamodb"), {"user": "S", "at": "N"}
    dynamodb.create_table(
        TableName="pages",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
        ],
        KeySchema=[*KEYS["KeySchema"][:1], {"AttributeName": "at", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for at in (10, 9, -1, 2.5):  # as texts, 10 would come before 2.5
        item = {"user": {"S": "anna"}, "at": {"N": str(at)}, "even": {"BOOL": at == 10}}
        dynamodb.put_item(TableName="pages", Item={**item, "text": {"S": "ü" * 150_000}})

    def query(condition: str = "", **more: Any) -> tuple[list[str], Any]:
        values = {":u": {"S": "anna"}, ":a": {"N": "2"}, ":z": {"N": "9"}, ":t": {"BOOL": True}}
        used = f"{condition} {more.get('FilterExpression', '')}"
        found = dynamodb.query(
            TableName="pages",
            KeyConditionExpression=f"#u = :u{condition}",
            ExpressionAttributeNames={"#u": "user", **({"#at": "at"} if "#at" in used else {})},
            ExpressionAttributeValues={k: v for k, v in values.items() if k in f":u {used}"},
            **more,
        )
        return [one["at"]["N"] for one in found["Items"]], found

    first, found = query()  # three items of 300 KB are below 1 MB
    assert (first, found["LastEvaluatedKey"]["at"]) == (["-1", "2.5", "9"], {"N": "9"})
    rest, found = query(ExclusiveStartKey=found["LastEvaluatedKey"])
    assert rest == ["10"] and "LastEvaluatedKey" not in found
    assert query(ScanIndexForward=False, Limit=2)[0] == ["10", "9"]
    assert query(" AND #at BETWEEN :a AND :z")[0] == ["2.5", "9"]
    assert query(" AND #at > :z")[0] == ["10"]
    kept, found = query(FilterExpression="even = :t", Limit=2, ScanIndexForward=False)
    assert (kept, found["ScannedCount"]) == (["10"], 2)
    dynamodb.delete_table(TableName="pages")
