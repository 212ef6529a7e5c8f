"""The app as the CDK CLI starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stacks.config import ConfigError
from tests.stacks.deployments import PROJECT
from tests.synthesis import synthesize


def start(context: Mapping[str, object], out: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(out),
    }
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_app_with_invalid_settings_exits_with_a_message(tmp_path: Path) -> None:
    done = start({"data": str(tmp_path), "prefix": "X", "preset": "?"}, tmp_path / "out")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert len(lines) == 3
    assert "Traceback" not in done.stderr


def test_settings_in_cdk_json_are_read() -> None:
    settings = json.loads((PROJECT / "cdk.json").read_text("utf-8"))
    assert settings["app"] == "python3 app.py"
    assert settings["versionReporting"] is False
    assert settings["notices"] is False


def dependencies(out: Path) -> dict[str, set[str]]:
    """By stack, those that it depends on."""
    artifacts = json.loads((out / "manifest.json").read_text("utf-8"))["artifacts"]
    stacks = {name for name, one in artifacts.items() if one["type"] == "aws:cloudformation:stack"}
    return {name: stacks & set(artifacts[name].get("dependencies", [])) for name in stacks}


def test_command_that_does_not_deploy_knows_the_stacks_of_all_settings(
    data: Path, tmp_path: Path
) -> None:
    """So `cdk destroy --all` removes those that were deployed with other settings."""
    lists = {"data": str(data), "profile": "lists"}
    synthesize(tmp_path / "destroy", lists, deploys=False)
    features = (
        *("Lists", "Object2Vec", "Functions", "DeepMf", "FactorizationMachines"),
        *("Personalize", "Notebook", "Preparation"),
    )
    names = {f"recommender-{one}" for one in features}
    engines = ("Object2Vec", "DeepMf", "FactorizationMachines")
    assert dependencies(tmp_path / "destroy") == {
        "recommender-Data": set(),
        **{name: {"recommender-Data"} for name in names},
        # whose pairs they may score
        **{f"recommender-{one}": {"recommender-Data", "recommender-Lists"} for one in engines},
        "recommender-Lists": {"recommender-Data", "recommender-Preparation"},
        "recommender-Functions": {f"recommender-{one}" for one in ("Data", "Object2Vec", "Lists")},
        "recommender-Operations": {"recommender-Data", *names},
    }
    # an empty template in a deployment would delete the stack
    synthesize(tmp_path / "deploy", lists)
    assert set(dependencies(tmp_path / "deploy")) == {"recommender-Data", "recommender-Lists"}


@pytest.mark.parametrize(
    ("manifest", "words"), [(None, "no prepared data"), ("{}", "is not a manifest")]
)
def test_command_that_does_not_deploy_needs_no_data(
    tmp_path: Path, manifest: str | None, words: str
) -> None:
    """As after a deployment from a bucket, from another checkout, or by an earlier version."""
    if manifest:
        (tmp_path / "none").mkdir()
        (tmp_path / "none" / "manifest.json").write_text(manifest)
    missing = {"data": str(tmp_path / "none"), "prefix": "anna"}
    synthesize(tmp_path / "destroy", missing, deploys=False)
    assert {"anna-Data", "anna-Lists", "anna-Preparation"} <= dependencies(
        tmp_path / "destroy"
    ).keys()
    with pytest.raises(ConfigError, match=words):
        synthesize(tmp_path / "deploy", missing)


def test_app_prints_the_cost_first(data: Path, tmp_path: Path) -> None:
    done = start({"data": str(data), "aws:cdk:bundling-stacks": ["no stack"]}, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "On AWS this costs $" in done.stderr
    assert "On AWS" not in done.stdout
