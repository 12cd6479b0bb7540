"""Checks of the residuals and random effects of a fit, in words, with what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import ModelError, NumericalError, listed
from ..inference.diagnostics.residual_tests import equal_spread, holm
from ..inference.diagnostics.spread import normality, outlying, spread_by_prediction
from ..support.arrays import FloatArray
from . import quantities
from .fit_report import Check
from .simulated_residuals import SimulatedResiduals, factor_of, simulated_residuals
from .state import FitState

SIGNIFICANT = 0.01
"""Level of the tests of a report: there are several, and they are approximate."""

LEAST_DISTANCE, LEAST_RATIO, LEAST_TREND, LARGEST_STRAIGHT = 0.05, 1.25, 0.1, 0.98
"""What is too small to matter, though significant in many rows: the distance from the uniform
distribution, the ratio of standard deviations (also of the dispersion), the rank correlation of
residuals and predictions, and, above it, Shapiro and Wilk's statistic."""

OUTLYING = 0.05
"""Level, for all rows together, at which a residual is an outlier."""

MOST_SHOWN = 5
"""Rows that a report names."""

FEWEST_PER_LEVEL = 5
"""Rows of each level that a comparison of variances needs."""

MOST_LEVELS = 30
"""Levels of a factor up to which a variance for each is advised."""

FEWEST_EFFECTS = 8
"""Levels from which the distribution of random effects is looked at."""


def residual_checks(state: FitState, n: int, generator: np.random.Generator) -> list[Check]:
    """Outliers, simulated residuals, variances, and the distribution of random effects."""
    return [
        outliers(state),
        *simulated_checks(state, n, generator),
        variances_by_factor(state),
        variances_by_prediction(state),
        *([random_normality(state)] if state.design.groups else []),
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
    labels = [_label_text(index[i]) for i in found]
    shown = listed([f"{label} ({values[i]:.1f})" for label, i in zip(labels, found)], MOST_SHOWN)
    advice = "Are these rows right? "
    advice += (
        "What depends on them: fit.update(data=data.drop(index=["
        f"{', '.join(labels[:MOST_SHOWN])}]))."
        if index.is_unique and not _has_arrays(state)
        else "See what depends on them by a fit to the other rows."
    )
    return Check(topic, "note", f"rows with large normalized residuals: {shown}.", advice)


def _label_text(label: Any) -> str:
    """A label as Python reads it."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def _has_arrays(state: FitState) -> bool:
    """Whether weights or an offset came as an array, which no other table has the rows of."""
    given, extra = state.design.formula_data, state.design.frame.extra
    return ("weights" in extra and given.weights_column is None) or (
        "offset" in extra and given.offset_column is None
    )


def simulated_checks(state: FitState, n: int, generator: np.random.Generator) -> list[Check]:
    """Tests of simulated residuals, made independent if they can be."""
    try:
        found = simulated_residuals(state, n, generator, "new", True)
    except (ModelError, NumericalError):
        found = simulated_residuals(state, n, generator, "new", False)
    return [_distribution(state, found)]


def _distribution(state: FitState, found: SimulatedResiduals) -> Check:
    topic = "simulated residuals"
    tests = found.tests
    texts = [f"{name} p = {p:.3g}" for name, p in zip(tests.index, tests["p_value"], strict=True)]
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
        return Check(topic, "ok", f"{'; '.join(texts)} ({how}).")
    positive = bool((state.response > 0).all())
    way = (
        "try the logarithm of the response, np.log(…)" if positive else "try another response scale"
    )
    return Check(
        topic,
        "note",
        f"the responses are not distributed as the model says, by {' and '.join(failed)}: "
        f"{'; '.join(texts)} ({how}).",
        f"Look at lf.plot.simulated_residuals(fit.simulated_residuals(rotate={found.rotated})). If "
        f"no predictor or random effect is missing and the variances are right, {way}.",
    )


def variances_by_factor(state: FitState) -> Check:
    """Whether residuals have one variance in all levels of each factor."""
    topic = "variances by factor"
    residuals = quantities.residuals(state, "scaled")
    names, p_values, ratios = [], [], []
    for name in _factors(state):
        codes, levels, _ = factor_of(state, name)
        counts = np.bincount(codes)
        if not 2 <= len(levels) <= MOST_LEVELS or counts.min() < FEWEST_PER_LEVEL:
            continue
        groups = [residuals[codes == level] for level in range(len(levels))]
        sds = np.array([own.std(ddof=1) for own in groups])
        names.append(name)
        p_values.append(equal_spread(groups).p_value)
        ratios.append(sds.max() / sds.min() if sds.min() > 0 else np.inf)
    if not names:
        return Check(topic, "ok", f"no factor has {FEWEST_PER_LEVEL} rows in each level.")
    adjusted = holm(np.array(p_values))
    differing = [i for i, p in enumerate(adjusted) if p < SIGNIFICANT and ratios[i] > LEAST_RATIO]
    if not differing:
        return Check(topic, "ok", f"no difference that matters by {listed(names)} (Levene).")
    worst = min(differing, key=lambda i: adjusted[i])
    shown = listed(
        [f"{names[i]} (ratio of sd {ratios[i]:.2g}, p = {adjusted[i]:.2g})" for i in differing]
    )
    return Check(
        topic,
        "note",
        f"residuals have different variances by {shown}.",
        f"Give each level its own: {_updated(state, f'idh({_written(names[worst])})')}.",
    )


def _factors(state: FitState) -> list[str]:
    """Columns of categories or groups, without those that the residual structure has."""
    design = state.design
    known = () if design.residual_spec is None else design.residual_spec.columns
    grouping = {group.factor for group in design.groups}
    return [
        name
        for name, column in design.frame.table.columns.items()
        if name not in known and (name in grouping or not pd.api.types.is_numeric_dtype(column))
    ]


def variances_by_prediction(state: FitState) -> Check:
    """Whether the size of residuals goes with the fitted values."""
    topic = "variances by prediction"
    fitted = quantities.fitted_values(state)
    test = spread_by_prediction(quantities.residuals(state, "scaled"), fitted)
    if not (test.p_value < SIGNIFICANT and abs(test.statistic) > LEAST_TREND):
        known = not np.isnan(test.p_value)
        shown = f" (rank correlation {test.statistic:.2g})" if known else ""
        return Check(topic, "ok", f"no trend of the absolute residuals{shown}.")
    word = "larger" if test.statistic > 0 else "smaller"
    one_sign = bool((fitted > 0).all() or (fitted < 0).all())
    function = "power(fitted)" if one_sign else "expvar(fitted)"
    return Check(
        topic,
        "note",
        f"residuals are {word} where the fitted values are larger (rank correlation "
        f"{test.statistic:.2g}, p = {test.p_value:.2g}).",
        f"Let the variance depend on them: {_updated(state, function)}.",
    )


def _updated(state: FitState, function: str) -> str:
    """The call that adds a variance function to a fit."""
    spec = state.design.residual_spec
    method = "" if state.method == "auto" else ', method="auto"'  # others take no structure
    if spec is None:
        return f'fit.update(residual="{function}"{method})'
    return f'fit.update(residual="{spec} * {function}"), if {spec} has no such variances itself'


def _written(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"


def random_normality(state: FitState) -> Check:
    """Whether random effects look like draws of a normal distribution."""
    topic = "distribution of random effects"
    found, far = [], []
    for group, values in effects_by_group(state).items():
        for effect, own in values.items():
            test = normality(own.to_numpy(), f"{effect} | {group}")
            if test.p_value < SIGNIFICANT and test.statistic < LARGEST_STRAIGHT:
                found.append(f"{test.name} (Shapiro–Wilk, p = {test.p_value:.2g})")
                far.append(f"{_label_text(own.abs().idxmax())} of {group}")
    if not found:
        return Check(topic, "ok", "no sign against normal ones; shrinkage hides much of it.")
    return Check(
        topic,
        "note",
        f"not like normal ones: {'; '.join(found)}.",
        f"Look at lf.plot.random_effects_qq(fit). Farthest: {listed(list(dict.fromkeys(far)))}. "
        "Fixed effects suffer little, predictions of single levels more.",
    )


def effects_by_group(state: FitState) -> dict[str, pd.DataFrame]:
    """Random effects divided by their standard deviations, of independent levels.

    Those that are zero throughout, and grouping factors of few levels or with a known covariance,
    are left out. Var(b̂) = Var(b) − Var(b | y) differs between levels with few and many rows; after
    conjugate gradients it is not known, and effects are divided by that of all levels.
    """
    out = {}
    estimate = state.estimate
    conditional = estimate.conditional_covariances() if estimate.is_factored else None
    for g, (name, effects) in enumerate(quantities.random_effects(state).items()):
        if name in state.relationship or len(effects) < FEWEST_EFFECTS:
            continue
        lam = estimate.lams[g]
        prior = estimate.sigma**2 * np.einsum("ij,ij->i", lam, lam)
        variances = np.broadcast_to(prior, effects.shape)
        if conditional is not None:
            variances = variances - np.einsum("qkk->qk", conditional[g])
        out[name] = _standardized(effects, variances, prior)
    return out


KNOWN_SHARE = 1e-6
"""Of its variance that the data must tell about an effect."""


def _standardized(effects: pd.DataFrame, variances: FloatArray, prior: FloatArray) -> pd.DataFrame:
    kept = (prior > 0) & (variances > KNOWN_SHARE * prior).all(axis=0)
    columns = effects.columns[kept]
    return effects.loc[:, kept] / np.sqrt(variances[:, kept]) if len(columns) else effects[columns]
