"""The pairs that engines score for everybody, on moto's S3."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import numpy as np
import pytest
from list_training import handler as training
from list_training.handler import ListTrainingError

from recsys.lists.model import ListModel
from tests.lambdas.test_lists import BUCKET, STACK, aws, deploy, upload  # noqa: F401
from tests.lambdas.test_movie_index import Context

PREFIX = "pairs/1/"
PROPERTIES = {
    "Bucket": BUCKET,
    "Interactions": "interactions.npz",
    "Catalogue": "catalogue.json",
    "Best": "3",
    "Forms": "columns,tokens",
    "Sizes": "30,9",
    "Output": PREFIX,
}


def event(kind: str = "Create", **more: str) -> dict[str, Any]:
    asked = {
        "RequestType": kind,
        "ResourceType": training.PAIRS,
        "LogicalResourceId": "Pairs",
        "StackId": STACK,
        "ResourceProperties": {**PROPERTIES, "Model": "none", **more},
        "PhysicalResourceId": f"s3://{BUCKET}/{PREFIX}",
    }
    return asked | training.on_event(asked, None)


def write(**more: str) -> Iterator[dict[str, Any]]:
    """The answers, each of a call that has time for one part."""
    while True:
        answer = training.is_complete(event(**more), Context(1))
        yield answer
        if answer["IsComplete"]:
            return


def lines() -> list[dict[str, Any]]:
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}parts/").get("Contents", [])
    bodies = [s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read() for one in found]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.fixture
def model(aws: None) -> str:  # noqa: F811
    """The key of lists that were trained from what `upload` writes."""
    upload()
    return str(deploy()[1]["Data"]["ModelKey"])


def learned(model: str) -> ListModel:
    content = boto3.client("s3").get_object(Bucket=BUCKET, Key=model)["Body"].read()
    return ListModel.from_bytes(content)


def test_pairs_are_the_lists_best_items_that_are_new_to_a_user(model: str) -> None:
    assert [*write(Model=model)][-1]["Data"] == {"Users": "30"}
    found = lines()
    # even users have taken the items 1 to 4, odd ones 5 to 8: 15 users each, and 3 of 4 are left
    assert len(found) == 30 * 3
    lists = learned(model)
    for user in (0, 1, 28):
        own = [one for one in found if one["user"] == str(user)]
        assert [one["place"] for one in own] == [1, 2, 3]
        assert {one["count"] for one in own} == {15}
        taken = range(4, 8) if user % 2 else range(4)
        scores = lists.scores(lists.history([(place, 4.0) for place in taken]))
        left = {*range(8)} - {*taken}
        chosen = [int(one["item"].removeprefix("i")) for one in own]
        assert len({*chosen}) == 3 and {*chosen} <= left
        best = sorted((scores[place] for place in left), reverse=True)[:3]
        assert scores[chosen].tolist() == best
        # the engines' number of item i0 is 1
        assert [one["tokens"] for one in own] == [
            {"in0": [user], "in1": [place + 1]} for place in chosen
        ]


def test_every_form_asks_for_the_same_pair(model: str) -> None:
    [*write(Model=model)]
    for pair in lines():
        ((user,), (item,)) = pair["tokens"]["in0"], pair["tokens"]["in1"]
        # 30 columns of users, then 9 of items
        row = {"keys": [user, 30 + item], "shape": [39], "values": [1, 1]}
        assert pair["columns"] == {"data": {"features": row}}


def test_only_the_forms_that_are_needed_are_written(model: str) -> None:
    [*write(Model=model, Forms="tokens")]
    assert {*lines()[0]} == {"user", "item", "place", "count", "tokens"}


def test_a_user_who_has_taken_everything_has_no_pairs(aws: None) -> None:  # noqa: F811
    # as `upload`, but user 0 has taken all eight items
    users = np.append(np.repeat(np.arange(30), 4), [0] * 4)
    items = np.append(
        (np.repeat(np.arange(30), 4) % 2) * 4 + np.tile(np.arange(4), 30), range(4, 8)
    )
    columns = {"value": np.full(124, 4, np.float32), "timestamp": np.arange(124)}
    upload(user=users, item=items + 1, **columns)
    assert [*write(Model=deploy()[1]["Data"]["ModelKey"])][-1]["Data"] == {"Users": "30"}
    assert {one["user"] for one in lines()} == {str(user) for user in range(1, 30)}


def test_writing_goes_on_where_the_time_was_over(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [*write(Model=model)]
    whole = lines()
    training.is_complete(event("Delete"), None)
    assert not lines()
    monkeypatch.setattr("list_training.pairs.PART", 7)
    answers = [*write(Model=model)]
    assert len(answers) == 5 + 1  # 30 users in parts of 7, and what tells that all are there
    assert lines() == whole


def test_pairs_that_are_there_stay_whatever_the_lists_have_learned_since(model: str) -> None:
    [*write(Model=model)]
    s3 = boto3.client("s3")
    before = s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}parts/part-00000.jsonl")["LastModified"]
    (answer,) = write(Model="of-a-retraining.npz")
    assert answer["Data"] == {"Users": "30"}
    after = s3.head_object(Bucket=BUCKET, Key=f"{PREFIX}parts/part-00000.jsonl")["LastModified"]
    assert after == before


def test_pairs_have_the_datas_own_ids(model: str) -> None:
    ids = {"users": {f'the "{number}"': number for number in range(30)}, "items": {}}
    boto3.client("s3").put_object(Bucket=BUCKET, Key="ids.json", Body=json.dumps(ids))
    [*write(Model=model, Ids="ids.json")]
    found = lines()
    assert all(one["user"] == f'the "{one["tokens"]["in0"][0]}"' for one in found)


def test_deleted_pairs_are_gone_and_may_be_deleted_again(model: str) -> None:
    [*write(Model=model)]
    for _ in range(2):
        assert training.is_complete(event("Delete"), None) == {"IsComplete": True}
    found = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)
    assert "Contents" not in found
    for name in ("recommender-Lists-Pairs-1ABC", "s3://no-such-bucket/pairs/1/"):
        gone = {**event("Delete"), "PhysicalResourceId": name}
        assert training.is_complete(gone, None) == {"IsComplete": True}


def test_properties_that_make_no_sense_are_told_at_once() -> None:
    with pytest.raises(ListTrainingError) as refused:
        event(Bucket="", Best="all", Forms="rows", Sizes="3", Output="pairs")
    for words in ("Bucket is missing", "Best must", "Forms must", "Sizes must", "Output must"):
        assert words in str(refused.value)


def test_missing_lists_fail_with_their_place(aws: None) -> None:  # noqa: F811
    upload()
    with pytest.raises(ListTrainingError, match=r"s3://movies/none cannot be read"):
        [*write()]
