"""Which resources a change of settings or data touches, by the templates before and after."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.deployments import VARIANTS, Deployment, Synthesize, Template, write_data


def changed(before: Deployment, after: Deployment) -> dict[str, set[str]]:
    """By stack, the logical ids that differ between two deployments."""
    found = {}
    for stack, template in before.templates.items():
        old, new = template["Resources"], after.templates[stack]["Resources"]
        found[stack] = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return found


def dependents(template: Template, roots: set[str]) -> set[str]:
    """The types of all that sees another value when the attributes of `roots` change."""
    resources = template["Resources"]
    reached, new = set(roots), set(roots)
    while new:
        names = "|".join(map(re.escape, new))
        pattern = re.compile(rf'"Fn::GetAtt": \["({names})"|"Ref": "({names})"')
        new = {
            name
            for name, resource in resources.items()
            if name not in reached and pattern.search(json.dumps(resource.get("Properties", {})))
        }
        reached |= new
    return {resources[name]["Type"] for name in reached - roots}


@pytest.mark.parametrize(
    "settings",
    [
        {"rating.epochs": 7},
        {"rating": {"mlp_dim": 24}},
    ],
)
def test_changed_hyperparameter_replaces_only_its_model_and_dependents(
    default: Deployment, synthesize: Synthesize, settings: dict[str, object]
) -> None:
    found = changed(default, synthesize(settings))
    starts = default.resources("Object2Vec", "Custom::TrainedStart")
    rating = {
        name for name, one in starts.items() if one["Properties"]["NamePrefix"].endswith("-rating")
    }
    # the second training takes the number of epochs from the first
    names = {"RatingTraining"} if "rating.epochs" in settings else {"RatingTraining", "RatingRefit"}
    assert [stack for stack, some in found.items() if some] == ["Object2Vec"]
    assert found["Object2Vec"] <= rating
    assert {re.split("Start", name)[0] for name in found["Object2Vec"]} == names
    assert dependents(default.templates["Object2Vec"], rating) == {
        "Custom::TrainedWait",
        "AWS::SageMaker::Model",
        "AWS::SageMaker::EndpointConfig",
        "AWS::SageMaker::Endpoint",
    }


def test_new_ratings_change_the_upload_and_the_start(
    default: Deployment, synthesize: Synthesize, tmp_path: Path
) -> None:
    found = changed(default, synthesize({"data": str(write_data(tmp_path, ratings="5"))}))
    (upload,) = default.resources("Data", "Custom::CDKBucketDeployment")
    data = default.templates["Data"]["Resources"]
    # not the role: its change would hold too late
    assert {data[name]["Type"] for name in found["Data"]} == {"Custom::CDKBucketDeployment"}
    assert upload in found["Data"]
    starts = default.resources("Object2Vec", "Custom::TrainedStart")
    assert [starts[name]["Properties"]["NamePrefix"] for name in found["Object2Vec"]] == 2 * [
        "recommender-rating"
    ]
    assert found["Functions"] == set()


def test_new_titles_are_uploaded_without_training(
    default: Deployment, synthesize: Synthesize, tmp_path: Path
) -> None:
    found = changed(default, synthesize({"data": str(write_data(tmp_path, titles="B (2000)"))}))
    assert found["Data"]
    assert found["Object2Vec"] == found["Functions"] == set()


@pytest.mark.parametrize(
    ("settings", "anew"),
    [
        ({"retrieval.epochs": 7}, True),
        ({"training.volume_gb": 11}, True),
        ({"titles": "B (2000)"}, True),
        ({"rating.epochs": 7, "training.waits": 4, "training.max_minutes": 150}, False),
        ({"endpoint.instance_type": "ml.c5.large"}, False),
    ],
)
def test_index_with_a_new_model_or_titles_is_replaced(
    variant: Callable[[str], Deployment],
    synthesize: Synthesize,
    tmp_path: Path,
    settings: dict[str, Any],
    anew: bool,
) -> None:
    before = variant("every engine")
    if titles := settings.get("titles"):
        settings = {"data": str(write_data(tmp_path, titles=titles))}
    found = changed(before, synthesize(VARIANTS["every engine"] | settings))["Functions"]
    imported = before.resources("Functions", "Custom::IndexedMovies")
    assert found == (set(imported) if anew else set())
    if anew:
        # the function changes over last, when the import has ended
        assert dependents(before.templates["Functions"], found) == {"AWS::Lambda::Function"}


def test_changed_endpoint_type_keeps_models_and_names(
    default: Deployment, synthesize: Synthesize
) -> None:
    found = changed(default, synthesize({"endpoint.instance_type": "ml.c5.large"}))
    types = [
        default.templates["Object2Vec"]["Resources"][name]["Type"] for name in found["Object2Vec"]
    ]
    assert types == ["AWS::SageMaker::EndpointConfig"] * 3
    assert found["Data"] == found["Functions"] == set()


def test_more_waiters_do_not_retrain(default: Deployment, synthesize: Synthesize) -> None:
    later = synthesize({"training.waits": 4, "training.max_minutes": 150})
    found = changed(default, later)
    assert found["Data"] == found["Functions"] == set()
    starts = default.resources("Object2Vec", "Custom::TrainedStart")
    for name in found["Object2Vec"] & starts.keys():
        # a second training: the last waiter, now another one, tells it the same number of epochs
        before, after = (
            json.loads(json.dumps(one.templates["Object2Vec"]["Resources"][name]["Properties"]))
            for one in (default, later)
        )
        for request in (before["Request"], after["Request"]):
            assert request["HyperParameters"].pop("epochs")["Fn::GetAtt"][1] == "Epochs"
        assert before == after
