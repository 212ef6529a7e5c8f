"""Lists what can cost money in an account and region: `python -m rehearsal.inventory`."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import boto3

# the CDK's own bootstrap stack is shared by all CDK apps of an account and stays by design
_BOOTSTRAP = ("CDKToolkit", "cdk-hnb659fds-", "CdkBootstrap-hnb659fds-", "/cdk-bootstrap/")


def inventory() -> set[str]:
    """Names of all resources in the environment's account and region, as `service/kind/name`.

    The CDK's bootstrap resources and AWS's own service-linked roles are not listed.
    """
    client: Any = cache(boto3.client)  # several kinds belong to one service
    found = {
        f"{label}/{name}" for label, service, names in _SOURCES for name in names(client(service))
    }
    return {entry for entry in found if not any(mark in entry for mark in _BOOTSTRAP)}


def _paged(operation: str, result: str, *path: str, **arguments: Any) -> Callable[[Any], list[str]]:
    """A function that lists `path` of every element of `result`, over all pages of `operation`."""

    def names(client: Any) -> list[str]:
        found = []
        for page in client.get_paginator(operation).paginate(**arguments):
            for element in page.get(result, []):
                for key in path:
                    element = element[key]
                found.append(str(element))
        return found

    return names


def _stacks(client: Any) -> Iterable[str]:
    for page in client.get_paginator("list_stacks").paginate():
        for stack in page["StackSummaries"]:
            if stack["StackStatus"] != "DELETE_COMPLETE":
                yield f"{stack['StackName']} ({stack['StackStatus']})"


def _buckets(client: Any) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def _log_groups(client: Any) -> Iterable[str]:
    for group in _paged("describe_log_groups", "logGroups", "logGroupName")(client):
        if group.startswith(("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/TransformJobs")):
            # this group belongs to the account, so its streams are listed instead
            streams = _paged(
                "describe_log_streams", "logStreams", "logStreamName", logGroupName=group
            )
            yield from (f"{group}/{stream}" for stream in streams(client))
        else:
            yield group


def _transform_jobs(client: Any) -> Iterable[str]:
    """Those that have not ended: SageMaker keeps the others as records that cannot be deleted."""
    for status in ("InProgress", "Stopping"):
        yield from _paged(
            "list_transform_jobs",
            "TransformJobSummaries",
            "TransformJobName",
            StatusEquals=status,
        )(client)


def _scalable_targets(client: Any) -> list[str]:
    return _paged(
        "describe_scalable_targets", "ScalableTargets", "ResourceId", ServiceNamespace="sagemaker"
    )(client)


def _roles(client: Any) -> Iterable[str]:
    for page in client.get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            if not role["Path"].startswith("/aws-service-role/"):
                yield role["RoleName"]


def _budgets(client: Any) -> list[str]:
    account = boto3.client("sts").get_caller_identity()["Account"]
    return _paged("describe_budgets", "Budgets", "BudgetName", AccountId=account)(client)


def _applications(client: Any) -> Iterable[str]:
    for page in client.get_paginator("list_applications").paginate():
        for one in page["applications"]:
            if one["state"] != "TERMINATED":
                yield f"{one['name']} ({one['state']})"


def _keys(client: Any) -> Iterable[str]:
    for page in client.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            described = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if described["KeyManager"] == "CUSTOMER" and described["KeyState"] != "PendingDeletion":
                yield key["KeyId"]


_SOURCES: list[tuple[str, str, Callable[[Any], Iterable[str]]]] = [
    ("cloudformation/stack", "cloudformation", _stacks),
    ("cloudformation/export", "cloudformation", _paged("list_exports", "Exports", "Name")),
    ("s3/bucket", "s3", _buckets),
    (
        "s3vectors/bucket",
        "s3vectors",
        _paged("list_vector_buckets", "vectorBuckets", "vectorBucketName"),
    ),
    ("emr-serverless/application", "emr-serverless", _applications),
    ("dynamodb/table", "dynamodb", _paged("list_tables", "TableNames")),
    ("iam/role", "iam", _roles),
    ("iam/policy", "iam", _paged("list_policies", "Policies", "PolicyName", Scope="Local")),
    ("lambda/function", "lambda", _paged("list_functions", "Functions", "FunctionName")),
    ("lambda/layer", "lambda", _paged("list_layers", "Layers", "LayerName")),
    ("logs/group", "logs", _log_groups),
    (
        "logs/resource-policy",
        "logs",
        _paged("describe_resource_policies", "resourcePolicies", "policyName"),
    ),
    ("glue/database", "glue", _paged("get_databases", "DatabaseList", "Name")),
    ("apigateway/http-api", "apigatewayv2", _paged("get_apis", "Items", "Name")),
    ("states/machine", "stepfunctions", _paged("list_state_machines", "stateMachines", "name")),
    (
        "sagemaker/training-job",
        "sagemaker",
        _paged("list_training_jobs", "TrainingJobSummaries", "TrainingJobName"),
    ),
    ("sagemaker/transform-job", "sagemaker", _transform_jobs),
    ("sagemaker/model", "sagemaker", _paged("list_models", "Models", "ModelName")),
    (
        "sagemaker/endpoint-config",
        "sagemaker",
        _paged("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
    ),
    ("sagemaker/endpoint", "sagemaker", _paged("list_endpoints", "Endpoints", "EndpointName")),
    (
        "sagemaker/notebook-instance",
        "sagemaker",
        _paged("list_notebook_instances", "NotebookInstances", "NotebookInstanceName"),
    ),
    (
        "sagemaker/lifecycle-config",
        "sagemaker",
        _paged(
            "list_notebook_instance_lifecycle_configs",
            "NotebookInstanceLifecycleConfigs",
            "NotebookInstanceLifecycleConfigName",
        ),
    ),
    *(
        (f"personalize/{kind}", "personalize", _paged(f"list_{kind}s", result, arn))
        for kind, result, arn in (
            ("dataset_group", "datasetGroups", "datasetGroupArn"),
            ("dataset", "datasets", "datasetArn"),
            ("dataset_import_job", "datasetImportJobs", "datasetImportJobArn"),
            ("schema", "schemas", "schemaArn"),
            ("solution", "solutions", "solutionArn"),
            ("solution_version", "solutionVersions", "solutionVersionArn"),
            ("campaign", "campaigns", "campaignArn"),
            ("recommender", "recommenders", "recommenderArn"),
            ("filter", "Filters", "filterArn"),
            ("event_tracker", "eventTrackers", "eventTrackerArn"),
            ("batch_inference_job", "batchInferenceJobs", "batchInferenceJobArn"),
            ("batch_segment_job", "batchSegmentJobs", "batchSegmentJobArn"),
        )
    ),
    ("autoscaling/target", "application-autoscaling", _scalable_targets),
    ("kms/key", "kms", _keys),
    ("ssm/parameter", "ssm", _paged("describe_parameters", "Parameters", "Name")),
    ("cloudwatch/alarm", "cloudwatch", _paged("describe_alarms", "MetricAlarms", "AlarmName")),
    (
        "cloudwatch/dashboard",
        "cloudwatch",
        _paged("list_dashboards", "DashboardEntries", "DashboardName"),
    ),
    ("events/rule", "events", _paged("list_rules", "Rules", "Name")),
    ("sns/topic", "sns", _paged("list_topics", "Topics", "TopicArn")),
    ("sqs/queue", "sqs", _paged("list_queues", "QueueUrls")),
    ("budgets/budget", "budgets", _budgets),
]


if __name__ == "__main__":
    print(*sorted(inventory()), sep="\n")
