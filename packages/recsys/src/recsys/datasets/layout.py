"""Where everything lies in the bucket, said once: the manifest names these keys to all others.

The keys of the ratings, the movies and Object2Vec's channels are the AWS workshop's, to the letter.
"""

from typing import Any, Final

VERSION: Final = 1
"""Of the manifest and of catalogue.json; another one where a reader of this one would err."""

_PREFIX: Final = "object2vec/movielens/"
_MACHINES: Final = "factorization-machines/movielens/"
_INPUT: Final = f"{_PREFIX}input/"

CATALOGUE: Final = f"{_PREFIX}catalogue.json"
RATINGS: Final = f"{_PREFIX}ml-100k/ua.base"
HELD_OUT: Final = f"{_PREFIX}ml-100k/ua.test"
ITEMS: Final = f"{_PREFIX}ml-100k/u.item"
IDS: Final = f"{_PREFIX}ids.json"
PERSONALIZE: Final = "personalize/"
LISTS: Final = "lists/movielens/"
INTERACTIONS: Final = f"{LISTS}interactions.npz"
HISTORIES: Final = f"{LISTS}histories/"
INPUT: Final = {
    "rating": {
        "train": f"{_INPUT}rating/train/train_r.jsonl",
        "validation": f"{_INPUT}rating/validation/validation_r.jsonl",
    },
    "recommendation": {
        "train": f"{_INPUT}recommendation/train/train_c.jsonl",
        "validation": f"{_INPUT}recommendation/validation/validation_c.jsonl",
    },
    "retrieval": {"train": f"{_INPUT}retrieval/train/train_p.jsonl"},
    "factorization_machines": {
        "train": f"{_MACHINES}input/train/train.recordio",
        "test": f"{_MACHINES}input/test/test.recordio",  # the algorithm's name for this channel
    },
}
"""By what is trained, the file of each channel."""
REST: Final = {
    "rating": f"{_INPUT}rating/train/rest_r.jsonl",
    "recommendation": f"{_INPUT}recommendation/train/rest_c.jsonl",
    "retrieval": f"{_INPUT}retrieval/train/rest_p.jsonl",
    "factorization_machines": f"{_MACHINES}input/train/rest.recordio",
}
"""By what is trained, the held-out ratings as training rows, in the training file's folder: what is
trained again on everything learns from the folder."""

KEYS: Final[dict[str, Any]] = {
    "prefix": _PREFIX,
    "catalogue": CATALOGUE,
    "ratings": RATINGS,
    "held_out": HELD_OUT,
    "items": ITEMS,
    "ids": IDS,
    "embeddings": f"{_PREFIX}embeddings/",
    "personalize": PERSONALIZE,
    "batch": f"{PERSONALIZE}batch/",
    "lists": LISTS,
    "interactions": INTERACTIONS,
    "histories": HISTORIES,
    "input": INPUT,
    "rest": REST,
    "output": {
        "object2vec": f"{_PREFIX}output/",
        "deep_mf": "deep-mf/movielens/output/",
        "factorization_machines": f"{_MACHINES}output/",
        "lists": f"{LISTS}models/",
    },
}
"""The manifest's `keys`: files, and prefixes, which end in `/`. Files of ids are written only where
ids had to be numbered; embeddings, batch and outputs are written by what is deployed."""
