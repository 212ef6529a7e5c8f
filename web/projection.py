"""The map: the embeddings that the retrieval function keeps, laid flat."""

import io
import json
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from botocore.exceptions import ClientError

from web.answers import Map, Point
from web.catalogue import Catalogue
from web.deployment import Deployment

if TYPE_CHECKING:
    from web.clients import Clients

_KEY: Final = "object2vec/movielens/embeddings/{config}.npz"
_SHOWN: Final = 800  # movies; more would not be told apart


def lay(clients: "Clients", deployment: Deployment, catalogue: Catalogue) -> Map:
    """The best-known movies by the first two principal components of all embeddings.

    Raises:
        botocore.exceptions.ClientError: the endpoint or the embeddings are missing.
    """
    places, function = deployment.places, deployment.outputs.get("MovieRetrievalFunctionName")
    if not places or not function or not catalogue.known:
        return Map(points=(), explained=0, problem="No embeddings are deployed.")
    try:
        content = _stored(clients, deployment.bucket, places)
    except ClientError:  # nobody has asked yet: the function makes them with the first question
        event = {
            "bucket_name": deployment.bucket,
            "movie_id_to_examine": catalogue.known[0].number,
            "top_k": 1,
        }
        clients.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        content = _stored(clients, deployment.bucket, places)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        rows = {int(movie): row for row, movie in enumerate(stored["movies"])}
        flat, explained = principal(stored["vectors"].astype(np.float64))
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = (flat - low) / np.where(high > low, high - low, 1)
    return Map(
        points=tuple(
            Point(movie=movie, x=round(x, 4), y=round(y, 4))
            for movie in catalogue.known[:_SHOWN]
            if movie.number in rows
            for x, y in [flat[rows[movie.number]].tolist()]
        ),
        explained=round(explained, 3),
        problem=None,
    )


def principal(
    vectors: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], float]:
    """(n, 2) coordinates along the two directions of most variance, and their share of it."""
    centred = vectors - vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    flat = centred @ directions[:, :-3:-1]
    if flat.shape[1] < 2:
        flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    total = float(variances.sum())
    return flat, float(variances[-2:].sum()) / total if total else 0.0


def _stored(clients: "Clients", bucket: str, endpoint: str) -> bytes:
    # which model the endpoint serves now names the file
    config = clients.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    key = _KEY.format(config=config)
    return clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
