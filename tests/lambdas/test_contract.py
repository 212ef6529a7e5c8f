"""CloudFormation's contract with a custom resource, for every kind, a fault at every call site.

A story is what a stack does with one resource: create it, change its inputs, change them back,
delete it. It is told once without a fault, to learn every call of AWS that it makes and in which
request, and then once for each of those calls and each fault that can befall it. After a failure
the stack does what CloudFormation does, and the user what the runbook says: the same again.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import list_training.handler
import pytest
from common.clients import client
from list_training.handler import ListTrainingError
from moto import mock_aws
from moto.core.models import botocore_stubber
from moto.s3.models import s3_backends
from movie_index import handler as movie_index
from movie_index.handler import MovieIndexError
from trained_resource import handler, kinds, resource
from trained_resource.request import TrainedResourceError

from local_aws.moto_patches import install
from recsys.lists.training import Lists, Settings
from tests.lambdas.emr import APPLICATION, OUTPUT, EmrServerless, job_run
from tests.lambdas.fakes import CATALOGUE, catalogue, http
from tests.lambdas.test_lists import PROPERTIES as LISTS
from tests.lambdas.test_lists import upload
from tests.lambdas.test_movie_index import Context
from tests.lambdas.test_movie_retrieval import TITLES, Endpoint
from tests.lambdas.test_pairs import PROPERTIES as PAIRS
from tests.lambdas.test_trained_personalize import (
    ATTRIBUTION,
    RECOMMENDER,
    SOLUTION,
    Personalize,
    data,
    version,
)
from tests.lambdas.test_trained_resource import (
    PROPERTIES,
    STACK,
    Killed,
    SageMaker,
    leave_traces,
    traces,
    unreachable,
)
from tests.lambdas.test_trained_transform import transform
from tests.reliability import Tally

pytestmark = pytest.mark.slow

LAMBDAS = Path(__file__).resolve().parents[2] / "lambdas"
SERVICES = (
    *("sagemaker", "sagemaker-runtime", "personalize", "emr-serverless"),
    *("s3", "s3vectors", "logs"),
)
OURS = SERVICES[:4]  # played by the tests
Site = tuple[str, str, str]  # request, service, operation
IN_WORDS = (TrainedResourceError, MovieIndexError, ListTrainingError)
LISTED = "lists.npz"  # trained lists
LEARNED = ("catalogue.json", "interactions.npz", LISTED)  # what is there before


class World:
    """The services that the kinds live in, and what a test sees of them."""

    def __init__(self) -> None:
        self.sagemaker, self.personalize = SageMaker(), Personalize()
        self.endpoint, self.emr = Endpoint(), EmrServerless()
        self.request = ""
        self.made: list[Site] = []
        self.refused = 0  # requests that failed
        self.strike: Callable[[Site, str], Any] = lambda _site, _moment: None

    def before(self, request: Any, event_name: str, **_: Any) -> Any:
        service, operation = event_name.split(".")[1:3]
        site = (self.request, service, operation)
        if self.request:
            self.made.append(site)
        if answer := self.strike(site, "before"):
            return answer
        if operation == "DescribeEndpoint":
            return http(200, self.endpoint.describe_endpoint(**json.loads(request.body)))
        if operation == "InvokeEndpoint":
            kind, accept = request.headers["Content-Type"], request.headers["Accept"]
            told = {"ContentType": kind.decode(), "Accept": accept.decode()}
            name = request.url.split("/")[-2]
            body = self.endpoint.invoke_endpoint(EndpointName=name, Body=request.body, **told)
            return http(200, body["Body"].read())
        fakes: dict[str, Any] = {
            "sagemaker": self.sagemaker,
            "personalize": self.personalize,
            "emr-serverless": self.emr,
        }
        fake = fakes.get(service)
        return fake.send(request, event_name) if fake else None

    def after(self, model: Any, **_: Any) -> None:
        service = model.service_model.service_id.hyphenize()
        self.strike((self.request, service, model.name), "after")

    def finish(self) -> None:
        """All that is being made is ready, and has left the traces that it leaves."""
        request, self.request = self.request, ""
        for name, job in self.sagemaker.jobs.items():
            if job["TrainingJobStatus"] == "InProgress":
                if not any(name in trace for trace in traces()):
                    leave_traces(name)
                self.sagemaker.finish(name)
        for arn, thing in self.personalize.things.items():
            if thing["status"].startswith("CREATE"):
                self.personalize.turn("ACTIVE", arn)
        self.sagemaker.finish_transforms()
        for place in self.emr.finish():
            key = place.removeprefix("s3://movies/") + "manifest.json"
            client("s3").put_object(Bucket="movies", Key=key, Body=b"{}")
        self.request = request

    def lose(self) -> None:
        """Somebody deletes everything by hand."""
        self.sagemaker.jobs.clear()
        self.sagemaker.transforms.clear()
        self.personalize.things.clear()
        self.emr.runs.clear()
        for each in (*notes(), *models(), *outputs()):
            client("s3").delete_object(Bucket="movies", Key=each)
        for arn in indexes():
            client("s3vectors").delete_index(indexArn=arn)

    def all(self) -> list[str]:
        made = [*self.sagemaker.jobs, *self.sagemaker.transforms]
        made += [*self.personalize.things, *self.emr.runs]
        return [*made, *notes(), *models(), *indexes()]

    def left(self) -> list[str]:
        """What exists and would cost or be in the way, or is being made."""
        belongs = ("datasetImportJobArn", "solutionVersionArn")  # it is deleted with its parent
        kept = [
            arn
            for arn, thing in self.personalize.things.items()
            if not any(key in thing for key in belongs)
            or thing["status"] in ("CREATE PENDING", "CREATE STOPPING")
        ]
        left = [one for one in traces() if one not in (CATALOGUE, *LEARNED)]
        started = [APPLICATION] if self.emr.runs and self.emr.state != "STOPPED" else []
        left += [*self.sagemaker.jobs, *self.sagemaker.transforming()]
        return [*left, *kept, *indexes(), *self.emr.active(), *started]


def notes() -> list[str]:
    """Which imports into an index there are."""
    return [one for one in traces() if "/embeddings/" in one]


def indexes() -> list[str]:
    """Which indexes there are."""
    found = client("s3vectors").list_indexes(vectorBucketName="vectors")
    return [index["indexArn"] for index in found["indexes"]]


def outputs() -> list[str]:
    """What jobs have written."""
    return [one for one in traces() if one.startswith((OUTPUT, "scores/"))]


def models() -> list[str]:
    """Which models of lists, and which pairs to score, there are."""
    return [one for one in traces() if one.startswith(("models/", "pairs/"))]


@pytest.fixture(autouse=True)
def untuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are trained hundreds of times: with settings that are not searched for."""
    monkeypatch.setattr("list_training.logic.Lists", partial(Lists, settings=Settings()))


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """moto plays the other services, and must leave ours alone."""
    install()
    with mock_aws():
        for service in OURS:
            client(service).meta.events.unregister("before-send", botocore_stubber)
        s3, s3vectors = client("s3"), client("s3vectors")
        s3.create_bucket(Bucket="movies")
        s3vectors.create_vector_bucket(vectorBucketName="vectors")
        yield


@pytest.fixture(scope="module")
def listed(clients: None) -> bytes:
    """Lists that were trained from what `upload` writes."""
    upload()
    properties = LISTS | {"Output": "once/"}
    event: dict[str, Any] = {"RequestType": "Create", "ResourceType": ""}
    event |= {"LogicalResourceId": "Model", "StackId": STACK, "ResourceProperties": properties}
    event |= list_training.handler.on_event(event, None)
    answer = list_training.handler.is_complete(event, None)
    key = answer["Data"]["ModelKey"]
    content: bytes = client("s3").get_object(Bucket="movies", Key=key)["Body"].read()
    return content


@pytest.fixture
def new_world(clients: None, listed: bytes) -> Iterator[Callable[[], World]]:
    s3, logs = client("s3"), client("logs")
    now: list[World] = [World()]

    def before(**told: Any) -> Any:
        return now[0].before(**told)

    def after(**told: Any) -> None:
        now[0].after(**told)

    def anew() -> World:
        now[0] = World()
        s3_backends["123456789012"]["aws"].buckets["movies"].keys.clear()
        for arn in indexes():
            client("s3vectors").delete_index(indexArn=arn)
        for group in logs.describe_log_groups()["logGroups"]:
            logs.delete_log_group(logGroupName=group["logGroupName"])
        s3.put_object(Bucket="movies", Key=CATALOGUE, Body=catalogue(TITLES).encode())
        upload()
        s3.put_object(Bucket="movies", Key=LISTED, Body=listed)
        now[0].made.clear()
        return now[0]

    listened = [(service, client(service).meta.events) for service in SERVICES]
    for service, events in listened:
        events.register_first(f"before-send.{service}", before)
        events.register_last("after-call", after)
    yield anew
    anew()
    for service, events in listened:
        events.unregister(f"before-send.{service}", before)
        events.unregister("after-call", after)


@dataclass
class Stack:
    """One custom resource as CloudFormation keeps it: its physical id and its properties."""

    world: World
    id: str | None = None
    properties: Any = None
    type: str = resource.START
    function: Any = handler
    twice: bool = False  # each request is delivered and worked off twice, side by side

    def ask(self, request: str, properties: Any, id: str | None = None) -> str:  # noqa: A002
        """A request, to its end; the physical id answered.

        Raises:
            Refused: it ended in words, with the physical id that CloudFormation is told.
        """
        event: dict[str, Any] = {
            "RequestType": request,
            "ResponseURL": "https://signed.example/?secret",
            "StackId": STACK,
            "RequestId": "1",
            "ResourceType": self.type,
            "LogicalResourceId": "Trained",
            "ResourceProperties": properties,
        }
        if request != "Create":
            event["PhysicalResourceId"] = id
        events = [event | self.function.on_event(event, None) for _ in range(1 + self.twice)]
        (named,) = {str(one["PhysicalResourceId"]) for one in events}
        self.world.request = request
        try:
            done = [False] * len(events)
            for poll in range(60):
                if poll == 2:
                    self.world.finish()  # resources in creation finish meanwhile
                for number, one in enumerate(events):
                    # it passes through Step Functions as JSON
                    passed = json.loads(json.dumps(one))
                    if not done[number]:
                        context = Context(1)  # time for one part
                        done[number] = self.function.is_complete(passed, context)["IsComplete"]
                if all(done):
                    return named
        except (*IN_WORDS, Killed) as error:
            self.world.refused += 1
            raise Refused(named, error) from error
        finally:
            self.world.request = ""
        raise AssertionError(f"{request} never ends")

    def deploy(self, properties: Any) -> None:
        """Create or update, and roll that back if it fails."""
        old, before, there = self.id, self.properties, len(self.world.all())
        try:
            self.id = self.ask("Update" if old else "Create", properties, old)
        except Refused as refused:
            if old:
                self.id = self.ask("Update", before, refused.id)
            if refused.id != old:
                self.remove(properties, refused.id)
            raise
        self.properties = properties
        if old not in (None, self.id):
            assert len(self.world.all()) >= there, "rule 4: the update itself deletes nothing"
            self.remove(before, old)

    def remove(self, properties: Any, id: str | None) -> None:  # noqa: A002
        """Clean up after an update or a failure, which CloudFormation tries more than once."""
        again(lambda: self.ask("Delete", properties, id))

    def destroy(self) -> None:
        if self.id:
            self.ask("Delete", self.properties, self.id)
            self.id = None


class Refused(Exception):
    """A request has failed."""

    def __init__(self, id: str, cause: BaseException) -> None:  # noqa: A002
        super().__init__(id)
        self.id, self.cause = id, cause


def again(do: Callable[[], object]) -> None:
    """A second try after the first was refused or interrupted."""
    try:
        do()
    except Refused as refused:
        if isinstance(refused.cause, IN_WORDS):
            told = str(refused.cause)
            assert told.startswith("Trained: ") and "(log stream " in told, "rule 1: who, where"
            assert len(told.encode()) < 4096 and "signed.example" not in told, "rule 7"
        do()


@dataclass(frozen=True)
class Case:
    """A kind: its properties for some inputs, and those of what it lives in, if it does.

    Attributes:
        function: that provides it.
        type: the resource's.
        waits: has another resource wait for it.
    """

    properties: Callable[[str | None, str], dict[str, Any]]
    within: dict[str, Any] | None = None
    function: Any = handler
    type: str = resource.START
    waits: bool = True


def movies(inputs: str) -> dict[str, Any]:
    index = f"arn:aws:s3vectors:us-east-1:123456789012:bucket/vectors/index/movies-{inputs}"
    return {"IndexArn": index, "Endpoint": "recommendationModel", "Bucket": "movies"}


CASES = {
    "TrainingJob": Case(lambda _, inputs: PROPERTIES | {"Inputs": inputs}),
    "DatasetImportJob": Case(lambda _, inputs: data(inputs)),
    "Solution": Case(lambda _, inputs: SOLUTION | {"Inputs": inputs}),
    "SolutionVersion": Case(lambda solution, inputs: version(str(solution), inputs), SOLUTION),
    "Recommender": Case(lambda _, inputs: RECOMMENDER | {"Inputs": inputs}),
    "MetricAttribution": Case(lambda _, inputs: ATTRIBUTION | {"Inputs": inputs}, waits=False),
    "JobRun": Case(lambda _, inputs: job_run(inputs)),
    "IndexedMovies": Case(lambda _, inputs: movies(inputs), function=movie_index, waits=False),
    "TransformJob": Case(lambda _, inputs: transform(inputs)),
    "TrainedLists": Case(
        lambda _, inputs: LISTS | {"Inputs": inputs},
        function=list_training.handler,
        type="Custom::TrainedLists",
        waits=False,
    ),
    "PairsToScore": Case(
        lambda _, inputs: PAIRS | {"Output": f"pairs/{inputs}/", "Model": LISTED},
        function=list_training.handler,
        type=list_training.handler.PAIRS,
        waits=False,
    ),
}
each_kind = pytest.mark.parametrize("kind", CASES)


class Story:
    """What befalls one resource of a kind, from nothing to nothing."""

    def __init__(self, world: World, kind: str, *, twice: bool = False) -> None:
        self.world, self.case = world, CASES[kind]
        self.kind, self.home = kind, Stack(world)
        self.stack = Stack(world, type=self.case.type, function=self.case.function, twice=twice)
        self.waiter = Stack(world, type=resource.WAIT, twice=twice)
        if self.case.within:
            self.home.deploy(self.case.within)

    def deploy(self, inputs: str) -> None:
        properties = self.case.properties(self.home.id, inputs)
        again(lambda: self.stack.deploy(properties))

    def wait(self) -> None:
        if not self.case.waits:
            return
        waited = {"Kind": self.kind, "Arn": self.stack.id, "Seconds": "3000", "Final": "true"}
        again(lambda: self.waiter.deploy(waited))

    def tell(self) -> None:
        """Made, changed, changed back, changed, and deleted while that is under way."""
        for inputs in ("a", "b", "a"):
            self.deploy(inputs)
            self.wait()
        self.deploy("c")
        again(self.waiter.destroy)
        again(self.stack.destroy)

    def left(self) -> list[str]:
        """The resources that remain after everything is deleted."""
        self.world.strike = lambda _site, _moment: None
        self.stack.destroy()
        self.home.destroy()
        return self.world.left()


def refusal(site: Site, status: int, code: str) -> Any:
    """An error in the service's own spelling."""
    if site[1] == "s3":
        body = f"<Error><Code>{code}</Code><Message>not now</Message></Error>"
        return http(status, body.encode())
    return http(status, {"__type": code, "message": "not now"})


def killed(_: Site) -> Any:
    raise Killed


@dataclass(frozen=True)
class Fault:
    """What happens at a call: before it has its effect, or after, so many times in a row."""

    happens: Callable[[Site], Any]
    moment: str = "before"
    times: int = 1
    told: bool = True  # may fail the request; otherwise polling has to retry it


FAULTS = {
    "throttled": Fault(lambda site: refusal(site, 429, "ThrottlingException"), times=8, told=False),
    "a server's fault": Fault(lambda site: refusal(site, 502, "BadGateway"), times=8, told=False),
    "timed out": Fault(lambda _: unreachable(), times=8, told=False),
    "lost answer": Fault(lambda _: unreachable(), "after", told=False),
    "access denied": Fault(lambda site: refusal(site, 403, "AccessDenied")),
    "access denied until a change in IAM holds": Fault(
        lambda site: refusal(site, 403, "AccessDenied"), times=8, told=False
    ),
    "killed before the call": Fault(killed),
    "killed after the call": Fault(killed, "after"),
}


@pytest.fixture(scope="module")
def sites() -> Callable[[World, str], list[Site]]:
    """Each call of AWS that the story of a kind makes, once a request."""
    known: dict[str, list[Site]] = {}

    def of_kind(world: World, kind: str) -> list[Site]:
        if kind not in known:
            story = Story(world, kind)
            world.made.clear()
            story.tell()
            known[kind] = list(dict.fromkeys(world.made))
            assert story.left() == []
        return known[kind]

    return of_kind


def test_contract_tests_cover_all_kinds_and_functions() -> None:
    assert set(CASES) == {*kinds.KINDS, "IndexedMovies", "PairsToScore", "TrainedLists"}
    files = LAMBDAS.rglob("*.py")
    asked = {file.parent.name for file in files if "RequestType" in file.read_text("utf-8")}
    assert asked == {"common", "list_training", "movie_index", "trained_resource"}


@each_kind
@pytest.mark.parametrize("name", FAULTS)
def test_fault_at_any_call_leaves_nothing(
    new_world: Callable[[], World],
    sites: Callable[[World, str], list[Site]],
    thorough: bool,
    tally: Tally,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    name: str,
) -> None:
    """At every call in `make reliability`; else at a third of them, so that each meets some."""
    fault = FAULTS[name]
    first, step = (0, 1) if thorough else ([*FAULTS].index(name) % 3, 3)
    if name == "access denied":
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
    for target in sites(new_world(), kind)[first::step]:
        world = new_world()
        times = [fault.times]

        def strike(site: Site, moment: str, target: Site = target, times: list[int] = times) -> Any:
            if site != target or moment != fault.moment or times[0] == 0:
                return None
            times[0] -= 1
            return fault.happens(site)

        story = Story(world, kind)
        world.strike = strike
        world.refused = 0
        story.tell()
        assert times[0] < fault.times, f"{target} was not made"
        assert fault.told or not world.refused, f"{name} at {target} failed the request"
        left = story.left()
        tally("faults injected", f"custom resources: {name}")
        tally("leftovers found", "custom resources", len(left))
        assert left == [], f"{name} at {target}"
    assert "signed.example" not in caplog.text, "rule 7: the answer's address is a credential"


@each_kind
def test_concurrent_duplicate_requests_create_one_resource(
    new_world: Callable[[], World], tally: Tally, kind: str
) -> None:
    story = Story(new_world(), kind, twice=True)
    story.tell()
    requests = 4 + 3 + (2 + 2) * story.case.waits  # of the resource and of its waiter
    tally("faults injected", "custom resources: duplicate event", requests)
    assert story.left() == []


@each_kind
@pytest.mark.parametrize("then", ["deploy", "destroy"])
def test_delete_of_a_missing_resource_succeeds(
    new_world: Callable[[], World], tally: Tally, kind: str, then: str
) -> None:
    """Somebody has deleted it by hand, in the console, before each request."""
    for inputs in ("a", "b"):
        story = Story(new_world(), kind)
        story.deploy("a")
        story.wait()
        story.world.lose()
        if story.case.within:
            story.home = Stack(story.world)
            story.home.deploy(story.case.within)
        if then == "deploy":
            story.deploy(inputs)
            assert story.world.all(), "it was made anew"
            story.wait()
        tally("faults injected", "custom resources: already gone")
        left = story.left()
        tally("leftovers found", "custom resources", len(left))
        assert left == []


@each_kind
def test_delete_during_creation_leaves_nothing(
    new_world: Callable[[], World], tally: Tally, kind: str
) -> None:
    """The creation is still being worked off when the deletion begins, and never heard of again."""
    for calls in range(1, 8):
        world = new_world()
        story = Story(world, kind)
        count = iter(range(1, calls))

        def strike(site: Site, moment: str, count: Iterator[int] = count) -> Any:
            if site[0] == "Create" and moment == "before" and next(count, None) is None:
                raise Killed
            return None

        world.strike = strike
        properties = story.case.properties(story.home.id, "a")
        try:
            story.stack.id = story.stack.ask("Create", properties)
        except Refused as refused:
            story.stack.id = refused.id
        story.stack.properties = properties
        tally("faults injected", "custom resources: deletion mid-creation")
        left = story.left()
        tally("leftovers found", "custom resources", len(left))
        assert left == []


@each_kind
@pytest.mark.parametrize(
    "properties",
    [
        {},
        None,
        "text",
        {"Kind": "Oven", "NamePrefix": ["x"], "Request": "text"},
        {"Bucket": ["x"]},
        {"Bucket": "No Bucket's"},
        {"Kind": "SolutionVersion", "NamePrefix": "x", "Request": {"solutionArn": "nonsense"}},
        {"Kind": None, "Request": {"OutputDataConfig": {"S3OutputPath": 7}, "solutionArn": []}},
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_delete_accepts_any_properties_and_id(
    new_world: Callable[[], World], tally: Tally, kind: str, properties: Any, known: bool
) -> None:
    """As those of an older version of the function, or of a resource that was never created."""
    story = Story(new_world(), kind)
    story.deploy("a")
    made = story.stack.id
    story.stack.ask("Delete", properties, made if known else "2026/11/26/[$LATEST]0f1e2d")
    if known and story.case.function is handler:
        story.stack.id = None  # its properties locate the progress
    tally("inputs tried", "deletions of custom resources")
    assert story.left() == []


def test_version_without_a_solution_is_refused(new_world: Callable[[], World]) -> None:
    """Otherwise its deletion would list the versions of an invalid ARN, which AWS refuses."""
    world = new_world()
    with pytest.raises(TrainedResourceError, match=r"Request\.solutionArn must be an ARN, not 'x'"):
        Stack(world).ask("Create", version("x"))
    assert world.made == []
