"""`Custom::TrainedStart` and `Custom::TrainedWait`: something trained, as CloudFormation resources.

CDK's Provider framework calls `on_event` once and then `is_complete` until it says so. All that
touches AWS happens in `is_complete`: each call looks at what exists, does one step towards what
shall be, and can be repeated, interrupted or run twice at once without harm. `on_event` calls
nothing; it names the thing. So the framework knows the physical id before anything is made, and
forwards the Delete that follows a failed Create.
"""

import re
import time
from typing import Any

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from trained_resource.kinds import (
    KINDS,
    Description,
    Kind,
    is_invalid,
    is_missing,
    value_at,
)
from trained_resource.request import TrainedResourceError, name_of, parameters_of

START = "Custom::TrainedStart"
WAIT = "Custom::TrainedWait"
LONGEST_WAIT = 3000  # seconds; CloudFormation gives up on a custom resource after 3600
SETTLING = 60  # seconds that a new role may take until SageMaker can assume it

Event = dict[str, Any]

WAITING: dict[str, Any] = {"IsComplete": False}
COMPLETE: dict[str, Any] = {"IsComplete": True}


def begin(event: Event) -> dict[str, Any]:
    """Answer `on_event`: the physical id, and what `is_complete` has to know.

    Raises:
        TrainedResourceError: the properties make no sense. Nothing was made.
    """
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    properties = event["ResourceProperties"]
    if event["ResourceType"] == START:
        kind, name = _described(properties)
        parameters_of(KINDS[kind], name, properties["Request"])
        arn = _arn(KINDS[kind], name, event["StackId"])
        return {
            "PhysicalResourceId": arn,
            "Data": {"Name": name, "Arn": arn},
            "Begun": time.time(),
        }
    if event["ResourceType"] == WAIT:
        seconds = _wait_properties(properties)
        return {
            "PhysicalResourceId": f"{event['StackId'].split('/')[1]}-{event['LogicalResourceId']}",
            "Deadline": time.time() + seconds,
        }
    raise TrainedResourceError(
        f"Resource type {event['ResourceType']} is unknown; known are {START} and {WAIT}"
    )


def proceed(event: Event) -> dict[str, Any]:
    """Answer `is_complete`: do the next step, or say that all are done.

    Raises:
        TrainedResourceError: it will never be done; the message says why.
    """
    try:
        if event["ResourceType"] == WAIT:
            return COMPLETE if event["RequestType"] == "Delete" else _await(event)
        if event["RequestType"] == "Delete":
            return COMPLETE if _remove(event) else WAITING
        return _ensure(event)
    except (ClientError, BotoCoreError) as error:
        if _is_transient(error):
            print(f"will be tried again: {error}")
            return WAITING
        raise TrainedResourceError(str(error)) from None


# Start -------------------------------------------------------------------------------------------


def _ensure(event: Event) -> dict[str, Any]:
    """Create the thing, or find it made; make it anew if an earlier one of its name failed."""
    kind_name, name = _described(event["ResourceProperties"])
    kind = KINDS[kind_name]
    found = kind.find(name)
    if found is None:
        parameters = parameters_of(kind, name, event["ResourceProperties"]["Request"])
        try:
            kind.call(kind.create, name, **parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] in _IN_USE:
                return WAITING  # another call of ours was quicker: the next look finds it
            if _role_is_settling(error) and time.time() < event["Begun"] + SETTLING:
                return WAITING
            raise
        return COMPLETE
    status = value_at(found, kind.status)
    if status in kind.failed:
        _delete(kind, name, found)
        return WAITING
    return COMPLETE if status in kind.ready | kind.running else WAITING


def _remove(event: Event) -> bool:
    """Stop, clean up after and delete the thing; true once nothing is left."""
    properties = event.get("ResourceProperties") or {}
    identity = _from_arn(event["PhysicalResourceId"])
    if identity is None:
        # the id is CloudFormation's own: our answer to Create never reached it
        try:
            identity = _described(properties)
        except TrainedResourceError:
            return True
    kind_name, name = identity
    kind = KINDS[kind_name]
    found = kind.find(name)
    if found is None:
        request = properties.get("Request")
        return kind.clean(name, request if isinstance(request, dict) else {})
    status = value_at(found, kind.status)
    if status in kind.running:
        try:
            kind.call(kind.stop, name)
        except ClientError as error:
            if not is_invalid(error) and not is_missing(error):
                raise
            # it ended by itself since we looked
    elif status in kind.ready | kind.failed:
        return _delete(kind, name, found) and kind.find(name) is None
    return False


def _delete(kind: Kind, name: str, found: Description) -> bool:
    """Clean up after a thing that no longer runs, then delete it; false if there is more to do.

    The thing itself goes last: while it exists, it tells where the rest is.
    """
    if not kind.clean(name, found):
        return False
    try:
        kind.call(kind.delete, name)
    except ClientError as error:
        if error.response["Error"]["Code"] in _IN_USE:
            return False
        if not is_missing(error):
            raise
    return True


# Wait --------------------------------------------------------------------------------------------


def _await(event: Event) -> dict[str, Any]:
    """Look whether the thing is trained; a waiter that is not the last hands on in time."""
    arn = event["ResourceProperties"]["Arn"]
    identity = _from_arn(arn)
    assert identity, "begin() has checked it"
    kind_name, name = identity
    kind = KINDS[kind_name]
    found = kind.find(name)
    if found is None:
        raise TrainedResourceError(f"{kind_name} {name} was deleted while the stack waited for it")
    status = value_at(found, kind.status)
    if status in kind.failed:
        reason = value_at(found, kind.reason) or "no reason was given"
        raise TrainedResourceError(f"{kind_name} {name} ended as {status}: {reason}")
    done = status in kind.ready
    if not done and time.time() < event["Deadline"]:
        return WAITING
    if not done and event["ResourceProperties"]["Final"] == "true":
        raise TrainedResourceError(
            f"{kind_name} {name} is still {status}, and this was the last waiter. "
            "Configure more waiters, or a quicker training, and deploy again"
        )
    told = {"Name": name, "Arn": arn, "Done": "true" if done else "false"}
    return COMPLETE | {"Data": told | kind.attributes(found)}


def _wait_properties(properties: dict[str, Any]) -> int:
    """The seconds that a waiter may take."""
    problems = []
    identity = _from_arn(properties.get("Arn"))
    if identity is None:
        problems.append(f"Arn must be that of a trained thing, not {properties.get('Arn')!r}")
    elif properties.get("Kind") != identity[0]:
        problems.append(f"Kind must be {identity[0]}, as Arn says, not {properties.get('Kind')!r}")
    seconds = str(properties.get("Seconds"))
    if not (seconds.isdecimal() and int(seconds) <= LONGEST_WAIT):
        problems.append(f"Seconds must be a whole number up to {LONGEST_WAIT}, not {seconds!r}")
    if properties.get("Final") not in ("true", "false"):
        problems.append(f'Final must be "true" or "false", not {properties.get("Final")!r}')
    if problems:
        raise TrainedResourceError("; ".join(problems))
    return int(seconds)


# What both need ----------------------------------------------------------------------------------

_IN_USE = ("ResourceInUse", "ResourceInUseException", "ResourceAlreadyExistsException")

_TRANSIENT = re.compile(
    "Throttl|ThroughputExceeded|TooManyRequests|RequestLimitExceeded|SlowDown|ServiceUnavailable"
    "|InternalFailure|InternalServer|InternalError|RequestTimeout|OperationAborted"
)


def _is_transient(error: ClientError | BotoCoreError) -> bool:
    """Whether the same call may succeed a little later: throttled, timed out, a server's fault."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or bool(_TRANSIENT.search(error.response["Error"].get("Code", "")))
    return isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError))


def _role_is_settling(error: ClientError) -> bool:
    text = error.response["Error"].get("Message", "")
    return is_invalid(error) and "assume role" in text.lower()


def _described(properties: dict[str, Any]) -> tuple[str, str]:
    """The kind and the name of what a `Custom::TrainedStart` describes.

    Raises:
        TrainedResourceError: properties are missing or malformed.
    """
    problems = []
    kind = properties.get("Kind")
    if kind not in KINDS:
        problems.append(f"Kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if not isinstance(properties.get("NamePrefix"), str):
        problems.append("NamePrefix must be a string")
    if not isinstance(properties.get("Request"), dict):
        problems.append("Request must hold the create call's parameters")
    if problems:
        raise TrainedResourceError("; ".join(problems))
    return str(kind), name_of(str(kind), properties)


def _arn(kind: Kind, name: str, stack_id: str) -> str:
    """The thing's ARN; ours keeps the capitals of the name, which AWS's answers may not."""
    _, partition, _, region, account, _ = stack_id.split(":", 5)
    return f"arn:{partition}:{kind.service}:{region}:{account}:{kind.resource}/{name}"


def _from_arn(arn: object) -> tuple[str, str] | None:
    """The kind and the name that an ARN tells, or None if it is not of a kind we make."""
    for kind_name, kind in KINDS.items():
        pattern = f"arn:[^:]+:{kind.service}:[^:]*:[^:]*:{kind.resource}/(.+)"
        if match := re.fullmatch(pattern, str(arn)):
            return kind_name, match[1]
    return None
