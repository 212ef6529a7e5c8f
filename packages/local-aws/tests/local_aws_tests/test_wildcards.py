"""Wildcards of log and event patterns, and variables of routes, without backtracking."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws import wildcards
from local_aws.apigatewayv2.gateway import _variables
from local_aws.eventbridge.patterns import matches_wildcards
from local_aws.logs.patterns import _compiled

LONG = "a" * 60
MANY = "*a" * 12 + "b"


@given(st.text("ab*", max_size=8), st.text("ab", max_size=12))
def test_wildcards_match_as_a_regular_expression_does(pattern: str, text: str) -> None:
    parts = pattern.split("*")
    expected = re.fullmatch(".*".join(map(re.escape, parts)), text) is not None
    assert wildcards.matches(parts, text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a*", "abc", True),
        ("*.png", "x.png", True),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"a\\*", "a\\b", True),
    ],
)
def test_event_pattern_has_wildcards_and_escapes(pattern: str, text: str, matches: bool) -> None:
    assert matches_wildcards(text, pattern) is matches
    assert matches_wildcards(1, "*") is False


def test_patterns_that_would_backtrack_end() -> None:
    assert not matches_wildcards(LONG, MANY)
    assert not _compiled(f'{{ $.a = "{MANY}" }}')(f'{{"a": "{LONG}"}}')
    variables = "/" + "x".join(f"{{{name}+}}" for name in "abcdefgh") + "y"
    assert _variables(variables, "/" + "x" * 60) is None


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/users/{id}/lists", "/users/7/lists", {"id": "7"}),
        ("/users/{id}/lists", "/users//lists", None),
        ("/users/{id}", "/users/7/8", None),
        ("/files/{proxy+}", "/files/a/b", {"proxy": "a/b"}),
        ("/files/{proxy+}", "/files/", None),
        ("/a", "/a", {}),
        ("/a", "/b", None),
    ],
)
def test_route_matches_segment_by_segment(
    template: str, path: str, values: dict[str, str] | None
) -> None:
    assert _variables(template, path) == values
