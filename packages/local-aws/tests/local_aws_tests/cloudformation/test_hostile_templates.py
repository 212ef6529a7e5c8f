"""What a template or a parameter says cannot break an answer, nor hold up the server."""

import pytest
from moto.core.exceptions import ServiceException

from local_aws.cloudformation import blueprint, template
from local_aws.documents import DEPTH
from tests.reliability import Tally

TEMPLATE = """
Parameters:
  P:
    Type: String
    AllowedPattern: "{pattern}"
Resources:
  A:
    Type: AWS::SSM::Parameter
    Properties: {{Type: String, Value: !Ref P}}
"""


@pytest.mark.parametrize(
    "body",
    [
        '{"Resources": {"A": {"Type": "AWS::SSM::Parameter", "Metadata": "\\u0000"}}}',
        '{"Resources": {"A\\u0000": {"Type": "AWS::SSM::Parameter"}}}',
        '{"Description": "\\ud800", "Resources": {"A": {"Type": "AWS::SSM::Parameter"}}}',
        'Description: "\\0"\nResources: {A: {Type: AWS::SSM::Parameter}}',
        'Description: "\\x1b[0m"\nResources: {A: {Type: AWS::SSM::Parameter}}',
    ],
)
def test_template_with_a_character_that_no_answer_carries_is_refused(
    tally: Tally, body: str
) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=r"Template format error: the character U\+"):
        template.parse(body)


def test_template_with_a_raw_nul_is_refused(tally: Tally) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match="not well-formed") as caught:
        template.parse('{"Resources": {"A": {"Type": "AWS::SSM::Parameter\0"}}}')
    assert "\0" not in str(caught.value.message)


@pytest.mark.parametrize(
    "body",
    [
        '{"Resources": ' + '{"a":' * DEPTH + "1" + "}" * DEPTH + "}",
        "Resources: " + "[" * DEPTH + "]" * DEPTH,
    ],
    ids=["JSON", "YAML"],
)
def test_template_nested_too_deeply_is_refused(tally: Tally, body: str) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=r"(nested too deeply|not well-formed)"):
        template.parse(body)


def draw(pattern: str, value: str) -> None:
    body = TEMPLATE.format(pattern=pattern)
    parameters = [{"ParameterKey": "P", "ParameterValue": value}]
    blueprint.draw(body, parameters, [], [], "us-east-1")


def test_parameter_is_held_against_its_pattern() -> None:
    draw("[a-z]+", "abc")
    with pytest.raises(ServiceException, match=r"must match pattern \[a-z\]\+"):
        draw("[a-z]+", "abc1")


def test_pattern_that_never_ends_is_told(tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    with pytest.raises(ServiceException, match="Parameter 'P' cannot be checked"):
        draw("(a+)+b", "a" * 60)


def test_parameter_with_a_nul_is_refused(tally: Tally) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=r"the character U\+0000 is not allowed"):
        draw(".*", "a\0b")
