"""The Lambda function `Events`: what users did is written once, and counts in their next list.

Environment: TABLE_NAME, where the histories are; BUCKET_NAME and MODEL_KEY, where the model is that
tells which items are known; EXPIRE_DAYS, after which events may be forgotten, 0 for never;
PERSONALIZE_STACK, whose outputs name event trackers that are told too, empty for none;
EXPOSURES_TABLE, where exposures to experiments are, and LISTS_TABLE, where a job has written each
user's list, empty for none.
Permissions: dynamodb:BatchWriteItem and Query on the tables of histories and exposures,
dynamodb:DeleteItem on that of lists, s3:GetObject on the model; with PERSONALIZE_STACK,
cloudformation:DescribeStacks on it and personalize:PutEvents on `*`.
"""

import logging
import os
import time
from typing import Any

from common import clients, http, list_model
from common.errors import BusyError, reported
from common.histories import Histories

from events import http_api
from events.logic import Taker
from events.prepared_lists import PreparedLists
from events.request import EventsError, parse
from events.trackers import Trackers

_log = logging.getLogger("events")
_VARIABLES = ("BUCKET_NAME", "MODEL_KEY", "TABLE_NAME")

if _missing := [name for name in _VARIABLES if not os.environ.get(name)]:
    raise EventsError(f"Set {', '.join(_missing)} in this function's environment.")

BUCKET, KEY, TABLE = (os.environ[name] for name in _VARIABLES)
DAYS = int(os.environ.get("EXPIRE_DAYS", "0"))
EXPOSURES = os.environ.get("EXPOSURES_TABLE", "")
LISTS = os.environ.get("LISTS_TABLE", "")

_items = list_model.read(clients.client("s3"), BUCKET, KEY)
taker = Taker(
    Histories(clients.client("dynamodb"), TABLE),
    known=lambda item: _items.place(item) is not None,
    trackers=Trackers(
        os.environ.get("PERSONALIZE_STACK", ""), lambda: clients.client("cloudformation")
    ),
    personalize=lambda: clients.client("personalize-events"),
    exposures=Histories(clients.client("dynamodb"), EXPOSURES) if EXPOSURES else None,
    lists=PreparedLists(clients.client("dynamodb"), LISTS) if LISTS else None,
)


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Take one event: see `events.request` for its forms.

    Over HTTP: POST /events with `{"events": […]}`, DELETE /users/{id}.

    Raises:
        EventsError: the event cannot be taken; the message says why.
    """
    with reported(EventsError):
        if http.is_request(event):
            return _over_http(event)
        return _taken(parse(event, time.time(), DAYS))


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    try:
        request = parse(http_api.event_in(event), time.time(), DAYS)
    except EventsError as error:
        return http.response(400, {"message": str(error)})
    try:
        return http.response(200, _taken(request))
    except BusyError as error:
        _log.warning("busy", extra={"error": str(error)})
        return http.response(503, {"message": str(error)})


def _taken(request: Any) -> dict[str, Any]:
    answer = taker.take(request)
    _log.info(
        "taken", extra={"written": answer.get("written"), "forgotten": answer.get("forgotten")}
    )
    return answer
