"""SageMaker's backend of one account and region."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

from moto.core.exceptions import ServiceException
from moto.core.resource_tagging import TaggedResource
from moto.sagemaker.models import SageMakerModelBackend

from local_aws.sagemaker import quotas
from local_aws.sagemaker.collection import Collection, Error
from local_aws.sagemaker.errors import ResourceInUse, ResourceNotFound, ValidationException
from local_aws.sagemaker.hosting import Endpoint, EndpointConfig
from local_aws.sagemaker.notebooks import LifecycleConfig, NotebookInstance
from local_aws.sagemaker.processing import ProcessingJob
from local_aws.sagemaker.serving import Model
from local_aws.sagemaker.training import TrainingJob
from local_aws.sagemaker.transform import TransformJob
from local_aws.sagemaker.tuning import TuningJob
from local_aws.workers import WorkingBackend


class SageMakerBackend(WorkingBackend, SageMakerModelBackend):
    """moto's SageMaker with local training, hosting and notebook instances.

    moto's collections remain for resources that are only records on AWS too, such as experiments.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._sizing = threading.Lock()
        prefix = f"arn:{self.partition}:sagemaker:{region_name}:{account_id}"
        self.jobs: Collection[TrainingJob] = Collection(
            "training-job",
            prefix,
            "TrainingJob",
            taken=lambda arn: ResourceInUse(
                "Training job names must be unique within an AWS account and region, and a "
                f"training job with this name already exists ({arn})"
            ),
            missing=lambda _: ValidationException("Requested resource not found."),
            descending=False,
        )
        self.transforms: Collection[TransformJob] = Collection(
            "transform-job",
            prefix,
            "TransformJob",
            taken=lambda arn: ResourceInUse(
                "Job name must be unique within an AWS account and region, and a transform job "
                f"with this name already exists ({arn})"
            ),
            missing=lambda arn: ValidationException(f"Could not find transform job {arn}."),
            descending=True,
        )
        self.processings: Collection[ProcessingJob] = Collection(
            "processing-job",
            prefix,
            "ProcessingJob",
            taken=lambda arn: ResourceInUse(
                "Job name must be unique within an AWS account and region, and a processing job "
                f"with this name already exists ({arn})"
            ),
            missing=lambda arn: ResourceNotFound(f"Could not find processing job {arn}."),
            descending=False,
        )
        self.tunings: Collection[TuningJob] = Collection(
            "hyper-parameter-tuning-job",
            prefix,
            "HyperParameterTuningJob",
            taken=lambda arn: ResourceInUse(
                "Hyperparameter tuning job names must be unique within an AWS account and region, "
                f"and a hyperparameter tuning job with this name already exists ({arn})"
            ),
            missing=lambda arn: ResourceNotFound(
                f"Amazon SageMaker can't find a hyperparameter tuning job with this name ({arn})"
            ),
            descending=False,
            by="Name",
        )
        self.hosted_models: Collection[Model] = Collection(
            "model", prefix, "Model", **_hosting_errors("model"), descending=True
        )
        self.configs: Collection[EndpointConfig] = Collection(
            "endpoint-config",
            prefix,
            "EndpointConfig",
            **_hosting_errors("endpoint configuration"),
            descending=True,
        )
        self.hosted: Collection[Endpoint] = Collection(
            "endpoint", prefix, "Endpoint", **_hosting_errors("endpoint"), descending=True
        )
        self.instances: Collection[NotebookInstance] = Collection(
            "notebook-instance",
            prefix,
            "NotebookInstance",
            taken=lambda arn: ValidationException(
                f"Cannot create a duplicate Notebook Instance ({arn})"
            ),
            missing=lambda _: ValidationException("RecordNotFound"),
            descending=False,
            by="Name",
        )
        self.lifecycle_configs: Collection[LifecycleConfig] = Collection(
            "notebook-instance-lifecycle-config",
            prefix,
            "NotebookInstanceLifecycleConfig",
            taken=lambda arn: ValidationException(
                f"Unable to create Notebook Instance Lifecycle Config {arn}. (Details: Notebook "
                "Instance Lifecycle Config already exists.)"
            ),
            missing=lambda arn: ValidationException(
                f"Unable to describe Notebook Instance Lifecycle Config '{arn}'. (Details: "
                "Notebook Instance Lifecycle Config does not exist.)"
            ),
            descending=False,
        )

    @contextmanager
    def within_quotas(self, more: quotas.Use) -> Iterator[None]:
        """Run an operation that uses quotas, exclusively.

        Raises:
            ResourceLimitExceeded: a quota would be exceeded.
        """
        with self._sizing:
            used = quotas.Use()
            for one in (
                *self.jobs,
                *self.transforms,
                *self.processings,
                *self.hosted,
                *self.instances,
            ):
                used += one.use
            quotas.check(more, used, self.account_id, self.region_name)
            yield

    def train(self, params: dict[str, Any]) -> TrainingJob:
        """Make and begin a training job.

        Raises:
            ServiceException: CreateTrainingJob's request cannot be honoured.
        """
        name = params["TrainingJobName"]
        self.jobs.check_free(name)
        job = TrainingJob(params, self.jobs.arn(name), self.region_name)
        with self.within_quotas(job.use):
            self.jobs.add(job)
            job.start()
        return job

    def end_work(self) -> None:
        """End all processes."""
        for tuning in self.tunings:
            tuning.abandon()
        for job in self.jobs:
            job.abandon()
        for transform in self.transforms:
            transform.abandon()
        for processing in self.processings:
            processing.abandon()
        for endpoint in self.hosted:
            endpoint.abandon()

    def forget_deleted_instances(self) -> None:
        """Remove notebook instances whose deletion is complete."""
        for instance in self.instances:
            if instance.status is None:
                self.instances.remove(instance.name)

    def tagged(self, arn: str) -> dict[str, str] | None:
        """The mutable tags of a local resource; None if `arn` is not of a local kind.

        Raises:
            ServiceException: the ARN is of a local kind, but the resource does not exist.
        """
        kind, _, name = arn.rpartition(":")[2].partition("/")
        for collection in self._collections():
            if collection.kind == kind:
                tags: dict[str, str] = collection.get(name).tags
                return tags
        return None

    def _collections(self) -> tuple[Collection[Any], ...]:
        return (
            self.jobs,
            self.tunings,
            self.transforms,
            self.processings,
            self.hosted_models,
            self.configs,
            self.hosted,
            self.instances,
            self.lifecycle_configs,
        )

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """Every resource, for the Resource Groups Tagging API."""
        for collection in self._collections():
            for item in collection:
                yield TaggedResource(
                    arn=item.arn,
                    tags=dict(item.tags),
                    resource_type=f"sagemaker:{collection.kind}",
                )
        yield from super().iter_tagged_resources()


class _Errors(TypedDict):
    """Of a taken and a missing name."""

    taken: Error
    missing: Error


def _hosting_errors(noun: str) -> _Errors:
    def taken(arn: str) -> ServiceException:
        return ValidationException(f'Cannot create already existing {noun} "{arn}".')

    def missing(arn: str) -> ServiceException:
        return ValidationException(f'Could not find {noun} "{arn}".')

    return {"taken": taken, "missing": missing}
