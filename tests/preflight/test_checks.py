"""What the checks make of an account's quotas and of what is in use."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest

from preflight.account import Account, Quota
from preflight.checks import Finding, Preflight, Verdict
from tests.preflight.test_needs import endpoint, job

ENDPOINT = "ml.a.large for endpoint usage"
ACTIVE = "Number of instances across active endpoints"
TRAINING = "ml.a.large for training job usage"
JOBS = "Number of instances across all training jobs"


class Told(Account):
    """An account that answers what a test tells it."""

    def __init__(self, quotas: dict[str, Quota], **facts: Any) -> None:
        super().__init__(boto3.Session(), "us-east-1")
        self._told = quotas
        caller = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root"}
        answers = {"caller": caller, "stacks": {}, "standing": {}, "training": Counter()}
        self.__dict__.update(answers | facts)

    def quotas(self, service: str) -> dict[str, Quota]:
        return self._told if service == "sagemaker" else {}


def quota(value: float, **changes: Any) -> Quota:
    return Quota(**{"code": "L-1", "value": value, "adjustable": True, "requested": "", **changes})


def findings(folder: Path, resources: dict[str, Any], account: Account) -> dict[str, Finding]:
    """Those about quotas of SageMaker, by the quota's name."""
    manifest = {
        "artifacts": {
            "p-S": {
                "type": "aws:cloudformation:stack",
                "environment": "aws://unknown-account/unknown-region",
                "properties": {"templateFile": "p-S.json"},
            }
        }
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (folder / "p-S.json").write_text(json.dumps({"Resources": resources}), "utf-8")
    checks = Preflight(folder, account)
    found = [*checks._machines(), *checks._training()]
    return {one.text.partition(":")[0]: one for one in found}


def machines(count: int) -> dict[str, Any]:
    return endpoint("E", InstanceType="ml.a.large", InitialInstanceCount=count)


def test_endpoints_of_others_count_and_those_of_the_deployment_do_not_count_twice(
    tmp_path: Path,
) -> None:
    standing = {
        "other": Counter({ENDPOINT: 2, ACTIVE: 2}),
        "p-E": Counter({ENDPOINT: 1, ACTIVE: 1}),
    }
    account = Told({ENDPOINT: quota(2), ACTIVE: quota(4)}, standing=standing)
    found = findings(tmp_path, machines(1), account)
    assert found[ENDPOINT].verdict is Verdict.MISSING
    assert found[ENDPOINT].text == f"{ENDPOINT}: 2, 1 needed, 2 used by others"
    # one that stands, two of others, and one more for an update
    assert "--quota-code L-1 --desired-value 4 --region us-east-1" in found[ENDPOINT].command
    assert (found[ACTIVE].verdict, found[ACTIVE].command) == (Verdict.OK, "")


def test_quota_that_is_too_small_for_an_update_alone_is_a_note(tmp_path: Path) -> None:
    found = findings(tmp_path, machines(3), Told({ENDPOINT: quota(3), ACTIVE: quota(6)}))
    assert found[ENDPOINT].verdict is Verdict.NOTE
    assert "an update of a stack's endpoints needs 3 more" in found[ENDPOINT].text
    assert "--desired-value 6" in found[ENDPOINT].command
    assert found[ACTIVE].verdict is Verdict.OK


def test_too_few_instances_for_training_are_a_note_and_none_is_missing(tmp_path: Path) -> None:
    jobs = {"A": job("ml.a.large"), "B": job("ml.a.large"), "C": job("ml.a.large")}
    running = Counter({TRAINING: 1, JOBS: 1})
    some = Told({TRAINING: quota(2), JOBS: quota(4)}, training=running)
    found = findings(tmp_path, jobs, some)
    assert found[TRAINING].verdict is Verdict.NOTE
    assert (
        found[TRAINING].text == f"{TRAINING}: 2, 3 at a time, 1 used now; jobs wait for each other"
    )
    assert "--desired-value 4" in found[TRAINING].command
    assert found[JOBS].verdict is Verdict.OK
    found = findings(tmp_path, jobs, Told({TRAINING: quota(0), JOBS: quota(4)}))
    assert (found[TRAINING].verdict, found[JOBS].verdict) == (Verdict.MISSING, Verdict.OK)
    assert "--desired-value 3" in found[TRAINING].command


def test_transform_jobs_have_a_quota_of_their_own_which_those_of_others_use(
    tmp_path: Path,
) -> None:
    machines = {"InstanceType": "ml.a.large", "InstanceCount": "1"}
    request = {"TransformResources": machines}
    scores = {
        "Type": "Custom::TrainedStart",
        "Properties": {"Kind": "TransformJob", "Request": request},
    }
    of_type, of_all = (
        "ml.a.large for transform job usage",
        "Number of instances across all transform jobs",
    )
    busy = Counter({of_type: 2, of_all: 2})
    account = Told({of_type: quota(0), of_all: quota(2)}, transforms=busy)
    found = findings(tmp_path, {"A": scores}, account)
    assert found[of_type].verdict is Verdict.MISSING
    assert "--desired-value 3" in found[of_type].command
    assert found[of_all].text == f"{of_all}: 2, 1 at a time, 2 used now; jobs wait for each other"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"requested": "3, requested 2026-11-28"},
            "an increase to 3, requested 2026-11-28 is open",
        ),
        ({"adjustable": False}, f"{TRAINING}: 0, 1 at a time"),
    ],
)
def test_command_is_left_out_where_it_would_be_refused(
    tmp_path: Path, changes: dict[str, Any], text: str
) -> None:
    account = Told({TRAINING: quota(0, **changes), JOBS: quota(4)})
    found = findings(tmp_path, {"A": job("ml.a.large")}, account)[TRAINING]
    assert (found.verdict, found.command) == (Verdict.MISSING, "")
    assert found.text.endswith(text)


def test_instance_type_without_a_quota_is_missing(tmp_path: Path) -> None:
    found = findings(tmp_path, {"A": job("ml.z.big")}, Told({JOBS: quota(4)}))
    (text,) = [one.text for one in found.values() if one.verdict is Verdict.MISSING]
    assert text.startswith("ml.z.big for training job usage: Service Quotas of us-east-1 has no")
    assert "the instance type may not be offered there" in text
