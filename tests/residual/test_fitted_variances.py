"""Variances of the fitted values: the fixed point, against nlme and itself."""

from __future__ import annotations

import numpy as np
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError

CALL = "distance ~ age*Sex"
# R: gls(distance ~ age*Sex, Orthodont, weights=varPower()) and so on; lme with random = ~1|Subject.
# nlme ends its rounds early: four digits of the parameters.
NLME = [
    (CALL, "power(fitted)", -241.733143307, {"power": 0.284244}),
    (CALL, "expvar(fitted)", -241.740919779, {"rate": 0.0107001}),
    (
        CALL,
        "ar1(age | Subject) * power(fitted)",
        -221.361732897,
        {"rho": 0.646461, "power": 1.288796},
    ),
    (CALL + " + (1 | Subject)", "power(fitted)", -216.296041197, {"power": 1.063234}),
]


@pytest.fixture(scope="module")
def orthodont():
    return lf.datasets.load("Orthodont")


@pytest.fixture(scope="module")
def fit(orthodont):
    return lf.lmer(CALL + " + (1 | Subject)", orthodont, residual="power(fitted)")


@pytest.mark.parametrize("formula, residual, loglik, parameters", NLME)
def test_against_nlme(orthodont, formula, residual, loglik, parameters):
    found = lf.lmer(formula, orthodont, residual=residual)
    assert found.llf == pytest.approx(loglik, abs=5e-5)
    for name, value in parameters.items():
        assert found.residual_params[name] == pytest.approx(value, rel=3e-4)


def test_variances_are_those_of_the_fitted_values(fit):
    sd = np.sqrt(fit.state.residual.variances())
    power = fit.residual_params["power"]
    np.testing.assert_allclose(sd, np.abs(fit.fittedvalues) ** power, rtol=1e-5)


def test_a_column_of_the_fitted_values_is_the_same_model(fit, orthodont):
    data = orthodont.assign(mu=fit.fittedvalues)
    column = lf.lmer(CALL + " + (1 | Subject)", data, residual="power(mu)")
    assert column.llf == pytest.approx(fit.llf, abs=1e-6)
    np.testing.assert_allclose(column.params, fit.params, rtol=1e-6)


def test_text_and_object():
    spec = lf.residual.Power(lf.residual.FITTED)
    assert str(spec) == "power(fitted)"
    assert lf.residual.parse_residual("power(fitted)") == spec
    assert lf.residual.parse_residual("power(`fitted`)") != spec


@pytest.mark.slow
def test_saved_refitted_and_evaluated(fit, tmp_path):
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    assert loaded.llf == pytest.approx(fit.llf, abs=1e-8)
    assert loaded.residual == "power(fitted)"
    assert fit.at(fit.theta).llf == pytest.approx(fit.llf, abs=1e-8)
    assert fit.refit().llf == pytest.approx(fit.llf, abs=1e-6)
    smaller = fit.update("~ . - age:Sex")
    own = lf.lmer("distance ~ age + Sex + (1 | Subject)", fit.state.design.frame.table.data,
                  residual="power(fitted)")  # fmt: skip
    assert smaller.llf == pytest.approx(own.llf, abs=1e-6)


def test_new_rows_have_no_fitted_values(orthodont):
    found = lf.lmer(CALL, orthodont, residual="ar1(age | Subject) * power(fitted)")
    with pytest.raises(ArgumentError, match="residual='none'"):
        found.predict(orthodont.head())
    assert len(found.predict(orthodont.head(), residual="none")) == 5
    draws = found.simulate(200, seed=1)
    spread = (draws.to_numpy() - found.fittedvalues.to_numpy()[:, None]).std(axis=1)
    sd = found.sigma * np.sqrt(found.state.residual.variances())
    np.testing.assert_allclose(spread / sd, 1.0, atol=0.25)
