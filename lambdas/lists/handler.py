"""The Lambda function `Lists`: the best items for a user, live, with reasons.

Environment: BUCKET_NAME and MODEL_KEY tell where the model is; TABLE_NAME, where the histories are;
API_TAGS, which operations of openapi.json the HTTP API has. With experiments, EXPERIMENTS has their
definitions as JSON, EXPOSURES_TABLE tells where exposures are recorded, and EXPIRE_DAYS, after how
many days they may be forgotten. If an arm asks Amazon Personalize, PERSONALIZE_STACK is the stack
whose outputs name its campaign or recommender. If arms ask other engines, ENDPOINTS has their
endpoints as JSON, by engine; SIZES, the largest number of a user and of an item plus 1; IDS_KEY,
the key of ids.json, where the data's own ids are not numbers.
Permissions: s3:GetObject on the model and on ids.json, dynamodb:Query on the table,
dynamodb:PutItem on that of exposures; with PERSONALIZE_STACK, cloudformation:DescribeStacks on it
and personalize:GetRecommendations on its campaigns and recommenders; sagemaker:InvokeEndpoint on
the endpoints.
"""

import json
import logging
import os
from typing import Any

from common import clients, http, list_model
from common.errors import BusyError, reported
from common.histories import Histories, with_plain_items
from common.own_ids import OwnIds
from common.stack_outputs import StackOutputs

from lists import http_api
from lists.engines import Personalize, of_endpoints
from lists.experiments import Experiments
from lists.logic import Answers
from lists.request import ListsError, parse
from recsys.experiments.definition import parse_all

_log = logging.getLogger("lists")
_VARIABLES = ("BUCKET_NAME", "MODEL_KEY", "TABLE_NAME")

if _missing := [name for name in _VARIABLES if not os.environ.get(name)]:
    raise ListsError(f"Set {', '.join(_missing)} in this function's environment.")

BUCKET, KEY, TABLE = (os.environ[name] for name in _VARIABLES)

_dynamodb = with_plain_items(clients.client("dynamodb"))
_users, _items = (int(size) for size in os.environ.get("SIZES", "0,0").split(","))
answers = Answers(
    list_model.read(clients.client("s3"), BUCKET, KEY),
    Histories(_dynamodb, TABLE),
    Experiments(
        parse_all(json.loads(os.environ.get("EXPERIMENTS", "{}"))),
        _dynamodb,
        os.environ.get("EXPOSURES_TABLE", ""),
        int(os.environ.get("EXPIRE_DAYS", "0")),
    ),
    {
        "personalize": Personalize(
            StackOutputs(
                os.environ.get("PERSONALIZE_STACK", ""), lambda: clients.client("cloudformation")
            ),
            lambda: clients.client("personalize-runtime"),
        ),
        **of_endpoints(
            json.loads(os.environ.get("ENDPOINTS", "{}")),
            (_users, _items),
            lambda: clients.client("sagemaker-runtime"),
            OwnIds(clients.client("s3"), BUCKET, os.environ.get("IDS_KEY", "")),
        ),
    },
)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one event: see `lists.request` for its forms, and `http_api` for HTTP's.

    Raises:
        ListsError: the event cannot be answered; the message says why.
    """
    with reported(ListsError):
        request_id = getattr(context, "aws_request_id", "")
        if http.is_request(event):
            return _over_http(event, request_id)
        return _answered(event, request_id)


def _over_http(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    if event["routeKey"] == http_api.DESCRIPTION:
        return http.response(200, http_api.described(os.environ.get("API_TAGS", "").split(",")))
    try:
        wanted = http_api.event_in(event)
        parse(wanted)
    except ListsError as error:
        return http.response(400, {"message": str(error)})
    try:
        return http_api.response(event, _answered(wanted, request_id), KEY)
    except BusyError as error:
        _log.warning("busy", extra={"error": str(error)})
        return http.response(503, {"message": str(error)})


def _answered(event: Any, request_id: str) -> dict[str, Any]:
    answer = answers.answer(parse(event), request_id)
    _log.info(
        "answered", extra={"basis": answer.get("basis"), "items": len(answer.get("items", []))}
    )
    return answer
