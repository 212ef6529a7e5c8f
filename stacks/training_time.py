"""How long Object2Vec trains on AWS, as far as anything is published about it."""

import math
from collections.abc import Mapping
from typing import Final

# The Object2Vec workshop: about 4 minutes for each of its models on one ml.p2.xlarge; its rating
# model makes 20 epochs of 90,570 ratings in batches of 64. The start of the instance is included.
_STEPS_PER_MINUTE: Final = 20 * math.ceil(90_570 / 64) / 4


def minutes(ratings: int, hyperparameters: Mapping[str, str]) -> int:
    """Estimate the longest time of an Object2Vec training, without early stopping.

    AWS publishes the speed of one training, so this is its number of optimizer steps per minute.
    Another instance type, or larger layers and batches, may be several times faster or slower.

    Args:
        ratings: the number of training ratings.
        hyperparameters: Object2Vec's, as strings.
    """
    examples = ratings * (1 + int(hyperparameters.get("negative_sampling_rate", "0")))
    steps = math.ceil(examples / int(hyperparameters["mini_batch_size"]))
    return math.ceil(int(hyperparameters["epochs"]) * steps / _STEPS_PER_MINUTE)
