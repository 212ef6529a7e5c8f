"""A running local AWS for the module, and the few calls that every test of it makes."""

import base64
import io
import itertools
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_aws import clients
from local_aws.server import LocalAws

REGION = "eu-west-1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


def _zipped(files: Mapping[str, str | bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    return archive.getvalue()


@dataclass
class Answer:
    payload: Any
    error: str | None
    log: str
    request_id: str


@dataclass
class Lambda:
    """The account as a test sees it."""

    url: str
    role: str
    _names: Iterator[int] = field(default_factory=itertools.count)

    def zipped(self, files: Mapping[str, str | bytes]) -> bytes:
        return _zipped(files)

    def client(self, service: str) -> Any:
        return clients.client(service, REGION)

    def deploy(self, source: str | Mapping[str, str | bytes], **settings: Any) -> str:
        """Make a function from `index.py`'s text, or from files; its name."""
        files = {"index.py": source} if isinstance(source, str) else source
        name = settings.pop("FunctionName", None) or f"function-{next(self._names)}"
        self.client("lambda").create_function(
            FunctionName=name,
            Code={"ZipFile": self.zipped(files)},
            **{
                "Runtime": "python3.14",
                "Role": self.role,
                "Handler": "index.handler",
                "Timeout": 20,
                **settings,
            },
        )
        return name

    def permit(self, function: str, service: str, source: str) -> None:
        """Let a service call a function for a resource."""
        self.client("lambda").add_permission(
            FunctionName=function,
            StatementId=service,
            Action="lambda:InvokeFunction",
            Principal=f"{service}.amazonaws.com",
            SourceArn=source,
        )

    def invoke(self, name: str, event: Any = None, **parameters: Any) -> Answer:
        answer = self.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps(event), LogType="Tail", **parameters
        )
        text = answer["Payload"].read().decode()
        return Answer(
            json.loads(text) if text else None,
            answer.get("FunctionError"),
            base64.b64decode(answer.get("LogResult", "")).decode(),
            answer["ResponseMetadata"]["RequestId"],
        )

    def log(self, group: str) -> list[str]:
        events = self.client("logs").filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in events]


@pytest.fixture(scope="module")
def aws() -> Iterator[Lambda]:
    with LocalAws() as running:
        role = clients.client("iam", REGION).create_role(
            RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        allow = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": [
                    *("logs:*", "s3:*", "lambda:InvokeFunction", "lambda:GetFunction"),
                    *("sqs:*", "states:StartExecution"),
                ],
                "Resource": "*",
            },
        }
        clients.client("iam", REGION).put_role_policy(
            RoleName="functions", PolicyName="work", PolicyDocument=json.dumps(allow)
        )
        yield Lambda(running.url, role["Role"]["Arn"])
