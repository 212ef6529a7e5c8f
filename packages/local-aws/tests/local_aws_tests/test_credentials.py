"""Nothing that the local AWS starts finds its user's credentials, or the way to the real AWS.

A program in a container's place has a HOME of its own; the user's tools (a command beside the local
AWS, the CDK CLI, a notebook's kernel) keep theirs, where their package indexes are configured.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import nbformat
import pytest

from local_aws import __main__ as command_line
from local_aws import clients, plugins
from local_aws.environment import NOWHERE
from local_aws.personalize import engine
from local_aws.sagemaker import images
from local_aws.server import LocalAws
from local_aws_tests.awslambda.conftest import TRUST, Lambda
from local_aws_tests.sagemaker.conftest import ROLE, Aws
from local_aws_tests.sagemaker.test_scripts import TRAINING, archive, said
from rehearsal import steps
from rehearsal.cdk import CdkError, cdk
from rehearsal.notebooks import execute
from tests.reliability import Tally

KEY, TOKEN = "AKIAREALDEVELOPERKEY", "real-developer-token"  # pragma: allowlist secret
PROBE = """
import json, os
from pathlib import Path
import boto3
def probe():
    try:
        session = boto3.Session()
        found = session.get_credentials()
        key, method = (found.access_key, found.method) if found else (None, None)
        endpoint = session.client("s3").meta.endpoint_url
    except Exception as error:
        key, method, endpoint = repr(error), None, None
    home = Path.home() / ".aws" / "credentials"
    return {"key": key, "method": method, "endpoint": endpoint, "variables": dict(os.environ),
            "home": home.read_text() if home.exists() else None}
"""
CONTAINER = (
    PROBE
    + """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
print("probe", json.dumps(probe()), flush=True)
if sys.argv[1] == "serve":
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        def do_POST(self):
            body = json.dumps(probe()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"serving a probe on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
"""
)
REAL = {
    "AWS_PROFILE": "real",
    "AWS_DEFAULT_PROFILE": "real",
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": "real",  # pragma: allowlist secret
    "AWS_SESSION_TOKEN": TOKEN,
    "AWS_SECURITY_TOKEN": TOKEN,
    "AWS_SDK_LOAD_CONFIG": "1",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/real",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN,
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/real/token",
    "AWS_ROLE_ARN": "arn:aws:iam::999999999999:role/real",
    "AWS_ENDPOINT_URL_S3": "https://s3.real.example.com",
}


@pytest.fixture(scope="module")
def developer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user with credentials of every kind."""
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    keys = f"aws_access_key_id = {KEY}\naws_secret_access_key = real\n"
    (home / ".aws" / "credentials").write_text(f"[default]\n{keys}[real]\n{keys}")
    (home / ".aws" / "config").write_text("[default]\nregion = eu-north-1\n[profile real]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", os.environ.get("XDG_CACHE_HOME", f"{Path.home()}/.cache"))
        # A default session of an earlier test has read another HOME's configuration.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        for name, value in {**REAL, "HOME": str(home)}.items():
            patch.setenv(name, value)
        yield home


@pytest.fixture(scope="module")
def aws(developer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    program = tmp_path_factory.mktemp("program") / "container.py"
    program.write_text(CONTAINER)
    known = images.PROGRAMS["object2vec"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(images.PROGRAMS, "object2vec", replace(known, command=(str(program),)))
        with LocalAws() as server:
            ready = Aws(server.url)
            ready.prepare()
            yield ready


def check(
    aws: Aws, tally: Tally, told: dict[str, Any], *, credentials: bool = True, tool: bool = False
) -> None:
    """That a probe has found what it may, and nothing else; a user's tool has the user's HOME."""
    tally("inputs tried", "programs that look for their user's credentials")
    home = told.pop("home")
    assert tool or home is None
    assert KEY not in json.dumps(told)
    assert TOKEN not in json.dumps(told)
    assert told["endpoint"] == (aws.url if credentials else NOWHERE)
    assert told["method"] == ("env" if credentials else None)
    variables = told["variables"]
    assert [name for name in REAL if name in variables and REAL[name] == variables[name]] == []
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def probed(aws: Aws, name: str, group: str) -> dict[str, Any]:
    """What a container's log tells of its probe."""
    streams = aws.logs.describe_log_streams(logGroupName=group)["logStreams"]
    [stream] = [one["logStreamName"] for one in streams if one["logStreamName"].startswith(name)]
    events = aws.logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    [line] = [each["message"] for each in events if each["message"].startswith("probe ")]
    told: dict[str, Any] = json.loads(line.removeprefix("probe "))
    return told


@pytest.mark.parametrize("isolated", [False, True])
def test_training_finds_its_roles_credentials_or_none(
    aws: Aws, tally: Tally, isolated: bool
) -> None:
    name = f"probe-{isolated}".lower()
    job = aws.trained(name, EnableNetworkIsolation=isolated)
    assert job["TrainingJobStatus"] == "Completed", job
    told = probed(aws, name, "/aws/sagemaker/TrainingJobs")
    check(aws, tally, told, credentials=not isolated)


@pytest.mark.parametrize("isolated", [False, True])
def test_endpoint_and_transform_find_their_roles_credentials_or_none(
    aws: Aws, tally: Tally, isolated: bool
) -> None:
    name = f"probe-{isolated}".lower()
    aws.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": images_uri(), "ModelDataUrl": aws.artifact(f"{name}.tar.gz")},
        EnableNetworkIsolation=isolated,
    )
    aws.config(name, name)
    assert aws.endpoint(name, name)["EndpointStatus"] == "InService"
    told = aws.invoke(name, {})
    check(aws, tally, told, credentials=not isolated)
    aws.sagemaker.delete_endpoint(EndpointName=name)
    aws.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://data-bucket/input/validation/",
                }
            }
        },
        TransformOutput={"S3OutputPath": f"s3://data-bucket/{name}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    aws.sagemaker.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    answer = aws.s3.get_object(Bucket="data-bucket", Key=f"{name}/v.jsonl.out")["Body"].read()
    check(aws, tally, json.loads(answer), credentials=not isolated)


def images_uri() -> str:
    return "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"


def test_script_finds_its_roles_credentials(aws: Aws, tally: Tally) -> None:
    source = archive(aws, "probe.tar.gz", train__py=f"{PROBE}\nprint('probe', json.dumps(probe()))")
    job = aws.trained(
        "probe-script",
        AlgorithmSpecification={"TrainingImage": TRAINING, "TrainingInputMode": "File"},
        HyperParameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(source),
        },
    )
    assert job["TrainingJobStatus"] == "Completed", job
    told = said(aws, "probe-script")["probe"]
    check(aws, tally, told)


def test_function_finds_its_roles_credentials(aws: Aws, tally: Tally) -> None:
    role = aws.client("iam").create_role(
        RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    functions = Lambda(str(aws.url), role["Role"]["Arn"])
    name = functions.deploy(f"{PROBE}\ndef handler(event, context):\n    return probe()\n")
    told = functions.invoke(name).payload
    check(aws, tally, told)


def test_model_of_personalize_finds_no_credentials(
    aws: Aws, tally: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "model.py"
    program.write_text(f"{PROBE}\nPath('told').write_text(json.dumps(probe()))")
    models = {"aws-sims": {"command": (str(program),), "recipes": ("aws-sims",)}}
    monkeypatch.setattr(plugins, "personalize_models", lambda: models)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"recipe": "aws-sims"}')
    assert engine._start("train", folder).wait(60) == 0
    told = json.loads((folder / "told").read_text())
    check(aws, tally, told, credentials=False)


def writing(folder: Path) -> Path:
    """A program that probes, and writes what it finds into the folder."""
    program = folder / "probe.py"
    out = folder / "told"
    program.write_text(
        f"{PROBE}\nout = Path({str(out)!r})\nout.with_suffix('.new').write_text("
        "json.dumps(probe()))\nout.with_suffix('.new').rename(out)\n"
    )
    return program


def test_command_beside_the_local_aws_finds_the_local_credentials(
    aws: Aws, tally: Tally, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    variables = {"AWS_ENDPOINT_URL": str(aws.url), **clients.OWNER.environment()}
    command = [sys.executable, str(writing(tmp_path))]
    with command_line._beside(command, variables, lambda _: None):
        deadline = time.monotonic() + 60
        while not told.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    check(aws, tally, json.loads(told.read_text()), tool=True)


def test_cdk_cli_of_a_rehearsal_finds_the_local_credentials(
    aws: Aws, tally: Tally, tmp_path: Path
) -> None:
    app = f"{sys.executable} {writing(tmp_path)}"
    variables = {**os.environ, "AWS_ENDPOINT_URL": str(aws.url), **clients.OWNER.environment()}
    del variables["AWS_SESSION_TOKEN"]
    output = ("--output", str(tmp_path / "cdk.out"))
    with pytest.raises(CdkError):  # the probe is no app, and has written no assembly
        cdk("list", "--app", app, *output, log=tmp_path / "log", environment=variables)
    check(aws, tally, json.loads((tmp_path / "told").read_text()), tool=True)


def test_rehearsal_leads_kernels_to_the_local_aws_and_then_back(
    aws: Aws, tally: Tally, tmp_path: Path
) -> None:
    notebook = nbformat.v4.new_notebook()
    source = f"{PROBE}\nprint(json.dumps(probe()))"
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    path = tmp_path / "probe.ipynb"
    nbformat.write(notebook, path)
    variables = {
        "AWS_ENDPOINT_URL": str(aws.url),
        "AWS_DEFAULT_REGION": "us-east-1",
        **clients.OWNER.environment(),
    }
    with steps._led(variables):
        executed, error = execute(path)
    assert error is None
    check(aws, tally, json.loads(executed.cells[0].outputs[0].text), tool=True)
    assert {name: os.environ[name] for name in REAL} == REAL
