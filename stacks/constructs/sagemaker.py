"""Training jobs and endpoints of SageMaker, with roles for one model each."""

from collections.abc import Mapping
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.config import Config, InstanceEndpoint
from stacks.constructs.log_group import LogGroup
from stacks.constructs.private_bucket import Store
from stacks.constructs.roles import Permission, ServiceRole, all_of, writes_logs
from stacks.constructs.trained_resource import TrainedResource, Trainer
from stacks.images import Image

VARIANT: Final = "AllTraffic"
# SageMaker's group for all training jobs of an account.
_TRAINING_LOGS: Final = "/aws/sagemaker/TrainingJobs"
_JOBS: Final = "This model's jobs, whose names end in a hash of what they are made from"
_THE_GROUP: Final = "One log group: its ARN ends in a wildcard"
_NO_RESOURCES: Final = "The action knows no resources"


class TrainingJob(TrainedResource):
    """A model learned by a training job.

    Its attributes, beside `Name` and `Arn`: `ModelDataUrl` and `Metrics` (JSON text).
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
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, str],
        digest: str,
        output: str,
    ) -> None:
        """Make the job and its role.

        Args:
            scope: the parent.
            id: the construct's id.
            trainer: the functions that start it and wait for it.
            config: the deployment's settings.
            store: where data and model are.
            name: begins the job's name; small letters, as SageMaker's ARNs are.
            image: the algorithm.
            hyperparameters: all as texts.
            channels: by name, the beginning of the keys of each channel's files (JSON Lines).
            digest: of the channels' files.
            output: the beginning of the keys under which the model is stored.
        """
        stack = cdk.Stack.of(scope)
        role = ServiceRole(
            scope,
            f"{id}Role",
            service="sagemaker",
            source_arn=all_of(scope, "sagemaker"),
            permissions=[
                *store.lists(*(f"{keys}*" for keys in channels.values())),
                *store.reads(*(f"{keys}*" for keys in channels.values())),
                *store.writes(f"{output}*"),
                *_runs_images(image),
                Permission(
                    actions=["logs:CreateLogGroup", "logs:DescribeLogStreams"],
                    resources=[_log_arn(stack, "*")],
                    wildcard=_THE_GROUP,
                ),
                Permission(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[_log_arn(stack, f"log-stream:{name}-*")],
                    wildcard=_JOBS,
                ),
            ],
        )
        bucket = store.bucket_name
        super().__init__(
            scope,
            id,
            trainer=trainer,
            kind="TrainingJob",
            name_prefix=name,
            inputs=digest,
            waits=config.training.waits,
            request={
                "AlgorithmSpecification": {"TrainingImage": image.uri, "TrainingInputMode": "File"},
                "RoleArn": role.role_arn,
                "HyperParameters": dict(sorted(hyperparameters.items())),
                "InputDataConfig": [
                    {
                        "ChannelName": channel,
                        "ContentType": "application/jsonlines",
                        "DataSource": {
                            "S3DataSource": {
                                "S3DataType": "S3Prefix",
                                "S3Uri": f"s3://{bucket}/{keys}",
                                "S3DataDistributionType": "FullyReplicated",
                            }
                        },
                    }
                    for channel, keys in channels.items()
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
                "StoppingCondition": {"MaxRuntimeInSeconds": config.training.max_minutes * 60},
                "EnableNetworkIsolation": True,
            },
            permissions=[
                Permission(
                    actions=[
                        f"sagemaker:{verb}TrainingJob"
                        for verb in ("Create", "Describe", "Stop", "Delete")
                    ],
                    resources=[
                        stack.format_arn(
                            service="sagemaker",
                            resource="training-job",
                            resource_name=f"{name}-*",
                        )
                    ],
                    wildcard=_JOBS,
                ),
                Permission(
                    actions=["iam:PassRole"],
                    resources=[role.role_arn],
                    conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                ),
                Permission(
                    actions=["logs:DescribeLogStreams"],
                    resources=[_log_arn(stack, "*")],
                    wildcard=_THE_GROUP,
                ),
                Permission(
                    actions=["logs:DeleteLogStream"],
                    resources=[_log_arn(stack, f"log-stream:{name}-*")],
                    wildcard=_JOBS,
                ),
                *store.lists(f"{output}*"),
                *store.deletes(f"{output}*"),
            ],
        )


class Endpoint(Construct):
    """A model behind an endpoint.

    The endpoint's name lasts; model and configuration have none of their own. So a new model
    makes new ones, and the endpoint changes over without losing a call (decision 0002).

    Attributes:
        name: known when the endpoint is there.
        literal_name: the same, for what does not wait for it.
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
    ) -> None:
        """Make the endpoint and its role.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            store: where the model is.
            name: the endpoint's name.
            image: the algorithm.
            model_data_url: the model's archive.
            output: the beginning of the keys under which it is stored.
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
                image=image.uri, model_data_url=model_data_url
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
            # An update would else put the number of instances back to the fewest.
            retain_all_variant_properties=scales or None,
        )
        # The role's policy names the group, so that the endpoint is made after it and goes first.
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


def _log_arn(stack: cdk.Stack, what: str) -> str:
    return stack.format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{_TRAINING_LOGS}:{what}",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _runs_images(image: Image) -> list[Permission]:
    """To fetch the algorithm's image and to report how the machine does."""
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
