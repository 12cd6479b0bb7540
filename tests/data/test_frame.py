"""Any table gives the same model; missing rows are dropped, counted and named."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from models import columns_of_every_kind
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.data.exact_columns import exact_column
from lmforms.data.group_codes import group_codes
from lmforms.errors import DataError, LmformsError, MissingDataWarning

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
        lf.MixedModel(MODEL, pl.from_pandas(DATA).lazy())  # lf.lmer sums its rows up


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


# --- labels survive being read ----------------------------------------------------------------

BIG = 2**53
IDS = [BIG + i % 8 for i in range(N)]
SOME = [None if i % 9 == 0 else v for i, v in enumerate(IDS)]


def levels_of(data, formula="y ~ 1 + (1 | id)"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingDataWarning)
        return lf.MixedModel(formula, data).design.groups[0].levels.tolist()


@pytest.mark.parametrize(
    "column",
    [
        SOME,
        pl.Series(SOME),
        pa.array(SOME),
        pa.array(SOME).dictionary_encode(),
        np.ma.array(IDS, mask=[v is None for v in SOME]),
        pd.Series(SOME, dtype="Int64"),
    ],
    ids=["list", "polars", "pyarrow", "dictionary", "masked", "nullable"],
)
def test_long_whole_numbers_with_missing_ones(column):
    assert sorted(levels_of({"y": DATA["y"].tolist(), "id": column})) == sorted(set(IDS))


@pytest.mark.parametrize("maker", [pl.DataFrame, pa.table, dict], ids=["polars", "arrow", "dict"])
@pytest.mark.parametrize(
    "labels",
    [
        [pd.Timestamp(0) + pd.Timedelta(i % 4, "ns") for i in range(N)],
        [pd.Timedelta(i % 4, "ns") for i in range(N)],
    ],
    ids=["moments", "spans"],
)
def test_nanoseconds(maker, labels):
    column = labels
    if maker is not dict:
        kind = pa.timestamp("ns") if isinstance(labels[0], pd.Timestamp) else pa.duration("ns")
        column = pa.array(labels, kind)
        column = pl.from_arrow(column) if maker is pl.DataFrame else column
    assert levels_of(maker({"y": DATA["y"].tolist(), "id": column})) == sorted(set(labels))


@pytest.mark.parametrize("label", ["None", "nan", "NA", "<NA>", ""])
@pytest.mark.parametrize("maker", [pl.DataFrame, pa.table, dict, pd.DataFrame])
def test_text_that_looks_missing_is_a_level(maker, label):
    assert label in levels_of(maker({"y": DATA["y"].tolist(), "id": [label, "b", "c"] * (N // 3)}))


def test_dictionaries_that_differ_between_chunks():
    parts = [[7, 8, None, 9], [9, 8, 10, 7]] * (N // 8)
    column = pa.chunked_array([pa.array(p, pa.int64()).dictionary_encode() for p in parts])
    assert levels_of(pa.table({"y": DATA["y"].tolist(), "id": column})) == [7, 8, 9, 10]


def test_times_that_python_cannot_hold_are_refused():
    column = pa.array([1, 2] * (N // 2), pa.int64()).cast(pa.time64("ns"))
    table = pa.table({"y": DATA["y"].tolist(), "id": column})
    for data in (table, pl.from_arrow(table)):
        with pytest.raises(DataError, match="`id` holds times of day with nanoseconds"):
            levels_of(data)


def test_floats_that_stand_for_several_whole_numbers_are_refused():
    data = DATA.assign(id=np.array(IDS, dtype=float))
    with pytest.raises(DataError, match="`id` are floats as large as"):
        levels_of(data)


def test_levels_written_alike_are_refused_in_the_fixed_part():
    data = DATA.assign(id=pd.Series([0, "1", 1] * (N // 3), dtype=object).astype("category"))
    with pytest.raises(DataError, match="`id` has different levels that are all written '1'"):
        lf.MixedModel("y ~ id + (1 | g)", data)


def test_categories_of_nullable_text():
    data = DATA.assign(s=DATA["s"].astype("string").astype("category"))
    assert_allclose(quiet(MODEL, data, weights="w").params, PLAIN.params, rtol=1e-12)


def test_interactions_of_many_factors_with_many_levels():
    rng = np.random.default_rng(3)
    names = list("abcdefg")
    columns = {c: np.r_[0:2048, rng.integers(0, 2048, 2048)] for c in names}
    columns["y"] = rng.normal(size=4096)
    twice = {c: np.concatenate([v, v]) for c, v in columns.items()}
    levels = lf.MixedModel(f"y ~ 1 + (1 | {':'.join(names)})", twice).design.groups[0].levels
    assert len(levels) == len(set(zip(*(columns[c].tolist() for c in names), strict=True)))


def test_dates_have_parts_in_calls():
    days = pl.Series(pd.date_range("2020", periods=N).date)
    data = pl.DataFrame({"y": DATA["y"].tolist(), "g": DATA["g"].tolist(), "day": days})
    fit = quiet("y ~ I(day.dt.day) + (1 | g)", data)
    assert fit.nobs == N
    twice = pl.concat([data, data.with_columns(pl.col("y") + 1)]).rename({"day": "id"})
    assert levels_of(twice) == days.to_list()


def test_names_of_columns_twice():
    y, g = pa.array(DATA["y"]), pa.array(DATA["g"])
    table = pa.Table.from_arrays([y, g, g], names=["y", "g", "g"])
    with pytest.raises(DataError, match="two columns named `g`"):
        lf.lmer("y ~ 1 + (1 | g)", table)


def test_some_of_the_fuzzer():
    from fuzz.labels import run

    count, _, faults = run(60, seed=int(RNG.integers(1_000_000)))
    assert count > 50
    assert not faults


# --- rows are found by their labels -----------------------------------------------------------


def test_some_of_the_fuzzer_of_rows():
    from fuzz.row_order import run

    assert not run(25, seed=int(RNG.integers(1_000_000)))


LABELLED = DATA.set_axis([f"r{i}" for i in range(N)])
OTHER = np.random.default_rng(5).permutation(N)


@pytest.mark.parametrize("name", ["weights", "offset"])
def test_series_beside_the_data_are_found_by_their_labels(name):
    wanted = quiet("y ~ x + (1 | g)", LABELLED, **{name: LABELLED["w"].to_numpy()})
    found = quiet("y ~ x + (1 | g)", LABELLED, **{name: LABELLED["w"].iloc[OTHER]})
    assert found.criterion == wanted.criterion
    for strange in (DATA["w"], LABELLED["w"].iloc[:9], LABELLED["w"].set_axis(np.arange(N) // 2)):
        with pytest.raises(DataError, match=f"^{name} has"):
            quiet("y ~ x + (1 | g)", LABELLED, **{name: strange})


def test_offset_of_new_rows_is_found_by_its_labels():
    fit = quiet("y ~ x + (1 | g)", LABELLED, offset=LABELLED["w"])
    wanted = fit.predict(LABELLED, offset=LABELLED["w"].to_numpy())
    assert fit.predict(LABELLED, offset=LABELLED["w"].iloc[OTHER]).equals(wanted)
    with pytest.raises(DataError, match="offset has other row labels"):
        fit.predict(LABELLED, offset=DATA["w"])


def test_series_of_a_mapping_are_found_by_their_labels():
    columns = {c: LABELLED[c] for c in ("y", "x", "g")}
    wanted = quiet("y ~ x + (1 | g)", columns)
    assert list(wanted.fittedvalues.index) == list(LABELLED.index)
    found = quiet("y ~ x + (1 | g)", columns | {"x": LABELLED["x"].iloc[OTHER]})
    assert found.criterion == wanted.criterion
    with pytest.raises(DataError, match="`x` has other row labels"):
        quiet("y ~ x + (1 | g)", columns | {"x": DATA["x"]})
    moved = columns | {"x": LABELLED["x"].iloc[OTHER], "g": LABELLED["g"].to_numpy()}
    with pytest.raises(DataError, match="`g` has no labels to say in which"):
        quiet("y ~ x + (1 | g)", moved)


def test_masked_and_complex_arrays_beside_the_data():
    masked = np.ma.array(DATA["w"], mask=np.arange(N) < 2)
    with pytest.warns(MissingDataWarning, match="2 of 72"):
        assert quiet("y ~ x + (1 | g)", DATA, offset=masked).nobs == N - 2
    for name in ("weights", "offset"):
        with pytest.raises(DataError, match="complex numbers are not numeric"):
            quiet("y ~ x + (1 | g)", DATA, **{name: DATA["w"].to_numpy() + 0j})


@pytest.mark.parametrize("new_levels", ["raise", "zero"])
@pytest.mark.parametrize(
    "known, given",
    [([1, 2, 3], ["1", "2", "9"]), (["1", "2", "3"], [1, 2, 9]), ([1, 2, 3], [b"1"] * 3)],
)
def test_labels_of_another_type_are_no_new_levels(known, given, new_levels):
    fit = quiet("y ~ 1 + (1 | id)", DATA.assign(id=known * (N // 3)))
    with pytest.raises(LmformsError, match=r"`id` .* give both the same type"):
        fit.predict({"id": given}, new_levels=new_levels)
    nested = quiet("y ~ 1 + (1 | s:id)", DATA.assign(id=known * (N // 3)))
    with pytest.raises(LmformsError, match=r"`s:id` .* give both the same type"):
        nested.predict({"id": given, "s": DATA["s"].iloc[:3].tolist()}, new_levels=new_levels)


def test_lists_of_moments_are_columns_of_moments():
    when = pd.date_range("2024-01-01", periods=N, freq="h")
    table = {**{c: DATA[c].tolist() for c in DATA}, "when": when.tolist()}
    lists = lf.MixedModel("y ~ I(when > '2024-01-02') + I(when.dt.hour) + (1 | g)", table)
    frame = lf.MixedModel(lists.formula.source, DATA.assign(when=when))
    assert_allclose(lists.design.X, frame.design.X)
    mixed = [pd.Timestamp(1), pd.Timestamp("2024-01-01", tz="UTC"), None]
    assert exact_column("when", mixed).tolist() == mixed
