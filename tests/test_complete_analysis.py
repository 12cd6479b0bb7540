"""The script of the page "A complete analysis" is short, runs, and writes a figure and a table."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest

import lmforms as lf

PAGE = Path(__file__).parents[1] / "docs" / "complete-analysis.md"
MOST_LINES = 20


def script() -> str:
    cells = re.findall(r"```\{code-cell\} python\n(.*?)```", PAGE.read_text(), flags=re.S)
    (found,) = [cell for cell in cells if "complete-script" in cell]
    return found.split("\n", 1)[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which the script was run."""
    path = tmp_path_factory.mktemp("analysis")
    lf.datasets.load("Oats").to_csv(path / "oats.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        mpl.use("agg")
        exec(compile(script(), "script", "exec"), {})
    return path


def test_the_script_is_short():
    lines = [line for line in script().splitlines() if line.strip()]
    assert 10 < len(lines) <= MOST_LINES


def test_the_figure_is_a_file(folder):
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")


def test_the_table_has_estimates_and_criteria(folder):
    table = (folder / "table.tex").read_text()
    for part in ("Yield of oats", "additive", "AIC", "sd(Intercept", "sigma", r"\hline"):
        assert part in table


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_the_table_compiles(folder):
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\\begin{document}\\input{table.tex}\\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
