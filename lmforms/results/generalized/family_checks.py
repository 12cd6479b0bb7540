"""The check of parameters of a family at their bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import listed
from ...support.arrays import FloatArray
from ..fit_report import Check
from ..state import FitState
from .rows import estimate_of

NEGLIGIBLE = 1e-3
"""Relative excess of a variance, or a probability, that is as good as none."""

NO_ZEROS = 1e-6
"""Probability of extra zeros that only an infinite coefficient gives."""

MANY_DF = 200.0
"""Degrees of freedom of a t distribution that is as good as normal."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """A fit's means, trials, and natural values of one parameter."""

    mean: FloatArray
    trials: FloatArray
    values: FloatArray


def at_bound(state: FitState) -> Check:
    """Parameters of the family with which it is another, simpler one."""
    topic, names = "family", estimate_of(state).family.parameter_names
    if not names:
        return Check(topic, "ok", "no parameters beside the mean are estimated.")
    found = at_bounds(state)
    if not found:
        return Check(topic, "ok", f"no parameter is at its bound ({listed(list(names))}).")
    return Check(
        topic,
        "note",
        f"at the bound: {'; '.join(found)}.",
        "Fit the simpler family, and compare both by their AIC.",
    )


def bound_message(state: FitState) -> str:
    """What the warning of a fit says of such parameters; empty where there are none."""
    found = at_bounds(state)
    if not found:
        return ""
    return (
        f"at the bound: {'; '.join(found)}. The estimate has no standard error that means "
        "something: fit the simpler family or formula."
    )


def at_bounds(state: FitState) -> list[str]:
    """Each such parameter, and what it makes of the family."""
    estimate = estimate_of(state)
    family, likelihood = estimate.family, estimate.likelihood
    names = family.parameter_names
    if not names or state.design.thresholds:
        return []
    omega = likelihood.omega(estimate.coefficients)
    mean = likelihood.link.mean(estimate.eta)
    trials = likelihood.response.of_trials()
    natural = family.natural(np.stack([np.broadcast_to(o, mean.shape) for o in omega]))
    found = []
    for name, values in zip(names, natural, strict=True):
        said = _simpler(family.name, name, _Rows(mean, trials, values))
        if said:
            found.append(said)
    return found


def _simpler(family: str, name: str, rows: _Rows) -> str:
    """What a parameter at its bound makes of the family; empty where it is inside."""
    values = rows.values
    if name == "size" and np.mean(rows.mean / values) < NEGLIGIBLE:
        return f"size {values.mean():.3g}, as good as infinite: Poisson counts"
    if name == "dispersion" and "negative_binomial1" in family and values.max() < NEGLIGIBLE:
        return f"dispersion {values.max():.2g}, as good as 0: Poisson counts"
    if name == "zero_inflation" and "hurdle" not in family and values.min() < NO_ZEROS:
        if values.max() < NEGLIGIBLE:
            return f"zero inflation {values.max():.2g}, as good as 0: no zeros are added"
        rows_at = f"{np.count_nonzero(values < NO_ZEROS)} of {len(values)} rows"
        return f"zero inflation as good as 0 in {rows_at}: coefficients of its formula are infinite"
    if name == "precision" and "beta_binomial" in family:
        excess = (rows.trials - 1.0) / (1.0 + values)
        if excess.max() < NEGLIGIBLE:
            return f"precision {values.mean():.3g}, as good as infinite: binomial"
    if name == "df" and values.min() > MANY_DF:
        return f"{values.mean():.3g} degrees of freedom: as good as normal"
    if name == "power" and min((values - 1.0).min(), (2.0 - values).min()) < NEGLIGIBLE:
        end = "1, that of Poisson counts" if values.mean() < 1.5 else "2, that of gamma"
        return f"power {values.mean():.4g}, as good as {end}"
    return ""
