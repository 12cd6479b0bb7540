"""Fits with residual structures meet the dense optima of ``tests/reference``.

``test_dense_residual.py`` says that these are optima.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from slow_cases import slow_if
from structure_references import StructureCase, structure_cases

pytestmark = pytest.mark.one_in(4)

LOGLIK_TOL = 1e-6
PARAMETER_TOL = 1e-4
BETA_RTOL = 1e-5
SE_RTOL = 1e-4
SIGMA_RTOL = 1e-4

CASES = structure_cases()


def check_log_likelihood(case: StructureCase) -> None:
    fit = case.fit()
    assert fit.nobs == case.entry["nobs"]
    assert fit.llf == pytest.approx(case.loglik, abs=LOGLIK_TOL)
    assert fit.criterion == pytest.approx(-2.0 * case.loglik, abs=2.0 * LOGLIK_TOL)


def check_fixed_effects(case: StructureCase) -> None:
    """A coefficient near zero is held against its standard error."""
    fit = case.fit()
    assert len(fit.params) == len(case.beta)
    scale = np.maximum(np.abs(case.beta), case.se)
    assert_allclose((fit.params - case.beta) / scale, 0.0, atol=BETA_RTOL)
    assert_allclose(fit.bse, case.se, rtol=SE_RTOL)


def check_residual_parameters(case: StructureCase) -> None:
    fit = case.fit()
    found = fit.residual_params
    assert len(found) == len(case.reported())
    for name, value in case.reported().items():
        assert name in found.index, f"{name} is not in {found.index.tolist()}"
        assert found[name] == pytest.approx(value, rel=PARAMETER_TOL, abs=PARAMETER_TOL)
    assert fit.sigma == pytest.approx(case.sigma, rel=SIGMA_RTOL)


def check_random_effects_covariance(case: StructureCase) -> None:
    table = case.fit().vcomp
    for term, expected in zip(case.entry["random"], case.random_covariance, strict=True):
        own = table[table["group"] == term["group"]]
        is_variance = own["name2"].isna() | (own["name2"] == "")
        variances = own.loc[is_variance, "variance"].to_numpy()
        scale = np.maximum(np.diagonal(expected), 1e-3 * case.sigma**2)
        assert_allclose(variances / scale, np.diagonal(expected) / scale, atol=1e-3)


def check_number_of_parameters(case: StructureCase) -> None:
    """β, one σ, φ, and a triangle for each random-effects term."""
    triangles = sum(len(g) * (len(g) + 1) // 2 for g in case.random_covariance)
    assert case.fit().npar == len(case.beta) + 1 + len(case.parameters) + triangles


@pytest.mark.parametrize("case", slow_if(lambda case: not case.entry["reml"], CASES), ids=str)
def test_fit(case: StructureCase) -> None:
    """All figures in one test, so that each model is fitted once."""
    check_log_likelihood(case)
    check_fixed_effects(case)
    check_residual_parameters(case)
    check_number_of_parameters(case)
    if case.random_covariance:
        check_random_effects_covariance(case)
