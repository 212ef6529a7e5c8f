"""EMR Serverless over HTTP."""

from collections.abc import Callable
from typing import Any, cast

from moto.emrserverless.models import emrserverless_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import get_partition

from local_aws.api import LocalResponse
from local_aws.emrserverless.models import EmrServerlessBackend, Params


def _call(
    operation: Callable[[EmrServerlessBackend], Callable[[Params], Params | None]],
) -> "Callable[[EmrServerlessResponse], Params | None]":
    def answer(self: "EmrServerlessResponse") -> Params | None:
        return operation(self.backend)(self.params)

    return answer


class EmrServerlessResponse(LocalResponse):
    """The operations of applications, job runs and tags."""

    service = "emr-serverless"

    @property
    def backend(self) -> EmrServerlessBackend:
        """The backend of the caller's account and region."""
        found = emrserverless_backends[self.current_account][self.region]
        return cast(EmrServerlessBackend, found)

    def start_job_run(self) -> Params:
        """StartJobRun, for the caller."""
        backend: Any = sts_backends[self.current_account][get_partition(self.region)]
        caller = backend.get_caller_identity(self.access_key, self.region)[1]
        return self.backend.start_job_run(self.params, caller)

    create_application = _call(lambda backend: backend.create_application)
    get_application = _call(lambda backend: backend.get_application)
    list_applications = _call(lambda backend: backend.list_applications)
    update_application = _call(lambda backend: backend.update_application)
    start_application = _call(lambda backend: backend.start_application)
    stop_application = _call(lambda backend: backend.stop_application)
    delete_application = _call(lambda backend: backend.delete_application)
    get_job_run = _call(lambda backend: backend.get_job_run)
    list_job_runs = _call(lambda backend: backend.list_job_runs)
    cancel_job_run = _call(lambda backend: backend.cancel_job_run)
    tag_resource = _call(lambda backend: backend.tag_resource)
    untag_resource = _call(lambda backend: backend.untag_resource)
    list_tags_for_resource = _call(lambda backend: backend.list_tags_for_resource)
