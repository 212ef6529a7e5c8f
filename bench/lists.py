"""The section `lists`: the deployed lists, asked through their function on the local AWS.

The stacks of `profile=lists` are deployed with MovieLens 100k, split by Microsoft's protocol: the
training part is the data, and every user is asked for. Then the model is replaced: by those of
MovieLens latest-small without a tenth of the users, who are judged by Amazon Personalize's protocol
(`python -m bench personalize`), and by one of random ratings in the shape of MovieLens 20M
(`python -m bench.growth`), for speed alone. A call's duration and memory are those that Lambda
reports; the client's times include the local AWS. Calls of the function and requests to the HTTP
API take turns, so that both meet the same machine.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import boto3
import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from bench import growth
from bench.deployed import BATCH, LONGEST, deployed, invoke, measured, record, scores, write
from bench.movielens import MovieLens
from bench.personalize_metrics import FOLDS, spread, workshop_data
from bench.results import Rows, clock
from recsys.datasets.readers import load
from recsys.evaluation import evaluate
from recsys.lists.model import Catalogue
from recsys.lists.training import Interactions, Lists
from recsys.protocols import stratified_split
from recsys.recipes import Config, Dataset, Query
from recsys.recipes.evaluation import held_out, judge, without
from recsys.recipes.interest import Interest, Taken

LISTS: Final = "lists, through the deployed function"
SMALL: Final = "1,682 items"
LARGE: Final = "26,744 items"
PERSONALIZE: Final = "latest-small by Personalize's protocol"
_CALLERS: Final = 50
_SECONDS: Final = 30.0


def run(data: MovieLens, latest: Path, rows: Rows, quick: bool) -> None:
    """Measure; an earlier run's rows are replaced, for all belong together.

    Args:
        data: MovieLens 100k.
        latest: the folder of MovieLens latest-small; without it, its row is left out.
        rows: the rows to fill.
        quick: measure a small part.
    """
    rows.rows.clear()
    train, _ = stratified_split(data.ratings, seed=42)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        write(train, Path(scratch, "ratings.csv"))
        arguments = (str(data.folder), str(latest), *(["quick"] if quick else []))
        for row in measured("bench.lists", Path(scratch), *arguments):
            rows.add(**row)


def _measure(data: MovieLens, latest: Path, scratch: Path, quick: bool) -> Iterator[dict[str, Any]]:
    train, test = stratified_split(data.ratings, seed=42)
    prepare = [sys.executable, "-m", "recsys", "prepare", "--out", str(scratch / "data")]
    subprocess.run([*prepare, "--data", str(scratch / "ratings.csv")], check=True)
    with deployed(scratch, f"data={scratch / 'data'}", "lists.validation=random") as outputs:
        with clock() as timed:
            found = scores(outputs["ListsFunctionName"], sorted(set(test.user.tolist())))
        metrics = evaluate(lambda rows: found[rows.user, rows.item], train, test, "ranking")
        yield {"engine": LISTS, "split": "item-stratified", "seed": 42, **metrics, **timed.row()}
        calls = 30 if quick else 500
        yield from _speed(outputs, SMALL, [str(n) for n in range(1, 146)], calls)
        yield _live(outputs, 5.0 if quick else _SECONDS)
        if latest.is_dir():
            yield _personalize(outputs, workshop_data(load(latest)), 2 if quick else FOLDS)
        else:
            print(f"Personalize's protocol: skipped: there is no {latest}", file=sys.stderr)
        if not quick:
            model = scratch / "model.npz"
            subprocess.run(
                [sys.executable, "-m", "bench.growth", growth.LISTS, "20M"],
                env={**os.environ, "LISTS_MODEL": str(model)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            _replace(outputs, model.read_bytes())
            taken = np.random.default_rng(0).choice(26_744, 145, replace=False)
            yield from _speed(outputs, LARGE, [str(item) for item in taken], calls)


def _speed(
    outputs: dict[str, str], what: str, taken: list[str], calls: int
) -> Iterator[dict[str, Any]]:
    """A cold start, then warm calls for a user of 145 items, the mean of MovieLens 20M."""
    lists, user = outputs["ListsFunctionName"], f"a user of {what}"
    events = [{"user": user, "item": item, "timestamp": n} for n, item in enumerate(taken)]
    for first in range(0, len(events), BATCH):
        invoke(outputs["EventsFunctionName"], {"events": events[first : first + BATCH]})
    _renew(lists)
    began = time.perf_counter()
    answer, report = invoke(lists, {"user": user})
    cold = time.perf_counter() - began
    assert answer["basis"] == "history" and len(answer["items"]) == 10
    url = f"{outputs['ApiEndpoint']}/users/{quote(user, safe='')}/recommendations"
    assert _got(url)["items"] == answer["items"]
    clients, inside, over_http = [], [], []
    with clock() as timed:
        for _ in range(calls):
            began = time.perf_counter()
            _, report = invoke(lists, {"user": user})
            clients.append(1e3 * (time.perf_counter() - began))
            inside.append(report["durationMs"])
            began = time.perf_counter()
            _got(url)
            over_http.append(1e3 * (time.perf_counter() - began))
    yield {
        "engine": LISTS,
        "what": what,
        "calls": calls,
        "cold_seconds": cold,
        "p50_inside": float(np.percentile(inside, 50)),
        **{f"p{n}": float(np.percentile(clients, n)) for n in (50, 95, 99)},
        **{f"p{n}_http": float(np.percentile(over_http, n)) for n in (50, 95, 99)},
        "mb": report["maxMemoryUsedMB"],
        **timed.row(),
    }


def _got(url: str) -> Any:
    """The answer of the HTTP API to a signed GET, over a connection that is kept."""
    request = AWSRequest("GET", url)
    session, connections = _signer()
    SigV4Auth(session.get_credentials(), "execute-api", session.region_name).add_auth(request)
    answer = connections.send(request.prepare())
    if answer.status_code != 200:
        raise RuntimeError(f"{url}: {answer.status_code}: {answer.text}")
    return json.loads(answer.content)


class _Deployed:
    """The deployed function as a model: higher the earlier an item is in its list."""

    def __init__(self, outputs: dict[str, str], data: Dataset, interest: Interest) -> None:
        self._outputs, self._interest = outputs, interest
        self._items = data.items
        self._place = {item: place for place, item in enumerate(data.items)}

    def score(self, query: Query) -> Any:
        """Send the input's events of another user, and ask for that user's list."""
        taken, user = self._interest.in_query(query), uuid.uuid4().hex
        events = [
            # items of one second keep their order by their events' ids
            {"user": user, "item": self._items[item], "timestamp": time, "value": value}
            | {"event_id": f"{number:06}"}
            for number, (item, time, value) in enumerate(
                zip(taken.item.tolist(), taken.timestamp.tolist(), _values(taken), strict=True)
            )
        ]
        for first in range(0, len(events), BATCH):
            invoke(self._outputs["EventsFunctionName"], {"events": events[first : first + BATCH]})
        asked = {"user": user, "count": LONGEST, "explain": False}
        answer, _ = invoke(self._outputs["ListsFunctionName"], asked)
        scores = np.full(len(self._items), -np.inf)
        for place, one in enumerate(answer["items"]):
            scores[self._place[one["item"]]] = -place
        return scores


def _values(taken: Taken) -> list[float]:
    """How many events there were: a Watch is a Click, too."""
    return [float(number) for number in np.rint(taken.interest**2)]


def _personalize(outputs: dict[str, str], data: Dataset, folds: int) -> dict[str, Any]:
    """A model without each tenth of the users, who send their events and ask for their lists."""
    config = Config("aws-user-personalization-v2", exclude_event_types=("Watch",))
    interest, items = Interest.of(data, config), len(data.items)
    catalogue = Catalogue(
        ids=tuple(data.items),
        titles=("",) * items,
        years=np.zeros(items, np.int32),
        genres=np.zeros(items, np.uint64),
        genre_names=(),
    )
    found = []
    with clock() as timed:
        for users in held_out(data, FOLDS, seed=0)[:folds]:
            taken = interest.in_data(without(data, users))
            values = np.array(_values(taken), np.float32)
            given = Interactions(taken.user, taken.item, values, taken.timestamp, catalogue)
            _replace(outputs, Lists().fit(given).model_.to_bytes())
            deployed: Any = _Deployed(outputs, data, interest)
            judged = judge(deployed, data, users, config, related=False)
            found.append({**judged.metrics(), "users": float(len(judged.hidden))})
    return {"engine": LISTS, "what": PERSONALIZE, **spread(found), **timed.row()}


def _replace(outputs: dict[str, str], model: bytes) -> None:
    """Let the functions answer from another model."""
    boto3.client("s3").put_object(
        Bucket=outputs["BucketName"], Key=outputs["ListsModelKey"], Body=model
    )
    for name in ("ListsFunctionName", "EventsFunctionName"):
        _renew(outputs[name])


def _renew(function: str) -> None:
    """End the execution environments: other variables need new ones."""
    aws = boto3.client("lambda")
    environment = aws.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    aws.update_function_configuration(
        FunctionName=function,
        Environment={"Variables": {**environment, "BENCH": uuid.uuid4().hex}},
    )
    aws.get_waiter("function_updated_v2").wait(FunctionName=function)


def _live(outputs: dict[str, str], seconds: float) -> dict[str, Any]:
    """Callers at once, each telling an event and asking for the list that it must change."""
    lists, events = outputs["ListsFunctionName"], outputs["EventsFunctionName"]
    counts = {"calls": 0, "failed": 0, "stale": 0}
    lock, deadline = threading.Lock(), time.monotonic() + seconds

    def count(**more: int) -> None:
        with lock:
            for name, number in more.items():
                counts[name] += number

    def live(number: int) -> None:
        aws, user = boto3.Session().client("lambda"), f"caller {number}"
        while time.monotonic() < deadline:
            try:
                first = invoke(lists, {"user": user, "count": 1}, aws)[0]["items"][0]["item"]
                event = {"user": user, "item": first, "timestamp": int(time.time())}
                invoke(events, {"events": [event]}, aws)
                later = invoke(lists, {"user": user, "count": 500}, aws)[0]["items"]
                count(calls=3, stale=int(first in [one["item"] for one in later]))
            except Exception as error:
                print(f"{user}: {error!r}", file=sys.stderr)
                count(failed=1)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(_CALLERS)]
    with clock() as timed:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {"engine": LISTS, "what": f"{_CALLERS} callers at once", **counts, **timed.row()}


@cache
def _signer() -> tuple[Any, Any]:
    return boto3.Session(), URLLib3Session()


def main(scratch: str, folder: str, latest: str, quick: str = "") -> None:
    """Measure within the local AWS's environment."""
    data = MovieLens(Path(folder))
    record(Path(scratch), _measure(data, Path(latest), Path(scratch), bool(quick)))


if __name__ == "__main__":
    main(*sys.argv[1:])
