"""AWS::SageMaker: models, endpoint configurations, endpoints, notebook instances."""

import copy
from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    pick,
    tag_changes,
    tag_list,
    texts,
)

_NO_CONFIG = "Notebook Instance Lifecycle Config does not exist"
_BUSY = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class _Named(Handler):
    """Base class of SageMaker's resources: a name, an ARN, tags."""

    noun: str  # as in create_model
    key: str  # as in ModelName, ModelArn

    def create(self, call: Call) -> Attributes:
        """Create it under the given or a generated name."""
        name = call.properties.get(f"{self.key}Name") or call.generated_name(63)
        request = {**self._request(call.properties), f"{self.key}Name": name}
        if call.properties.get("Tags"):
            request["Tags"] = tag_list(call.properties["Tags"])
        answer = getattr(call.client("sagemaker"), f"create_{self.noun}")(**request)
        arn = answer[f"{self.key}Arn"]
        attributes = {f"{self.key}Name": name, f"{self.key}Arn": arn}
        call.identify(arn, attributes)
        return attributes

    def update(self, call: Call) -> Attributes:
        """Change the tags; nothing else can change in place."""
        client = call.client("sagemaker")
        new, removed = tag_changes(call)
        if new:
            client.add_tags(ResourceArn=call.physical_id, Tags=tag_list(new))
        if removed:
            client.delete_tags(ResourceArn=call.physical_id, TagKeys=removed)
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete it."""
        getattr(call.client("sagemaker"), f"delete_{self.noun}")(**self._name(call))

    def gone(self, error: ClientError) -> bool:
        """Whether the resource does not exist, by the message: SageMaker has one error code."""
        told = error.response["Error"].get("Message", "")
        return any(words in told for words in ("Could not find", "RecordNotFound", _NO_CONFIG))

    def _request(self, properties: Properties) -> Properties:
        kept = {name: value for name, value in properties.items() if name != "Tags"}
        return copy.deepcopy(kept)

    def _name(self, call: Call) -> dict[str, Any]:
        return {f"{self.key}Name": call.attributes[f"{self.key}Name"]}


class Model(_Named):
    """AWS::SageMaker::Model."""

    type = "AWS::SageMaker::Model"
    noun, key = "model", "Model"
    supported = frozenset(
        [
            "Containers",
            "EnableNetworkIsolation",
            "ExecutionRoleArn",
            "InferenceExecutionConfig",
            "ModelName",
            "PrimaryContainer",
            "Tags",
            "VpcConfig",
        ]
    )
    further_attributes = frozenset({"ModelName"})

    def _request(self, properties: Properties) -> Properties:
        request = super()._request(properties)
        for container in (request.get("PrimaryContainer", {}), *request.get("Containers", [])):
            if "Environment" in container:
                container["Environment"] = texts(container["Environment"])
        return request


class EndpointConfig(_Named):
    """AWS::SageMaker::EndpointConfig."""

    type = "AWS::SageMaker::EndpointConfig"
    noun, key = "endpoint_config", "EndpointConfig"
    supported = frozenset(
        [
            "AsyncInferenceConfig",
            "DataCaptureConfig",
            "EnableNetworkIsolation",
            "EndpointConfigName",
            "ExecutionRoleArn",
            "ExplainerConfig",
            "KmsKeyId",
            "ProductionVariants",
            "ShadowProductionVariants",
            "Tags",
            "VpcConfig",
        ]
    )
    further_attributes = frozenset({"EndpointConfigName"})


class Endpoint(_Named):
    """AWS::SageMaker::Endpoint: complete when InService, updated blue/green."""

    type = "AWS::SageMaker::Endpoint"
    noun, key = "endpoint", "Endpoint"
    supported = frozenset(
        [
            "DeploymentConfig",
            "EndpointConfigName",
            "EndpointName",
            "ExcludeRetainedVariantProperties",
            "RetainAllVariantProperties",
            "RetainDeploymentConfig",
            "Tags",
        ]
    )
    further_attributes = frozenset({"EndpointName"})

    def create(self, call: Call) -> Attributes:
        """Create the endpoint and wait until it is in service."""
        attributes = super().create(call)
        self._settle(call)
        return attributes

    def update(self, call: Call) -> Attributes:
        """Deploy the new configuration, then switch to it."""
        super().update(call)
        wanted = {name: value for name, value in call.properties.items() if name != "Tags"}
        # also after a failed update: compare with the configuration in service
        shown = self._settle(call, failed=False)
        if shown.get("EndpointConfigName") != wanted["EndpointConfigName"] or call.changed(
            "DeploymentConfig"
        ):
            names = [*self._update_only(), "DeploymentConfig", "EndpointConfigName"]
            call.client("sagemaker").update_endpoint(**self._name(call), **pick(wanted, names))
            shown = self._settle(call)
            if shown["EndpointConfigName"] != wanted["EndpointConfigName"]:
                raise ResourceFailed(f"Failed to update the endpoint: {shown.get('FailureReason')}")
        return call.attributes

    def delete(self, call: Call) -> None:
        """Delete the endpoint once it is stable, and wait until it no longer exists."""
        self._settle(call, failed=False)
        super().delete(call)
        client = call.client("sagemaker")
        while True:
            client.describe_endpoint(**self._name(call))  # ends with "Could not find"
            call.pause(0.1)

    def _request(self, properties: Properties) -> Properties:
        skipped = {"Tags", *self._update_only()}
        return {name: value for name, value in properties.items() if name not in skipped}

    @staticmethod
    def _update_only() -> tuple[str, ...]:
        return (
            "ExcludeRetainedVariantProperties",
            "RetainAllVariantProperties",
            "RetainDeploymentConfig",
        )

    def _settle(self, call: Call, *, failed: bool = True) -> dict[str, Any]:
        """Wait for a stable status.

        Args:
            failed: whether a failed endpoint is an error.
        """
        client = call.client("sagemaker")
        while True:
            shown: dict[str, Any] = client.describe_endpoint(**self._name(call))
            status = shown["EndpointStatus"]
            if status in ("Failed", "UpdateRollbackFailed", "OutOfService") and failed:
                raise ResourceFailed(
                    f"The endpoint is {status}: {shown.get('FailureReason', 'no reason given')}"
                )
            if status not in _BUSY:
                return shown
            call.pause(0.2)


class LifecycleConfig(_Named):
    """AWS::SageMaker::NotebookInstanceLifecycleConfig."""

    type = "AWS::SageMaker::NotebookInstanceLifecycleConfig"
    noun, key = "notebook_instance_lifecycle_config", "NotebookInstanceLifecycleConfig"
    supported = frozenset(["NotebookInstanceLifecycleConfigName", "OnCreate", "OnStart", "Tags"])
    further_attributes = frozenset({"NotebookInstanceLifecycleConfigName"})

    def update(self, call: Call) -> Attributes:
        """Change the scripts, which an instance runs at its next start."""
        if call.changed("OnCreate", "OnStart"):
            scripts = {hook: call.properties.get(hook, []) for hook in ("OnCreate", "OnStart")}
            call.client("sagemaker").update_notebook_instance_lifecycle_config(
                **self._name(call), **scripts
            )
        return super().update(call)


class NotebookInstance(_Named):
    """AWS::SageMaker::NotebookInstance: complete when InService, stopped for updates."""

    type = "AWS::SageMaker::NotebookInstance"
    noun, key = "notebook_instance", "NotebookInstance"
    supported = frozenset(
        [
            "AdditionalCodeRepositories",
            "DefaultCodeRepository",
            "DirectInternetAccess",
            "InstanceMetadataServiceConfiguration",
            "InstanceType",
            "KmsKeyId",
            "LifecycleConfigName",
            "NotebookInstanceName",
            "PlatformIdentifier",
            "RoleArn",
            "RootAccess",
            "SecurityGroupIds",
            "SubnetId",
            "Tags",
            "VolumeSizeInGB",
        ]
    )
    further_attributes = frozenset({"NotebookInstanceName"})
    # what is taken away by a parameter of its name
    _removable = ("AdditionalCodeRepositories", "DefaultCodeRepository", "LifecycleConfig")
    _changing = (
        "AdditionalCodeRepositories",
        "DefaultCodeRepository",
        "InstanceMetadataServiceConfiguration",
        "InstanceType",
        "LifecycleConfigName",
        "RoleArn",
        "RootAccess",
        "VolumeSizeInGB",
    )

    def create(self, call: Call) -> Attributes:
        """Create the instance and wait until it is in service."""
        attributes = super().create(call)
        self._wait(call, "InService")
        return attributes

    def update(self, call: Call) -> Attributes:
        """Stop the instance, change it, and start it again."""
        if call.changed(*self._changing):
            client = call.client("sagemaker")
            self._stop(call)
            change = pick(call.properties, self._changing)
            for name in self._removable:
                if not any(given.startswith(name) for given in change):
                    change[f"Disassociate{name}"] = True
            client.update_notebook_instance(**self._name(call), **change)
            self._wait(call, "Stopped")
            client.start_notebook_instance(**self._name(call))
            self._wait(call, "InService")
        return super().update(call)

    def delete(self, call: Call) -> None:
        """Stop and delete the instance, and wait until it no longer exists."""
        self._stop(call)
        super().delete(call)
        while True:
            self._status(call)  # ends with "RecordNotFound"
            call.pause(0.1)

    def _stop(self, call: Call) -> None:
        """Stop it unless it is stopped."""
        if self._wait(call, "InService", "Stopped", "Failed", "Deleting") == "InService":
            call.client("sagemaker").stop_notebook_instance(**self._name(call))
            self._wait(call, "Stopped")

    def _wait(self, call: Call, *states: str) -> str:
        while (status := self._status(call)) not in states:
            if status == "Failed":
                raise ResourceFailed("The notebook instance is Failed")
            call.pause(0.1)
        return status

    def _status(self, call: Call) -> str:
        shown = call.client("sagemaker").describe_notebook_instance(**self._name(call))
        return str(shown["NotebookInstanceStatus"])


HANDLERS = (Model, EndpointConfig, Endpoint, LifecycleConfig, NotebookInstance)
