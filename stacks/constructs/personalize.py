"""Dataset groups of Amazon Personalize, and the campaigns and recommenders on them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_personalize as personalize
from constructs import Construct, IDependable

from stacks.config import Config
from stacks.constructs.roles import Permission, ServiceRole, acknowledge
from stacks.constructs.trained_resource import TrainedResource, Trainer
from stacks.personalize_settings import RECIPES, Group

_OURS: Final = "This deployment's resources, including those that the settings no longer name"
# of GetSolutionMetrics; recipes of all types but trends and segments have it
_JUDGED: Final = "normalized_discounted_cumulative_gain_at_25"
_NO_RESOURCES: Final = "The action does not support resources"


class DatasetGroup(Construct):
    """A dataset group with its data, filters and event tracker.

    Only the data can change in place, and a group has one dataset of each kind. So its id and all
    names contain a hash of the schemas: another schema means another group, which is created and
    trained before the old one is deleted.

    Attributes:
        name: the group's name, and the prefix of all names in it.
        arn: the group's ARN.
        filters: ARNs by name.
        tracking_id: the id of the event tracker; None without one.
        ready: resources that must exist before training.
        digest: digest of the data.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        group: Group,
        bucket_name: str,
        role: ServiceRole,
        trainer: Trainer,
    ) -> None:
        """Create the group.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            group: the group's settings.
            bucket_name: the bucket with the data.
            role: the role for imports.
            trainer: the functions that import the data.
        """
        schemas = {kind: table.schema for kind, table in group.tables.items()}
        version = _hash([group.domain, schemas])
        super().__init__(scope, f"{id}{version}")
        tags = [cdk.CfnTag(key="Deployment", value=config.prefix)]
        self.name = f"{config.name(group.name)}-{version}"
        whole = personalize.CfnDatasetGroup(
            self, "Group", name=self.name, domain=group.domain, tags=tags
        )
        self.arn = whole.attr_dataset_group_arn
        datasets: list[IDependable] = []
        imports: list[IDependable] = []
        for kind, table in group.tables.items():
            name = f"{self.name}-{kind.lower()}"
            schema = personalize.CfnSchema(
                self,
                f"{kind}Schema",
                name=name,
                domain=group.domain,
                schema=table.schema,
            )
            dataset = personalize.CfnDataset(
                self,
                kind,
                name=name,
                dataset_group_arn=self.arn,
                dataset_type=kind,
                schema_arn=schema.attr_schema_arn,
                tags=tags,
            )
            datasets.append(dataset)
            imports.append(
                Import(
                    self,
                    f"{kind}Import",
                    config=config,
                    dataset_arn=dataset.attr_dataset_arn,
                    location=f"s3://{bucket_name}/{table.key}",
                    digest=table.digest,
                    role=role,
                    trainer=trainer,
                )
            )
        # Cheap resources that may fail come before training, and dependent resources are deleted
        # first. Together this is AWS's recommended order of deletion:
        # campaigns, solutions, event tracker, filters, datasets, group, schemas.
        ready: list[IDependable] = list(datasets)
        self.filters = {}
        for title, expression in group.filters.items():
            made = personalize.CfnFilter(
                self,
                f"{title}Filter",
                name=f"{self.name}-{title}-{_hash(expression)}",
                dataset_group_arn=self.arn,
                filter_expression=expression,
                tags=tags,
            )
            made.node.add_dependency(*datasets)
            ready.append(made)
            self.filters[title] = made.attr_filter_arn
        self.tracking_id = None
        if config.personalize.event_tracker:
            tracker = personalize.CfnEventTracker(
                self, "EventTracker", name=self.name, dataset_group_arn=self.arn, tags=tags
            )
            tracker.node.add_dependency(*ready)
            ready.append(tracker)
            self.tracking_id = tracker.attr_tracking_id
        self.ready = [*ready, *imports]
        self.digest = _hash({kind: table.digest for kind, table in group.tables.items()}, 64)


def training_permissions(stack: cdk.Stack, config: Config) -> list[Permission]:
    """Permissions to import, train and delete in all dataset groups of the deployment."""

    def on(kind: str, *actions: str) -> Permission:
        return Permission(
            actions=[f"personalize:{action}" for action in actions],
            resources=[
                stack.format_arn(
                    service="personalize", resource=kind, resource_name=config.name("*")
                )
            ],
            wildcard=_OURS,
        )

    attribution = [f"{verb}MetricAttribution" for verb in ("Create", "Delete", "Describe")]
    counts = config.personalize.attribution
    return [
        *([on("metric-attribution", *attribution)] if counts else []),
        on("dataset-import-job", "CreateDatasetImportJob", "DescribeDatasetImportJob"),
        on("dataset", "CreateDatasetImportJob", "DescribeDataset"),
        on(
            "dataset-group",
            "CreateSolution",
            "CreateRecommender",
            *(["CreateMetricAttribution"] if counts else []),
        ),
        on(
            "solution",
            "CreateSolution",
            "DescribeSolution",
            "DeleteSolution",
            "CreateSolutionVersion",
            "DescribeSolutionVersion",
            "StopSolutionVersionCreation",
            "GetSolutionMetrics",
        ),
        on("recommender", "CreateRecommender", "DescribeRecommender", "DeleteRecommender"),
        Permission(
            actions=["personalize:ListDatasetImportJobs", "personalize:ListSolutionVersions"],
            resources=["*"],
            wildcard=_NO_RESOURCES,
        ),
    ]


class Import(TrainedResource):
    """The data of a dataset.

    The native dataset can import too, but under a name from the template. A name can never be used
    again, so it could not return to earlier data.
    """

    def __init__(
        self,
        scope: DatasetGroup,
        id: str,  # noqa: A002
        *,
        config: Config,
        dataset_arn: str,
        location: str,
        digest: str,
        role: ServiceRole,
        trainer: Trainer,
    ) -> None:
        """Create the import.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            dataset_arn: the dataset to import into.
            location: the file's location in S3.
            digest: digest of the file.
            role: the role to read the file with.
            trainer: the functions that import it.
        """
        super().__init__(
            scope,
            id,
            trainer=trainer,
            kind="DatasetImportJob",
            name_prefix=scope.name,
            request={
                "datasetArn": dataset_arn,
                "dataSource": {"dataLocation": location},
                "roleArn": role.role_arn,
                "importMode": "FULL",
            },
            inputs=digest,
            waits=config.training.waits,
            role=role,
        )


class Solution(Construct):
    """A recipe trained on a dataset group, and a campaign that serves the latest version.

    New data create a new version, to which the campaign switches in place; another configuration
    creates another solution and campaign.

    Attributes:
        arn: the solution's ARN.
        version: the trained version: attributes `Arn` and `Metrics` (JSON text).
        campaign_arn: the campaign's ARN; None for a recipe that only supports batch jobs.
    """

    def __init__(
        self,
        scope: DatasetGroup,
        id: str,  # noqa: A002
        *,
        config: Config,
        recipe: str,
        trainer: Trainer,
        training: str,
    ) -> None:
        """Create the solution.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            recipe: the recipe's name without `aws-`.
            trainer: the functions that train it.
            training: the name of the training of which there is a version; empty for the first.
        """
        super().__init__(scope, id)
        chosen, days = RECIPES[recipe], config.personalize.auto_training_days
        request: dict[str, Any] = {
            "datasetGroupArn": scope.arn,
            "recipeArn": _recipe(f"aws-{recipe}"),
            "performAutoTraining": days > 0,
            "performHPO": config.personalize.hpo and chosen.tunes,
        }
        if days:
            rate = f"rate({days} {'day' if days == 1 else 'days'})"
            request["solutionConfig"] = {"autoTrainingConfig": {"schedulingExpression": rate}}
        name = config.name(recipe)
        solution = TrainedResource(
            self,
            "Solution",
            trainer=trainer,
            kind="Solution",
            name_prefix=name,
            request=request,
            inputs="",
            waits=0,
        )
        solution.node.add_dependency(*scope.ready)
        self.arn = solution.attribute("Arn")
        self.version = TrainedResource(
            self,
            "Version",
            trainer=trainer,
            kind="SolutionVersion",
            name_prefix=config.prefix,
            request={"solutionArn": self.arn, "trainingMode": "FULL"},
            inputs=f"{scope.digest}{training}",
            waits=config.training.waits,
            gate=(
                {"metric": _JUDGED, "percent": config.personalize.gate}
                if config.personalize.gate < 100
                else None
            ),
        )
        self.campaign_arn = None
        if chosen.serves:
            described = {**request, "datasetGroupArn": scope.name, "recipeArn": recipe}
            campaign = personalize.CfnCampaign(
                self,
                "Campaign",
                name=f"{name}-{_hash(described)}",
                solution_version_arn=(
                    f"{self.arn}/$LATEST" if days else self.version.attribute("Arn")
                ),
                min_provisioned_tps=config.personalize.min_tps,
                campaign_config=(
                    personalize.CfnCampaign.CampaignConfigProperty(
                        sync_with_latest_solution_version=True
                    )
                    if days
                    else None
                ),
                tags=[cdk.CfnTag(key="Deployment", value=config.prefix)],
            )
            campaign.node.add_dependency(self.version)
            acknowledge(
                campaign,
                "Newer than the CDK's list of types; CloudFormation's registry has it",
                "CloudFormation-Validate::F3006",
            )
            self.campaign_arn = campaign.attr_campaign_arn


class Recommender(TrainedResource):
    """A recommender for a use case of a domain, with the attributes `Arn` and `Metrics`."""

    def __init__(
        self,
        scope: DatasetGroup,
        id: str,  # noqa: A002
        *,
        config: Config,
        use_case: str,
        trainer: Trainer,
    ) -> None:
        """Create the recommender.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            use_case: the use case's name without `aws-vod-`.
            trainer: the functions that train it.
        """
        name = config.name(use_case)
        super().__init__(
            scope,
            id,
            trainer=trainer,
            kind="Recommender",
            name_prefix=name,
            request={
                "datasetGroupArn": scope.arn,
                "recipeArn": _recipe(f"aws-vod-{use_case}"),
                "recommenderConfig": {
                    "minRecommendationRequestsPerSecond": config.personalize.min_tps
                },
            },
            inputs=scope.digest,
            waits=config.training.waits,
        )
        self.node.add_dependency(*scope.ready)


def _recipe(name: str) -> str:
    return f"arn:{cdk.Aws.PARTITION}:personalize:::recipe/{name}"


def _hash(described: str | list[object] | Mapping[str, object], length: int = 8) -> str:
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    if cdk.Token.is_unresolved(text):  # tokens have different numbers in each process
        raise ValueError(f"a name must be deterministic, but {text} is not known at synthesis")
    return hashlib.sha256(text.encode()).hexdigest()[:length]
