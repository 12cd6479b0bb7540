"""Which residual structures are within which, and the tests between them."""

from __future__ import annotations

import numpy as np
import pytest
from growth_fits import FORMULA, NLME, growth_fit

import lmforms as lf
from lmforms.correlation import (
    ARMA,
    Antedependence,
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Spherical,
    Toeplitz,
    UnstructuredCorrelation,
)
from lmforms.errors import DataError
from lmforms.inference.model_comparison.fits_compared import compared_fits
from lmforms.inference.model_comparison.nested_models import why_not_nested
from lmforms.inference.model_comparison.nested_residuals import WITHIN, residual_nesting

pytestmark = pytest.mark.one_in(4)

TIMES = np.array([0.0, 1.0, 2.0, 4.0])[:, None]
VISITS = np.arange(4.0)[:, None]
RHO, RANGE = 0.37, 1.7

SMALL = {
    "ar1": (FirstOrder(), [-0.4]),
    "ma": (MovingAverage(2), [0.5, -0.3]),
    "arma": (ARMA(1, 1, span=4), [0.6, -0.8]),
    "cs": (CompoundSymmetry(4), [0.3]),
    "toep": (Toeplitz(5), [0.5, 0.1, 0.2, 0.05]),
    "ante": (Antedependence(4), [0.5, -0.2, 0.7]),
    "exp": (Exponential(), [RANGE]),
    "gau": (Gaussian(), [RANGE]),
    "sph": (Spherical(), [3.3]),
    "mat": (Matern(), [RANGE, 1.2]),
}
"""An example of each structure: parameters that are typical of it."""


@pytest.fixture(scope="module")
def data():
    return lf.datasets.load("Orthodont")


def nested(small, large):
    a, b = compared_fits("anova", (small, large), {}, ("a", "b"))
    return why_not_nested(a, b) == ""


def bounds(small, large):
    return residual_nesting(*compared_fits("anova", (small, large), {}, ("a", "b"))).bounds


# --- the table -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("small", "large"), [(small, large) for small in WITHIN for large in WITHIN[small]]
)
def test_what_the_table_says_is_so(small, large):
    """Parameters of the larger structure that give the matrix of the smaller one."""
    own, natural = SMALL[small]
    R = own.matrix(own.parameters(np.array(natural)), VISITS if small == "ante" else TIMES)
    other, values, points = _parameters_of(large, own, np.array(natural), small, R)
    found = other.matrix(other.parameters(np.asarray(values)), points)
    np.testing.assert_allclose(found, R, atol=1e-10)


def _parameters_of(large, own, natural, small, R):
    if large == "corsymm":
        return UnstructuredCorrelation(4), R[np.tril_indices(4, -1)], VISITS
    if large == "toep":
        lags = own.matrix(own.parameters(natural), np.arange(5.0)[:, None])[0, 1:]
        return Toeplitz(5), lags, TIMES
    if large == "ante":
        return Antedependence(4), R[[0, 1, 2], [1, 2, 3]], VISITS
    if large == "ar1":
        return FirstOrder(), R[0, 1:2], TIMES
    if large == "mat":
        values = np.array([1.0, 0.5])  # the unit of the range is read off
        unit = Matern().matrix(Matern().parameters(values), TIMES[:2])[0, 1]
        values[0] = -np.log(unit) * natural[0]
        return Matern(), values, TIMES
    if small == "ma":
        return ARMA(1, 2, span=4), np.append(0.0, natural), TIMES
    return ARMA(1, 1, span=4), [R[0, 1], 0.0], TIMES


# --- fits --------------------------------------------------------------------------------------

PAIRS = [
    ("iid", "ar1(age | Subject)"),
    ("iid", "us(age | Subject)"),
    ("iid", "idh(Sex)"),
    ("iid", "power(age)"),
    ("cs(age | Subject)", "toep(age | Subject)"),
    ("cs(age | Subject)", "hcs(age | Subject)"),
    ("toep(age | Subject)", "us(age | Subject)"),
    ("ar1(age | Subject)", "har1(age | Subject)"),
    ("ar1(age | Subject)", "ar1(age | Subject) * idh(Sex)"),
    ("ar1(age | Subject)", "arma(age | Subject)"),
    ("har1(age | Subject)", "us(age | Subject)"),
    ("idh(age)", "us(age | Subject)"),
    ("power(age)", "idh(age)"),
    ("power(age)", "us(age | Subject)"),
    ("idh(Sex)", "idh(Sex:age)"),
    ("exp(age | Subject)", "toep(age | Subject)"),
    ("exp(age | Subject)", "exp(age | Subject) + units"),
]
NOT_NESTED = [
    ("cs(age | Subject)", "ar1(age | Subject)"),
    ("cs(age | Subject)", "har1(age | Subject)"),
    ("ar1(age | Subject)", "exp(age | Subject) + units"),
    ("gau(age | Subject)", "exp(age | Subject) + units"),
    ("idh(Sex)", "idh(age)"),
    ("idh(Sex)", "us(age | Subject)"),
    ("power(age)", "ar1(age | Subject) * idh(Sex)"),
    ("ar1(age | Subject)", "us(age | Subject:Sex)"),
    ("har1(age | Subject)", "toep(age | Subject)"),
]


@pytest.mark.parametrize(("small", "large"), PAIRS)
def test_within(small, large):
    small, large = growth_fit(small), growth_fit(large)
    assert nested(small, large)
    assert not nested(large, small)
    assert large.criterion <= small.criterion + 1e-6  # as it must be
    test = lf.anova(small, large, names=["small", "large"], refit=False)
    assert test.loc["large", "p_value"] >= 0
    assert np.isnan(test.loc["large", "p_value_mixture"])


@pytest.mark.parametrize(("small", "large"), NOT_NESTED)
def test_not_within(small, large):
    small, large = growth_fit(small), growth_fit(large)
    assert not nested(small, large)
    if small.npar < large.npar:
        table = lf.anova(small, large, names=["small", "large"], refit=False)
        assert np.isnan(table.loc["large", "p_value"])
        assert any("not within it, by its residuals" in note for note in table.notes)


def test_bounds_are_noted():
    iid, exp = growth_fit("iid"), growth_fit("exp(age | Subject)")
    assert bounds(iid, exp) == ("range",)
    assert bounds(iid, growth_fit("ar1(age | Subject)")) == ()
    assert bounds(exp, growth_fit("exp(age | Subject) + units")) == ("nugget",)
    table = lf.anova(iid=iid, exp=exp, refit=False)
    assert any("range of exp is at its bound" in note for note in table.notes)


@pytest.mark.parametrize("method", ["REML", "ML"])
def test_likelihood_ratios_of_nlme(method):
    for theirs in NLME[f"{method}_tests"]:
        own = [growth_fit(name, reml=method == "REML") for name in theirs["names"]]
        table = lf.anova(*own, names=theirs["names"], refit=False)
        np.testing.assert_allclose(table["statistic"].iloc[1:], theirs["statistic"], atol=2e-6)
        np.testing.assert_allclose(table["p_value"].iloc[1:], theirs["p_value"], rtol=1e-4)


def test_products_and_lines(data):
    rng = np.random.default_rng(1)
    row, col = np.repeat(np.arange(8), 6), np.tile(np.arange(6), 8)
    field = {"row": row, "col": col, "y": rng.normal(size=48) + np.cumsum(rng.normal(size=48)) / 4}
    names = ["iid", "ar1(row | col)", "ar1(row):ar1(col)", "ma(row):ma(col)", "ar1(col):ar1(row)"]
    iid, rows, both, moving, swapped = (lf.lmer("y ~ 1", field, residual=name) for name in names)
    assert nested(iid, rows)
    assert nested(rows, both)
    assert nested(rows, swapped)
    assert nested(both, swapped)
    assert not nested(rows, moving)
    assert not nested(both, rows)


def test_random_effects_beside_residuals(data):
    """A random intercept is a uniform correlation, but one is not written as the other."""
    mixed = f"{FORMULA} + (1 | Subject)"
    intercept, ar1 = growth_fit("iid", mixed), growth_fit("ar1(age | Subject)", mixed)
    assert nested(intercept, ar1)
    assert nested(growth_fit("ar1(age | Subject)"), ar1)
    assert not nested(intercept, growth_fit("us(age | Subject)"))
    table = lf.anova(
        none=growth_fit("ar1(age | Subject)"), intercept=ar1, refit=False
    )  # one variance, the same residuals
    assert table.loc["intercept", "p_value_mixture"] == pytest.approx(
        table.loc["intercept", "p_value"] / 2
    )
    both = lf.anova(none=growth_fit("iid"), all=ar1, refit=False)
    assert np.isnan(both.loc["all", "p_value_mixture"])
    ranova = ar1.ranova()
    expected = growth_fit("ar1(age | Subject)").criterion - ar1.criterion
    assert ranova.loc["(1 | Subject)", "statistic"] == pytest.approx(expected, abs=1e-6)
    dropped = ar1.drop1()
    assert dropped.loc["age:Sex", "df"] == 1
    short = lf.lmer("distance ~ age + Sex", data, residual="ar1(age | Subject)", reml=False)
    alone = growth_fit("ar1(age | Subject)").drop1()
    assert alone.loc["age:Sex", "criterion"] == pytest.approx(short.criterion, abs=1e-6)


def test_other_columns_of_the_same_name(data):
    """`age` of one fit is not that of the other."""
    other = data.assign(age=24 - data["age"].to_numpy() ** 1.0)
    one = lf.lmer("distance ~ Sex", data, residual="ar1(age | Subject)")
    two = lf.lmer("distance ~ Sex", other, residual="us(age | Subject)")
    assert not nested(one, two)


def test_weights(data):
    w = 1.0 + data["age"].to_numpy() / 10
    plain = lf.lmer("distance ~ age", data, residual="ar1(age | Subject)")
    weighted = lf.lmer("distance ~ age", data, residual="har1(age | Subject)", weights=w)
    with pytest.raises(DataError, match="different weights"):
        lf.anova(plain, weighted)
    same = lf.lmer("distance ~ age", data, residual="ar1(age | Subject)", weights=2.5 * w)
    assert lf.anova(same, weighted, names=["s", "w"]).loc["w", "p_value"] > 0


# --- tables --------------------------------------------------------------------------------------


def test_table_of_structures():
    names = ["iid", "cs(age | Subject)", "ar1(age | Subject)", "us(age | Subject)"]
    table = lf.compare(*[growth_fit(name) for name in names])
    assert table["residual"].tolist() == [names[i] for i in (1, 3, 2, 0)]
    assert table.index[0] == f"{FORMULA}, cs(age | Subject)"
    for name in names:
        row = table[table["residual"] == name].iloc[0]
        assert row["aic"] == pytest.approx(NLME["REML"][name]["aic"], abs=1e-5)
        assert row["npar"] == NLME["REML"][name]["npar"]
    plain = lf.compare(growth_fit("iid"), growth_fit("iid", f"{FORMULA} + (1 | Subject)"))
    assert "residual" not in plain.columns


def test_bounds_in_the_notes_of_comparisons():
    table = lf.compare(growth_fit("ma(age | Subject, q=2)"), growth_fit("cs(age | Subject)"))
    assert any("theta2" in note for note in table.notes)
