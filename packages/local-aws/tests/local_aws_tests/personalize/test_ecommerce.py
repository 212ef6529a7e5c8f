"""The domain ECOMMERCE: its schemas and its five use cases, as the developer guide has them."""

import json
import random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.personalize.conftest import INTERACTIONS, avro

RECIPE = "arn:aws:personalize:::recipe/aws-ecomm-"
ITEMS = avro(
    "Items",
    ("ITEM_ID", "string"),
    ("PRICE", "float"),
    ("CATEGORY_L1", ["string"], "categorical"),
    ("PRODUCT_DESCRIPTION", ["null", "string"], "textual"),
    ("GENDER", ["string", "null"], "categorical"),
)


def shop() -> str:
    """60 users view 40 items each and purchase 20 others, so that each list has its own leaders.

    Items v… are only viewed and items p… only purchased; p0 and p1 always together.
    """
    rng = random.Random(7)  # noqa: S311
    rows = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    for user in range(60):
        moment = 1_600_000_000 + user * 10_000
        viewed = [f"v{int(60 * rng.random() ** 2)}" for _ in range(40)]
        rows += [f"u{user},{item},View,{moment + n}" for n, item in enumerate(viewed)]
        bought = ["p0", "p1"] if user % 2 else ["p2"]
        bought += [f"p{3 + int(40 * rng.random() ** 2)}" for _ in range(20 - len(bought))]
        rows += [f"u{user},{item},Purchase,{moment + 100 + n}" for n, item in enumerate(bought)]
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def group(world: Any) -> str:
    made = str(world.group("ECOMMERCE"))
    dataset = world.dataset(made, "Interactions", INTERACTIONS, "ECOMMERCE")
    assert world.load(dataset, shop())["status"] == "ACTIVE"
    return made


@pytest.fixture(scope="module")
def recommenders(world: Any, group: str) -> dict[str, str]:
    names = [
        *("popular-items-by-views", "popular-items-by-purchases", "frequently-bought-together"),
        *("customers-who-viewed-x-also-viewed", "recommended-for-you"),
    ]
    made = {
        name: world.personalize.create_recommender(
            name=world.name("shop"), datasetGroupArn=group, recipeArn=RECIPE + name
        )["recommenderArn"]
        for name in names
    }
    for arn in made.values():
        found = world.settled("recommender", arn)
        assert found["status"] == "ACTIVE", found
    return made


def test_use_cases_of_the_shop_are_listed(world: Any) -> None:
    recipes = world.personalize.list_recipes(domain="ECOMMERCE")["recipes"]
    assert [recipe["name"].removeprefix("aws-ecomm-") for recipe in recipes] == [
        "customers-who-viewed-x-also-viewed",
        "frequently-bought-together",
        "popular-items-by-purchases",
        "popular-items-by-views",
        "recommended-for-you",
    ]


def test_lists_of_the_shop_count_the_events_of_their_use_case(
    world: Any, recommenders: dict[str, str]
) -> None:
    def ids(name: str, **more: Any) -> list[str]:
        found: list[str] = world.ids(recommenderArn=recommenders[name], numResults=10, **more)
        return found

    views, purchases = (
        ids(f"popular-items-by-{kind}", userId="u1") for kind in ("views", "purchases")
    )
    assert len(views) == len(purchases) == 10
    assert {item[0] for item in views} == {"v"}
    assert {item[0] for item in purchases} == {"p"}
    # p1 is bought whenever p0 is, by half of the users
    assert ids("frequently-bought-together", itemId="p0")[0] == "p1"
    also = ids("customers-who-viewed-x-also-viewed", userId="u1", itemId="v3")
    assert also
    assert {item[0] for item in also} == {"v"}
    for_you = ids("recommended-for-you", userId="u1")
    assert not {"p0", "p1"} & set(for_you)  # which the user has purchased


def test_purchase_after_the_training_is_not_recommended_again(
    world: Any, group: str, recommenders: dict[str, str]
) -> None:
    made = world.personalize.create_event_tracker(name=world.name("t"), datasetGroupArn=group)
    world.settled("eventTracker", made["eventTrackerArn"])
    asked = {"recommenderArn": recommenders["customers-who-viewed-x-also-viewed"]}
    asked |= {"userId": "new", "itemId": "v3"}
    first = world.ids(**asked)[0]
    event = {"eventType": "Purchase", "itemId": first, "sentAt": 1_700_000_000}
    world.events.put_events(
        trackingId=made["trackingId"], userId="new", sessionId="s", eventList=[event]
    )
    assert first not in world.ids(**asked)


def test_parameters_of_the_use_cases_are_needed(world: Any, recommenders: dict[str, str]) -> None:
    for name, given, needed in (
        ("popular-items-by-views", {}, "userId"),
        ("frequently-bought-together", {"userId": "u1"}, "itemId"),
        ("customers-who-viewed-x-also-viewed", {"itemId": "v1"}, "userId"),
    ):
        with pytest.raises(ClientError, match=f"InvalidInput.*needs.*{needed}"):
            world.runtime.get_recommendations(recommenderArn=recommenders[name], **given)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (ITEMS, None),
        (ITEMS.replace('"PRICE"', '"COST"'), "required field 'PRICE'"),
        (ITEMS.replace('"float"', '"int"'), "'PRICE' must have type float"),
        (ITEMS.replace('["string"], "categorical": true', '["string"]'), "must be categorical"),
        (INTERACTIONS.replace('"EVENT_TYPE"', '"KIND"'), "required field 'EVENT_TYPE'"),
    ],
)
def test_schemas_of_the_shop(world: Any, schema: str, words: str | None) -> None:
    call = {"name": world.name("schema"), "schema": schema, "domain": "ECOMMERCE"}
    if words is None:
        world.personalize.create_schema(**call)
        return
    assert json.loads(schema)
    with pytest.raises(ClientError, match=words):
        world.personalize.create_schema(**call)


def test_use_case_of_another_domain_is_refused(world: Any, group: str) -> None:
    with pytest.raises(ClientError, match="needs a dataset group of domain VIDEO_ON_DEMAND"):
        world.personalize.create_recommender(
            name="wrong",
            datasetGroupArn=group,
            recipeArn="arn:aws:personalize:::recipe/aws-vod-top-picks",
        )
