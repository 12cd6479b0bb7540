"""Every call that the docs map from other software is read, fitted, and as likely as there."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from slow_cases import slow_if

import lmforms as lf
from lmforms.residual import parse_residual
from lmforms.residual.structures import ALL_NAMES

pytestmark = pytest.mark.one_in(4)

DOCS = Path(__file__).parents[1] / "docs"
CELL = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`([^`]+)`")
RESIDUAL = re.compile(r'^residual="(.*)"$')
TERM = re.compile(r"^[a-z0-9]*\(.+ \| .+\)$")


def rows(page: str) -> list[list[str]]:
    """Cells of all tables of a page, without heads."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    found = [CELL.split(line)[1:-1] for line in lines if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in cells] for cells in found]


def mapped_calls() -> list[tuple[str, float | None]]:
    """Residual structures and random terms of the page, with their log-likelihoods."""
    calls: dict[str, float | None] = {}
    for cells in rows("from-nlme.md"):
        figure = float(cells[2].replace("−", "-")) if len(cells) > 2 and "−" in cells[2] else None
        for code in CODE.findall(cells[1]):
            if RESIDUAL.match(code) or TERM.match(code):
                calls[code] = calls.get(code) or figure
    return list(calls.items())


@cache
def growth() -> pd.DataFrame:
    return lf.datasets.load("Orthodont")


@cache
def trial() -> pd.DataFrame:
    """Forty patients, a visit of them twice, as two traits."""
    data = lf.datasets.load("visit_trial")
    kept = data[data["patient"].isin(data["patient"].unique()[:40])]
    again = kept.assign(fev=60 - kept["fev"] / 2 + 3 * np.sin(np.arange(len(kept))))
    return pd.concat([kept.assign(trait="a"), again.assign(trait="b")], ignore_index=True)


@cache
def field() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    decay = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(8), np.arange(8))))
    each = [
        pd.DataFrame(
            {
                "field": name,
                "row": np.repeat(np.arange(8), 8),
                "col": np.tile(np.arange(8), 8),
                "crop": (decay @ rng.normal(size=(8, 8)) @ decay.T).ravel(),
            }
        )
        for name in ("north", "south")
    ]
    return pd.concat(each, ignore_index=True)


def model_of(code: str) -> tuple[str, pd.DataFrame, str | None]:
    """Formula, data and residual structure in which a mapped call is tried."""
    match = RESIDUAL.match(code)
    if match is None:
        if "Machine" in code:
            return f"score ~ Machine + {code}", lf.datasets.load("Machines"), None
        if "Subject" in code:
            return f"distance ~ age * Sex + {code}", growth(), None
        data = lf.datasets.load("Dyestuff").rename(columns={"Batch": "line"})
        return f"Yield ~ 1 + {code}", data, None
    residual = match[1]
    columns = set(parse_residual(residual).columns)
    if columns <= set(growth().columns):
        return "distance ~ age * Sex", growth(), residual
    if columns <= set(field().columns):
        one = field() if "field" in columns else field()[field()["field"] == "north"]
        return "crop ~ 1", one, residual
    data = trial() if "trait" in columns else trial()[trial()["trait"] == "a"]
    return "fev ~ arm * visit", data, residual


def takes_long(call: tuple[str, float | None]) -> bool:
    """Unstructured traits or visits of several arms: a second and more."""
    return "us(trait)" in call[0] or "* idh(arm)" in call[0]


@pytest.mark.parametrize(("code", "figure"), slow_if(takes_long, mapped_calls()), ids=str)
def test_mapped_calls_are_fitted_and_as_likely(code: str, figure: float | None) -> None:
    formula, data, residual = model_of(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.LmformsWarning)  # bounds, on data this small
        fit = lf.lmer(formula, data, residual=residual)
    assert fit.converged
    if figure is not None:
        assert fit.llf == pytest.approx(figure, abs=1e-5)


def test_the_page_has_calls_of_every_program() -> None:
    calls = mapped_calls()
    assert len(calls) > 50
    assert sum(figure is not None for _, figure in calls) > 25


def test_structures_of_the_chapter_are_read() -> None:
    """Residual structures and random terms in its first table, and all names are there."""
    text = " ".join(cell for cells in rows("covariance-structures.md") for cell in cells)
    residuals = [c.strip('"') for c in CODE.findall(text) if c.startswith('"') and "…" not in c]
    assert len(residuals) > 20
    for residual in residuals:
        if residual not in ("w",):
            parse_residual(residual)
    for name in ALL_NAMES:
        assert re.search(rf"\b{name}\b", text), name
