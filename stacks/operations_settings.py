"""The settings `operations`: what watches over a deployment, and what it may spend."""

from dataclasses import dataclass
from typing import Final

from stacks.settings import Settings

# of those that have Object2Vec
REGIONS_WITHOUT_BUDGETS: Final = (
    "af-south-1",
    "ap-east-1",
    "ap-northeast-3",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ca-west-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
)

LEAST_IDLE_HOURS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Operations:
    """How a deployment is watched.

    Attributes:
        alarms: whether there are alarms.
        dashboard: whether there is a dashboard.
        email: who is told; None for nobody.
        latency_ms: what nineteen of twenty calls may take, at most.
        model_days: how old a model may grow; 0 for any age.
        budget_usd: what the account may cost a month before somebody is told; 0 for no budget.
        idle_hours: without a call for so long, what is billed by the hour goes; 0 for never.
        tracing: whether X-Ray follows the functions' calls.
    """

    alarms: bool
    dashboard: bool
    email: str | None
    latency_ms: int
    model_days: int
    budget_usd: int
    idle_hours: int
    tracing: bool

    @property
    def caretaker(self) -> bool:
        """Whether somebody has to look after the stacks every hour."""
        return self.idle_hours > 0 or (self.alarms and self.model_days > 0)

    @property
    def told(self) -> str | None:
        """Who is told of alarms and of what the caretaker does; None for nobody."""
        return self.email if self.alarms or self.caretaker else None

    @property
    def any(self) -> bool:
        """Whether there is anything to deploy for them."""
        return self.alarms or self.dashboard or self.budget_usd > 0 or self.caretaker


def read(settings: Settings, region: str | None) -> Operations:
    """Read the section `operations`; errors are noted in `settings`.

    Args:
        settings: where they are read from.
        region: where the deployment goes to, if that is known.
    """
    email = settings.text(
        "operations.email", "", pattern=r"[^@\s,]+@[^@\s,]+\.[^@\s,]+", allowed="an e-mail address"
    )
    budget = settings.whole("operations.budget_usd", 0, low=0, high=1_000_000)
    if budget and not email:
        settings.errors.append("operations.budget_usd: set operations.email too, who is to be told")
    if budget and region in REGIONS_WITHOUT_BUDGETS:
        settings.errors.append(
            f"operations.budget_usd: CloudFormation makes no budgets in {region}; leave it out and "
            "make one by hand, which is for the whole account anyway"
        )
    idle_hours = settings.whole("operations.idle_hours", 0, low=0, high=336)
    if 0 < idle_hours < LEAST_IDLE_HOURS:
        settings.errors.append(
            f"operations.idle_hours: '{idle_hours}' is less than {LEAST_IDLE_HOURS} hours; a model "
            "takes up to three to train, and should be used before it counts as idle"
        )
    return Operations(
        alarms=settings.flag("operations.alarms", False),
        dashboard=settings.flag("operations.dashboard", False),
        email=email or None,
        latency_ms=settings.whole("operations.latency_ms", 1000, low=1, high=60_000),
        model_days=settings.whole("operations.model_days", 30, low=0, high=365),
        budget_usd=budget,
        idle_hours=idle_hours,
        tracing=settings.flag("operations.tracing", False),
    )
