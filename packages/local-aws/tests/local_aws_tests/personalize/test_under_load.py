"""Campaigns and recommenders lose no call, whatever becomes of the model beneath them."""

import time
from typing import Any

import pytest

from local_aws_tests.personalize.conftest import INTERACTIONS, interactions
from tests.load import ONCE, Load
from tests.reliability import Tally


def favourite(item: str) -> str:
    """Interactions of which this item has by far the most."""
    return interactions() + "".join(
        f"u{user},{item},Watch,{1_600_000_000 + second}\n"
        for user in range(60)
        for second in range(20)
    )


@pytest.fixture
def versions(world: Any, fresh: str) -> tuple[str, str]:
    """Two of one solution, of which each knows another item as the most popular."""
    dataset = world.dataset(fresh, "Interactions", INTERACTIONS)
    solution = ""
    made = []
    for item in ("i90", "i91"):
        assert world.load(dataset, favourite(item))["status"] == "ACTIVE"
        solution = solution or world.solution(fresh, "aws-popularity-count")
        made.append(world.version(solution))
        assert world.settled("solutionVersion", made[-1])["status"] == "ACTIVE"
    return made[0], made[1]


def test_campaign_update_loses_no_call(world: Any, versions: tuple[str, str], tally: Tally) -> None:
    old, new = versions
    campaign = world.campaign(old)
    runtime = world.client("personalize-runtime", config=ONCE)

    def call() -> str:
        answer = runtime.get_recommendations(campaignArn=campaign, userId="u1", numResults=500)
        return str(answer["itemList"][0]["itemId"])

    with Load(call) as load:
        load.wait(100)
        begun = time.monotonic()
        world.personalize.update_campaign(campaignArn=campaign, solutionVersionArn=new)
        found = world.settled("campaign", campaign, "latestCampaignUpdate")
        over = time.monotonic()
        load.wait(100)
        again = time.monotonic()
        world.personalize.update_campaign(campaignArn=campaign, solutionVersionArn=old)
        world.settled("campaign", campaign, "latestCampaignUpdate")
        back = time.monotonic()
        load.wait(100)
    tally("calls under load", "a campaign that is updated, and back", len(load.answers))
    tally("calls lost", "a campaign that is updated, and back", len(load.lost))
    assert found["solutionVersionArn"] == new
    assert load.lost == []
    assert load.values(until=begun) == {"i90"}
    assert load.values(since=over, until=again) == {"i91"}
    assert load.values(since=back) == {"i90"}
