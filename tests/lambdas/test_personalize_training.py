"""The function `PersonalizeTraining`, with a stack that takes updates until it is told not to."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from personalize_training.logic import TrainingError

from tests.lambdas.fakes import client_error
from tests.lambdas.test_retraining import STACK, CloudFormation

Train = Callable[[Any], dict[str, Any]]


@pytest.fixture
def cloudformation() -> CloudFormation:
    return CloudFormation()


@pytest.fixture
def train(cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> Train:
    """The function's handler."""
    for name, value in {"PARAMETER": "Generation", "STACK_NAME": STACK}.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("personalize_training.handler", None)
    module = importlib.import_module("personalize_training.handler")
    monkeypatch.setattr(module, "client", {"cloudformation": cloudformation}.__getitem__)
    return lambda event: module.handler(event, None)


def test_a_training_is_an_update_by_one_parameter(
    train: Train, cloudformation: CloudFormation
) -> None:
    done = train({"scheduled": True})
    number = done["training"]
    assert done == {"outcome": "started", "training": number}
    assert number.isdecimal() and len(number) == len("20261130203300")
    assert cloudformation.updates == [
        {
            "StackName": STACK,
            "UsePreviousTemplate": True,
            "Parameters": [
                {"ParameterKey": "Generation", "ParameterValue": number},
                {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
                {"ParameterKey": "Other", "UsePreviousValue": True},
            ],
            "Capabilities": ["CAPABILITY_IAM"],
            "ClientRequestToken": f"training-{number}",
        }
    ]


def test_a_stack_that_is_being_updated_is_a_failure_only_by_hand(
    train: Train, cloudformation: CloudFormation
) -> None:
    cloudformation.status = "UPDATE_IN_PROGRESS"
    assert train({"scheduled": True})["outcome"] == "busy"
    with pytest.raises(TrainingError, match=r"is being updated \(UPDATE_IN_PROGRESS\)"):
        train({})
    assert cloudformation.updates == []


def test_what_keeps_it_from_starting_is_told(train: Train, cloudformation: CloudFormation) -> None:
    cloudformation.status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(TrainingError, match="UPDATE_ROLLBACK_FAILED: docs/runbook"):
        train({"scheduled": True})
    cloudformation.status = "UPDATE_COMPLETE"
    cloudformation.refusal = client_error("AccessDenied", "not authorized")
    with pytest.raises(TrainingError, match="cannot be updated: not authorized"):
        train({})
