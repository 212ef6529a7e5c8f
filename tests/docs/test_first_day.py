"""The commands of the guide to the first day exist, and their settings are accepted."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from stacks.config import Config
from tests.stacks.deployments import write_data

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = (PROJECT / "docs" / "first-day.md").read_text("utf-8")
COMMANDS = re.findall(r"^ {4,8}((?:npx|make|python|aws) .+)$", GUIDE, re.MULTILINE)
OURS = re.compile(r"fileb://(\S+)")


def test_guide_has_every_step() -> None:
    assert re.findall(r"^(\d+)\. ", GUIDE, re.MULTILINE) == [str(n) for n in range(1, 14)]
    assert len(COMMANDS) >= 14


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("npx cdk")])
def test_settings_of_each_cdk_command_are_accepted(tmp_path: Path, command: str) -> None:
    words = shlex.split(command)
    assert words[2] in ("bootstrap", "deploy", "destroy")
    settings = [value for flag, value in pairwise(words) if flag == "-c"]
    context = dict(one.split("=", 1) for one in settings)
    Config.from_context({"data": str(write_data(tmp_path)), **context}, default_region="us-east-1")


@pytest.mark.parametrize("command", [one for one in COMMANDS if not one.startswith("npx cdk")])
def test_what_each_other_command_names_exists(command: str) -> None:
    match shlex.split(command):
        case ["make", target, *_]:
            makefile = (PROJECT / "Makefile").read_text("utf-8")
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)
        case ["python", "-m", module, *_]:
            assert (PROJECT / Path(*module.split("."))).with_suffix(".py").is_file()
        case ["aws", *_]:
            assert all((PROJECT / path).is_file() for path in OURS.findall(command))
        case other:
            raise AssertionError(other)
