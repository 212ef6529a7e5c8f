"""What a template or a parameter says cannot break an answer, nor hold up the server."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from moto.core.exceptions import ServiceException

from local_aws import clients
from local_aws.cloudformation import blueprint, template
from local_aws.cloudformation.intrinsics import Evaluator
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
def test_template_with_a_character_invalid_in_xml_is_refused(tally: Tally, body: str) -> None:
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
    blueprint.draw(body, parameters, [], [], "us-east-1", clients.OWNER)


def test_parameter_is_checked_against_its_pattern() -> None:
    draw("[a-z]+", "abc")
    with pytest.raises(ServiceException, match=r"must match pattern \[a-z\]\+"):
        draw("[a-z]+", "abc1")


def test_endless_pattern_is_reported(tally: Tally) -> None:
    tally("inputs tried", "regular expressions that never end")
    with pytest.raises(ServiceException, match="Parameter 'P' cannot be checked"):
        draw("(a+)+b", "a" * 60)


def test_parameter_with_a_nul_is_refused(tally: Tally) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=r"the character U\+0000 is not allowed"):
        draw(".*", "a\0b")


def deployed(properties: dict[str, Any], **sections: Any) -> str:
    """Why a stack of one parameter of SSM's fails; the value that it has if it does not."""
    resource = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", **properties}}
    read = template.parse(json.dumps({"Resources": {"A": resource}, **sections}))
    scope: Any = SimpleNamespace(reference=lambda _: "x" * 4096)
    try:
        return str(Evaluator(read, scope).properties(read.resources["A"].properties)["Value"])
    except ServiceException as error:
        return str(error.message)


def nested(depth: int) -> Any:
    """A text ten times as long with each level."""
    value: Any = {"Ref": "AWS::Region"}
    for _ in range(depth):
        value = {"Fn::Sub": ["${a}" * 10, {"a": value}]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        nested(9),
        {"Fn::Join": [",", [{"Ref": "AWS::Region"}] * 1100]},
        {"Fn::Join": [",", [{"Fn::Base64": nested(2)}] * 800]},
        {"Fn::Join": ["", {"Fn::Split": ["x", nested(3)]}]},
        {"Fn::Join": ["", [{"Fn::Select": [0, {"Fn::Split": ["x", nested(2)]}]}] * 1000]},
    ],
    ids=["Sub", "Join", "Base64", "Split", "many"],
)
def test_template_with_exponential_text_is_refused(tally: Tally, value: Any) -> None:
    tally("inputs tried", "templates")
    assert "its functions may make texts of 4,194,304 characters" in deployed({"Value": value})


def test_template_with_the_longest_property_is_accepted() -> None:
    assert len(deployed({"Value": {"Fn::Sub": "${AWS::Region}" * 1000}})) == 4_096_000


def test_long_chains_of_conditions_are_evaluated() -> None:
    conditions: dict[str, Any] = {
        f"C{i}": {"Fn::And": [{"Condition": f"C{i - 1}"}] * 2} for i in range(1, 500)
    }
    conditions["C0"] = {"Fn::Equals": ["a", "a"]}
    value = {"Fn::If": ["C499", "yes", "no"]}
    assert deployed({"Value": value}, Conditions=conditions) == "yes"


@pytest.mark.parametrize(
    ("conditions", "told"),
    [
        (
            {"A": {"Condition": "B"}, "B": {"Fn::Not": [{"Condition": "A"}]}},
            "Found circular condition dependency between",
        ),
        ({"A": {"Condition": "B"}}, "Unresolved condition dependency B"),
    ],
)
def test_circular_or_invalid_condition_is_refused(
    tally: Tally, conditions: dict[str, Any], told: str
) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match=told):
        deployed({"Value": "x"}, Conditions=conditions)


@pytest.mark.parametrize("value", [{"Fn::FindInMap": ["M", "a", "b"]}, [{"Ref": "AWS::Region"}]])
def test_mapping_with_functions_is_refused(tally: Tally, value: Any) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match="every Mappings attribute must be a String or"):
        deployed({"Value": "x"}, Mappings={"M": {"a": {"b": value}}})


def test_pattern_nested_too_deeply_is_refused(tally: Tally) -> None:
    tally("inputs tried", "templates")
    with pytest.raises(ServiceException, match="AllowedPattern of parameter P cannot be"):
        template.parse(TEMPLATE.format(pattern="(" * 3000 + ")" * 3000))
