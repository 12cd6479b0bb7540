"""The matrices of own and new rows, and the columns of each fixed-effects term."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, FormulaError

N = 90
RNG = np.random.default_rng(11)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.uniform(1, 2, N),
        "f": pd.Categorical(RNG.choice(list("abc"), N)),
        "g": np.arange(N) % 9,
        "s": RNG.choice(["u", "v"], N),
    },
    index=[f"row{i}" for i in range(N)],
)
DATA["y"] = DATA["x"] * (1 + RNG.normal(size=9)[DATA["g"]]) + RNG.normal(size=N)


def quiet(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


def total(fit, rows):
    return rows.X @ fit.params + rows.Z @ fit.matrices.b + rows.offset


FIT = quiet("y ~ x*f + (x | g) + (1 | g:s)")

FORMULAS = [
    "y ~ x*f + (x | g)",
    "y ~ scale(x) + (1 | g) + (0 + x | g)",
    "y ~ x + I(2*x) + poly(z, 2) + (f | s) + (1 | s:g)",
    "y ~ 0 + x + offset(log(z)) + (1 | g/s)",
    "y ~ x + f",
    "y ~ 0 + (1 | g)",
]


@pytest.mark.parametrize("formula", one_in(2, FORMULAS))
@pytest.mark.parametrize("random", ["all", "none", ["g"]])
def test_the_parts_add_up_to_the_prediction(formula, random):
    fit = quiet(formula)
    if random == ["g"] and "| g" not in formula:
        random = []
    for data in (None, DATA, DATA.iloc[[4, 2, 70]]):
        predicted = fit.predict(data, random=random)
        found = total(fit, fit.design(data, random=random))
        assert_allclose(found, predicted, rtol=1e-12, atol=1e-12)
        assert found.index.equals(predicted.index)


def test_own_rows_are_those_of_the_matrices():
    rows, matrices = FIT.design(), FIT.matrices
    pd.testing.assert_frame_equal(rows.X, matrices.X)
    assert_array_equal(rows.Z.toarray(), matrices.Z.toarray())
    assert rows.z_names.equals(matrices.z_names)
    assert (rows.offset == 0).all()


def test_z_is_the_indicators_times_the_basis():
    term, level = FIT.design(DATA.iloc[:5]), DATA["g"].iloc[:5].to_numpy()
    dense = np.zeros((5, 18))
    dense[np.arange(5), 2 * level] = 1.0
    dense[np.arange(5), 2 * level + 1] = DATA["x"].iloc[:5]
    assert_array_equal(term.Z.toarray()[:, :18], dense)


def test_rows_with_gaps_and_new_levels():
    new = DATA.iloc[:4].assign(x=[0.5, np.nan, 1.0, 2.0], g=[0, 1, 99, 3])
    with pytest.raises(DataError, match="99"):
        FIT.design(new)
    rows = FIT.design(new, new_levels="zero")
    assert rows.X.isna().all(axis=1).tolist() == [False, True, False, False]
    assert rows.offset.isna().tolist() == [False, True, False, False]
    assert not rows.Z.toarray()[[1, 2]].any()
    assert_allclose(total(FIT, rows), FIT.predict(new, new_levels="zero"), rtol=1e-12)
    assert "1 row with missing values" in repr(rows)


def test_columns_that_are_not_needed_may_be_absent():
    rows = FIT.design(DATA[["x", "f"]], random="none")
    assert rows.Z.shape == (N, FIT.matrices.Z.shape[1])
    assert rows.Z.nnz == 0
    assert not FIT.design(DATA.iloc[:0]).X.shape[0]


def test_the_errors_are_those_of_predict():
    with pytest.raises(ColumnError, match="design: the new data lack `g`"):
        FIT.design(DATA.drop(columns="g"))
    with pytest.raises(ArgumentError, match="design: offset needs new data"):
        FIT.design(offset=np.zeros(N))
    with pytest.raises(ArgumentError, match="random: `h`"):
        FIT.design(random="h")
    with pytest.raises(ArgumentError, match="new_data"):
        FIT.design(newdata=DATA)
    fit = quiet("y ~ I(x - x.mean()) + (1 | g)")
    with pytest.raises(DataError, match=r"design: .*depends on the other rows"):
        fit.design(DATA)
    fit = quiet("y ~ x + (1 | g)", offset=DATA["z"].to_numpy())
    with pytest.raises(ArgumentError, match=r"design\(offset=...\)"):
        fit.design(DATA)
    rows = fit.design(DATA.iloc[:2], offset=[1.0, 2.0])
    assert rows.offset.tolist() == [1.0, 2.0]


def test_weights_and_known_covariances_change_nothing():
    fit = quiet("y ~ x + (1 | g)", weights="z", offset="z")
    assert_allclose(total(fit, fit.design(DATA)), fit.predict(DATA), rtol=1e-12)
    K = lf.relationship.Relationship.of((np.eye(11) + 0.1, list(range(11))))
    related = quiet("y ~ x + (1 | g)", relationship={"g": K})
    rows = related.design(DATA.assign(g=10))
    assert rows.Z.shape == (N, 11)
    b = related.random_effects["g"].to_numpy().ravel()
    found = rows.X @ related.params + rows.Z @ b + rows.offset
    assert_allclose(found, related.predict(DATA.assign(g=10)), rtol=1e-12)


# --- columns of terms -----------------------------------------------------------------------


def columns(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        design = lf.MixedModel(formula, data, **options).design
    terms = design.fixed_terms
    every = np.concatenate([np.empty(0, dtype=int), *terms.values()])
    assert every.tolist() == list(range(len(design.x_names)))
    return {term: [design.x_names[j] for j in found] for term, found in terms.items()}


def test_columns_of_numbers():
    assert columns("y ~ x*z + (1 | g)") == {
        "Intercept": ["Intercept"],
        "x": ["x"],
        "z": ["z"],
        "x:z": ["x:z"],
    }
    assert columns("y ~ 0 + (1 | g)") == {}


def test_columns_of_factors_and_interactions():
    assert columns("y ~ f*x + (1 | g)") == {
        "Intercept": ["Intercept"],
        "f": ["f[T.b]", "f[T.c]"],
        "x": ["x"],
        "f:x": ["f[T.b]:x", "f[T.c]:x"],
    }
    assert columns("y ~ 0 + f:x + (1 | g)") == {"f:x": ["f[a]:x", "f[b]:x", "f[c]:x"]}
    assert columns("y ~ poly(x, 2) + C(f, contr.sum) + (1 | g)") == {
        "Intercept": ["Intercept"],
        "poly(x, 2)": ["poly(x, 2)[1]", "poly(x, 2)[2]"],
        "C(f, contr.sum)": ["C(f, contr.sum)[S.a]", "C(f, contr.sum)[S.b]"],
    }


def test_dropped_columns_belong_to_no_term():
    data = DATA.assign(twice=2 * DATA["x"], again=DATA["f"])
    assert columns("y ~ x + twice + z + (1 | g)", data) == {
        "Intercept": ["Intercept"],
        "x": ["x"],
        "twice": [],
        "z": ["z"],
    }
    assert columns("y ~ f + again + x:f + x + (1 | g)", data) == {
        "Intercept": ["Intercept"],
        "f": ["f[T.b]", "f[T.c]"],
        "again": [],
        "x": ["x"],
        "x:f": ["x:f[T.b]", "x:f[T.c]"],
    }


def test_a_column_named_like_an_interaction_is_a_term_of_its_own():
    data = DATA.assign(**{"x:f": pd.Categorical(RNG.choice(list("pq"), N))})
    found = columns("y ~ x*f + `x:f` + (1 | g)", data)
    assert found["`x:f`"] == ["x:f[T.q]"]
    assert found["x:f"] == ["x:f[T.b]", "x:f[T.c]"]


def test_two_columns_of_one_name_are_refused():
    data = DATA.assign(**{"x:z": RNG.normal(size=N)})
    with pytest.raises(FormulaError, match="two columns of the fixed part are called `x:z`"):
        lf.MixedModel("y ~ x*z + `x:z` + (1 | g)", data)
