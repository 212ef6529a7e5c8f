"""The function `ExperimentResults` on moto's tables and bucket, and what is read of its files."""

import gzip
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from common import clients
from common.histories import Event, Histories
from experiment_results.logic import ExperimentResultsError
from moto import mock_aws

from local_aws.moto_patches import install
from recsys.errors import InputError
from recsys.experiments.outcomes import Results, users
from tests.lambdas.fakes import client_error
from tests.lambdas.test_lists import TABLE, create_table

BUCKET, EXPOSURES, PREFIX = "movies", "exposures", "experiments/results/"
NOON = 1_796_040_000  # 2026-11-30 12:00 UTC
DAY = 86_400
ARMS = {"a": {"share": 50}, "b": {"share": 50, "half_life": 3}}
DEFINITIONS: Any = {
    "one": {"arms": ARMS, "metric": {"event": "Watch"}},
    "visits": {"unit": "session", "arms": ARMS, "metric": {"event": "Watch"}},
    "mixed": {"kind": "interleaving", "arms": ARMS, "metric": {"event": "Watch"}},
}

Run = Callable[[], dict[str, int]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The function's handler, with two empty tables."""
    install()
    with mock_aws():
        clients.client.cache_clear()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        create_table()
        create_table(EXPOSURES)
        for name, value in {
            "BUCKET_NAME": BUCKET,
            "EXPERIMENTS": json.dumps(DEFINITIONS),
            "EXPOSURES_TABLE": EXPOSURES,
            "RESULTS": PREFIX,
            "TABLE_NAME": TABLE,
        }.items():
            monkeypatch.setenv(name, value)
        sys.modules.pop("experiment_results.handler", None)
        module = importlib.import_module("experiment_results.handler")
        yield lambda: module.handler({}, None)
        clients.client.cache_clear()


def expose(user: str, event: str, at: float, **more: str) -> None:
    row = {
        "user": {"S": user},
        "event": {"S": event},
        "at": {"N": f"{at:.3f}"},
        "milliseconds": {"N": "7.5"},
        "shares": {"S": "a:50 b:50"},
        "items": {"S": '["10", "Война"]'},
        **{name: {"S": value} for name, value in more.items()},
    }
    boto3.client("dynamodb").put_item(TableName=EXPOSURES, Item=row)


def histories() -> Histories:
    return Histories(boto3.client("dynamodb"), TABLE)


def watch(user: str, *times: int) -> None:
    histories().write([Event(user, f"i{n}", at, str(n), "Watch") for n, at in enumerate(times)])


def keys(prefix: str = "") -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", ())]


def lines(table: str, day: str) -> list[Any]:
    key = f"{PREFIX}{table}/day={day}/{table}.jsonl.gz"
    content = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def download(folder: Path) -> Path:
    for key in keys(PREFIX):
        path = folder / key.removeprefix(PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        boto3.client("s3").download_file(BUCKET, key, str(path))
    return folder


def test_exposures_and_what_followed_are_written_by_day(run: Run) -> None:
    expose("u", "one", NOON + 0.25, arm="b")
    expose("u", "mixed#request", NOON + DAY, teams='["b", "a"]')
    expose("v", "one", NOON + DAY, arm="a")
    watch("u", NOON - 9 * DAY, NOON - 1, NOON, NOON + 2 * DAY)
    watch("stranger", NOON + 5)
    histories().write([Event("v", "i0", NOON + DAY, "r", value=4.5)])
    assert run() == {"exposures": 3, "users": 2, "events": 3, "files": 6}
    days = [f"2026-{one}" for one in ("11-30", "12-01", "12-02")]
    assert keys() == sorted(
        [
            *(f"{PREFIX}exposures/day={day}/exposures.jsonl.gz" for day in days[:2]),
            *(f"{PREFIX}events/day={day}/events.jsonl.gz" for day in days),
            f"{PREFIX}experiments.json",
        ]
    )
    told = {"shares": "a:50 b:50", "milliseconds": 7.5, "items": ["10", "Война"]}
    assert lines("exposures", days[0]) == [
        {"experiment": "one", "user": "u", "time": NOON + 0.25, "arm": "b", **told, "earlier": 2}
    ]
    assert lines("exposures", days[1]) == [
        {
            **{"experiment": "mixed", "user": "u", "time": NOON + DAY, **told},
            **{"teams": ["b", "a"], "earlier": 2},
        },
        {"experiment": "one", "user": "v", "time": NOON + DAY, "arm": "a", **told, "earlier": 0},
    ]
    watched = {"user": "u", "type": "Watch"}
    assert lines("events", days[0]) == [{**watched, "time": NOON, "item": "i2"}]
    assert lines("events", days[1]) == [
        {"user": "v", "time": NOON + DAY, "item": "i0", "value": 4.5}
    ]
    assert lines("events", days[2]) == [{**watched, "time": NOON + 2 * DAY, "item": "i3"}]


def test_sessions_have_their_own_activity_before(run: Run, tmp_path: Path) -> None:
    """Also where the user's began at another time; each event is in the files once."""
    expose("u", "one", NOON, arm="b")
    expose("u", "visits#s1", NOON + 100, arm="a", session="s1")
    expose("u", "visits#s2", NOON - 100, arm="b", session="s2")
    expose("v", "visits#v", NOON, arm="b", session="v")
    happened = (
        *(("u", NOON - 200, "s1"), ("u", NOON - 200, "s2"), ("u", NOON - 50, "s2")),
        *(("u", NOON + 50, "s1"), ("u", NOON + 200, "s1"), ("u", NOON + 300, "")),
        *(("v", NOON - 1, ""), ("v", NOON + 1, "")),
    )
    histories().write(
        [
            Event(user, "i", at, str(number), "Watch", session=session)
            for number, (user, at, session) in enumerate(happened)
        ]
    )
    assert run()["events"] == 5  # all but both of NOON - 200, and the visitor's first
    folder = download(tmp_path)
    for name, before, outcome in (
        ("one", [3], [1]),
        # in the order of s2, v, s1
        ("visits", [1, 1, 2], [1, 1, 1]),
    ):
        found = users(Results.read(folder, name), NOON + 99 * DAY)
        assert np.expm1(found.before).round(9).tolist() == before
        assert found.outcome.tolist() == outcome


def test_forgotten_user_leaves_the_files_and_nothing_else_does(run: Run) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="experiments/one.json", Body=b"{}")
    expose("u", "one", NOON, arm="b")
    expose("v", "one", NOON + DAY, arm="a")
    watch("u", NOON + 1)
    watch("v", NOON + 1, NOON + DAY)
    run()
    before = keys()
    for table in (EXPOSURES, TABLE):
        Histories(boto3.client("dynamodb"), table).forget("u")
    assert run() == {"exposures": 1, "users": 1, "events": 1, "files": 3}
    gone = {f"{PREFIX}{one}/day=2026-11-30/{one}.jsonl.gz" for one in ("exposures", "events")}
    assert set(before) - set(keys()) == gone
    assert "experiments/one.json" in keys()
    run()  # the same tables are the same bytes
    assert lines("exposures", "2026-12-01")[0]["user"] == "v"


def test_files_are_read_as_the_tables_would_be(run: Run, tmp_path: Path) -> None:
    """Of each experiment, with the same activity before a user's first exposure to it."""
    rng = np.random.default_rng(0)
    events: dict[str, list[int]] = {}
    for number in range(12):
        user = f"u{number}"
        first, later = sorted((NOON + rng.integers(0, 3 * DAY, 2)).tolist())
        expose(user, "one", first, arm="ab"[number % 2])
        expose(user, "mixed#r", later, teams='["b", "a"]')
        events[user] = sorted(
            {*(NOON + rng.integers(-9 * DAY, 9 * DAY, 20)).tolist(), first, later}
        )
        watch(user, *events[user])
    run()
    folder = download(tmp_path)
    shown = boto3.client("dynamodb").scan(TableName=EXPOSURES)["Items"]
    for name in ("one", "mixed"):
        results = Results.read(folder, name)
        assert results.experiment.name == name and len(results.exposures) == 12
        found = users(results, NOON + 99 * DAY)
        starts = {
            row["user"]["S"]: int(float(row["at"]["N"]))
            for row in shown
            if row["event"]["S"].startswith(name)
        }
        order = results.exposures.sort_by("time")["user"].to_pylist()
        before = [sum(at < starts[user] for at in events[user]) for user in order]
        assert np.expm1(found.before).round(9).tolist() == before
        if name == "one":
            within = [
                float(any(0 <= at - starts[user] < DAY for at in events[user])) for user in order
            ]
            assert found.outcome.tolist() == within
    with pytest.raises(InputError, match="it has one, visits, mixed; name one of them with --name"):
        Results.read(folder)
    with pytest.raises(InputError, match="none is called 'two'"):
        Results.read(folder, "two")


def test_without_exposures_there_are_only_definitions_which_can_be_read(
    run: Run, tmp_path: Path
) -> None:
    watch("u", NOON)
    assert run() == {"exposures": 0, "users": 0, "events": 0, "files": 1}
    results = Results.read(download(tmp_path), "one")
    assert (len(results.exposures), len(results.events)) == (0, 0)


@pytest.mark.parametrize(
    ("service", "operation", "words"),
    [
        ("dynamodb", "scan", "The table exposures cannot be read: no"),
        ("s3", "put_object", "s3://movies/experiments/results/experiments.json: no"),
    ],
)
def test_refusal_by_aws_is_told_with_what_was_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, service: str, operation: str, words: str
) -> None:
    def refuse(**_: Any) -> None:
        raise client_error("AccessDenied", "no")

    monkeypatch.setattr(clients.client(service), operation, refuse)
    with pytest.raises(ExperimentResultsError, match=words):
        run()
