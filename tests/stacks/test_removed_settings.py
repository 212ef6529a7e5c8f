"""The functions of trained resources may delete the resources of removed settings."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.stacks.deployments import Synthesize


def permissions(synthesize: Synthesize, stack: str, settings: Mapping[str, Any]) -> list[Any]:
    """What the functions that train and delete in a stack may do, but pass roles."""
    resources = synthesize(settings).templates[stack]["Resources"]
    (role,) = (
        resource
        for name, resource in resources.items()
        if name.startswith("TrainerIsCompleteRole") and resource["Type"] == "AWS::IAM::Role"
    )
    (policy,) = role["Properties"]["Policies"]
    return [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] != "iam:PassRole"
    ]


@pytest.mark.parametrize(
    ("stack", "settings", "fewer"),
    [
        ("Object2Vec", {}, {"preset": "workshop"}),
        ("Personalize", {"personalize": {"groups": "both"}}, {"personalize": {"groups": "custom"}}),
        ("Personalize", {"personalize": {"groups": "both"}}, {"personalize": {"groups": "domain"}}),
        (
            "Personalize",
            {"personalize": {"groups": "domain"}},
            {
                "personalize": {
                    "groups": "domain",
                    "recommenders": "top-picks",
                    "domain_solutions": "",
                }
            },
        ),
        (
            "Personalize",
            {"personalize": {"solutions": "user-personalization-v2, similar-items"}},
            {"personalize": {"solutions": "similar-items", "filters": False}},
        ),
    ],
)
def test_permissions_without_a_setting_stay(
    synthesize: Synthesize, stack: str, settings: Mapping[str, Any], fewer: Mapping[str, Any]
) -> None:
    assert permissions(synthesize, stack, settings) == permissions(synthesize, stack, fewer)
