"""Columns of the data as times, visits, places, series and strata, whatever order they come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lmforms as lf
from lmforms.correlation import (
    ARMA,
    Antedependence,
    CompoundSymmetry,
    Exponential,
    FirstOrder,
    Matern,
    MovingAverage,
    Product,
    Toeplitz,
    UnstructuredCorrelation,
)
from lmforms.correlation.nugget import WithNugget
from lmforms.data.build_design import build_design
from lmforms.data.changed_formula import ModelChanges, changed_formula_data
from lmforms.data.read import read_formula_data
from lmforms.errors import MissingDataError, MissingDataWarning
from lmforms.residual.variance_functions import PowerVariance, StrataVariance, VarianceProduct

ORTHODONT = lf.datasets.load("Orthodont")


def bound(residual, data=ORTHODONT, formula="distance ~ age", **options):
    return lf.MixedModel(formula, data, residual=residual, **options).design.structure


def grid(rows=4, columns=3, seed=1):
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(rows * columns), columns)
    return pd.DataFrame({"row": row, "col": col, "y": rng.normal(size=rows * columns)})


def test_orthodont_ar1():
    made = bound("ar1(age | Subject)")
    assert isinstance(made.correlation, FirstOrder)
    assert made.points.shape == (108, 1)
    assert set(made.points.ravel()) == {0.0, 1.0, 2.0, 3.0}
    assert made.steps == (2.0,)
    assert np.bincount(made.series).tolist() == [4] * 27
    assert made.variance is None


@pytest.mark.parametrize(
    ("residual", "correlation"),
    [
        ("us(age | Subject)", UnstructuredCorrelation(4)),
        ("cs(age | Subject)", CompoundSymmetry(4)),
        ("cs(1 | Subject)", CompoundSymmetry(4)),
        ("toep(age | Subject)", Toeplitz(4)),
        ("ante(age | Subject)", Antedependence(4)),
        ("ma(age | Subject, q=2)", MovingAverage(2)),
        ("arma(age | Subject)", ARMA(1, 1, 3)),
        ("ar1(age | Subject, nugget=True)", WithNugget(FirstOrder())),
    ],
)
def test_correlations_of_orthodont(residual, correlation):
    assert bound(residual).correlation == correlation


def test_visits_are_numbered_in_the_order_of_their_values():
    made = bound("us(age | Subject)")
    assert made.labels == (("8", "10", "12", "14"),)
    np.testing.assert_array_equal(made.points.ravel(), (ORTHODONT["age"] - 8) / 2)
    assert isinstance(made.variance, StrataVariance)
    assert made.variance.names == ("sd[10]", "sd[12]", "sd[14]")
    assert made.strata == ("8", "10", "12", "14")


def test_places_and_nugget():
    made = bound("exp(age | Subject)")
    assert isinstance(made.correlation, Exponential)
    assert made.correlation.is_chain
    np.testing.assert_array_equal(made.points.ravel(), ORTHODONT["age"])
    assert made.correlation.scale[0].shortest == 2.0
    noisy = bound("mat(age | Subject, nu=1.5) + units").correlation
    assert isinstance(noisy, Matern)
    assert noisy.names == ("range", "nugget")


def test_grid():
    made = bound("ar1(row):ar1(col) + units", grid(), "y ~ 1")
    assert made.correlation == WithNugget(Product(FirstOrder(), FirstOrder(), 1, ("row", "col")))
    assert made.points.shape == (12, 2)
    assert (made.series == 0).all()


def test_product_with_variances_and_a_group():
    data = pd.concat([grid().assign(g=g) for g in "abc"], ignore_index=True)
    made = bound("us(row):ar1(col) | g", data, "y ~ 1")
    assert made.correlation.left == UnstructuredCorrelation(4)
    assert made.labels == (("0", "1", "2", "3"), ())
    assert made.variance.n_parameters == 3
    both = bound("(us(row):us(col) | g)", data, "y ~ 1")
    assert isinstance(both.variance, VarianceProduct)
    assert both.n_parameters == 6 + 3 + 3 + 2


def test_variance_functions():
    made = bound("idh(Sex) * power(age)")
    assert made.correlation is None
    strata, power = made.variance.factors
    assert strata.names == ("sd[Male]",) or strata.names == ("sd[Female]",)
    assert isinstance(power, PowerVariance)
    np.testing.assert_array_equal(power.x, ORTHODONT["age"])
    combined = bound("idh(Sex:age)")
    assert len(combined.strata) == 8


def test_series_of_several_columns():
    made = bound("ar1(age | Sex:Subject)")
    assert made.series.max() == 26
    both = bound("exp(age | Sex:Subject)")
    np.testing.assert_array_equal(made.series, both.series)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(24)))
def test_the_order_of_rows_does_not_matter(order):
    data = ORTHODONT.iloc[:24].reset_index(drop=True)
    moved = data.iloc[list(order)]
    for residual in ("har1(age | Subject)", "us(age | Subject)"):
        if residual.startswith("us") and len(set(data["Subject"])) < 4:
            continue
        a, b = bound(residual, data), bound(residual, moved)
        phi = np.linspace(0.1, 0.5, a.correlation.n_parameters)
        A = dense(a, phi)[np.ix_(order, order)]
        np.testing.assert_allclose(A, dense(b, phi), rtol=1e-14)


def dense(made, phi):
    C = made.correlation.matrix(phi, made.points)
    C = np.where(made.series[:, None] == made.series, C, 0.0)
    sd = np.ones(len(C)) if made.variance is None else np.exp(
        made.variance.log_sd(np.linspace(0.2, 0.4, made.variance.n_parameters))
    )  # fmt: skip
    return sd[:, None] * C * sd


def test_gaps_are_not_closed_up():
    data = pd.DataFrame({"t": [1, 2, 5, 3, 4], "g": list("aaabb"), "y": [1.0, 2, 4, 3, 7]})
    assert bound("ar1(t | g)", data, "y ~ 1").points.ravel().tolist() == [0, 1, 4, 0, 1]


@pytest.mark.parametrize(
    "labels",
    [
        ["week 1", "week 2", "week 4"],
        pd.Categorical(["a", "b", "c"], ordered=True),
        pd.Categorical(["low", "mid", "high"], ["low", "mid", "high"]),
        pd.Categorical([1, 2, 4]),
    ],
)
def test_times_that_are_labels(labels):
    y = np.random.default_rng(2).normal(size=12)
    data = pd.DataFrame({"y": y, "g": np.repeat(list("wxyz"), 3)})
    values = np.tile(np.asarray(labels, dtype=object), 4)
    if isinstance(labels, pd.Categorical):
        values = pd.Categorical(values, labels.categories, ordered=labels.ordered)
    made = bound("ar1(v | g)", data.assign(v=values), "y ~ 1")
    gaps = [0, 1, 3] if "4" in str(list(labels)) else [0, 1, 2]
    assert made.points.ravel()[:3].tolist() == gaps


@pytest.mark.parametrize("how", ["polars", "pyarrow", "mapping", "nullable", "float32"])
def test_kinds_of_tables(how):
    plain = ORTHODONT[["distance", "age", "Subject"]]
    if how == "polars":
        data = pytest.importorskip("polars").from_pandas(plain)
    elif how == "pyarrow":
        data = pytest.importorskip("pyarrow").Table.from_pandas(plain)
    elif how == "mapping":
        data = {name: plain[name].to_numpy() for name in plain}
    elif how == "nullable":
        data = plain.convert_dtypes()
    else:
        data = plain.astype({"age": "float32"})
    a, b = bound("us(age | Subject)"), bound("us(age | Subject)", data)
    np.testing.assert_array_equal(a.points, b.points)
    assert len({*zip(a.series, b.series, strict=True)}) == a.series.max() + 1 == 27


def test_missing_values_are_dropped_and_reported():
    data = ORTHODONT.assign(week=ORTHODONT["age"].astype(float))
    data.loc[data.index[[3, 10]], "week"] = np.nan
    with pytest.warns(MissingDataWarning, match=r"`week` \(2\)"):
        model = lf.MixedModel("distance ~ Sex", data, residual="us(week | Subject)")
    assert model.design.n == len(model.design.structure.points) == 106
    assert str(model.design.residual_spec) == "us(week | Subject)"
    with pytest.raises(MissingDataError):
        lf.MixedModel("distance ~ Sex", data, residual="us(week | Subject)", missing="raise")


def test_rows_that_a_transformation_loses():
    """The structure is of the rows that are in the model."""
    data = ORTHODONT.assign(x=np.where(ORTHODONT["age"] == 8, -1.0, 1.0 + ORTHODONT["age"]))
    with pytest.warns(MissingDataWarning):
        model = lf.MixedModel("distance ~ log(x)", data, residual="us(age | Subject)")
    assert model.design.structure.labels == (("10", "12", "14"),)
    assert len(model.design.structure.series) == model.design.n == 81


def test_the_dot_does_not_stand_for_the_group():
    data = ORTHODONT[["distance", "age", "Subject"]]
    design = lf.MixedModel("distance ~ .", data, residual="ar1(age | Subject)").design
    assert design.x_names == ["Intercept", "age"]


def test_none_and_iid_bind_nothing():
    for residual in (None, "iid"):
        assert bound(residual) is None


def update(design, **changes):
    return build_design(changed_formula_data(design, ModelChanges(**changes)))


def test_update_keeps_the_structure_and_its_columns():
    design = lf.MixedModel("distance ~ Sex", ORTHODONT, residual="ar1(age | Subject)").design
    kept = update(design, formula="distance ~ 1")
    assert kept.residual_spec == design.residual_spec
    np.testing.assert_array_equal(kept.structure.points, design.structure.points)
    other = update(kept, residual="us(age | Subject)")
    assert str(other.residual_spec) == "us(age | Subject)"
    none = update(other, residual=None)
    assert none.structure is None
    assert str(update(none, residual=lf.residual.CS("age", "Subject")).residual_spec).startswith(
        "cs"
    )


def test_update_with_other_rows():
    design = lf.MixedModel("distance ~ Sex", ORTHODONT, residual="ar1(age | Subject)").design
    half = update(design, data=ORTHODONT[ORTHODONT["age"] > 8])
    assert half.n == 81
    assert half.structure.points.max() == 2
    assert update(design, data=ORTHODONT, residual=None).structure is None


def test_columns_used():
    data = read_formula_data("distance ~ Sex", ORTHODONT, residual="ar1(age | Subject) * idh(Sex)")
    assert sorted(data.columns) == ["Sex", "Subject", "age", "distance"]
    assert set(data.frame.table) == set(data.columns)


# --- through the model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fit():
    return lf.lmer("distance ~ age * Sex", ORTHODONT, residual="har1(age | Subject)")


def test_lmer_fits_the_structure(fit):
    """Figure of issue 15, from nlme 3.1."""
    assert fit.llf == pytest.approx(-221.3980801, abs=1e-6)
    assert fit.npar == 4 + 4 + 1
    same = lf.lmer("distance ~ age * Sex", ORTHODONT, residual=lf.residual.HAR1("age", "Subject"))
    assert same.criterion == fit.criterion


def test_weights_combine(fit):
    data = ORTHODONT.assign(w=5.0)
    weighted = lf.lmer("distance ~ age * Sex", data, residual="har1(age | Subject)", weights="w")
    assert weighted.llf == pytest.approx(fit.llf, abs=1e-8)
    assert weighted.scale == pytest.approx(5.0 * fit.scale, rel=1e-5)


def test_bad_weights_are_refused_beside_a_structure():
    data = ORTHODONT.assign(w=0.0)
    with pytest.raises(lf.errors.DataError, match="weights must be positive"):
        lf.lmer("distance ~ age", data, residual="ar1(age | Subject)", weights="w")


@pytest.mark.parametrize("residual", ["har1(age | Subject)", "exp(`the age` | Subject) * idh(Sex)"])
def test_save_and_load(residual, tmp_path):
    data = ORTHODONT.assign(**{"the age": ORTHODONT["age"]})
    fit = lf.lmer("distance ~ Sex", data, residual=residual)
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    assert loaded.criterion == pytest.approx(fit.criterion, abs=1e-9)
    assert loaded.state.design.residual_spec == fit.state.design.residual_spec
    again = loaded.update(residual="ar1(age | Subject)" if "the" not in residual else None)
    assert again.npar < fit.npar


def test_a_dot_beside_a_weights_column_is_read_back(tmp_path):
    data = ORTHODONT[["distance", "age", "Subject"]].assign(w=1.0 + ORTHODONT["age"] % 4)
    fit = lf.lmer("distance ~ .", data, weights="w", residual="ar1(age | Subject) * expvar(w)")
    fit.save(tmp_path / "fit.lmf")
    assert lf.load(tmp_path / "fit.lmf").params.index.tolist() == ["Intercept", "age"]


def test_update_of_a_fit(fit):
    other = fit.update(residual="ar1(age | Subject)")
    assert other.llf == pytest.approx(-222.2937243, abs=1e-6)
    assert fit.update(residual=None).llf == pytest.approx(-241.7795587, abs=1e-6)
    assert fit.update("distance ~ age").state.design.residual_spec is not None
    with pytest.raises(lf.errors.ColumnError, match=r"fit\.update\(formula, data\)"):
        fit.update(residual="ar1(visit | Subject)")


def test_words_of_other_packages():
    with pytest.raises(lf.errors.ArgumentError, match="residual='ar1"):
        lf.lmer("distance ~ age", ORTHODONT, correlation="AR1")
