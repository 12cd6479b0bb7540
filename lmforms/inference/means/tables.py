"""Tables of marginal means, slopes and their contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from ...errors import ArgumentError
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray, IndexArray
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.methods import DfMethod, df_method
from .adjustment_names import (
    PAIRWISE,
    for_contrasts,
    for_means,
    letters_note,
    limits_note,
    of_limits,
    p_value_note,
)
from .adjustments import STEPWISE, Family, check_family_size, critical_values, p_values
from .contrasts import Contrasts, contrasts
from .estimability import RowSpace, row_space
from .estimates import Estimates, estimates, flat_notes, zero_notes
from .letters import compact_letters
from .marginal_means import MarginalMeans
from .options import Options
from .rounding import RELATIVE, without_rounding


@dataclass(frozen=True, eq=False)
class _Fit:
    """What estimates of linear functions need of a fit."""

    beta: FloatArray
    method: DfMethod
    space: RowSpace

    def means(self, means: MarginalMeans) -> Estimates:
        return estimates(
            self.beta, self.method, self.space, means.functions, means.offset, means.defined
        )

    def contrasts(self, means: MarginalMeans, rows: IndexArray, C: FloatArray) -> Estimates:
        """Contrasts of some of the means; those that no coefficient uses need not exist."""
        defined = ~((C != 0.0) & ~means.defined[rows]).any(axis=1)
        functions = without_rounding(C @ means.functions[rows], np.abs(C) @ means.rounding[rows])
        offset = C @ means.offset[rows]
        rounded = np.abs(offset) <= RELATIVE * (np.abs(C) @ np.abs(means.offset[rows]))
        offset = np.where(rounded, 0.0, offset)
        return estimates(self.beta, self.method, self.space, functions, offset, defined)


def _fit(state: FitState, options: Options) -> _Fit:
    method = df_method(state, options.ddf, options.information)
    return _Fit(state.estimate.beta, method, row_space(state.design))


def means_table(state: FitState, means: MarginalMeans, title: str, options: Options) -> ResultTable:
    """The means with their standard errors and limits, and letters that compare them."""
    fit = _fit(state, options)
    found = fit.means(means)
    notes = [*fit.method.notes, *means.notes(), *_estimability_notes(found.estimable, "means")]
    if means.slope_of is not None:
        notes += flat_notes(found.zero, [means.slope_of])
    adjust, more = for_means(None if options.letters else options.adjust, options.what)
    check_family_size(adjust, max(map(len, means.groups)), options.what)
    lower, upper = np.full((2, len(found.estimate)), np.nan)
    for rows in means.groups:
        family, used = _family(found, rows, len(rows))
        half = critical_values(family, adjust, options.level) * found.std_error[used]
        lower[used], upper[used] = found.estimate[used] - half, found.estimate[used] + half
    notes += [*more, limits_note(options.level, adjust)]
    estimate, std_error = found.estimate, found.std_error
    if options.response is not None:
        estimate, std_error, lower, upper, more = _on_response(options, found, lower, upper)
        notes += more
    table: dict[str, Any] = means.columns(means.names, np.arange(len(means.codes)))
    table |= {"estimate": estimate, "std_error": std_error, "df": found.df}
    table |= {"lower": lower, "upper": upper}
    if options.letters:
        table["letters"], more = _letters(fit, means, found.estimate, options)
        notes += more
    return ResultTable(pd.DataFrame(table), title=title, notes=notes)


def contrast_table(
    state: FitState, means: MarginalMeans, title: str, options: Options
) -> ResultTable:
    """Contrasts of the means within each combination of values of `by`.

    Raises
    ------
    ArgumentError
        There is one mean only, or the coefficients are not one for each mean.
    """
    fit, kind, what = _fit(state, options), options.contrast, options.what
    adjust, more = for_contrasts(options.adjust, kind, what)
    notes = [*fit.method.notes, *means.notes(), *more]
    groups = [g for g in means.groups if len(g) > 1 or not isinstance(kind, str)]
    if not groups:
        numbers = [n for n in means.spec if not means.grid.predictor(n).is_factor]
        hint = f": `{numbers[0]}` is a number: at={{{numbers[0]!r}: [...]}}" if numbers else ""
        hint += " gives it several values" if numbers else ""
        raise ArgumentError(f"{what}: contrast={kind!r} needs at least two means to compare{hint}.")
    if isinstance(kind, str) and kind in PAIRWISE:  # before there is a row for each pair
        check_family_size(adjust, max(comb(len(g), 2) for g in groups), what)
    made = [
        contrasts(kind, [means.labels[i] for i in rows], options.reference, what) for rows in groups
    ]
    check_family_size(adjust, max(len(c.labels) for c in made), what)
    options, more = _ratios(options, made)
    notes += more
    if options.response is not None and options.response.ratio:
        title = options.response.ratio.capitalize() + title.removeprefix("Contrasts")
    tables, errors, estimable, zeros = [], [0.0], [], []
    for rows, chosen in zip(groups, made, strict=True):
        found = fit.contrasts(means, rows, chosen.coefficients)
        family, used = _contrast_family(found, chosen.coefficients)
        table = _contrast_rows(found, family, used, chosen, adjust, options)
        by = means.columns(means.by, np.repeat(rows[:1], len(table)))
        for place, name in enumerate(means.by):
            table.insert(place, name, by[name])
        tables.append(table)
        estimable.append(found.estimable)
        zeros.append(found.zero)
        errors.append(family.beyond_largest[1] if family.size and adjust == "mvt" else 0.0)
    notes += _estimability_notes(np.concatenate(estimable), "contrasts")
    notes += zero_notes(np.concatenate(zeros), "contrasts", adjusted=True)
    notes.append(p_value_note(adjust, len(groups) > 1, max(errors)))
    notes.append(limits_note(options.level, of_limits(adjust)))
    return ResultTable(pd.concat(tables, ignore_index=True), title=title, notes=notes)


def _contrast_rows(
    found: Estimates,
    family: Family,
    used: IndexArray,
    made: Contrasts,
    adjust: str,
    options: Options,
) -> pd.DataFrame:
    """The rows of one family."""
    p, lower, upper = np.full((3, len(found.estimate)), np.nan)
    p[used] = p_values(family, adjust)
    half = critical_values(family, adjust, options.level) * found.std_error[used]
    lower[used], upper[used] = found.estimate[used] - half, found.estimate[used] + half
    estimate, std_error, labels = found.estimate, found.std_error, made.labels
    if options.response is not None:
        estimate, std_error = options.response.ratios(estimate, std_error)
        ends = [options.response.ratios(limit, limit)[0] for limit in (lower, upper)]
        lower, upper = np.minimum(*ends), np.maximum(*ends)
        labels = made.ratio_labels
    return pd.DataFrame(
        {
            "contrast": labels,
            "estimate": estimate,
            "std_error": std_error,
            "df": found.df,
            "statistic": found.statistic,
            "p_value": p,
            "lower": lower,
            "upper": upper,
        }
    )


def _family(found: Estimates, rows: IndexArray, means: int) -> tuple[Family, IndexArray]:
    """The estimable functions among some rows, and where they are."""
    used = rows[found.estimable[rows] & (found.std_error[rows] > 0.0)]
    family = Family(
        functions=found.functions[used],
        covariance=found.covariance,
        statistic=found.statistic[used],
        df=found.df[used],
        means=means,
    )
    return family, used


def _contrast_family(found: Estimates, C: FloatArray) -> tuple[Family, IndexArray]:
    """The estimable contrasts with coefficients C, and where they are."""
    compared = int((C[found.estimable & (found.std_error > 0.0)] != 0.0).any(axis=0).sum())
    return _family(found, np.arange(len(C)), compared)


def _estimability_notes(estimable: BoolArray, of: str) -> list[str]:
    lost = int((~estimable).sum())
    if not lost:
        return []
    return [
        f"{lost} of {len(estimable)} {of} are not estimable from these data (no rows, or dependent "
        "columns of X): NaN, and left out of the adjustment."
    ]


def _on_response(
    options: Options, found: Estimates, lower: FloatArray, upper: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, list[str]]:
    """Means, standard errors and limits on the scale of the response, with notes."""
    response, sigma = options.response, options.sigma
    assert response is not None
    estimate, std_error = response.means(found.estimate, found.std_error, sigma)
    lower, upper = response.limits(lower, upper, sigma)
    notes = [
        f"Back-transformed from the scale of {response.label}; standard errors by the delta "
        "method.",
        *response.notes,
    ]
    beyond = np.isnan(estimate) & found.estimable
    if beyond.any():
        notes.append(f"{beyond.sum()} estimates are no values of {response.label}: NaN.")
        lower, upper = np.where(beyond, np.nan, lower), np.where(beyond, np.nan, upper)
    if sigma is not None:
        notes.append(
            f"Adjusted for bias with a standard deviation of {sigma:.6g} on the scale of "
            f"{response.label}."
        )
    return estimate, std_error, lower, upper, notes


def _ratios(options: Options, made: Sequence[Contrasts]) -> tuple[Options, list[str]]:
    """Contrasts become ratios where they are differences of logarithms; elsewhere they stay."""
    response = options.response
    if response is None:
        return options, []
    if response.base and all(c.sum_to_zero for c in made):
        ratios = response.ratio or f"ratios of {response.response}"
        return options, [f"Estimates are {ratios}; tests on the scale of {response.label}."]
    return replace(options, response=None), [f"Contrasts are on the scale of {response.label}."]


def _letters(
    fit: _Fit, means: MarginalMeans, estimate: FloatArray, options: Options
) -> tuple[list[str], list[str]]:
    """Letters of each mean, within each combination of values of `by`, with notes."""
    adjust, notes = for_contrasts(options.adjust, "pairwise", options.what)
    check_family_size(adjust, max(comb(len(g), 2) for g in means.groups), options.what)
    out = [""] * len(means.codes)
    for rows in means.groups:
        made = contrasts("pairwise", [means.labels[i] for i in rows], None, options.what)
        C = made.coefficients
        family, used = _contrast_family(fit.contrasts(means, rows, C), C)
        if adjust in STEPWISE:
            different = p_values(family, adjust) < 1.0 - options.level
        else:
            critical = critical_values(family, adjust, options.level)
            different = np.abs(family.statistic) > critical
        first, second = np.nonzero(C > 0.0)[1], np.nonzero(C < 0.0)[1]
        pairs = np.stack([first, second], axis=1)[used[different]]
        for i, text in zip(rows, compact_letters(estimate[rows], pairs.tolist()), strict=True):
            out[i] = text
    return out, [*notes, letters_note(means.spec, options.level, adjust)]
