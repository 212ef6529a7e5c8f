"""Scripts in the PyTorch images: what surrounds them is what SageMaker's toolkits promise."""

import io
import json
import tarfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

TRAINING = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.8.0-cpu-py312"
INFERENCE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
LEARNS = """
import json, os, sys
from pathlib import Path

import helper

print("arguments", json.dumps(sys.argv[1:]))
print("variables", json.dumps({k: v for k, v in os.environ.items() if k[:3] in ("SM_", "AWS")}))
print("modules", json.dumps([name for name in ("moto", "local_aws") if name in sys.modules]))
print(f"loss = {helper.LOSS}; accuracy = none")
if "--fail" in sys.argv:
    sys.exit("no such genre: Jazz")
model = Path(os.environ["SM_MODEL_DIR"])
(model / "weight").write_text("3")
(model / "code").mkdir()
(model / "code" / "inference.py").write_text(Path("inference.py").read_text())
"""
SERVES = """
import json
from pathlib import Path

from sagemaker_inference.errors import BaseInferenceToolkitError


def model_fn(model_dir):
    return int((Path(model_dir) / "weight").read_text())


def input_fn(data, content_type):
    if not data:
        raise BaseInferenceToolkitError(400, "no data", "Bad Request")
    return json.loads(data)


def predict_fn(data, model):
    return [number * model for number in data]


def output_fn(prediction, accept):
    return json.dumps(prediction), accept
"""
METRICS = [
    {"Name": "loss", "Regex": r"loss = (\S+);"},
    {"Name": "accuracy", "Regex": r"accuracy = (\S+)"},
]


def archive(aws: Any, key: str, **files: str) -> str:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "."))
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    aws.s3.put_object(Bucket="data-bucket", Key=key, Body=body.getvalue())
    return f"s3://data-bucket/{key}"


@pytest.fixture(scope="module")
def source(aws: Any) -> str:
    return archive(
        aws,
        "source.tar.gz",
        train__py=LEARNS,
        inference__py=SERVES,
        helper__py="LOSS = 0.25",
        requirements__txt="numpy>=1 \\\n    --hash=sha256:00\nsix==1 ; python_version < '3'",
    )


def train(aws: Any, name: str, source: str, **changes: Any) -> dict[str, Any]:
    hyperparameters = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(source),
        **changes.pop("hyperparameters", {}),
    }
    job: dict[str, Any] = aws.trained(
        name,
        AlgorithmSpecification={
            "TrainingImage": TRAINING,
            "TrainingInputMode": "File",
            "MetricDefinitions": METRICS,
        },
        HyperParameters=hyperparameters,
        **changes,
    )
    return job


def said(aws: Any, job: str) -> dict[str, Any]:
    """The JSON in a job's log, by each line's first word."""
    group = "/aws/sagemaker/TrainingJobs"
    found = aws.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")
    [stream] = found["logStreams"]
    events = aws.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])
    lines = [event["message"].partition(" ") for event in events["events"]]
    return {word: json.loads(rest) for word, _, rest in lines if rest[:1] in ("[", "{")}


@pytest.fixture(scope="module")
def job(aws: Any, source: str) -> dict[str, Any]:
    return train(aws, "script", source, hyperparameters={"epochs": "5", "k": '"a b"'})


def test_a_script_is_given_its_hyperparameters_and_channels(aws: Any, job: dict[str, Any]) -> None:
    assert job["TrainingJobStatus"] == "Completed"
    told = said(aws, "script")
    assert told["arguments"] == ["--epochs", "5", "-k", "a b"]
    variables = told["variables"]
    assert json.loads(variables["SM_HPS"]) == {"epochs": 5, "k": "a b"}
    assert (variables["SM_HP_EPOCHS"], variables["SM_CURRENT_HOST"]) == ("5", "algo-1")
    assert json.loads(variables["SM_CHANNELS"]) == ["train", "validation"]
    assert variables["SM_CHANNEL_TRAIN"].endswith("/input/data/train")
    # it may call AWS, as its role
    assert variables["AWS_ENDPOINT_URL"] == aws.url
    assert variables["AWS_SESSION_TOKEN"]
    assert told["modules"] == [], "nothing of this project is there"


def test_its_own_metrics_are_found(job: dict[str, Any]) -> None:
    assert job["AlgorithmSpecification"]["MetricDefinitions"] == METRICS
    [metric] = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("loss", 0.25)


def test_a_failing_script_is_quoted(aws: Any, source: str) -> None:
    job = train(aws, "script-fails", source, hyperparameters={"fail": ""})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
        'ErrorMessage "no such genre: Jazz"\nCommand "python train.py --fail ", exit code: 1'
    )
    assert "ModelArtifacts" not in job


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        ("requires", {"requirements__txt": "no-such-package==1"}, "no-such-package==1 is required"),
        ("lacks", {"other__py": ""}, "holds no train.py"),
    ],
)
def test_a_script_that_cannot_run(aws: Any, name: str, files: dict[str, str], reason: str) -> None:
    source = archive(aws, f"{name}.tar.gz", **files)
    job = train(aws, f"script-{name}", source)
    assert job["TrainingJobStatus"] == "Failed"
    assert reason in job["FailureReason"]


def test_in_isolation_a_script_cannot_be_fetched(aws: Any, source: str) -> None:
    job = train(aws, "script-isolated", source, EnableNetworkIsolation=True)
    assert job["TrainingJobStatus"] == "Failed"
    assert "source.tar.gz cannot be unpacked: Unable to locate credentials" in job["FailureReason"]


def test_a_metric_needs_a_pattern(aws: Any, source: str) -> None:
    definitions = [{"Name": "loss", "Regex": "("}]
    with pytest.raises(ClientError, match="the regular expression of loss cannot be used"):
        aws.train(
            "script-pattern",
            AlgorithmSpecification={
                "TrainingImage": TRAINING,
                "TrainingInputMode": "File",
                "MetricDefinitions": definitions,
            },
        )


def test_a_trained_script_serves(aws: Any, job: dict[str, Any]) -> None:
    aws.sagemaker.create_model(
        ModelName="script",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/sagemaker",
        PrimaryContainer={
            "Image": INFERENCE,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
    )
    aws.config("script", "script")
    assert aws.endpoint("script", "script")["EndpointStatus"] == "InService"
    assert aws.invoke("script", [1, 2]) == [3, 6]

    def refusal(body: bytes) -> dict[str, Any]:
        with pytest.raises(ClientError) as error:
            aws.runtime.invoke_endpoint(
                EndpointName="script", ContentType="application/json", Body=body
            )
        return dict(error.value.response)

    refused = refusal(b"")
    assert refused["OriginalStatusCode"] == 400
    assert refused["OriginalMessage"].startswith("no data\n")
    assert refusal(b"{")["OriginalStatusCode"] == 500


def test_an_image_that_trains_does_not_serve(aws: Any) -> None:
    aws.sagemaker.create_model(
        ModelName="trains",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/sagemaker",
        PrimaryContainer={"Image": TRAINING},
    )
    aws.config("trains", "trains")
    endpoint = aws.endpoint("trains", "trains")
    assert endpoint["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in endpoint["FailureReason"]
