"""SageMaker training jobs and endpoints, with a role per model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.config import Config, InstanceEndpoint, Training
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole, all_of, writes_logs
from stacks.constructs.script import Script
from stacks.constructs.trained_resource import TrainedResource, Trainer
from stacks.constructs.transform import Pairs, transform
from stacks.images import Image

VARIANT: Final = "AllTraffic"
# SageMaker's groups for all jobs of an account.
_TRAINING_LOGS: Final = "/aws/sagemaker/TrainingJobs"
_TRANSFORM_LOGS: Final = "/aws/sagemaker/TransformJobs"
_JOBS: Final = "This model's jobs, whose names end in a hash of their inputs"
_OURS: Final = "This deployment's jobs, including those that the settings no longer name"
_THE_GROUP: Final = "One log group: its ARN ends in a wildcard"
_NO_RESOURCES: Final = "The action does not support resources"


@dataclass(frozen=True)
class Channel:
    """An input channel of a training job: key, or key prefix, and content type of its files."""

    keys: str
    content_type: str | None = "application/jsonlines"

    @property
    def folder(self) -> str:
        """The key prefix of the folder that the files are in."""
        return f"{self.keys.rpartition('/')[0]}/"


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a model is trained on.

    Attributes:
        channels: the job's channels, by name.
        digest: digest of their files.
    """

    channels: Mapping[str, Channel]
    digest: str


class TrainingJob(TrainedResource):
    """A model that is trained by a training job.

    Its attributes are `Name`, `Arn`, `ModelDataUrl`, `Metrics` (JSON text) and `Epochs`: after how
    many the loss on the channel `validation` was least; without that channel, how many there were.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        trainer: Trainer,
        config: Config,
        store: Store,
        name: str,
        image: Image,
        role: ServiceRole,
        hyperparameters: Mapping[str, str],
        data: Data,
        output: str,
        script: Script | None = None,
        needs: str | None = None,
    ) -> None:
        """Create the job.

        Args:
            scope: the parent.
            id: the construct's id.
            trainer: the functions that start it and wait for it.
            config: the deployment's settings.
            store: the bucket with data and models.
            name: the first part of the job's name; lower-case, as in SageMaker's ARNs.
            image: the algorithm's image.
            role: what the job may do.
            hyperparameters: hyperparameters as strings.
            data: what it is trained on.
            output: the key prefix of the model.
            script: the script of a framework's image; None for an algorithm's image.
            needs: an attribute without which the deployment cannot go on, if any.
        """
        bucket = store.bucket_name
        super().__init__(
            scope,
            id,
            trainer=trainer,
            kind="TrainingJob",
            name_prefix=name,
            inputs=data.digest,
            waits=config.training.waits,
            request={
                "AlgorithmSpecification": {
                    "TrainingImage": image.uri,
                    "TrainingInputMode": "File",
                    **({"MetricDefinitions": script.metrics} if script else {}),
                },
                "RoleArn": role.role_arn,
                "HyperParameters": {
                    **dict(sorted(hyperparameters.items())),
                    **(script.hyperparameters if script else {}),
                },
                "InputDataConfig": [
                    {
                        "ChannelName": name,
                        **({"ContentType": each.content_type} if each.content_type else {}),
                        "DataSource": {
                            "S3DataSource": {
                                "S3DataType": "S3Prefix",
                                "S3Uri": f"s3://{bucket}/{each.keys}",
                                "S3DataDistributionType": "FullyReplicated",
                            }
                        },
                    }
                    for name, each in data.channels.items()
                ],
                "OutputDataConfig": {
                    "S3OutputPath": f"s3://{bucket}/{output}",
                    **({"KmsKeyId": store.key_arn} if store.key_arn else {}),
                },
                "ResourceConfig": {
                    "InstanceType": config.training.instance_type,
                    "InstanceCount": 1,
                    "VolumeSizeInGB": config.training.volume_gb,
                },
                **_duration(config.training),
                # A script's requirements are installed from the package index.
                "EnableNetworkIsolation": script is None,
            },
            role=role,
            needs=needs,
        )


def _training_role(
    scope: Construct,
    id: str,  # noqa: A002
    *,
    store: Store,
    name: str,
    image: Image,
    folders: Collection[str],
    output: str,
    script: Script | None,
) -> ServiceRole:
    """The role of a model's training jobs, which read the folders and write the model."""
    stack = cdk.Stack.of(scope)
    return ServiceRole(
        scope,
        id,
        service="sagemaker",
        source_arn=all_of(scope, "sagemaker"),
        permissions=[
            *store.lists(*(f"{each}*" for each in folders)),
            *store.reads(*(f"{each}*" for each in folders)),
            *([script.reads] if script else []),
            *store.writes(f"{output}*"),
            *([_encrypts(store.key_arn)] if store.key_arn else []),
            *_runs_images(image),
            *_writes_logs_of_jobs(stack, _TRAINING_LOGS, name),
        ],
    )


def trainer(stack: cdk.Stack, config: Config, store: Store, output: str) -> Trainer:
    """Create the functions that run a stack's jobs and delete what they leave behind.

    Args:
        stack: the stack to add them to.
        config: the deployment's settings.
        store: the bucket with the models.
        output: the key prefix of the stack's models.
    """
    ours = config.name("*")
    groups = (_TRAINING_LOGS, _TRANSFORM_LOGS)
    permissions = [
        Permission(
            actions=[
                f"sagemaker:{verb}TrainingJob" for verb in ("Create", "Describe", "Stop", "Delete")
            ],
            resources=[
                stack.format_arn(service="sagemaker", resource="training-job", resource_name=ours)
            ],
            wildcard=_OURS,
        ),
        Permission(
            actions=[f"sagemaker:{verb}TransformJob" for verb in ("Create", "Describe", "Stop")],
            resources=[
                stack.format_arn(service="sagemaker", resource="transform-job", resource_name=ours)
            ],
            wildcard=_OURS,
        ),
        Permission(
            actions=["logs:DescribeLogStreams"],
            resources=[_log_arn(stack, group, "*") for group in groups],
            wildcard=_THE_GROUP,
        ),
        Permission(
            actions=["logs:GetLogEvents"],
            resources=[_log_arn(stack, _TRAINING_LOGS, f"log-stream:{ours}")],
            wildcard=_OURS,
        ),
        Permission(
            actions=["logs:DeleteLogStream"],
            resources=[_log_arn(stack, group, f"log-stream:{ours}") for group in groups],
            wildcard=_OURS,
        ),
        *store.lists(f"{output}*"),
        *store.deletes(f"{output}*"),
    ]
    return Trainer(stack, "Trainer", config=config, permissions=permissions)


class Endpoint(Construct):
    """A model behind an endpoint.

    The endpoint has a fixed name, model and configuration have generated names. So a new model
    creates new ones, and the endpoint is updated without losing a call (decision 0002).

    Attributes:
        name: the endpoint's name, as a reference to the endpoint.
        literal_name: the same name as plain text, which does not depend on the endpoint.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        name: str,
        image: Image,
        model_data_url: str,
        output: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Create the endpoint and its role.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: the bucket with the model.
            name: the endpoint's name.
            image: the algorithm's image.
            model_data_url: the model's archive.
            output: the model's key prefix.
            environment: the container's environment variables.
        """
        super().__init__(scope, id)
        log_group = LogGroup(
            self, "Logs", name=f"/aws/sagemaker/Endpoints/{name}", days=config.log_days
        )
        role = ServiceRole(
            self,
            "Role",
            service="sagemaker",
            source_arn=all_of(self, "sagemaker"),
            permissions=[
                *store.reads(f"{output}*"),
                *_runs_images(image),
                writes_logs(log_group),
                # SageMaker documents them for endpoints, whose group is there already
                Permission(
                    actions=["logs:CreateLogGroup", "logs:DescribeLogStreams"],
                    resources=[log_group.log_group_arn],
                ),
            ],
        )
        serving = config.endpoint
        model = sagemaker.CfnModel(
            self,
            "Model",
            execution_role_arn=role.role_arn,
            # Serverless endpoints do not offer isolation.
            enable_network_isolation=isinstance(serving, InstanceEndpoint) or None,
            primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
                image=image.uri, model_data_url=model_data_url, environment=environment
            ),
        )
        if isinstance(serving, InstanceEndpoint):
            variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                variant_name=VARIANT,
                model_name=model.attr_model_name,
                initial_variant_weight=1,
                instance_type=serving.instance_type,
                initial_instance_count=serving.instances,
            )
        else:
            variant = sagemaker.CfnEndpointConfig.ProductionVariantProperty(
                variant_name=VARIANT,
                model_name=model.attr_model_name,
                initial_variant_weight=1,
                serverless_config=sagemaker.CfnEndpointConfig.ServerlessConfigProperty(
                    memory_size_in_mb=serving.memory_mb, max_concurrency=serving.max_concurrency
                ),
            )
        endpoint_config = sagemaker.CfnEndpointConfig(self, "Config", production_variants=[variant])
        scales = isinstance(serving, InstanceEndpoint) and serving.scales
        endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=name,
            endpoint_config_name=endpoint_config.attr_endpoint_config_name,
            # Otherwise an update would reset the number of instances to the minimum.
            retain_all_variant_properties=scales or None,
        )
        # The role's policy refers to the group, so the endpoint is created after it and deleted
        # first.
        if isinstance(serving, InstanceEndpoint) and serving.scales:
            target = scaling.CfnScalableTarget(
                self,
                "Scaling",
                service_namespace="sagemaker",
                scalable_dimension="sagemaker:variant:DesiredInstanceCount",
                resource_id=f"endpoint/{endpoint.attr_endpoint_name}/variant/{VARIANT}",
                min_capacity=serving.instances,
                max_capacity=serving.max_instances,
            )
            tracking = scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=serving.invocations,
                predefined_metric_specification=(
                    scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                        predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                    )
                ),
            )
            scaling.CfnScalingPolicy(
                self,
                "ScalingPolicy",
                policy_name=f"{name}-load",
                policy_type="TargetTrackingScaling",
                scaling_target_id=target.ref,
                target_tracking_scaling_policy_configuration=tracking,
            )
        self.name = endpoint.attr_endpoint_name
        self.literal_name = name


def endpoint_name(config: Config, model: str) -> str:
    """The name of a model's endpoint.

    Args:
        config: the deployment's settings.
        model: the model's name, in lower-case letters and hyphens.
    """
    title = _title(model)
    return config.name(f"{title[0].lower()}{title[1:]}Model")


def on_endpoints(stack: cdk.Stack, action: str, *names: str) -> Permission:
    """Permission for an action on endpoints of these names."""
    # SageMaker lower-cases an endpoint's name in its ARN, so list both spellings.
    spellings = sorted({*names, *(name.lower() for name in names)})
    return Permission(
        actions=[action],
        resources=[
            stack.format_arn(service="sagemaker", resource="endpoint", resource_name=name)
            for name in spellings
        ],
    )


def _title(model: str) -> str:
    """Convert `deep-mf` to `DeepMf`."""
    return "".join(word.capitalize() for word in model.split("-"))


def train_and_serve(
    stack: cdk.Stack,
    name: str,
    *,
    trainer: Trainer,
    config: Config,
    store: Store,
    image: Image,
    hyperparameters: Mapping[str, str],
    task: str,
    output: str,
    content_type: str = "application/jsonlines",
    more: Data | None = None,
    refit: Mapping[str, str] | None = None,
    script: Script | None = None,
    serving_image: Image | None = None,
    pairs: Pairs | None = None,
    engine: str = "",
) -> None:
    """Add training jobs, an endpoint for the model, and outputs for both to a stack.

    The first job trains on a part of the ratings and is evaluated on the others. With
    `config.refit` a second one trains on all of them, for as many epochs as were best, and its
    model is served (decision 0022). Where nothing is evaluated, one job trains on all.

    Args:
        stack: the stack to add them to.
        name: the model's name, in lower-case letters and hyphens.
        trainer: the functions that start the job and wait for it.
        config: the deployment's settings.
        store: the bucket with data and models.
        image: the image of the algorithm or framework.
        hyperparameters: hyperparameters as strings.
        task: whose files of the prepared data it learns from.
        output: the key prefix of the model.
        content_type: of these files.
        more: what it learns from in addition.
        refit: hyperparameters that the second job has in place of the first one's.
        script: the script of a framework's image.
        serving_image: the image for serving; None for the training image.
        pairs: what engines score for all users; None for nothing.
        engine: the engine by whose name `pairs` are scored by this model.
    """
    title = _title(name)
    keys, digests, more = (
        config.data.keys,
        config.data.digests,
        more or Data(channels={}, digest=""),
    )

    def data(files: Mapping[str, str], digest: str) -> Data:
        channels = {channel: Channel(key, content_type) for channel, key in files.items()}
        return Data(channels={**channels, **more.channels}, digest=digest + more.digest)

    split = data(keys.input[task], digests[task])
    everything = data({"train": keys.everything(task)}, digests[f"all of {task}"])
    evaluates = len(keys.input[task]) > 1
    role = _training_role(
        stack,
        f"{title}TrainingRole",
        store=store,
        name=config.name(name),
        image=image,
        folders=dict.fromkeys(each.folder for each in split.channels.values()),
        output=output,
        script=script,
    )

    def job(
        part: str, given: Mapping[str, str], some: Data, needs: str | None = None
    ) -> TrainingJob:
        return TrainingJob(
            stack,
            f"{title}{part}",
            trainer=trainer,
            config=config,
            store=store,
            name=config.name(name),
            image=image,
            role=role,
            hyperparameters=given,
            data=some,
            output=output,
            script=script,
            needs=needs,
        )

    again = config.refit and evaluates
    first = everything if config.refit and not evaluates else split
    judged = served = job("Training", hyperparameters, first, "Epochs" if again else None)
    if again:
        chosen = {**(refit or {}), "epochs": judged.attribute("Epochs")}
        served = job("Refit", {**hyperparameters, **chosen}, everything)
    endpoint = Endpoint(
        stack,
        title,
        config=config,
        store=store,
        name=endpoint_name(config, name),
        image=serving_image or image,
        model_data_url=served.attribute("ModelDataUrl"),
        output=output,
        environment=script.environment if script else None,
    )
    if pairs and (member := pairs.of(engine)):
        transform(
            stack,
            title,
            trainer=trainer,
            config=config,
            store=store,
            name=config.name(name),
            pairs=pairs,
            member=member,
            output=output,
            image=(serving_image or image).uri,
            model_data_url=served.attribute("ModelDataUrl"),
            environment=script.environment if script else None,
            permissions=[
                *([_encrypts(store.key_arn)] if store.key_arn else []),
                *_runs_images(serving_image or image),
                *_writes_logs_of_jobs(stack, _TRANSFORM_LOGS, config.name(name)),
            ],
        )
    cdk.CfnOutput(stack, f"{title}EndpointName", value=endpoint.name)
    cdk.CfnOutput(stack, f"{title}TrainingJobName", value=judged.attribute("Name"))
    cdk.CfnOutput(stack, f"{title}Metrics", value=judged.attribute("Metrics"))
    if again:
        cdk.CfnOutput(stack, f"{title}RefitJobName", value=served.attribute("Name"))


def _duration(training: Training) -> dict[str, Any]:
    """How long a job may take; on spot instances also how long it may wait for them, in all.

    An interrupted job begins again: the trainings take minutes, and keep no checkpoints.
    """
    limits = {"MaxRuntimeInSeconds": training.max_minutes * 60}
    if not training.spot:
        return {"StoppingCondition": limits}
    limits["MaxWaitTimeInSeconds"] = training.wait_minutes * 60
    return {"StoppingCondition": limits, "EnableManagedSpotTraining": True}


def _writes_logs_of_jobs(stack: cdk.Stack, group: str, name: str) -> list[Permission]:
    """Permissions to write the log streams of jobs whose names begin with `name`."""
    return [
        Permission(
            actions=["logs:CreateLogGroup", "logs:DescribeLogStreams"],
            resources=[_log_arn(stack, group, "*")],
            wildcard=_THE_GROUP,
        ),
        Permission(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[_log_arn(stack, group, f"log-stream:{name}-*")],
            wildcard=_JOBS,
        ),
    ]


def _log_arn(stack: cdk.Stack, group: str, what: str) -> str:
    return stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{group}:{what}",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _encrypts(key_arn: str) -> Permission:
    """SageMaker documents it for jobs with a key in their output configuration."""
    return Permission(actions=["kms:Encrypt"], resources=[key_arn])


def _runs_images(image: Image) -> list[Permission]:
    """Permissions to pull the image and to publish instance metrics."""
    return [
        Permission(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ],
            resources=[image.repository_arn],
        ),
        Permission(actions=["ecr:GetAuthorizationToken"], resources=["*"], wildcard=_NO_RESOURCES),
        Permission(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            wildcard=_NO_RESOURCES,
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
    ]
