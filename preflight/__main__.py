"""Check an account for what a deployment needs, before it is made: `python -m preflight`."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

import boto3

from cost.assembly import add_arguments, printable, synthesized
from cost.estimate import of_assembly
from cost.report import summary
from preflight.account import Account, Refused
from preflight.checks import Preflight, Verdict


def main(arguments: list[str] | None = None) -> int:
    """Print what was found. Nothing in the account is changed.

    Returns:
        0 if nothing is missing, 1 if something is, 2 if the checks could not begin.
    """
    parser = argparse.ArgumentParser(prog="preflight", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(arguments)
    settings = dict(one.partition("=")[::2] for one in options.settings)
    session = boto3.Session()
    region = settings.get("region") or session.region_name
    if not region:
        print("No region: set AWS_DEFAULT_REGION, or -c region=….", file=sys.stderr)
        return 2
    account = Account(session, region)
    try:
        account.caller  # noqa: B018 (read before the minutes of a synthesis)
        with nullcontext(options.app) if options.app else synthesized(options.settings) as folder:
            return _report(folder, account)
    except Refused as error:
        print(f"AWS does not answer with these credentials: {error}", file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    return 2


def _report(folder: Path, account: Account) -> int:
    missing = unknown = 0
    requested = False
    for finding in Preflight(folder, account).findings():
        missing += finding.verdict is Verdict.MISSING
        unknown += finding.verdict is Verdict.UNKNOWN
        requested |= "request-service-quota-increase" in (finding.command or "")
        print(f"{finding.verdict.value:<12}{printable(finding.text)}", flush=True)
        if finding.command:
            print(f"{'':<12}{printable(finding.command)}")
    print(
        *map(printable, ["", *summary(of_assembly(folder), account.region).splitlines(), ""]),
        sep="\n",
    )
    counted = f"{missing} missing" + (f", {unknown} not checked" if unknown else "")
    advice = (
        ". AWS grants quota increases within minutes to days; run this again then"
        if missing and requested
        else ""
    )
    print(f"{counted}{advice}.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
