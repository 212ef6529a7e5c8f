"""Application Auto Scaling: moto's records, for endpoint variants that exist."""
