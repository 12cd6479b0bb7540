"""Standard errors and degrees of freedom of predictions against n×n matrices, for all fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense_predictions import DenseTargets, at_estimates, satterthwaite
from kinds_of_fits import KINDS, fit_of, trial
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ArgumentError, ModelError
from lmforms.inference.degrees_of_freedom.f_statistic import t_quantiles

ROWS = [3, 11, 24, 40, 55]
NEW = trial().iloc[ROWS].assign(x=[0.3, -1.0, 2.0, 0.0, 1.5])
LOST = [0, 3]
"""Rows of `NEW` with levels that the fit does not have."""


def with_new_levels() -> pd.DataFrame:
    data = NEW.copy()
    data.iloc[LOST, data.columns.get_loc("g")] = "g99"
    data.iloc[LOST, data.columns.get_loc("h")] = "h99"
    return data


def series_in(fit) -> bool:
    return getattr(fit.state.residual, "correlation", None) is not None


def targets(fit, random, interval, new_levels=False) -> DenseTargets:
    design, state = fit.state.design, fit.state
    everywhere = fit.design(NEW)
    z, f = [], []
    names = [design.groups[t.group].name for t in design.terms]
    start = 0
    for t, term in enumerate(design.terms):
        q, k = len(design.groups[term.group].levels), len(term.columns)
        own = everywhere.Z[:, start : start + q * k].toarray().reshape(len(NEW), q, k)
        start += q * k
        basis = own.sum(axis=1)
        chosen = random == "all" or names[t] in random
        gone = np.zeros(len(NEW), dtype=bool)
        if new_levels and names[t] in ("g", "h", "site:g"):
            gone[LOST] = True
        known = chosen & ~gone
        z.append(own * known[:, None, None])
        lost = (~known if interval == "prediction" else (chosen & gone)) * np.ones(len(NEW))
        f.append(basis * lost[:, None])
    found = DenseTargets(everywhere.X.to_numpy(), z, f)
    if interval == "prediction":
        here = state.residual.variances()
        variance = np.ones(len(NEW)) if here is None else here[ROWS]
        if "expvar" in str(design.residual_spec):

            def own_variances(residual):
                rate = residual.natural[0]
                return np.exp(2 * rate * NEW["x"].to_numpy())
        else:

            def own_variances(residual):
                values = residual.variances()
                return variance if values is None else values[ROWS]

        found.covariances = lambda residual: (
            np.zeros((len(NEW), design.n)),
            own_variances(residual),
        )
    return found


def asked(fit, data=NEW, **options):
    return fit.predict(data, residual="none", **options)


FACTORED = [k for k in KINDS if k != "conjugate_gradients"]


@pytest.mark.parametrize("kind", [k for k in FACTORED if k != "power_fitted"])
@pytest.mark.parametrize("random", ["all", "none", "h"])
def test_standard_errors_by_the_dense_formula(kind, random):
    fit = fit_of(kind)
    groups = [g.name for g in fit.state.design.groups]
    if random == "h" and ("h" not in groups or len(groups) == 1):
        pytest.skip("one grouping factor")
    for interval in ("confidence", "prediction"):
        found = asked(fit, random=random, interval=interval)
        expected = at_estimates(fit, targets(fit, random, interval))
        assert_allclose(found["std_error"], expected, rtol=1e-7, atol=1e-9)
        plain = asked(fit, random=random)
        assert_allclose(found["estimate"], plain, rtol=1e-14)
        assert (found["lower"] < plain).all()
        assert_allclose(found["upper"] - plain, plain - found["lower"], rtol=1e-9)


@pytest.mark.parametrize("kind", ["slopes", "crossed", "nested", "known_and_slopes"])
def test_new_levels_have_the_variance_between_groups(kind):
    fit = fit_of(kind)
    for interval in ("confidence", "prediction"):
        found = asked(fit, with_new_levels(), new_levels="zero", interval=interval)
        expected = at_estimates(fit, targets(fit, "all", interval, new_levels=True))
        assert_allclose(found["std_error"], expected, rtol=1e-7)
