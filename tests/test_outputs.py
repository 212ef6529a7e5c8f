"""A deployment's outputs: whose they are, and what they tell of Amazon Personalize."""

from typing import Any

import pytest

from outputs import Outputs, Served, by_stack


class CloudFormation:
    """Two pages of stacks."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = pages

    def get_paginator(self, operation: str) -> "CloudFormation":
        assert operation == "describe_stacks"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"Stacks": page} for page in self.pages]


def stack(name: str, status: str = "CREATE_COMPLETE", **outputs: str) -> dict[str, Any]:
    told = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {"StackName": name, "StackStatus": status, **({"Outputs": told} if told else {})}


def test_by_stack_returns_only_existing_stacks_of_the_deployment() -> None:
    client: Any = CloudFormation(
        [
            stack("team-Data", BucketName="b"),
            stack("team-b-Data", BucketName="another deployment's"),
            stack("teams-Data", BucketName="another deployment's"),
            stack("CDKToolkit", BucketName="the CDK's"),
            stack("team-Functions", "DELETE_IN_PROGRESS", ApiEndpoint="u"),
        ],
        [stack("team-Object2Vec", "UPDATE_ROLLBACK_COMPLETE", RatingEndpointName="r")],
        [stack("team-Personalize"), stack("team-New", "REVIEW_IN_PROGRESS")],
    )
    assert by_stack("team", client) == {
        "team-Data": {"BucketName": "b"},
        "team-Object2Vec": {"RatingEndpointName": "r"},
        "team-Personalize": {},
    }


def test_outputs_of_all_stacks_are_found_by_name() -> None:
    found = Outputs.of({"a-Data": {"BucketName": "b"}, "a-Functions": {"ApiEndpoint": "u"}})
    assert found == {"BucketName": "b", "ApiEndpoint": "u"}
    assert found.get("IdsKey") is None
    with pytest.raises(LookupError, match="no stack has the output IdsKey"):
        found["IdsKey"]


def test_served_distinguishes_campaigns_and_recommenders() -> None:
    found = Outputs(
        {
            "DomainTopPicksRecommenderArn": "arn:t",
            "CustomUserPersonalizationV2CampaignArn": "arn:u",
            "CustomUserPersonalizationV2Metrics": "{}",
            "CustomUnratedFilterArn": "arn:f",
        }
    )
    campaign, recommender = found.served()
    assert campaign == Served(
        group="Custom", model="UserPersonalizationV2", target="campaignArn", arn="arn:u"
    )
    assert recommender == Served(
        group="Domain", model="TopPicks", target="recommenderArn", arn="arn:t"
    )
