"""The function's HTTP API: `GET /movies/{movie}/neighbours?top_k=10`."""

from typing import Any, Final

from common.openapi import content, operation, parameter, record

_MOVIE: Final[dict[str, Any]] = {
    "movie_id": {"type": ["integer", "string"]},
    "title": {"type": "string"},
}

OPERATIONS: Final = {
    "GET /movies/{movie}/neighbours": operation(
        "The movies nearest to one in the embedding space.",
        content(
            record(
                {
                    "sentence": {"type": "string"},
                    "movie": record(_MOVIE),
                    "neighbours": {
                        "type": "array",
                        "items": record({**_MOVIE, "distance": {"type": "number"}}),
                    },
                }
            )
        ),
        tag="object2vec",
        parameters=[
            parameter("movie", "path", {"type": "string"}, "The data's own id.", example="195"),
            parameter(
                "top_k",
                "query",
                {"type": "integer", "minimum": 1, "maximum": 100},
                "How many; 10.",
                example=10,
            ),
        ],
        errors={"404": "There is no such movie.", "502": "The endpoint does not respond."},
    ),
}
"""By route, in OpenAPI's terms."""


def event_in(request: dict[str, Any], bucket: str) -> dict[str, Any]:
    """Convert a request's path and query to an event; HTTP clients cannot choose the bucket."""
    query = request.get("queryStringParameters") or {}
    movie = (request.get("pathParameters") or {}).get("movie")
    return {**query, "bucket_name": bucket, "movie_id_to_examine": movie}
