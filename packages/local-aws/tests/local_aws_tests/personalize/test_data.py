"""What a dataset group learns from, without any AWS."""

import json

from local_aws.personalize import schemas
from local_aws.personalize.data import GroupData
from local_aws.personalize.solutions import excluded_columns
from local_aws_tests.personalize.conftest import ITEMS

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Interactions",
        "namespace": "com.amazonaws.personalize.schema",
        "fields": [
            {"name": "USER_ID", "type": "string"},
            {"name": "ITEM_ID", "type": "string"},
            {"name": "TIMESTAMP", "type": "long"},
        ],
        "version": "1.0",
    }
)


def test_event_whose_id_came_before_is_no_part_of_a_training() -> None:
    """botocore on eventId: further events of the same id are not used in model training."""
    data = GroupData()
    data.open(schemas.parse(SCHEMA))
    for moment, identity in enumerate(["a", "a", "b", None, None, "a"]):
        data.put_event("ann", "s", "film", moment, "Watch", None, {}, identity)
    assert data.interactions is not None
    assert data.interactions.all().timestamp.tolist() == [0, 2, 3, 4]
    # the user's own history has all of them
    assert data.interactions.history(data.users.find("ann")).timestamp.tolist() == [*range(6)]


def test_event_that_came_twice_stays_so_when_its_session_gets_a_user() -> None:
    data = GroupData()
    data.open(schemas.parse(SCHEMA))
    for moment in (0, 1):
        data.put_event(None, "s", "film", moment, "Watch", None, {}, "a")
    data.put_event("ann", "s", "film", 2, "Watch", None, {}, "b")
    assert data.interactions is not None
    events = data.interactions.all()
    assert events.timestamp.tolist() == [0, 2]
    assert {data.users.names[user] for user in events.user} == {"ann"}


def test_columns_that_are_not_included_are_excluded() -> None:
    data = GroupData()
    data.open(schemas.parse(ITEMS))
    config = {
        "includedDatasetColumns": {"ITEMS": ["ITEM_ID", "GENRES", "YEAR", "PLOT"]},
        "excludedDatasetColumns": {"ITEMS": ["PLOT"], "USERS": ["AGE"]},
    }
    found = excluded_columns(config, data)
    assert found == {"ITEMS": ["PLOT", "CREATION_TIMESTAMP", "ADULT"], "USERS": ["AGE"]}
    assert excluded_columns({}, data) == {}
