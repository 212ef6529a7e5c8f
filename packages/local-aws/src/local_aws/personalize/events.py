"""Amazon Personalize Events: events take effect in the next answer."""

from datetime import datetime
from typing import Any

from local_aws.documents import read_json
from local_aws.personalize import importing
from local_aws.personalize.attribution import Attribution
from local_aws.personalize.data import GroupData
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.resources import Params, Registry
from local_aws.personalize.schemas import Field, Schema

_OWN = {"ITEMID", "EVENTTYPE", "EVENTVALUE", "IMPRESSION", "RECOMMENDATIONID"}


class Events:
    """Amazon Personalize Events."""

    def __init__(self, registry: Registry, attribution: Attribution) -> None:
        self._registry = registry
        self._attribution = attribution

    def put_events(self, params: Params) -> None:
        """PutEvents: all events of the call are validated before any is stored."""
        trackers = self._registry.all("eventTracker", trackingId=params["trackingId"])
        if not trackers or trackers[0].status != "ACTIVE":
            raise InvalidInput(f"There is no ACTIVE event tracker with id {params['trackingId']}.")
        self._registry.open(trackers[0].group)
        data = self._registry.data(trackers[0].group)
        schema = data.interactions_schema
        if schema is None:
            raise InvalidInput("The dataset group has no Interactions dataset.")
        wrong: list[str] = []
        checked = [
            _event(position, event, params["sessionId"], schema, wrong)
            for position, event in enumerate(params["eventList"], 1)
        ]
        if wrong:
            raise InvalidInput(f"Invalid events: {'; '.join(wrong)}.")
        for event in checked:
            data.put_event(params.get("userId"), params["sessionId"], **event)
        self._attribution.streamed(trackers[0].group, checked, params["eventList"])

    def put_items(self, params: Params) -> None:
        """PutItems: metadata of up to ten items, new or known."""
        self._put("ITEMS", "ITEM_ID", "itemId", params["items"], params["datasetArn"])

    def put_users(self, params: Params) -> None:
        """PutUsers: metadata of up to ten users, new or known."""
        self._put("USERS", "USER_ID", "userId", params["users"], params["datasetArn"])

    def _put(self, kind: str, key: str, member: str, rows: list[Params], arn: str) -> None:
        dataset = self._registry.find("dataset", arn, ready=True)
        if dataset["datasetType"] != kind:
            raise InvalidInput(f"{arn} is not a dataset of type {kind}.")
        self._registry.open(dataset.group)
        data: GroupData = self._registry.data(dataset.group)
        schema = data.schema(kind)
        assert schema is not None
        wrong: list[str] = []
        checked: list[Params] = []
        for row in rows:
            where = f"{member} '{row[member]}'"
            values = _properties(row.get("properties"), where, wrong)
            values[_plain(key)] = row[member]
            checked.append(_row(schema.fields, values, where, wrong))
            known = {_plain(field.name) for field in schema.fields}
            wrong += [
                f"{where}: the schema has no field for '{n}'" for n in values if n not in known
            ]
        if wrong:
            raise InvalidInput(f"Invalid {kind.lower()}: {'; '.join(wrong)}.")
        data.load(kind, checked, full=False, streamed=True)


def _event(position: int, event: Params, session: str, schema: Schema, wrong: list[str]) -> Params:
    where = f"event {position}"
    values = _properties(event.get("properties"), where, wrong)
    item = event.get("itemId") or values.get("ITEMID")
    try:
        if not item:
            raise ValueError("is needed, of its own or in properties")
        item = importing.value(Field("ITEM_ID", "string"), item)
    except ValueError as error:
        wrong.append(f"{where}: itemId {error}")
    value = event.get("eventValue", values.get("EVENTVALUE"))
    if value is not None:
        try:
            value = importing.value(Field("EVENT_VALUE", "float"), value)
        except ValueError as error:
            wrong.append(f"{where}: eventValue {error}")
    # AWS fills a SESSION_ID of the schema from the call
    context = _row(schema.metadata, {"SESSIONID": session, **values}, where, wrong)
    known = {_plain(field.name) for field in schema.fields} | _OWN
    wrong += [
        f"{where}: the schema has no field for '{name}'" for name in values if name not in known
    ]
    sent = event["sentAt"]
    return {
        "item_id": str(item),
        "timestamp": int(sent.timestamp() if isinstance(sent, datetime) else float(sent)),
        "event_type": event["eventType"],
        "value": value,
        "context": context,
        "event_id": event.get("eventId"),
    }


def _properties(text: str | None, where: str, wrong: list[str]) -> dict[str, Any]:
    """The members of a `properties` string, by their names without case and underscores."""
    try:
        properties = read_json(text) if text else {}
    except ValueError as error:
        wrong.append(f"{where}: properties is not JSON: {error}")
        return {}
    if not isinstance(properties, dict):
        wrong.append(f"{where}: properties must be a JSON object")
        return {}
    return {_plain(name): value for name, value in properties.items()}


def _row(
    fields: tuple[Field, ...], values: dict[str, Any], where: str, wrong: list[str]
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in fields:
        given = values.get(_plain(field.name))
        if given is None or given == "":
            if not field.nullable:
                wrong.append(f"{where}: {field.name} is missing")
            row[field.name] = None
            continue
        try:
            row[field.name] = importing.value(field, given)
        except ValueError as error:
            wrong.append(f"{where}: {field.name} {error}")
    return row


def _plain(name: str) -> str:
    """A schema's USER_AGE and an event's userAge are the same."""
    return name.replace("_", "").upper()
