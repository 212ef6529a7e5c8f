"""SageMaker's built-in algorithms: what a job leaves, and what an endpoint asks and answers."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from scipy.sparse import csr_array

from recsys import recordio
from tests.contract.cloud import Cloud, documented, policy

_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg/"
_API = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_"
_PAIRS = _GUIDE + "object2vec-inference-formats.html"
_EMBEDDINGS = _GUIDE + "object2vec-encoder-embeddings.html"
_MACHINES = _GUIDE + "fact-machines.html"
_COMMON = _GUIDE + "cdf-inference.html"
_JOINED = _GUIDE + "batch-transform-data-processing.html"
JSON, LINES = "application/json", "application/jsonlines"
USERS, MOVIES, ROWS = 20, 30, 600
DIMENSIONS = {"enc0_token_embedding_dim": 6, "enc1_token_embedding_dim": 8, "enc_dim": 10}


def registry(cloud: Cloud, name: str) -> str:
    """The image of a built-in algorithm in the cloud's region."""
    account = "382416733822"
    if cloud.region != "us-east-1":
        from stacks.images import ACCOUNTS  # loads the CDK

        account = ACCOUNTS[cloud.region]
    return f"{account}.dkr.ecr.{cloud.region}.amazonaws.com/{name}:1"


@dataclass(frozen=True)
class Algorithm:
    """A trained and served one."""

    job: dict[str, Any]
    endpoint: str
    runtime: Any

    def ask(self, body: str, kind: str = JSON, accept: str | None = None) -> str:
        """What the endpoint answers."""
        more = {"Accept": accept} if accept else {}
        told = self.runtime.invoke_endpoint(
            EndpointName=self.endpoint, Body=body.encode(), ContentType=kind, **more
        )
        return str(told["Body"].read().decode())


@pytest.fixture(scope="module")
def ratings() -> tuple[Any, Any, Any]:
    """Users, movies and ratings, of a taste that two numbers tell."""
    chance = np.random.default_rng(0)
    users, movies = chance.integers(0, USERS, ROWS), chance.integers(0, MOVIES, ROWS)
    return users, movies, 3 + 2 * np.where((users + movies) % 2, 1.0, -1.0)


@pytest.fixture(scope="module")
def train(cloud: Cloud, role: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    """Run a training job to its end; returns its description."""
    s3, api, bucket = cloud.client("s3"), cloud.client("sagemaker"), f"{cloud.prefix}-training"
    place = {"LocationConstraint": cloud.region}
    more = {} if cloud.region == "us-east-1" else {"CreateBucketConfiguration": place}
    s3.create_bucket(Bucket=bucket, **more)
    cloud.undo(bucket, lambda: s3.delete_bucket(Bucket=bucket))

    def empty() -> None:
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"])

    cloud.undo(bucket, empty)
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    objects = {"Effect": "Allow", "Action": ["s3:*Object", "s3:ListBucket"], "Resource": resources}
    rest = ["logs:*", "cloudwatch:PutMetricData", "ecr:*"]
    others = {"Effect": "Allow", "Action": rest, "Resource": "*"}
    arn = role("training", policy(objects, others), service="sagemaker.amazonaws.com")

    def run(name: str, image: str, content: bytes, kind: str, **hyperparameters: Any) -> Any:
        job = f"{cloud.prefix}-{name}"
        channels = []
        for channel in ("train", "validation" if "object2vec" in image else "test"):
            key = f"{name}/{channel}/data"
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            source = {
                "S3DataType": "S3Prefix",
                "S3Uri": f"s3://{bucket}/{name}/{channel}/",
                "S3DataDistributionType": "FullyReplicated",
            }
            channels.append(
                {
                    "ChannelName": channel,
                    "ContentType": kind,
                    "DataSource": {"S3DataSource": source},
                }
            )
        request = {
            "TrainingJobName": job,
            "AlgorithmSpecification": {
                "TrainingImage": registry(cloud, image),
                "TrainingInputMode": "File",
            },
            "RoleArn": arn,
            "InputDataConfig": channels,
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{name}/output"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 5,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
            "HyperParameters": {key: str(value) for key, value in hyperparameters.items()},
        }
        cloud.settled(lambda: api.create_training_job(**request))
        cloud.undo(job, lambda: api.delete_training_job(TrainingJobName=job))
        for _ in range(900):
            told = api.describe_training_job(TrainingJobName=job)
            if told["TrainingJobStatus"] != "InProgress":
                return told
            time.sleep(1)
        raise AssertionError("the training does not end")

    return run


@pytest.fixture(scope="module")
def serve(cloud: Cloud) -> Callable[[dict[str, Any]], Algorithm]:
    """Serve what a job trained."""
    api = cloud.client("sagemaker")

    def start(job: dict[str, Any]) -> Algorithm:
        name = job["TrainingJobName"]
        image = job["AlgorithmSpecification"]["TrainingImage"]
        container = {
            "Image": image,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        }
        api.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=job["RoleArn"]
        )
        cloud.undo(name, lambda: api.delete_model(ModelName=name))
        variant = {
            "VariantName": "all",
            "ModelName": name,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        }
        api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        cloud.undo(name, lambda: api.delete_endpoint_config(EndpointConfigName=name))
        api.create_endpoint(EndpointName=name, EndpointConfigName=name)
        cloud.undo(name, lambda: api.delete_endpoint(EndpointName=name))
        for _ in range(900):
            if api.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating":
                break
            time.sleep(1)
        return Algorithm(job, name, cloud.client("sagemaker-runtime"))

    return start


HYPERPARAMETERS = {
    **DIMENSIONS,
    "enc0_max_seq_len": 1,
    "enc1_max_seq_len": 1,
    "enc0_vocab_size": USERS,
    "enc1_vocab_size": MOVIES,
    "enc0_network": "pooled_embedding",
    "enc1_network": "pooled_embedding",
    "output_layer": "mean_squared_error",
    "epochs": 2,
    "mini_batch_size": 50,
}


@pytest.fixture(scope="module")
def lines(ratings: tuple[Any, Any, Any]) -> bytes:
    """The ratings in Object2Vec's form."""
    rows = zip(*(one.tolist() for one in ratings), strict=True)
    return b"\n".join(
        json.dumps({"label": label, "in0": [user], "in1": [movie]}).encode()
        for user, movie, label in rows
    )


@pytest.fixture(scope="module")
def object2vec(
    train: Callable[..., dict[str, Any]],
    serve: Callable[[dict[str, Any]], Algorithm],
    lines: bytes,
) -> Algorithm:
    return serve(train("pairs", "object2vec", lines, LINES, **HYPERPARAMETERS))


@pytest.fixture(scope="module")
def machine(
    train: Callable[..., dict[str, Any]],
    serve: Callable[[dict[str, Any]], Algorithm],
    ratings: tuple[Any, Any, Any],
) -> Algorithm:
    """A factorization machine that predicts ratings."""
    users, movies, labels = ratings
    columns = np.stack([users, USERS + movies], axis=1).ravel()
    ends = np.arange(0, 2 * ROWS + 1, 2)
    ones = np.ones(2 * ROWS, np.float32)
    content = io.BytesIO()
    recordio.write(content, csr_array((ones, columns, ends), (ROWS, USERS + MOVIES)), labels)
    job = train(
        *("machine", "factorization-machines", content.getvalue()),
        "application/x-recordio-protobuf",
        feature_dim=USERS + MOVIES,
        num_factors=4,
        predictor_type="regressor",
        epochs=2,
        mini_batch_size=100,
    )
    return serve(job)


PAIR = {"in0": [3], "in1": [5]}


@documented(_API + "DescribeTrainingJob.html", tier="training")
def test_job_goes_through_the_documented_states(object2vec: Algorithm) -> None:
    job = object2vec.job
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    states = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    known = ["Starting", "Pending", "Downloading", "Training", "Uploading", "Completed"]
    order = [known.index(one) for one in states]
    assert order == sorted(order)
    assert {"Starting", "Training", "Completed"} <= set(states)
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"]


@documented(_API + "DescribeTrainingJob.html", tier="training")
def test_job_stores_its_model_under_its_name(cloud: Cloud, object2vec: Algorithm) -> None:
    job = object2vec.job
    place = f"{job['OutputDataConfig']['S3OutputPath']}/{job['TrainingJobName']}/output/"
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"{place}model.tar.gz"
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames()


@documented(_GUIDE + "object2vec-hyperparameters.html", tier="training")
def test_object2vec_measures_the_documented_metrics(object2vec: Algorithm) -> None:
    told = {one["MetricName"] for one in object2vec.job["FinalMetricDataList"]}
    assert {"train:mean_squared_error", "validation:mean_squared_error"} <= told


@documented(_PAIRS, tier="training")
def test_pair_in_json_has_one_score_of_a_regression(object2vec: Algorithm) -> None:
    told = json.loads(object2vec.ask(json.dumps({"instances": [PAIR]})))
    ((prediction),) = told["predictions"]
    assert list(prediction) == ["scores"] and len(prediction["scores"]) == 1


@documented(_PAIRS, tier="training")
def test_pairs_in_json_lines_have_one_line_each(object2vec: Algorithm) -> None:
    body = "\n".join(json.dumps({"in0": [user], "in1": [user]}) for user in range(4))
    told = [json.loads(line) for line in object2vec.ask(body, LINES, LINES).splitlines()]
    assert [list(one) for one in told] == [["scores"]] * 4


@documented(_PAIRS, tier="training")
def test_answers_are_in_the_order_of_the_questions(object2vec: Algorithm) -> None:
    others = {"in0": [4], "in1": [6]}

    def scores(*instances: Any) -> list[float]:
        told = json.loads(object2vec.ask(json.dumps({"instances": instances})))
        return [one["scores"][0] for one in told["predictions"]]

    assert scores(PAIR, others) == pytest.approx([*scores(PAIR), *scores(others)], rel=1e-4)


@documented(_PAIRS, tier="training")
def test_answer_without_accept_has_the_questions_type(object2vec: Algorithm) -> None:
    told = json.loads(object2vec.ask(json.dumps({"instances": [PAIR]}), accept=None))
    assert list(told) == ["predictions"]
    line = json.loads(object2vec.ask(json.dumps(PAIR), LINES).splitlines()[0])
    assert list(line) == ["scores"]


@documented(_JOINED, tier="training")
@pytest.mark.parametrize("name", ["object2vec", "machine"])
def test_transform_joins_each_line_with_the_score_of_its_request(
    cloud: Cloud, request: pytest.FixtureRequest, name: str
) -> None:
    served: Algorithm = request.getfixturevalue(name)
    pairs = [(3, 5), (4, 6), (0, 0)]
    questions: list[dict[str, Any]] = [
        {"in0": [user], "in1": [movie]}
        if name == "object2vec"
        else {
            "data": {
                "features": {
                    "keys": [user, USERS + movie],
                    "shape": [USERS + MOVIES],
                    "values": [1, 1],
                }
            }
        }
        for user, movie in pairs
    ]
    records = [
        {"user": f"user {user}", "place": movie, "request": question}
        for (user, movie), question in zip(pairs, questions, strict=True)
    ]
    s3, api = cloud.client("s3"), cloud.client("sagemaker")
    bucket = served.job["OutputDataConfig"]["S3OutputPath"].split("/")[2]
    body = "".join(json.dumps(record) + "\n" for record in records)
    s3.put_object(Bucket=bucket, Key=f"{name}/in/a.jsonl", Body=body.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/in/"}
    api.create_transform_job(
        TransformJobName=served.endpoint,
        ModelName=served.endpoint,
        BatchStrategy="MultiRecord",
        TransformInput={
            "DataSource": {"S3DataSource": source},
            "ContentType": LINES,
            "SplitType": "Line",
        },
        DataProcessing={
            "InputFilter": "$.request",
            "JoinSource": "Input",
            "OutputFilter": "$['user','place','SageMakerOutput']",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{bucket}/{name}/out",
            "Accept": LINES,
            "AssembleWith": "Line",
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    for _ in range(900):
        job = api.describe_transform_job(TransformJobName=served.endpoint)
        if job["TransformJobStatus"] != "InProgress":
            break
        time.sleep(1)
    assert job["TransformJobStatus"] == "Completed", job
    (one,) = s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/out/")["Contents"]
    assert one["Key"].endswith("/a.jsonl.out")
    told = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read().decode()
    joined = [json.loads(line) for line in told.splitlines()]
    answers = json.loads(served.ask(json.dumps({"instances": questions})))["predictions"]
    for line, record, answer in zip(joined, records, answers, strict=True):
        assert {key: line[key] for key in ("user", "place")} == {
            key: record[key] for key in ("user", "place")
        }
        assert set(line) == {"user", "place", "SageMakerOutput"}
        assert line["SageMakerOutput"].keys() == answer.keys()
        for key, value in answer.items():
            assert line["SageMakerOutput"][key] == pytest.approx(value, rel=1e-4)


@documented(_EMBEDDINGS, tier="training")
@pytest.mark.parametrize("side", ["in0", "in1"])
def test_one_side_in_json_is_embedded(object2vec: Algorithm, side: str) -> None:
    told = json.loads(object2vec.ask(json.dumps({"instances": [{side: [3]}]})))
    ((prediction),) = told["predictions"]
    assert list(prediction) == ["embeddings"]
    assert len(prediction["embeddings"]) in DIMENSIONS.values()


@documented(_EMBEDDINGS, tier="training")
def test_one_side_in_json_lines_is_embedded(object2vec: Algorithm) -> None:
    body = "\n".join(json.dumps({"in1": [movie]}) for movie in range(3))
    told = [json.loads(line) for line in object2vec.ask(body, LINES, LINES).splitlines()]
    assert [list(one) for one in told] == [["embeddings"]] * 3
    assert len({len(one["embeddings"]) for one in told}) == 1


@documented(_EMBEDDINGS, tier="training")
def test_lines_with_and_without_the_last_break_are_the_same(object2vec: Algorithm) -> None:
    body = json.dumps({"in1": [3]})
    assert object2vec.ask(body, LINES, LINES) == object2vec.ask(f"{body}\n", LINES, LINES)


@documented(_API + "runtime_InvokeEndpoint.html", tier="training")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param("{", JSON, id="no JSON"),
        pytest.param('{"instances": [{"in2": [1]}]}', JSON, id="an unknown side"),
        pytest.param("1,2", "text/nonsense", id="an unknown content type"),
    ],
)
def test_invalid_question_is_the_models_error(object2vec: Algorithm, body: str, kind: str) -> None:
    with pytest.raises(ClientError) as error:
        object2vec.ask(body, kind)
    told: dict[str, Any] = dict(error.value.response)
    assert told["Error"]["Code"] == "ModelError"
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert 400 <= told["OriginalStatusCode"] < 600


@documented(_PAIRS, tier="training")
def test_unknown_id_is_refused_or_answered_in_the_usual_form(object2vec: Algorithm) -> None:
    """AWS documents neither."""
    body = json.dumps({"instances": [{"in0": [3], "in1": [MOVIES + 7]}]})
    try:
        told = json.loads(object2vec.ask(body))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ModelError"  # noqa: PT017
    else:
        assert list(told["predictions"][0]) == ["scores"]


@documented(_GUIDE + "object2vec-hyperparameters.html", tier="training")
def test_job_with_an_invalid_hyperparameter_fails(
    train: Callable[..., dict[str, Any]], lines: bytes
) -> None:
    wrong = {**HYPERPARAMETERS, "enc_dim": 1}
    job = train("wrong", "object2vec", lines, LINES, **wrong)
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError")
    assert "enc_dim" in job["FailureReason"]


SPARSE = {"data": {"features": {"keys": [3, USERS + 5], "shape": [50], "values": [1, 1]}}}


@documented(_MACHINES, tier="training")
def test_machine_answers_sparse_json_with_a_score(machine: Algorithm) -> None:
    told = json.loads(machine.ask(json.dumps({"instances": [SPARSE, SPARSE]})))
    assert [list(one) for one in told["predictions"]] == [["score"]] * 2
    assert told["predictions"][0] == told["predictions"][1]


@documented(_COMMON, tier="training")
def test_machine_answers_dense_json_as_sparse(machine: Algorithm) -> None:
    dense = [0.0] * (USERS + MOVIES)
    dense[3] = dense[USERS + 5] = 1.0
    body = json.dumps({"instances": [{"features": dense}, SPARSE]})
    first, second = json.loads(machine.ask(body))["predictions"]
    assert first["score"] == pytest.approx(second["score"], rel=1e-4)


@documented(_COMMON, tier="training")
def test_machine_answers_json_lines_by_line(machine: Algorithm) -> None:
    told = machine.ask(f"{json.dumps(SPARSE)}\n{json.dumps(SPARSE)}", LINES, LINES)
    assert [list(json.loads(line)) for line in told.splitlines()] == [["score"]] * 2


@documented(_GUIDE + "fact-machines-hyperparameters.html", tier="training")
def test_machine_measures_the_documented_metrics(machine: Algorithm) -> None:
    told = {one["MetricName"] for one in machine.job["FinalMetricDataList"]}
    assert "test:rmse" in told
