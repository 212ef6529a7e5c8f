"""Check locked dependencies for vulnerabilities and tracked files for secrets.

Run it with `python supply_chain.py`. An unreachable service is reported and skipped, so that the
check works without a network.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

_PROJECT: Final = Path(__file__).resolve().parent
_PATIENCE: Final = 180.0  # seconds for an audit, which makes one request per package
_LOCKS: Final = r"requirements.*\.txt|package-lock\.json"  # hashes look like secrets


@dataclass(frozen=True)
class Verdict:
    """The result of one check.

    Attributes:
        findings: the problems, one line each.
        skipped: why the check could not run; empty if it ran.
    """

    findings: tuple[str, ...] = ()
    skipped: str = ""


def locked() -> tuple[str, ...]:
    """The tracked files that pin Python packages by their hashes."""
    listed = _run(["git", "ls-files", "*requirements*.txt"])
    names = listed.splitlines() if isinstance(listed, str) else []
    return tuple(one for one in names if "--hash=" in (_PROJECT / one).read_text("utf-8"))


def python_packages() -> Verdict:
    """Find vulnerabilities of the packages in all locked files with pip-audit."""
    with NamedTemporaryFile("w", suffix=".txt") as one:
        # It makes one request per package, so check first whether the service responds.
        one.write("pip==26.0\n")
        one.flush()
        answered = _audit("--no-deps", "--timeout=5", "--requirement", one.name)
    if answered.skipped:
        return answered
    files = locked()
    if not files:
        return Verdict(skipped="git lists no locked files")
    # each for itself: a function may have another version of a package than this machine
    with ThreadPoolExecutor() as pool:
        verdicts = [*pool.map(lambda one: _audit("--require-hashes", "-r", one), files)]
    findings = dict.fromkeys(finding for one in verdicts for finding in one.findings)
    skipped = dict.fromkeys(one.skipped for one in verdicts if one.skipped)
    return Verdict(tuple(findings), "; ".join(skipped))


def _audit(*options: str) -> Verdict:
    told = _run(["pip-audit", "--disable-pip", "--progress-spinner=off", "--format=json", *options])
    return told if isinstance(told, Verdict) else judge_python(told)


def judge_python(text: str) -> Verdict:
    """Parse pip-audit's JSON."""
    report = _parsed(text)
    packages = report.get("dependencies", []) if report else []
    known = [package for package in packages if "vulns" in package]
    if not known:
        return Verdict(skipped="PyPI's advisories do not respond")
    return Verdict(
        tuple(
            f"{package['name']} {package['version']}: {found['id']}, fixed in "
            f"{', '.join(found['fix_versions']) or 'no version yet'}"
            for package in known
            for found in package["vulns"]
        )
    )


def npm_packages() -> Verdict:
    """Find vulnerabilities of the packages in package-lock.json with npm audit."""
    told = _run(["npm", "audit", "--json", "--package-lock-only"])
    return told if isinstance(told, Verdict) else judge_npm(told)


def judge_npm(text: str) -> Verdict:
    """Parse npm audit's JSON."""
    report = _parsed(text)
    if not report or "vulnerabilities" not in report:
        reason = str((report or {}).get("message", "no response")).partition(" - ")[0]
        return Verdict(skipped=f"npm's advisories do not respond ({reason})")
    return Verdict(
        tuple(
            f"{name} {found['range']}: {found['severity']}"
            for name, found in sorted(report["vulnerabilities"].items())
        )
    )


def secrets() -> Verdict:
    """Find secrets in tracked files; lines with `# pragma: allowlist secret` are skipped."""
    listed = _run(["git", "ls-files"])
    if isinstance(listed, Verdict):
        return listed
    # by name: of a folder it would compare all files, ignored ones too, with git's list
    files = [one for one in listed.splitlines() if not re.search(_LOCKS, one)]
    told = _run(["detect-secrets", "scan", *files])
    return told if isinstance(told, Verdict) else judge_secrets(told)


def judge_secrets(text: str) -> Verdict:
    """Parse detect-secrets' JSON."""
    report = _parsed(text)
    if not report:
        return Verdict(("the output of detect-secrets is not valid JSON",))
    return Verdict(
        tuple(
            f"{file}:{found['line_number']}: {found['type']}"
            for file, all_found in sorted(report["results"].items())
            for found in all_found
        )
    )


CHECKS: Final[dict[str, Callable[[], Verdict]]] = {
    "vulnerabilities of Python packages": python_packages,
    "vulnerabilities of npm packages": npm_packages,
    "secrets": secrets,
}


def main() -> int:
    """Run all checks concurrently. Return 0 unless one of them has findings."""
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(check) for name, check in CHECKS.items()}
        verdicts = {name: each.result() for name, each in running.items()}
    for name, verdict in verdicts.items():
        outcome = f"skipped: {verdict.skipped}" if verdict.skipped else len(verdict.findings)
        print(f"{name}: {outcome}")
        for finding in verdict.findings:
            print(f"  {finding}", file=sys.stderr)
    return 1 if any(verdict.findings for verdict in verdicts.values()) else 0


def _run(command: Sequence[str]) -> str | Verdict:
    """Run a program and return its output, or a verdict on timeout. Any exit status is accepted."""
    try:
        done = subprocess.run(
            command, cwd=_PROJECT, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(skipped=f"{command[0]} did not respond within {_PATIENCE:.0f} s")
    return done.stdout


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        report = json.loads(text)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


if __name__ == "__main__":
    sys.exit(main())
