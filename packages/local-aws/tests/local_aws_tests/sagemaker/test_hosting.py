"""Models, endpoints and calls: what answers, what is refused, and what an update never drops."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.load import ONCE, Load
from tests.reliability import Tally

ACCOUNT = "123456789012"


def error_of(call: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return dict(error.value.response)


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(300):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in 30 s")


@pytest.fixture(scope="module")
def hosted(aws: Any) -> str:
    """An endpoint that answers."""
    aws.model("base", answer="base")
    aws.config("base", "base")
    assert aws.endpoint("hosted", "base")["EndpointStatus"] == "InService"
    return "hosted"


def test_train_model_endpoint_invoke(aws: Any) -> None:
    job = aws.trained("to-serve", HyperParameters={"answer": "learnt"})
    aws.sagemaker.create_model(
        ModelName="learnt",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/sagemaker",
        PrimaryContainer={
            "Image": job["AlgorithmSpecification"]["TrainingImage"],
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    aws.config("learnt", "learnt")
    endpoint = aws.endpoint("learnt", "learnt")
    assert endpoint["EndpointStatus"] == "InService"
    [variant] = endpoint["ProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("Variant-learnt", 1)
    assert aws.invoke("learnt", {})["answer"] == "learnt"

    aws.sagemaker.delete_endpoint(EndpointName="learnt")
    waiter = aws.sagemaker.get_waiter("endpoint_deleted")
    waiter.wait(EndpointName="learnt", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    found = error_of(aws.sagemaker.describe_endpoint, EndpointName="learnt")["Error"]
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/learnt"
    assert found == {"Code": "ValidationException", "Message": f'Could not find endpoint "{arn}".'}


def test_headers_and_bytes_pass_untouched(aws: Any, hosted: str) -> None:
    body = bytes(range(256)) * 100
    answer = aws.runtime.invoke_endpoint(
        EndpointName=hosted, Body=body, ContentType="application/octet-stream"
    )
    assert answer["Body"].read() == body[::-1]
    assert answer["ContentType"] == "application/octet-stream"
    assert answer["InvokedProductionVariant"] == "Variant-base"
    assert answer["CustomAttributes"] == "from the container"

    seen = aws.invoke(hosted, {}, Accept="application/jsonlines", CustomAttributes="mine")
    assert (seen["accept"], seen["attributes"]) == ("application/jsonlines", "mine")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_calls_itself_a_form_is_bytes_too(aws: Any, hosted: str, kind: str) -> None:
    answer = aws.invoke(hosted, {"a": 1}, ContentType=kind)
    assert answer["answer"] == "base"


@pytest.mark.parametrize(("status", "side"), [(400, "client"), (415, "client"), (500, "server")])
def test_the_containers_error_is_a_model_error(
    aws: Any, hosted: str, status: int, side: str
) -> None:
    found = error_of(
        aws.runtime.invoke_endpoint,
        EndpointName=hosted,
        ContentType="application/json",
        Body=json.dumps({"status": status, "text": "in0 is missing"}),
    )
    assert found["Error"]["Code"] == "ModelError"
    text = f'Received {side} error ({status}) from primary with message "in0 is missing". See '
    assert found["Error"]["Message"].startswith(text)
    assert found["Error"]["Message"].endswith(f"in account {ACCOUNT} for more information.")
    assert found["OriginalStatusCode"] == status
    assert found["OriginalMessage"] == "in0 is missing"
    group = "log-group:/aws/sagemaker/Endpoints/hosted"
    assert found["LogStreamArn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:{group}"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_payloads_have_limits(aws: Any, hosted: str) -> None:
    octets = {"EndpointName": hosted, "ContentType": "application/octet-stream"}
    most = b"x" * 6_291_456
    assert aws.runtime.invoke_endpoint(Body=most, **octets)["Body"].read() == most
    found = error_of(aws.runtime.invoke_endpoint, Body=most + b"x", **octets)
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "exceeded 6291456 bytes" in found["Error"]["Message"]
    # the workshop's retrieval gets 1,680 embeddings of 2,048 numbers in one response
    answer = aws.runtime.invoke_endpoint(
        EndpointName=hosted, ContentType="application/json", Body=json.dumps({"size": 77_547_333})
    )
    assert sum(map(len, answer["Body"].iter_chunks(1 << 20))) >= 77_547_333


@pytest.mark.parametrize("name", ["nowhere", "no-where-2"])
def test_an_unknown_endpoint_is_a_validation_error(aws: Any, name: str) -> None:
    found = error_of(aws.runtime.invoke_endpoint, EndpointName=name, Body=b"")
    assert found["Error"] == {
        "Code": "ValidationError",
        "Message": f"Endpoint {name} of account {ACCOUNT} not found.",
    }
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("name", ["with space", "ümlaut", "a_b", "-x", "x" * 64])
def test_an_impossible_name_is_a_validation_error(aws: Any, name: str) -> None:
    found = error_of(aws.runtime.invoke_endpoint, EndpointName=name, Body=b"")
    assert found["Error"]["Code"] == "ValidationError"
    assert "endpointName" in found["Error"]["Message"]


def test_names_are_taken_once(aws: Any, hosted: str) -> None:
    client = aws.sagemaker
    prefix = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
    for call, arguments, text in (
        (
            client.create_endpoint,
            {"EndpointName": hosted, "EndpointConfigName": "base"},
            f'Cannot create already existing endpoint "{prefix}:endpoint/hosted".',
        ),
        (
            client.create_endpoint,
            {"EndpointName": "new", "EndpointConfigName": "missing"},
            f'Could not find endpoint configuration "{prefix}:endpoint-config/missing".',
        ),
        (
            client.describe_model,
            {"ModelName": "missing"},
            f'Could not find model "{prefix}:model/missing".',
        ),
        (
            client.delete_endpoint_config,
            {"EndpointConfigName": "missing"},
            f'Could not find endpoint configuration "{prefix}:endpoint-config/missing".',
        ),
        (
            client.update_endpoint,
            {"EndpointName": "missing", "EndpointConfigName": "base"},
            f'Could not find endpoint "{prefix}:endpoint/missing".',
        ),
    ):
        found = error_of(call, **arguments)["Error"]
        assert found == {"Code": "ValidationException", "Message": text}
    with pytest.raises(ClientError, match="Cannot create already existing model"):
        aws.model("base")
    with pytest.raises(ClientError, match="Could not find model "):
        aws.config("orphan", "no-such-model")


def test_a_model_without_its_artifact_is_refused(aws: Any) -> None:
    container = {
        "Image": "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1",
        "ModelDataUrl": "s3://data-bucket/models/absent.tar.gz",
    }
    found = error_of(
        aws.sagemaker.create_model,
        ModelName="absent",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/sagemaker",
        PrimaryContainer=container,
    )
    text = "Could not find model data at s3://data-bucket/models/absent.tar.gz."
    assert found["Error"] == {"Code": "ValidationException", "Message": text}


def test_model_that_contradicts_itself_is_refused(aws: Any) -> None:
    url = aws.artifact("models/contrary.tar.gz")
    source = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
    for changes, told in (
        ({"ModelDataUrl": url, "ModelDataSource": {"S3DataSource": source}}, "Specify either"),
        ({"Environment": {f"n{n}": "x" * 1024 for n in range(33)}}, "32768 bytes"),
    ):
        found = error_of(
            aws.sagemaker.create_model,
            ModelName="contrary",
            ExecutionRoleArn="arn:aws:iam::123456789012:role/sagemaker",
            PrimaryContainer={
                "Image": "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1",
                **changes,
            },
        )["Error"]
        assert found["Code"] == "ValidationException"
        assert told in found["Message"]


def test_capture_is_on_unless_it_is_turned_off(aws: Any, hosted: str) -> None:
    capture = {
        "InitialSamplingPercentage": 1,
        "DestinationS3Uri": "s3://data-bucket/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    variant = {"VariantName": "v", "ModelName": "base"}
    asked = {
        "EndpointConfigName": "capturing",
        "ProductionVariants": [
            {**variant, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        ],
    }
    create = aws.sagemaker.create_endpoint_config
    found = error_of(create, **asked, DataCaptureConfig=capture)["Error"]
    assert found["Code"] == "NotImplementedByLocalAws"
    create(**asked, DataCaptureConfig={**capture, "EnableCapture": False})


def test_models_created_at_a_moment_are_listed_as_after_it(aws: Any) -> None:
    aws.model("momentary")
    created = aws.sagemaker.describe_model(ModelName="momentary")["CreationTime"]
    found = aws.sagemaker.list_models(NameContains="momentary", CreationTimeAfter=created)
    assert [one["ModelName"] for one in found["Models"]] == ["momentary"]


def test_an_endpoint_fails_with_its_reason(aws: Any) -> None:
    aws.model("crashing", crash="cannot load the model")
    aws.model("vanished")
    aws.s3.delete_object(Bucket="data-bucket", Key="models/vanished.tar.gz")
    aws.model("garbled")
    aws.s3.put_object(Bucket="data-bucket", Key="models/garbled.tar.gz", Body=b"no archive")
    for name, text in (
        ("crashing", "variant Variant-crashing did not pass the ping health check"),
        ("vanished", 'from URL: "s3://data-bucket/models/vanished.tar.gz". Please ensure'),
        ("garbled", "Failed to extract model data archive"),
    ):
        aws.config(name, name)
        endpoint = aws.endpoint(name, name)
        assert endpoint["EndpointStatus"] == "Failed"
        assert text in endpoint["FailureReason"]
        found = error_of(aws.runtime.invoke_endpoint, EndpointName=name, Body=b"{}")["Error"]
        assert found["Code"] == "ValidationError"
        with pytest.raises(ClientError, match="Cannot update failed endpoint"):
            aws.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=name)
    assert "cannot load the model" in endpoint_log(aws, "crashing")
    aws.sagemaker.delete_endpoint(EndpointName="crashing")


def endpoint_log(aws: Any, endpoint: str) -> list[str]:
    group = f"/aws/sagemaker/Endpoints/{endpoint}"
    events = aws.logs.filter_log_events(logGroupName=group)["events"]
    assert all(event["logStreamName"].startswith("Variant-") for event in events)
    return [event["message"] for event in events]


def test_an_update_loses_no_call(aws: Any, tally: Tally) -> None:
    for name in ("blue", "green", "red"):
        aws.model(name, answer=name, **({"crash": "no"} if name == "red" else {}))
        aws.config(name, name)
    aws.endpoint("switched", "blue")
    runtime = aws.client("sagemaker-runtime", config=ONCE)

    def call() -> str:
        answer = runtime.invoke_endpoint(
            EndpointName="switched",
            ContentType="application/json",
            Body=json.dumps({"sleep": 0.02}),
        )
        return str(json.loads(answer["Body"].read())["answer"])

    with Load(call) as load:
        load.wait(100)
        begun = time.monotonic()
        aws.sagemaker.update_endpoint(EndpointName="switched", EndpointConfigName="green")
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            aws.sagemaker.update_endpoint(EndpointName="switched", EndpointConfigName="blue")
        assert aws.settled("switched")["EndpointConfigName"] == "green"
        over = time.monotonic()
        load.wait(100)
        aws.sagemaker.update_endpoint(EndpointName="switched", EndpointConfigName="red")
        assert "ping health check" in aws.settled("switched")["FailureReason"]
        load.wait(100)
    tally("calls under load", "an endpoint that is updated, well and in vain", len(load.answers))
    tally("calls lost", "an endpoint that is updated, well and in vain", len(load.lost))
    assert load.lost == []
    assert load.values(until=begun) == {"blue"}
    assert load.values(since=over) == {"green"}


def test_a_failed_update_leaves_the_old_deployment(aws: Any) -> None:
    aws.model("good", answer="good")
    aws.model("bad", crash="no")
    aws.config("good", "good")
    aws.config("bad", "bad")
    aws.endpoint("kept", "good")
    aws.sagemaker.update_endpoint(EndpointName="kept", EndpointConfigName="bad")
    assert aws.sagemaker.describe_endpoint(EndpointName="kept")["EndpointStatus"] == "Updating"
    endpoint = aws.settled("kept")
    assert endpoint["EndpointStatus"] == "InService"
    assert endpoint["EndpointConfigName"] == "good"
    assert "did not pass the ping health check" in endpoint["FailureReason"]
    assert aws.invoke("kept", {})["answer"] == "good"


def test_a_dead_container_is_replaced(aws: Any, hosted: str) -> None:
    first = aws.invoke(hosted, {})["pid"]
    found = error_of(
        aws.runtime.invoke_endpoint,
        EndpointName=hosted,
        ContentType="application/json",
        Body=json.dumps({"die": True}),
    )
    assert found["Error"]["Code"] == "ModelError"
    assert found["OriginalStatusCode"] == 503

    def answers_again() -> bool:
        try:
            return bool(aws.invoke(hosted, {})["pid"] != first)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ModelError"  # noqa: PT017
            return False

    wait_until(answers_again)
    assert aws.sagemaker.describe_endpoint(EndpointName=hosted)["EndpointStatus"] == "InService"


def test_variants_share_calls_by_weight(aws: Any) -> None:
    for name in ("left", "right"):
        aws.model(name, answer=name)
    aws.config("both", "left", "right")
    aws.endpoint("shared", "both")
    assert {aws.invoke("shared", {})["answer"] for _ in range(40)} == {"left", "right"}
    assert aws.invoke("shared", {}, TargetVariant="Variant-right")["answer"] == "right"
    with pytest.raises(ClientError, match="Variant Variant-none of endpoint shared not found"):
        aws.invoke("shared", {}, TargetVariant="Variant-none")

    aws.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="shared",
        DesiredWeightsAndCapacities=[
            {"VariantName": "Variant-left", "DesiredWeight": 0.0},
            {"VariantName": "Variant-right", "DesiredInstanceCount": 3},
        ],
    )
    assert {aws.invoke("shared", {})["answer"] for _ in range(20)} == {"right"}
    described = aws.sagemaker.describe_endpoint(EndpointName="shared")["ProductionVariants"]
    assert [each["CurrentInstanceCount"] for each in described] == [1, 3]
    with pytest.raises(ClientError, match="Could not find variant"):
        aws.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="shared",
            DesiredWeightsAndCapacities=[{"VariantName": "none", "DesiredWeight": 1.0}],
        )


def test_a_serverless_variant_has_smaller_payloads(aws: Any) -> None:
    aws.model("light", answer="light")
    aws.sagemaker.create_endpoint_config(
        EndpointConfigName="light",
        ProductionVariants=[
            {
                "VariantName": "only",
                "ModelName": "light",
                "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
            }
        ],
    )
    [variant] = aws.endpoint("light", "light")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert aws.invoke("light", {})["answer"] == "light"
    found = error_of(
        aws.runtime.invoke_endpoint,
        EndpointName="light",
        ContentType="application/octet-stream",
        Body=b"x" * 4_194_305,
    )
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 413
    found = error_of(
        aws.runtime.invoke_endpoint,
        EndpointName="light",
        ContentType="application/json",
        Body=json.dumps({"size": 4_194_305}),
    )
    assert found["Error"]["Code"] == "ModelError"


@pytest.mark.parametrize(
    ("variant", "code", "text"),
    [
        ({"InstanceType": "ml.m5.large"}, "ValidationException", "needs an InstanceType and an"),
        (
            {"ServerlessConfig": {"MemorySizeInMB": 1025, "MaxConcurrency": 1}},
            "ValidationException",
            "MemorySizeInMB must be one of 1024",
        ),
        (
            {
                "ServerlessConfig": {
                    "MemorySizeInMB": 1024,
                    "MaxConcurrency": 1,
                    "ProvisionedConcurrency": 2,
                }
            },
            "ValidationException",
            "ProvisionedConcurrency must be at most MaxConcurrency",
        ),
        (
            {"InstanceType": "ml.big", "InitialInstanceCount": 1},
            "ValidationException",
            "instanceType",
        ),
        (
            {"ManagedInstanceScaling": {"Status": "ENABLED"}},
            "NotImplementedByLocalAws",
            "ManagedInstanceScaling",
        ),
    ],
)
def test_a_variant_that_cannot_be_hosted_is_refused(
    aws: Any, hosted: str, variant: dict[str, Any], code: str, text: str
) -> None:
    found = error_of(
        aws.sagemaker.create_endpoint_config,
        EndpointConfigName="refused",
        ProductionVariants=[{"VariantName": "v", "ModelName": "base", **variant}],
    )["Error"]
    assert found["Code"] == code
    assert text in found["Message"]


def test_scaling_is_for_variants_that_exist(aws: Any, hosted: str) -> None:
    client = aws.client("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 2,
    }
    resource = f"endpoint/{hosted}/variant/Variant-base"
    client.register_scalable_target(ResourceId=resource, **target)
    found = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [each["ResourceId"] for each in found] == [resource]
    for wrong in (f"endpoint/{hosted}/variant/none", "endpoint/none/variant/Variant-base"):
        found = error_of(client.register_scalable_target, ResourceId=wrong, **target)
        assert found["Error"]["Code"] == "ValidationException"


def test_what_is_not_implemented_is_refused(aws: Any, hosted: str) -> None:
    for call, arguments in (
        (
            aws.runtime.invoke_endpoint_async,
            {"EndpointName": hosted, "InputLocation": "s3://data-bucket/x"},
        ),
        (aws.runtime.invoke_endpoint_with_response_stream, {"EndpointName": hosted, "Body": b""}),
        (aws.runtime.invoke_endpoint, {"EndpointName": hosted, "TargetModel": "m", "Body": b""}),
    ):
        assert error_of(call, **arguments)["Error"]["Code"] == "NotImplementedByLocalAws"
