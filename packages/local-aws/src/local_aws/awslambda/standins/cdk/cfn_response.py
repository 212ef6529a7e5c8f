"""Sends a custom resource's response to CloudFormation: a PUT to the ResponseURL."""

import json
import logging
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger()
if not os.environ.get("AWS_LAMBDA_LOG_LEVEL"):
    log.setLevel(logging.INFO)

CREATE_FAILED = "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED"
MISSING_PHYSICAL_ID = "AWSCDK::CustomResourceProviderFramework::MISSING_PHYSICAL_ID"
_ATTEMPTS = 6

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]


def submit(
    status: str, event: Mapping[str, Any], *, reason: str | None = None, no_echo: Any = None
) -> None:
    """Send `event`'s ids and Data with this status."""
    answer = {
        "Status": status,
        "Reason": reason or status,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "PhysicalResourceId": event.get("PhysicalResourceId") or MISSING_PHYSICAL_ID,
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": no_echo,
        "Data": event.get("Data"),
    }
    answer = {name: value for name, value in answer.items() if value is not None}
    shown = json.dumps(redacted(answer) if no_echo else answer)
    log.info("submit response to cloudformation %s", shown)
    put(event["ResponseURL"], answer)


def put(url: str, answer: Mapping[str, Any]) -> None:
    """PUT the response, with retries."""
    request = urllib.request.Request(
        url, json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT"
    )
    for attempt in range(_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=60):
                return
        except (urllib.error.URLError, OSError):
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(random.random() * 2**attempt)  # noqa: S311 (jitter)


def hidden(event: Mapping[str, Any]) -> Event:
    """The event without its ResponseURL, which is a credential."""
    return {**event, "ResponseURL": "..."}


def redacted(payload: Mapping[str, Any]) -> Event:
    """The payload with its Data's values blanked."""
    if not payload.get("Data"):
        return dict(payload)
    return {**payload, "Data": dict.fromkeys(payload["Data"], "*****")}


def is_delete_of_failed_create(event: Mapping[str, Any]) -> bool:
    """Whether this is a Delete of a resource that was never created."""
    return event["RequestType"] == "Delete" and event.get("PhysicalResourceId") == CREATE_FAILED


def with_failed_id(event: Event) -> Event:
    """The event with an id for a FAILED response: after a Create, one that marks the failure."""
    if not event.get("PhysicalResourceId") and event["RequestType"] == "Create":
        log.info(
            "CREATE failed, responding with a marker physical resource id so that the subsequent "
            "DELETE will be ignored"
        )
        return {**event, "PhysicalResourceId": CREATE_FAILED}
    return event
