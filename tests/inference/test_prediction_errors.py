"""Standard errors and degrees of freedom of predictions against n×n matrices, for all fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense_predictions import DenseTargets, added_by_estimation, at_estimates, satterthwaite
from kinds_of_fits import KINDS, fit_of, trial
from numpy.testing import assert_allclose
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, ModelError
from lmforms.inference.degrees_of_freedom.f_statistic import t_quantiles

pytestmark = pytest.mark.one_in(4)

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


FACTORED = [k for k in KINDS if k not in ("conjugate_gradients", "power_fitted")]
SEVERAL_FACTORS = ("crossed", "known_and_slopes")
CASES = [(kind, random) for kind in FACTORED for random in ("all", "none")]


@pytest.mark.parametrize("kind, random", CASES + [(kind, "h") for kind in SEVERAL_FACTORS])
def test_standard_errors_by_the_dense_formula(kind, random):
    fit = fit_of(kind)
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


DF_KINDS = [  # every second one by default
    "slopes_ml",
    "intercepts",
    "crossed",
    "slopes",
    "weights_offset",
    "nested",
    "known_and_slopes",
    "known_covariance",
    "no_random_terms",
    "random_ar1",
    "residual_ar1",
    "residual_and_crossed",
    "strata",
    "power",
]


@pytest.mark.parametrize("kind", one_in(2, DF_KINDS))
def test_degrees_of_freedom_by_differences(kind):
    fit = fit_of(kind)
    cases = [("all", "prediction"), ("all", "confidence")]
    for random, interval in cases:
        found = asked(fit, random=random, interval=interval)
        expected = satterthwaite(fit, targets(fit, random, interval))
        width = (found["upper"] - found["lower"]).to_numpy() / 2 / found["std_error"]
        assert_allclose(width, t_quantiles(expected, 0.95), rtol=2e-4)


@pytest.mark.parametrize("kind", ["intercepts", "slopes", "crossed", "known_covariance", "nested"])
def test_kenward_roger_adds_what_the_estimation_of_the_variances_does(kind):
    fit = fit_of(kind)
    for random, interval in (("all", "confidence"), ("all", "prediction"), ("none", "confidence")):
        asked_for = targets(fit, random, interval)
        found = asked(fit, random=random, interval=interval, ddf="kenward-roger")["std_error"]
        plain = at_estimates(fit, asked_for)
        expected = np.sqrt(plain**2 + 2.0 * added_by_estimation(fit, asked_for))
        assert_allclose(found, expected, rtol=1e-6)
        assert (found >= plain * (1 - 1e-9)).all()


def test_kenward_roger_of_the_mean_is_that_of_the_coefficients():
    fit = fit_of("slopes")
    found = asked(fit, random="none", interval="confidence", ddf="kenward-roger")
    L = fit.design(NEW, random="none").X
    expected = fit.contrast(L.to_numpy(), ddf="kenward-roger")
    for column in ("estimate", "std_error", "lower", "upper"):
        assert_allclose(found[column], expected[column], rtol=1e-7)


@pytest.mark.parametrize("ddf", ["satterthwaite", "none"])
@pytest.mark.parametrize("kind", ["slopes", "slopes_ml", "conjugate_gradients", "residual_us"])
def test_the_mean_is_a_linear_function_of_the_coefficients(kind, ddf):
    fit = fit_of(kind)
    found = asked(fit, random="none", interval="confidence", ddf=ddf, level=0.8)
    L = fit.design(NEW, random="none").X
    expected = fit.contrast(L.to_numpy(), ddf=ddf, level=0.8)
    for column in ("estimate", "std_error", "lower", "upper"):
        assert_allclose(found[column], expected[column], rtol=1e-6)


def test_degrees_of_freedom_of_residuals():
    fit = fit_of("slopes")
    found = asked(fit, interval="prediction", ddf="residual", level=0.9)
    width = (found["upper"] - found["lower"]) / 2 / found["std_error"]
    assert_allclose(width, t_quantiles(np.array([58.0]), 0.9)[0], rtol=1e-12)


def test_what_is_not_defined_is_refused():
    with pytest.raises(ModelError, match="random='none'"):
        fit_of("conjugate_gradients").predict(NEW, interval="confidence")
    population = asked(fit_of("conjugate_gradients"), random="none", interval="prediction")
    exact = asked(fit_of("crossed"), random="none", interval="prediction")
    assert_allclose(population["std_error"], exact["std_error"], rtol=0.05)
    with pytest.raises(ModelError, match="ML fit"):
        asked(fit_of("slopes_ml"), interval="confidence", ddf="kenward-roger")
    with pytest.raises(ModelError, match="ddf='satterthwaite'"):
        asked(fit_of("strata"), interval="confidence", ddf="kenward-roger")
    with pytest.raises(ArgumentError, match="depend on the fitted values"):
        asked(fit_of("power_fitted"), interval="prediction")
    assert fit_of("power_fitted").predict(interval="prediction")["std_error"].gt(0).all()
    assert asked(fit_of("power_fitted"), interval="confidence")["std_error"].gt(0).all()


def test_degrees_of_freedom_ahead_of_a_series():
    fit = fit_of("residual_and_crossed")
    old, ahead = trial(), NEW.assign(t=[5, 6, 5, 7, 6])
    lags = np.abs(ahead["t"].to_numpy()[:, None] - old["t"].to_numpy())
    same = ahead["g"].to_numpy()[:, None] == old["g"].to_numpy()
    asked_for = targets(fit, "all", "confidence")
    asked_for.covariances = lambda residual: (
        np.where(same, residual.natural[0] ** lags, 0.0),
        np.ones(len(ahead)),
    )
    found = fit.predict(ahead, interval="prediction")
    assert_allclose(found["std_error"], at_estimates(fit, asked_for), rtol=1e-7)
    width = (found["upper"] - found["lower"]).to_numpy() / 2 / found["std_error"]
    assert_allclose(width, t_quantiles(satterthwaite(fit, asked_for), 0.95), rtol=2e-4)


def test_levels_of_a_pedigree_without_data_are_predicted_from_their_relatives():
    labels = [f"g{i:02d}" for i in range(14)]
    sires = [None, None, *("g00", "g00", "g02", "g02", "g03") * 2, "g04", "g05"]
    dams = [None, None, *("g01", None, "g01", "g03", "g01") * 2, "g03", "g02"]
    pedigree = lf.relationship.Pedigree.of(labels, sires, dams)
    fit = lf.lmer("y ~ x + (1 | g) + (1 | h)", trial(), relationship={"g": pedigree})
    assert len(fit.random_effects["g"]) == 14
    unseen = NEW.assign(g=["g12", "g13", "g00", "g13", "g05"])
    design = fit.design(unseen)
    z = np.split(design.Z.toarray(), [14], axis=1)
    asked_for = DenseTargets(
        design.X.to_numpy(), [part[:, :, None] for part in z], [np.zeros((5, 1))] * 2
    )
    for ddf in ("satterthwaite", "kenward-roger"):
        found = fit.predict(unseen, interval="confidence", ddf=ddf)
        expected = at_estimates(fit, asked_for)
        if ddf == "kenward-roger":
            expected = np.sqrt(expected**2 + 2.0 * added_by_estimation(fit, asked_for))
        assert_allclose(found["std_error"], expected, rtol=1e-6)


def test_new_places_have_no_errors():
    fit, elsewhere = fit_of("random_ar1"), NEW.assign(t=9)
    assert asked(fit, elsewhere, new_levels="zero").notna().all()
    for random in ("all", "none"):
        options = {"random": random, "new_levels": "zero", "interval": "prediction"}
        with pytest.raises(DataError, match="Leave `interval` out"):
            asked(fit, elsewhere, **options)
    assert asked(fit, elsewhere, random="none", interval="confidence").notna().all(axis=None)
