"""The notebooks, run from clean kernels on the local AWS with a small data set.

They run as they would on the notebook instance: with its role.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import nbformat
import psutil
import pytest

from local_aws.iam.witness import Allowed, Permission, witnessed
from local_aws.sagemaker.roles import Role
from local_aws.server import LocalAws
from notebooks.instance import keeper
from rehearsal import notebooks
from rehearsal.cdk import PROJECT
from rehearsal.inventory import inventory
from rehearsal.notebooks import AFTERWARDS, NOTEBOOKS, SETTINGS, Run, execute, render, results
from tests.e2e import privileges

PATHS = notebooks.every()
QUICK = ("rating.epochs=2", "recommendation.epochs=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@dataclass
class Deployed:
    """The deployment, while this process has the credentials of the notebook instance's role.

    Attributes:
        administrator: of the account.
        permissions: what the role's policies allow.
        seen: requests that were allowed since.
    """

    administrator: boto3.Session
    permissions: set[Permission]
    seen: set[Allowed] = field(default_factory=set)

    def instance(self) -> Any:
        """The notebook instance, as SageMaker describes it."""
        sagemaker = self.administrator.client("sagemaker")
        return sagemaker.describe_notebook_instance(NotebookInstanceName="recommender-notebook")


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def deployment(folder: Path, aws: LocalAws) -> Iterator[Deployed]:
    subprocess.run(
        [sys.executable, "-m", "recsys", "prepare", "--size", "small", "--out", folder / "data"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    run = Run()
    settings = (*SETTINGS, "notebook.enabled=true", f"data={folder / 'data'}", *QUICK)
    environment = aws.environment()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with run.deployed(folder, *settings):
            deployed = Deployed(
                boto3.Session(
                    environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
                ),
                {one for one in privileges.deployed() if "-Notebook-Role" in one.holder},
            )
            instance = deployed.instance()
            arn, region = instance["NotebookInstanceArn"], environment["AWS_DEFAULT_REGION"]
            role = Role(instance["RoleArn"], arn, region).environment()
            with patch.context() as inner, witnessed() as deployed.seen:
                for name, value in role.items():
                    inner.setenv(name, value)
                yield deployed
        assert run.leftovers == []
        assert executed(AFTERWARDS.stem) == {"stacks": 0, "hourly": 0, "left": 0}


def executed(name: str, **constants: int) -> dict[str, Any]:
    (path,) = NOTEBOOKS.glob(f"{name}*.ipynb")
    notebook, error = execute(path, constants=constants)
    assert error is None
    folder = PROJECT / "build" / "notebooks"
    page = render(notebook, folder)
    # what a browser would fetch: links for the reader to follow are none of it
    for fetched in ("<script", 'src="http', "url(http", "@import", "<link"):
        assert fetched not in page, fetched
    # links to the project's files lead somewhere from where the page will lie
    for link in re.findall(r'href="(?!https?:|#|index\.html")([^"#]+)', page):
        own = link.endswith(".html") and "/" not in link
        if own:
            assert link[:-5] in {path.stem for path in PATHS}, link
        else:
            assert os.path.exists(os.path.normpath(folder / link)), link
    return results(notebook)


@pytest.fixture
def unchanged(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The account's administrator, who leaves nothing behind."""
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    before = inventory()
    yield
    assert inventory() == before
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            # the notebook does not distinguish the local AWS from AWS
            assert "AWS_ENDPOINT_URL" not in cell.source
            assert "localhost" not in cell.source


def test_notebook_error_is_reported(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("1 / 0")]
    path = tmp_path / "bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    notebook, error = execute(path)
    assert error is not None
    assert "ZeroDivisionError" in error
    assert "ZeroDivisionError" in notebooks.render(notebook, tmp_path)


def test_cell_that_takes_too_long_is_an_error_of_its_notebook(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("import time\ntime.sleep(600)")]
    path = tmp_path / "slow.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    notebook, error = execute(path, seconds=1)
    assert error is not None
    assert "CellTimeoutError" in error
    assert "CellTimeoutError" in notebooks.render(notebook, tmp_path)


@pytest.mark.parametrize("events", [False, True])
def test_data_without_ratings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], events: bool
) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"scale": {"events": events}}), "utf-8")
    assert notebooks._refused(tmp_path) == int(events)
    assert ("make rehearse" in capsys.readouterr().err) is events


def test_index_lists_what_has_run_and_what_has_failed() -> None:
    run = Run(seconds={"cdk synth": 5, "1_data": 12.4, "8_clean_up": 3, "8_clean_up_afterwards": 2})
    run.failures["8_clean_up"] = "no"
    page = notebooks.index(run)
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    ]
    assert [re.findall(r'href="([^"]+)"', row[0]) for row in rows] == [
        ["1_data.html"],
        ["8_clean_up.html"],
        ["8_clean_up_afterwards.html"],
    ]
    assert [row[2] for row in rows] == ["12", "3", "2"]
    assert [bool(row[3]) for row in rows] == [False, True, False]
    assert rows[0][1].startswith("what data a recommender learns from")


def test_shop_notebook_has_plausible_results(unchanged: None) -> None:
    found = executed("any_account/1_")
    assert found["own_category"] > 0.5  # by chance a quarter
    assert all(int(one[1:]) ^ 1 == int(other[1:]) for one, other in found["pairs"])
    assert found["price_with_objective"] > 1.3 * found["price"]
    assert found["purchases"] == found["bought"] == 12
    assert found["revenue"] == pytest.approx(found["spent"])
    assert found["left"] == 0


def test_tuning_notebook_has_plausible_results(unchanged: None) -> None:
    found = executed("any_account/2_")
    assert found["tried"] == 4
    assert found["first"] < found["baseline"]
    assert found["first"] < found["worst"]
    assert found["overall"] <= found["first"]  # the first search's is among them
    assert found["variants"] == ["centred", "raw"]
    assert found["winner"] < found["baseline"]


def test_data_notebook_has_plausible_results(deployment: Deployed) -> None:
    found = executed("1_")
    # 16,000 ratings of 400 films by 240 users, ten of each user held out
    assert 0.1 < found["density"] < 16_000 / (240 * 400)
    assert found["mse_bias"] < found["mse_user"] < found["mse_mean"]


def test_object2vec_notebook_has_plausible_results(deployment: Deployed) -> None:
    found = executed("2_")
    # both networks have learned what they are asked: to better what needs no learning
    assert found["mse"] < found["mse_mean"]
    assert found["auc"] > 0.6
    assert (found["suggestions"], found["left"]) == (8, 0)


def test_embedding_space_notebook_has_plausible_results(deployment: Deployed) -> None:
    found = executed("3_")
    # the network was not given genres: neighbours share them because of users' tastes
    assert found["films"] > 100
    assert found["dimensions"] == 16
    assert found["genre_near"] > 1.1 * found["genre_random"]


def test_factorization_notebook_has_plausible_results(deployment: Deployed) -> None:
    found = executed("4_")
    assert found["same_bytes"] == 1
    # a number for each user and film says more than one for each user, and that more than one
    assert found["mse_no_pairs"] < found["mse_user"] < found["mse_mean"]
    # products of vectors say more than numbers
    assert found["mse_machine"] < found["mse_no_pairs"]
    assert found["mse_deep"] < found["mse_user"]
    # the endpoint serves what the job has learned: it errs as the job's own metric says
    assert found["mse_deep"] == pytest.approx(found["mse_deep_job"], abs=0.01)
    assert found["left"] == 0


def test_personalize_and_evaluation_notebooks_have_plausible_results(deployment: Deployed) -> None:
    found = executed("5_")
    # who knows a person's history does better than who counts
    assert found["mrr"] > found["mrr_popularity"]
    # events have drawn their genre into a stranger's list
    assert found["genre_after"] > found["genre_before"]
    # every user of the generated data has a list
    assert (found["lists"], found["left"]) == (240, 0)
    # these lists are compared with those of the eleven other engines
    found = executed("6_", TRAININGS=1)
    assert found["engines"] == 12
    assert found["mse_bayesian"] < found["mse_bias"]
    assert found["auc_bayesian"] > 0.6
    # to guess stars well makes no good lists, and what everybody knows is not new
    assert found["ndcg_edlae"] > found["ndcg_popularity"] > found["ndcg_bayesian"]
    # nor does it take stars to make them
    assert found["ndcg_watched"] > found["ndcg_bayesian"]
    assert found["novelty_edlae"] > found["novelty_popularity"]


def test_lists_notebook_has_plausible_results(deployment: Deployed) -> None:
    found = executed("7_")
    assert found["difference"] < 1e-3  # single precision
    assert found["exact"] < 1e-4 * abs(found["score"])  # the shares are the score
    assert found["same"]  # the file has all that answers need
    assert found["changed"] > 0  # by an event, without training
    assert 0 < found["kept"] <= 1
    assert found["ndcg"] > found["ndcg_popularity"]
    assert found["retrained"] > found["never"]  # the audience's true satisfaction


def test_clean_up_notebook_lists_the_resources(deployment: Deployed) -> None:
    found = executed("8_")
    assert found["stacks"] == 7
    # five endpoints; two campaigns of the second version and two recommenders; the instance
    assert found["hourly"] == pytest.approx(
        5 * 0.115 + 2 * 3.6 * 0.15 + 2 * 0.375 + 0.05 + 10 * 0.14 / 730
    )
    assert found["left"] > 40


def test_notebook_instance_starts_and_stops(
    deployment: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own script, where SageMaker's machine would have the same; conda makes nothing."""
    home, bin_ = tmp_path / "home", tmp_path / "bin"
    python, conda = home / "anaconda3/envs/python3/bin/python", home / "anaconda3/bin/conda"
    made, packages = home / "made", home / "packages"
    for path, content in {
        bin_ / "sudo": 'shift 3; exec "$@"',  # -u ec2-user -i
        python: f'exec {sys.executable} "$@"',
        conda: f"mkdir -p $5/bin; cp {made} $5/bin/python",
        made: f'if [ $2 = pip ]; then echo $* >>{packages}; else exec {sys.executable} "$@"; fi',
        home / "SageMaker" / "of the user": "",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{content}\n")
        path.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{bin_}:{os.environ['PATH']}")
    sagemaker = deployment.administrator.client("sagemaker")
    logs = deployment.administrator.client("logs")
    config = sagemaker.describe_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=deployment.instance()[
            "NotebookInstanceLifecycleConfigName"
        ]
    )
    script = base64.b64decode(config["OnStart"][0]["Content"])
    group = "/aws/sagemaker/NotebookInstances/recommender-notebook"

    def start(times: int) -> Path:
        subprocess.run(["bash"], input=script, check=True, timeout=300)
        for _ in range(1200):
            told = [
                event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]
            ]
            if len(told) == times:
                break
            time.sleep(0.1)
        assert len(told) == times and all("is ready" in line for line in told), told
        (project,) = home.glob("SageMaker/recommendation-engine-*")
        return project

    try:
        project = start(1)
        notebook = project / "notebooks" / "1_data.ipynb"
        kernel = json.loads(
            (home / ".local/share/jupyter/kernels/recommendation-engine/kernel.json").read_text()
        )
        assert kernel["env"] == {"PREFIX": "recommender", "AWS_DEFAULT_REGION": "us-east-1"}
        named = nbformat.read(notebook, as_version=4)["metadata"]["kernelspec"]["name"]
        assert named == "recommendation-engine"
        notebook.write_text("of the user's")
        start(2)
        assert notebook.read_text() == "of the user's"
        (installed,) = packages.read_text().splitlines()  # once
        assert "--require-hashes" in installed
    finally:
        for process in psutil.process_iter(["cmdline"]):
            if str(home) in " ".join(process.info["cmdline"] or []):
                process.kill()

    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # an earlier one is the administrator's
    now = [time.time()]
    clock = SimpleNamespace(
        time=lambda: now[0], sleep=lambda seconds: now.append(now.pop() + seconds)
    )
    monkeypatch.setattr(keeper, "time", clock)  # the keeper's alone: the server's goes on
    monkeypatch.setattr(keeper, "ask", lambda _: [])
    keeper.watch("recommender-notebook", 15)
    assert deployment.instance()["NotebookInstanceStatus"] in ("Stopping", "Stopped")


def test_instance_role_has_no_unused_permissions(deployment: Deployed) -> None:
    """That nothing was refused shows that it may do enough."""
    idle = deployment.permissions - privileges.needed(deployment.seen)
    assert {one.action for one in idle} == {"sts:AssumeRole"}  # its credentials were taken before
