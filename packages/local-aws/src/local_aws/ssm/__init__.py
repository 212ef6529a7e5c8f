"""Systems Manager's Parameter Store: moto's, with parameters that match their patterns."""
