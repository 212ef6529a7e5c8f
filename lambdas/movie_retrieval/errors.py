"""Exceptions of the movie retrieval function."""

from common.errors import FunctionError


class RetrievalError(FunctionError):
    """The request cannot be answered; the message is for people."""


class NoNeighboursError(RetrievalError):
    """The movie does not exist, or has no neighbours."""
