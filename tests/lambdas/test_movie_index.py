"""Movies in an index of S3 Vectors: how they get in, and that they are found as in memory."""

import importlib
import json
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import boto3
import numpy as np
import pytest
from common.clients import client
from common.errors import FunctionError
from moto import mock_aws
from movie_index.handler import MovieIndexError, is_complete, on_event
from movie_retrieval.vectors import Index

from local_aws.moto_patches import install
from tests.lambdas.fakes import CATALOGUE, EMBEDDINGS, catalogue, client_error
from tests.lambdas.test_movie_retrieval import Clock, Endpoint, library, refusal

BUCKET = "movies"
MOVIES = list(range(1, 241))
UNTITLED = 7
PLACES = np.random.default_rng(0).normal(size=(241, 6)).astype(np.float32) + 20
PLACES[11] = PLACES[12]  # two at one place


def title(movie: int) -> str:
    return f"movie {movie}" if movie == UNTITLED else f"Title {movie}"


@pytest.fixture(scope="module")
def aws() -> Iterator[None]:
    install()
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        titles = {n: None if n == UNTITLED else title(n) for n in MOVIES}
        s3.put_object(Bucket=BUCKET, Key=CATALOGUE, Body=catalogue(titles).encode())
        boto3.client("s3vectors").create_vector_bucket(vectorBucketName="vectors")
        yield


@pytest.fixture
def endpoint(aws: None, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """The import's, in SageMaker's place."""
    found = Endpoint()
    found.places, found.vocabulary = dict(enumerate(PLACES.tolist())), 1000
    monkeypatch.setattr(
        "movie_index.logic.client",
        lambda name: found if name.startswith("sagemaker") else client(name),
    )
    monkeypatch.setattr("common.embedding_model.ANSWER_BYTES", 3_000)  # many small parts
    return found


@pytest.fixture
def arn(aws: None, request: pytest.FixtureRequest) -> Iterator[str]:
    api = boto3.client("s3vectors")
    bucket = api.get_vector_bucket(vectorBucketName="vectors")["vectorBucket"]["vectorBucketArn"]
    found = f"{bucket}/index/movies-{abs(hash(request.node.name))}"
    yield found
    with suppress(api.exceptions.NotFoundException):
        api.delete_index(indexArn=found)


class Context:
    """Of a call that has time for so many parts."""

    log_stream_name = "the stream"

    def __init__(self, parts: int) -> None:
        self._parts = parts

    def get_remaining_time_in_millis(self) -> int:
        self._parts -= 1
        return 900_000 if self._parts > 0 else 0


def event(arn: str, kind: str = "Create") -> dict[str, Any]:
    properties = {"IndexArn": arn, "Endpoint": "recommendationModel", "Bucket": BUCKET}
    found = {
        "RequestType": kind,
        "LogicalResourceId": "Movies",
        "ResourceProperties": properties,
        **({} if kind == "Create" else {"PhysicalResourceId": arn}),
    }
    return found | on_event(found, None)


def imported(arn: str, kind: str = "Create", parts: int = 3) -> dict[str, str]:
    """The attributes, once all is imported."""
    for _ in range(100):
        answer = is_complete(event(arn, kind), Context(parts))
        if answer["IsComplete"]:
            data: dict[str, str] = answer["Data"]
            return data
    raise AssertionError("the import never ends")


def held(arn: str) -> dict[int, tuple[list[float], dict[str, str]]]:
    """The index's content: vectors and metadata by movie."""
    pages = boto3.client("s3vectors").get_paginator("list_vectors")
    return {
        int(one["key"]): (one["data"]["float32"], one["metadata"])
        for page in pages.paginate(indexArn=arn, returnData=True, returnMetadata=True)
        for one in page["vectors"]
    }


def indexes() -> list[str]:
    found = boto3.client("s3vectors").list_indexes(vectorBucketName="vectors")
    return [index["indexArn"] for index in found["indexes"]]


def notes() -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=EMBEDDINGS)
    return [one["Key"] for one in found.get("Contents", [])]


@pytest.fixture
def function(arn: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The retrieval function over the index."""
    monkeypatch.setenv("ENDPOINT_NAME", "recommendationModel")
    module = importlib.import_module("movie_retrieval.handler")
    index = Index(boto3.client("s3vectors"), arn, BUCKET)
    monkeypatch.setattr(module, "library", index)
    return module


def ask(function: ModuleType, movie: int, top_k: int = 10) -> Any:
    asked = {"bucket_name": BUCKET, "movie_id_to_examine": movie, "top_k": top_k}
    return json.loads(function.handler(asked, None)["body"])


class TestNeighbours:
    def test_neighbours_equal_a_plain_search_and_memory(
        self, function: ModuleType, arn: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert imported(arn) == {"IndexArn": arn, "Movies": "240"}
        index = function.library
        memory = library(boto3.client("s3"), endpoint, Clock())
        for movie, top_k in ((1, 10), (UNTITLED, 1), (11, 5), (240, 100)):
            monkeypatch.setattr(function, "library", index)
            found = ask(function, movie, top_k)
            distances = np.linalg.norm(PLACES[1:].astype(float) - PLACES[movie], axis=1)
            near = sorted((distances[n - 1], n) for n in MOVIES if n != movie)[:top_k]
            assert [one["movie_id"] for one in found["neighbours"]] == [n for _, n in near]
            assert [one["title"] for one in found["neighbours"]] == [title(n) for _, n in near]
            assert [one["distance"] for one in found["neighbours"]] == pytest.approx(
                [distance for distance, _ in near], rel=1e-6
            )
            monkeypatch.setattr(function, "library", memory)
            same = ask(function, movie, top_k)
            for one in same["neighbours"]:
                one["distance"] = pytest.approx(one["distance"], rel=1e-4, abs=1e-5)
            assert found == same

    def test_neighbours_of_an_unknown_movie_are_refused(
        self, function: ModuleType, arn: str, endpoint: Endpoint
    ) -> None:
        imported(arn)
        asked = {"bucket_name": BUCKET, "movie_id_to_examine": 999}
        told = refusal(function, asked)
        assert told.startswith("Movie 999 is not in the index of s3://movies")

    def test_neighbours_of_another_bucket_are_refused(self, function: ModuleType) -> None:
        told = refusal(function, {"bucket_name": "other", "movie_id_to_examine": 1})
        assert "knows the movies of s3://movies only, not those of s3://other" in told

    def test_deleted_index_is_reported(self, function: ModuleType, arn: str) -> None:
        gone = Index(boto3.client("s3vectors"), f"{arn}x", BUCKET)
        with pytest.raises(FunctionError, match="does not exist; deploy the functions' stack"):
            gone.around("1", 1)


class TestImport:
    def test_import_puts_each_movie_with_vector_and_title(
        self, arn: str, endpoint: Endpoint
    ) -> None:
        endpoint.vocabulary = 200
        assert imported(arn)["Movies"] == "199"
        expected = {
            n: (PLACES[n].tolist(), {} if n == UNTITLED else {"title": title(n)})
            for n in range(1, 200)
        }
        assert held(arn) == expected

    def test_import_continues_after_an_interruption(self, arn: str, endpoint: Endpoint) -> None:
        imported(arn, parts=1)
        asked = [movie for chunk in endpoint.asked for movie in chunk]
        assert sorted(set(asked)) == asked == MOVIES, "nothing is embedded twice"

    def test_import_with_a_new_model_restarts(self, arn: str, endpoint: Endpoint) -> None:
        assert not is_complete(event(arn), Context(2))["IsComplete"]
        assert held(arn)
        endpoint.config = "config-2"
        endpoint.places = {movie: [float(movie)] * 6 for movie in range(241)}
        imported(arn)
        assert {movie: place for movie, (place, _) in held(arn).items()} == {
            movie: [float(movie)] * 6 for movie in MOVIES
        }

    def test_import_during_an_endpoint_update_stores_no_progress(
        self, arn: str, endpoint: Endpoint
    ) -> None:
        whole = endpoint.invoke_endpoint

        def switching(**request: Any) -> dict[str, Any]:
            answer = whole(**request)
            endpoint.config = "config-2"
            return answer

        endpoint.invoke_endpoint = switching  # type: ignore[method-assign]
        assert not is_complete(event(arn), Context(9))["IsComplete"]
        endpoint.status = "Updating"
        assert not is_complete(event(arn), Context(9))["IsComplete"]
        assert arn not in indexes()

    def test_import_does_not_change_a_complete_index(self, arn: str, endpoint: Endpoint) -> None:
        """A stack that rolls back asks for its old index, while the endpoint has a new model."""
        imported(arn)
        before = held(arn)
        endpoint.config, endpoint.asked = "config-2", []
        endpoint.places = {movie: [0.0] * 6 for movie in range(241)}
        assert imported(arn, "Update")["Movies"] == "240"
        assert (held(arn), endpoint.asked) == (before, [])

    def test_index_has_the_dimension_of_the_models_answers(
        self, arn: str, endpoint: Endpoint
    ) -> None:
        endpoint.places = {movie: [float(movie)] * 9 for movie in range(241)}
        imported(arn)
        index = boto3.client("s3vectors").get_index(indexArn=arn)["index"]
        assert (index["dataType"], index["dimension"], index["distanceMetric"]) == (
            "float32",
            9,
            "euclidean",
        )
        assert index["metadataConfiguration"] == {"nonFilterableMetadataKeys": ["title"]}

    def test_index_of_an_incomplete_import_is_replaced_when_the_dimension_changes(
        self, arn: str, endpoint: Endpoint
    ) -> None:
        assert not is_complete(event(arn), Context(2))["IsComplete"]
        assert held(arn)
        endpoint.config = "config-2"
        endpoint.places = {movie: [float(movie)] * 4 for movie in range(241)}
        assert imported(arn)["Movies"] == "240"
        assert {movie: place for movie, (place, _) in held(arn).items()} == {
            movie: [float(movie)] * 4 for movie in MOVIES
        }

    def test_index_deleted_during_the_import_is_filled_again(
        self, arn: str, endpoint: Endpoint
    ) -> None:
        assert not is_complete(event(arn), Context(2))["IsComplete"]
        boto3.client("s3vectors").delete_index(indexArn=arn)
        assert imported(arn)["Movies"] == "240"
        assert sorted(held(arn)) == MOVIES

    def test_index_that_another_call_creates_is_waited_for(
        self, arn: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imported(arn)
        refuse = client_error("NotFoundException", "The specified index could not be found")

        def missing(**_: Any) -> None:
            raise refuse

        monkeypatch.setattr(client("s3vectors"), "get_index", missing)
        assert is_complete(event(arn), Context(9)) == {"IsComplete": False}

    def test_delete_removes_the_index_and_the_progress(self, arn: str, endpoint: Endpoint) -> None:
        before = notes()
        imported(arn)
        assert len(notes()) == len(before) + 1
        assert arn in indexes()
        for _ in range(2):
            assert is_complete(event(arn, "Delete"), Context(1)) == {"IsComplete": True}
            assert notes() == before
            assert arn not in indexes()
        for never in ("made by CloudFormation", "arn:aws:s3vectors:nonsense"):
            told = event(arn, "Delete") | {"PhysicalResourceId": never}
            assert is_complete(told, Context(1)) == {"IsComplete": True}

    @pytest.mark.parametrize(
        "error",
        [
            client_error("ThrottlingException", "Rate exceeded"),
            client_error("X", "oops", ResponseMetadata={"HTTPStatusCode": 503}),
        ],
    )
    def test_import_waits_on_transient_errors(
        self, arn: str, endpoint: Endpoint, error: Exception
    ) -> None:
        endpoint.error = error
        assert is_complete(event(arn), Context(9)) == {"IsComplete": False}
        endpoint.error = None
        assert imported(arn)["Movies"] == "240"

    def test_import_failure_is_reported(self, arn: str, endpoint: Endpoint) -> None:
        lengths = {movie: [1.0] * (6 if movie <= 16 else 2) for movie in range(241)}
        endpoint.places = lengths
        with pytest.raises(MovieIndexError) as caught:
            imported(arn)
        told = str(caught.value)
        assert told.startswith("Movies: Index movies-")
        assert "vector must have length 6, but has length 2" in told
        assert told.endswith("(log stream the stream)")
        endpoint.status = "Failed"
        with pytest.raises(MovieIndexError, match="Endpoint recommendationModel is Failed"):
            imported(arn)
        with pytest.raises(MovieIndexError, match=r"Movies needs Endpoint, Bucket\."):
            on_event(
                {
                    "RequestType": "Create",
                    "LogicalResourceId": "Movies",
                    "ResourceProperties": {"IndexArn": arn},
                },
                None,
            )
