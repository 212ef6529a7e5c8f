"""The retrieval function: the workshop's sentence, neighbours by known geometry, and its cache."""

import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ReadTimeoutError
from common.errors import FunctionError
from moto import mock_aws
from movie_retrieval import catalogue as module
from movie_retrieval.catalogue import Library
from movie_retrieval.embeddings import Embeddings
from movie_retrieval.errors import RetrievalError

from tests.lambdas.fakes import CATALOGUE, EMBEDDINGS, catalogue, client_error, reply

EVENTS = Path(__file__).parents[2] / "lambdas" / "movie_retrieval" / "events"
BUCKET = "movies"

# movie id -> place in a plane; from 5 the others lie at 1 (7), 2 (3), 5 (2) and 13 (9)
PLANE = {5: (0.0, 0.0), 7: (1.0, 0.0), 3: (0.0, -2.0), 2: (3.0, 4.0), 9: (-5.0, 12.0)}
TITLES = {
    5: "Five (1995)",
    7: "Sept, Les (1997)",
    3: "Café (1993)",
    2: "東京 (1992)",
    9: None,
}

ABOUT: dict[str, Any] = {
    "version": {"bucket": BUCKET, "config": "config-1", "etag": ""},
    "titles": {},
    "ids": {},
}


class Endpoint:
    """An Object2Vec endpoint: `places` are its embeddings, `vocabulary` bounds the ids it knows."""

    def __init__(self) -> None:
        self.places: dict[int, Any] = dict(PLANE)
        self.vocabulary = 10
        self.config, self.status = "config-1", "InService"
        self.described = 0
        self.asked: list[list[int]] = []
        self.error: Exception | None = None
        self.longest = 10**9  # bytes of a request beyond which it is refused

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        self.described += 1
        return {"EndpointConfigName": self.config, "EndpointStatus": self.status}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert request["EndpointName"] == "recommendationModel"
        assert request["ContentType"] == request["Accept"] == "application/jsonlines"
        if self.error:
            raise self.error
        movies = []
        for line in request["Body"].decode().splitlines():
            (movie,) = json.loads(line)["in1"]
            movies.append(movie)
        self.asked.append(movies)
        if len(request["Body"]) > self.longest:
            raise refused("payload too large", 413)
        if max(movies) >= self.vocabulary:
            raise refused(f"in1 holds {max(movies)}; the vocabulary has {self.vocabulary}", 400)
        lines = [json.dumps({"embeddings": list(self.places[movie])}) for movie in movies]
        return reply("\n".join(lines).encode())


def refused(message: str, status: int) -> Exception:
    text = f"Received client error ({status}) from primary"
    return client_error("ModelError", text, OriginalStatusCode=status, OriginalMessage=message)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


@pytest.fixture
def s3(client: Any) -> Any:
    for stored in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=stored["Key"])
    put(client, catalogue(TITLES))
    return client


def put(s3: Any, text: str) -> None:
    """Make this the catalogue."""
    s3.put_object(Bucket=BUCKET, Key=CATALOGUE, Body=text.encode())


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def library(s3: Any, endpoint: Any, clock: Any) -> Library:
    return Library(s3, endpoint, endpoint, "recommendationModel", CATALOGUE, EMBEDDINGS, clock)


@pytest.fixture(scope="module")
def imported() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ENDPOINT_NAME", "recommendationModel")
        yield importlib.import_module("movie_retrieval.handler")


@pytest.fixture
def function(
    imported: ModuleType, s3: Any, endpoint: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    monkeypatch.setattr(imported, "library", library(s3, endpoint, clock))
    return imported


def ask(function: ModuleType, movie: object = 5, **more: Any) -> Any:
    event = {"bucket_name": BUCKET, "movie_id_to_examine": movie} | more
    answer = function.handler(event, None)
    assert answer["statusCode"] == 200
    assert answer.keys() == {"statusCode", "body"}
    return json.loads(answer["body"])


def refusal(function: ModuleType, event: object) -> str:
    with pytest.raises(RetrievalError) as caught:
        function.handler(event, None)
    return str(caught.value)


class TestAnswer:
    def test_sentence_is_returned_and_logged(
        self, function: ModuleType, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "movie_retrieval")
        sentence = "The closest movie to Five (1995) in the embedding space is Sept, Les (1997)"
        assert ask(function) == {
            "sentence": sentence,
            "movie": {"movie_id": 5, "title": "Five (1995)"},
            "neighbours": [
                {"movie_id": 7, "title": "Sept, Les (1997)", "distance": pytest.approx(1)},
                {"movie_id": 3, "title": "Café (1993)", "distance": pytest.approx(2)},
                {"movie_id": 2, "title": "東京 (1992)", "distance": pytest.approx(5)},
                {"movie_id": 9, "title": "movie 9", "distance": pytest.approx(13)},
            ],
        }
        logged = caplog.records[-1]
        assert logged.getMessage() == sentence
        assert (vars(logged)["movie"], vars(logged)["neighbours"]) == (5, 4)

    def test_id_as_digits_is_accepted(self, function: ModuleType) -> None:
        assert ask(function, "5") == ask(function, 5)

    def test_ids_are_the_datas_own(self, function: ModuleType, s3: Any) -> None:
        own = {5: "bk-5é", 7: "0155061224", 3: "276726", 2: "日本/2", 9: "9 9"}
        put(s3, catalogue(TITLES, ids=own))
        told = ask(function, "bk-5é")
        assert told["movie"] == {"movie_id": "bk-5é", "title": "Five (1995)"}
        assert told["neighbours"] == [
            {"movie_id": "0155061224", "title": "Sept, Les (1997)", "distance": pytest.approx(1)},
            {"movie_id": 276726, "title": "Café (1993)", "distance": pytest.approx(2)},
            {"movie_id": "日本/2", "title": "東京 (1992)", "distance": pytest.approx(5)},
            {"movie_id": "9 9", "title": "movie 9 9", "distance": pytest.approx(13)},
        ]
        assert ask(function, 276726) == ask(function, "276726")
        # 5 is the model's number of a book, and no book's id
        assert "Movie 5 is not among" in refusal(
            function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}
        )

    def test_own_ids_are_read_from_the_stored_file(
        self, function: ModuleType, s3: Any, endpoint: Endpoint, clock: Clock
    ) -> None:
        put(s3, catalogue(TITLES, ids={5: "bk-5é"}))
        before = ask(function, "bk-5é")
        endpoint.asked = []
        function.library = library(s3, endpoint, clock)  # type: ignore[attr-defined]
        assert ask(function, "bk-5é") == before
        assert endpoint.asked == [[2, 5, 9]]

    def test_top_k_limits_the_neighbours(self, function: ModuleType) -> None:
        assert [one["movie_id"] for one in ask(function, 5, top_k=2)["neighbours"]] == [7, 3]

    @pytest.mark.parametrize("movie", [2, 3, 9])
    def test_movies_without_ratings_or_title_are_included(
        self, function: ModuleType, movie: int
    ) -> None:
        """2 and 3 were never rated in training, 9 has no title."""
        assert ask(function, movie)["movie"]["movie_id"] == movie

    def test_movies_beyond_the_vocabulary_are_excluded(
        self, function: ModuleType, endpoint: Endpoint
    ) -> None:
        endpoint.vocabulary = 6
        assert [one["movie_id"] for one in ask(function)["neighbours"]] == [3, 2]
        assert "Movie 7 is not among the 3 movies" in refusal(
            function, {"bucket_name": BUCKET, "movie_id_to_examine": 7}
        )

    def test_sample_events_are_answered(
        self, function: ModuleType, endpoint: Endpoint, s3: Any
    ) -> None:
        put(s3, catalogue({**TITLES, 195: "Another (1984)"}))
        endpoint.places[195], endpoint.vocabulary = (1.0, 1.0), 200
        for path in EVENTS.glob("*.json"):
            event = json.loads(path.read_text())
            assert event["bucket_name"] == "your-bucket-name"
            event["bucket_name"] = BUCKET
            body = json.loads(function.handler(event, None)["body"])
            assert body["movie"] == {"movie_id": 195, "title": "Another (1984)"}
            assert len(body["neighbours"]) == min(event.get("top_k", 10), 5)
        workshop = json.loads((EVENTS / "terminator.json").read_text())
        assert workshop == {"bucket_name": "your-bucket-name", "movie_id_to_examine": 195}


class TestNearest:
    def test_nearest_equals_a_plain_search(self) -> None:
        draw = np.random.default_rng(0)
        vectors = draw.normal(size=(500, 8)).astype(np.float32) + 100
        movies = sorted(draw.choice(10_000, 500, replace=False).tolist())
        plain = {
            movie: sorted(
                (float(np.linalg.norm(vectors[j].astype(float) - vectors[i])), other)
                for j, other in enumerate(movies)
                if j != i
            )[:7]
            for i, movie in enumerate(movies[:50])
        }
        embeddings = Embeddings(movies, vectors.copy())
        for movie, expected in plain.items():
            found = embeddings.nearest(movie, 7)
            assert [movie for movie, _ in found] == [other for _, other in expected]
            distances = [distance for distance, _ in expected]
            assert [distance for _, distance in found] == pytest.approx(distances, rel=1e-4)

    def test_nearest_far_from_the_origin_keeps_precision(self) -> None:
        """Squares near 10^8 leave float32 steps of 8, and the true ones differ by less than 1."""
        vectors = np.full((5000, 3), 6000, dtype=np.float32)
        vectors[:, 0] += np.random.default_rng(1).permutation(5000).astype(np.float32) / 2048
        first = int(np.argmin(vectors[:, 0]))
        expected = [int(row) for row in np.argsort(vectors[:, 0])[1:6]]
        found = Embeddings(range(5000), vectors).nearest(first, 5)
        assert [movie for movie, _ in found] == expected
        assert [distance for _, distance in found] == [n / 2048 for n in range(1, 6)]

    def test_equal_distances_are_ordered_by_id(self) -> None:
        vectors = np.zeros((60, 3), dtype=np.float32)
        assert [movie for movie, _ in Embeddings(range(60), vectors).nearest(30, 4)] == [0, 1, 2, 3]


class TestEmbedding:
    def catalogue(self, s3: Any, endpoint: Endpoint, movies: list[int]) -> list[int]:
        put(s3, catalogue({movie: f"Title {movie}" for movie in movies}))
        found = library(s3, endpoint, Clock()).catalogue(BUCKET)
        return [int(movie) for movie in found.embeddings.movies]

    def test_responses_stay_below_the_payload_limit(self, s3: Any, endpoint: Endpoint) -> None:
        """2048 numbers of 20 characters are 40 KB a movie: 1,682 would be 67 MB."""
        movies = list(range(60))
        row = [0.12345678901234567 + n for n in range(2048)]
        endpoint.places, endpoint.vocabulary = dict.fromkeys(movies, row), 60
        assert self.catalogue(s3, endpoint, movies) == movies
        assert max(len(asked) for asked in endpoint.asked) <= 1_000_000 // 35_000
        assert sum(len(asked) for asked in endpoint.asked) == 60

    @pytest.mark.parametrize("vocabulary", [1, 2, 17, 999, 1000])
    def test_embedding_finds_the_vocabularys_end(
        self, s3: Any, endpoint: Endpoint, vocabulary: int
    ) -> None:
        movies = list(range(1000))
        endpoint.places, endpoint.vocabulary = dict.fromkeys(movies, (1.0,)), vocabulary
        assert self.catalogue(s3, endpoint, movies) == movies[:vocabulary]
        assert len(endpoint.asked) < 30

    def test_refused_movie_alone_is_skipped(self, s3: Any, endpoint: Endpoint) -> None:
        movies = list(range(100))
        endpoint.places, endpoint.vocabulary = dict.fromkeys(movies, (1.0,)), 100
        whole = endpoint.invoke_endpoint

        def picky(**request: Any) -> dict[str, Any]:
            answer = whole(**request)
            if 42 in endpoint.asked[-1]:
                raise refused("I do not like 42", 400)
            return answer

        endpoint.invoke_endpoint = picky  # type: ignore[method-assign]
        assert self.catalogue(s3, endpoint, movies) == [m for m in movies if m != 42]

    def test_oversized_request_is_halved_without_loss(self, s3: Any, endpoint: Endpoint) -> None:
        movies = list(range(300))
        endpoint.places, endpoint.vocabulary = dict.fromkeys(movies, (1.0,)), 300
        endpoint.longest = 500
        assert self.catalogue(s3, endpoint, movies) == movies

    def test_catalogue_without_known_movies_is_reported(self, s3: Any, endpoint: Endpoint) -> None:
        endpoint.vocabulary = 1
        with pytest.raises(FunctionError, match=r"The model knows no movie. .* holds 2; the voc"):
            library(s3, endpoint, Clock()).catalogue(BUCKET)

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"not JSON",
            b'{"embeddings": [1.0]}',
            b"\n".join([b'{"scores": [1.0]}'] * 5),
            b"\n".join([b'{"embeddings": []}'] * 5),
            b"\n".join([b'{"embeddings": ["x"]}'] * 5),
            b"\n".join([b'{"embeddings": [NaN]}'] * 5),
            b"\n".join([b'{"embeddings": [1]}'] * 4 + [b'{"embeddings": [1, 2]}']),
            b"\n".join([b"[1]"] * 5),
        ],
    )
    def test_response_of_another_model_is_refused(
        self, s3: Any, endpoint: Endpoint, answer: bytes
    ) -> None:
        endpoint.invoke_endpoint = lambda **_: reply(answer)  # type: ignore[method-assign]
        with pytest.raises(FunctionError, match=r"one embedding for each of 5 movie\(s\)"):
            library(s3, endpoint, Clock()).catalogue(BUCKET)


class TestCache:
    def key(self, endpoint: Endpoint) -> str:
        return f"{EMBEDDINGS}{endpoint.config}.npz"

    def test_warm_call_makes_no_requests(self, function: ModuleType, endpoint: Endpoint) -> None:
        ask(function)
        endpoint.asked, endpoint.described = [], 0
        ask(function, 7)
        assert (endpoint.asked, endpoint.described) == ([], 0)

    def test_version_is_looked_up_again_after_a_minute(
        self, function: ModuleType, endpoint: Endpoint, clock: Clock
    ) -> None:
        ask(function)
        endpoint.asked, endpoint.described = [], 0
        clock.now += module.FRESH + 1
        ask(function)
        ask(function)
        assert (endpoint.asked, endpoint.described) == ([], 1)

    def test_cold_start_reads_the_stored_file(
        self, function: ModuleType, s3: Any, endpoint: Endpoint, clock: Clock
    ) -> None:
        before = ask(function)
        endpoint.asked = []
        function.library = library(s3, endpoint, clock)  # type: ignore[attr-defined]
        assert ask(function) == before
        assert endpoint.asked == [[2, 5, 9]], "a few movies, to see that the file is the model's"

    def test_new_model_is_detected(
        self, function: ModuleType, endpoint: Endpoint, clock: Clock, s3: Any
    ) -> None:
        ask(function)
        endpoint.config = "config-2"
        endpoint.places[9] = (0.5, 0.0)
        assert ask(function)["neighbours"][0]["movie_id"] == 7
        clock.now += module.FRESH + 1
        assert ask(function)["neighbours"][0]["movie_id"] == 9
        stored = s3.list_objects_v2(Bucket=BUCKET, Prefix=EMBEDDINGS)
        assert [one["Key"].rsplit("/", 1)[1] for one in stored["Contents"]] == [
            "config-1.npz",
            "config-2.npz",
        ]

    def test_changed_catalogue_is_detected(
        self, function: ModuleType, endpoint: Endpoint, s3: Any, clock: Clock
    ) -> None:
        ask(function)
        endpoint.places[1] = (0.1, 0.0)
        put(s3, catalogue({**TITLES, 1: "One (1991)"}))
        clock.now += module.FRESH + 1
        assert ask(function)["neighbours"][0]["movie_id"] == 1

    @pytest.mark.parametrize(
        "damage",
        [
            lambda whole: b"",
            lambda whole: b"not a zip",
            lambda whole: whole[: len(whole) // 2],
            lambda whole: whole[:80] + bytes([whole[80] ^ 255]) + whole[81:],
            lambda whole: whole.replace(b"config-1", b"config-7"),
            lambda whole: module._packed([2, 3], np.zeros((2, 2), np.float32), {}),
            lambda whole: module._packed([2], np.zeros((2, 2), np.float32), ABOUT),
            lambda whole: module._packed([], np.zeros((0, 2), np.float32), ABOUT),
            lambda whole: module._packed([2, 3], np.zeros((2, 2)), ABOUT),  # type: ignore[arg-type]
        ],
    )
    def test_damaged_file_is_replaced(
        self, function: ModuleType, s3: Any, endpoint: Endpoint, clock: Clock, damage: Any
    ) -> None:
        before = ask(function)
        whole = s3.get_object(Bucket=BUCKET, Key=self.key(endpoint))["Body"].read()
        s3.put_object(Bucket=BUCKET, Key=self.key(endpoint), Body=damage(whole))
        function.library = library(s3, endpoint, clock)  # type: ignore[attr-defined]
        assert ask(function) == before
        again = s3.get_object(Bucket=BUCKET, Key=self.key(endpoint))["Body"].read()
        movies, vectors, _ = module._unpacked(again)
        assert movies == [2, 3, 5, 7, 9]
        assert vectors.tolist() == [list(PLANE[movie]) for movie in movies]

    def test_file_of_another_model_is_replaced(
        self, function: ModuleType, s3: Any, endpoint: Endpoint, clock: Clock
    ) -> None:
        """An endpoint deleted and made again may have the old configuration's name."""
        ask(function)
        endpoint.places = {movie: (y, x + 1) for movie, (x, y) in PLANE.items()}
        endpoint.places[3] = (0.0, 1.5)
        function.library = library(s3, endpoint, clock)  # type: ignore[attr-defined]
        assert ask(function)["neighbours"][0]["movie_id"] == 3

    def test_unwritable_bucket_does_not_prevent_answers(
        self, function: ModuleType, s3: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(**_: Any) -> None:
            raise client_error("AccessDenied", "Access Denied")

        monkeypatch.setattr(s3, "put_object", denied)
        assert ask(function)["neighbours"][0]["movie_id"] == 7

    def test_embeddings_during_an_endpoint_update_are_not_stored(
        self, function: ModuleType, s3: Any, endpoint: Endpoint
    ) -> None:
        endpoint.status = "Updating"
        assert ask(function)["neighbours"][0]["movie_id"] == 7
        assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=self.key(endpoint))
        endpoint.status, endpoint.config = "InService", "config-2"
        endpoint.places[9] = (0.5, 0.0)
        assert ask(function)["neighbours"][0]["movie_id"] == 9

    def test_cached_catalogue_answers_during_an_endpoint_update(
        self, function: ModuleType, endpoint: Endpoint, clock: Clock
    ) -> None:
        before = ask(function)
        endpoint.asked, endpoint.status = [], "Updating"
        clock.now += module.FRESH + 1
        assert ask(function) == before
        assert endpoint.asked == []

    def test_model_change_during_embedding_restarts_it(
        self, function: ModuleType, s3: Any, endpoint: Endpoint
    ) -> None:
        whole, new = endpoint.invoke_endpoint, {**PLANE, 9: (0.5, 0.0)}

        def switching(**request: Any) -> dict[str, Any]:
            answer = whole(**request)
            endpoint.config, endpoint.places = "config-2", new
            return answer

        endpoint.invoke_endpoint = switching  # type: ignore[method-assign]
        assert ask(function)["neighbours"][0]["movie_id"] == 9
        stored = s3.list_objects_v2(Bucket=BUCKET, Prefix=EMBEDDINGS)
        assert [one["Key"] for one in stored["Contents"]] == [self.key(endpoint)]

    def test_constantly_changing_endpoint_is_reported(
        self, function: ModuleType, endpoint: Endpoint
    ) -> None:
        whole = endpoint.invoke_endpoint

        def restless(**request: Any) -> dict[str, Any]:
            endpoint.config += "'"
            return whole(**request)

        endpoint.invoke_endpoint = restless  # type: ignore[method-assign]
        event = {"bucket_name": BUCKET, "movie_id_to_examine": 5}
        assert "while embedding the movies" in refusal(function, event)


BAD_EVENTS: list[tuple[object, str]] = [
    (None, "it must be a JSON object"),
    ("195", "it must be a JSON object"),
    ({}, "`bucket_name` is missing"),
    ({}, "`movie_id_to_examine` is missing"),
    ({"bucket_name": 5, "movie_id_to_examine": 1}, "the name of an S3 bucket, not 5"),
    ({"bucket_name": "", "movie_id_to_examine": 1}, 'the name of an S3 bucket, not ""'),
    ({"bucket_name": "s3://movies", "movie_id_to_examine": 1}, 'not "s3://movies"'),
    ({"bucket_name": "movies", "movie_id_to_examine": ""}, "must be an id"),
    ({"bucket_name": "movies", "movie_id_to_examine": "x" * 257}, "1 to 256 characters"),
    ({"bucket_name": "movies", "movie_id_to_examine": 1.0}, "not 1.0"),
    ({"bucket_name": "movies", "movie_id_to_examine": True}, "not true"),
    ({"bucket_name": "movies", "movie_id_to_examine": None}, "not null"),
    ({"bucket_name": "movies", "movie_id_to_examine": float("inf")}, "not Infinity"),
    ({"bucket_name": "movies", "movie_id_to_examine": [5]}, "not [5]"),
    ({"bucket_name": "movies", "movie_id_to_examine": 1, "top_k": 0}, "`top_k` must be a whole"),
    ({"bucket_name": "movies", "movie_id_to_examine": 1, "top_k": 101}, "from 1 to 100, not 101"),
    ({"bucket_name": "movies", "movie_id_to_examine": 1, "top_k": None}, "not null"),
    ({"bucket_name": "movies", "movie_id_to_examine": 1, "k": 1}, 'unknown field "k"'),
]


MALFORMED = json.dumps(
    {
        "version": 1,
        "items": [
            {"item": 1, "id": "1", "title": "One", "ratings": 3},
            {"id": "2", "title": "no number", "ratings": 3},
            {"item": "x", "id": "3", "title": "X", "ratings": 3},
            {"item": 4, "id": "4", "title": None, "ratings": 0},
            {"item": -1, "id": "5", "title": "Y", "ratings": 3},
            {"item": 6, "id": "6", "title": 6, "ratings": 3},
            {"item": 7, "id": "7", "title": "Z", "ratings": True},
            {"item": 8, "id": 8, "title": "Z", "ratings": 0},
        ],
    }
)


class TestErrors:
    @pytest.mark.parametrize(("event", "told"), BAD_EVENTS)
    def test_invalid_events_are_reported(
        self, function: ModuleType, event: object, told: str
    ) -> None:
        message = refusal(function, event)
        assert message.startswith("Bad event: ")
        assert told in message

    def test_unknown_movie_is_reported(self, function: ModuleType) -> None:
        event = {"bucket_name": BUCKET, "movie_id_to_examine": 1700}
        assert refusal(function, event) == (
            "Movie 1700 is not among the 5 movies that are in s3://movies and known to the "
            "model; ids range from 2 to 9."
        )

    def test_missing_bucket_is_reported(self, function: ModuleType) -> None:
        event = {"bucket_name": "no-such-bucket", "movie_id_to_examine": 5}
        assert refusal(function, event) == "Bucket no-such-bucket does not exist."

    def test_missing_key_is_reported(self, function: ModuleType, s3: Any) -> None:
        s3.delete_object(Bucket=BUCKET, Key=CATALOGUE)
        assert refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}) == (
            f"s3://movies/{CATALOGUE} does not exist: upload the prepared data to this key."
        )

    def test_forbidden_key_is_reported(
        self, function: ModuleType, s3: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def head(**_: Any) -> None:
            raise client_error("403", "Forbidden")

        def get(**_: Any) -> None:
            raise client_error("AccessDenied", "Access Denied")

        monkeypatch.setattr(s3, "head_object", head)
        monkeypatch.setattr(s3, "get_object", get)
        assert refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}) == (
            f"s3://movies/{CATALOGUE} does not exist, or this function may not read it: "
            "its role reads the project's own bucket only."
        )

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (MALFORMED, "catalogue.json is malformed: item 2 must have whole numbers as item"),
            (MALFORMED, "; item 3 must have"),
            (MALFORMED, "; item 5 must have"),
            (MALFORMED, "; item 6 must have"),
            (MALFORMED, "; item 7 must have whole numbers as item and ratings, a text as id"),
            (MALFORMED, "; item 8 must have"),
            (json.dumps({"version": 1, "items": [{}] * 30}), "; and 20 more."),
            (json.dumps({"version": 1, "items": {}}), "its items must be a list"),
            (json.dumps({"version": 2, "items": []}), "is of version 2, and this function reads"),
            (json.dumps([]), "it must be an object with items"),
            ('{"version": 1, "items": [', "catalogue.json is malformed: Expecting value"),
            ("[" * 100_000, "catalogue.json is malformed: "),
        ],
    )
    def test_malformed_files_are_reported(
        self, function: ModuleType, s3: Any, text: str, told: str
    ) -> None:
        put(s3, text)
        assert told in refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5})

    def test_empty_catalogue_is_reported(self, function: ModuleType, s3: Any) -> None:
        put(s3, catalogue({}))
        message = refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5})
        assert message == f"s3://movies/{CATALOGUE} lists no movies."

    def test_only_movie_has_no_neighbours(self, function: ModuleType, s3: Any) -> None:
        put(s3, catalogue({5: "Five (1995)"}))
        message = refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5})
        assert message == "Movie 5 has no neighbours: the model knows no other movie."

    @pytest.mark.parametrize(
        ("status", "told"),
        [
            ("Creating", "Endpoint recommendationModel is still being created."),
            ("Failed", "Endpoint recommendationModel is Failed."),
            ("Deleting", "Endpoint recommendationModel is Deleting."),
        ],
    )
    def test_endpoint_out_of_service_is_reported(
        self, function: ModuleType, endpoint: Endpoint, status: str, told: str
    ) -> None:
        endpoint.status = status
        assert refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}) == told

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                client_error("ValidationError", "Endpoint x not found."),
                "Endpoint recommendationModel cannot be used; does it exist, is it in service? "
                "(Endpoint x not found.)",
            ),
            (
                client_error("ThrottlingException", "Rate exceeded"),
                "Endpoint recommendationModel is too busy to answer now; try again in a moment. "
                "(Rate exceeded)",
            ),
            (
                client_error("AccessDeniedException", "not authorized"),
                "This function's role may not use endpoint recommendationModel: not authorized",
            ),
            (
                client_error("ModelError", "Received server error (500)", OriginalStatusCode=500),
                "The model of endpoint recommendationModel failed; its log tells more: "
                "Received server error (500)",
            ),
            (
                client_error("InternalFailure", "oops"),
                "Endpoint recommendationModel did not answer: InternalFailure: oops",
            ),
            (
                ReadTimeoutError(endpoint_url="http://x"),
                "Endpoint recommendationModel could not be reached: "
                'Read timeout on endpoint URL: "http://x"',
            ),
        ],
    )
    def test_failing_endpoint_is_reported(
        self, function: ModuleType, endpoint: Endpoint, error: Exception, told: str
    ) -> None:
        endpoint.error = error
        assert refusal(function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}) == told

    def test_missing_endpoint_is_reported(self, function: ModuleType, endpoint: Endpoint) -> None:
        def missing(**_: Any) -> None:
            raise client_error("ValidationException", "Could not find endpoint")

        endpoint.describe_endpoint = missing  # type: ignore[assignment, method-assign]
        assert "does it exist" in refusal(
            function, {"bucket_name": BUCKET, "movie_id_to_examine": 5}
        )

    def test_errors_have_no_stack_trace(self, function: ModuleType) -> None:
        try:
            function.handler({}, None)
        except RetrievalError:
            assert traceback.extract_tb(sys.exc_info()[2]) == []
        else:
            pytest.fail("an empty event was answered")

    def test_missing_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("ENDPOINT_NAME", raising=False)
        monkeypatch.delitem(sys.modules, "movie_retrieval.handler", raising=False)
        with pytest.raises(RetrievalError, match="Set ENDPOINT_NAME in this function's env"):
            importlib.import_module("movie_retrieval.handler")
