"""Whether each trained model beats its baselines, on events that it has not learned from."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rehearsal.run import Rehearsal

_SIGMAS: Final = 1.96  # of a normal distribution, between which 95 % lie
_ERRORS: Final = {
    "rating": ("Object2Vec", "validation:mean_squared_error"),
    "deepmf": ("Deep matrix factorization", "validation:mean_squared_error"),
    "factorizationmachines": ("Factorization machines", "test:mse"),
}


@dataclass(frozen=True)
class Verdict:
    """One model's figure and the best of its baselines.

    Attributes:
        model: its name.
        metric: what was measured.
        value: the model's.
        margin: half of the 95 % interval.
        baselines: by name.
        lower: whether a lower value is a better one.
        advice: what to do if it beats no baseline.
    """

    model: str
    metric: str
    value: float
    margin: float
    baselines: Mapping[str, float]
    lower: bool
    advice: str

    @property
    def best(self) -> float:
        """The best baseline's figure."""
        return (min if self.lower else max)(self.baselines.values())

    @property
    def gain(self) -> float:
        """By how much the model is better; below 0 if it is worse."""
        return self.best - self.value if self.lower else self.value - self.best

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, of values that there are: no share is above 1."""
        most = math.inf if self.lower else 1.0
        return max(self.value - self.margin, 0.0), min(self.value + self.margin, most)

    @property
    def state(self) -> str:
        """`better`, `uncertain` within the interval, or `no better`."""
        if self.gain <= 0:
            return "no better"
        return "better" if self.gain > self.margin else "uncertain"

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        match self.state:
            case "better":
                return "better than its baselines"
            case "uncertain":
                return "seems better than its baselines, but the held-out part is too small to tell"
        return f"no better than its baselines: {self.advice}"


def verdicts(run: Rehearsal) -> Iterator[Verdict]:
    """One verdict for each model that has a metric and a baseline, and for each engine's lists.

    Intervals hold for independent errors: a mean of n values of 0 and 1, or between, has at most
    the variance of a proportion; a mean squared error, that of normally distributed errors.
    """
    baselines, judged = run.data["baselines"], run.data["validation"]
    if baselines:
        errors = baselines["rating_mse"]
        for task, (name, metric) in _ERRORS.items():
            value = _metric(run, task, metric)
            if value is not None:
                yield Verdict(
                    name,
                    "mean squared error of ratings",
                    value,
                    _SIGMAS * value * math.sqrt(2 / judged),
                    {
                        "mean": errors["global_mean"],
                        f"{run.data['nouns']['user']}'s mean": errors["user_mean"],
                        "biases": errors["bias"],
                    },
                    lower=True,
                    advice="it needs more ratings of each " + run.data["nouns"]["user"],
                )
        accuracy = _metric(run, "recommendation", "validation:accuracy")
        if accuracy is not None:
            answers = baselines["recommendation_accuracy"]
            yield Verdict(
                "Object2Vec, recommendation",
                "accuracy of what is liked",
                accuracy,
                _proportion(accuracy, judged),
                {"majority": answers["majority"], "biases": answers["bias"]},
                lower=False,
                advice="it needs more ratings, or another LIKED",
            )
    metrics: Mapping[str, Any] = run.lists.metrics
    if {"validation_ndcg@10", "validation_ndcg@10_popular"} <= set(metrics):
        value = float(metrics["validation_ndcg@10"])
        yield Verdict(
            "Lists",
            "NDCG@10 of lists",
            value,
            _proportion(value, int(metrics.get("validation_users", 1)) or 1),
            {"most popular": float(metrics["validation_ndcg@10_popular"])},
            lower=False,
            advice="it needs more events of each " + run.data["nouns"]["user"],
        )
    for survey in run.surveys:
        if survey.favourite is not None and survey.chance is not None:
            margin = _proportion(survey.favourite, survey.users)
            if survey.chance + margin >= 1:  # nearly all items have the genre: none can be better
                continue
            yield Verdict(
                survey.engine,
                "favourite genre in lists",
                survey.favourite,
                margin,
                {"chance": survey.chance},
                lower=False,
                advice="its lists do not follow what each "
                f"{run.data['nouns']['user']} likes; use those of another engine",
            )


def _proportion(value: float, count: int) -> float:
    """Half of Agresti and Coull's interval, which is not empty where all or none were right."""
    inside = min(max(value, 0.0), 1.0)
    tried = count + _SIGMAS**2
    share = (inside * count + _SIGMAS**2 / 2) / tried
    return _SIGMAS * math.sqrt(share * (1 - share) / tried)


def _metric(run: Rehearsal, task: str, name: str) -> float | None:
    value = run.training.get(task, {}).get("metrics", {}).get(name)
    return None if value is None else float(value)
