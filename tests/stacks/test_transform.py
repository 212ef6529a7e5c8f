"""Scores for all users: what is written, who scores it, and what may read and write it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from stacks.config import Config, ConfigError
from tests.stacks.deployments import VARIANTS, Deployment, Synthesize, Template

Variant = Callable[[str], Deployment]
FORMS = {"Object2Vec": "tokens", "DeepMf": "tokens", "FactorizationMachines": "columns"}
OUTPUTS = {
    "Object2Vec": "object2vec/movielens/output/retrieval/scores/",
    "DeepMf": "deep-mf/movielens/output/scores/",
    "FactorizationMachines": "factorization-machines/movielens/output/scores/",
}


def only(resources: dict[str, Template]) -> Template:
    (one,) = resources.values()
    properties: Template = one["Properties"]
    return properties


def jobs(deployment: Deployment, stack: str) -> dict[str, Template]:
    return {
        name: one
        for name, one in deployment.resources(stack, "Custom::TrainedStart").items()
        if one["Properties"]["Kind"] == "TransformJob"
    }


def pairs(deployment: Deployment) -> Template:
    return only(deployment.resources("Lists", "Custom::PairsToScore"))


def statements(role: Template) -> list[Template]:
    (policy,) = role["Properties"]["Policies"]
    found: list[Template] = policy["PolicyDocument"]["Statement"]
    return found


def test_nothing_is_scored_for_all_users_unless_wanted(default: Deployment) -> None:
    assert not default.resources("Lists", "Custom::PairsToScore")
    assert not jobs(default, "Object2Vec")


@pytest.mark.parametrize("stack", FORMS)
def test_each_engine_scores_the_pairs_in_its_form(variant: Variant, stack: str) -> None:
    deployment = variant("every engine")
    job = only(jobs(deployment, stack))
    request = job["Request"]
    written = pairs(deployment)
    assert written["Forms"] == "columns,tokens" and written["Best"] == "50"
    source = request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]["Fn::Join"][1]
    assert source[-1] == f"/{written['Output']}parts/"
    assert request["DataProcessing"]["InputFilter"] == f"$.{FORMS[stack]}"
    types = request["TransformInput"]["ContentType"], request["TransformOutput"]["Accept"]
    assert types == ("application/jsonlines", "application/jsonlines")
    place = request["TransformOutput"]["S3OutputPath"]["Fn::Join"][1]
    assert place[2] == f"/{OUTPUTS[stack]}"
    told = deployment.templates[stack]["Outputs"]["ScoresForAllUsers"]["Value"]["Fn::Join"][1]
    assert told[:4] == place[:4] and told[4] == f"{place[4]}/"
    assert all(len(path) <= 63 for path in request["DataProcessing"].values())
    artifacts = json.loads((deployment.folder / "manifest.json").read_text("utf-8"))["artifacts"]
    assert "recommender-Lists" in artifacts[f"recommender-{stack}"]["dependencies"]


@pytest.mark.parametrize("stack", FORMS)
def test_job_has_the_served_model_by_a_role_that_writes_scores_alone(
    variant: Variant, stack: str
) -> None:
    deployment = variant("every engine")
    resources = deployment.templates[stack]["Resources"]
    (name, where) = only(jobs(deployment, stack))["Request"]["ModelName"]["Fn::GetAtt"]
    assert where == "ModelName"
    model = resources[name]["Properties"]
    assert model["EnableNetworkIsolation"] is True
    served = [
        one["Properties"]["PrimaryContainer"]
        for other, one in deployment.resources(stack, "AWS::SageMaker::Model").items()
        if other != name
    ]
    assert model["PrimaryContainer"] in served
    role = resources[model["ExecutionRoleArn"]["Fn::GetAtt"][0]]
    writes = [
        one["Resource"]["Fn::Join"][1][-1]
        for one in statements(role)
        if one["Action"] == "s3:PutObject"
    ]
    assert writes == [f"/{OUTPUTS[stack]}*"]
    assert not any("s3:DeleteObject" in str(one) for one in statements(role))
    groups = [
        one["Resource"]["Fn::Join"][1][-1]
        for one in statements(role)
        if "logs:PutLogEvents" in one["Action"]
    ]
    prefix = only(jobs(deployment, stack))["NamePrefix"]
    assert [group.rpartition("/")[2] for group in groups] == [
        f"TransformJobs:log-stream:{prefix}-*"
    ]


def test_pairs_are_written_from_the_lists_by_the_functions_that_train_them(
    variant: Variant,
) -> None:
    deployment = variant("every engine")
    written = pairs(deployment)
    lists = only(deployment.resources("Lists", "Custom::TrainedLists"))
    assert written["ServiceToken"] == lists["ServiceToken"]
    (trained,) = deployment.resources("Lists", "Custom::TrainedLists")
    assert written["Model"] == {"Fn::GetAtt": [trained, "ModelKey"]}
    # as factorization machines' own outputs have them
    told = deployment.templates["FactorizationMachines"]["Outputs"]
    sizes = [told[f"FactorizationMachines{what}"]["Value"] for what in ("Users", "Items")]
    assert written["Sizes"] == ",".join(sizes)


def test_other_pairs_are_other_jobs_with_other_files(
    variant: Variant, synthesize: Synthesize
) -> None:
    before = variant("every engine")
    settings = VARIANTS["every engine"]
    after = synthesize(settings | {"transform": {**settings["transform"], "best": 51}})
    assert pairs(before)["Output"] != pairs(after)["Output"]
    for stack in FORMS:
        old, new = (only(jobs(one, stack))["Request"] for one in (before, after))
        assert old["ModelName"] == new["ModelName"]
        assert old["TransformOutput"] != new["TransformOutput"]


ALL = "lists, deep_mf, factorization_machines"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"transform.engines": "sims"}, "one of object2vec, deep_mf, factorization_machines"),
        ({"transform.engines": "deep_mf"}, "deep_mf is not deployed; add deep_mf to engines$"),
        (
            {"transform.engines": "deep_mf", "engines": "deep_mf"},
            "they score items of the lists, which are not deployed; add lists to engines",
        ),
        (
            {"transform.engines": "object2vec", "profile": "lists"},
            "object2vec is not deployed; set profile=full$",
        ),
        (
            {"transform.engines": "object2vec", "profile": "lists", "source": "s3://bucket/a/"},
            "with a source, lists alone are deployed; preparation.lists writes",
        ),
        ({"transform.best": 0}, "a whole number from 1 to 500"),
        ({"transform.instance_type": "m5"}, "like ml.m5.xlarge"),
    ],
)
def test_settings_that_cannot_score_are_refused(data: Any, settings: Any, words: str) -> None:
    files = {} if "source" in settings else {"data": str(data)}
    with pytest.raises(ConfigError) as refused:
        Config.from_context({**files, **settings})
    told = [one for one in refused.value.errors if one.startswith("transform.")]
    assert len(told) == 1
    assert re.search(words, told[0]), told


def test_engines_that_are_deployed_may_score(data: Any) -> None:
    settings = {"engines": ALL, "transform.engines": "factorization_machines, object2vec"}
    config = Config.from_context({"data": str(data), **settings})
    assert config.transform
    assert config.transform.engines == ("factorization_machines", "object2vec")
    assert config.transform.best == 200
