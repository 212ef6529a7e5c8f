"""What the gate found of one generation: a document for programs, and a page for people."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any, Final

from recsys.lists.gate import Comparison, Distribution, Finding

_WIDTH: Final = 640
_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem }
td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
.refused { color: #b00020; font-weight: 600 } .last { fill: #9aa5b1 } .now { fill: #1769aa }
text { font-size: 12px } @media (prefers-color-scheme: dark) {
body { background: #111; color: #eee } text { fill: #eee } .refused { color: #ff8a80 } }
"""


def document(
    generation: int,
    before: int,
    findings: Sequence[Finding],
    distributions: Mapping[str, Distribution | None],
    comparison: Comparison | None,
) -> dict[str, Any]:
    """The report as JSON.

    Args:
        generation: the one that is judged.
        before: the one in service.
        findings: in the order in which they were found.
        distributions: of events, by name.
        comparison: of both models; None if the data were refused before.
    """
    return {
        "generation": generation,
        "before": before,
        "refused": [one.words for one in findings if one.refused],
        "lines": [("REFUSED: " if one.refused else "") + one.words for one in findings],
        "findings": [asdict(one) for one in findings],
        "comparison": None if comparison is None else asdict(comparison),
        "distributions": {
            name: {
                "labels": list(one.labels),
                "last": one.last.tolist(),
                "now": one.now.tolist(),
            }
            for name, one in distributions.items()
            if one is not None
        },
    }


def page(report: Mapping[str, Any]) -> str:
    """The report as a page that needs nothing else."""
    number, refused = report["generation"], bool(report["refused"])
    verdict = (
        f"Refused: the model of generation {report['before']} goes on answering"
        if refused
        else f"Accepted: it replaces generation {report['before']}"
    )
    rows = "".join(
        f"<tr><th>{escape(one['name'])}</th>"
        f"<td{' class=refused' if one['refused'] else ''}>{escape(one['words'])}</td></tr>"
        for one in report["findings"]
    )
    plots = "".join(
        f"<h2>{escape(name.capitalize())}</h2>"
        "<p>Shares of events: grey at the last training, blue now.</p>"
        + _bars(one["labels"], one["last"], one["now"])
        for name, one in report["distributions"].items()
    )
    interval = _interval(report["comparison"]) if report["comparison"] else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>Generation {number}</title><style>{_STYLE}</style>"
        f"<h1>Generation {number}</h1><p class={'refused' if refused else 'accepted'}>"
        f"{escape(verdict)}.</p><table>{rows}</table>{interval}{plots}</html>\n"
    )


def _interval(comparison: Mapping[str, Any]) -> str:
    if not comparison["users"]:
        return ""
    low, high = float(comparison["low"]), float(comparison["high"])
    gain = comparison["candidate"] - comparison["current"]
    largest = max(abs(low), abs(high), 1e-6) * 1.2

    def x(value: float) -> float:
        return _WIDTH / 2 * (1 + value / largest)

    return (
        "<h2>Difference of nDCG</h2><p>The new model less the one in service; right of the line "
        "is better.</p>"
        f'<svg viewBox="0 0 {_WIDTH} 60" role="img" aria-label="interval of the difference">'
        f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="40" stroke="currentColor"/>'
        f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="20" y2="20" stroke="#1769aa" '
        f'stroke-width="4"/><circle class="now" cx="{x(gain):.1f}" cy="20" r="6"/>'
        f'<text x="{x(low):.1f}" y="55" text-anchor="middle">{low:+.4f}</text>'
        f'<text x="{x(high):.1f}" y="55" text-anchor="middle">{high:+.4f}</text></svg>'
    )


def _bars(labels: Sequence[str], last: Sequence[float], now: Sequence[float]) -> str:
    step, largest = _WIDTH / len(labels), max(*last, *now)
    parts = []
    for number, (label, old, new) in enumerate(zip(labels, last, now, strict=True)):
        left = number * step
        for kind, share, shift in (("last", old, 0.1), ("now", new, 0.5)):
            height = 140 * share / largest
            parts.append(
                f'<rect class="{kind}" x="{left + shift * step:.1f}" y="{150 - height:.1f}" '
                f'width="{0.4 * step:.1f}" height="{height:.1f}">'
                f"<title>{escape(label)}: {share:.1%}</title></rect>"
            )
        parts.append(
            f'<text x="{left + step / 2:.1f}" y="168" text-anchor="middle">{escape(label)}</text>'
        )
    return f'<svg viewBox="0 0 {_WIDTH} 175" role="img">{"".join(parts)}</svg>'
