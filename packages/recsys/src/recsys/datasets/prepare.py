"""`python -m recsys prepare`: from ratings to the files that the engines read."""

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recsys.datasets import nouns, personalize
from recsys.datasets.download import MOVIELENS_100K, DownloadError, cached, download
from recsys.datasets.export import export
from recsys.datasets.generator import SIZES, generate
from recsys.datasets.nouns import counted
from recsys.datasets.problems import option
from recsys.datasets.ratings import DataSet, Ratings
from recsys.datasets.readers import load
from recsys.datasets.scale import Scale
from recsys.datasets.splits import split
from recsys.datasets.teacher import Opinions, opinions
from recsys.errors import InputError
from recsys.fields import FIELDS
from recsys.text import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.description = (
        "Write Object2Vec's training files and the workshop's movie files from ratings: those "
        "given, else MovieLens 100k from the cache or from GroupLens, else generated ones."
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--data",
        type=Path,
        help="a folder of MovieLens 100k, 1M, 10M, latest, 20M…; or your table: CSV, JSON Lines or "
        "Parquet, a folder or a quoted pattern of several",
    )
    source.add_argument("--size", choices=SIZES, help="generate a data set of this size")
    parser.add_argument("--out", type=Path, default=Path("build/data"), help="default: %(default)s")
    parser.add_argument("--no-download", action="store_true", help="do not use the network")
    parser.add_argument(
        "--columns",
        type=_columns,
        help="what your table calls its columns: user=…,item=…,rating=…,timestamp=…; numbers "
        "from 1 where it has no header",
    )
    parser.add_argument("--items", type=Path, help="your table of items, if not next to the data")
    parser.add_argument("--encoding", help="of texts that are not UTF-8, such as cp1252")
    parser.add_argument(
        "--liked",
        type=float,
        metavar="VALUE",
        help="a rating of this or more is a liked item (default: chosen from the ratings)",
    )
    parser.add_argument(
        "--nouns",
        type=_nouns,
        help="what pages and reports call them: item=book,user=reader,event=read, a plural after "
        "a slash (default: as your columns are called; movie, user, watched for MovieLens)",
    )
    parser.add_argument(
        "--teacher",
        action="store_true",
        help="write, instead of the training ratings, what a Bayesian factorization machine fitted "
        "on them expects of all pairs (for the preset taught)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is random; default: 0")


def run(options: argparse.Namespace) -> int:
    """Prepare the data; 0, or 1 with every problem on stderr and nothing written."""
    began = time.monotonic()
    try:
        data = _obtain(options)
        words = data.nouns.named(options.nouns or {})
        data = replace(data, liked=options.liked, nouns=words)
        scale = data.scale
        parts = split(data, seed=options.seed)
        if options.teacher and data.events:
            raise InputError("--teacher: expects ratings of all pairs, and the data have none")
        taught = _ask_teacher(parts.train, scale, options.seed) if options.teacher else None
        manifest = export(data, parts, options.out, options.seed, taught)
    except InputError as error:
        print(f"The data cannot be used:\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        told = f"{error.filename or options.out}: {error.strerror or error}"
        print(printable(told), file=sys.stderr)
        return 1
    _summarise(data, manifest, options.out, time.monotonic() - began)
    return 0


def _ask_teacher(train: Ratings, scale: Scale, seed: int) -> Opinions:
    with tqdm(desc="teacher", unit=" draws", disable=None) as bar:

        def progress(done: int, total: int, error: float) -> None:
            bar.total = total
            bar.set_postfix_str(f"residual {error:.3f}", refresh=False)
            bar.update(done - bar.n)

        return opinions(train, scale, seed, progress=progress)


def _columns(text: str) -> dict[str, str]:
    """What `user=a,item=b` maps."""
    mapped = dict(pair.partition("=")[::2] for pair in text.split(","))
    if not all(mapped.values()) or not set(mapped) <= set(FIELDS):
        words = f"{text!r} is not of the form user=…,item=…,rating=…,timestamp=…"
        raise argparse.ArgumentTypeError(words)
    return mapped


def _nouns(text: str) -> dict[str, str]:
    try:
        return nouns.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _obtain(options: argparse.Namespace) -> DataSet:
    """The first that can be had: what was asked for, the cache, the download, generated ratings.

    Repeated ratings of the same item by a user are reduced to the newest, and repeated events to
    their sum, so that no pair is both learned from and judged by.
    """
    if options.data is not None:
        data = load(options.data, options.columns, items=options.items, encoding=options.encoding)
    elif options.size is not None:
        data = generate(options.size, options.seed)
    elif (folder := cached()) is not None:
        data = load(folder)
    else:
        data = _download_or_generate(options)
    if not data.events and not data.scale.separates:
        note = f"all ratings are {data.scale.least:g}, so they count as events"
        data = replace(data, events=True, notes=(*data.notes, note))
    if data.events:
        return replace(data, ratings=data.ratings.totals())
    newest = data.ratings.newest()
    if repeats := len(data.ratings) - len(newest):
        was = "was" if repeats == 1 else "were"
        note = (
            f"{counted(repeats, 'older rating')} of the same item by the same user {was} left out"
        )
        data = replace(data, ratings=newest, notes=(*data.notes, note))
    return data


def _download_or_generate(options: argparse.Namespace) -> DataSet:
    reason = "--no-download was given"
    if not options.no_download:
        print(f"Downloading MovieLens 100k from {MOVIELENS_100K.url}", file=sys.stderr)
        try:
            return load(download())
        except DownloadError as error:
            reason = str(error)
    print(
        f"MovieLens is not at hand: {reason}.\n"
        "GENERATING a data set in its shape instead: the users, films and ratings are invented.\n"
        f"Give your own: {option('data')}.",
        file=sys.stderr,
    )
    return generate("100k", options.seed)


def _summarise(data: DataSet, manifest: dict[str, Any], out: Path, seconds: float) -> None:
    """Print what was done and what there is to beat."""
    rows, scale = data.ratings, data.scale
    liked = scale.likes(rows.rating).mean()
    what, words = "pair" if data.events else "rating", data.nouns
    begin, end = int(rows.timestamp.min()), int(rows.timestamp.max())
    months = [f"{datetime.fromtimestamp(stamp, UTC):%B %Y}" for stamp in (begin, end)]
    # without times, all count as of one moment, which a note tells
    when = "" if begin == end else f", {' to '.join(dict.fromkeys(months))}"
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    lines = [
        f"{out}: {data.source}",
        f"  {counted(len(rows), what)} by {counted(manifest['users'], words.user, words.users)} of "
        f"{counted(manifest['items'], words.item, words.items)}{when}",
        *(
            _EVENTS
            if data.events
            else [f"  ratings {scale}; {scale.liked:g} or more is liked: {liked:.0%} of them"]
        ),
        f"  {manifest['train']:,} to learn from, {manifest['validation']:,} to be judged by: "
        f"{manifest['split']}",
        *_to_beat(manifest["baselines"]),
        *(f"  note: {note}" for note in (*data.notes, *personalize.notes(data))),
        *_health(out),
        f"  {size / 1e6:,.1f} MB in {seconds:.1f} s",
    ]
    if "teacher" in manifest:
        lines.insert(
            3,
            f"  in their place {manifest['teacher']['lines']:,} training lines that nobody gave: "
            "what a Bayesian factorization machine, fitted on them alone, expects of all pairs",
        )
    if not data.events and not 0.05 < liked < 0.95:
        lines.insert(
            -1,
            f"  note: nearly all ratings fall on one side of {scale.liked:g}, so the "
            f"recommendation model has little to learn; choose what is liked: {option('liked')}",
        )
    zeros = (rows.rating == 0).mean()
    if not data.events and scale.least == 0 and scale.most > 1 and zeros > _MANY_ZEROS:
        lines.insert(
            -1,
            f"  note: {zeros:.0%} of the ratings are 0, the least; if 0 means in your table that "
            "there is no rating, take those rows out",
        )
    print("\n".join(map(printable, lines)))


_MANY_ZEROS = 0.4  # a share; Book-Crossing's, which mean no rating, are 62 % of its rows
_EVENTS = (
    "  events, no ratings: lists, Amazon Personalize and Object2Vec's model of who has what are "
    "deployed;",
    "  Object2Vec's rating and recommendation models, deep_mf and "
    "factorization_machines need ratings and are left out",
)


def _to_beat(baselines: dict[str, dict[str, float]]) -> list[str]:
    """What a model of ratings has to beat; nothing where there are no ratings."""
    if not baselines:
        return []
    mse, accuracy = baselines["rating_mse"], baselines["recommendation_accuracy"]
    return [
        f"  to beat, rating MSE: biases {mse['bias']:.4f}, user's mean {mse['user_mean']:.4f}, "
        f"mean {mse['global_mean']:.4f}",
        f"  to beat, recommendation accuracy: biases {accuracy['bias']:.4f}, "
        f"majority {accuracy['majority']:.4f}",
    ]


def _health(out: Path) -> list[str]:
    """How fit the data are for Amazon Personalize, and what makes them unfit."""
    groups = json.loads((out / "health.json").read_text("utf-8"))["groups"]
    words = ", ".join(f"{name} {group['status']}" for name, group in groups.items())
    found = [f"  for Amazon Personalize: {words} (`python -m recsys health` tells why)"]
    for name, group in groups.items():
        red = [one for one in group["findings"] if one["status"] == "red"]
        found += [f"  RED, {name}: {one['file']}: {one['words']}" for one in red]
    return found
