"""The folder that `make data` writes, as far as the stacks need to know it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_VERSION: Final = 1  # of the manifest
_MAX_UPLOAD: Final = 4 << 30


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Where everything lies in the bucket, as the manifest says: files, and prefixes, ending in /.

    Attributes:
        prefix: begins most of the others.
        catalogue: catalogue.json, what is known of each item.
        ratings: the training ratings, user, item, rating and time, separated by tabs.
        held_out: the other ratings, in the same form.
        items: u.item, the movies as the workshop has them.
        ids: the numbers that stand for ids; the file is missing where ids are numbers.
        embeddings: prefix of the movies' embeddings.
        personalize: prefix of what Amazon Personalize imports.
        batch: prefix of the files of its batch jobs.
        lists: prefix of what belongs to the lists.
        interactions: interactions.npz, all ratings as arrays.
        histories: prefix of the files that DynamoDB imports.
        input: the file of each channel, by what is trained.
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
    output: Mapping[str, str]

    def channels(self, task: str) -> dict[str, str]:
        """The prefix of each channel of what is trained."""
        return {channel: _folder(key) for channel, key in self.input[task].items()}

    @property
    def files(self) -> tuple[str, ...]:
        """All that have to be there."""
        channels = [key for task in self.input.values() for key in task.values()]
        return (
            self.catalogue,
            self.ratings,
            self.held_out,
            self.items,
            self.interactions,
            *channels,
        )


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Training data, ready to be uploaded.

    Attributes:
        folder: what becomes the bucket's content.
        keys: where in it everything is.
        items, ratings, users: how many there are.
        train: ratings that models learn from.
        spread: from the lowest to the highest rating.
        vocabulary: the vocabulary size of each of Object2Vec's encoders, by hyperparameter.
        digests: by what is made of them, a digest of the files: a task or
            `factorization_machines` of its channels, `items` of u.item, `catalogue` and
            `interactions` of those files.
    """

    folder: Path
    keys: Keys
    items: int
    ratings: int
    users: int
    train: int
    spread: float
    vocabulary: dict[str, int]
    digests: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> "PreparedData":
        """Read a prepared folder.

        Raises:
            ValueError: it is none, or not a whole one; the message says what to do.
        """
        advice = "make it with `make data`, or name another folder by -c data=FOLDER"
        path = folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            version = manifest["version"]
            # another version's keys may be others
            keys = Keys(**manifest["keys"]) if version == _VERSION else None
            items, ratings, users, train = (
                int(manifest[name]) for name in ("items", "ratings", "users", "train")
            )
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
            raise ValueError(f"{path} is of version {version}, and {_VERSION} is needed: {advice}")
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
            train=train,
            spread=spread,
            vocabulary=vocabulary,
            digests={
                **{
                    task: _digest(
                        {f"{name}/{Path(key).name}": bucket / key for name, key in channels.items()}
                    )
                    for task, channels in keys.input.items()
                },
                "items": _digest({".": bucket / keys.items}),
                "catalogue": _digest({".": bucket / keys.catalogue}),
                "interactions": _digest({".": bucket / keys.interactions}),
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


def read_tables(data: PreparedData, group: str) -> dict[str, Table]:
    """A dataset group's tables by kind.

    Args:
        data: what is prepared.
        group: `custom` or `domain`.

    Raises:
        ValueError: interactions or a schema are missing, or the data health report beside them
            is missing, not of this data, or red; the message says what to do.
    """
    advice = "make them with `make data`"
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
        raise ValueError(f"{path} is no data health report of it ({error!r}): {advice}") from None
    if any(files.get(name) != digest for name, digest in digests.items()):
        raise ValueError(f"{path} is about other data than there is now: {advice}")
    if reasons:
        raise ValueError(
            f"Amazon Personalize cannot learn from the {group} group's data, as their health "
            f"report says: {'; '.join(reasons)}. Mend the data, or choose by personalize.groups "
            "what is deployed (off for none)"
        )


def _folder(key: str) -> str:
    """The prefix of the folder that a file is in."""
    return f"{key.rpartition('/')[0]}/"


def _digest(files: Mapping[str, Path]) -> str:
    """SHA-256 over the names and contents of files."""
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()
