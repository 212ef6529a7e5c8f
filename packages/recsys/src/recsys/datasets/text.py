"""Rows of text, written a block at a time: millions in seconds."""

from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

_ROWS = 500_000  # written at once

Piece: TypeAlias = str | NDArray[Any] | pa.Array


def write_rows(file: BinaryIO, pieces: Sequence[Piece], bar: "tqdm[Any]") -> None:
    """Write the pieces of each row one after the other; a plain text is the same in every row."""
    length = max(len(piece) for piece in pieces if not isinstance(piece, str))
    for first in range(0, length, _ROWS):
        texts = [
            piece
            if isinstance(piece, str)
            else pc.cast(pa.array(piece[first : first + _ROWS]), pa.string())
            for piece in pieces
        ]
        joined = pc.binary_join_element_wise(*texts, "")
        file.write(joined.buffers()[2])
        bar.update(len(joined))


def spelled(values: NDArray[Any], spell: Callable[[Any], str]) -> pa.Array:
    """Each value as text; there are few distinct ones."""
    encoded = pa.array(values).dictionary_encode()
    return pa.array([spell(v) for v in encoded.dictionary.to_numpy()]).take(encoded.indices)
