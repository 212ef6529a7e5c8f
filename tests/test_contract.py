"""How the contract's tests are run in an account: agreed to, recorded, compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract import __main__ as program
from tests.contract.cloud import differences


def written(path: Path, *records: dict[str, Any]) -> Path:
    common = {"test": "test_a", "operation": "s3:GetObject", "code": None, "message": ""}
    told = {"status": 200, "answer": {}}
    path.write_text("".join(json.dumps(common | told | one) + "\n" for one in records))
    return path


def test_differences_name_the_test_the_call_and_both_answers(tmp_path: Path) -> None:
    same = {"test": "test_same", "answer": {"Body": "str"}}
    missing = {"status": 404, "code": "NoSuchKey", "message": "no such key"}
    denied = {"status": 403, "code": "AccessDenied", "message": "denied"}
    ours = written(tmp_path / "local", same, missing)
    theirs = written(tmp_path / "aws", denied, same)
    assert list(differences(ours, theirs)) == [
        "test_a: s3:GetObject",
        "    local 404 NoSuchKey: no such key",
        "    aws   403 AccessDenied: denied",
    ]
    assert list(differences(ours, ours)) == []


@pytest.mark.parametrize(("answer", "runs"), [("", 0), ("n", 0), ("y", 2)])
def test_account_is_used_only_once_its_cost_is_agreed_to(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    answer: str,
    runs: int,
) -> None:
    asked: list[str] = []
    ran: list[str] = []

    def agree(question: str) -> str:
        asked.append(question)
        return answer

    def run(profile: str) -> int:
        ran.append(profile)
        written(tmp_path / f"{'aws' if profile else 'local'}.jsonl")
        return 0

    monkeypatch.setattr("builtins.input", agree)
    monkeypatch.setattr(program, "_run", run)
    monkeypatch.setattr(program, "RECORDS", tmp_path)
    monkeypatch.setenv("CONTRACT_TIERS", "")
    monkeypatch.setattr("sys.argv", ["contract", "--profile", "mine", "--tiers", "cheap,training"])
    assert program.main() == (0 if runs else 1)
    assert ran == ["", "mine"][:runs]
    assert asked == ["Spend up to $1.05 in the account of profile mine? [y/N] "]
    assert "cheap: at most $0.05, for calls" in capsys.readouterr().out
