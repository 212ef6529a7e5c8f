"""CloudFormation's types of Personalize, with a fault at each operation that they call."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_aws.cloudformation.resources import personalize as types
from local_aws.cloudformation.resources.base import Call, Handler, Properties
from local_aws_tests.personalize.conftest import BUCKET, INTERACTIONS, World, interactions
from tests.reliability import Tally

ACCOUNT, REGION = "123456789012", "us-east-1"
WHAT = "CloudFormation's types of Personalize"
LISTS = ("dataset_groups", "schemas", "datasets", "campaigns", "event_trackers", "filters")


Plan = tuple[str, int, str]  # operation, number of the call, moment


class Impatient(threading.Event):
    """Waits never time out, and poll intervals are short."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(min(timeout or 0, 0.02))


class Saboteur:
    """A client of Personalize whose calls are counted, and one of which fails once."""

    def __init__(self, world: World) -> None:
        shared = world.personalize
        self.client: Any = boto3.Session(
            aws_access_key_id="local", aws_secret_access_key="local"
        ).client("personalize", region_name=REGION, endpoint_url=shared.meta.endpoint_url)
        self.client.meta.events.register("before-call.personalize", self._before)
        self.client.meta.events.register("after-call.personalize", self._after)
        self.calls: Counter[str] = Counter()
        self._plan: Plan | None = None

    def plans(self, do: Callable[[], Any], *moments: str) -> list[Plan]:
        """A fault at the first and at the second call of each operation that `do` calls.

        It comes `before` the call has its effect, or `after` it, so that the answer is lost.
        """
        self.calls.clear()
        do()
        return [
            (operation, number, moment)
            for operation, count in self.calls.items()
            for number in range(1, min(count, 2) + 1)
            for moment in moments
        ]

    def arm(self, plan: Plan | None) -> None:
        """Let it happen, once; not at all if the call is not made, for looks differ in number."""
        self.calls.clear()
        self._plan = plan

    def _before(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1
        self._strike(model.name, "before")

    def _after(self, model: Any, **_: Any) -> None:
        self._strike(model.name, "after")

    def _strike(self, operation: str, moment: str) -> None:
        if self._plan == (operation, self.calls[operation], moment):
            self._plan = None
            raise Fault({"Error": {"Code": "InternalServerException"}}, operation)


class Fault(ClientError):
    """One that was injected."""


@dataclass
class Case:
    """A type: what is made of it, and what it is changed to where it stands."""

    handler: Handler
    properties: Properties
    changed: Properties = field(default_factory=dict)

    @property
    def after(self) -> Properties:
        return self.properties | self.changed


def _tags(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


@pytest.fixture(scope="module")
def cases(world: World) -> Iterator[dict[str, Case]]:
    group, empty = world.group(), world.group()
    world.load(world.dataset(group, "Interactions", INTERACTIONS), interactions())
    solution = world.solution(group, "aws-popularity-count")
    versions = [world.version(solution) for _ in range(2)]
    for version in versions:
        assert world.settled("solutionVersion", version)["status"] == "ACTIVE"
    schema = world.personalize.create_schema(name="of-the-dataset", schema=INTERACTIONS)
    world.s3.put_object(Bucket=BUCKET, Key="type.csv", Body=interactions())
    job = {
        "JobName": "first",
        "DataSource": {"DataLocation": f"s3://{BUCKET}/type.csv"},
        "RoleArn": world.role,
    }
    found = (
        Case(types.DatasetGroup(), {"Name": "made", "Tags": _tags(a="1")}),
        Case(types.Schema(), {"Name": "made", "Schema": INTERACTIONS}),
        Case(
            types.Dataset(),
            {
                "Name": "made",
                "DatasetGroupArn": empty,
                "DatasetType": "Interactions",
                "SchemaArn": schema["schemaArn"],
                "DatasetImportJob": job,
            },
        ),
        Case(
            types.Campaign(),
            {
                "Name": "made",
                "SolutionVersionArn": versions[0],
                "MinProvisionedTPS": 1,
                "CampaignConfig": {"EnableMetadataWithRecommendations": False},
                "Tags": _tags(a="1", b="2"),
            },
            {
                "SolutionVersionArn": versions[1],
                "MinProvisionedTPS": 2,
                "CampaignConfig": {"EnableMetadataWithRecommendations": True},
                "Tags": _tags(a="3", c="4"),
            },
        ),
        Case(
            types.EventTracker(),
            {"Name": "made", "DatasetGroupArn": group, "Tags": _tags(a="1", b="2")},
            {"Tags": _tags(a="3", c="4")},
        ),
        Case(
            types.Filter(),
            {
                "Name": "made",
                "DatasetGroupArn": group,
                "FilterExpression": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")',
                "Tags": _tags(a="1", b="2"),
            },
            {"Tags": _tags(a="3", c="4")},
        ),
    )
    yield {case.handler.noun: case for case in found}  # type: ignore[attr-defined]
    world.clear(group)
    world.clear(empty)


@pytest.mark.parametrize("noun", [handler.noun for handler in types.HANDLERS])
def test_fault_at_any_call_leaves_and_loses_nothing(
    world: World, cases: dict[str, Case], tally: Tally, noun: str
) -> None:
    case, saboteur, before = cases[noun], Saboteur(world), _everything(world)
    handler = case.handler
    old, new = case.properties, case.properties | case.changed

    def call(properties: Properties, was: Properties, arn: str | None) -> Call:
        return Call(
            stack_name="stack",
            stack_id="",
            region=REGION,
            account_id=ACCOUNT,
            logical_id="R",
            type=handler.type,
            properties=properties,
            old=was,
            physical_id=arn,
            attributes={},
            client=lambda _: saboteur.client,
            cancelled=Impatient(),
        )

    def create() -> str:
        making = call(old, {}, None)
        try:
            attributes = handler.create(making)
        except Fault:
            if making.physical_id:
                remove(making.physical_id)
            raise
        assert making.physical_id in attributes.values()
        return str(making.physical_id)

    def update(was: Properties, properties: Properties) -> None:
        handler.update(call(properties, was, arn))

    def remove(arn: str) -> None:
        with pytest.raises(ClientError) as caught:
            handler.delete(call(old, old, arn))
        if not handler.gone(caught.value):
            raise caught.value

    # A creation that fails is deleted if it has an id, as CloudFormation does it.
    for plan in saboteur.plans(lambda: remove(create()), "before"):
        saboteur.arm(plan)
        try:
            made = create()
        except Fault:
            tally("faults injected", WHAT)
        else:
            saboteur.arm(None)
            remove(made)
        assert _everything(world) == before, plan

    # An update that fails is rolled back: the same with old and new exchanged.
    arn = create()
    stands = _everything(world)[arn]

    def there_and_back() -> None:
        update(old, new)
        assert _everything(world)[arn] != stands
        update(new, old)

    for plan in saboteur.plans(there_and_back, "before", "after") if case.changed else ():
        saboteur.arm(plan)
        try:
            there_and_back()
        except Fault:
            tally("faults injected", WHAT)
            update(new, old)
        assert _everything(world)[arn] == stands, plan

    # A deletion that fails is tried again.
    for plan in saboteur.plans(partial(remove, arn), "before", "after"):
        doomed = create()
        saboteur.arm(plan)
        try:
            remove(doomed)
        except Fault:
            tally("faults injected", WHAT)
            remove(doomed)
        assert _everything(world) == before, plan


def _everything(world: World) -> dict[str, Any]:
    """Every resource that the types make, by ARN: what it is, without the times and random ids."""
    api, found = world.personalize, {}
    for plural in LISTS:
        kind = plural.removesuffix("s")
        for page in api.get_paginator(f"list_{plural}").paginate():
            for entry in next(value for value in page.values() if isinstance(value, list)):
                words = kind.split("_")
                key = words[0] + "".join(word.capitalize() for word in words[1:])
                arn = entry[f"{key}Arn"]
                shown = getattr(api, f"describe_{kind}")(**{f"{key}Arn": arn})[key]
                tags = (
                    [] if kind == "schema" else api.list_tags_for_resource(resourceArn=arn)["tags"]
                )
                found[arn] = {
                    **{k: v for k, v in shown.items() if not k.endswith("DateTime")},
                    "tags": sorted((tag["tagKey"], tag["tagValue"]) for tag in tags),
                }
                for chance in ("trackingId", "latestCampaignUpdate"):
                    found[arn].pop(chance, None)
    return found
