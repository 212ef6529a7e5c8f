"""A deployment from `cdk bootstrap` to `cdk destroy`, as a user lives it. The tests go in order."""

import json
import math
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError, WaiterError
from moto.cloudwatch.models import cloudwatch_backends
from moto.sns.models import sns_backends

from local_aws import processes
from local_aws.awslambda import engine as lambdas
from local_aws.cloudformation.models import cloudformation_backends
from local_aws.iam.witness import Allowed, Permission
from outputs import Outputs, by_stack
from rehearsal.calls import workshop_calls
from rehearsal.cdk import PROJECT, CdkError
from rehearsal.inventory import inventory
from rehearsal.personalize import Catalogue
from tests.e2e import privileges
from tests.e2e.conftest import Workbench
from tests.load import ONCE, Load
from tests.reliability import Tally
from tests.synthesis import bootstrap

ACCOUNT, REGION = "123456789012", "us-east-1"
ENDPOINT = "recommender-ratingModel"
BODY = json.dumps({"instances": [{"in0": [1], "in1": [2]}]})
RETRIEVAL = "recommender-Movie_Retrieval_Object2Vec"
INDEXED = ("-c", "neighbours=s3vectors")


@dataclass
class Life:
    """What one test learns and a later one needs."""

    before: set[str] = field(default_factory=set)
    job: str = ""
    config: str = ""
    permissions: set[Permission] = field(default_factory=set)


@pytest.fixture(scope="module")
def workbench(workbench: Workbench) -> Workbench:
    """With monitoring and every engine except Amazon Personalize, which has a separate test."""
    settings = (
        "personalize.groups=off",
        "engines=deep_mf,factorization_machines",
        "deep_mf.mini_batch_size=64",
        "deep_mf.genre_dim=2",
        "operations.alarms=true",
        "operations.dashboard=true",
        "operations.email=anna@example.com",
        "operations.budget_usd=50",
        "operations.idle_hours=6",
        "operations.tracing=true",
    )
    return replace(
        workbench, quick=(*workbench.quick, *(part for one in settings for part in ("-c", one)))
    )


@pytest.fixture(scope="module")
def life() -> Life:
    return Life()


def _rating(runtime: Any = None) -> float:
    answer = (runtime or boto3.client("sagemaker-runtime")).invoke_endpoint(
        EndpointName=ENDPOINT, ContentType="application/json", Body=BODY
    )
    return float(json.loads(answer["Body"].read())["predictions"][0]["scores"][0])


def _neighbours(movie: int = 1, client: Any = None) -> str:
    """The function's answer, as JSON."""
    bucket = by_stack()["recommender-Data"]["BucketName"]
    event = {"bucket_name": bucket, "movie_id_to_examine": movie, "top_k": 100}
    answer = (client or boto3.client("lambda")).invoke(
        FunctionName=RETRIEVAL, Payload=json.dumps(event)
    )
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return str(told["body"])


def _indexes() -> list[str]:
    """Names of those in S3 Vectors."""
    api = boto3.client("s3vectors")
    return [
        index["indexName"]
        for bucket in api.list_vector_buckets()["vectorBuckets"]
        for index in api.list_indexes(vectorBucketArn=bucket["vectorBucketArn"])["indexes"]
    ]


def _config_of_endpoint() -> str:
    described = boto3.client("sagemaker").describe_endpoint(EndpointName=ENDPOINT)
    assert described["EndpointStatus"] == "InService"
    return str(described["EndpointConfigName"])


def _status(stack: str) -> str:
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)
    return str(described["Stacks"][0]["StackStatus"])


def _arguments(child: processes.Child) -> list[str]:
    arguments: Any = child.popen.args
    return [str(each) for each in arguments]


def _programs(*words: str) -> list[processes.Child]:
    """The local AWS's processes whose command has these words."""
    return [each for each in processes.running() if {*words} <= {*_arguments(each)}]


def _kill_a_training() -> None:
    """The first of Object2Vec's that has come to work; a busy machine takes long to begin one."""
    deadline = time.monotonic() + 3000
    while time.monotonic() < deadline:
        for child in _programs("recsys.container", "train", "object2vec"):
            with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                program = psutil.Process(child.pid)
                if time.time() - program.create_time() > 1:
                    program.kill()
                    return
        time.sleep(0.05)


def test_killed_training_rolls_back_with_the_reason(
    workbench: Workbench, life: Life, tally: Tally
) -> None:
    bootstrap()
    life.before = inventory()
    killer = threading.Thread(target=_kill_a_training, daemon=True)
    killer.start()
    # with its dependencies alone: the CLI chooses the order of other stacks by what is ready first
    with pytest.raises(CdkError, match=r"ended as Failed: AlgorithmError: .* exit code: 137"):
        workbench.cdk("deploy", "recommender-Object2Vec", "--require-approval=never")
    killer.join()
    tally("faults injected", "a training is killed while `cdk deploy` waits for it")
    assert _status("recommender-Object2Vec") == "ROLLBACK_COMPLETE"
    sagemaker = boto3.client("sagemaker")
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert sagemaker.list_models()["Models"] == []
    assert _programs("recsys.container") == []


def _halt_trainings(count: int, deployment: threading.Thread) -> list[psutil.Process]:
    """Trainings that cannot end, however fast the machine is."""
    halted: dict[int, psutil.Process] = {}
    while len(halted) < count:
        assert deployment.is_alive()
        for child in _programs("recsys.container", "train", "object2vec"):
            if child.pid not in halted:
                halted[child.pid] = psutil.Process(child.pid)
                halted[child.pid].suspend()
        time.sleep(0.05)
    return list(halted.values())


def test_stack_deletion_stops_trainings(workbench: Workbench, life: Life) -> None:
    failed: list[CdkError] = []

    def deploy() -> None:
        try:
            workbench.cdk("deploy", "--all", "--require-approval=never")
        except CdkError as error:
            failed.append(error)

    deployment = threading.Thread(target=deploy)
    deployment.start()
    halted = _halt_trainings(3, deployment)
    cloudformation, sagemaker = boto3.client("cloudformation"), boto3.client("sagemaker")
    stack = cloudformation.describe_stacks(StackName="recommender-Object2Vec")["Stacks"][0]
    try:
        cloudformation.delete_stack(StackName=stack["StackId"])
        stopping: list[Any] = []
        while len(stopping) < len(halted):
            time.sleep(0.2)
            jobs = sagemaker.list_training_jobs(StatusEquals="Stopping")
            stopping = jobs["TrainingJobSummaries"]
    finally:
        for process in halted:
            process.resume()
    deployment.join()
    assert failed
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack["StackId"], WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    assert _programs("recsys.container") == []


def test_deploy(workbench: Workbench, life: Life) -> None:
    """After the disasters, too."""
    workbench.cdk("deploy", "--all", "--require-approval=never")
    stacks = by_stack()
    assert set(stacks) == {
        "recommender-Data",
        "recommender-Object2Vec",
        "recommender-DeepMf",
        "recommender-FactorizationMachines",
        "recommender-Functions",
        "recommender-Operations",
    }
    life.job = stacks["recommender-Object2Vec"]["RatingTrainingJobName"]
    life.config = _config_of_endpoint()


def test_training_produced_models(life: Life) -> None:
    job = boto3.client("sagemaker").describe_training_job(TrainingJobName=life.job)
    assert job["TrainingJobStatus"] == "Completed"
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    # the labels are 1 to 5 with a variance above 1: two epochs already explain part of it
    assert 0.2 < metrics["validation:mean_squared_error"] < 1.1
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    assert boto3.client("s3").head_object(Bucket=artifact[0], Key=artifact[1])["ContentLength"] > 0


def test_workshop_events_are_answered(workbench: Workbench) -> None:
    data = workbench.folder / "data"
    manifest = json.loads((data / "manifest.json").read_text("utf-8"))
    rating, recommendation, retrieval = workshop_calls(
        Outputs.of(by_stack()), manifest["sample"], Catalogue.read(data)
    )
    assert not rating.error
    assert rating.answer.startswith("The User will likely rate this movie to [")
    predicted = json.loads(rating.answer.removeprefix("The User will likely rate this movie to "))
    assert 0.5 < predicted[0] < 5.5
    assert recommendation.answer in (
        "We recommend the user this movie.",
        "We DO NOT recommend the user this movie.",
    )
    assert retrieval.answer["statusCode"] == 200
    body = json.loads(retrieval.answer["body"])
    movies = boto3.client("s3").get_object(
        Bucket=by_stack()["recommender-Data"]["BucketName"],
        Key="object2vec/movielens/ml-100k/u.item",
    )
    titles = {line.split("|")[1] for line in movies["Body"].read().decode("latin-1").splitlines()}
    assert body["neighbours"]
    assert {neighbour["title"] for neighbour in body["neighbours"]} <= titles
    distances = [neighbour["distance"] for neighbour in body["neighbours"]]
    assert distances == sorted(distances)


def test_popularity_adjusted_lists_use_endpoint_and_catalogue(
    workbench: Workbench,
) -> None:
    data, user = by_stack()["recommender-Data"], 1
    file = boto3.client("s3").get_object(Bucket=data["BucketName"], Key=data["CatalogueKey"])
    counts = {one["item"]: one["ratings"] for one in json.load(file["Body"])["items"]}
    movies = list(counts)
    event = {"type": "recommendation", "user": user, "movies": movies}
    answer = boto3.client("lambda").invoke(
        FunctionName="recommender-Recommendation_Engine_Object2Vec",
        Payload=json.dumps({**event, "rank_by": "popularity_adjusted"}),
    )
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    instances = [{"in0": [user], "in1": [movie]} for movie in movies]
    scored = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="recommender-retrievalModel",
        ContentType="application/json",
        Body=json.dumps({"instances": instances}),
    )
    chances = [one["scores"][1] for one in json.loads(scored["Body"].read())["predictions"]]
    expected = {
        movie: math.log(chance / (1 - chance)) + 2 * math.log(1 + counts[movie])
        for movie, chance in zip(movies, chances, strict=True)
    }
    found = [(one["movie"], one["score"]) for one in told["predictions"]]
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert dict(found) == {
        movie: pytest.approx(score, rel=1e-3) for movie, score in expected.items()
    }


def test_optional_engines_predict_ratings(workbench: Workbench) -> None:
    found = by_stack()
    manifest = json.loads((workbench.folder / "data" / "manifest.json").read_text("utf-8"))
    user, movie = manifest["sample"]["user"], manifest["sample"]["movie"]
    sizes = manifest["object2vec"]
    features = {
        "keys": [user, sizes["enc0_vocab_size"] + movie],
        "shape": [sizes["enc0_vocab_size"] + sizes["enc1_vocab_size"]],
        "values": [1, 1],
    }
    for stack, instance in (
        ("DeepMf", {"in0": [user], "in1": [movie]}),
        ("FactorizationMachines", {"data": {"features": features}}),
    ):
        told = found[f"recommender-{stack}"]
        answer = boto3.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=told[f"{stack}EndpointName"],
            ContentType="application/json",
            Body=json.dumps({"instances": [instance]}),
        )
        ((score,),) = [
            one.get("scores", [one.get("score")])
            for one in json.loads(answer["Body"].read())["predictions"]
        ]
        assert 0.5 < score < 5.5
        errors = json.loads(told[f"{stack}Metrics"])
        error = errors.get("validation:mean_squared_error") or errors["test:mse"]
        assert 0.2 < error < 1.3, "the labels are 1 to 5 with a variance above 1"


def test_functions_log_json(workbench: Workbench) -> None:
    logs = boto3.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{RETRIEVAL}")["events"]
    lines = [json.loads(event["message"]) for event in events]
    (answered,) = [line for line in lines if "The closest movie to " in line.get("message", "")]
    reports = [line["record"] for line in lines if line.get("type") == "platform.report"]
    assert answered["requestId"] in {report["requestId"] for report in reports}


def _risen() -> set[str]:
    """The alarms that ring."""
    pages = boto3.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return {
        alarm["AlarmName"].removeprefix("recommender-")
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["StateValue"] == "ALARM"
    }


def _caretaker() -> dict[str, Any]:
    answer = boto3.client("lambda").invoke(FunctionName="recommender-Caretaker")
    assert "FunctionError" not in answer
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def test_alarms_follow_their_metrics(workbench: Workbench) -> None:
    assert 0 <= _caretaker()["age_days"] < 0.1
    before = _risen()
    # the training that was killed, as long as the alarm looks back
    assert before <= {"Object2Vec-Trainer-failed"}
    boto3.client("lambda").invoke(
        FunctionName="recommender-Recommendation_Engine_Object2Vec", Payload=b'{"type": "?"}'
    )
    assert _risen() - before == {"Recommendation_Engine_Object2Vec-errors"}


def test_killed_model_server_is_restarted(workbench: Workbench, tally: Tally) -> None:
    before = _rating()
    metrics: list[Any] = cloudwatch_backends[ACCOUNT][REGION].metric_data
    servers = _programs("serve")
    assert len(servers) == len(boto3.client("sagemaker").list_endpoints()["Endpoints"])
    begun = len(metrics)
    for server in servers:
        psutil.Process(server.pid).kill()
    failures: list[int] = []
    answer, deadline = None, time.monotonic() + 300
    while answer is None and time.monotonic() < deadline:
        try:
            answer = _rating()
        except ClientError as error:
            response: Any = error.response
            failures.append(response.get("OriginalStatusCode", 0))
    tally("faults injected", "an endpoint's process is killed", len(servers))
    assert answer == before
    assert set(failures) <= {503}
    assert _config_of_endpoint()
    told = [m.value for m in metrics[begun:] if m.name == "Invocation5XXErrors"]
    assert (sum(told), len(told)) == (len(failures), len(failures) + 1)


def test_killed_function_fails_only_one_call(workbench: Workbench, tally: Tally) -> None:
    """Its process is halted first, so that the call is under way when it dies."""
    name = "recommender-Recommendation_Engine_Object2Vec"
    event = json.dumps({"type": "rating", "user": 1, "movies": [2]}).encode()

    def call(answers: list[Any]) -> None:
        answers.append(boto3.client("lambda").invoke(FunctionName=name, Payload=event))

    answers: list[Any] = []
    call(answers)
    halted = []
    for child in processes.running():
        process = psutil.Process(child.pid)
        if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
            process.suspend()
            halted.append(process)
    caller = threading.Thread(target=call, args=[answers])
    caller.start()
    while not any(engine._busy[name] for engine in lambdas._engines):
        assert caller.is_alive()
        time.sleep(0.05)
    assert len(answers) == 1
    for process in halted:
        process.kill()
    caller.join(120)
    call(answers)
    tally("faults injected", "a function's process is killed during a call")
    good, bad, next_one = (json.loads(answer["Payload"].read()) for answer in answers)
    assert [answer.get("FunctionError") for answer in answers] == [None, "Unhandled", None]
    assert bad["errorType"] == "Runtime.ExitError"
    assert bad["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert next_one == good


def test_second_deployment_changes_nothing(workbench: Workbench, life: Life) -> None:
    workbench.cdk("deploy", "--all", "--require-approval=never")
    assert by_stack()["recommender-Object2Vec"]["RatingTrainingJobName"] == life.job
    assert _config_of_endpoint() == life.config


def test_neighbours_from_an_index_equal_those_from_memory(workbench: Workbench, life: Life) -> None:
    def told() -> list[Any]:
        return [
            (one["movie_id"], one["title"], pytest.approx(one["distance"], rel=1e-4))
            for movie in (1, 2, 3)
            # a page of S3 Vectors has 100, with the movie itself, and the boto3 of Lambda's
            # runtimes is too old to ask for the next one
            for one in json.loads(_neighbours(movie))["neighbours"][:99]
        ]

    in_memory = told()
    assert len(in_memory) == 297
    workbench.cdk("deploy", "--all", "--require-approval=never", *INDEXED)
    assert len(_indexes()) == 1
    assert told() == in_memory
    life.permissions = privileges.deployed()


def test_changed_hyperparameters_retrain_without_a_failed_call(
    workbench: Workbench, life: Life, tally: Tally
) -> None:
    runtime = boto3.client("sagemaker-runtime", config=ONCE)
    function = boto3.client("lambda", config=ONCE)
    old, old_neighbours, old_indexes = _rating(), _neighbours(), _indexes()
    with (
        Load(lambda: _rating(runtime), callers=2, pause=0.1) as load,
        Load(lambda: _neighbours(client=function), callers=1, pause=0.5) as asked,
    ):
        workbench.cdk(
            *("deploy", "--all", "--require-approval=never", *INDEXED),
            *("-c", "rating.learning_rate=0.003", "-c", "retrieval.learning_rate=0.003"),
        )
        over = time.monotonic()
        load.wait(10)
    tally("calls under load", "an endpoint that `cdk deploy` retrains", len(load.answers))
    tally("calls lost", "an endpoint that `cdk deploy` retrains", len(load.lost))
    assert load.lost == []
    tally("calls under load", "an index that `cdk deploy` rebuilds", len(asked.answers))
    tally("calls lost", "an index that `cdk deploy` rebuilds", len(asked.lost))
    assert asked.lost == []
    assert asked.values() == {old_neighbours, _neighbours()}
    assert old_neighbours != _neighbours()
    assert len(_indexes()) == 1
    assert _indexes() != old_indexes
    assert load.values() == {old, _rating()}
    assert load.values(since=over) == {_rating()} != {old}
    job = by_stack()["recommender-Object2Vec"]["RatingTrainingJobName"]
    assert job != life.job
    assert _config_of_endpoint() != life.config
    jobs = boto3.client("sagemaker").list_training_jobs(NameContains="recommender-rating")
    assert [summary["TrainingJobName"] for summary in jobs["TrainingJobSummaries"]] == [job]
    life.job, life.config = job, _config_of_endpoint()


def test_failed_training_rolls_back_and_says_why(workbench: Workbench, life: Life) -> None:
    before = _rating()
    with pytest.raises(CdkError, match=r"hcnn"):
        workbench.cdk(
            *("deploy", "--all", "--require-approval=never"),
            *("-c", "rating.learning_rate=0.003", "-c", "retrieval.learning_rate=0.003"),
            *("-c", "rating.enc0_network=hcnn"),
        )
    assert _status("recommender-Object2Vec") == "UPDATE_ROLLBACK_COMPLETE"
    assert _config_of_endpoint() == life.config
    assert _rating() == before
    assert "Object2Vec-Trainer-failed" in _risen()


def test_failed_job_without_rollback_can_be_inspected(workbench: Workbench) -> None:
    before = _rating()
    with pytest.raises(CdkError, match=r"hcnn"):
        workbench.cdk(
            *("deploy", "--all", "--require-approval=never", "--no-rollback"),
            *("-c", "rating.learning_rate=0.003", "-c", "retrieval.learning_rate=0.003"),
            *("-c", "rating.enc0_network=hcnn"),
        )
    assert _status("recommender-Object2Vec") == "UPDATE_FAILED"
    failed = boto3.client("sagemaker").list_training_jobs(StatusEquals="Failed")
    assert len(failed["TrainingJobSummaries"]) == 1
    assert _rating() == before


def test_runbook_commands_show_the_documented_results(workbench: Workbench, life: Life) -> None:
    """The read-only commands; words in capitals are placeholders."""
    text = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
    lines = re.findall(r"^    (.+)$", text, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^    .+$", "", text, flags=re.MULTILINE))
    looks = re.compile(r"aws [\w-]+ (describe|filter|get|list)-|python -m rehearsal.inventory")
    commands = [command for command in (*lines, *spans) if looks.match(command)]
    assert len(commands) == 12, commands
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    told = {}
    for command in commands:
        known = command.replace("/NAME", f"/{ENDPOINT}").replace("JOB", life.job)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", known],
            cwd=PROJECT,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{known}: {done.stderr}"
        told[command] = done.stdout
    (alarms,) = [out for command, out in told.items() if "--state-value ALARM" in command]
    assert "recommender-Object2Vec-Trainer-failed" in alarms
    (trainings,) = [out for command, out in told.items() if "--status-equals Failed" in command]
    assert '"recommender-rating-' in trainings


def test_manual_rollback_restores_the_stack(workbench: Workbench) -> None:
    workbench.cdk("rollback", "recommender-Object2Vec")
    assert _status("recommender-Object2Vec") == "UPDATE_ROLLBACK_COMPLETE"
    failed = boto3.client("sagemaker").list_training_jobs(StatusEquals="Failed")
    assert failed["TrainingJobSummaries"] == []


def test_deployment_after_a_rollback_succeeds(workbench: Workbench, life: Life) -> None:
    workbench.cdk(
        *("deploy", "--all", "--require-approval=never"),
        *("-c", "rating.learning_rate=0.003", "-c", "retrieval.learning_rate=0.003"),
    )
    assert _indexes() == [], "neighbours are found in memory again"
    assert _status("recommender-Object2Vec") in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE")
    assert by_stack()["recommender-Object2Vec"]["RatingTrainingJobName"] == life.job


def test_remember_permissions(life: Life) -> None:
    life.permissions |= privileges.deployed()


def test_idle_stack_is_deleted(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _caretaker()["deleted"] == [], "it was made, changed and called just now"
    cloudformation = boto3.client("cloudformation")
    stacks: Any = cloudformation_backends[ACCOUNT][REGION]
    stack = stacks.stack("recommender-Object2Vec")
    monkeypatch.setattr(stack, "created", stack.created - timedelta(hours=7))
    monkeypatch.setattr(stack, "updated", stack.created - timedelta(hours=7))
    assert _caretaker()["deleted"] == [], "its resources were made just now"
    for resource in stack.resources.values():
        monkeypatch.setattr(resource, "updated", resource.updated - timedelta(hours=7))
    assert _caretaker()["deleted"] == [], "it was called just now"
    for datum in cloudwatch_backends[ACCOUNT][REGION].metric_data:
        datum.timestamp -= timedelta(hours=7)
    assert _caretaker()["deleted"] == ["recommender-Object2Vec"]
    ((*_, message),) = [t.sent_notifications for t in sns_backends[ACCOUNT][REGION].topics.values()]
    assert "Nothing in recommender-Object2Vec was called for 6 hours" in str(message)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack.id, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    left = boto3.client("sagemaker").list_endpoints()["Endpoints"]
    assert {each["EndpointName"] for each in left} == {
        "recommender-deepMfModel",
        "recommender-factorizationMachinesModel",
    }
    assert _status("recommender-Functions").endswith("_COMPLETE")


def test_destroy_leaves_nothing(workbench: Workbench, life: Life, tally: Tally) -> None:
    workbench.cdk("destroy", "--all", "--force")
    assert sorted(inventory() - life.before) == []
    runtime: Any = boto3.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="not found"):
        runtime.invoke_endpoint(EndpointName=ENDPOINT, ContentType="application/json", Body=BODY)
    left = _programs("train") + _programs("serve")
    tally("leftovers found", "a deployment whose processes were killed", len(left))
    assert left == []


def test_permissions_are_all_needed(life: Life, seen: set[Allowed], tally: Tally) -> None:
    privileges.check(life.permissions, seen, tally)


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("s3:GetObject", "(403) when calling the HeadObject"),
        ("s3:ListBucket", "is not authorized to perform: s3:ListBucket on"),
        ("s3:PutObject", "is not authorized to perform: s3:PutObject on"),
    ],
)
def test_deployment_without_a_needed_permission_fails(
    workbench: Workbench, life: Life, seen: set[Allowed], tally: Tally, action: str, told: str
) -> None:
    lost = {one for one in life.permissions if "-UploadRole" in one.holder and one.action == action}
    assert lost & privileges.needed(seen)
    template = json.loads(
        (workbench.assembly("deploy") / "recommender-Data.template.json").read_text("utf-8")
    )
    privileges.remove(template, "UploadRole", action)
    cloudformation = boto3.client("cloudformation")
    stack = cloudformation.create_stack(
        StackName="recommender-Data",
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_IAM"],
        RoleARN=f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}",
    )["StackId"]
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any(told in reason for reason in reasons), reasons
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    tally("statements mutated", "IAM: really deployed without a permission")
