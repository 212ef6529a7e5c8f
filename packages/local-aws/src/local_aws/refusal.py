"""An error of the server itself, in the format of the requested service."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model
from werkzeug.wrappers import Response

_SCOPE: Final = re.compile(r"Credential=[^/,&]*(?:/|%2F)\d+(?:/|%2F)([\w-]*)(?:/|%2F)([\w.-]*)")
# AWS's signing names that differ from the names of service models
_MODELS: Final = {
    "execute-api": "apigatewayv2",
    "monitoring": "cloudwatch",
    "states": "stepfunctions",
}


def refusal(environ: Mapping[str, Any], status: int, code: str, message: str) -> Response:
    """The response to a refused request.

    Args:
        environ: the request; its service determines the format, by default S3's.
        status: the HTTP status.
        code: AWS's error code, such as `AccessDenied`.
        message: the problem and the remedy, for people.
    """
    form = error_form(environ)
    if form == "json":
        told = {"__type": code, "message": message}
        response = Response(json.dumps(told), status, content_type="application/x-amz-json-1.1")
    else:
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if form == "query":
            side = "Receiver" if status >= 500 else "Sender"
            error = f"<ErrorResponse><Error><Type>{side}</Type>{error}</Error></ErrorResponse>"
        else:
            error = f"<Error>{error}</Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
        response = Response(body, status, content_type="application/xml")
    response.headers["x-amzn-ErrorType"] = code
    return response


def scope(environ: Mapping[str, Any]) -> tuple[str, str] | None:
    """The region and the service that a request's signature is for, in its header or its query."""
    for signed in (environ.get("HTTP_AUTHORIZATION", ""), environ.get("QUERY_STRING", "")):
        if found := _SCOPE.search(signed):
            return found[1], found[2].lower()
    return None


def error_form(environ: Mapping[str, Any]) -> str:
    """The error format of the requested service: json, query or s3."""
    if "HTTP_X_AMZ_TARGET" in environ or "json" in environ.get("CONTENT_TYPE", ""):
        return "json"
    signed = scope(environ)
    if signed is None:
        form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        return "query" if form else "s3"
    service = signed[1]
    if service == "s3":
        return "s3"
    try:
        protocol = get_service_model(_MODELS.get(service, service)).protocol
    except UnknownServiceError:
        return "query"
    return "json" if "json" in protocol else "query"
