"""Tables that others keep too: they must say the same."""

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from recsys.deep_mf import hyperparameters as deep_mf
from recsys.errors import InputError
from recsys.factorization_machines import hyperparameters as machines
from recsys.object2vec import hyperparameters as object2vec
from stacks import images
from stacks.config import REGIONS_WITHOUT_S3_VECTORS
from stacks.hyperparameters import (
    DEEP_MF,
    FACTORIZATION_MACHINES,
    OBJECT2VEC,
    AutoOr,
    Number,
    OneOf,
    Rule,
    SomeOf,
)
from stacks.operations_settings import REGIONS_WITHOUT_BUDGETS


def fields(hyperparameters: type) -> dict[str, Any]:
    return {each.name: each for each in dataclasses.fields(hyperparameters)}


PRESETS = json.loads(
    (Path(__file__).resolve().parents[2] / "stacks" / "presets.json").read_text("utf-8")
)


@pytest.mark.parametrize(
    ("image", "file", "part"),
    [
        (images.OBJECT2VEC, "object2vec", ""),
        (images.FACTORIZATION_MACHINES, "factorization-machines", ""),
        (images.PYTORCH_TRAINING, "pytorch", "training"),
        (images.PYTORCH_INFERENCE, "pytorch", "inference"),
    ],
    ids=lambda one: getattr(one, "repository", ""),
)
def test_images_equal_those_of_the_sagemaker_package(
    image: images.Name, file: str, part: str
) -> None:
    package = find_spec("sagemaker")
    if package is None or not package.submodule_search_locations:
        pytest.skip("the sagemaker package is not installed")
    # Its data, read without importing the package: that takes several seconds.
    (table,) = (
        path
        for folder in package.submodule_search_locations
        for path in Path(folder).glob(f"**/image_uri_config/{file}.json")
    )
    named = json.loads(table.read_text("utf-8"))
    versions = (named[part] if part else named)["versions"]
    version, _, python = image.tag.partition("-cpu-")
    assert versions[version]["registries"] == image.accounts
    assert versions[version]["repository"] == image.repository
    if python:
        assert python in versions[version]["py_versions"]


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("AWS::Budgets::Budget", REGIONS_WITHOUT_BUDGETS),
        ("AWS::S3Vectors::VectorBucket", REGIONS_WITHOUT_S3_VECTORS),
    ],
)
def test_personalize_regions_equal_those_of_the_registry(kind: str, named: tuple[str, ...]) -> None:
    package = find_spec("cfnlint")
    assert package and package.submodule_search_locations
    providers = Path(package.submodule_search_locations[0], "data", "schemas", "providers")
    lacking = {
        region
        for region in images.ACCOUNTS
        if (path := providers / f"{region}.json").exists()
        and kind not in json.loads(path.read_text("utf-8"))
    }
    assert set(named) == lacking


LEARNERS = {
    "object2vec": (OBJECT2VEC, fields(object2vec.Hyperparameters)),
    "deep_mf": (DEEP_MF, fields(deep_mf.Hyperparameters)),
    "factorization_machines": (FACTORIZATION_MACHINES, fields(machines.Hyperparameters)),
}
# What comes in a separate channel, which the stacks do not have, how a machine is used, and what
# the data tells.
FILES = {
    f"{side}_{file}_file" for side in ("enc0", "enc1") for file in ("vocab", "pretrained_embedding")
}
MACHINE = {"_kvstore", "_num_gpus", "_num_kv_servers"}


@pytest.mark.parametrize("engine", LEARNERS)
def test_hyperparameter_names_equal_those_of_recsys(engine: str) -> None:
    rules, learns = LEARNERS[engine]
    assert rules.keys() - MACHINE == learns.keys() - FILES - {"feature_dim"}


@pytest.mark.parametrize(
    ("name", "rule", "field"),
    [
        (f"{engine}.{name}", rule, learns[name])
        for engine, (rules, learns) in LEARNERS.items()
        for name, rule in sorted(rules.items())
        # deployed machines learn ratings, though they could classify
        if name in learns and name != "predictor_type"
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_hyperparameter_ranges_equal_those_of_recsys(name: str, rule: Rule, field: Any) -> None:
    def learns(value: str) -> bool:
        try:
            field.metadata["parse"](value)
        except (ValueError, InputError):
            return False
        return True

    if isinstance(rule, AutoOr):
        assert learns("auto")
        rule = rule.rule
    match rule:
        case Number(low, high, whole):
            step = 1 if whole else low or 1e-9
            inside = [low] if high == float("inf") else [low, high]
            values = [f"{value:.12g}" for value in (*inside, low - step, high + 1)]
        case OneOf(words):
            values = [*words, words[0] + "x"]
        case SomeOf(words):
            values = [words[0], ", ".join(words), f"{words[0]},{words[0]}", "x"]
    accepted = [rule.accepts(value) for value in values]
    assert any(accepted) and not all(accepted)
    assert accepted == [learns(value) for value in values], values


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid(preset: str) -> None:
    for section, values in PRESETS[preset].items():
        rules, _ = LEARNERS.get(section, LEARNERS["object2vec"])
        for name, value in values.items():
            assert rules[name].accepts(str(value)), (section, name, value)
