"""Structures of the random effects and known relations of levels in generalised models."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from dense_laplace import central, dense_laplace
from numpy.testing import assert_allclose
from reference_fits import REFERENCE

import lmforms as lf
from lmforms.glmm.fit import problem_of_design
from lmforms.glmm.problem import laplace_point
from lmforms.glmm.start import fixed_effects_fit

FITS = json.loads((REFERENCE / "glmm_structures.json").read_text())
STRUCTURES = ("ar1", "har1", "cs", "hcs", "toep", "htoep", "diag", "homdiag", "rr", "fa")


@pytest.fixture(scope="module")
def data():
    frame = pd.read_csv(REFERENCE / "glmm_structures.csv", dtype={"g": str, "t": str})
    return frame.assign(t=frame["t"].astype("category"))


@pytest.mark.parametrize("wanted", FITS, ids=lambda fit: fit["formula"])
def test_fits_are_those_of_glmmtmb(data, wanted):
    fit = lf.glmer(wanted["formula"], data, family="poisson")
    assert fit.converged
    assert fit.llf == pytest.approx(wanted["loglik"], abs=1e-7)
    assert_allclose(fit.params, wanted["beta"], atol=1e-4 * max(wanted["se"]))
    assert_allclose(fit.bse, wanted["se"], rtol=1e-3)


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_gradient_is_exact(data, name):
    more = {"rr": ", 2", "fa": ", 1"}.get(name, "")
    formula = f"y ~ x + {name}(0 + t | g{more})"
    model = lf.GeneralizedMixedModel(formula, data, family="poisson")
    problem, _ = problem_of_design(model.design, {}, model._likelihood, lf.Control())
    near, _ = fixed_effects_fit(problem)
    theta = 0.6 * np.concatenate([c.start() for c in problem.covariances]) + 0.05
    psi = np.concatenate([theta, near.beta])
    point = laplace_point(problem, psi, near)
    assert point.value == pytest.approx(dense_laplace(problem, psi), rel=1e-10)
    slope = central(lambda p: laplace_point(problem, p, point.state).value, psi)
    assert_allclose(point.gradient, slope, rtol=1e-6, atol=1e-6 * np.abs(slope).max())


def test_a_known_relation_of_levels(data):
    """K times a number is the same model; K = I is none."""
    levels = sorted(data["g"].unique())
    distance = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    K = pd.DataFrame(0.6**distance, index=levels, columns=levels)
    formula = "y ~ x + (1 | g)"

    def fit(relation):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.errors.SingularWarning)
            return lf.glmer(formula, data, family="poisson", relationship={"g": relation})

    once, twice = fit(K), fit(4.0 * K)
    assert once.criterion == pytest.approx(twice.criterion, abs=1e-7)
    assert_allclose(once.theta, 2.0 * twice.theta, atol=1e-5)
    plain = lf.glmer(formula, data, family="poisson")
    identity = fit(pd.DataFrame(np.eye(20), index=levels, columns=levels))
    assert identity.criterion == pytest.approx(plain.criterion, abs=1e-7)
    with pytest.raises(lf.errors.ModelError, match="independent levels"):
        lf.glmer(formula, data, family="poisson", relationship={"g": K}, nagq=5)
