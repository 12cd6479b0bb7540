"""A uniform correlation of replicates is a random unit, as long as it is positive."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_means_of_replicates import BALANCED, FEWER, RHO, SIGMA2, TABLE, UNBALANCED, UNIT

import lmforms as lf

UNIFORM = "cs(rep | unit)"


def rho_of(fit: lf.results.MixedModelResults) -> float:
    return float(fit.state.residual.natural[0])


@pytest.mark.parametrize(("table", "criterion"), [(TABLE, BALANCED), (FEWER, UNBALANCED)])
def test_uniform_correlation_is_a_random_unit(table, criterion):
    unit = lf.lmer("y ~ x + (1 | unit)", table)
    uniform = lf.lmer("y ~ x", table, residual=UNIFORM)
    assert uniform.criterion == pytest.approx(criterion, abs=1e-6)
    between, within = unit.vcomp["variance"]
    rho = rho_of(uniform)
    assert rho == pytest.approx(between / (between + within), abs=1e-4)
    assert uniform.scale == pytest.approx(between + within, rel=1e-4)
    np.testing.assert_allclose(uniform.params, unit.params, rtol=1e-5)
    np.testing.assert_allclose(uniform.bse, unit.bse, rtol=1e-4)


def test_figures():
    fit = lf.lmer("y ~ x", TABLE, residual=UNIFORM)
    assert rho_of(fit) == pytest.approx(RHO, abs=1e-4)
    assert fit.scale == pytest.approx(UNIT + SIGMA2, rel=1e-4)


def test_a_negative_correlation_is_beyond_a_random_unit():
    """Units whose replicates compete: the random unit ends at 0, the correlation below it."""
    share = pd.Series(TABLE["y"] - TABLE.groupby("unit")["y"].transform("mean"))
    table = TABLE.assign(y=10.0 + 3.0 * share + 0.05 * np.arange(15) % 0.2)
    with pytest.warns(lf.errors.SingularWarning):
        unit = lf.lmer("y ~ x + (1 | unit)", table)
    uniform = lf.lmer("y ~ x", table, residual=UNIFORM)
    assert unit.theta[0] == 0
    assert -0.5 < rho_of(uniform) < -0.2
    assert uniform.criterion < unit.criterion - 0.5
