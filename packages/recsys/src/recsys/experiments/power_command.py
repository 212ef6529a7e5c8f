"""The command `python -m recsys power`: how many users an experiment takes."""

import argparse
import math
import sys

from recsys.experiments.sequences import deviation, needed, power


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--mean",
        type=float,
        required=True,
        help="the metric's mean per user without the change; of a rate, such as 0.1",
    )
    parser.add_argument(
        "--deviation",
        type=float,
        help="its standard deviation between users (default: that of a rate)",
    )
    parser.add_argument("--lift", type=float, default=5.0, help="in percent (default: %(default)g)")
    parser.add_argument(
        "--share",
        type=float,
        default=50.0,
        help="of the users in the new arm, of both arms, in percent (default: %(default)g)",
    )
    parser.add_argument(
        "--correlation",
        type=float,
        default=0.0,
        help="of the metric with the user's activity before (default: %(default)g)",
    )
    parser.add_argument("--users", type=int, help="tell the power of this number of users")


def run(options: argparse.Namespace) -> int:
    """Print the number of users, or the power. Return 1 if the arguments are invalid."""
    mean, spread, share = options.mean, options.deviation, options.share / 100
    problems = [
        f"--{name} must be {words}, not {getattr(options, name):g}"
        for name, good, words in (
            ("mean", mean > 0, "positive"),
            ("mean", spread is not None or mean < 1, "below 1, or --deviation must be given"),
            ("deviation", spread is None or spread > 0, "positive"),
            ("lift", 0 < options.lift < 1000, "between 0 and 1000"),
            ("share", 0 < share < 1, "between 0 and 100"),
            ("correlation", -1 < options.correlation < 1, "between -1 and 1"),
            ("users", options.users is None or options.users >= 100, "at least 100"),
        )
        if not good
    ]
    raised = mean * (1 + options.lift / 100)
    if not problems and spread is None and raised >= 1:
        problems.append(f"--lift makes a rate of {raised:g} of {mean:g}; a rate is below 1")
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    variances = (mean * (1 - mean), raised * (1 - raised)) if spread is None else (spread**2,) * 2
    one = deviation(variances, (1 - share, share)) * math.sqrt(1 - options.correlation**2)
    words = f"a lift of {options.lift:g} % of {mean:g}, looking at any time"
    if options.users is not None:
        found = power(raised - mean, one, options.users)
        print(f"{options.users:,} users find {words}, with a probability of {found:.1%}.")
    else:
        for wanted in (0.8, 0.9):
            users = needed(raised - mean, one, wanted)
            print(f"{users:,} users in both arms find {words}, with a probability of {wanted:.0%}.")
    return 0
