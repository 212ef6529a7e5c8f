"""AWS::S3Vectors: vector buckets and indexes."""

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    lowered,
    retag,
    tag_map,
)


class _Named(Handler):
    """Base class of both: identified by ARN; only tags can change."""

    gone_codes = frozenset({"NotFoundException"})

    def update(self, call: Call) -> Attributes:
        """Change the tags."""
        retag(call, call.client("s3vectors"), dict, resourceArn=call.physical_id)
        return call.attributes


class VectorBucket(_Named):
    """AWS::S3Vectors::VectorBucket."""

    type = "AWS::S3Vectors::VectorBucket"
    supported = frozenset({"EncryptionConfiguration", "Tags", "VectorBucketName"})

    def create(self, call: Call) -> Attributes:
        """Create the vector bucket."""
        client, request = call.client("s3vectors"), _request(call)
        request.setdefault("vectorBucketName", call.generated_name(63, lower=True))
        arn = client.create_vector_bucket(**request)["vectorBucketArn"]
        call.identify(arn)
        shown = client.get_vector_bucket(vectorBucketArn=arn)["vectorBucket"]
        return {"VectorBucketArn": arn, "CreationTime": shown["creationTime"].isoformat()}

    def delete(self, call: Call) -> None:
        """Delete the vector bucket, which must have no indexes."""
        call.client("s3vectors").delete_vector_bucket(vectorBucketArn=call.physical_id)


class Index(_Named):
    """AWS::S3Vectors::Index."""

    type = "AWS::S3Vectors::Index"
    supported = frozenset(
        [
            "DataType",
            "Dimension",
            "DistanceMetric",
            "EncryptionConfiguration",
            "IndexName",
            "MetadataConfiguration",
            "Tags",
            "VectorBucketArn",
            "VectorBucketName",
        ]
    )

    def create(self, call: Call) -> Attributes:
        """Create the index."""
        client, request = call.client("s3vectors"), _request(call)
        request.setdefault("indexName", call.generated_name(63, lower=True))
        arn = client.create_index(**request)["indexArn"]
        call.identify(arn)
        shown = client.get_index(indexArn=arn)["index"]
        return {"IndexArn": arn, "CreationTime": shown["creationTime"].isoformat()}

    def delete(self, call: Call) -> None:
        """Delete the index with its vectors."""
        call.client("s3vectors").delete_index(indexArn=call.physical_id)


HANDLERS = (VectorBucket, Index)


def _request(call: Call) -> dict[str, object]:
    request: dict[str, object] = lowered(
        {name: value for name, value in call.properties.items() if name != "Tags"}
    )
    if tags := tag_map(call.properties.get("Tags")):
        request["tags"] = tags
    return request
