"""The function behind an HTTP API: `GET /movies/{movie}/neighbours?top_k=10`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
(payload format version 2.0)
"""

import json
from typing import Any


def is_request(event: object) -> bool:
    """Whether an HTTP API sends this event."""
    return isinstance(event, dict) and "routeKey" in event and "requestContext" in event


def event_in(request: dict[str, Any], bucket: str) -> dict[str, Any]:
    """The event that a request's path and query ask for; nobody chooses the bucket over HTTP."""
    query = request.get("queryStringParameters") or {}
    movie = (request.get("pathParameters") or {}).get("movie")
    return {**query, "bucket_name": bucket, "movie_id_to_examine": movie}


def response(status: int, content: object) -> dict[str, Any]:
    """What an HTTP API answers: the content as JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(content, ensure_ascii=False),
    }
