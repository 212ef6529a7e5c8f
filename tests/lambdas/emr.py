"""EMR Serverless, as far as a trained resource calls it, and one job run's properties."""

import itertools
import json
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.awsrequest import AWSResponse

from tests.lambdas.fakes import http

APPLICATION = "00f1application"
ACTIVE = ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING")
OUTPUT = "prepared/"


def job_run(inputs: str) -> dict[str, Any]:
    """Properties of a `Custom::TrainedStart`, whose job writes below `OUTPUT`."""
    arguments = ["--source", "s3://elsewhere/logs/", "--out", f"s3://movies/{OUTPUT}{inputs}/"]
    return {
        "Kind": "JobRun",
        "NamePrefix": "anna-preparation",
        "Inputs": inputs,
        "Request": {
            "applicationId": APPLICATION,
            "executionRoleArn": "arn:aws:iam::123456789012:role/Preparation",
            "executionTimeoutMinutes": "60",
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": "s3://assets/main.py",
                    "entryPointArguments": arguments,
                }
            },
        },
    }


class EmrServerless:
    """One application's job runs, which stay when they have ended."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.state = "STARTED"
        self._clock, self._ids = itertools.count(1_700_000_000), itertools.count(1)

    def active(self) -> list[str]:
        """The runs that have not ended."""
        return [name for name, run in self.runs.items() if run["state"] in ACTIVE]

    def finish(self, state: str = "SUCCESS") -> list[str]:
        """End all active runs; the prefixes to which they have written."""
        written = []
        for name in self.active():
            self.runs[name]["state"] = state
            arguments = self.runs[name]["jobDriver"]["sparkSubmit"]["entryPointArguments"]
            written.append(arguments[arguments.index("--out") + 1])
        return written

    def send(self, request: Any, event_name: str, **_: Any) -> AWSResponse:
        """Answer a request, by its operation."""
        operation = event_name.rsplit(".", 1)[1]
        body = json.loads(request.body) if request.body else {}
        path = [unquote(part) for part in urlsplit(request.url).path.split("/")]
        assert path[2] == APPLICATION
        answer: AWSResponse = getattr(self, operation)(body, path[-1])
        return answer

    def StartJobRun(self, body: dict[str, Any], _: str) -> AWSResponse:  # noqa: N802
        for name, run in self.runs.items():
            if run["clientToken"] == body["clientToken"]:
                return http(200, self._identity(name))
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", body["clientToken"])
        name = f"00f1run{next(self._ids)}"
        self.runs[name] = {**body, "state": "SUBMITTED", "createdAt": next(self._clock)}
        self.state = "STARTED"
        return http(200, self._identity(name))

    def ListJobRuns(self, _body: dict[str, Any], _: str) -> AWSResponse:  # noqa: N802
        runs = [{"id": name, **self._described(name)} for name in self.runs]
        return http(200, {"jobRuns": runs})

    def GetJobRun(self, _body: dict[str, Any], name: str) -> AWSResponse:  # noqa: N802
        if name not in self.runs:
            return _missing()
        run = self.runs[name]
        if run["state"] == "CANCELLING":
            run["state"] = "CANCELLED"
        shown = {**self._described(name), "jobRunId": name, "jobDriver": run["jobDriver"]}
        return http(200, {"jobRun": shown})

    def CancelJobRun(self, _body: dict[str, Any], name: str) -> AWSResponse:  # noqa: N802
        if name not in self.runs:
            return _missing()
        self.runs[name]["state"] = "CANCELLING"
        return http(200, self._identity(name))

    def GetApplication(self, _body: dict[str, Any], _: str) -> AWSResponse:  # noqa: N802
        told, self.state = self.state, self.state.replace("STOPPING", "STOPPED")
        made = {"createdAt": 1, "updatedAt": 1, "releaseLabel": "emr-7.9.0", "type": "Spark"}
        arn = f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{APPLICATION}"
        known = {"applicationId": APPLICATION, "arn": arn, "state": told, **made}
        return http(200, {"application": known})

    def StopApplication(self, _body: dict[str, Any], _: str) -> AWSResponse:  # noqa: N802
        if self.state != "STARTED" or self.active():
            return http(400, {"__type": "ValidationException", "message": "cannot be STOPPED"})
        self.state = "STOPPING"
        return http(200, {})

    def _described(self, name: str) -> dict[str, Any]:
        run = self.runs[name]
        return {
            "applicationId": APPLICATION,
            "name": run["name"],
            "arn": f"arn:aws:emr-serverless:us-east-1:123456789012:/applications/{APPLICATION}"
            f"/jobruns/{name}",
            "createdBy": "arn:aws:iam::123456789012:role/Trainer",
            "createdAt": run["createdAt"],
            "updatedAt": run["createdAt"],
            "executionRole": run["executionRoleArn"],
            "state": run["state"],
            "stateDetails": "",
            "releaseLabel": "emr-7.9.0",
        }

    def _identity(self, name: str) -> dict[str, str]:
        arn = self._described(name)["arn"]
        return {"applicationId": APPLICATION, "jobRunId": name, "arn": arn}


def _missing() -> AWSResponse:
    return http(404, {"__type": "ResourceNotFoundException", "message": "no such job run"})
