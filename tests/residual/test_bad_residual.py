"""Structures that the data cannot carry: refused before any fit, and the advice works."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, FormulaError, ModelError

ORTHODONT = lf.datasets.load("Orthodont")
SUBJECTS = ORTHODONT["Subject"].unique()


def bound(residual, data=ORTHODONT, formula="distance ~ age", **options):
    return lf.MixedModel(formula, data, residual=residual, **options).design.structure


def refused(residual, said, data=ORTHODONT, formula="distance ~ age", error=ModelError, **options):
    with pytest.raises(error) as caught:
        bound(residual, data, formula, **options)
    for part in [said] if isinstance(said, str) else said:
        assert part in str(caught.value), str(caught.value)


def trial(visits=3, subjects=8, **columns):
    n = visits * subjects
    rng = np.random.default_rng(5)
    visit, subject = np.tile(np.arange(visits), subjects), np.repeat(np.arange(subjects), visits)
    table = {"y": rng.normal(size=n), "visit": visit, "subject": subject}
    return pd.DataFrame(table | columns)


# --- columns ----------------------------------------------------------------------------------


def test_columns_that_are_not_there():
    refused("ar1(Age | Subject)", "Did you mean `age`?", error=ColumnError)
    refused("ar1(age | subject)", "Did you mean `Subject`?", error=ColumnError)
    refused("ar1(age | Subject) * idh(sex)", "Did you mean `Sex`?", error=ColumnError)


def test_text_and_types():
    refused("ar(age | Subject)", "Did you mean `ar1`?", error=FormulaError)
    refused(7, "an object of lmforms.residual", error=ArgumentError)
    with pytest.raises(ArgumentError, match="residual"):
        lf.lmer("distance ~ age", ORTHODONT, residuals="ar1(age | Subject)")


def test_whole_times():
    data = ORTHODONT.assign(t=ORTHODONT["age"] / 4)
    for name in ("ar1", "ma", "arma", "toep"):
        said = (f"{name}(t) needs whole times, and `t` has 2.5", "Use exp(t)")
        refused(f"{name}(t | Subject)", said, data, error=DataError)
    assert bound("exp(t | Subject)", data) is not None  # the advice


def test_dates_are_no_times_until_they_are_days():
    dates = pd.to_datetime("2024-01-01") + pd.to_timedelta(7 * ORTHODONT["age"], unit="D")
    data = ORTHODONT.assign(day=dates)
    refused(
        "ar1(day | Subject)", "(data['day'] - data['day'].min()).dt.days", data, error=DataError
    )
    refused("exp(day | Subject)", "", data, error=DataError)
    data["day"] = (data["day"] - data["day"].min()).dt.days
    assert bound("ar1(day | Subject)", data).steps == (14.0,)
    assert bound("exp(day | Subject)", data) is not None


def test_labels_are_no_places():
    refused("exp(Sex | Subject)", "exp(Sex) needs numbers, and `Sex` holds labels", error=DataError)
    refused("power(Sex)", "power(Sex) needs numbers", error=DataError)
    text = ORTHODONT.assign(t=ORTHODONT["age"].astype(str).where(ORTHODONT.index > 0, "n/a"))
    refused("exp(t | Subject)", "`t`", text, error=DataError)


def test_numbers_as_text_and_labels_become_numbers():
    for dtype in (object, "category"):
        text = ORTHODONT.assign(t=ORTHODONT["age"].map("{:g}".format).astype(dtype))
        for name in ("ar1", "exp"):
            said = "Make numbers of them: pandas.to_numeric(data['t'])."
            refused(f"{name}(t | Subject)", said, text, error=DataError)
            assert bound(f"{name}(t | Subject)", text.assign(t=pd.to_numeric(text["t"])))
        weeks = ORTHODONT.assign(t=ORTHODONT["age"].map("week {:02.0f}".format).astype(dtype))
        said = "Put numbers in their place: data['t'].map({'week 08': 0.0, …}).astype(float)."
        refused("exp(t | Subject)", said, weeks, error=DataError)
        days = {f"week {week:02}": 7.0 * week for week in (8, 10, 12, 14)}
        numbered = weeks.assign(t=weeks["t"].map(days).astype(float))
        assert bound("exp(t | Subject)", numbered)


def test_infinite_places():
    data = ORTHODONT.assign(t=ORTHODONT["age"].astype(float).where(ORTHODONT.index != 4, np.inf))
    refused("exp(t | Subject)", "`t` is infinite in 1 rows", data, error=DataError)


def test_labels_in_the_order_of_the_alphabet():
    data = trial(phase=np.tile(["start", "middle", "end"], 8))
    said = ("the order of `phase`", "'end', 'middle', 'start'", "ordered=True")
    for name in ("ar1", "toep", "ante", "ma"):
        refused(f"{name}(phase | subject)", said, data, "y ~ 1", error=DataError)
    assert bound("us(phase | subject)", data, "y ~ 1") is not None  # needs no order
    data["phase"] = pd.Categorical(data["phase"], ["start", "middle", "end"], ordered=True)
    assert bound("ar1(phase | subject)", data, "y ~ 1").points.ravel()[:3].tolist() == [0, 1, 2]


# --- rows ---------------------------------------------------------------------------------------


def test_two_rows_of_one_time():
    twice = pd.concat([ORTHODONT, ORTHODONT.iloc[[5]]], ignore_index=True)
    for name in ("ar1", "us", "cs", "exp", "toep", "ma", "ante"):
        said = ("two rows have `age`", "in `Subject` M02 (rows 5 and 108", "Average them")
        refused(f"{name}(age | Subject)", said, twice, error=DataError)
    assert bound("cs(1 | Subject)", twice) is not None
    twice["plot"] = np.arange(109) // 108
    assert bound("ar1(age | Subject:plot)", twice) is not None  # the advice
    means = twice.groupby(["age", "Subject"], observed=True)["distance"].mean().reset_index()
    assert bound("ar1(age | Subject)", means) is not None


def test_two_rows_of_one_plot():
    data = trial(col=0).assign(col=lambda d: d["visit"], row=lambda d: d["subject"])
    twice = pd.concat([data, data.iloc[[0]]], ignore_index=True)
    said = "two rows have `row` 0, `col` 0 (rows 0 and 24"
    refused("ar1(row):ar1(col)", said, twice, "y ~ 1", error=DataError)


def test_one_row_in_every_series():
    data = ORTHODONT[ORTHODONT["age"] == 8]
    for name in ("ar1", "us", "cs", "exp", "toep"):
        refused(f"{name}(age | Subject)", "every `Subject` has one row", data, "distance ~ Sex")


def test_one_visit_only():
    data = trial().assign(same=1)
    said = "`same` has one time in every series"
    refused("ar1(same | subject:visit)", "has one row", data, "y ~ 1")
    grid = data.assign(col=data["visit"], row=3)
    said = ("`row` has one time in every series", "Leave it out: ar1(col).")
    one = grid[grid["subject"] == 0].assign(y=[1.0, 4, 2])
    more = pd.concat([one, one.assign(col=one["col"] + 3, y=[0.0, 1, 5])])
    refused("ar1(row):ar1(col)", said, more, "y ~ 1")
    refused("cs(row):ar1(col)", "`row` has one visit in every series", more, "y ~ 1")
    assert bound("ar1(col)", more, "y ~ 1") is not None  # the advice


def test_pairs_of_visits_that_are_never_together():
    data = trial(visits=3)
    early = data["subject"] < 4
    apart = data[(early & (data["visit"] < 2)) | (~early & (data["visit"] > 0))]
    for name in ("us", "corsymm"):
        said = "no series has both `visit` 0 and 2"
        refused(f"{name}(visit | subject)", said, apart, "y ~ 1")
    assert bound("ar1(visit | subject)", apart, "y ~ 1") is not None
    assert bound("cs(visit | subject)", apart, "y ~ 1") is not None
    assert bound("ante(visit | subject)", apart, "y ~ 1") is not None
    ends = data[data["visit"] != 1]
    gap = pd.concat([ends[ends["subject"] < 6], data[(data["subject"] > 5) & (data["visit"] == 1)]])
    refused("ante(visit | subject)", "both `visit` 0 and 1", gap, "y ~ 1")


def test_more_correlations_than_series_carry():
    data = trial(visits=6, subjects=4)
    said = "6 visits have 15 correlations, more than 4 series"
    refused("us(visit | subject)", said, data, "y ~ 1")
    assert bound("toep(visit | subject)", data, "y ~ 1") is not None
    assert bound("ar1(visit | subject)", data, "y ~ 1") is not None


def test_lags_that_are_not_there():
    weeks = trial(visits=4).assign(week=lambda d: d["visit"].map({0: 0, 1: 1, 2: 2, 3: 8}))
    said = ("no two rows of a series are 3 apart in `week`", "or number the times")
    refused("toep(week | subject)", said, weeks, "y ~ 1")
    for advice in ("toep(visit | subject)", "ar1(week | subject)", "exp(week | subject)"):
        assert bound(advice, weeks, "y ~ 1") is not None
    refused("ma(visit | subject, q=5)", "5 different distances in `visit`", weeks, "y ~ 1")
    refused("arma(visit | subject, p=3, q=3)", "6 different distances", weeks, "y ~ 1")


def test_one_long_series():
    data = trial(visits=24, subjects=1)
    refused("toep(visit)", "Use ar1(visit)", data, "y ~ 1")
    assert bound("ar1(visit)", data, "y ~ 1") is not None


def test_more_parameters_than_rows():
    data = trial(visits=4, subjects=4)
    said = "9 parameters besides σ² and 16 fixed effects are too many for 16 rows"
    refused("us(visit | subject)", said, data, "y ~ C(visit) * C(subject)")


def test_distances_of_a_nugget():
    pair = trial(visits=2)
    refused("exp(visit | subject) + units", "there are 1. Leave out the nugget", pair, "y ~ 1")
    refused("ar1(visit | subject) + units", "2 different distances", pair, "y ~ 1")
    refused("ante(visit | subject) + units", "leave out `+ units`", pair, "y ~ 1")
    assert bound("exp(visit | subject)", pair, "y ~ 1") is not None


def test_coordinates_that_do_not_vary():
    data = trial(x=1.0)
    said = "`x` has one value in every series"
    refused("exp(x + visit | subject, per_axis=True)", said, data, "y ~ 1")
    assert bound("exp(x + visit | subject)", data, "y ~ 1") is not None


# --- variances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_powers_of_positive_numbers(bad):
    data = trial(x=1.0).assign(x=lambda d: np.where(d.index == 4, bad, 1.0 + d["visit"]))
    for name in ("power", "constpower"):
        said = (f"`x` is {bad:g} in row 4", "Use expvar(x)")
        refused(f"{name}(x)", said, data, "y ~ 1", error=DataError)
    assert bound("expvar(x)", data, "y ~ 1") is not None


def test_missing_covariates_are_dropped():
    data = trial(x=2.0).assign(x=lambda d: np.where(d.index == 4, np.nan, 1.0 + d["visit"]))
    with pytest.warns(lf.errors.MissingDataWarning, match="`x`"):
        assert len(bound("power(x)", data, "y ~ 1").variance.x) == 23


def test_infinite_covariates():
    data = trial(x=2.0).assign(x=lambda d: np.where(d.index == 4, np.inf, 1.0 + d["visit"]))
    refused("power(x)", "`x` is infinite in 1 rows", data, "y ~ 1", error=DataError)


def test_strata():
    data = trial(one="a").assign(own=lambda d: d.index)
    refused("idh(one)", "has one stratum, `a`", data, "y ~ 1")
    refused("idh(own)", "has 24 strata for 24 rows, and `0` has one row", data, "y ~ 1")


def test_variances_that_cannot_be_told_apart():
    data = trial(x=3.0, f=1).assign(f=lambda d: d["visit"] + 10)
    refused("power(x)", "is the same in every row", data, "y ~ 1")
    refused("idh(visit) * idh(f)", "cannot be told apart: leave one", data, "y ~ 1")
    refused("idh(visit) * power(f)", "cannot be told apart", data, "y ~ 1")
    refused("us(visit | subject) * idh(f)", "cannot be told apart", data, "y ~ 1")
    two = data[data["visit"] < 2]
    refused("constpower(f)", "use idh() of it", two, "y ~ 1")
    assert bound("idh(f)", two, "y ~ 1") is not None
    refused("us(visit | subject) * idh(visit)", "leave out", data, "y ~ 1", error=FormulaError)


# --- random effects that say the same ---------------------------------------------------------


@pytest.mark.parametrize(
    ("residual", "random"),
    [
        ("cs(age | Subject)", "(1 | Subject)"),
        ("cs(1 | Subject)", "(1 | Subject)"),
        ("cs(age | Subject)", "(age | Subject)"),
        ("toep(age | Subject)", "(1 | Subject)"),
        ("corsymm(age | Subject)", "(1 | Subject)"),
        ("us(age | Subject)", "(1 | Subject)"),
        ("us(age | Subject)", "(0 + age | Subject)"),
    ],
)
def test_random_effects_that_the_structure_holds(residual, random):
    said = (random, "both describe what the rows of one `Subject` have in common")
    refused(residual, said, formula=f"distance ~ age + {random}")
    assert bound(residual) is not None  # the advice: leave it out of the formula


@pytest.mark.parametrize(
    ("residual", "random"),
    [
        ("ar1(age | Subject)", "(1 | Subject)"),
        ("cs(age | Subject)", "(0 + age | Subject)"),
        ("hcs(age | Subject)", "(1 | Subject)"),
        ("cs(age | Subject)", "(1 | Sex)"),
        ("exp(age | Subject)", "(age | Subject)"),
        ("idh(Sex)", "(1 | Subject)"),
    ],
)
def test_random_effects_that_can_be_told_apart(residual, random):
    assert bound(residual, formula=f"distance ~ age + {random}") is not None


def test_weights_tell_them_apart():
    data = ORTHODONT.assign(w=1.0 + ORTHODONT["age"] % 4)
    formula = "distance ~ age + (1 | Subject)"
    assert bound("cs(age | Subject)", data, formula, weights="w") is not None
