"""State machines whose definitions, in larger sizes, would take all memory or never end."""

import itertools
import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.server import LocalAws
from local_aws.stepfunctions import limits
from tests.reliability import Tally

REGION = "us-east-1"
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "states.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def role() -> Iterator[str]:
    with LocalAws():
        trust = json.dumps({"Version": "2012-10-17", "Statement": TRUST})
        made = clients.client("iam", REGION).create_role(
            RoleName="machines", AssumeRolePolicyDocument=trust
        )
        yield made["Role"]["Arn"]


def _run(role: str, state: dict[str, Any], given: Any) -> dict[str, Any]:
    """An execution of a machine with one state, once it has ended."""
    states = clients.client("stepfunctions", REGION)
    end = {} if "Next" in state else {"End": True}
    definition = {"StartAt": "state", "States": {"state": {"Type": "Pass", **state, **end}}}
    machine = states.create_state_machine(
        name=f"machine-{next(_numbers)}", definition=json.dumps(definition), roleArn=role
    )
    execution = states.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps(given)
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found: dict[str, Any] = states.describe_execution(executionArn=execution["executionArn"])
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.05)
    raise TimeoutError


LARGE = {"x": "x" * 200_000}


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ({"InputPath": "$.l[?(@.x =~ 'x')]"}, {"l": [{"x": "x"}]}),
        ({"InputPath": "$.x * 3"}, {"x": "x"}),
        ({"InputPath": "$..*..*"}, {"x": {"x": 1}}),
        ({"Parameters": {"y.$": "States.Format('{:>5}', $.x)"}}, {"x": "x"}),
        ({"Parameters": {"y.$": "States.Format('{}{}', $.x, $.x)"}}, LARGE),
        ({"Parameters": {"y.$": "$.x", "z.$": "$.x"}}, LARGE),
    ],
    ids=["expression", "product", "descents", "width", "format", "template"],
)
def test_data_that_would_grow_or_never_end_fails_the_execution(
    role: str, tally: Tally, state: dict[str, Any], given: Any
) -> None:
    assert _run(role, state, given)["status"] == "FAILED"
    tally("inputs tried", "state machines without end or measure")


def test_machine_without_end_fails_when_its_history_is_full(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_EVENTS", 50)
    assert _run(role, {"Next": "state"}, {})["status"] == "FAILED"


def test_history_is_full_when_its_data_are_large(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_HISTORY", 1 << 20)
    assert _run(role, {"Next": "state"}, LARGE)["status"] == "FAILED"


def test_paths_and_formats_of_aws_work_on(role: str) -> None:
    parameters = {
        "all.$": "$..n",
        "some.$": "$.l[?(@.n > 1)].n",
        "text.$": "States.Format('{} of {}', $.first, States.Array('a', 'b'))",
    }
    found = _run(role, {"Parameters": parameters}, {"l": [{"n": 1}, {"n": 2}], "first": 1})
    assert json.loads(found["output"]) == {"all": [1, 2], "some": [2], "text": "1 of [a, b]"}


@pytest.mark.parametrize(("asked", "threads"), [(0, 40), (3, 3), (10_000, 40)])
def test_map_has_as_many_iterations_at_the_same_time_as_aws(asked: int, threads: int) -> None:
    component = SimpleNamespace(_eval_max_concurrency=lambda env: asked)
    environment = SimpleNamespace(stack=[])
    limits.concurrency(component, environment)
    assert environment.stack == [threads]


def test_state_cannot_act_as_another_role_than_its_machine_s(role: str) -> None:
    """moto assumes any role that trusts Step Functions, without asking for a permission."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": TRUST})
    allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
    iam, sqs = clients.client("iam", REGION), clients.client("sqs", REGION)
    other = iam.create_role(RoleName="other", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="other",
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )
    url = sqs.create_queue(QueueName="of-other")["QueueUrl"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": "as other"},
        "Credentials": {"RoleArn": other},
    }
    found = _run(role, task, {})
    assert (found["status"], "Messages" in sqs.receive_message(QueueUrl=url)) == ("FAILED", False)
    assert "Credentials of a Task state" in found["cause"]


def test_times_in_a_result_are_texts(role: str) -> None:
    allowed = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    clients.client("iam", REGION).put_role_policy(
        RoleName="machines",
        PolicyName="lists",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
    )
    s3 = clients.client("s3", REGION)
    s3.create_bucket(Bucket="dated")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
        "ResultSelector": {"found.$": "$.Buckets"},
    }
    made = s3.list_buckets()["Buckets"][0]["CreationDate"]
    found = json.loads(_run(role, task, {})["output"])
    assert found["found"][0]["CreationDate"] == f"{made:%Y-%m-%dT%H:%M:%SZ}"


def _many(branches: int) -> dict[str, Any]:
    one = {"StartAt": "p", "States": {"p": {"Type": "Pass", "End": True}}}
    return {"Type": "Parallel", "Branches": [one] * branches}


def test_branches_are_no_more_than_the_threads_for_them(
    role: str, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.setattr(limits, "_THREADS", 20)
    assert _run(role, _many(30), {})["status"] == "FAILED"
    assert _run(role, _many(3), {})["status"] == "SUCCEEDED"
    tally("inputs tried", "state machines without end or measure")


@pytest.mark.parametrize(("items", "status"), [(2, "SUCCEEDED"), (6, "FAILED")])
def test_iterations_within_iterations_are_no_more_than_the_threads_for_them(
    role: str, monkeypatch: pytest.MonkeyPatch, tally: Tally, items: int, status: str
) -> None:
    monkeypatch.setattr(limits, "_THREADS", 20)
    state: dict[str, Any] = {"Type": "Wait", "Seconds": 1, "End": True}
    for _ in range(2):
        inner = {"StartAt": "s", "States": {"s": state}}
        state = {"Type": "Map", "ItemsPath": "$.l", "Iterator": inner, "End": True}
        state["Parameters"] = {"l.$": "$.l"}
    found = _run(role, state, {"l": list(range(items))})
    assert found["status"] == status
    tally("inputs tried", "state machines without end or measure")


def test_execution_beyond_the_threads_is_refused(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_THREADS", 0)
    with pytest.raises(ClientError, match=r"ExecutionLimitExceeded.*maximum number of running"):
        _run(role, {}, {})


def test_state_machine_of_another_definition_exists_already(role: str) -> None:
    states = clients.client("stepfunctions", REGION)
    first = {"name": "twice", "roleArn": role, "definition": json.dumps(_definition("s"))}
    made = states.create_state_machine(**first)["stateMachineArn"]
    assert states.create_state_machine(**first)["stateMachineArn"] == made
    with pytest.raises(ClientError, match="StateMachineAlreadyExists"):
        states.create_state_machine(**first | {"definition": json.dumps(_definition("other"))})


def _definition(name: str) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: {"Type": "Succeed"}}}
