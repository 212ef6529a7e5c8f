"""The function behind an HTTP API: `GET /movies/{movie}/neighbours?top_k=10`."""

from typing import Any


def event_in(request: dict[str, Any], bucket: str) -> dict[str, Any]:
    """The event that a request's path and query ask for; nobody chooses the bucket over HTTP."""
    query = request.get("queryStringParameters") or {}
    movie = (request.get("pathParameters") or {}).get("movie")
    return {**query, "bucket_name": bucket, "movie_id_to_examine": movie}
