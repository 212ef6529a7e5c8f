"""Closed-form item-to-item models: recommend items similar to those of a user's history.

`Ease` and `Cosine` are fitted on a matrix of users × items (a user's interest in an item, 0 for
none), `Transitions` on ordered histories. All have scikit-learn's interface: `fit`, then `score`
(users × items), `recommend` and `similar_items`. `Ease` is the most accurate, `Cosine` the
simplest.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from recsys.metrics import top_k

Floats = NDArray[np.float32]

_LARGE = 4_096  # rows above which a matrix is worth several threads
_FACTORIZED = 22_000  # rows of a matrix that is factorized as a whole
_ROWS = 2_048  # rows of a large matrix processed at a time
_SPARSE_ROWS = 256  # the same by each thread in products of sparse matrices


class ItemModel:
    """Base class of the models, which are defined by an items × items matrix, `weights`.

    Attributes:
        weights: row i has the weights of item i in a history for every other item; float32, dense
            or in compressed rows, zero diagonal. Set by `fit`.
    """

    weights: Any

    def score(self, profiles: sparse.csr_array) -> Floats:
        """Score every item for every profile, (profiles, items).

        Args:
            profiles: (profiles, items), the interest in each item of the history.
        """
        scores = profiles.astype(np.float32) @ self.weights
        return np.asarray(scores.toarray() if sparse.issparse(scores) else scores, np.float32)

    def recommend(
        self, profiles: sparse.csr_array, k: int = 10, remove_seen: bool = True
    ) -> NDArray[np.int64]:
        """Recommend the `k` best items for every profile, best first; (profiles, k), −1 pads.

        Args:
            profiles: (profiles, items), the interest in each item of the history.
            k: length of the lists.
            remove_seen: exclude the items of the profile.
        """
        scores = self.score(profiles)
        if remove_seen:
            rows = np.repeat(np.arange(scores.shape[0]), np.diff(profiles.indptr))
            scores[rows, profiles.indices] = -np.inf
        best: NDArray[np.int64] = top_k(scores, k)
        return best

    def similar_items(self, item: int, k: int = 10) -> NDArray[np.int64]:
        """The `k` most similar items, excluding `item` itself."""
        one = sparse.csr_array(([1.0], [item], [0, 1]), shape=(1, self.weights.shape[0]))
        best: NDArray[np.int64] = self.recommend(one, k)[0]
        return best


class Ease(ItemModel):
    """Linear regression of every item on all others (EASE), with dropout in closed form (EDLAE).

    The weights B minimise ‖X − XB‖² + ‖Λ^½ B‖² with a zero diagonal, where Λ = regularization +
    dropout / (1 − dropout) · diag(XᵀX): the second term is the expected effect of randomly
    dropping entries of the input. With P = (XᵀX + Λ)⁻¹, B = I − P · diag(P)⁻¹.

    Steck 2019, Embarrassingly Shallow Autoencoders for Sparse Data; Steck 2020, Autoencoders that
    don't overfit towards the Identity.

    Args:
        regularization: λ > 0, in the units of XᵀX, which is users for 0/1 data.
        dropout: the share of input entries that is dropped, 0 ≤ dropout < 1.
    """

    def __init__(self, regularization: float = 300.0, dropout: float = 0.2) -> None:
        self.regularization = regularization
        self.dropout = dropout

    def fit(self, interactions: sparse.csr_array) -> Self:
        """Fit on a (users, items) matrix in O(min(users, items)² · max(users, items))."""
        x = interactions.astype(np.float32).tocsr()
        squares = np.asarray(x.power(2).sum(axis=0)).ravel()
        penalty = self._penalty(squares)
        small = min(x.shape) < _LARGE
        with threadpool_limits(
            1 if small else None
        ):  # with small matrices, threads would mostly wait
            inverse = (_inverse if x.shape[0] >= x.shape[1] else _inverse_by_users)(x, penalty)
        return self._from_inverse(inverse)

    def fit_gram(self, gram: Floats) -> Self:
        """Fit on XᵀX, float32[items, items], which the weights overwrite."""
        penalty = self._penalty(np.diag(gram).copy())
        with threadpool_limits(1 if len(gram) < _LARGE else None):
            return self._from_inverse(_inverse_of(gram, penalty))

    def _penalty(self, squares: Floats) -> Floats:
        share = self.dropout / (1 - self.dropout)
        return np.asarray(self.regularization + share * squares, np.float32)

    def _from_inverse(self, inverse: Floats) -> Self:
        weights = inverse
        weights /= -np.diag(inverse).copy()
        np.fill_diagonal(weights, 0.0)
        self.weights = weights
        return self


def _inverse(x: sparse.csr_array, penalty: Floats) -> Floats:
    """(XᵀX + diag(penalty))⁻¹, float32[items, items]."""
    return _inverse_of(gram(x), penalty)


def _inverse_of(inverse: Floats, penalty: Floats) -> Floats:
    """(G + diag(penalty))⁻¹; overwrites G."""
    inverse[np.diag_indices_from(inverse)] += penalty
    _invert(inverse)
    return inverse


def _invert(matrix: Floats) -> None:
    """Invert a symmetric positive definite matrix, or a block of one, in place.

    Only the lower triangle is read. OpenBLAS's Cholesky factorization with threads crashes at some
    26,000 rows, so a larger matrix is inverted by its quarters: with M = (A Bᵀ; B C), W = BA⁻¹ and
    S = C − WBᵀ, the quarters of M⁻¹ are A⁻¹ + WᵀS⁻¹W, −S⁻¹W and S⁻¹. Of symmetric products only one
    half is computed, so this takes n³ multiplications, as LAPACK does, and half as much memory
    again as the matrix.

    Raises:
        ValueError: it is not positive definite.
    """
    if len(matrix) > _FACTORIZED:
        half = len(matrix) // 2
        a, b, c = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
        _invert(a)
        w = b @ a
        for rows in _parts(len(c)):
            c[rows, : rows.stop] -= w[rows] @ b.T[:, : rows.stop]
        _invert(c)
        np.matmul(c, w, out=b)
        for rows in _parts(half):
            a[rows, : rows.stop] += w.T[rows] @ b[:, : rows.stop]
        _mirror(a)
        np.negative(b, out=b)
        for rows in _parts(half):
            matrix[rows, half:] = b[:, rows].T
        return
    whole = np.ascontiguousarray(matrix)
    upper = whole.T  # LAPACK is column-major: its upper triangle is our lower one
    _, failed = lapack.spotrf(upper, overwrite_a=1)
    if not failed:
        _, failed = lapack.spotri(upper, overwrite_c=1)
    if failed:
        raise ValueError("the regularization is too small for this data: increase it")
    _mirror(whole)
    if whole is not matrix:
        matrix[:] = whole


def _mirror(matrix: Floats) -> None:
    """Copy the lower triangle of a square matrix to the upper one."""
    for rows in _parts(len(matrix)):
        square = matrix[rows, rows]
        square[:] = np.tril(square) + np.tril(square, -1).T
        matrix[rows, rows.stop :] = matrix[rows.stop :, rows].T


def _parts(rows: int) -> Iterator[slice]:
    """Some rows at a time."""
    return (slice(first, min(first + _ROWS, rows)) for first in range(0, rows, _ROWS))


def gram(x: sparse.csr_array) -> Floats:
    """XᵀX, float32[items, items]; in blocks of rows, because sparse products need more memory."""
    items = x.shape[1]
    product = np.empty((items, items), np.float32)
    columns = x.T.tocsr()

    def fill(begin: int) -> None:
        (columns[begin : begin + _SPARSE_ROWS] @ x).toarray(
            out=product[begin : begin + _SPARSE_ROWS]
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # SciPy's products release Python's lock
        for done in [pool.submit(fill, begin) for begin in range(0, items, _SPARSE_ROWS)]:
            done.result()
    return product


def _inverse_by_users(x: sparse.csr_array, penalty: Floats) -> Floats:
    """The same by Woodbury's identity, which only factorizes a users × users matrix."""
    scaled = x * (1 / np.sqrt(penalty))[None, :]
    gram = np.asarray((scaled @ scaled.T).toarray(), np.float32, order="F")
    gram[np.diag_indices_from(gram)] += 1
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise ValueError("the regularization is too small for this data: increase it")
    right = np.asarray(scaled.tocsr().toarray(), np.float32, order="F")
    half, _ = lapack.strtrs(factor, right, lower=1, overwrite_b=1)
    inverse = half.T @ half
    np.negative(inverse, out=inverse)
    inverse[np.diag_indices_from(inverse)] += 1
    root = np.asarray(1 / np.sqrt(penalty), np.float32)
    inverse *= root[:, None]
    inverse *= root[None, :]
    return np.asarray(inverse)


class Cosine(ItemModel):
    """Item similarity by common users.

    w_ij = s_ij / (n_i^(1−d) · n_j^d + shrinkage), where s_ij is the number of common users of i and
    j, n_i the number of users of i, and d the popularity discount: ½ is the cosine, 0 the share of
    i's users who take j, 1 the share of j's users who take i.

    Args:
        shrinkage: in users; reduces the weight of pairs with few common users.
        popularity_discount: d, 0 … 1.
        least_shared: pairs with fewer common users have weight 0.
    """

    def __init__(
        self, shrinkage: float = 10.0, popularity_discount: float = 0.5, least_shared: int = 1
    ) -> None:
        self.shrinkage = shrinkage
        self.popularity_discount = popularity_discount
        self.least_shared = least_shared

    def fit(self, interactions: sparse.csr_array) -> Self:
        """Fit on a (users, items) matrix; only the presence of entries counts."""
        taken = interactions.tocsr().astype(np.float32)
        taken.data[:] = 1
        shared = (taken.T @ taken).tocoo()
        users = np.bincount(taken.indices, minlength=taken.shape[1])
        keep = (shared.row != shared.col) & (shared.data >= self.least_shared)
        row, column, count = shared.row[keep], shared.col[keep], shared.data[keep]
        d = self.popularity_discount
        norm = users[row] ** (1.0 - d) * users[column] ** float(d) + self.shrinkage
        self.weights = _matrix(row, column, count / norm, shared.shape[0]).astype(np.float32)
        return self


class Transitions(ItemModel):
    """Next-item model: ordered pairs of a user's history, weighted by distance.

    w_ij = Σ decay^(d − 1) / (n_i + shrinkage)^½ (n_j + shrinkage)^½ over all occurrences of j
    d ≤ window steps after i, where n is the number of occurrences of an item.

    Args:
        window: the maximum distance in steps.
        decay: the weight of each step relative to the previous one, 0 … 1.
        shrinkage: in occurrences; reduces the weight of rare items.
    """

    def __init__(self, window: int = 5, decay: float = 0.8, shrinkage: float = 10.0) -> None:
        self.window = window
        self.decay = decay
        self.shrinkage = shrinkage

    def fit(self, user: ArrayLike, item: ArrayLike, items: int) -> Self:
        """Fit on histories: rows sorted by user, then by time.

        Args:
            user, item: (rows,) indices of users and items.
            items: the number of items.
        """
        users, taken = np.asarray(user), np.asarray(item)
        scale = 1 / np.sqrt(np.bincount(taken, minlength=items) + self.shrinkage)
        weights = sparse.csr_array((items, items), dtype=np.float64)
        for step in range(1, self.window + 1):  # one at a time: all pairs would fill the memory
            same = (users[step:] == users[:-step]) & (taken[step:] != taken[:-step])
            row, column = taken[:-step][same], taken[step:][same]
            weight = self.decay ** (step - 1) * scale[row] * scale[column]
            weights = weights + _matrix(row, column, weight, items)
        self.weights = weights.astype(np.float32)
        return self


def recency(places: int, half_life: float) -> NDArray[np.float64]:
    """Recency weights of a history, oldest first: the newest has 1, halved every `half_life`.

    Args:
        places: length of the history.
        half_life: in items; infinity gives equal weights.
    """
    return np.asarray(0.5 ** (np.arange(places)[::-1] / half_life))


def _matrix(row: Any, column: Any, data: Any, items: int) -> sparse.csr_array:
    matrix = sparse.coo_array((data, (row, column)), shape=(items, items)).tocsr()
    matrix.sum_duplicates()
    return matrix
