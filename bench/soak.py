"""Soak test of the local AWS: `python -m bench.soak` applies a mixed load for minutes.

It starts a local AWS in a separate process, deploys a function, an endpoint and a campaign, and
lets several clients call all services at once, without pauses. Meanwhile it samples the server's
memory, threads, open files, processes and temporary files. It prints two Markdown tables and exits
with 1 if any call failed.

What the server stores by design keeps growing: log events, stack events, and CloudWatch's values up
to their limit. Threads, files and processes must not.
"""

import argparse
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_REGION = "us-east-1"
_ROLE = "arn:aws:iam::123456789012:role/soak"
_IMAGE = f"382416733822.dkr.ecr.{_REGION}.amazonaws.com/object2vec:1"
_CODE = "def handler(event, context):\n    print('called with', event)\n    return event\n"
_MB = 2**20
_PART = 5 * _MB  # the minimum size of a part
_INTERVAL = 5.0  # seconds between samples
_SERVICES = (
    *("cloudformation", "cloudwatch", "events", "iam", "lambda", "logs", "personalize"),
    *("personalize-events", "personalize-runtime", "s3", "sagemaker", "sagemaker-runtime"),
    *("sns", "sqs", "ssm", "sts"),
)
_TEMPLATE = {
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": {"Ref": "Bucket"}},
        },
    }
}


class Aws:
    """Clients of a local AWS, and the resources deployed to it. The clients do not retry.

    Args:
        url: the server's URL.
    """

    def __init__(self, url: str) -> None:
        config = Config(
            retries={"total_max_attempts": 1}, max_pool_connections=32, read_timeout=120
        )
        self._clients = {
            service: boto3.client(  # type: ignore[call-overload]
                service,
                config=config,
                endpoint_url=url,
                region_name=_REGION,
                aws_access_key_id="AKIASOAK",
                aws_secret_access_key="soak",  # noqa: S106  # pragma: allowlist secret
            )
            for service in _SERVICES
        }
        self.campaign = self.tracking = ""

    def __call__(self, service: str) -> Any:
        """The client of a service."""
        return self._clients[service]

    def deploy(self) -> None:
        """Create the resources that the load calls."""
        self._make_role()
        self("s3").create_bucket(Bucket="soak")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("code.py", _CODE)
        self("lambda").create_function(
            FunctionName="soak",
            Runtime="python3.12",
            Handler="code.handler",
            Role=_ROLE,
            Code={"ZipFile": packed.getvalue()},
        )
        self._make_endpoint()
        self._make_campaign()

    def _make_role(self) -> None:
        services = [f"{name}.amazonaws.com" for name in ("lambda", "personalize", "sagemaker")]
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        anyone = {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "sts:AssumeRole",
        }
        self("iam").create_role(RoleName="soak", AssumeRolePolicyDocument=_document(trust, anyone))
        everything = {"Effect": "Allow", "Action": ["s3:*", "logs:*", "cloudwatch:*"]}
        self("iam").put_role_policy(
            RoleName="soak",
            PolicyName="soak",
            PolicyDocument=_document({**everything, "Resource": "*"}),
        )

    def _make_endpoint(self) -> None:
        sagemaker, some = self("sagemaker"), random.Random(0)  # noqa: S311
        pairs = [(some.randrange(20), some.randrange(30)) for _ in range(500)]
        lines = (
            f'{{"in0": [{user}], "in1": [{movie}], "label": {1 + (user + movie) % 5}}}\n'
            for user, movie in pairs
        )
        self("s3").put_object(Bucket="soak", Key="pairs/train", Body="".join(lines).encode())
        source = {"S3DataType": "S3Prefix", "S3Uri": "s3://soak/pairs"}
        sagemaker.create_training_job(
            TrainingJobName="soak",
            AlgorithmSpecification={"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
            RoleArn=_ROLE,
            HyperParameters={
                **{"enc0_vocab_size": "20", "enc1_vocab_size": "30", "epochs": "1"},
                **{"enc0_max_seq_len": "1", "enc1_max_seq_len": "1", "mini_batch_size": "64"},
                **{"enc0_network": "pooled_embedding", "enc1_network": "pooled_embedding"},
                "output_layer": "mean_squared_error",
            },
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "ContentType": "application/jsonlines",
                    "DataSource": {"S3DataSource": source},
                }
            ],
            OutputDataConfig={"S3OutputPath": "s3://soak/models"},
            ResourceConfig={
                **{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        sagemaker.get_waiter("training_job_completed_or_stopped").wait(
            TrainingJobName="soak", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )
        trained = sagemaker.describe_training_job(TrainingJobName="soak")["ModelArtifacts"]
        sagemaker.create_model(
            ModelName="soak",
            ExecutionRoleArn=_ROLE,
            PrimaryContainer={"Image": _IMAGE, "ModelDataUrl": trained["S3ModelArtifacts"]},
        )
        variant = {"VariantName": "all", "ModelName": "soak", "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName="soak", ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
        )
        sagemaker.create_endpoint(EndpointName="soak", EndpointConfigName="soak")
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName="soak", WaiterConfig={"Delay": 1, "MaxAttempts": 300}
        )

    def _make_campaign(self) -> None:
        personalize, some = self("personalize"), random.Random(0)  # noqa: S311
        rows = (
            f"u{some.randrange(60)},i{some.randrange(100)},{1_600_000_000 + at}\n"
            for at in range(2000)
        )
        text = "USER_ID,ITEM_ID,TIMESTAMP\n" + "".join(rows)
        self("s3").put_object(Bucket="soak", Key="interactions.csv", Body=text.encode())
        self("s3").put_bucket_policy(
            Bucket="soak",
            Policy=_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "personalize.amazonaws.com"},
                    "Action": ["s3:GetObject", "s3:ListBucket"],
                    "Resource": ["arn:aws:s3:::soak", "arn:aws:s3:::soak/*"],
                }
            ),
        )
        kinds = {"USER_ID": "string", "ITEM_ID": "string", "TIMESTAMP": "long"}
        avro = {
            **{"type": "record", "name": "Interactions", "version": "1.0"},
            "namespace": "com.amazonaws.personalize.schema",
            "fields": [{"name": name, "type": kind} for name, kind in kinds.items()],
        }
        schema = personalize.create_schema(name="soak", schema=json.dumps(avro))["schemaArn"]
        group = personalize.create_dataset_group(name="soak")["datasetGroupArn"]
        _until(lambda: personalize.describe_dataset_group(datasetGroupArn=group)["datasetGroup"])
        dataset = personalize.create_dataset(
            name="soak", schemaArn=schema, datasetGroupArn=group, datasetType="Interactions"
        )["datasetArn"]
        _until(lambda: personalize.describe_dataset(datasetArn=dataset)["dataset"])
        job = personalize.create_dataset_import_job(
            jobName="soak",
            datasetArn=dataset,
            dataSource={"dataLocation": "s3://soak/interactions.csv"},
            roleArn=_ROLE,
        )["datasetImportJobArn"]
        _until(
            lambda: personalize.describe_dataset_import_job(datasetImportJobArn=job)[
                "datasetImportJob"
            ]
        )
        solution = personalize.create_solution(
            name="soak",
            datasetGroupArn=group,
            recipeArn="arn:aws:personalize:::recipe/aws-popularity-count",
        )["solutionArn"]
        _until(lambda: personalize.describe_solution(solutionArn=solution)["solution"])
        version = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        _until(
            lambda: personalize.describe_solution_version(solutionVersionArn=version)[
                "solutionVersion"
            ]
        )
        self.campaign = personalize.create_campaign(name="soak", solutionVersionArn=version)[
            "campaignArn"
        ]
        _until(lambda: personalize.describe_campaign(campaignArn=self.campaign)["campaign"])
        tracker = personalize.create_event_tracker(name="soak", datasetGroupArn=group)
        self.tracking = tracker["trackingId"]


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _until(described: Callable[[], dict[str, Any]]) -> None:
    """Wait until a Personalize resource is active."""
    end = time.monotonic() + 300
    while (found := described())["status"] != "ACTIVE":
        if "FAILED" in found["status"] or time.monotonic() > end:
            raise RuntimeError(f"the resource is not active: {found}")
        time.sleep(0.1)


# The load ----------------------------------------------------------------------------------------

_Load = Callable[[Aws, str], int]


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{str(found)[:100]} instead of {str(wanted)[:100]}")


def objects(aws: Aws, name: str) -> int:
    """Create, read and delete an object."""
    s3, body = aws("s3"), name.encode() * 5000
    s3.put_object(Bucket="soak", Key=f"objects/{name}", Body=body)
    _same(s3.get_object(Bucket="soak", Key=f"objects/{name}")["Body"].read(), body)
    part = s3.get_object(Bucket="soak", Key=f"objects/{name}", Range="bytes=100-199")
    _same(part["Body"].read(), body[100:200])
    listed = s3.list_objects_v2(Bucket="soak", Prefix=f"objects/{name}")
    _same(listed["KeyCount"], 1)
    s3.delete_object(Bucket="soak", Key=f"objects/{name}")
    return 5


def multipart(aws: Aws, name: str) -> int:
    """Upload an object in two parts, abort an upload, and copy the object."""
    s3, where = aws("s3"), {"Bucket": "soak", "Key": f"parts/{name}"}
    s3.abort_multipart_upload(**where, UploadId=s3.create_multipart_upload(**where)["UploadId"])
    upload, body = s3.create_multipart_upload(**where)["UploadId"], os.urandom(_PART + 1000)
    parts = [
        s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in ((1, body[:_PART]), (2, body[_PART:]))
    ]
    s3.complete_multipart_upload(
        **where,
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": at, "ETag": tag} for at, tag in enumerate(parts, 1)]
        },
    )
    copy = f"copies/{name}"
    s3.copy_object(Bucket="soak", Key=copy, CopySource={"Bucket": "soak", "Key": f"parts/{name}"})
    ranged = s3.get_object(Bucket="soak", Key=copy, Range=f"bytes={_PART - 5}-{_PART + 4}")
    _same(ranged["Body"].read(), body[_PART - 5 : _PART + 5])
    found = {"Objects": [{"Key": key} for key in (copy, where["Key"])]}
    s3.delete_objects(Bucket="soak", Delete=found)
    return 9


def sessions(aws: Aws, name: str) -> int:
    """Assume a role, and get the caller identity."""
    aws("sts").assume_role(RoleArn=_ROLE, RoleSessionName=name)
    _same(aws("sts").get_caller_identity()["Account"], "123456789012")
    return 2


def function(aws: Aws, name: str) -> int:
    """Invoke a function and read its log."""
    answer = aws("lambda").invoke(FunctionName="soak", Payload=json.dumps({"name": name}))
    _same(json.loads(answer["Payload"].read()), {"name": name})
    aws("lambda").invoke(FunctionName="soak", InvocationType="Event", Payload=b"{}")
    aws("logs").filter_log_events(
        logGroupName="/aws/lambda/soak", filterPattern=f'"{name}"', limit=10
    )
    return 3


def new_function(aws: Aws, name: str) -> int:
    """Create, invoke and delete a function."""
    code = aws("lambda").get_function(FunctionName="soak")["Configuration"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py", _CODE)
    aws("lambda").create_function(
        FunctionName=name,
        Runtime=code["Runtime"],
        Handler=code["Handler"],
        Role=_ROLE,
        Code={"ZipFile": packed.getvalue()},
    )
    answer = aws("lambda").invoke(FunctionName=name, Payload=b"1")
    _same(answer["Payload"].read(), b"1")
    aws("lambda").delete_function(FunctionName=name)
    aws("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    return 5


def identities(aws: Aws, name: str) -> int:
    """Create and delete a role and a user."""
    iam = aws("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = _document({**trust, "Action": "sts:AssumeRole"})
    policy = _document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    iam.get_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    iam.delete_access_key(UserName=name, AccessKeyId=key)
    iam.delete_user(UserName=name)
    return 9


def stack(aws: Aws, name: str) -> int:
    """Create and delete a stack."""
    cloudformation = aws("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(_TEMPLATE))
    settings = {"Delay": 0.2, "MaxAttempts": 600}
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=settings)
    _same(len(cloudformation.describe_stack_resources(StackName=name)["StackResources"]), 3)
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=settings)
    return 5


def messages(aws: Aws, name: str) -> int:
    """Send a message from a topic to a queue."""
    sns, sqs = aws("sns"), aws("sqs")
    topic = sns.create_topic(Name=name)["TopicArn"]
    permission = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": permission})
    queue = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    sns.publish(TopicArn=topic, Message=name)
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    _same(json.loads(got[0]["Body"])["Message"], name)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got[0]["ReceiptHandle"])
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)
    return 9


def schedules(aws: Aws, name: str) -> int:
    """Create and delete a rule."""
    events = aws("events")
    events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")
    arn = aws("lambda").get_function(FunctionName="soak")["Configuration"]["FunctionArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    events.remove_targets(Rule=name, Ids=["1"])
    events.delete_rule(Name=name)
    return 5


def parameters(aws: Aws, name: str) -> int:
    """Create, read and delete a parameter."""
    ssm = aws("ssm")
    ssm.put_parameter(Name=f"/soak/{name}", Value=name, Type="String")
    _same(ssm.get_parameter(Name=f"/soak/{name}")["Parameter"]["Value"], name)
    ssm.delete_parameter(Name=f"/soak/{name}")
    return 3


def endpoint(aws: Aws, name: str) -> int:
    """Describe and invoke an endpoint."""
    aws("sagemaker").describe_endpoint(EndpointName="soak")
    aws("sagemaker").list_training_jobs(MaxResults=5)
    body = {"instances": [{"in0": [len(name) % 20], "in1": [at]} for at in range(10)]}
    answer = aws("sagemaker-runtime").invoke_endpoint(
        EndpointName="soak", Body=json.dumps(body), ContentType="application/json"
    )
    _same(len(json.loads(answer["Body"].read())["predictions"]), 10)
    return 3


def campaign(aws: Aws, name: str) -> int:
    """Describe a campaign, send an event and get recommendations."""
    aws("personalize").describe_campaign(campaignArn=aws.campaign)
    aws("personalize").list_solutions()
    aws("personalize-events").put_events(
        trackingId=aws.tracking,
        userId="u1",
        sessionId=name,
        eventList=[{"eventType": "Watch", "sentAt": time.time(), "itemId": "i1"}],
    )
    found = aws("personalize-runtime").get_recommendations(
        campaignArn=aws.campaign, userId="u1", numResults=5
    )
    _same(len(found["itemList"]), 5)
    return 4


def metrics(aws: Aws, name: str) -> int:
    """Put a metric value, and read a function's metrics."""
    now = time.time()
    datum = {"MetricName": "calls", "Value": len(name)}
    aws("cloudwatch").put_metric_data(Namespace="soak", MetricData=[datum])
    aws("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "soak"}],
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=60,
        Statistics=["Sum"],
    )
    return 2


LOADS: tuple[_Load, ...] = (
    *(objects, multipart, sessions, function, new_function, identities, stack, messages),
    *(schedules, parameters, endpoint, campaign, metrics),
)


@dataclass
class Tally:
    """Counts of calls and errors.

    Attributes:
        calls: the number of calls by kind of load.
        errors: the number of errors by message.
    """

    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


def _client(number: int, aws: Aws, over: threading.Event, tally: Tally) -> None:
    """Run one kind of load after another; each client in a different order."""
    chance, at = random.Random(number), 0  # noqa: S311
    while not over.is_set():
        for load in chance.sample(LOADS, len(LOADS)):
            at += 1
            try:
                tally.calls[load.__name__] += load(aws, f"soak-{number}-{at}")
            except (BotoCoreError, ClientError, LookupError, OSError, ValueError) as error:
                tally.errors[f"{load.__name__}: {type(error).__name__}: {error}"] += 1
            if over.is_set():
                return


# The server --------------------------------------------------------------------------------------


@contextmanager
def server(temporary: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run a local AWS in a separate process; yields its URL and its process."""
    log = temporary / "log"
    folder = temporary / "files"
    folder.mkdir()
    with (
        log.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-m", "local_aws", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[5].rstrip("."), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.communicate()


def _faults(log: str) -> list[str]:
    """The exceptions in the server's log, each with the line that raised it."""
    found = re.findall(r"^Traceback .*\n(?:[ ].*\n)*?(  File .*)\n(?:    .*\n)*(\S.*)", log, re.M)
    return [f"{what}{where}" for where, what in found]


@dataclass(frozen=True)
class Sample:
    """The server's resources at one time, in seconds since the load began."""

    seconds: float
    calls: int
    errors: int
    mb: float
    threads: int
    open_files: int
    processes: int
    files: int

    @staticmethod
    def of(began: float, tally: Tally, process: psutil.Process, folder: Path) -> "Sample":
        """Take one."""
        with process.oneshot():
            return Sample(
                time.monotonic() - began,
                tally.calls.total(),
                tally.errors.total(),
                process.memory_info().rss / _MB,
                process.num_threads(),
                process.num_fds(),
                len(process.children(recursive=True)),
                sum(len(files) for *_, files in os.walk(folder)),
            )

    def row(self) -> str:
        """A row of Markdown."""
        return (
            f"| {self.seconds:.0f} | {self.calls:,} | {self.errors} | {self.mb:.0f} "
            f"| {self.threads} | {self.open_files} | {self.processes} | {self.files} |"
        )


def soak(
    aws: Aws, process: psutil.Process, folder: Path, clients: int, seconds: float
) -> tuple[Tally, list[Sample]]:
    """Load a server for the given number of seconds."""
    tally, over, began = Tally(), threading.Event(), time.monotonic()
    threads = [
        threading.Thread(target=_client, args=(number, aws, over, tally))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() - began < seconds:
        time.sleep(_INTERVAL)
        samples.append(Sample.of(began, tally, process, folder))
    over.set()
    for thread in threads:
        thread.join()
    samples.append(Sample.of(began, tally, process, folder))
    return tally, samples


def main() -> int:
    """Run the load and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="duration")
    parser.add_argument("--clients", type=int, default=6, help="concurrent clients")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        with server(Path(scratch)) as (url, process):
            aws = Aws(url)
            aws.deploy()
            tally, samples = soak(
                aws, process, Path(scratch, "files"), options.clients, options.seconds
            )
        faults = _faults(Path(scratch, "log").read_text())
    print(
        f"{options.clients} clients for {samples[-1].seconds:.0f} s: "
        f"{tally.calls.total():,} calls, {tally.errors.total()} errors, "
        f"{len(faults)} faults in the server's log\n"
    )
    print("| load | calls |\n|---|---|")
    for name, count in sorted(tally.calls.items()):
        print(f"| {name} | {count:,} |")
    print("\n| s | calls | errors | MB | threads | open files | processes | temporary files |")
    print("|---|---|---|---|---|---|---|---|")
    step = max(1, round(20 / _INTERVAL))
    for sample in (*samples[:-1:step], samples[-1]):
        print(sample.row())
    later = samples[len(samples) // 3 :]
    slope = np.polyfit([one.calls for one in later], [one.mb for one in later], 1)[0]
    print(f"\nMemory in the last two thirds: {slope * 1000:+.2f} MB for 1,000 calls")
    for words, count in (tally.errors + Counter(faults)).most_common(20):
        print(f"{count} × {words}", file=sys.stderr)
    return 1 if tally.errors or faults else 0


if __name__ == "__main__":
    sys.exit(main())
