"""The HTTP API's description, as the functions describe their routes: `python openapi.py`.

It becomes docs/openapi.json, which the function `Lists` serves.
"""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

_PROJECT: Final = Path(__file__).resolve().parent
_FUNCTIONS: Final = ("lists", "events", "rec_engine", "movie_retrieval")

DOCUMENT: Final = _PROJECT / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """The OpenAPI document of all routes that an API may have."""
    if (lambdas := str(_PROJECT / "lambdas")) not in sys.path:
        sys.path.append(lambdas)
    paths: dict[str, Any] = {}
    for function in _FUNCTIONS:
        for route, operation in importlib.import_module(f"{function}.http_api").OPERATIONS.items():
            method, path = route.split(" ", 1)
            name = method.lower() + "".join(map(str.title, re.findall(r"\w+", path)))
            paths.setdefault(path, {})[method.lower()] = {"operationId": name, **operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Recommendation engine",
            "version": "1",
            "description": "Requests are signed with AWS Signature Version 4, for `execute-api`.",
        },
        "servers": [{"url": "./"}],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            }
        },
    }


def text() -> str:
    """The document as it is in docs/openapi.json."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), "utf-8")
