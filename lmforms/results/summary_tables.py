"""`ModelSummary`: facts, tables and notes of a fit, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import ArgumentError
from ..tables.formats import TableFormats
from ..tables.number_format import DIGITS, STARS_NOTE, aligned, frame_texts, signed, star_texts
from ..tables.result_table import HEADERS
from ..tables.shown import Fact, ShownResult, ShownTable, shown_table, with_space_behind

AS_TYPED = ("Formula", "Residuals")
"""Facts that are text of the call."""

WITH_NAMES = ("Groups",)
"""Facts with names of grouping factors."""

TITLES = {
    "random": "Random effects",
    "structures": "Structures of the random effects",
    "residual": "Residuals",
    "family": "Parameters of the family",
    "fixed": "Fixed effects",
}


@dataclass(frozen=True, repr=False)
class ModelSummary(TableFormats):
    """What :meth:`lmforms.MixedModelResults.summary` returns; print it, or let a notebook.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        Name and value of each line of the head.
    tables : dict of str to DataFrame
        ``"random"`` (variances and correlations), ``"structures"`` (parameters of covariance
        structures: estimate, std_error, lower, upper), ``"residual"`` (those of the residuals),
        ``"family"`` (parameters of the family of a generalised model) and
        ``"fixed"`` (estimate, std_error, df, statistic, p_value, and limits if asked for).
    notes : tuple of str
        Warnings that concern the whole fit.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> print(fit.summary())
    Linear mixed model fit by REML
    ==============================
    Formula:          Yield ~ 1 + (1 | Batch)
    Rows:             30
    Groups:           Batch (6)
    REML criterion:   319.6543
    Log-likelihood:   −159.8271
    AIC, BIC:         325.65, 329.86
    Scaled residuals: −1.412, −0.763, 0.142, 0.779, 1.830 (min, quartiles, max)
    Converged:        yes, 4 evaluations
    <BLANKLINE>
    Random effects
              effect     variance  std. dev.
    ----------------------------------------
    Batch     Intercept      1764      42.00
    Residual                 2451      49.51
    <BLANKLINE>
    Fixed effects
               estimate  std. error  df       t        p
    ----------------------------------------------------
    Intercept   1527.50       19.38   5  78.804  <0.0001
    <BLANKLINE>
    Note: Degrees of freedom: Satterthwaite, observed information.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]

    def _shown(self, stars: bool, digits: int | None) -> ShownResult:
        digits = DIGITS if digits is None else digits
        shown = []
        for key, title in TITLES.items():
            if key in self.tables:
                table = self.tables[key]
                if key == "random":
                    shown.append(_random(title, table, digits))
                elif key == "fixed":
                    shown.append(_fixed(title, table, stars, digits))
                elif key == "family":
                    shown.append(_family(title, table, digits))
                else:
                    shown.append(_parameters(title, table, digits))
        notes = self.notes
        if stars and "fixed" not in self.tables:
            raise ArgumentError("stars=True: there are no fixed effects to test; leave it out.")
        if stars:
            notes = (*notes, STARS_NOTE)
        facts = tuple(
            Fact(name, value, name in AS_TYPED, name in WITH_NAMES) for name, value in self.facts
        )
        return ShownResult(self.title, tuple(shown), facts, notes)


def _fixed(title: str, table: pd.DataFrame, stars: bool, digits: int) -> ShownTable:
    texts = dict(zip(map(str, table.columns), frame_texts(table, digits), strict=True))
    headers = {**HEADERS, "statistic": "t"}
    if np.isinf(table["df"]).all():
        del texts["df"]
        headers["statistic"] = "z"
    if stars:
        marks = star_texts(table["p_value"])
        texts["estimate"] = with_space_behind(
            [t + m for t, m in zip(texts["estimate"], marks, strict=True)]
        )
    names = [headers.get(name, name) for name in texts]
    stubs = [str(name) for name in table.index]
    return shown_table(names, stubs, list(texts.values()), "r" * len(names), title)


def _parameters(title: str, table: pd.DataFrame, digits: int) -> ShownTable:
    """Parameters by name, of structures of the random effects below their term."""
    texts = dict(zip(map(str, table.columns), frame_texts(table, digits), strict=True))
    names = texts.pop("name")
    headers = [HEADERS.get(name, name) for name in texts if name != "term"]
    aligns = "r" * len(headers)
    terms = texts.pop("term", [])
    if not terms:
        return shown_table(headers, names, list(texts.values()), aligns, title)
    stubs = ["" if t and terms[t - 1] == name else name for t, name in enumerate(terms)]
    columns = [names, *texts.values()]
    return shown_table(["parameter", *headers], stubs, columns, "l" + aligns, title)


def _family(title: str, table: pd.DataFrame, digits: int) -> ShownTable:
    """Parameters of a family, each with its coefficients where it has a formula."""
    texts = dict(zip(map(str, table.columns), frame_texts(table, digits), strict=True))
    parameters = [name.replace("_", " ") for name in texts.pop("parameter")]
    stubs = ["" if i and parameters[i - 1] == name else name for i, name in enumerate(parameters)]
    coefficients = texts.pop("name")
    headers = [HEADERS.get(name, name) for name in texts]
    columns, aligns = list(texts.values()), "r" * len(headers)
    if any(coefficients):
        headers, columns, aligns = ["coefficient", *headers], [coefficients, *columns], "l" + aligns
    return shown_table(headers, stubs, columns, aligns, title)


def _random(title: str, vcomp: pd.DataFrame, digits: int) -> ShownTable:
    """Variances with the correlations of a term beside them, as lme4 prints them."""
    variances = vcomp[vcomp["name2"] == ""]
    texts = zip(
        aligned(variances["variance"], digits), aligned(variances["sdcor"], digits), strict=True
    )
    by_row = dict(zip(variances.index, texts, strict=True))
    rows, stubs, width = [], [], 0
    for term in _terms(vcomp):
        effects = [i for i in term if vcomp.loc[i, "name2"] == ""]
        names = [vcomp.loc[i, "name1"] for i in effects]
        corr = {
            (vcomp.loc[i, "name1"], vcomp.loc[i, "name2"]): vcomp.loc[i, "sdcor"]
            for i in term
            if vcomp.loc[i, "name2"] != ""
        }
        for place, i in enumerate(effects):
            pairs = [(names[j], names[place]) for j in range(place)] if corr else []
            cells = [
                "" if np.isnan(corr[p]) else signed(corr[p], ".3f") for p in pairs if p in corr
            ]
            width = max(width, len(cells))
            stubs.append(str(vcomp.loc[i, "group"]) if place == 0 else "")
            rows.append([str(names[place]), *by_row[i], *cells])
    full = tuple((*row, *[""] * (3 + width - len(row))) for row in rows)
    headers = ("effect", "variance", "std. dev.", *["corr."] * width)
    return ShownTable(headers, tuple(stubs), full, "lrr" + "r" * width, title)


def _terms(vcomp: pd.DataFrame) -> list[list[int]]:
    """Rows of each random term: its variances, then its covariances."""
    terms: list[list[int]] = []
    for i in vcomp.index:
        last = terms[-1] if terms else None
        same = last is not None and vcomp.loc[last[0], "group"] == vcomp.loc[i, "group"]
        after_covariance = last is not None and vcomp.loc[last[-1], "name2"] != ""
        is_variance = vcomp.loc[i, "name2"] == ""
        if last is None or not same or (is_variance and after_covariance):
            terms.append([i])
        else:
            last.append(i)
    return terms
