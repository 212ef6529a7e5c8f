"""Formats an estimate: in full for `make cost`, in a few lines at the start of a deployment."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from cost import spark
from cost.estimate import Charge, Estimate, of_templates
from cost.lists import compared
from cost.prices import HOURS, REGION, Price

_WORKSHOPS = Path(__file__).with_name("workshops.json")
_WIDTH = 62
_SMALL = 0.01  # dollars an hour below which equal charges share one row


def summary(estimate: Estimate, region: str | None) -> str:
    """Summarize an estimate in a few lines, for the start of a deployment."""
    said = [
        f"On AWS this costs ${estimate.hourly:.2f} an hour (${estimate.monthly:,.0f} a month) "
        f"while it runs, at most ${estimate.once:.2f} once for training, plus its usage; "
        f"{_region(region)}."
    ]
    standing = [charge for charge in estimate.charges if charge.hourly]
    shown = [f"{one.resource} ${one.hourly:.3f}" for one in standing if one.hourly >= _SMALL]
    small = [one.hourly for one in standing if one.hourly < _SMALL]
    if small:
        shown.append(f"{len(small)} smaller ${sum(small):.3f}")
    if shown:
        said.append(f"  an hour: {', '.join(shown)}")
    if estimate.spark:
        said.append(f"  The Spark job, estimated: {spark.told(estimate.spark)}.")
    if estimate.unpriced:
        said.append(f"  Not priced: {', '.join(sorted(estimate.unpriced))}.")
    theirs = [one.hourly for one in _workshops().values()]
    said.append(
        f"  The workshops leave ${min(theirs):.2f} to ${max(theirs):.2f} an hour running. "
        "`make cost` shows the details."
    )
    return "\n".join(said)


def lines(estimate: Estimate, region: str | None = None) -> Iterator[str]:
    """Format the full report."""
    dates = sorted(charge.price.as_of for charge in estimate.charges)
    dated = f", as of {dates[0]} to {dates[-1]}" if dates else ""
    yield f"US dollars before tax, on demand; {_region(region)}{dated} (cost/prices.csv)."
    yield ""
    yield f"{'':{_WIDTH}}{'an hour':>10}{'a month':>10}{'once, ≤':>10}"
    for stack, charges in groupby(estimate.charges, key=lambda charge: charge.stack):
        yield stack
        small: dict[str, list[Charge]] = defaultdict(list)
        for charge in charges:
            if 0 < charge.hourly < _SMALL:
                small[charge.what].append(charge)
            else:
                yield _row(f"  {charge.resource}: {charge.what}", charge.hourly, charge.at_once)
        for what, all_of_it in small.items():
            hourly = sum(charge.hourly for charge in all_of_it)
            yield _row(f"  {len(all_of_it)} × {what}", hourly, 0.0)
    if estimate.hourly or estimate.once:
        yield _row("in all", estimate.hourly, estimate.once)
    else:
        yield "nothing by the hour, nothing for training"
    if estimate.by_use:
        yield ""
        yield "By usage, not included in these sums:"
        for words, prices in sorted(estimate.by_use.items()):
            rates = ", ".join(
                f"${_exact(price.usd)} per {price.per}" + _of(price) * (len(prices) > 2)
                for price in prices
            )
            yield f"  {words}: {rates or 'no price in the table'}"
    if estimate.spark:
        yield ""
        yield "The Spark job, an estimate from the size of its source:"
        yield from spark.lines(estimate.spark)
    if estimate.lists:
        yield ""
        yield "Lists by use:"
        yield from compared(estimate.lists, estimate.engines)
    if estimate.unpriced:
        yield ""
        yield "Not priced:"
        for what, resources in sorted(estimate.unpriced.items()):
            yield f"  {what}: {', '.join(resources)}"
    yield ""
    yield "For comparison, the resources that the workshops leave running:"
    for name, theirs in _workshops().items():
        yield _row(f"  {name}", theirs.hourly, theirs.once)


def _workshops() -> dict[str, Estimate]:
    """The estimate of each workshop's resources."""
    templates = json.loads(_WORKSHOPS.read_text("utf-8"))
    return {name: of_templates({name: template}) for name, template in templates.items()}


def _row(words: str, hourly: float, once: float) -> str:
    words = words if len(words) < _WIDTH else words[: _WIDTH - 2] + "…"
    cells = (
        f"{hourly:.4f}" if hourly else "",
        f"{hourly * HOURS:,.2f}" if hourly else "",
        f"{once:.3f}" if once else "",
    )
    return (f"{words:{_WIDTH}}" + "".join(f"{cell:>10}" for cell in cells)).rstrip()


def _region(region: str | None) -> str:
    other = f"; those of {region} differ" if region and region != REGION else ""
    return f"prices of {REGION}{other}"


def _exact(usd: float) -> str:
    if usd == round(usd, 2):
        return f"{usd:.2f}"
    return f"{usd:.10f}".rstrip("0") if usd < 0.01 else f"{usd:.10g}"


def _of(price: Price) -> str:
    """What a price is for, where a resource has several in the same units."""
    return f" ({price.item.rsplit('/', 1)[-1]})"
