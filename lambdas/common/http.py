"""A function behind an HTTP API: what is a request, and what an answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
(payload format version 2.0)
"""

import base64
import json
from typing import Any

from common.errors import FunctionError
from common.text import decoded


def is_request(event: object) -> bool:
    """Whether an HTTP API sends this event."""
    return isinstance(event, dict) and "routeKey" in event and "requestContext" in event


def body(request: dict[str, Any], refuse: type[FunctionError]) -> Any:
    """The JSON that a request's body holds.

    Args:
        request: as API Gateway sends it.
        refuse: the error to raise.

    Raises:
        FunctionError: it is not JSON; of the given type.
    """
    text = request.get("body") or ""
    try:
        return decoded(base64.b64decode(text) if request.get("isBase64Encoded") else text)
    except ValueError as error:  # also raised by base64
        raise refuse(f"Bad request: its body is not JSON: {error}.") from None


def response(status: int, content: object) -> dict[str, Any]:
    """What an HTTP API answers: the content as JSON."""
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(content, ensure_ascii=False),
    }
