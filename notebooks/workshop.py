"""Helpers of the notebooks: the deployment's outputs and data, waiting, tables and figures."""

import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib_inline.backend_inline import set_matplotlib_formats
from pandas.io.formats.style import Styler

# on a notebook instance the project's packages are not installed but found by path
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "packages" / "recsys" / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cost import prices
from outputs import Outputs, by_stack
from outputs import is_ours as is_ours  # for the notebooks
from recsys.datasets.ratings import Ids, Ratings
from recsys.datasets.scale import Scale
from recsys.evaluation import Predict

# The SageMaker SDK reads these at import. It must not send telemetry, and must not reject the
# deployment's roles, which only have the permissions of their own jobs.
os.environ["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(Path(__file__).with_name("sagemaker.yaml"))
os.environ["SAGEMAKER_VALIDATE_ROLE"] = "false"

PREFIX = os.environ.get("PREFIX", "recommender")
"""The prefix of the deployment's stacks and of all resources that the notebooks create."""

# All colours are legible on white and on near-black; no figure relies on colour alone.
BLUE, ORANGE, GREEN, RED, VIOLET, GREY = (
    *("#4c8bc4", "#e08a2e", "#4da167", "#d1615d", "#a07cc0", "#7b8088"),
)
SEQUENTIAL = "cividis"


def outputs(prefix: str = PREFIX) -> Outputs:
    """Read the outputs of all stacks of the deployment, by name.

    Raises:
        LookupError: there is no such deployment.
    """
    found = Outputs.of(by_stack(prefix))
    if not found:
        raise LookupError(f"no deployment is named {prefix}: deploy first, see README.md")
    return found


@dataclass(frozen=True)
class Data:
    """The deployment's data.

    Attributes:
        train: `user`, `item`, `rating`, `timestamp` (seconds since 1970), one rating per row.
        validation: `user`, `item`, `rating`, for evaluation.
        movies: `title`, `year` (missing where unknown) and `genres` (a tuple), by item.
        scale: the rating scale; `scale.likes` converts ratings to the label "liked".
        users, items: the original ids, which Amazon Personalize uses, by integer.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    movies: pd.DataFrame
    scale: Scale
    users: Ids
    items: Ids

    def title(self, item: int | str) -> str:
        """A movie's title, or its id if it has none."""
        return str(self.movies["title"].get(int(item), item))


def data(outputs: Mapping[str, str]) -> Data:
    """Read the deployment's data from the bucket and keys in its outputs.

    Warns if the deployed models have learned from the validation part, too.
    """
    if any(name.endswith("RefitJobName") for name in outputs):
        warnings.warn(
            "The deployed models were trained again on all ratings, the validation part included: "
            "their errors on it are too small. To evaluate them, deploy with -c refit=false.",
            stacklevel=2,
        )
    s3 = boto3.client("s3")

    def read(name: str) -> io.BytesIO:
        file = s3.get_object(Bucket=outputs["BucketName"], Key=outputs[name])
        return io.BytesIO(file["Body"].read())

    columns = ["user", "item", "rating", "timestamp"]
    train = pd.read_csv(read("RatingsKey"), sep="\t", names=columns)
    lines = pd.read_json(read("ValidationKey"), lines=True)
    validation = pd.DataFrame(
        {"user": lines["in0"].str[0], "item": lines["in1"].str[0], "rating": lines["label"]}
    )
    catalogue = json.loads(read("CatalogueKey").read())
    items = catalogue["items"]
    movies = pd.DataFrame(
        {
            "title": [item["title"] for item in items],
            "year": pd.array([item["year"] for item in items], "Float64").to_numpy(
                float, na_value=np.nan
            ),
            "genres": [tuple(item["genres"]) for item in items],
        },
        index=pd.Index([item["item"] for item in items], name="item"),
    )
    users, numbered = Ids(), Ids()
    with suppress(s3.exceptions.NoSuchKey):  # the file is missing if the ids are already integers
        labels = json.loads(read("IdsKey").read())
        users, numbered = (
            Ids(tuple(sorted(labels[kind], key=labels[kind].get)) if kind in labels else None)
            for kind in ("users", "items")
        )
    return Data(train, validation, movies, Scale(**catalogue["scale"]), users, numbered)


def ratings(frame: pd.DataFrame) -> Ratings:
    """Convert a table of `user`, `item`, `rating` and optionally `timestamp` to `recsys`'s type."""
    when = frame["timestamp"] if "timestamp" in frame else 0 * frame["user"]
    return Ratings(
        frame["user"].to_numpy(np.int32),
        frame["item"].to_numpy(np.int32),
        frame["rating"].to_numpy(np.float32),
        when.to_numpy(np.int64),
    )


def listed(lists: Mapping[int, Sequence[int]]) -> Predict:
    """Wrap precomputed lists as an engine for `recsys.evaluation`.

    Args:
        lists: items by user, best first.
    """
    users, items = 1 + max(lists), 1 + max(max(items, default=0) for items in lists.values())
    scores = np.zeros((users, items), np.float32)
    for user, best in lists.items():
        scores[user, list(best)] = np.arange(len(best), 0, -1)

    def predict(rows: Ratings) -> np.ndarray:
        known = (rows.user < users) & (rows.item < items)
        return np.where(known, scores[rows.user % users, rows.item % items], 0)

    return predict


def ask(endpoint: str, instances: Iterable[Mapping[str, Any]], answer: str = "scores") -> Any:
    """Send instances to an endpoint, a thousand per request, four requests in parallel.

    Args:
        endpoint: the endpoint's name.
        instances: such as `{"in0": [user], "in1": [item]}`.
        answer: the key of the results: `scores` or `embeddings`.

    Returns:
        An array with a row for each instance.
    """
    runtime, rest = boto3.client("sagemaker-runtime"), iter(instances)

    def send(some: list[Mapping[str, Any]]) -> list[Any]:
        response = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/jsonlines",
            Accept="application/jsonlines",
            Body=lines(some),
        )
        return [json.loads(line)[answer] for line in response["Body"].read().splitlines()]

    with ThreadPoolExecutor(4) as pool:
        thousands = iter(lambda: list(islice(rest, 1000)), [])
        found = [row for rows in pool.map(send, thousands) for row in rows]
    return np.array(found)


def pairs(rows: pd.DataFrame | Ratings) -> Iterator[dict[str, list[int]]]:
    """Convert rows with `user` and `item` to Object2Vec's instances."""
    for user, item in zip(rows.user, rows.item, strict=True):
        yield {"in0": [int(user)], "in1": [int(item)]}


def invoke(function: str, event: Mapping[str, Any]) -> Any:
    """Invoke a function and return its result.

    Raises:
        RuntimeError: the function failed; contains its error message.
    """
    response = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    told = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise RuntimeError(f"{function}: {told}")
    return told


def curves(job: str, metric: str) -> pd.DataFrame:
    """Read a training job's metric by epoch from its log, a column for each channel."""
    logs, group = boto3.client("logs"), "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")[
        "logStreams"
    ]
    found: dict[str, dict[int, float]] = {}
    for page in logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, logStreamNames=[stream["logStreamName"]]
    ):
        for event in page["events"]:
            pattern = rf"#quality_metric: .*epoch=(\d+), (\w+) {metric} <\w+>=(\S+)"
            if said := re.search(pattern, event["message"]):
                found.setdefault(said[2], {})[int(said[1])] = float(said[3])
    return pd.DataFrame(found).sort_index()


def delete_logs(job: str) -> None:
    """Delete the logs of a training job and of an endpoint with the same name, if they exist."""
    logs, group = boto3.client("logs"), "/aws/sagemaker/TrainingJobs"
    for stream in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")[
        "logStreams"
    ]:
        logs.delete_log_stream(logGroupName=group, logStreamName=stream["logStreamName"])
    with suppress(logs.exceptions.ResourceNotFoundException):
        logs.delete_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{job}")


def costs(amounts: Mapping[str, float]) -> pd.DataFrame:
    """Compute the cost of amounts of the price table's items, in us-east-1."""
    table = prices.read()
    rows = {
        item: {"amount": amount, "unit": table[item].per, "USD": amount * table[item].usd}
        for item, amount in amounts.items()
    }
    rows["in all"] = {"amount": "", "unit": "", "USD": sum(row["USD"] for row in rows.values())}
    return pd.DataFrame(rows).T


def wait(
    name: str, look: Callable[[], str], *, until: tuple[str, ...], seconds: float = 15
) -> None:
    """Poll a state and print every change, until it is one of the expected states.

    Args:
        name: a description of the resource.
        look: returns the current state.
        until: the states that end the waiting.
        seconds: the maximum interval between polls; the first intervals are shorter.

    Raises:
        RuntimeError: the state indicates a failure.
    """
    began, last, pause = time.monotonic(), "", 0.2
    print(f"{name}:", end="", flush=True)
    while True:
        state = look()
        if state != last:
            print(f" {state}", end="", flush=True)
            last = state
        if state in until:
            print(f" ({time.monotonic() - began:.0f} s)")
            return
        if "fail" in state.lower() or "stopped" in state.lower():
            raise RuntimeError(f"{name}: {state}")
        time.sleep(pause)
        pause = min(1.3 * pause, seconds)


def gone(
    name: str, look: Callable[[], Any], *, missing: type[Exception], seconds: float = 15
) -> None:
    """Wait until `look` raises `missing`, that is, until a deleted resource no longer exists."""

    def state() -> str:
        try:
            look()
        except missing:
            return "deleted"
        return "deleting"

    wait(name, state, until=("deleted",), seconds=seconds)


def style() -> None:
    """Set the style of figures: vector graphics with a transparent background."""
    set_matplotlib_formats("svg")
    plt.rcParams.update(
        {
            "figure.figsize": (8, 3.6),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "savefig.facecolor": "none",
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, VIOLET, GREY]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.alpha": 0.3,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "font.size": 10,
            **{f"{part}.color": GREY for part in ("text", "xtick", "ytick", "grid")},
            "axes.edgecolor": GREY,
            "axes.labelcolor": GREY,
            "axes.titlecolor": GREY,
        }
    )
    pd.options.display.precision = 3


def side_by_side(**tables: pd.DataFrame | pd.Series) -> HTML:
    """Show tables side by side, each under its name."""
    cells = "".join(
        f"<td style='vertical-align:top;padding:0 1.5em 0 0'><b>{name.replace('_', ' ')}</b>"
        f"{(t.to_frame() if isinstance(t, pd.Series) else t).to_html(index_names=False)}</td>"
        for name, t in tables.items()
    )
    return HTML(f"<table><tr>{cells}</tr></table>")


def words(table: pd.DataFrame) -> Styler:
    """Style a table of left-aligned texts."""
    left = {"text-align": "left"}
    return table.style.set_properties(**left).set_table_styles(
        [{"selector": "th", "props": list(left.items())}]
    )


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class Results(dict[str, Any]):
    """A notebook's results: a table for people, JSON for programs."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        table = pd.Series(self, name="").map(lambda value: f"{value:,.4g}")
        return {
            "text/html": table.to_frame().to_html(header=False),
            "application/json": dict(self),
            "text/plain": repr(dict(self)),
        }
