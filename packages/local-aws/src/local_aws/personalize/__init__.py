"""Amazon Personalize: datasets, training, recommendations and events, with real models.

Unimplemented features are refused by name; `docs/personalize-coverage.md` lists it.
"""
