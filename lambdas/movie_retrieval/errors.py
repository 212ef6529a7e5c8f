"""Why a question about a movie is not answered."""

from common.errors import FunctionError


class RetrievalError(FunctionError):
    """The question cannot be answered; the message says why, to a person."""


class NoNeighboursError(RetrievalError):
    """There is no such movie, or nothing near it."""
