"""DynamoDB, CloudWatch Logs and Service Quotas, as the project uses them."""

import time
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, refused

_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_"
_LOGS = "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_"
_QUOTAS = "https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_"


@pytest.fixture(scope="module")
def dynamodb(cloud: Cloud) -> Any:
    return cloud.client("dynamodb")


@pytest.fixture(scope="module")
def table(cloud: Cloud, dynamodb: Any) -> str:
    """A table with the keys `user` and `time`, paid by request."""
    name = f"{cloud.prefix}-table"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "user", "AttributeType": "S"},
            {"AttributeName": "time", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "user", "KeyType": "HASH"},
            {"AttributeName": "time", "KeyType": "RANGE"},
        ],
    )
    cloud.undo(name, lambda: dynamodb.delete_table(TableName=name))
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    for moment in (1, 2, 3):
        dynamodb.put_item(
            TableName=name, Item={"user": {"S": "a"}, "time": {"N": str(moment)}, "x": {"N": "7"}}
        )
    return name


KEY = {"user": {"S": "a"}, "time": {"N": "1"}}


@documented(_DYNAMODB + "GetItem.html")
def test_item_has_all_attributes(dynamodb: Any, table: str) -> None:
    assert dynamodb.get_item(TableName=table, Key=KEY)["Item"] == {**KEY, "x": {"N": "7"}}


@documented(_DYNAMODB + "GetItem.html")
def test_missing_item_is_left_out(dynamodb: Any, table: str) -> None:
    missing = {"user": {"S": "b"}, "time": {"N": "1"}}
    assert "Item" not in dynamodb.get_item(TableName=table, Key=missing)


@documented(_DYNAMODB + "Query.html")
def test_query_backwards_returns_the_newest_first(dynamodb: Any, table: str) -> None:
    told = dynamodb.query(
        TableName=table,
        KeyConditionExpression="#u = :u",
        ExpressionAttributeNames={"#u": "user"},
        ExpressionAttributeValues={":u": {"S": "a"}},
        ScanIndexForward=False,
        Limit=2,
    )
    assert [one["time"]["N"] for one in told["Items"]] == ["3", "2"]
    assert told["LastEvaluatedKey"] == {"user": {"S": "a"}, "time": {"N": "2"}}


@documented(_DYNAMODB + "Scan.html")
def test_filter_counts_what_it_scanned(dynamodb: Any, table: str) -> None:
    told = dynamodb.scan(
        TableName=table,
        FilterExpression="#t > :t",
        ExpressionAttributeNames={"#t": "time"},
        ExpressionAttributeValues={":t": {"N": "2"}},
    )
    assert (told["Count"], told["ScannedCount"]) == (1, 3)


@documented(_DYNAMODB + "UpdateItem.html")
def test_update_returns_the_new_attributes(dynamodb: Any, table: str) -> None:
    told = dynamodb.update_item(
        TableName=table,
        Key={"user": {"S": "c"}, "time": {"N": "1"}},
        UpdateExpression="ADD calls :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="UPDATED_NEW",
    )
    assert told["Attributes"] == {"calls": {"N": "1"}}
    dynamodb.delete_item(TableName=table, Key={"user": {"S": "c"}, "time": {"N": "1"}})


VALUE = {":v": {"S": "a"}}
REFUSED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a missing table": (
        *("GetItem", "ResourceNotFoundException", "get_item"),
        {"TableName": "missing-table", "Key": KEY},
    ),
    "the description of a missing table": (
        *("DescribeTable", "ResourceNotFoundException", "describe_table"),
        {"TableName": "missing-table"},
    ),
    "a condition that does not hold": (
        *("PutItem", "ConditionalCheckFailedException", "put_item"),
        {"Item": KEY, "ConditionExpression": "attribute_not_exists(x)"},
    ),
    "a key of another type": (
        *("GetItem", "ValidationException", "get_item"),
        {"Key": {"user": {"S": "a"}, "time": {"S": "1"}}},
    ),
    "half a key": ("GetItem", "ValidationException", "get_item", {"Key": {"user": {"S": "a"}}}),
    "an empty key": (
        *("PutItem", "ValidationException", "put_item"),
        {"Item": {"user": {"S": ""}, "time": {"N": "1"}}},
    ),
    "a query without the key": (
        *("Query", "ValidationException", "query"),
        {"KeyConditionExpression": "x = :v", "ExpressionAttributeValues": VALUE},
    ),
    "a reserved word": (
        *("Query", "ValidationException", "query"),
        {"KeyConditionExpression": "user = :v", "ExpressionAttributeValues": VALUE},
    ),
    "an unused value": (
        *("PutItem", "ValidationException", "put_item"),
        {
            "Item": KEY,
            "ConditionExpression": "attribute_exists(x)",
            "ExpressionAttributeValues": VALUE,
        },
    ),
    "an update of the key": (
        *("UpdateItem", "ValidationException", "update_item"),
        {
            "Key": KEY,
            "UpdateExpression": "SET #t = :v",
            "ExpressionAttributeNames": {"#t": "time"},
            "ExpressionAttributeValues": {":v": {"N": "2"}},
        },
    ),
}


@pytest.mark.parametrize(
    ("code", "operation", "request_"),
    [
        pytest.param(code, operation, request, id=case, marks=documented(f"{_DYNAMODB}{page}.html"))
        for case, (page, code, operation, request) in REFUSED.items()
    ],
)
def test_request_of_a_table_is_refused(
    dynamodb: Any, table: str, code: str, operation: str, request_: dict[str, Any]
) -> None:
    with refused(code):
        getattr(dynamodb, operation)(**{"TableName": table} | request_)


@documented(_DYNAMODB + "CreateTable.html")
def test_table_that_exists_is_refused(dynamodb: Any, table: str) -> None:
    with refused("ResourceInUseException"):
        dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "user", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}],
        )


@documented(_DYNAMODB + "BatchWriteItem.html")
def test_batch_with_the_same_key_twice_is_refused(dynamodb: Any, table: str) -> None:
    put = {"PutRequest": {"Item": KEY}}
    with refused("ValidationException"):
        dynamodb.batch_write_item(RequestItems={table: [put, put]})


# Logs --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logs(cloud: Cloud) -> Any:
    return cloud.client("logs")


@pytest.fixture(scope="module")
def group(cloud: Cloud, logs: Any) -> str:
    """A log group with one stream and one event."""
    name = f"{cloud.prefix}-group"
    logs.create_log_group(logGroupName=name)
    cloud.undo(name, lambda: logs.delete_log_group(logGroupName=name))
    logs.create_log_stream(logGroupName=name, logStreamName="stream")
    event = {"timestamp": int(time.time() * 1000), "message": '{"level": "ERROR", "n": 3}'}
    logs.put_log_events(logGroupName=name, logStreamName="stream", logEvents=[event])
    return name


@documented(_LOGS + "DescribeLogGroups.html")
def test_new_group_keeps_events_forever(logs: Any, group: str) -> None:
    (told,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert "retentionInDays" not in told
    assert told["arn"].endswith(f":log-group:{group}:*")


@documented(_LOGS + "GetLogEvents.html")
def test_event_is_read_as_it_was_put(logs: Any, group: str) -> None:
    for _ in range(30):  # it may take a moment
        told = logs.get_log_events(logGroupName=group, logStreamName="stream", startFromHead=True)
        if told["events"]:
            break
        time.sleep(1)
    assert [one["message"] for one in told["events"]] == ['{"level": "ERROR", "n": 3}']


LOGS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "a group that exists": (
        *("CreateLogGroup", "ResourceAlreadyExistsException", "create_log_group"),
        {},
    ),
    "a stream that exists": (
        *("CreateLogStream", "ResourceAlreadyExistsException", "create_log_stream"),
        {"logStreamName": "stream"},
    ),
    "a missing group": (
        *("DeleteLogGroup", "ResourceNotFoundException", "delete_log_group"),
        {"logGroupName": "missing-group"},
    ),
    "events of a missing stream": (
        *("GetLogEvents", "ResourceNotFoundException", "get_log_events"),
        {"logStreamName": "missing"},
    ),
    "a search in a missing group": (
        *("FilterLogEvents", "ResourceNotFoundException", "filter_log_events"),
        {"logGroupName": "missing-group"},
    ),
    "a retention of two days": (
        *("PutRetentionPolicy", "InvalidParameterException", "put_retention_policy"),
        {"retentionInDays": 2},
    ),
}


@pytest.mark.parametrize(
    ("code", "operation", "request_"),
    [
        pytest.param(code, operation, request, id=case, marks=documented(f"{_LOGS}{page}.html"))
        for case, (page, code, operation, request) in LOGS.items()
    ],
)
def test_request_of_logs_is_refused(
    logs: Any, group: str, code: str, operation: str, request_: dict[str, Any]
) -> None:
    with refused(code):
        getattr(logs, operation)(**{"logGroupName": group} | request_)


# Quotas ------------------------------------------------------------------------------------------


@documented(_QUOTAS + "GetAWSDefaultServiceQuota.html")
def test_default_quota_tells_name_unit_and_value(cloud: Cloud) -> None:
    told = cloud.client("service-quotas").get_aws_default_service_quota(
        ServiceCode="sagemaker", QuotaCode="L-614B09FD"
    )["Quota"]
    assert told["QuotaName"] == "ml.m5.large for endpoint usage"
    assert (told["Adjustable"], told["GlobalQuota"], told["Unit"]) == (True, False, "None")
    assert told["Value"] >= 0


@documented(_QUOTAS + "GetServiceQuota.html")
def test_missing_quota_is_not_found(cloud: Cloud) -> None:
    with refused("NoSuchResourceException"):
        cloud.client("service-quotas").get_service_quota(
            ServiceCode="sagemaker", QuotaCode="L-00000000"
        )
