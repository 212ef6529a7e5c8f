"""The Lambda function `Movie_Retrieval_Object2Vec`.

Environment: either ENDPOINT_NAME, the Object2Vec endpoint that embeds the movies, CATALOGUE_KEY,
the key of catalogue.json in a bucket, and EMBEDDINGS_PREFIX, below which the embeddings are kept in
it; or INDEX_ARN, the index of Amazon S3 Vectors with the movies. BUCKET_NAME: the bucket whose
movies are in the index, and the bucket for requests of an HTTP API.

Permissions with an endpoint: sagemaker:InvokeEndpoint and sagemaker:DescribeEndpoint on it;
s3:GetObject on CATALOGUE_KEY and below EMBEDDINGS_PREFIX of the bucket, s3:PutObject on the last.
Without s3:ListBucket S3 returns 403 for a missing key, so the function's error names both causes.
With an index: s3vectors:QueryVectors and s3vectors:GetVectors on it.
"""

import json
import logging
import os
from typing import Any

from common import http
from common.clients import client
from common.errors import FunctionError, reported

from movie_retrieval import http_api
from movie_retrieval.catalogue import Library
from movie_retrieval.errors import NoNeighboursError, RetrievalError
from movie_retrieval.logic import Request, answer, parse
from movie_retrieval.vectors import Index

_log = logging.getLogger("movie_retrieval")


def _library() -> Library | Index:
    bucket = os.environ.get("BUCKET_NAME", "")
    if arn := os.environ.get("INDEX_ARN"):
        return Index(client("s3vectors"), arn, bucket)
    names = ("ENDPOINT_NAME", "CATALOGUE_KEY", "EMBEDDINGS_PREFIX")
    if missing := [name for name in names if not os.environ.get(name)]:
        raise RetrievalError(
            f"Set {' and '.join(missing)} in this function's environment: ENDPOINT_NAME is the "
            "name of the Object2Vec endpoint that embeds the movies, CATALOGUE_KEY the key of "
            "catalogue.json, EMBEDDINGS_PREFIX the prefix of stored embeddings. Or set INDEX_ARN "
            "to an index of Amazon S3 Vectors with the movies."
        )
    endpoint, key, embeddings = (os.environ[name] for name in names)
    return Library(
        s3=client("s3"),
        sagemaker=client("sagemaker"),
        runtime=client("sagemaker-runtime"),
        endpoint=endpoint,
        key=key,
        embeddings=embeddings,
    )


library = _library()


def handler(event: Any, _context: Any) -> dict[str, Any]:
    """Answer one event: `movie_retrieval.logic` describes its format, `http_api` that of HTTP.

    Logs the workshop's sentence.

    Returns:
        The workshop's envelope, with the JSON answer in its body.

    Raises:
        RetrievalError: the event cannot be answered; the message says why.
    """
    with reported(RetrievalError):
        if http.is_request(event):
            return _over_http(event)
        found = _answered(parse(event))
        return {"statusCode": 200, "body": json.dumps(found, ensure_ascii=False)}


def _over_http(event: dict[str, Any]) -> dict[str, Any]:
    status = 400
    try:
        request = parse(http_api.event_in(event, os.environ.get("BUCKET_NAME", "")))
        status = 502
        return http.response(200, _answered(request))
    except NoNeighboursError as error:
        return http.response(404, {"message": str(error)})
    except FunctionError as error:
        if status == 502:
            _log.error("failed", extra={"error": str(error)})
        return http.response(status, {"message": str(error)})


def _answered(request: Request) -> dict[str, Any]:
    found = answer(request, library.catalogue(request.bucket))
    told = {"movie": found["movie"]["movie_id"], "neighbours": len(found["neighbours"])}
    _log.info(found["sentence"], extra=told)
    return found
