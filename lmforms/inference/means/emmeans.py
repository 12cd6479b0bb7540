"""What `emmeans`, `emtrends`, `joint_tests` and `average` of a fit do: arguments, then numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import ArgumentError, ModelError
from ...results.state import FitState
from ...support.arguments import flag, number, one_of, proportion, sequence, short_repr
from ...tables.result_table import ResultTable
from ..diagnostics.variance_parts import random_variances
from .average import average_table
from .average_responses import average_response_table
from .averaged_rows import averaged_rows
from .comparisons import read_comparisons
from .contrasts import check_contrast
from .grid import reference_grid
from .grid_weights import WEIGHTS
from .joint_tests import joint_test_table
from .link_scale import link_scale
from .marginal_means import MarginalMeans, marginal_means
from .options import Options
from .predictors import chosen_names, fixed_predictors, given_predictors
from .read_response import response_scale
from .response_scale import ResponseScale
from .slopes import slope_variable
from .tables import contrast_table, means_table


def emmeans(
    state: FitState,
    spec: Any,
    by: Any,
    *,
    at: Any,
    weights: str,
    contrast: Any,
    reference: str | None,
    adjust: str | None,
    letters: bool,
    ddf: str,
    information: str | None,
    level: float,
    kind: str,
    bias_adjust: Any,
) -> ResultTable:
    """Marginal means or their contrasts: see :meth:`lmforms.MixedModelResults.emmeans`."""
    what = "emmeans"
    _check_fixed(state, what)
    spec, by = _names(state, spec, by, what)
    one_of(f"{what}: weights", weights, WEIGHTS)
    response, sigma = _scale(state, kind, bias_adjust, contrast, what)
    options = Options(
        what=what,
        ddf=ddf,
        information=information,
        level=proportion(f"{what}: level", level),
        adjust=adjust,
        contrast=contrast,
        reference=reference,
        letters=flag(f"{what}: letters", letters),
        response=response,
        sigma=sigma,
    )
    grid = reference_grid(state.design, at, what)
    return _table(state, marginal_means(grid, spec, by, weights), "Marginal means of", options)


def emtrends(
    state: FitState,
    spec: Any,
    var: Any,
    by: Any,
    *,
    at: Any,
    weights: str,
    contrast: Any,
    reference: str | None,
    adjust: str | None,
    letters: bool,
    ddf: str,
    information: str | None,
    level: float,
) -> ResultTable:
    """Slopes or their contrasts: see :meth:`lmforms.MixedModelResults.emtrends`."""
    what = "emtrends"
    var = slope_variable(state.design, var, "var", what)
    spec, by = _names(state, spec, by, what)
    one_of(f"{what}: weights", weights, WEIGHTS)
    options = Options(
        what=what,
        ddf=ddf,
        information=information,
        level=proportion(f"{what}: level", level),
        adjust=adjust,
        contrast=contrast,
        reference=reference,
        letters=flag(f"{what}: letters", letters),
    )
    grid = reference_grid(state.design, at, what)
    means = marginal_means(grid, spec, by, weights, slope_of=var)
    return _table(state, means, f"Slopes of {var} for", options)


def joint_tests(
    state: FitState, by: Any, *, at: Any, weights: str, ddf: str, information: str | None
) -> ResultTable:
    """F tests of each term: see :meth:`lmforms.MixedModelResults.joint_tests`."""
    what = "joint_tests"
    _check_fixed(state, what)
    names = chosen_names("by", by, fixed_predictors(state.design), what)
    _refuse_reserved(names, what)
    one_of(f"{what}: weights", weights, WEIGHTS)
    return joint_test_table(state, names, at, weights, ddf=ddf, information=information, what=what)


def average(
    state: FitState,
    by: Any,
    *,
    at: Any,
    slope: Any,
    comparison: Any,
    data: Any,
    ddf: str,
    information: str | None,
    level: float,
    kind: str = "link",
) -> ResultTable:
    """Averages over rows: see :meth:`lmforms.MixedModelResults.average`.

    `kind` is for generalised models: averages of linear predictors or of means.
    """
    what, design = "average", state.design
    _check_fixed(state, what)
    on_response = one_of(f"{what}: kind", kind, ("link", "response")) == "response"
    level = proportion(f"{what}: level", level)
    if slope is not None and comparison is not None:
        raise ArgumentError(f"{what}: give either slope= or comparison=, not both.")
    slopes = _listed(f"{what}: slope", slope)
    slopes = [slope_variable(design, name, "slope", what) for name in slopes]
    compared = [] if comparison is None else read_comparisons(design, comparison, what)
    given = given_predictors(design, at, what)
    names = _listed(f"{what}: by", by)
    taken = {p.name for p in given}
    for other, argument in ((names, "by"), ([c.name for c in compared], "comparison")):
        both = [name for name in other if name in taken]
        if both:
            raise ArgumentError(f"{what}: `{both[0]}` is in at= and in {argument}=: leave one out.")
    _refuse_reserved([*names, *taken], what)
    predicting = slope is None and comparison is None
    for argument, value, found in (("slope", slope, slopes), ("comparison", comparison, compared)):
        if value is not None and not found:
            raise ArgumentError(
                f"{what}: {argument}={short_repr(value)} names nothing: name a predictor, or leave "
                "it out for predictions."
            )
    with_offset = predicting or on_response
    rows = averaged_rows(design, data, names, with_offset=with_offset, what=what)
    if on_response:
        return average_response_table(state, rows, given, slopes, compared, level=level, what=what)
    return average_table(
        state,
        rows,
        given,
        slopes,
        compared,
        ddf=ddf,
        information=information,
        level=level,
        what=what,
    )


def _check_fixed(state: FitState, what: str) -> None:
    if not len(state.estimate.beta):
        raise ModelError(f"{what}: the model has no fixed effects, so all its means are zero.")


RESERVED = (
    *("term", "contrast", "estimate", "std_error", "df", "lower", "upper", "letters"),
    *("statistic", "p_value", "num_df", "den_df"),
)
"""Columns of the tables, which predictors cannot have as names."""


def _refuse_reserved(names: Iterable[str], what: str) -> None:
    for name in names:
        if name in RESERVED:
            raise ArgumentError(
                f"{what}: `{name}` is a column of the table itself: rename the predictor."
            )


def _names(state: FitState, spec: Any, by: Any, what: str) -> tuple[list[str], list[str]]:
    known = fixed_predictors(state.design)
    overall = isinstance(spec, (str, list)) and spec in ("1", ["1"]) and "1" not in known
    spec = [] if overall else chosen_names("spec", spec, known, what)
    by = chosen_names("by", by, known, what)
    both = [name for name in spec if name in by]
    if both:
        raise ArgumentError(f"{what}: `{both[0]}` is in spec and in by: leave one out.")
    _refuse_reserved([*spec, *by], what)
    return spec, by


def _listed(argument: str, value: Any) -> list[Any]:
    """A name, or names, as a list."""
    if value is None or isinstance(value, str):
        return [] if value is None else [value]
    return sequence(argument, value, "names")


def _scale(
    state: FitState, kind: Any, bias_adjust: Any, contrast: Any, what: str
) -> tuple[ResponseScale | None, float | None]:
    """The scale of the response, and the standard deviation of a bias adjustment."""
    one_of(f"{what}: kind", kind, ("link", "response"))
    sigma = None
    if not isinstance(bias_adjust, (bool, np.bool_)):
        sigma = number(f"{what}: bias_adjust", bias_adjust, least=0.0)
    elif bias_adjust and state.family is None:
        sigma = state.estimate.sigma
    elif bias_adjust:
        sigma = _random_deviation(state)
    if sigma is not None and kind == "link":
        raise ArgumentError(f"{what}: bias_adjust is for kind='response'.")
    if sigma is not None and contrast is not None:
        raise ArgumentError(f"{what}: bias_adjust is for means: leave it out with contrast=.")
    if kind == "link":
        return None, sigma
    of_link = state.family is not None
    return (link_scale(state) if of_link else response_scale(state.design, what)), sigma


def _random_deviation(state: FitState) -> float:
    """Root of the variance of the random effects' part of η, its mean over the rows."""
    total = sum(float(values.mean()) for values in random_variances(state).values())
    return float(np.sqrt(total))


def _table(state: FitState, means: MarginalMeans, of: str, options: Options) -> ResultTable:
    contrast, what = options.contrast, options.what
    title = f"{of} {', '.join(means.spec)}" if means.spec else of.rpartition(" ")[0]
    title += f", by {', '.join(means.by)}" if means.by else ""
    if contrast is None:
        if options.reference is not None:
            raise ArgumentError(f"{what}: reference is for contrast='trt.vs.ctrl'.")
        return means_table(state, means, title, options)
    check_contrast(contrast, options.reference, what)
    if options.letters:
        raise ArgumentError(f"{what}: letters are for means: leave contrast= out.")
    family = f"Contrasts ({contrast})" if isinstance(contrast, str) else "Contrasts"
    return contrast_table(state, means, f"{family} of {title[0].lower()}{title[1:]}", options)
