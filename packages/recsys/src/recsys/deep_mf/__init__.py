"""Deep matrix factorization: a small network predicts ratings from user and item embeddings.

The network of the workshop's first lab: two concatenated embeddings of different lengths, two
layers of 64 rectified units, one output; optionally with all of an item's genres.
"""

from recsys.deep_mf.hyperparameters import Hyperparameters
from recsys.deep_mf.scorer import Scorer

__all__ = ["Hyperparameters", "Scorer"]
