"""Experiments' exposures and outcomes as files in the bucket, and tables of them for Athena."""

from collections.abc import Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_glue as glue
from constructs import Construct

from stacks.config import Config
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.roles import Permission
from stacks.constructs.schedule import Schedule

_RESULTS: Final = "experiments/results/"
# the columns of `recsys.experiments.outcomes`
_TABLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "exposures": (
        "Who was shown what, by experiment",
        {
            "experiment": "string",
            "user": "string",
            "time": "double",
            "arm": "string",
            "shares": "string",
            "milliseconds": "double",
            "items": "array<string>",
            "teams": "array<string>",
            "earlier": "bigint",
            "session": "string",
        },
    ),
    "events": (
        "What these users did since their first exposure",
        {
            "user": "string",
            "time": "double",
            "item": "string",
            "type": "string",
            "value": "double",
            "session": "string",
        },
    ),
}


class ExperimentResults(Construct):
    """The function that writes the files, its schedule, and a database of Glue (decision 19).

    Attributes:
        name: the function's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        exposures: dynamodb.Table,
        histories: dynamodb.Table,
        definitions: str,
    ) -> None:
        """Create them.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: the bucket.
            exposures: the table of exposures.
            histories: the table of histories.
            definitions: of the experiments, as JSON.
        """
        super().__init__(scope, id)
        stack, objects = cdk.Stack.of(self), f"{_RESULTS}*"
        self.name = name = config.name("ExperimentResults")
        function = PythonFunction(
            self,
            "Function",
            package="experiment_results",
            name=name,
            description="Exposures and outcomes of experiments as files",
            config=config,
            memory_mb=1769,  # a whole CPU, and room for some million events
            timeout_seconds=900,
            log_group=LogGroup(self, "Logs", name=f"/aws/lambda/{name}", days=config.log_days),
            permissions=[
                Permission(
                    actions=["dynamodb:Scan"], resources=[exposures.table_arn, histories.table_arn]
                ),
                *store.lists(objects),
                *store.writes(objects),
                *store.deletes(objects),
            ],
            environment={
                "BUCKET_NAME": store.bucket_name,
                "EXPERIMENTS": definitions,
                "EXPOSURES_TABLE": exposures.table_name,
                "RESULTS": _RESULTS,
                "TABLE_NAME": histories.table_name,
            },
            failures="A run that failed is replaced by the next one; an alarm tells of it",
        )
        Schedule(
            self,
            "Schedule",
            name=name,
            description="Writes the results of experiments",
            expression="rate(1 day)",
            function=function,
            event={},
        )
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=stack.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                # Athena allows no other characters in names
                name=config.name("experiments").lower().replace("-", "_"),
                description="Results of experiments",
            ),
        )
        for table, (description, columns) in _TABLES.items():
            place = f"s3://{store.bucket_name}/{_RESULTS}{table}/"
            self._table(database, table, description, columns, place)
        cdk.CfnOutput(stack, "ExperimentResultsFunctionName", value=function.function_name)
        cdk.CfnOutput(stack, "ExperimentsDatabaseName", value=database.ref)

    def _table(
        self,
        database: glue.CfnDatabase,
        name: str,
        description: str,
        columns: Mapping[str, str],
        place: str,
    ) -> None:
        """A table whose partitions Athena computes from the days since there are experiments.

        https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
        """
        glue.CfnTable(
            self,
            name.capitalize(),
            catalog_id=cdk.Stack.of(self).account,
            database_name=database.ref,
            table_input=glue.CfnTable.TableInputProperty(
                name=name,
                description=description,
                table_type="EXTERNAL_TABLE",
                parameters={
                    "classification": "json",
                    "projection.enabled": "true",
                    "projection.day.type": "date",
                    "projection.day.format": "yyyy-MM-dd",
                    "projection.day.range": "2026-01-01,NOW",
                    "storage.location.template": f"{place}day=${{day}}/",
                },
                partition_keys=[glue.CfnTable.ColumnProperty(name="day", type="string")],
                storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                    columns=[
                        glue.CfnTable.ColumnProperty(name=column, type=kind)
                        for column, kind in columns.items()
                    ],
                    location=place,
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    serde_info=glue.CfnTable.SerdeInfoProperty(
                        serialization_library="org.openx.data.jsonserde.JsonSerDe"
                    ),
                ),
            ),
        )
