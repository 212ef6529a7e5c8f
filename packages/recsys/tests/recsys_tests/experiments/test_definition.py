"""Definitions of experiments: what is read, and every problem at once."""

from typing import Any

import pytest

from recsys.errors import InputError
from recsys.experiments.definition import parse, parse_all

ARMS: Any = {"as-is": {"share": 70}, "popular": {"share": 30, "model": "popular"}}
METRIC = {"measure": "rate", "event": "Watch"}
VALID: Any = {"arms": ARMS, "metric": METRIC, "guardrails": {"latency": 20, "Purchase": 5}}


def problems(value: Any, name: str = "one") -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse(name, value)
    return caught.value.problems


def test_a_definition_is_read_with_its_defaults() -> None:
    found = parse("one", VALID)
    assert (found.kind, found.unit, found.window_minutes) == ("ab", "user", 1440)
    assert (found.users, found.effect) == (10_000, 5)
    assert found.control.name == "as-is"
    assert found.shares == {"as-is": 70, "popular": 30}
    assert found.arms[1].settings == {"model": "popular"}
    assert str(found.metric) == "rate of Watch events"
    assert parse("one", found.as_json()) == found


def test_interleaving_needs_no_shares() -> None:
    arms = {"as-is": {}, "recent": {"half_life": 3}}
    found = parse("one", {"kind": "interleaving", "arms": arms, "metric": METRIC})
    assert found.arms[1].settings == {"half_life": 3}
    three = {**arms, "popular": {"model": "popular"}}
    (told,) = problems({"kind": "interleaving", "arms": three, "metric": METRIC})
    assert told == "one.arms: must be two, which interleaving compares, not 3"


def test_every_problem_is_told_with_its_field() -> None:
    told = problems(
        {
            "kind": "abc",
            "unit": "visit",
            "arms": {"As is": {"share": 70}, "b": {"share": True, "half_life": float("nan")}},
            "metric": {"measure": "clicks", "event": 3},
            "window_minutes": 1.5,
            "guardrails": {"Purchase": "5"},
            "users": 10,
            "effects": 5,
        },
        "One",
    )
    fields = [
        "One: must be named by",
        "One: unknown field 'effects'; did you mean effect?",
        "One.kind: must be one of ab, interleaving, not 'abc'",
        "One.unit: must be one of user, session, not 'visit'",
        "One.arms.As is: must be named by",
        "One.arms.b.half_life: must be a number from 0.1 to 1e+09, not nan",
        "One.arms.b.share: must be a number from 0.01 to 99.99, not True",
        "One.metric.event: must be a type of event such as Watch, not 3",
        "One.metric.measure: must be one of rate, count, value, not 'clicks'",
        "One.window_minutes: must be a whole number from 1 to 525,600, not 1.5",
        "One.guardrails.Purchase: must be a number from 0.01 to 1000, not '5'",
        "One.users: must be a whole number from 100 to 1,000,000,000, not 10",
    ]
    for field in fields:
        assert any(line.startswith(field) for line in told), (field, told)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": {"a": {"share": 50}, "b": {"share": 49}}}, "add up to 100 percent, not 99"),
        ({"arms": {"a": {"share": 100}}}, "an object of 2 to 10 arms"),
        ({"arms": {"a": {"share": 50}, "b": 50}}, "one.arms.b: must be an object with a share"),
        ({"arms": {**ARMS, "popular": {"share": 30, "modle": "x"}}}, "unknown setting 'modle'"),
        ({"metric": None}, 'such as {"measure": "rate", "event": "Watch"}, not None'),
        ({"guardrails": ["latency"]}, "one.guardrails: must be an object"),
    ],
)
def test_a_malformed_field_is_told(change: Any, words: str) -> None:
    assert any(words in line for line in problems({**VALID, **change}))


def test_a_definition_that_is_no_object_is_told() -> None:
    assert problems("x") == ("one: must be an object with arms and a metric, not 'x'",)


def test_experiments_that_change_the_same_setting_do_not_run_together() -> None:
    recent = {"a": {"share": 50}, "b": {"share": 50, "half_life": 3}}
    assert len(parse_all({"one": VALID, "two": {**VALID, "arms": recent}})) == 2
    with pytest.raises(InputError, match="two: its arms set model, as those of one do"):
        parse_all({"one": VALID, "two": VALID})
    with pytest.raises(InputError) as caught:
        parse_all({"one": {}, "two": 3})
    assert {line.split(":")[0].split(".")[0] for line in caught.value.problems} == {"one", "two"}
