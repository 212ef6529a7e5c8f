"""What each deployed engine suggests to three users of the data, beside what they have had."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import boto3
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from outputs import Outputs, Served
from rehearsal.personalize import Catalogue

COUNT: Final = 10
_HISTORY: Final = 12
_MOST: Final = 10_000  # items that are scored one by one, the best known ones
_PAIRS: Final = 1_000  # a request to an endpoint
_PERSONAL: Final = ("UserPersonalizationV2", "UserPersonalization", "TopPicks")

Ids = list[str]


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One user.

    Attributes:
        user: their own id.
        total: how many items they have had.
        history: the newest of these, newest first: own id and rating, or amount.
        lists: by engine, the own ids of what it suggests, best first.
        errors: by engine, why there is no list.
    """

    user: str
    total: int
    history: list[tuple[str, float]]
    lists: dict[str, Ids] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """A user's own id and number, the items they have had, and all others, best known first."""

    user: str
    number: int
    had: Ids
    others: Ids


def shelves(
    outputs: Outputs, catalogue: Catalogue, data: Path, manifest: Mapping[str, Any]
) -> list[Shelf]:
    """Ask every engine for the sample's user, a user of median activity, and a busy one.

    Args:
        outputs: the stacks' outputs.
        catalogue: the catalogue of the deployed data.
        data: the prepared folder.
        manifest: its manifest.
    """
    with np.load(data / "bucket" / manifest["keys"]["interactions"], allow_pickle=False) as rows:
        user, item, value, time = (rows[name] for name in ("user", "item", "value", "timestamp"))
    numbers, counts = np.unique(user, return_counts=True)
    by_activity = numbers[np.argsort(counts, kind="stable")]
    wanted = [manifest["sample"]["user"]]
    wanted += [int(by_activity[int(share * (len(numbers) - 1))]) for share in (0.5, 0.9)]
    items, fame = np.unique(item, return_counts=True)
    known = items[np.argsort(-fame, kind="stable")][: _MOST + int(counts.max())].tolist()
    engines = dict(_engines(outputs, catalogue, manifest))
    found = []
    for number in dict.fromkeys(wanted):
        own = np.flatnonzero(user == number)
        own = own[np.argsort(-time[own], kind="stable")]
        had = [catalogue.item(one) for one in item[own].tolist()]
        seen = set(had)
        others = [one for one in map(catalogue.item, known) if one not in seen][:_MOST]
        shelf = Shelf(
            user=catalogue.user(number),
            total=len(had),
            history=list(zip(had, np.round(value[own], 2).tolist(), strict=True))[:_HISTORY],
        )
        asked = _Asked(shelf.user, number, had, others)
        for name, engine in engines.items():
            try:
                best = [one for one in engine(asked) if one not in seen]
            except (ClientError, BotoCoreError, RuntimeError) as error:
                shelf.errors[name] = str(error)
            else:
                shelf.lists[name] = best[:COUNT]
        found.append(shelf)
    return found


def _engines(
    outputs: Outputs, catalogue: Catalogue, manifest: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[_Asked], Ids]]]:
    """Each deployed engine's name, and what asks it."""
    if function := outputs.get("ListsFunctionName"):
        yield "Lists", lambda asked: _from_lists(function, asked)
    engine = outputs.get("RecommendationEngineFunctionName")
    if engine and "RecommendationEndpointName" in outputs:
        yield "Object2Vec", lambda asked: _from_pairs(engine, asked, {"top_k": COUNT})
    if engine and "RetrievalEndpointName" in outputs:
        ranked = {"top_k": COUNT, "rank_by": "popularity_adjusted"}
        title = f"Object2Vec by who {catalogue.nouns['event']} what"
        yield title, lambda asked: _from_pairs(engine, asked, ranked)
    users, items = manifest["object2vec"].values()
    numbers = {label: number for number, label in catalogue.items.items()}
    if deep := outputs.get("DeepMfEndpointName"):

        def pair(user: int, item: int) -> dict[str, Any]:
            return {"in0": [user], "in1": [item]}

        yield (
            "Deep matrix factorization",
            lambda asked: _from_endpoint(
                deep, asked, lambda own: pair(asked.number, numbers[own]), _first
            ),
        )
    if machine := outputs.get("FactorizationMachinesEndpointName"):

        def features(user: int, item: int) -> dict[str, Any]:
            keys = [user, users + item]
            sparse = {"keys": keys, "shape": [users + items], "values": [1, 1]}
            return {"data": {"features": sparse}}

        yield (
            "Factorization machines",
            lambda asked: _from_endpoint(
                machine, asked, lambda own: features(asked.number, numbers[own]), _score
            ),
        )
    for served in outputs.served():
        if served.model in _PERSONAL:
            title = f"Personalize ({served.group.lower()})"
            yield title, partial(_from_personalize, outputs, served)


def _from_lists(function: str, asked: _Asked) -> Ids:
    event = {"user": asked.user, "count": COUNT, "explain": False}
    return [one["item"] for one in _invoked(function, event)["items"]]


def _from_pairs(function: str, asked: _Asked, how: Mapping[str, Any]) -> Ids:
    event = {"type": "recommendation", "user": asked.user, "movies": asked.others, **how}
    return [str(one["movie"]) for one in _invoked(function, event)["predictions"]]


def _from_endpoint(
    endpoint: str,
    asked: _Asked,
    instance: Callable[[str], dict[str, Any]],
    score: Callable[[dict[str, Any]], float],
) -> Ids:
    runtime, scores = boto3.client("sagemaker-runtime"), []
    for start in range(0, len(asked.others), _PAIRS):
        some = [instance(own) for own in asked.others[start : start + _PAIRS]]
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"instances": some}),
        )
        scores += [score(one) for one in json.load(answer["Body"])["predictions"]]
    order = np.argsort(-np.array(scores), kind="stable")[:COUNT]
    return [asked.others[place] for place in order.tolist()]


def _first(prediction: dict[str, Any]) -> float:
    return float(prediction["scores"][0])


def _score(prediction: dict[str, Any]) -> float:
    return float(prediction["score"])


def _from_personalize(outputs: Outputs, served: Served, asked: _Asked) -> Ids:
    names = (f"{served.group}{name}FilterArn" for name in ("Unrated", "Unwatched"))
    arn = next((outputs[name] for name in names if name in outputs), None)
    answer = boto3.client("personalize-runtime").get_recommendations(
        **{served.target: served.arn},
        userId=asked.user,
        numResults=min(COUNT + (0 if arn else len(asked.had)), 500),
        **({"filterArn": arn} if arn else {}),
    )
    return [str(one["itemId"]) for one in answer["itemList"]]


def _invoked(function: str, event: Mapping[str, Any]) -> Any:
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    told = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(str(told.get("errorMessage", told)))
    return told
