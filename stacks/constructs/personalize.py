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

_OURS: Final = "This deployment's, also those that the settings no longer name"
_NO_RESOURCES: Final = "The action knows no resources"


class DatasetGroup(Construct):
    """A dataset group with its data, filters and event tracker.

    Nothing of it but the data changes in place, and a group holds one dataset of a kind. So its
    id and all names carry a hash of the schemas: another schema is another group, made and trained
    beside the old one, which goes when the new one answers.

    Attributes:
        name: of the group; begins the names of all that is in it.
        arn: of the group.
        filters: ARNs by name.
        tracking_id: of the event tracker; None without one.
        ready: what has to exist before something is trained.
        digest: of the data.
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
        """Make the group.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            group: what it holds.
            bucket_name: where the data lies.
            role: with which it is imported.
            trainer: the functions that import it.
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
        # What is cheap and may be wrong comes before what is trained; and what depends on
        # something is deleted before it. Together this is AWS's recommended order of deletion:
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
    """To import, train and delete in any dataset group of the deployment."""

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

    return [
        on("dataset-import-job", "CreateDatasetImportJob", "DescribeDatasetImportJob"),
        on("dataset", "CreateDatasetImportJob", "DescribeDataset"),
        on("dataset-group", "CreateSolution", "CreateRecommender"),
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
    """The data in a dataset.

    The native dataset can import too, but under a name of the template's; and a name is never free
    again, so that it could not go back to earlier data.
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
        """Make it.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            dataset_arn: the dataset that takes the data.
            location: of the file in S3.
            digest: of its content.
            role: with which it is read.
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

    New data makes a new version, to which the campaign changes over in place; another
    configuration makes another solution and another campaign.

    Attributes:
        arn: of the solution.
        version: the trained version: attributes `Arn` and `Metrics` (JSON text).
        campaign_arn: None for a recipe that only serves in batch jobs.
    """

    def __init__(
        self,
        scope: DatasetGroup,
        id: str,  # noqa: A002
        *,
        config: Config,
        recipe: str,
        trainer: Trainer,
    ) -> None:
        """Make it.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            recipe: without `aws-`.
            trainer: the functions that train it.
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
            inputs=scope.digest,
            waits=config.training.waits,
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
    """A use case of a domain, trained and serving. Its attributes: `Arn`, `Metrics`."""

    def __init__(
        self,
        scope: DatasetGroup,
        id: str,  # noqa: A002
        *,
        config: Config,
        use_case: str,
        trainer: Trainer,
    ) -> None:
        """Make it.

        Args:
            scope: the dataset group.
            id: the construct's id.
            config: the deployment's settings.
            use_case: without `aws-vod-`.
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
    if cdk.Token.is_unresolved(text):  # numbered differently in each process
        raise ValueError(f"a name must be the same each time, and {text} is not known yet")
    return hashlib.sha256(text.encode()).hexdigest()[:length]
