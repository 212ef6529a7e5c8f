"""The reports on vulnerabilities and secrets, and on unreachable services."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import supply_chain
from supply_chain import Verdict, judge_npm, judge_python, judge_secrets


def test_vulnerable_python_package_is_named_with_its_fix() -> None:
    vulnerability = {"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": [], "description": ""}
    report = {
        "dependencies": [
            {"name": "good", "version": "1", "vulns": []},
            {"name": "bad", "version": "1", "vulns": [vulnerability]},
            {"name": "unknown", "skip_reason": "not found"},
        ]
    }
    found = judge_python(json.dumps(report))
    assert found == Verdict(("bad 1: PYSEC-1, fixed in 2.0",))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"dependencies": [{"name": "a", "skip_reason": "?"}]}']
)
def test_audit_without_packages_is_skipped(text: str) -> None:
    assert judge_python(text).skipped


def test_every_locked_file_is_audited_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"name": "bad", "version": "1", "vulns": [{"id": "X", "fix_versions": []}]}
    good = json.dumps({"dependencies": [{**package, "vulns": []}]})
    audited, run = [], supply_chain._run

    def answer(command: Any) -> Any:
        if command[0] != "pip-audit":
            return run(command)
        if "--require-hashes" not in command:
            return good
        audited.append(command[command.index("-r") + 1])
        return json.dumps({"dependencies": [package]}) if "spark" in audited[-1] else good

    monkeypatch.setattr(supply_chain, "_run", answer)
    assert supply_chain.python_packages() == Verdict(("bad 1: X, fixed in no version yet",))
    project = Path(supply_chain.__file__).parent
    makefile = (project / "Makefile").read_text("utf-8")
    made = re.findall(r"--output-file (requirements\S*)", makefile)
    layers = [str(one.relative_to(project)) for one in project.glob("layers/*/requirements.txt")]
    assert len(made) == 3 and len(layers) == 3
    assert {*made, *layers, "scripts/deep_mf/requirements.txt"} <= set(audited)
    assert len(audited) == len(set(audited))


def test_vulnerable_npm_package_is_named() -> None:
    report = {"vulnerabilities": {"bad": {"range": "<2", "severity": "high"}}}
    assert judge_npm(json.dumps(report)) == Verdict(("bad <2: high",))
    assert judge_npm('{"vulnerabilities": {}}') == Verdict()


def test_registry_without_audits_is_skipped() -> None:
    refusal = {"message": "405 Method Not Allowed - POST somewhere", "statusCode": 405}
    assert judge_npm(json.dumps(refusal)).skipped == (
        "npm's advisories do not respond (405 Method Not Allowed)"
    )
    assert judge_npm("").skipped


def test_secret_is_reported_by_location_only() -> None:
    finding = {"type": "AWS Access Key", "line_number": 7, "hashed_secret": "abc"}
    assert judge_secrets(json.dumps({"results": {"a.py": [finding]}})) == Verdict(
        ("a.py:7: AWS Access Key",)
    )
    assert judge_secrets("").findings


def test_check_without_network_passes_with_notes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(supply_chain, "_run", lambda _: "")
    monkeypatch.setitem(supply_chain.CHECKS, "secrets", Verdict)
    assert supply_chain.main() == 0
    said = capsys.readouterr().out
    assert "Python packages: skipped: PyPI's advisories do not respond" in said
    assert "npm packages: skipped: npm's advisories do not respond" in said
    assert "secrets: 0" in said


def test_finding_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in supply_chain.CHECKS:
        monkeypatch.setitem(supply_chain.CHECKS, name, Verdict)
    monkeypatch.setitem(supply_chain.CHECKS, "secrets", lambda: Verdict(("a.py:1: Key",)))
    assert supply_chain.main() == 1
    assert "a.py:1: Key" in capsys.readouterr().err


def test_locked_packages_all_have_hashes() -> None:
    for name in supply_chain.locked():
        lines = (Path(supply_chain.__file__).parent / name).read_text("utf-8").splitlines()
        pins = [i for i, line in enumerate(lines) if line and line[0] not in "# "]
        assert pins
        for index in pins:
            assert "--hash=sha256:" in lines[index + 1], lines[index]
