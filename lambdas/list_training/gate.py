"""A retrained model: written and reported if the gate accepts it, else reported and refused."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from common.errors import FunctionError

from recsys.lists import report
from recsys.lists.retraining import Rivals, retrain
from recsys.lists.training import Lists


def is_retraining(event: Mapping[str, Any]) -> bool:
    """Whether a request of CloudFormation replaces a generation of the data by a later one."""
    new, old = event["ResourceProperties"], event.get("OldResourceProperties") or {}
    return (
        event["RequestType"] == "Update"
        and "Gate" in new
        and int(new["Generation"]) > int(old.get("Generation", new["Generation"]))
    )


def train(
    rivals: Rivals, place: str, new: Callable[[], Lists], put: Callable[[str, bytes], None]
) -> Lists:
    """Train the new model, unless the gate refuses it.

    Args:
        rivals: what is compared.
        place: the prefix of the report.
        new: makes the estimator.
        put: writes a file of the report.

    Raises:
        FunctionError: it is refused; the message says why.
        InputError: there is nothing to learn from.
    """
    lists, told = retrain(rivals, new)
    put(f"{place}report.json", json.dumps(told, indent=1).encode())
    put(f"{place}report.html", report.page(told).encode())
    if lists is None:
        raise FunctionError(
            f"Generation {rivals.generation} is refused, and generation {rivals.before} goes on "
            f"answering: {'; '.join(told['refused'])}. Report: {place}report.html"
        )
    lists.metrics_["generation"] = rivals.generation
    return lists
