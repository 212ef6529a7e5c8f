"""The Lambda function `Recommendation_Engine_Object2Vec`.

Environment: ENDPOINT_NAME_RATING and ENDPOINT_NAME_REC name the two Object2Vec endpoints. IDS_KEY
is the key of ids.json in the bucket BUCKET_NAME, where the data's own ids are not numbers. Events
with `rank_by` also take ENDPOINT_NAME_RANKING, the endpoint of the model of watched movies, and
BUCKET_NAME and CATALOGUE_KEY, which locate catalogue.json with the movies' numbers of ratings.

Permissions: sagemaker:InvokeEndpoint on these endpoints, s3:GetObject on the catalogue
and on ids.json.
"""

import logging
import os
from functools import cache
from typing import Any

from common import clients, http
from common.catalogue import Bucket
from common.errors import FunctionError, reported
from common.own_ids import OwnIds

from rec_engine import http_api
from rec_engine.logic import RecommendationError, Request, answer, numbered, parse
from rec_engine.ranking import Popularity

_log = logging.getLogger("rec_engine")
_VARIABLES = {"rating": "ENDPOINT_NAME_RATING", "recommendation": "ENDPOINT_NAME_REC"}
_RANKING = ("ENDPOINT_NAME_RANKING", "BUCKET_NAME", "CATALOGUE_KEY")

ENDPOINTS = {
    kind: os.environ[variable] for kind, variable in _VARIABLES.items() if os.environ.get(variable)
}

_missing = [variable for kind, variable in _VARIABLES.items() if kind not in ENDPOINTS]
if _missing and (ENDPOINTS or not os.environ.get(_RANKING[0])):
    raise RecommendationError(
        f"Set {' and '.join(_missing)} in this function's environment, "
        "to the name of the Object2Vec endpoint to call."
    )

client = clients.client("sagemaker-runtime")
ids = OwnIds(clients.client("s3"), os.environ.get("BUCKET_NAME", ""), os.environ.get("IDS_KEY", ""))


def handler(event: Any, _context: Any) -> str | dict[str, Any]:
    """Answer one event: `rec_engine.logic` describes its formats, `http_api` that of HTTP.

    Raises:
        RecommendationError: the event cannot be answered; the message says why.
    """
    with reported(RecommendationError):
        if http.is_request(event):
            return _over_http(event)
        request = parse(event)
        return _answered(request, numbered(request, ids))


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    try:
        try:
            request = parse(http_api.event_in(event))
            numbers = numbered(request, ids)
        except RecommendationError as error:
            return http.response(400, {"message": str(error)})
        return http.response(200, _answered(request, numbers))
    except FunctionError as error:
        _log.error("failed", extra={"error": str(error)})
        return http.response(502, {"message": str(error)})


@cache
def _popularity() -> tuple[str, Popularity]:
    """The endpoint for ranking, and the movies' popularity."""
    if missing := [name for name in _RANKING if not os.environ.get(name)]:
        raise RecommendationError(
            f"This function cannot rank by popularity: set {' and '.join(missing)} in its "
            "environment, to the endpoint of the model of watched movies, and the bucket and the "
            "key of catalogue.json."
        )
    endpoint, bucket, key = (os.environ[name] for name in _RANKING)
    return endpoint, Popularity(Bucket(clients.client("s3"), bucket, key))


def _answered(request: Request, numbers: list[tuple[int, int]]) -> str | dict[str, Any]:
    if request.rank_by is None:
        if request.kind not in ENDPOINTS:
            raise RecommendationError(
                "There are no ratings in the deployed data, and so no model that rates: ask for a "
                'list, with "rank_by": "popularity_adjusted" in the event.'
            )
        answered = answer(request, numbers, client, ENDPOINTS[request.kind])
    else:
        endpoint, popularity = _popularity()
        answered = answer(request, numbers, client, endpoint, popularity.counts())
    # log numbers, no ids: logs are kept for weeks, and who watches what is personal
    users = len({user for user, _ in request.pairs})
    told = {"kind": request.kind, "users": users, "pairs": len(request.pairs)}
    _log.info("answered", extra=told)
    return answered
