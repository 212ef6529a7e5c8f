"""The Data Catalog keeps databases and tables, over its API and by CloudFormation."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws
from local_aws_tests.cloudformation.conftest import Stacks
from tests.reliability import Tally

REGION, ACCOUNT = "us-east-1", "123456789012"
COLUMNS = [{"Name": "user", "Type": "string"}, {"Name": "items", "Type": "array<string>"}]
STORAGE = {
    "Columns": COLUMNS,
    "Location": "s3://bucket/shown/",
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
}


@pytest.fixture(scope="module")
def stacks() -> Iterator[Stacks]:
    with LocalAws() as aws:
        yield Stacks(aws.url)


@pytest.fixture
def glue(stacks: Stacks) -> Iterator[Any]:
    client = clients.client("glue", REGION)
    yield client
    for one in client.get_databases()["DatabaseList"]:
        client.delete_database(Name=one["Name"])


def table(**more: Any) -> dict[str, Any]:
    return {"Name": "Shown", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": STORAGE, **more}


def code_of(call: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**request)
    return str(error.value.response["Error"]["Code"])


def test_names_are_stored_in_small_letters_and_found_in_any(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": "Shop", "Description": "kept"})
    glue.create_table(DatabaseName="SHOP", TableInput=table())
    found = glue.get_database(Name="sHop")["Database"]
    assert (found["Name"], found["Description"], found["CatalogId"]) == ("shop", "kept", ACCOUNT)
    kept = glue.get_table(DatabaseName="shop", Name="SHOWN")["Table"]
    assert (kept["Name"], kept["DatabaseName"]) == ("shown", "shop")
    assert kept["StorageDescriptor"] == STORAGE
    assert code_of(glue.create_database, DatabaseInput={"Name": "shop"}) == "AlreadyExistsException"
    again = code_of(glue.create_table, DatabaseName="shop", TableInput=table())
    assert again == "AlreadyExistsException"


def test_table_is_gone_after_its_deletion_and_after_its_databases(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": "shop"})
    for name in ("a", "b"):
        glue.create_table(DatabaseName="shop", TableInput=table(Name=name))
    glue.delete_table(DatabaseName="shop", Name="A")
    assert [one["Name"] for one in glue.get_tables(DatabaseName="shop")["TableList"]] == ["b"]
    glue.delete_database(Name="shop")
    for call, request in (
        (glue.get_table, {"DatabaseName": "shop", "Name": "b"}),
        (glue.delete_database, {"Name": "shop"}),
        (glue.update_table, {"DatabaseName": "shop", "TableInput": table(Name="b")}),
    ):
        assert code_of(call, **request) == "EntityNotFoundException"


def test_all_pages_together_have_each_database_once(glue: Any) -> None:
    names = [f"d{n}" for n in range(5)]
    for name in names:
        glue.create_database(DatabaseInput={"Name": name})
    pages = list(glue.get_paginator("get_databases").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["DatabaseList"]) for page in pages] == [2, 2, 1]
    assert [one["Name"] for page in pages for one in page["DatabaseList"]] == names


def test_what_is_not_implemented_is_refused_by_name(glue: Any, tally: Tally) -> None:
    glue.create_database(DatabaseInput={"Name": "shop"})
    calls: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("create_database", {"DatabaseInput": {"Name": "x"}, "Tags": {"a": "b"}}, "Tags"),
        ("get_tables", {"DatabaseName": "shop", "Expression": "(a+)+b"}, "Expression"),
        ("get_databases", {"CatalogId": "999999999999"}, "the Data Catalog 999999999999"),
        (
            "create_table",
            {"DatabaseName": "shop", "TableInput": table(ViewOriginalText="SELECT 1")},
            "ViewOriginalText",
        ),
        ("create_crawler", {"Name": "c", "Role": "r", "Targets": {}}, "glue:CreateCrawler"),
        ("get_partitions", {"DatabaseName": "shop", "TableName": "t"}, "glue:GetPartitions"),
    )
    for operation, request, words in calls:
        with pytest.raises(ClientError, match=words) as error:
            getattr(glue, operation)(**request)
        assert error.value.response["Error"]["Code"] == "NotImplementedByLocalAws", operation
        tally("inputs tried", "Glue: what is not implemented")
    assert glue.get_tables(DatabaseName="shop")["TableList"] == []


def resources(**more: Any) -> dict[str, Any]:
    catalog = {"CatalogId": {"Ref": "AWS::AccountId"}}
    return {
        "D": {
            "Type": "AWS::Glue::Database",
            "Properties": {**catalog, "DatabaseInput": {"Name": "Shop"}},
        },
        "T": {
            "Type": "AWS::Glue::Table",
            "Properties": {
                **catalog,
                "DatabaseName": {"Ref": "D"},
                "TableInput": table(Parameters={"projection.enabled": "true"}, **more),
            },
        },
    }


def test_stack_makes_changes_and_deletes_both(stacks: Stacks, glue: Any) -> None:
    stack = stacks.create(resources())
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    assert (stacks.physical_id(stack, "D"), stacks.physical_id(stack, "T")) == ("shop", "shown")
    kept = glue.get_table(DatabaseName="shop", Name="shown")["Table"]
    assert kept["Parameters"] == {"projection.enabled": "true"}
    days = [{"Name": "day", "Type": "string"}]
    updated = stacks.update(stack["StackName"], resources(PartitionKeys=days))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert glue.get_table(DatabaseName="shop", Name="shown")["Table"]["PartitionKeys"] == days
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert glue.get_databases()["DatabaseList"] == []
