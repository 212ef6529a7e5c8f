"""The control plane's rules: names, states, dependencies, quotas, imports."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.personalize import solutions
from local_aws.personalize.models import PersonalizeBackend

BUCKET = "ratings"
RECIPE = "arn:aws:personalize:::recipe/"
HEAD = {"type": "record", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
INTERACTIONS = json.dumps(
    {
        **HEAD,
        "name": "Interactions",
        "fields": [
            {"name": "USER_ID", "type": "string"},
            {"name": "ITEM_ID", "type": "string"},
            {"name": "TIMESTAMP", "type": "long"},
        ],
    }
)


def rows(users: int, each: int, start: int = 0) -> str:
    lines = [
        f"u{u},i{(u * 7 + n) % 50},{n}" for u in range(start, start + users) for n in range(each)
    ]
    return "USER_ID,ITEM_ID,TIMESTAMP\n" + "\n".join(lines) + "\n"


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def group(world: Any) -> str:
    return str(world.group())


@pytest.fixture(scope="module")
def dataset(world: Any, group: str) -> str:
    return str(world.dataset(group, "Interactions", INTERACTIONS))


def test_a_taken_name_is_refused(world: Any, group: str, dataset: str) -> None:
    name = world.describe("datasetGroup", group)["name"]
    assert refusal(world.personalize.create_dataset_group, name=name) == (
        "ResourceAlreadyExistsException",
        f"Another resource with Arn {group} already exists.",
    )
    found = world.describe("dataset", dataset)
    code, _ = refusal(
        world.personalize.create_dataset,
        name="another",
        schemaArn=found["schemaArn"],
        datasetGroupArn=group,
        datasetType="INTERACTIONS",
    )
    assert code == "ResourceAlreadyExistsException"


def test_an_unknown_arn_is_not_found(world: Any) -> None:
    arn = "arn:aws:personalize:us-east-1:123456789012:campaign/none"
    assert refusal(world.personalize.describe_campaign, campaignArn=arn) == (
        "ResourceNotFoundException",
        f"Resource Arn {arn} does not exist.",
    )
    with pytest.raises(world.personalize.exceptions.ResourceNotFoundException):
        world.personalize.delete_campaign(campaignArn=arn)


def test_an_arn_of_another_kind_is_not_found(world: Any, group: str) -> None:
    code, _ = refusal(world.personalize.describe_campaign, campaignArn=group)
    assert code == "ResourceNotFoundException"


def test_a_malformed_request_is_refused_by_the_model(world: Any) -> None:
    code, message = refusal(world.personalize.create_dataset_group, name="no spaces")
    assert code == "ValidationException"
    assert "Value 'no spaces' at 'name' failed to satisfy constraint" in message


@pytest.mark.parametrize("given", ["roleArn", "kmsKeyArn"])
def test_a_key_and_its_role_need_each_other(world: Any, given: str) -> None:
    arns = {"roleArn": world.role, "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1"}
    with pytest.raises(ClientError, match="need each other"):
        world.personalize.create_dataset_group(name="halves", **{given: arns[given]})


def test_an_operation_that_is_not_there_is_refused_by_name(world: Any, dataset: str) -> None:
    actions = [{"actionId": "1"}]
    code, message = refusal(world.events.put_actions, datasetArn=dataset, actions=actions)
    assert code == "NotImplementedByLocalAws"
    assert "personalize-events:PutActions" in message


def test_a_schema_must_fit_the_dataset(world: Any, group: str) -> None:
    users = json.dumps(
        {
            **HEAD,
            "name": "Users",
            "fields": [{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": "int"}],
        }
    )
    arn = world.personalize.create_schema(name="users", schema=users)["schemaArn"]
    code, message = refusal(
        world.personalize.create_dataset,
        name="items",
        schemaArn=arn,
        datasetGroupArn=group,
        datasetType="ITEMS",
    )
    assert code == "InvalidInputException"
    assert "is for USERS datasets, not for ITEMS" in message


def test_a_dataset_update_may_only_add_fields_that_allow_null(world: Any, fresh: str) -> None:
    dataset = world.dataset(fresh, "Interactions", INTERACTIONS)
    document = json.loads(INTERACTIONS)

    def schema(*fields: Any) -> str:
        text = json.dumps({**document, "fields": [*document["fields"], *fields]})
        made = world.personalize.create_schema(name=world.name("schema"), schema=text)
        return str(made["schemaArn"])

    before = world.describe("dataset", dataset)["schemaArn"]
    strict = schema({"name": "PLACE", "type": "string", "categorical": True})
    code, message = refusal(world.personalize.update_dataset, datasetArn=dataset, schemaArn=strict)
    assert (code, "new field PLACE must allow null" in message) == ("InvalidInputException", True)
    assert world.describe("dataset", dataset)["schemaArn"] == before
    loose = schema({"name": "PLACE", "type": ["null", "string"], "categorical": True})
    world.personalize.update_dataset(datasetArn=dataset, schemaArn=loose)
    found = world.settled("dataset", dataset, "latestDatasetUpdate")
    assert found["schemaArn"] == found["latestDatasetUpdate"]["schemaArn"] == loose


class TestImports:
    def test_tolerated_values_are_told_of_in_an_active_job(self, world: Any, fresh: str) -> None:
        schema = json.dumps(
            {
                **HEAD,
                "name": "Items",
                "fields": [
                    {"name": "ITEM_ID", "type": "string"},
                    {"name": "YEAR", "type": "int"},
                ],
            }
        )
        dataset = world.dataset(fresh, "Items", schema)
        good = "".join(f"{n},1990\n" for n in range(1000))
        job = world.load(dataset, f"ITEM_ID,YEAR\n{good}x,2006–2007\n".encode())
        assert job["status"] == "ACTIVE"
        assert "line 1002: YEAR: '2006–2007' is not an int" in job["failureReason"]

    def test_enough_good_rows_are_imported(self, world: Any, dataset: str) -> None:
        job = world.load(dataset, rows(40, 25))
        assert job["status"] == "ACTIVE"
        assert job["importMode"] == "FULL"
        assert "failureReason" not in job

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (rows(37, 27), "The import has 999 interactions; at least 1000 are needed."),
            (rows(24, 50), "24 of 24 users have at least 2 interactions; at least 25 users"),
            (rows(2, 600) + rows(1000, 1, 10).split("\n", 1)[1], "2 of 1002 users"),
            (rows(40, 25) + "u1,i1,yesterday\n", "line 1002: TIMESTAMP: 'yesterday' is not a long"),
        ],
    )
    def test_bad_data_fails_the_job_with_the_reason(
        self, world: Any, dataset: str, content: str, words: str
    ) -> None:
        job = world.load(dataset, content)
        assert job["status"] == "CREATE FAILED"
        assert words in job["failureReason"]

    def test_a_folder_is_read_file_by_file(self, world: Any, dataset: str) -> None:
        for n in range(2):
            body = rows(20, 25, start=20 * n)
            world.s3.put_object(Bucket=BUCKET, Key=f"folder/{n}.csv", Body=body)
        world.s3.put_object(Bucket=BUCKET, Key="folder/deeper/x.csv", Body="not read")
        arn = world.personalize.create_dataset_import_job(
            jobName=world.name("import"),
            datasetArn=dataset,
            dataSource={"dataLocation": f"s3://{BUCKET}/folder/"},
            roleArn=world.role,
        )["datasetImportJobArn"]
        assert world.settled("datasetImportJob", arn)["status"] == "ACTIVE"

    def test_an_incremental_import_needs_a_thousand_rows_too(
        self, world: Any, dataset: str
    ) -> None:
        job = world.load(dataset, rows(1, 10), importMode="INCREMENTAL")
        assert "The import has 10 interactions" in job["failureReason"]

    def test_the_bucket_has_to_let_the_service_in(self, world: Any, dataset: str) -> None:
        try:
            world.allow_service(["s3:ListBucket"])
            job = world.load(dataset, rows(40, 25))
        finally:
            world.allow_service(["s3:GetObject", "s3:ListBucket", "s3:PutObject"])
        assert job["status"] == "CREATE FAILED"
        assert "Insufficient privileges for accessing data in S3" in job["failureReason"]
        assert (
            "does not allow personalize.amazonaws.com the action s3:GetObject"
            in (job["failureReason"])
        )

    @pytest.mark.parametrize(
        ("key", "value", "status"),
        [
            ("aws:SourceAccount", "123456789012", "ACTIVE"),
            ("aws:SourceAccount", "210987654321", "CREATE FAILED"),
            ("aws:SourceArn", "arn:aws:personalize:us-east-1:123456789012:*", "ACTIVE"),
            ("aws:SourceArn", "arn:aws:personalize:eu-west-1:123456789012:*", "CREATE FAILED"),
        ],
    )
    def test_the_bucket_policys_conditions_count(
        self, world: Any, dataset: str, key: str, value: str, status: str
    ) -> None:
        try:
            world.allow_service(
                ["s3:GetObject", "s3:ListBucket"], Condition={"StringLike": {key: value}}
            )
            job = world.load(dataset, rows(40, 25))
        finally:
            world.allow_service(["s3:GetObject", "s3:ListBucket", "s3:PutObject"])
        assert job["status"] == status

    def test_the_role_has_to_trust_the_service(self, world: Any, dataset: str) -> None:
        arn = world.make_role("Lambda", "lambda.amazonaws.com")
        for role, words in (
            (arn, "does not trust personalize.amazonaws.com"),
            ("arn:aws:iam::123456789012:role/none", "does not exist"),
        ):
            code, message = refusal(
                world.personalize.create_dataset_import_job,
                jobName="j",
                datasetArn=dataset,
                dataSource={"dataLocation": f"s3://{BUCKET}/x"},
                roleArn=role,
            )
            assert (code, words in message) == ("InvalidInputException", True)

    def test_a_missing_object_or_bucket_fails_the_job(self, world: Any, dataset: str) -> None:
        for location in (f"s3://{BUCKET}/nothing.csv", "s3://no-such-bucket/x.csv"):
            arn = world.personalize.create_dataset_import_job(
                jobName=world.name("import"),
                datasetArn=dataset,
                dataSource={"dataLocation": location},
                roleArn=world.role,
            )["datasetImportJobArn"]
            job = world.settled("datasetImportJob", arn)
            assert job["status"] == "CREATE FAILED"
            assert "There is no" in job["failureReason"]


class TestSolutions:
    @pytest.mark.parametrize(
        ("more", "code", "words"),
        [
            ({"recipeArn": RECIPE + "aws-hrnn"}, "InvalidInputException", "v2"),
            (
                {"recipeArn": RECIPE + "aws-hrnn-coldstart"},
                "InvalidInputException",
                "no longer available. Use aws-user-personalization-v2",
            ),
            ({"performAutoML": True}, "InvalidInputException", "AutoML chose among the HRNN"),
            ({}, "InvalidInputException", "recipeArn is needed"),
            (
                {"recipeArn": RECIPE + "aws-nothing"},
                "ResourceNotFoundException",
                "There is no recipe",
            ),
            (
                {"recipeArn": RECIPE + "aws-vod-top-picks"},
                "InvalidInputException",
                "Make a recommender",
            ),
            (
                {"recipeArn": RECIPE + "aws-next-best-action"},
                "NotImplementedByLocalAws",
                "aws-next-best-action",
            ),
            (
                {
                    "recipeArn": RECIPE + "aws-sims",
                    "solutionConfig": {"algorithmHyperParameters": {"depth": "3"}},
                },
                "InvalidInputException",
                "aws-sims has no hyperparameter 'depth', only popularity_discount_factor",
            ),
            (
                {"recipeArn": RECIPE + "aws-popularity-count", "performHPO": True},
                "InvalidInputException",
                "does not support hyperparameter optimization",
            ),
            (
                {
                    "recipeArn": RECIPE + "aws-sims",
                    "solutionConfig": {
                        "autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}
                    },
                },
                "InvalidInputException",
                "rate(1 day) to rate(30 days)",
            ),
        ],
    )
    def test_a_solution_that_cannot_be_is_refused(
        self, world: Any, group: str, more: Any, code: str, words: str
    ) -> None:
        answered = refusal(
            world.personalize.create_solution, name="bad", datasetGroupArn=group, **more
        )
        assert answered[0] == code
        assert words in answered[1]

    def test_automatic_training_is_on_unless_it_is_refused(self, world: Any, group: str) -> None:
        made = world.personalize.create_solution(
            name=world.name("auto"), datasetGroupArn=group, recipeArn=RECIPE + "aws-sims"
        )
        found = world.settled("solution", made["solutionArn"])
        assert found["performAutoTraining"] is True
        world.personalize.update_solution(
            solutionArn=made["solutionArn"], performAutoTraining=False
        )
        found = world.settled("solution", made["solutionArn"], "latestSolutionUpdate")
        assert found["performAutoTraining"] is False

    def test_the_first_automatic_training_comes_by_itself(
        self, world: Any, fresh: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(solutions, "_FIRST_TRAINING", 0.1)
        arn = world.solution(fresh, "aws-sims", performAutoTraining=True)
        deadline = time.monotonic() + 120
        while "latestSolutionVersion" not in (found := world.describe("solution", arn)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        version = found["latestSolutionVersion"]
        assert version["trainingType"] == "AUTOMATIC"
        world.settled("solutionVersion", version["solutionVersionArn"])

    def test_training_without_data_fails_with_the_reason(self, world: Any, fresh: str) -> None:
        version = world.version(world.solution(fresh, "aws-popularity-count"))
        found = world.settled("solutionVersion", version)
        assert found["status"] == "CREATE FAILED"
        assert "needs data in the Interactions dataset" in found["failureReason"]
        code, message = refusal(world.personalize.get_solution_metrics, solutionVersionArn=version)
        assert (code, "CREATE FAILED" in message) == ("InvalidInputException", True)


class TestQuotas:
    """Each as AWS's default; what is beyond is refused, and free again after a deletion."""

    def test_ten_solutions_in_a_group(self, world: Any, fresh: str) -> None:
        arns = [world.solution(fresh, "aws-sims") for _ in range(10)]
        code, message = refusal(
            world.personalize.create_solution,
            name="eleventh",
            datasetGroupArn=fresh,
            recipeArn=RECIPE + "aws-sims",
        )
        assert code == "LimitExceededException"
        assert "'Active solutions per dataset group' of 10" in message
        world.personalize.delete_solution(solutionArn=arns[0])
        world.gone("solution", arns[0])
        world.solution(fresh, "aws-sims")

    def test_five_dataset_groups(self, world: Any) -> None:
        there = len(world.personalize.list_dataset_groups()["datasetGroups"])
        made = [world.group() for _ in range(5 - there)]
        code, _ = refusal(world.personalize.create_dataset_group, name="sixth")
        assert code == "LimitExceededException"
        assert len(world.personalize.list_dataset_groups()["datasetGroups"]) == 5
        for arn in made:
            world.clear(arn)

    def test_fifty_tags(self, world: Any, group: str) -> None:
        tags = [{"tagKey": f"k{n}", "tagValue": "v"} for n in range(50)]
        world.personalize.tag_resource(resourceArn=group, tags=tags)
        more = [{"tagKey": "one-more", "tagValue": "v"}]
        code, _ = refusal(world.personalize.tag_resource, resourceArn=group, tags=more)
        assert code == "TooManyTagsException"
        world.personalize.untag_resource(resourceArn=group, tagKeys=["k0"])
        world.personalize.tag_resource(resourceArn=group, tags=more)
        found = world.personalize.list_tags_for_resource(resourceArn=group)["tags"]
        assert len(found) == 50
        assert {"tagKey": "k0", "tagValue": "v"} not in found

    def test_one_event_tracker_in_a_group(self, world: Any, group: str) -> None:
        made = world.personalize.create_event_tracker(name="t", datasetGroupArn=group)
        code, _ = refusal(
            world.personalize.create_event_tracker, name="second", datasetGroupArn=group
        )
        assert code == "LimitExceededException"
        world.personalize.delete_event_tracker(eventTrackerArn=made["eventTrackerArn"])
        world.gone("eventTracker", made["eventTrackerArn"])


class TestDeletion:
    def test_what_is_used_cannot_be_deleted_until_its_users_are_gone(self, world: Any) -> None:
        group = world.group()
        dataset = world.dataset(group, "Interactions", INTERACTIONS)
        schema = world.describe("dataset", dataset)["schemaArn"]
        api = world.personalize
        for call, params, user in (
            (api.delete_schema, {"schemaArn": schema}, dataset),
            (api.delete_dataset_group, {"datasetGroupArn": group}, dataset),
        ):
            code, message = refusal(call, **params)
            assert code == "ResourceInUseException"
            assert user in message
        api.delete_dataset(datasetArn=dataset)
        world.gone("dataset", dataset)
        api.delete_schema(schemaArn=schema)
        api.delete_dataset_group(datasetGroupArn=group)
        world.gone("datasetGroup", group)

    def test_a_name_is_free_again_once_its_owner_is_gone(self, world: Any) -> None:
        group = world.group()
        name = world.describe("datasetGroup", group)["name"]
        world.personalize.delete_dataset_group(datasetGroupArn=group)
        world.gone("datasetGroup", group)
        again = world.personalize.create_dataset_group(name=name)["datasetGroupArn"]
        assert again == group
        assert world.settled("datasetGroup", group)["status"] == "ACTIVE"
        world.clear(group)

    def test_a_training_that_is_under_way_can_only_be_stopped(
        self, world: Any, group: str, dataset: str
    ) -> None:
        assert world.load(dataset, rows(40, 25))["status"] == "ACTIVE"
        solution = world.solution(group, "aws-sims")
        api = world.personalize
        version = world.version(solution)
        assert world.describe("solutionVersion", version)["status"].startswith("CREATE ")
        for call, params in (
            (api.delete_solution, {"solutionArn": solution}),
            (api.delete_dataset, {"datasetArn": dataset}),
            (api.create_campaign, {"name": "early", "solutionVersionArn": version}),
            (api.get_solution_metrics, {"solutionVersionArn": version}),
        ):
            code, message = refusal(call, **params)
            assert code == "ResourceInUseException"
            assert version in message
        api.stop_solution_version_creation(solutionVersionArn=version)
        assert world.settled("solutionVersion", version)["status"] == "CREATE STOPPED"
        code, _ = refusal(api.stop_solution_version_creation, solutionVersionArn=version)
        assert code == "InvalidInputException"
        api.delete_solution(solutionArn=solution)
        world.gone("solution", solution)
        code, _ = refusal(api.describe_solution_version, solutionVersionArn=version)
        assert code == "ResourceNotFoundException"


def test_describe_shows_one_moment() -> None:
    """An update that ends while the answer is written must not read ACTIVE with old settings."""
    backend = PersonalizeBackend("us-east-1", "123456789012")
    arn = backend.registry.arn_of("campaign", "c")
    update = {"status": "CREATE IN_PROGRESS"}
    backend.registry.add("campaign", arn, "group", {"latestCampaignUpdate": update}, {})
    found = backend.describe("campaign", {"campaignArn": arn})["campaign"]
    backend.registry.turn(update, "ACTIVE")
    assert found["latestCampaignUpdate"]["status"] == "CREATE IN_PROGRESS"


def test_lists_come_in_pages(world: Any) -> None:
    paginator = world.personalize.get_paginator("list_recipes")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 4}))
    assert [len(page["recipes"]) for page in pages] == [4] * 5 + [1]
    names = [recipe["name"] for page in pages for recipe in page["recipes"]]
    assert len(set(names)) == 21
    code, _ = refusal(world.personalize.list_recipes, nextToken="nonsense")
    assert code == "InvalidNextTokenException"


def test_recipes_of_a_domain_come_with_a_token_and_end(world: Any) -> None:
    first = world.personalize.list_recipes(domain="VIDEO_ON_DEMAND")
    names = [recipe["name"] for recipe in first["recipes"]]
    assert names == sorted(names)
    assert "aws-vod-top-picks" in names
    rest = world.personalize.list_recipes(domain="VIDEO_ON_DEMAND", nextToken=first["nextToken"])
    assert rest["recipes"] == []
    assert "nextToken" not in rest


@pytest.mark.parametrize("version", [1, 1.0])
def test_schema_version_may_be_a_number(world: Any, version: float) -> None:
    text = json.dumps({**json.loads(INTERACTIONS), "version": version})
    arn = world.personalize.create_schema(name=world.name("schema"), schema=text)["schemaArn"]
    world.personalize.delete_schema(schemaArn=arn)


def test_campaign_of_a_solution_is_told_to_name_a_version(world: Any, fresh: str) -> None:
    solution = world.solution(fresh, "aws-popularity-count")
    code, message = refusal(
        world.personalize.create_campaign, name="c", solutionVersionArn=solution
    )
    assert code == "InvalidInputException"
    assert f"{solution} is a solution" in message
    assert f"{solution}/$LATEST" in message


def test_what_is_deleted_is_seen_once_more_by_a_describe(world: Any) -> None:
    """Clean-ups wait for a Describe to fail that has succeeded before."""
    group = world.group()
    dataset = world.dataset(group, "Interactions", INTERACTIONS)
    tracker = world.personalize.create_event_tracker(name=world.name("t"), datasetGroupArn=group)
    for kind, arn in (
        ("eventTracker", tracker["eventTrackerArn"]),
        ("dataset", dataset),
        ("datasetGroup", group),
    ):
        world.settled(kind, arn)
        operation = "".join("_" + c.lower() if c.isupper() else c for c in kind)
        getattr(world.personalize, f"delete_{operation}")(**{f"{kind}Arn": arn})
        assert world.describe(kind, arn)["status"].startswith("DELETE")
        world.gone(kind, arn)


def test_session_of_a_call_fills_the_schemas_session_id(world: Any, fresh: str) -> None:
    document = json.loads(INTERACTIONS)
    more = [{"name": "SESSION_ID", "type": "string"}, {"name": "EVENT_TYPE", "type": "string"}]
    world.dataset(
        fresh, "Interactions", json.dumps({**document, "fields": [*document["fields"], *more]})
    )
    made = world.personalize.create_event_tracker(name=world.name("t"), datasetGroupArn=fresh)
    world.settled("eventTracker", made["eventTrackerArn"])
    event = {"eventId": "a", "eventType": "VIEW", "itemId": "1", "sentAt": 1714006143}
    world.events.put_events(
        trackingId=made["trackingId"], userId="1", sessionId="session1", eventList=[event]
    )
