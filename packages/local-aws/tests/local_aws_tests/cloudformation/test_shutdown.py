"""The server may stop at any moment."""

import json
import threading
import time

import pytest

from local_aws.server import LocalAws
from local_aws_tests.cloudformation.conftest import CAPABILITIES, Stacks, role

pytestmark = pytest.mark.slow


def test_server_stops_during_a_stack_creation() -> None:
    resources = {
        "Role": role(),
        "Silent": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.14",
                "Handler": "index.handler",
                "Code": {"ZipFile": "def handler(event, context):\n    return None\n"},
                "Role": {"Fn::GetAtt": "Role.Arn"},
            },
        },
        "Waits": {
            "Type": "Custom::Wait",
            "Properties": {"ServiceToken": {"Fn::GetAtt": "Silent.Arn"}},
        },
    }
    with LocalAws() as aws:
        stacks = Stacks(aws.url)
        body = json.dumps({"Resources": resources})
        made = stacks.api.create_stack(StackName="s", TemplateBody=body, Capabilities=CAPABILITIES)
        deadline = time.monotonic() + 60
        while not stacks.history(made, "Waits") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stacks.history(made, "Waits") == ["CREATE_IN_PROGRESS"]
    left = [t.name for t in threading.enumerate() if t.name.startswith("stack-")]
    assert left == []
