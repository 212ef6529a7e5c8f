"""Queries a deployed Amazon Personalize and formats its answers."""

import json
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

from outputs import Outputs, Served

Question = dict[str, Any]

_UNSEEN = ("Unrated", "Unwatched")
_SHOWN = 3
METRICS: Final = {
    "MRR@25": "mean_reciprocal_rank_at_25",
    "NDCG@10": "normalized_discounted_cumulative_gain_at_10",
    "NDCG@25": "normalized_discounted_cumulative_gain_at_25",
    "P@10": "precision_at_10",
    "coverage": "coverage",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a campaign or recommender: item ids, best first, or an error.

    `before` is the answer to the same query before an event.
    """

    question: str
    items: list[str]
    before: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(kw_only=True)
class Model:
    """A campaign or recommender: its recipe, dataset group, metrics and answers."""

    recipe: str
    group: str
    metrics: dict[str, float]
    answers: list[Answer] = field(default_factory=list)


@dataclass(kw_only=True)
class Personalized:
    """The results: answers of each model, and median durations in milliseconds."""

    models: list[Model] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a query failed."""
        return any(answer.error for model in self.models for answer in model.answers)


@dataclass(frozen=True)
class Catalogue:
    """Original ids by the engines' integers, and the items' metadata.

    Attributes:
        users: original user ids by integer, where they differ.
        items: original item ids by integer.
        titles, genres, years: by original item id.
        liked: the minimum rating of a liked item.
        nouns: the words for items, users and events.
    """

    users: dict[int, str]
    items: dict[int, str]
    titles: dict[str, str]
    genres: dict[str, list[str]]
    years: dict[str, int]
    liked: float
    nouns: Mapping[str, str]

    @classmethod
    def read(cls, data: Path) -> "Catalogue":
        """Read a folder written by `recsys prepare`."""
        keys = json.loads((data / "manifest.json").read_text("utf-8"))["keys"]
        bucket = data / "bucket"
        ids = bucket / keys["ids"]
        labels = json.loads(ids.read_text("utf-8")).get("users", {}) if ids.is_file() else {}
        known = json.loads((bucket / keys["catalogue"]).read_text("utf-8"))
        items = known["items"]
        return cls(
            users={number: label for label, number in labels.items()},
            items={item["item"]: item["id"] for item in items},
            titles={item["id"]: item["title"] for item in items},
            genres={item["id"]: item["genres"] for item in items},
            years={item["id"]: item["year"] for item in items if item["year"]},
            liked=known["scale"]["liked"],
            nouns=known["nouns"],
        )

    def title(self, item: str) -> str:
        """An item's title, or its id if it has none."""
        return self.titles.get(item, item)

    def user(self, number: int) -> str:
        """The original id of an engine's integer for a user."""
        return self.users.get(number, str(number))

    def item(self, number: int) -> str:
        """The original id of an engine's integer."""
        return self.items.get(number, str(number))

    def kind(self, item: str) -> str:
        """An item's genres."""
        return ", ".join(self.genres.get(item, []))


def ask(
    outputs: Outputs, catalogue: Catalogue, sample: Mapping[str, int], repeats: int = 30
) -> Personalized:
    """Query every campaign and recommender of the Personalize stack.

    Args:
        outputs: the stacks' outputs; without those of Personalize nothing is queried.
        catalogue: the catalogue of the deployed data.
        sample: the engines' integers of the user and the items to query.
        repeats: the number of repetitions of each timed call.
    """
    user = catalogue.user(sample["user"])
    item, nouns = catalogue.item(sample["movie"]), catalogue.nouns
    found = Personalized()
    for served in outputs.served():
        group = served.group
        recipe = _recipe(served)
        metrics = json.loads(outputs.get(f"{group}{served.model}Metrics", "{}"))
        model = Model(recipe=recipe["name"], group=group.lower(), metrics=metrics)
        found.models.append(model)
        endpoint = {served.target: served.arn}
        match recipe["recipeType"]:
            case "PERSONALIZED_RANKING":
                some = list(catalogue.titles)[:10]
                words = f"{len(some)} {nouns['items']} ranked for {nouns['user']} {user}"
                model.answers.append(_ranked(endpoint, user, some, words))
            case "RELATED_ITEMS":
                question = endpoint | {"userId": user, "itemId": item}
                words = f"like {catalogue.title(item)}, {catalogue.kind(item) or 'without genre'}"
                model.answers.append(_answer(words, question))
            case "USER_PERSONALIZATION":
                question = endpoint | {"userId": user}
                model.answers.append(_answer(f"for {nouns['user']} {user}", question))
                for words, filtered in _filters(outputs, group, catalogue, item):
                    model.answers.append(_answer(words, question | filtered))
                    timed = f"{model.recipe}, {words}"
                    found.milliseconds[timed] = _median(question | filtered, repeats)
                if tracking := outputs.get(f"{group}TrackingId"):
                    model.answers.append(_after_an_event(question, tracking, group, catalogue))
            case _:
                model.answers.append(_answer("for everybody", endpoint | {"userId": user}))
    return found


def lines(found: Personalized, catalogue: Catalogue) -> Iterator[str]:
    """Format the report's section on Amazon Personalize."""
    if not found.models:
        return
    yield f"{'PERSONALIZE':<38}" + "".join(f"{name:>10}" for name in METRICS)
    for model in found.models:
        figures = (model.metrics.get(name) for name in METRICS.values())
        yield f"  {f'{model.recipe} ({model.group})':<36}" + "".join(
            f"{'–' if figure is None else f'{figure:.4f}':>10}" for figure in figures
        )
    for model in found.models:
        yield f"  {model.recipe}"
        for answer in model.answers:
            yield f"    {answer.question}" + (f": FAILED: {answer.error}" if answer.error else "")
            for place, item in enumerate(answer.items[:_SHOWN], 1):
                yield (
                    f"    {place:>3}. {catalogue.title(item):<50} {_moved(answer, place):<10}"
                    f"{catalogue.kind(item)}".rstrip()
                )
    yield ""


def _moved(answer: Answer, place: int) -> str:
    """The item's previous rank, or an empty string if it is unchanged."""
    if not answer.before:
        return ""
    item = answer.items[place - 1]
    was = answer.before.index(item) + 1 if item in answer.before else None
    return "" if was == place else f"(was {was})" if was else "(new)"


def _recipe(served: Served) -> dict[str, Any]:
    """The description of the recipe behind a campaign or a recommender."""
    personalize, arn = boto3.client("personalize"), served.arn
    if served.target == "recommenderArn":
        recipe = personalize.describe_recommender(recommenderArn=arn)["recommender"]["recipeArn"]
    else:
        version = personalize.describe_campaign(campaignArn=arn)["campaign"]["solutionVersionArn"]
        solution = version.rpartition("/")[0]  # strip the version or `/$LATEST`
        recipe = personalize.describe_solution(solutionArn=solution)["solution"]["recipeArn"]
    described: dict[str, Any] = personalize.describe_recipe(recipeArn=recipe)["recipe"]
    return described


def _filters(
    outputs: Outputs, group: str, catalogue: Catalogue, item: str
) -> Iterator[tuple[str, Question]]:
    """The group's filters, each as a description and request parameters."""
    for name in _UNSEEN:
        if arn := outputs.get(f"{group}{name}FilterArn"):
            yield f"{name.lower()} only", {"filterArn": arn}
    arn, genres = outputs.get(f"{group}GenreFilterArn"), catalogue.genres.get(item)
    if arn and genres:
        genre = genres[0]
        yield f"{genre} only", {"filterArn": arn, "filterValues": {"GENRE": f'"{genre}"'}}
    arn, year = outputs.get(f"{group}YearRangeFilterArn"), catalogue.years.get(item)
    if arn and year:
        first = year // 10 * 10
        values = {"YEAR1": str(first), "YEAR2": str(first + 10)}
        yield f"only {first}s", {"filterArn": arn, "filterValues": values}


def _answer(words: str, question: Question) -> Answer:
    try:
        answer = boto3.client("personalize-runtime").get_recommendations(**question)
    except ClientError as error:
        return Answer(question=words, items=[], error=str(error))
    items = [str(item["itemId"]) for item in answer["itemList"]]
    return Answer(question=words, items=items, error=None if items else "an empty list")


def _ranked(endpoint: Question, user: str, items: list[str], words: str) -> Answer:
    """Items ranked for the user."""
    try:
        answer = boto3.client("personalize-runtime").get_personalized_ranking(
            **endpoint, userId=user, inputList=items
        )
    except ClientError as error:
        return Answer(question=words, items=[], error=str(error))
    ranking = [str(one["itemId"]) for one in answer["personalizedRanking"]]
    wrong = None if sorted(ranking) == sorted(items) else "not the requested items"
    return Answer(question=words, items=ranking, error=wrong)


def _after_an_event(question: Question, tracking: str, group: str, catalogue: Catalogue) -> Answer:
    """The list after an event with its last item."""
    before = _answer("before an event", question)
    if before.error:
        return before
    taken = before.items[-1]
    rating = {"eventType": "Rating", "eventValue": catalogue.liked}
    words = f"after {catalogue.title(taken)}"
    try:
        boto3.client("personalize-events").put_events(
            trackingId=tracking,
            userId=question["userId"],
            sessionId=str(uuid.uuid4()),
            eventList=[
                {
                    **({"eventType": "Watch"} if group == "Domain" else rating),
                    "itemId": taken,
                    "sentAt": time.time(),
                }
            ],
        )
    except ClientError as error:
        return Answer(question=words, items=[], error=str(error))
    after = _answer(words, question)
    same = after.items == [item for item in before.items if item != taken]
    wrong = after.error or ("the event changed nothing" if same else None)
    return replace(after, before=before.items, error=wrong)


def _median(question: Question, repeats: int) -> float:
    """The median duration of a warm call in milliseconds, at the client."""
    runtime = boto3.client("personalize-runtime")
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        runtime.get_recommendations(**question)
        durations.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(durations), 1)
