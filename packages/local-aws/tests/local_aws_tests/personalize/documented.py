"""A program as AWS's documentation and workshops teach to write it: boto3 and nothing else.

It knows nothing of a local AWS; where it runs is up to the environment. Describe until ACTIVE,
reuse what exists already, page through lists, delete until it is no longer found.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3

PREFIX = "documented"
SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "version": "1.0",
}


def wait_until_active(describe: Callable[[], dict[str, Any]]) -> None:
    """Look once a minute, for three hours at most."""
    max_time = time.time() + 3 * 60 * 60
    while time.time() < max_time:
        described = describe()
        status = described["status"]
        if status in ("ACTIVE", "CREATE FAILED"):
            break
        time.sleep(60)
    if status != "ACTIVE":
        raise RuntimeError(f"{status}: {described.get('failureReason')}")


def wait_until_gone(personalize: Any, describe: Callable[[], Any]) -> None:
    """Look every 20 seconds, for half an hour at most."""
    max_time = time.time() + 30 * 60
    while time.time() < max_time:
        try:
            describe()
        except personalize.exceptions.ResourceNotFoundException:
            return
        time.sleep(20)
    raise TimeoutError


def create_or_reuse_schema(personalize: Any) -> str:
    """The ARN of the schema, whether it is there already or not."""
    name = f"{PREFIX}-schema"
    try:
        created = personalize.create_schema(name=name, schema=json.dumps(SCHEMA))
    except personalize.exceptions.ResourceAlreadyExistsException:
        for page in personalize.get_paginator("list_schemas").paginate():
            for schema in page["schemas"]:
                if schema["name"] == name:
                    return str(schema["schemaArn"])
        raise
    return str(created["schemaArn"])


def grant_access(bucket: str) -> str:
    """A role for the service, and a bucket policy that lets it in; the role's ARN."""
    iam, resources = boto3.client("iam"), [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    service = {"Service": "personalize.amazonaws.com"}
    trust = {"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}
    access = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": resources}
    role = iam.create_role(
        RoleName=f"{PREFIX}-role",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    iam.put_role_policy(
        RoleName=role["RoleName"],
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [access]}),
    )
    boto3.client("s3").put_bucket_policy(
        Bucket=bucket,
        Policy=json.dumps(
            {"Version": "2012-10-17", "Statement": [{**access, "Principal": service}]}
        ),
    )
    time.sleep(60)  # until the role is known everywhere
    return str(role["Arn"])


def recommend(bucket: str, key: str, user: str) -> dict[str, Any]:
    """From a file of interactions to recommendations; what was made and what was answered."""
    personalize = boto3.client("personalize")
    made: dict[str, Any] = {"schemaArn": create_or_reuse_schema(personalize)}

    group = personalize.create_dataset_group(name=f"{PREFIX}-group")["datasetGroupArn"]
    wait_until_active(
        lambda: personalize.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]
    )
    dataset = personalize.create_dataset(
        name=f"{PREFIX}-dataset",
        schemaArn=made["schemaArn"],
        datasetGroupArn=group,
        datasetType="Interactions",
    )["datasetArn"]
    wait_until_active(lambda: personalize.describe_dataset(datasetArn=dataset)["dataset"])
    job = personalize.create_dataset_import_job(
        jobName=f"{PREFIX}-import",
        datasetArn=dataset,
        dataSource={"dataLocation": f"s3://{bucket}/{key}"},
        roleArn=grant_access(bucket),
    )["datasetImportJobArn"]
    wait_until_active(
        lambda: personalize.describe_dataset_import_job(datasetImportJobArn=job)["datasetImportJob"]
    )

    recipes = {
        recipe["name"]: recipe["recipeArn"]
        for page in personalize.get_paginator("list_recipes").paginate()
        for recipe in page["recipes"]
    }
    solution = personalize.create_solution(
        name=f"{PREFIX}-solution",
        datasetGroupArn=group,
        recipeArn=recipes["aws-user-personalization-v2"],
        performAutoTraining=False,
    )["solutionArn"]
    wait_until_active(lambda: personalize.describe_solution(solutionArn=solution)["solution"])
    version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    wait_until_active(
        lambda: personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
    )
    made["metrics"] = personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    campaign = personalize.create_campaign(
        name=f"{PREFIX}-campaign", solutionVersionArn=version, minProvisionedTPS=1
    )["campaignArn"]
    wait_until_active(lambda: personalize.describe_campaign(campaignArn=campaign)["campaign"])
    unseen = personalize.create_filter(
        name=f"{PREFIX}-filter",
        datasetGroupArn=group,
        filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    )["filterArn"]
    wait_until_active(lambda: personalize.describe_filter(filterArn=unseen)["filter"])
    tracker = personalize.create_event_tracker(name=f"{PREFIX}-tracker", datasetGroupArn=group)
    wait_until_active(
        lambda: personalize.describe_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])[
            "eventTracker"
        ]
    )

    def ask() -> list[str]:
        response = boto3.client("personalize-runtime").get_recommendations(
            campaignArn=campaign, userId=user, numResults=10, filterArn=unseen
        )
        return [item["itemId"] for item in response["itemList"]]

    made["before"] = ask()
    boto3.client("personalize-events").put_events(
        trackingId=tracker["trackingId"],
        userId=user,
        sessionId="session-1",
        eventList=[
            {
                "sentAt": time.time(),
                "eventType": "Watch",
                "properties": json.dumps({"itemId": made["before"][0]}),
            }
        ],
    )
    made["after"] = ask()
    try:
        personalize.delete_solution(solutionArn=solution)
    except personalize.exceptions.ResourceInUseException as error:
        made["in use"] = error.response["Error"]["Message"]
    return made | {"campaignArn": campaign}


def clean_up() -> list[str]:
    """Delete whatever bears the prefix, in the documented order; the ARNs."""
    personalize, deleted = boto3.client("personalize"), []
    for plural, key, arn in (
        ("campaigns", "campaigns", "campaignArn"),
        ("solutions", "solutions", "solutionArn"),
        ("event_trackers", "eventTrackers", "eventTrackerArn"),
        ("filters", "Filters", "filterArn"),
        ("datasets", "datasets", "datasetArn"),
        ("schemas", "schemas", "schemaArn"),
        ("dataset_groups", "datasetGroups", "datasetGroupArn"),
    ):
        operation = plural.removesuffix("s")
        pages = personalize.get_paginator(f"list_{plural}").paginate()
        for found in [entry for page in pages for entry in page[key]]:
            if found["name"].startswith(PREFIX):
                which = {arn: found[arn]}
                getattr(personalize, f"delete_{operation}")(**which)
                describe = getattr(personalize, f"describe_{operation}")
                wait_until_gone(personalize, lambda d=describe, w=which: d(**w))  # type: ignore[misc]
                deleted.append(found[arn])
    return deleted
