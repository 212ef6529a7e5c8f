"""Run every notebook on the local AWS and render it as a page: `python -m rehearsal.notebooks`."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from pygments.formatters import HtmlFormatter
from tqdm import tqdm

from rehearsal.cdk import PROJECT
from rehearsal.steps import (
    DATA,
    Steps,
    add_preparation,
    exclusively,
    on_local_aws,
    prepare,
)

NOTEBOOKS = PROJECT / "notebooks"
SETTINGS = (
    "personalize.groups=both",
    "personalize.batch=true",
    "engines=deep_mf,factorization_machines",
    "deep_mf.genre_dim=5",
    "refit=false",
)
"""The settings that the notebooks need in addition to the defaults.

The deployed models must not have learned from the held-out ratings, on which they are evaluated.
"""
ANY_ACCOUNT = NOTEBOOKS / "any_account"
"""The notebooks that need no deployment, but permission to create what they use."""
AFTERWARDS = NOTEBOOKS / "8_clean_up.ipynb"
"""The notebook that runs again after the removal: it lists the existing resources."""
_LONGEST = 7_200
"""Seconds that a cell may take: all engines' trainings, on a slow machine under other load."""
_LINK = re.compile(r"(?<=\]\()(?![\w+.-]+:|[#/])([^)#\s]+)")


@dataclass(kw_only=True)
class Run(Steps):
    """A run of the notebooks: `failures` has the errors by notebook."""

    failures: dict[str, str] = field(default_factory=dict)


def main(arguments: list[str] | None = None) -> int:
    """Run and render all notebooks. Return 0 if none failed and nothing is left behind."""
    parser = argparse.ArgumentParser(prog="rehearsal.notebooks", description=__doc__)
    add_preparation(parser)
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "notebooks")
    options = parser.parse_args(arguments)
    return exclusively(lambda: _report(options))


def _report(options: argparse.Namespace) -> int:
    """Prepare the data, run the notebooks and report. Return the exit status."""
    run = Run()
    began = time.monotonic()
    status = (
        prepare(options)
        or _refused(DATA)
        or on_local_aws(lambda: _run(run, options.out), "The notebooks could not be run.")
    )
    if status != 0:
        return status
    print("\n".join(_summary(run, options.out, time.monotonic() - began)))
    return 1 if run.failures or run.leftovers else 0


def _refused(data: Path) -> int:
    """Return 1, and say so, if the prepared data have no ratings."""
    scale = json.loads((data / "manifest.json").read_text("utf-8"))["scale"]
    if scale["events"]:
        print(
            "The notebooks explain models that learn ratings, and these data are events without "
            "any: give ratings, or rehearse with these data: make rehearse DATA=…",
            file=sys.stderr,
        )
    return int(scale["events"])


def _run(run: Run, out: Path) -> None:
    with run.deployed(out, *SETTINGS, f"data={DATA}"):
        for path in sorted(NOTEBOOKS.glob("*.ipynb")):
            _page(run, path, out / f"{path.stem}.html")
    _page(run, AFTERWARDS, out / f"{_after(AFTERWARDS)}.html")
    for path in sorted(ANY_ACCOUNT.glob("*.ipynb")):
        _page(run, path, out / f"{path.stem}.html")


def every() -> list[Path]:
    """The notebooks, in the order of the pages."""
    return [path for folder in (NOTEBOOKS, ANY_ACCOUNT) for path in sorted(folder.glob("*.ipynb"))]


def _page(run: Run, path: Path, page: Path) -> None:
    """Run a notebook and write it as a page, including its error."""
    with run.step(page.stem):
        notebook, error = execute(path)
        page.write_text(render(notebook, page.parent), "utf-8")
        if error:
            run.failures[page.stem] = error
            print(f"  FAILED: {error.splitlines()[-1]}", flush=True)
    (page.parent / "index.html").write_text(index(run), "utf-8")


def execute(
    path: Path, seconds: int = _LONGEST, constants: Mapping[str, int] | None = None
) -> tuple[NotebookNode, str | None]:
    """Run a notebook in a separate kernel.

    Args:
        path: the notebook.
        seconds: that a cell may take.
        constants: values of constants of the first code cell, in place of its own.

    Returns:
        The notebook with its outputs, and the error, if any.
    """
    notebook = nbformat.read(path, as_version=4)
    for name, value in (constants or {}).items():
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        first.source, found = re.subn(
            rf"^{name} = \d+", f"{name} = {value}", first.source, flags=re.MULTILINE
        )
        assert found == 1, name
    with (
        TemporaryDirectory() as sockets,
        tqdm(
            desc=f"  {path.stem}", unit=" cells", leave=False, dynamic_ncols=True, disable=None
        ) as bar,
    ):
        bar.total = len(notebook.cells)

        def started(cell: NotebookNode, cell_index: int) -> None:
            bar.n = cell_index
            bar.set_postfix_str(cell.source.strip().splitlines()[0][:40])

        client = NotebookClient(
            notebook,
            timeout=seconds,
            coalesce_streams=True,
            # separate sockets, which other users of this machine cannot access
            km=AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel"),
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=started,
        )
        try:
            client.execute(cleanup_kc=True)
        except CellExecutionError as error:
            return notebook, str(error)
        except (CellTimeoutError, DeadKernelError) as error:
            words = str(error).strip().splitlines()[0]
            cell = next(
                (one for one in reversed(notebook.cells) if one.get("execution_count")), None
            )
            if cell is not None:
                traceback = [f"{type(error).__name__}: {words}"]
                cell.outputs.append(
                    new_output(
                        "error", ename=type(error).__name__, evalue=words, traceback=traceback
                    )
                )
            return notebook, f"{type(error).__name__}: {words}"
    return notebook, None


def results(notebook: NotebookNode) -> dict[str, Any]:
    """The last output of an executed notebook, which is JSON."""
    (output,) = notebook.cells[-1].outputs
    found: dict[str, Any] = output.data["application/json"]
    return found


def render(notebook: NotebookNode, folder: Path) -> str:
    """Render a self-contained page.

    Args:
        notebook: the notebook with its outputs.
        folder: the page's folder, to which links to the project's files are made relative.
    """
    _describe_pictures(notebook)
    _lead_links(notebook, folder)
    exporter = HTMLExporter(
        template_file=str(Path(__file__).with_name("notebook.html.j2")),
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    code = {
        name: HtmlFormatter(style=style, nobackground=True).get_style_defs(".highlight")
        for name, style in (("light", "friendly"), ("dark", "github-dark"))
    }
    page, _ = exporter.from_notebook_node(
        notebook, resources={"code_css": code, "navigation": _navigation()}
    )
    return str(page)


def _describe_pictures(notebook: NotebookNode) -> None:
    """Give each picture the title of its section as alternative text."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = next(
                (
                    line.strip("# ")
                    for line in reversed(cell.source.splitlines())
                    if line[:1] == "#"
                ),
                heading,
            )
        cell.metadata["alt"] = f"picture: {heading}"


def _lead_links(notebook: NotebookNode, folder: Path) -> None:
    """Make links relative to the page's folder; links to a notebook lead to its page."""

    def led(link: re.Match[str]) -> str:
        target = NOTEBOOKS / link[1]
        if target.suffix == ".ipynb":
            return f"{target.stem}.html"
        return Path(os.path.relpath(target, folder)).as_posix()

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(led, cell.source)


def index(run: Run) -> str:
    """The page that lists the others: what each notebook teaches, its seconds, and what failed."""
    rows = ["| notebook | teaches | seconds | |", "|---|---|---:|---|"]
    for path in every():
        notebook = nbformat.read(path, as_version=4)
        taught = re.search(r"\*\*Teaches\*\* (.+)", notebook.cells[0].source)
        for stem, what in ((path.stem, taught[1] if taught else ""), (_after(path), "")):
            if stem in run.seconds:
                title = notebook.metadata["title"] + ("" if what else ", after the removal")
                state = "**failed**" if stem in run.failures else ""
                rows.append(
                    f"| [{title}]({stem}.html) | {what} | {run.seconds[stem]:.0f} | {state} |"
                )
    whole = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Notebooks\n\n" + "\n".join(rows))],
        metadata={"title": "Notebooks"},
    )
    return render(whole, NOTEBOOKS)


def _after(path: Path) -> str:
    """The name of the page of a notebook's second run."""
    return f"{path.stem}_afterwards"


def _navigation() -> str:
    """Links to all pages, with the notebooks' titles."""
    links = ['<a href="index.html">Index</a>']
    for path in every():
        title = nbformat.read(path, as_version=4).metadata["title"].partition(":")[0]
        links.append(f'<a href="{path.stem}.html">{title}</a>')
    return " · ".join(links)


def _summary(run: Run, out: Path, seconds: float) -> Iterator[str]:
    yield ""
    yield "TIME"
    for name, each in run.seconds.items():
        yield f"  {name:<40}{each:>9.1f} s"
    yield f"  {'total':<40}{seconds:>9.1f} s"
    yield ""
    for name, error in run.failures.items():
        yield f"FAILED    {name}\n{error}"
    if run.leftovers:
        yield "LEFT BEHIND"
        yield from (f"  {entry}" for entry in run.leftovers)
    else:
        yield "LEFT BEHIND   nothing"
    yield f"Pages: {os.path.relpath(out / 'index.html')}"


if __name__ == "__main__":
    sys.exit(main())
