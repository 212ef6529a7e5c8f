"""Amazon S3 Vectors: what is kept, what is near, what is refused, and who may ask."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.cloud import Cloud, documented, policy, refused

_GUIDE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-"
_API = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_S3VectorBuckets_"
_numbers = itertools.count()

Make = Callable[..., str]


@pytest.fixture(scope="module")
def bucket(cloud: Cloud) -> str:
    api, name = cloud.client("s3vectors"), f"{cloud.prefix}-vectors"
    api.create_vector_bucket(vectorBucketName=name)
    cloud.undo(name, lambda: api.delete_vector_bucket(vectorBucketName=name))
    return name


@pytest.fixture(scope="module")
def index(cloud: Cloud, bucket: str) -> Make:
    """Create an index with these vectors in it; returns its ARN."""
    api = cloud.client("s3vectors")

    def make(
        vectors: dict[str, list[float]],
        metric: str = "euclidean",
        metadata: dict[str, Any] | None = None,
        **more: Any,
    ) -> str:
        arn: str = api.create_index(
            vectorBucketName=bucket,
            indexName=f"index-{next(_numbers)}",
            dataType="float32",
            dimension=len(next(iter(vectors.values()), [0.0, 0.0])),
            distanceMetric=metric,
            **more,
        )["indexArn"]
        cloud.undo(arn, lambda: api.delete_index(indexArn=arn))
        records = [
            {"key": key, "data": {"float32": values}, "metadata": (metadata or {}).get(key, {})}
            for key, values in vectors.items()
        ]
        if records:
            api.put_vectors(indexArn=arn, vectors=records)
        return arn

    return make


FILMS = {
    "alien": {"genre": ["horror", "science fiction"], "year": 1979, "seen": True},
    "brazil": {"genre": "science fiction", "year": 1985, "seen": False},
    "casablanca": {"genre": "drama", "year": 1942},
}


@pytest.fixture(scope="module")
def films(index: Make) -> str:
    configuration = {"nonFilterableMetadataKeys": ["title"]}
    places = {"alien": [1.0, 0], "brazil": [2.0, 0], "casablanca": [3.0, 0]}
    return index(places, metadata=FILMS, metadataConfiguration=configuration)


def found(cloud: Cloud, arn: str, query: list[float], **more: Any) -> list[str]:
    request = {"indexArn": arn, "topK": 10, "queryVector": {"float32": query}, **more}
    return [one["key"] for one in cloud.client("s3vectors").query_vectors(**request)["vectors"]]


@documented(_API + "QueryVectors.html")
def test_query_returns_the_nearest_first_at_their_euclidean_distance(
    cloud: Cloud, index: Make
) -> None:
    arn = index({"far": [6, 8], "near": [3, 4], "here": [0, 0]})
    answer = cloud.client("s3vectors").query_vectors(
        indexArn=arn, topK=2, queryVector={"float32": [0, 0]}, returnDistance=True
    )
    assert [one["key"] for one in answer["vectors"]] == ["here", "near"]
    assert [one["distance"] for one in answer["vectors"]] == pytest.approx([0, 5], abs=1e-5)
    assert answer["distanceMetric"] == "euclidean"


@documented(_API + "QueryVectors.html")
def test_query_by_cosine_returns_one_less_the_cosine(cloud: Cloud, index: Make) -> None:
    arn = index({"same": [9, 0], "diagonal": [1, 1], "across": [0, 2], "back": [-1, 0]}, "cosine")
    answer = cloud.client("s3vectors").query_vectors(
        indexArn=arn, topK=4, queryVector={"float32": [1, 0]}, returnDistance=True
    )
    distances = {one["key"]: one["distance"] for one in answer["vectors"]}
    assert list(distances) == ["same", "diagonal", "across", "back"]
    assert list(distances.values()) == pytest.approx([0, 1 - math.sqrt(0.5), 1, 2], abs=1e-5)


@documented(_API + "QueryVectors.html")
def test_pages_of_a_query_are_together_the_whole(cloud: Cloud, index: Make) -> None:
    arn = index({f"{number:03}": [float(number)] for number in range(230)})
    request = {"indexArn": arn, "topK": 230, "queryVector": {"float32": [0.0]}}
    keys: list[str] = []
    page: dict[str, Any] = {}
    while True:
        answer = cloud.client("s3vectors").query_vectors(**request, **page)
        keys += [one["key"] for one in answer["vectors"]]
        if not answer.get("nextToken"):
            break
        page = {"nextToken": answer["nextToken"]}
    assert keys == [f"{number:03}" for number in range(230)]


@documented(_API + "ListVectors.html")
def test_segments_of_a_list_are_together_the_whole(cloud: Cloud, index: Make) -> None:
    arn = index({f"{number:03}": [float(number)] for number in range(60)})
    listed = cloud.client("s3vectors").get_paginator("list_vectors")
    request = {"indexArn": arn, "maxResults": 25}
    whole = [one["key"] for page in listed.paginate(**request) for one in page["vectors"]]
    segments = [
        one["key"]
        for segment in range(3)
        for page in listed.paginate(**request, segmentCount=3, segmentIndex=segment)
        for one in page["vectors"]
    ]
    assert sorted(whole) == sorted(segments) == [f"{number:03}" for number in range(60)]


@documented(_API + "PutVectors.html")
def test_vector_put_again_is_replaced_with_its_metadata(cloud: Cloud, index: Make) -> None:
    api, arn = cloud.client("s3vectors"), index({"a": [1, 0]}, metadata={"a": {"title": "old"}})
    api.put_vectors(indexArn=arn, vectors=[{"key": "a", "data": {"float32": [9, 0.9]}}])
    request = {"indexArn": arn, "keys": ["a"], "returnData": True, "returnMetadata": True}
    (kept,) = api.get_vectors(**request)["vectors"]
    assert kept["data"]["float32"] == pytest.approx([9, 0.9])
    assert not kept.get("metadata")


@documented(_API + "DeleteVectors.html")
def test_deletion_of_unknown_vectors_succeeds(cloud: Cloud, index: Make) -> None:
    api, arn = cloud.client("s3vectors"), index({"a": [1, 0], "b": [2, 0]})
    for _ in range(2):
        api.delete_vectors(indexArn=arn, keys=["b", "never"])
    assert found(cloud, arn, [0, 0]) == ["a"]


@documented(_API + "GetVectors.html")
def test_get_of_unknown_vectors_leaves_them_out(cloud: Cloud, films: str) -> None:
    answer = cloud.client("s3vectors").get_vectors(indexArn=films, keys=["alien", "unknown"])
    assert answer["vectors"] == [{"key": "alien"}]


@documented(_API + "PutVectors.html")
def test_request_with_one_bad_vector_changes_nothing(cloud: Cloud, index: Make) -> None:
    arn = index({"a": [1, 0]})
    good = {"key": "b", "data": {"float32": [1, 1]}}
    bad = {"key": "x", "data": {"float32": [1, 2, 3]}}
    with refused("ValidationException", "length 2, but has length 3"):
        cloud.client("s3vectors").put_vectors(indexArn=arn, vectors=[good, bad])
    assert found(cloud, arn, [0, 0]) == ["a"]


@documented(_API + "GetIndex.html")
def test_index_tells_what_it_was_created_with(cloud: Cloud, films: str) -> None:
    told = cloud.client("s3vectors").get_index(indexArn=films)["index"]
    assert (told["dataType"], told["dimension"], told["distanceMetric"]) == (
        "float32",
        2,
        "euclidean",
    )
    assert told["metadataConfiguration"] == {"nonFilterableMetadataKeys": ["title"]}


@documented(_API + "CreateVectorBucket.html")
def test_bucket_is_encrypted_by_default(cloud: Cloud, bucket: str) -> None:
    told = cloud.client("s3vectors").get_vector_bucket(vectorBucketName=bucket)["vectorBucket"]
    assert told["encryptionConfiguration"]["sseType"] == "AES256"
    place = f":s3vectors:{cloud.region}:{cloud.account}:bucket/{bucket}"
    assert told["vectorBucketArn"].endswith(place)


@documented(_GUIDE + "metadata-filtering.html")
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"genre": "science fiction"}, "alien brazil"),
        ({"genre": {"$eq": "horror"}}, "alien"),
        ({"genre": {"$in": ["drama", "horror"]}}, "alien casablanca"),
        ({"genre": {"$startsWith": "s"}}, "alien brazil"),
        ({"year": {"$ne": 1985}}, "alien casablanca"),
        ({"year": {"$nin": [1942, 1979]}}, "brazil"),
        ({"year": {"$gt": 1942, "$lt": 1985}}, "alien"),
        ({"year": {"$gte": 1979}}, "alien brazil"),
        ({"year": {"$lte": 1942}}, "casablanca"),
        ({"year": {"$eq": True}}, ""),
        ({"seen": True}, "alien"),
        ({"seen": {"$exists": False}}, "casablanca"),
        ({"$and": [{"genre": "science fiction"}, {"seen": False}]}, "brazil"),
        ({"$or": [{"year": 1942}, {"$and": [{"year": 1979}]}]}, "alien casablanca"),
    ],
)
def test_query_with_a_filter_returns_what_matches(
    cloud: Cloud, films: str, document: Any, expected: str
) -> None:
    assert found(cloud, films, [0, 0], filter=document) == expected.split()


@documented(_GUIDE + "metadata-filtering.html")
@pytest.mark.parametrize(
    "document",
    [
        {},
        {"$and": []},
        {"$not": [{"year": 1}]},
        {"year": {"$near": 3}},
        {"year": {"$gt": "3"}},
        {"year": {"$in": []}},
        {"title": "Alien"},
    ],
)
def test_query_with_an_invalid_filter_is_refused(cloud: Cloud, films: str, document: Any) -> None:
    with refused("ValidationException"):
        found(cloud, films, [0, 0], filter=document)


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        pytest.param(operation, request, f"{code}Exception", marks=documented(_API + page))
        for operation, request, code, page in (
            ("get_index", {"indexName": "nope"}, "NotFound", "GetIndex.html"),
            ("delete_index", {"indexName": "nope"}, "NotFound", "DeleteIndex.html"),
            ("get_vectors", {"indexName": "nope", "keys": ["k"]}, "NotFound", "GetVectors.html"),
            ("list_vectors", {"indexName": "nope"}, "NotFound", "ListVectors.html"),
            ("create_vector_bucket", {}, "Conflict", "CreateVectorBucket.html"),
            ("list_indexes", {"nextToken": "é!"}, "Validation", "ListIndexes.html"),
            (
                "get_vector_bucket",
                {"vectorBucketName": "nope-nope-nope"},
                "NotFound",
                "GetVectorBucket.html",
            ),
            (
                "create_vector_bucket",
                {"vectorBucketName": "a_b"},
                "Validation",
                "CreateVectorBucket.html",
            ),
        )
    ],
)
def test_invalid_request_is_refused(
    cloud: Cloud, bucket: str, operation: str, request_: Any, code: str
) -> None:
    with refused(code):
        getattr(cloud.client("s3vectors"), operation)(**{"vectorBucketName": bucket, **request_})


@documented(_API + "DeleteVectorBucket.html")
def test_deletion_of_a_bucket_with_indexes_is_refused(
    cloud: Cloud, bucket: str, films: str
) -> None:
    with refused("ConflictException"):
        cloud.client("s3vectors").delete_vector_bucket(vectorBucketName=bucket)


@documented(_API + "CreateIndex.html")
@pytest.mark.parametrize(
    "more", [{"dimension": 2}, {"indexName": "ABC"}, {"indexName": "again"}], ids=str
)
def test_creation_of_an_index_that_exists_or_is_invalid_is_refused(
    cloud: Cloud, bucket: str, films: str, more: Any
) -> None:
    name = films.rpartition("/")[2]
    request = {
        "vectorBucketName": bucket,
        "indexName": name,
        "dataType": "float32",
        "dimension": 2,
        "distanceMetric": "cosine",
    }
    code = "ValidationException" if more.get("indexName") == "ABC" else "ConflictException"
    if more.get("indexName") == "again":
        more = {"indexName": name, "dimension": 3}
    with refused(code):
        cloud.client("s3vectors").create_index(**{**request, **more})


@documented(_GUIDE + "limitations.html")
@pytest.mark.parametrize(
    "more", [{"topK": 10_001}, {"queryVector": {"float32": [1.0]}}, {"nextToken": "stale"}], ids=str
)
def test_invalid_query_is_refused(cloud: Cloud, films: str, more: Any) -> None:
    with refused("ValidationException"):
        found(cloud, films, [0, 0], **more)


@documented(_GUIDE + "limitations.html")
@pytest.mark.parametrize(
    ("metric", "values", "metadata"),
    [
        pytest.param("cosine", [0, 0], {}, id="zero vector"),
        pytest.param("euclidean", [1e39, 0], {}, id="not a float32"),
        pytest.param("euclidean", [0, 0], {"a": "x" * 2050}, id="filterable metadata over 2 KB"),
        pytest.param("euclidean", [0, 0], {"title": "x" * 41_000}, id="metadata over 40 KB"),
        pytest.param("euclidean", [0, 0], {f"k{n}": n for n in range(51)}, id="51 keys"),
        pytest.param("euclidean", [0, 0], {"a": {"b": 1}}, id="nested metadata"),
    ],
)
def test_invalid_vector_is_refused(
    cloud: Cloud, index: Make, metric: str, values: list[float], metadata: Any
) -> None:
    arn = index({}, metric, metadataConfiguration={"nonFilterableMetadataKeys": ["title"]})
    record = {"key": "k", "data": {"float32": values}, "metadata": metadata}
    with refused("ValidationException", "Invalid record for key 'k'"):
        cloud.client("s3vectors").put_vectors(indexArn=arn, vectors=[record])


@pytest.fixture(scope="module")
def asking(cloud: Cloud, films: str, role: Callable[..., str]) -> Any:
    """A client that may query the films, but get no vectors."""
    allowed = {"Effect": "Allow", "Action": "s3vectors:QueryVectors", "Resource": films}
    return cloud.as_role(role("query", policy(allowed)))("s3vectors")


@documented(_API + "QueryVectors.html")
def test_query_of_keys_needs_no_other_permission(cloud: Cloud, films: str, asking: Any) -> None:
    request: dict[str, Any] = {"indexArn": films, "topK": 1, "queryVector": {"float32": [0, 0]}}
    assert cloud.settled(lambda: asking.query_vectors(**request))["vectors"] == [{"key": "alien"}]


@documented(_API + "QueryVectors.html")
@pytest.mark.parametrize("more", [{"returnMetadata": True}, {"filter": {"year": 1979}}], ids=str)
def test_query_with_metadata_needs_get_vectors(
    cloud: Cloud, films: str, asking: Any, more: Any
) -> None:
    request: dict[str, Any] = {"indexArn": films, "topK": 1, "queryVector": {"float32": [0, 0]}}
    cloud.settled(lambda: asking.query_vectors(**request))
    with refused("AccessDeniedException", "s3vectors:GetVectors"):
        asking.query_vectors(**request, **more)
