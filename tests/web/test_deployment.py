"""Which deployment the page is for."""

from typing import Any

import pytest

from tests.test_outputs import CloudFormation, stack
from web.deployment import Deployment, NothingDeployed

KEYS = ("CatalogueKey", "RatingsKey", "HeldOutKey", "IdsKey")
DATA = {"BucketName": "b"} | {key: key.lower() for key in KEYS}


def found(*stacks: dict[str, Any]) -> Deployment:
    client: Any = CloudFormation(list(stacks))
    return Deployment.find(client, "team")


def test_find_returns_the_bucket_and_the_embedding_endpoint() -> None:
    models = {"RecommendationEndpointName": "r", "RetrievalEndpointName": "w"}
    both = found(stack("team-Data", **DATA), stack("team-Object2Vec", **models))
    assert (both.bucket, both.places) == ("b", "w")
    one = found(
        stack("team-Data", **DATA), stack("team-Object2Vec", RecommendationEndpointName="r")
    )
    assert one.places == "r"


def test_find_without_data_raises_nothing_deployed() -> None:
    with pytest.raises(NothingDeployed, match="No deployment named team with data"):
        found(stack("team-Functions", ApiEndpoint="u"))


def test_find_with_an_older_deployment_asks_to_deploy_again() -> None:
    with pytest.raises(NothingDeployed, match="older version of this project: deploy it again"):
        found(stack("team-Data", BucketName="b"))
