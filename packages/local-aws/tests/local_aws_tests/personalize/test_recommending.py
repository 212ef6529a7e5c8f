"""Campaigns, recommenders, events and batch jobs: answers, as programs see them."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.personalize.conftest import avro

BUCKET = "ratings"
RECIPE = "arn:aws:personalize:::recipe/"


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def genres(item: str) -> set[str]:
    """As the fixture's items have them."""
    number = int(item[1:])
    if number % 10 == 9:
        return set()
    return {["Comedy", "Drama", "War", "Western"][number % 4], *(["Short"] if number % 2 else [])}


@pytest.fixture(scope="module")
def group(world: Any) -> str:
    return str(world.filled())


@pytest.fixture(scope="module")
def versions(world: Any, group: str) -> dict[str, str]:
    """A trained version of each recipe that the tests need."""
    names = [
        *("user-personalization-v2", "personalized-ranking-v2", "similar-items"),
        *("popularity-count", "item-affinity", "item-attribute-affinity"),
    ]
    made = {}
    for name in names:
        made[name] = world.version(world.solution(group, f"aws-{name}"))
    for arn in made.values():
        found = world.settled("solutionVersion", arn)
        assert found["status"] == "ACTIVE", found
    return made


@pytest.fixture(scope="module")
def campaign(world: Any, versions: dict[str, str]) -> str:
    config = {"enableMetadataWithRecommendations": True}
    return str(world.campaign(versions["user-personalization-v2"], campaignConfig=config))


@pytest.fixture(scope="module")
def ranking(world: Any, versions: dict[str, str]) -> str:
    return str(world.campaign(versions["personalized-ranking-v2"]))


@pytest.fixture(scope="module")
def tracker(world: Any, group: str) -> str:
    made = world.personalize.create_event_tracker(name="tracker", datasetGroupArn=group)
    assert world.settled("eventTracker", made["eventTrackerArn"])["status"] == "ACTIVE"
    return str(made["trackingId"])


def watch(world: Any, tracker: str, user: str | None, *items: str, session: str = "s") -> None:
    who = {} if user is None else {"userId": user}
    for item in items:
        world.events.put_events(
            trackingId=tracker,
            sessionId=session,
            eventList=[
                {
                    "eventType": "Watch",
                    "sentAt": time.time(),
                    "properties": json.dumps({"itemId": item}),
                }
            ],
            **who,
        )


class TestGetRecommendations:
    def test_a_user_gets_as_many_items_as_asked_best_first(self, world: Any, campaign: str) -> None:
        answer = world.runtime.get_recommendations(campaignArn=campaign, userId="u1", numResults=7)
        scores = [item["score"] for item in answer["itemList"]]
        assert len(scores) == 7
        assert scores == sorted(scores, reverse=True)
        assert answer["recommendationId"]
        assert len(world.ids(campaignArn=campaign, userId="u1")) == 25

    def test_tastes_are_learned(self, world: Any, campaign: str) -> None:
        """Users of taste t take items of class t; popularity alone would serve all alike."""
        hits = 0
        for user in range(12):
            items = world.ids(campaignArn=campaign, userId=f"u{user}", numResults=10)
            hits += sum(int(item[1:]) % 4 == user % 4 for item in items)
        assert hits > 12 * 10 / 4 * 1.5  # chance is one in four

    def test_an_unknown_user_gets_what_is_popular(
        self, world: Any, campaign: str, versions: dict[str, str]
    ) -> None:
        popular = world.campaign(versions["popularity-count"])
        answer = world.runtime.get_recommendations(campaignArn=popular, userId="u1", numResults=5)
        assert all("score" not in item for item in answer["itemList"])
        best = [item["itemId"] for item in answer["itemList"]]
        strangers = world.ids(campaignArn=campaign, userId="stranger", numResults=5)
        assert len(set(best) & set(strangers)) >= 3
        world.personalize.delete_campaign(campaignArn=popular)
        world.gone("campaign", popular)

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({}, "needs userId"),
            ({"userId": "u1", "numResults": 501}, None),
            ({"userId": "u1", "filterValues": {"A": "1"}}, "filterValues need a filterArn"),
        ],
    )
    def test_a_request_that_lacks_something_is_refused(
        self, world: Any, campaign: str, more: Any, words: str | None
    ) -> None:
        code, message = refusal(world.runtime.get_recommendations, campaignArn=campaign, **more)
        assert code == "InvalidInputException"
        assert words is None or words in message

    def test_an_unknown_campaign_is_not_found(self, world: Any, campaign: str) -> None:
        code, _ = refusal(world.runtime.get_recommendations, campaignArn=campaign + "x", userId="u")
        assert code == "ResourceNotFoundException"
        code, message = refusal(world.runtime.get_recommendations, userId="u")
        assert (code, "Exactly one of" in message) == ("InvalidInputException", True)

    def test_metadata_comes_along_when_it_is_asked_for(self, world: Any, campaign: str) -> None:
        answer = world.runtime.get_recommendations(
            campaignArn=campaign, userId="u1", metadataColumns={"ITEMS": ["GENRES", "YEAR"]}
        )
        for item in answer["itemList"]:
            number = int(item["itemId"][1:])
            year = None if number % 25 == 24 else str(1950 + number)
            assert item["metadata"].get("year") == year
            assert set(item["metadata"].get("genres", "").split("|")) - {""} == genres(
                item["itemId"]
            )
        code, _ = refusal(
            world.runtime.get_recommendations,
            campaignArn=campaign,
            userId="u1",
            numResults=51,
            metadataColumns={"ITEMS": ["YEAR"]},
        )
        assert code == "InvalidInputException"

    def test_metadata_has_to_be_enabled(self, world: Any, ranking: str) -> None:
        code, message = refusal(
            world.runtime.get_personalized_ranking,
            campaignArn=ranking,
            userId="u1",
            inputList=["i1"],
            metadataColumns={"ITEMS": ["YEAR"]},
        )
        assert (code, "enableMetadataWithRecommendations" in message) == (
            "InvalidInputException",
            True,
        )

    def test_related_items_are_asked_for_by_item(
        self, world: Any, versions: dict[str, str]
    ) -> None:
        similar = world.campaign(versions["similar-items"])
        items = world.ids(campaignArn=similar, itemId="i8", numResults=10)
        assert "i8" not in items
        assert sum(int(item[1:]) % 4 == 0 for item in items) >= 6
        assert len(world.ids(campaignArn=similar, itemId="unknown", numResults=10)) == 10
        code, message = refusal(world.runtime.get_recommendations, campaignArn=similar, userId="u1")
        assert (code, "needs itemId" in message) == ("InvalidInputException", True)
        world.personalize.delete_campaign(campaignArn=similar)
        world.gone("campaign", similar)


class TestFilters:
    def test_parameters_choose_genre_and_years(self, world: Any, group: str, campaign: str) -> None:
        arn = world.filter(
            group,
            "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE) "
            "AND Items.YEAR >= $FROM AND Items.YEAR < $TO",
        )
        items = world.ids(
            campaignArn=campaign,
            userId="u1",
            filterArn=arn,
            filterValues={"GENRE": '"Comedy","War"', "FROM": "1960", "TO": "1990"},
        )
        expected = {f"i{n}" for n in range(10, 40) if n % 2 == 0 and n % 10 != 9 and n % 25 != 24}
        assert len(items) == min(25, len(expected))
        assert set(items) <= expected
        code, message = refusal(
            world.runtime.get_recommendations,
            campaignArn=campaign,
            userId="u1",
            filterArn=arn,
            filterValues={"GENRE": "Comedy", "FROM": "1960", "TO": "1990"},
        )
        assert code == "InvalidInputException"
        assert "value of $GENRE, character 1" in message

    def test_watched_and_unwatched_are_complements(
        self, world: Any, group: str, campaign: str
    ) -> None:
        watched = world.filter(group, 'INCLUDE ItemID WHERE Interactions.event_type IN ("Watch")')
        unwatched = world.filter(group, 'EXCLUDE ItemID WHERE Interactions.event_type IN ("Watch")')
        asked = {"campaignArn": campaign, "userId": "u3", "numResults": 500}
        everything = set(world.ids(**asked))
        seen = set(world.ids(**asked, filterArn=watched))
        unseen = set(world.ids(**asked, filterArn=unwatched))
        assert seen
        assert unseen
        assert seen | unseen == everything
        assert not seen & unseen

    def test_a_broken_expression_is_refused_with_its_position(self, world: Any, group: str) -> None:
        code, message = refusal(
            world.personalize.create_filter,
            name="broken",
            datasetGroupArn=group,
            filterExpression='INCLUDE ItemID WHERE Items.GENRES IN "Comedy"',
        )
        assert code == "InvalidInputException"
        assert "character 38: expected '('" in message

    def test_a_dataset_whose_field_a_filter_reads_stays(self, world: Any, group: str) -> None:
        datasets = world.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        arn = next(d["datasetArn"] for d in datasets if d["datasetType"] == "ITEMS")
        used = world.filter(group, "INCLUDE ItemID WHERE Items.YEAR > 1990")
        code, message = refusal(world.personalize.delete_dataset, datasetArn=arn)
        assert (code, used in message) == ("ResourceInUseException", True)

    def test_promotions_fill_their_share_and_carry_their_name(
        self, world: Any, group: str, campaign: str
    ) -> None:
        arn = world.filter(group, "INCLUDE ItemID WHERE Items.YEAR >= 2040")
        answer = world.runtime.get_recommendations(
            campaignArn=campaign,
            userId="u1",
            numResults=10,
            promotions=[{"name": "new", "percentPromotedItems": 30, "filterArn": arn}],
        )["itemList"]
        promoted = [item["itemId"] for item in answer if item.get("promotionName") == "new"]
        assert len(answer) == 10
        assert len({item["itemId"] for item in answer}) == 10
        assert len(promoted) == 3
        assert all(int(item[1:]) >= 90 for item in promoted)


class TestRanking:
    def test_a_list_comes_back_in_the_users_order(self, world: Any, ranking: str) -> None:
        given = ["i40", "i41", "i42", "i43", "nothing"]
        answer = world.runtime.get_personalized_ranking(
            campaignArn=ranking, userId="u2", inputList=given
        )["personalizedRanking"]
        assert sorted(item["itemId"] for item in answer) == sorted(given)
        assert answer[-1] == {"itemId": "nothing"}
        scores = [item["score"] for item in answer[:-1]]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1.0)
        assert answer[0]["itemId"] == "i42"

    def test_a_filter_takes_items_out(self, world: Any, group: str, ranking: str) -> None:
        arn = world.filter(group, "INCLUDE ItemID WHERE Items.YEAR < 1992")
        answer = world.runtime.get_personalized_ranking(
            campaignArn=ranking, userId="u2", inputList=["i40", "i41", "i42"], filterArn=arn
        )["personalizedRanking"]
        assert {item["itemId"] for item in answer} == {"i40", "i41"}

    def test_each_operation_has_its_recipes(self, world: Any, campaign: str, ranking: str) -> None:
        code, message = refusal(
            world.runtime.get_personalized_ranking,
            campaignArn=campaign,
            userId="u1",
            inputList=["i1"],
        )
        assert (code, "does not rank" in message) == ("InvalidInputException", True)
        code, message = refusal(world.runtime.get_recommendations, campaignArn=ranking, userId="u1")
        assert (code, "GetPersonalizedRanking" in message) == ("InvalidInputException", True)


class TestEvents:
    def test_an_event_changes_the_very_next_answer(
        self, world: Any, campaign: str, tracker: str
    ) -> None:
        before = world.ids(campaignArn=campaign, userId="newcomer", numResults=10)
        watch(world, tracker, "newcomer", "i21", "i33")
        after = world.ids(campaignArn=campaign, userId="newcomer", numResults=10)
        assert after != before
        assert sum(int(item[1:]) % 4 == 1 for item in after) > 5

    def test_an_event_moves_an_item_from_unwatched_to_watched(
        self, world: Any, group: str, campaign: str, tracker: str
    ) -> None:
        unwatched = world.filter(group, 'EXCLUDE ItemID WHERE Interactions.event_type IN ("Watch")')
        asked = {"campaignArn": campaign, "userId": "u5", "filterArn": unwatched, "numResults": 5}
        first = world.ids(**asked)[0]
        watch(world, tracker, "u5", first)
        assert first not in world.ids(**asked)

    def test_a_sessions_events_become_those_of_the_user_who_logs_in(
        self, world: Any, group: str, campaign: str, tracker: str
    ) -> None:
        watched = world.filter(group, 'INCLUDE ItemID WHERE Interactions.event_type IN ("watch")')
        asked = {"campaignArn": campaign, "filterArn": watched}
        watch(world, tracker, None, "i10", session="anonymous-1")
        assert world.ids(**asked, userId="anonymous-1") == ["i10"]
        watch(world, tracker, "logged-in", "i11", session="anonymous-1")
        watch(world, tracker, None, "i12", session="anonymous-1")
        assert set(world.ids(**asked, userId="logged-in")) == {"i10", "i11", "i12"}

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            ({"properties": "{"}, "properties is not JSON"),
            ({"properties": "[]"}, "must be a JSON object"),
            ({"properties": "{}"}, "itemId is needed"),
            ({"itemId": "i1", "properties": '{"mood": "good"}'}, "no field for 'MOOD'"),
        ],
    )
    def test_a_bad_event_is_refused_and_nothing_of_its_call_is_kept(
        self, world: Any, group: str, campaign: str, tracker: str, event: Any, words: str
    ) -> None:
        good = {"eventType": "Watch", "sentAt": time.time(), "itemId": "i1"}
        code, message = refusal(
            world.events.put_events,
            trackingId=tracker,
            userId="careful",
            sessionId="s",
            eventList=[good, {"eventType": "Watch", "sentAt": time.time(), **event}],
        )
        assert code == "InvalidInputException"
        assert "event 2: " in message
        assert words in message
        watched = world.filter(group, 'INCLUDE ItemID WHERE Interactions.event_type IN ("*")')
        assert world.ids(campaignArn=campaign, userId="careful", filterArn=watched) == []

    def test_an_unknown_tracker_is_refused(self, world: Any) -> None:
        code, _ = refusal(
            world.events.put_events,
            trackingId="none",
            sessionId="s",
            eventList=[{"eventType": "Watch", "sentAt": 1, "itemId": "i1"}],
        )
        assert code == "InvalidInputException"

    def test_put_items_changes_what_a_filter_lets_pass(
        self, world: Any, group: str, campaign: str
    ) -> None:
        datasets = world.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        arns = {d["datasetType"]: d["datasetArn"] for d in datasets}
        arn = world.filter(group, "INCLUDE ItemID WHERE Items.YEAR = 2077")
        asked = {"campaignArn": campaign, "userId": "u1", "filterArn": arn}
        assert world.ids(**asked) == []
        properties = {"year": 2077, "creationTimestamp": 1, "genres": "War"}
        world.events.put_items(
            datasetArn=arns["ITEMS"],
            items=[{"itemId": "i4", "properties": json.dumps(properties)}],
        )
        assert world.ids(**asked) == ["i4"]
        code, message = refusal(
            world.events.put_items,
            datasetArn=arns["ITEMS"],
            items=[{"itemId": "i4", "properties": '{"year": "old", "colour": "red"}'}],
        )
        assert code == "InvalidInputException"
        for words in ("YEAR 'old' is not an int", "CREATION_TIMESTAMP is missing", "COLOUR"):
            assert words in message
        code, message = refusal(
            world.events.put_items, datasetArn=arns["USERS"], items=[{"itemId": "i4"}]
        )
        assert (code, "not a dataset of type ITEMS" in message) == ("InvalidInputException", True)

    def test_put_users_changes_whether_an_if_holds(
        self, world: Any, group: str, campaign: str
    ) -> None:
        datasets = world.personalize.list_datasets(datasetGroupArn=group)["datasets"]
        users = next(d["datasetArn"] for d in datasets if d["datasetType"] == "USERS")
        arn = world.filter(
            group, 'EXCLUDE ItemID WHERE Items.YEAR < 1999 IF CurrentUser.LEVEL = "platinum"'
        )
        asked = {"campaignArn": campaign, "userId": "u8", "filterArn": arn, "numResults": 500}
        assert len(world.ids(**asked)) > 60
        world.events.put_users(
            datasetArn=users, users=[{"userId": "u8", "properties": '{"LEVEL": "platinum"}'}]
        )
        items = world.ids(**asked)
        assert items
        assert all(
            int(item[1:]) >= 49 or int(item[1:]) % 25 == 24 for item in items if item != "i4"
        )


class TestUpdates:
    def test_a_campaign_goes_over_to_another_version(
        self, world: Any, group: str, versions: dict[str, str]
    ) -> None:
        solution = versions["popularity-count"].rpartition("/")[0]
        campaign = world.campaign(
            f"{solution}/$LATEST", campaignConfig={"syncWithLatestSolutionVersion": True}
        )
        before = world.describe("campaign", campaign)
        assert before["solutionVersionArn"] == versions["popularity-count"]
        newer = world.version(solution)
        assert world.settled("solutionVersion", newer)["status"] == "ACTIVE"
        found = world.settled("campaign", campaign, "latestCampaignUpdate")
        assert found["solutionVersionArn"] == newer  # by itself
        world.personalize.update_campaign(
            campaignArn=campaign,
            solutionVersionArn=versions["popularity-count"],
            minProvisionedTPS=2,
            campaignConfig={},
        )
        assert world.ids(campaignArn=campaign, userId="u1")  # the old one answers meanwhile
        found = world.settled("campaign", campaign, "latestCampaignUpdate")
        assert found["solutionVersionArn"] == versions["popularity-count"]
        assert found["minProvisionedTPS"] == 2
        code, message = refusal(
            world.personalize.update_campaign,
            campaignArn=campaign,
            solutionVersionArn=versions["similar-items"],
        )
        assert (code, "not a version of the campaign's solution" in message) == (
            "InvalidInputException",
            True,
        )
        code, message = refusal(world.personalize.delete_solution, solutionArn=solution)
        assert (code, campaign in message) == ("ResourceInUseException", True)
        world.personalize.delete_campaign(campaignArn=campaign)
        world.gone("campaign", campaign)


class TestBatch:
    def run(
        self, world: Any, version: str, lines: list[Any], create: str = "inference", **more: Any
    ) -> tuple[dict[str, Any], list[Any]]:
        name = world.name("batch")
        body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        world.s3.put_object(Bucket=BUCKET, Key=f"in/{name}.json", Body=body)
        arn = getattr(world.personalize, f"create_batch_{create}_job")(
            jobName=name,
            solutionVersionArn=version,
            roleArn=world.role,
            jobInput={"s3DataSource": {"path": f"s3://{BUCKET}/in/{name}.json"}},
            jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/out/"}},
            **more,
        )[f"batch{create.capitalize()}JobArn"]
        job = world.settled(f"batch{create.capitalize()}Job", arn)
        if job["status"] != "ACTIVE":
            return job, []
        key = f"out/{name}.json.out"
        content = world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        return job, [json.loads(line) for line in content.splitlines()]

    def test_users_get_what_the_campaign_gives_them(
        self, world: Any, campaign: str, versions: dict[str, str]
    ) -> None:
        given = [{"userId": "u6"}, {"userId": "u7"}, {"user": "u8"}]
        version = versions["user-personalization-v2"]
        job, answers = self.run(world, version, given, numResults=5)
        assert job["numResults"] == 5
        assert [answer["input"] for answer in answers] == given
        for user, answer in zip(("u6", "u7"), answers, strict=False):
            expected = world.ids(campaignArn=campaign, userId=user, numResults=5)
            assert answer["output"]["recommendedItems"] == expected
            assert len(answer["output"]["scores"]) == 5
            assert answer["error"] is None
        assert "'userId' is missing" in answers[2]["error"]

    def test_rankings_and_related_items(self, world: Any, versions: dict[str, str]) -> None:
        line = {"userId": "u2", "itemList": ["i40", "i41", "i42"]}
        _, answers = self.run(world, versions["personalized-ranking-v2"], [line])
        assert sorted(answers[0]["output"]["recommendedItems"]) == line["itemList"]
        assert answers[0]["output"]["recommendedItems"][0] == "i42"
        _, answers = self.run(world, versions["similar-items"], [{"itemId": "i8"}])
        assert set(answers[0]["output"]) == {"recommendedItems"}
        assert len(answers[0]["output"]["recommendedItems"]) == 25

    def test_segments_by_item_and_by_attribute(
        self, world: Any, group: str, versions: dict[str, str]
    ) -> None:
        _, answers = self.run(
            world, versions["item-affinity"], [{"itemId": "i21"}], "segment", numResults=10
        )
        users = answers[0]["output"]["recommendedUsers"]
        assert len(users) == 10
        assert sum(int(user[1:]) % 4 == 1 for user in users) >= 7
        line = {"itemAttributes": 'ITEMS.genres = "War" AND ITEMS.year > 1960'}
        young = world.filter(group, "INCLUDE UserID WHERE Users.AGE < 40")
        _, answers = self.run(
            world,
            versions["item-attribute-affinity"],
            [line, {"itemAttributes": "ITEMS.nope = 1"}],
            "segment",
            numResults=10,
            filterArn=young,
        )
        users = answers[0]["output"]["recommendedUsers"]
        assert sum(int(user[1:]) % 4 == 2 for user in users) >= 7
        assert all(int(user[1:]) < 30 for user in users)
        assert "character 1: the Items schema has no field 'nope'" in answers[1]["error"]

    def test_a_job_that_cannot_read_or_write_fails(
        self, world: Any, versions: dict[str, str]
    ) -> None:
        job, _ = self.run(world, versions["similar-items"], ["{not json"])
        assert job["status"] == "CREATE FAILED"
        assert "Line 1 of the input is not JSON" in job["failureReason"]
        try:
            world.allow_service(["s3:GetObject", "s3:ListBucket"])
            job, _ = self.run(world, versions["similar-items"], [{"itemId": "i1"}])
        finally:
            world.allow_service(["s3:GetObject", "s3:ListBucket", "s3:PutObject"])
        assert (
            "does not allow personalize.amazonaws.com the action s3:PutObject"
            in (job["failureReason"])
        )

    def test_recipes_without_batch_say_so(self, world: Any, versions: dict[str, str]) -> None:
        place = {"path": f"s3://{BUCKET}/x"}
        common = {"jobName": "j", "roleArn": world.role}
        common |= {"jobInput": {"s3DataSource": place}, "jobOutput": {"s3DataDestination": place}}
        code, _ = refusal(
            world.personalize.create_batch_segment_job,
            solutionVersionArn=versions["similar-items"],
            **common,
        )
        assert code == "InvalidInputException"
        code, _ = refusal(
            world.personalize.create_batch_inference_job,
            solutionVersionArn=versions["item-affinity"],
            **common,
        )
        assert code == "InvalidInputException"


def test_metrics_are_those_of_the_documentation(world: Any, versions: dict[str, str]) -> None:
    answer = world.personalize.get_solution_metrics(
        solutionVersionArn=versions["user-personalization-v2"]
    )
    assert set(answer["metrics"]) >= {
        "coverage",
        "mean_reciprocal_rank_at_25",
        *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
        *(f"precision_at_{k}" for k in (5, 10, 25)),
    }
    assert all(0 <= value <= 1 for value in answer["metrics"].values())


def test_objective_raises_what_recommendations_are_worth(world: Any, group: str) -> None:
    """Years are prices here: 1950 + n of item n."""
    worth = {}
    for sensitivity in ("OFF", "HIGH"):
        objective = {"itemAttribute": "YEAR", "objectiveSensitivity": sensitivity}
        solution = world.solution(
            group,
            "aws-user-personalization-v2",
            solutionConfig={"optimizationObjective": objective},
        )
        version = world.version(solution)
        assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
        metrics = world.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
        assert 0 <= metrics["average_rewards_at_k"] <= 1
        campaign = world.campaign(version)
        items = world.ids(campaignArn=campaign, userId="u1", numResults=10)
        worth[sensitivity] = sum(int(item[1:]) for item in items)
        world.personalize.delete_campaign(campaignArn=campaign)
        world.gone("campaign", campaign)
    assert worth["HIGH"] > worth["OFF"]


@pytest.mark.parametrize(
    ("recipe", "attribute", "words"),
    [
        ("aws-user-personalization-v2", "GENRES", "a number of the Items dataset, not GENRES"),
        ("aws-user-personalization-v2", "NONE", "a number of the Items dataset, not NONE"),
        ("aws-sims", "YEAR", "aws-sims does not support optimizationObjective"),
    ],
)
def test_objective_that_cannot_be_is_refused(
    world: Any, group: str, recipe: str, attribute: str, words: str
) -> None:
    code, message = refusal(
        world.personalize.create_solution,
        name="objective",
        datasetGroupArn=group,
        recipeArn=RECIPE + recipe,
        solutionConfig={"optimizationObjective": {"itemAttribute": attribute}},
    )
    assert (code, words in message) == ("InvalidInputException", True)


class TestSemanticSimilarity:
    """AWS's page of the recipe: an itemName and a textual field, no interactions needed."""

    FIELDS = (
        ("ITEM_ID", "string"),
        ("TITLE", "string", "itemName"),
        ("PLOT", ["null", "string"], "textual"),
        ("CREATION_TIMESTAMP", "long"),
    )
    CONTENT = (
        "ITEM_ID,TITLE,PLOT,CREATION_TIMESTAMP\n"
        "train,Night train,A detective hunts a murderer through snow and fog,1500000000\n"
        "snow,Last station,A murderer flees a detective in the snow,1500000000\n"
        "fog,Harbour,A detective walks in fog,1600000000\n"
        "rose,Roses,Old roses bloom in a village,1600000000\n"
        "garden,A garden,A village grows roses,1500000000\n"
    )

    def load(self, world: Any, group: str, *fields: Any) -> None:
        dataset = world.dataset(group, "Items", avro("Items", *(fields or self.FIELDS)))
        assert world.load(dataset, self.CONTENT)["status"] == "ACTIVE"

    def train(self, world: Any, group: str, **more: Any) -> dict[str, Any]:
        solution = world.solution(group, "aws-semantic-similarity", **more)
        return dict(world.settled("solutionVersion", world.version(solution)))

    def test_items_are_found_by_name_and_description(self, world: Any, fresh: str) -> None:
        self.load(world, fresh)
        version = self.train(world, fresh)
        assert version["status"] == "ACTIVE", version.get("failureReason")
        arn = version["solutionVersionArn"]
        campaign = world.campaign(arn)
        asked = {"campaignArn": campaign, "itemId": "train"}
        assert world.ids(**asked)[:2] == ["snow", "fog"]
        assert world.ids(campaignArn=campaign, itemId="garden", numResults=1) == ["rose"]
        # metadata need not be enabled, and items have no score
        answer = world.runtime.get_recommendations(
            **asked, numResults=1, metadataColumns={"ITEMS": ["TITLE"]}
        )
        assert answer["itemList"] == [{"itemId": "snow", "metadata": {"title": "Last station"}}]
        refused = refusal(world.runtime.get_recommendations, campaignArn=campaign, userId="u1")
        assert refused == ("InvalidInputException", "aws-semantic-similarity needs itemId.")

        update = world.personalize.update_campaign
        influence = {"campaignConfig": {"rankingInfluence": {"FRESHNESS": 1.0}}}
        update(campaignArn=campaign, **influence)
        found = world.settled("campaign", campaign, "latestCampaignUpdate")
        assert found["latestCampaignUpdate"]["status"] == "ACTIVE", found
        assert found["campaignConfig"] == influence["campaignConfig"]
        assert world.ids(**asked)[:2] == ["fog", "snow"]  # fog is the newer one
        config = influence["campaignConfig"]
        job, lines = TestBatch().run(
            world, arn, [{"itemId": "train"}], batchInferenceJobConfig=config
        )
        assert lines[0]["output"]["recommendedItems"][:2] == ["fog", "snow"], job

        for wrong, words in (
            ({"POPULARITY": 0.1}, "POPULARITY needs an Interactions dataset"),
            ({"FRESHNESS": 1.1}, "less than or equal to 1"),
        ):
            code, message = refusal(
                update, campaignArn=campaign, campaignConfig={"rankingInfluence": wrong}
            )
            assert code in ("InvalidInputException", "ValidationException")
            assert words in message

    @pytest.mark.parametrize(
        ("changes", "config", "missing"),
        [
            ({1: ("TITLE", "string")}, {}, "a field with itemName true"),
            ({2: ("PLOT", ["null", "string"])}, {}, "a textual field"),
            (
                {},
                {"excludedDatasetColumns": {"ITEMS": ["TITLE", "PLOT"]}},
                "a field with itemName true and a textual field",
            ),
        ],
    )
    def test_name_and_description_are_needed(
        self, world: Any, fresh: str, changes: dict[int, Any], config: Any, missing: str
    ) -> None:
        self.load(world, fresh, *(changes.get(n, field) for n, field in enumerate(self.FIELDS)))
        version = self.train(world, fresh, solutionConfig={"trainingDataConfig": config})
        assert version["status"] == "CREATE FAILED"
        expected = f"aws-semantic-similarity needs {missing} in the Items schema."
        assert version["failureReason"] == expected

    def test_what_is_not_the_recipes_is_refused(
        self, world: Any, group: str, versions: dict[str, str]
    ) -> None:
        given = {"name": "bad", "datasetGroupArn": group}
        given["recipeArn"] = "arn:aws:personalize:::recipe/aws-semantic-similarity"
        hyperparameters = {"algorithmHyperParameters": {"popularity": "1"}}
        for more, words in (
            ({"solutionConfig": hyperparameters}, "has no hyperparameter 'popularity', only none"),
            ({"performHPO": True}, "does not support hyperparameter optimization"),
            ({"performIncrementalUpdate": True}, "performIncrementalUpdate"),
        ):
            assert words in refusal(world.personalize.create_solution, **given, **more)[1]
        code, message = refusal(
            world.personalize.create_campaign,
            name="bad",
            solutionVersionArn=versions["similar-items"],
            campaignConfig={"rankingInfluence": {"POPULARITY": 0.5}},
        )
        assert code == "NotImplementedByLocalAws"
        assert "rankingInfluence with aws-similar-items" in message
