"""What the deployments cost, by sums made on paper."""

import re
from collections.abc import Callable

import pytest

from cost.estimate import of_assembly
from cost.report import lines, summary
from tests.stacks.deployments import Deployment, Synthesize


@pytest.mark.parametrize(
    ("name", "stacks", "hourly"),
    [
        # three endpoints on ml.m5.large at 0.115
        ("default", {"Object2Vec"}, 3 * 0.115),
        # two endpoints on two each, two alarms each; what scaling adds is not there yet
        ("workshop in Ireland, scaling", {"Object2Vec"}, 4 * 0.115 + 4 * 0.10 / 730),
        ("serverless in China", {"Object2Vec"}, 0.0),
        # one second-version campaign for 3,600 requests an hour at 0.15 a thousand
        ("default", {"Personalize"}, 0.54),
        # two recommenders; for two requests a second each, three first-version campaigns at 0.0556
        # a thousand, the domain group's ranking, second version, and the recommenders' alarms
        (
            "all of Personalize",
            {"Personalize"},
            2 * 0.375 + 3 * 2 * 0.20016 + 2 * 0.54 + 2 * 0.1 / 730,
        ),
        ("kms, other names", {"Data"}, 1 / 730),
        # ml.t3.medium at 0.05, and 10 GB at 0.14 a month
        ("every engine", {"Notebook"}, 0.05 + 10 * 0.14 / 730),
    ],
)
def test_hourly_charges_of_deployments_are_complete(
    variant: Callable[[str], Deployment], name: str, stacks: set[str], hourly: float
) -> None:
    deployment = variant(name)
    found = of_assembly(deployment.folder)
    names = {f"{deployment.prefix}-{stack}" for stack in stacks}
    standing = sum(charge.hourly for charge in found.charges if charge.stack in names)
    assert standing == pytest.approx(hourly)


def test_deployments_have_no_unpriced_resources(any_variant: Deployment) -> None:
    found = of_assembly(any_variant.folder)
    assert found.unpriced == {}
    assert all(found.by_use.values()), "a price by use is missing from the table"


def test_caretaker_metric_without_alarms_is_charged(synthesize: Synthesize) -> None:
    settings = {"operations": {"idle_hours": 24}, "personalize": {"groups": "off"}}
    found = of_assembly(synthesize(settings).folder)
    (metric,) = [one for one in found.charges if one.what == "custom metric"]
    assert metric.hourly * 730 == pytest.approx(0.30)


def test_the_lists_alone_cost_at_most_a_dollar_a_month_while_nobody_calls(
    synthesize: Synthesize,
) -> None:
    found = of_assembly(synthesize({"profile": "lists", "api": {"http": True}}).folder)
    assert found.monthly == 0
    # ten million events: 50 bytes each, and the 100 that DynamoDB adds for billing; in S3 less
    table = {one.item: one.usd for one in found.by_use["tables"]}
    gigabytes = 10e6 * 150 / 1e9
    a_month = gigabytes * (table["dynamodb/storage"] + table["dynamodb/recovery"] + 2 * 0.023)
    assert a_month < 1
    # a million calls at 0.20, 20 ms of half a GB each at 0.0000133334 a second, and 1 GB of logs at
    # 0.50; three reads of 4 KB for 145 events of 60 bytes at 0.125, or a write at 0.625
    calls = 0.20 + 10_000 * 0.0000133334 + 0.50
    assert found.lists
    assert (found.lists.lists, found.lists.events) == pytest.approx((calls + 0.375, calls + 0.625))
    # ten million events of 160 bytes, in the table, its recovery and the bucket
    assert found.lists.idle == pytest.approx(1.6 * (0.25 + 0.20 + 0.023))
    told = "\n".join(lines(found))
    # 2,628,000 and a million requests at 0.15 a thousand; a million events of 200 bytes at 0.05
    for row in (
        ("recommender-Lists", "0.76", "1.21", "1.46"),
        ("second", "394.20", "150.00", "0.01"),
    ):
        assert re.search(r"\s+".join(map(re.escape, row)), told), row
    for price in found.lists.prices:
        assert f"{price.as_of}, {price.source}" in told


def test_an_arm_that_asks_an_engine_costs_the_time_that_it_takes(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    assert not of_assembly(default.folder).engines
    assert not of_assembly(variant("lists alone").folder).engines  # arms of the lists' own model
    found = of_assembly(variant("every engine").folder)
    # a million times 50 ms of half a GB at 0.0000133334 a second
    for engine, used in zip(
        ("deep_mf", "factorization_machines", "object2vec"), found.engines, strict=True
    ):
        assert engine in used.name and used.lists == pytest.approx(25_000 * 0.0000133334)
    told = "\n".join(lines(found))
    assert re.search(r"an arm that asks deep_mf, in addition +0\.00 +0\.33 +0\.00", told)
    (asks,) = of_assembly(variant("domain group").folder).engines
    assert "personalize" in asks.name


def test_job_of_a_source_is_estimated_from_its_size(
    variant: Callable[[str], Deployment],
) -> None:
    found = of_assembly(variant("source in a bucket").folder)
    assert found.spark
    # 25 GB of CSV at 25 bytes are a billion ratings; 45 seconds, and 42,000 of a vCPU on 64 less
    # the driver's 4; 64 vCPUs, each at 0.042094 an hour with 4 GB at 0.004623
    seconds = 45 + 42_000 / 60
    assert found.spark.ratings == 1e9
    assert found.spark.vcpu_seconds == pytest.approx(64 * seconds)
    usd = 64 * seconds / 3600 * (0.042094 + 4 * 0.004623)
    assert found.spark.usd == pytest.approx(usd)
    told = "about 1,000,000,000 ratings in 25,000.0 MB: 48,000 vCPU-seconds (12 min on 64 vCPU)"
    assert f"estimated: {told}, $0.80." in summary(found, None)
    full = "\n".join(lines(found))
    assert f"{told}, $0.80" in full and "on AWS nothing has been measured" in full
    assert "lists for all users, users × items, are not counted" in full


def test_training_is_charged_at_its_maximum(default: Deployment) -> None:
    # five jobs, of which two train again on all ratings, each of at most 150 minutes on
    # ml.m5.xlarge at 0.23, with 10 GB at 0.14 a month
    assert of_assembly(default.folder).once == pytest.approx(
        5 * (2.5 * 0.23 + 10 * 2.5 / 730 * 0.14)
    )
