"""`Custom::TrainedStart` and `Custom::TrainedWait`: trained models as CloudFormation resources.

CDK's Provider framework calls `on_event` once and then `is_complete` until it returns true. All
calls to AWS are in `is_complete`: each call checks what exists, does one step towards the desired
state, and can safely be repeated, interrupted or run twice at the same time. `on_event` makes no
calls; it only determines the name. So the framework knows the physical id before anything is
created, and forwards the Delete that follows a failed Create.
"""

import json
import re
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common.clients import client
from common.custom_resource import COMPLETE, WAITING, named, settles
from common.errors import failure

from trained_resource.kinds import (
    KINDS,
    Description,
    Thing,
    is_invalid,
    is_missing,
    next_name,
    value_at,
)
from trained_resource.request import TrainedResourceError, name_of, parameters_of

START = "Custom::TrainedStart"
WAIT = "Custom::TrainedWait"
LONGEST_WAIT = 3000  # seconds; CloudFormation's timeout of a custom resource is 3600
Event = dict[str, Any]


def begin(event: Event) -> dict[str, Any]:
    """Answer `on_event`: the physical id, and the data for `is_complete`.

    Raises:
        TrainedResourceError: the properties are invalid. Nothing was created.
    """
    if event["RequestType"] == "Delete":
        return named(event["PhysicalResourceId"])
    properties = event["ResourceProperties"]
    if event["ResourceType"] == START:
        thing = _described(properties, event["StackId"])
        parameters_of(thing.kind, thing.name, properties["Request"])
        return named(thing.arn, Data={"Name": thing.name, "Arn": thing.arn})
    if event["ResourceType"] == WAIT:
        seconds = _wait_properties(properties)
        name = f"{event['StackId'].split('/')[1]}-{event['LogicalResourceId']}"
        return named(name, Deadline=time.time() + seconds)
    raise TrainedResourceError(
        f"Resource type {event['ResourceType']} is unknown; known are {START} and {WAIT}"
    )


def proceed(event: Event) -> dict[str, Any]:
    """Answer `is_complete`: do the next step, or report completion.

    Raises:
        FunctionError: a failure, permanent or not; the message says why.
    """
    try:
        if event["ResourceType"] == WAIT:
            return COMPLETE if event["RequestType"] == "Delete" else _await(event)
        if event["RequestType"] == "Delete":
            return COMPLETE if _remove(event) else WAITING
        return _ensure(event)
    except (ClientError, BotoCoreError) as error:
        raise failure(error, str(error)) from None


# Start -------------------------------------------------------------------------------------------


def _ensure(event: Event) -> dict[str, Any]:
    """Create the resource or find the existing one; replace an earlier one that failed."""
    thing = _described(event["ResourceProperties"], event["StackId"])
    kind = thing.kind
    name = thing.name
    found = thing.find()
    if found is not None:
        state = kind.state(found)
        if state not in kind.failed | kind.stale:
            return COMPLETE if state in kind.ready | kind.running else WAITING
        if not kind.named:
            _delete(thing, found)
            return WAITING
        name = next_name(value_at(found, kind.named))
    parameters = parameters_of(kind, name, event["ResourceProperties"]["Request"])
    try:
        getattr(client(kind.service), kind.create)(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _IN_USE:
            return WAITING  # a concurrent call created it: the next call finds it
        if kind.queues and _ends_by_waiting(error):
            return WAITING
        if _role_is_settling(error) and settles(event):
            return WAITING
        raise
    return COMPLETE if kind.running else WAITING


def _remove(event: Event) -> bool:
    """Stop, clean up and delete the resource; true once nothing is left."""
    properties = event.get("ResourceProperties")
    properties = properties if isinstance(properties, dict) else {}
    thing = _from_arn(event["PhysicalResourceId"])
    if thing is None:
        # the id is CloudFormation's own: it never received the response to Create
        try:
            thing = _described(properties, event["StackId"])
        except TrainedResourceError:
            return True
    kind = thing.kind
    found = thing.find()
    if found is None:
        request = properties.get("Request")
        return kind.clean(thing, request if isinstance(request, dict) else {})
    state = kind.state(found)
    if state in kind.running and kind.stop:
        try:
            thing.call(kind.stop, found)
        except ClientError as error:
            if not is_invalid(error) and not is_missing(error):
                raise
            # it ended meanwhile
    elif state in kind.ready | kind.failed:
        return _delete(thing, found) and (kind.delete is None or thing.find() is None)
    return False


def _delete(thing: Thing, found: Description) -> bool:
    """Clean up after a resource that no longer runs, then delete it; false if more is to do.

    The resource itself is deleted last, because its description locates the rest.
    """
    if not thing.kind.clean(thing, found):
        return False
    if thing.kind.delete is None:
        return True
    try:
        thing.call(thing.kind.delete)
    except ClientError as error:
        if error.response["Error"]["Code"] in _IN_USE:
            return False
        if not is_missing(error):
            raise
    return True


# Wait --------------------------------------------------------------------------------------------


def _await(event: Event) -> dict[str, Any]:
    """Check whether training has finished; all waiters but the last end before their timeout."""
    thing = _from_arn(event["ResourceProperties"]["Arn"])
    assert thing, "begin() has checked it"
    kind, words = thing.kind, f"{event['ResourceProperties']['Kind']} {thing.name}"
    found = thing.find()
    if found is None:
        raise TrainedResourceError(f"{words} was deleted while the stack waited for it")
    state = kind.state(found)
    if state in kind.failed:
        reason = value_at(found, kind.reason) or "no reason given"
        raise TrainedResourceError(f"{words} ended as {state}: {reason}")
    done = state in kind.ready
    if not done and time.time() < event["Deadline"]:
        return WAITING
    if not done and event["ResourceProperties"]["Final"] == "true":
        raise TrainedResourceError(
            f"{words} is still {state}, and this was the last waiter. "
            "Configure more waiters, or a faster training, and deploy again"
        )
    told = {"Name": thing.name, "Arn": thing.arn, "Done": "true" if done else "false"}
    told |= kind.attributes(found)
    if done and event["ResourceProperties"].get("Needs") == "Epochs" and not told["Epochs"]:
        raise TrainedResourceError(
            f"The log of {words} tells no loss on its channel validation, by which the epochs of "
            "the second training are chosen. Deploy again; if there is still none, deploy with "
            "-c refit=false, which serves the model of the first training"
        )
    if done and event["ResourceProperties"].get("Gate"):
        _judge(event, thing, found)
    return COMPLETE | {"Data": told}


def _judge(event: Event, thing: Thing, found: Description) -> None:
    """Refuse a model whose figures are worse than those of the one before, beyond the gate.

    The gate is JSON: the name of a `metric`, and by how many `percent` it may be lower. What is not
    newer than the one before comes back by a rollback, and is not judged; nor is what has no such
    metric.

    Raises:
        TrainedResourceError: it is refused. The update fails, and the one before stays.
    """
    kind = thing.kind
    old = _from_arn(event.get("OldResourceProperties", {}).get("Arn"))
    if old is None or old.kind is not kind or old.arn == thing.arn:
        return
    before = old.find()
    if before is None or kind.state(before) not in kind.ready:
        return
    if value_at(found, kind.created) <= value_at(before, kind.created):
        return
    gate = json.loads(event["ResourceProperties"]["Gate"])
    figures = [json.loads(kind.attributes(one)["Metrics"]) for one in (before, found)]
    was, now = (one.get(gate["metric"]) for one in figures)
    if was is None or now is None or now >= was * (1 - gate["percent"] / 100):
        return
    raise TrainedResourceError(
        f"{event['ResourceProperties']['Kind']} {thing.name} is refused: its {gate['metric']} is "
        f"{now:g} against {was:g} of the one in service, more than {gate['percent']}% lower. The "
        "one in service goes on answering. Look at the new data, or raise personalize.gate"
    )


def _wait_properties(properties: dict[str, Any]) -> int:
    """The maximum duration of a waiter, in seconds."""
    problems = []
    thing = _from_arn(properties.get("Arn"))
    kind = properties.get("Kind")
    if thing is None:
        problems.append(f"Arn must be that of a trained resource, not {properties.get('Arn')!r}")
    elif KINDS.get(str(kind)) is not thing.kind:
        actual = next(name for name, known in KINDS.items() if known is thing.kind)
        problems.append(f"Kind must be {actual}, as Arn says, not {kind!r}")
    seconds = str(properties.get("Seconds"))
    if not (seconds.isdecimal() and int(seconds) <= LONGEST_WAIT):
        problems.append(f"Seconds must be a whole number up to {LONGEST_WAIT}, not {seconds!r}")
    if properties.get("Final") not in ("true", "false"):
        problems.append(f'Final must be "true" or "false", not {properties.get("Final")!r}')
    if problems:
        raise TrainedResourceError("; ".join(problems))
    return int(seconds)


# Shared helpers ---------------------------------------------------------------------------------

_IN_USE = ("ResourceInUse", "ResourceInUseException", "ResourceAlreadyExistsException")


_USED_UP = re.compile(
    r"limit '(?P<quota>[^']+)' is (?P<limit>[\d.]+) .*utilization of (?P<used>[\d.]+) ", re.DOTALL
)


def _ends_by_waiting(error: ClientError) -> bool:
    """Whether a call is refused for a quota that other jobs use up, which end.

    Raises:
        TrainedResourceError: no job uses the quota: it is too small for a single one.
    """
    code = error.response["Error"]["Code"]
    if code == "LimitExceededException":  # Personalize's; it tells no numbers
        return True
    found = _USED_UP.search(error.response["Error"].get("Message", ""))
    if code != "ResourceLimitExceeded" or found is None:
        return False
    if float(found["used"]) > 0:
        return True
    quota = found["quota"]
    raise TrainedResourceError(
        f"The account's quota '{quota}' is {found['limit']}, and no job uses it. `make preflight` "
        "tells the commands that request all that is missing; for this quota: aws service-quotas "
        "request-service-quota-increase --service-code sagemaker --desired-value 1 --quota-code "
        "$(aws service-quotas list-service-quotas --service-code sagemaker --output text "
        f"--query \"Quotas[?QuotaName=='{quota}'].QuotaCode\"). Deploy again once it is granted"
    )


def _role_is_settling(error: ClientError) -> bool:
    text = error.response["Error"].get("Message", "")
    return is_invalid(error) and "assume role" in text.lower()


def _described(properties: dict[str, Any], stack_id: str) -> Thing:
    """The resource that a `Custom::TrainedStart` describes.

    Raises:
        TrainedResourceError: properties are missing or malformed.
    """
    problems = []
    kind_name, request = properties.get("Kind"), properties.get("Request")
    if kind_name not in KINDS:
        problems.append(f"Kind must be one of {', '.join(KINDS)}, not {kind_name!r}")
    if not isinstance(properties.get("NamePrefix"), str):
        problems.append("NamePrefix must be a string")
    if not isinstance(request, dict):
        problems.append("Request must contain the create call's parameters")
    elif kind_name in KINDS and (within := KINDS[kind_name].within):
        place = request.get(within)
        if not place:
            problems.append(f"Request.{within} is missing")
        elif within.endswith("Arn") and not str(place).startswith("arn:"):
            problems.append(f"Request.{within} must be an ARN, not {place!r}")
    if problems:
        raise TrainedResourceError("; ".join(problems))
    assert isinstance(request, dict)
    kind, name = KINDS[str(kind_name)], name_of(str(kind_name), properties)
    _, partition, _, region, account, _ = stack_id.split(":", 5)
    place = f"arn:{partition}:{kind.service}:{region}:{account}:{kind.resource}"
    if kind.within:
        parent = str(request.get(kind.within))
        place = parent if kind.within.endswith("Arn") else f"{place}/{parent}"
    return Thing(kind, name, f"{place}/{name}")


def _from_arn(arn: object) -> Thing | None:
    """The resource with this ARN, or None if its kind is unknown."""
    for kind in KINDS.values():
        path = f"{kind.resource}/[^/]+" if kind.within else kind.resource
        pattern = f"arn:[^:]+:{kind.service}:[^:]*:[^:]*:{path}/([^/]+)"
        if match := re.fullmatch(pattern, str(arn)):
            return Thing(kind, match[1], str(arn))
    return None
