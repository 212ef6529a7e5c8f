"""The settings of Amazon Personalize: dataset groups and their resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stacks import schedule_settings
from stacks.prepared_data import PreparedData, Table, read_tables
from stacks.settings import Settings

# Regions where CloudFormation has all types of the stack; cn-north-1 lacks campaigns, filters and
# event trackers (the registry's schemas, November 2026).
REGIONS: Final = (
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-central-1", "eu-west-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
)
_GATE: Final = 20  # percent, of trainings by schedule
GROUPS: Final = ("custom", "domain")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The features of a recipe: hyperparameter optimization, a campaign."""

    tunes: bool = False
    serves: bool = True
    metadata: bool = False


RECIPES: Final = {
    "user-personalization-v2": Recipe(),
    "user-personalization": Recipe(tunes=True),
    "personalized-ranking-v2": Recipe(),
    "personalized-ranking": Recipe(tunes=True),
    "similar-items": Recipe(tunes=True),
    "sims": Recipe(tunes=True),
    "popularity-count": Recipe(),
    "trending-now": Recipe(),
    "item-affinity": Recipe(serves=False),
    "item-attribute-affinity": Recipe(serves=False, metadata=True),
}
RETIRED: Final = {
    "hrnn": "user-personalization-v2",
    "hrnn-metadata": "user-personalization-v2 with personalize.metadata=true",
    "hrnn-coldstart": "user-personalization-v2 with personalize.metadata=true",
    "deepfm": "user-personalization-v2 with personalize.metadata=true",
    "ffnn": "user-personalization-v2",
    "search-personalization": "personalized-ranking-v2",
    "automl": "user-personalization-v2: AutoML only chose among the HRNN recipes",
}
USE_CASES: Final = (
    *("more-like-x", "top-picks", "because-you-watched-x", "most-popular", "trending-now"),
)
_WITH_ITEMS: Final = {
    # a date is told with the request, so no filter has to be replaced as days pass
    "Since": "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP >= $SINCE",
    "Genre": "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)",
    "YearRange": "INCLUDE ItemID WHERE Items.YEAR >= $YEAR1 AND Items.YEAR < $YEAR2",
}
FILTERS: Final = {
    "custom": {
        "Unrated": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Rating")',
    },
    "domain": {
        "Watched": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")',
        "Unwatched": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Watch")',
    },
}


COUNTED: Final = {"custom": ("Rating",), "domain": ("Watch", "Click")}
"""The types of events that are counted, if any, by dataset group. They are not a setting: a group
can have one metric attribution, so that a changed one could not be made before the old one goes."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The settings of one dataset group.

    Attributes:
        name: `custom` or `domain`.
        domain: the service's name of the domain; None for a custom group.
        tables: the tables to import, by kind.
        solutions: recipes, without `aws-`.
        recommenders: use cases of the domain, without `aws-vod-`.
        filters: filter expressions by name.
    """

    name: str
    domain: str | None
    tables: Mapping[str, Table]
    solutions: tuple[str, ...]
    recommenders: tuple[str, ...]
    filters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Personalize:
    """The settings of Amazon Personalize.

    Attributes:
        groups: the dataset groups; empty to deploy none.
        hpo: whether hyperparameters are optimized, if the recipe supports it.
        auto_training_days: days between automatic trainings; 0 for none.
        schedule: when new versions are trained, see `stacks.schedule_settings`.
        gate: by how many percent the NDCG of a new version may be lower than that of the one in
            service; 100 to compare none.
        min_tps: the minimum provisioned transactions per second, which are billed.
        event_tracker: whether there is an event tracker.
        batch: whether there is a role for batch jobs.
        attribution: whether events are counted by what recommended.
    """

    groups: tuple[Group, ...]
    hpo: bool
    auto_training_days: int
    schedule: str
    gate: int
    min_tps: int
    event_tracker: bool
    batch: bool
    attribution: bool


def read(
    settings: Settings, data: PreparedData | None, region: str | None, default: str = "custom"
) -> Personalize:
    """Read the section `personalize`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        data: the prepared data; None if there are none.
        region: the deployment's region, if known.
        default: the dataset groups if the settings name none.
    """
    chosen = settings.choice("personalize.groups", default, ("off", *GROUPS, "both"))
    metadata = settings.flag("personalize.metadata", False)
    filters = settings.flag("personalize.filters", True)
    hpo = settings.flag("personalize.hpo", False)
    # All groups are read, whichever are chosen, so that all settings are validated.
    solutions = {
        "custom": settings.words(
            "personalize.solutions", "user-personalization-v2", tuple(RECIPES), "aws-", RETIRED
        ),
        "domain": settings.words(
            "personalize.domain_solutions",
            "personalized-ranking-v2",
            tuple(RECIPES),
            "aws-",
            RETIRED,
        ),
    }
    recommenders = settings.words(
        "personalize.recommenders", "more-like-x,top-picks", USE_CASES, "aws-vod-"
    )
    names = GROUPS if chosen == "both" else () if chosen == "off" else (chosen,)
    groups = []
    for name in names:
        tables = _tables(settings, data, name)
        if name == "custom" and not metadata:
            tables = {kind: tables[kind] for kind in ("Interactions",) if kind in tables}
        groups.append(
            Group(
                name=name,
                domain="VIDEO_ON_DEMAND" if name == "domain" else None,
                tables=tables,
                solutions=solutions[name],
                recommenders=recommenders if name == "domain" else (),
                filters=_filters(name, tables) if filters else {},
            )
        )
    quota = settings.whole("quotas.campaigns", 5, low=1, high=1000)
    for group in groups:
        _check_campaigns(settings, group, quota)
    used = [recipe for group in groups for recipe in group.solutions]
    if hpo and groups and not any(RECIPES[recipe].tunes for recipe in used):
        tunable = ", ".join(name for name, recipe in RECIPES.items() if recipe.tunes)
        settings.refuse("personalize.hpo", "true", f"possible with {', '.join(used)}: {tunable}")
    if not metadata and any(RECIPES[name].metadata for name in solutions["custom"]):
        settings.refuse("personalize.metadata", "false", "enough for item-attribute-affinity")
    if groups and region and region not in REGIONS:
        settings.errors.append(
            f"personalize.groups: CloudFormation does not support all of Amazon Personalize in "
            f"{region}; set it to off, or deploy to one of {', '.join(REGIONS)}"
        )
    days = settings.whole("personalize.auto_training_days", 0, low=0, high=30)
    schedule = schedule_settings.read(settings, "personalize.schedule")
    off = schedule == schedule_settings.OFF
    if not off and days:
        settings.errors.append(
            "personalize.schedule: Personalize trains by itself "
            f"(personalize.auto_training_days={days}), and its versions serve as soon as they are "
            "trained; set one of the two"
        )
    if not off and not used:
        settings.errors.append(
            "personalize.schedule: nothing of Amazon Personalize is deployed that it could train; "
            "set personalize.groups"
        )
    return Personalize(
        groups=tuple(groups),
        hpo=hpo,
        auto_training_days=days,
        schedule=schedule,
        gate=settings.whole("personalize.gate", 100 if off else _GATE, low=0, high=100),
        min_tps=settings.whole("personalize.min_tps", 1, low=1, high=500),
        event_tracker=settings.flag("personalize.event_tracker", True),
        batch=settings.flag("personalize.batch", False),
        attribution=settings.flag("personalize.attribution", False),
    )


def _check_campaigns(settings: Settings, group: Group, quota: int) -> None:
    """Refuse more campaigns than a dataset group may have: the last one fails after hours.

    Recommenders have the same limit of five, and there are no more use cases.
    """
    served = [recipe for recipe in group.solutions if RECIPES[recipe].serves]
    if len(served) > quota:
        name = "personalize.solutions" if group.name == "custom" else "personalize.domain_solutions"
        settings.refuse(
            name,
            ", ".join(group.solutions),
            f"possible: {len(served)} of them serve campaigns, and a dataset group may have "
            f"{quota}. Where AWS has raised that quota, set quotas.campaigns to it",
        )


def _tables(settings: Settings, data: PreparedData | None, group: str) -> dict[str, Table]:
    if data is None:
        return {}
    try:
        return read_tables(data, group)
    except ValueError as error:
        settings.errors.append(f"data: {error}")
        return {}


def _filters(group: str, tables: Mapping[str, Table]) -> dict[str, str]:
    return {**(_WITH_ITEMS if "Items" in tables else {}), **FILTERS[group]}
