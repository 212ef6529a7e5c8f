"""An index of movies in Amazon S3 Vectors, filled by a custom resource (decision 0011)."""

import hashlib
import json
from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3vectors as s3vectors
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.provider import Provider
from stacks.constructs.roles import Permission


class MovieIndex(Construct):
    """A vector bucket with one index for one model's embeddings.

    The import creates the index, because only the model's answers tell how long its vectors are. A
    new model gets a new index. It is complete before it is used, and the old one is used until
    then.

    Attributes:
        arn: the index's ARN, available when all movies are in it.
        searches: permissions to find neighbours in it.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        endpoint: str,
        layers: Sequence[lambda_.LayerVersion],
        permissions: Sequence[Permission],
    ) -> None:
        """Create the bucket and the import.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: the bucket that lists the movies and stores the import's progress.
            endpoint: the name of the endpoint that embeds the movies.
            layers: the layers for embedding movies: numpy and jsonlines.
            permissions: to list the movies, to embed them and to store the progress.
        """
        super().__init__(scope, id)
        key, keys = store.key_arn, config.data.keys
        bucket = s3vectors.CfnVectorBucket(
            self,
            "Bucket",
            encryption_configuration=s3vectors.CfnVectorBucket.EncryptionConfigurationProperty(
                sse_type="aws:kms" if key else "AES256", kms_key_arn=key
            ),
        )

        def on_indexes(*actions: str) -> Permission:
            return Permission(
                actions=actions,
                resources=[f"{bucket.attr_vector_bucket_arn}/index/*"],
                wildcard="While a new model's index is filled, the old one is used",
            )

        provider = Provider(
            self,
            "Import",
            config=config,
            package="movie_index",
            description="Imports movies into the index",
            # It keeps the ids and titles of millions of movies, but only the vectors of one call.
            memory_mb=3008,
            timeout_seconds=900,
            layers=layers,
            environment={"CATALOGUE_KEY": keys.catalogue, "EMBEDDINGS_PREFIX": keys.embeddings},
        )
        provider.allow(
            *permissions,
            on_indexes(
                "s3vectors:GetIndex",
                "s3vectors:CreateIndex",
                "s3vectors:DeleteIndex",
                "s3vectors:PutVectors",
            ),
            *_with_key(key, "kms:Decrypt", "kms:GenerateDataKey"),
        )
        movies = cdk.CustomResource(
            self,
            "Movies",
            service_token=provider.service_token,
            resource_type="Custom::IndexedMovies",
            properties={
                # not the name up to version 0.2.0, where the stack deletes its own index
                "IndexArn": f"{bucket.attr_vector_bucket_arn}/index/catalogue-{_digest(config)}",
                "Endpoint": endpoint,
                "Bucket": store.bucket_name,
            },
        )
        self.arn = movies.get_att_string("IndexArn")
        self.searches = [
            on_indexes("s3vectors:GetVectors", "s3vectors:QueryVectors"),
            *_with_key(key, "kms:Decrypt"),
        ]


def _digest(config: Config) -> str:
    """A digest of what the movies' vectors and titles depend on, in ten characters."""
    task, training = config.places_movies, config.training
    told = [
        config.hyperparameters[task],
        [training.instance_type, training.volume_gb, training.max_minutes],
        config.data.digests[task],
        config.data.digests["catalogue"],
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:10]


def _with_key(key: str | None, *actions: str) -> list[Permission]:
    return [Permission(actions=actions, resources=[key])] if key else []
