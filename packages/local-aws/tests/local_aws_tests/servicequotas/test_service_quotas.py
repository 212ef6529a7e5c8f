"""Service Quotas' API, and the table behind it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.__main__ import main
from local_aws.server import LocalAws
from local_aws.servicequotas import table

REGION = "us-east-1"
TRAINING = {"ServiceCode": "sagemaker", "QuotaCode": "L-CCE2AFA6"}  # ml.m5.xlarge
# The only types with a default other than 0, as an account opened in July 2026 had them
NEW_ACCOUNTS_ENDPOINTS = {"ml.t2.medium": 2, "ml.m6g.large": 2, "ml.m6g.xlarge": 1}


@pytest.fixture
def new_account() -> Iterator[Any]:
    with LocalAws(quotas="new-account"):
        yield clients.client("service-quotas", REGION)


def listed(api: Any, operation: str = "list_service_quotas", **wanted: str) -> dict[str, float]:
    pages = api.get_paginator(operation).paginate(PaginationConfig={"PageSize": 50}, **wanted)
    return {one["QuotaName"]: one["Value"] for page in pages for one in page["Quotas"]}


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.mark.slow
def test_new_account_has_no_training_instances_and_those_of_three_endpoint_types(
    new_account: Any,
) -> None:
    quotas = listed(new_account, ServiceCode="sagemaker")
    training = {n: v for n, v in quotas.items() if re.fullmatch(r"ml\.\S+ for training.*", n)}
    assert len(training) > 20
    assert set(training.values()) == {0}
    endpoints = {
        name.removesuffix(" for endpoint usage"): value
        for name, value in quotas.items()
        if name.endswith(" for endpoint usage") and value
    }
    assert endpoints == NEW_ACCOUNTS_ENDPOINTS
    spot = {name for name, value in quotas.items() if " for spot training" in name and value}
    assert {
        "ml.m5.large for spot training job usage",
        "ml.c5.xlarge for spot training job usage",
    } <= spot
    assert quotas["Maximum number of serverless endpoints"] == 5
    concurrency = "Maximum total concurrency that can be allocated across all serverless endpoints"
    assert quotas[concurrency] == 10
    assert listed(new_account, ServiceCode="personalize")["Active campaigns per dataset group"] == 5


@pytest.mark.slow
def test_defaults_are_aws_own_whatever_applies(new_account: Any) -> None:
    lambdas = {"ServiceCode": "lambda", "QuotaCode": "L-B99A9384"}
    assert new_account.get_service_quota(**lambdas)["Quota"]["Value"] == 10
    default = new_account.get_aws_default_service_quota(**lambdas)["Quota"]
    assert default["Value"] == 1000
    assert default["QuotaArn"] == "arn:aws:servicequotas:us-east-1::lambda/L-B99A9384"
    assert listed(new_account, "list_aws_default_service_quotas", ServiceCode="lambda") == {
        "Concurrent executions": 1000
    }


@pytest.mark.slow
def test_granted_request_applies_and_is_listed(new_account: Any) -> None:
    asked = new_account.request_service_quota_increase(**TRAINING, DesiredValue=3)["RequestedQuota"]
    assert (asked["QuotaName"], asked["Status"]) == (
        "ml.m5.xlarge for training job usage",
        "APPROVED",
    )
    assert new_account.get_service_quota(**TRAINING)["Quota"]["Value"] == 3
    for history in (
        new_account.list_requested_service_quota_change_history(ServiceCode="sagemaker"),
        new_account.list_requested_service_quota_change_history_by_quota(**TRAINING),
    ):
        assert [one["Id"] for one in history["RequestedQuotas"]] == [asked["Id"]]
    found = new_account.get_requested_service_quota_change(RequestId=asked["Id"])["RequestedQuota"]
    assert found["DesiredValue"] == 3
    with pytest.raises(ClientError, match="greater than the current quota") as same:
        new_account.request_service_quota_increase(**TRAINING, DesiredValue=3)
    assert code_of(same) == "IllegalArgumentException"
    other = clients.client("service-quotas", "eu-west-1")
    assert other.get_service_quota(**TRAINING)["Quota"]["Value"] == 0


@pytest.mark.slow
def test_unknown_quotas_and_services_are_refused_with_aws_code(new_account: Any) -> None:
    for wanted in (
        {"ServiceCode": "sagemaker", "QuotaCode": "L-00000000"},
        {"ServiceCode": "no-such-service", "QuotaCode": "L-CCE2AFA6"},
    ):
        with pytest.raises(ClientError) as error:
            new_account.get_service_quota(**wanted)
        assert code_of(error) == "NoSuchResourceException"
    with pytest.raises(ClientError, match="CreateSupportCase") as error:
        new_account.create_support_case(RequestId="0")
    assert code_of(error) == "NotImplementedByLocalAws"


def test_table_has_a_source_and_a_date_for_every_number_and_no_code_twice() -> None:
    rows = list(table.quotas().values())
    assert all(row.source and re.fullmatch(r"20\d\d(-\d\d)*", row.as_of) for row in rows)
    codes = [row.code for row in rows if row.code]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"L-[0-9A-F]{8}", code) for code in codes)
    assert all(row.applied["new-account"] <= row.default for row in rows)
    assert all(row.applied["ordinary"] >= row.applied["new-account"] for row in rows)


def test_unknown_profile_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="one of ordinary, new-account, not 'rich'"):
        LocalAws(quotas="rich")
    with pytest.raises(SystemExit) as ended:
        main(["--quotas", "rich"])
    assert ended.value.code == 2
    assert "invalid choice: 'rich'" in capsys.readouterr().err


@pytest.mark.slow
def test_profile_ends_with_its_server(new_account: Any) -> None:
    assert table.profile() == "new-account"


@pytest.mark.slow
def test_next_server_has_an_ordinary_account() -> None:
    with LocalAws(quotas="new-account"):
        pass
    with LocalAws():
        api = clients.client("service-quotas", REGION)
        assert api.get_service_quota(**TRAINING)["Quota"]["Value"] > 0
