"""The folder written by `make data`, as far as the stacks use it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stacks.digests import of_files

_VERSION: Final = 1  # of the manifest
_MAX_UPLOAD: Final = 4 << 30
_IDS_MEMORY: Final = 5_000  # ids for whose numbers a function needs another MB


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys in the bucket, from the manifest: files, and prefixes that end in /.

    Attributes:
        prefix: the common prefix of most keys.
        catalogue: catalogue.json, the items' metadata.
        ratings: the training ratings: user, item, rating and time, separated by tabs.
        held_out: the other ratings, in the same format.
        items: u.item, the workshop's table of movies.
        ids: the integers of original ids; the file is missing if ids are integers.
        embeddings: prefix of the movies' embeddings.
        personalize: prefix of Amazon Personalize's imports.
        batch: prefix of the files of its batch jobs.
        lists: prefix of the files of the lists.
        interactions: interactions.npz, all ratings as arrays.
        histories: prefix of the files that DynamoDB imports.
        input: the file of each channel, by trained model.
        rest: by trained model, the held-out ratings as training rows, in the folder of its file
            `train`.
        output: prefix of the trained models, by engine.
    """

    prefix: str
    catalogue: str
    ratings: str
    held_out: str
    items: str
    ids: str
    embeddings: str
    personalize: str
    batch: str
    lists: str
    interactions: str
    histories: str
    input: Mapping[str, Mapping[str, str]]
    rest: Mapping[str, str]
    output: Mapping[str, str]

    def everything(self, task: str) -> str:
        """The prefix of all ratings as training rows, for a trained model."""
        return f"{self.rest[task].rpartition('/')[0]}/"

    @property
    def files(self) -> tuple[str, ...]:
        """All files that must exist."""
        channels = [key for task in self.input.values() for key in task.values()]
        return (
            self.catalogue,
            self.ratings,
            self.held_out,
            self.items,
            self.interactions,
            *channels,
            *self.rest.values(),
        )


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Training data, ready for upload.

    Attributes:
        folder: the folder that becomes the bucket's content.
        keys: the keys of its files.
        items, ratings, users: the numbers of items, ratings and users.
        own_ids: whether the data's own ids are not the engines' numbers.
        train: the number of ratings in the training part.
        taught: whether the training rows are a teacher's opinions of all pairs.
        spread: the difference between the highest and the lowest rating.
        vocabulary: the vocabulary size of each of Object2Vec's encoders, by hyperparameter.
        digests: digests of files, by their use: a task or
            `factorization_machines` of its channels, `all of TASK` of all training rows,
            `items` of u.item, `catalogue` and `interactions` of those files.
    """

    folder: Path
    keys: Keys
    items: int
    ratings: int
    users: int
    own_ids: bool
    train: int
    taught: bool
    spread: float
    vocabulary: dict[str, int]
    digests: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "PreparedData":
        """Read a prepared folder.

        Raises:
            ValueError: the folder is not a complete prepared folder; the message says what to do.
        """
        advice = "create it with `make data`, or set another folder with -c data=FOLDER"
        path = folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            version = manifest["version"]
            # other versions may have other keys
            keys = Keys(**manifest["keys"]) if version == _VERSION else None
            items, ratings, users, train = (
                int(manifest[name]) for name in ("items", "ratings", "users", "train")
            )
            own_ids, taught = bool(manifest["ids"]), "teacher" in manifest
            spread = float(manifest["scale"]["most"] - manifest["scale"]["least"])
            vocabulary = {
                name: int(manifest["object2vec"][name])
                for name in ("enc0_vocab_size", "enc1_vocab_size")
            }
        except FileNotFoundError:
            raise ValueError(f"no prepared data in {folder} (no manifest.json): {advice}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a manifest ({error!r}): {advice}") from None
        if keys is None:
            raise ValueError(f"{path} has version {version}, but {_VERSION} is required: {advice}")
        bucket = folder / "bucket"
        missing = [str(bucket / key) for key in keys.files if not (bucket / key).is_file()]
        if missing:
            raise ValueError(f"missing in the prepared data: {', '.join(missing)}: {advice}")
        return cls(
            folder=bucket,
            keys=keys,
            items=items,
            ratings=ratings,
            users=users,
            own_ids=own_ids,
            train=train,
            taught=taught,
            spread=spread,
            vocabulary=vocabulary,
            digests={
                **{
                    task: of_files(
                        {f"{name}/{Path(key).name}": bucket / key for name, key in channels.items()}
                    )
                    for task, channels in keys.input.items()
                },
                **{
                    f"all of {task}": of_files(
                        {"train": bucket / keys.input[task]["train"], "rest": bucket / rest}
                    )
                    for task, rest in keys.rest.items()
                },
                "items": of_files({".": bucket / keys.items}),
                "catalogue": of_files({".": bucket / keys.catalogue}),
                "interactions": of_files({".": bucket / keys.interactions}),
            },
        )

    @property
    def ids_memory_mb(self) -> int:
        """Memory in MB that a function needs to look up the engines' numbers of own ids."""
        return (self.users + self.items) // _IDS_MEMORY if self.own_ids else 0

    def size(self, left_out: Sequence[str] = ()) -> int:
        """The size of the upload in bytes.

        Args:
            left_out: folders that are not uploaded, relative to `folder`.

        Raises:
            ValueError: the size exceeds the limit; the message says what to do.
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
        key: the file's key in the bucket.
        schema: the Avro schema as JSON.
        digest: digest of the file.
    """

    kind: str
    key: str
    schema: str
    digest: str


def read_tables(data: PreparedData, group: str) -> dict[str, Table]:
    """Read a dataset group's tables by kind.

    Args:
        data: the prepared data.
        group: `custom` or `domain`.

    Raises:
        ValueError: interactions or a schema are missing, or the health report is missing, out of
            date, or red; the message says what to do.
    """
    advice = "create them with `make data`"
    bucket, prefix = data.folder, f"{data.keys.personalize}{group}/"
    tables, digests = {}, {}
    for kind in ("Interactions", "Items", "Users"):
        key = f"{prefix}{kind.lower()}.csv"
        path = bucket / key
        if not path.is_file():
            continue
        try:
            document = json.loads(path.with_suffix(".schema.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} has no schema next to it ({error}): {advice}") from None
        with path.open("rb") as content:
            digests[f"{group}/{path.name}"] = hashlib.file_digest(content, "sha256").hexdigest()
        tables[kind] = Table(
            kind=kind,
            key=key,
            schema=json.dumps(document, separators=(",", ":")),
            digest=digests[f"{group}/{path.name}"],
        )
    if "Interactions" not in tables:
        raise ValueError(f"no {bucket / prefix / 'interactions.csv'}: {advice}")
    _check_health(bucket.parent / "health.json", group, digests)
    return tables


def _check_health(path: Path, group: str, digests: Mapping[str, str]) -> None:
    advice = "run `python -m recsys health`"
    try:
        report = json.loads(path.read_text("utf-8"))
        files, found = report["files"], report["groups"][group]["findings"]
        reasons = [one["words"] for one in found if one["status"] == "red"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: missing or unreadable health report ({error!r}): {advice}"
        ) from None
    if any(files.get(name) != digest for name, digest in digests.items()):
        raise ValueError(f"{path}: the health report is out of date: {advice}")
    if reasons:
        raise ValueError(
            f"Amazon Personalize would reject the {group} group's data according to their health "
            f"report: {'; '.join(reasons)}. Fix the data, or choose other groups with "
            "personalize.groups (off for none)"
        )
