"""The folder that `make data` writes, as far as the stacks need to know it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEYS: Final = "object2vec/movielens"
PERSONALIZE: Final = "personalize"
MACHINES: Final = "factorization-machines"
MACHINE_KEYS: Final = f"{MACHINES}/movielens"
DEEP_MF_KEYS: Final = "deep-mf/movielens"
MOVIES: Final = f"{KEYS}/ml-100k/u.item"
# By task, the channels that its model learns from and is checked by, and the files' last letter.
TASKS: Final = {
    "rating": (("train", "validation"), "r"),
    "recommendation": (("train", "validation"), "c"),
    "retrieval": (("train",), "p"),
}
MACHINE_CHANNELS: Final = ("train", "test")
_MAX_UPLOAD: Final = 4 << 30


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Training data, ready to be uploaded.

    Attributes:
        folder: what becomes the bucket's content.
        vocabulary: the vocabulary size of each of Object2Vec's encoders, by hyperparameter.
        digests: by what models are trained on (a task, `factorization_machines`, `movies`), a
            digest of the files.
    """

    folder: Path
    vocabulary: dict[str, int]
    digests: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "PreparedData":
        """Read a prepared folder.

        Raises:
            ValueError: it is none, or not a whole one; the message says what to do.
        """
        advice = "make it with `make data`, or name another folder by -c data=FOLDER"
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            vocabulary = {
                name: int(manifest["object2vec"][name])
                for name in ("enc0_vocab_size", "enc1_vocab_size")
            }
        except FileNotFoundError:
            raise ValueError(f"no prepared data in {folder} (no manifest.json): {advice}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{folder / 'manifest.json'} is not a manifest ({error!r}): {advice}"
            ) from None

        bucket = folder / "bucket"
        inputs = {task: bucket / KEYS / "input" / task for task in TASKS}
        inputs["factorization_machines"] = bucket / MACHINE_KEYS / "input"
        wanted = [
            bucket / KEYS / "ml-100k" / "ua.base",
            bucket / MOVIES,
            *(
                inputs[task] / channel / f"{channel}_{letter}.jsonl"
                for task, (channels, letter) in TASKS.items()
                for channel in channels
            ),
            *(
                inputs["factorization_machines"] / channel / f"{channel}.recordio"
                for channel in MACHINE_CHANNELS
            ),
        ]
        missing = [str(path) for path in wanted if not path.is_file()]
        if missing:
            raise ValueError(f"missing in the prepared data: {', '.join(missing)}: {advice}")
        return cls(
            folder=bucket,
            vocabulary=vocabulary,
            digests={
                **{name: _digest(folder) for name, folder in inputs.items()},
                "movies": _digest(bucket / MOVIES),
            },
        )

    def size(self, left_out: Sequence[str] = ()) -> int:
        """Bytes that are uploaded.

        Args:
            left_out: folders that are not, relative to `folder`.

        Raises:
            ValueError: they are too many; the message says what to do.
        """
        outside = [self.folder / each for each in left_out]
        size = sum(
            path.stat().st_size
            for path in self.folder.rglob("*")
            if path.is_file() and not any(path.is_relative_to(each) for each in outside)
        )
        if size > _MAX_UPLOAD:
            raise ValueError(
                f"{self.folder.parent} holds {size / (1 << 30):.1f} GiB; a deployment uploads at "
                f"most {_MAX_UPLOAD >> 30} GiB: prepare fewer ratings"
            )
        return size


@dataclass(frozen=True, kw_only=True)
class Table:
    """One dataset of Amazon Personalize: a CSV file and its schema.

    Attributes:
        kind: `Interactions`, `Items` or `Users`.
        key: of the file in the bucket.
        schema: in Avro, as JSON.
        digest: of the file.
    """

    kind: str
    key: str
    schema: str
    digest: str


def read_tables(bucket: Path, group: str) -> dict[str, Table]:
    """A dataset group's tables by kind.

    Args:
        bucket: the prepared content of the bucket.
        group: `custom` or `domain`.

    Raises:
        ValueError: interactions or a schema are missing, or the data health report beside them
            is missing, not of this data, or red; the message says what to do.
    """
    advice = "make them with `make data`"
    tables, digests = {}, {}
    for kind in ("Interactions", "Items", "Users"):
        key = f"{PERSONALIZE}/{group}/{kind.lower()}.csv"
        path = bucket / key
        if not path.is_file():
            continue
        try:
            document = json.loads(path.with_suffix(".schema.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} has no schema beside it ({error}): {advice}") from None
        with path.open("rb") as content:
            digests[f"{group}/{path.name}"] = hashlib.file_digest(content, "sha256").hexdigest()
        tables[kind] = Table(
            kind=kind,
            key=key,
            schema=json.dumps(document, separators=(",", ":")),
            digest=digests[f"{group}/{path.name}"],
        )
    if "Interactions" not in tables:
        raise ValueError(f"no {bucket / PERSONALIZE / group / 'interactions.csv'}: {advice}")
    _check_health(bucket.parent / "health.json", group, digests)
    return tables


def _check_health(path: Path, group: str, digests: Mapping[str, str]) -> None:
    advice = "run `python -m recsys health`"
    try:
        report = json.loads(path.read_text("utf-8"))
        files, found = report["files"], report["groups"][group]["findings"]
        reasons = [one["words"] for one in found if one["status"] == "red"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no data health report of it ({error!r}): {advice}") from None
    if any(files.get(name) != digest for name, digest in digests.items()):
        raise ValueError(f"{path} is about other data than there is now: {advice}")
    if reasons:
        raise ValueError(
            f"Amazon Personalize cannot learn from the {group} group's data, as their health "
            f"report says: {'; '.join(reasons)}. Mend the data, or choose by personalize.groups "
            "what is deployed (off for none)"
        )


def _digest(input: Path) -> str:  # noqa: A002
    """SHA-256 over the names and contents of a folder's files, or of one file."""
    total = hashlib.sha256()
    files = [input] if input.is_file() else [path for path in input.rglob("*") if path.is_file()]
    for path in sorted(files):
        with path.open("rb") as content:
            file = hashlib.file_digest(content, "sha256").hexdigest()
        total.update(f"{path.relative_to(input).as_posix()}\0{file}\n".encode())
    return total.hexdigest()
