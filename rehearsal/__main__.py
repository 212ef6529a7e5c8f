"""Run the end-to-end workflow on the local AWS: `python -m rehearsal`.

It prepares data, deploys with the CDK CLI, queries every engine, destroys the deployment and
reports.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from outputs import Outputs, by_stack
from rehearsal import lists
from rehearsal.calls import median_milliseconds, training_jobs, workshop_calls
from rehearsal.cdk import PROJECT
from rehearsal.pages import page
from rehearsal.personalize import Catalogue, ask
from rehearsal.progress import Progress, trainings
from rehearsal.report import lines
from rehearsal.run import Rehearsal
from rehearsal.steps import DATA, add_preparation, exclusively, on_local_aws, prepare
from rehearsal.suggestions import shelves, surveys

_STEPS = 8
"""Synth, bootstrap, deploy, four kinds of questions, destroy."""
_NO_STEPS = ("prepare data", "total")
_OF_RATINGS = ("deep_mf", "factorization_machines")


def main(arguments: list[str] | None = None) -> int:
    """Rehearse. Return 0 if every call succeeded and nothing is left behind."""
    parser = argparse.ArgumentParser(prog="rehearsal", description=__doc__)
    add_preparation(parser)
    parser.add_argument("--preset", default="default", help="hyperparameters: default or workshop")
    parser.add_argument(
        "--personalize",
        default="fit",
        choices=("off", "custom", "domain", "both", "fit"),
        help="Amazon Personalize's dataset groups (default: those whose data have no errors)",
    )
    parser.add_argument(
        "--engines",
        default="lists",
        help="further engines to train: lists,deep_mf,factorization_machines, or none",
    )
    parser.add_argument(
        "--iam-delay",
        type=float,
        default=0,
        metavar="SECONDS",
        help="until a change in IAM holds, 0 to 60; on AWS, up to a minute",
    )
    parser.add_argument("--page", type=int, help="serve the page on this port before the end")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "rehearsal")
    options = parser.parse_args(arguments)
    return exclusively(lambda: _rehearsed(options))


def _rehearsed(options: argparse.Namespace) -> int:
    """Prepare the data, rehearse and report. Return the exit status."""
    options.out.mkdir(parents=True, exist_ok=True)
    when = datetime.now()
    began = time.monotonic()
    status = prepare(options)
    if status != 0:
        return status
    run = Rehearsal(
        data=json.loads((DATA / "manifest.json").read_text("utf-8")), preset=options.preset
    )
    run.seconds["prepare data"] = round(time.monotonic() - began, 2)
    run.progress = Progress(_STEPS, _earlier(options.out), trainings=trainings)
    groups = _groups(options.personalize)
    run.left_out = _left_out(run.data, options.personalize, groups)
    settings = [
        f"preset={run.preset}",
        f"personalize.groups={groups}",
        f"engines={_engines(options.engines, run.data)}",
    ]
    status = on_local_aws(
        lambda: _rehearse(run, options.out, settings, options.page),
        "The rehearsal failed.",
        iam_delay=options.iam_delay,
    )
    if status != 0:
        return status
    run.seconds["total"] = round(time.monotonic() - began, 2)
    print("\n".join(lines(run, Catalogue.read(DATA))))
    kept = _keep(run, options.out, when)
    print(f"\nThis report as a page: {os.path.relpath(kept / 'report.html')}, with its JSON file")
    return 0 if run.succeeded else 1


def _earlier(out: Path) -> dict[str, float]:
    """The seconds of each step of the newest run that was kept; nothing without one."""
    kept = sorted(out.glob("*/report.json"))
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        seconds: dict[str, float] = json.loads(kept[-1].read_text("utf-8"))["seconds"]
        return {name: value for name, value in seconds.items() if name not in _NO_STEPS}
    return {}


def _keep(run: Rehearsal, out: Path, when: datetime) -> Path:
    """Write the reports and the CLI's log into a new folder of this run, and return that."""
    folder = out / f"{when:%Y-%m-%dT%H-%M-%S}"
    folder.mkdir(parents=True, exist_ok=True)
    report = json.dumps(asdict(run), indent=2, ensure_ascii=False)
    (folder / "report.json").write_text(report + "\n", "utf-8")
    text = page(run, Catalogue.read(DATA), f"{when:%-d %B %Y, %H:%M}")
    (folder / "report.html").write_text(text, "utf-8")
    shutil.copy(out / "cdk.log", folder)
    return folder


def _cost(log: Path) -> str:
    """What the app said of the cost when it was synthesized."""
    said = re.search(r"^On AWS this costs.*\n(?:  .*\n)*", log.read_text("utf-8"), re.MULTILINE)
    return said[0].strip() if said else ""


def _groups(chosen: str) -> str:
    """The value of the setting `personalize.groups`."""
    if chosen != "fit":
        return chosen
    judged = json.loads((DATA / "health.json").read_text("utf-8"))["groups"]
    fit = [name for name, group in judged.items() if group["status"] != "red"]
    return "both" if len(fit) == len(judged) else fit[0] if fit else "off"


def _engines(chosen: str, data: Mapping[str, Any]) -> str:
    """The value of the setting `engines`: without ratings, those that do not learn from ratings."""
    if not data["scale"]["events"]:
        return chosen
    return ",".join(name for name in chosen.split(",") if name not in _OF_RATINGS) or "none"


def _left_out(data: Mapping[str, Any], chosen: str, groups: str) -> dict[str, str]:
    """Why engines are not deployed, by name."""
    found = {}
    if data["scale"]["events"]:
        names = ", ".join(("Object2Vec's ratings and recommendations", *_OF_RATINGS))
        found[names] = "they learn ratings, which the data do not have"
    if groups == "off":
        found["Amazon Personalize"] = (
            "the setting leaves it out"
            if chosen == "off"
            else "the data do not meet its requirements: `python -m recsys health` tells which"
        )
    return found


def _rehearse(run: Rehearsal, out: Path, settings: list[str], page: int | None) -> None:
    with run.deployed(out, *settings):
        run.stacks, run.cost = by_stack(), _cost(out / "cdk.log")
        outputs, catalogue = Outputs.of(run.stacks), Catalogue.read(DATA)
        run.training = training_jobs(outputs)
        with run.step("the workshop's test events"):
            run.calls = workshop_calls(outputs, run.data["sample"], catalogue)
            run.milliseconds = median_milliseconds(outputs, run.data["sample"], catalogue)
        with run.step("a list, an event, the changed list"):
            run.lists = lists.ask(run.stacks, catalogue.user(run.data["sample"]["user"]))
        with run.step("queries to Amazon Personalize"):
            run.personalize = ask(outputs, catalogue, run.data["sample"])
        with run.step("suggestions of every engine"):
            run.shelves = shelves(outputs, catalogue, DATA, run.data)
            run.surveys = surveys(outputs, catalogue, DATA, run.data)
        if page is not None:
            _show_page(page)


def _show_page(port: int) -> None:
    print("» serving the page until Ctrl-C; then the deployment is destroyed", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run([sys.executable, "-m", "web", "--port", str(port)], cwd=PROJECT, check=False)


if __name__ == "__main__":
    sys.exit(main())
