"""The price table: on-demand prices in us-east-1, each with its date and source."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REGION: Final = "us-east-1"
HOURS: Final = 730  # in a month, as AWS's own calculator counts
_TABLE: Final = Path(__file__).with_name("prices.csv")


@dataclass(frozen=True, kw_only=True)
class Price:
    """One row of the table.

    Attributes:
        item: `SERVICE/WHAT`.
        usd: US dollars per unit, before tax, without free tiers and discounts.
        per: the unit: `hour`, `month`, or a unit of use, such as `GB-second`.
        as_of: the date of the price: a day, or a month if the day is unknown.
        source: the publication that states the price.
    """

    item: str
    usd: float
    per: str
    as_of: str
    source: str


def read(path: Path = _TABLE) -> dict[str, Price]:
    """Read the table's rows, by item.

    Raises:
        ValueError: some lines are not valid prices; the message lists their numbers.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    prices: dict[str, Price] = {}
    wrong = []
    for line, row in enumerate(rows, 2):
        try:
            usd = float(row.pop("usd"))
        except (TypeError, ValueError):
            wrong.append(f"line {line}: usd is not a number")
            continue
        missing = [name for name, value in row.items() if not value]
        if usd < 0 or missing:
            wrong.append(f"line {line}: usd is negative, or there is no {', '.join(missing)}")
        elif row["item"] in prices:
            wrong.append(f"line {line}: {row['item']} has a price already")
        else:
            prices[row["item"]] = Price(usd=usd, **row)
    if wrong:
        raise ValueError(f"{path}: " + "; ".join(wrong))
    return prices
