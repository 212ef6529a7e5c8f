"""Deep matrix factorization: embeddings of user and item into a small network that rates.

The network of the workshop's first lab: two embeddings of different lengths, joined, two layers of
64 rectified units, one output; optionally with all of an item's genres.
"""

from recsys.deep_mf.hyperparameters import Hyperparameters
from recsys.deep_mf.scorer import Scorer

__all__ = ["Hyperparameters", "Scorer"]
