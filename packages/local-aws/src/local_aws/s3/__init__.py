"""S3 with AWS's rules for who may open a bucket, and objects on disk; the rest is moto's."""
