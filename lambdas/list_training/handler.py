"""The two Lambda functions behind CDK's Provider for three kinds of resources.

`Custom::ListsHandover`: Table and Model, which the functions use. When one changes, the one before
stays until no call uses it, and live events are carried to a new table; see
`list_training.handover`.

`Custom::TrainedLists`: Bucket, and the keys Interactions and Catalogue in it, which are learned
from; Output, the prefix of the models; Validation, `newest` or `random`; MostItems; Inputs and
Code, digests of the data and of what learns from them. Instead of Interactions, Catalogue,
Validation and MostItems, Prepared may be the prefix of what a Spark job has learned. The model's
key ends in a hash of all these, so the same again finds what is trained. Attributes: ModelKey, and
Metrics as JSON. With Gate, an update to a later Generation of the data is a retraining: the new
model is compared with the one in service, the report is written below the prefix Generations, and a
model that Gate refuses fails the update; see `list_training.gate`.

`Custom::PairsToScore`: Bucket; Interactions, Catalogue and, if the data's own ids are not the
engines' numbers, Ids, keys in it; Model, the key of the trained lists; Best, how many items of each
user are worth scoring; Forms, of requests: tokens, columns or both; Sizes, the largest number of a
user and of an item, plus 1; Output, the prefix of the pairs, which ends in a hash of all but the
model, so that a retraining keeps them. Attribute: Users, how many there are; see
`list_training.pairs`.

Permissions: `on_event` needs none, it calls nothing. `is_complete` needs s3:GetObject on all keys,
or s3:GetObject and ListBucket on the prefix; s3:GetObject, PutObject and DeleteObject below Output,
and ListBucket for pairs; s3:GetObject and PutObject below Generations; dynamodb:Scan and
BatchWriteItem on the tables.
"""

import hashlib
import json
import logging
import re
from typing import Any

from common import clients
from common.custom_resource import COMPLETE, WAITING, named, polled
from common.errors import FunctionError

from list_training import handover

_PROPERTIES = ("Bucket", "Output", "Inputs", "Code")
_LEARNED = ("Interactions", "Catalogue", "Validation", "MostItems")
_PREPARED = ("Prepared",)
_PAIRED = ("Bucket", "Interactions", "Catalogue", "Model", "Best", "Forms", "Sizes", "Output")
HANDOVER = "Custom::ListsHandover"
PAIRS = "Custom::PairsToScore"
_METRICS = 1500  # characters; CloudFormation takes 4 KB for the whole answer

_log = logging.getLogger("list_training")


class ListTrainingError(FunctionError):
    """The lists cannot be trained; the message says why, to a person."""


def on_event(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Name the model: its place in S3.

    Raises:
        ListTrainingError: a property is missing or malformed. Nothing was made.
    """
    if event["RequestType"] == "Delete":
        return named(event["PhysicalResourceId"])
    if event["ResourceType"] == HANDOVER:
        if not event["ResourceProperties"].get("Table"):
            raise ListTrainingError(f"{event['LogicalResourceId']}: Table is missing")
        # always the same, so that CloudFormation updates it and never replaces it
        name = f"{event['StackId'].split('/')[1]}-{event['LogicalResourceId']}"
        return named(name)
    if event["ResourceType"] == PAIRS:
        return _pairs_named(event)
    given = event["ResourceProperties"]
    names = (*_PROPERTIES, *(_PREPARED if given.get("Prepared") else _LEARNED))
    properties = {name: given.get(name) for name in names}
    problems = [f"{name} is missing" for name, value in properties.items() if not value]
    if properties.get("Validation") not in ("newest", "random", None):
        problems.append(f"Validation must be newest or random, not {properties['Validation']!r}")
    if not re.fullmatch(r"[1-9]\d{0,6}", str(properties.get("MostItems") or 1)):
        problems.append(f"MostItems must be a whole number, not {properties['MostItems']!r}")
    if problems:
        raise ListTrainingError(f"{event['LogicalResourceId']}: {'; '.join(problems)}")
    content = json.dumps([properties, event["StackId"], event["LogicalResourceId"]])
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    return named(
        f"s3://{properties['Bucket']}/{properties['Output']}{name}.npz",
        Before=event.get("PhysicalResourceId"),  # the model in service, for an update
    )


def is_complete(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Train the model, or find it trained, or delete it.

    Raises:
        ListTrainingError: it will never be trained; the message says why.
    """
    if event["ResourceType"] == HANDOVER:
        return _handed_over(event, context)
    if event["ResourceType"] == PAIRS:
        return _paired(event, context)
    place = _place(event["PhysicalResourceId"])
    if event["RequestType"] == "Delete" and not place:
        return COMPLETE  # the id is CloudFormation's own: nothing was begun
    assert place, "on_event has named it"
    bucket, key = place

    def work() -> dict[str, Any]:
        from list_training import gate, logic  # numpy and scipy; naming a model takes neither

        one = logic.Training(clients.client("s3"), bucket, key)
        if event["RequestType"] == "Delete":
            one.forget()
            return COMPLETE
        before = None
        if gate.is_retraining(event):
            in_service = _place(event["Before"])
            assert in_service, "it was trained here"
            before = event["OldResourceProperties"], in_service[1]
        metrics = one.ensure(event["ResourceProperties"], before)
        _log.info("trained", extra={"model": event["PhysicalResourceId"], "metrics": metrics})
        return COMPLETE | {"Data": {"ModelKey": key, "Metrics": json.dumps(metrics)[:_METRICS]}}

    return polled(ListTrainingError, event, context, work)


def _pairs_named(event: dict[str, Any]) -> dict[str, Any]:
    given = event["ResourceProperties"]
    problems = [f"{name} is missing" for name in _PAIRED if not given.get(name)]
    problems += [
        f"{name} must be {allowed}, not {given[name]!r}"
        for name, pattern, allowed in (
            ("Best", r"[1-9]\d{0,3}", "a whole number"),
            ("Forms", r"(tokens|columns)(,(tokens|columns))*", "tokens, columns or both"),
            ("Sizes", r"\d+,\d+", "two whole numbers"),
            ("Output", r".+/", "a prefix that ends in /"),
        )
        if given.get(name) and not re.fullmatch(pattern, str(given[name]))
    ]
    if problems:
        raise ListTrainingError(f"{event['LogicalResourceId']}: {'; '.join(problems)}")
    return named(f"s3://{given['Bucket']}/{given['Output']}")


def _paired(event: dict[str, Any], context: Any) -> dict[str, Any]:
    place = re.fullmatch(r"s3://([^/]+)/(.+/)", event["PhysicalResourceId"])
    if event["RequestType"] == "Delete" and not place:
        return COMPLETE  # the id is CloudFormation's own: nothing was begun
    assert place, "on_event has named it"
    bucket, prefix = place.groups()

    def work() -> dict[str, Any]:
        from list_training.pairs import Pairs  # numpy

        one = Pairs(clients.client("s3"), bucket, prefix)
        if event["RequestType"] == "Delete":
            one.forget()
            return COMPLETE
        written = one.ensure(event["ResourceProperties"], context.get_remaining_time_in_millis)
        if written is None:
            return WAITING
        _log.info("pairs", extra={"prefix": prefix, **written})
        return COMPLETE | {"Data": {"Users": str(written["users"])}}

    return polled(ListTrainingError, event, context, work)


def _place(physical_id: str) -> tuple[str, str] | None:
    """The bucket and the key that a physical id names."""
    found = re.fullmatch(r"s3://([^/]+)/(.+\.npz)", physical_id)
    return (found[1], found[2]) if found else None


def _handed_over(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event["RequestType"] != "Update":
        return COMPLETE
    if not handover.settled(event["Begun"]):
        return WAITING
    new = event["ResourceProperties"]["Table"]
    old = (event.get("OldResourceProperties") or {}).get("Table", new)
    if old == new:
        return COMPLETE

    def work() -> dict[str, Any]:
        count = handover.carry(clients.client("dynamodb"), old, new)
        _log.info("carried", extra={"events": count, "from": old, "to": new})
        return COMPLETE

    return polled(ListTrainingError, event, context, work)
