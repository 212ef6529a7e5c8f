"""Amazon S3 Vectors: vector buckets, indexes and their vectors, searched exactly.

Refused by name: full-text and hybrid search, index modes other than the default of new buckets,
policies of vector buckets.
"""
