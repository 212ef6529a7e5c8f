"""Answers of AWS, made by hand."""

import io
import json
from collections.abc import Mapping
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

CATALOGUE = "the/catalogue.json"
EMBEDDINGS = "the/embeddings/"


def catalogue(
    titles: Mapping[int, str | None],
    ratings: Mapping[int, int] | None = None,
    ids: Mapping[int, str] | None = None,
) -> str:
    """catalogue.json of these titles, and numbers of ratings, and own ids, by movie number."""
    counts, own = ratings or {}, ids or {}
    items: list[dict[str, Any]] = [
        {
            "item": movie,
            "id": own.get(movie, str(movie)),
            "title": title,
            "year": None,
            "genres": [],
            "ratings": counts.get(movie, 0),
        }
        for movie, title in titles.items()
    ]
    return json.dumps({"version": 1, "items": items}, ensure_ascii=False)


def client_error(code: str, message: str, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, "Operation")


def reply(body: object) -> dict[str, Any]:
    """What `invoke_endpoint` returns."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"Body": io.BytesIO(text), "ContentType": "application/json"}


def http(status: int, body: object, headers: dict[str, str] | None = None) -> AWSResponse:
    """An HTTP answer, to be returned from a client's `before-send` event instead of sending."""

    class Raw(io.BytesIO):
        def stream(self, **_: Any) -> Any:
            yield self.read()

    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AWSResponse("https://aws.test", status, HTTPHeaders.from_dict(headers or {}), Raw(text))
