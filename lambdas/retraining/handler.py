"""The Lambda function `Retraining`: gathers what users did, and lets the lists learn from it.

It writes the histories as a new generation of the data, and updates its own stack to it.
CloudFormation does the rest: the model is trained, judged, and used or rolled back (decision 21).

Environment: STACK_NAME and PARAMETER tell what is updated; TABLE_NAME, where the histories are;
BUCKET_NAME, CATALOGUE_KEY and the prefix GENERATIONS, what is read and written.
Permissions: dynamodb:Scan on the table; s3:GetObject on the catalogue; s3:ListBucket, GetObject,
PutObject and DeleteObject below the prefix; cloudformation:DescribeStacks and UpdateStack on the
stack; ssm:GetParameters on the version of the CDK's bootstrap stack, which the template names.
"""

import logging
import os
from typing import Any

from common.clients import client
from common.errors import reported
from common.stack_update import StackUpdate

from retraining.logic import Retraining, RetrainingError

_log = logging.getLogger("retraining")


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Start a retraining; `{"scheduled": true}` does not fail if there is nothing to do now.

    Returns:
        `outcome`: `started`, with `generation` and counts; or `unchanged` or `busy`, with `reason`.

    Raises:
        RetrainingError: it cannot be started; the message says why.
    """
    with reported(RetrainingError):
        done = Retraining(
            update=StackUpdate(
                client("cloudformation"), os.environ["STACK_NAME"], os.environ["PARAMETER"]
            ),
            dynamodb=client("dynamodb"),
            s3=client("s3"),
            table=os.environ["TABLE_NAME"],
            bucket=os.environ["BUCKET_NAME"],
            catalogue=os.environ["CATALOGUE_KEY"],
            generations=os.environ["GENERATIONS"],
        ).start(scheduled=isinstance(event, dict) and event.get("scheduled") is True)
        _log.info("retraining", extra=done)
        return done
