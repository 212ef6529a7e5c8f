"""The three APIs of Amazon Personalize: control plane, runtime, events."""

import json
import time
from collections.abc import Callable
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.personalize.models import personalize_backends

from local_aws.api import LocalResponse
from local_aws.cloudwatch.metrics import report
from local_aws.personalize.models import PersonalizeBackend
from local_aws.personalize.resources import Params

_Operation = Callable[[Params], Params | None]


class _Response(LocalResponse):
    @property
    def backend(self) -> PersonalizeBackend:
        """The backend of the caller's account and region."""
        backend: Any = personalize_backends[self.current_account][self.region]
        assert isinstance(backend, PersonalizeBackend)
        return backend


def _call(
    operation: Callable[[PersonalizeBackend], _Operation],
) -> Callable[[_Response], Params | None]:
    return lambda self: operation(self.backend)(self.params)


def _describe(kind: str) -> Callable[[_Response], Params]:
    return lambda self: self.backend.describe(kind, self.params)


def _list(kind: str) -> Callable[[_Response], Params]:
    return lambda self: self.backend.registry.page(kind, self.params)


def _measured(
    metric: str, operation: Callable[[PersonalizeBackend], _Operation]
) -> Callable[[_Response], Params | None]:
    """Report a call to CloudWatch under its campaign or recommender."""

    def answer(self: _Response) -> Params | None:
        began, failed = time.monotonic(), "5xxErrors"
        try:
            result = operation(self.backend)(self.params)
            failed = ""
        except ServiceException:
            failed = "4xxErrors"
            raise
        finally:
            dimensions = {
                name[0].upper() + name[1:]: self.params[name]
                for name in ("campaignArn", "recommenderArn")
                if self.params.get(name)
            }
            values = {f"{metric}{failed}": (1.0, "Count")}
            if not failed:
                milliseconds = (time.monotonic() - began) * 1000
                values[f"{metric}Latency"] = (milliseconds, "Milliseconds")
            report(self.current_account, self.region, "AWS/Personalize", dimensions, values)
        return result

    return answer


class PersonalizeResponse(_Response):
    """The control plane."""

    service = "personalize"

    create_dataset_group = _call(lambda backend: backend.datasets.create_dataset_group)
    delete_dataset_group = _call(lambda backend: backend.datasets.delete_dataset_group)
    create_schema = _call(lambda backend: backend.datasets.create_schema)
    delete_schema = _call(lambda backend: backend.datasets.delete_schema)
    create_dataset = _call(lambda backend: backend.datasets.create_dataset)
    update_dataset = _call(lambda backend: backend.datasets.update_dataset)
    delete_dataset = _call(lambda backend: backend.datasets.delete_dataset)
    create_dataset_import_job = _call(lambda backend: backend.datasets.create_dataset_import_job)
    create_event_tracker = _call(lambda backend: backend.datasets.create_event_tracker)
    delete_event_tracker = _call(lambda backend: backend.datasets.delete_event_tracker)
    create_filter = _call(lambda backend: backend.datasets.create_filter)
    delete_filter = _call(lambda backend: backend.datasets.delete_filter)

    create_dataset_export_job = _call(lambda backend: backend.data_jobs.create_dataset_export_job)
    create_data_deletion_job = _call(lambda backend: backend.data_jobs.create_data_deletion_job)

    create_solution = _call(lambda backend: backend.solutions.create_solution)
    update_solution = _call(lambda backend: backend.solutions.update_solution)
    delete_solution = _call(lambda backend: backend.solutions.delete_solution)
    create_solution_version = _call(lambda backend: backend.solutions.create_solution_version)
    stop_solution_version_creation = _call(
        lambda backend: backend.solutions.stop_solution_version_creation
    )
    get_solution_metrics = _call(lambda backend: backend.solutions.get_solution_metrics)

    create_campaign = _call(lambda backend: backend.serving.create_campaign)
    update_campaign = _call(lambda backend: backend.serving.update_campaign)
    delete_campaign = _call(lambda backend: backend.serving.delete_campaign)
    create_recommender = _call(lambda backend: backend.serving.create_recommender)
    update_recommender = _call(lambda backend: backend.serving.update_recommender)
    start_recommender = _call(lambda backend: backend.serving.start_recommender)
    stop_recommender = _call(lambda backend: backend.serving.stop_recommender)
    delete_recommender = _call(lambda backend: backend.serving.delete_recommender)

    create_batch_inference_job = _call(lambda backend: backend.batch.create_batch_inference_job)
    create_batch_segment_job = _call(lambda backend: backend.batch.create_batch_segment_job)

    create_metric_attribution = _call(lambda backend: backend.attribution.create_metric_attribution)
    update_metric_attribution = _call(lambda backend: backend.attribution.update_metric_attribution)
    delete_metric_attribution = _call(lambda backend: backend.attribution.delete_metric_attribution)
    list_metric_attribution_metrics = _call(
        lambda backend: backend.attribution.list_metric_attribution_metrics
    )

    describe_dataset_group = _describe("datasetGroup")
    list_dataset_groups = _list("datasetGroup")
    describe_schema = _describe("schema")
    list_schemas = _list("schema")
    describe_dataset = _describe("dataset")
    list_datasets = _list("dataset")
    describe_dataset_import_job = _describe("datasetImportJob")
    list_dataset_import_jobs = _list("datasetImportJob")
    describe_dataset_export_job = _describe("datasetExportJob")
    list_dataset_export_jobs = _list("datasetExportJob")
    describe_data_deletion_job = _describe("dataDeletionJob")
    list_data_deletion_jobs = _list("dataDeletionJob")
    describe_metric_attribution = _describe("metricAttribution")
    list_metric_attributions = _list("metricAttribution")
    describe_solution = _describe("solution")
    list_solutions = _list("solution")
    describe_solution_version = _describe("solutionVersion")
    list_solution_versions = _list("solutionVersion")
    describe_campaign = _describe("campaign")
    list_campaigns = _list("campaign")
    describe_recommender = _describe("recommender")
    list_recommenders = _list("recommender")
    describe_filter = _describe("filter")
    list_filters = _list("filter")
    describe_event_tracker = _describe("eventTracker")
    list_event_trackers = _list("eventTracker")
    describe_batch_inference_job = _describe("batchInferenceJob")
    list_batch_inference_jobs = _list("batchInferenceJob")
    describe_batch_segment_job = _describe("batchSegmentJob")
    list_batch_segment_jobs = _list("batchSegmentJob")

    list_recipes = _call(lambda backend: backend.list_recipes)
    describe_recipe = _call(lambda backend: backend.describe_recipe)
    describe_algorithm = _call(lambda backend: backend.describe_algorithm)
    describe_feature_transformation = _call(lambda backend: backend.describe_feature_transformation)
    list_tags_for_resource = _call(lambda backend: backend.list_tags_for_resource)
    tag_resource = _call(lambda backend: backend.tag_resource)
    untag_resource = _call(lambda backend: backend.untag_resource)


class RuntimeResponse(_Response):
    """Recommendations and rankings."""

    service = "personalize-runtime"

    get_recommendations = _measured(
        "GetRecommendations", lambda backend: backend.runtime.get_recommendations
    )
    get_personalized_ranking = _measured(
        "GetPersonalizedRanking", lambda backend: backend.runtime.get_personalized_ranking
    )

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """The response as JSON. Names are already AWS's; moto would convert each again."""
        if not isinstance(action_result.result, dict):
            return super().serialized(action_result)
        headers = {"Content-Type": "application/json", **self.response_headers}
        return 200, headers, json.dumps(action_result.result)


class EventsResponse(_Response):
    """The events API."""

    service = "personalize-events"

    put_events = _call(lambda backend: backend.events.put_events)
    put_items = _call(lambda backend: backend.events.put_items)
    put_users = _call(lambda backend: backend.events.put_users)
