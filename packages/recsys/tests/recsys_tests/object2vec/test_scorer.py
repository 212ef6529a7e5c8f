from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from recsys.errors import InputError
from recsys.object2vec.records import Pairs, Sequences
from recsys.object2vec.scorer import Affine, Scorer


def test_score_equals_manual_result(by_hand: Scorer) -> None:
    # in0 [1]: (1,2,3,4); in1 [2]: (2,-1,0,1).
    # hidden 0: 1*2 + 2 - |4-1| + 0.5 = 1.5; hidden 1: 2*2 - 2 + 3 - 10 = -5, relu 0.
    # output: 2*1.5 + 3*0 + 0.25 = 3.25.
    scores = by_hand.scores(Sequences.of([[1]]), Sequences.of([[2]]))
    assert scores.tolist() == [[3.25]]


def test_sequence_is_the_mean_of_its_tokens(by_hand: Scorer) -> None:
    # ((1,2,3,4) + (3,0,1,-4)) / 2
    embedded = by_hand.embed(0, Sequences.of([[1, 3], [3], [1, 1]]))
    assert embedded.tolist() == [[2, 1, 2, 0], [3, 0, 1, -4], [1, 2, 3, 4]]


def test_unknown_token_uses_the_last_row(by_hand: Scorer) -> None:
    assert by_hand.embed(0, Sequences.of([[0], [4], [2]])).tolist() == [[9] * 4] * 3
    assert by_hand.embed(1, Sequences.of([[4]])).tolist() == [[0] * 4]


def test_comparators_are_in_the_configured_order(by_hand: Scorer) -> None:
    weight = np.zeros((8, 2), np.float32)
    weight[0] = [1, 0]  # abs_diff comes first now: |1-2| = 1
    weight[4] = [0, 1]  # then hadamard: 1*2 = 2
    other = dataclasses.replace(
        by_hand,
        settings=dataclasses.replace(by_hand.settings, comparator_list=("abs_diff", "hadamard")),
        layers=(Affine(weight, np.zeros(2, np.float32)), by_hand.layers[1]),
    )
    # 2*1 + 3*2 + 0.25
    assert other.scores(Sequences.of([[1]]), Sequences.of([[2]])).tolist() == [[8.25]]


def test_softmax_metrics_equal_manual_results(by_hand: Scorer) -> None:
    settings = dataclasses.replace(by_hand.settings, output_layer="softmax")
    output = Affine(np.array([[0, 2], [0, 0]], np.float32), np.array([0, -3], np.float32))
    scorer = dataclasses.replace(by_hand, settings=settings, layers=(by_hand.layers[0], output))
    # The hidden layer is (1.5, 0), so the outputs are 0 and 0: one half each.
    in0, in1 = Sequences.of([[1], [1]]), Sequences.of([[2], [2]])
    assert scorer.scores(in0, in1).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    metrics = scorer.metrics(Pairs(in0, in1, np.array([0, 1], np.float32)))
    assert metrics == {"cross_entropy": pytest.approx(np.log(2)), "accuracy": 0.5}


def test_mean_squared_error_equals_manual_result(by_hand: Scorer) -> None:
    pairs = Pairs(Sequences.of([[1]] * 2), Sequences.of([[2]] * 2), np.array([3, 4], np.float32))
    assert by_hand.metrics(pairs) == {"mean_squared_error": (0.25**2 + 0.75**2) / 2}


def test_large_requests_are_scored_in_parts(
    by_hand: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in0, in1 = Sequences.of([[1], [3], [1, 3]] * 5), Sequences.of([[2], [0], [2]] * 5)
    whole = by_hand.scores(in0, in1)
    monkeypatch.setattr("recsys.object2vec.scorer._CHUNK_FLOATS", 16 * 4)
    assert by_hand.scores(in0, in1).tolist() == whole.tolist()


def test_saved_model_is_loaded_equal(by_hand: Scorer, tmp_path: Path) -> None:
    by_hand.save(tmp_path / "model")
    loaded = Scorer.load(tmp_path / "model")
    assert loaded.settings == by_hand.settings
    in0, in1 = Sequences.of([[1], [3, 1], [0]]), Sequences.of([[2], [2], [4]])
    assert loaded.scores(in0, in1).tolist() == by_hand.scores(in0, in1).tolist()
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"model.json", "model.npz"}


def test_invalid_model_is_refused(by_hand: Scorer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not contain an Object2Vec model"):
        Scorer.load(tmp_path)
    by_hand.save(tmp_path)
    (tmp_path / "model.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="does not contain an Object2Vec model"):
        Scorer.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"format": "other"}))
    with pytest.raises(InputError, match="format is 'other'"):
        Scorer.load(tmp_path)
