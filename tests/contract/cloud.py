"""A cloud under test: the local AWS, or AWS itself by a profile of the AWS CLI."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

RECORDS: Final = Path("build/contract")
# the settled state of IAM takes up to a minute on AWS
_SETTLING: Final = 60.0
# a call that is repeated after a timeout may find what its first try created
_PATIENT: Final = Config(read_timeout=300, retries={"mode": "standard", "total_max_attempts": 4})


class Cloud:
    """Clients that record what they are answered, names of its own, and what must be deleted.

    Args:
        name: `local` or `aws`; the records are called by it.
        session: where credentials and region come from.
        endpoint: the local AWS's address; None for AWS.

    Attributes:
        prefix: which the names of everything created begin with.
        test: the test that is running.
    """

    def __init__(self, name: str, session: boto3.Session, endpoint: str | None = None) -> None:
        self.name, self._session, self._endpoint = name, session, endpoint
        self.region = session.region_name or "us-east-1"
        self.prefix = f"contract-{secrets.token_hex(4)}"
        self.test = ""
        self._clients: dict[str, Any] = {}
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._records: list[dict[str, Any]] = []
        self.account = str(self.client("sts").get_caller_identity()["Account"])

    def client(self, service: str) -> Any:
        """A boto3 client with this cloud's credentials."""
        if service not in self._clients:
            self._clients[service] = self._watched(self._session, service)
        return self._clients[service]

    def as_role(self, role_arn: str) -> "Callable[[str], Any]":
        """Clients with a role's credentials, by service."""
        sts = self.client("sts")
        told = self.settled(
            lambda: sts.assume_role(RoleArn=role_arn, RoleSessionName="contract")["Credentials"]
        )
        session = boto3.Session(
            aws_access_key_id=told["AccessKeyId"],
            aws_secret_access_key=told["SecretAccessKey"],
            aws_session_token=told["SessionToken"],
            region_name=self.region,
        )
        return lambda service: self._watched(session, service)

    def settled(self, call: Callable[[], Any]) -> Any:
        """What a call returns that a change in IAM allows, once the change has propagated."""
        deadline = time.monotonic() + _SETTLING
        while True:
            try:
                return call()
            except ClientError as error:
                told = error.response["Error"]
                denied = "AccessDenied" in told["Code"] or "assume" in told.get("Message", "")
                if not denied or self._endpoint or time.monotonic() > deadline:
                    raise
                time.sleep(3)

    def undo(self, what: str, call: Callable[[], object]) -> None:
        """Call this when all tests have ended, what was last created first."""
        self._undo.append((what, call))

    def clean_up(self) -> list[str]:
        """Delete what the tests created; what could not be deleted, and why."""
        self.test = ""
        left = []
        for what, call in reversed(self._undo):
            try:
                call()
            except ClientError as error:
                told = f"{error.response['Error']['Code']} {error.response['Error']['Message']}"
                if not _GONE.search(told):
                    left.append(f"{what}: {error}")
            except WaiterError as error:
                left.append(f"{what}: {error}")
        self._undo.clear()
        return left

    def write(self) -> Path:
        """Write the records, one JSON object a line; returns the file."""
        RECORDS.mkdir(parents=True, exist_ok=True)
        path = RECORDS / f"{self.name}.jsonl"
        lines = (json.dumps(record, sort_keys=True) for record in self._records)
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    def _watched(self, session: boto3.Session, service: str) -> Any:
        client = session.client(  # type: ignore[call-overload]
            service, region_name=self.region, endpoint_url=self._endpoint, config=_PATIENT
        )
        client.meta.events.register("after-call", self._record)
        return client

    def _record(self, *, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        if not self.test:
            return
        error = parsed.get("Error", {})
        record = {
            "test": self.test,
            "operation": f"{model.service_model.service_name}:{model.name}",
            "status": parsed.get("ResponseMetadata", {}).get("HTTPStatusCode"),
            "code": error.get("Code"),
            "message": self._scrubbed(str(error.get("Message", ""))),
            "answer": shape({k: v for k, v in parsed.items() if k not in _ENVELOPE}),
        }
        if record not in self._records[-1:]:  # a poll's
            self._records.append(record)

    def _scrubbed(self, text: str) -> str:
        """A message without what differs between accounts and calls."""
        for secret, name in (
            (self.account, "ACCOUNT"),
            (self.prefix, "PREFIX"),
            (self.region, "REGION"),
        ):
            text = text.replace(secret, name)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
        text = re.sub(r"(user|assumed-role)/[\w+=,.@/-]+", r"\1/CALLER", text)
        return re.sub(r"arn:aws[\w-]*:(iam|sts)::ACCOUNT:root", "CALLER", text)


_GONE: Final = re.compile(
    "NoSuch|NotFound|does not exist|could not be found|not found|Could not find", re.IGNORECASE
)
_ENVELOPE: Final = ("Error", "ResponseMetadata", "Message", "message")


def shape(value: Any) -> Any:
    """The form of an answer: names and types, and the first element of each list."""
    if isinstance(value, Mapping):
        return {str(name): shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def documented(page: str, tier: str = "cheap") -> pytest.MarkDecorator:
    """Mark a test by AWS's page that it is from, and by what it costs; see `TIERS`."""
    return pytest.mark.documented(page, tier=tier)


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """Expect AWS's error, by its code and a part of its message.

    Args:
        code: of the error.
        words: a regular expression.
    """
    with pytest.raises(ClientError) as found:
        yield
    told = found.value.response["Error"]
    assert told["Code"] == code, found.value
    assert re.search(words, told.get("Message", "")), found.value


def policy(*statements: Mapping[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def read(path: Path) -> dict[tuple[str, str], list[Any]]:
    """Records of `Cloud.write`: by test and operation, what was answered."""
    found: dict[tuple[str, str], list[Any]] = {}
    for line in path.read_text("utf-8").splitlines():
        record = json.loads(line)
        key = record.pop("test"), record.pop("operation")
        if record not in found.setdefault(key, []):
            found[key].append(record)
    return found


def differences(ours: Path, theirs: Path) -> Iterator[str]:
    """Where two clouds answered the same call of the same test differently, a line for each."""
    local, aws = read(ours), read(theirs)
    for test, operation in sorted(local.keys() | aws.keys()):
        here, there = local.get((test, operation), []), aws.get((test, operation), [])
        if here == there:
            continue
        yield f"{test}: {operation}"
        for name, told, other in (("local", here, there), ("aws", there, here)):
            for record in told:
                if record not in other:
                    yield f"    {name:5} {_told(record)}"


def _told(record: Mapping[str, Any]) -> str:
    if record["code"]:
        return f"{record['status']} {record['code']}: {record['message']}"
    return f"{record['status']} {json.dumps(record['answer'])[:400]}"
