"""The Lambda function `Movie_Retrieval_Object2Vec`.

Environment: ENDPOINT_NAME names the Object2Vec endpoint that embeds the movies; BUCKET_NAME, where
an HTTP API stands before the function, the bucket that its requests are answered from.
Permissions: sagemaker:InvokeEndpoint and sagemaker:DescribeEndpoint on this endpoint;
s3:GetObject on object2vec/movielens/ml-100k/ua.base, object2vec/movielens/ml-100k/u.item and
object2vec/movielens/embeddings/* of the bucket, s3:PutObject on the last. Not s3:ListBucket: so S3
says 403 of a missing key, and the function's error names both causes.
"""

import json
import logging
import os
import sys
from typing import Any

import boto3
from botocore.config import Config

from movie_retrieval import http_api
from movie_retrieval.catalogue import Catalogue, Library, RetrievalError
from movie_retrieval.logic import Request, answer, parse

if not os.environ.get("ENDPOINT_NAME"):
    raise RetrievalError(
        "Set ENDPOINT_NAME in this function's environment, "
        "to the name of the Object2Vec endpoint that shall embed the movies."
    )

_log = logging.getLogger("movie_retrieval")
_config = Config(
    connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)
library = Library(
    s3=boto3.client("s3", config=_config),
    sagemaker=boto3.client("sagemaker", config=_config),
    runtime=boto3.client("sagemaker-runtime", config=_config),
    endpoint=os.environ["ENDPOINT_NAME"],
)


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Answer one event: see `movie_retrieval.logic` for its form, and `http_api` for HTTP's.

    Logs the workshop's sentence.

    Returns:
        The workshop's envelope, with the answer's JSON in its body.

    Raises:
        RetrievalError: the event cannot be answered; the message says why.
    """
    sys.tracebacklimit = 1000
    if http_api.is_request(event):
        return _over_http(event)
    try:
        request = parse(event)
        found = _answered(request, library.catalogue(request.bucket))
    except RetrievalError:
        # Lambda would send a stack trace along; words suffice. A bug above keeps its trace.
        sys.tracebacklimit = 0
        raise
    return {"statusCode": 200, "body": json.dumps(found, ensure_ascii=False)}


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    status = 400
    try:
        request = parse(http_api.event_in(event, os.environ.get("BUCKET_NAME", "")))
        status = 502
        catalogue = library.catalogue(request.bucket)
        status = 404
        return http_api.response(200, _answered(request, catalogue))
    except RetrievalError as error:
        if status == 502:
            _log.error("failed", extra={"error": str(error)})
        return http_api.response(status, {"message": str(error)})


def _answered(request: Request, catalogue: Catalogue) -> dict[str, Any]:
    found = answer(request, catalogue)
    told = {"movie": found["movie"]["movie_id"], "neighbours": len(found["neighbours"])}
    _log.info(found["sentence"], extra=told)
    return found
