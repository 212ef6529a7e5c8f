"""The backend of an account and region: vector buckets, indexes, and pages of queries.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html
"""

import base64
import json
import re
import secrets
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import botocore.session
from moto.core.base_backend import BackendDict, BaseBackend
from moto.utilities.utils import get_partition

from local_aws.api import NotImplementedByLocalAws
from local_aws.s3vectors.errors import Conflict, Invalid, NotFound
from local_aws.s3vectors.index import Index, Vector

Params = dict[str, Any]

TOP_K: Final = 10_000
QUERY_PAGE: Final = 100  # maximum results of a query per page
_QUERIES: Final = 100  # number of queries whose further pages are kept
_PAGE: Final = 500
_PAGE_BYTES: Final = 1 << 20  # maximum bytes of a page of vectors
_TAGS: Final = 50
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*[a-z0-9]")
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")
# in GetIndex; a new bucket's indexes filter before they search
_MODE: Final = "ENHANCED"


@dataclass(eq=False)
class Bucket:
    """A vector bucket: as GetVectorBucket shows it, and its indexes by name."""

    shown: dict[str, Any]
    indexes: dict[str, Index] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Its ARN."""
        return str(self.shown["vectorBucketArn"])


class S3VectorsBackend(BaseBackend):
    """An operation is a method, named in snake case, from the request's parameters to the answer.

    The parameters were validated by botocore's model; both have AWS's names.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.buckets: dict[str, Bucket] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self._pages: dict[str, list[Params]] = {}

    # Vector buckets ------------------------------------------------------------------------------

    def create_vector_bucket(self, params: Params) -> Params:
        """CreateVectorBucket."""
        name = params["vectorBucketName"]
        if not _BUCKET_NAME.fullmatch(name):
            raise Invalid("Invalid vector bucket name")
        if name in self.buckets:
            raise Conflict("A vector bucket with the specified name already exists")
        partition = get_partition(self.region_name)
        arn = f"arn:{partition}:s3vectors:{self.region_name}:{self.account_id}:bucket/{name}"
        shown = {
            "vectorBucketName": name,
            "vectorBucketArn": arn,
            "creationTime": datetime.now(UTC),
            "encryptionConfiguration": _encryption(params) or {"sseType": "AES256"},
            "defaultIndexMode": _MODE,
        }
        self._tag(arn, params.get("tags", {}))
        self.buckets[name] = Bucket(shown)
        return {"vectorBucketArn": arn}

    def get_vector_bucket(self, params: Params) -> Params:
        """GetVectorBucket."""
        return {"vectorBucket": self._bucket(params).shown}

    def delete_vector_bucket(self, params: Params) -> None:
        """DeleteVectorBucket: of one without indexes."""
        bucket = self._bucket(params)
        if bucket.indexes:
            raise Conflict("The specified vector bucket is not empty")
        del self.buckets[bucket.shown["vectorBucketName"]]
        self.tags.pop(bucket.arn, None)

    def list_vector_buckets(self, params: Params) -> Params:
        """ListVectorBuckets."""
        names = ("vectorBucketName", "vectorBucketArn", "creationTime")
        shown = {name: bucket.shown for name, bucket in self.buckets.items()}
        return _listed("vectorBuckets", shown, names, params)

    # Indexes -------------------------------------------------------------------------------------

    def create_index(self, params: Params) -> Params:
        """CreateIndex."""
        bucket, name = self._bucket(params), params["indexName"]
        metadata = params.get("metadataConfiguration") or {}
        if metadata.get("textSearchConfigurations"):
            raise NotImplementedByLocalAws("s3vectors:CreateIndex with textSearchConfigurations")
        if not _NAME.fullmatch(name):
            raise Invalid("Invalid index name")
        if name in bucket.indexes:
            raise Conflict("An index with the specified name already exists")
        arn = f"{bucket.arn}/index/{name}"
        shown = {
            "vectorBucketName": bucket.shown["vectorBucketName"],
            "indexName": name,
            "indexArn": arn,
            "creationTime": datetime.now(UTC),
            **{name: params[name] for name in ("dataType", "dimension", "distanceMetric")},
            "encryptionConfiguration": (
                _encryption(params) or bucket.shown["encryptionConfiguration"]
            ),
            "indexMode": _MODE,
        }
        if metadata:
            shown["metadataConfiguration"] = metadata
        self._tag(arn, params.get("tags", {}))
        bucket.indexes[name] = Index(shown)
        return {"indexArn": arn}

    def get_index(self, params: Params) -> Params:
        """GetIndex."""
        return {"index": self._index(params).shown}

    def delete_index(self, params: Params) -> None:
        """DeleteIndex, with its vectors."""
        shown = self._index(params).shown
        del self.buckets[shown["vectorBucketName"]].indexes[shown["indexName"]]
        self.tags.pop(shown["indexArn"], None)

    def list_indexes(self, params: Params) -> Params:
        """ListIndexes."""
        names = ("vectorBucketName", "indexName", "indexArn", "creationTime")
        shown = {name: index.shown for name, index in self._bucket(params).indexes.items()}
        return _listed("indexes", shown, names, params)

    # Vectors -------------------------------------------------------------------------------------

    def put_vectors(self, params: Params) -> None:
        """PutVectors: all of them or none."""
        self._index(params).put(params["vectors"])

    def get_vectors(self, params: Params) -> Params:
        """GetVectors: existing vectors, in undefined order."""
        vectors = self._index(params).vectors
        found = [vectors[key] for key in dict.fromkeys(params["keys"]) if key in vectors]
        return {"vectors": [_vector(vector, params) for vector in found]}

    def delete_vectors(self, params: Params) -> None:
        """DeleteVectors: unknown keys are ignored."""
        self._index(params).delete(params["keys"])

    def list_vectors(self, params: Params) -> Params:
        """ListVectors: all, or those of one segment; a page ends at 1 MB."""
        index = self._index(params)
        count, segment = params.get("segmentCount"), params.get("segmentIndex")
        if (count is None) != (segment is None):
            raise Invalid("segmentCount and segmentIndex must be given together")
        if count is not None and segment >= count:
            raise Invalid("segmentIndex must be less than segmentCount")
        after = _after(params)
        found: list[Params] = []
        size = 0
        for key, vector in sorted(index.vectors.items()):
            if key <= after or (count and zlib.crc32(key.encode()) % count != segment):
                continue
            if len(found) == params.get("maxResults", _PAGE) or size > _PAGE_BYTES:
                return {"vectors": found, "nextToken": _token(found[-1]["key"])}
            found.append(_vector(vector, params))
            size += vector.values.nbytes + len(json.dumps(vector.metadata))
        return {"vectors": found}

    def query_vectors(self, params: Params) -> Params:
        """QueryVectors: an exact search, where AWS's is approximate."""
        index = self._index(params)
        for name in ("queryTexts", "returnScores"):
            if params.get(name):
                raise NotImplementedByLocalAws(f"s3vectors:QueryVectors with {name}")
        if params.get("queryMode") == "CLASSIC":
            raise Invalid("The query mode CLASSIC is not valid for an index of the mode ENHANCED")
        if params["topK"] > TOP_K:
            raise Invalid(f"topK must be at most {TOP_K}")
        if "queryVector" not in params:
            raise Invalid("Must specify queryVector, queryTexts, or both")
        if token := params.get("nextToken"):
            if token not in self._pages:
                raise Invalid("The pagination token is not valid, or has expired")
            results = self._pages[token]
        else:
            query = params["queryVector"].get("float32", [])
            results = [
                _result(vector, distance, params)
                for vector, distance in index.nearest(query, params["topK"], params.get("filter"))
            ]
        answer = {
            "vectors": results[:QUERY_PAGE],
            "distanceMetric": index.shown["distanceMetric"],
        }
        if rest := results[QUERY_PAGE:]:
            answer["nextToken"] = secrets.token_urlsafe(32)
            self._pages[answer["nextToken"]] = rest
            for oldest in list(self._pages)[:-_QUERIES]:
                del self._pages[oldest]
        return answer

    # Tags ----------------------------------------------------------------------------------------

    def tag_resource(self, params: Params) -> None:
        """TagResource."""
        arn = self._known(params["resourceArn"])
        self._tag(arn, {**self.tags.get(arn, {}), **params["tags"]})

    def untag_resource(self, params: Params) -> None:
        """UntagResource: unknown keys are ignored."""
        tags = self.tags.setdefault(self._known(params["resourceArn"]), {})
        for key in params["tagKeys"]:
            tags.pop(key, None)

    def list_tags_for_resource(self, params: Params) -> Params:
        """ListTagsForResource."""
        return {"tags": self.tags.get(self._known(params["resourceArn"]), {})}

    def _tag(self, arn: str, tags: Mapping[str, str]) -> None:
        if len(tags) > _TAGS:
            raise Invalid(f"A resource may have at most {_TAGS} tags")
        self.tags[arn] = dict(tags)

    # Look-up -------------------------------------------------------------------------------------

    def _known(self, arn: str) -> str:
        for bucket in self.buckets.values():
            if arn == bucket.arn or arn in (i.shown["indexArn"] for i in bucket.indexes.values()):
                return arn
        raise NotFound("resource")

    def _bucket(self, params: Params) -> Bucket:
        name, arn = params.get("vectorBucketName"), params.get("vectorBucketArn")
        if (name is None) == (arn is None):
            raise Invalid("Must specify either vectorBucketName or vectorBucketArn but not both")
        for bucket in self.buckets.values():
            if bucket.arn == arn or bucket.shown["vectorBucketName"] == name:
                return bucket
        raise NotFound("vector bucket")

    def _index(self, params: Params) -> Index:
        bucket, name = params.get("vectorBucketName"), params.get("indexName")
        arn = params.get("indexArn")
        if not ((bucket and name and not arn) or (arn and not bucket and not name)):
            raise Invalid("Must specify either indexArn or both vectorBucketName and indexName")
        if bucket and bucket in self.buckets and name in self.buckets[bucket].indexes:
            return self.buckets[bucket].indexes[name]
        for each in self.buckets.values():
            for index in each.indexes.values():
                if index.shown["indexArn"] == arn:
                    return index
        raise NotFound("index")


# botocore lacks the service's regions: use those of S3
_session = botocore.session.Session()
s3vectors_backends = BackendDict(
    S3VectorsBackend,
    "s3vectors",
    use_boto3_regions=False,
    additional_regions=[
        region
        for partition in _session.get_available_partitions()
        for region in _session.get_available_regions("s3", partition)
    ],
)


def _encryption(params: Params) -> Params | None:
    chosen: Params | None = params.get("encryptionConfiguration")
    if chosen and ("kmsKeyArn" in chosen) != (chosen.get("sseType") == "aws:kms"):
        raise Invalid("kmsKeyArn must be specified if and only if sseType is aws:kms")
    return chosen


def _vector(vector: Vector, params: Params) -> Params:
    shown: Params = {"key": vector.key}
    if params.get("returnData"):
        shown["data"] = {"float32": vector.values.tolist()}
    if params.get("returnMetadata"):
        shown["metadata"] = vector.metadata
    return shown


def _result(vector: Vector, distance: float, params: Params) -> Params:
    shown: Params = {"key": vector.key}
    if params.get("returnDistance"):
        shown["distance"] = distance
    if params.get("returnMetadata"):
        shown["metadata"] = vector.metadata
    return shown


def _listed(what: str, shown: Mapping[str, Params], names: Iterable[str], params: Params) -> Params:
    """A page of summaries by name."""
    after, prefix = _after(params), params.get("prefix", "")
    left = sorted(name for name in shown if name > after and name.startswith(prefix))
    page = left[: params.get("maxResults", _PAGE)]
    answer: Params = {what: [{key: shown[name][key] for key in names} for name in page]}
    if len(page) < len(left):
        answer["nextToken"] = _token(page[-1])
    return answer


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _after(params: Params) -> str:
    try:
        return base64.b64decode(params.get("nextToken", ""), b"-_", validate=True).decode()
    except ValueError:
        raise Invalid("The pagination token is not valid") from None
