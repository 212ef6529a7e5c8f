"""Recommendation models, their data and their evaluation, independent of AWS."""
