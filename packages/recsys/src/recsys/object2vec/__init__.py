"""Object2Vec: two encoders, a comparator and a small network over pairs of token sequences.

A readable re-implementation of SageMaker's built-in algorithm, from the public documentation: the
same hyperparameter names, ranges and defaults, the same training and inference formats. It is not
Amazon's code, and its results differ.

`estimator` trains (JAX); `scorer` and `requests` serve (numpy only).
"""
