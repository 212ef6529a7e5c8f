"""What is asked of Amazon Personalize once it is deployed, and how it answers."""

import json
import re
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

Outputs = Mapping[str, Mapping[str, str]]

_SERVED = re.compile(r"(Custom|Domain)(\w+?)(Campaign|Recommender)Arn")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question to a campaign or recommender: item ids, best first, or what went wrong."""

    question: str
    items: list[str]
    error: str | None = None


@dataclass(kw_only=True)
class Personalized:
    """What came back: metrics of each model by name, answers, medians in milliseconds."""

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a question was not answered."""
        return any(answer.error for answer in self.answers)


@dataclass(frozen=True)
class Catalogue:
    """People's ids behind the engines' integers, where they differ, and titles by people's ids."""

    users: dict[int, str]
    items: dict[int, str]
    titles: dict[str, str]

    @classmethod
    def read(cls, data: Path) -> "Catalogue":
        """Read a folder that `recsys prepare` wrote."""
        folder = data / "bucket" / "object2vec" / "movielens"
        ids = folder / "ids.json"
        mapped = json.loads(ids.read_text("utf-8")) if ids.is_file() else {}
        users, items = (
            {number: label for label, number in mapped.get(kind, {}).items()}
            for kind in ("users", "items")
        )
        titles = {}
        for line in (folder / "ml-100k" / "u.item").read_text("latin-1").splitlines():
            number, title, *_ = line.split("|")
            titles[items.get(int(number), number)] = title
        return cls(users, items, titles)


def ask(stacks: Outputs, user: str, item: str, repeats: int = 30) -> Personalized:
    """Ask everything that the Personalize stack serves.

    Args:
        stacks: each stack's outputs; without Personalize's nothing is asked.
        user, item: whom and by what.
        repeats: of the call that is timed.
    """
    told = {name: value for stack in stacks.values() for name, value in stack.items()}
    found = Personalized()
    for name, value in told.items():
        served = _SERVED.fullmatch(name)
        if served is None:
            continue
        group, model, kind = served.groups()
        title = f"{group} {_words(model)}"
        if text := told.get(f"{group}{model}Metrics"):
            found.metrics[title] = json.loads(text)
        recipe = _recipe(kind, value)
        arn = {f"{kind.lower()}Arn": value}
        if recipe["recipeType"] == "PERSONALIZED_RANKING":
            found.answers.append(_ranked(title, value, user, told))
            continue
        who = {"userId": user} if recipe["recipeType"] != "RELATED_ITEMS" else {}
        what = {"itemId": item} if recipe["recipeType"] == "RELATED_ITEMS" else {}
        if recipe.get("domain"):
            who = {"userId": user}
        question = {**arn, **who, **what}
        found.answers.append(_answer(title, question))
        if recipe["recipeType"] != "USER_PERSONALIZATION":
            continue
        for filter_name in ("Unrated", "Unwatched"):
            if filter_arn := told.get(f"{group}{filter_name}FilterArn"):
                filtered = {**question, "filterArn": filter_arn}
                words = f"{title}, {filter_name.lower()} only"
                found.answers.append(_answer(words, filtered))
                found.milliseconds[words] = _median(filtered, repeats)
        if tracking := told.get(f"{group}TrackingId"):
            found.answers.append(_after_an_event(title, question, tracking, group))
    return found


def lines(found: Personalized, titles: Mapping[str, str]) -> Iterator[str]:
    """The section of the report."""
    if not found.answers:
        return
    yield "PERSONALIZE  coverage     MRR@25    NDCG@25       P@25"
    names = (
        "coverage",
        "mean_reciprocal_rank_at_25",
        "normalized_discounted_cumulative_gain_at_25",
        "precision_at_25",
    )
    for model, metrics in found.metrics.items():
        yield f"  {model}"
        yield " " * 10 + "".join(f"{metrics.get(name, float('nan')):>11.4f}" for name in names)
    for answer in found.answers:
        yield f"  {answer.question}"
        if answer.error:
            yield f"    FAILED: {answer.error}"
        for place, item in enumerate(answer.items[:_SHOWN], 1):
            yield f"  {place:>3}. {titles.get(item, item)}"
    for name, milliseconds in found.milliseconds.items():
        yield f"  {name:<52}{milliseconds:>7.1f} ms"
    yield ""


def _recipe(kind: str, arn: str) -> dict[str, Any]:
    """The description of the recipe behind a campaign or a recommender."""
    personalize = boto3.client("personalize")
    if kind == "Recommender":
        recipe = personalize.describe_recommender(recommenderArn=arn)["recommender"]["recipeArn"]
    else:
        version = personalize.describe_campaign(campaignArn=arn)["campaign"]["solutionVersionArn"]
        solution = version.rpartition("/")[0]  # of a version, or of `/$LATEST`
        recipe = personalize.describe_solution(solutionArn=solution)["solution"]["recipeArn"]
    described: dict[str, Any] = personalize.describe_recipe(recipeArn=recipe)["recipe"]
    if kind == "Recommender":
        described["domain"] = "VIDEO_ON_DEMAND"
    return described


def _answer(words: str, question: Mapping[str, Any]) -> Answer:
    try:
        answer = boto3.client("personalize-runtime").get_recommendations(**question)
    except ClientError as error:
        return Answer(question=words, items=[], error=str(error))
    items = [str(item["itemId"]) for item in answer["itemList"]]
    return Answer(question=words, items=items, error=None if items else "an empty list")


def _ranked(title: str, campaign: str, user: str, told: Mapping[str, str]) -> Answer:
    """Ten items of another campaign or recommender, in the order in which the user likes them."""
    words = f"{title}, ten items"
    some: list[str] = []
    for name, value in sorted(told.items()):
        served = _SERVED.fullmatch(name)
        if served and value != campaign and len(some) < 10:
            key = f"{served[3].lower()}Arn"
            question = {key: value, "userId": user, "numResults": 10}
            some = _answer(words, question).items
    some = some or [str(number) for number in range(1, 11)]
    try:
        answer = boto3.client("personalize-runtime").get_personalized_ranking(
            campaignArn=campaign, userId=user, inputList=some
        )
    except ClientError as error:
        return Answer(question=words, items=[], error=str(error))
    return Answer(question=words, items=[one["itemId"] for one in answer["personalizedRanking"]])


def _after_an_event(title: str, question: Mapping[str, Any], tracking: str, group: str) -> Answer:
    """The list after the user has taken its last entry."""
    before = _answer(title, question)
    words = f"{title}, after an event"
    if before.error:
        return before
    boto3.client("personalize-events").put_events(
        trackingId=tracking,
        userId=str(question["userId"]),
        sessionId=str(uuid.uuid4()),
        eventList=[
            {
                "eventType": "Watch" if group == "Domain" else "Rating",
                "itemId": before.items[-1],
                "sentAt": time.time(),
                **({} if group == "Domain" else {"eventValue": 5.0}),
            }
        ],
    )
    after = _answer(words, question)
    if after.items == before.items:
        return Answer(question=words, items=after.items, error="the event changed nothing")
    return after


def _median(question: Mapping[str, Any], repeats: int) -> float:
    runtime = boto3.client("personalize-runtime")
    durations = []
    for _ in range(repeats):
        began = time.perf_counter()
        runtime.get_recommendations(**question)
        durations.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(durations), 1)


def _words(name: str) -> str:
    """`UserPersonalizationV2` as `user personalization v2`."""
    return " ".join(re.findall(r"[A-Z][a-z]*\d*", name)).lower()
