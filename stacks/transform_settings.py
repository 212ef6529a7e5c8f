"""The settings `transform`: which engines score the lists of all users, by batch transform."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from stacks.settings import Settings

ENGINES: Final = ("object2vec", "deep_mf", "factorization_machines")
_MOST_ITEMS: Final = 500


@dataclass(frozen=True, kw_only=True)
class Transform:
    """What is scored for everybody.

    Attributes:
        engines: that score, at least one.
        best: how many of the lists' items of each user.
        instance_type: of the jobs.
    """

    engines: tuple[str, ...]
    best: int
    instance_type: str


def read(
    settings: Settings,
    engines: Collection[str],
    instance: Mapping[str, str],
    *,
    full: bool,
    source: bool,
) -> Transform | None:
    """Read the settings; None if no engine is asked. Errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        engines: the deployed engines besides Object2Vec.
        instance: how an instance type is written.
        full: whether Object2Vec is deployed.
        source: whether the data are in a bucket.
    """
    transform = Transform(
        engines=settings.words("transform.engines", "", ENGINES),
        best=settings.whole("transform.best", 200, low=1, high=_MOST_ITEMS),
        instance_type=settings.text("transform.instance_type", "ml.m5.large", **instance),
    )
    if not transform.engines:
        return None
    if source:
        settings.errors.append(
            "transform.engines: with a source, lists alone are deployed; preparation.lists writes "
            "those of all users"
        )
        return transform
    if "lists" not in engines:
        settings.errors.append(
            "transform.engines: they score items of the lists, which are not deployed; add lists "
            "to engines"
        )
    for engine in transform.engines:
        how = [] if full else ["set profile=full"]
        how += [] if engine in ("object2vec", *engines) else [f"add {engine} to engines"]
        if how:
            settings.errors.append(
                f"transform.engines: {engine} is not deployed; {' and '.join(how)}"
            )
    return transform
