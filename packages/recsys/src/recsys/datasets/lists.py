"""What the lists learn from and begin with: interactions as arrays, and histories for DynamoDB."""

import gzip
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

from recsys.datasets import layout
from recsys.datasets.ratings import DataSet, Ids
from recsys.datasets.text import Piece, spelled, write_rows
from recsys.fields import TIME_DIGITS

_ROWS: Final = 250_000  # a file, of some 30 MB; DynamoDB imports files side by side


def export(data: DataSet, bucket: Path) -> None:
    """Write the interactions and the histories of all users.

    `interactions.npz` holds `user`, `item` (the engines' integers), `value` and `timestamp`.

    The histories are DynamoDB's JSON, a line an event: the partition key `user` and `item` are the
    data's own ids; the sort key `event` is the time and the item; `value` is the rating.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataImport.Format.html

    Args:
        data: all ratings, one for each user and item: what engines are judged by, too.
        bucket: the folder that becomes the bucket's content.
    """
    rows = data.ratings
    path = bucket / layout.INTERACTIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        allow_pickle=False,
        user=rows.user,
        item=rows.item,
        value=rows.rating,
        timestamp=rows.timestamp,
    )
    folder = bucket / layout.HISTORIES
    folder.mkdir(parents=True)
    time = pc.utf8_lpad(
        pc.cast(pa.array(np.maximum(rows.timestamp, 0)), pa.string()), TIME_DIGITS, "0"
    )
    value = spelled(rows.rating, lambda number: f"{number:g}")
    user, item = _labels(data.users, rows.user), _labels(data.items, rows.item)
    with tqdm(
        desc="writing histories", total=len(rows), unit=" lines", unit_scale=True, disable=None
    ) as bar:
        for number, first in enumerate(range(0, len(rows), _ROWS)):
            part = slice(first, first + _ROWS)
            pieces: list[Piece] = [
                *('{"Item": {"user": {"S": "', user[part], '"}, "event": {"S": "', time[part], "#"),
                *(item[part], '"}, "item": {"S": "', item[part], '"}, "value": {"N": "'),
                *(value[part], '"}}}\n'),
            ]
            with (
                (folder / f"part-{number:05}.json.gz").open("wb") as raw,
                gzip.GzipFile(
                    filename="", mode="wb", compresslevel=5, fileobj=raw, mtime=0
                ) as file,
            ):
                write_rows(file, pieces, bar)  # type: ignore[arg-type]


def _labels(ids: Ids, numbers: NDArray[Any]) -> Any:
    """The ids as people gave them, as they stand within quotation marks in JSON."""
    if ids.labels is None:
        return pc.cast(pa.array(numbers), pa.string())
    return pa.array([json.dumps(label)[1:-1] for label in ids.labels]).take(pa.array(numbers - 1))
