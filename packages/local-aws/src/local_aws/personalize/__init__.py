"""Amazon Personalize: datasets, training, recommendations and events, with real models behind.

What AWS does and this does not is refused by name; `docs/personalize-coverage.md` lists it.
"""
