"""What each deployed engine suggests: to three users in full, and to many in figures."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
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
_USERS: Final = 60, 10  # whose lists are described, at most and at least
_SCORED: Final = 120_000  # pairs in all, of which fewer users have a larger catalogue
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


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One engine's lists of many users, described.

    Attributes:
        engine: its name.
        users: how many.
        places: items in all of their lists.
        different: how many different items these are.
        had: how many places hold an item that the user has had.
        favourite: the share of the places whose item has the genre that the user likes most; None
            if no user has one.
        chance: the same share of all that the users have not had.
    """

    engine: str
    users: int
    places: int
    different: int
    had: int
    favourite: float | None
    chance: float | None


@dataclass(frozen=True)
class _Asked:
    """A user: own id and number; what they have had, newest first; all other items, by fame.

    `values` are the ratings, or amounts, of what they have had.
    """

    user: str
    number: int
    had: Ids
    values: list[float]
    others: Ids


class _Users:
    """The users of the prepared data.

    Attributes:
        by_activity: their numbers, those who have had least first.
    """

    def __init__(self, catalogue: Catalogue, data: Path, manifest: Mapping[str, Any]) -> None:
        path = data / "bucket" / manifest["keys"]["interactions"]
        with np.load(path, allow_pickle=False) as rows:
            names = ("user", "item", "value", "timestamp")
            self._user, self._item, self._value, self._time = (rows[name] for name in names)
        self._catalogue = catalogue
        numbers, counts = np.unique(self._user, return_counts=True)
        self.by_activity: list[int] = numbers[np.argsort(counts, kind="stable")].tolist()
        items, fame = np.unique(self._item, return_counts=True)
        known = items[np.argsort(-fame, kind="stable")][: _MOST + int(counts.max())].tolist()
        self._known = [catalogue.item(one) for one in known]

    def asked(self, number: int) -> _Asked:
        """The user with a number."""
        own = np.flatnonzero(self._user == number)
        own = own[np.argsort(-self._time[own], kind="stable")]
        had = [self._catalogue.item(one) for one in self._item[own].tolist()]
        seen = set(had)
        others = [one for one in self._known if one not in seen][:_MOST]
        values = np.round(self._value[own], 2).tolist()
        return _Asked(self._catalogue.user(number), number, had, values, others)

    def several(self) -> list[_Asked]:
        """Some users, from the least active to the most active."""
        most, least = _USERS
        count = min(most, max(least, _SCORED // len(self._known)), len(self.by_activity))
        places = np.linspace(0, len(self.by_activity) - 1, count).astype(int).tolist()
        return [self.asked(self.by_activity[place]) for place in places]


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
    users = _Users(catalogue, data, manifest)
    wanted = [manifest["sample"]["user"]]
    last = len(users.by_activity) - 1
    wanted += [users.by_activity[int(share * last)] for share in (0.5, 0.9)]
    engines = dict(_engines(outputs, catalogue, manifest))
    found = []
    for number in dict.fromkeys(wanted):
        asked = users.asked(number)
        history = list(zip(asked.had, asked.values, strict=True))[:_HISTORY]
        shelf = Shelf(user=asked.user, total=len(asked.had), history=history)
        for name, engine in engines.items():
            try:
                shelf.lists[name] = [one for one in engine(asked) if one not in asked.had]
            except _FAILED as error:
                shelf.errors[name] = str(error)
        found.append(shelf)
    return found


def surveys(
    outputs: Outputs, catalogue: Catalogue, data: Path, manifest: Mapping[str, Any]
) -> list[Survey]:
    """Describe every engine's lists of many users; the arguments are those of `shelves`.

    The served models have learned from all of the data, so this does not tell how often they are
    right; it tells whether their lists are the user's own, and repeat nothing. An engine that
    fails, which `shelves` reports, has no figures.
    """
    several = _Users(catalogue, data, manifest).several()
    liked = -np.inf if manifest["scale"]["events"] else catalogue.liked
    favourites = [_favourite(asked, catalogue, liked) for asked in several]
    found = []
    for name, engine in _engines(outputs, catalogue, manifest):
        try:
            lists = [engine(asked) for asked in several]
        except _FAILED:
            continue
        found.append(
            Survey(
                engine=name,
                users=len(several),
                places=sum(map(len, lists)),
                different=len({item for one in lists for item in one}),
                had=sum(
                    item in asked.had
                    for asked, one in zip(several, lists, strict=True)
                    for item in one
                ),
                favourite=_share(favourites, lists, catalogue),
                chance=_share(favourites, [asked.others for asked in several], catalogue),
            )
        )
    return found


_FAILED: Final = (ClientError, BotoCoreError, RuntimeError)


def _favourite(asked: _Asked, catalogue: Catalogue, liked: float) -> str | None:
    """The genre of most of what a user has liked."""
    genres = Counter(
        genre
        for item, value in zip(asked.had, asked.values, strict=True)
        if value >= liked
        for genre in catalogue.genres.get(item, ())
    )
    return min(genres, key=lambda genre: (-genres[genre], genre)) if genres else None


def _share(favourites: list[str | None], lists: list[Ids], catalogue: Catalogue) -> float | None:
    """The mean share of the users' favourite genres in their lists."""
    shares = [
        float(np.mean([genre in catalogue.genres.get(item, ()) for item in one]))
        for genre, one in zip(favourites, lists, strict=True)
        if genre is not None and one
    ]
    return round(float(np.mean(shares)), 4) if shares else None


def _engines(
    outputs: Outputs, catalogue: Catalogue, manifest: Mapping[str, Any]
) -> Iterator[tuple[str, Callable[[_Asked], Ids]]]:
    """Each deployed engine's name, and what asks it."""
    clients: Callable[[str], Any] = cache(boto3.client)
    if function := outputs.get("ListsFunctionName"):
        yield "Lists", lambda asked: _from_lists(clients("lambda"), function, asked)
    engine = outputs.get("RecommendationEngineFunctionName")
    if engine and "RecommendationEndpointName" in outputs:
        yield (
            "Object2Vec",
            lambda asked: _from_pairs(clients("lambda"), engine, asked, {"top_k": COUNT}),
        )
    if engine and "RetrievalEndpointName" in outputs:
        ranked = {"top_k": COUNT, "rank_by": "popularity_adjusted"}
        title = f"Object2Vec by who {catalogue.nouns['event']} what"
        yield title, lambda asked: _from_pairs(clients("lambda"), engine, asked, ranked)
    users, items = manifest["object2vec"].values()
    numbers = {label: number for number, label in catalogue.items.items()}
    if deep := outputs.get("DeepMfEndpointName"):

        def pair(user: int, item: int) -> dict[str, Any]:
            return {"in0": [user], "in1": [item]}

        yield (
            "Deep matrix factorization",
            lambda asked: _from_endpoint(
                clients("sagemaker-runtime"),
                deep,
                asked,
                lambda own: pair(asked.number, numbers[own]),
                _first,
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
                clients("sagemaker-runtime"),
                machine,
                asked,
                lambda own: features(asked.number, numbers[own]),
                _score,
            ),
        )
    for served in outputs.served():
        if served.model in _PERSONAL:
            title = f"Personalize ({served.group.lower()})"
            yield title, partial(_from_personalize, clients("personalize-runtime"), outputs, served)


def _from_lists(functions: Any, function: str, asked: _Asked) -> Ids:
    event = {"user": asked.user, "count": COUNT, "explain": False}
    return [one["item"] for one in _invoked(functions, function, event)["items"]]


def _from_pairs(functions: Any, function: str, asked: _Asked, how: Mapping[str, Any]) -> Ids:
    event = {"type": "recommendation", "user": asked.user, "movies": asked.others, **how}
    return [str(one["movie"]) for one in _invoked(functions, function, event)["predictions"]]


def _from_endpoint(
    runtime: Any,
    endpoint: str,
    asked: _Asked,
    instance: Callable[[str], dict[str, Any]],
    score: Callable[[dict[str, Any]], float],
) -> Ids:
    scores = []
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


def _from_personalize(runtime: Any, outputs: Outputs, served: Served, asked: _Asked) -> Ids:
    names = (f"{served.group}{name}FilterArn" for name in ("Unrated", "Unwatched"))
    arn = next((outputs[name] for name in names if name in outputs), None)
    answer = runtime.get_recommendations(
        **{served.target: served.arn},
        userId=asked.user,
        numResults=min(COUNT + (0 if arn else len(asked.had)), 500),
        **({"filterArn": arn} if arn else {}),
    )
    items = [str(one["itemId"]) for one in answer["itemList"]]
    if arn:
        return items
    return [one for one in items if one not in asked.had][:COUNT]


def _invoked(functions: Any, function: str, event: Mapping[str, Any]) -> Any:
    answer = functions.invoke(FunctionName=function, Payload=json.dumps(event))
    told = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(str(told.get("errorMessage", told)))
    return told
