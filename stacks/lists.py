"""Lists for every user: a model trained by a function, histories in DynamoDB, two functions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks import experiments_settings
from stacks.config import MOST_MEMORY, Config
from stacks.constructs.experiment_results import ExperimentResults
from stacks.constructs.failed_events import FailedEvents
from stacks.constructs.http_api import HttpApi
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.provider import Provider
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.python_layer import PythonLayer
from stacks.constructs.retraining import GENERATIONS, Retraining
from stacks.constructs.roles import Permission
from stacks.constructs.sagemaker import endpoint_name, on_endpoints
from stacks.constructs.transform import PAIRS, Pairs, write_pairs
from stacks.preparation import OUTPUT, PreparationStack
from stacks.retrain_settings import Retrain

_SERVES: Final = ("recsys/__init__.py", "recsys/fields.py", "recsys/lists/*.py")
_EXPERIMENTS: Final = (
    "recsys/errors.py",
    "recsys/ranking.py",
    *(f"recsys/experiments/{name}.py" for name in ("__init__", "assignment", "definition")),
)
_TRAINS: Final = (
    *_SERVES,
    "recsys/errors.py",
    "recsys/item_models.py",
    "recsys/metrics.py",
)

_OPENAPI: Final = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"
_TABLE: Final = "Histories"  # begins a table's name, after the stack's
_USER: Final = dynamodb.Attribute(name="user", type=dynamodb.AttributeType.STRING)
_EVENT: Final = dynamodb.Attribute(name="event", type=dynamodb.AttributeType.STRING)
ROUTES: Final = (
    ("GET", "/users/{id}/recommendations", "Lists"),
    ("POST", "/users/{id}/ranking", "Lists"),
    ("GET", "/items/{id}/similar", "Lists"),
    ("POST", "/events", "Events"),
    ("DELETE", "/users/{id}", "Events"),
    ("GET", "/openapi.json", "Lists"),
)
"""Of an HTTP API, and the functions that answer them."""


def route(api: HttpApi, config: Config) -> None:
    """Let the functions answer an API's routes, in whichever stack that is.

    They go by their names: a reference between stacks would keep them from changing.
    """
    stack = cdk.Stack.of(api)
    functions = {
        name: lambda_.Function.from_function_attributes(
            api,
            name,
            function_arn=stack.format_arn(
                service="lambda",
                resource="function",
                resource_name=config.name(name),
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            ),
            same_environment=True,
        )
        for name in sorted({name for _, _, name in ROUTES})
    }
    for method, path, name in ROUTES:
        api.route(method, path, functions[name])


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What the lists learn from.

    Attributes:
        properties: of the custom resource that trains them.
        permissions: of the function behind it, to read what `properties` name.
        histories: the prefix that DynamoDB imports.
        lists: the same of every user's list, which a table is to hold; None without one.
        models: the prefix of trained models.
        digest: digest of all of it.
    """

    properties: Mapping[str, str]
    permissions: Sequence[Permission]
    histories: str
    models: str
    digest: str
    lists: str | None = None


def _of_files(config: Config, store: Store, interactions: str) -> _Inputs:
    """The files that `make data` writes; `interactions` may be those of a later generation."""
    assert config.lists
    data, settings = config.data, config.lists
    return _Inputs(
        properties={
            "Interactions": interactions,
            "Catalogue": data.keys.catalogue,
            "Validation": settings.validation,
            "MostItems": str(settings.most_items),
        },
        permissions=store.reads(data.keys.interactions, data.keys.catalogue),
        histories=data.keys.histories,
        models=data.keys.output["lists"],
        digest=_digest(config),
    )


def _digest(config: Config) -> str:
    return config.data.digests["interactions"] + config.data.digests["catalogue"]


def _of_job(prepared: PreparationStack, store: Store) -> _Inputs:
    """What a Spark job writes."""
    return _Inputs(
        properties={"Prepared": prepared.output},
        permissions=[*store.lists(f"{OUTPUT}*"), *store.reads(f"{OUTPUT}*")],
        histories=f"{prepared.output}histories/",
        models="lists/models/",
        digest=prepared.digest,
        lists=prepared.lists,
    )


def _gathering_memory(ratings: int) -> int:
    """MB that gathering takes: the histories as arrays and while they are read, grown tenfold."""
    return min(10_240, max(1769, 512 + (10 * 100 * ratings >> 20)))


class ListsStack(cdk.Stack):
    """The lists, from the data in the store to functions that answer and take events.

    Attributes:
        pairs: what engines score for all users; None if none does.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        prepared: PreparationStack | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="Lists for every user", **kwargs)
        assert config.lists
        self._config, self._store, self._settings = config, store, config.lists
        if prepared is None:
            self._warn_of_items_left_out(config.data.items)
        self._generation = self._parameter() if config.retrain else None
        self._inputs = (
            _of_job(prepared, store) if prepared else _of_files(config, store, self._interactions())
        )
        self._key = kms.Key.from_key_arn(self, "Key", store.key_arn) if store.key_arn else None
        self._layers = {
            name: PythonLayer(
                self,
                f"{name.capitalize()}Layer",
                name=name,
                architecture_name=config.architecture,
            )
            for name in ("numpy", "scipy")
        }
        key = self._trained()
        self.pairs = self._pairs(key)
        table = self._histories()
        exposures = self._exposures() if config.experiments else None
        tags = ["lists", *(["object2vec"] if config.object2vec else [])]
        self.lists = self._function(
            "Lists",
            package="lists",
            description="The best items for a user, with reasons",
            model=key,
            table=table,
            actions=["dynamodb:Query"],
            environment={
                **({"API_TAGS": ",".join(tags)} if config.api else {}),
                **self._experiments(exposures),
            },
            bundles=(*_SERVES, *_EXPERIMENTS),
            files={"lists/openapi.json": _OPENAPI},
            more_memory_mb=(
                config.data.ids_memory_mb
                if experiments_settings.asked_engines(config.experiments)
                else 0
            ),
        )
        self.events = self._function(
            "Events",
            package="events",
            description="What users did, written once",
            model=key,
            table=table,
            actions=["dynamodb:BatchWriteItem", "dynamodb:Query"],
            environment={
                "EXPIRE_DAYS": str(self._settings.expire_days),
                **({"EXPOSURES_TABLE": exposures.table_name} if exposures else {}),
            },
            failures="Events that failed for good go to a queue, with the function's last answer",
        )
        if self._inputs.lists:
            self._tell_lists(self._inputs.lists)
        if exposures:
            arns = [exposures.table_arn]
            self.lists.allow(Permission(actions=["dynamodb:PutItem"], resources=arns))
            self.events.allow(  # to forget a user
                Permission(actions=["dynamodb:BatchWriteItem", "dynamodb:Query"], resources=arns)
            )
            ExperimentResults(
                self,
                "ExperimentResults",
                config=config,
                store=store,
                exposures=exposures,
                histories=table,
                definitions=experiments_settings.as_environment(config.experiments),
            )
        FailedEvents(
            self,
            "FailedEvents",
            function=self.events,
            max_age=cdk.Duration.hours(6),  # an outage of DynamoDB may last
            name=config.name("Events-failed"),
            key_arn=self._store.key_arn,
        )
        if config.personalize.groups:
            self._tell_personalize()
        if experiments_settings.asks_personalize(config.experiments):
            self._ask_personalize()
        if asked := experiments_settings.asked_engines(config.experiments):
            self._ask_endpoints(asked)
        if config.api and not config.object2vec:  # else the workshops' functions have the API
            api = HttpApi(
                self,
                "HttpApi",
                name=config.name("api"),
                rate=config.api.rate,
                burst=config.api.burst,
                log_days=config.log_days,
            )
            route(api, config)
            api.node.add_dependency(self.lists, self.events)
            cdk.CfnOutput(self, "ApiEndpoint", value=api.url)
        self._hand_over(table, key)
        if config.retrain:
            self._retrain(config.retrain, table)
        cdk.CfnOutput(self, "ListsFunctionName", value=self.lists.function_name)
        cdk.CfnOutput(self, "EventsFunctionName", value=self.events.function_name)
        cdk.CfnOutput(self, "HistoriesTableName", value=table.table_name)

    def _warn_of_items_left_out(self, items: int) -> None:
        """Say before the deployment that the catalogue does not fit the function's memory."""
        most, memory = self._settings.most_items, self._settings.memory_mb
        if items <= most:
            return
        more = (
            "" if memory == MOST_MEMORY else f"raise lists.memory_mb (at most {MOST_MEMORY}), or "
        )
        cdk.Annotations.of(self).add_warning_v2(
            "recommender:lists-left-out",
            f"The lists learn the {most:,} most taken of {items:,} items, for which "
            f"lists.memory_mb={memory} suffices, and recommend no others. To learn all, {more}put "
            "the ratings into a bucket and deploy with profile=lists and source=s3://…: a Spark "
            "job learns factors, whose memory grows with the catalogue, and no recency "
            "(docs/beyond-one-machine.md).",
        )

    def _parameter(self) -> cdk.CfnParameter:
        """The data's generation: 0 are the deployed data, later ones come from the histories.

        An update without this parameter keeps it, as the CDK CLI's does. Other data begin with
        another parameter, at 0.
        """
        return cdk.CfnParameter(
            self,
            f"Generation{_digest(self._config)[:8]}",
            default="0",
            allowed_pattern="0|[1-9][0-9]{0,8}",
            description="What the lists learn from; a retraining counts it up",
        )

    def _interactions(self) -> str:
        """The key of what the lists learn from, by the generation."""
        given = self._config.data.keys.interactions
        if self._generation is None:
            return given
        number = self._generation.value_as_string
        deployed = cdk.CfnCondition(
            self, "AsDeployed", expression=cdk.Fn.condition_equals(number, "0")
        )
        later = cdk.Fn.join("", [GENERATIONS, number, "/interactions.npz"])
        return cdk.Token.as_string(cdk.Fn.condition_if(deployed.logical_id, given, later))

    def _retrain(self, settings: Retrain, table: dynamodb.Table) -> None:
        """The function that starts a retraining."""
        assert self._generation
        Retraining(
            self,
            "Retraining",
            config=self._config,
            settings=settings,
            store=self._store,
            table=table,
            generation=self._generation,
            catalogue=self._config.data.keys.catalogue,
            layer=self._layers["numpy"],
            memory_mb=_gathering_memory(self._config.data.ratings),
            trainer=self._provider.name,
        )

    def _trained(self) -> str:
        """The model's key in the store, known when it is trained."""
        config, inputs = self._config, self._inputs
        models = f"{inputs.models}*"
        provider = self._provider = Provider(
            self,
            "Training",
            config=config,
            package="list_training",
            description="Training of the lists",
            memory_mb=self._settings.memory_mb,
            timeout_seconds=900,
            layers=list(self._layers.values()),
            bundles=_TRAINS,
        )
        provider.allow(
            *inputs.permissions,
            *self._store.reads(models),
            *self._store.writes(models),
            # Pairs are removed after the setting: by then, their own permissions would be gone.
            *self._store.deletes(models, f"{PAIRS}*"),
            *self._store.lists(f"{PAIRS}*"),
        )
        properties = dict(inputs.properties)
        if self._generation and config.retrain:
            generations = f"{GENERATIONS}*"
            provider.allow(*self._store.reads(generations), *self._store.writes(generations))
            properties |= {
                "Generation": self._generation.value_as_string,
                "Generations": GENERATIONS,
                "Gate": config.retrain.gate.as_json(),
            }
        trained = cdk.CustomResource(
            self,
            "Model",
            service_token=provider.service_token,
            resource_type="Custom::TrainedLists",
            properties={
                "Bucket": self._store.bucket_name,
                "Output": inputs.models,
                **properties,
                "Inputs": inputs.digest,
                "Code": provider.code_digest,
            },
        )
        cdk.CfnOutput(self, "ListsModelKey", value=trained.get_att_string("ModelKey"))
        cdk.CfnOutput(self, "ListsMetrics", value=trained.get_att_string("Metrics"))
        return trained.get_att_string("ModelKey")

    def _pairs(self, model: str) -> Pairs | None:
        """The pairs that engines score for all users."""
        if self._config.transform is None:
            return None
        return write_pairs(
            self,
            provider=self._provider,
            config=self._config,
            settings=self._config.transform,
            store=self._store,
            model=model,
            learned={
                "Inputs": self._inputs.digest,
                "Validation": self._settings.validation,
                "MostItems": str(self._settings.most_items),
            },
        )

    def _histories(self) -> dynamodb.Table:
        """The table, filled by DynamoDB's own import from S3 before it is ready.

        Other data are other users: they get another table, to which live events are carried.
        """
        return self._table(
            f"{_TABLE}{self._inputs.digest[:8]}", _EVENT, imported=self._inputs.histories
        )

    def _tell_lists(self, imported: str) -> None:
        """The table with the list of every user at the time of the job, for those who read it.

        The functions answer from the histories, which are newer; a forgotten user's list goes, too.
        """
        table = self._table(f"ListsForAllUsers{self._inputs.digest[:8]}", imported=imported)
        self.events.add_environment("LISTS_TABLE", table.table_name)
        self.events.allow(Permission(actions=["dynamodb:DeleteItem"], resources=[table.table_arn]))
        cdk.CfnOutput(self, "ListsForAllUsersTableName", value=table.table_name)

    def _exposures(self) -> dynamodb.Table:
        """The table of exposures to experiments."""
        table = self._table("Exposures", _EVENT)
        cdk.CfnOutput(self, "ExposuresTableName", value=table.table_name)
        return table

    def _experiments(self, exposures: dynamodb.Table | None) -> dict[str, str]:
        """What the function that answers needs to know of experiments."""
        if exposures is None:
            return {}
        return {
            "EXPERIMENTS": experiments_settings.as_environment(self._config.experiments),
            "EXPOSURES_TABLE": exposures.table_name,
            "EXPIRE_DAYS": str(self._settings.expire_days),
        }

    def _table(
        self, name: str, sort_key: dynamodb.Attribute | None = None, imported: str | None = None
    ) -> dynamodb.Table:
        """A table by user, paid by use.

        Args:
            name: its logical id.
            sort_key: tells the items of a user apart; None if there is one item of each.
            imported: the prefix of the store that it is filled from; None to leave it empty.
        """
        return dynamodb.Table(
            self,
            name,
            partition_key=_USER,
            sort_key=sort_key,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=(
                dynamodb.TableEncryption.CUSTOMER_MANAGED
                if self._key
                else dynamodb.TableEncryption.DEFAULT
            ),
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires" if self._settings.expire_days else None,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            import_source=dynamodb.ImportSourceSpecification(
                bucket=s3.Bucket.from_bucket_name(self, f"{name}Source", self._store.bucket_name),
                key_prefix=imported,
                compression_type=dynamodb.InputCompressionType.GZIP,
                input_format=dynamodb.InputFormat.dynamo_db_json(),
            )
            if imported
            else None,
        )

    def _hand_over(self, table: dynamodb.Table, model: str) -> None:
        """Keep what the functions used before until they have changed, and carry live events."""
        self._provider.allow(
            Permission(
                actions=["dynamodb:Scan", "dynamodb:BatchWriteItem"],
                resources=[
                    self.format_arn(
                        service="dynamodb",
                        resource="table",
                        resource_name=f"{self.stack_name}-{_TABLE}*",
                    )
                ],
                wildcard="The table before this one, of which nothing here knows the name",
            )
        )
        handover = cdk.CustomResource(
            self,
            "Handover",
            service_token=self._provider.service_token,
            resource_type="Custom::ListsHandover",
            properties={"Table": table.table_name, "Model": model},
        )
        handover.node.add_dependency(self.lists, self.events)

    def _tell_personalize(self) -> None:
        """Let `Events` tell the trackers of Amazon Personalize, which may be deployed later."""
        self._find_personalize(self.events)
        self.events.allow(
            Permission(
                actions=["personalize:PutEvents"],
                resources=["*"],
                wildcard="The action knows no resources",
            )
        )

    def _ask_personalize(self) -> None:
        """Let `Lists` ask what is deployed of Amazon Personalize, for an arm of an experiment."""
        self._find_personalize(self.lists)
        self.lists.allow(
            Permission(
                actions=["personalize:GetRecommendations"],
                resources=[
                    self.format_arn(
                        service="personalize", resource=kind, resource_name=self._config.name("*")
                    )
                    for kind in ("campaign", "recommender")
                ],
                wildcard="This deployment's, whose names end in a hash of what they are",
            )
        )

    def _ask_endpoints(self, engines: Sequence[str]) -> None:
        """Let `Lists` ask engines behind SageMaker's endpoints, for arms of experiments.

        They go by their names, as their stacks may change while this one does not.
        """
        config, data = self._config, self._config.data
        endpoints = {
            engine: endpoint_name(
                config,
                config.places_movies if engine == "object2vec" else engine.replace("_", "-"),
            )
            for engine in engines
        }
        self.lists.add_environment("ENDPOINTS", json.dumps(endpoints, separators=(",", ":")))
        sizes = [data.vocabulary[f"enc{side}_vocab_size"] for side in (0, 1)]
        self.lists.add_environment("SIZES", ",".join(map(str, sizes)))
        self.lists.allow(on_endpoints(self, "sagemaker:InvokeEndpoint", *endpoints.values()))
        if data.own_ids:
            self.lists.add_environment("IDS_KEY", data.keys.ids)
            self.lists.allow(*self._store.reads(data.keys.ids))

    def _find_personalize(self, function: PythonFunction) -> None:
        """Tell a function the stack whose outputs name what is deployed of Amazon Personalize."""
        stack = self._config.name("Personalize")
        function.add_environment("PERSONALIZE_STACK", stack)
        arn = self.format_arn(
            service="cloudformation", resource="stack", resource_name=f"{stack}/*"
        )
        function.allow(
            Permission(
                actions=["cloudformation:DescribeStacks"],
                resources=[arn],
                wildcard="A stack's ARN ends in an id that CloudFormation gives it",
            )
        )

    def _function(
        self,
        name: str,
        *,
        package: str,
        description: str,
        model: str,
        table: dynamodb.Table,
        actions: list[str],
        environment: dict[str, str] | None = None,
        failures: str = "Its caller waits for the answer and sees what went wrong",
        files: Mapping[str, Path] | None = None,
        bundles: Sequence[str] = _SERVES,
        more_memory_mb: int = 0,
    ) -> PythonFunction:
        config, full = self._config, self._config.name(name)
        return PythonFunction(
            self,
            name,
            package=package,
            name=full,
            description=description,
            config=config,
            memory_mb=512 + more_memory_mb,
            timeout_seconds=30,
            log_group=LogGroup(
                self, f"{name}Logs", name=f"/aws/lambda/{full}", days=config.log_days
            ),
            permissions=[
                *self._store.reads(f"{self._inputs.models}*"),
                Permission(actions=actions, resources=[table.table_arn]),
            ],
            environment={
                "BUCKET_NAME": self._store.bucket_name,
                "MODEL_KEY": model,
                "TABLE_NAME": table.table_name,
                **(environment or {}),
            },
            layers=[self._layers["numpy"]],
            bundles=bundles,
            failures=failures,
            files=files,
        )
