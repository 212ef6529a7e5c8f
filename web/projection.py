"""The map: a 2-D projection of the retrieval function's embeddings."""

import io
import json
from functools import lru_cache
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
_FEW: Final = 30  # movies that principal components place
_GET: Final = 100  # the maximum number of vectors of GetVectors


def lay(clients: "Clients", deployment: Deployment, catalogue: Catalogue) -> Map:
    """Place the most rated movies on a plane by their embeddings.

    Raises:
        botocore.exceptions.ClientError: the endpoint or the embeddings are missing.
    """
    places, function = deployment.places, deployment.outputs.get("MovieRetrievalFunctionName")
    if not places or not function or not catalogue.known:
        return Map(points=(), problem="No embeddings are deployed.")
    index = deployment.outputs.get("MovieIndexArn")
    if index:
        numbers, vectors = _indexed(clients, index, catalogue)
    else:
        numbers, vectors = _kept(clients, deployment, places, function, catalogue.known[0].id)
    rows = {number: row for row, number in enumerate(numbers)}
    movies = [movie for movie in catalogue.known[:_SHOWN] if movie.number in rows]
    chosen = np.ascontiguousarray(vectors[[rows[movie.number] for movie in movies]], np.float64)
    flat = _plane(chosen.shape, chosen.tobytes())
    return Map(
        points=tuple(
            Point(movie=movie, x=round(x, 4), y=round(y, 4))
            for movie, (x, y) in zip(movies, flat.tolist(), strict=True)
        ),
        problem=None,
    )


@lru_cache(maxsize=1)
def _plane(shape: tuple[int, int], content: bytes) -> npt.NDArray[np.float64]:
    """Places of vectors on the unit square, computed once for the same ones.

    t-SNE keeps neighbours together, so that groups are seen that the two widest axes of the space
    would lay over each other; it begins with these.

    Args:
        shape: of the vectors, (n, dimensions).
        content: the vectors' float64 numbers.
    """
    vectors = np.frombuffer(content, np.float64).reshape(shape)
    flat = principal(vectors)
    if len(vectors) > _FEW:
        from sklearn.manifold import TSNE  # takes a second to import
        from threadpoolctl import threadpool_limits

        spread = flat[:, 0].std()
        learner = TSNE(
            perplexity=min(30.0, (len(vectors) - 1) / 4),
            init=flat / spread * 1e-4 if spread else "random",
            max_iter=350,
            random_state=0,
        )
        # its threads wait for each other in every step, by spinning: slow while other work runs
        with threadpool_limits(1):
            flat = learner.fit_transform(vectors)
    if not len(flat):
        return flat
    low, high = flat.min(axis=0), flat.max(axis=0)
    placed: npt.NDArray[np.float64] = (flat - low) / np.where(high > low, high - low, 1)
    return placed


def principal(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The first two principal components, (n, 2)."""
    centred = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    _, directions = np.linalg.eigh(centred.T @ centred)
    flat: npt.NDArray[np.float64] = centred @ directions[:, :-3:-1]
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


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
