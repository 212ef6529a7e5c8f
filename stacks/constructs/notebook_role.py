"""The role of a notebook instance: it may do what the notebooks do, under names of their own."""

from collections.abc import Iterator, Sequence
from typing import Final

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole

_STACK_NAME: Final = 25  # characters of it that a role's generated name keeps at least

_DEPLOYMENTS: Final = "What the deployment made; its names begin with the prefix"
_OWN: Final = "What the notebooks make, and delete; its names begin with the prefix and two hyphens"
_NO_RESOURCES: Final = "The action knows no resources"
_LISTS: Final = "The notebooks count what an account holds, and so list all of a kind"
_TRACKERS: Final = "An event tracker's ARN ends in an id that Amazon Personalize gives it"


class NotebookRole(ServiceRole):
    """The role, with what it may do beside what the notebooks do.

    Whatever they make is called PREFIX-MODEL--notebook-… or PREFIX--notebook-…, which no other
    deployment's names are: a prefix has no two hyphens in a row. Nothing else can be changed with
    it, but event trackers, whose ids tell nothing.
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
        """Make the role.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: where the data is.
            permissions: what the instance itself needs.
        """
        super().__init__(
            scope,
            id,
            service="sagemaker",
            permissions=permissions,
        )
        self.allow(*self._what_the_notebooks_do(config, store))

    def _what_the_notebooks_do(self, config: Config, store: Store) -> Iterator[Permission]:
        """What notebooks/*.ipynb ask of AWS, service by service."""
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
        # without s3:prefix, for a file that is missing shall be told so
        yield Permission(actions=["s3:ListBucket"], resources=[store.bucket_arn])
        yield from store.reads(f"{keys.prefix}*", f"{keys.personalize}*")
        if "factorization_machines" in config.engines:
            yield from store.reads(
                *(f"{prefix}*" for prefix in keys.channels("factorization_machines").values())
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
        """To see what there is."""
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
        """To train and serve as the deployment does, by its roles, under names of one's own."""
        hosting = ["endpoint", "endpoint-config", "model"]
        models = [*config.hyperparameters, *(name.replace("_", "-") for name in config.engines)]
        # a job logs by the deployment's role, which writes to streams of its own model's jobs alone
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
        yield Permission(
            actions=["sagemaker:InvokeEndpoint"],
            resources=[
                self._arn("sagemaker", "endpoint", name)
                for name in sorted({*served, *map(str.lower, served)})
            ],
        )
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
            ["*"],  # of each kind: a role's policies may have 10,240 characters
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
        """To go from an import to lists for everybody, and to ask what the deployment serves."""
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
                "CreateEventTracker",  # takes permission on the group too
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
        """To let a service work by other stacks' roles, whose names CloudFormation makes."""
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
            wildcard="One group's streams, or those whose names tell that a notebook made them",
        )

    def _arn(self, service: str, kind: str, name: str) -> str:
        return cdk.Stack.of(self).format_arn(service=service, resource=kind, resource_name=name)
