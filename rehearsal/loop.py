"""Rehearse the loop of the lists with a simulated audience: `python -m rehearsal.loop`.

Users with known tastes look at lists over the HTTP API and click. An experiment decides which of
two kinds of lists they prefer, and the lists learn from the clicks, behind the gate. What the users
truly like is known (`recsys.experiments.audience`), and so whether the verdict is right.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from outputs import by_stack
from recsys.experiments.audience import Audience
from recsys.experiments.outcomes import Results
from rehearsal.audience import visit
from rehearsal.cdk import PROJECT
from rehearsal.steps import DATA, Steps, exclusively, on_local_aws, prepare

_EXPERIMENT: Final[dict[str, Any]] = {
    "kind": "interleaving",
    "arms": {"popular": {"model": "popular"}, "personal": {"model": "lists"}},
    "metric": {"measure": "count", "event": "Watch"},
    "users": 200,
}
_SIZE: Final = "small"  # of the generated data
_SEED: Final = 0
_DAY: Final = 86_400  # seconds: the experiment's window, which is not waited for


@dataclass(kw_only=True)
class Run(Steps):
    """A run.

    Attributes:
        clicks: how many clicks there were.
        expected: the expected number of clicks on a list, of each round of visits.
        truth: the same of each arm of the experiment, over all lists that were mixed.
        verdict: what the experiment's report says.
        learned: what the retraining says.
        failed: commands that failed.
    """

    clicks: int = 0
    expected: list[float] = field(default_factory=list)
    truth: dict[str, float] = field(default_factory=dict)
    verdict: list[str] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Rehearse. Return 0 if every step succeeded and nothing is left behind."""
    parser = argparse.ArgumentParser(prog="rehearsal.loop", description=__doc__)
    parser.add_argument("--users", type=int, default=60, help="of the audience (default: 60)")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "rehearsal")
    options = parser.parse_args(arguments)
    options.preparation = ["--size", _SIZE, "--seed", str(_SEED)]
    return exclusively(lambda: _rehearsed(options))


def _rehearsed(options: argparse.Namespace) -> int:
    options.out.mkdir(parents=True, exist_ok=True)
    run, began = Run(), time.monotonic()
    status = prepare(options) or on_local_aws(
        lambda: _rehearse(run, options), "The rehearsal failed."
    )
    if status != 0:
        return status
    run.seconds["total"] = round(time.monotonic() - began, 2)
    print("\n".join(_lines(run)))
    return 1 if run.failed or run.leftovers else 0


def _rehearse(run: Run, options: argparse.Namespace) -> None:
    audience = Audience(_SIZE, _SEED)
    users = audience.users[: options.users]
    settings = (
        *("profile=lists", "retrain.schedule=manual", f"data={DATA.relative_to(PROJECT)}"),
        *("api.http=true", "api.rate=1000", "api.burst=1000"),
        f"experiments.mixed={json.dumps(_EXPERIMENT)}",
    )
    with run.deployed(options.out, *settings):
        api = by_stack()["recommender-Lists"]["ApiEndpoint"]
        with run.step(f"{len(users)} users look at their lists and click"):
            _visit(run, api, users, audience)
        with run.step("an experiment's verdict"):
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + _DAY + 60))
            results = options.out / "experiments"
            command = ("experiment", "mixed", "--at", at, "--out", str(results))
            run.verdict = _told(run, *command)
            run.truth = _truth(Results.read(results / "mixed"), audience)
        with run.step("the lists learn from the clicks"):
            run.learned = _told(run, "retrain")
        with run.step(f"{len(users)} users look at their lists again"):
            _visit(run, api, users, audience)


def _visit(run: Run, api: str, users: Sequence[str], audience: Audience) -> None:
    """Let users look at a list each; how many clicks they can be expected to do is known."""
    expected = []

    def clicks(user: str, items: Sequence[str]) -> list[str]:
        expected.append(float(audience.satisfaction(user, items).sum()))
        return audience.clicks(user, items)

    run.clicks += visit(api, users, clicks)
    run.expected.append(sum(expected) / len(expected))


def _told(run: Run, *command: str) -> list[str]:
    """What a command of this project prints; if it fails, the run fails."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        run.failed.append(" ".join(command))
    return done.stdout.splitlines()


def _truth(results: Results, audience: Audience) -> dict[str, float]:
    """The expected clicks on the items of each arm, where they stood, for a list."""
    found = dict.fromkeys(_EXPERIMENT["arms"], 0.0)
    exposures = results.exposures.to_pylist()
    for exposure in exposures:
        likely = audience.satisfaction(exposure["user"], exposure["items"])
        for arm, one in zip(exposure["teams"], likely, strict=True):
            found[arm] += float(one) / len(exposures)
    return found


def _lines(run: Run) -> Iterator[str]:
    before, after = run.expected
    yield ""
    yield f"AUDIENCE  {run.clicks:,} clicks; {before:.3f} could be expected on a list,"
    yield f"          and {after:.3f} on one without what was clicked, after it had been learned"
    yield ""
    yield from run.verdict
    arms = ", ".join(f"{arm} {value:.3f}" for arm, value in run.truth.items())
    yield f"  the truth, by the users' tastes: {arms} clicks on a list can be expected"
    yield ""
    yield "RETRAINING"
    yield from (f"  {line}" for line in run.learned)
    if run.failed:
        yield f"FAILED    {', '.join(run.failed)}"
    yield ""
    yield "TIME"
    for name, seconds in run.seconds.items():
        yield f"  {name:<40}{seconds:>9.1f} s"
    yield ""
    yield "LEFT BEHIND   " + ("nothing" if not run.leftovers else ", ".join(run.leftovers))


if __name__ == "__main__":
    sys.exit(main())
