"""The backend of an account and region: applications, their job runs, and tags.

https://docs.aws.amazon.com/emr-serverless/latest/APIReference/
"""

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from moto.core.base_backend import BaseBackend
from moto.emrserverless.utils import random_appplication_id, random_job_id
from moto.utilities.utils import get_partition

from local_aws.emrserverless.applications import Application
from local_aws.emrserverless.errors import Conflict, Invalid, NotFound
from local_aws.emrserverless.job_runs import JobRun
from local_aws.servicequotas.models import applied
from local_aws.workers import WorkingBackend

Params = dict[str, Any]

_PAGE: Final = 50
_TAGS: Final = 200


class EmrServerlessBackend(WorkingBackend, BaseBackend):
    """An operation is a method, named in snake case, from the request's parameters to the answer.

    The parameters were validated by botocore's model; both have AWS's names.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._applications: dict[str, Application] = {}
        self._runs: dict[str, dict[str, JobRun]] = {}  # by application and id
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}  # of what → request and id
        self._lock = threading.RLock()

    # Applications --------------------------------------------------------------------------------

    def create_application(self, params: Params) -> Params:
        """CreateApplication."""
        with self._lock:
            name = self._known_token("application", params)
            if name is None:
                name = random_appplication_id()
                made = Application(params, name, self._arn(name))
                self._applications[name], self._runs[name] = made, {}
                self._remember("application", params, name)
            return self._applications[name].identity

    def get_application(self, params: Params) -> Params:
        """GetApplication; a deleted one is TERMINATED."""
        return {"application": self._application(params).description()}

    def list_applications(self, params: Params) -> Params:
        """ListApplications: deleted ones only if their state is asked for."""
        with self._lock:
            found = [one.summary() for one in self._applications.values()]
        states = params.get("states") or ()
        chosen = [
            one
            for one in found
            if (one["state"] in states if states else one["state"] != "TERMINATED")
        ]
        return _page("applications", chosen, params)

    def update_application(self, params: Params) -> Params:
        """UpdateApplication: of one that is created or stopped."""
        application = self._application(params)
        application.update(params)
        return {"application": application.description()}

    def start_application(self, params: Params) -> None:
        """StartApplication."""
        self._application(params).start()

    def stop_application(self, params: Params) -> None:
        """StopApplication: of one without job runs that have not ended."""
        self._application(params).stop()

    def delete_application(self, params: Params) -> None:
        """DeleteApplication: of one that is created or stopped."""
        with self._lock:
            application = self._application(params)
            application.delete()
            self._tokens = {
                key: one
                for key, one in self._tokens.items()
                if one[1] != application.id and key[0] != application.id
            }

    # Job runs ------------------------------------------------------------------------------------

    def start_job_run(self, params: Params, caller: str) -> Params:
        """StartJobRun: the same client token starts a job once.

        Args:
            params: the request.
            caller: the ARN of who asks.
        """
        with self._lock:
            application = self._application(params)
            runs = self._runs[application.id]
            name = self._known_token(application.id, params)
            if name is None:
                name = random_job_id()
                arn = f"{application.arn}/jobruns/{name}"
                run = JobRun(params, name, arn, application, caller, self.region_name, self._room)
                application.accept(run)
                runs[name] = run
                self._remember(application.id, params, name)
                run.start()
            return {
                "applicationId": application.id,
                "jobRunId": name,
                "arn": runs[name].arn,
            }

    def get_job_run(self, params: Params) -> Params:
        """GetJobRun."""
        if params.get("attempt", 1) != 1:
            raise Invalid(f"Attempt {params['attempt']} of the job run does not exist")
        return {"jobRun": self._run(params).description()}

    def list_job_runs(self, params: Params) -> Params:
        """ListJobRuns: the latest first."""
        application = self._application(params)
        with self._lock:
            found = [one.summary() for one in reversed(self._runs[application.id].values())]
        after, before = params.get("createdAtAfter"), params.get("createdAtBefore")
        states = params.get("states") or ()
        chosen = [
            one
            for one in found
            if (not states or one["state"] in states)
            and (after is None or _seconds(one["createdAt"]) > _seconds(after))
            and (before is None or _seconds(one["createdAt"]) < _seconds(before))
            and params.get("mode", "BATCH") == "BATCH"
        ]
        return _page("jobRuns", chosen, params)

    def cancel_job_run(self, params: Params) -> Params:
        """CancelJobRun: of one that has not ended."""
        run = self._run(params)
        run.cancel(params.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": params["applicationId"], "jobRunId": run.id}

    def end_work(self) -> None:
        """End all processes."""
        for runs in list(self._runs.values()):
            for run in list(runs.values()):
                run.abandon()

    # Tags ----------------------------------------------------------------------------------------

    def tag_resource(self, params: Params) -> None:
        """TagResource."""
        tags = self._tagged(params)
        if len({**tags, **params["tags"]}) > _TAGS:
            raise Invalid(f"A resource may have at most {_TAGS} tags")
        tags |= params["tags"]

    def untag_resource(self, params: Params) -> None:
        """UntagResource: unknown keys are ignored."""
        tags = self._tagged(params)
        for key in params["tagKeys"]:
            tags.pop(key, None)

    def list_tags_for_resource(self, params: Params) -> Params:
        """ListTagsForResource."""
        return {"tags": dict(self._tagged(params))}

    def _tagged(self, params: Params) -> dict[str, str]:
        arn = params["resourceArn"]
        for application in self._applications.values():
            if arn == application.arn:
                return application.tags
            for run in self._runs[application.id].values():
                if arn == run.arn:
                    return run.tags
        raise NotFound("Resource", arn)

    # Look-up -------------------------------------------------------------------------------------

    def _arn(self, application: str) -> str:
        where = f"{self.region_name}:{self.account_id}"
        return (
            f"arn:{get_partition(self.region_name)}:emr-serverless:{where}:"
            f"/applications/{application}"
        )

    def _application(self, params: Params) -> Application:
        name = params["applicationId"]
        with self._lock:
            if name not in self._applications:
                raise NotFound("Application", name)
            return self._applications[name]

    def _run(self, params: Params) -> JobRun:
        runs, name = self._runs[self._application(params).id], params["jobRunId"]
        if name not in runs:
            raise NotFound("JobRun", name)
        return runs[name]

    def _known_token(self, of: str, params: Params) -> str | None:
        """What the same request made before, if it was made before."""
        request, name = self._tokens.get((of, params["clientToken"]), ("", None))
        if name is not None and request != _told(params):
            raise Conflict(f"The client token {params['clientToken']} was used for another request")
        return name

    def _room(self) -> float:
        """The vCPUs that the account's quota leaves."""
        name = "Max concurrent vCPUs per account"
        quota = applied("emr-serverless", name, self.account_id, self.region_name)
        runs = [run for runs in list(self._runs.values()) for run in list(runs.values())]
        return quota - sum(run.cpu for run in runs)

    def _remember(self, of: str, params: Params, name: str) -> None:
        self._tokens[of, params["clientToken"]] = (_told(params), name)


def _told(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True, default=str)


def _seconds(moment: datetime | float | str) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def _page(what: str, found: Sequence[Params], params: Params) -> Params:
    try:
        start = int(base64.b64decode(params.get("nextToken") or b"MA==", validate=True))
    except ValueError:
        raise Invalid("The pagination token is not valid") from None
    end = start + params.get("maxResults", _PAGE)
    answer: Params = {what: list(found[start:end])}
    if end < len(found):
        answer["nextToken"] = base64.b64encode(str(end).encode()).decode()
    return answer
