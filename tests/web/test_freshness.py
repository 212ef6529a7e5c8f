"""The page of the lists' freshness: ages, events and generations, from what AWS answers."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from web.app import create_app
from web.freshness import look
from web.posters import Omdb
from web.service import Service

NOW = datetime.now(UTC)
MANIFEST = {"begun": "2026-11-30T03:00:00+00:00", "before": 0, "users": 9, "unknown_events": 2}
ACCEPTED = {
    "refused": [],
    "comparison": {"candidate": 0.33, "current": 0.31, "low": -0.001, "high": 0.04, "users": 81},
}
WORSE = "nDCG@10 0.20 against 0.33 of the model in service"
REFUSED = {"refused": [WORSE], "comparison": {**ACCEPTED["comparison"], "candidate": 0.2}}  # type: ignore[dict-item]


def clients(
    generation: str | None = "2", status: str = "UPDATE_COMPLETE", lists: bool = True
) -> Any:
    """AWS with a deployment whose lists were retrained four times."""
    files: dict[str, Any] = {
        "lists/generations/1/manifest.json": {**MANIFEST, "events": 100},
        "lists/generations/1/report.json": ACCEPTED,
        "lists/generations/2/manifest.json": {**MANIFEST, "events": 150},
        "lists/generations/2/report.json": ACCEPTED,
        "lists/generations/3/manifest.json": {**MANIFEST, "events": 160},
        "lists/generations/3/report.json": REFUSED,
        "lists/generations/10/manifest.json": {"begun": MANIFEST["begun"]},
        "lists/generations/10/interactions.npz": None,
    }
    outputs = {
        "BucketName": "data",
        "HeldOutKey": "held-out",
        **(
            {"ListsModelKey": "lists/models/m.npz", "HistoriesTableName": "histories"}
            if lists
            else {}
        ),
        "ListsMetrics": json.dumps({"interactions": 90}),
    }
    stack = {
        "StackName": "shop-Lists",
        "StackStatus": status,
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Parameters": [
            {"ParameterKey": "BootstrapVersion", "ParameterValue": "/cdk"},
            *(
                [{"ParameterKey": "Generation01234567", "ParameterValue": generation}]
                if generation
                else []
            ),
        ],
    }
    stacks = {"Stacks": [stack]}
    listed = {"Contents": [{"Key": key} for key in files]}

    def get_object(Bucket: str, Key: str) -> Any:  # noqa: N803
        return {"Body": io.BytesIO(json.dumps(files[Key]).encode())}

    def pages(answer: Any) -> Any:
        return lambda _: SimpleNamespace(paginate=lambda **_: [answer])

    return SimpleNamespace(
        cloudformation=SimpleNamespace(
            get_paginator=pages(stacks),
            describe_stacks=lambda StackName: stacks,  # noqa: N803
        ),
        dynamodb=SimpleNamespace(
            describe_table=lambda TableName: {"Table": {"ItemCount": 1160}}  # noqa: N803
        ),
        s3=SimpleNamespace(
            get_paginator=pages(listed),
            get_object=get_object,
            head_object=lambda **_: {"LastModified": NOW - timedelta(days=3, hours=1)},
        ),
    )


def test_generations_tell_what_became_of_their_models() -> None:
    found = look(clients(), "shop")
    assert found
    assert [(one.number, one.state) for one in found.generations] == [
        (10, "failed"),  # no report, and nothing is in progress
        (3, "refused"),
        (2, "in service"),
        (1, "replaced"),
    ]
    # the generation in service has learned from 150 events, and left out 2
    assert (found.generation, found.learned, found.since) == (2, 152, 1008)
    assert found.generations[1].refused == (WORSE,)
    assert found.generations[0].report is None


def test_generation_without_a_report_is_in_progress_while_the_stack_is_changed() -> None:
    found = look(clients(status="UPDATE_IN_PROGRESS"), "shop")
    assert found and found.busy and found.generations[0].state == "in progress"


@pytest.mark.parametrize(("given", "expected"), [(None, None), ("0", 0)])
def test_deployed_data_are_in_service_before_the_first_retraining(
    given: str | None, expected: int | None
) -> None:
    found = look(clients(given), "shop")
    assert found and (found.generation, found.learned, found.since) == (expected, 90, 1070)


def test_freshness_page_shows_age_events_and_reasons(tmp_path: Path) -> None:
    client = create_app(
        Service(clients(), "shop"), Omdb(None, tmp_path, "", 0), b"a secret"
    ).test_client()
    answer = client.get("/freshness")
    assert answer.status_code == 200
    for words in (
        "trained 3 days ago, on 152 events",
        "About 1,008 came since",
        "Generation 2 is in service",
        f"refused: {WORSE}",
        "0.3300 against 0.3100 (-0.0010 to +0.0400), 81 users",
        "lists/generations/2/report.html",
    ):
        assert words in answer.text


def test_deployment_without_lists_says_so(tmp_path: Path) -> None:
    service = Service(clients(lists=False), "shop")
    client = create_app(service, Omdb(None, tmp_path, "", 0), b"a secret").test_client()
    assert "No lists are deployed" in client.get("/freshness").text
