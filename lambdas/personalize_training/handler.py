"""The Lambda function `PersonalizeTraining`: trains new versions of Personalize's solutions.

It updates its own stack by one parameter. CloudFormation does the rest: new versions are trained,
compared with those in service, and used by the campaigns or rolled back (decision 6).

Environment: STACK_NAME and PARAMETER tell what is updated.
Permissions: cloudformation:DescribeStacks and UpdateStack on the stack; ssm:GetParameters on the
version of the CDK's bootstrap stack, which the template names.
"""

import logging
import os
from typing import Any

from common.clients import client
from common.errors import reported
from common.stack_update import StackUpdate

from personalize_training.logic import TrainingError, start

_log = logging.getLogger("personalize_training")


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Start a training; `{"scheduled": true}` does not fail if the stack is being updated.

    Returns:
        `outcome`: `started`, with `training`; or `busy`, with `reason`.

    Raises:
        TrainingError: it cannot be started; the message says why.
    """
    with reported(TrainingError):
        stack = StackUpdate(
            client("cloudformation"), os.environ["STACK_NAME"], os.environ["PARAMETER"]
        )
        done = start(stack, scheduled=isinstance(event, dict) and event.get("scheduled") is True)
        _log.info("training", extra=done)
        return done
