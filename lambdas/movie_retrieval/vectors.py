"""Neighbours from an index of Amazon S3 Vectors, for catalogues too large for memory.

The index finds the neighbours, approximately. Distances are computed here, from the vectors, so
that both settings of the function return the same numbers, however the service defines a distance.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-query.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from common.vector_index import explained

from movie_retrieval.embeddings import Neighbour
from movie_retrieval.errors import NoNeighboursError, RetrievalError

if TYPE_CHECKING:
    from mypy_boto3_s3vectors import S3VectorsClient
    from mypy_boto3_s3vectors.type_defs import GetOutputVectorTypeDef

GET = 100  # the maximum number of vectors of GetVectors


class Index:
    """An index of movies: a vector's key is the movie's own id, its metadata contain the title.

    Args:
        s3vectors: a boto3 client.
        arn: the index's ARN.
        bucket: the bucket whose movies are in the index.
    """

    def __init__(self, s3vectors: "S3VectorsClient", arn: str, bucket: str) -> None:
        self._s3vectors, self._arn, self._bucket = s3vectors, arn, bucket

    def catalogue(self, bucket: str) -> "Index":
        """Return itself, if the bucket is that of the index.

        Raises:
            RetrievalError: the bucket is another one.
        """
        if bucket != self._bucket:
            raise RetrievalError(
                f"This function knows the movies of s3://{self._bucket} only, not those of "
                f"s3://{bucket}: its index was filled when the function was deployed."
            )
        return self

    def around(self, movie: str, count: int) -> tuple[str, list[Neighbour]]:
        """The movie's title and its `count` nearest movies, nearest first.

        Equal distances are ordered by movie id. The result is shorter if the index is, and has at
        most 99 movies where boto3 is too old to know `nextToken` of QueryVectors: a page has 100,
        one of which is the movie itself.

        Args:
            movie: the data's own id.
            count: how many.

        Raises:
            NoNeighboursError: the movie is not in the index.
            FunctionError: the index is unavailable.
        """
        own = self._vectors([movie])
        if not own:
            raise NoNeighboursError(
                f"Movie {movie} is not in the index of s3://{self._bucket}: the bucket did not "
                "list it, or the model did not know it, when the index was filled."
            )
        place = _place(own[0])
        others = [one for one in self._nearest(own[0], count + 1) if one != movie][:count]
        found = [
            Neighbour(one["key"], _title(one), float(np.linalg.norm(_place(one) - place)))
            for one in self._vectors(others)
        ]
        return _title(own[0]), sorted(found, key=_order)

    def _nearest(self, vector: Mapping[str, Any], count: int) -> list[str]:
        # not by boto3's paginator, which the boto3 of Lambda's runtimes may be too old to have
        found: list[str] = []
        page: dict[str, Any] = {}
        while True:
            with explained(self._arn):
                answer: Mapping[str, Any] = self._s3vectors.query_vectors(
                    indexArn=self._arn, topK=count, queryVector=vector["data"], **page
                )
            found += [one["key"] for one in answer["vectors"]]
            if not answer.get("nextToken"):
                return found
            page = {"nextToken": answer["nextToken"]}

    def _vectors(self, keys: list[str]) -> "list[GetOutputVectorTypeDef]":
        found = []
        for start in range(0, len(keys), GET):
            with explained(self._arn):
                found += self._s3vectors.get_vectors(
                    indexArn=self._arn,
                    keys=keys[start : start + GET],
                    returnData=True,
                    returnMetadata=True,
                )["vectors"]
        return found


def _order(found: Neighbour) -> tuple[float, int, str]:
    """By distance, then by id: whole numbers as such."""
    return found.distance, len(found.movie), found.movie


def _place(vector: Mapping[str, Any]) -> "np.typing.NDArray[np.float64]":
    return np.array(vector["data"]["float32"], dtype=np.float64)


def _title(vector: Mapping[str, Any]) -> str:
    return vector.get("metadata", {}).get("title") or f"movie {vector['key']}"
