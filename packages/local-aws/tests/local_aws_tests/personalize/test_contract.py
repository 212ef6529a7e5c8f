"""Every implemented operation, once round: a domain group as the media workshop makes it.

The clients check each answer against botocore's model (see `World`); here it is made sure that no
operation was forgotten.
"""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from local_aws import plugins
from local_aws.moto_patches import install
from local_aws.personalize import coverage

pytestmark = pytest.mark.slow

COVERAGE = Path(__file__).resolve().parents[3] / "docs" / "personalize-coverage.md"
DOMAIN = "VIDEO_ON_DEMAND"
RECIPE = "arn:aws:personalize:::recipe/"
BUCKET = "ratings"


def test_coverage_table_is_current() -> None:
    assert COVERAGE.read_text("utf-8") == coverage.table(), (
        f"run python -m local_aws.personalize.coverage > {COVERAGE}"
    )


def test_lifecycle_uses_every_operation(world: Any) -> None:
    api, runtime, events = world.personalize, world.runtime, world.events
    group = world.filled(DOMAIN)
    datasets = {d["datasetType"]: d["datasetArn"] for d in _all(api, "list_datasets", "datasets")}
    assert set(datasets) == {"INTERACTIONS", "ITEMS", "USERS"}

    # recommenders
    assert (
        api.describe_recipe(recipeArn=RECIPE + "aws-vod-top-picks")["recipe"]["status"] == "ACTIVE"
    )
    recipes = _all(api, "list_recipes", "recipes", domain=DOMAIN)
    assert {recipe["domain"] for recipe in recipes} == {DOMAIN}
    recipe = api.describe_recipe(recipeArn=RECIPE + "aws-sims")["recipe"]
    api.describe_algorithm(algorithmArn=recipe["algorithmArn"])
    api.describe_feature_transformation(featureTransformationArn=recipe["featureTransformationArn"])
    more, top = (
        api.create_recommender(
            name=name,
            datasetGroupArn=group,
            recipeArn=RECIPE + recipe,
            recommenderConfig={"enableMetadataWithRecommendations": True},
        )["recommenderArn"]
        for name, recipe in (("more-like-x", "aws-vod-more-like-x"), ("top", "aws-vod-top-picks"))
    )
    solution = world.solution(group, "aws-personalized-ranking", performHPO=False)
    version = world.version(solution)
    for arn in (more, top):
        found = world.settled("recommender", arn)
        assert found["status"] == "ACTIVE", found
        assert found["modelMetrics"]["precision_at_5"] >= 0
    assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
    summaries = _all(api, "list_recommenders", "recommenders", datasetGroupArn=group)
    assert [summary["recommenderArn"] for summary in summaries] == [more, top]

    # a use case asks for its own parameters, and never shows what was watched
    with pytest.raises(runtime.exceptions.InvalidInputException, match="userId"):
        runtime.get_recommendations(recommenderArn=more, itemId="i8")
    with pytest.raises(runtime.exceptions.InvalidInputException, match="itemId"):
        runtime.get_recommendations(recommenderArn=more, userId="u1")
    tracker = api.create_event_tracker(name="MovieTracker", datasetGroupArn=group)
    world.settled("eventTracker", tracker["eventTrackerArn"])
    assert _all(api, "list_event_trackers", "eventTrackers", datasetGroupArn=group)
    first = world.ids(recommenderArn=top, userId="u1")[0]
    watched = {
        "eventType": "watch",
        "sentAt": datetime.datetime.now(datetime.UTC),
        "properties": json.dumps({"itemId": first}),
    }
    events.put_events(
        trackingId=tracker["trackingId"], userId="u1", sessionId="s", eventList=[watched]
    )
    assert first not in world.ids(recommenderArn=top, userId="u1", numResults=500)
    assert first not in world.ids(recommenderArn=more, userId="u1", itemId="i8", numResults=500)
    item = {"genres": "War", "creationTimestamp": 1}
    events.put_items(
        datasetArn=datasets["ITEMS"],
        items=[{"itemId": "new", "properties": json.dumps(item)}],
    )
    events.put_users(
        datasetArn=datasets["USERS"],
        users=[{"userId": "u1", "properties": json.dumps({"LEVEL": "gold"})}],
    )

    # stop, start, update
    api.stop_recommender(recommenderArn=top)
    assert world.settled("recommender", top)["status"] == "INACTIVE"
    with pytest.raises(runtime.exceptions.InvalidInputException, match="INACTIVE"):
        runtime.get_recommendations(recommenderArn=top, userId="u1")
    api.start_recommender(recommenderArn=top)
    assert world.settled("recommender", top)["status"] == "ACTIVE"
    api.update_recommender(
        recommenderArn=top, recommenderConfig={"minRecommendationRequestsPerSecond": 2}
    )
    found = world.settled("recommender", top, "latestRecommenderUpdate")
    assert found["recommenderConfig"]["minRecommendationRequestsPerSecond"] == 2
    assert found["recommenderConfig"]["enableMetadataWithRecommendations"] is True

    # solution, campaign, filter, batch
    assert api.get_solution_metrics(solutionVersionArn=version)["metrics"]
    api.update_solution(solutionArn=solution, performAutoTraining=False)
    world.settled("solution", solution, "latestSolutionUpdate")
    assert _all(api, "list_solutions", "solutions", datasetGroupArn=group)
    assert _all(api, "list_solution_versions", "solutionVersions", solutionArn=solution)
    campaign = world.campaign(version, minProvisionedTPS=1)
    assert _all(api, "list_campaigns", "campaigns", solutionArn=solution)
    api.update_campaign(campaignArn=campaign, minProvisionedTPS=2)
    world.settled("campaign", campaign, "latestCampaignUpdate")
    runtime.get_personalized_ranking(campaignArn=campaign, userId="u1", inputList=["i1", "i2"])
    genre = world.filter(group, "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)")
    assert _all(api, "list_filters", "Filters", datasetGroupArn=group)
    comedies = world.ids(
        recommenderArn=top, userId="u2", filterArn=genre, filterValues={"GENRE": '"Comedy"'}
    )
    assert comedies
    assert all(int(each[1:]) % 4 == 0 for each in comedies)
    world.s3.put_object(Bucket=BUCKET, Key="b.json", Body='{"userId":"u1","itemList":["i1"]}\n')
    job = {
        "roleArn": world.role,
        "jobInput": {"s3DataSource": {"path": f"s3://{BUCKET}/b.json"}},
        "jobOutput": {"s3DataDestination": {"path": f"s3://{BUCKET}/out/"}},
    }
    made = api.create_batch_inference_job(jobName="b", solutionVersionArn=version, **job)
    found = world.settled("batchInferenceJob", made["batchInferenceJobArn"])
    assert found["status"] == "ACTIVE", found
    assert _all(api, "list_batch_inference_jobs", "batchInferenceJobs")
    affinity = world.version(world.solution(group, "aws-item-affinity"))
    world.settled("solutionVersion", affinity)
    world.s3.put_object(Bucket=BUCKET, Key="b.json", Body='{"itemId":"i1"}\n')
    made = api.create_batch_segment_job(jobName="s", solutionVersionArn=affinity, **job)
    found = world.settled("batchSegmentJob", made["batchSegmentJobArn"])
    assert found["status"] == "ACTIVE", found
    assert _all(api, "list_batch_segment_jobs", "batchSegmentJobs")
    stopped = world.version(solution)
    api.stop_solution_version_creation(solutionVersionArn=stopped)
    assert world.settled("solutionVersion", stopped)["status"] == "CREATE STOPPED"

    # what is measured, given back and forgotten
    output = {"roleArn": world.role}
    watches = {"eventType": "Watch", "metricName": "WATCHES", "expression": "SAMPLECOUNT()"}
    made = api.create_metric_attribution(
        name="m", datasetGroupArn=group, metrics=[watches], metricsOutputConfig=output
    )
    named = {"metricAttributionArn": made["metricAttributionArn"]}
    world.settled("metricAttribution", made["metricAttributionArn"])
    api.update_metric_attribution(metricsOutputConfig=output, **named)
    assert api.list_metric_attribution_metrics(**named)["metrics"] == [watches]
    assert _all(api, "list_metric_attributions", "metricAttributions", datasetGroupArn=group)
    api.delete_metric_attribution(**named)
    world.gone("metricAttribution", made["metricAttributionArn"])
    made = api.create_dataset_export_job(
        jobName="e",
        datasetArn=datasets["USERS"],
        roleArn=world.role,
        jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/out/"}},
    )
    found = world.settled("datasetExportJob", made["datasetExportJobArn"])
    assert found["status"] == "ACTIVE", found
    assert _all(api, "list_dataset_export_jobs", "datasetExportJobs", datasetArn=datasets["USERS"])
    world.s3.put_object(Bucket=BUCKET, Key="users.csv", Body="USER_ID\nu5\n")
    made = api.create_data_deletion_job(
        jobName="d",
        datasetGroupArn=group,
        dataSource={"dataLocation": f"s3://{BUCKET}/users.csv"},
        roleArn=world.role,
    )
    found = world.settled("dataDeletionJob", made["dataDeletionJobArn"])
    assert found["status"] == "COMPLETED", found
    assert api.list_data_deletion_jobs(datasetGroupArn=group)["dataDeletionJobs"]

    # the rest of the lists, tags, and the end
    assert len(_all(api, "list_dataset_import_jobs", "datasetImportJobs")) == 3
    assert len(_all(api, "list_dataset_groups", "datasetGroups")) == 1
    api.tag_resource(resourceArn=group, tags=[{"tagKey": "a", "tagValue": "b"}])
    api.untag_resource(resourceArn=group, tagKeys=["a"])
    assert api.list_tags_for_resource(resourceArn=group)["tags"] == []
    schema = world.describe("dataset", datasets["ITEMS"])["schemaArn"]
    api.update_dataset(datasetArn=datasets["ITEMS"], schemaArn=schema)
    world.settled("dataset", datasets["ITEMS"], "latestDatasetUpdate")
    world.clear(group)
    schemas = _all(api, "list_schemas", "schemas")
    for found in schemas:
        assert api.describe_schema(schemaArn=found["schemaArn"])["schema"]["domain"] == DOMAIN
        api.delete_schema(schemaArn=found["schemaArn"])

    implemented = {
        (response.service, name)
        for _, response in coverage._APIS
        for name, there in coverage.implemented(response).items()
        if there
    }
    assert world.called & implemented == implemented


@pytest.mark.skipif(
    not plugins.personalize_models(),
    reason="needs a distribution that provides Personalize models, such as recsys",
)
def test_lifecycle_leaves_nothing(world: Any) -> None:
    for operation, key in (
        ("list_dataset_groups", "datasetGroups"),
        ("list_datasets", "datasets"),
        ("list_dataset_import_jobs", "datasetImportJobs"),
        ("list_dataset_export_jobs", "datasetExportJobs"),
        ("list_metric_attributions", "metricAttributions"),
        ("list_solutions", "solutions"),
        ("list_recommenders", "recommenders"),
        ("list_campaigns", "campaigns"),
        ("list_batch_inference_jobs", "batchInferenceJobs"),
        ("list_schemas", "schemas"),
    ):
        assert _all(world.personalize, operation, key) == []
    assert world.personalize.list_data_deletion_jobs()["dataDeletionJobs"] == []


def test_lifecycle_works_under_mock_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the caller's process, without a server; the data planes have hosts of their own."""
    from local_aws import clients
    from local_aws_tests.personalize.conftest import INTERACTIONS, World, interactions

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(clients, "_endpoint_url", None)
    install()
    with mock_aws():
        clients._client.cache_clear()
        world = World()
        group = world.group()
        dataset = world.dataset(group, "Interactions", INTERACTIONS)
        assert world.load(dataset, interactions())["status"] == "ACTIVE"
        version = world.version(world.solution(group, "aws-popularity-count"))
        assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
        campaign = world.campaign(version)
        tracker = world.personalize.create_event_tracker(name="t", datasetGroupArn=group)
        world.settled("eventTracker", tracker["eventTrackerArn"])
        world.events.put_events(
            trackingId=tracker["trackingId"],
            userId="u1",
            sessionId="s",
            eventList=[{"eventType": "Click", "sentAt": 1, "itemId": "i1"}],
        )
        assert len(world.ids(campaignArn=campaign, userId="u1", numResults=3)) == 3
    clients._client.cache_clear()


def _all(api: Any, operation: str, key: str, **where: Any) -> list[Any]:
    pages = api.get_paginator(operation).paginate(**where)
    return [entry for page in pages for entry in page[key]]
