"""Monitoring of the other stacks: alarms, dashboard, budget, caretaker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_personalize as personalize
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from stacks.config import Config, InstanceEndpoint
from stacks.constructs.caretaker import NAMESPACE, Caretaker
from stacks.constructs.experiment_results import ExperimentResults
from stacks.constructs.failed_events import FailedEvents
from stacks.constructs.personalize import Recommender
from stacks.constructs.personalize_training import PersonalizeTraining
from stacks.constructs.private_bucket import Store
from stacks.constructs.provider import Provider
from stacks.constructs.python_function import PythonFunction
from stacks.constructs.retraining import Retraining
from stacks.constructs.roles import acknowledge, admit_alarms
from stacks.constructs.sagemaker import VARIANT, Endpoint
from stacks.constructs.trained_resource import Trainer

# constructs with functions that no user calls
_NOT_CALLED: Final = (Provider, Retraining, PersonalizeTraining, ExperimentResults)
_PERSONALIZE: Final = ("AWS/Personalize", ("CampaignArn", "RecommenderArn"))
_TABLES: Final = ("AWS/DynamoDB", ("TableName",))
_RUNBOOK: Final = "docs/runbook.md"


@dataclass
class Watched:
    """The names of monitored resources in other stacks, which are not referenced here.

    A reference would be an export, which would prevent changes and deletion of those stacks.

    Attributes:
        functions: functions that users call.
        writers: functions that write results of experiments, by schedule.
        trainers: functions that run trainings.
        retrainings: functions that start retrainings, and that run those of the lists.
        endpoints: SageMaker endpoints.
        campaigns: Amazon Personalize campaigns.
        recommenders: Amazon Personalize recommenders; only their own stack knows their names.
        apis: HTTP APIs; only their own stack knows their ids.
        queues: queues of events that failed after all retries.
        stacks: stacks with trained resources.
        billed: stacks with resources that are billed by the hour, used or not.
    """

    functions: list[str] = field(default_factory=list)
    writers: list[str] = field(default_factory=list)
    trainers: list[str] = field(default_factory=list)
    retrainings: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)
    recommenders: list[Recommender] = field(default_factory=list)
    apis: list[cdk.CfnResource] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    stacks: list[str] = field(default_factory=list)
    billed: list[str] = field(default_factory=list)

    @classmethod
    def within(cls, scope: Construct, config: Config) -> "Watched":
        """Find all monitored resources below a construct."""
        found = cls()
        for one in scope.node.find_all():
            billed = False
            match one:
                case Trainer():
                    found.trainers.append(one.name)
                    found.stacks.append(cdk.Stack.of(one).stack_name)
                case Retraining():
                    found.retrainings += [one.name, one.trainer]
                case PersonalizeTraining():
                    found.retrainings.append(one.name)
                case ExperimentResults():
                    found.writers.append(one.name)
                case PythonFunction(given_name=str(name)):
                    if not isinstance(one.node.scope, _NOT_CALLED):
                        found.functions.append(name)
                case FailedEvents(name=str(name)):
                    found.queues.append(name)
                case Endpoint():
                    found.endpoints.append(one.literal_name)
                    billed = isinstance(config.endpoint, InstanceEndpoint)
                case personalize.CfnCampaign():
                    found.campaigns.append(str(one.name))
                    billed = True
                case Recommender():
                    found.recommenders.append(one)
                    billed = True
                case cdk.CfnResource(cfn_resource_type="AWS::ApiGatewayV2::Api"):
                    found.apis.append(one)
            if billed and (stack := cdk.Stack.of(one).stack_name) not in found.billed:
                found.billed.append(stack)
        return found


class OperationsStack(cdk.Stack):
    """Alarms, dashboard, budget and caretaker, as configured."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Monitoring: alarms, dashboard, budget, clean-up of idle stacks",
            **kwargs,
        )
        self._config = config
        watched = Watched.within(scope, config)
        chosen = config.operations
        self._key = self._key_of_messages(store)
        self._topic = self._told(chosen.told) if chosen.told else None
        if chosen.caretaker and watched.stacks:  # otherwise the caretaker has nothing to do
            caretaker = Caretaker(
                self,
                "Caretaker",
                config=config,
                stacks=watched.stacks,
                expiring=watched.billed if chosen.idle_hours else [],
                endpoints=watched.endpoints,
                topic_arn=self._topic.topic_arn if self._topic else None,
                key_arn=self._key.key_arn if self._key else None,
            )
            watched.functions.append(caretaker.name)
            if not chosen.alarms:  # it has no caller that would see its failures
                self._failing(caretaker.name)
        if chosen.alarms:
            self._alarms(watched)
        if chosen.dashboard:
            self._dashboard(watched)
        if chosen.budget_usd:
            self._budget()

    # Alarms

    def _alarms(self, watched: Watched) -> None:
        latency = self._config.operations.latency_ms
        for name in watched.functions:
            self._failing(name)
            self._alarm(f"{name}-throttles", _function(name, "Throttles"), "throttling")
            slow = _function(name, "Duration", "p95")
            self._alarm(f"{name}-latency", slow, "slow-answers", threshold=latency, periods=3)
        for name in watched.writers:
            self._failing(name)
        for name in watched.trainers:
            self._alarm(f"{name}-failed", _function(name, "Errors"), "a-training-failed")
        for name in watched.retrainings:
            self._alarm(f"{name}-failed", _function(name, "Errors"), "a-retraining-failed")
        for name in watched.queues:
            self._alarm(name, _waiting(name), "events-were-not-taken")
        for name in watched.endpoints:
            failing = _endpoint(name, "Invocation5XXErrors")
            self._alarm(f"{name}-5xx", failing, "an-endpoint-fails")
            slow = _endpoint(name, "ModelLatency", "p95")  # in microseconds
            self._alarm(
                f"{name}-latency", slow, "slow-answers", threshold=latency * 1000, periods=3
            )
        for name in watched.campaigns:
            for operation in ("GetRecommendations", "GetPersonalizedRanking"):
                failing = self._campaign(name, f"{operation}5xxErrors")
                self._alarm(f"{name}-{operation}-5xx", failing, "a-campaign-fails")
        for recommender in watched.recommenders:
            failing = _metric(
                "AWS/Personalize",
                "GetRecommendations5xxErrors",
                {"RecommenderArn": recommender.attribute("Arn")},
                "Sum",
            )
            name = f"{recommender.name_prefix}-5xx"
            self._alarm(name, failing, "a-campaign-fails", scope=recommender)
        for api in watched.apis:
            name, dimensions = self._config.name("api"), {"ApiId": api.ref}
            failing = _metric("AWS/ApiGateway", "5xx", dimensions, "Sum")
            self._alarm(f"{name}-5xx", failing, "an-api-fails", scope=api)
            slow = _metric("AWS/ApiGateway", "Latency", dimensions, "p95")
            self._alarm(
                f"{name}-latency", slow, "slow-answers", threshold=latency, periods=3, scope=api
            )
        if self._config.operations.model_days and watched.stacks:
            self._alarm(
                self._config.name("models-age"),
                self._age(),
                "old-models",
                threshold=self._config.operations.model_days,
            )

    def _failing(self, function: str) -> None:
        self._alarm(f"{function}-errors", _function(function, "Errors"), "a-function-fails")

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.Metric,
        chapter: str,
        *,
        threshold: float = 1,
        periods: int = 1,
        scope: Construct | None = None,
    ) -> None:
        """An alarm that refers to the runbook; in another stack, if necessary."""
        alarm = cloudwatch.Alarm(
            scope or self,
            name.removeprefix(f"{self._config.prefix}-"),
            alarm_name=name,
            alarm_description=f"What to do: {_RUNBOOK}#{chapter}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=(cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD),
            # Without calls there are no failures.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        if self._topic:
            # Another stack refers to the topic by name, without a dependency.
            arn = self.format_arn(service="sns", resource=self._config.name("alarms"))
            topic = sns.Topic.from_topic_arn(alarm, "Told", arn) if scope else self._topic
            alarm.add_alarm_action(actions.SnsAction(topic))

    def _key_of_messages(self, store: Store) -> kms.IKey | None:
        """The topic's key: the deployment's, or one for the topic alone; None without a topic.

        SNS's own key is free, but alarms cannot use it (decision 7).
        """
        if store.key_arn:
            return kms.Key.from_key_arn(self, "Key", store.key_arn)
        if not self._config.operations.told:
            return None
        key = kms.Key(self, "TopicKey", description="Messages of alarms", enable_key_rotation=True)
        admit_alarms(key)
        return key

    def _told(self, email: str) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=self._config.name("alarms"),
            enforce_ssl=True,
            master_key=self._key,
        )
        # An explicit policy replaces the default one, which allows the account to publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        topic.add_subscription(subscriptions.EmailSubscription(email))
        acknowledge(
            topic,
            "Alarms remain visible even if their email does not arrive",
            "Serverless-SNSRedrivePolicy",
        )
        return topic

    # Dashboard

    def _dashboard(self, watched: Watched) -> None:
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=self._config.name("engine"))
        board.add_widgets(
            _graph("Functions: calls", [_function(n, "Invocations") for n in watched.functions]),
            _graph(
                "Functions: errors and throttles",
                [_function(n, m) for n in watched.functions for m in ("Errors", "Throttles")],
            ),
            _graph(
                "Functions: duration, p95",
                [_function(n, "Duration", "p95") for n in watched.functions],
            ),
        )
        if watched.endpoints:
            board.add_widgets(
                _graph(
                    "Endpoints: calls", [_endpoint(n, "Invocations") for n in watched.endpoints]
                ),
                _graph(
                    "Endpoints: errors",
                    [
                        _endpoint(n, f"Invocation{status}Errors")
                        for n in watched.endpoints
                        for status in ("4XX", "5XX")
                    ],
                ),
                _graph(
                    "Endpoints: latency of the model, p95",
                    [_endpoint(n, "ModelLatency", "p95") for n in watched.endpoints],
                ),
            )
        if self._config.personalize.groups:
            calls = ("GetRecommendations", "GetPersonalizedRanking")
            errors, latency = [f"{c}5xxErrors" for c in calls], [f"{c}Latency" for c in calls]
            board.add_widgets(
                self._searched("Personalize: calls", _PERSONALIZE, "Sum", calls),
                self._searched("Personalize: errors", _PERSONALIZE, "Sum", errors),
                self._searched("Personalize: latency", _PERSONALIZE, "Average", latency),
            )
        if watched.queues:
            kinds = ("Read", "Write")
            units = [f"Consumed{kind}CapacityUnits" for kind in kinds]
            throttled = [f"{kind}ThrottleEvents" for kind in kinds]
            board.add_widgets(
                self._searched("Histories: units", _TABLES, "Sum", units),
                self._searched("Histories: throttles", _TABLES, "Sum", throttled),
                _graph("Events that were not taken", [_waiting(name) for name in watched.queues]),
            )
        last = []
        if trainers := [*watched.trainers, *watched.retrainings]:
            last.append(_graph("Training: errors", [_function(n, "Errors") for n in trainers]))
        if self._config.operations.caretaker and watched.stacks:
            last.append(_graph("Age of the oldest model, days", [self._age()]))
        if last:
            board.add_widgets(*last)
        url = (
            f"https://{self.region}.console.aws.amazon.com/cloudwatch/home?region={self.region}"
            f"#dashboards/dashboard/{self._config.name('engine')}"
        )
        cdk.CfnOutput(self, "DashboardUrl", value=url)

    def _searched(
        self,
        title: str,
        where: tuple[str, Sequence[str]],
        statistic: str,
        metrics: Sequence[str],
    ) -> cloudwatch.GraphWidget:
        """A graph by search expressions, because the resources' names are generated.

        Args:
            title: of the graph.
            where: a namespace, and its dimensions that have such a name.
            statistic: of the metrics.
            metrics: their names.
        """
        namespace, dimensions = where
        return cloudwatch.GraphWidget(
            title=title,
            width=8,
            left=[
                cloudwatch.SearchExpression(
                    expression=(
                        f"SEARCH('{{{namespace},{dimension}}} "
                        f'MetricName="{metric}" {self._config.prefix}\', '
                        f"'{statistic}', 300)"
                    ),
                    label="",
                )
                for dimension in dimensions
                for metric in metrics
            ],
        )

    # Budget

    def _budget(self) -> None:
        told = budgets.CfnBudget.SubscriberProperty(
            subscription_type="EMAIL", address=str(self._config.operations.email)
        )
        budgets.CfnBudget(
            self,
            "Budget",
            # No name, because a changed budget is replaced.
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(
                    amount=self._config.operations.budget_usd, unit="USD"
                ),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[told],
                )
                for kind, percent in (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
            ],
        )

    # Metrics

    def _campaign(self, name: str, metric: str) -> cloudwatch.Metric:
        arn = self.format_arn(service="personalize", resource="campaign", resource_name=name)
        return _metric("AWS/Personalize", metric, {"CampaignArn": arn}, "Sum")

    def _age(self) -> cloudwatch.Metric:
        return _metric(
            NAMESPACE,
            "ModelAge",
            {"Deployment": self._config.prefix},
            "Maximum",
            period=cdk.Duration.hours(2),
        )


def _function(name: str, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
    return _metric("AWS/Lambda", metric, {"FunctionName": name}, statistic)


def _waiting(queue: str) -> cloudwatch.Metric:
    dimensions = {"QueueName": queue}
    return _metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, "Maximum")


def _endpoint(name: str, metric: str, statistic: str = "Sum") -> cloudwatch.Metric:
    dimensions = {"EndpointName": name, "VariantName": VARIANT}
    return _metric("AWS/SageMaker", metric, dimensions, statistic)


def _metric(
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    statistic: str,
    period: cdk.Duration | None = None,
) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=period or cdk.Duration.minutes(5),
    )


def _graph(title: str, metrics: list[cloudwatch.Metric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, width=8, left=list(metrics))
