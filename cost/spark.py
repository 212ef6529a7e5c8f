"""What the Spark job is expected to take, by the size of its source: an estimate.

It rests on runs of up to 10 million ratings on one machine with two cores (docs/benchmarks.md,
"Beyond one machine"), whose time grew with the ratings: nothing has been measured on AWS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

# Bytes of a rating in each form, with whole numbers as ids; longer ids mean fewer ratings
BYTES: Final[Mapping[str, float]] = {
    "csv": 25,
    "csv.gz": 10,
    "csv.bz2": 9,
    "json": 70,
    "json.gz": 12,
    "json.bz2": 10,
    "parquet": 14,
}
BEGINNING: Final = 45.0  # seconds of any job, however many workers it has
RATING: Final = 42e-6  # vCPU-seconds that workers compute for each rating
_DRIVER: Final = 4  # vCPUs, which do not compute
_GB: Final = 4  # of memory for each vCPU
_LEAST: Final = 60.0  # seconds that EMR Serverless bills


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A job's expected size.

    Attributes:
        size: bytes of the source's tables.
        ratings: how many these are.
        vcpus: the job's maximum capacity.
        seconds: how long it runs on that.
        usd: US dollars before tax.
        lists: whether it also writes lists for all users, which is not counted.
    """

    size: int
    ratings: float
    vcpus: int
    seconds: float
    usd: float
    lists: bool

    @property
    def vcpu_seconds(self) -> float:
        """What is billed."""
        return self.vcpus * self.seconds


def of_job(
    sizes: Mapping[str, int], vcpus: int, vcpu_hour: float, gb_hour: float, lists: bool
) -> Expected:
    """Estimate a job.

    Args:
        sizes: bytes of the source's tables by form, one of BYTES.
        vcpus: the job's maximum capacity.
        vcpu_hour, gb_hour: the prices.
        lists: whether it writes lists for all users.
    """
    ratings = sum(size / BYTES[form] for form, size in sizes.items())
    seconds = max(BEGINNING + RATING * ratings / (vcpus - _DRIVER), _LEAST)
    hours = vcpus * seconds / 3600
    return Expected(
        size=sum(sizes.values()),
        ratings=ratings,
        vcpus=vcpus,
        seconds=seconds,
        usd=hours * (vcpu_hour + _GB * gb_hour),
        lists=lists,
    )


def told(expected: Expected) -> str:
    """The estimate in one line."""
    return (
        f"about {_rounded(expected.ratings)} ratings in {expected.size / 1e6:,.1f} MB: "
        f"{_rounded(expected.vcpu_seconds)} vCPU-seconds ({expected.seconds / 60:,.0f} min on "
        f"{expected.vcpus} vCPU), ${expected.usd:,.2f}"
    )


def lines(expected: Expected) -> Iterator[str]:
    """Format the estimate, and what it counts."""
    yield f"  {told(expected)}"
    forms = ", ".join(f"{form} {size:g}" for form, size in BYTES.items())
    yield f"  counted: bytes of a rating ({forms}; longer ids make it fewer),"
    yield (
        f"  {BEGINNING:.0f} s, and {RATING * 1e6:.0f} µs of a vCPU for each rating, which is what "
        "it took on two cores (docs/benchmarks.md);"
    )
    yield "  on AWS nothing has been measured" + (
        ", and lists for all users, users × items, are not counted" if expected.lists else ""
    )


def _rounded(number: float) -> str:
    """With two digits that count."""
    return f"{float(f'{number:.1e}'):,.0f}"
