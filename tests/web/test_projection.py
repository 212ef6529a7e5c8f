"""The map over an index of Amazon S3 Vectors; the page's own tests see the one over the bucket."""

from types import SimpleNamespace
from typing import Any

import pytest

from outputs import Outputs
from web.answers import Movie
from web.deployment import Deployment
from web.projection import lay

OUTPUTS = {
    "BucketName": "movies",
    "RetrievalEndpointName": "recommender-retrievalModel",
    "MovieRetrievalFunctionName": "recommender-Movie_Retrieval_Object2Vec",
    "MovieIndexArn": "arn:aws:s3vectors:us-east-1:123456789012:bucket/movies/index/movies-1",
}


def test_lay_with_an_index_projects_the_most_rated_movies(movie: Movie) -> None:
    """They lie on a line in space, at 0, 1, 2, …; the model does not know movie 7."""
    asked: list[list[str]] = []

    def get_vectors(*, indexArn: str, keys: list[str], returnData: bool) -> Any:  # noqa: N803
        assert (indexArn, returnData) == (OUTPUTS["MovieIndexArn"], True)
        asked.append(keys)
        found = [key for key in reversed(keys) if key != "7"]
        return {"vectors": [{"key": n, "data": {"float32": [int(n), 2, -int(n)]}} for n in found]}

    clients: Any = SimpleNamespace(s3vectors=SimpleNamespace(get_vectors=get_vectors))
    catalogue: Any = SimpleNamespace(
        known=[movie.model_copy(update={"number": n, "id": str(n)}) for n in range(1001)]
    )
    found = lay(clients, Deployment(Outputs(OUTPUTS)), catalogue)
    assert [len(keys) for keys in asked] == [100] * 8
    assert found.problem is None
    assert found.explained == 1
    places = {point.movie.number: point.x for point in found.points}
    assert list(places) == [n for n in range(800) if n != 7]
    way = places[799] - places[0]
    assert abs(way) == pytest.approx(1)
    for number, x in places.items():
        assert x == pytest.approx(places[0] + way * number / 799, abs=1e-4)
