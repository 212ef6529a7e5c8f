"""The role of a notebook instance, with the permissions that the notebooks need."""

from collections.abc import Iterator, Sequence
from typing import Final

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole
from stacks.constructs.sagemaker import on_endpoints

_STACK_NAME: Final = (
    25  # characters of the stack's name that a role's generated name keeps at least
)

_DEPLOYMENTS: Final = "Resources of the deployment; their names begin with the prefix"
_OWN: Final = "Resources of the notebooks; their names begin with the prefix and two hyphens"
_NO_RESOURCES: Final = "The action does not support resources"
_LISTS: Final = "The notebooks list all resources of a kind in the account"
_TRACKERS: Final = "An event tracker's ARN ends in an id that Amazon Personalize gives it"


class NotebookRole(ServiceRole):
    """The role, with the permissions of the instance and of the notebooks.

    The notebooks' resources are named PREFIX-MODEL--notebook-… or PREFIX--notebook-…, which no
    other deployment's names match, because a prefix has no two consecutive hyphens. The role can
    change nothing else, except event trackers, whose ids are random.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        permissions: Sequence[Permission],
    ) -> None:
        """Create the role.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: the bucket with the data.
            permissions: the permissions of the instance itself.
        """
        super().__init__(
            scope,
            id,
            service="sagemaker",
            permissions=permissions,
        )
        self.allow(*self._what_the_notebooks_do(config, store))

    def _what_the_notebooks_do(self, config: Config, store: Store) -> Iterator[Permission]:
        """The permissions of notebooks/*.ipynb, service by service."""
        ours = f"{config.prefix}-*"
        engines = ["".join(map(str.capitalize, name.split("_"))) for name in config.engines]
        stacks = ["Data", "Object2Vec", "Functions", "Notebook", *engines]
        stacks += ["Personalize"] * bool(config.personalize.groups)
        stacks += ["Operations"] * config.operations.any
        yield self._lists()
        yield Permission(
            actions=["cloudformation:GetTemplate"],
            resources=[
                self._arn("cloudformation", "stack", f"{config.name(name)}/*") for name in stacks
            ],
            wildcard="A stack's ARN ends in an id that CloudFormation gives it",
        )
        keys = config.data.keys
        batch = f"{keys.batch}notebook/*"
        # without s3:prefix, so that a missing file is reported as missing
        yield Permission(actions=["s3:ListBucket"], resources=[store.bucket_arn])
        yield from store.reads(f"{keys.prefix}*", f"{keys.personalize}*")
        if "factorization_machines" in config.engines:
            yield from store.reads(
                *(
                    f"{key.rpartition('/')[0]}/*"
                    for key in keys.input["factorization_machines"].values()
                )
            )
        yield from store.writes(batch)
        yield from store.deletes(batch)
        yield Permission(
            actions=["lambda:InvokeFunction"],
            resources=[
                cdk.Stack.of(self).format_arn(
                    service="lambda",
                    resource="function",
                    resource_name=config.name(name),
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
                for name in ("Recommendation_Engine_Object2Vec", "Movie_Retrieval_Object2Vec")
            ],
        )
        yield from self._trains_and_serves(config, engines, ours)
        if config.personalize.groups:
            yield from self._personalizes(config, ours, f"{config.prefix}--notebook-*")

    def _lists(self) -> Permission:
        """Permission to list resources."""
        return Permission(
            actions=[
                "cloudformation:DescribeStacks",
                "iam:ListRoles",
                "lambda:ListFunctions",
                "logs:DescribeLogGroups",
                "personalize:ListCampaigns",
                "personalize:ListDatasetGroups",
                "personalize:ListDatasets",
                "personalize:ListFilters",
                "personalize:ListRecommenders",
                "personalize:ListSchemas",
                "personalize:ListSolutions",
                "s3:ListAllMyBuckets",
                "sagemaker:ListEndpointConfigs",
                "sagemaker:ListEndpoints",
                "sagemaker:ListModels",
                "sagemaker:ListNotebookInstances",
                "sagemaker:ListTrainingJobs",
                "states:ListStateMachines",
            ],
            resources=["*"],
            wildcard=_LISTS,
        )

    def _trains_and_serves(
        self, config: Config, engines: Sequence[str], ours: str
    ) -> Iterator[Permission]:
        """Permissions to train and serve with the deployment's roles under the notebooks' names."""
        hosting = ["endpoint", "endpoint-config", "model"]
        models = [*config.hyperparameters, *(name.replace("_", "-") for name in config.engines)]
        # a job logs with the deployment's role, which may only write streams of its own model's
        # jobs
        made = [config.name(f"{model}--notebook-*") for model in models]
        yield self._on("sagemaker", ["DescribeTrainingJob"], ["training-job"], ours)
        yield self._on(
            "sagemaker",
            ["DescribeEndpoint", "DescribeEndpointConfig", "DescribeModel"],
            hosting,
            ours,
        )
        titles = [*config.hyperparameters, *(name[0].lower() + name[1:] for name in engines)]
        served = [config.name(f"{title}Model") for title in titles]
        yield on_endpoints(cdk.Stack.of(self), "sagemaker:InvokeEndpoint", *served)
        yield self._on(
            "sagemaker",
            [
                "InvokeEndpoint",
                *(
                    f"{verb}{what}"
                    for verb in ("Create", "Delete")
                    for what in ("Endpoint", "EndpointConfig", "Model", "TrainingJob")
                ),
            ],
            ["*"],  # of each kind, because a role's policies are limited to 10,240 characters
            made,
            _OWN,
        )
        yield self._passes(config, "sagemaker", "Object2Vec", *engines)
        jobs = "/aws/sagemaker/TrainingJobs"
        yield self._on_logs(["DescribeLogStreams", "FilterLogEvents"], f"{jobs}:*")
        yield self._on_logs(["DeleteLogStream"], *(f"{jobs}:log-stream:{one}" for one in made))
        yield self._on_logs(
            ["DeleteLogGroup"], *(f"/aws/sagemaker/Endpoints/{one}" for one in made)
        )

    def _personalizes(self, config: Config, ours: str, made: str) -> Iterator[Permission]:
        """Permissions from import to batch jobs, and to query the deployment's campaigns."""
        kinds = [
            "batch-inference-job",
            "campaign",
            "dataset",
            "dataset-group",
            "dataset-import-job",
            "filter",
            "schema",
            "solution",
        ]
        yield self._on(
            "personalize",
            [
                "CreateBatchInferenceJob",
                "CreateDatasetImportJob",
                "CreateEventTracker",  # also requires permission on the group
                "CreateSolutionVersion",
                *(
                    f"{verb}{kind}"
                    for verb in ("Create", "Delete")
                    for kind in (
                        "Campaign",
                        "Dataset",
                        "DatasetGroup",
                        "Filter",
                        "Schema",
                        "Solution",
                    )
                ),
            ],
            kinds,
            made,
            _OWN,
        )
        yield self._on(
            "personalize",
            [
                *(
                    f"Describe{kind}"
                    for kind in (
                        "BatchInferenceJob",
                        "Campaign",
                        "Dataset",
                        "DatasetGroup",
                        "DatasetImportJob",
                        "Filter",
                        "Recommender",
                        "Solution",
                        "SolutionVersion",
                    )
                ),
                "GetPersonalizedRanking",
                "GetRecommendations",
                "GetSolutionMetrics",
            ],
            [*kinds, "recommender"],
            ours,
        )
        yield self._on(
            "personalize",
            ["CreateEventTracker", "DeleteEventTracker", "DescribeEventTracker"],
            ["event-tracker"],
            "*",
            _TRACKERS,
        )
        yield Permission(actions=["personalize:PutEvents"], resources=["*"], wildcard=_NO_RESOURCES)
        yield self._passes(config, "personalize", "Personalize")

    def _passes(self, config: Config, service: str, *stacks: str) -> Permission:
        """Permission to pass other stacks' roles, whose names are generated, to a service."""
        return Permission(
            actions=["iam:PassRole"],
            resources=[
                cdk.Stack.of(self).format_arn(
                    service="iam",
                    region="",
                    resource="role",
                    resource_name=f"{config.name(stack)[:_STACK_NAME]}*",
                )
                for stack in stacks
            ],
            conditions={"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}},
            wildcard="Only the service that each role trusts can use it, and for its own part",
        )

    def _on(
        self,
        service: str,
        actions: Sequence[str],
        kinds: Sequence[str],
        names: str | Sequence[str],
        reason: str = _DEPLOYMENTS,
    ) -> Permission:
        listed = [names] if isinstance(names, str) else names
        return Permission(
            actions=[f"{service}:{action}" for action in actions],
            resources=[self._arn(service, kind, name) for kind in kinds for name in listed],
            wildcard=reason,
        )

    def _on_logs(self, actions: Sequence[str], *groups: str) -> Permission:
        return Permission(
            actions=[f"logs:{action}" for action in actions],
            resources=[
                cdk.Stack.of(self).format_arn(
                    service="logs",
                    resource="log-group",
                    resource_name=group,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
                for group in groups
            ],
            wildcard="One group's streams, or those with the notebooks' names",
        )

    def _arn(self, service: str, kind: str, name: str) -> str:
        return cdk.Stack.of(self).format_arn(service=service, resource=kind, resource_name=name)
