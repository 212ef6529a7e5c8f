"""The Lambda function `Caretaker`, called every hour.

Environment: see `caretaker.logic.Round`; names are separated by commas.
Permissions: cloudformation:DescribeStacks and ListStackResources on STACKS, DeleteStack on
EXPIRING; cloudwatch:PutMetricData in NAMESPACE, GetMetricData; sns:Publish on TOPIC.
"""

import logging
import os
from typing import Any

from common.clients import client

from caretaker.logic import Round

_log = logging.getLogger("caretaker")


def _names(variable: str) -> list[str]:
    return [name for name in os.environ[variable].split(",") if name]


def handler(_event: Any, _context: Any) -> dict[str, Any]:
    """Check all stacks once; the response describes what was found and done."""
    done = Round(
        cloudformation=client("cloudformation"),
        cloudwatch=client("cloudwatch"),
        sns=client("sns"),
        namespace=os.environ["NAMESPACE"],
        deployment=os.environ["DEPLOYMENT"],
        stacks=_names("STACKS"),
        expiring=_names("EXPIRING"),
        endpoints=_names("ENDPOINTS"),
        variant=os.environ["VARIANT"],
        idle_hours=int(os.environ["IDLE_HOURS"]),
        topic=os.environ["TOPIC"],
    ).make()
    _log.info("round made", extra=done)
    return done
