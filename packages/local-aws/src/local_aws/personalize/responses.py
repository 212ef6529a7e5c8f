"""The three APIs of Amazon Personalize: control plane, runtime, events."""

import json
import time
from collections.abc import Callable
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.personalize.models import personalize_backends

from local_aws.api import LocalResponse
from local_aws.cloudwatch.metrics import report
from local_aws.personalize.models import PersonalizeBackend
from local_aws.personalize.resources import KINDS


class _Response(LocalResponse):
    @property
    def backend(self) -> PersonalizeBackend:
        """The backend of the caller's account and region."""
        backend: Any = personalize_backends[self.current_account][self.region]
        assert isinstance(backend, PersonalizeBackend)
        return backend


class PersonalizeResponse(_Response):
    """The control plane."""

    service = "personalize"


class RuntimeResponse(_Response):
    """Recommendations and rankings."""

    service = "personalize-runtime"

    def serialized(self, action_result: ActionResult) -> TYPE_RESPONSE:
        """The response as JSON. Names are already AWS's; moto would convert each again."""
        if not isinstance(action_result.result, dict):
            return super().serialized(action_result)
        headers = {"Content-Type": "application/json", **self.response_headers}
        return 200, headers, json.dumps(action_result.result)


class EventsResponse(_Response):
    """The events API."""

    service = "personalize-events"


def _call(operation: str) -> Callable[[_Response], Any]:
    def answer(self: _Response) -> Any:
        return getattr(self.backend, operation)(self.params)

    return answer


def _measured(operation: str) -> Callable[[_Response], Any]:
    """Report a call to CloudWatch under its campaign or recommender."""
    metric = {
        "get_recommendations": "GetRecommendations",
        "get_personalized_ranking": "GetPersonalizedRanking",
    }[operation]

    def answer(self: _Response) -> Any:
        began, failed = time.monotonic(), "5xxErrors"
        try:
            result = getattr(self.backend, operation)(self.params)
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


def _describe(kind: str) -> Callable[[_Response], Any]:
    return lambda self: self.backend.describe(kind, self.params)


def _list(kind: str) -> Callable[[_Response], Any]:
    return lambda self: self.backend.page(kind, self.params)


_CONTROL = (
    *("create_dataset_group", "delete_dataset_group", "create_schema", "delete_schema"),
    *("create_dataset", "update_dataset", "delete_dataset", "create_dataset_import_job"),
    *("create_event_tracker", "delete_event_tracker", "create_filter", "delete_filter"),
    *("create_solution", "update_solution", "delete_solution", "create_solution_version"),
    *("stop_solution_version_creation", "get_solution_metrics"),
    *("create_campaign", "update_campaign", "delete_campaign"),
    *("create_recommender", "update_recommender", "delete_recommender"),
    *("start_recommender", "stop_recommender"),
    *("create_batch_inference_job", "create_batch_segment_job"),
    *("create_dataset_export_job", "create_data_deletion_job"),
    *("create_metric_attribution", "update_metric_attribution", "delete_metric_attribution"),
    "list_metric_attribution_metrics",
    *("list_recipes", "describe_recipe", "describe_algorithm", "describe_feature_transformation"),
    *("list_tags_for_resource", "tag_resource", "untag_resource"),
)
for _name in _CONTROL:
    setattr(PersonalizeResponse, _name, _call(_name))
for _kind in KINDS.values():
    _one = camelcase_to_underscores(_kind.name[0].upper() + _kind.name[1:])
    setattr(PersonalizeResponse, f"describe_{_one}", _describe(_kind.name))
    setattr(PersonalizeResponse, f"list_{_one}s", _list(_kind.name))
for _name in ("get_recommendations", "get_personalized_ranking"):
    setattr(RuntimeResponse, _name, _measured(_name))
for _name in ("put_events", "put_items", "put_users"):
    setattr(EventsResponse, _name, _call(_name))
