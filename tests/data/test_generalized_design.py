"""Responses, weights and formulas beside the mean of generalised linear mixed models."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import lmforms as lf
from lmforms.data.build_design import build_design
from lmforms.data.changed_formula import ModelChanges, changed_formula_data
from lmforms.data.design import Design
from lmforms.data.design_rows import own_rows
from lmforms.data.label_messages import row_of
from lmforms.data.new_rows import new_rows
from lmforms.data.read import read_formula_data
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FormulaError,
    MissingDataError,
    MissingDataWarning,
    ModelError,
    RankWarning,
)
from lmforms.residual import Independent

DATA = pd.DataFrame(
    {
        "y": [0, 1, 0, 1, 2, 0],
        "size": [3, 4, 5, 6, 7, 8],
        "hit": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0],
        "share": [1 / 3, 0.5, 0.4, 1.0, 0.0, 0.25],
        "trials": [3, 4, 5, 0, 7, 8],
        "b": [True, False, True, False, False, True],
        "text": ["no", "yes", "yes", "no", "yes", "no"],
        "f": list("abcabc"),
        "x": [0.0, 1.0, 2.0, 4.0, 3.0, 5.0],
        "g": list("aabbcc"),
        "row": range(6),
        "one": 1,
    }
)


def design_of(formula, kind="trials", data=DATA, related=(), **options) -> Design:
    return build_design(read_formula_data(formula, data, response=kind, **options), related=related)


# --- left-hand sides -------------------------------------------------------------------------


def test_cbind_of_successes_and_failures():
    design = design_of("cbind(y, size - y) ~ x + (1 | g)")
    assert_array_equal(design.observed.y, DATA["y"])
    assert_array_equal(design.observed.trials, DATA["size"])
    assert_array_equal(design.y, DATA["y"] / DATA["size"])
    assert design.observed.case_weights is None
    assert design.observed.levels is None
    assert design.bound.formula.response.label == "cbind(y, size - y)"
    assert isinstance(design.residual, Independent)


def test_parts_of_cbind_are_any_expressions():
    quoted = DATA.rename(columns={"size": "all of them"})
    design = design_of("cbind(`all of them`^2, y + s) ~ x", data=quoted, context={"s": 1})
    assert_array_equal(design.observed.y, DATA["size"] ** 2)
    assert_array_equal(design.observed.trials, DATA["size"] ** 2 + DATA["y"] + 1)
    plain = design_of("cbind(y, size) ~ x")
    assert_array_equal(plain.observed.trials, DATA["y"] + DATA["size"])


def test_columns_of_cbind_are_not_among_those_of_a_dot():
    data = DATA[["y", "size", "x", "g"]]
    assert design_of("cbind(y, size - y) ~ . + (1 | g)", data=data).x_names == ["Intercept", "x"]
    # the size alone is no response
    assert design_of("cbind(y, size - y) ~ size", data=data).x_names == ["Intercept", "size"]


@pytest.mark.parametrize(
    ("formula", "expected", "levels"),
    [
        ("hit ~ x", [0, 1, 1, 0, 1, 0], None),
        ("b ~ x", [1, 0, 1, 0, 0, 1], (False, True)),
        ("!b ~ x", [0, 1, 0, 1, 1, 0], (False, True)),
        ("text ~ x", [0, 1, 1, 0, 1, 0], ("no", "yes")),
        ("factor(hit) ~ x", [0, 1, 1, 0, 1, 0], (0, 1)),
        ("text == 'no' ~ x", [1, 0, 0, 1, 0, 1], (False, True)),
        ("x > 2 ~ 1 + (1 | g)", [0, 0, 0, 1, 1, 1], (False, True)),
        ("f %in% c('a', 'b') ~ x", [1, 1, 0, 1, 1, 0], (False, True)),
        ("ifelse(x > 2, 'low', 'up') ~ 1", [1, 1, 1, 0, 0, 0], ("low", "up")),
        ("I(y > 0) ~ x", [0, 1, 0, 1, 1, 0], (False, True)),
    ],
)
def test_yes_and_no(formula, expected, levels):
    design = design_of(formula)
    assert_array_equal(design.observed.y, expected)
    assert_array_equal(design.observed.trials, np.ones(6))
    assert_array_equal(design.y, expected)
    assert design.observed.levels == levels


def test_the_order_of_a_category_says_what_a_success_is():
    text = pd.Categorical(DATA["text"], categories=["yes", "never", "no"])
    design = design_of("text ~ x", data=DATA.assign(text=text))
    assert design.observed.levels == ("yes", "no")  # unused ones do not count
    assert_array_equal(design.observed.y, DATA["text"] == "no")


def test_codings_of_a_response_do_not_matter():
    design = design_of("text ~ x", contrasts={"text": "contr.sum"})
    assert_array_equal(design.observed.y, DATA["text"] == "yes")


@pytest.mark.parametrize("make", [pl.from_pandas, pa.Table.from_pandas, dict])
@pytest.mark.parametrize("response", ["b", "text", "hit", "cbind(y, size - y)"])
def test_any_table(make, response):
    data = make(DATA if make is not dict else {c: DATA[c].tolist() for c in DATA})
    formula = f"{response} ~ x + (1 | g)"
    found = design_of(formula, data=data, auxiliary={"dispersion": "~ f"})
    expected = design_of(formula, auxiliary={"dispersion": "~ f"})
    assert_array_equal(found.observed.y, expected.observed.y)
    assert_array_equal(found.observed.trials, expected.observed.trials)
    assert_array_equal(found.auxiliary["dispersion"].X, expected.auxiliary["dispersion"].X)


@pytest.mark.parametrize(
    ("name", "dtype"), [("b", "boolean"), ("y", "Int64"), ("hit", "Float64"), ("text", "string")]
)
def test_nullable_types(name, dtype):
    response = "cbind(y, size - y)" if name == "y" else name
    expected = design_of(f"{response} ~ x").observed
    data = DATA.astype({name: dtype})
    assert_array_equal(design_of(f"{response} ~ x", data=data).observed.y, expected.y)
    data.loc[2, name] = pd.NA
    with pytest.warns(MissingDataWarning, match=f"1 of 6 rows .* `{name}`"):
        found = design_of(f"{response} ~ x", data=data).observed
    kept = np.arange(6) != 2
    assert_array_equal(found.y, expected.y[kept])
    assert_array_equal(found.trials, expected.trials[kept])


# --- weights ---------------------------------------------------------------------------------


def test_weights_of_proportions_are_trials():
    design = design_of("share ~ x + (1 | g)", weights="trials")
    assert_array_equal(design.observed.trials, DATA["trials"])
    assert_array_equal(design.observed.y, [1, 2, 2, 0, 0, 2])
    assert design.observed.case_weights is None
    assert isinstance(design.residual, Independent)
    # a row without trials says nothing
    assert_allclose(design.y, [1 / 3, 0.5, 0.4, 0.0, 0.0, 0.25])


@pytest.mark.parametrize("response", ["hit", "text"])
def test_weights_of_zeros_and_ones_are_trials(response):
    observed = design_of(f"{response} ~ x", weights=DATA["size"]).observed
    assert_array_equal(observed.trials, DATA["size"])
    assert_array_equal(observed.y, DATA["size"] * DATA["hit"])


def test_a_quotient_needs_weights():
    observed = design_of("y / size ~ x", weights="size").observed
    assert_array_equal(observed.y, DATA["y"])
    with pytest.raises(DataError, match=r"0\.25 in 3 rows, such as row 1\. .*weights="):
        design_of("y / size ~ x")


@pytest.mark.parametrize(
    ("formula", "kind"),
    [("cbind(y, size - y) ~ x", "trials"), ("y ~ x", "counts"), ("x ~ f", "continuous")],
)
def test_other_weights_multiply_the_likelihood(formula, kind):
    weights = np.array([0.5, 1, 2, 1, 1, 3])
    design = design_of(formula, kind, weights=weights)
    assert_array_equal(design.observed.case_weights, weights)
    assert isinstance(design.residual, Independent)
    weights[2] = 0.0
    with pytest.raises(DataError, match=r"positive and finite, not 0 in row 2\."):
        design_of(formula, kind, weights=weights)


@pytest.mark.parametrize("bad", [-1.0, 2.5, np.nan, np.inf])
def test_weights_that_are_not_trials(bad):
    weights = DATA["trials"].astype(float)
    weights[3] = bad
    with pytest.raises(DataError, match=rf"numbers of trials of `share`.* {bad:g} in row 3\."):
        design_of("share ~ x", weights=weights)


def test_proportions_that_are_no_successes_of_trials():
    with pytest.raises(DataError, match=r"0\.25 of 7 trials in row 5, which is 1\.75 successes"):
        design_of("share ~ x", weights=[3, 4, 5, 6, 7, 7])
    with pytest.raises(ModelError, match="no trials"):
        design_of("share ~ x", weights=np.zeros(6))


def test_rounding_of_proportions():
    design = design_of(
        "share ~ x", weights="trials", data=DATA.assign(share=DATA["share"].round(7))
    )
    assert_array_equal(design.observed.y, [1, 2, 2, 0, 0, 2])


# --- what has no likelihood, or no maximum of it ----------------------------------------------


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("cbind(y) ~ x", FormulaError, "1 column and takes two"),
        ("cbind(y, size, x) ~ 1", FormulaError, "3 columns and takes two"),
        ("cbind() ~ x", FormulaError, "part of cbind\\(\\) is missing"),
        ("cbind(y,) ~ x", FormulaError, "part of cbind\\(\\) is missing"),
        ("cbind(y, 5) ~ x", FormulaError, "5 stands in cbind"),
        ("cbind(y, y) ~ x", FormulaError, "`y` is there twice"),
        ("cbind(y, x - size) ~ 1", DataError, "`x - size` is -3 in 6 rows, such as row 0"),
        ("cbind(x / 2, size) ~ 1", DataError, r"`x / 2` is 0\.5 in 3 rows, such as row 1"),
        ("cbind(b, size) ~ 1", FormulaError, "one column of counts"),
        ("cbind(y, poly(size, 2)) ~ 1", FormulaError, "one column of counts"),
        ("cbind(y, sise) ~ x", ColumnError, "Did you mean `size`"),
        ("cbind(y, size - q) ~ x", ColumnError, "`q` is neither"),
        ("cbind(y, size) + 1 ~ x", ColumnError, "whole left side"),
        ("y ~ cbind(x, size)", ColumnError, "whole left side"),
        ("cbind(y, size - y) ~ y", FormulaError, "`y` is a part of the response"),
        ("cbind(y, size - y) ~ x + (1 | y)", FormulaError, "`y` is a part of the response"),
        ("y ~ x", DataError, "`y` is 2 in row 4. A binomial response is 0 or 1"),
        ("f ~ x", FormulaError, r"3 levels \('a', 'b', 'c'\).*f == 'c'"),
        ("poly(x, 2) ~ 1", FormulaError, "has several columns"),
        ("one ~ x", ModelError, "every trial is a success"),
        ("I(one - 1) ~ x", ModelError, "every trial is a failure"),
        ("one == 1 ~ x", ModelError, "True in all rows"),
    ],
)
def test_refused_responses_of_trials(formula, error, message):
    with pytest.raises(error, match=message):
        design_of(formula)


def test_errors_mark_the_part_of_cbind_that_they_speak_of():
    with pytest.raises(ColumnError) as caught:
        design_of("cbind(y, size - q) ~ x")
    formula, marks = str(caught.value).splitlines()[-2:]
    assert formula[marks.index("^") : marks.rindex("^") + 1] == "size - q"


@pytest.mark.parametrize(
    ("formula", "kind", "error", "message"),
    [
        ("I(0 * x) ~ 1", "counts", ModelError, "all values .* are zero"),
        ("one ~ x", "continuous", ModelError, "constant \\(1\\)"),
        ("cbind(y, size) ~ x", "counts", FormulaError, "response of binomial families"),
        ("text ~ x", "counts", FormulaError, "not numeric"),
        ("poly(x, 2) ~ 1", "continuous", FormulaError, "several columns"),
        ("y ~ x + (1 | one)", "counts", ModelError, "one level"),
        ("y ~ x + (x + I(2 * x) | g)", "counts", ModelError, "depends linearly"),
    ],
)
def test_refused_responses_of_other_families(formula, kind, error, message):
    with pytest.raises(error, match=message):
        design_of(formula, kind)


def test_cbind_in_a_linear_model():
    with pytest.raises(FormulaError, match=r"family='binomial'"):
        lf.MixedModel("cbind(y, size) ~ x", DATA)


def test_residual_structures_are_for_linear_models():
    with pytest.raises(ArgumentError, match="residual="):
        design_of("y ~ x", "counts", residual="ar1(row | g)")


def test_a_random_effect_of_each_row_is_allowed():
    design = design_of("y ~ x + (1 | row) + (x | g)", "counts")
    assert [len(group.labels) for group in design.groups] == [6, 3]
    constant = design_of("one ~ x", "counts")  # a mean of 1 is the maximum
    assert_array_equal(constant.y, np.ones(6))


# --- ordered classes -------------------------------------------------------------------------


def test_ordered_classes():
    order = ["low", "middle", "high"]
    grade = ["low", "high", "middle", "high", "low", "middle"]
    data = DATA.assign(grade=pd.Categorical(grade, order, ordered=True))
    observed = design_of("grade ~ x", "ordinal", data).observed
    assert observed.levels == ("low", "middle", "high")
    assert_array_equal(observed.y, [0, 2, 1, 2, 0, 1])
    assert observed.trials is None
    enum = pl.from_pandas(DATA).with_columns(pl.Series("grade", grade, dtype=pl.Enum(order)))
    assert design_of("grade ~ x", "ordinal", enum).observed.levels == observed.levels
    with pytest.raises(FormulaError, match="have no order"):
        design_of("grade ~ x", "ordinal", DATA.assign(grade=grade))


def test_classes_as_numbers():
    data = DATA.assign(rating=[5, 1, 2, 2, 5, 1])
    for response in ("rating", "factor(rating)"):
        observed = design_of(f"{response} ~ x", "ordinal", data, weights="size").observed
        assert observed.levels == (1, 2, 5)
        assert_array_equal(observed.y, [2, 0, 1, 1, 2, 0])
        assert_array_equal(observed.case_weights, DATA["size"])
    assert design_of("b ~ x", "ordinal").observed.levels == (False, True)
    with pytest.raises(DataError, match=r"0\.5 in 3 rows"):
        design_of("x / 2 ~ f", "ordinal")
    with pytest.raises(ModelError, match="1 in all rows"):
        design_of("one ~ x", "ordinal")


# --- rows ------------------------------------------------------------------------------------


def test_rows_are_called_as_in_the_table():
    data = DATA.set_axis([f"farm {i}" for i in range(6)])
    with pytest.raises(DataError, match="row 'farm 4'"):
        design_of("y ~ x", data=data)
    data = DATA.assign(x=DATA["x"].where(DATA["row"] != 1))
    with pytest.warns(MissingDataWarning), pytest.raises(DataError, match=r"2 in row 4\."):
        design_of("y ~ x", data=data)
    assert row_of(pd.Index([7, 7, 7]), 2) == "row 7 (the 3rd of the rows used)"
    assert row_of(pd.MultiIndex.from_tuples([("a", 1)]), 0) == "row ('a', 1)"
    assert row_of(pd.DatetimeIndex(["2020-02-01"]), 0) == "row 2020-02-01 00:00:00"


def test_offsets_add_up():
    design = design_of("y ~ f + offset(x) + offset(log(size))", "counts", offset="one")
    assert_allclose(design.offset, DATA["x"] + np.log(DATA["size"]) + 1)


# --- formulas of parameters beside the mean ----------------------------------------------------


def test_formulas_beside_the_mean():
    auxiliary = {"dispersion": "~ scale(x) + f", "zero_inflation": "~ 1", "other": None}
    design = design_of("y ~ x + (1 | g)", "counts", auxiliary=auxiliary)
    assert list(design.auxiliary) == ["dispersion", "zero_inflation"]
    part = design.auxiliary["dispersion"]
    assert part.names == ["Intercept", "scale(x)", "f[T.b]", "f[T.c]"]
    assert str(part.formula) == "~ scale(x) + f"
    z = DATA["x"] - DATA["x"].mean()
    assert_allclose(part.X[:, part.names.index("scale(x)")], z / z.std())
    assert_array_equal(design.auxiliary["zero_inflation"].X, np.ones((6, 1)))
    assert design.formula_data.columns == ("y", "x", "g", "f")
    assert own_rows(design).auxiliary["dispersion"] is part.X
    again = pickle.loads(pickle.dumps(design))
    assert_array_equal(again.auxiliary["dispersion"].X, part.X)


def test_missing_values_in_formulas_beside_the_mean():
    data = DATA.astype({"size": float})
    data.loc[1, "f"] = None
    data.loc[2, "x"] = np.nan
    data.loc[3, "size"] = 0.0
    with pytest.warns(MissingDataWarning) as caught:
        design = design_of("y ~ x + (1 | g)", "counts", data, auxiliary={"dispersion": "~ f"})
    assert [str(w.message) for w in caught] == [
        "2 of 6 rows have missing values: in `x` (1), `f` (1). They are dropped."
    ]
    assert list(design.index) == [0, 3, 4, 5]
    assert design.auxiliary["dispersion"].names == ["Intercept", "f[T.b]", "f[T.c]"]
    assert design.auxiliary["dispersion"].X.shape == (4, 3)
    with pytest.raises(MissingDataError, match="`f`"):
        design_of("y ~ x", "counts", data, auxiliary={"dispersion": "~ f"}, missing="raise")
    # what a function makes NaN is dropped too, from all parts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = design_of("y ~ x", "counts", data, auxiliary={"dispersion": "~ sqrt(size - 1)"})
    assert list(design.index) == [0, 1, 4, 5]
    assert np.isfinite(design.auxiliary["dispersion"].X).all()


def test_dependent_columns_beside_the_mean():
    with pytest.warns(
        RankWarning, match="dispersion: the columns are .* dropped: `I\\(2 \\* x\\)`"
    ):
        design = design_of("y ~ x", "counts", auxiliary={"dispersion": "~ x + I(2 * x)"})
    assert design.auxiliary["dispersion"].names == ["Intercept", "x"]
    assert design.auxiliary["dispersion"].dropped == ["I(2 * x)"]


def test_contrasts_and_variables_beside_the_mean():
    options = {"auxiliary": {"dispersion": "~ f + I(x - centre)"}, "variables": {"centre": 2.0}}
    design = design_of("y ~ 1", "counts", contrasts={"f": "contr.sum"}, **options)
    part = design.auxiliary["dispersion"]
    assert_array_equal(part.X[:, part.names.index("I(x - centre)")], DATA["x"] - 2.0)
    assert_array_equal(np.unique(part.X[:, 1]), [-1, 0, 1])
    with pytest.raises(DataError, match="not in the formula"):
        design_of("y ~ 1", "counts", contrasts={"text": "contr.sum"}, **options)


def test_a_dot_beside_the_mean():
    data = DATA[["y", "x", "g", "size", "hit"]]
    design = design_of("y ~ 1 + (1 | g)", "counts", data, weights="size", auxiliary={"d": "~ ."})
    assert design.auxiliary["d"].names == ["Intercept", "x", "hit"]


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("x", FormulaError, "dispersion: no `~` in 'x': write dispersion='~ x'"),
        ("~ x + (1 | g)", FormulaError, r"dispersion: the random term \(1 \| g\)"),
        ("~ diag(x | g)", FormulaError, r"dispersion: the random term diag\(x \| g\)"),
        ("y ~ x", FormulaError, "dispersion: there is no response .* write dispersion='~ x'"),
        ("~ y", FormulaError, "dispersion: `y` is the response"),
        ("~ x + offset(x)", FormulaError, r"dispersion: offset\(x\) is not possible"),
        ("~ 0", FormulaError, "dispersion: no column is left"),
        ("~", FormulaError, "dispersion: nothing on the right"),
        ("~ x ~ f", FormulaError, "dispersion: a second `~`"),
        ("~ (x", FormulaError, "dispersion: `\\(` is never closed"),
        ("~ siz", ColumnError, "dispersion: `siz` is not a column.*`size`"),
        ("~ log(q)", ColumnError, "the dispersion formula: `q` is neither"),
        (3, FormulaError, "dispersion: a right-hand side such as '~ x' is needed, not 3"),
    ],
)
def test_refused_formulas_beside_the_mean(formula, error, message):
    with pytest.raises(error, match=message):
        design_of("y ~ x + (1 | g)", "counts", auxiliary={"dispersion": formula})


def test_new_rows_of_formulas_beside_the_mean():
    auxiliary = {"dispersion": "~ f + scale(x)", "zero_inflation": "~ size"}
    design = design_of("y ~ x + (1 | g)", "counts", auxiliary=auxiliary)
    options = {"new_levels": "raise", "offset": None, "what": "predict"}
    new = DATA.iloc[[4, 2, 0]].assign(x=[3.0, np.nan, 0.0])
    rows = new_rows(design, new, [0], auxiliary=["dispersion"], **options)
    assert list(rows.auxiliary) == ["dispersion"]
    expected = design.auxiliary["dispersion"].X[[4, 2, 0]]
    expected[1] = np.nan
    assert_allclose(rows.auxiliary["dispersion"], expected)
    assert_array_equal(rows.complete, [True, False, True])
    # what is not asked for needs no columns
    fewer = new[["x", "g"]]
    assert new_rows(design, fewer, [0], **options).auxiliary == {}
    with pytest.raises(ColumnError, match="the new data lack `f`"):
        new_rows(design, fewer, [0], auxiliary=["dispersion"], **options)
    with pytest.raises(DataError, match="levels that the model does not know: 'z'"):
        new_rows(design, new.assign(f="z"), [0], auxiliary=["dispersion"], **options)


def test_new_rows_need_functions_of_each_row():
    auxiliary = {"dispersion": "~ I(x - x.mean())"}
    design = design_of("y ~ x", "counts", auxiliary=auxiliary)
    options = {"new_levels": "raise", "offset": None, "what": "predict"}
    with pytest.raises(DataError, match="depends on the other rows"):
        new_rows(design, DATA, [], auxiliary=["dispersion"], **options)


# --- changed models ----------------------------------------------------------------------------


def changed(design, **changes) -> Design:
    return build_design(changed_formula_data(design, ModelChanges(**changes)))


def test_changed_formulas_keep_what_is_beside_them():
    design = design_of(
        "cbind(y, size - y) ~ x + (1 | g)", weights="trials", data=DATA.assign(trials=2),
        auxiliary={"dispersion": "~ f"},
    )  # fmt: skip
    fewer = changed(design, formula=". ~ . - x")
    assert str(fewer.bound.formula) == "cbind(y, size - y) ~ 1 + (1 | g)"
    assert_array_equal(fewer.observed.trials, DATA["size"])
    assert_array_equal(fewer.observed.case_weights, np.full(6, 2))
    assert fewer.auxiliary["dispersion"].names == ["Intercept", "f[T.b]", "f[T.c]"]
    assert changed(design, auxiliary={"dispersion": None}).auxiliary == {}
    other = changed(design, auxiliary={"dispersion": "~ x", "more": "~ g"})
    assert other.auxiliary["dispersion"].names == ["Intercept", "x"]
    assert other.auxiliary["more"].names == ["Intercept", "g[T.b]", "g[T.c]"]
    with pytest.raises(FormulaError, match="dispersion: `f` is the response"):
        changed(design, formula="f ~ x")
    with pytest.raises(ColumnError, match="dispersion: `hit`"):
        changed(design, auxiliary={"dispersion": "~ hit"})


def test_other_data_are_read_as_the_first():
    design = design_of("text ~ x + (1 | g)", weights="size", auxiliary={"dispersion": "~ f"})
    other = changed(design, data=DATA.iloc[1:], weights=None)
    assert other.observed.levels == ("no", "yes")
    assert_array_equal(other.observed.trials, np.ones(5))
    assert other.auxiliary["dispersion"].X.shape == (5, 3)
