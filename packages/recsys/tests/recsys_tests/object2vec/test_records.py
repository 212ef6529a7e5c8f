from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.object2vec import hyperparameters
from recsys.object2vec.hyperparameters import Hyperparameters
from recsys.object2vec.records import Sequences, read_pairs


def settings(**given: str) -> Hyperparameters:
    return hyperparameters.parse(
        {
            "enc0_network": "pooled_embedding",
            "enc0_max_seq_len": "3",
            "enc0_vocab_size": "10",
            "enc1_max_seq_len": "1",
            "enc1_vocab_size": "20",
            **given,
        }
    )


def write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    )
    return path


GOOD = {"label": 1, "in0": [1, 2], "in1": [3]}


def test_files_are_read_in_order(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", GOOD, "", {"label": 0.0, "in0": [9], "in1": [19]})
    second = write(tmp_path / "b.jsonl", {"label": 1, "in0": [4, 5, 6], "in1": [0], "note": "x"})
    pairs = read_pairs([first, second], settings())
    assert pairs.labels.tolist() == [1, 0, 1]
    assert pairs.in0.tokens.tolist() == [1, 2, 9, 4, 5, 6]
    assert pairs.in0.offsets.tolist() == [0, 2, 3, 6]
    assert pairs.in1.tokens.tolist() == [3, 19, 0]
    assert pairs.in1.single
    assert not pairs.in0.single


def test_byte_order_mark_and_carriage_returns_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert len(read_pairs([path], settings())) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be an object"),
        ("nonsense", "is not JSON"),
        ('{"label": NaN, "in0": [1], "in1": [1]}', "contains NaN"),
        ('{"label": 1e999, "in0": [1], "in1": [1]}', "label is too large"),
        ("[" * 100_000, "too deeply"),
        ({"in0": [1], "in1": [1]}, "label is missing"),
        ({"label": 1, "in1": [1]}, "in0 is missing"),
        ({"label": 1, "in0": [1]}, "in1 is missing"),
        ({"label": "1", "in0": [1], "in1": [1]}, 'label must be a number, not "1"'),
        ({"label": True, "in0": [1], "in1": [1]}, "label must be a number, not true"),
        ({"label": 2, "in0": [1], "in1": [1]}, "label must be a class from 0 to 1, not 2"),
        ({"label": 0.5, "in0": [1], "in1": [1]}, "label must be a class from 0 to 1, not 0.5"),
        ({"label": 1, "in0": 1, "in1": [1]}, "in0 must be a list"),
        ({"label": 1, "in0": [], "in1": [1]}, "in0 is empty"),
        ({"label": 1, "in0": [1.0], "in1": [1]}, "in0 token ids must be integers, not 1.0"),
        ({"label": 1, "in0": [True], "in1": [1]}, "in0 token ids must be integers, not true"),
        ({"label": 1, "in0": [-1], "in1": [1]}, "in0 token id -1 is not in the vocabulary"),
        (
            {"label": 1, "in0": [10], "in1": [1]},
            "in0 token id 10 is not in the vocabulary (0 to 9)",
        ),
        ({"label": 1, "in0": [10**30], "in1": [1]}, "is not in the vocabulary"),
        ({"label": 1, "in0": [1] * 4, "in1": [1]}, "in0 has 4 tokens, more than"),
    ],
)
def test_invalid_line_is_named(tmp_path: Path, line: object, words: str) -> None:
    path = write(tmp_path / "bad.jsonl", GOOD, line, GOOD)
    with pytest.raises(InputError) as caught:
        read_pairs([path], settings())
    (problem,) = caught.value.problems
    assert problem.startswith("bad.jsonl line 2: ")
    assert words in problem


def test_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"label": 1, "in0": "\xe9"}\n')
    with pytest.raises(InputError, match=r"latin\.jsonl line 2: is not UTF-8"):
        read_pairs([path], settings())


def test_line_with_two_objects_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "two.jsonl", f"{json.dumps(GOOD)},{json.dumps(GOOD)}")
    with pytest.raises(InputError, match="line 1: is not JSON"):
        read_pairs([path], settings())


def test_problems_of_all_files_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", "x", GOOD, "y")
    second = write(tmp_path / "b.jsonl", *["z"] * 30)
    with pytest.raises(InputError) as caught:
        read_pairs([first, second], settings())
    problems = caught.value.problems
    assert problems[1].startswith("a.jsonl line 3: ")
    assert problems[2].startswith("b.jsonl line 1: ")
    assert len(problems) == 21
    assert problems[-1] == "… and 12 more like these"


def test_ratings_accept_any_number(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", {"label": -3.5, "in0": [1], "in1": [1]})
    pairs = read_pairs([path], settings(output_layer="mean_squared_error"))
    assert pairs.labels.tolist() == [-3.5]


def test_take_reorders_ragged_rows() -> None:
    rows = Sequences.of([[1], [2, 3], [4, 5, 6]])
    taken = rows.take(np.array([2, 0, 2]))
    assert taken.tokens.tolist() == [4, 5, 6, 1, 4, 5, 6]
    assert taken.offsets.tolist() == [0, 3, 4, 7]
