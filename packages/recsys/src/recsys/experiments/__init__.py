"""Experiments: which of several variants serves users best, and how sure that is.

* `recsys.experiments.definition`: what an experiment is, read and validated.
* `recsys.experiments.assignment`: which arm a user is in, and the mixing of two lists. These two
  modules need nothing but Python, so that functions and the CDK app can import them.
"""
