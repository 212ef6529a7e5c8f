"""A deployment of events without ratings."""

import json
from pathlib import Path

import pytest

from stacks.config import Config, ConfigError
from tests.stacks.deployments import Synthesize, write_data


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Prepared data as they are of events: nothing in them is about ratings."""
    folder = write_data(tmp_path)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    for keys in ("input", "rest"):
        manifest["keys"][keys] = {"retrieval": manifest["keys"][keys]["retrieval"]}
    manifest["scale"] = {"least": 1, "most": 1, "step": None, "liked": 1, "events": True}
    path.write_text(json.dumps(manifest), "utf-8")
    return folder


def test_without_ratings_what_learns_from_events_is_deployed(
    events: Path, synthesize: Synthesize
) -> None:
    made = synthesize({"data": str(events)})
    assert set(made.templates) == {"Data", "Lists", "Object2Vec", "Functions", "Personalize"}
    endpoints = made.resources("Object2Vec", "AWS::SageMaker::Endpoint").values()
    names = [one["Properties"]["EndpointName"] for one in endpoints]
    assert names == ["recommender-retrievalModel"]
    assert "ValidationKey" not in made.templates["Data"]["Outputs"]
    (engine,) = (
        one["Properties"]["Environment"]["Variables"]
        for one in made.resources("Functions", "AWS::Lambda::Function").values()
        if one["Properties"].get("FunctionName") == "recommender-Recommendation_Engine_Object2Vec"
    )
    assert "ENDPOINT_NAME_RATING" not in engine
    assert "ENDPOINT_NAME_REC" not in engine
    assert engine["ENDPOINT_NAME_RANKING"] == "recommender-retrievalModel"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"engines": "lists,deep_mf"},
            "engines: .*the data are events.*leave them out of 'lists,deep_mf'",
        ),
        ({"preset": "workshop"}, "preset: .*events without ratings"),
    ],
)
def test_what_learns_ratings_is_refused_without_them(
    events: Path, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.from_context({"data": str(events), **settings})
