"""Parameters whose values must match a pattern."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import processes
from local_aws_tests.mocked import client


@pytest.fixture
def ssm(mocked: None) -> Any:
    return client("ssm")


def _put(ssm: Any, value: str, **more: Any) -> None:
    ssm.put_parameter(**{"Name": "/most", "Value": value, "Type": "String", **more})


def test_value_matches_the_pattern_of_its_parameter(ssm: Any) -> None:
    # the example of AWS's guide: one to four digits
    # https://docs.aws.amazon.com/systems-manager/latest/userguide/param-create-cli.html
    refused = r"cannot be validated against allowedPattern: \\d\{1,4\}"
    with pytest.raises(ClientError, match="ParameterPatternMismatchException"):
        _put(ssm, "10,000", AllowedPattern=r"\d{1,4}")
    _put(ssm, "100", AllowedPattern=r"\d{1,4}")
    with pytest.raises(ClientError, match=refused):
        _put(ssm, "10,000", Overwrite=True)
    assert ssm.get_parameter(Name="/most")["Parameter"]["Value"] == "100"
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):
        _put(ssm, "10,000")
    _put(ssm, "10,000", AllowedPattern=r"[\d,]+", Overwrite=True)
    assert ssm.get_parameter(Name="/most")["Parameter"]["Value"] == "10,000"
    secret = {"Name": "/secret", "Type": "SecureString", "AllowedPattern": ".{8,20}"}
    with pytest.raises(ClientError, match="ParameterPatternMismatchException"):
        _put(ssm, "short", **secret)
    _put(ssm, "p#sW*rd33", **secret)


def test_list_of_any_length_is_matched_by_one_process(
    ssm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = processes.Child.__init__

    def counted(child: processes.Child, *arguments: Any, **named: Any) -> None:
        started.append(arguments)
        start(child, *arguments, **named)

    monkeypatch.setattr(processes.Child, "__init__", counted)
    _put(ssm, "," * 4000, Type="StringList", AllowedPattern=",*")
    assert len(started) == 1


def test_pattern_that_is_none_or_takes_for_ever_is_refused(ssm: Any) -> None:
    for pattern, value in (("(", "a"), (r"(a|aa)+", "a" * 60 + "b")):
        with pytest.raises(ClientError, match="InvalidAllowedPatternException"):
            _put(ssm, value, AllowedPattern=pattern)


def test_list_matches_as_a_whole_and_item_by_item(ssm: Any) -> None:
    _put(ssm, "1,2", Type="StringList", AllowedPattern=r"[\d,]+")
    for value, refused in (("1,a", "PatternMismatch"), ("1,2", "item by item only")):
        with pytest.raises(ClientError, match=refused):
            _put(ssm, value, Type="StringList", AllowedPattern=r"\d+", Overwrite=True)
