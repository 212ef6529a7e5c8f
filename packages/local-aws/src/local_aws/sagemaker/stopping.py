"""Rules by which a tuning job stops training jobs early, from their losses after each epoch.

https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HyperbandStrategyConfig.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from local_aws.sagemaker.errors import ValidationException

Rule = Callable[[Sequence[float], Sequence[Sequence[float]]], bool]
"""Whether to stop a training job.

It is called after each epoch with the job's losses so far and those of the other jobs; lower is
better.
"""
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
_MOST_EPOCHS = 20_000
_ETA = 3  # of each group that reaches a rung, one in three goes on


def worse_than_median(losses: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
    """Whether the loss is above the median of the other jobs' running averages at this epoch."""
    epoch = len(losses)
    averages = [fmean(one[:epoch]) for one in others if len(one) >= epoch]
    return bool(averages) and losses[-1] > median(averages)


class Hyperband:
    """Asynchronous successive halving: at each rung of epochs, the best third goes on.

    Args:
        least: epochs before which no job is stopped; rungs are at 3, 9, … times as many, too.
        most: epochs after which a job is stopped.
    """

    def __init__(self, least: int, most: int) -> None:
        self._rungs = set(_rungs(least, most))
        self._most = most

    def __call__(self, losses: Sequence[float], others: Sequence[Sequence[float]]) -> bool:
        """Whether to stop a job."""
        epoch = len(losses)
        if epoch >= self._most:
            return True
        if epoch not in self._rungs:
            return False
        reached = [one[epoch - 1] for one in others if len(one) >= epoch]
        better = sum(loss < losses[-1] for loss in reached)
        group = len(reached) + 1
        return group >= _ETA and better >= group // _ETA


def _rungs(least: int, most: int) -> Iterator[int]:
    while least < most:
        yield least
        least *= _ETA


def rule(config: Mapping[str, Any], static: Mapping[str, str]) -> Rule | None:
    """The rule of a tuning job, None if it stops no training job early.

    Args:
        config: HyperParameterTuningJobConfig.
        static: the static hyperparameters, which may tell Hyperband's greatest number of epochs.

    Raises:
        ValidationException: the settings contradict each other, or epochs are missing.
    """
    automatic = config.get("TrainingJobEarlyStoppingType", "Off") == "Auto"
    settings = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig")
    if config["Strategy"] != "Hyperband":
        if settings is not None:
            raise ValidationException("HyperbandStrategyConfig needs the strategy Hyperband.")
        return worse_than_median if automatic else None
    if automatic:
        raise ValidationException(
            "TrainingJobEarlyStoppingType must be Off with the strategy Hyperband, which stops "
            "training jobs by itself."
        )
    settings = settings or {}
    told = next((static[name] for name in _EPOCHS if name in static), "")
    most = settings.get("MaxResource") or (int(told) if told.isdecimal() else 0)
    least = settings.get("MinResource", 1)
    if not 1 <= least <= most <= _MOST_EPOCHS:
        raise ValidationException(
            "Hyperband needs 1 <= MinResource <= MaxResource <= "
            f"{_MOST_EPOCHS}, not {least} and {most}. Without MaxResource, one of the static "
            f"hyperparameters {', '.join(_EPOCHS)} tells it."
        )
    return Hyperband(least, most)
