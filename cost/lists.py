"""What lists cost by use, compared with a campaign of Amazon Personalize that answers the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cost.prices import HOURS, Price, read

# What is counted for a call and for an event; histories are as long as MovieLens 20M's on average.
MILLISECONDS: Final = 20
LOGGED: Final = 1_000  # bytes: when a call begins and ends, and what it answered
HISTORY: Final = 145  # events
EVENT: Final = 60  # bytes of user, time, event id and item
OVERHEAD: Final = 100  # bytes that DynamoDB adds to each item it stores
KEPT: Final = 10_000_000  # events
SENT: Final = 200  # bytes of an event that Personalize takes in
ASKED: Final = 50  # milliseconds that an engine takes for an arm's list, assumed
_READ_UNIT: Final = 4096  # bytes of a consistent read
_MILLION: Final = 1_000_000
_GB: Final = 1e9


@dataclass(frozen=True, kw_only=True)
class Usage:
    """US dollars before tax, without free tiers.

    Attributes:
        name: what costs it.
        idle: a month, while there are no calls.
        lists: a million lists.
        events: a million events, sent one at a time.
        prices: those that are used.
    """

    name: str
    idle: float
    lists: float
    events: float
    prices: tuple[Price, ...]


def of_stack(
    stack: str, memory_mb: int, architecture: str, prices: Mapping[str, Price] | None = None
) -> Usage:
    """The stack of lists.

    Args:
        stack: its name.
        memory_mb: of the functions that answer and take events.
        architecture: of these functions.
        prices: the table; by default the project's.
    """
    used = _Used(prices or read())
    call = used("lambda/requests") / _MILLION
    call += MILLISECONDS / 1000 * memory_mb / 1024 * used(f"lambda/{architecture}")
    call += LOGGED / _GB * used("logs/ingestion")
    reads = -(-HISTORY * EVENT // _READ_UNIT) * used("dynamodb/reads")
    stored = sum(used(item) for item in ("dynamodb/storage", "dynamodb/recovery", "s3/storage"))
    return Usage(
        name=stack,
        idle=KEPT * (EVENT + OVERHEAD) / _GB * stored,
        lists=_MILLION * call + reads,
        events=_MILLION * call + used("dynamodb/writes"),
        prices=used.found,
    )


def of_engine(
    model: str, memory_mb: int, architecture: str, prices: Mapping[str, Price] | None = None
) -> Usage:
    """What lists cost more in an arm of an experiment that asks an engine.

    The function waits for it. Its endpoint or campaign is priced with its own stack.

    Args:
        model: the arm's setting.
        memory_mb: of the function that waits for the engine.
        architecture: of this function.
        prices: the table; by default the project's.
    """
    used = _Used(prices or read())
    call = ASKED / 1000 * memory_mb / 1024 * used(f"lambda/{architecture}")
    return Usage(
        name=f"an arm that asks {model}, in addition",
        idle=0.0,
        lists=_MILLION * call,
        events=0.0,
        prices=used.found,
    )


def of_campaign(prices: Mapping[str, Price] | None = None) -> Usage:
    """A campaign of a version 2 recipe that is kept ready for one request per second."""
    used = _Used(prices or read())
    request = used("personalize/requests-v2") / 1000
    return Usage(
        name="campaign of Amazon Personalize (v2), one request per second",
        idle=HOURS * 3600 * request,
        lists=_MILLION * request,
        events=_MILLION * SENT / _GB * used("personalize/import"),
        prices=used.found,
    )


def compared(stack: Usage, engines: Sequence[Usage] = ()) -> Iterator[str]:
    """Format the comparison: a table, and what it counts.

    Args:
        stack: the stack of lists.
        engines: what arms of experiments add.
    """
    rows = (stack, *engines, of_campaign())
    yield f"{'':62}{'idle month':>12}{'1M lists':>10}{'1M events':>10}"
    for row in rows:
        yield f"  {row.name:60}{row.idle:>12,.2f}{row.lists:>10,.2f}{row.events:>10,.2f}"
    yield (
        f"  counted: calls of {MILLISECONDS} ms that log {LOGGED:,} bytes, histories of {HISTORY} "
        f"events, {KEPT:,} events kept;"
    )
    yield "  a campaign's minimum contains its first 2.6 million lists of a month"
    if engines:
        yield (
            f"  an arm's engine is assumed to take {ASKED} ms, in which the function waits; its "
            "endpoint or campaign is priced above"
        )
    used = {price.item: price for row in rows for price in row.prices}
    for item, price in sorted(used.items()):
        yield f"    {item}: ${price.usd:.10g} per {price.per}, {price.as_of}, {price.source}"


class _Used:
    """A table of prices that remembers which were asked for."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices
        self.found: tuple[Price, ...] = ()

    def __call__(self, item: str) -> float:
        price = self._prices[item]
        self.found += (price,)
        return price.usd
