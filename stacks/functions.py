"""The workshops' functions: predicted ratings of movies, and similar movies."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.movie_index import MovieIndex
from stacks.constructs.private_bucket import Store
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.python_layer import PythonLayer
from stacks.constructs.sagemaker import endpoint_name, on_endpoints


class FunctionsStack(cdk.Stack):
    """Both functions, each with its own role, and their layers."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="The workshops' functions", **kwargs)
        # none where the data have no ratings
        rates = {
            variable: endpoint_name(config, task)
            for variable, task in (
                ("ENDPOINT_NAME_RATING", "rating"),
                ("ENDPOINT_NAME_REC", "recommendation"),
            )
            if task in config.hyperparameters
        }
        places, keys = endpoint_name(config, config.places_movies), config.data.keys

        own_ids = {"IDS_KEY": keys.ids} if config.data.own_ids else {}
        name = config.name("Recommendation_Engine_Object2Vec")
        engine = PythonFunction(
            self,
            "RecommendationEngine",
            package="rec_engine",
            name=name,
            description="Predicts a user's rating of a movie, or whether to recommend it",
            config=config,
            memory_mb=256 + config.data.ids_memory_mb,
            timeout_seconds=30,
            log_group=self._logs("RecommendationEngineLogs", name, config),
            permissions=[
                on_endpoints(self, "sagemaker:InvokeEndpoint", *rates.values(), places),
                *store.reads(keys.catalogue, *own_ids.values()),
            ],
            environment={
                **rates,
                **own_ids,
                "ENDPOINT_NAME_RANKING": places,
                "BUCKET_NAME": store.bucket_name,
                "CATALOGUE_KEY": keys.catalogue,
            },
        )

        layers = [
            PythonLayer(
                self,
                f"{layer.capitalize()}Layer",
                name=layer,
                architecture_name=config.architecture,
            )
            for layer in ("numpy", "jsonlines")
        ]
        permissions = [
            on_endpoints(self, "sagemaker:InvokeEndpoint", places),
            # The name of stored embeddings contains the endpoint's current model.
            on_endpoints(self, "sagemaker:DescribeEndpoint", places),
            *store.reads(keys.catalogue, f"{keys.embeddings}*"),
            *store.writes(f"{keys.embeddings}*"),
        ]
        environment = {
            "ENDPOINT_NAME": places,
            "CATALOGUE_KEY": keys.catalogue,
            "EMBEDDINGS_PREFIX": keys.embeddings,
        }
        if config.neighbours == "s3vectors":
            index = MovieIndex(
                self,
                "MovieIndex",
                config=config,
                store=store,
                endpoint=places,
                layers=layers,
                permissions=[*permissions, *store.deletes(f"{keys.embeddings}*")],
            )
            permissions, environment = index.searches, {"INDEX_ARN": index.arn}
            cdk.CfnOutput(self, "MovieIndexArn", value=index.arn)
        # HTTP clients cannot choose the bucket; an index contains the movies of one
        if config.api or "INDEX_ARN" in environment:
            environment["BUCKET_NAME"] = store.bucket_name
        name = config.name("Movie_Retrieval_Object2Vec")
        retrieval = PythonFunction(
            self,
            "MovieRetrieval",
            package="movie_retrieval",
            name=name,
            description="Finds the nearest movies in the embedding space",
            config=config,
            memory_mb=512,
            timeout_seconds=30,
            log_group=self._logs("MovieRetrievalLogs", name, config),
            permissions=permissions,
            environment=environment,
            layers=layers,
        )
        cdk.CfnOutput(self, "RecommendationEngineFunctionName", value=engine.function_name)
        cdk.CfnOutput(self, "MovieRetrievalFunctionName", value=retrieval.function_name)
        if config.api:
            # loading it takes half a second
            from stacks import lists
            from stacks.constructs.http_api import HttpApi

            api = HttpApi(
                self,
                "HttpApi",
                name=config.name("api"),
                rate=config.api.rate,
                burst=config.api.burst,
                log_days=config.log_days,
            )
            api.route("POST", "/rating", engine)
            api.route("POST", "/recommendation", engine)
            api.route("GET", "/movies/{movie}/neighbours", retrieval)
            if config.lists:
                lists.route(api, config)
            cdk.CfnOutput(self, "ApiEndpoint", value=api.url)

    def _logs(self, id: str, function_name: str, config: Config) -> LogGroup:  # noqa: A002
        return LogGroup(self, id, name=f"/aws/lambda/{function_name}", days=config.log_days)
