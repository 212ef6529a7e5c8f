"""From recorded exposures and events to a verdict, against outcomes worked out by hand."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recsys.__main__ import main
from recsys.errors import InputError
from recsys.experiments.analysis import analyse
from recsys.experiments.assignment import assign
from recsys.experiments.definition import parse
from recsys.experiments.outcomes import EVENTS, EXPOSURES, Results, users
from recsys.experiments.sequences import critical

HOUR = 3600.0
DEFINITION: Any = {
    "arms": {"as-is": {"share": 50}, "recent": {"share": 50, "half_life": 3}},
    "metric": {"measure": "rate", "event": "Watch"},
    "window_minutes": 60,
    "guardrails": {"latency": 20, "Purchase": 5, "coverage": 10},
    "users": 2000,
}
SHARES = "as-is:50 recent:50"


def results(exposures: Any, events: Any, **definition: Any) -> Results:
    return Results(
        parse("one", {**DEFINITION, **definition}),
        pa.Table.from_pylist(exposures, EXPOSURES),
        pa.Table.from_pylist(events, EVENTS),
    )


def exposure(user: str, time: float, arm: str = "as-is", **more: Any) -> dict[str, Any]:
    return {"user": user, "time": time, "arm": arm, "shares": SHARES, **more}


def event(user: str, time: float, item: str = "1", type: str = "Watch", value: float = 1) -> Any:  # noqa: A002
    return {"user": user, "time": time, "item": item, "type": type, "value": value}


def test_events_count_within_the_window_of_the_first_exposure() -> None:
    recorded = results(
        [
            exposure("a", 1000.9),
            exposure("b", 2000, "recent"),
            exposure("a", 5000),  # not the first
            exposure("late", 9000),  # its window has not ended
            exposure("after", 99_000),  # not yet seen at that time
            exposure("other shares", 1500) | {"shares": "as-is:90 recent:10"},
            exposure("two arms", 1500),
            exposure("two arms", 1600, "recent"),
        ],
        [
            event("a", 1000),  # in the second of the exposure
            event("a", 4599),
            event("a", 4600),  # too late
            event("a", 999),
            event("a", 998, type="Rating"),
            event("b", 2100, type="Rating"),
            event("stranger", 2100),
        ],
    )
    found = users(recorded, at=10_000)
    assert found.arm.tolist() == [0, 1]
    assert found.outcome.tolist() == [1, 0]
    assert found.before.tolist() == pytest.approx([np.log(3), 0])
    assert (found.waiting, found.left_out) == (1, 2)


def test_sessions_have_their_own_arms_and_outcomes() -> None:
    recorded = results(
        [
            exposure("a", 1000, session="a1"),
            exposure("a", 2000, "recent", session="a2"),
            exposure("visitor", 3000, "recent", session="visitor"),
            exposure("visitor", 3500, "recent", session="visitor"),
        ],
        [
            {**event("a", 1500), "session": "a1"},
            {**event("a", 1900), "session": "a2"},  # before the session's first list
            event("a", 2100),  # of no session
            event("visitor", 3100),  # without an account, the session is the user
            {**event("other", 3100), "session": "a2"},
        ],
        unit="session",
        metric={"measure": "count", "event": "Watch"},
    )
    found = users(recorded, at=10_000)
    assert found.arm.tolist() == [0, 1, 1]
    assert found.outcome.tolist() == [1, 1, 1]
    assert found.before.tolist() == pytest.approx([0, np.log(2), 0])
    assert found.left_out == 0  # a user in two arms is none too many
    of_users = results(
        recorded.exposures.to_pylist(),
        recorded.events.to_pylist(),
        metric={"measure": "count", "event": "Watch"},
    )
    assert users(of_users, at=10_000).left_out == 1
    told = "\n".join(analyse(recorded, at=4000).lines())
    assert "3 more sessions whose 60 minutes have not ended" in told
    assert "Too few sessions" in told and " users" not in told


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ({"measure": "rate", "event": "Watch"}, 1),
        ({"measure": "count", "event": "Watch"}, 2),
        ({"measure": "count"}, 3),
        ({"measure": "value", "event": "Watch"}, 5),
        ({"measure": "value", "event": "Skip"}, 0),
    ],
)
def test_a_metric_is_a_rate_a_count_or_a_sum_of_values(metric: Any, expected: float) -> None:
    events = [event("a", 1, value=2), event("a", 2, value=3), event("a", 3, type="Rating")]
    recorded = results([exposure("a", 0)], events, metric=metric)
    assert users(recorded, at=HOUR).outcome.tolist() == [expected]


def test_events_are_credited_to_the_arm_that_listed_the_item_last() -> None:
    def shown(user: str, time: float, **teams: str) -> dict[str, Any]:
        return {"user": user, "time": time, "items": list(teams), "teams": list(teams.values())}

    recorded = results(
        [
            shown("a", 0, x="as-is", y="recent", z="recent"),
            shown("a", 100, x="recent", y="recent"),
            shown("b", 0, x="as-is"),
            shown("c", 0, x="as-is"),
        ],
        [
            event("a", 50, "x"),  # the first list's: as-is
            event("a", 150, "x"),  # the second's: recent
            event("a", 150, "z"),  # on the first only: recent
            event("a", 150, "z", type="Skip"),
            event("a", 150, "unlisted"),
            event("b", 10, "x"),
        ],
        kind="interleaving",
        guardrails={},
    )
    found = users(recorded, at=2 * HOUR)
    assert found.outcome.tolist() == pytest.approx([(2 - 1) / 3, -1, 0])


def simulated(
    rates: Sequence[float], count: int = 3000, lost: float = 0.0, **definition: Any
) -> Results:
    """Users whose rate of Watch events depends on the arm; some of the second arm are lost."""
    random = np.random.default_rng(5)
    exposures, events = [], []
    for number in range(count):
        user = str(number)
        arm = assign("one", {"as-is": 50, "recent": 50}, user)
        if arm == "recent" and random.random() < lost:
            continue
        exposures.append(
            exposure(
                user,
                number,
                arm,
                milliseconds=10 + random.random() + (5 if arm == "recent" else 0),
                items=[str(number % (100 if arm == "as-is" else 50))],
            )
        )
        if random.random() < rates[arm == "recent"]:
            events.append(event(user, number + 10))
        events.append(event(user, number + 10, type="Purchase"))
    return results(exposures, events, **definition)


def test_a_planted_lift_is_found_and_told_in_words() -> None:
    report = analyse(simulated((0.2, 0.3), guardrails={"Purchase": 5}), at=1e6)
    (one,) = report.comparisons
    assert one.verdict == "better" and one.low < 0.5 < one.high
    assert report.mismatch is not None and report.mismatch > 0.01
    (rail,) = report.guardrails
    assert rail.status == "held"
    assert rail.worse == pytest.approx(0, abs=1e-9)
    (words,) = report.verdict()
    assert words.startswith("recent is better than as-is: the lift is between +")
    # the other way round
    (words,) = analyse(simulated((0.3, 0.2), guardrails={}), at=1e6).verdict()
    assert words.startswith("recent is worse than as-is: the lift is between -")


def test_course_shows_what_was_known_when_there_were_fewer_users() -> None:
    recorded = simulated((0.2, 0.3), guardrails={})
    (one,) = analyse(recorded, at=1e6).comparisons
    assert [look.users for look in one.course] == [50 * number for number in range(1, 61)]
    last = one.course[-1]
    assert (last.change, last.low, last.high) == (one.change, one.low, one.high)
    # a user comes each second, and is analysed an hour later
    (then,) = analyse(recorded, at=HOUR + 999).comparisons
    (look,) = (look for look in one.course if look.users == 1000)
    assert (look.change, look.low, look.high) == (then.change, then.low, then.high)


def test_a_breached_guardrail_overrules_a_better_metric() -> None:
    report = analyse(simulated((0.2, 0.3)), at=1e6)
    assert {rail.name: rail.status for rail in report.guardrails} == {
        "latency": "breached",
        "Purchase": "held",
        "coverage": "breached",
    }
    assert report.verdict() == ["Do not use recent: latency, coverage became worse than allowed."]
    coverage = next(rail for rail in report.guardrails if rail.name == "coverage")
    assert coverage.worse == pytest.approx(0.5)


def test_a_broken_assignment_is_told_instead_of_a_verdict() -> None:
    report = analyse(simulated((0.2, 0.3), lost=0.2), at=1e6)
    assert report.broken
    (words,) = report.verdict()
    assert words.startswith("The assignment is broken: the arms have as-is ")


def test_an_open_experiment_tells_how_many_more_users_it_takes() -> None:
    report = analyse(simulated((0.2, 0.23), count=1000, guardrails={}), at=1e6)
    (one,) = report.comparisons
    assert one.verdict == "open" and one.more is not None
    (words,) = report.verdict()
    told = re.search(r"about ([\d,]+) more users decide it", words)
    assert told and int(told[1].replace(",", "")) == pytest.approx(one.more, rel=0.05)
    # at that number the half-width is the difference of the means
    count = sum(report.users.values())
    variance = sum(
        p * (1 - p) * count / n
        for p, n in ((one.control, report.users["as-is"]), (one.mean, report.users["recent"]))
    )
    half = critical(count + one.more, 2000) * np.sqrt(variance / (count + one.more))
    assert half == pytest.approx(abs(one.mean - one.control), rel=0.02)


def test_equal_arms_make_no_difference_that_matters() -> None:
    report = analyse(simulated((0.5, 0.5), count=4000, guardrails={}, effect=30), at=1e6)
    (words,) = report.verdict()
    assert words.startswith("recent makes no difference that matters")


def test_nothing_recorded_yet_is_no_error() -> None:
    report = analyse(results([], []), at=0)
    assert report.users == {"as-is": 0, "recent": 0}
    assert "2,000 are planned" in report.verdict()[0]
    assert json.dumps(report.as_json(), allow_nan=False)
    mixed = analyse(results([], [], kind="interleaving"), at=0)
    assert mixed.comparisons[0].verdict == "open"


def test_an_unknown_arm_is_told() -> None:
    with pytest.raises(InputError, match="the arms 'new' are not in the experiment"):
        users(results([exposure("a", 0, "new")], []), at=HOUR)


def test_the_command_reads_a_folder_and_tells_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated((0.2, 0.3), guardrails={}).write(tmp_path)
    told = tmp_path / "report.json"
    at = "1970-01-12T00:00"
    assert main(["experiment", str(tmp_path), "--at", at, "--json", str(told)]) == 0
    out = capsys.readouterr().out
    assert "recent is better than as-is" in out
    report = json.loads(told.read_text("utf-8"))
    assert report["comparisons"][0]["verdict"] == "better"
    assert report["verdict"][0] in out


def test_wrong_arguments_of_the_command_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results([], []).write(tmp_path)
    with pytest.raises(SystemExit):
        main(["experiment", str(tmp_path), "--at", "yesterday"])
    assert "'yesterday' is not a time such as" in capsys.readouterr().err
    assert main(["experiment", str(tmp_path), "--json", str(tmp_path / "no" / "folder")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert main(["experiment", str(tmp_path), "--at", "1970-01-01"]) == 0
    assert "one, 1970-01-01 00:00 UTC" in capsys.readouterr().out


def test_json_lines_are_read_and_every_problem_of_a_folder_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "experiment.json").write_text(json.dumps({"name": "one", **DEFINITION}))
    lines = [
        {"user": "a", "time": 10.5, "arm": "as-is"},
        {"user": "b", "time": 11, "arm": "recent"},
    ]
    (tmp_path / "exposures.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "events.jsonl").write_text(json.dumps(event("a", 12)) + "\n")
    assert main(["experiment", str(tmp_path)]) == 0
    assert "Not decided yet" in capsys.readouterr().out
    (tmp_path / "experiment.json").write_text('{"name": "one", "users": 3}')
    (tmp_path / "exposures.jsonl").write_text('{"time": 10.5}\n')
    (tmp_path / "events.jsonl").unlink()
    assert main(["experiment", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    for words in (
        "one.arms: must be an object",
        "one.users: must be a whole number from 100",
        "exposures.jsonl: 1 rows have no `user`",
        "one of events.parquet, events.jsonl and a folder events is needed; there is none",
    ):
        assert words in told


def test_the_command_for_power_tells_users_and_problems(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["power", "--mean", "0.2", "--lift", "20"]) == 0
    assert "users in both arms find a lift of 20 % of 0.2" in capsys.readouterr().out
    assert main(["power", "--mean", "2", "--deviation", "3", "--users", "5000"]) == 0
    assert "5,000 users find a lift of 5 % of 2" in capsys.readouterr().out
    assert main(["power", "--mean", "2", "--lift", "0", "--share", "100"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
