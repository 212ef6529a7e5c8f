"""A function behind an HTTP API: what is a request, and what an answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
(payload format version 2.0)
"""

import json
from typing import Any


def is_request(event: object) -> bool:
    """Whether an HTTP API sends this event."""
    return isinstance(event, dict) and "routeKey" in event and "requestContext" in event


def response(status: int, content: object) -> dict[str, Any]:
    """What an HTTP API answers: the content as JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(content, ensure_ascii=False),
    }
