"""Writing the files that the engines and the functions read, all of them or none."""

import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from tqdm import tqdm

from recsys import health, recordio
from recsys.datasets import catalogue, layout, lists, personalize
from recsys.datasets.baselines import baselines
from recsys.datasets.problems import DataError, Problem
from recsys.datasets.ratings import DataSet, Ratings
from recsys.datasets.splits import Split
from recsys.datasets.teacher import Opinions
from recsys.datasets.text import spelled, write_rows

_WRITTEN = {"bucket", "health.json", "manifest.json"}
_WORKSHOP_SAMPLE = {"user": 789, "movie": 286, "neighbour_movie": 195}
_WORKSHOP_VOCABULARY = {"enc0_vocab_size": 944, "enc1_vocab_size": 1684}
_CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")  # of latin-1
_PLAIN = str.maketrans("‘’‚“”„–—―…", "'''\"\"\"---.")


def export(
    data: DataSet,
    parts: Split,
    out: str | Path,
    seed: int = 0,
    taught: Opinions | None = None,
) -> dict[str, Any]:
    """Write `out/bucket/`, as it goes to the bucket, and `out/manifest.json`.

    Args:
        data: the data set, for its movies and ids.
        parts: its split.
        out: a folder; one that was written here before is replaced.
        seed: of the order in which training rows are written. Files come sorted by user, and an
            algorithm that reads them in their order would learn badly.
        taught: a teacher's opinions, which take the ratings' place in the training channels.

    Returns:
        The manifest.

    Raises:
        DataError: `out` is something that was not written by this function, or changed since.
    """
    with _replacing(Path(out)) as folder:
        bucket = folder / "bucket"
        files = {
            task: _files(bucket, channels | {"rest": layout.REST[task]})
            for task, channels in _input(data).items()
        }
        scale = data.scale
        rows, liked = parts.train, scale.likes(parts.train.rating).astype(np.int8)
        if taught is not None:
            rows, liked = taught.rows, taught.liked
        total = 2 * len(parts.train) + 3 * len(rows) + 8 * len(parts.validation)
        vocabulary = _vocabulary(data)
        with tqdm(desc="writing", total=total, unit=" lines", unit_scale=True, disable=None) as bar:
            _write_tabs(_file(bucket, layout.RATINGS), parts.train, bar)
            _write_tabs(_file(bucket, layout.HELD_OUT), parts.validation, bar)
            order = np.random.default_rng(seed).permutation(len(rows))
            judged = scale.likes(parts.validation.rating).astype(np.int8)
            later = np.random.default_rng(seed).permutation(len(parts.validation))
            # the factorization machines' second channel has another name
            for channel, other, some, yes in (
                ("train", "train", rows.take(order), liked[order]),
                ("validation", "test", parts.validation, judged),
                ("rest", "rest", parts.validation.take(later), judged[later]),
            ):
                if data.events:
                    continue
                _write_lines(files["rating"][channel], some, some.rating, bar)
                _write_lines(files["recommendation"][channel], some, yes, bar)
                _write_records(files["factorization_machines"][other], some, vocabulary, bar)
            # who watched what, liked or not: the pairs that there are, all positive
            for channel, part in (("train", parts.train), ("rest", parts.validation)):
                watched = _repeated(part, data.ratings) if data.events else part
                watched = watched.take(np.random.default_rng(seed).permutation(len(watched)))
                ones = np.ones(len(watched), np.int8)
                _write_lines(files["retrieval"][channel], watched, ones, bar)
        _write_movies(_file(bucket, layout.ITEMS), data)
        catalogue.write(_file(bucket, layout.CATALOGUE), data, parts.train)
        mapped = {"users": data.users.labels, "items": data.items.labels}
        if any(mapped.values()):
            ids = {kind: getattr(data, kind).numbers for kind, labels in mapped.items() if labels}
            text = json.dumps(ids, ensure_ascii=False, indent=0)
            _file(bucket, layout.IDS).write_text(text + "\n", "utf-8")
        personalize.export(data, bucket)
        lists.export(data, bucket)
        manifest = _manifest(data, parts, _digest(bucket))
        if taught is not None:
            manifest["teacher"] = taught.words
        text = json.dumps(manifest, ensure_ascii=False, indent=2)
        (folder / "manifest.json").write_text(text + "\n", "utf-8")
        health.examine_groups(bucket / layout.PERSONALIZE).write(folder / "health.json")
    return manifest


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A new folder that takes the place of `out` if nothing goes wrong, and is removed if it does.

    The old folder is moved aside first and comes back if the new one cannot take its place.
    """
    _check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        new, old = Path(scratch) / "new", Path(f"{scratch}-old")
        new.mkdir()
        yield new
        _check_replaceable(out)  # much may have happened to it meanwhile
        replaced = out.exists()
        if replaced:
            out.rename(old)
        try:
            new.rename(out)
        except OSError:
            if replaced:
                old.rename(out)
            raise
        if replaced:
            shutil.rmtree(old)


def _check_replaceable(out: Path) -> None:
    """Check that replacing `out` loses nothing: it is missing, empty, or as `export` left it.

    The manifest's digest of all files in `bucket/` tells the last: no other program's manifest has
    it, and a file that was added or changed since makes it another.

    Raises:
        DataError: it is something else; the message says what was found.
    """
    if out.is_symlink():
        words = f"is a symbolic link to {out.readlink()}; name the folder itself"
    elif not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    elif not out.is_dir():
        words = "is a file; name a folder"
    elif (digest := _promised_digest(out / "manifest.json")) is None:
        words = "is not a folder that this command wrote; name another, or remove it first"
    elif others := sorted({path.name for path in out.iterdir()} - _WRITTEN):
        words = (
            f"also holds what this command did not write ({', '.join(others)}); move that "
            "elsewhere, or name another folder"
        )
    elif digest != _digest(out / "bucket"):
        words = (
            "holds data that were changed after this command wrote them (the digest in "
            "manifest.json is another); name another folder, or remove it first"
        )
    else:
        return
    raise DataError(Problem(str(out), words))


def _promised_digest(manifest: Path) -> str | None:
    """The digest in a manifest; None where there is no manifest of `export`'s."""
    if manifest.is_symlink() or not manifest.is_file():
        return None
    try:
        told = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError):
        return None
    digest = told.get("digest") if isinstance(told, dict) and "object2vec" in told else None
    return digest if isinstance(digest, str) else None


def _input(data: DataSet) -> dict[str, dict[str, str]]:
    """The files of each channel, of all that can be trained on the data."""
    return {
        task: channels
        for task, channels in layout.INPUT.items()
        if task == "retrieval" or not data.events
    }


def _repeated(rows: Ratings, every: Ratings) -> Ratings:
    """Events' rows; what happened 2, 4 or 8 times as often as the rarest comes 2, 3 or 4 times."""
    least = max(float(every.rating.min()), 1e-9)
    times = 1 + np.floor(np.log2(np.maximum(rows.rating, least) / least)).astype(np.int64)
    return rows.take(np.repeat(np.arange(len(rows)), np.clip(times, 1, 4)))


def _files(bucket: Path, keys: Mapping[str, str]) -> dict[str, Path]:
    return {name: _file(bucket, key) for name, key in keys.items()}


def _file(bucket: Path, key: str) -> Path:
    """The file of a key, in a folder that is there."""
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write_tabs(path: Path, rows: Ratings, bar: "tqdm[Any]") -> None:
    """user, item, rating and timestamp, separated by tabs, as MovieLens 100k does."""
    rating = spelled(rows.rating, lambda value: f"{value:g}")
    pieces = (rows.user, "\t", rows.item, "\t", rating, "\t", rows.timestamp, "\n")
    with path.open("wb") as file:
        write_rows(file, pieces, bar)


def _write_lines(path: Path, rows: Ratings, label: NDArray[Any], bar: "tqdm[Any]") -> None:
    """Object2Vec's JSON Lines."""
    labels = spelled(label, str)
    pieces = ('{"in0": [', rows.user, '], "in1": [', rows.item, '], "label": ', labels, "}\n")
    with path.open("wb") as file:
        write_rows(file, pieces, bar)


def _write_records(path: Path, rows: Ratings, vocabulary: dict[str, int], bar: "tqdm[Any]") -> None:
    """RecordIO of one-hot users and, after all of those, one-hot items."""
    users, items = vocabulary.values()
    columns = np.stack([rows.user, rows.item + users], axis=1).ravel()
    ones, ends = np.ones(len(columns), np.float32), np.arange(0, len(columns) + 1, 2)
    features = csr_array((ones, columns, ends), shape=(len(rows), users + items))
    with path.open("wb") as file:
        recordio.write(file, features, rows.rating)
    bar.update(len(rows))


def _write_movies(path: Path, data: DataSet) -> None:
    """u.item: MovieLens 100k's own, without control characters, or the table in its form."""
    if data.format == "ml-100k" and data.folder is not None:
        content = (data.folder / "u.item").read_bytes()
        with suppress(UnicodeDecodeError):  # it is in latin-1, as it comes
            content = content.decode().encode("latin-1", "replace")
        path.write_bytes(_CONTROLS.sub(b"", content))
        return
    movies = data.movies
    with path.open("wb") as file:
        for item, title, year, flags in zip(
            movies.item.tolist(), movies.title, movies.year.tolist(), movies.flags(), strict=True
        ):
            release = f"01-Jan-{year}" if year else ""
            fields = [str(item), _latin(title), release, "", "", *map(str, flags.tolist())]
            file.write("|".join(fields).encode("latin-1") + b"\n")


def _latin(title: str) -> str:
    """A title that u.item can hold: one line, without `|`, in latin-1.

    Characters beyond latin-1 lose their accents, or become a question mark.
    """
    title = " ".join(title.translate(_PLAIN).replace("|", "/").split())
    plain = (
        character
        if ord(character) < 256
        else "".join(
            part
            for part in unicodedata.normalize("NFKD", character)
            if not unicodedata.combining(part)
        )
        for character in unicodedata.normalize("NFC", title)
    )
    return "".join(plain).encode("latin-1", "replace").decode("latin-1")


def _digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _vocabulary(data: DataSet) -> dict[str, int]:
    """How many ids of users and of items there are, from 0."""
    rows = data.ratings
    vocabulary = {
        "enc0_vocab_size": int(rows.user.max()) + 1,
        "enc1_vocab_size": int(max(rows.item.max(), data.movies.item.max())) + 1,
    }
    if vocabulary == {"enc0_vocab_size": 944, "enc1_vocab_size": 1683}:
        return _WORKSHOP_VOCABULARY  # one more than needed, as in the workshop
    return vocabulary


def _manifest(data: DataSet, parts: Split, digest: str) -> dict[str, Any]:
    rows, train = data.ratings, parts.train
    return {
        "version": layout.VERSION,
        "source": data.source,
        "format": data.format,
        "generated": data.format == "generated",
        "digest": digest,
        "users": int(np.count_nonzero(np.bincount(rows.user))),
        "items": int(np.count_nonzero(np.bincount(rows.item))),
        "ratings": len(rows),
        "split": parts.words,
        "train": len(train),
        "validation": len(parts.validation),
        "ids": data.users.labels is not None or data.items.labels is not None,
        "object2vec": _vocabulary(data),
        "scale": data.scale.as_json(),
        "nouns": data.nouns.as_json(),
        "baselines": {} if data.events else baselines(parts, data.scale),
        "sample": _sample(parts),
        "genres": catalogue.genres(data.movies),
        "keys": layout.KEYS
        | {"input": _input(data), "rest": {task: layout.REST[task] for task in _input(data)}},
    }


def _sample(parts: Split) -> dict[str, int]:
    """Ids to try the engines with: the workshop's where the training rows have them."""
    train, validation = parts.train, parts.validation
    wanted = _WORKSHOP_SAMPLE
    if wanted["user"] in train.user and {wanted["movie"], wanted["neighbour_movie"]} <= set(
        train.item.tolist()
    ):
        return wanted
    known = np.flatnonzero(np.isin(validation.item, train.item))
    row = known[0] if len(known) else 0
    return {
        "user": int(validation.user[row]),
        "movie": int(validation.item[row]),
        "neighbour_movie": int(np.bincount(train.item).argmax()),
    }
