"""Clear errors for wrong arguments of means, slopes, joint tests and averages."""

import re

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, ModelError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "fert": rng.choice(["none", "some", "much"], 60),
            "wet": rng.choice([True, False], 60),
            "x": rng.normal(5, 1, 60),
            "plot": rng.integers(0, 6, 60).astype(str),
            "c": 1.0,
            "when": pd.date_range("2020-01-01", periods=60),
        }
    )
    frame["y"] = np.exp(
        frame["x"] / 5 + rng.normal(size=6)[frame["plot"].astype(int)] / 2 + rng.normal(size=60) / 3
    )
    return frame


@pytest.fixture(scope="module")
def fit(data):
    return lf.lmer("y ~ fert * wet + x + (1 | plot)", data)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"spec": "fret"},
            ColumnError,
            "spec has `fret`.*Did you mean `fert`.*Predictors: fert, wet, x",
        ),
        ({"spec": "plot"}, ColumnError, "not a predictor of the fixed part"),
        ({"spec": "fert | wet"}, ColumnError, "Formulas are not read here.*by="),
        ({"spec": 3}, ArgumentError, "a name or a list of names is needed"),
        ({"spec": ["fert", "fert"]}, ArgumentError, "spec has `fert` twice"),
        ({"spec": "fert", "by": "fert"}, ArgumentError, "`fert` is in spec and in by"),
        ({"spec": "fert", "by": "wett"}, ColumnError, "by has `wett`.*Did you mean `wet`"),
        ({"spec": "fert", "at": {"xx": 1}}, ColumnError, "at names `xx`"),
        ({"spec": "fert", "at": [1]}, ArgumentError, "mapping of predictors to values"),
        (
            {"spec": "fert", "at": {"fert": "mush"}},
            DataError,
            "no levels: 'mush'.*Did you mean `much`",
        ),
        ({"spec": "fert", "at": {"wet": 1}}, DataError, "no levels: 1"),
        ({"spec": "fert", "at": {"x": "5"}}, ArgumentError, "finite number is needed"),
        ({"spec": "fert", "at": {"x": [1, np.nan]}}, ArgumentError, "finite number is needed"),
        ({"spec": "fert", "at": {"x": [1, 1]}}, ArgumentError, r"at\['x'\] has 1.0 twice"),
        ({"spec": "fert", "at": {"x": []}}, ArgumentError, "at least one value"),
        ({"spec": "fert", "weights": "prop"}, ArgumentError, "weights='prop'"),
        ({"spec": "fert", "contrast": "pairs"}, ArgumentError, "contrast='pairs'.*pairwise"),
        ({"spec": "fert", "contrast": 3}, ArgumentError, "a name, a mapping"),
        ({"spec": "fert", "contrast": {}}, ArgumentError, "at least one contrast"),
        ({"spec": "fert", "contrast": {"a": [1, -1]}}, ArgumentError, "2 coefficients for 3 means"),
        ({"spec": "fert", "contrast": {"a": ["1", "2", "3"]}}, ArgumentError, "must be numbers"),
        ({"spec": "fert", "contrast": {"a": {"mich": 1}}}, ArgumentError, "Did you mean `much`"),
        ({"spec": "fert", "contrast": [[1, -1]]}, ArgumentError, "2 columns for 3 means"),
        ({"spec": "fert", "contrast": [[1, np.inf, 0]]}, ArgumentError, "must be finite"),
        ({"spec": "x", "contrast": "pairwise"}, ArgumentError, "at least two means"),
        (
            {"spec": "fert", "contrast": "pairwise", "adjust": "tuckey"},
            ArgumentError,
            "Did you mean `tukey`",
        ),
        ({"spec": "fert", "adjust": "tuckey"}, ArgumentError, "Did you mean `tukey`"),
        (
            {"spec": "fert", "letters": True, "adjust": "tuckey"},
            ArgumentError,
            "Did you mean `tukey`",
        ),
        ({"spec": "fert", "letters": "yes"}, ArgumentError, "True or False"),
        (
            {"spec": "fert", "letters": True, "contrast": "eff"},
            ArgumentError,
            "letters are for means",
        ),
        ({"spec": "fert", "reference": "some"}, ArgumentError, "reference is for"),
        (
            {"spec": "fert", "contrast": "eff", "reference": "some"},
            ArgumentError,
            "reference is for",
        ),
        (
            {"spec": "fert", "contrast": "trt.vs.ctrl", "reference": "sone"},
            ArgumentError,
            "label of no mean.*Did you mean `some`",
        ),
        ({"spec": "fert", "ddf": "kr"}, ArgumentError, "ddf='kr'"),
        ({"spec": "fert", "level": 95}, ArgumentError, "level=95"),
        ({"spec": "fert", "kind": "respnse"}, ArgumentError, "Did you mean `response`"),
        ({"spec": "fert", "kind": "response"}, ModelError, "`y` is not transformed"),
        ({"spec": "fert", "bias_adjust": True}, ArgumentError, "kind='response'"),
        ({"spec": "fert", "bias_adjust": -1.0}, ArgumentError, "bias_adjust=-1.0"),
        ({"spec": "fert", "typ": "response"}, ArgumentError, "no argument `typ`"),
    ],
)
def test_emmeans(fit, arguments, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        fit.emmeans(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"var": "wet"}, ArgumentError, "`wet` is a factor and has no slope.*Numbers: x"),
        ({"var": "plot"}, ColumnError, "not a predictor"),
        ({"var": ["x"]}, ArgumentError, "a name is needed"),
    ],
)
def test_emtrends(fit, arguments, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        fit.emtrends("fert", **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"slope": "x", "comparison": "fert"}, ArgumentError, "either slope= or comparison="),
        ({"slope": 3}, ArgumentError, "slope must be a sequence of names"),
        ({"slope": [3]}, ArgumentError, "a name is needed"),
        ({"by": 3}, ArgumentError, "by must be a sequence of names"),
        ({"by": [3]}, ArgumentError, "names of columns are needed"),
        ({"comparison": 3}, ArgumentError, "a name or a list of names"),
        ({"slope": "fert"}, ArgumentError, "is a factor and has no slope"),
        ({"by": "y2"}, ColumnError, "by has `y2`.*Columns: "),
        ({"by": "x", "at": {"x": 3}}, ArgumentError, "in at= and in by="),
        ({"comparison": "x", "at": {"x": 3}}, ArgumentError, "in at= and in comparison="),
        ({"comparison": "fret"}, ColumnError, "Did you mean `fert`"),
        ({"comparison": {"fert": "pair"}}, ArgumentError, "`fert` is a factor.*'pairwise'"),
        ({"comparison": {"fert": ("none", "mush")}}, DataError, "no levels: 'mush'"),
        ({"comparison": {"fert": ("none",)}}, ArgumentError, "two values"),
        ({"comparison": {"x": "sd"}}, ArgumentError, "finite number"),
        ({"comparison": {"x": (1, 1)}}, ArgumentError, "twice"),
        ({"data": {"fert": ["none"]}}, ColumnError, "lack `wet`"),
        (
            {"data": {"fert": ["nine"], "wet": [True], "x": [1.0]}},
            DataError,
            "does not know: 'nine'",
        ),
        ({"data": {"fert": ["none"], "wet": [True], "x": [np.nan]}}, DataError, "missing values"),
        ({"data": {"fert": [], "wet": [], "x": []}}, DataError, "no rows"),
    ],
)
def test_average(fit, arguments, error, message):
    with pytest.raises(error, match=re.compile(message, re.DOTALL)):
        fit.average(**arguments)


def test_joint_tests(fit):
    with pytest.raises(ColumnError, match="by has `plot`"):
        fit.joint_tests(by="plot")
    with pytest.raises(ArgumentError, match="weights"):
        fit.joint_tests(weights="even")


def test_names_of_the_table_itself(data):
    fit = lf.lmer("y ~ df + (1 | plot)", data.rename(columns={"fert": "df"}))
    with pytest.raises(ArgumentError, match="`df` is a column of the table itself: rename"):
        fit.emmeans("df")
    with pytest.raises(ArgumentError, match="rename"):
        fit.average("df")


@pytest.mark.parametrize(
    "response", ["sin(y)", "log(y) + y", "I(y * x)", "log(abs(y))", "I((y - 1.5) ** 2)"]
)
def test_transformations_that_are_not_inverted(data, response):
    fit = lf.lmer(f"{response} ~ fert + (1 | plot)", data)
    with pytest.raises(ModelError, match=r"cannot be inverted|does not determine"):
        fit.emmeans("fert", kind="response")


def test_expressions_of_other_rows(data):
    fit = lf.lmer("y ~ fert + I(x - x.mean()) + (1 | plot)", data)
    for call in (lambda: fit.emmeans("fert"), lambda: fit.average("fert"), fit.joint_tests):
        with pytest.raises(DataError, match="depends on the other rows"):
            call()


def test_dates(data):
    fit = lf.lmer("y ~ fert + days(when) + (1 | plot)", data, context={"days": lambda d: d.dt.day})
    with pytest.raises(DataError, match="`when` holds neither numbers nor labels"):
        fit.emmeans("fert")


@pytest.mark.filterwarnings("ignore::lmforms.errors.RankWarning")
def test_a_constant_has_no_slope(data):
    fit = lf.lmer("y ~ fert + c + (1 | plot)", data)
    with pytest.raises(DataError, match="does not vary"):
        fit.emtrends("fert", "c")


def test_a_grid_that_is_too_large():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({name: rng.integers(0, 120, 2000).astype(str) for name in "abc"})
    data["y"] = rng.normal(size=2000)
    fit = lf.lmer("y ~ a + b + c", data)
    with pytest.raises(ModelError, match=r"1,728,000 cells.*at=\{'a': \[...\]\}"):
        fit.emmeans("a")
    fit.emmeans("a", at={"b": ["1", "2"]})  # the advice
    fit.average(by="b")


def test_offset_arrays_are_not_known_elsewhere(data):
    fit = lf.lmer("y ~ fert + (1 | plot)", data, offset=np.ones(60))
    with pytest.raises(ArgumentError, match="offset='name'"):
        fit.average(data=data)
    assert np.isfinite(fit.average(data=data, comparison="fert")["estimate"]).all()
    named = lf.lmer("y ~ fert + (1 | plot)", data, offset="c")
    assert np.isfinite(named.average(data=data)["estimate"]).all()


def test_missing_groups_of_given_rows(fit, data):
    other = data.assign(group=[None, *["a"] * 59])
    with pytest.raises(DataError, match="`group` of `by` has missing values"):
        fit.average("group", data=other)
