"""Let a deployment learn from what users did since: `python -m retrain`.

It starts the function `Retraining`, or that of Amazon Personalize, follows the update of the stack,
and tells the outcome with the figures that the new model was judged by.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from outputs import PREFIX, FunctionFailed, Outputs, by_stack, invoked

LISTS: Final = "lists"
PERSONALIZE: Final = "personalize"
_POLL: Final = 3.0  # seconds


class RetrainError(Exception):
    """The lists did not learn; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Retrain. Return 1 if it was refused or failed."""
    parser = argparse.ArgumentParser(prog="python -m retrain", description=__doc__)
    parser.add_argument("name", nargs="?", choices=(LISTS, PERSONALIZE), default=LISTS)
    parser.add_argument("--prefix", default=PREFIX, help="the deployment's (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        (run if options.name == LISTS else train)(options.prefix, print)
    except (RetrainError, FunctionFailed, LookupError, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def run(prefix: str, tell: Callable[[str], None]) -> None:
    """Start a retraining, and follow it to its end.

    Args:
        prefix: the deployment's.
        tell: takes a line for the user.

    Raises:
        RetrainError: the deployment does not retrain, or the update was rolled back.
        FunctionFailed: the retraining was refused.
        LookupError: the deployment has no such function.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    found = _deployed(prefix, "RetrainingFunctionName", "retrain", "retrain.schedule")
    tell("gathering events")
    started = invoked(found["RetrainingFunctionName"])
    if started["outcome"] != "started":
        tell(f"nothing to do: {started['reason']}")
        return
    number = started["generation"]
    tell(
        f"generation {number}: {started['events']:,} events of {started['users']:,} users, "
        f"{started['unknown_events']:,} of unknown items left out"
    )
    status, reasons = _followed(f"{prefix}-Lists", f"retraining-{number}", tell)
    report = _report(found["BucketName"], number)
    if report:
        for line in report["lines"]:
            tell(f"  {line}")
        tell(f"report: s3://{found['BucketName']}/{_place(number)}report.html")
    _accepted(status, reasons)
    tell(f"generation {number} answers")


def train(prefix: str, tell: Callable[[str], None]) -> None:
    """Start a training of Amazon Personalize's solutions, and follow it to its end.

    Args:
        prefix: the deployment's.
        tell: takes a line for the user.

    Raises:
        RetrainError: the deployment does not train, or the update was rolled back.
        FunctionFailed: the training was refused.
        LookupError: the deployment has no such function.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    does = "train Amazon Personalize's solutions again"
    found = _deployed(prefix, "TrainingFunctionName", does, "personalize.schedule")
    number = invoked(found["TrainingFunctionName"])["training"]
    tell(f"training {number}")
    _accepted(*_followed(f"{prefix}-Personalize", f"training-{number}", tell))
    outputs = by_stack(prefix)[f"{prefix}-Personalize"]
    for name, value in sorted(outputs.items()):
        if name.endswith("Metrics"):
            tell(f"  {name}: {value}")
    tell(f"training {number} answers")


def _deployed(prefix: str, function: str, does: str, setting: str) -> Outputs:
    """The deployment's outputs, among them the name of a function.

    Args:
        prefix: the deployment's.
        function: the output with the function's name.
        does: what the function does, as a verb.
        setting: the setting that deploys it.

    Raises:
        RetrainError: it does not have it; the message names the setting that deploys it.
    """
    found = Outputs.of(by_stack(prefix))
    if function not in found:
        raise RetrainError(
            f"{prefix} does not {does}: deploy it with -c {setting}=manual, or with a schedule "
            "(docs/retraining.md)"
        )
    return found


def _accepted(status: str, reasons: list[str]) -> None:
    if status != "UPDATE_COMPLETE":
        raise RetrainError(
            "\n".join([f"refused: the old model goes on answering ({status})", *reasons])
        )


def _followed(stack: str, token: str, tell: Callable[[str], None]) -> tuple[str, list[str]]:
    """The stack's state when the update has ended, and the reasons of failures."""
    client = boto3.client("cloudformation")
    seen: set[str] = set()
    reasons: list[str] = []
    while True:
        status = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        for event in _events(client, stack, token):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            tell(f"  {event['LogicalResourceId']}: {event['ResourceStatus']}")
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason.lower():
                reasons.append(reason)
        if not status.endswith("_IN_PROGRESS"):
            return status, reasons
        time.sleep(_POLL)


def _events(client: Any, stack: str, token: str) -> list[Mapping[str, Any]]:
    """The events of one update, oldest first."""
    found: list[Mapping[str, Any]] = []
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
        own = [one for one in page["StackEvents"] if one.get("ClientRequestToken") == token]
        found += own
        if len(own) < len(page["StackEvents"]):
            break
    return found[::-1]


def _report(bucket: str, number: int) -> dict[str, Any] | None:
    try:
        content = boto3.client("s3").get_object(Bucket=bucket, Key=f"{_place(number)}report.json")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    report: dict[str, Any] = json.loads(content["Body"].read())
    return report


def _place(number: int) -> str:
    return f"lists/generations/{number}/"


if __name__ == "__main__":
    sys.exit(main())
