"""AWS KMS: moto's, whose keys change their state by any of their names, as their state allows."""
