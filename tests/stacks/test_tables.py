"""Tables that others keep too: they must say the same."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from recsys.errors import InputError
from recsys.object2vec import hyperparameters as learner
from stacks import images
from stacks.hyperparameters import RULES, AutoOr, Number, OneOf, SomeOf
from stacks.operations_settings import REGIONS_WITHOUT_BUDGETS

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
def test_every_region_has_the_image_that_the_sagemaker_package_names(
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


def test_regions_without_budgets_are_those_of_the_registry() -> None:
    package = find_spec("cfnlint")
    assert package and package.submodule_search_locations
    providers = Path(package.submodule_search_locations[0], "data", "schemas", "providers")
    lacking = {
        region
        for region in images.ACCOUNTS
        if (path := providers / f"{region}.json").exists()
        and "AWS::Budgets::Budget" not in json.loads(path.read_text("utf-8"))
    }
    assert set(REGIONS_WITHOUT_BUDGETS) == lacking


def test_hyperparameters_have_the_learners_names() -> None:
    files = {f"{side}_{file}_file" for side in ("enc0", "enc1") for file in ("vocab",)} | {
        f"{side}_pretrained_embedding_file" for side in ("enc0", "enc1")
    }
    # What comes in a channel of its own, which the stacks do not have, and how a machine is used.
    machine = {"_kvstore", "_num_gpus", "_num_kv_servers"}
    assert RULES.keys() - machine == learner._FIELDS.keys() - files


@pytest.mark.parametrize("name", sorted(RULES.keys() & learner._FIELDS.keys()))
def test_hyperparameters_have_the_learners_ranges(name: str) -> None:
    def learns(value: str) -> bool:
        try:
            learner._FIELDS[name].metadata["parse"](value)
        except (ValueError, InputError):
            return False
        return True

    rule = RULES[name]
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
@pytest.mark.parametrize("task", ["rating", "recommendation"])
def test_presets_are_within_the_rules(preset: str, task: str) -> None:
    for name, value in PRESETS[preset][task].items():
        assert RULES[name].accepts(str(value)), (name, value)
