"""The pages on generalised models run, and their tables of calls give the figures beside them."""

from __future__ import annotations

import json
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lmforms as lf

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
CELLS = re.compile(r"```\{code-cell\} python\n(?::tags: [^\n]*\n)?(.*?)```", flags=re.S)
CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`([^`]+)`")
CALL, FIGURE = "here", "log-likelihood"


def run_cells(page: str) -> dict[str, Any]:
    """What the cells of a page leave behind."""
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.LmformsWarning)
        for cell in CELLS.findall((DOCS / page).read_text(encoding="utf-8")):
            exec(compile(cell, page, "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("page", ["generalized.md", "from-glmer.md"])
def test_the_cells_of_the_page_run_and_what_they_claim_holds(page: str) -> None:
    assert run_cells(page)


@cache
def tables_of_r() -> dict[str, pd.DataFrame]:
    """The data sets of the page, by its names of them, as R has them."""
    stored = json.loads((REPOSITORY / "tests/reference/glmm_fits.json").read_text())["factors"]
    out = {}
    for name in ("contraception", "bacteria", "ohio", "wine", "soup", "owls", "epilepsy", "quine"):
        file = f"glmm_{name}.csv"
        data = pd.read_csv(REPOSITORY / "tests/reference" / file)
        for column, levels in stored[file].items():
            labels = data[column].astype(str)
            data[column] = labels if levels is None else pd.Categorical(labels, levels)
        out[name] = data
    for name, column in (("wine", "rating"), ("soup", "SURENESS")):
        out[name][column] = out[name][column].cat.as_ordered()
    for name in ("cbpp", "VerbAgg", "grouseticks", "Salamanders", "cake", "sleepstudy"):
        out[name.lower()] = lf.datasets.load(name)
    return out


def mapped_calls() -> list[tuple[str, float | None]]:
    """Calls of the tables that have a column `here`, and their log-likelihoods."""
    found: list[tuple[str, float | None]] = []
    head: list[str] | None = None
    for line in (DOCS / "from-glmer.md").read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            head = None
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in CELL.split(line)[1:-1]]
        if head is None:
            head = cells
        elif CALL in head and "---" not in cells[0]:
            figure = cells[head.index(FIGURE)] if FIGURE in head else ""
            value = float(figure.replace("−", "-")) if figure else None
            found += [(code, value) for code in CODE.findall(cells[head.index(CALL)])]
    return found


@pytest.mark.parametrize(
    ("code", "figure"), [c for c in mapped_calls() if c[1] is not None], ids=str
)
def test_mapped_fits_have_the_log_likelihood_of_r(code: str, figure: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.SingularWarning)
        fit = eval(code, {"lf": lf, **{k: v.copy() for k, v in tables_of_r().items()}})
    assert fit.converged
    assert fit.llf == pytest.approx(figure, abs=6e-6)


@pytest.mark.slow
def test_mapped_calls_of_results_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # some calls save
    names = {**tables_of_r(), **run_cells("from-glmer.md")}
    found = {code: eval(code, names) for code, figure in mapped_calls() if figure is None}
    without = [code for code, value in found.items() if value is None]
    assert all("save(" in code for code in without), without


def test_the_page_has_calls_with_and_without_figures() -> None:
    calls = mapped_calls()
    assert sum(figure is not None for _, figure in calls) > 30
    assert sum(figure is None for _, figure in calls) > 30
