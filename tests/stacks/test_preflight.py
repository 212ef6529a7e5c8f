"""What a preflight says of the deployments, in a new account and in an ordinary one."""

import json
import shlex
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from local_aws.server import LocalAws
from preflight.__main__ import main
from tests.stacks.deployments import Deployment, Synthesize

pytestmark = pytest.mark.slow
ENDPOINTS, TRAINING = "L-614B09FD", "L-CCE2AFA6"  # of ml.m5.large, of ml.m5.xlarge
VERSION = "/cdk-bootstrap/hnb659fds/version"
ROLE = "arn:aws:iam::123456789012:role/cdk-hnb659fds-*"
READS = (
    *("apigateway:GET", "cloudformation:DescribeStacks", "iam:SimulatePrincipalPolicy"),
    *("lambda:Get*", "logs:DescribeLogGroups", "personalize:List*", "sagemaker:Describe*"),
    *("sagemaker:List*", "servicequotas:List*", "ssm:GetParameter", "states:List*"),
)


def _led(server: LocalAws, patch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment().items():
        patch.setenv(name, value)


@pytest.fixture
def new_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with LocalAws(quotas="new-account") as server:
        _led(server, monkeypatch)
        yield


@pytest.fixture
def ordinary_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that has been bootstrapped, as far as a preflight sees."""
    with LocalAws() as server:
        _led(server, monkeypatch)
        bootstrap("21")
        yield


@pytest.fixture
def preflight(capsys: pytest.CaptureFixture[str]) -> Callable[[Deployment], tuple[int, str]]:
    """A deployment's preflight: its exit status and its report."""

    def run(deployment: Deployment) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["--app", str(deployment.folder)])
        return status, capsys.readouterr().out

    return run


Preflight = Callable[[Deployment], tuple[int, str]]


def bootstrap(version: str) -> None:
    boto3.client("ssm").put_parameter(Name=VERSION, Value=version, Type="String", Overwrite=True)


def commands(report: str, operation: str) -> list[dict[str, str]]:
    """The options of the AWS CLI's commands in a report."""
    found = []
    for line in report.splitlines():
        words = shlex.split(line) if line.strip().startswith("aws ") else []
        if operation in words:
            found.append(dict(zip(words[3::2], words[4::2], strict=True)))
    return found


def asked(report: str) -> dict[str, str]:
    """The desired value by the quota's code."""
    requests = commands(report, "request-service-quota-increase")
    return {one["--quota-code"]: one["--desired-value"] for one in requests}


def missing(report: str) -> list[str]:
    lines = report.splitlines()
    return [line[12:] for line in lines if line.startswith("MISSING")]


def as_user(monkeypatch: pytest.MonkeyPatch, *statements: tuple[tuple[str, ...], str]) -> None:
    """Go on as an IAM user who may do this: actions, and the resource."""
    iam = boto3.client("iam")
    iam.create_user(UserName="anna")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            for actions, resource in statements
        ],
    }
    iam.put_user_policy(UserName="anna", PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="anna")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


def test_new_account_is_told_exactly_what_to_ask_for(
    new_account: None, default: Deployment, preflight: Preflight
) -> None:
    status, report = preflight(default)
    assert status == 1
    # three models: three endpoints, that are replaced together, and three jobs at a time
    quota = "Number of instances across active endpoints"
    assert f"{quota}: 4, 3 needed; an update of a stack's endpoints needs 3 more" in report
    assert asked(report) == {ENDPOINTS: "6", TRAINING: "3", "L-7A3DF611": "6"}
    assert missing(report) == [
        "the CDK's bootstrap stack",
        "ml.m5.large for endpoint usage: 0, 3 needed",
        "ml.m5.xlarge for training job usage: 0, 3 at a time",
    ]
    assert "npx cdk bootstrap aws://123456789012/us-east-1" in report
    assert "On AWS this costs $" in report
    assert "3 missing" in report.splitlines()[-1]


def test_what_the_report_asks_for_is_enough(
    new_account: None, default: Deployment, preflight: Preflight
) -> None:
    _, report = preflight(default)
    bootstrap("21")
    api = boto3.client("service-quotas")
    for one in commands(report, "request-service-quota-increase"):
        api.request_service_quota_increase(
            ServiceCode=one["--service-code"],
            QuotaCode=one["--quota-code"],
            DesiredValue=float(one["--desired-value"]),
        )
    status, report = preflight(default)
    assert (status, missing(report), asked(report)) == (0, [], {})


def test_new_account_needs_to_ask_for_nothing_with_spot_training_and_serverless_endpoints(
    new_account: None, synthesize: Synthesize, preflight: Preflight
) -> None:
    bootstrap("21")
    status, report = preflight(synthesize({"training.spot": "true", "endpoint.kind": "serverless"}))
    assert (status, missing(report), asked(report)) == (0, [], {})
    assert "ml.m5.xlarge for spot training job usage: 4, 3 at a time" in report
    concurrency = "Maximum total concurrency that can be allocated across all serverless endpoints"
    assert f"{concurrency}: 10, 9 needed" in report


def test_old_bootstrap_stack_is_missing(
    ordinary_account: None, default: Deployment, preflight: Preflight
) -> None:
    bootstrap("2")
    status, report = preflight(default)
    assert status == 1
    assert missing(report) == ["the bootstrap stack has version 2; 6 is needed"]


def test_preflight_changes_nothing_and_needs_no_more_than_reading(
    ordinary_account: None,
    default: Deployment,
    preflight: Preflight,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_user(monkeypatch, (READS, "*"), (("sts:AssumeRole",), ROLE))
    status, report = preflight(default)
    assert (status, missing(report)) == (0, [])
    assert "not checked" not in report


def test_missing_permissions_are_told(
    ordinary_account: None,
    default: Deployment,
    preflight: Preflight,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fewer = tuple(one for one in READS if not one.startswith(("servicequotas", "ssm")))
    as_user(monkeypatch, (fewer, "*"))
    status, report = preflight(default)
    assert status == 1
    (text,) = missing(report)
    role = "arn:aws:iam::123456789012:role/cdk-hnb659fds-deploy-role-123456789012-us-east-1"
    assert text.startswith(f"permission: sts:AssumeRole on {role}")
    assert "not checked The CDK's bootstrap stack: " in report
    assert "ssm:GetParameter" in report
    assert "not checked Quotas of training and transform jobs: " in report
    assert "servicequotas:ListRequestedServiceQuotaChangeHistory" in report


def test_settings_for_another_account_are_missing(
    ordinary_account: None, variant: Callable[[str], Deployment], preflight: Preflight
) -> None:
    status, report = preflight(variant("workshop in Ireland, scaling"))
    assert status == 1
    assert "is for account 111122223333; the credentials are 123456789012's" in missing(report)[0]


def test_names_that_are_taken_are_missing(
    ordinary_account: None, default: Deployment, preflight: Preflight
) -> None:
    group = "/aws/lambda/recommender-Movie_Retrieval_Object2Vec"
    boto3.client("logs").create_log_group(logGroupName=group)
    status, report = preflight(default)
    assert status == 1
    assert [text.partition(";")[0] for text in missing(report)] == [
        f"the name {group}: another AWS::Logs::LogGroup has it"
    ]


def test_left_and_stuck_stacks_of_the_prefix_are_told(
    ordinary_account: None, default: Deployment, preflight: Preflight
) -> None:
    cloudformation = boto3.client("cloudformation")
    topic = {"T": {"Type": "AWS::SNS::Topic"}}
    broken = {"T": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "?", "Value": "1"}}}
    for name, resources, status_then in (
        ("recommender-Notebook", topic, "CREATE_COMPLETE"),
        ("recommender-anna-Data", topic, "CREATE_COMPLETE"),
        ("recommender-DeepMf", broken, "ROLLBACK_COMPLETE"),
    ):
        body = json.dumps({"Resources": resources})
        cloudformation.create_stack(StackName=name, TemplateBody=body)
        assert settled(cloudformation, name) == status_then
    status, report = preflight(default)
    assert status == 1
    assert [text.partition(":")[0] for text in missing(report)] == [
        "a usable stack recommender-DeepMf"
    ]
    assert "recommender-Notebook stands, and these settings do not have it" in report
    assert [one["--stack-name"] for one in commands(report, "delete-stack")] == [
        "recommender-DeepMf",
        "recommender-Notebook",
    ]


def settled(cloudformation: Any, name: str) -> str:
    for _ in range(600):
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("PROGRESS"):
            return str(stack["StackStatus"])
        time.sleep(0.1)
    raise TimeoutError(name)


def test_bad_settings_and_no_credentials_end_with_two(
    ordinary_account: None, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    assert main(["--app", str(tmp_path)]) == 2
    assert "is not a cloud assembly" in capsys.readouterr().err


def test_vcpus_of_spark_jobs_beyond_the_quota_are_noted_with_their_request(
    ordinary_account: None, synthesize: Synthesize, preflight: Preflight
) -> None:
    settings = {"profile": "lists", "source": "s3://elsewhere/logs/"}
    _, report = preflight(synthesize(settings))
    assert "ok          Max concurrent vCPUs per account: 16, 16 at most, 8 at least" in report
    _, report = preflight(synthesize({**settings, "preparation": {"max_vcpus": 64}}))
    assert "Max concurrent vCPUs per account: 16, 64 at most, 8 at least; jobs take" in report
    asked = commands(report, "request-service-quota-increase")
    assert [(one["--quota-code"], one["--desired-value"]) for one in asked] == [
        ("L-D05C8A75", "64")
    ]
