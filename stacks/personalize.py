"""The stack of Amazon Personalize: dataset groups, campaigns and recommenders."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.personalize import (
    DatasetGroup,
    Recommender,
    Solution,
    training_permissions,
)
from stacks.constructs.personalize_training import PersonalizeTraining
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole, all_of
from stacks.constructs.trained_resource import TrainedResource, Trainer
from stacks.personalize_settings import COUNTED, Group
from stacks.schedule_settings import OFF


class PersonalizeStack(cdk.Stack):
    """The configured dataset groups with their solutions, campaigns and recommenders."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="Amazon Personalize resources", **kwargs)
        # of any group: a change of the role would hold too late for another group's import
        keys = f"{config.data.keys.personalize}*"
        role = ServiceRole(
            self,
            "ImportRole",
            service="personalize",
            source_arn=all_of(self, "personalize"),
            permissions=[*store.lists(), *store.reads(keys)],
        )
        self._training = self._trains(config)
        permissions = training_permissions(self, config)
        trainer = Trainer(self, "Trainer", config=config, permissions=permissions)
        for group in config.personalize.groups:
            self._group(config, group, store, role, trainer)
        if config.personalize.batch:
            self._batch(store, config.data.keys.batch)

    def _trains(self, config: Config) -> str:
        """The name of the training, and the function that begins another one, if there is to be.

        It is a parameter. An update without it keeps it, as the CDK CLI's does.
        """
        if config.personalize.schedule == OFF:
            return ""
        parameter = cdk.CfnParameter(
            self,
            "Training",
            default="0",
            allowed_pattern="0|[0-9]{14}",
            description="When the newest versions of solutions were trained; 0 for at first",
        )
        PersonalizeTraining(self, "PersonalizeTraining", config=config, training=parameter)
        number = parameter.value_as_string
        first = cdk.CfnCondition(self, "AtFirst", expression=cdk.Fn.condition_equals(number, "0"))
        return cdk.Token.as_string(cdk.Fn.condition_if(first.logical_id, "", number))

    def _group(
        self, config: Config, group: Group, store: Store, role: ServiceRole, trainer: Trainer
    ) -> None:
        title = group.name.capitalize()
        made = DatasetGroup(
            self,
            title,
            config=config,
            group=group,
            bucket_name=store.bucket_name,
            role=role,
            trainer=trainer,
        )
        self._output(f"{title}DatasetGroupArn", made.arn)
        for name, arn in made.filters.items():
            self._output(f"{title}{name}FilterArn", arn)
        if made.tracking_id:
            self._output(f"{title}TrackingId", made.tracking_id)
        if config.personalize.attribution:
            counts = self._attributes(config, group, made, trainer)
            self._output(f"{title}MetricAttributionArn", counts)
        for recipe in group.solutions:
            name = _title(recipe)
            solution = Solution(
                made, name, config=config, recipe=recipe, trainer=trainer, training=self._training
            )
            self._output(f"{title}{name}SolutionVersionArn", solution.version.attribute("Arn"))
            self._output(f"{title}{name}Metrics", solution.version.attribute("Metrics"))
            if solution.campaign_arn:
                self._output(f"{title}{name}CampaignArn", solution.campaign_arn)
        for use_case in group.recommenders:
            # trending-now is a recipe and a use case
            name = _title(use_case) + "Recommender" * (use_case in group.solutions)
            recommender = Recommender(made, name, config=config, use_case=use_case, trainer=trainer)
            self._output(f"{title}{name}RecommenderArn", recommender.attribute("Arn"))
            self._output(f"{title}{name}Metrics", recommender.attribute("Metrics"))

    def _attributes(
        self, config: Config, group: Group, made: DatasetGroup, trainer: Trainer
    ) -> str:
        """Let events be counted by what recommended, in CloudWatch; the ARN."""
        role = ServiceRole(
            self,
            f"{group.name.capitalize()}AttributionRole",
            service="personalize",
            source_arn=all_of(self, "personalize"),
            permissions=[
                Permission(
                    actions=["cloudwatch:PutMetricData"],
                    resources=["*"],
                    wildcard="The action does not support resources",
                )
            ],
        )
        attribution = TrainedResource(
            made,
            "MetricAttribution",
            trainer=trainer,
            kind="MetricAttribution",
            name_prefix=made.name,
            request={
                "datasetGroupArn": made.arn,
                "metrics": [
                    {"eventType": kind, "metricName": kind, "expression": "SAMPLECOUNT()"}
                    for kind in COUNTED[group.name]
                ],
                "metricsOutputConfig": {"roleArn": role.role_arn},
            },
            inputs="",
            waits=0,
            role=role,
        )
        attribution.node.add_dependency(*made.ready)
        return attribution.attribute("Arn")

    def _batch(self, store: Store, prefix: str) -> None:
        """Create a role for batch jobs, which are started manually and billed by their output.

        Their files are in the bucket under the prefix.
        """
        keys = f"{prefix}*"
        role = ServiceRole(
            self,
            "BatchRole",
            service="personalize",
            source_arn=all_of(self, "personalize"),
            permissions=[*store.lists(), *store.reads(keys), *store.writes(keys)],
        )
        self._output("BatchRoleArn", role.role_arn)

    def _output(self, name: str, value: str) -> None:
        cdk.CfnOutput(self, name, value=value)


def _title(name: str) -> str:
    """Convert `user-personalization-v2` to `UserPersonalizationV2`."""
    return "".join(word.capitalize() for word in name.split("-"))
