"""Code that knows nothing of the local AWS runs on it unchanged, and its failed calls are told."""

import json
from pathlib import Path

import nbformat
import pytest

from rehearsal import strangers
from rehearsal.strangers import NoCode, found
from rehearsal.watched.sitecustomize import shortened

KEY, TOKEN = "AKIAREALDEVELOPERKEY", "real-developer-token"  # pragma: allowlist secret
# what SageMaker's SDKs do for default_bucket() and get_execution_role()
STS = """
import boto3
sts = boto3.client("sts", region_name="us-east-1", endpoint_url="https://sts.us-east-1.amazonaws.com")
print("I am", sts.get_caller_identity()["Arn"])
"""
POLLING = """
import json, os, sys, time
import helper
began = time.monotonic()
for _ in range(60):
    time.sleep(60)
    if time.monotonic() - began > 1.5:
        break
print("facts", json.dumps({"variables": dict(os.environ), "prefix": sys.prefix}))
"""
HELPER = """
import boto3
def ask():
    for _ in range(3):
        try:
            boto3.client("s3").head_bucket(Bucket="nobodys")
        except Exception as error:
            print(error)
ask()
"""
SHELL = """
set -e
sleep 0.5m 30
python -c 'import sys; print("prefix", sys.prefix)'
pip --version
aws s3 ls s3://nobodys
"""


@pytest.fixture(autouse=True)
def developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer has credentials of a real account, and other processes run in the folder."""
    for name, value in {
        "AWS_PROFILE": "real",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "real",  # pragma: allowlist secret
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_ENDPOINT_URL_STS": "https://sts.us-east-1.amazonaws.com",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(strangers, "exclusively", lambda work: work())


@pytest.mark.slow
def test_scripts_run_with_local_credentials_only_and_their_failed_calls_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = tmp_path / "code", tmp_path / "out"
    code.mkdir()
    for name, text in {
        "1_polls.py": STS + POLLING,
        "2_shell.sh": SHELL,
        "helper.py": HELPER,
        "README.md": "no code",
    }.items():
        (code / name).write_text(text)
    assert strangers.main([str(code), "--out", str(out)]) == 1  # the shell's last command fails
    told = capsys.readouterr().out
    first, *_ = told.splitlines()
    assert str(code) in first and "run only code that you trust" in first

    (folder,) = out.iterdir()
    polled = (folder / "1_polls.py.log").read_text()
    assert f"I am arn:aws:sts::123456789012:assumed-role/{strangers.ROLE}/" in polled
    (line,) = [line for line in polled.splitlines() if line.startswith("facts ")]
    facts = json.loads(line.removeprefix("facts "))
    variables = facts["variables"]
    assert KEY not in line and TOKEN not in line
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_STS"} & variables.keys()
    assert variables["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert not Path(variables["HOME"]).exists()  # it was the run's own
    assert facts["prefix"] == variables["VIRTUAL_ENV"]

    shell = (folder / "2_shell.sh.log").read_text()
    assert f"prefix {variables['VIRTUAL_ENV']}\n" in shell
    report = told[told.index("RAN ") :]
    failed = report[report.index("FAILED CALLS") :]
    assert "1_polls.py " in report and "finished" in report.split("1_polls.py ")[1].splitlines()[0]
    assert "1_polls.py, helper.py line 6: s3 HeadBucket (3 times)\n    404: " in failed
    assert "2_shell.sh, aws s3 ls s3://nobodys: s3 ListObjectsV2\n    NoSuchBucket: " in failed


@pytest.mark.slow
def test_notebook_runs_unchanged_and_its_failed_calls_name_cell_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [
        nbformat.v4.new_markdown_cell("# Somebody's notebook"),
        nbformat.v4.new_code_cell(STS + "import time\ntime.sleep(30)"),
        nbformat.v4.new_code_cell(
            "s3 = boto3.client('s3')\n\nif s3.list_buckets()['Buckets'] == []:\n"
            "    s3.get_object(Bucket='nobodys', Key='k')"
        ),
        nbformat.v4.new_code_cell("print('not reached')"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "conda_python3", "display_name": "conda_python3"}
    path, out = tmp_path / "theirs.ipynb", tmp_path / "out"
    nbformat.write(notebook, path)
    before = path.read_bytes()

    assert strangers.main([str(path), "--out", str(out)]) == 1
    report = capsys.readouterr().out
    assert "theirs.ipynb, cell [2] line 4: s3 GetObject\n    NoSuchBucket: " in report
    assert path.read_bytes() == before
    (folder,) = out.iterdir()
    ran = nbformat.read(folder / "theirs.ipynb", as_version=4).cells
    assert f"assumed-role/{strangers.ROLE}" in ran[1].outputs[0].text
    assert [one.ename for one in ran[2].outputs] == ["NoSuchBucket"]
    assert ran[3].outputs == []


@pytest.mark.parametrize(
    ("asked", "taken"), [(0, 0), (0.05, 0.05), (0.2, 0.2), (1, 0.2), (12, 0.2), (60, 1), (600, 10)]
)
def test_sleeps_last_a_sixtieth_and_no_less_than_a_fifth_of_a_second(
    asked: float, taken: float
) -> None:
    assert shortened(asked) == pytest.approx(taken)


def test_folder_has_its_notebooks_run_and_its_scripts_without_any(tmp_path: Path) -> None:
    with pytest.raises(NoCode, match="no notebooks"):
        found(tmp_path)
    with pytest.raises(NoCode, match="no folder, no notebook"):
        found(tmp_path / "missing")
    for name in ("b.sh", "a.py", "data.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in found(tmp_path)] == ["a.py", "b.sh"]
    for name in ("2.ipynb", "1.ipynb"):
        (tmp_path / name).touch()
    assert [path.name for path in found(tmp_path)] == ["1.ipynb", "2.ipynb"]
    assert found(tmp_path / "b.sh") == [tmp_path / "b.sh"]
    with pytest.raises(NoCode):
        found(tmp_path / "data.csv")
