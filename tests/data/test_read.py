"""One reading of formula and data, for one fit and for many."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import lmforms as lf
from lmforms.data.build_design import build_design
from lmforms.data.read import read_formula_data
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FormulaError,
    MissingDataWarning,
    RankWarning,
)

N = 40
RNG = np.random.default_rng(3)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "f": RNG.choice(list("ab"), N),
        "g": np.arange(N) % 8,
        "w": RNG.uniform(1, 2, N),
        "y": RNG.normal(size=N),
    }
)


def test_what_is_read_is_what_the_formula_needs():
    read = read_formula_data("y ~ x * f + (1 | g)", DATA, weights="w", offset="x")
    assert read.bound.columns == ("x", "f", "g", "y")
    assert str(read.formula) == "y ~ x * f + (1 | g)"
    assert read.offset_column == "x"
    assert_array_equal(read.frame.extra["weights"], DATA["w"])


def test_a_dot_leaves_out_weights_offset_and_reserved_columns():
    data = DATA.assign(z=1.5)
    read = read_formula_data("y ~ . + (1 | g)", data, weights="w", offset="z", reserved=["f"])
    assert read.bound.columns == ("x", "g", "y")


def test_the_design_is_that_of_a_model():
    read = read_formula_data("y ~ x * f + (x | g)", DATA, contrasts={"f": "contr.sum"})
    design = build_design(read)
    model = lf.MixedModel("y ~ x * f + (x | g)", DATA, contrasts={"f": "contr.sum"})
    assert_array_equal(design.X, model.design.X)
    assert_array_equal(design.groups[0].codes, model.design.groups[0].codes)


def test_variables_stand_for_those_of_the_caller():
    shift = 2.0
    formula = "y ~ I(x + shift) + (1 | g)"
    own = build_design(read_formula_data(formula, DATA)).X[:, 1]
    assert_array_equal(own, DATA["x"] + shift)
    given = build_design(read_formula_data(formula, DATA, variables={"shift": 1.0})).X[:, 1]
    assert_array_equal(given, DATA["x"] + 1.0)
    with pytest.raises(ColumnError, match="`shift`"):
        build_design(read_formula_data(formula, DATA, context={}))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"formula": "y ~ (x"}, FormulaError, "never closed"),
        ({"formula": "y ~ q + (1 | g)"}, ColumnError, "`q`"),
        ({"weights": "v"}, ColumnError, "weights='v'"),
        ({"offset": np.zeros(3)}, DataError, "offset has shape"),
        ({"contrasts": {"q": "contr.sum"}}, ColumnError, "contrasts: `q`"),
        ({"contrasts": {"w": "contr.sum"}}, DataError, "not in the formula"),
        ({"contrasts": {"x": "contr.sum"}}, DataError, "holds numbers"),
        ({"context": [1]}, ArgumentError, "context must be a mapping"),
        ({"missing": "keep"}, ArgumentError, "missing"),
    ],
)
def test_the_same_refusals_everywhere(options, error, message):
    options = {"formula": "y ~ x + f + (1 | g)", **options}
    for read in (read_formula_data, lf.MixedModel, lf.lmer):
        with pytest.raises(error, match=message):
            read(data=DATA, **options)


def test_warnings_point_at_the_line_of_the_user():
    data = DATA.assign(twice=2 * DATA["x"], x=DATA["x"].where(DATA.index != 3))
    Y = RNG.normal(size=(N, 2))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        lf.MixedModel("y ~ x + twice + (1 | g)", data)
        lf.lmer_many("~ x + twice + (1 | g)", data, Y, missing="drop")
    kinds = [w.category for w in found]
    assert kinds.count(MissingDataWarning) == kinds.count(RankWarning) == 2
    assert {w.filename for w in found} == {__file__}
