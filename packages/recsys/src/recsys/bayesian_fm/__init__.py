"""A Bayesian factorization machine: the project's most accurate engine for ratings."""

from recsys.bayesian_fm.machine import BayesianFactorizationMachine

__all__ = ["BayesianFactorizationMachine"]
