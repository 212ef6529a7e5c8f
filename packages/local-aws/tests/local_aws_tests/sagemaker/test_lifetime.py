"""Lifetime: with a server that ends, inside `mock_aws`, and with the real algorithm."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.logs.responses import LogsResponse

from local_aws import plugins
from local_aws.moto_patches import install
from local_aws.sagemaker import images
from local_aws.server import LocalAws

pytestmark = pytest.mark.slow

PAIRS = b"".join(
    json.dumps({"in0": [user], "in1": [item], "label": float(1 + (user + item) % 5)}).encode()
    + b"\n"
    for user in range(20)
    for item in range(20)
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, fake_program: images.Program) -> None:
    monkeypatch.setitem(images.PROGRAMS, "object2vec", fake_program)


def test_nothing_outlives_the_server(fake: None, client_of: Callable[[str], Any]) -> None:
    before = set(psutil.Process().children(recursive=True))
    with LocalAws() as server:
        aws = client_of(server.url)
        aws.prepare()
        aws.train("running", HyperParameters={"seconds": "60", "deaf": "yes"})
        aws.model("m")
        aws.config("c", "m")
        aws.endpoint("settled", "c")
        aws.sagemaker.create_endpoint(EndpointName="starting", EndpointConfigName="c")
        started = time.monotonic()
    assert time.monotonic() - started < 100  # a deaf job's two minutes of grace are not waited for
    deadline = time.monotonic() + 60
    while (left := alive(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == set()


def test_no_line_of_a_log_holds_up_the_end(
    fake: None, client_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its delivery may wait for moto's state, which the end has locked by then."""
    begun = threading.Event()
    put = LogsResponse.put_log_events

    def slow(response: LogsResponse) -> Any:
        begun.set()
        time.sleep(2)  # until the state is locked
        return put(response)

    with LocalAws() as server:
        aws = client_of(server.url)
        aws.prepare()
        aws.model("m")
        aws.config("c", "m")
        assert aws.endpoint("e", "c")["EndpointStatus"] == "InService"
        monkeypatch.setattr(LogsResponse, "put_log_events", slow)
        aws.invoke("e", {})  # of which its container tells
        assert begun.wait(120)
        started = time.monotonic()
    assert time.monotonic() - started < 100


def alive(before: set[psutil.Process]) -> set[psutil.Process]:
    children = set(psutil.Process().children(recursive=True)) - before
    return {child for child in children if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def mocked(fake: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    install()
    with mock_aws():
        yield


def test_it_works_inside_mock_aws(mocked: None, client_of: Callable[[str | None], Any]) -> None:
    aws = client_of(None)
    aws.prepare()
    job = aws.trained("mocked", HyperParameters={"answer": "42"})
    assert job["TrainingJobStatus"] == "Completed"
    aws.model("m", answer="here")
    aws.config("c", "m")
    assert aws.endpoint("e", "c")["EndpointStatus"] == "InService"
    assert aws.invoke("e", {})["answer"] == "here"
    answer = aws.runtime.invoke_endpoint(
        EndpointName="e", ContentType="application/octet-stream", Body=b"\xff\x00"
    )
    assert answer["Body"].read() == b"\x00\xff"
    aws.sagemaker.delete_endpoint(EndpointName="e")
    waiter = aws.sagemaker.get_waiter("endpoint_deleted")
    waiter.wait(EndpointName="e", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})


@pytest.mark.slow
@pytest.mark.skipif(
    "object2vec" not in plugins.sagemaker_images(),
    reason="needs a distribution that provides object2vec, such as recsys",
)
def test_object2vec_trains_and_answers(client_of: Callable[[str], Any]) -> None:
    with LocalAws() as server:
        aws = client_of(server.url)
        aws.prepare()
        for channel in ("train", "validation"):
            aws.s3.put_object(Bucket="data-bucket", Key=f"pairs/{channel}/x.jsonl", Body=PAIRS)
        channels = [
            {
                "ChannelName": channel,
                "ContentType": "application/jsonlines",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://data-bucket/pairs/{channel}",
                    }
                },
            }
            for channel in ("train", "validation")
        ]
        settings = {
            "output_layer": "mean_squared_error",
            "enc0_network": "pooled_embedding",
            "enc1_network": "pooled_embedding",
            "enc0_vocab_size": "20",
            "enc1_vocab_size": "20",
            "enc0_max_seq_len": "1",
            "enc1_max_seq_len": "1",
            "enc0_token_embedding_dim": "8",
            "enc1_token_embedding_dim": "8",
            "enc_dim": "8",
            "mlp_dim": "8",
            "epochs": "2",
        }
        wrong = aws.trained("wrong", InputDataConfig=channels, HyperParameters={"enc_dim": "3"})
        assert wrong["TrainingJobStatus"] == "Failed"
        assert wrong["FailureReason"].startswith("ClientError: ")
        assert "enc_dim" in wrong["FailureReason"]

        job = aws.trained("real", InputDataConfig=channels, HyperParameters=settings)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        names = {metric["MetricName"] for metric in job["FinalMetricDataList"]}
        assert "validation:mean_squared_error" in names
        aws.sagemaker.create_model(
            ModelName="real",
            ExecutionRoleArn=job["RoleArn"],
            PrimaryContainer={
                "Image": job["AlgorithmSpecification"]["TrainingImage"],
                "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
            },
        )
        aws.config("real", "real")
        assert aws.endpoint("real", "real")["EndpointStatus"] == "InService"
        [scored] = aws.invoke("real", {"instances": [{"in0": [1], "in1": [2]}]})["predictions"]
        assert len(scored["scores"]) == 1
        with pytest.raises(ClientError, match="ModelError"):
            aws.invoke("real", {"instances": [{"in0": [99], "in1": [2]}]})
