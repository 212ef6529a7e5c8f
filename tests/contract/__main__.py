"""Ask the local AWS, and an account, for what AWS documents: `make contract PROFILE=…`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.contract.cloud import RECORDS, differences
from tests.contract.tiers import TIERS

HERE = Path(__file__).parent


def main() -> int:
    """Run the tests, in an account only after its owner agreed to the cost; 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    parser.add_argument("--profile", default="", help="of the AWS CLI; without, the local AWS only")
    parser.add_argument(
        "--tiers",
        default="",
        help=f"of {', '.join(TIERS)}, by commas; cheap in an account, all on the local AWS",
    )
    options = parser.parse_args()
    chosen = options.tiers or ("cheap" if options.profile else ",".join(TIERS))
    tiers = chosen.split(",")
    if unknown := [tier for tier in tiers if tier not in TIERS]:
        parser.error(f"unknown tiers: {', '.join(unknown)}")
    os.environ["CONTRACT_TIERS"] = chosen
    if options.profile and not _agreed(options.profile, tiers):
        return 1
    status = _run("")
    if options.profile:
        status = max(status, _run(options.profile))
        print("\nWhere the two clouds differ:")
        found = list(differences(RECORDS / "local.jsonl", RECORDS / "aws.jsonl"))
        print("\n".join(found) or "nowhere")
    return status


def _agreed(profile: str, tiers: list[str]) -> bool:
    for tier in tiers:
        cost, what = TIERS[tier]
        print(f"{tier}: at most ${cost:.2f}, for {what}")
    total = sum(TIERS[tier][0] for tier in tiers)
    answer = input(f"Spend up to ${total:.2f} in the account of profile {profile}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _run(profile: str) -> int:
    os.environ["CONTRACT_PROFILE"] = profile
    print(f"\n{profile or 'the local AWS'}:")

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
