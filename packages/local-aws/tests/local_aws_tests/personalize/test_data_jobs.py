"""Jobs about a group's data: export, and deletion of users."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.personalize.conftest import BUCKET, INTERACTIONS, USERS, avro

ITEMS = avro("Items", ("ITEM_ID", "string"), ("YEAR", ["int", "null"]), ("SEEN", "boolean"))


def rows(users: int = 40) -> str:
    lines = [
        f"u{user},i{(user * 7 + n) % 50},Watch,{user * 100 + n}"
        for user in range(users)
        for n in range(30)
    ]
    return "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP\n" + "\n".join(lines) + "\n"


def exported(world: Any, dataset: str, **more: Any) -> list[str]:
    """The lines of a dataset's export."""
    name = world.name("export")
    arn = world.personalize.create_dataset_export_job(
        jobName=name,
        datasetArn=dataset,
        roleArn=world.role,
        jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/exports/"}},
        **more,
    )["datasetExportJobArn"]
    job = world.settled("datasetExportJob", arn)
    assert job["status"] == "ACTIVE", job
    assert job["ingestionMode"] == more.get("ingestionMode", "PUT")
    content = world.s3.get_object(Bucket=BUCKET, Key=f"exports/{name}.csv")["Body"].read()
    return str(content.decode()).splitlines()


def tracker(world: Any, group: str) -> str:
    made = world.personalize.create_event_tracker(name=world.name("t"), datasetGroupArn=group)
    world.settled("eventTracker", made["eventTrackerArn"])
    return str(made["trackingId"])


def test_export_of_items_tells_apart_how_they_came(world: Any, fresh: str) -> None:
    dataset = world.dataset(fresh, "Items", ITEMS)
    content = 'ITEM_ID,YEAR,SEEN\n"a, b",1990,true\nc,,false\n'
    assert world.load(dataset, content)["status"] == "ACTIVE"
    world.events.put_items(
        datasetArn=dataset,
        items=[
            {"itemId": item, "properties": json.dumps({"year": year, "seen": True})}
            for item, year in (("c", 2001), ("d", 2002))
        ],
    )
    header = "ITEM_ID,YEAR,SEEN"
    assert exported(world, dataset) == [header, "c,2001,true", "d,2002,true"]
    assert exported(world, dataset, ingestionMode="BULK") == [header, '"a, b",1990,true']
    every = exported(world, dataset, ingestionMode="ALL")
    assert every == [header, '"a, b",1990,true', "c,2001,true", "d,2002,true"]


def test_export_of_interactions_is_what_was_imported_and_streamed(world: Any, fresh: str) -> None:
    dataset = world.dataset(fresh, "Interactions", INTERACTIONS)
    content = rows()
    assert world.load(dataset, content)["status"] == "ACTIVE"
    event = {"eventType": "Click", "itemId": "new", "sentAt": 1_700_000_000}
    made = tracker(world, fresh)
    for _ in range(2):  # of records that are the same in all fields, one is exported
        world.events.put_events(trackingId=made, userId="u1", sessionId="s", eventList=[event])
    assert exported(world, dataset) == [content.splitlines()[0], "u1,new,Click,1700000000"]
    bulk = exported(world, dataset, ingestionMode="BULK")
    assert sorted(bulk) == sorted(content.splitlines())


def test_export_without_permission_fails_and_says_why(world: Any, fresh: str) -> None:
    dataset = world.dataset(fresh, "Items", ITEMS)
    arn = world.personalize.create_dataset_export_job(
        jobName=world.name("export"),
        datasetArn=dataset,
        roleArn=world.role,
        jobOutput={"s3DataDestination": {"path": "s3://nowhere/exports/"}},
    )["datasetExportJobArn"]
    job = world.settled("datasetExportJob", arn)
    assert job["status"] == "CREATE FAILED"
    assert "There is no bucket nowhere" in job["failureReason"]


def test_export_is_encrypted_with_the_key_that_it_names(world: Any, fresh: str) -> None:
    dataset = world.dataset(fresh, "Items", ITEMS)
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    target = {"path": f"s3://{BUCKET}/sealed/", "kmsKeyArn": key}

    def export() -> tuple[str, dict[str, Any]]:
        name = world.name("sealed")
        arn = world.personalize.create_dataset_export_job(
            jobName=name,
            datasetArn=dataset,
            roleArn=world.role,
            jobOutput={"s3DataDestination": target},
        )["datasetExportJobArn"]
        return f"sealed/{name}.csv", world.settled("datasetExportJob", arn)

    _, job = export()
    assert job["status"] == "CREATE FAILED"  # the role may not use the key
    allow = {"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": key}
    role = world.role.rpartition("/")[2]
    world.client("iam").put_role_policy(
        RoleName=role,
        PolicyName="key",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    name, job = export()
    assert job["status"] == "ACTIVE", job
    assert world.s3.head_object(Bucket=BUCKET, Key=name)["SSEKMSKeyId"] == key
    world.client("iam").delete_role_policy(RoleName=role, PolicyName="key")


def deleted(world: Any, group: str, content: str) -> dict[str, Any]:
    key = world.name("users") + ".csv"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    arn = world.personalize.create_data_deletion_job(
        jobName=world.name("deletion"),
        datasetGroupArn=group,
        dataSource={"dataLocation": f"s3://{BUCKET}/{key}"},
        roleArn=world.role,
    )["dataDeletionJobArn"]
    [listed] = [
        job
        for job in world.personalize.list_data_deletion_jobs(datasetGroupArn=group)[
            "dataDeletionJobs"
        ]
        if job["dataDeletionJobArn"] == arn
    ]
    assert listed["status"] in ("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED")
    return dict(world.settled("dataDeletionJob", arn))


def test_deletion_forgets_all_that_is_known_of_users(world: Any, fresh: str) -> None:
    interactions = world.dataset(fresh, "Interactions", INTERACTIONS)
    assert world.load(interactions, rows())["status"] == "ACTIVE"
    users = world.dataset(fresh, "Users", USERS)
    people = "".join(f"u{n},{20 + n},gold\n" for n in range(40))
    assert world.load(users, f"USER_ID,AGE,LEVEL\n{people}")["status"] == "ACTIVE"
    world.events.put_events(
        trackingId=tracker(world, fresh),
        userId="u1",
        sessionId="s",
        eventList=[{"eventType": "Click", "itemId": "new", "sentAt": 1_700_000_000}],
    )
    job = deleted(world, fresh, "USER_ID\nu1\nu2\nstranger\n")
    assert job["status"] == "COMPLETED"
    assert job["numDeleted"] == 30 + 30 + 1 + 2  # imported, streamed, and two users
    left = exported(world, interactions, ingestionMode="ALL")
    assert len(left) == 1 + 38 * 30
    assert not [line for line in left if line.startswith(("u1,", "u2,"))]
    assert len(exported(world, users, ingestionMode="ALL")) == 1 + 38


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("USER\nu1\n", "single column USER_ID"),
        ("USER_ID\nu1,u2\n", "line 2: a single column"),
        ("", "single column USER_ID"),
    ],
)
def test_deletion_of_a_file_that_lists_no_users_fails(
    world: Any, fresh: str, content: str, words: str
) -> None:
    job = deleted(world, fresh, content)
    assert job["status"] == "FAILED"
    assert words in job["failureReason"]


def test_deleted_users_are_in_no_segment(world: Any) -> None:
    group = world.filled()
    version = world.version(world.solution(group, "aws-item-affinity"))
    assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
    world.s3.put_object(Bucket=BUCKET, Key="segment/in.json", Body='{"itemId": "i1"}\n')

    def segment() -> list[str]:
        folder = world.name("segment")
        arn = world.personalize.create_batch_segment_job(
            jobName=folder,
            solutionVersionArn=version,
            jobInput={"s3DataSource": {"path": f"s3://{BUCKET}/segment/in.json"}},
            jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/{folder}/"}},
            roleArn=world.role,
        )["batchSegmentJobArn"]
        assert world.settled("batchSegmentJob", arn)["status"] == "ACTIVE"
        body = world.s3.get_object(Bucket=BUCKET, Key=f"{folder}/in.json.out")["Body"].read()
        return list(json.loads(body)["output"]["recommendedUsers"])

    first = segment()[0]
    assert deleted(world, group, f"USER_ID\n{first}\n")["status"] == "COMPLETED"
    assert first not in segment()
    world.clear(group)


def test_job_of_an_untrusting_role_is_refused(world: Any, fresh: str) -> None:
    role = world.make_role(world.name("Other"), "lambda.amazonaws.com")
    with pytest.raises(ClientError, match="does not trust personalize"):
        world.personalize.create_data_deletion_job(
            jobName="j",
            datasetGroupArn=fresh,
            dataSource={"dataLocation": f"s3://{BUCKET}/x"},
            roleArn=role,
        )
