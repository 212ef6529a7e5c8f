"""The notebooks, run from clean kernels on the local AWS with a small data set."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from local_aws.server import LocalAws
from rehearsal import notebooks
from rehearsal.cdk import PROJECT
from rehearsal.notebooks import AFTERWARDS, NOTEBOOKS, SETTINGS, Run, execute, render, results

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
QUICK = ("rating.epochs=2", "recommendation.epochs=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[Run]:
    subprocess.run(
        [sys.executable, "-m", "recsys", "prepare", "--size", "small", "--out", folder / "data"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    run = Run()
    with LocalAws() as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        with run.deployed(folder, *SETTINGS, f"data={folder / 'data'}", *QUICK):
            yield run
        assert run.leftovers == []
        assert executed(AFTERWARDS.stem) == {"stacks": 0, "hourly": 0, "left": 0}


def executed(name: str) -> dict[str, Any]:
    (path,) = NOTEBOOKS.glob(f"{name}*.ipynb")
    notebook, error = execute(path)
    assert error is None
    folder = PROJECT / "build" / "notebooks"
    page = render(notebook, folder)
    # what a browser would fetch: links for the reader to follow are none of it
    for fetched in ("<script", 'src="http', "url(http", "@import", "<link"):
        assert fetched not in page, fetched
    # links to the project's files lead somewhere from where the page will lie
    for link in re.findall(r'href="(?!https?:|#)([^"]+)"', page):
        own = link.endswith(".html") and "/" not in link
        target = NOTEBOOKS / f"{link[:-5]}.ipynb" if own else folder / link
        assert os.path.exists(os.path.normpath(target)), link
    return results(notebook)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            # neither the local AWS nor AWS is told apart
            assert "AWS_ENDPOINT_URL" not in cell.source
            assert "localhost" not in cell.source


def test_an_error_in_a_notebook_is_told(tmp_path: Path) -> None:
    cells = [nbformat.v4.new_code_cell("1 / 0")]
    path = tmp_path / "bad.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    notebook, error = execute(path)
    assert error is not None
    assert "ZeroDivisionError" in error
    assert "ZeroDivisionError" in notebooks.render(notebook, tmp_path)


def test_data(deployment: Run) -> None:
    found = executed("1_")
    # 16,000 ratings of 400 films by 240 users, ten of each user held out
    assert 0.1 < found["density"] < 16_000 / (240 * 400)
    assert found["mse_bias"] < found["mse_user"] < found["mse_mean"]


def test_object2vec(deployment: Run) -> None:
    found = executed("2_")
    # both networks have learned what they are asked: to better what needs no learning
    assert found["mse"] < found["mse_mean"]
    assert found["auc"] > 0.6
    assert (found["suggestions"], found["left"]) == (8, 0)


def test_embedding_space(deployment: Run) -> None:
    found = executed("3_")
    # nobody told the network of genres: neighbours share them because people's tastes do
    assert found["films"] > 100
    assert found["dimensions"] == 16
    assert found["genre_near"] > 1.1 * found["genre_random"]


def test_factorization(deployment: Run) -> None:
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


def test_personalize_and_evaluation(deployment: Run) -> None:
    found = executed("5_")
    # who knows a person's history does better than who counts
    assert found["mrr"] > found["mrr_popularity"]
    # events have drawn their genre into a stranger's list
    assert found["genre_after"] > found["genre_before"]
    # every user of the generated data has a list
    assert (found["lists"], found["left"]) == (240, 0)
    # these lists stand beside those of the ten other engines
    found = executed("6_")
    assert found["engines"] == 11
    assert found["mse_bayesian"] < found["mse_bias"]
    assert found["auc_bayesian"] > 0.6
    # to guess stars well makes no good lists, and what everybody knows is not new
    assert found["ndcg_edlae"] > found["ndcg_popularity"] > found["ndcg_bayesian"]
    assert found["novelty_edlae"] > found["novelty_popularity"]


def test_clean_up(deployment: Run) -> None:
    found = executed("7_")
    assert found["stacks"] == 6
    # five endpoints; two campaigns of the second version and two recommenders
    assert found["hourly"] == pytest.approx(5 * 0.115 + 2 * 3.6 * 0.15 + 2 * 0.375)
    assert found["left"] > 40
