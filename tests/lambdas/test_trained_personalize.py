"""Trained resources of Amazon Personalize against a service made by hand, a fault at every call."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from common.clients import client
from trained_resource import handler, resource
from trained_resource.request import TrainedResourceError

from tests.lambdas.fakes import http
from tests.lambdas.test_trained_resource import (
    Framework,
    broken,
    denied,
    refusal,
    throttled,
    unreachable,
)

HOME = "arn:aws:personalize:us-east-1:123456789012"
GROUP = f"{HOME}:dataset-group/movies"
Answer = Any


def start(kind: str, request: dict[str, Any], inputs: str = "") -> dict[str, Any]:
    """Properties as CloudFormation sends them."""
    return {
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:x",
        "Kind": kind,
        "NamePrefix": "movies",
        "Request": request,
        "Inputs": inputs,
    }


SOLUTION = start(
    "Solution",
    {
        "datasetGroupArn": GROUP,
        "recipeArn": "arn:aws:personalize:::recipe/aws-user-personalization-v2",
        "performAutoTraining": "false",
        "performHPO": "false",
    },
)
RECOMMENDER = start(
    "Recommender",
    {
        "datasetGroupArn": GROUP,
        "recipeArn": "arn:aws:personalize:::recipe/aws-vod-top-picks",
        "recommenderConfig": {"minRecommendationRequestsPerSecond": "1"},
    },
    "abc",
)


ATTRIBUTION = start(
    "MetricAttribution",
    {
        "datasetGroupArn": GROUP,
        "metrics": [
            {"eventType": "Watch", "metricName": "Watch", "expression": "SAMPLECOUNT()"},
        ],
        "metricsOutputConfig": {"roleArn": "arn:aws:iam::123456789012:role/count"},
    },
)
DATASET = f"{HOME}:dataset/movies/INTERACTIONS"


def data(inputs: str = "a") -> dict[str, Any]:
    request = {
        "datasetArn": DATASET,
        "dataSource": {"dataLocation": "s3://movies/interactions.csv"},
        "roleArn": "arn:aws:iam::123456789012:role/import",
        "importMode": "FULL",
    }
    return start("DatasetImportJob", request, inputs)


def version(solution: str, inputs: str = "abc") -> dict[str, Any]:
    return start("SolutionVersion", {"solutionArn": solution, "trainingMode": "FULL"}, inputs)


class Personalize:
    """Imports, solutions, versions and recommenders as the service keeps them.

    The ARN of a version is the service's own and does not tell the name that was asked for.
    """

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.lasts = 1  # looks at a passing status until it has passed
        self.faults: dict[str, list[Callable[[], Answer]]] = {}  # before the call has an effect
        self.lost: dict[str, int] = {}  # answers lost after it had
        self.clock = itertools.count(1_700_000_000)
        self.looks: dict[str, int] = {}
        self.dataset_made = next(self.clock)
        self.importing = 5  # the quota of imports at once
        self.metrics: dict[str, dict[str, float]] = {}  # of versions, beyond the coverage of all

    def send(self, request: Any, event_name: str, **_: Any) -> Answer:
        operation = event_name.rsplit(".", 1)[1]
        self.calls.append(operation)
        if self.faults.get(operation):
            return self.faults[operation].pop(0)()
        answer = getattr(self, operation)(json.loads(request.body))
        if self.lost.get(operation, 0) > 0:
            self.lost[operation] -= 1
            raise ConnectionClosedError(endpoint_url=request.url)
        return answer

    def _made(self, arn: str, key: str, request: dict[str, Any]) -> Answer:
        if arn in self.things:
            return refusal("ResourceAlreadyExistsException", f"{arn} already exists")
        made = {
            **request,
            key: arn,
            "status": "CREATE PENDING",
            "creationDateTime": next(self.clock),
        }
        self.things[arn] = made
        return http(200, {key: arn})

    def _seen(self, arn: str, member: str) -> Answer:
        thing = self.things.get(arn)
        if thing is None:
            return refusal("ResourceNotFoundException", "Could not find the resource")
        self._pass(arn, thing)
        if arn not in self.things:
            return refusal("ResourceNotFoundException", "Could not find the resource")
        return http(200, {member: thing})

    def _pass(self, arn: str, thing: dict[str, Any]) -> None:
        then = {"DELETE PENDING": "", "CREATE STOPPING": "CREATE STOPPED"}
        if re.search(r":(solution|metric-attribution)/[^/]+$", arn):
            then["CREATE PENDING"] = "ACTIVE"
        if thing["status"] in then:
            self.looks[arn] = self.looks.get(arn, 0) + 1
            if self.looks[arn] > self.lasts:
                self.looks[arn] = 0
                thing["status"] = then[thing["status"]]
                if not thing["status"]:
                    self.things = {
                        key: one for key, one in self.things.items() if not key.startswith(arn)
                    }

    def DescribeDataset(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        made = {"status": "ACTIVE", "creationDateTime": self.dataset_made}
        return http(200, {"dataset": {"datasetArn": request["datasetArn"], **made}})

    def CreateDatasetImportJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        running = [one for one in self.imports() if one["status"] in _TRAINS]
        if len(running) >= self.importing:
            return refusal("LimitExceededException", "too many imports in progress")
        arn = f"{HOME}:dataset-import-job/{request['jobName']}"
        return self._made(arn, "datasetImportJobArn", request)

    def DescribeDatasetImportJob(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._seen(request["datasetImportJobArn"], "datasetImportJob")

    def ListDatasetImportJobs(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        names = ("datasetImportJobArn", "jobName", "status", "creationDateTime", "importMode")
        jobs = [{name: one[name] for name in names} for one in self.imports()]
        return http(200, {"datasetImportJobs": jobs})

    def imports(self) -> list[dict[str, Any]]:
        return [one for one in self.things.values() if "datasetImportJobArn" in one]

    def CreateSolution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._made(f"{HOME}:solution/{request['name']}", "solutionArn", request)

    def DescribeSolution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._seen(request["solutionArn"], "solution")

    def DeleteSolution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        arn = request["solutionArn"]
        if arn not in self.things:
            return refusal("ResourceNotFoundException", "Could not find the resource")
        if any(one["status"] in _TRAINS for one in self._versions(arn)):
            return refusal("ResourceInUseException", "a version is being trained")
        self.things[arn]["status"] = "DELETE PENDING"
        return http(200, {})

    def _versions(self, solution: str) -> list[dict[str, Any]]:
        return [one for arn, one in self.things.items() if arn.startswith(f"{solution}/")]

    def CreateSolutionVersion(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        solution = self.things.get(request["solutionArn"])
        if solution is None:
            return refusal("ResourceNotFoundException", "Could not find the solution")
        if solution["status"] != "ACTIVE":
            return refusal("ResourceInUseException", "the solution is not ACTIVE")
        if any(one["name"] == request["name"] for one in self._versions(request["solutionArn"])):
            return refusal("ResourceAlreadyExistsException", "the name is taken")
        arn = f"{request['solutionArn']}/{len(self.things):08x}"
        return self._made(arn, "solutionVersionArn", request)

    def ListSolutionVersions(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        arn = request["solutionArn"]
        if arn not in self.things:
            return refusal("ResourceNotFoundException", "Could not find the solution")
        for one in self._versions(arn):
            self._pass(one["solutionVersionArn"], one)
        names = ("solutionVersionArn", "status", "creationDateTime")
        found = [{name: one[name] for name in names} for one in self._versions(arn)]
        return http(200, {"solutionVersions": found})

    def DescribeSolutionVersion(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._seen(request["solutionVersionArn"], "solutionVersion")

    def StopSolutionVersionCreation(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        found = self.things[request["solutionVersionArn"]]
        if found["status"] not in _TRAINS:
            return refusal("InvalidInputException", f"it is {found['status']}")
        found["status"] = "CREATE STOPPING"
        return http(200, {})

    def GetSolutionMetrics(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        arn = request["solutionVersionArn"]
        told = {"coverage": 0.123456, **self.metrics.get(arn, {})}
        return http(200, {"solutionVersionArn": arn, "metrics": told})

    def CreateMetricAttribution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        arn = f"{HOME}:metric-attribution/{request['name']}"
        return self._made(arn, "metricAttributionArn", request)

    def DescribeMetricAttribution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._seen(request["metricAttributionArn"], "metricAttribution")

    def DeleteMetricAttribution(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._deleted(request["metricAttributionArn"])

    def CreateRecommender(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._made(f"{HOME}:recommender/{request['name']}", "recommenderArn", request)

    def DescribeRecommender(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._seen(request["recommenderArn"], "recommender")

    def DeleteRecommender(self, request: dict[str, Any]) -> Answer:  # noqa: N802
        return self._deleted(request["recommenderArn"])

    def _deleted(self, arn: str) -> Answer:
        thing = self.things.get(arn)
        if thing is None:
            return refusal("ResourceNotFoundException", "Could not find the resource")
        if thing["status"] in _TRAINS:
            return refusal("ResourceInUseException", "it is being created")
        thing["status"] = "DELETE PENDING"
        return http(200, {})

    def turn(self, status: str, pattern: str = "", **more: Any) -> None:
        """Give a status to everything whose ARN holds the pattern."""
        for arn, one in self.things.items():
            if re.search(pattern, arn):
                one.update(status=status, **more)

    def named(self) -> list[str]:
        """The names of all versions, oldest first."""
        return [one["name"] for one in self.things.values() if "solutionVersionArn" in one]


_TRAINS = ("CREATE PENDING", "CREATE IN_PROGRESS")


@pytest.fixture
def personalize() -> Iterator[Personalize]:
    service = Personalize()
    events = client("personalize").meta.events
    events.register("before-send.personalize", service.send)
    yield service
    events.unregister("before-send.personalize", service.send)


@pytest.fixture
def solution(personalize: Personalize) -> str:
    made = Framework()
    made.run("Create", SOLUTION)
    personalize.calls.clear()
    return str(made.id)


def wait(kind: str, arn: str | None, final: str = "true") -> dict[str, Any]:
    return {"Kind": kind, "Arn": arn, "Seconds": "3000", "Final": final}


class TestImport:
    def imported(self, personalize: Personalize, inputs: str, stack: Framework) -> list[str]:
        """Import, and wait; the names of all imports, oldest first."""
        stack.run("Update" if stack.id else "Create", data(inputs))
        personalize.turn("ACTIVE", "import-job")
        Framework().run("Create", wait("DatasetImportJob", stack.id), resource.WAIT)
        return [one["jobName"] for one in personalize.imports()]

    def test_import_of_the_same_data_does_nothing(self, personalize: Personalize) -> None:
        stack = Framework()
        (name,) = self.imported(personalize, "a", stack)
        assert stack.id == f"{HOME}:dataset-import-job/{name}"
        assert self.imported(personalize, "a", stack) == [name]

    def test_import_can_return_to_earlier_data(self, personalize: Personalize) -> None:
        stack = Framework()
        first, second = [self.imported(personalize, inputs, stack) for inputs in "ab"][-1]
        for name, inputs in ((first, "a"), (second, "b"), (first, "a")):
            before = [one["jobName"] for one in personalize.imports()]
            names = self.imported(personalize, inputs, stack)
            again = [each for each in before if each.startswith(name)]
            assert names == [*before, f"{name}--{len(again) + 1}"]
            assert stack.id == f"{HOME}:dataset-import-job/{name}", "what was there before goes"

    def test_import_of_earlier_data_waits_for_a_running_import(
        self, personalize: Personalize
    ) -> None:
        """As when a deployment of new data is rolled back in the midst of it."""
        stack = Framework()
        (first,) = self.imported(personalize, "a", stack)
        stack.run("Update", data("b"))

        def finish(poll: int) -> None:
            assert len(personalize.imports()) == 2
            if poll == 4:
                personalize.turn("ACTIVE", "import-job")

        stack.run("Update", data("a"), between=finish)
        assert [one["jobName"] for one in personalize.imports()][2:] == [f"{first}--2"]

    def test_failed_import_is_ignored(self, personalize: Personalize) -> None:
        stack = Framework()
        names = self.imported(personalize, "a", stack)
        stack.run("Update", data("b"))
        personalize.turn("CREATE FAILED", stack.id or "")
        personalize.calls.clear()
        stack.run("Update", data("a"))
        assert "CreateDatasetImportJob" not in personalize.calls
        stack.run("Update", data("b"))
        third = personalize.imports()[2]["jobName"]
        assert third.endswith("--2") and not third.startswith(names[0])

    def test_import_of_others_supersedes(self, personalize: Personalize) -> None:
        """Incremental imports leave ours in the dataset."""
        stack = Framework()
        names = self.imported(personalize, "a", stack)
        personalize.CreateDatasetImportJob(
            {**data()["Request"], "jobName": "by-hand", "importMode": "INCREMENTAL"}
        )
        assert self.imported(personalize, "a", stack) == [*names, "by-hand"]

    def test_recreated_dataset_is_imported_again(self, personalize: Personalize) -> None:
        (first,) = self.imported(personalize, "a", Framework())
        personalize.dataset_made = next(personalize.clock)
        assert self.imported(personalize, "a", Framework()) == [first, f"{first}--2"]

    def test_delete_waits_for_a_running_import(self, personalize: Personalize) -> None:
        stack = Framework()
        stack.run("Create", data())
        stack.run(
            "Delete",
            data(),
            between=lambda poll: personalize.turn("ACTIVE") if poll == 3 else None,
        )
        assert stack.polls == 4

    def test_full_quota_is_waited_for(self, personalize: Personalize) -> None:
        personalize.importing = 0
        stack = Framework()
        stack.run(
            "Create", data(), between=lambda poll: setattr(personalize, "importing", poll // 3)
        )
        assert stack.polls == 4


class TestSolution:
    def test_solution_is_complete_when_active(self, personalize: Personalize) -> None:
        stack = Framework()
        data = stack.run("Create", SOLUTION)
        made = personalize.things[data["Arn"]]
        assert made["status"] == "ACTIVE"
        assert (made["performAutoTraining"], made["performHPO"]) == (False, False)
        assert stack.id == data["Arn"] == f"{HOME}:solution/{data['Name']}"

    def test_delete_stops_trainings_first(self, personalize: Personalize, solution: str) -> None:
        for number in range(2):
            personalize.CreateSolutionVersion({"solutionArn": solution, "name": f"other-{number}"})
        personalize.turn("CREATE IN_PROGRESS", "/0000000[1]$")
        stack = Framework()
        stack.id = solution
        stack.run("Delete", SOLUTION)
        assert personalize.things == {}
        assert personalize.calls.count("StopSolutionVersionCreation") == 2
        assert personalize.calls.index("DeleteSolution") > personalize.calls.index(
            "StopSolutionVersionCreation"
        )


class TestVersion:
    def test_version_returns_at_once_and_is_found_by_name(
        self, personalize: Personalize, solution: str
    ) -> None:
        for _ in range(2):
            stack = Framework()
            stack.run("Create", version(solution))
            assert personalize.calls.count("CreateSolutionVersion") == 1
        (name,) = personalize.named()
        assert stack.id == f"{solution}/{name}"

    def test_waiter_returns_the_arn_and_metrics(
        self, personalize: Personalize, solution: str
    ) -> None:
        stack, waiter = Framework(), Framework()
        stack.run("Create", version(solution))
        data = waiter.run(
            "Create",
            wait("SolutionVersion", stack.id),
            resource.WAIT,
            between=lambda poll: personalize.turn("ACTIVE") if poll == 3 else None,
        )
        (arn,) = [arn for arn in personalize.things if arn != solution]
        assert data["Arn"] == arn != stack.id
        assert json.loads(data["Metrics"]) == {"coverage": 0.1235}
        assert waiter.polls == 4

    def test_new_data_create_a_version_of_the_same_solution(
        self, personalize: Personalize, solution: str
    ) -> None:
        stack = Framework()
        stack.run("Create", version(solution))
        personalize.turn("ACTIVE")
        old = stack.id
        stack.run("Update", version(solution, "other data"))
        assert stack.id != old
        assert len(personalize.named()) == 2
        stack.id = old
        stack.run("Delete", version(solution))
        assert len(personalize.named()) == 2, "nothing deletes a version but its solution's end"

    @pytest.mark.parametrize("status", ["CREATE FAILED", "CREATE STOPPED", "CREATE_STOPPED"])
    def test_failed_version_is_retried_under_the_next_name(
        self, personalize: Personalize, solution: str, status: str
    ) -> None:
        for attempt in range(3):
            Framework().run("Create", version(solution))
            assert len(personalize.named()) == attempt + 1
            personalize.turn(status, "/0")
        first, second, third = personalize.named()
        assert (second, third) == (f"{first}--2", f"{first}--3")

    @pytest.mark.parametrize("status", ["CREATE PENDING", "CREATE IN_PROGRESS", "CREATE STOPPING"])
    def test_delete_stops_the_training(
        self, personalize: Personalize, solution: str, status: str
    ) -> None:
        stack = Framework()
        stack.run("Create", version(solution))
        personalize.turn(status, "/0")
        stack.run("Delete", version(solution))
        (last,) = personalize._versions(solution)
        assert last["status"] == "CREATE STOPPED"

    def test_delete_without_the_solution_succeeds(
        self, personalize: Personalize, solution: str
    ) -> None:
        stack = Framework()
        stack.run("Create", version(solution))
        personalize.things.clear()
        stack.run("Delete", version(solution))

    @pytest.mark.parametrize(
        ("was", "now", "refused"),
        [
            (0.3, 0.2, True),
            (0.3, 0.24, False),  # a fifth lower, as the gate allows
            (0.3, 0.239, True),
            (0.3, 0.5, False),
            (None, 0.1, False),
            (0.3, None, False),
        ],
    )
    def test_new_version_is_refused_if_its_figure_is_lower_than_the_gate_allows(
        self,
        personalize: Personalize,
        solution: str,
        was: float | None,
        now: float | None,
        refused: bool,
    ) -> None:
        old, new = Framework(), Framework()
        old.run("Create", version(solution))
        new.run("Create", version(solution, "other data"))
        personalize.turn("ACTIVE")
        arns = [arn for arn in personalize.things if arn != solution]
        for arn, figure in zip(arns, (was, now), strict=True):
            personalize.metrics[arn] = {} if figure is None else {"ndcg": figure}

        def switch(before: str | None, after: str | None) -> Any:
            gate = {"Gate": json.dumps({"metric": "ndcg", "percent": 20})}
            event = Framework().request(
                "Update", wait("SolutionVersion", after) | gate, resource.WAIT
            )
            event["OldResourceProperties"] = wait("SolutionVersion", before) | gate
            return handler.is_complete(event | handler.on_event(event, None), None)

        if refused:
            with pytest.raises(TrainedResourceError, match=rf"ndcg is {now:g} against 0\.3 of"):
                switch(old.id, new.id)
        else:
            assert switch(old.id, new.id)["IsComplete"]
        # a rollback to the older one, and what stays, are never judged
        assert switch(new.id, old.id)["IsComplete"] and switch(old.id, old.id)["IsComplete"]

    def test_training_failure_is_reported(self, personalize: Personalize, solution: str) -> None:
        stack = Framework()
        stack.run("Create", version(solution))
        personalize.turn("CREATE FAILED", "/0", failureReason="too few interactions")
        with pytest.raises(TrainedResourceError, match=r"CREATE FAILED: too few interactions"):
            Framework().run("Create", wait("SolutionVersion", stack.id), resource.WAIT)


class TestRecommender:
    def test_recommender_is_created_updated_and_deleted(self, personalize: Personalize) -> None:
        stack = Framework()
        stack.run("Create", RECOMMENDER)
        assert personalize.things[str(stack.id)]["status"] == "CREATE PENDING"
        personalize.turn("ACTIVE", modelMetrics={"coverage": 0.5})
        data = Framework().run("Create", wait("Recommender", stack.id), resource.WAIT)
        assert (data["Arn"], data["Metrics"]) == (stack.id, '{"coverage": 0.5}')
        stack.run("Delete", RECOMMENDER)
        assert personalize.things == {}

    def test_delete_waits_for_a_recommender_in_creation(self, personalize: Personalize) -> None:
        stack = Framework()
        stack.run("Create", RECOMMENDER)
        stack.run(
            "Delete",
            RECOMMENDER,
            between=lambda poll: personalize.turn("ACTIVE") if poll == 5 else None,
        )
        assert personalize.things == {}
        assert stack.polls > 5

    @pytest.mark.parametrize("status", ["INACTIVE", "CREATE FAILED"])
    def test_delete_accepts_any_stable_status(self, personalize: Personalize, status: str) -> None:
        stack = Framework()
        stack.run("Create", RECOMMENDER)
        personalize.turn(status)
        stack.run("Delete", RECOMMENDER)
        assert personalize.things == {}


def life(personalize: Personalize) -> None:
    """All kinds, from nothing to nothing, with a training under way at the end."""
    solution, model, recommender = Framework(), Framework(), Framework()
    imported = Framework()
    imported.run("Create", data())
    personalize.turn("ACTIVE")
    Framework().run("Create", wait("DatasetImportJob", imported.id), resource.WAIT)
    imported.run("Update", data("new data"))
    personalize.turn("ACTIVE")
    imported.run("Update", data())
    personalize.turn("ACTIVE")
    imported.run("Delete", data())
    assert len(personalize.imports()) == 3
    personalize.things.clear()  # with the dataset
    solution.run("Create", SOLUTION)
    model.run("Create", version(str(solution.id)))
    recommender.run("Create", RECOMMENDER)
    attribution = Framework()
    attribution.run("Create", ATTRIBUTION)
    assert personalize.things[str(attribution.id)]["status"] == "ACTIVE"  # it is waited for
    attribution.run("Delete", ATTRIBUTION)
    personalize.turn("ACTIVE")
    for kind, one in (("SolutionVersion", model), ("Recommender", recommender)):
        Framework().run("Create", wait(kind, one.id), resource.WAIT)
    model.run("Update", version(str(solution.id), "new data"))
    recommender.run("Delete", RECOMMENDER)
    model.run("Delete", version(str(solution.id), "new data"))
    personalize.CreateSolutionVersion({"solutionArn": solution.id, "name": "by-hand"})
    solution.run("Delete", SOLUTION)
    assert personalize.things == {}


OPERATIONS = (
    "CreateDatasetImportJob",
    "DescribeDatasetImportJob",
    "ListDatasetImportJobs",
    "DescribeDataset",
    "CreateSolution",
    "DescribeSolution",
    "DeleteSolution",
    "CreateSolutionVersion",
    "ListSolutionVersions",
    "DescribeSolutionVersion",
    "StopSolutionVersionCreation",
    "GetSolutionMetrics",
    "CreateRecommender",
    "DescribeRecommender",
    "DeleteRecommender",
    "CreateMetricAttribution",
    "DescribeMetricAttribution",
    "DeleteMetricAttribution",
)


class TestFaults:
    def test_lifecycle_makes_every_call(self, personalize: Personalize) -> None:
        life(personalize)
        assert set(personalize.calls) == set(OPERATIONS)

    @pytest.mark.parametrize("operation", OPERATIONS)
    @pytest.mark.parametrize("fault", [throttled, broken, unreachable])
    def test_transient_fault_is_retried(
        self, personalize: Personalize, operation: str, fault: Callable[[], Answer]
    ) -> None:
        personalize.faults[operation] = [fault] * 8  # more than one call's own retries
        life(personalize)
        assert personalize.faults[operation] == []

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_lost_responses_are_tolerated(self, personalize: Personalize, operation: str) -> None:
        personalize.lost[operation] = 4
        life(personalize)
        assert len(personalize.named()) == 0

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_denied_call_is_reported(
        self, personalize: Personalize, monkeypatch: pytest.MonkeyPatch, operation: str
    ) -> None:
        monkeypatch.setattr("common.custom_resource.SETTLING", 0)
        personalize.faults[operation] = [denied]
        with pytest.raises(TrainedResourceError, match="is not authorized to perform"):
            life(personalize)
