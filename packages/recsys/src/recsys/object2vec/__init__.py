"""Object2Vec: two encoders, a comparator and a small network over pairs of token sequences.

A readable re-implementation, from the public documentation, of the algorithm that Amazon
SageMaker has built in: the same hyperparameter names, ranges and defaults, the same training and
inference formats. It is not Amazon's code and its figures are its own.

`estimator` learns (JAX); `scorer` and `requests` serve (numpy alone).
"""
