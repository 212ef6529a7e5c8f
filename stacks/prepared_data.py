"""The folder that `make data` writes, as far as the stacks need to know it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEYS: Final = "object2vec/movielens"
TASKS: Final = ("rating", "recommendation")
_MAX_UPLOAD: Final = 4 << 30


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """Training data, ready to be uploaded.

    Attributes:
        folder: what becomes the bucket's content.
        vocabulary: the vocabulary size of each of Object2Vec's encoders, by hyperparameter.
        digests: by task, a digest of what the model is trained and validated on.
        size: bytes.
    """

    folder: Path
    vocabulary: dict[str, int]
    digests: dict[str, str]
    size: int

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
        wanted = [
            bucket / KEYS / "ml-100k" / "ua.base",
            bucket / KEYS / "ml-100k" / "u.item",
            *(
                inputs[task] / channel / f"{channel}_{letter}.jsonl"
                for task, letter in (("rating", "r"), ("recommendation", "c"))
                for channel in ("train", "validation")
            ),
        ]
        missing = [str(path) for path in wanted if not path.is_file()]
        if missing:
            raise ValueError(f"missing in the prepared data: {', '.join(missing)}: {advice}")
        size = sum(path.stat().st_size for path in bucket.rglob("*") if path.is_file())
        if size > _MAX_UPLOAD:
            raise ValueError(
                f"{folder} holds {size / (1 << 30):.1f} GiB; a deployment uploads at most "
                f"{_MAX_UPLOAD >> 30} GiB: prepare fewer ratings"
            )
        return cls(
            folder=bucket,
            vocabulary=vocabulary,
            digests={task: _digest(inputs[task]) for task in TASKS},
            size=size,
        )


def _digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as content:
            file = hashlib.file_digest(content, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{file}\n".encode())
    return total.hexdigest()
