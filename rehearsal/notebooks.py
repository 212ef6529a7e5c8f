"""`python -m rehearsal.notebooks`: every notebook run on the local AWS, and rendered as a page."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from tqdm import tqdm

from local_aws.server import LocalAws
from rehearsal.cdk import PROJECT, CdkError, cdk
from rehearsal.inventory import inventory
from rehearsal.steps import Steps, prepare

NOTEBOOKS = PROJECT / "notebooks"
REGION = "us-east-1"
SETTINGS = ("personalize.groups=domain",)
"""What the notebooks want of the deployment, beside its defaults."""


@dataclass(kw_only=True)
class Run(Steps):
    """What a run of the notebooks did: what went wrong by notebook, what outlived it."""

    failures: dict[str, str] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Run and render all notebooks; 0 when none failed and nothing is left."""
    parser = argparse.ArgumentParser(prog="rehearsal.notebooks", description=__doc__)
    parser.add_argument("--data", help="a MovieLens folder or a CSV of ratings; see the README")
    parser.add_argument("--out", type=Path, default=PROJECT / "build" / "notebooks")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    run = Run()
    began = time.monotonic()
    data = PROJECT / "build" / "data"
    status = prepare(data, ["--data", str(Path(options.data).resolve())] if options.data else [])
    if status != 0:
        return status
    try:
        with LocalAws() as aws:
            os.environ.update(aws.environment(REGION))
            with deployed(run, options.out, f"data={data}"):
                for path in sorted(NOTEBOOKS.glob("*.ipynb")):
                    with run.step(path.stem):
                        notebook, error = execute(path)
                        page = options.out / f"{path.stem}.html"
                        page.write_text(render(notebook), "utf-8")
                        if error:
                            run.failures[path.stem] = error
                            print(f"  FAILED: {error.splitlines()[-1]}", flush=True)
    except CdkError as error:
        print(f"\nThe notebooks could not be run. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the local AWS and all that ran in it are gone.", file=sys.stderr)
        return 130
    print("\n".join(_summary(run, options.out, time.monotonic() - began)))
    return 1 if run.failures or run.leftovers else 0


@contextmanager
def deployed(run: Run, out: Path, *settings: str) -> Iterator[None]:
    """Deploy what the notebooks want with the CDK CLI; destroy it at the end.

    Args:
        run: takes the times, and what is left at the end.
        out: a folder for the assembly and the CLI's log.
        settings: beside `SETTINGS`.
    """
    assembly, log = str(out / "cdk.out"), out / "cdk.log"
    log.unlink(missing_ok=True)
    context = [word for each in (*SETTINGS, *settings) for word in ("-c", each)]
    with run.step("cdk synth, bootstrap, deploy --all"):
        cdk("synth", "--quiet", "--output", assembly, *context, log=log)
        cdk("bootstrap", f"aws://123456789012/{REGION}", "--app", assembly, log=log)
        before = inventory()
        cdk("deploy", "--all", "--require-approval=never", "--app", assembly, log=log)
    yield
    with run.step("cdk destroy --all"):
        cdk("destroy", "--all", "--force", "--app", assembly, log=log)
        run.leftovers = sorted(inventory() - before)


def execute(
    path: Path, parameters: Mapping[str, Any] | None = None
) -> tuple[NotebookNode, str | None]:
    """Run a notebook in a kernel of its own.

    Args:
        path: the notebook.
        parameters: take the place of those in its cell tagged `parameters`, as in papermill.

    Returns:
        The notebook with its outputs, and what went wrong, if something did.
    """
    notebook = nbformat.read(path, as_version=4)
    if parameters:
        _inject(notebook, parameters)
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
            timeout=600,
            coalesce_streams=True,
            # sockets of its own, which nobody else on this machine can listen to
            km=AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel"),
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=started,
        )
        try:
            client.execute(cleanup_kc=True)
        except CellExecutionError as error:
            return notebook, str(error)
    return notebook, None


def results(notebook: NotebookNode) -> dict[str, Any]:
    """What an executed notebook ends with: its last output, which is JSON."""
    (output,) = notebook.cells[-1].outputs
    found: dict[str, Any] = output.data["application/json"]
    return found


def render(notebook: NotebookNode) -> str:
    """A page that needs nothing but itself."""
    _describe_pictures(notebook)
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
    """For those who do not see a picture: what section it stands in."""
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


def _navigation() -> str:
    """Links to all pages, by the notebooks' titles."""
    links = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        title = nbformat.read(path, as_version=4).metadata["title"].partition(":")[0]
        links.append(f'<a href="{path.stem}.html">{title}</a>')
    return " · ".join(links)


def _inject(notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    for place, cell in enumerate(notebook.cells):
        if "parameters" in cell.metadata.get("tags", []):
            lines = [f"{name} = {value!r}" for name, value in parameters.items()]
            injected = nbformat.v4.new_code_cell("\n".join(lines))
            injected.metadata["tags"] = ["injected-parameters"]
            notebook.cells.insert(place + 1, injected)
            return
    raise ValueError("the notebook has no cell tagged parameters")


def _summary(run: Run, out: Path, seconds: float) -> Iterator[str]:
    yield ""
    yield "TIME"
    for name, each in run.seconds.items():
        yield f"  {name:<40}{each:>9.1f} s"
    yield f"  {'in all':<40}{seconds:>9.1f} s"
    yield ""
    for name, error in run.failures.items():
        yield f"FAILED    {name}\n{error}"
    if run.leftovers:
        yield "LEFT BEHIND"
        yield from (f"  {entry}" for entry in run.leftovers)
    else:
        yield "LEFT BEHIND   nothing"
    yield f"The pages: {os.path.relpath(out)}"


if __name__ == "__main__":
    sys.exit(main())
