"""Whatever lies in a folder of results, it is analysed or refused with a message."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given

from recsys.errors import InputError
from recsys.experiments.analysis import Report, analyse
from recsys.experiments.outcomes import Results
from tests.inputs import attempt, damaged
from tests.reliability import Tally

DEFINITION = json.dumps(
    {
        "name": "one",
        "arms": {"a": {"share": 50}, "b": {"share": 50, "half_life": 3}},
        "metric": {"measure": "value", "event": "Watch"},
        "guardrails": {"latency": 20, "coverage": 10},
    }
).encode()
EXPOSURES = b"".join(
    json.dumps(
        {
            "user": str(user),
            "time": 10.5 + user,
            "arm": "ab"[user % 2],
            "shares": "a:50 b:50",
            "milliseconds": 7.5,
            "items": ["1", "2"],
        }
    ).encode()
    + b"\n"
    for user in range(4)
)
EVENTS = b"".join(
    json.dumps(
        {"user": str(user), "time": 20 + user, "item": "1", "type": "Watch", "value": 2}
    ).encode()
    + b"\n"
    for user in range(3)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


def read(folder: Path, **files: bytes) -> None:
    """Each file as given or as it should be: a report without odd numbers, or a message."""
    for name, content in (
        ("experiment.json", files.get("definition", DEFINITION)),
        ("exposures.jsonl", files.get("exposures", EXPOSURES)),
        ("events.jsonl", files.get("events", EVENTS)),
    ):
        (folder / name).write_bytes(content)

    def analysed() -> Report:
        return analyse(Results.read(folder), at=1e6)

    report, refused = attempt(analysed, InputError)
    if report:
        json.dumps(report.as_json(), allow_nan=False)
        assert list(report.lines())
    else:
        assert refused and all(problem.strip() for problem in refused.problems)


@given(damaged(DEFINITION))
@example(b"[" * 5_000)
@example(DEFINITION.replace(b"one", b"\\ud800"))
@example(DEFINITION.replace(b"50", b"1e400", 1))
def test_any_damaged_definition_is_read_or_refused(
    tally: Tally, folder: Path, content: bytes
) -> None:
    tally("inputs tried", "results of experiments, damaged")
    read(folder, definition=content)


@given(damaged(EXPOSURES))
@example(b"")
@example(EXPOSURES.replace(b"10.5", b"1e400"))
@example(EXPOSURES.replace(b"10.5", b"null"))
@example(EXPOSURES.replace(b"7.5", b"-1e308"))
@example(EXPOSURES.replace(b'"items"', b'"teams"'))
def test_any_damaged_exposures_are_read_or_refused(
    tally: Tally, folder: Path, content: bytes
) -> None:
    tally("inputs tried", "results of experiments, damaged")
    read(folder, exposures=content)
    mixed = DEFINITION.replace(b'"one"', b'"one", "kind": "interleaving"')
    read(folder, exposures=content, definition=mixed)


@given(damaged(EVENTS))
@example(b"")
@example(EVENTS.replace(b'"value": 2', b'"value": 1e308'))
@example(EVENTS.replace(b'"value": 2', b'"value": -2'))
def test_any_damaged_events_are_read_or_refused(tally: Tally, folder: Path, content: bytes) -> None:
    tally("inputs tried", "results of experiments, damaged")
    read(folder, events=content)
