"""Amazon Personalize: schemas, names, states and what is refused, before any training."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, refused

_API = "https://docs.aws.amazon.com/personalize/latest/dg/API_"
_GUIDE = "https://docs.aws.amazon.com/personalize/latest/dg/"


def schema(*fields: tuple[str, Any], of: str = "Interactions") -> str:
    return json.dumps(
        {
            "type": "record",
            "name": of,
            "namespace": "com.amazonaws.personalize.schema",
            "fields": [
                {"name": name, **(kind if isinstance(kind, dict) else {"type": kind})}
                for name, kind in fields
            ],
            "version": "1.0",
        }
    )


USER, ITEM, TIME = ("USER_ID", "string"), ("ITEM_ID", "string"), ("TIMESTAMP", "long")
SCHEMA = schema(USER, ITEM, TIME, ("EVENT_TYPE", "string"))


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Any:
    return cloud.client("personalize")


@pytest.fixture(scope="module")
def arn(cloud: Cloud) -> Callable[[str], str]:
    """The ARN of something in this account."""
    place = f"arn:aws:personalize:{cloud.region}:{cloud.account}"
    return lambda path: f"{place}:{path}"


@pytest.fixture(scope="module")
def its_schema(cloud: Cloud, api: Any) -> str:
    name = f"{cloud.prefix}-schema"
    arn: str = api.create_schema(name=name, schema=SCHEMA)["schemaArn"]
    undo(cloud, "schema", arn)
    return arn


def until(describe: Callable[[], dict[str, Any]], *states: str) -> dict[str, Any]:
    for _ in range(300):
        told = next(value for key, value in describe().items() if key != "ResponseMetadata")
        if told["status"] in states:
            return dict(told)
        time.sleep(1)
    raise AssertionError(f"it is still {told['status']}")


def undo(cloud: Cloud, kind: str, arn: str) -> None:
    """Delete it after the tests, and wait until it is gone."""
    api = cloud.client("personalize")
    first, *rest = kind.split("_")
    request = {f"{first}{''.join(map(str.title, rest))}Arn": arn}

    def delete() -> None:
        getattr(api, f"delete_{kind}")(**request)
        for _ in range(120):
            getattr(api, f"describe_{kind}")(**request)
            time.sleep(1)

    cloud.undo(arn, delete)


@pytest.fixture(scope="module")
def group(cloud: Cloud, api: Any) -> str:
    """A dataset group that is ACTIVE."""
    name = f"{cloud.prefix}-group"
    arn: str = api.create_dataset_group(name=name)["datasetGroupArn"]

    undo(cloud, "dataset_group", arn)
    until(lambda: api.describe_dataset_group(datasetGroupArn=arn), "ACTIVE", "CREATE FAILED")
    return arn


@pytest.fixture(scope="module")
def dataset(cloud: Cloud, api: Any, group: str, its_schema: str) -> str:
    """The group's interactions, ACTIVE."""
    arn: str = api.create_dataset(
        name=f"{cloud.prefix}-dataset",
        schemaArn=its_schema,
        datasetGroupArn=group,
        datasetType="Interactions",
    )["datasetArn"]

    undo(cloud, "dataset", arn)
    until(lambda: api.describe_dataset(datasetArn=arn), "ACTIVE", "CREATE FAILED")
    return arn


MISSING = {
    "DatasetGroup": ("datasetGroupArn", "dataset-group/missing"),
    "Dataset": ("datasetArn", "dataset/missing/INTERACTIONS"),
    "Schema": ("schemaArn", "schema/missing"),
    "Solution": ("solutionArn", "solution/missing"),
    "Campaign": ("campaignArn", "campaign/missing"),
    "Recommender": ("recommenderArn", "recommender/missing"),
    "Filter": ("filterArn", "filter/missing"),
    "EventTracker": ("eventTrackerArn", "event-tracker/missing"),
    "DatasetImportJob": ("datasetImportJobArn", "dataset-import-job/missing"),
    "BatchInferenceJob": ("batchInferenceJobArn", "batch-inference-job/missing"),
}


def snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=documented(f"{_API}Describe{kind}.html")) for kind in MISSING],
)
def test_missing_resource_is_not_found(api: Any, arn: Callable[[str], str], kind: str) -> None:
    name, path = MISSING[kind]
    with refused("ResourceNotFoundException"):
        getattr(api, f"describe_{snake(kind)}")(**{name: arn(path)})


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=documented(f"{_API}Delete{kind}.html"))
        for kind in MISSING
        if not kind.endswith("Job")
    ],
)
def test_deletion_of_a_missing_resource_is_not_found(
    api: Any, arn: Callable[[str], str], kind: str
) -> None:
    name, path = MISSING[kind]
    with refused("ResourceNotFoundException"):
        getattr(api, f"delete_{snake(kind)}")(**{name: arn(path)})


@documented(_GUIDE + "how-it-works-dataset-schema.html")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no JSON"),
        pytest.param(schema(ITEM, TIME), id="interactions without users"),
        pytest.param(schema(USER, TIME), id="interactions without items"),
        pytest.param(schema(USER, ITEM), id="interactions without time"),
        pytest.param(schema(USER, ITEM, ("TIMESTAMP", "string")), id="time as a string"),
        pytest.param(schema(USER, ITEM, TIME, ITEM), id="a field twice"),
        pytest.param(schema(USER, ITEM, TIME, ("X", "map")), id="a type of Avro alone"),
        pytest.param(schema(("USER_ID", ["null", "string"]), ITEM, TIME), id="users of null"),
        pytest.param(schema(("GENRES", {"type": "string"}), of="Items"), id="items without id"),
    ],
)
def test_invalid_schema_is_refused(cloud: Cloud, api: Any, text: str) -> None:
    with refused("InvalidInputException"):
        api.create_schema(name=f"{cloud.prefix}-never", schema=text)


@documented(_API + "CreateSchema.html")
def test_schema_is_told_as_it_was_given(api: Any, its_schema: str) -> None:
    told = api.describe_schema(schemaArn=its_schema)["schema"]
    assert json.loads(told["schema"]) == json.loads(SCHEMA)
    assert told["schemaArn"] == its_schema


@documented(_API + "CreateSchema.html")
def test_schema_that_exists_is_refused(cloud: Cloud, api: Any, its_schema: str) -> None:
    with refused("ResourceAlreadyExistsException"):
        api.create_schema(name=f"{cloud.prefix}-schema", schema=SCHEMA)


@documented(_API + "DescribeDatasetGroup.html")
def test_group_becomes_active(cloud: Cloud, api: Any, group: str) -> None:
    told = api.describe_dataset_group(datasetGroupArn=group)["datasetGroup"]
    assert (told["status"], told["name"]) == ("ACTIVE", f"{cloud.prefix}-group")
    assert "domain" not in told and "failureReason" not in told


@documented(_API + "CreateDatasetGroup.html")
def test_group_that_exists_is_refused(cloud: Cloud, api: Any, group: str) -> None:
    with refused("ResourceAlreadyExistsException"):
        api.create_dataset_group(name=f"{cloud.prefix}-group")


@documented(_API + "DescribeDataset.html")
def test_dataset_tells_its_group_schema_and_type(
    api: Any, group: str, its_schema: str, dataset: str
) -> None:
    told = api.describe_dataset(datasetArn=dataset)["dataset"]
    assert (told["status"], told["datasetType"].lower()) == ("ACTIVE", "interactions")
    assert (told["datasetGroupArn"], told["schemaArn"]) == (group, its_schema)
    assert dataset.endswith("/INTERACTIONS")


@documented(_API + "DeleteSchema.html")
def test_schema_in_use_is_not_deleted(api: Any, its_schema: str, dataset: str) -> None:
    with refused("ResourceInUseException"):
        api.delete_schema(schemaArn=its_schema)


@documented(_API + "DeleteDatasetGroup.html")
def test_group_in_use_is_not_deleted(api: Any, group: str, dataset: str) -> None:
    with refused("ResourceInUseException"):
        api.delete_dataset_group(datasetGroupArn=group)


@documented(_API + "CreateDataset.html")
def test_second_dataset_of_a_type_is_refused(
    cloud: Cloud, api: Any, group: str, its_schema: str, dataset: str
) -> None:
    with refused("ResourceAlreadyExistsException"):
        api.create_dataset(
            name=f"{cloud.prefix}-second",
            schemaArn=its_schema,
            datasetGroupArn=group,
            datasetType="Interactions",
        )


@documented(_API + "ListRecipes.html")
@pytest.mark.parametrize(
    "recipe",
    [
        *("aws-user-personalization-v2", "aws-personalized-ranking-v2", "aws-sims"),
        *("aws-similar-items", "aws-popularity-count", "aws-trending-now"),
    ],
)
def test_recipe_is_listed_as_active(api: Any, recipe: str) -> None:
    pages = api.get_paginator("list_recipes").paginate()
    found = {one["name"]: one for page in pages for one in page["recipes"]}
    assert found[recipe]["status"] == "ACTIVE"
    assert found[recipe]["recipeArn"] == f"arn:aws:personalize:::recipe/{recipe}"


@documented(_API + "ListRecipes.html")
@pytest.mark.parametrize("recipe", ["aws-vod-top-picks", "aws-vod-more-like-x"])
def test_recipe_of_a_domain_is_listed_with_it(api: Any, recipe: str) -> None:
    told = api.list_recipes(domain="VIDEO_ON_DEMAND")["recipes"]
    assert {one["name"]: one["domain"] for one in told}[recipe] == "VIDEO_ON_DEMAND"


@documented(_API + "DescribeRecipe.html")
def test_missing_recipe_is_not_found(api: Any) -> None:
    with refused("ResourceNotFoundException"):
        api.describe_recipe(recipeArn="arn:aws:personalize:::recipe/aws-missing")


@documented(_GUIDE + "filter-expressions.html")
@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("ITEMS", id="no expression"),
        pytest.param('EXCLUDE ItemID WHERE Interactions.event_type IN ["watch"]', id="brackets"),
        pytest.param('EXCLUDE ItemID WHERE Interactions.UNKNOWN IN ("a")', id="unknown field"),
        pytest.param('EXCLUDE ItemID WHERE Items.GENRES IN ("a")', id="no dataset of items"),
    ],
)
def test_invalid_filter_is_refused(
    cloud: Cloud, api: Any, group: str, dataset: str, expression: str
) -> None:
    with refused("InvalidInputException"):
        api.create_filter(
            name=f"{cloud.prefix}-never", datasetGroupArn=group, filterExpression=expression
        )


@documented(_API + "CreateFilter.html")
def test_filter_becomes_active(cloud: Cloud, api: Any, group: str, dataset: str) -> None:
    expression = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch", "click")'
    arn = api.create_filter(
        name=f"{cloud.prefix}-filter", datasetGroupArn=group, filterExpression=expression
    )["filterArn"]

    undo(cloud, "filter", arn)
    told = until(lambda: api.describe_filter(filterArn=arn), "ACTIVE", "CREATE FAILED")
    assert (told["status"], told["filterExpression"]) == ("ACTIVE", expression)


REFUSED: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "a dataset of an unknown type": (
        *("CreateDataset", "InvalidInputException", "personalize", "create_dataset"),
        {"name": "never", "schemaArn": "SCHEMA", "datasetType": "Nonsense"},
    ),
    "a dataset of a missing schema": (
        *("CreateDataset", "ResourceNotFoundException", "personalize", "create_dataset"),
        {"name": "never", "schemaArn": "schema/missing", "datasetType": "Users"},
    ),
    "a solution of a missing group": (
        *("CreateSolution", "ResourceNotFoundException", "personalize", "create_solution"),
        {
            "name": "never",
            "datasetGroupArn": "dataset-group/missing",
            "recipeArn": "arn:aws:personalize:::recipe/aws-sims",
        },
    ),
    "a solution of a missing recipe": (
        *("CreateSolution", "ResourceNotFoundException", "personalize", "create_solution"),
        {"name": "never", "recipeArn": "arn:aws:personalize:::recipe/aws-missing"},
    ),
    "a recommender of a group without a domain": (
        *("CreateRecommender", "InvalidInputException", "personalize", "create_recommender"),
        {"name": "never", "recipeArn": "arn:aws:personalize:::recipe/aws-vod-top-picks"},
    ),
    "a version of a missing solution": (
        *("CreateSolutionVersion", "ResourceNotFoundException", "personalize"),
        *("create_solution_version", {"solutionArn": "solution/missing"}),
    ),
    "a campaign of a missing version": (
        *("CreateCampaign", "ResourceNotFoundException", "personalize", "create_campaign"),
        {"name": "never", "solutionVersionArn": "solution/missing/0a1b2c3d"},
    ),
    "an import into a missing dataset": (
        *("CreateDatasetImportJob", "ResourceNotFoundException", "personalize"),
        "create_dataset_import_job",
        {
            "jobName": "never",
            "datasetArn": "dataset/missing/INTERACTIONS",
            "dataSource": {"dataLocation": "s3://contract-missing/a.csv"},
            "roleArn": "ROLE",
        },
    ),
    "recommendations of a missing campaign": (
        *("RS_GetRecommendations", "ResourceNotFoundException", "personalize-runtime"),
        *("get_recommendations", {"campaignArn": "campaign/missing", "userId": "1"}),
    ),
    "recommendations of neither campaign nor recommender": (
        *("RS_GetRecommendations", "InvalidInputException", "personalize-runtime"),
        *("get_recommendations", {"userId": "1"}),
    ),
    "a ranking of a missing campaign": (
        *("RS_GetPersonalizedRanking", "ResourceNotFoundException", "personalize-runtime"),
        "get_personalized_ranking",
        {"campaignArn": "campaign/missing", "userId": "1", "inputList": ["1"]},
    ),
}


@pytest.mark.parametrize(
    ("code", "service", "operation", "request_"),
    [
        pytest.param(
            code, service, operation, request, id=case, marks=documented(f"{_API}{page}.html")
        )
        for case, (page, code, service, operation, request) in REFUSED.items()
    ],
)
def test_request_is_refused(
    cloud: Cloud,
    arn: Callable[[str], str],
    group: str,
    its_schema: str,
    code: str,
    service: str,
    operation: str,
    request_: dict[str, Any],
) -> None:
    in_group = operation in ("create_dataset", "create_solution", "create_recommender")
    request = {"datasetGroupArn": group} | request_ if in_group else dict(request_)
    for name, value in request.items():
        if value == "SCHEMA":
            request[name] = its_schema
        elif value == "ROLE":
            request[name] = f"arn:aws:iam::{cloud.account}:role/{cloud.prefix}-missing"
        elif name.endswith("Arn") and not value.startswith("arn:"):
            request[name] = arn(value)
    with refused(code):
        getattr(cloud.client(service), operation)(**request)
