"""The settings `operations`: monitoring, budget and clean-up."""

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
    """Settings of monitoring.

    Attributes:
        alarms: whether there are alarms.
        dashboard: whether there is a dashboard.
        email: the email address for notices; None for none.
        latency_ms: alarm threshold of the 95th percentile of latency.
        model_days: alarm threshold of a model's age; 0 for none.
        budget_usd: the account's monthly budget; 0 for none.
        idle_hours: hours without calls after which a stack is deleted; 0 for never.
        tracing: whether X-Ray traces the functions' calls.
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
        """Whether the caretaker is needed."""
        return self.idle_hours > 0 or (self.alarms and self.model_days > 0)

    @property
    def told(self) -> str | None:
        """The recipient of alarms and of the caretaker's notices; None for none."""
        return self.email if self.alarms or self.caretaker else None

    @property
    def any(self) -> bool:
        """Whether the settings require any resource."""
        return self.alarms or self.dashboard or self.budget_usd > 0 or self.caretaker


def read(settings: Settings, region: str | None) -> Operations:
    """Read the section `operations`; errors are recorded in `settings`.

    Args:
        settings: the settings to read from.
        region: the deployment's region, if known.
    """
    email = settings.text(
        "operations.email", "", pattern=r"[^@\s,]+@[^@\s,]+\.[^@\s,]+", allowed="an e-mail address"
    )
    budget = settings.whole("operations.budget_usd", 0, low=0, high=1_000_000)
    if budget and not email:
        settings.errors.append(
            "operations.budget_usd: also set operations.email, which receives the warnings"
        )
    if budget and region in REGIONS_WITHOUT_BUDGETS:
        settings.errors.append(
            f"operations.budget_usd: CloudFormation does not support budgets in {region}; omit it "
            "and create one manually, which applies to the whole account anyway"
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
