"""The table of histories: what each user did, an item an event, in the order of time.

The partition key is `user`, the data's own id. The sort key `event` is the time in seconds, as
twelve digits, then `#` and the event's id: so an event that is sent again is written to the same
place, and the newest come last.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import BusyError, failure, text_of

NEWEST: Final = 1000  # of a user's events that an answer takes into account
_DIGITS: Final = 12
_BATCH: Final = 25  # BatchWriteItem's
_TRIES: Final = 6


class Event(NamedTuple):
    """Something that a user did.

    Attributes:
        user, item: the data's own ids.
        timestamp: whole seconds since 1970.
        id: tells this event from others of the user in that second.
        kind: such as `Watch`; empty where it does not say.
        value: a rating or another strength, None where there is none.
        expires: seconds since 1970 when the table may forget it; 0 for never.
        session: the id of the session in which it happened; empty where it does not say.
        recommendation: the id of the answer of Amazon Personalize that showed the item, and
        source: what showed it; both empty where it does not say, and not in the table.
    """

    user: str
    item: str
    timestamp: int
    id: str
    kind: str = ""
    value: float | None = None
    expires: int = 0
    session: str = ""
    recommendation: str = ""
    source: str = ""

    @property
    def key(self) -> dict[str, Any]:
        """Where it is in the table."""
        return _key(self.user, f"{self.timestamp:0{_DIGITS}}#{self.id}")

    @property
    def row(self) -> dict[str, Any]:
        """What is in the table."""
        row = {**self.key, "item": {"S": self.item}, "live": {"BOOL": True}}
        if self.kind:
            row["kind"] = {"S": self.kind}
        if self.value is not None:
            row["value"] = {"N": f"{self.value:g}"}
        if self.session:
            row["session"] = {"S": self.session}
        if self.expires:
            row["expires"] = {"N": str(self.expires)}
        return row


class Histories:
    """A table of histories.

    Every method raises a `FunctionError` where DynamoDB refuses, a `BusyError` where it may do it
    in a moment.

    Args:
        dynamodb: a boto3 client.
        table: its name.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    def newest(self, user: str) -> list[tuple[str, float | None]]:
        """The item and the value of a user's newest events, oldest first.

        The read is consistent: an event that was acknowledged is in it.
        """
        found: list[tuple[str, float | None]] = []
        for row in self._rows(user, "#i, #v", {"#i": "item", "#v": "value"}):
            value = row.get("value", {}).get("N")
            found.append((row["item"]["S"], None if value is None else float(value)))
            if len(found) == NEWEST:
                break
        return found[::-1]

    def write(self, events: Sequence[Event]) -> None:
        """Write events, each once however often it is sent."""
        rows = {tuple(map(str, event.key.values())): event.row for event in events}
        self._batches([{"PutRequest": {"Item": row}} for row in rows.values()])

    def copy(self, rows: Sequence[Any]) -> None:
        """Write rows of another table as they are."""
        self._batches([{"PutRequest": {"Item": row}} for row in rows])

    def forget(self, user: str) -> int:
        """Delete every event of a user; how many there were."""
        events = {"#e": "event"}
        keys = [_key(user, row["event"]["S"]) for row in self._rows(user, "#e", events)]
        self._batches([{"DeleteRequest": {"Key": key}} for key in keys])
        return len(keys)

    def _rows(self, user: str, attributes: str, names: dict[str, str]) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#u = :user",
            "ExpressionAttributeNames": {"#u": "user", **names},
            "ExpressionAttributeValues": {":user": {"S": user}},
            "ProjectionExpression": attributes,
            "ScanIndexForward": False,
            "ConsistentRead": True,
            "Limit": NEWEST,
        }
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise failure(error, f"The history cannot be read: {text_of(error)}") from None
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _batches(self, requests: list[Any]) -> None:
        for first in range(0, len(requests), _BATCH):
            left = requests[first : first + _BATCH]
            for _ in range(_TRIES):  # botocore waits before it tries what was throttled as a whole
                try:
                    answer = self._dynamodb.batch_write_item(RequestItems={self._table: left})
                except (ClientError, BotoCoreError) as error:
                    words = f"The history cannot be written: {text_of(error)}"
                    raise failure(error, words) from None
                left = answer.get("UnprocessedItems", {}).get(self._table, [])
                if not left:
                    break
            else:
                raise BusyError(
                    "DynamoDB has not written all of it: send the same again, nothing is "
                    "written twice"
                )


def scanned(
    dynamodb: Any, table: str, attributes: Sequence[str]
) -> Iterator[Mapping[str, Mapping[str, Any]]]:
    """All rows of a table, with some of their attributes.

    The reads are eventually consistent, which cost half: what was written in the last second may be
    missing.

    Args:
        dynamodb: a boto3 client.
        table: its name.
        attributes: what is read of each row.

    Raises:
        FunctionError: DynamoDB refuses; a `BusyError` where it may do it in a moment.
    """
    names = {f"#{name}": name for name in attributes}
    scan: dict[str, Any] = {
        "TableName": table,
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    while True:
        try:
            page = dynamodb.scan(**scan)
        except (ClientError, BotoCoreError) as error:
            raise failure(error, f"The table {table} cannot be read: {text_of(error)}") from None
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def with_plain_items(dynamodb: Any) -> Any:
    """The same boto3 client, whose queries' items are read as they are in the answer's JSON.

    botocore's parser looks for ten types in each value: of 145 events, a quarter of a query's time
    in the function. For tables without binary values, which alone are not as botocore returns them.
    """
    dynamodb.meta.events.register("before-parse.dynamodb.Query", _read_items)
    return dynamodb


def _read_items(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Take the items out of a page, and leave the rest to botocore's parser."""
    if response_dict["status_code"] == 200:
        page = json.loads(response_dict["body"])
        customized_response_dict["Items"] = page.pop("Items")
        response_dict["body"] = json.dumps(page).encode()


def _key(user: str, event: str) -> dict[str, Any]:
    return {"user": {"S": user}, "event": {"S": event}}
