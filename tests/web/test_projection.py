"""The map over an index of Amazon S3 Vectors; the page's own tests see the one over the bucket."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from outputs import Outputs
from web.answers import Movie
from web.deployment import Deployment
from web.projection import lay

COUNT = 160
OUTPUTS = {
    "BucketName": "movies",
    "RetrievalEndpointName": "recommender-retrievalModel",
    "MovieRetrievalFunctionName": "recommender-Movie_Retrieval_Object2Vec",
    "MovieIndexArn": "arn:aws:s3vectors:us-east-1:123456789012:bucket/movies/index/movies-1",
}


def test_lay_with_an_index_keeps_planted_groups_together(movie: Movie) -> None:
    """Eight groups around corners of a cube, which two axes would lay over each other.

    The model does not know movie 7.
    """
    asked: list[list[str]] = []
    corners = 4 * np.array(list(itertools.product((0, 1), repeat=3)))
    near = np.random.default_rng(0).normal(0, 0.3, (COUNT, 3))

    def get_vectors(*, indexArn: str, keys: list[str], returnData: bool) -> Any:  # noqa: N803
        assert (indexArn, returnData) == (OUTPUTS["MovieIndexArn"], True)
        asked.append(keys)
        found = [int(key) for key in reversed(keys) if key != "7"]
        placed = {n: (corners[n % 8] + near[n]).tolist() for n in found}
        return {"vectors": [{"key": str(n), "data": {"float32": placed[n]}} for n in found]}

    clients: Any = SimpleNamespace(s3vectors=SimpleNamespace(get_vectors=get_vectors))
    known = [movie.model_copy(update={"number": n, "id": str(n)}) for n in range(COUNT)]
    catalogue: Any = SimpleNamespace(known=known)
    found = lay(clients, Deployment(Outputs(OUTPUTS)), catalogue)
    assert [len(keys) for keys in asked] == [100, COUNT - 100]
    assert found.problem is None
    numbers = [point.movie.number for point in found.points]
    assert numbers == [n for n in range(COUNT) if n != 7]
    places = np.array([(point.x, point.y) for point in found.points])
    assert places.min() == 0 and places.max() == 1
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = np.array(numbers)[apart.argmin(axis=1)]
    assert np.mean(nearest % 8 == np.array(numbers) % 8) > 0.95
    assert lay(clients, Deployment(Outputs(OUTPUTS)), catalogue) == found


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lay_places_few_movies(movie: Movie, count: int) -> None:
    """They lie on a line in space, at 0, 1, 2."""

    def get_vectors(*, keys: list[str], **_: Any) -> Any:
        return {"vectors": [{"key": n, "data": {"float32": [int(n), 2, -int(n)]}} for n in keys]}

    clients: Any = SimpleNamespace(s3vectors=SimpleNamespace(get_vectors=get_vectors))
    known = [movie.model_copy(update={"number": n, "id": str(n)}) for n in range(count)]
    catalogue: Any = SimpleNamespace(known=known)
    found = lay(clients, Deployment(Outputs(OUTPUTS)), catalogue)
    if not count:
        assert found.problem == "No embeddings are deployed."
    places = sorted(point.x for point in found.points)
    assert places == pytest.approx([k / max(count - 1, 1) for k in range(count)])
