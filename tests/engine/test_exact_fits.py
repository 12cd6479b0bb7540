"""Is any residual left: exact fits are refused, NIST's data at 10¹² are fitted, by every engine."""

from __future__ import annotations

import sys
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rounding import same_decision
from slow_cases import one_in

import lmforms as lf
from lmforms.engine.exact_fit import explained
from lmforms.engine.linalg.stable_columns import subtract_shift
from lmforms.errors import ModelError
from lmforms.relationship import Relationship
from lmforms.varcomp import ComponentModel
from lmforms.varcomp.component_problem import component_problem

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
import exact_fits

pytestmark = pytest.mark.one_in(4)

METHODS = ("auto", "ai", "newton", "fisher", "em", "em-fixed-point", "quasi-newton", "emma")
RNG = np.random.default_rng(0)
N = 60
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "g": RNG.integers(0, 7, N),
        "h": RNG.integers(0, 5, N),
        "e": RNG.normal(size=N),
    }
)


# --- NIST's SmLs01 to SmLs09 --------------------------------------------------------------


def simon_lesage(k: int) -> tuple[pd.DataFrame, int]:
    """NIST StRD SmLs0k: nine treatments, 21, 201 or 2,001 replicates at 1, 10⁶ or 10¹²."""
    replicates = (21, 201, 2001)[(k - 1) % 3]
    tenths = 10 * (1, 10**6, 10**12)[(k - 1) // 3]
    y: list[float] = []
    for centre in (4, 3, 5, 3, 5, 3, 5, 3, 5):
        digits = [centre] + [centre - 1, centre + 1] * (replicates // 2)
        y += [float(Fraction(tenths + d, 10)) for d in digits]
    return pd.DataFrame({"y": y, "g": np.repeat(np.arange(9), replicates)}), replicates


def analysis_of_variance(data: pd.DataFrame, m: int) -> tuple[float, float, float]:
    """σ², τ² by REML and by ML of the data as stored, in exact arithmetic."""
    y = [Fraction(v) for v in data["y"]]
    means = [sum(y[t * m : (t + 1) * m]) / m for t in range(9)]
    grand = sum(means) / 9
    between = m * sum((x - grand) ** 2 for x in means)
    within = sum((v - means[i // m]) ** 2 for i, v in enumerate(y)) / (9 * (m - 1))
    return float(within), float((between / 8 - within) / m), float((between / 9 - within) / m)


@pytest.mark.parametrize("k", one_in(3, range(1, 10)))
def test_nist_one_way_data(k):
    data, m = simon_lesage(k)
    sigma2, reml, ml = analysis_of_variance(data, m)
    certified = {21: 0.00952380952, 201: 0.00995024876, 2001: 0.0099950025}[m]
    stored = 1e-9 if k < 7 else 2e-4  # the digits that the data hold
    assert sigma2 == pytest.approx(0.01, rel=stored)
    assert reml == pytest.approx(certified, rel=stored)
    methods = METHODS if k in (1, 4, 7) else ("auto", "ai", "emma")
    for method in methods:
        for restricted, tau2 in ((True, reml), (False, ml)):
            fit = lf.lmer("y ~ 1 + (1 | g)", data, reml=restricted, method=method)
            assert fit.sigma**2 == pytest.approx(sigma2, rel=1e-8)
            assert (fit.sigma * fit.theta[0]) ** 2 == pytest.approx(tau2, rel=1e-7)
    many = lf.lmer_many("~ 1 + (1 | g)", data, data[["y"]]).fits.iloc[0]
    assert many.sigma**2 == pytest.approx(sigma2, rel=1e-10)
    assert (many.sigma * many.theta) ** 2 == pytest.approx(reml, rel=1e-10)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ 0 + f + x + (1 | g)"])
@pytest.mark.parametrize("origin", [2.0**40, -(2.0**33)])
def test_the_origin_of_the_response_changes_the_intercept_alone(formula, origin):
    y = np.round((1 + DATA["x"] + RNG.normal(size=7)[DATA["g"]] + DATA["e"]) * 1024) / 1024
    data = DATA.assign(y=y, f=pd.Categorical(DATA["h"]))
    near, far = (lf.lmer(formula, data.assign(y=y + c)) for c in (0.0, origin))
    assert far.criterion == pytest.approx(near.criterion, abs=1e-8)
    np.testing.assert_allclose(far.theta, near.theta, rtol=1e-6)
    np.testing.assert_allclose(far.params["x"], near.params["x"], rtol=1e-9)
    np.testing.assert_allclose(far.params.iloc[0] - origin, near.params.iloc[0], atol=1e-3)


def test_what_is_taken_off_is_exact():
    y = 1e12 + np.round(RNG.normal(size=9) * 64) / 64
    c, w = subtract_shift(y, np.ones((9, 1)))
    assert [Fraction(a) - Fraction(c) for a in y] == [Fraction(a) for a in y - c]
    assert w == [1.0]
    assert subtract_shift(RNG.normal(size=9), np.ones((9, 1)))[0] == 0.0
    assert subtract_shift(y, RNG.normal(size=(9, 2)))[0] == 0.0
    c, w = subtract_shift(np.column_stack([y, y - 1e12]), np.repeat(np.eye(3), 3, axis=0))
    assert (c[0], c[1], *w) == (y[0], 0.0, 1.0, 1.0, 1.0)


# --- decisions that rounding must not take --------------------------------------------------

B, C = np.sqrt(2.0 + np.arange(7)), np.arange(5) ** 1.5
EXACT = {
    "X": (["y ~ x + h + (1 | g)", "y ~ h + x + (1 | g)"], 1 - 2 * DATA["x"] + DATA["h"] / 3, ["g"]),
    "one factor": (["y ~ x + (1 | g)"], B[DATA["g"]] - 0.3 * DATA["x"], ["g"]),
    "slopes": (["y ~ x + (x | g)"], DATA["x"] * B[DATA["g"]] - B[DATA["g"]] ** 2, ["g"]),
    "two factors": (
        ["y ~ 1 + (1 | g) + (1 | h)", "y ~ 1 + (1 | h) + (1 | g)"],
        B[DATA["g"]] + C[DATA["h"]],
        ["g", "h"],
    ),
}


@pytest.mark.parametrize(
    "what, reml",
    [
        ("X", True),
        ("one factor", True),
        ("one factor", False),
        ("slopes", True),
        ("two factors", False),
    ],
)
def test_exact_fits_are_refused_whatever_the_rounding(what, reml):
    formulas, y, groups = EXACT[what]
    made = same_decision(
        lambda f, d: lf.lmer(f, d, reml=reml),
        formulas,
        DATA.assign(y=y),
        predictors=["x"],
        groups=groups,
        origin=1e3,
    )
    assert made == ("ModelError",)


@pytest.mark.parametrize("method", METHODS[1:])
def test_components_that_explain_every_row_are_refused_whatever_the_rounding(method):
    def fit(formula, data):
        known = Relationship.of(np.eye(7) + 0.3, sorted(data["g"].unique()))
        return lf.lmer(formula, data, method=method, relationship={"g": known})

    data = DATA.assign(y=1.5 * DATA["g"])
    assert same_decision(fit, "y ~ x + (1 | g)", data, groups=["g"]) == ("ModelError",)


def test_nearly_collinear_predictors_do_not_hide_an_exact_fit():
    near = DATA["x"] + 1e-5 * DATA["e"]
    data = DATA.assign(near=near, y=2 * DATA["x"] + 3 * near)
    made = same_decision(
        lf.lmer, ["y ~ x + near + (1 | g)", "y ~ near + x + (1 | g)"], data, groups=["g"]
    )
    assert made == ("ModelError",)


@pytest.mark.parametrize("seed", range(5))
def test_random_effects_that_the_fixed_ones_take_up_explain_nothing(seed):
    data = DATA.sample(frac=1.0, random_state=seed)
    model = ComponentModel.of_formula("e ~ factor(g) + (1 | g)", data)
    found = explained(component_problem(model).rows)
    assert not found.by_all
    assert not found.any_response
    assert found.sum_of_squares > 1.0


def test_many_responses_and_scans_use_the_same_definition():
    y = B[DATA["g"]] - 0.3 * DATA["x"]
    unit = np.finfo(float).eps * np.abs(y).max()
    Y = pd.DataFrame(
        {"exact": y, "noisy": y + 400 * unit * DATA["e"], "far": 1e9 + y, "x": DATA["x"]}
    )
    with pytest.warns(lf.errors.NotEstimableWarning, match="3 of 4 responses.*'exact', 'far'"):
        many = lf.lmer_many("~ x + (1 | g)", DATA, Y.rename(columns={"x": "by x"}))
    sigma = many.fits["sigma"].to_numpy()
    assert np.isnan(sigma).tolist() == [True, False, True, True]
    assert 0.7 < sigma[1] / (400 * unit) < 1.4
    with pytest.raises(ModelError, match="explain the response exactly"):
        lf.gwas(
            "y ~ x + (1 | g)", DATA.assign(y=y), RNG.integers(0, 3, (N, 2)), (np.eye(7), range(7))
        )


def test_an_offset_has_roundings_too():
    offset = 1e6 * RNG.normal(size=N)
    data = DATA.assign(y=offset + 2 * DATA["x"], o=offset)
    assert same_decision(lf.lmer, "y ~ x + offset(o) + (1 | g)", data, response=None) == (
        "ModelError",
    )


@pytest.mark.parametrize("size", [1e-5, 1e-9, 1e-12])
@pytest.mark.parametrize("method", METHODS[1:])
def test_a_tiny_residual_is_found_by_every_method(method, size):
    data = DATA.assign(y=B[DATA["g"]] + size * DATA["e"])
    fit = lf.lmer("y ~ x + (1 | g)", data, method="auto")
    assert 0.8 < fit.sigma / size < 1.2
    other = lf.lmer("y ~ x + (1 | g)", data, method=method)
    assert other.criterion == pytest.approx(fit.criterion, abs=1e-4)
    assert other.sigma == pytest.approx(fit.sigma, rel=1e-3)


def test_a_residual_that_is_lost_in_draws_is_told_and_the_advice_works():
    data = DATA.assign(y=B[DATA["g"]] + 1e-9 * DATA["e"])
    with pytest.raises(lf.errors.NumericalError, match="method='ai'"):
        lf.lmer("y ~ x + (1 | g)", data, method="gibbs")
    assert 0.8 < lf.lmer("y ~ x + (1 | g)", data, method="ai").sigma / 1e-9 < 1.2


def test_a_few_random_cases_by_every_engine():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = exact_fits.main(tries=2, seed=7)
    assert set(found) == {"tries"}


# --- other decisions ------------------------------------------------------------------------


def test_collinear_columns_are_dropped_whatever_the_rounding():
    data = DATA.assign(y=DATA["e"], twice=DATA["x"] / 3, total=DATA["x"] * 0.7 + DATA["e"])
    made = same_decision(
        lf.lmer,
        ["y ~ x + twice + (1 | g)", "y ~ twice + x + (1 | g)"],
        data,
        predictors=["x", "twice"],
        groups=["g"],
    )
    assert "RankWarning" in made


def test_singular_fits_are_told_whatever_the_rounding():
    data = lf.datasets.load("Dyestuff2").rename(columns={"Yield": "y", "Batch": "g"})
    made = same_decision(lf.lmer, "y ~ 1 + (1 | g)", data, groups=["g"], origin=100.0)
    assert made == ("SingularWarning",)


def test_unidentified_variances_are_told_whatever_the_rounding():
    y = DATA["e"] + B[DATA["g"]]
    data = DATA.assign(y=y, twin=DATA["g"] * 10)
    made = same_decision(
        lf.lmer,
        ["y ~ x + (1 | g) + (1 | twin)", "y ~ x + (1 | twin) + (1 | g)"],
        data,
        predictors=["x"],
        groups=["g", "twin"],
    )
    assert "IdentificationWarning" in made
