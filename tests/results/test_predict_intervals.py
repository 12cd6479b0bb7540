"""Intervals of predictions as a user asks for them: tables, missing labels, bad input."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError

SLEEP = lf.datasets.load("sleepstudy")
FIT = lf.lmer("Reaction ~ Days + (Days | Subject)", SLEEP)
NEW = pd.DataFrame({"Days": [0.0, 4.5, 12.0], "Subject": ["308", "335", "372"]}, list("abc"))
COLUMNS = ["estimate", "std_error", "lower", "upper"]
REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "predictions.json").read_text(encoding="utf-8")
)
MODELS = [name for name in REFERENCE if name not in ("emmeans", "merTools")]


# --- R -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_lme4s_predictions_and_standard_errors(name):
    entry = REFERENCE[name]
    data = lf.datasets.load(entry["data"])
    if entry["extra"]:
        data = data.assign(**entry["extra"])
    fit = lf.lmer(entry["formula"], data, reml=entry["reml"], weights=entry["weights"])
    new = pd.DataFrame(entry["new"])
    for random in ("all", "none"):
        expected = np.array(entry["predicted"][random])
        for interval in ("confidence", "prediction"):
            found = fit.predict(new, random=random, interval=interval)
            assert_allclose(found["estimate"], expected, rtol=1e-6)
            own = entry["std_error"][f"{random}_{interval}"]
            assert_allclose(found["std_error"], own, rtol=1e-6)


def test_emmeans_limits_of_population_means():
    entry = REFERENCE["emmeans"]
    new = {"Days": entry["Days"]}
    found = FIT.predict(new, random="none", interval="confidence", level=0.9)
    for column in COLUMNS:
        assert_allclose(found[column], entry[column], rtol=1e-6)


def test_mertools_simulated_intervals_are_about_as_wide():
    entry = REFERENCE["merTools"]
    found = FIT.predict(entry["new"], interval="prediction", level=entry["level"])
    width = np.array(entry["upper"]) - np.array(entry["lower"])
    ratio = width / (found["upper"] - found["lower"])
    assert ratio.between(0.98, 1.2).all()  # it leaves out the covariance of β̂ and b̂
    assert_allclose(found["estimate"], entry["estimate"], rtol=0.01)


# --- tables ------------------------------------------------------------------------------------


def test_columns_and_index():
    found = FIT.predict(NEW, interval="prediction")
    assert type(found) is pd.DataFrame
    assert list(found.columns) == COLUMNS
    assert found.index.tolist() == ["a", "b", "c"]
    assert_allclose(found["estimate"], FIT.predict(NEW))
    own = FIT.predict(interval="confidence", random="none")
    assert own.index.equals(SLEEP.index)
    again = FIT.predict(SLEEP, interval="confidence", random="none")
    assert_allclose(own, again, rtol=1e-9)
    narrow = FIT.predict(NEW, interval="prediction", level=0.5)
    assert (narrow["lower"] > found["lower"]).all()
    assert_allclose(narrow["std_error"], found["std_error"])


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_table_of_another_library_gives_one_back(library):
    module = pytest.importorskip(library)
    gaps = NEW.assign(Days=[0.0, np.nan, 12.0])
    if library == "polars":
        data = module.DataFrame(NEW.to_dict("list"))
        with_gap = module.DataFrame({"Days": [0.0, None, 12.0], "Subject": NEW["Subject"].tolist()})
        column, table = module.Series, module.DataFrame
    else:
        data = module.table(NEW.to_dict("list"))
        with_gap = module.table({"Days": [0.0, None, 12.0], "Subject": NEW["Subject"].tolist()})
        column, table = module.ChunkedArray, module.Table
    predicted = FIT.predict(data)
    assert isinstance(predicted, column)
    assert_allclose(predicted.to_numpy(), FIT.predict(NEW))
    found = FIT.predict(data, interval="prediction")
    assert isinstance(found, table)
    for name, expected in FIT.predict(NEW, interval="prediction").items():
        assert_allclose(found[name].to_numpy(), expected)
    some = FIT.predict(with_gap, interval="confidence")
    assert some["lower"].null_count() if library == "polars" else some["lower"].null_count == 1
    assert FIT.predict(gaps)[["a", "c"]].notna().all()


def test_a_polars_response_is_refitted():
    polars = pytest.importorskip("polars")
    y = FIT.simulate(1, seed=2)["sim_1"]
    assert_allclose(FIT.refit(polars.Series("y", y.to_numpy())).params, FIT.refit(y).params)


def test_saved_fits_predict_the_same(tmp_path):
    FIT.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    assert_allclose(
        loaded.predict(NEW, interval="prediction"),
        FIT.predict(NEW, interval="prediction"),
        rtol=1e-9,
    )


# --- levels and missing labels -----------------------------------------------------------------


def test_a_missing_label_is_a_new_level_if_these_are_allowed():
    new = NEW.assign(Subject=["308", None, "999"])
    with pytest.raises(DataError, match="999"):
        FIT.predict(new)
    known = new.iloc[:2]
    assert FIT.predict(known).isna().tolist() == [False, True]
    zero = FIT.predict(new, new_levels="zero", interval="prediction")
    as_new = FIT.predict(new.fillna("998"), new_levels="zero", interval="prediction")
    assert_allclose(zero, as_new, rtol=1e-12)
    population = FIT.predict(new, random="none", interval="prediction")
    assert_allclose(zero.iloc[1:], population.iloc[1:], rtol=1e-12)
    assert zero["std_error"].iloc[0] < population["std_error"].iloc[0]
    rows = FIT.design(new, new_levels="zero")
    assert not rows.X.isna().any(axis=None)
    assert rows.Z.toarray().any(axis=1).tolist() == [True, False, False]


def test_a_missing_label_of_one_of_two_factors():
    pastes = lf.datasets.load("Pastes")
    fit = lf.lmer("strength ~ 1 + (1 | batch) + (1 | batch:cask)", pastes)
    new = pd.DataFrame({"batch": ["A", "A", None], "cask": ["a", None, "a"]})
    found = fit.predict(new, new_levels="zero")
    batch = fit.predict(new.iloc[:2], random="batch").to_numpy()
    assert_allclose(found[1:], [batch[1], fit.params["Intercept"]])
    assert found[0] != batch[0]


def test_a_missing_label_that_is_a_predictor_too_leaves_its_row_out():
    data = SLEEP.assign(h=np.where(SLEEP["Days"] > 4, "late", "early"))
    fit = lf.lmer("Reaction ~ h + (1 | h:Subject)", data)
    new = pd.DataFrame({"h": ["late", None], "Subject": ["308", "308"]})
    assert fit.predict(new, new_levels="zero").isna().tolist() == [False, True]


def test_grouping_factors_of_terms_left_out_are_not_needed():
    found = FIT.predict(NEW[["Days"]], random="none", interval="prediction")
    with_label = FIT.predict(NEW, random="none", interval="prediction")
    assert_allclose(found, with_label, rtol=1e-14)
    cov = FIT.vcomp["variance"].to_numpy()
    x = np.array([[1.0, d] for d in NEW["Days"]])
    between = cov[0] + 2 * cov[2] * x[:, 1] + cov[1] * x[:, 1] ** 2
    mean = FIT.predict(NEW, random="none", interval="confidence")["std_error"] ** 2
    assert_allclose(found["std_error"] ** 2, mean + between + FIT.scale, rtol=1e-9)


@pytest.mark.parametrize("new_levels", ["raise", "zero"])
def test_ids_of_another_type_are_no_new_levels(new_levels):
    with pytest.raises(DataError, match=r"label '308' \(str\), but not 308 \(int\).*astype\(str\)"):
        FIT.predict(NEW.assign(Subject=[308, 335, 372]), new_levels=new_levels)
    fit = lf.lmer(
        "Reaction ~ Days + (1 | Subject)",
        SLEEP.assign(Subject=lambda d: d["Subject"].astype(str).astype(int)),
    )
    with pytest.raises(DataError, match=r"label 308 \(int\), but not '308' \(str\).*astype\(int\)"):
        fit.predict(NEW, new_levels=new_levels)
    moved = NEW.assign(Subject=NEW["Subject"].astype(int))
    assert_allclose(fit.predict(moved), fit.predict(moved.assign(Subject=moved["Subject"] * 1.0)))


# --- bad input ---------------------------------------------------------------------------------


def test_all_missing_columns_are_named():
    with pytest.raises(ColumnError, match=r"lack `Days`, `Subject`. Columns needed: Days, Subject"):
        FIT.predict({"day": [1.0]})
    with pytest.raises(ColumnError, match=r"lack `Days`. Did you mean `days`"):
        FIT.predict({"days": [1.0], "Subject": ["308"]})


def test_unknown_levels_of_fixed_factors_name_column_label_and_known_ones():
    machines = lf.datasets.load("Machines")
    fit = lf.lmer("score ~ Machine + (1 | Worker)", machines)
    with pytest.raises(DataError, match=r"`Machine` has levels.*'D'.*It knows 'A', 'B', 'C'"):
        fit.predict({"Machine": ["D"], "Worker": ["1"]}, interval="confidence")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"interval": "both"}, "interval='both': use one of"),
        ({"interval": "predicton"}, "Did you mean `prediction`"),
        ({"interval": "prediction", "level": 95}, "level"),
        ({"interval": "prediction", "ddf": "between-within"}, "ddf"),
        ({"ddf": "none"}, "ddf is for intervals: add interval="),
        ({"level": 0.9}, "level is for intervals: add interval="),
        ({"level": 95}, "between 0 and 1"),
        ({"random": ["Subjct"], "interval": "confidence"}, "Did you mean `Subject`"),
        ({"weights": 1.0, "interval": "prediction"}, "fitted without weights"),
        ({"weights": 1.0}, "have no effect here: add interval='prediction'"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ArgumentError, match=message):
        FIT.predict(NEW, **options)


def test_a_missing_offset_leaves_no_error_of_its_prediction():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, offset=np.ones(len(SLEEP)))
    for interval in ("confidence", "prediction"):
        found = fit.predict(NEW, offset=[1.0, np.nan, 2.0], interval=interval)
        assert found.isna().all(axis=1).tolist() == [False, True, False]
        assert found.iloc[[0, 2]].notna().all(axis=None)


@pytest.mark.parametrize("formula", ["Reaction ~ Days + (Days | Subject)", None])
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "none"])
def test_an_infinite_row_warns_of_nothing_and_leaves_the_others(formula, ddf):
    if formula is None:  # two factors, by solves
        half = np.arange(len(SLEEP)) % 7
        data = SLEEP.assign(half=half, Reaction=SLEEP["Reaction"] + 40.0 * (half % 3))
        fit = lf.lmer("Reaction ~ Days + (Days | Subject) + (1 | half)", data)
    else:
        fit = FIT
    new = pd.DataFrame({"Days": [1.0, np.inf, 1e200, 4.0], "Subject": "308", "half": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit.predict(new, interval="prediction", ddf=ddf)
    assert found["estimate"][1] == np.inf
    assert not np.isfinite(found["std_error"][1:3]).any()
    alone = fit.predict(new.iloc[[0, 3]], interval="prediction", ddf=ddf)
    assert_allclose(found.iloc[[0, 3]], alone, rtol=1e-10)


@pytest.mark.parametrize("interval", [None, "confidence", "prediction"])
def test_columns_without_a_value_have_no_type(interval):
    """As pandas reads rows of None, and a table of which only the columns are there."""
    gaps = pd.DataFrame({"Days": [None, None], "Subject": ["308", "309"]})
    found = FIT.predict(gaps, interval=interval)
    assert len(found) == 2
    assert np.isnan(found.to_numpy()).all()
    none = FIT.predict(pd.DataFrame(columns=["Days", "Subject"]), interval=interval)
    assert len(none) == 0
    polars = pytest.importorskip("polars")
    found = FIT.predict(polars.DataFrame(gaps.to_dict("list")), interval=interval)
    assert found.null_count().sum_horizontal()[0] == 8 if interval else found.null_count() == 2


def test_a_lazy_table_is_to_be_collected():
    polars = pytest.importorskip("polars")
    lazy = polars.LazyFrame({"Days": [1.0], "Subject": ["308"]})
    with pytest.raises(DataError, match=r"LazyFrame\. Collect it first: data\.collect\(\)"):
        lf.MixedModel("Days ~ 1 + (1 | Subject)", lazy)
    assert len(FIT.predict(lazy.collect())) == 1
    assert [len(chunk) for chunk in FIT.predict(lazy)] == [1]  # of a source


# --- weights -----------------------------------------------------------------------------------

WEIGHTED = SLEEP.assign(w=np.tile([1.0, 2.0, 4.0], 60))


def test_weights_of_new_observations():
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", WEIGHTED, weights="w")
    mean = fit.predict(NEW, interval="confidence")["std_error"]
    for w in ([1.0, 2.0, 0.5], 3.0):
        found = fit.predict(NEW, interval="prediction", weights=w)["std_error"]
        assert_allclose(found**2, mean**2 + fit.scale / np.array(w), rtol=1e-12)
    column = fit.predict(NEW.assign(w=3.0), interval="prediction")
    assert_allclose(column, fit.predict(NEW, interval="prediction", weights=3.0))
    by_name = fit.predict(NEW.assign(v=3.0), interval="prediction", weights="v")
    assert_allclose(column, by_name)
    own = fit.predict(interval="prediction")["std_error"] ** 2
    own -= fit.predict(interval="confidence")["std_error"] ** 2
    assert_allclose(own, fit.scale / WEIGHTED["w"], rtol=1e-9)
    with pytest.raises(ColumnError, match=r"weights='w'.*give weights=1"):
        fit.predict(NEW, interval="prediction")
    assert fit.predict(NEW, interval="prediction", weights=1)["std_error"].notna().all()
    with pytest.raises(DataError, match="positive"):
        fit.predict(NEW, interval="prediction", weights=[1.0, 0.0, 2.0])
    with pytest.raises(ArgumentError, match="need new data"):
        fit.predict(interval="prediction", weights=1.0)
    other = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP, weights=WEIGHTED["w"].to_numpy())
    with pytest.raises(ArgumentError, match=r"an array of weights.*give weights=1"):
        other.predict(NEW, interval="prediction")
    again = other.predict(NEW, interval="prediction", weights=3.0)
    assert_allclose(again, column, rtol=1e-7)


# --- transforms --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        "Reaction ~ scale(Days) + (scale(Days) | Subject)",
        "Reaction ~ poly(Days, 2) + (poly(Days, 2) || Subject)",
        "Reaction ~ bs(Days, df=4) + (1 | Subject) + (0 + center(Days) | Subject)",
    ],
)
def test_rows_have_the_same_errors_alone_and_together(formula):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = lf.lmer(formula, SLEEP)
    together = fit.predict(SLEEP, interval="prediction")
    assert_allclose(together, fit.predict(interval="prediction"), rtol=1e-7)
    alone = fit.predict(SLEEP.iloc[[33, 7]], interval="prediction")
    assert_allclose(alone, together.iloc[[33, 7]], rtol=1e-8)


def test_units_do_not_matter():
    other = SLEEP.assign(Days=1e3 * SLEEP["Days"] + 5e4, Reaction=1e-3 * SLEEP["Reaction"])
    fit = lf.lmer("Reaction ~ Days + (Days | Subject)", other)
    moved = NEW.assign(Days=1e3 * NEW["Days"] + 5e4)
    for random in ("all", "none"):
        found = fit.predict(moved, random=random, interval="prediction")
        assert_allclose(
            1e3 * found, FIT.predict(NEW, random=random, interval="prediction"), rtol=1e-5
        )
