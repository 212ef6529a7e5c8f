from __future__ import annotations

import numpy as np
import pytest

from recsys.object2vec import hyperparameters
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.scorer import Affine, Scorer


def tiny(**given: str) -> Hyperparameters:
    """Two tokens a side, encodings of four numbers."""
    return hyperparameters.parse(
        {
            "enc0_network": "pooled_embedding",
            "enc0_max_seq_len": "2",
            "enc0_vocab_size": "5",
            "enc1_max_seq_len": "1",
            "enc1_vocab_size": "5",
            "enc_dim": "4",
            "mlp_dim": "2",
            "mlp_layers": "1",
            "mlp_activation": "relu",
            "output_layer": "mean_squared_error",
            **given,
        }
    )


@pytest.fixture
def by_hand() -> Scorer:
    """A network small enough to be worked out on paper.

    Tokens 1 and 3 occurred for in0, token 2 for in1; the last row stands for the others.
    """
    f = np.float32
    weight = np.zeros((16, 2), f)  # hadamard 0-3, in0 4-7, in1 8-11, abs_diff 12-15
    weight[0] = [1, 0]
    weight[5] = [0, 2]
    weight[8] = [1, -1]
    weight[15] = [-1, 1]
    return Scorer(
        tiny(),
        (np.array([1, 3], np.int32), np.array([2], np.int32)),
        (
            np.array([[1, 2, 3, 4], [3, 0, 1, -4], [9, 9, 9, 9]], f),
            np.array([[2, -1, 0, 1], [0, 0, 0, 0]], f),
        ),
        (
            Affine(weight, np.array([0.5, -10], f)),
            Affine(np.array([[2], [3]], f), np.array([0.25], f)),
        ),
    )
