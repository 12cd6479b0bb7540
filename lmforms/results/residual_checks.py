"""Checks of the residuals of a fit, in words, with what to do."""

from __future__ import annotations

import numpy as np
from pandas.api.types import is_numeric_dtype

from ..errors import ModelError, NumericalError, listed
from ..formula.formulaic_factors import columns_of
from ..inference.diagnostics.distribution_tests import means_by_bin, outlying, spread_by_prediction
from ..inference.diagnostics.residual_tests import equal_spread, holm
from ..support.arrays import FloatArray, IndexArray
from ..tables.number_format import p_phrase, signed
from . import quantities
from .fit_report import SIGNIFICANT, Check, label_text
from .simulated_residuals import factor_of, simulated_residuals
from .state import FitState

LEAST_DISTANCE, LEAST_RATIO, LEAST_TREND, LEAST_SHARE = 0.05, 1.25, 0.1, 0.01
"""What is too small to matter, though significant in many rows: the distance from the uniform
distribution, the ratio of standard deviations (also of the dispersion), the rank correlation of
residuals and predictions, and the share of the variance of ranks that is between bins."""

OUTLYING = 0.05
"""Level, for all rows together, at which a residual is an outlier."""

MOST_SHOWN = 5
"""Rows that a report names."""

FEWEST_PER_LEVEL = 5
"""Rows of each level that a comparison of variances needs."""

MOST_LEVELS = 30
"""Levels of a factor up to which a variance for each is advised."""


def residual_checks(state: FitState, n: int, generator: np.random.Generator) -> list[Check]:
    """Outliers, simulated residuals, and means and variances of residuals."""
    return [
        outliers(state),
        distribution(state, n, generator),
        means_by_predictor(state),
        variances_by_factor(state),
        variances_by_prediction(state),
    ]


def outliers(state: FitState) -> Check:
    """Rows with residuals beyond what a normal distribution has."""
    topic = "outliers"
    values = quantities.residuals(state, "normalized")
    found = outlying(values, OUTLYING)
    if not len(found):
        largest = np.abs(values).max()
        return Check(topic, "ok", f"largest normalized residual {largest:.3g} in absolute value.")
    index = state.design.index
    labels = [label_text(index[i]) for i in found]
    shown = listed(
        [f"{label} ({signed(values[i], '.1f')})" for label, i in zip(labels, found)], MOST_SHOWN
    )
    others = (
        f"fit.update(data=data.drop(index=[{', '.join(labels[:MOST_SHOWN])}]))"
        if index.is_unique and not _has_arrays(state)
        else "a fit to the other rows"
    )
    advice = f"Look at these rows. To see what depends on them, compare {others}."
    return Check(topic, "note", f"rows with large normalized residuals: {shown}.", advice)


def _has_arrays(state: FitState) -> bool:
    """Whether weights or an offset came as an array, which no other table has the rows of."""
    given, extra = state.design.formula_data, state.design.frame.extra
    return ("weights" in extra and given.weights_column is None) or (
        "offset" in extra and given.offset_column is None
    )


def distribution(state: FitState, n: int, generator: np.random.Generator) -> Check:
    """Tests of simulated residuals, which are made independent if they can be."""
    topic = "simulated residuals"
    try:
        found = simulated_residuals(state, n, generator, "new", True)
    except (ModelError, NumericalError):
        found = simulated_residuals(state, n, generator, "new", False)
    tests = found.tests
    texts = "; ".join(found.test_texts)
    how = f"{found.n} responses, " + ("rotated" if found.rotated else "not rotated: approximate")
    ratio = float(np.sqrt(tests.loc["dispersion", "statistic"]))
    expected = 2 * len(found.scaled) / (found.n + 1)
    matters = {
        "uniformity": tests.loc["uniformity", "statistic"] > LEAST_DISTANCE,
        "dispersion": max(ratio, 1 / ratio) > LEAST_RATIO,
        "outliers": tests.loc["outliers", "statistic"] > expected,
    }
    failed = [name for name in tests.index[tests["p_value"] < SIGNIFICANT] if matters[name]]
    if not failed:
        return Check(topic, "ok", f"{texts} ({how}).")
    positive = bool((state.response > 0).all())
    way = (
        "try the logarithm of the response, np.log(…)" if positive else "try another response scale"
    )
    return Check(
        topic,
        "note",
        f"the responses are not distributed as the model says, by {' and '.join(failed)}: "
        f"{texts} ({how}).",
        f"Look at lf.plot.simulated_residuals(fit.simulated_residuals(rotate={found.rotated})). If "
        f"no predictor or random effect is missing and the variances are right, {way}.",
    )


def means_by_predictor(state: FitState) -> Check:
    """Whether residuals have mean zero along each numeric predictor, or its curve is missing."""
    topic, table = "means by predictor", state.design.frame.table
    residuals = quantities.residuals(state, "normalized")
    names = [
        name
        for name, column in table.columns.items()
        if name in columns_of(state.design.bound.fixed) and is_numeric_dtype(column)
    ]
    tests = [means_by_bin(residuals, _values(state, name), name) for name in names]
    tests = [test for test in tests if not np.isnan(test.p_value)]
    if not tests:
        return Check(topic, "ok", "no numeric predictors of more than two values.")
    adjusted = holm(np.array([test.p_value for test in tests]))
    bent = [
        (p, test.name)
        for p, test in zip(adjusted, tests, strict=True)
        if p < SIGNIFICANT and test.statistic > LEAST_SHARE
    ]
    if not bent:
        return Check(topic, "ok", f"no sign of a curve by {listed([t.name for t in tests])}.")
    shown = listed([f"{name} ({p_phrase(p)})" for p, name in bent])
    worst = min(bent)[1]
    curved = any("(" in term and worst in term for term in state.design.fixed_terms)
    return Check(
        topic,
        "note",
        f"residuals do not have mean zero throughout by {shown} (Kruskal–Wallis).",
        f"Give {worst} a more flexible curve, such as bs({_written(worst)}, df=5)."
        if curved
        else "If the scale of the response is right, let the mean bend: "
        f'fit.update(". ~ . + I(center({_written(worst)})**2)").',
    )


def _values(state: FitState, name: str) -> FloatArray:
    column = state.design.frame.table[name][state.design.in_model]
    return np.asarray(column, dtype=np.float64)


def variances_by_factor(state: FitState) -> Check:
    """Whether residuals have one variance in all levels of each factor."""
    topic = "variances by factor"
    residuals = quantities.residuals(state, "scaled")
    names, p_values, ratios = [], [], []
    left_out = []
    for name in _factors(state):
        codes, levels, _ = factor_of(state, name)
        reason = _not_compared(state, name, np.bincount(codes))
        if reason:
            left_out.append(f"{name} ({reason})")
            continue
        groups = [residuals[codes == level] for level in range(len(levels))]
        sds = np.array([own.std(ddof=1) for own in groups])
        names.append(name)
        p_values.append(equal_spread(groups).p_value)
        ratios.append(sds.max() / sds.min() if sds.min() > 0 else np.inf)
    if not names:
        why = f"no factor was compared: {listed(left_out)}." if left_out else "no factors."
        return Check(topic, "ok", why)
    adjusted = holm(np.array(p_values))
    differing = [i for i, p in enumerate(adjusted) if p < SIGNIFICANT and ratios[i] > LEAST_RATIO]
    if not differing:
        return Check(topic, "ok", f"no difference that matters by {listed(names)} (Levene).")
    worst = min(differing, key=lambda i: adjusted[i])
    is_grouping = names[worst] in {group.factor for group in state.design.groups}
    slopes = " A random slope that is missing looks like this, too." if is_grouping else ""
    shown = listed(
        [f"{names[i]} (ratio of sd {ratios[i]:.2g}, {p_phrase(adjusted[i])})" for i in differing]
    )
    return Check(
        topic,
        "note",
        f"residuals have different variances by {shown}.",
        f"Give each level its own: {_updated(state, f'idh({_written(names[worst])})')}.{slopes}",
    )


def _factors(state: FitState) -> list[str]:
    """Columns of categories or groups."""
    grouping = {group.factor for group in state.design.groups}
    columns = state.design.frame.table.columns
    return [n for n, column in columns.items() if n in grouping or not is_numeric_dtype(column)]


def _not_compared(state: FitState, name: str, counts: IndexArray) -> str:
    """Why the variances in the levels of a factor are not compared; empty if they are."""
    spec = state.design.residual_spec
    if spec is not None and name in spec.columns:
        return "in the residual structure"
    if len(counts) < 2:
        return "one level"
    if len(counts) > MOST_LEVELS:
        return f"more than {MOST_LEVELS} levels"
    few = counts.min() < FEWEST_PER_LEVEL
    return f"fewer than {FEWEST_PER_LEVEL} rows in a level" if few else ""


def variances_by_prediction(state: FitState) -> Check:
    """Whether the size of residuals goes with the fitted values."""
    topic = "variances by prediction"
    fitted = quantities.fitted_values(state)
    test = spread_by_prediction(quantities.residuals(state, "scaled"), fitted)
    correlation = signed(test.statistic, ".2g")
    if not (test.p_value < SIGNIFICANT and abs(test.statistic) > LEAST_TREND):
        known = not np.isnan(test.p_value)
        shown = f" (rank correlation {correlation})" if known else ""
        return Check(topic, "ok", f"no trend of the absolute residuals{shown}.")
    word = "larger" if test.statistic > 0 else "smaller"
    one_sign = bool((fitted > 0).all() or (fitted < 0).all())
    function = "power(fitted)" if one_sign else "expvar(fitted)"
    return Check(
        topic,
        "note",
        f"residuals are {word} where the fitted values are larger (rank correlation "
        f"{correlation}, {p_phrase(test.p_value)}).",
        f"Let the variance depend on them: {_updated(state, function)}.",
    )


def _updated(state: FitState, function: str) -> str:
    """The call that adds a variance function to a fit."""
    spec = state.design.residual_spec
    method = "" if state.method == "auto" else ', method="auto"'  # others take no structure
    if spec is None:
        return f'fit.update(residual="{function}"{method})'
    return f'fit.update(residual="{spec} * {function}"), unless {spec} has such variances itself'


def _written(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
