"""The page of the lists' freshness: ages, events and generations, from what AWS answers."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from web.answers import Look
from web.app import create_app
from web.charts import chart
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


EXPERIMENTS = {
    "recency": {"kind": "ab", "arms": {"as-is": {"share": 50}, "recent": {"share": 50}}},
    "new": {"kind": "interleaving", "arms": {"a": {"share": 50}, "b": {"share": 50}}},
}
LOOKS = [  # users, lift, low, high
    (50, 0.5, -1, None),
    (100, 0.25, -0.5, 1.0),
    (150, 0.25, 0, 0.5),
    (200, 0.5, 0.25, 0.75),
]
COURSE = [dict(zip(("users", "change", "low", "high"), one, strict=True)) for one in LOOKS]
REPORT = {
    "at": datetime(2026, 12, 14, 0, 53, tzinfo=UTC).timestamp(),
    "verdict": ["recent is better than as-is."],
    "waiting": 1499,
    "comparisons": [{"arm": "recent", "users": 100, "course": COURSE}],
}


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
        "experiments/recency.json": REPORT,
    }
    outputs = {
        "BucketName": "data",
        "HeldOutKey": "held-out",
        **(
            {"ListsModelKey": "lists/models/m.npz", "HistoriesTableName": "histories"}
            if lists
            else {}
        ),
        "ListsFunctionName": "shop-Lists",
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
        if Key not in files:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(json.dumps(files[Key]).encode())}

    def pages(answer: Any) -> Any:
        return lambda _: SimpleNamespace(paginate=lambda **_: [answer])

    return SimpleNamespace(
        cloudformation=SimpleNamespace(
            get_paginator=pages(stacks),
            describe_stacks=lambda StackName: stacks,  # noqa: N803
        ),
        functions=SimpleNamespace(
            get_function_configuration=lambda FunctionName: {  # noqa: N803
                "Environment": {"Variables": {"EXPERIMENTS": json.dumps(EXPERIMENTS)}}
            }
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


def test_chart_has_the_scale_of_the_settled_intervals() -> None:
    found = look(clients(), "shop")
    assert found
    recency, new = found.experiments
    assert (new.arms, new.at, new.against) == ("a 50 %, b 50 %", None, ())
    drawn = recency.against[0].chart
    assert drawn
    # from −0.5 to 1 in 200 points; the first interval, from −1 to infinity, is cut off
    assert (drawn.bottom, drawn.top, drawn.zero, drawn.users) == (-0.5, 1.0, 133.3, 200)
    assert drawn.line == "160,66.7 320,100 480,100 640,66.7"
    assert drawn.band == "160,0 320,0 480,66.7 640,33.3 640,100 480,133.3 320,200 160,200"


def test_chart_needs_two_looks() -> None:
    assert chart([Look.model_validate(COURSE[0])]) is None


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
        "A/B of as-is 50 %, recent 50 %.",
        "recent is better than as-is.",
        "As of 2026-12-14 00:53 UTC; 1,499 more users",
        'points="160,66.7 320,100 480,100 640,66.7"',
        "No report yet: <code>make experiment NAME=new</code>",
    ):
        assert words in answer.text


def test_deployment_without_lists_says_so(tmp_path: Path) -> None:
    service = Service(clients(lists=False), "shop")
    client = create_app(service, Omdb(None, tmp_path, "", 0), b"a secret").test_client()
    assert "No lists are deployed" in client.get("/freshness").text
