"""Kinds of deployments, and a prepared folder of a few bytes for them."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk

PROJECT = Path(__file__).resolve().parents[2]
FLAGS = json.loads((PROJECT / "cdk.json").read_text("utf-8"))["context"]

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "all of Personalize": {
        "personalize": {
            "groups": "both",
            "metadata": True,
            "solutions": "user-personalization, similar-items, sims, item-attribute-affinity",
            "hpo": True,
            "auto_training_days": 7,
            "batch": True,
            "attribution": True,
            "min_tps": 2,
        },
        "kms": True,
        "operations": {
            "alarms": True,
            "dashboard": True,
            "email": "anna@example.com",
            "budget_usd": 50,
            "idle_hours": 24,
            "tracing": True,
        },
    },
    "every engine": {
        "engines": "lists, deep_mf, factorization_machines",
        "deep_mf": {"genre_dim": 5},
        "transform": {"engines": "object2vec, deep_mf, factorization_machines", "best": 50},
        "experiments": {
            "engines": {
                "arms": {
                    "own": {"share": 25},
                    "pairs": {"share": 25, "model": "object2vec"},
                    "network": {"share": 25, "model": "deep_mf"},
                    "machines": {"share": 25, "model": "factorization_machines"},
                },
                "metric": {"event": "Watch"},
            }
        },
        "neighbours": "s3vectors",
        "personalize": {"groups": "off"},
        "notebook": {"enabled": True},
    },
    "lists alone": {
        "profile": "lists",
        "api": {"http": True},
        "lists": {"memory_mb": 3008, "expire_days": 365},
        "retrain": {"schedule": "cron(0 3 * * ? *)", "drift": 50},
        "operations": {"alarms": True, "dashboard": True},
        "experiments": {
            "recency": {
                "arms": {"as-is": {"share": 50}, "recent": {"share": 50, "half_life": 3}},
                "metric": {"event": "Watch"},
            }
        },
    },
    "source in a bucket": {
        "profile": "lists",
        "source": "s3://elsewhere/logs/2026/",
        "preparation": {"max_vcpus": 64, "columns": "user=u,item=i", "lists": 10, "table": True},
        "kms": True,
    },
    "nothing besides Object2Vec": {
        "engines": "none",
        "personalize": {"groups": "off"},
        "refit": False,
    },
    "domain group": {
        "personalize": {"groups": "domain", "filters": False, "schedule": "rate(7 days)"},
        "experiments": {
            "engine": {
                "arms": {"own": {"share": 50}, "aws": {"share": 50, "model": "personalize"}},
                "metric": {"event": "Watch"},
            }
        },
    },
    "kms, other names": {
        "kms": True,
        "neighbours": "s3vectors",
        "prefix": "team-a",
        "suffix": "anna",
        "log_days": 7,
        "training": {"waits": 5},
        "transform": {"engines": "object2vec"},
        "api": {"http": True, "rate": 5},
        "notebook": {"enabled": True, "instance_type": "ml.c5.xlarge", "idle_minutes": 30},
        "operations": {"alarms": True},
    },
    "workshop in Ireland, scaling": {
        "preset": "workshop",
        "endpoint": {"instances": 2, "max_instances": 4, "invocations": 500},
        "account": "111122223333",
        "region": "eu-west-1",
        "architecture": "x86_64",
    },
    "serverless in China": {
        "endpoint": {"kind": "serverless", "memory_mb": 3072, "max_concurrency": 20},
        "quotas": {"serverless_concurrency": 80},
        "training": {"spot": True},
        "region": "cn-north-1",
        "personalize": {"groups": "off"},
        "engines": "deep_mf",
    },
}

# as `make data` names them
KEYS = {
    "prefix": "object2vec/movielens/",
    "catalogue": "object2vec/movielens/catalogue.json",
    "ratings": "object2vec/movielens/ml-100k/ua.base",
    "held_out": "object2vec/movielens/ml-100k/ua.test",
    "items": "object2vec/movielens/ml-100k/u.item",
    "ids": "object2vec/movielens/ids.json",
    "embeddings": "object2vec/movielens/embeddings/",
    "personalize": "personalize/",
    "batch": "personalize/batch/",
    "input": {
        "rating": {
            "train": "object2vec/movielens/input/rating/train/train_r.jsonl",
            "validation": "object2vec/movielens/input/rating/validation/validation_r.jsonl",
        },
        "recommendation": {
            "train": "object2vec/movielens/input/recommendation/train/train_c.jsonl",
            "validation": "object2vec/movielens/input/recommendation/validation/validation_c.jsonl",
        },
        "retrieval": {"train": "object2vec/movielens/input/retrieval/train/train_p.jsonl"},
        "factorization_machines": {
            "train": "factorization-machines/movielens/input/train/train.recordio",
            "test": "factorization-machines/movielens/input/test/test.recordio",
        },
    },
    "rest": {
        "rating": "object2vec/movielens/input/rating/train/rest_r.jsonl",
        "recommendation": "object2vec/movielens/input/recommendation/train/rest_c.jsonl",
        "retrieval": "object2vec/movielens/input/retrieval/train/rest_p.jsonl",
        "factorization_machines": "factorization-machines/movielens/input/train/rest.recordio",
    },
    "lists": "lists/movielens/",
    "interactions": "lists/movielens/interactions.npz",
    "histories": "lists/movielens/histories/",
    "output": {
        "lists": "lists/movielens/models/",
        "object2vec": "object2vec/movielens/output/",
        "deep_mf": "deep-mf/movielens/output/",
        "factorization_machines": "factorization-machines/movielens/output/",
    },
}

Template = dict[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What came out for one set of settings."""

    app: cdk.App
    prefix: str
    folder: Path
    templates: Mapping[str, Template]

    def resources(self, stack: str, kind: str) -> dict[str, Template]:
        """A stack's resources of a type, by logical id."""
        found = self.templates[stack]["Resources"]
        return {name: one for name, one in found.items() if one["Type"] == kind}


Synthesize = Callable[..., Deployment]


def write_data(
    folder: Path,
    *,
    ratings: str = "4",
    titles: str = "A Film (1999)",
    events: str = "1,1,Rating,4,881250949",
    fields: tuple[str, ...] = ("USER_ID", "ITEM_ID"),
    red: tuple[str, ...] = (),
) -> Path:
    """A prepared folder of a few bytes, in the form that `make data` writes.

    Args:
        events: a line of Amazon Personalize's interactions.
        fields: of their schema.
        red: what its health report says of the custom group.
    """
    keys = folder / "bucket" / "object2vec" / "movielens"
    files = {
        keys / "ml-100k" / "ua.base": "1\t1\t4\t881250949\n",
        keys / "ml-100k" / "ua.test": "1\t1\t4\t881250949\n",
        keys / "ml-100k" / "u.item": f"1|{titles}|01-Jan-1999||" + "|".join("0" * 20) + "\n",
        keys / "catalogue.json": json.dumps(
            {"version": 1, "items": [{"item": 1, "title": titles}]}
        ),
    }
    own = folder / "bucket" / "lists" / "movielens"
    files[own / "interactions.npz"] = f"arrays of {ratings}"
    files[own / "histories" / "part-00000.json.gz"] = f"histories of {ratings}"
    for channel, letter, label in (
        ("rating/train/train", "r", ratings),
        ("rating/validation/validation", "r", ratings),
        ("recommendation/train/train", "c", "1"),
        ("recommendation/validation/validation", "c", "1"),
        ("retrieval/train/train", "p", "1"),
        ("rating/train/rest", "r", "3"),
        ("recommendation/train/rest", "c", "0"),
        ("retrieval/train/rest", "p", "1"),
    ):
        path = keys / "input" / f"{channel}_{letter}.jsonl"
        files[path] = f'{{"label": {label}, "in0": [1], "in1": [1]}}\n'
    records = folder / "bucket/factorization-machines/movielens/input"
    for name in ("train/train", "train/rest", "test/test"):
        files[records / f"{name}.recordio"] = f"a record of {ratings}"
    digests = {}
    for group in ("custom", "domain"):
        for kind, line in (("Interactions", events), ("Items", titles), ("Users", "1,F")):
            path = folder / "bucket" / "personalize" / group / f"{kind.lower()}.csv"
            document = {"name": kind, "fields": [{"name": field} for field in fields]}
            files |= {path: line, path.with_suffix(".schema.json"): json.dumps(document)}
            digests[f"{group}/{path.name}"] = hashlib.sha256(line.encode()).hexdigest()
    findings = [{"status": "red", "words": words} for words in red]
    groups = {"custom": {"findings": findings}, "domain": {"findings": []}}
    files[folder / "health.json"] = json.dumps({"files": digests, "groups": groups})
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    manifest = {
        "source": "a few bytes",
        "version": 1,
        "items": 1682,
        "ratings": 100_000,
        "users": 943,
        "train": 90570,
        "ids": False,
        "scale": {"least": 1, "most": 5, "step": 1, "liked": 4},
        "object2vec": {"enc0_vocab_size": 944, "enc1_vocab_size": 1684},
        "keys": KEYS,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder
