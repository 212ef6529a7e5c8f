"""The Personalize stack: its resources, their order of deletion, and what a change replaces."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import numpy as np
import pytest

from stacks.config import Config, ConfigError
from stacks.personalize_settings import REGIONS, RETIRED
from tests.stacks.deployments import Deployment, Synthesize, Template, write_data

NATIVE = "AWS::Personalize::"
BOTH = {"personalize.groups": "both"}


def resources(deployment: Deployment) -> dict[str, Template]:
    return dict(deployment.templates["Personalize"]["Resources"])


def types(deployment: Deployment) -> list[str]:
    found = [one["Type"] for one in resources(deployment).values()]
    return sorted(each.removeprefix(NATIVE) for each in found if each.startswith(NATIVE))


def starts(deployment: Deployment) -> dict[str, Template]:
    return deployment.resources("Personalize", "Custom::TrainedStart")


def test_default_deployment_has_one_solution_and_campaign(default: Deployment) -> None:
    assert types(default) == [
        "Campaign",
        "Dataset",
        "DatasetGroup",
        "EventTracker",
        "Filter",
        "Schema",
    ]
    kinds = [one["Properties"]["Kind"] for one in starts(default).values()]
    assert sorted(kinds) == ["DatasetImportJob", "Solution", "SolutionVersion"]
    (campaign,) = default.resources("Personalize", f"{NATIVE}Campaign").values()
    assert campaign["Properties"]["MinProvisionedTPS"] == 1


def test_personalize_off_deploys_nothing(synthesize: Synthesize) -> None:
    deployment = synthesize({"personalize.groups": "off"})
    assert "Personalize" not in deployment.templates
    assert "personalize.amazonaws.com" not in json.dumps(deployment.templates["Data"])


def test_automatic_training_is_off_by_default(default: Deployment, variant: Any) -> None:
    def requests(deployment: Deployment) -> list[dict[str, Any]]:
        found = [one["Properties"] for one in starts(deployment).values()]
        return [one["Request"] for one in found if one["Kind"] == "Solution"]

    assert [one["performAutoTraining"] for one in requests(default)] == [False]
    for one in requests(variant("all of Personalize")):
        assert one["performAutoTraining"] is True
        assert one["solutionConfig"]["autoTrainingConfig"]["schedulingExpression"] == (
            "rate(7 days)"
        )
    for campaign in (
        variant("all of Personalize").resources("Personalize", f"{NATIVE}Campaign").values()
    ):
        assert campaign["Properties"]["CampaignConfig"]["SyncWithLatestSolutionVersion"] is True
        assert json.dumps(campaign["Properties"]["SolutionVersionArn"]).endswith('/$LATEST"]]}')


def test_hpo_applies_to_supported_recipes(variant: Any) -> None:
    tuned = {
        one["Properties"]["Request"]["recipeArn"]["Fn::Join"][1][-1].rpartition("/")[2]: one[
            "Properties"
        ]["Request"]["performHPO"]
        for one in starts(variant("all of Personalize")).values()
        if one["Properties"]["Kind"] == "Solution"
    }
    assert tuned == {
        "aws-user-personalization": True,
        "aws-similar-items": True,
        "aws-sims": True,
        "aws-item-attribute-affinity": False,
        "aws-personalized-ranking-v2": False,
    }


def dependencies(found: dict[str, Template], name: str) -> set[str]:
    """All that a resource needs, by references and by DependsOn, near and far."""
    reached: set[str] = set()
    new = {name}
    while new:
        text = json.dumps([found[each].get("Properties", {}) for each in new])
        direct = set(re.findall(r'"Fn::GetAtt": \["(\w+)"|"Ref": "(\w+)"', text))
        near = {one for pair in direct for one in pair if one in found}
        for each in new:
            depends = found[each].get("DependsOn", [])
            near |= {depends} if isinstance(depends, str) else set(depends)
        new = near - reached
        reached |= new
    return reached


def test_deletion_order_follows_aws(variant: Any) -> None:
    """Campaigns and recommenders, solutions, event tracker, filters, datasets, group, schemas."""
    found = resources(variant("all of Personalize"))

    def of(kind: str, group: str) -> set[str]:
        return {
            name
            for name, one in found.items()
            if name.startswith(group)
            and (one["Type"] == NATIVE + kind or one.get("Properties", {}).get("Kind") == kind)
            and one["Type"] != "Custom::TrainedWait"
        }

    for group in ("Custom", "Domain"):
        order = ("Solution", "EventTracker", "Filter", "Dataset")
        for first, then in itertools.pairwise(order):
            for name in of(first, group):
                assert of(then, group) <= dependencies(found, name), (name, then)
        for name in of("SolutionVersion", group):
            assert len(of("Solution", group) & dependencies(found, name)) == 1
        for name in of("Campaign", group):
            assert of("SolutionVersion", group) & dependencies(found, name)
        for name in of("Recommender", group):
            assert of("EventTracker", group) <= dependencies(found, name)
        imports = {
            name
            for name, one in found.items()
            if name.startswith(group)
            and one.get("Properties", {}).get("Kind") == "DatasetImportJob"
        }
        assert len(imports) == 4 * len(of("Dataset", group)), "a start and three waiters for each"
        for name in of("Solution", group) | of("Recommender", group):
            assert imports <= dependencies(found, name), "trained before the data are there"
        for name in of("Dataset", group):
            assert of("DatasetGroup", group) <= dependencies(found, name)
            assert of("Schema", group) & dependencies(found, name)


def test_import_role_is_deleted_after_imports(default: Deployment) -> None:
    found = resources(default)
    (role,) = [name for name in found if name.startswith("ImportRole")]
    imports = [
        name
        for name, one in starts(default).items()
        if one["Properties"]["Kind"] == "DatasetImportJob"
    ]
    assert imports
    for name in imports:
        assert role in dependencies(found, name)


def test_bucket_policy_allows_only_the_service_for_this_account(
    default: Deployment,
) -> None:
    (policy,) = default.resources("Data", "AWS::S3::BucketPolicy").values()
    allowed = [
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "personalize.amazonaws.com"}
    ]
    assert sorted(statement["Action"] for statement in allowed) == ["s3:GetObject", "s3:ListBucket"]
    for statement in allowed:
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {
            "Ref": "AWS::AccountId"
        }
        assert ":personalize:" in json.dumps(statement["Condition"]["ArnLike"]["aws:SourceArn"])
        if statement["Action"] == "s3:GetObject":
            assert json.dumps(statement["Resource"]).endswith('/personalize/*"]]}')
        else:  # AWS's documentation has no condition on the prefix
            assert "StringLike" not in statement["Condition"]


def test_batch_role_may_only_write_its_prefix(variant: Any) -> None:
    deployment = variant("all of Personalize")
    (policy,) = deployment.resources("Data", "AWS::S3::BucketPolicy").values()
    written = [
        statement["Resource"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:PutObject"
    ]
    assert [json.dumps(each)[-24:] for each in written] == ['/personalize/batch/*"]]}'[-24:]]


def test_tags_are_constant_across_deployments(any_variant: Deployment) -> None:
    """A changing tag would replace the dataset group, its data and all that was trained on it."""
    if "Personalize" not in any_variant.templates:
        return
    for name, one in resources(any_variant).items():
        if one["Type"].startswith(NATIVE):
            tags = one["Properties"].get("Tags", [])
            assert tags in ([], [{"Key": "Deployment", "Value": any_variant.prefix}]), name


def test_upload_excludes_data_of_undeployed_groups(default: Deployment, variant: Any) -> None:
    for deployment, groups in ((default, {"custom"}), (variant("domain group"), {"domain"})):
        uploaded = {path.parent.name for path in deployment.folder.glob("asset.*/personalize/*/*")}
        assert uploaded == groups


# What a change replaces -------------------------------------------------------------------------


CREATE_ONLY = {
    "DatasetGroup": ("Name", "Domain", "RoleArn", "KmsKeyArn", "Tags"),
    "Schema": ("Name", "Schema", "Domain", "Tags"),
    "Dataset": ("Name", "DatasetType", "DatasetGroupArn", "SchemaArn", "Tags"),
    "Campaign": ("Name",),
    "EventTracker": ("Name", "DatasetGroupArn"),
    "Filter": ("Name", "DatasetGroupArn", "FilterExpression"),
}


def identities(deployment: Deployment) -> dict[str, str]:
    """By logical id, what makes a resource what it is: what of it cannot be changed in place."""
    found = {}
    for name, one in resources(deployment).items():
        kind = one["Type"].removeprefix(NATIVE)
        if one["Type"] == "Custom::TrainedStart":
            found[name] = json.dumps(one["Properties"], sort_keys=True)
        elif kind in CREATE_ONLY:
            kept = {key: one["Properties"].get(key) for key in CREATE_ONLY[kind]}
            found[name] = json.dumps(kept, sort_keys=True)
    return found


def replaced(before: Deployment, after: Deployment) -> set[str]:
    """Paths of the resources that a change deletes or replaces, without hashes."""
    old, new = identities(before), identities(after)
    gone = {name for name, what in old.items() if new.get(name) != what}
    while True:  # whatever cannot be without a replaced one is replaced as well
        further = {
            name
            for name, what in old.items()
            if name not in gone and set(re.findall(r'"Fn::GetAtt": \["(\w+)"', what)) & gone
        }
        if not further:
            break
        gone |= further
    stack = before.app.node.find_child(f"{before.prefix}-Personalize")
    return {
        re.sub(r"^(Custom|Domain)[0-9a-f]{8}", r"\1", one.node.path.split("/", 1)[1]).removesuffix(
            "/Default"
        )
        for one in stack.node.find_all()
        if isinstance(one, cdk.CfnResource) and cdk.Stack.of(one).resolve(one.logical_id) in gone
    }


MODEL = {"Custom/UserPersonalizationV2/Solution/Start", "Custom/UserPersonalizationV2/Campaign"}
VERSION = {"Custom/UserPersonalizationV2/Version/Start"}
GROUP = {
    "Custom/Group",
    "Custom/Interactions",
    "Custom/InteractionsImport/Start",
    "Custom/InteractionsSchema",
    "Custom/UnratedFilter",
    "Custom/EventTracker",
}


def test_gate_is_of_the_last_waiter_of_a_solutions_version(
    default: Deployment, variant: Any
) -> None:
    waiters = variant("domain group").resources("Personalize", "Custom::TrainedWait").values()
    gates = [
        (properties["Kind"], properties["Final"], json.loads(properties["Gate"]))
        for properties in (one["Properties"] for one in waiters)
        if "Gate" in properties
    ]
    figure = "normalized_discounted_cumulative_gain_at_25"
    assert gates == [("SolutionVersion", True, {"metric": figure, "percent": 20})]
    others = default.resources("Personalize", "Custom::TrainedWait").values()
    assert not any("Gate" in one["Properties"] for one in others)


def test_events_are_counted_by_their_source_if_that_is_wanted(
    default: Deployment, variant: Any
) -> None:
    deployment = variant("all of Personalize")
    requests = [
        one["Properties"]["Request"]
        for one in starts(deployment).values()
        if one["Properties"]["Kind"] == "MetricAttribution"
    ]
    counted = [[one["metricName"] for one in each["metrics"]] for each in requests]
    assert sorted(counted) == [["Rating"], ["Watch", "Click"]]
    roles = deployment.resources("Personalize", "AWS::IAM::Role")
    for each in requests:
        role = roles[each["metricsOutputConfig"]["roleArn"]["Fn::GetAtt"][0]]["Properties"]
        (allowed,) = role["Policies"][0]["PolicyDocument"]["Statement"]
        assert allowed["Action"] == "cloudwatch:PutMetricData"
        assert "s3DataDestination" not in each["metricsOutputConfig"]
    for other in (default, variant("domain group")):
        text = json.dumps(other.templates["Personalize"])
        assert "MetricAttribution" not in text and "cloudwatch:PutMetricData" not in text


def test_trainings_by_schedule_are_a_parameter_that_the_versions_follow(
    default: Deployment, variant: Any
) -> None:
    assert set(default.templates["Personalize"]["Parameters"]) == {"BootstrapVersion"}
    deployment = variant("domain group")
    template = deployment.templates["Personalize"]
    assert template["Parameters"]["Training"]["Default"] == "0"
    found = [one["Properties"] for one in starts(deployment).values()]
    (version,) = (one for one in found if one["Kind"] == "SolutionVersion")
    assert version["Request"]["trainingMode"] == "FULL"
    # the data's digest, and nothing more at first: to set a schedule trains nothing
    _, (digest, training) = version["Inputs"]["Fn::Join"]
    assert len(digest) == 64
    condition, first, later = training["Fn::If"]
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": "Training"}, "0"]}
    assert (first, later) == ("", {"Ref": "Training"})
    others = [one for one in found if one["Kind"] != "SolutionVersion"]
    assert others and '"Ref": "Training"' not in json.dumps(others)  # nor are data imported again
    (schedule,) = deployment.resources("Personalize", "AWS::Scheduler::Schedule").values()
    assert schedule["Properties"]["ScheduleExpression"] == "rate(7 days)"
    assert schedule["Properties"]["Target"]["Input"] == '{"scheduled": true}'
    (allowed,) = (
        one["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        for name, one in deployment.resources("Personalize", "AWS::IAM::Role").items()
        if name.startswith("PersonalizeTrainingFunctionRole")
    )
    actions = {action for one in allowed for action in np.atleast_1d(one["Action"]).tolist()}
    assert actions == {
        *("logs:CreateLogStream", "logs:PutLogEvents", "ssm:GetParameters"),
        *("cloudformation:DescribeStacks", "cloudformation:UpdateStack"),
    }
    (updates,) = (one for one in allowed if "cloudformation:" in json.dumps(one["Action"]))
    assert "stack/recommender-Personalize/*" in json.dumps(updates["Resource"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auto_training_days": 7, "schedule": "manual"}, "set one of the two"),
        ({"groups": "off", "schedule": "manual"}, "nothing of Amazon Personalize is deployed"),
        ({"schedule": "daily"}, r"personalize\.schedule: 'daily' is not a schedule in UTC"),
    ],
)
def test_schedule_that_cannot_hold_is_refused(data: Any, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.from_context({"data": str(data), "personalize": settings})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"personalize.min_tps": 3}, set()),
        ({"training.waits": 4, "training.max_minutes": 150}, set()),
        ({"log_days": 7}, set()),
        ({"personalize.batch": True}, set()),
        ({"personalize.groups": "both"}, set()),
        ({"personalize.solutions": "user-personalization-v2,sims"}, set()),
        ({"personalize.filters": False}, {"Custom/UnratedFilter"}),
        ({"personalize.event_tracker": False}, {"Custom/EventTracker"}),
        ({"personalize.auto_training_days": 7}, MODEL | VERSION),
        ({"personalize.solutions": "sims"}, MODEL | VERSION),
        ({"personalize.metadata": True}, GROUP | MODEL | VERSION),
    ],
    ids=str,
)
def test_changed_setting_replaces_resources(
    default: Deployment, synthesize: Synthesize, change: dict[str, Any], expected: set[str]
) -> None:
    assert replaced(default, synthesize(change)) == expected


def test_new_data_are_imported_in_place(
    default: Deployment, synthesize: Synthesize, tmp_path: Path
) -> None:
    after = synthesize({"data": str(write_data(tmp_path, events="1,1,Rating,5,881250949"))})
    assert replaced(default, after) == VERSION | {"Custom/InteractionsImport/Start"}


def test_changed_schema_creates_another_group(
    default: Deployment, synthesize: Synthesize, tmp_path: Path
) -> None:
    data = write_data(tmp_path, fields=("USER_ID", "ITEM_ID", "MOOD"))
    after = synthesize({"data": str(data)})
    assert replaced(default, after) == GROUP | MODEL | VERSION
    names = [
        {
            one["Properties"]["Name"]
            for one in resources(deployment).values()
            if one["Type"].startswith(NATIVE)
        }
        for deployment in (default, after)
    ]
    assert not names[0] & names[1], "no new name may collide with one that is still there"


# Settings ---------------------------------------------------------------------------------------


def errors_of(data: Path, settings: dict[str, Any], **more: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Config.from_context({"data": str(data), **settings}, **more)
    return caught.value.errors


@pytest.mark.parametrize("recipe", RETIRED)
def test_retired_recipes_are_refused_naming_the_successor(data: Path, recipe: str) -> None:
    for name in (recipe, f"aws-{recipe}"):
        (error,) = errors_of(data, {"personalize.solutions": name})
        assert error == f"personalize.solutions: {name} is retired; use {RETIRED[recipe]}"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"personalize.groups": "all"}, "personalize.groups: 'all' is not one of off, custom"),
        ({"personalize.solutions": "magic"}, "personalize.solutions: 'magic' is not one of"),
        ({"personalize.recommenders": "magic"}, "personalize.recommenders: 'magic' is not one"),
        ({"personalize.hpo": True}, "personalize.hpo: 'true' is not possible with user-personal"),
        ({"personalize.auto_training_days": 31}, "a whole number from 0 to 30"),
        ({"personalize.min_tps": 0}, "a whole number from 1 to 500"),
        ({"personalize.solutions": "item-attribute-affinity"}, "personalize.metadata: 'false'"),
        (
            {"region": "eu-west-2"},
            "CloudFormation does not support all of Amazon Personalize in eu-w",
        ),
    ],
    ids=lambda value: (
        str(value) if isinstance(value, dict) else ""
    ),  # a set's order differs from process to process
)
def test_invalid_value_is_one_error(data: Path, settings: dict[str, Any], told: str) -> None:
    (error,) = errors_of(data, settings)
    assert told in error


def test_region_of_the_credentials_is_checked(data: Path) -> None:
    (error,) = errors_of(data, {}, default_region="sa-east-1")
    assert "set it to off, or deploy to one of" in error
    off = {"data": str(data), "personalize.groups": "off"}
    assert Config.from_context(off, default_region="sa-east-1").personalize.groups == ()
    for region in REGIONS:
        Config.from_context({"data": str(data)}, default_region=region)


def test_data_with_red_findings_are_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path, red=("812 interactions", "no users"))
    (error,) = errors_of(data, {})
    assert "would reject the custom group's data" in error
    assert (
        "812 interactions; no users. Fix the data, or choose other groups with personalize.groups"
        in error
    )
    for groups in ("off", "domain"):
        Config.from_context({"data": str(data), "personalize.groups": groups})


def test_outdated_health_report_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    (data / "bucket/personalize/custom/interactions.csv").write_text("1,2,Rating,4,881250949")
    (error,) = errors_of(data, {})
    assert "the health report is out of date: run `python -m recsys health`" in error
    (data / "health.json").unlink()
    (error,) = errors_of(data, {})
    assert "run `python -m recsys health`" in error
