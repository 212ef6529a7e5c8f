"""Sums worked out by hand, from prices that are easy to add up."""

import bz2
import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cost import spark
from cost.__main__ import main
from cost.estimate import Estimate, of_assembly, of_templates
from cost.prices import Price, read
from cost.report import lines, summary

PRICES = {
    item: Price(item=item, usd=usd, per=per, as_of="2026-01-01", source="made up")
    for item, usd, per in (
        ("sagemaker/ml.a.large", 2.0, "hour"),
        ("sagemaker/storage", 7.3, "GB-month"),
        ("sagemaker/serverless", 0.001, "GB-second"),
        ("personalize/requests", 1.0, "1000 requests"),
        ("personalize/requests-v2", 10.0, "1000 requests"),
        ("personalize/training-v2", 0.5, "1000 interactions"),
        ("kms/key", 73.0, "month"),
        ("cloudwatch/alarm", 7.3, "month"),
    )
}


def estimated(**resources: dict[str, Any]) -> Estimate:
    return of_templates({"Stack": {"Resources": resources}}, PRICES)


def endpoint(name: str, **variant: Any) -> dict[str, Any]:
    reference = {"Fn::GetAtt": [f"{name}Config", "EndpointConfigName"]}
    return {
        f"{name}Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant]},
        },
        name: {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointConfigName": reference},
        },
    }


def campaign(recipe: str, tps: int) -> dict[str, Any]:
    return {
        "Solution": {
            "Type": "Custom::TrainedStart",
            "Properties": {
                "Kind": "Solution",
                "Request": {"recipeArn": {"Fn::Join": ["", ["arn:", f":recipe/{recipe}"]]}},
            },
        },
        "Version": {
            "Type": "Custom::TrainedStart",
            "Properties": {
                "Kind": "SolutionVersion",
                "Request": {"solutionArn": {"Fn::GetAtt": ["Solution", "Arn"]}},
            },
        },
        "Wait": {
            "Type": "Custom::TrainedWait",
            "Properties": {"Arn": {"Fn::GetAtt": ["Version", "Arn"]}},
        },
        "Campaign": {
            "Type": "AWS::Personalize::Campaign",
            "Properties": {
                "MinProvisionedTPS": tps,
                "SolutionVersionArn": {"Fn::GetAtt": ["Wait", "Arn"]},
            },
        },
    }


def test_machines_are_paid_by_the_hour_as_many_as_stand() -> None:
    found = estimated(**endpoint("E", InstanceType="ml.a.large", InitialInstanceCount=3))
    assert found.hourly == 6.0
    assert found.monthly == 4380.0
    assert (found.once, found.by_use, found.unpriced) == (0, {}, {})


def test_spark_costs_by_use_and_processor() -> None:
    kind = "AWS::EMRServerless::Application"
    for machine, vcpu in (("ARM64", 0.042094), ("X86_64", 0.052624)):
        application = {"Type": kind, "Properties": {"Architecture": machine}}
        found = of_templates({"S": {"Resources": {"A": application}}})
        assert found.hourly == 0
        prices = found.by_use["Spark job runs"]
        assert [price.per for price in prices] == ["vCPU-hour", "GB-hour", "GB-hour"]
        assert prices[0].usd == vcpu


def test_estimate_of_the_spark_job_is_what_was_measured() -> None:
    """The time on two cores, from which the cost of another number of ratings is told."""
    path = Path(__file__).resolve().parents[2] / "bench" / "results" / "spark.json"
    rows = {one.get("shape"): one for one in json.loads(path.read_text("utf-8"))}
    for shape in ("100k", "1M", "10M"):
        ratings = rows[shape]["ratings"]
        # two vCPUs that compute, and the driver's four that do not
        found = spark.of_job({"csv": 25 * ratings}, 6, 0.0, 0.0, lists=False)
        assert found.ratings == ratings
        assert found.seconds == pytest.approx(max(60, rows[shape]["seconds"]), rel=0.1)


@pytest.mark.parametrize("form", spark.BYTES)
def test_bytes_of_a_rating_are_those_of_random_ratings(form: str) -> None:
    """In MovieLens 20M's shape, whose own CSV file has 26.7 bytes a rating."""
    random, count = np.random.default_rng(0), 20_000
    columns = {
        "userId": random.integers(1, 138_494, count),
        "movieId": random.zipf(1.3, count) % 26_744,
        "rating": random.integers(1, 11, count) / 2,
        "timestamp": random.integers(1_000_000_000, 1_700_000_000, count),
    }
    kind, _, packed = form.partition(".")
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    if kind == "parquet":
        written = io.BytesIO()
        pq.write_table(pa.table(columns), written)
        content = written.getvalue()
    elif kind == "csv":
        content = "\n".join(",".join(map(str, row)) for row in rows).encode()
    else:
        content = "\n".join(
            json.dumps(dict(zip(columns, row, strict=True))) for row in rows
        ).encode()
    packs: dict[str, Any] = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress}
    assert len(packs[packed](content)) / count == pytest.approx(spark.BYTES[form], rel=0.25)


def test_a_serverless_endpoint_costs_by_use_alone() -> None:
    found = estimated(**endpoint("E", ServerlessConfig={"MemorySizeInMB": 1024}))
    assert (found.hourly, found.once) == (0, 0)
    assert found.by_use == {"serverless endpoints": [PRICES["sagemaker/serverless"]]}


def test_monthly_prices_are_spread_over_730_hours() -> None:
    metric: dict[str, Any] = {"MetricStat": {}}
    found = estimated(
        K={"Type": "AWS::KMS::Key"},
        A={"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}},
        B={
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"Metrics": [metric, metric, {"Expression": "a / b"}]},
        },
    )
    # 73 for the key, 7.3 for the first alarm, twice that for the second, which watches two metrics
    assert found.hourly == pytest.approx(0.1 + 0.01 + 0.02)
    assert found.monthly == pytest.approx(94.9)


def test_training_is_paid_once_for_at_most_the_time_it_may_take() -> None:
    found = estimated(
        T={
            "Type": "Custom::TrainedStart",
            "Properties": {
                "Kind": "TrainingJob",
                "Request": {
                    "ResourceConfig": {
                        "InstanceType": "ml.a.large",
                        "InstanceCount": 1,
                        "VolumeSizeInGB": 100,
                    },
                    "StoppingCondition": {"MaxRuntimeInSeconds": 5400},
                },
            },
        }
    )
    # an hour and a half at 2.0, and a hundred gigabytes for as long at a cent an hour each
    assert found.once == pytest.approx(3.0 + 1.5)
    assert found.hourly == 0


def test_transform_is_paid_for_as_long_as_the_deployment_may_wait_for_it() -> None:
    wait = {
        "Type": "Custom::TrainedWait",
        "Properties": {"Arn": {"Fn::GetAtt": ["S", "Arn"]}, "Seconds": 1800},
    }
    another = {"Type": "Custom::TrainedWait", "Properties": {"Seconds": 1800}}
    request = {"TransformResources": {"InstanceType": "ml.a.large", "InstanceCount": 1}}
    start = {
        "Type": "Custom::TrainedStart",
        "Properties": {"Kind": "TransformJob", "Request": request},
    }
    found = estimated(S=start, W1=wait, W2=wait, Other=another)
    # two waits of half an hour, at 2.0 an hour
    assert found.once == pytest.approx(2.0)
    assert found.hourly == 0


def test_second_training_on_all_ratings_is_paid_and_named() -> None:
    request = {
        "ResourceConfig": {
            "InstanceType": "ml.a.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 100,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 5400},
    }
    epochs = {"Fn::GetAtt": ["W", "Epochs"]}
    found = estimated(
        **{
            name: {
                "Type": "Custom::TrainedStart",
                "Properties": {
                    "Kind": "TrainingJob",
                    "Request": {**request, "HyperParameters": {"epochs": one}},
                },
            }
            for name, one in (("T", "20"), ("R", epochs))
        },
        W={"Type": "Custom::TrainedWait", "Properties": {}},
    )
    assert found.once == pytest.approx(2 * 4.5)
    words = {charge.resource: charge.what for charge in found.charges if "×" in charge.what}
    assert words == {
        "T": "1 × ml.a.large, at most 90 min",
        "R": "1 × ml.a.large again on all ratings (refit), at most 90 min",
    }


@pytest.mark.parametrize(
    ("recipe", "hourly"), [("aws-sims", 7.2), ("aws-user-personalization-v2", 72.0)]
)
def test_a_campaign_is_paid_for_what_it_is_kept_ready_for(recipe: str, hourly: float) -> None:
    # two requests a second are 7,200 an hour; the recipe decides on the price
    assert estimated(**campaign(recipe, 2)).hourly == pytest.approx(hourly)


def test_spot_training_costs_at_most_what_it_does_on_demand() -> None:
    machines = {"InstanceType": "ml.a.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
    request = {
        "ResourceConfig": machines,
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 9000},
    }
    properties = {"Kind": "TrainingJob", "Request": request}
    found = estimated(T={"Type": "Custom::TrainedStart", "Properties": properties})
    machine, disk = found.charges
    # an hour at 2, however long it waits
    assert (machine.at_once, machine.what) == (
        2.0,
        "1 × ml.a.large spot, up to 90 % less, at most 60 min",
    )
    assert disk.at_once == pytest.approx(10 / 730 * 7.3)


def test_what_has_no_price_is_named() -> None:
    found = estimated(
        Q={"Type": "AWS::Kinesis::Stream"},
        N={"Type": "AWS::SageMaker::NotebookInstance", "Properties": {"InstanceType": "ml.z.big"}},
        U={"Type": "Custom::TrainedStart", "Properties": {"Kind": "TrainingJob"}},
        R={"Type": "AWS::IAM::Role"},
    )
    assert found.unpriced == {
        "AWS::Kinesis::Stream": ["Q"],
        "sagemaker/ml.z.big": ["N"],
        "Custom::TrainedStart whose size is only known at deployment": ["U"],
    }
    assert "AWS::Kinesis::Stream: Q" in "\n".join(lines(found))
    assert "Not priced: AWS::Kinesis::Stream, " in summary(found, None)


def test_the_top_of_a_deployment_names_what_costs_most_and_sums_the_rest() -> None:
    found = estimated(
        **endpoint("E", InstanceType="ml.a.large", InitialInstanceCount=1),
        **{name: {"Type": "AWS::CloudWatch::Alarm"} for name in ("A", "B")},
    )
    small = Price(item="cloudwatch/alarm", usd=0.73, per="month", as_of="2026", source="made up")
    found.charges = [
        replace(one, price=small) if one.what == "alarm" else one for one in found.charges
    ]
    # 2.0 for the machine; 0.73 / 730 an alarm
    first, an_hour, theirs = summary(found, None).splitlines()
    assert first.startswith("On AWS this costs $2.00 an hour ($1,461 a month)")
    assert an_hour.strip() == "an hour: E $2.000, 2 smaller $0.002"
    assert theirs.strip().startswith("The workshops leave $0.20 to $1.38 an hour running.")
    (row,) = [line for line in lines(found) if "alarm" in line]
    assert row.split() == ["2", "×", "alarm", "0.0020", "1.46"]


def test_a_metric_of_our_own_is_paid_for() -> None:
    item = "cloudwatch/metric"
    prices = {item: Price(item=item, usd=73.0, per="month", as_of="2026", source="made up")}
    measures: dict[str, Any] = {"Environment": {"Variables": {"NAMESPACE": "Ours"}}}
    functions = {"A": measures, "B": {"Environment": {"Variables": {}}}, "C": {}}
    template = {
        "Resources": {
            name: {"Type": "AWS::Lambda::Function", "Properties": properties}
            for name, properties in functions.items()
        }
    }
    found = of_templates({"Stack": template}, prices)
    assert [(one.what, one.hourly) for one in found.charges] == [("custom metric", 0.1)]


def test_another_region_is_not_priced_as_if_it_were_this_one() -> None:
    assert "those of eu-west-1 differ" in summary(Estimate(), "eu-west-1")
    assert "differ" not in summary(Estimate(), "us-east-1")


def test_every_price_tells_its_date_and_its_source() -> None:
    for price in read().values():
        assert price.as_of.startswith("2026-"), price
        assert "price list" in price.source.lower() or "https://aws.amazon.com/" in price.source


def test_all_faults_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    table = tmp_path / "prices.csv"
    table.write_text(
        "item,usd,per,as_of,source\na,1,hour,2026,here\nb,cheap,hour,2026,here\n"
        "a,2,hour,2026,here\nc,-1,hour,2026,here\nd,1,hour,2026,\n"
    )
    with pytest.raises(ValueError, match=r"prices.csv: line 3: .*; line 4: .*; line 5: .*; line 6"):
        read(table)


def test_a_folder_without_an_assembly_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a cloud assembly"):
        of_assembly(tmp_path)


def test_the_workshop_as_it_was_set_up() -> None:
    (line,) = [one for one in lines(Estimate()) if "Recommendation Engines" in one]
    # a notebook of 0.816 with 5 GB at 0.14 a month, and twice 0.28
    assert line.split()[-2:] == ["1.3770", "1,005.18"]


def assembly(folder: Path, file: str, template: str | None = None) -> Path:
    """An assembly of one stack, with `template` as the content of its file."""
    folder.mkdir()
    artifact = {"type": "aws:cloudformation:stack", "properties": {"templateFile": file}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {"s": artifact}}), "utf-8")
    if template is not None:
        (folder / file).write_text(template, "utf-8")
    return folder


@pytest.mark.parametrize("file", ["../outside.json", "/dev/zero", "link.json", "fifo", "absent"])
def test_template_outside_its_assembly_is_not_read(tmp_path: Path, file: str) -> None:
    (tmp_path / "outside.json").write_text('{"Resources": {}}', "utf-8")
    folder = assembly(tmp_path / "assembly", file)
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    os.mkfifo(folder / "fifo")
    with pytest.raises(ValueError, match="is no file of the cloud assembly"):
        of_assembly(folder)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no JSON object"),
        ("{}", "every resource must be an object"),
        ('{"Resources": {"a": 1}}', "every resource must be an object"),
        ('{"Resources": {"a": {"Type": "T", "Properties": []}}}', "every resource must be"),
        (" " * 20_000_001, "more than 20,000,000 bytes"),
    ],
    ids=["depth", "list", "empty", "number", "properties", "size"],
)
def test_template_that_is_none_is_refused(tmp_path: Path, template: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        of_assembly(assembly(tmp_path / "assembly", "t.json", template))


def test_report_controls_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resources = {"a\x1b]0;title\x07\nb": {"Type": "Custom::\x1b[2J"}}
    folder = assembly(tmp_path / "assembly", "t.json", json.dumps({"Resources": resources}))
    assert main(["--app", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "Custom::\N{REPLACEMENT CHARACTER}[2J" in told
    assert not {"\x1b", "\x07"} & set(told)
