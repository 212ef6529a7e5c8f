"""The guide "Bring your own data", followed to the letter."""

import json
import re
import shlex
from pathlib import Path

import pytest

from recsys.__main__ import main

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = (PROJECT / "docs" / "bring-your-own-data.md").read_text("utf-8")
FILES = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
COMMANDS = [
    command
    for command in re.findall(r"^    make data (.+?)(?: +#.*)?$", GUIDE, re.MULTILINE)
    if "/" not in command.split(" ")[0] or "*" in command
]


def test_the_guide_has_files_and_commands() -> None:
    assert len(FILES) >= 9
    assert len(COMMANDS) >= 9


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_guide_prepares_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    options = ["prepare", "--out", "out"]
    for variable, value in (one.split("=", 1) for one in shlex.split(command)):
        option = f"--{variable.lower()}"
        assert f"$(call option,{option},$({variable}))" in makefile
        options += [option, value]
    assert main(options) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert (manifest["users"], manifest["items"]) in {(2, 2), (2, 3)}
    assert manifest["scale"]["events"] is command.startswith("DATA=purchases")


def test_titles_of_the_guide_come_through_in_every_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("named/ratings.csv", "named/books.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FILES[name], "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "--out", "out", "--data", "named"]) == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    content = (tmp_path / "out" / "bucket" / manifest["keys"]["catalogue"]).read_text("utf-8")
    found = {item["id"]: (item["title"], item["genres"]) for item in json.loads(content)["items"]}
    assert found == {
        "bk-17": ("Красная Küche", ["Poetry", "Kochbuch"]),
        "bk-18": ("日本文学", ["科幻小说"]),
    }
