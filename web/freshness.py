"""How fresh the lists are, the generations of their model, and the experiments on them."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from web.answers import Arm, Freshness, Generation, Look, Trial
from web.charts import chart
from web.deployment import Deployment

if TYPE_CHECKING:
    from web.clients import Clients

_PLACE: Final = "lists/generations/"  # of what a retraining writes, in the deployment's bucket
_REPORTS: Final = "experiments/"  # of `python -m experiment`, in the bucket
_SHOWN: Final = 30  # generations, the newest
_PARAMETER: Final = "Generation"  # begins the name of the stack's


def look(clients: "Clients", prefix: str) -> Freshness | None:
    """Look at the lists of a deployment; None if it has none.

    Raises:
        web.deployment.NothingDeployed: there is no deployment.
        botocore.exceptions.ClientError: AWS refused a request.
    """
    deployment = Deployment.find(clients.cloudformation, prefix)
    outputs, bucket = deployment.outputs, deployment.bucket
    if "ListsModelKey" not in outputs:
        return None
    head = clients.s3.head_object(Bucket=bucket, Key=outputs["ListsModelKey"])
    table = clients.dynamodb.describe_table(TableName=outputs["HistoriesTableName"])["Table"]
    (stack,) = clients.cloudformation.describe_stacks(StackName=f"{prefix}-Lists")["Stacks"]
    current = next(
        (
            int(one["ParameterValue"])
            for one in stack.get("Parameters", ())
            if one["ParameterKey"].startswith(_PARAMETER)
        ),
        None,
    )
    busy = stack["StackStatus"].endswith("IN_PROGRESS")
    generations = tuple(_generations(clients.s3, bucket, current or 0, busy))
    own = next((one for one in generations if one.number == current), None)
    metrics = json.loads(outputs["ListsMetrics"])
    learned = own.events + own.unknown if own else int(metrics.get("interactions", 0))
    return Freshness(
        trained=head["LastModified"],
        generation=current,
        learned=learned,
        since=max(0, int(table["ItemCount"]) - learned),
        generations=generations,
        experiments=tuple(_experiments(clients, outputs["ListsFunctionName"], bucket)),
        bucket=bucket,
        busy=busy,
    )


def _generations(s3: Any, bucket: str, current: int, busy: bool) -> Iterator[Generation]:
    """The generations, newest first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_PLACE)
    keys = {one["Key"] for page in pages for one in page.get("Contents", ())}
    numbers = {
        int(number)
        for key in keys
        for number, _, name in [key.removeprefix(_PLACE).partition("/")]
        if name == "manifest.json" and number.isdigit()
    }
    for number in sorted(numbers, reverse=True)[:_SHOWN]:
        place = f"{_PLACE}{number}/"
        manifest = _read(s3, bucket, f"{place}manifest.json")
        judged = f"{place}report.json" in keys
        report = _read(s3, bucket, f"{place}report.json") if judged else {}
        refused = tuple(report.get("refused", ()))
        comparison = report.get("comparison") or {}
        if number == current:
            state = "in service"
        elif refused:
            state = "refused"
        elif number < current:
            state = "replaced"
        else:
            state = "in progress" if busy else "failed"
        yield Generation(
            number=number,
            begun=manifest["begun"],
            state=state,
            events=manifest.get("events", 0),
            users=manifest.get("users", 0),
            unknown=manifest.get("unknown_events", 0),
            candidate=comparison.get("candidate"),
            current=comparison.get("current"),
            low=comparison.get("low"),
            high=comparison.get("high"),
            judges=comparison.get("users", 0),
            refused=refused,
            report=f"{place}report.html" if judged else None,
        )


def _experiments(clients: "Clients", function: str, bucket: str) -> Iterator[Trial]:
    """The running experiments."""
    answer = clients.functions.get_function_configuration(FunctionName=function)
    variables = answer.get("Environment", {}).get("Variables", {})
    for name, definition in json.loads(variables.get("EXPERIMENTS", "{}")).items():
        report = _report(clients.s3, bucket, f"{_REPORTS}{name}.json")
        arms = (f"{arm} {told['share']:g} %" for arm, told in definition["arms"].items())
        yield Trial(
            name=name,
            kind=definition["kind"],
            unit=definition.get("unit", "user"),
            arms=", ".join(arms),
            at=report.get("at"),
            verdict=tuple(report.get("verdict", ())),
            waiting=report.get("waiting", 0),
            against=tuple(
                Arm(
                    name=one["arm"],
                    users=one["users"],
                    chart=chart([Look.model_validate(look) for look in one.get("course", ())]),
                )
                for one in report.get("comparisons", ())
            ),
        )


def _report(s3: Any, bucket: str, key: str) -> Mapping[str, Any]:
    """A report; empty if there is none."""
    try:
        return _read(s3, bucket, key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return {}


def _read(s3: Any, bucket: str, key: str) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return found
