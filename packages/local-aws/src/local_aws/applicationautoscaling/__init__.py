"""Application Auto Scaling: moto's records, for existing endpoint variants only."""
