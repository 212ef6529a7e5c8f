"""Amazon S3 Vectors: what is kept, what is near, what is refused, and who may ask."""

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws

REGION, ACCOUNT = "us-east-1", "123456789012"
BUCKET = "vectors"
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with LocalAws():
        api().create_vector_bucket(vectorBucketName=BUCKET)
        yield


def api(region: str = REGION) -> Any:
    return clients.client("s3vectors", region)


def index(
    vectors: dict[str, list[float]],
    metric: str = "euclidean",
    metadata: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """The ARN of a new index with these vectors in it."""
    dimension = len(next(iter(vectors.values()), [0.0, 0.0]))
    arn: str = api().create_index(
        vectorBucketName=BUCKET,
        indexName=f"index-{next(_numbers)}",
        dataType="float32",
        dimension=dimension,
        distanceMetric=metric,
        **more,
    )["indexArn"]
    records = [
        {"key": key, "data": {"float32": values}, "metadata": (metadata or {}).get(key, {})}
        for key, values in vectors.items()
    ]
    if records:
        api().put_vectors(indexArn=arn, vectors=records)
    return arn


def found(arn: str, query: list[float], **more: Any) -> list[str]:
    request = {"indexArn": arn, "topK": 10, "queryVector": {"float32": query}, **more}
    return [one["key"] for one in api().query_vectors(**request)["vectors"]]


def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call()
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


def test_the_nearest_come_first_at_euclids_distance() -> None:
    arn = index({"far": [6, 8], "near": [3, 4], "here": [0, 0]})
    answer = api().query_vectors(
        indexArn=arn, topK=2, queryVector={"float32": [0, 0]}, returnDistance=True
    )
    assert answer["vectors"] == [{"key": "here", "distance": 0}, {"key": "near", "distance": 5}]
    assert answer["distanceMetric"] == "euclidean"


def test_the_cosine_distance_is_one_less_the_cosine() -> None:
    arn = index({"same": [9, 0], "diagonal": [1, 1], "across": [0, 2], "back": [-1, 0]}, "cosine")
    answer = api().query_vectors(
        indexArn=arn, topK=4, queryVector={"float32": [1, 0]}, returnDistance=True
    )
    distances = {one["key"]: one["distance"] for one in answer["vectors"]}
    assert list(distances) == ["same", "diagonal", "across", "back"]
    assert list(distances.values()) == pytest.approx([0, 1 - math.sqrt(0.5), 1, 2], abs=1e-6)


def test_pages_together_are_the_whole() -> None:
    arn = index({f"{number:03}": [float(number)] for number in range(260)})
    pages = (
        api()
        .get_paginator("query_vectors")
        .paginate(indexArn=arn, topK=230, queryVector={"float32": [0]})
    )
    keys = [[one["key"] for one in page["vectors"]] for page in pages]
    assert [len(page) for page in keys] == [100, 100, 30]
    assert list(itertools.chain(*keys)) == [f"{number:03}" for number in range(230)]

    listed = api().get_paginator("list_vectors")
    request = {"indexArn": arn, "maxResults": 90}
    whole = [one["key"] for page in listed.paginate(**request) for one in page["vectors"]]
    segments = [
        one["key"]
        for segment in range(3)
        for page in listed.paginate(**request, segmentCount=3, segmentIndex=segment)
        for one in page["vectors"]
    ]
    assert whole == sorted(segments) == [f"{number:03}" for number in range(260)]


def test_putting_again_replaces_and_deleting_again_does_no_harm() -> None:
    arn = index({"a": [1, 0], "b": [2, 0]}, metadata={"a": {"title": "old"}})
    api().put_vectors(indexArn=arn, vectors=[{"key": "a", "data": {"float32": [9, 0.9]}}])
    for _ in range(2):
        api().delete_vectors(indexArn=arn, keys=["b", "never"])
    named = {"vectorBucketName": BUCKET, "indexName": arn.rpartition("/")[2]}
    answer = api().get_vectors(**named, keys=["a", "b", "a"], returnData=True, returnMetadata=True)
    # the values are kept as float32
    kept = [9, 0.8999999761581421]
    assert answer["vectors"] == [{"key": "a", "data": {"float32": kept}, "metadata": {}}]
    assert found(arn, [0, 0]) == ["a"]


def test_a_request_with_one_bad_vector_changes_nothing() -> None:
    arn = index({"a": [1, 0]})
    good = {"key": "b", "data": {"float32": [1, 1]}}
    bad = {"key": "x", "data": {"float32": [1, 2, 3]}}
    assert refused(lambda: api().put_vectors(indexArn=arn, vectors=[good, bad])) == (
        "ValidationException",
        "Invalid record for key 'x': vector must have length 2, but has length 3",
    )
    assert found(arn, [0, 0]) == ["a"]


FILMS = {
    "alien": {"genre": ["horror", "science fiction"], "year": 1979, "seen": True},
    "brazil": {"genre": "science fiction", "year": 1985, "seen": False},
    "casablanca": {"genre": "drama", "year": 1942},
}


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
def test_filters(films: str, document: Any, expected: str) -> None:
    assert found(films, [0, 0], filter=document) == expected.split()


@pytest.fixture(scope="module")
def films(aws: None) -> str:
    configuration = {"nonFilterableMetadataKeys": ["title"]}
    places = {"alien": [1.0, 0], "brazil": [2.0, 0], "casablanca": [3.0, 0]}
    return index(places, metadata=FILMS, metadataConfiguration=configuration)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({}, "ValidationException", "not empty"),
        ({"$and": []}, "ValidationException", "$and"),
        ({"$not": [{"year": 1}]}, "ValidationException", "$not"),
        ({"year": {"$near": 3}}, "ValidationException", "$near"),
        ({"year": {"$gt": "3"}}, "ValidationException", "$gt"),
        ({"year": {"$in": []}}, "ValidationException", "$in"),
        ({"title": "Alien"}, "ValidationException", "title is not filterable"),
        ({"year": {"$in": list(range(101))}}, "ValidationException", "100 constraints"),
        ({"year": 1979, "seen": True}, "NotImplementedByLocalAws", "use $and"),
        ({"seen": {"$ne": True}}, "NotImplementedByLocalAws", "not documented"),
        ({"genre": {"$nin": ["drama"]}}, "NotImplementedByLocalAws", "not documented"),
    ],
)
def test_filters_that_are_none_or_not_documented(
    films: str, document: Any, code: str, words: str
) -> None:
    told = refused(lambda: found(films, [0, 0], filter=document))
    assert told[0] == code and words in told[1]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "words"),
    [
        ("get_index", {"indexName": "nope", "vectorBucketName": BUCKET}, "NotFound", "index"),
        ("delete_index", {"indexName": "abc", "vectorBucketName": "xyz"}, "NotFound", "index"),
        ("get_vectors", {"indexName": "abc", "keys": ["k"]}, "Validation", "Must specify"),
        ("get_vector_bucket", {"vectorBucketName": "nope"}, "NotFound", "vector bucket"),
        ("create_vector_bucket", {"vectorBucketName": "a_b"}, "Validation", "Invalid"),
        ("create_vector_bucket", {"vectorBucketName": BUCKET}, "Conflict", "already exists"),
        ("delete_vector_bucket", {"vectorBucketName": BUCKET}, "Conflict", "is not empty"),
        ("list_tags_for_resource", {"resourceArn": "arn:nope"}, "NotFound", "resource"),
        ("list_indexes", {"vectorBucketName": BUCKET, "nextToken": "é!"}, "Validation", "token"),
    ],
)
def test_refused_requests(operation: str, request_: Any, code: str, words: str) -> None:
    told = refused(lambda: getattr(api(), operation)(**request_))
    assert told[0] == f"{code}Exception" and words in told[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"topK": 10_001}, "topK must be at most 10000"),
        ({"queryVector": {"float32": [1.0]}}, "is invalid for this index"),
        ({"queryMode": "CLASSIC"}, "CLASSIC"),
        ({"nextToken": "stale"}, "token"),
    ],
)
def test_refused_queries(films: str, more: Any, words: str) -> None:
    code, text = refused(lambda: found(films, [0, 0], **more))
    assert code == "ValidationException" and words in text


@pytest.mark.parametrize(
    ("metric", "values", "metadata", "words"),
    [
        ("cosine", [0, 0], {}, "all zeros"),
        ("euclidean", [1e39, 0], {}, "finite"),
        ("euclidean", [0, 0], {"a": "x" * 2050}, "Filterable metadata must have at most 2048"),
        ("euclidean", [0, 0], {"title": "x" * 41_000}, "at most 40960 bytes"),
        ("euclidean", [0, 0], {f"k{n}": n for n in range(51)}, "at most 50 keys"),
        ("euclidean", [0, 0], {"a": {"b": 1}}, "a string, a number, a boolean or a list"),
    ],
)
def test_refused_vectors(metric: str, values: list[float], metadata: Any, words: str) -> None:
    arn = index({}, metric, metadataConfiguration={"nonFilterableMetadataKeys": ["title"]})
    record = {"key": "k", "data": {"float32": values}, "metadata": metadata}
    code, text = refused(lambda: api().put_vectors(indexArn=arn, vectors=[record]))
    assert code == "ValidationException" and text.startswith("Invalid record for key 'k'")
    assert words in text


def test_what_is_not_implemented_is_refused_by_name(films: str) -> None:
    texts = [{"text": "space", "metadataKey": "genre"}]
    calls = {
        "UpdateIndexMode": lambda: api().update_index_mode(indexArn=films, indexMode="ENHANCED"),
        "queryTexts": lambda: api().query_vectors(indexArn=films, topK=1, queryTexts=texts),
        "PutVectorBucketPolicy": lambda: api().put_vector_bucket_policy(
            vectorBucketName=BUCKET, policy="{}"
        ),
    }
    for name, call in calls.items():
        code, text = refused(call)
        assert code == "NotImplementedByLocalAws" and name in text


def test_a_vector_bucket_belongs_to_a_region_and_shows_its_key_and_tags() -> None:
    key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
    europe = api("eu-west-1")
    configuration = {"sseType": "aws:kms", "kmsKeyArn": key}
    arn = europe.create_vector_bucket(
        vectorBucketName=BUCKET, encryptionConfiguration=configuration, tags={"a": "1"}
    )["vectorBucketArn"]
    assert arn == f"arn:aws:s3vectors:eu-west-1:{ACCOUNT}:bucket/{BUCKET}"
    europe.tag_resource(resourceArn=arn, tags={"b": "2"})
    europe.untag_resource(resourceArn=arn, tagKeys=["a", "c"])
    assert europe.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    shown = europe.get_vector_bucket(vectorBucketArn=arn)["vectorBucket"]
    assert shown["encryptionConfiguration"] == configuration
    assert europe.list_indexes(vectorBucketArn=arn)["indexes"] == []
    europe.delete_vector_bucket(vectorBucketArn=arn)
    assert europe.list_vector_buckets()["vectorBuckets"] == []
    assert len(api().list_vector_buckets(prefix="vec")["vectorBuckets"]) == 1


def test_a_role_may_ask_its_own_index_and_metadata_only_if_it_may_get_vectors(films: str) -> None:
    other = index({"a": [0, 0]})
    plain = _as_role("s3vectors:QueryVectors", films)
    request: dict[str, Any] = {"indexArn": films, "topK": 1, "queryVector": {"float32": [0, 0]}}
    assert plain.query_vectors(**request)["vectors"] == [{"key": "alien"}]
    for more in ({"returnMetadata": True}, {"filter": {"year": 1979}}, {"indexArn": other}):
        code, text = refused(lambda more=more: plain.query_vectors(**{**request, **more}))
        action = "QueryVectors" if "indexArn" in more else "GetVectors"
        assert code == "AccessDeniedException" and f"s3vectors:{action}" in text
    both = _as_role(["s3vectors:QueryVectors", "s3vectors:GetVectors"], films)
    assert both.query_vectors(**request, returnMetadata=True)["vectors"][0]["metadata"]
    named = {"vectorBucketName": BUCKET, "indexName": films.rpartition("/")[2]}
    assert both.get_vectors(**named, keys=["brazil"])["vectors"] == [{"key": "brazil"}]


def _as_role(actions: Any, resource: str) -> Any:
    iam, name = clients.client("iam", REGION), f"role-{next(_numbers)}"
    me = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(me))
    allowed = {"Effect": "Allow", "Action": actions, "Resource": resource}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=_document(allowed))
    answer = clients.client("sts", REGION).assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{name}", RoleSessionName="me"
    )["Credentials"]
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    keys = clients.Credentials(*(answer[name] for name in names))
    return clients.client("s3vectors", REGION, keys)


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
