"""Results of ordinal fits: thresholds, probabilities, latent means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_fits import FITS, arguments

import lmforms as lf


@pytest.fixture(scope="module")
def fit():
    return lf.glmer(**arguments(FITS["wine_logit"]))


def test_thresholds_are_those_of_the_reference(fit):
    wanted = FITS["wine_logit"]
    table = fit.family_params
    assert table["parameter"].tolist() == list(wanted["thresholds"])
    assert_allclose(table["estimate"], list(wanted["thresholds"].values()), atol=1e-5)
    assert_allclose(table["std_error"], list(wanted["thresholds_se"].values()), rtol=1e-4)


def test_probabilities_add_up(fit):
    data = arguments(FITS["wine_logit"])["data"]
    shares = fit.predict(data)
    assert shares.columns.tolist() == list("12345")
    assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-12)
    codes = shares.to_numpy() @ np.arange(5.0)
    assert_allclose(fit.fittedvalues, codes, rtol=1e-12)
    assert fit.dropped == []


def test_latent_means_are_those_of_emmeans(fit):
    """R's emmeans of clmm, whose mode is "latent": −1.63 (0.547) and 1.43 (0.532)."""
    means = fit.emmeans("temp")
    assert_allclose(means["estimate"], [-1.6343, 1.4287], atol=1e-3)
    assert_allclose(means["std_error"], [0.547, 0.532], atol=1e-3)
    contrast = fit.emmeans("temp", contrast="pairwise")
    assert contrast["estimate"].iloc[0] == pytest.approx(-fit.params["temp[T.warm]"])
    assert contrast["std_error"].iloc[0] == pytest.approx(fit.bse["temp[T.warm]"])
    tests = fit.anova()
    assert_allclose(tests["statistic"], fit.zvalues.to_numpy() ** 2, rtol=1e-9)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit: fit.residuals("pearson"),
        lambda fit: fit.emmeans("temp", kind="response"),
        lambda fit: fit.average(comparison="temp"),
        lambda fit: fit.predict(average=True),
    ],
)
def test_what_needs_a_mean_is_refused(fit, ask):
    with pytest.raises(lf.errors.ModelError, match="classes"):
        ask(fit)


def test_draws_can_be_fitted(fit):
    drawn = fit.simulate(2, seed=1)
    assert set(np.unique(drawn)) <= set(range(5))
    again = fit.refit(drawn["sim_1"])
    assert again.converged
    assert again.refit().criterion == pytest.approx(again.criterion, abs=1e-7)


def test_the_formula_needs_an_intercept():
    frame = pd.DataFrame({"y": [0, 1, 2, 1] * 10, "f": list("ab") * 20, "g": list("abcde") * 8})
    with pytest.raises(lf.errors.ModelError, match="without `0 \\+`"):
        lf.glmer("y ~ 0 + f + (1 | g)", frame, family="ordinal")
