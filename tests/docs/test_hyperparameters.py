"""The documentation's tables of hyperparameters, which are the guide's, equal the code."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from recsys.factorization_machines import hyperparameters as machines
from recsys.object2vec import hyperparameters as object2vec

PAGE = Path(__file__).parents[2] / "packages" / "local-aws" / "docs" / "hyperparameters.md"
ALGORITHMS: dict[str, Any] = {
    "Object2Vec": object2vec.Hyperparameters,
    "Factorization Machines": machines.Hyperparameters,
}


def rows(algorithm: str) -> dict[str, tuple[str, str, str]]:
    """Valid values, default and difference, by name."""
    section = PAGE.read_text("utf-8").split(f"\n## {algorithm}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) \|(.*)\|$", section, re.MULTILINE)
    return {name: (valid, default, here.strip()) for name, valid, default, here in found}


def valid(field: Any, text: object) -> bool:
    try:
        field.metadata["parse"](str(text))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_hyperparameter_is_compared_with_the_guide(algorithm: str) -> None:
    names = [field.name for field in dataclasses.fields(ALGORITHMS[algorithm])]
    assert sorted(names) == sorted(rows(algorithm))


@pytest.mark.parametrize(
    ("algorithm", "name"), [(one, name) for one in ALGORITHMS for name in rows(one)]
)
def test_range_and_default_are_the_guides(algorithm: str, name: str) -> None:
    (field,) = [one for one in dataclasses.fields(ALGORITHMS[algorithm]) if one.name == name]
    told, default, here = rows(algorithm)[name]
    if default == "required":
        assert field.default is dataclasses.MISSING
    elif default in ("none", "empty", "all"):
        assert field.default in (None, "", ("hadamard", "concat", "abs_diff"))
    else:
        assert field.metadata["parse"](default.strip("`").replace(",", "")) == field.default

    kind, _, bounds = told.partition(", ")
    limits = [text.replace(",", "") for text in re.findall(r"[\d.,]*\d", bounds)]
    if kind == "integer":
        low = int(limits[0])
        assert valid(field, low) and not valid(field, low - 1) and not valid(field, low + 0.5)
        if len(limits) == 2:
            assert valid(field, limits[1]) and not valid(field, int(limits[1]) + 1)
        else:
            assert valid(field, 10**9) is (" at most" not in here)
    elif kind == "number":
        least = float(limits[0])
        assert valid(field, least) and not valid(field, least - 1e-9) and not valid(field, "nan")
        if len(limits) == 2:
            assert valid(field, limits[1]) and not valid(field, float(limits[1]) + 1e-9)
        else:
            assert valid(field, 1e9)
    elif told.startswith("any number"):
        assert valid(field, 0.5) and valid(field, 0)
        assert valid(field, -0.5) is ("below 0 is refused" not in here)
    else:
        words = re.findall(r"`(\w+)`", told)
        assert all(valid(field, word) for word in words if word != "_")
        assert not valid(field, "another word!")
