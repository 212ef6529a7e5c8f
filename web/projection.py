"""The map: a 2-D projection of the retrieval function's embeddings."""

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

_SHOWN: Final = 800  # movies; more would be illegible
_GET: Final = 100  # the maximum number of vectors of GetVectors


def lay(clients: "Clients", deployment: Deployment, catalogue: Catalogue) -> Map:
    """Project the most rated movies to the first two principal components of the embeddings.

    The components are those of all stored embeddings, or with an index, of the shown movies.

    Raises:
        botocore.exceptions.ClientError: the endpoint or the embeddings are missing.
    """
    places, function = deployment.places, deployment.outputs.get("MovieRetrievalFunctionName")
    if not places or not function or not catalogue.known:
        return Map(points=(), explained=0, problem="No embeddings are deployed.")
    index = deployment.outputs.get("MovieIndexArn")
    if index:
        movies, vectors = _indexed(clients, index, catalogue)
    else:
        movies, vectors = _kept(clients, deployment, places, function, catalogue.known[0].id)
    rows = {movie: row for row, movie in enumerate(movies)}
    flat, explained = principal(vectors.astype(np.float64))
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
    """The first two principal components, (n, 2), and their share of the variance."""
    centred = vectors - vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    flat = centred @ directions[:, :-3:-1]
    if flat.shape[1] < 2:
        flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    total = float(variances.sum())
    return flat, float(variances[-2:].sum()) / total if total else 0.0


def _indexed(
    clients: "Clients", index: str, catalogue: Catalogue
) -> tuple[list[int], npt.NDArray[np.float32]]:
    """The movies that are in an index of Amazon S3 Vectors, and their embeddings."""
    shown = {movie.id: movie.number for movie in catalogue.known[:_SHOWN]}
    keys = list(shown)
    found = [
        one
        for start in range(0, len(keys), _GET)
        for one in clients.s3vectors.get_vectors(
            indexArn=index, keys=keys[start : start + _GET], returnData=True
        )["vectors"]
    ]
    vectors = np.array([one["data"]["float32"] for one in found], np.float32)
    return [shown[one["key"]] for one in found], vectors


def _kept(
    clients: "Clients", deployment: Deployment, endpoint: str, function: str, movie: str
) -> tuple[list[int], npt.NDArray[np.float32]]:
    """All movies and their embeddings, as stored by the function in the bucket."""
    try:
        content = _stored(clients, deployment, endpoint)
    except ClientError:  # the function creates them with the first request
        event = {"bucket_name": deployment.bucket, "movie_id_to_examine": movie, "top_k": 1}
        clients.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        content = _stored(clients, deployment, endpoint)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return stored["movies"].tolist(), stored["vectors"]


def _stored(clients: "Clients", deployment: Deployment, endpoint: str) -> bytes:
    # the file's name contains the endpoint's current model
    config = clients.sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    key = f"{deployment.outputs['EmbeddingsPrefix']}{config}.npz"
    return clients.s3.get_object(Bucket=deployment.bucket, Key=key)["Body"].read()
