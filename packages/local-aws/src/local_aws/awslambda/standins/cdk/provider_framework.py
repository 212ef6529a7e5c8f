"""`custom_resources.Provider`: calls the user's functions, waits if configured, and responds."""

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from . import cfn_response
from .cfn_response import Event, hidden, redacted

_PATIENT = Config(read_timeout=900)  # the maximum duration of a function


class Retry(Exception):
    """Not complete yet; the waiter's state machine calls again. Contains the event as JSON."""


def on_event(event: Event, _context: Any) -> None:
    """`framework.onEvent`: the custom resource's own function."""
    _answering_failure(event, _on_event)


def is_complete(event: Event, _context: Any) -> None:
    """`framework.isComplete`: called by the waiter with the data of `on_event`."""
    _answering_failure(event, _is_complete)


def on_timeout(event: Event, _context: Any) -> None:
    """`framework.onTimeout`: the waiter's timeout, with the last `Retry` as its cause."""
    _log("timeoutHandler", event)
    request = json.loads(json.loads(event["Cause"])["errorMessage"])
    cfn_response.submit("FAILED", request, reason="Operation timed out")


def _answering_failure(event: Event, block: Any) -> None:
    if cfn_response.is_delete_of_failed_create(event):
        _log("ignoring DELETE event caused by a failed CREATE event")
        cfn_response.submit("SUCCESS", event)
        return
    try:
        block(event)
    except Retry:
        _log("retry requested by handler")
        raise
    except Exception as error:
        event = cfn_response.with_failed_id(event)
        cfn_response.submit("FAILED", event, reason=f"Error: {error}")


def _on_event(request: Event) -> None:
    request.setdefault("ResourceProperties", {})
    _log("onEventHandler", hidden(request))
    result = _call("USER_ON_EVENT_FUNCTION_ARN", request) or {}
    no_echo = result.get("NoEcho")
    _log("onEvent returned:", redacted(result) if no_echo else result)
    event = _response_event(request, result)
    _log("event:", redacted(hidden(event)) if no_echo else hidden(event))
    if not os.environ.get("USER_IS_COMPLETE_FUNCTION_ARN"):
        cfn_response.submit("SUCCESS", event, no_echo=event.get("NoEcho"))
        return
    waiter = _variable("WAITER_STATE_MACHINE_ARN")
    _log("starting waiter", {"stateMachineArn": waiter})
    _client("stepfunctions").start_execution(stateMachineArn=waiter, input=json.dumps(event))


def _is_complete(event: Event) -> None:
    no_echo = event.get("NoEcho")
    _log("isComplete", redacted(hidden(event)) if no_echo else hidden(event))
    result = _call("USER_IS_COMPLETE_FUNCTION_ARN", event)
    _log("user isComplete returned:", redacted(result) if no_echo else result)
    if not result.get("IsComplete"):
        if result.get("Data"):
            raise ValueError('"Data" is not allowed if "IsComplete" is "False"')
        raise Retry(json.dumps(event))
    data = {**(event.get("Data") or {}), **(result.get("Data") or {})}
    cfn_response.submit("SUCCESS", {**event, **result, "Data": data}, no_echo=no_echo)


def _response_event(request: Event, result: Mapping[str, Any]) -> Event:
    kind, before = request["RequestType"], request.get("PhysicalResourceId")
    default = request["RequestId"] if kind == "Create" else before
    now = result.get("PhysicalResourceId") or default
    if kind == "Delete" and now != before:
        raise ValueError(
            f'DELETE: cannot change the physical resource ID from "{before}" to '
            f'"{result.get("PhysicalResourceId")}" during deletion'
        )
    if kind == "Update" and now != before:
        _log(f'UPDATE: changing physical resource ID from "{before}" to "{now}"')
    return {**request, **result, "PhysicalResourceId": now}


def _call(variable: str, event: Event) -> Any:
    arn = _variable(variable)
    _log(f"executing user function {arn} with payload", hidden(event))
    payload = json.dumps(event)
    functions = _client("lambda")
    try:
        answer = functions.invoke(FunctionName=arn, Payload=payload)
    except Exception:  # it may become active soon
        functions.get_waiter("function_active_v2").wait(FunctionName=arn)
        answer = functions.invoke(FunctionName=arn, Payload=payload)
    text = answer["Payload"].read().decode()
    try:
        result = json.loads(text) if text else {}
    except ValueError:
        raise ValueError(
            f'return values from user-handlers must be JSON objects. got: "{text}"'
        ) from None
    if answer.get("FunctionError"):
        _log("user function threw an error:", answer["FunctionError"])
        message = result.get("errorMessage") or "error"
        raise RuntimeError(f"{message}\n\nLogs: /aws/lambda/{arn.split(':')[-1]}\n")
    return result


@lru_cache
def _client(service: str) -> Any:
    return boto3.client(service, config=_PATIENT)  # type: ignore[call-overload]


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f'The environment variable "{name}" is not defined')
    return value


def _log(title: str, *values: Any) -> None:
    shown = [value if isinstance(value, str) else json.dumps(value) for value in values]
    cfn_response.log.info(" ".join(["[provider-framework]", title, *shown]))
