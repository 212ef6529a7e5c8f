"""The notebook instance: what it is, what it runs, what its role may do."""

import ast
import base64
import json
import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatchcase
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.deployments import PROJECT, Deployment, Synthesize
from tests.stacks.test_gates import statements

ROOMS = ("notebooks", "packages/recsys/src", "cost", "outputs.py")
Variant = Callable[[str], Deployment]


def only(deployment: Deployment, kind: str) -> dict[str, Any]:
    (resource,) = deployment.resources("Notebook", kind).values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


def said(value: Any) -> str:
    """A text of the template, with something in the place of what only AWS knows."""
    match value:
        case {"Fn::Base64": inner}:
            return said(inner)
        case {"Fn::Join": [delimiter, parts]}:
            return str(delimiter.join(said(part) for part in parts))
        case {"Ref": "AWS::Region"}:
            return "eu-central-1"
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": "AWS::AccountId"}:
            return "123456789012"
        case {"Fn::Sub": text}:
            return said(text)
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"{resource}.{attribute}"
        case {"Ref": name} | {"Fn::ImportValue": name}:
            return str(name)
    return str(value)


def imports(source: str) -> set[str]:
    """The top-level modules that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_notebook_by_default_is_not_deployed(default: Deployment) -> None:
    assert "Notebook" not in default.templates


def test_instance_has_the_configured_properties(variant: Variant) -> None:
    plain = only(variant("every engine"), "AWS::SageMaker::NotebookInstance")
    assert plain["NotebookInstanceName"] == "recommender-notebook"
    assert plain["PlatformIdentifier"] == "notebook-al2023-v1"
    assert plain["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": "2"
    }
    assert (plain["InstanceType"], plain["VolumeSizeInGB"]) == ("ml.t3.medium", 10)
    assert (plain["RootAccess"], plain["DirectInternetAccess"]) == ("Disabled", "Enabled")
    assert "KmsKeyId" not in plain, "SageMaker encrypts with its own key"
    other = only(variant("kms, other names"), "AWS::SageMaker::NotebookInstance")
    assert other["KmsKeyId"] == {"Fn::ImportValue": "team-a-anna-Data-KeyArn"}
    # a volume's key cannot change, and a name cannot be taken twice
    assert other["NotebookInstanceName"] == "team-a-anna-notebook-kms"


def test_start_script_fits_the_limit_and_runs_as_the_user(variant: Variant) -> None:
    deployment = variant("kms, other names")
    config = only(deployment, "AWS::SageMaker::NotebookInstanceLifecycleConfig")
    assert set(config) == {"OnStart"}
    script = said(config["OnStart"][0]["Content"])
    assert len(base64.b64encode(script.encode())) < 16_384
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)  # it is one
    first, start, *_ = script.splitlines()
    assert first == "#!/bin/bash"
    url, version, *rest = start.removeprefix("sudo -u ec2-user -i bash -eu -s -- ").split()
    assert url.startswith("s3://cdk-hnb659fds-assets-") and f"/{version}" in url
    group = only(deployment, "AWS::Logs::LogGroup")
    assert group["LogGroupName"] == "/aws/sagemaker/NotebookInstances/team-a-anna-notebook-kms"
    (logs,) = deployment.resources("Notebook", "AWS::Logs::LogGroup")
    name = "team-a-anna-notebook-kms"
    assert rest == ["eu-central-1", "team-a-anna", name, logs, "30", "<<'END'"]


def test_asset_contains_the_notebooks_and_their_imports(variant: Variant) -> None:
    deployment = variant("every engine")
    assets = json.loads((deployment.folder / "recommender-Notebook.assets.json").read_text())
    (folder,) = (
        deployment.folder / file["source"]["path"]
        for file in assets["files"].values()
        if file["source"]["packaging"] == "zip"
    )
    assert {path.name for path in folder.iterdir()} == {room.partition("/")[0] for room in ROOMS}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "notebooks/1_data.ipynb",
        "notebooks/workshop.py",
        "notebooks/sagemaker.yaml",
        "notebooks/instance/keeper.py",
        "notebooks/instance/requirements.txt",
        "packages/recsys/src/recsys/evaluation.py",
        "cost/prices.csv",
    } <= files
    assert not [file for file in files if Path(file).suffix == ".pyc"]
    packages = {file for file in files if file.startswith("packages/")}
    assert all(file.startswith("packages/recsys/src/recsys/") for file in packages)


def test_role_may_only_change_the_notebooks_resources(
    synthesize: Synthesize, variant: Variant
) -> None:
    whole = {"groups": "both", "batch": True}
    prefix = "a-prefix-of-28-characters-xx"
    engines = "deep_mf,factorization_machines"
    deployment = synthesize(
        {"prefix": prefix, "engines": engines, "personalize": whole, "notebook.enabled": True}
    )
    (role,) = deployment.resources("Notebook", "AWS::IAM::Role")
    found = [
        (action, said(resource), statement.get("Condition"))
        for holder, statement in statements(deployment.templates["Notebook"])
        if holder == role
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    ]
    for action, resource, condition in found:
        service, verb = action.split(":")
        kind, _, name = resource.split(":", 5)[-1].partition("/")
        if action == "iam:PassRole":
            # names that CloudFormation makes keep at least 25 characters of the stack's
            assert resource == f"arn:aws:iam::123456789012:role/{prefix[:25]}*"
            assert condition and condition["StringEquals"]["iam:PassedToService"] in (
                "sagemaker.amazonaws.com",
                "personalize.amazonaws.com",
            )
        elif verb.startswith(("Create", "Delete")) and service in ("sagemaker", "personalize"):
            assert (fnmatchcase(name, f"{prefix}*--notebook-[*]")) or kind == "event-tracker"
        elif verb.startswith(("Put", "Delete")) and service == "s3":
            assert resource.endswith("/personalize/batch/notebook/*")
        elif verb.startswith("Delete"):
            assert re.search(rf"{prefix}-[a-z-]+--notebook-\*$", resource)
        elif verb in ("GetTemplate", "InvokeEndpoint"):
            # no name of a deployment whose prefix merely begins with this one
            assert not fnmatchcase(f"{prefix}-anna-ratingModel".lower(), name)
            assert not fnmatchcase(f"{prefix}-anna-rating--notebook-1", name)
            assert not fnmatchcase(f"{prefix}-anna-Data/1", name)
        elif resource == "*":
            assert verb.startswith("List") or action in (
                "cloudformation:DescribeStacks",
                "logs:DescribeLogGroups",
                "personalize:PutEvents",  # which knows no resources
            )
    stops = [
        resource for action, resource, _ in found if action == "sagemaker:StopNotebookInstance"
    ]
    assert [stop.partition("/")[2] for stop in stops] == [f"{prefix}-notebook"]
    # what IAM takes of a role's policies, blanks not counted
    policies = deployment.resources("Notebook", "AWS::IAM::Role")[role]["Properties"]["Policies"]
    sizes = [
        len(json.dumps(_plain(policy["PolicyDocument"])).replace(" ", "")) for policy in policies
    ]
    assert sum(sizes) < 10_240


@pytest.mark.parametrize("machine", ["ml.p3.2xlarge", "ml.g3.4xlarge", "t3.medium"])
def test_unsupported_instance_types_are_refused(synthesize: Synthesize, machine: str) -> None:
    with pytest.raises(ValueError, match=r"notebook\.instance_type: .* Amazon Linux 2023"):
        synthesize({"notebook": {"enabled": True, "instance_type": machine}})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    match value:
        case {"Fn::Join": _} | {"Ref": _} | {"Fn::ImportValue": _} | {"Fn::GetAtt": _}:
            return said(value)
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value


def test_kernel_requirements_have_the_projects_versions() -> None:
    packages = packages_distributions()
    imported = set()
    places = [PROJECT / room for room in ROOMS]
    for path in (path for place in places for path in (place, *place.rglob("*"))):
        if "spark" in path.parts:
            continue  # runs on EMR Serverless
        if path.suffix == ".py":
            imported |= imports(path.read_text("utf-8"))
        elif path.suffix == ".ipynb":
            for cell in json.loads(path.read_text("utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    imported |= imports("".join(cell["source"]))
    kernel, whole = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / path).read_text("utf-8"), re.MULTILINE))
        for path in ("notebooks/instance/requirements.txt", "requirements.txt")
    )
    assert {"numpy", "sagemaker", "sklearn"} <= imported
    for module in (imported & packages.keys()) - {"recsys"}:  # Python's own have no distribution
        distributions = {name.lower().replace("_", "-") for name in packages[module]}
        assert distributions & kernel.keys(), module
    assert {name: whole.get(name, version) for name, version in kernel.items()} == kernel
