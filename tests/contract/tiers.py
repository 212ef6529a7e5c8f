"""What running the tests in an account costs."""

from typing import Final

TIERS: Final = {
    "cheap": (0.05, "calls, and resources that cost nothing while they exist for minutes"),
    "training": (
        1.00,
        "two training jobs of SageMaker, their endpoints and two transform jobs for some minutes",
    ),
}
"""By name: the most that it costs, in US dollars, and for what."""
