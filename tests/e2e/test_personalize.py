"""Amazon Personalize from `cdk deploy` to `cdk destroy`, both dataset groups. In order."""

import json
import os
import shutil
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

import retrain
from local_aws import processes
from local_aws.iam.witness import Allowed, Permission
from local_aws.personalize import batch, solutions
from local_aws.personalize.engine import Served, Training
from outputs import by_stack
from recsys.__main__ import main as recsys
from rehearsal.cdk import CdkError, cdk
from rehearsal.inventory import inventory
from tests.e2e import privileges
from tests.e2e.conftest import Workbench
from tests.reliability import Tally
from tests.synthesis import bootstrap

STACK = "recommender-Personalize"
ALL = (
    *("-c", "personalize.groups=both", "-c", "personalize.batch=true"),
    *("-c", "personalize.schedule=manual", "-c", "personalize.gate=90"),
    *("-c", "personalize.attribution=true"),
)
CAMPAIGN, VERSION = (
    f"CustomUserPersonalizationV2{name}Arn" for name in ("Campaign", "SolutionVersion")
)


@dataclass
class Life:
    """What one test learns and a later one needs."""

    before: set[str] = field(default_factory=set)
    outputs: dict[str, str] = field(default_factory=dict)
    permissions: set[Permission] = field(default_factory=set)


@pytest.fixture(scope="module")
def life(workbench: Workbench) -> Life:
    bootstrap()
    return Life(before=inventory())


def _deploy(workbench: Workbench, *settings: str) -> dict[str, str]:
    workbench.cdk("deploy", STACK, "--require-approval=never", *settings)
    return by_stack()[STACK]


def _recommended(user: str = "1", **request: Any) -> list[str]:
    answer = boto3.client("personalize-runtime").get_recommendations(userId=user, **request)
    return [item["itemId"] for item in answer["itemList"]]


def _table(workbench: Workbench, group: str, name: str) -> list[dict[str, str]]:
    path = workbench.folder / "data" / "bucket" / "personalize" / group / f"{name}.csv"
    header, *lines = path.read_text("utf-8").splitlines()
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def test_deploy_creates_both_groups(workbench: Workbench, life: Life) -> None:
    life.outputs = _deploy(workbench, *ALL)
    assert {name for name in life.outputs if name.endswith(("CampaignArn", "RecommenderArn"))} == {
        "CustomUserPersonalizationV2CampaignArn",
        "DomainPersonalizedRankingV2CampaignArn",
        "DomainMoreLikeXRecommenderArn",
        "DomainTopPicksRecommenderArn",
    }
    metrics = json.loads(life.outputs["CustomUserPersonalizationV2Metrics"])
    assert 0 < metrics["normalized_discounted_cumulative_gain_at_25"] <= 1


def test_training_does_not_start_automatically(life: Life) -> None:
    personalize = boto3.client("personalize")
    for solution in personalize.list_solutions()["solutions"]:
        described = personalize.describe_solution(solutionArn=solution["solutionArn"])
        assert described["solution"]["performAutoTraining"] is False


def test_campaigns_and_recommenders_all_answer(workbench: Workbench, life: Life) -> None:
    known = {row["ITEM_ID"] for row in _table(workbench, "custom", "items")}
    campaign = life.outputs["CustomUserPersonalizationV2CampaignArn"]
    first = _recommended("1", campaignArn=campaign, numResults=10)
    assert len(set(first)) == 10
    assert set(first) <= known
    assert first != _recommended("2", campaignArn=campaign, numResults=10)
    like = life.outputs["DomainMoreLikeXRecommenderArn"]
    related = _recommended("1", recommenderArn=like, itemId="5", numResults=10)
    assert len(related) == 10
    assert "5" not in related
    some = sorted(known)[:10]
    ranking = boto3.client("personalize-runtime").get_personalized_ranking(
        campaignArn=life.outputs["DomainPersonalizedRankingV2CampaignArn"],
        userId="1",
        inputList=some,
    )["personalizedRanking"]
    assert sorted(item["itemId"] for item in ranking) == some


def test_filters_apply_to_lists(workbench: Workbench, life: Life) -> None:
    items = {row["ITEM_ID"]: row for row in _table(workbench, "domain", "items")}
    picks = life.outputs["DomainTopPicksRecommenderArn"]
    genre = next(row["GENRES"].split("|")[0] for row in items.values() if row["GENRES"])
    comedies = _recommended(
        recommenderArn=picks,
        filterArn=life.outputs["DomainGenreFilterArn"],
        filterValues={"GENRE": f'"{genre}"'},
    )
    assert comedies
    assert all(genre in items[item]["GENRES"].split("|") for item in comedies)
    nineties = _recommended(
        recommenderArn=picks,
        filterArn=life.outputs["DomainYearRangeFilterArn"],
        filterValues={"YEAR1": "1990", "YEAR2": "2000"},
    )
    assert nineties
    assert all(1990 <= int(items[item]["YEAR"]) < 2000 for item in nineties)
    middle = sorted(int(row["CREATION_TIMESTAMP"]) for row in items.values())[len(items) // 2]
    new = _recommended(
        recommenderArn=picks,
        filterArn=life.outputs["DomainSinceFilterArn"],
        filterValues={"SINCE": str(middle)},
    )
    assert new
    assert all(int(items[item]["CREATION_TIMESTAMP"]) >= middle for item in new)
    rated = {
        row["ITEM_ID"]
        for row in _table(workbench, "custom", "interactions")
        if row["USER_ID"] == "1"
    }
    fresh = _recommended(
        campaignArn=life.outputs["CustomUserPersonalizationV2CampaignArn"],
        filterArn=life.outputs["CustomUnratedFilterArn"],
    )
    assert fresh
    assert not rated & set(fresh)


def test_events_change_the_next_answer(life: Life) -> None:
    picks = life.outputs["DomainTopPicksRecommenderArn"]
    answer = boto3.client("personalize-runtime").get_recommendations(
        userId="1", recommenderArn=picks, numResults=10
    )
    before = [item["itemId"] for item in answer["itemList"]]
    event = {"eventType": "Watch", "itemId": before[0], "sentAt": time.time()}
    boto3.client("personalize-events").put_events(
        trackingId=life.outputs["DomainTrackingId"],
        userId="1",
        sessionId=str(uuid.uuid4()),
        eventList=[{**event, "recommendationId": answer["recommendationId"]}],
    )
    counted = boto3.client("cloudwatch").list_metrics(
        Namespace="AWS/Personalize", MetricName="Watch"
    )["Metrics"]
    assert [one["Dimensions"] for one in counted] == [
        [{"Name": "EVENT_ATTRIBUTION_SOURCE", "Value": picks}]
    ]
    after = _recommended(recommenderArn=picks, numResults=10)
    assert before[0] not in after
    watched = _recommended(
        recommenderArn=picks, filterArn=life.outputs["DomainUnwatchedFilterArn"], numResults=10
    )
    assert before[0] not in watched


def _batch(life: Life, name: str, users: list[str], **more: Any) -> str:
    """Begin a batch inference job; its ARN."""
    bucket = by_stack()["recommender-Data"]["BucketName"]
    lines = "\n".join(json.dumps({"userId": user}) for user in users)
    boto3.client("s3").put_object(Bucket=bucket, Key=f"personalize/batch/{name}.json", Body=lines)
    answer = boto3.client("personalize").create_batch_inference_job(
        jobName=name,
        solutionVersionArn=life.outputs[VERSION],
        roleArn=life.outputs["BatchRoleArn"],
        jobInput={"s3DataSource": {"path": f"s3://{bucket}/personalize/batch/{name}.json"}},
        jobOutput={"s3DataDestination": {"path": f"s3://{bucket}/personalize/batch/out/"}},
        **more,
    )
    return str(answer["batchInferenceJobArn"])


def _job(arn: str) -> dict[str, Any]:
    described = boto3.client("personalize").describe_batch_inference_job(batchInferenceJobArn=arn)
    return dict(described["batchInferenceJob"])


def test_batch_job_equals_the_campaign(life: Life) -> None:
    users = ["1", "2", "3"]
    unrated = life.outputs["CustomUnratedFilterArn"]
    job = _batch(life, "users", users, filterArn=unrated, numResults=10)
    while (told := _job(job))["status"] not in ("ACTIVE", "CREATE FAILED"):
        time.sleep(0.2)
    assert told["status"] == "ACTIVE", told
    written = boto3.client("s3").get_object(
        Bucket=by_stack()["recommender-Data"]["BucketName"],
        Key="personalize/batch/out/users.json.out",
    )
    answers = [json.loads(line) for line in written["Body"].read().decode().splitlines()]
    for user, answer in zip(users, answers, strict=True):
        assert answer["output"]["recommendedItems"] == _recommended(
            user, campaignArn=life.outputs[CAMPAIGN], filterArn=unrated, numResults=10
        )


def test_a_training_by_hand_serves_a_new_version_that_knows_the_events(
    life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("personalize-events").put_events(
        trackingId=life.outputs["CustomTrackingId"],
        userId="a late one",
        sessionId="s",
        eventList=[{"eventType": "Rating", "itemId": "1", "sentAt": time.time()}],
    )
    before, life.outputs = life.outputs, {}
    assert retrain.main(["personalize"]) == 0, capsys.readouterr()
    life.outputs = by_stack()[STACK]
    changed = {name for name in before if before[name] != life.outputs[name]}
    versions = {name for name in before if name.endswith("SolutionVersionArn")}
    assert versions <= changed <= versions | {name for name in before if "Metrics" in name}
    assert _served(life) == life.outputs[VERSION]
    told = capsys.readouterr().out
    assert "CustomUserPersonalizationV2Metrics: " in told
    assert told.splitlines()[-1].endswith("answers")


def test_new_ratings_retrain_the_existing_campaign(workbench: Workbench, life: Life) -> None:
    data = workbench.folder / "data"
    shutil.copytree(data, workbench.folder / "before")
    interactions = data / "bucket" / "personalize" / "custom" / "interactions.csv"
    with interactions.open("a") as file:
        file.write("a newcomer,1,Rating,5,1000000000\n")
    assert recsys(["health", "--data", str(data)]) == 0
    changed = _deploy(workbench, *ALL)
    others = {name for name in life.outputs if changed[name] != life.outputs[name]}
    # the metrics of a fold of the users may be the same
    assert others - {"CustomUserPersonalizationV2Metrics"} == {VERSION}
    assert _served(life) == changed[VERSION]
    unrated = {"filterArn": changed["CustomUnratedFilterArn"], "numResults": 500}
    everything = _recommended("stranger", campaignArn=changed[CAMPAIGN], **unrated)
    assert set(everything) - {"1"} == set(
        _recommended("a newcomer", campaignArn=changed[CAMPAIGN], **unrated)
    )


def test_earlier_data_do_not_retrain_and_min_tps_updates_in_place(
    workbench: Workbench, life: Life
) -> None:
    data = workbench.folder / "data"
    shutil.rmtree(data)
    (workbench.folder / "before").rename(data)
    changed = _deploy(workbench, *ALL, "-c", "personalize.min_tps=2")
    same = [name for name in life.outputs if name.endswith(("CampaignArn", "VersionArn"))]
    assert {name: changed[name] for name in same} == {name: life.outputs[name] for name in same}
    assert _served(life) == life.outputs[VERSION]
    personalize = boto3.client("personalize")
    solution = life.outputs[VERSION].rpartition("/")[0]
    versions = personalize.list_solution_versions(solutionArn=solution)["solutionVersions"]
    assert len(versions) == 3
    campaign = personalize.describe_campaign(campaignArn=life.outputs[CAMPAIGN])["campaign"]
    assert campaign["minProvisionedTPS"] == 2
    unrated = {"filterArn": changed["CustomUnratedFilterArn"], "numResults": 500}
    assert _recommended("a newcomer", campaignArn=changed[CAMPAIGN], **unrated) == _recommended(
        "stranger", campaignArn=changed[CAMPAIGN], **unrated
    ), "the data are those of before"


def _served(life: Life) -> str:
    """The version that the custom group's campaign answers by."""
    found = boto3.client("personalize").describe_campaign(campaignArn=life.outputs[CAMPAIGN])
    return str(found["campaign"]["solutionVersionArn"])


def test_remember_permissions(life: Life) -> None:
    life.permissions = privileges.deployed()


def test_destroy_waits_for_a_batch_job_and_leaves_nothing(
    workbench: Workbench, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    class Slow(Served):
        """A model that does not answer before it may."""

        def ask(self, request: dict[str, Any]) -> dict[str, Any]:
            go_on.wait()
            return super().ask(request)

    monkeypatch.setattr(batch, "Served", Slow)
    job, solution = _batch(life, "late", ["1"]), life.outputs[VERSION].rpartition("/")[0]
    destruction = threading.Thread(target=workbench.cdk, args=("destroy", "--all", "--force"))
    destruction.start()
    personalize = boto3.client("personalize")
    try:
        while personalize.list_campaigns(solutionArn=solution)["campaigns"]:
            assert destruction.is_alive()
            time.sleep(0.2)
        time.sleep(1)  # long enough to try, and to receive that the solution is in use
        assert _job(job)["status"] == "CREATE IN_PROGRESS"
        assert personalize.describe_solution(solutionArn=solution)["solution"]["status"] == "ACTIVE"
    finally:
        go_on.set()
        destruction.join()
    assert sorted(inventory() - life.before) == []


def test_destroy_during_a_training_leaves_nothing(
    workbench: Workbench, life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Paused(Training):
        """A real training that is suspended as soon as it has started."""

        def __init__(self, folder: Path) -> None:
            super().__init__(folder)
            os.kill(self._child.pid, signal.SIGSTOP)

    monkeypatch.setattr(solutions, "Training", Paused)
    failed = []

    def deploy() -> None:
        try:
            cdk(
                *("deploy", STACK, "--require-approval=never"),
                *("-c", f"data={workbench.folder / 'data'}"),
                *("--output", str(workbench.folder / "other.out")),
                log=workbench.folder / "other.log",
            )
        except CdkError as error:
            failed.append(error)

    deployment = threading.Thread(target=deploy)
    deployment.start()
    personalize = boto3.client("personalize")
    statuses: list[str] = []
    while "CREATE IN_PROGRESS" not in statuses:
        assert deployment.is_alive()
        time.sleep(0.5)
        versions = personalize.list_solution_versions()["solutionVersions"]
        statuses = [version["status"] for version in versions]
    boto3.client("cloudformation").delete_stack(StackName=STACK)
    deployment.join()
    assert failed
    workbench.cdk("destroy", "--all", "--force")
    assert sorted(inventory() - life.before) == []
    programs = [str(child.popen.args) for child in processes.running()]
    assert [program for program in programs if "recsys" in program] == []


def test_permissions_are_all_needed(life: Life, seen: set[Allowed], tally: Tally) -> None:
    privileges.check(life.permissions, seen, tally)
