"""Processing jobs: scripts run unchanged, with the files that SageMaker promises them."""

import io
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws_tests.sagemaker.conftest import BUCKET, ROLE, Aws

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
# written as for the container, whose paths it names
SCRIPT = """
import argparse, json, os, sys
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--ratio", type=float)
parser.add_argument("--copy")
asked = parser.parse_args()
rows = open("/opt/ml/processing/input/data/deep/b.jsonl").read()
print("read", rows.strip(), "for", asked.ratio, "as", os.environ["AWS_ACCESS_KEY_ID"][:4])
told = json.loads(Path("/opt/ml/config/resourceconfig.json").read_text())
print("hosts", told["current_host"], told["hosts"])
config = json.load(open("/opt/ml/config/processingjobconfig.json"))
print("config", config["ProcessingJobName"], config["ProcessingInputs"][0]["S3Input"]["S3Uri"])
for place in ("/opt/ml/processing/train", "/opt/ml/processing/test/"):
    assert os.path.isdir(place), place
with open(os.path.join("/opt/ml/processing", "train", "rows.txt"), "w") as file:
    file.write(rows * 2)
os.makedirs("/opt/ml/processing/test/deep")
Path("/opt/ml/processing/test/deep/" + os.environ["NAME"]).write_text(asked.copy)
Path("/opt/ml/output/message").write_text("done: 2 rows")
sys.exit(3 if asked.ratio > 1 else 0)
"""
WAITS = """
import time
from pathlib import Path
Path("/opt/ml/processing/out/first").write_text("1")
print("waiting", flush=True)
time.sleep(600)
"""


def upload(aws: Aws, key: str, body: str | bytes) -> str:
    aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def given(name: str, uri: str, path: str, **changes: Any) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, **changes}}


def kept(name: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
    target = {"S3Uri": f"s3://{BUCKET}/out/{name}", "LocalPath": path, "S3UploadMode": mode}
    return {"OutputName": name, "S3Output": target}


def request(name: str, script: str, **changes: Any) -> dict[str, Any]:
    machine = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "ProcessingResources": {"ClusterConfig": machine},
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
        },
        "ProcessingInputs": [given("code", script, "/opt/ml/processing/input/code")],
        **changes,
    }


def ended(aws: Aws, name: str) -> dict[str, Any]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        job: dict[str, Any] = aws.sagemaker.describe_processing_job(ProcessingJobName=name)
        if job["ProcessingJobStatus"] not in ("InProgress", "Stopping"):
            return job
        time.sleep(0.1)
    raise TimeoutError(name)


def said(aws: Aws, name: str) -> list[str]:
    group = "/aws/sagemaker/ProcessingJobs"
    found = aws.logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/algo-1-")
    return [event["message"] for event in found["events"]]


def objects(aws: Aws, prefix: str) -> dict[str, str]:
    found = aws.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {
        one["Key"].removeprefix(prefix): aws.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"]
        .read()
        .decode()
        for one in found
    }


@pytest.mark.slow
@pytest.mark.parametrize(("ratio", "status"), [("0.2", "Completed"), ("1.5", "Failed")])
def test_script_reads_inputs_and_writes_outputs_by_the_containers_paths(
    aws: Aws, ratio: str, status: str
) -> None:
    name = f"unchanged-{status}"
    application = request("", "")["AppSpecification"]
    arguments = ["--ratio", ratio, "--copy", "/opt/ml/processing/input"]
    aws.sagemaker.create_processing_job(
        **request(
            name,
            upload(aws, f"{name}/script.py", SCRIPT),
            AppSpecification={**application, "ContainerArguments": arguments},
            Environment={"NAME": "named"},
            Tags=[{"Key": "team", "Value": "films"}],
            ProcessingInputs=[
                given("data", f"s3://{BUCKET}/input/train", "/opt/ml/processing/input/data"),
                given("code", f"s3://{BUCKET}/{name}/script.py", "/opt/ml/processing/input/code"),
            ],
            ProcessingOutputConfig={
                "Outputs": [
                    kept("train", "/opt/ml/processing/train"),
                    kept("test", "/opt/ml/processing/test/"),
                ]
            },
        )
    )
    job = ended(aws, name)
    assert job["ProcessingJobStatus"] == status, job.get("FailureReason")
    assert job["ExitMessage"] == "done: 2 rows"
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86_400}
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert said(aws, name)[:3] == [
        f"read 3 for {float(ratio)} as ASIA",
        "hosts algo-1 ['algo-1']",
        f"config {name} s3://{BUCKET}/input/train",
    ]
    reason = "AlgorithmError: See job logs for more information"
    assert job.get("FailureReason") == (reason if status == "Failed" else None)
    if status == "Completed":
        assert objects(aws, "out/train/") == {"rows.txt": "3\n3\n"}
        [(path, text)] = objects(aws, "out/test/").items()
        assert path == "deep/named" and text.endswith("/processing/input")
        assert not Path(text).exists()  # the job's folder, which took the place of /opt/ml
    arn = job["ProcessingJobArn"]
    assert aws.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "films"}]
    listed = aws.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [one["ProcessingJobStatus"] for one in listed] == [status]
    aws.sagemaker.delete_processing_job(ProcessingJobName=name)
    with pytest.raises(ClientError, match="Could not find") as error:
        aws.sagemaker.describe_processing_job(ProcessingJobName=name)
    assert error.value.response["Error"]["Code"] == "ResourceNotFound"


@pytest.mark.slow
def test_continuous_outputs_are_there_before_the_end_and_a_stopped_job_keeps_no_others(
    aws: Aws,
) -> None:
    aws.sagemaker.create_processing_job(
        **request(
            "waits",
            upload(aws, "waits/script.py", WAITS),
            ProcessingOutputConfig={
                "Outputs": [
                    kept("continuous", "/opt/ml/processing/out", "Continuous"),
                    kept("at-the-end", "/opt/ml/processing/out"),
                ]
            },
        )
    )
    until = time.monotonic() + 120
    while not objects(aws, "out/continuous/") and time.monotonic() < until:
        time.sleep(0.1)
    assert objects(aws, "out/continuous/") == {"first": "1"}
    with pytest.raises(ClientError, match="InProgress"):
        aws.sagemaker.delete_processing_job(ProcessingJobName="waits")
    aws.sagemaker.stop_processing_job(ProcessingJobName="waits")
    assert ended(aws, "waits")["ProcessingJobStatus"] == "Stopped"
    assert objects(aws, "out/at-the-end/") == {}
    with pytest.raises(ClientError, match="in status Stopped"):
        aws.sagemaker.stop_processing_job(ProcessingJobName="waits")


@pytest.mark.slow
def test_sources_in_an_archive_are_unpacked_and_run_by_a_shell(aws: Aws) -> None:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, text in {
            "main.py": "import helper; helper.write('/opt/ml/processing/made')",
            "helper.py": "def write(path): open(path + '/made.txt', 'w').write('by a shell')",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    upload(aws, "shell/source/sourcedir.tar.gz", body.getvalue())
    shell = (
        "set -e\ncd /opt/ml/processing/input/code/\ntar -xzf sourcedir.tar.gz\npython3 main.py\n"
    )
    upload(aws, "shell/run/runproc.sh", shell)
    command = ["/bin/bash", "/opt/ml/processing/input/entrypoint/runproc.sh"]
    aws.sagemaker.create_processing_job(
        **request(
            "shell",
            "",
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": command},
            ProcessingInputs=[
                given("code", f"s3://{BUCKET}/shell/source/", "/opt/ml/processing/input/code/"),
                given("run", f"s3://{BUCKET}/shell/run/", "/opt/ml/processing/input/entrypoint"),
            ],
            ProcessingOutputConfig={"Outputs": [kept("made", "/opt/ml/processing/made")]},
        )
    )
    job = ended(aws, "shell")
    assert job["ProcessingJobStatus"] == "Completed", (job, said(aws, "shell"))
    assert objects(aws, "out/made/") == {"made.txt": "by a shell"}


def test_missing_input_fails_the_job(aws: Aws) -> None:
    aws.sagemaker.create_processing_job(**request("nothing", f"s3://{BUCKET}/nothing-here"))
    job = ended(aws, "nothing")
    assert job["ProcessingJobStatus"] == "Failed"
    assert "No S3 objects found" in job["FailureReason"]


TWICE = [given(name, "s3://b/k", "/opt/ml/processing/same") for name in ("one", "two")]


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        (
            {"AppSpecification": {"ImageUri": IMAGE.replace("1.2-1", "9.9-9")}},
            "ValidationException",
            "cannot run here",
        ),
        ({"AppSpecification": {"ImageUri": "mine:latest"}}, "ValidationException", "cannot run"),
        (
            {"AppSpecification": {"ImageUri": IMAGE.replace("6833", "1234")}},
            "ValidationException",
            "does not exist in us-east-1",
        ),
        ({"AppSpecification": {"ImageUri": IMAGE}}, "NotImplementedByLocalAws", "own entrypoint"),
        (
            {"ProcessingInputs": [given("a", "s3://b/k", "/tmp/in")]},  # noqa: S108
            "ValidationException",
            "must start with /opt/ml/processing/",
        ),
        (
            {"ProcessingInputs": [given("a", "s3://b/k", "/opt/ml/processing/../../x")]},
            "ValidationException",
            "contains '..'",
        ),
        ({"ProcessingInputs": TWICE}, "ValidationException", "LocalPaths .* must be unique"),
        (
            {
                "ProcessingInputs": [
                    given("a", "s3://b/k", "/opt/ml/processing/a", S3InputMode="Pipe")
                ]
            },
            "NotImplementedByLocalAws",
            "S3InputMode Pipe",
        ),
        (
            {
                "ProcessingResources": {
                    "ClusterConfig": {
                        "InstanceCount": 2,
                        "InstanceType": "ml.m5.large",
                        "VolumeSizeInGB": 1,
                    }
                }
            },
            "NotImplementedByLocalAws",
            "more than one instance",
        ),
        ({"RoleArn": f"{ROLE}-unknown"}, "ValidationException", "Could not assume role"),
    ],
)
def test_request_that_cannot_be_honoured_is_refused(
    aws: Aws, changes: dict[str, Any], code: str, told: str
) -> None:
    with pytest.raises(ClientError, match=told) as error:
        aws.sagemaker.create_processing_job(**request("refused", "s3://b/k", **changes))
    assert error.value.response["Error"]["Code"] == code
    assert (
        aws.sagemaker.list_processing_jobs(NameContains="refused")["ProcessingJobSummaries"] == []
    )
