"""Only deployed engines are shown and called; errors are reported."""

import io
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from outputs import Outputs
from web import engines
from web.answers import Scale, User
from web.catalogue import Catalogue
from web.deployment import Deployment
from web.engines import EngineFailed, Question

FILMS = 1_203
SCALE = Scale(least=1, most=5, step=1, liked=4)
ANNA = User(number=1, id="anna", ratings=1)


def film(number: int, ratings: int) -> dict[str, Any]:
    """An item of catalogue.json."""
    return {
        "item": number,
        "id": str(number),
        "title": f"Film {number} (1990)",
        "year": 1990,
        "genres": [],
        "ratings": ratings,
    }


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    items = [film(n, ratings=int(n == 3)) for n in range(FILMS)]
    return Catalogue(items, [np.array([[1, 3, 5, 100]], np.float64)], {}, SCALE)


class Endpoint:
    """Scores a movie by its number, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[tuple[str, int]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        instances = json.loads(request["Body"])["instances"]
        self.asked.append((request["EndpointName"], len(instances)))
        assert {one["in0"][0] for one in instances} == {1}
        predictions = [{"scores": [one["in1"][0] / 1000]} for one in instances]
        return {"Body": io.BytesIO(json.dumps({"predictions": predictions}).encode())}


def titles(outputs: dict[str, str], catalogue: Catalogue) -> list[str]:
    found = engines.recommenders(Deployment(Outputs(outputs)), catalogue, SimpleNamespace())  # type: ignore[arg-type]
    return [one.about.title for one in found]


def test_engines_are_those_deployed(catalogue: Catalogue) -> None:
    assert titles({"BucketName": "b", "RatingEndpointName": "r"}, catalogue) == []
    outputs = {
        "ListsFunctionName": "l",
        "RecommendationEndpointName": "c",
        "RetrievalEndpointName": "w",
        "RecommendationEngineFunctionName": "f",
        "DeepMfEndpointName": "d",
        "CustomUserPersonalizationV2CampaignArn": "arn:u",
        "CustomSimilarItemsCampaignArn": "arn:s",
        "DomainTopPicksRecommenderArn": "arn:t",
    }
    assert titles(outputs, catalogue) == [
        "Lists",
        "Object2Vec",
        "Object2Vec by who watched what",
        "Deep matrix factorization",
        "Personalize: user personalization v2",
        "Personalize: top picks",
    ]


def test_pair_model_ranks_the_whole_catalogue(catalogue: Catalogue) -> None:
    endpoint = Endpoint()
    clients: Any = SimpleNamespace(sagemaker_runtime=endpoint)
    outputs = {"DeepMfEndpointName": "deep"}
    (model,) = engines.recommenders(Deployment(Outputs(outputs)), catalogue, clients)
    ranked = model.rank(Question(ANNA))
    assert [movie.number for movie, *_ in ranked] == list(range(FILMS))[::-1]
    assert ranked[0][1] == (FILMS - 1) / 1000
    assert endpoint.asked == [("deep", 1_000), ("deep", FILMS - 1_000)]


def test_factorization_machines_are_asked_by_columns(catalogue: Catalogue) -> None:
    """A machine whose weight of the column of movie n is n / 1000, and none of a user's."""
    asked: list[Any] = []

    def invoke_endpoint(**request: Any) -> dict[str, Any]:
        features = [one["data"]["features"] for one in json.loads(request["Body"])["instances"]]
        asked.extend(features)
        weights = np.concatenate([np.zeros(20), np.arange(FILMS) / 1000])
        scores = [float(np.dot(weights[one["keys"]], one["values"])) for one in features]
        told = {"predictions": [{"score": score} for score in scores]}
        return {"Body": io.BytesIO(json.dumps(told).encode())}

    clients: Any = SimpleNamespace(
        sagemaker_runtime=SimpleNamespace(invoke_endpoint=invoke_endpoint)
    )
    outputs = {
        "FactorizationMachinesEndpointName": "machine",
        "FactorizationMachinesUsers": "20",
        "FactorizationMachinesItems": str(FILMS),
    }
    (model,) = engines.recommenders(Deployment(Outputs(outputs)), catalogue, clients)
    assert model.about.title == "Factorization machines"
    ranked = model.rank(Question(ANNA))
    assert [one.movie.number for one in ranked] == list(range(FILMS))[::-1]
    assert {one["keys"][0] for one in asked} == {ANNA.number}
    assert {tuple(one["shape"]) for one in asked} == {(20 + FILMS,)}
    (rater,) = engines.raters(Deployment(Outputs(outputs)), catalogue, clients)
    assert rater.scores(1, [7]) == [0.007]


def watching(invoke: Any) -> engines.Recommender:
    """The engine of who watched what, over three films, with this in Lambda's place."""
    catalogue = Catalogue(
        [film(1, 9), film(2, 1), film(3, 0)], [np.array([[1, 1, 5, 100]], np.float64)], {}, SCALE
    )
    clients: Any = SimpleNamespace(functions=SimpleNamespace(invoke=invoke))
    outputs = {"RetrievalEndpointName": "w", "RecommendationEngineFunctionName": "f"}
    (model,) = engines.recommenders(Deployment(Outputs(outputs)), catalogue, clients)
    return model


def test_watching_calls_the_function_and_keeps_its_order() -> None:
    asked: list[Any] = []

    def invoke(**request: Any) -> dict[str, Any]:
        asked.append((request["FunctionName"], json.loads(request["Payload"])))
        ranked = [{"user": "anna", "movie": movie, "score": 1.0} for movie in (2, "1", 3)]
        answer = {"type": "recommendation", "predictions": ranked}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    found = watching(invoke).rank(Question(ANNA))
    assert [(one.movie.number, one.score) for one in found] == [(2, None), (1, None), (3, None)]
    event = {"type": "recommendation", "user": "anna", "movies": ["1", "2", "3"]}
    assert asked == [("f", {**event, "rank_by": "popularity_adjusted"})]


def test_watching_reports_the_functions_error() -> None:
    def invoke(**_: Any) -> dict[str, Any]:
        told = {"errorType": "RecommendationError", "errorMessage": "Endpoint w is too busy"}
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}

    with pytest.raises(EngineFailed, match=r"^Endpoint w is too busy$"):
        watching(invoke).rank(Question(ANNA))


def lists(asked: list[Any], catalogue: Catalogue) -> engines.Lists:
    """The lists, with this in Lambda's place: Film 7, because of Film 3 and of one that went."""

    def invoke(**request: Any) -> dict[str, Any]:
        asked.append(json.loads(request["Payload"]))
        because = [{"item": "3", "share": 2.0}, {"item": "gone", "share": 1.0}]
        items = [
            {"item": "7", "title": "Film 7", "score": 3.5, "because": because},
            {"item": "gone", "title": "Gone", "score": 1.0},
        ]
        answer = {"basis": "history", "items": items}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    clients: Any = SimpleNamespace(functions=SimpleNamespace(invoke=invoke))
    deployment = Deployment(Outputs({"ListsFunctionName": "l"}))
    (found,) = engines.recommenders(deployment, catalogue, clients)
    (alike,) = engines.similar(deployment, catalogue, clients)
    assert isinstance(found, engines.Lists) and isinstance(alike, engines.Lists)
    return found


def test_lists_are_asked_with_the_filters_and_tell_why(catalogue: Catalogue) -> None:
    asked: list[Any] = []
    (found,) = lists(asked, catalogue).rank(Question(ANNA, "Drama", 1990))
    assert (found.movie.number, found.score) == (7, 3.5)
    assert [movie.number for movie in found.because] == [3]
    filters = {"genres": ["Drama"], "years": [1990, 1999]}
    assert asked == [{"user": "anna", "count": 500, "filters": filters}]


def test_lists_find_what_goes_with_a_movie(catalogue: Catalogue) -> None:
    asked: list[Any] = []
    found = lists(asked, catalogue).like(catalogue.movies[3], None, 5)
    assert [one.movie.number for one in found] == [7]
    assert asked == [{"item": "3", "count": 5, "explain": False}]


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, "InvokeEndpoint")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refused("ThrottlingException"), "deep is too busy"),
        (refused("AccessDeniedException"), "may not call deep"),
        (refused("ValidationError"), "deep did not respond: ValidationError"),
        (EndpointConnectionError(endpoint_url="u"), "deep could not be reached"),
        (KeyError("predictions"), "deep returned an unexpected response"),
    ],
)
def test_engine_errors_are_reported(catalogue: Catalogue, error: Exception, words: str) -> None:
    clients: Any = SimpleNamespace(sagemaker_runtime=Endpoint(error))
    (model,) = engines.raters(
        Deployment(Outputs({"DeepMfEndpointName": "deep"})), catalogue, clients
    )
    with pytest.raises(EngineFailed, match=words):
        model.scores(1, [2])
