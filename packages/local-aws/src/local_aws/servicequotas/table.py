"""The table of enforced quotas, with a source and a date for each number."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

PROFILES: Final = ("ordinary", "new-account")
"""Profiles: an account with granted increases, and a newly opened account."""

_profile = PROFILES[0]


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One row of `quotas.csv`.

    Attributes:
        service: its code in Service Quotas, such as `sagemaker`.
        code: Service Quotas' code; "" for a documented limit that is not listed there.
        name: Service Quotas' name, such as `ml.m5.large for endpoint usage`.
        default: AWS's default value.
        applied: applied values by profile.
        adjustable: whether increases can be requested.
        as_of: the date of the value: a day, a month or a year.
        source: the publication that states it. The `ordinary` values of instances are assumptions.
    """

    service: str
    code: str
    name: str
    default: float
    applied: Mapping[str, float]
    adjustable: bool
    as_of: str
    source: str


@cache
def quotas() -> Mapping[tuple[str, str], Quota]:
    """All quotas of the table, by service and name."""
    text = files("local_aws.servicequotas").joinpath("quotas.csv").read_text("utf-8")
    found = {}
    for row in csv.DictReader(text.splitlines()):
        default = float(row["default"])
        applied = {
            profile: float(row[profile.replace("-", "_")] or default) for profile in PROFILES
        }
        found[row["service"], row["name"]] = Quota(
            service=row["service"],
            code=row["code"],
            name=row["name"],
            default=default,
            applied=applied,
            adjustable=row["adjustable"] == "yes",
            as_of=row["as_of"],
            source=row["source"],
        )
    return found


def use(profile: str) -> None:
    """Apply one of `PROFILES` to all accounts."""
    global _profile
    _profile = profile


def profile() -> str:
    """The current profile."""
    return _profile
