"""Amazon S3 Vectors on the local AWS; `tests/contract` has what AWS documents."""

import itertools
import json
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


FILMS = {
    "alien": {"genre": ["horror", "science fiction"], "year": 1979, "seen": True},
    "brazil": {"genre": "science fiction", "year": 1985, "seen": False},
    "casablanca": {"genre": "drama", "year": 1942},
}


@pytest.fixture(scope="module")
def films(aws: None) -> str:
    configuration = {"nonFilterableMetadataKeys": ["title"]}
    places = {"alien": [1.0, 0], "brazil": [2.0, 0], "casablanca": [3.0, 0]}
    return index(places, metadata=FILMS, metadataConfiguration=configuration)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
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
        ("get_vectors", {"indexName": "abc", "keys": ["k"]}, "Validation", "Must specify"),
        ("list_tags_for_resource", {"resourceArn": "arn:nope"}, "NotFound", "resource"),
    ],
)
def test_refused_requests(operation: str, request_: Any, code: str, words: str) -> None:
    told = refused(lambda: getattr(api(), operation)(**request_))
    assert told[0] == f"{code}Exception" and words in told[1]


def test_query_in_another_mode_is_refused(films: str) -> None:
    code, text = refused(lambda: found(films, [0, 0], queryMode="CLASSIC"))
    assert code == "ValidationException" and "CLASSIC" in text


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
