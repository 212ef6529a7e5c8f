"""Cost estimates of a deployment on AWS, from its templates and a dated price table."""
