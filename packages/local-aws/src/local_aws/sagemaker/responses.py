"""SageMaker's operations."""

from typing import Any, cast

from moto.core.common_types import TYPE_RESPONSE
from moto.sagemaker.models import sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse as MotoResponse

from local_aws.api import LocalResponse, NotImplementedByLocalAws
from local_aws.sagemaker import processing, quotas, training
from local_aws.sagemaker.collection import Collection, listing
from local_aws.sagemaker.errors import ResourceInUse, ResourceLimitExceeded, refuse_members
from local_aws.sagemaker.hosting import Endpoint, EndpointConfig
from local_aws.sagemaker.models import SageMakerBackend
from local_aws.sagemaker.notebooks import LifecycleConfig, NotebookInstance
from local_aws.sagemaker.processing import ProcessingJob
from local_aws.sagemaker.serving import Model
from local_aws.sagemaker.transform import TransformJob
from local_aws.sagemaker.tuning import TuningJob

# https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-limits.html
_MOST_TUNINGS = 100  # at the same time
# Operations that only store records, in moto as on AWS. All others that moto mocks (pipelines,
# AutoML, clusters, …) are refused.
BOOKKEEPING = frozenset(
    f"{verb}{noun}"
    for noun, verbs in {
        "Experiment": ("Create", "Describe", "Delete"),
        "Experiments": ("List",),
        "Trial": ("Create", "Describe", "Delete"),
        "Trials": ("List",),
        "TrialComponent": (
            "Create",
            "Describe",
            "Update",
            "Delete",
            "Associate",
            "Disassociate",
        ),
        "TrialComponents": ("List",),
        "ModelCard": ("Create", "Describe", "Update", "Delete"),
        "ModelCards": ("List",),
        "ModelCardVersions": ("List",),
    }.items()
    for verb in verbs
)


class SageMakerResponse(LocalResponse):
    """The control plane."""

    service = "sagemaker"

    @property
    def backend(self) -> SageMakerBackend:
        """The backend of the caller's account and region."""
        return cast(SageMakerBackend, sagemaker_backends[self.current_account][self.region])

    def call_action(self) -> TYPE_RESPONSE:
        """Answer, or let moto answer operations that it implements fully."""
        if self._get_action() in BOOKKEEPING or self._is_tagging_of_moto():
            response: TYPE_RESPONSE = MotoResponse.dispatch(
                self.normalized_request, self.uri, self.headers
            )
            return response
        return super().call_action()

    def _is_tagging_of_moto(self) -> bool:
        arn = self.params.get("ResourceArn", "") if self._get_action().endswith("Tags") else ""
        kind = arn.rpartition(":")[2].partition("/")[0]
        return f"Create{kind.title().replace('-', '')}" in BOOKKEEPING

    def create_training_job(self) -> dict[str, Any]:
        """Create a training job."""
        return {"TrainingJobArn": self.backend.train(self.params).arn}

    def describe_training_job(self) -> dict[str, Any]:
        """One job."""
        return self.backend.jobs.get(self.params["TrainingJobName"]).description()

    def list_training_jobs(self) -> dict[str, Any]:
        """A page of jobs, oldest first."""
        entries, token = self.backend.jobs.page(self.params)
        return {"TrainingJobSummaries": entries, **token}

    def stop_training_job(self) -> None:
        """Stop a running job."""
        self.backend.jobs.get(self.params["TrainingJobName"]).stop()

    def delete_training_job(self) -> None:
        """Delete a finished job."""
        job = self.backend.jobs.get(self.params["TrainingJobName"])
        if job.status not in training.TERMINAL:
            raise ResourceInUse(
                f"The training job {job.arn} is in status {job.status}: it can be deleted when it "
                "is Completed, Failed or Stopped."
            )
        self.backend.jobs.remove(job.name)

    def create_hyper_parameter_tuning_job(self) -> dict[str, Any]:
        """Begin a tuning job."""
        tunings, backend = self.backend.tunings, self.backend
        name = self.params["HyperParameterTuningJobName"]
        tunings.check_free(name)
        running = sum(one.status in ("InProgress", "Stopping") for one in tunings)
        if running >= _MOST_TUNINGS:
            raise ResourceLimitExceeded(
                "The account-level service limit 'Number of concurrent hyperparameter tuning jobs' "
                f"is {_MOST_TUNINGS}, with current utilization of {running} and a request delta "
                "of 1."
            )
        warm = self.params.get("WarmStartConfig", {}).get("ParentHyperParameterTuningJobs", [])
        parents = [tunings.get(one["HyperParameterTuningJobName"]) for one in warm]
        job = TuningJob(self.params, tunings.arn(name), self.region, backend.train, parents)
        tunings.add(job)
        job.start()
        return {"HyperParameterTuningJobArn": job.arn}

    def describe_hyper_parameter_tuning_job(self) -> dict[str, Any]:
        """One tuning job."""
        return self._tuning.description()

    def list_hyper_parameter_tuning_jobs(self) -> dict[str, Any]:
        """A page of tuning jobs, the oldest first."""
        entries, token = self.backend.tunings.page(self.params)
        return {"HyperParameterTuningJobSummaries": entries, **token}

    def list_training_jobs_for_hyper_parameter_tuning_job(self) -> dict[str, Any]:
        """A page of a tuning job's training jobs."""
        asked = {"SortBy": "Name", **self.params}
        entries, token = listing(self._tuning.trainings(), asked, "TrainingJob", descending=False)
        return {"TrainingJobSummaries": entries, **token}

    def stop_hyper_parameter_tuning_job(self) -> None:
        """Ask a running tuning job to end."""
        self._tuning.stop()

    def delete_hyper_parameter_tuning_job(self) -> None:
        """Forget a tuning job that has ended."""
        job = self._tuning
        if job.status in ("InProgress", "Stopping"):
            raise ResourceInUse(f"The hyperparameter tuning job {job.arn} is {job.status}.")
        self.backend.tunings.remove(job.name)

    @property
    def _tuning(self) -> TuningJob:
        return self.backend.tunings.get(self.params["HyperParameterTuningJobName"])

    def create_transform_job(self) -> dict[str, Any]:
        """Create a batch transform."""
        transforms = self.backend.transforms
        name = self.params["TransformJobName"]
        transforms.check_free(name)
        model = self.backend.hosted_models.get(self.params["ModelName"])
        job = TransformJob(self.params, transforms.arn(name), model)
        with self.backend.within_quotas(job.use):
            transforms.add(job)
            job.start()
        return {"TransformJobArn": job.arn}

    def describe_transform_job(self) -> dict[str, Any]:
        """One batch transform."""
        return self.backend.transforms.get(self.params["TransformJobName"]).description()

    def list_transform_jobs(self) -> dict[str, Any]:
        """A page of batch transforms, newest first."""
        entries, token = self.backend.transforms.page(self.params)
        return {"TransformJobSummaries": entries, **token}

    def stop_transform_job(self) -> None:
        """Stop a running batch transform."""
        self.backend.transforms.get(self.params["TransformJobName"]).stop()

    def create_processing_job(self) -> dict[str, Any]:
        """Create a processing job."""
        jobs, name = self.backend.processings, self.params["ProcessingJobName"]
        jobs.check_free(name)
        job = ProcessingJob(self.params, jobs.arn(name), self.region)
        with self.backend.within_quotas(job.use):
            jobs.add(job)
            job.start()
        return {"ProcessingJobArn": job.arn}

    def describe_processing_job(self) -> dict[str, Any]:
        """One processing job."""
        return self._processing_job.description()

    def list_processing_jobs(self) -> dict[str, Any]:
        """A page of processing jobs, oldest first."""
        entries, token = self.backend.processings.page(self.params)
        return {"ProcessingJobSummaries": entries, **token}

    def stop_processing_job(self) -> None:
        """Stop a running processing job."""
        self._processing_job.stop()

    def delete_processing_job(self) -> None:
        """Delete a finished processing job."""
        job = self._processing_job
        if job.status not in processing.TERMINAL:
            raise ResourceInUse(
                f"The processing job {job.arn} is in status {job.status}: it can be deleted when "
                "it is Completed, Failed or Stopped."
            )
        self.backend.processings.remove(job.name)

    @property
    def _processing_job(self) -> ProcessingJob:
        return self.backend.processings.get(self.params["ProcessingJobName"])

    def create_model(self) -> dict[str, Any]:
        """Create a model."""
        models = self.backend.hosted_models
        name = self.params["ModelName"]
        models.check_free(name)
        models.add(Model(self.params, models.arn(name), self.region))
        return {"ModelArn": models.arn(name)}

    def describe_model(self) -> dict[str, Any]:
        """One model."""
        return self.backend.hosted_models.get(self.params["ModelName"]).description()

    def list_models(self) -> dict[str, Any]:
        """A page of models, newest first."""
        entries, token = self.backend.hosted_models.page(self.params)
        return {"Models": entries, **token}

    def delete_model(self) -> None:
        """Delete a model; endpoints that serve it keep running."""
        self.backend.hosted_models.remove(self.params["ModelName"])

    def create_endpoint_config(self) -> dict[str, Any]:
        """Create an endpoint configuration."""
        configs = self.backend.configs
        name = self.params["EndpointConfigName"]
        configs.check_free(name)
        config = EndpointConfig(self.params, configs.arn(name), self.backend.hosted_models.get)
        configs.add(config)
        return {"EndpointConfigArn": config.arn}

    def describe_endpoint_config(self) -> dict[str, Any]:
        """One configuration."""
        return self.backend.configs.get(self.params["EndpointConfigName"]).description()

    def list_endpoint_configs(self) -> dict[str, Any]:
        """A page of configurations, newest first."""
        entries, token = self.backend.configs.page(self.params)
        return {"EndpointConfigs": entries, **token}

    def delete_endpoint_config(self) -> None:
        """Delete a configuration; its endpoints keep running."""
        self.backend.configs.remove(self.params["EndpointConfigName"])

    def create_endpoint(self) -> dict[str, Any]:
        """Create an endpoint."""
        self._check_deployment_policy()
        endpoints = self.backend.hosted
        name = self.params["EndpointName"]
        endpoints.check_free(name)
        config = self.backend.configs.get(self.params["EndpointConfigName"])
        models = self._models_of(config)
        endpoint = Endpoint(self.params, endpoints.arn(name), config)
        with self.backend.within_quotas(quotas.of_variants(config.variants)):
            endpoints.add(endpoint)
            endpoint.deploy(config, models, retain=False)
        return {"EndpointArn": endpoint.arn}

    def update_endpoint(self) -> dict[str, Any]:
        """Update an endpoint to another configuration without losing calls."""
        self._check_deployment_policy()
        if self.params.get("ExcludeRetainedVariantProperties"):
            raise NotImplementedByLocalAws("ExcludeRetainedVariantProperties")
        endpoint = self.backend.hosted.get(self.params["EndpointName"])
        config = self.backend.configs.get(self.params["EndpointConfigName"])
        models = self._models_of(config)
        retain = bool(self.params.get("RetainAllVariantProperties"))
        with self.backend.within_quotas(endpoint.replacement(config)):
            endpoint.begin("Updating")
            endpoint.deploy(config, models, retain=retain)
        return {"EndpointArn": endpoint.arn}

    def update_endpoint_weights_and_capacities(self) -> dict[str, Any]:
        """Change weights and instance counts."""
        desired = self.params["DesiredWeightsAndCapacities"]
        for each in desired:
            refuse_members(each, ("ServerlessUpdateConfig",), f"variant {each['VariantName']}")
        endpoint = self.backend.hosted.get(self.params["EndpointName"])
        with self.backend.within_quotas(endpoint.growth(desired)):
            endpoint.resize(desired)
        return {"EndpointArn": endpoint.arn}

    def describe_endpoint(self) -> dict[str, Any]:
        """One endpoint."""
        return self.backend.hosted.get(self.params["EndpointName"]).description()

    def list_endpoints(self) -> dict[str, Any]:
        """A page of endpoints, newest first."""
        entries, token = self.backend.hosted.page(self.params)
        return {"Endpoints": entries, **token}

    def delete_endpoint(self) -> None:
        """Delete an endpoint."""
        endpoints = self.backend.hosted
        endpoint = endpoints.get(self.params["EndpointName"])
        endpoint.begin("Deleting")
        endpoint.delete(gone=lambda: endpoints.remove(endpoint.name))

    def _models_of(self, config: EndpointConfig) -> dict[str, Model]:
        names = {variant["ModelName"] for variant in config.variants}
        return {name: self.backend.hosted_models.get(name) for name in names}

    def _check_deployment_policy(self) -> None:
        policy = self.params.get("DeploymentConfig", {})
        refuse_members(
            policy, ("RollingUpdatePolicy", "AutoRollbackConfiguration"), "DeploymentConfig"
        )
        routing = policy.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
        if routing.get("Type", "ALL_AT_ONCE") != "ALL_AT_ONCE":
            raise NotImplementedByLocalAws(
                "a DeploymentConfig other than blue/green with all traffic at once"
            )

    def create_notebook_instance(self) -> dict[str, Any]:
        """Create an instance."""
        self._find_lifecycle_config()
        instances, name = self._instances, self.params["NotebookInstanceName"]
        instances.check_free(name)
        instance = NotebookInstance(self.params, instances.arn(name), self.region)
        with self.backend.within_quotas(instance.use):
            instances.add(instance)
        return {"NotebookInstanceArn": instance.arn}

    def describe_notebook_instance(self) -> dict[str, Any]:
        """One instance."""
        return self._instances.get(self.params["NotebookInstanceName"]).description()

    def list_notebook_instances(self) -> dict[str, Any]:
        """A page of instances, by name."""
        by_content = ("DefaultCodeRepositoryContains", "AdditionalCodeRepositoryEquals")
        of_config = "NotebookInstanceLifecycleConfigNameContains"
        refuse_members(self.params, (*by_content, of_config), "ListNotebookInstances")
        entries, token = self._instances.page(self.params)
        return {"NotebookInstances": entries, **token}

    def start_notebook_instance(self) -> None:
        """Start a stopped instance."""
        instance = self._instances.get(self.params["NotebookInstanceName"])
        machine = quotas.of_notebook_instance(instance.machine) - instance.use
        with self.backend.within_quotas(machine):
            instance.begin("Pending", of=("Stopped", "Failed"))

    def stop_notebook_instance(self) -> None:
        """Stop an instance."""
        instance = self._instances.get(self.params["NotebookInstanceName"])
        instance.begin("Stopping", of=("InService",))

    def update_notebook_instance(self) -> None:
        """Change a stopped instance."""
        self._find_lifecycle_config()
        self._instances.get(self.params["NotebookInstanceName"]).update(self.params)

    def delete_notebook_instance(self) -> None:
        """Delete a stopped instance."""
        instance = self._instances.get(self.params["NotebookInstanceName"])
        instance.begin("Deleting", of=("Stopped", "Failed"))

    @property
    def _instances(self) -> Collection[NotebookInstance]:
        self.backend.forget_deleted_instances()
        return self.backend.instances

    def _find_lifecycle_config(self) -> None:
        if self.params.get("LifecycleConfigName"):
            self.backend.lifecycle_configs.get(self.params["LifecycleConfigName"])

    def create_notebook_instance_lifecycle_config(self) -> dict[str, Any]:
        """Create a lifecycle configuration."""
        configs, name = self.backend.lifecycle_configs, self._lifecycle_config_name
        config = LifecycleConfig(self.params, configs.arn(name))
        configs.add(config)
        return {"NotebookInstanceLifecycleConfigArn": config.arn}

    def describe_notebook_instance_lifecycle_config(self) -> dict[str, Any]:
        """One lifecycle configuration."""
        return self.backend.lifecycle_configs.get(self._lifecycle_config_name).description()

    def list_notebook_instance_lifecycle_configs(self) -> dict[str, Any]:
        """A page of lifecycle configurations, oldest first."""
        entries, token = self.backend.lifecycle_configs.page(self.params)
        return {"NotebookInstanceLifecycleConfigs": entries, **token}

    def update_notebook_instance_lifecycle_config(self) -> None:
        """Replace the scripts, for an instance's next start."""
        self.backend.lifecycle_configs.get(self._lifecycle_config_name).update(self.params)

    def delete_notebook_instance_lifecycle_config(self) -> None:
        """Delete a lifecycle configuration."""
        self.backend.lifecycle_configs.remove(self._lifecycle_config_name)

    @property
    def _lifecycle_config_name(self) -> str:
        return str(self.params["NotebookInstanceLifecycleConfigName"])

    def add_tags(self) -> dict[str, Any]:
        """Set tags of a resource."""
        tags = self._tags()
        tags.update({tag["Key"]: tag["Value"] for tag in self.params["Tags"]})
        return {"Tags": _listed(tags)}

    def list_tags(self) -> dict[str, Any]:
        """A resource's tags."""
        return {"Tags": _listed(self._tags())}

    def delete_tags(self) -> None:
        """Remove tags from a resource."""
        tags = self._tags()
        for key in self.params["TagKeys"]:
            tags.pop(key, None)

    def _tags(self) -> dict[str, str]:
        tags = self.backend.tagged(self.params["ResourceArn"])
        if tags is None:
            raise NotImplementedByLocalAws(f"tags of {self.params['ResourceArn']}")
        return tags


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
