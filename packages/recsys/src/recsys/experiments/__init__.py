"""Experiments: which of several variants serves users best, and how sure that is.

* `recsys.experiments.definition`: what an experiment is, read and validated.
* `recsys.experiments.assignment`: which arm a user is in, and the mixing of two lists. These two
  modules need nothing but Python, so that functions and the CDK app can import them.
* `recsys.experiments.sequences`: confidence sequences, the test for a sample-ratio mismatch, CUPED,
  and the power of experiments.
* `recsys.experiments.outcomes`: exposures and events become one outcome for each user.
* `recsys.experiments.analysis`: the verdict on an experiment, as figures and as sentences.
"""
