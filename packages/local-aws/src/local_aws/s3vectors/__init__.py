"""Amazon S3 Vectors: vector buckets, indexes and their vectors, searched exactly.

What AWS does and this does not is refused by name: full-text and hybrid search, index modes other
than the one that new buckets have, policies of vector buckets.
"""
