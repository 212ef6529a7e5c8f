from __future__ import annotations

import json
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.hyperparameters import strings
from recsys.object2vec import hyperparameters

REQUIRED = {
    "enc0_network": "pooled_embedding",
    "enc0_max_seq_len": "1",
    "enc0_vocab_size": "944",
    "enc1_max_seq_len": "1",
    "enc1_vocab_size": "1684",
}


def problems(**given: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        hyperparameters.parse({**REQUIRED, **given})
    return caught.value.problems


def test_defaults_are_the_documented_ones() -> None:
    settings = hyperparameters.parse(REQUIRED)
    assert (settings.enc_dim, settings.mlp_dim, settings.mlp_layers) == (4096, 512, 2)
    assert (settings.epochs, settings.learning_rate, settings.mini_batch_size) == (30, 0.0004, 32)
    assert settings.comparator_list == ("hadamard", "concat", "abs_diff")
    assert (settings.optimizer, settings.mlp_activation) == ("adam", "linear")
    assert (settings.output_layer, settings.num_classes) == ("softmax", 2)
    assert (settings.early_stopping_patience, settings.early_stopping_tolerance) == (3, 0.01)
    assert (settings.enc0_token_embedding_dim, settings.token_embedding_storage_type) == (
        300,
        "dense",
    )


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("enc0_max_seq_len", ["1", "5000"], ["0", "5001", "1.5", "x", "", "1_0"]),
        ("enc1_vocab_size", ["2", "3000000"], ["1", "3000001"]),
        ("enc_dim", ["4", "10000"], ["3", "10001"]),
        ("enc0_token_embedding_dim", ["2", "1000"], ["1", "1001"]),
        ("mlp_layers", ["0", "10"], ["-1", "11"]),
        ("mlp_dim", ["2", "10000"], ["1", "10001"]),
        ("mlp_activation", ["tanh", "relu", "linear"], ["sigmoid", "Tanh"]),
        ("num_classes", ["2", "30"], ["1", "31"]),
        ("dropout", ["0", "0.5", "1.0"], ["-0.1", "1.1", "nan", "inf", "half"]),
        ("weight_decay", ["0", "10000"], ["-1", "10001"]),
        ("learning_rate", ["1.0E-6", "1"], ["0", "1.1"]),
        ("mini_batch_size", ["1", "10000"], ["0", "10001"]),
        ("epochs", ["1", "100"], ["0", "101"]),
        ("early_stopping_patience", ["1", "5"], ["0", "6"]),
        ("early_stopping_tolerance", ["0.000001", "0.1"], ["0", "0.11"]),
        ("negative_sampling_rate", ["0", "7"], ["-1", "0.5"]),
        ("bucket_width", ["0", "100"], ["101"]),
        ("enc0_layers", ["auto", "1", "4"], ["0", "5", "Auto"]),
        ("enc1_cnn_filter_width", ["1", "9"], ["0", "10"]),
        ("optimizer", ["adadelta", "adagrad", "adam", "sgd", "rmsprop"], ["adamw"]),
        ("comparator_list", ["concat", "abs_diff, hadamard"], ["", "sum", "concat,concat"]),
        ("tied_token_embedding_weight", ["False", "false"], ["0", "no"]),
    ],
)
def test_values_out_of_range_are_reported(name: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        hyperparameters.parse({**REQUIRED, name: text})
    for text in bad:
        (problem,) = problems(**{name: text})
        assert problem.startswith(f"{name}: must be ")
        assert repr(text) in problem


def test_problems_are_all_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        hyperparameters.parse(
            {
                "enc0_network": "pooled_embedding",
                "enc0_vocab_size": "1",
                "epochs": "0",
                "alpha": "1",
            }
        )
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "alpha",
        "enc0_max_seq_len",
        "enc0_vocab_size",
        "enc1_max_seq_len",
        "epochs",
    ]  # enc1_vocab_size would be enc0's, whose fault is named once


def test_settings_of_awss_samples_are_ignored() -> None:
    samples = {"_kvstore": "device", "_num_gpus": "auto", "_num_kv_servers": "auto"}
    assert hyperparameters.parse({**REQUIRED, **samples}) == hyperparameters.parse(REQUIRED)


def test_unimplemented_networks_are_refused_even_by_default() -> None:
    for network in ("hcnn", "bilstm"):
        (problem,) = problems(enc0_network=network)
        assert problem.startswith(f"enc0_network: {network} is not implemented here")
        (problem,) = problems(enc1_network=network)
        assert problem.startswith(f"enc1_network: {network} is not implemented here")
    without = {name: text for name, text in REQUIRED.items() if name != "enc0_network"}
    with pytest.raises(InputError, match="enc0_network: hcnn is not implemented here"):
        hyperparameters.parse(without)


def test_enc1_inherits_the_settings_of_enc0() -> None:
    given = {"enc0_network": "pooled_embedding", "enc0_max_seq_len": "7", "enc0_vocab_size": "10"}
    settings = hyperparameters.parse({**given, "enc0_token_embedding_dim": "12"})
    assert (settings.enc1_max_seq_len, settings.enc1_vocab_size) == (7, 10)
    assert (settings.enc1_token_embedding_dim, settings.enc1_network) == (12, "pooled_embedding")
    assert hyperparameters.parse({**given, "enc1_vocab_size": "3"}).enc1_vocab_size == 3
    with pytest.raises(InputError, match="enc1_vocab_size: required"):
        hyperparameters.parse({**given, "enc1_network": "pooled_embedding"})


def test_incompatible_settings_are_reported() -> None:
    (problem,) = problems(token_embedding_storage_type="row_sparse", optimizer="rmsprop")
    assert "adam, adagrad, sgd" in problem
    (problem,) = problems(tied_token_embedding_weight="True")
    assert "enc0_vocab_size and enc1_vocab_size" in problem
    (problem,) = problems(enc0_pretrained_embedding_file="glove.txt")
    assert problem.startswith("enc0_pretrained_embedding_file: pretrained")


def test_strings_round_trip_through_parse() -> None:
    settings = hyperparameters.parse({**REQUIRED, "comparator_list": "concat,hadamard"})
    assert hyperparameters.parse(strings(settings)) == settings


@pytest.mark.parametrize("preset", ["workshop", "default"])
@pytest.mark.parametrize(
    ("task", "output"), [("rating", "mean_squared_error"), ("recommendation", "softmax")]
)
def test_presets_are_valid_strings(preset: str, task: str, output: str) -> None:
    given = json.loads(Path("stacks/presets.json").read_text())[preset][task]
    assert all(isinstance(text, str) for text in given.values())
    vocabulary = {"enc0_vocab_size": "944", "enc1_vocab_size": "1684"}
    assert hyperparameters.parse({**given, **vocabulary}).output_layer == output


def test_workshop_preset_equals_the_workshop() -> None:
    presets = json.loads(Path("stacks/presets.json").read_text())["workshop"]
    names = ("enc_dim", "mlp_dim", "mlp_layers", "mlp_activation", "mini_batch_size")
    assert [presets["rating"][name] for name in names] == ["1024", "256", "1", "tanh", "64"]
    assert [presets["recommendation"][name] for name in names] == [
        "2048",
        "1024",
        "1",
        "relu",
        "2048",
    ]
    assert "enc1_cnn_filter_width" not in presets["rating"]
