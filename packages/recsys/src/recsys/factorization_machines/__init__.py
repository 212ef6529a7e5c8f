"""Factorization machines like SageMaker's built-in algorithm (Rendle, ICDM 2010).

A prediction is the sum of a bias, a weight for each feature, and an inner product of factors for
each pair.
"""

from recsys.factorization_machines.hyperparameters import Hyperparameters
from recsys.factorization_machines.machine import Machine

__all__ = ["Hyperparameters", "Machine"]
