import json
import random
import re
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from local_aws import plugins
from local_aws.server import LocalAws

BUCKET = "ratings"
GENRES = ["Comedy", "Drama", "War", "Western"]
RECIPE = "arn:aws:personalize:::recipe/"
SERVICES = ("personalize", "personalize-runtime", "personalize-events")


def avro(name: str, *fields: tuple[Any, ...]) -> str:
    """An Avro schema; a field is (name, type) or (name, type, attribute)."""
    described = [
        {"name": f[0], "type": f[1], **({f[2]: True} if len(f) > 2 else {})} for f in fields
    ]
    document = {"type": "record", "name": name, "namespace": "com.amazonaws.personalize.schema"}
    return json.dumps({**document, "fields": described, "version": "1.0"})


INTERACTIONS = avro(
    "Interactions",
    ("USER_ID", "string"),
    ("ITEM_ID", "string"),
    ("EVENT_TYPE", "string"),
    ("TIMESTAMP", "long"),
)
ITEMS = avro(
    "Items",
    ("ITEM_ID", "string"),
    ("GENRES", ["null", "string"], "categorical"),
    ("YEAR", ["int", "null"]),
    ("CREATION_TIMESTAMP", "long"),
    ("ADULT", ["boolean", "null"]),
    ("PLOT", ["null", "string"], "textual"),
)
USERS = avro(
    "Users", ("USER_ID", "string"), ("AGE", ["int", "null"]), ("LEVEL", "string", "categorical")
)


def interactions(users: int = 60, each: int = 30, items: int = 100, seed: int = 1) -> str:
    """Users of one of four tastes: user u takes items whose number is u modulo 4, mostly."""
    rng = random.Random(seed)  # noqa: S311
    rows = ["USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"]
    for user in range(users):
        for _ in range(each):
            item = int(items * rng.random() ** 2)
            if rng.random() < 0.8:
                item = min(items - 4 + user % 4, item - item % 4 + user % 4)
            kind = rng.choice(["Watch", "Watch", "Click"])
            rows.append(f"u{user},i{item},{kind},{1_600_000_000 + rng.randrange(10**7)}")
    return "\n".join(rows) + "\n"


def items(count: int = 100) -> str:
    """Item i has genre i modulo 4 (every tenth none) and the year 1950 + i (every 25th none)."""
    rows = ["ITEM_ID,GENRES,YEAR,CREATION_TIMESTAMP,ADULT,PLOT"]
    for i in range(count):
        genre = "" if i % 10 == 9 else GENRES[i % 4] + ("|Short" if i % 2 else "")
        year = "" if i % 25 == 24 else 1950 + i
        rows.append(f"i{i},{genre},{year},1500000000,{str(i % 2 == 0).lower()},plot {i}")
    return "\n".join(rows) + "\n"


def users(count: int = 60) -> str:
    """User u is 10 + u years old, and gold if u is even."""
    rows = ["USER_ID,AGE,LEVEL"]
    rows += [f"u{u},{10 + u},{'gold' if u % 2 == 0 else 'silver'}" for u in range(count)]
    return "\n".join(rows) + "\n"


class World:
    """A local AWS with a bucket and a role, and what users' programs do with it."""

    def __init__(self, **environment: Any) -> None:
        self.client: Any = partial(boto3.client, region_name="us-east-1", **environment)
        made = {name: self.client(name) for name in ("s3", "iam", *SERVICES)}
        self.s3, self.iam, self.personalize, self.runtime, self.events = made.values()
        self.called: set[tuple[str, str]] = set()
        for name in SERVICES:
            made[name].meta.events.register("after-call", self._check)
            made[name].meta.events.register("before-call", self._needs_models)
        self.s3.create_bucket(Bucket=BUCKET)
        self.allow_service(["s3:GetObject", "s3:ListBucket", "s3:PutObject"])
        self.role = self.make_role("Personalize", "personalize.amazonaws.com")
        self._number = 0

    def _needs_models(self, model: Any, **_: Any) -> None:
        """Skip a test that asks for a model where no plug-in provides any."""
        needs = model.name in ("CreateSolution", "CreateRecommender")
        if needs and not plugins.personalize_models():
            pytest.skip("needs a distribution that provides Personalize models, such as recsys")

    def _check(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        """Every answer has to be what botocore's model says."""
        if http_response.status_code != 200:
            codes = {shape.name for shape in model.error_shapes}
            codes |= {"NotImplementedByLocalAws", "ValidationException"}
            assert parsed["Error"]["Code"] in codes, (model.name, parsed)
            return
        self.called.add((model.service_model.service_name, model.name))
        if model.output_shape is None:
            return
        body = {k: v for k, v in parsed.items() if k != "ResponseMetadata"}
        report = ParamValidator().validate(body, model.output_shape)
        assert not report.has_errors(), f"{model.name}: {report.generate_report()}"

    def allow_service(self, actions: list[str], **more: Any) -> None:
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        statement = {"Effect": "Allow", "Principal": {"Service": "personalize.amazonaws.com"}}
        statement |= {"Action": actions, "Resource": resources, **more}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))

    def make_role(self, name: str, principal: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
        allow = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]}
        policy = json.dumps(
            {"Version": "2012-10-17", "Statement": [{**allow, "Resource": resources}]}
        )
        self.iam.put_role_policy(RoleName=name, PolicyName="data", PolicyDocument=policy)
        return str(role["Arn"])

    def name(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number}"

    def describe(self, kind: str, arn: str) -> dict[str, Any]:
        operation = "".join("_" + c.lower() if c.isupper() else c for c in kind)
        answer = getattr(self.personalize, f"describe_{operation}")(**{f"{kind}Arn": arn})
        return dict(answer[kind])

    def settled(self, kind: str, arn: str, update: str | None = None) -> dict[str, Any]:
        """Wait until nothing is going on, and describe."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = self.describe(kind, arn)
            layers = [found, *([found[update]] if update else [])]
            if all(not x["status"].endswith(("ING", "PROGRESS")) for x in layers):
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{arn}: {found}")

    def gone(self, kind: str, arn: str) -> None:
        """Wait until it is deleted."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                status = self.describe(kind, arn)["status"]
            except self.personalize.exceptions.ResourceNotFoundException:
                return
            assert status.startswith("DELETE")
            time.sleep(0.05)
        raise TimeoutError(arn)

    def group(self, domain: str | None = None) -> str:
        more = {"domain": domain} if domain else {}
        made = self.personalize.create_dataset_group(name=self.name("group"), **more)
        arn: str = made["datasetGroupArn"]
        assert self.settled("datasetGroup", arn)["status"] == "ACTIVE"
        return arn

    def dataset(self, group: str, kind: str, schema: str, domain: str | None = None) -> str:
        more = {"domain": domain} if domain else {}
        made = self.personalize.create_schema(name=self.name("schema"), schema=schema, **more)
        arn: str = self.personalize.create_dataset(
            name=self.name("dataset"),
            schemaArn=made["schemaArn"],
            datasetGroupArn=group,
            datasetType=kind,
        )["datasetArn"]
        assert self.settled("dataset", arn)["status"] == "ACTIVE"
        return arn

    def load(self, dataset: str, content: str | bytes, **more: Any) -> dict[str, Any]:
        """Import a file; the job when it is over."""
        key = self.name("data") + ".csv"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        arn = self.personalize.create_dataset_import_job(
            jobName=self.name("import"),
            datasetArn=dataset,
            dataSource={"dataLocation": f"s3://{BUCKET}/{key}"},
            **{"roleArn": self.role, **more},
        )["datasetImportJobArn"]
        return self.settled("datasetImportJob", arn)

    def clear(self, group: str) -> None:
        """Delete a group and all in it, in the order that AWS's documentation recommends."""
        api = self.personalize
        solutions = self._listed("solutions", datasetGroupArn=group)
        for kind, found in (
            ("recommender", self._listed("recommenders", datasetGroupArn=group)),
            ("campaign", [c for s in solutions for c in self._listed("campaigns", solutionArn=s)]),
            ("solution", solutions),
            ("eventTracker", self._listed("event_trackers", datasetGroupArn=group)),
            ("filter", self._listed("filters", datasetGroupArn=group)),
            ("dataset", self._listed("datasets", datasetGroupArn=group)),
            ("datasetGroup", [group]),
        ):
            words = "".join("_" + c.lower() if c.isupper() else c for c in kind)
            delete = getattr(api, f"delete_{words}")
            for arn in found:
                delete(**{f"{kind}Arn": arn})
            for arn in found:
                self.gone(kind, arn)

    def _listed(self, plural: str, **where: str) -> list[str]:
        pages = self.personalize.get_paginator(f"list_{plural}").paginate(**where)
        kind = plural.rstrip("s").split("_")[-1].capitalize()
        return [
            value
            for page in pages
            for entries in page.values()
            if isinstance(entries, list)
            for entry in entries
            for key, value in entry.items()
            if key.lower().endswith(f"{kind.lower()}arn") and key != "datasetGroupArn"
        ]

    def filled(self, domain: str | None = None) -> str:
        """A dataset group with all three datasets; a domain's items all have genres."""
        group = self.group(domain)
        schema_of_items, content_of_items = ITEMS, items()
        if domain:
            schema_of_items = ITEMS.replace(
                '["null", "string"], "categorical"', '"string", "categorical"'
            )
            content_of_items = re.sub(r"^(i\d+),,", r"\1,unknown,", content_of_items, flags=re.M)
        for kind, schema, content in (
            ("Interactions", INTERACTIONS, interactions(80 if domain else 60)),
            ("Items", schema_of_items, content_of_items),
            ("Users", USERS, users()),
        ):
            job = self.load(self.dataset(group, kind, schema, domain), content)
            assert job["status"] == "ACTIVE", job
        return group

    def solution(self, group: str, recipe: str, **more: Any) -> str:
        arn: str = self.personalize.create_solution(
            name=self.name("solution"),
            datasetGroupArn=group,
            recipeArn=RECIPE + recipe,
            **{"performAutoTraining": False, **more},
        )["solutionArn"]
        assert self.settled("solution", arn)["status"] == "ACTIVE"
        return arn

    def version(self, solution: str) -> str:
        """Begin to train; the version's ARN."""
        made = self.personalize.create_solution_version(solutionArn=solution)
        return str(made["solutionVersionArn"])

    def campaign(self, version: str, **more: Any) -> str:
        arn: str = self.personalize.create_campaign(
            name=self.name("campaign"), solutionVersionArn=version, **more
        )["campaignArn"]
        found = self.settled("campaign", arn)
        assert found["status"] == "ACTIVE", found
        return arn

    def filter(self, group: str, expression: str) -> str:
        arn: str = self.personalize.create_filter(
            name=self.name("filter"), datasetGroupArn=group, filterExpression=expression
        )["filterArn"]
        assert self.settled("filter", arn)["status"] == "ACTIVE"
        return arn

    def ids(self, **request: Any) -> list[str]:
        """The items of a recommendation."""
        answer = self.runtime.get_recommendations(**request)
        return [item["itemId"] for item in answer["itemList"]]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with LocalAws() as aws:
        yield World(
            endpoint_url=aws.url,
            aws_access_key_id=aws.environment()["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws.environment()["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture
def fresh(world: World) -> Iterator[str]:
    """An empty dataset group, deleted with all that a test put into it."""
    group = world.group()
    yield group
    world.clear(group)
