"""Filter patterns, by the examples of AWS's documentation and by our own functions' lines."""

import json

import pytest

from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.logs.patterns import FilterPattern

LINE = json.dumps(
    {
        "level": "ERROR",
        "requestId": "a-1",
        "users": [7, 9],
        "milliseconds": 12.5,
        "movie": None,
        "cold": True,
        "record": {"status": "timeout", "odd-name": "x"},
        "dotted.name": "y",
    }
)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.level = "ERROR" }', True),
        ("{ $.level = ERROR }", True),
        ("{$.level=ERR*}", True),
        ('{ $.level = "*RR*" }', True),
        ('{ $.level = "error" }', False),
        ('{ $.level != "INFO" }', True),
        ('{ $.nothing != "INFO" }', False),
        ("{ $.milliseconds > 12 }", True),
        ("{ $.milliseconds >= 12.6 }", False),
        ("{ $.milliseconds = 12.5 }", True),
        ("{ $.level > 3 }", False),
        ("{ $.users[1] = 9 }", True),
        ("{ $.users[2] = 9 }", False),
        ("{ $.record.status = timeout }", True),
        ("{ $.record.odd-name = x }", True),
        ('{ $["dotted.name"] = y }', True),
        ("{ $.movie IS NULL }", True),
        ("{ $.cold IS TRUE }", True),
        ("{ $.cold IS FALSE }", False),
        ("{ $.nothing NOT EXISTS }", True),
        ("{ $.movie NOT EXISTS }", False),
        ('{ ($.level = "INFO" || $.level = "ERROR") && $.users[0] = 7 }', True),
        ('{ $.level = "INFO" || $.level = "ERROR" && $.users[0] = 8 }', False),
        ("", True),
        ("ERROR timeout", True),
        ("ERROR absent", False),
        ('"\\"level\\": \\"ERROR\\""', True),
        ("?absent ?timeout", True),
        ("ERROR -timeout", False),
    ],
)
def test_pattern_matches_lines(pattern: str, matches: bool) -> None:
    assert FilterPattern(pattern).matches(LINE) is matches


@pytest.mark.parametrize("line", ["START RequestId: a", "[1]", "3", "{"])
def test_line_that_is_not_an_object_never_matches_conditions(line: str) -> None:
    assert not FilterPattern("{ $.nothing NOT EXISTS }").matches(line)


@pytest.mark.parametrize("pattern", ["{ level = 3 }", "{ $.a = }", "{ $.a < b }", "{ $.a = 1"])
def test_malformed_patterns_are_reported(pattern: str) -> None:
    with pytest.raises(AwsError, match="Invalid filter pattern"):
        FilterPattern(pattern)


@pytest.mark.parametrize("pattern", ["[ip, user, ...]", "%ERROR.*%", "{ $.a = %b% }"])
def test_unimplemented_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(NotImplementedByLocalAws):
        FilterPattern(pattern)


def test_pattern_matches_whatever_its_depth_and_is_no_longer_than_on_aws() -> None:
    deep = f"{{{'(' * 500}$.level=ERROR{')' * 500}}}"
    assert FilterPattern(deep).matches(LINE)
    assert FilterPattern("{" + "($.a=1||" * 100 + "$.level=ERROR" + ")" * 100 + "}").matches(LINE)
    with pytest.raises(AwsError, match="1025 characters, of which 1024"):
        FilterPattern("x" * 1025)
