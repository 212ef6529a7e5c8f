"""Factorization machines as SageMaker's built-in algorithm has them (Rendle, ICDM 2010).

A value is a bias, a weight for each feature, and an inner product of factors for each pair.
"""

from recsys.factorization_machines.hyperparameters import Hyperparameters
from recsys.factorization_machines.machine import Machine

__all__ = ["Hyperparameters", "Machine"]
