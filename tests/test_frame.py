"""Any table gives the same model; missing rows are dropped, counted and named."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from models import columns_of_every_kind
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import DataError, MissingDataWarning
from lmforms.frame import group_codes

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

N = 72
RNG = np.random.default_rng(12)
DATA = columns_of_every_kind(RNG, N)
MODEL = "y ~ x + f + s + (x | g)"


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.SingularWarning)
        return lf.lmer(formula, data, **options)


PLAIN = quiet(MODEL, DATA, weights="w")


@pytest.mark.parametrize(
    "convert",
    [
        lambda d: pl.from_pandas(d).with_columns(pl.col("f").cast(pl.Enum(["c", "a", "b"]))),
        pa.Table.from_pandas,
        lambda d: {c: d[c].to_numpy() for c in d} | {"f": d["f"]},
        lambda d: {c: list(d[c]) for c in d} | {"f": d["f"]},
        lambda d: {c: d[c] for c in d},
        lambda d: d.astype({"x": "Float64", "y": "Float64", "b": "boolean", "g": "Int64"}),
        lambda d: d[d.columns[::-1]],
        lambda d: d.assign(unused=[object()] * N),
    ],
    ids=["polars", "pyarrow", "arrays", "lists", "series", "nullable", "reordered", "more columns"],
)
def test_tables_of_any_kind(convert):
    fit = quiet(MODEL, convert(DATA), weights="w")
    assert_allclose(fit.criterion, PLAIN.criterion, rtol=1e-13)
    assert list(fit.params.index) == list(PLAIN.params.index)
    assert_allclose(fit.params, PLAIN.params, rtol=1e-12)
    predicted = fit.predict(convert(DATA))
    assert_allclose(predicted, PLAIN.fittedvalues.to_numpy(), rtol=1e-9)


def test_nullable_text():
    fit = quiet(MODEL, DATA.astype({"s": "string"}), weights="w")
    assert_allclose(fit.params, PLAIN.params, rtol=1e-12)


@pytest.mark.parametrize("library", [pl.from_pandas, pa.Table.from_pandas])
def test_missing_values_of_other_tables(library):
    gaps = DATA.assign(
        x=DATA["x"].where(DATA["x"] > -1),
        s=DATA["s"].where(DATA.index != 3),
        g=DATA["g"].where(DATA.index != 5),
    )
    with pytest.warns(MissingDataWarning) as ours:
        table = quiet(MODEL, library(gaps))
    with pytest.warns(MissingDataWarning) as pandas:
        plain = quiet(MODEL, gaps)
    assert str(ours[0].message) == str(pandas[0].message)
    assert table.nobs == plain.nobs
    assert_allclose(table.criterion, plain.criterion, rtol=1e-12)


def test_polars_categories_keep_their_order():
    table = pl.from_pandas(DATA).with_columns(pl.col("f").cast(pl.Enum(["c", "a", "b"])))
    assert list(quiet(MODEL, table).params.index)[2:4] == ["f[T.a]", "f[T.b]"]


def test_text_from_polars_is_a_factor():
    table = pl.DataFrame({c: DATA[c].tolist() for c in ("y", "x", "s", "g")})
    fit = quiet("y ~ x + s + (1 | g)", table)
    assert_allclose(fit.params, quiet("y ~ x + s + (1 | g)", DATA).params, rtol=1e-12)


def test_dates_from_polars_are_refused():
    table = pl.DataFrame({c: DATA[c].tolist() for c in ("y", "x", "g")}).with_columns(
        d=pl.Series(pd.date_range("2020", periods=N).to_list())
    )
    with pytest.raises(DataError, match="`d` holds a date"):
        lf.lmer("y ~ d + (1 | g)", table)


def test_lazy_tables_are_refused():
    with pytest.raises(DataError, match="data must be"):
        lf.lmer(MODEL, pl.from_pandas(DATA).lazy())


# --- categories -----------------------------------------------------------------------------


def test_unused_categories_are_dropped():
    wide = DATA.assign(
        f=DATA["f"].cat.add_categories(["never"]).cat.reorder_categories(["never", "c", "a", "b"]),
        g=pd.Categorical(DATA["g"], categories=range(20)),
    )
    fit = quiet(MODEL, wide, weights="w")
    assert fit.ngroups == {"g": 6}
    assert list(fit.params.index) == list(PLAIN.params.index)
    assert_allclose(fit.params, PLAIN.params, rtol=1e-12)


def test_categories_emptied_by_missing_rows_are_dropped():
    gaps = DATA.assign(x=DATA["x"].where((DATA["f"] != "a") & (DATA["g"] != 2)))
    with pytest.warns(MissingDataWarning):
        fit = quiet(MODEL, gaps)
    assert "f[T.a]" not in fit.params.index
    assert fit.ngroups == {"g": 5}


def test_categories_emptied_by_a_transformation_are_dropped():
    gaps = DATA.assign(x=np.where((DATA["f"] != "a") & (DATA["g"] != 2), DATA["w"], -1.0))
    with pytest.warns(MissingDataWarning):
        fit = quiet("y ~ log(x) + f + (1 | g)", gaps)
    assert "f[T.a]" not in fit.params.index
    assert fit.ngroups == {"g": 5}


def test_levels_keep_the_order_of_categories_and_sort_the_rest():
    codes, levels = group_codes(pd.Series(pd.Categorical(["b", "a"], categories=["b", "c", "a"])))
    assert (codes.tolist(), levels.tolist()) == ([0, 1], ["b", "a"])
    codes, levels = group_codes(pd.Series([10, 9, 10]))
    assert (codes.tolist(), levels.tolist()) == ([1, 0, 1], [9, 10])


@pytest.mark.parametrize("column", ["s", "f", "b"])
def test_grouping_by_text_category_and_boolean(column):
    fit = quiet(f"y ~ x + (1 | g:{column})", DATA)
    coded = DATA.assign(k=DATA["g"].astype(str) + "/" + DATA[column].astype(str))
    assert_allclose(fit.criterion, quiet("y ~ x + (1 | k)", coded).criterion, rtol=1e-12)


def test_interaction_labels():
    fit = quiet("y ~ x + (1 | s:g)", DATA)
    effects = fit.random_effects["s:g"]
    assert effects.index.names == ["s", "g"]
    assert ("u", 0) in effects.index


# --- missing rows ---------------------------------------------------------------------------

GAPS = DATA.assign(
    x=DATA["x"].where(~DATA.index.isin([1, 2, 3])),
    g=DATA["g"].where(~DATA.index.isin([3, 4])),
    w=DATA["w"].where(DATA.index != 70),
)


def test_missing_rows_are_counted_by_column():
    with pytest.warns(
        MissingDataWarning, match=r"^4 of 72 rows have missing values: in `x` \(3\), `g` \(2\)\."
    ):
        fit = quiet("y ~ x + (1 | g)", GAPS)
    assert fit.nobs == 68
    assert fit.fittedvalues.index.tolist() == [0, *range(5, N)]


def test_missing_rows_of_unused_columns_stay():
    fit = quiet("y ~ f + s + (1 | b)", GAPS)
    assert fit.nobs == N


def test_missing_rows_raise():
    with pytest.raises(DataError, match=r"4 of 72 rows .*`x` \(3\), `g` \(2\)"):
        quiet("y ~ x + (1 | g)", GAPS, missing="raise")
    assert quiet("y ~ x + (1 | g)", DATA, missing="raise").nobs == N


def test_missing_rows_give_the_fit_without_them():
    with pytest.warns(MissingDataWarning):
        fit = quiet("y ~ scale(x) + (1 | g)", GAPS, offset=DATA["w"].to_numpy())
    kept = GAPS[["x", "g"]].notna().all(axis=1)
    clean = quiet("y ~ scale(x) + (1 | g)", GAPS[kept], offset=DATA["w"][kept])
    assert_allclose(fit.criterion, clean.criterion, rtol=1e-12)
    assert_allclose(fit.params, clean.params, rtol=1e-12)


def test_missing_offset_drops_its_row():
    with pytest.warns(MissingDataWarning, match=r"1 of 72 rows.*`offset` \(1\)"):
        fit = quiet("y ~ x + (1 | g)", GAPS.assign(x=DATA["x"], g=DATA["g"]), offset="w")
    assert fit.nobs == 71


def test_weights_go_with_their_rows():
    weights = np.arange(1.0, N + 1)
    with pytest.warns(MissingDataWarning):
        fit = quiet("y ~ x + (1 | g)", GAPS, weights=weights)
    kept = GAPS[["x", "g"]].notna().all(axis=1).to_numpy()
    clean = quiet("y ~ x + (1 | g)", GAPS[kept], weights=weights[kept])
    assert_allclose(fit.criterion, clean.criterion, rtol=1e-12)


def test_weight_missing_where_the_row_is_dropped_anyway():
    weights = DATA["w"].where(DATA.index != 1)
    with pytest.warns(MissingDataWarning):
        assert quiet("y ~ x + (1 | g)", GAPS, weights=weights).nobs == 68


def test_nan_from_a_transformation_is_counted():
    negative = int((DATA["x"] <= 0).sum())
    with pytest.warns(MissingDataWarning, match=rf"{negative} of 72 rows.*`log\(x\)`"):
        fit = quiet("y ~ log(x) + (1 | g)", DATA)
    assert_allclose(fit.criterion, quiet("y ~ log(x) + (1 | g)", DATA[DATA["x"] > 0]).criterion)
    with pytest.raises(DataError, match=r"log\(x\)"):
        quiet("y ~ log(x) + (1 | g)", DATA, missing="raise")


def test_nan_from_a_transformed_response_is_counted():
    shifted = DATA.assign(y=DATA["y"] - 2.0)
    with pytest.warns(MissingDataWarning, match=r"`log\(y\)`"):
        assert quiet("log(y) ~ x + (1 | g)", shifted).nobs == int((shifted["y"] > 0).sum())


def test_lag_loses_one_row():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert quiet("y ~ lag(x) + (1 | g)", DATA).nobs == N - 1


def test_warnings_point_at_the_caller():
    with pytest.warns(MissingDataWarning) as caught:
        lf.MixedModel("y ~ x + (1 | g)", GAPS)
    assert caught[0].filename == __file__
