"""Technical replicates: means with weights, a random unit and a uniform correlation.

Five units of two groups with three measurements each. Figures are those of issue 15.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf

Y = [9.39, 9.68, 9.33, 10.99, 11.55, 11.04, 12.99, 11.79, 12.82]
Y += [12.27, 13.61, 13.17, 14.09, 13.59, 13.93]
TABLE = pd.DataFrame(
    {
        "unit": np.repeat(list("abcde"), 3),
        "rep": np.tile([1, 2, 3], 5),
        "x": np.repeat([0, 0, 1, 1, 1], 3),
        "y": Y,
    }
)
FEWER = TABLE.drop([2, 7, 8])
BALANCED, UNBALANCED = 28.23253215, 21.02278303
UNIT, SIGMA2, RHO = 0.7299859, 0.2168867, 0.7709445


def means(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby("unit", as_index=False).agg(
        x=("x", "first"), y=("y", "mean"), n=("y", "size")
    )


def test_random_unit():
    fit = lf.lmer("y ~ x + (1 | unit)", TABLE)
    assert fit.criterion == pytest.approx(BALANCED, abs=1e-8)
    np.testing.assert_allclose(fit.vcomp["variance"], [UNIT, SIGMA2], atol=1e-7)
    between, within = fit.vcomp["variance"]
    assert between / (between + within) == pytest.approx(RHO, abs=1e-6)
    np.testing.assert_allclose(fit.params, [10.33, 2.81], atol=1e-8)
    np.testing.assert_allclose(fit.bse, [0.6333567, 0.8176600], atol=1e-7)


def test_means_of_balanced_replicates_are_the_same_analysis():
    fit, of_means = lf.lmer("y ~ x + (1 | unit)", TABLE), lf.lmer("y ~ x", means(TABLE))
    assert of_means.scale == pytest.approx(0.8022815, abs=1e-7)
    np.testing.assert_allclose(of_means.params, fit.params, rtol=1e-8)
    np.testing.assert_allclose(of_means.bse, fit.bse, rtol=1e-7)
    between, within = fit.vcomp["variance"]
    assert of_means.scale == pytest.approx(between + within / 3, rel=1e-7)
    weighted = lf.lmer("y ~ x", means(TABLE), weights="n")
    np.testing.assert_allclose(weighted.bse, fit.bse, rtol=1e-7)
    assert weighted.scale == pytest.approx(3 * of_means.scale, rel=1e-8)


def test_unequal_numbers_need_the_weights_of_the_model():
    fit = lf.lmer("y ~ x + (1 | unit)", FEWER)
    assert fit.criterion == pytest.approx(UNBALANCED, abs=1e-8)
    np.testing.assert_allclose(fit.params, [10.384056, 2.925678], atol=1e-6)
    table = means(FEWER)
    by_number = lf.lmer("y ~ x", table, weights="n")
    np.testing.assert_allclose(by_number.params, [10.53, 2.848571], atol=1e-6)
    between, within = fit.vcomp["variance"]
    by_variance = lf.lmer("y ~ x", table, weights=1 / (between + within / table["n"]))
    np.testing.assert_allclose(by_variance.params, fit.params, rtol=1e-8)
    np.testing.assert_allclose(
        by_variance.bse / by_variance.sigma, fit.bse, rtol=1e-7
    )  # at the scale 1 that the weights mean


def test_means_do_not_know_the_variance_of_replicates():
    """Weights nᵢ and a random unit: its parts are estimated from the five means alone."""
    with pytest.raises(lf.errors.ModelError, match="Leave out that term and the weights"):
        lf.lmer("y ~ x + (1 | unit)", means(FEWER), weights="n")
    plain = lf.lmer("y ~ x", means(FEWER))
    assert plain.scale > 0


def test_a_meta_analysis():
    """Sampling variances known up to a factor: against the criterion of V = τ²I + σ² diag(s²)."""
    rng = np.random.default_rng(8)
    s = rng.uniform(0.1, 1.0, 40)
    table = pd.DataFrame({"study": range(40), "s": s})
    table["y"] = 0.4 + 0.5 * rng.normal(size=40) + 1.2 * s * rng.normal(size=40)
    fit = lf.lmer("y ~ 1 + (1 | study)", table, weights=1 / s**2)
    tau2, sigma2 = fit.vcomp["variance"]

    def criterion(tau2: float, sigma2: float) -> float:
        v = tau2 + sigma2 * s**2
        centre = np.sum(table["y"] / v) / np.sum(1 / v)
        value = np.log(v).sum() + np.log(np.sum(1 / v)) + np.sum((table["y"] - centre) ** 2 / v)
        return float(value + 39 * np.log(2 * np.pi))

    assert fit.criterion == pytest.approx(criterion(tau2, sigma2), abs=1e-9)
    for a, b in ((1.02, 1), (0.98, 1), (1, 1.02), (1, 0.98)):
        assert criterion(a * tau2, b * sigma2) > fit.criterion
    v = tau2 + sigma2 * s**2
    assert fit.bse.iloc[0] == pytest.approx(np.sum(1 / v) ** -0.5, rel=1e-10)
