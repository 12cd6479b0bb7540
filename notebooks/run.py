#!/usr/bin/env python3
"""Execute every notebook of this folder from clean, and say how long each took.

    python notebooks/run.py                 # check only; the files stay as they are
    python notebooks/run.py --write DIR     # also keep the executed copies in DIR
    python notebooks/run.py machines        # only this one; several names may be given

The exit status is 1 if a notebook fails, or if a committed notebook carries outputs.
Needs nbclient and ipykernel besides ``lmforms[plot]``. A notebook whose optional package is not
installed is skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
TIMEOUT = 600
"""Seconds that one cell may take."""

OPTIONAL = {
    "network_coupling.ipynb": {"torch": "PyTorch"},
    "larger_than_memory.ipynb": {"pyarrow": "pyarrow", "duckdb": "DuckDB"},
}
"""Notebooks that need packages which are not in ``lmforms[plot]``: modules and their names."""


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these, such as machines")
    parser.add_argument("--write", metavar="DIR", type=Path, help="keep the executed copies here")
    options = parser.parse_args(arguments)
    if options.write and options.write.resolve() == FOLDER:
        parser.error("--write: the committed notebooks stay without outputs; choose another folder")

    paths = sorted(FOLDER.glob("*.ipynb"))
    if not paths:
        print("no notebooks found", file=sys.stderr)
        return 1
    if options.names:
        wanted = {Path(name).stem for name in options.names}
        unknown = wanted - {path.stem for path in paths}
        if unknown:
            parser.error(f"no notebook of this name: {', '.join(sorted(unknown))}")
        paths = [path for path in paths if path.stem in wanted]
    passed = [check(path, options.write) for path in paths]
    return 0 if all(passed) else 1


def check(path: Path, write: Path | None) -> bool:
    """Execute one notebook, unless its package is missing, and print one line about it."""
    notebook = nbformat.read(path, as_version=4)
    stripped = not has_outputs(notebook)
    missing = missing_package(path.name)
    if missing and stripped:
        print(f"{path.name:<31}{'':>9}  skipped: {missing} is not installed", flush=True)
        return True
    started = time.perf_counter()
    error = execute(notebook)
    seconds = time.perf_counter() - started
    problems = ["failed"] * (error is not None) + ["carries outputs"] * (not stripped)
    print(f"{path.name:<31}{seconds:7.1f} s  {', '.join(problems) or 'ok'}", flush=True)
    if error is not None:
        print(error, file=sys.stderr)
    if write:
        write.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, write / path.name)
    return not problems


def missing_package(name: str) -> str | None:
    """The optional package that a notebook needs and that is not installed."""
    for module, package in OPTIONAL.get(name, {}).items():
        if importlib.util.find_spec(module) is None:
            return package
    return None


def has_outputs(notebook: nbformat.NotebookNode) -> bool:
    """Whether a code cell holds outputs or the number of an execution."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return any(cell.outputs or cell.execution_count is not None for cell in cells)


def execute(notebook: nbformat.NotebookNode) -> Exception | None:
    """Execute in place, in a fresh kernel that runs in this folder."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    )
    try:
        client.execute()
    except Exception as error:  # a failing cell, a timeout, a dead kernel, no kernel at all
        return error
    return None


if __name__ == "__main__":
    sys.exit(main())
