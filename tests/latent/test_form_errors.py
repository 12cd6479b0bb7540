"""What cannot be decomposed is refused, and the message names the culprit and the way out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from simulated import form_data

from lmforms.errors import ArgumentError, ConvergenceWarning, DataError, ModelError
from lmforms.latent import LinearMixedForm, choose_rank

Y, X, Z = form_data(np.random.default_rng(0), 30, (5, 6, 7), 2, noise=0.3)


def changed(A, value, at=(3, 2)):
    A = A.copy()
    A[at] = value
    return A


@pytest.mark.parametrize(
    "data, message",
    [
        ((Y[:-1], X, Z), "Y has 29 rows and X has 30.*Select"),
        ((Y, X, Z[:-2]), "Y has 30 rows and Z has 28"),
        ((Y, changed(X, np.nan), Z), "X has missing.*column 2.*impute"),
        ((Y, X, sp.csr_array(changed(Z, np.nan))), "Z has missing.*column 2"),
        ((changed(Y, np.inf), X, Z), "Y has missing or infinite.*NaN"),
        ((Y, np.ones((30, 3)), Z), "X is constant.*centre"),
        ((Y, X, sp.csr_array((30, 4))), "Z is constant"),
        ((np.full((30, 2), 3.0), X, Z), "Y is constant"),
        ((changed(Y, np.nan, at=(slice(None), 1)), X, Z), "no known entry in column 1"),
        ((Y, pd.DataFrame({"a": X[:, 0], "kind": list("abc") * 10}), Z), "numeric: kind.*dummies"),
        ((Y, np.array([["a", "b"]] * 30), Z), "X is not numeric"),
        ((Y, X + 1j, Z), "X is not numeric"),
        ((Y, X, np.empty((30, 0))), "Z is empty"),
        ((Y, X[None], Z), "3 dimensions"),
        (
            (pd.DataFrame(Y), pd.DataFrame(X).iloc[::-1], Z),
            "different row labels.*X.loc",
        ),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(DataError, match=message):
        LinearMixedForm(1).fit(*data)


def test_rank_above_what_the_data_carry():
    with pytest.raises(ModelError, match=r"X can carry.*rank=6 or less"):
        LinearMixedForm(7).fit(Y, X, Z)
    thin = Z[:, :1] @ np.ones((1, 5))
    with pytest.raises(ModelError, match=r"Z carries: 1 .*rank=1 or less"):
        LinearMixedForm(2).fit(Y, X, thin)
    with pytest.raises(ModelError, match="Z carries"):
        LinearMixedForm(2).fit(Y, X, sp.csr_array(thin))


@pytest.mark.parametrize(
    "params, message",
    [
        ({"rank": 0}, "rank=0"),
        ({"rank": 1.5}, "rank=1.5"),
        ({"method": "em"}, "'als', 'ml', 'algorithm1'"),
        ({"ridge": -1.0}, "ridge=-1.0"),
        ({"ridge": np.nan}, "ridge=nan"),
        ({"l1": 0.1}, 'l1 belongs to method="algorithm1", not to "als"'),
        ({"ridge": 0.1, "method": "algorithm1"}, "ridge belongs"),
        ({"ridge": 0.1, "method": "ml"}, "ridge belongs"),
        ({"l2": 0.1, "method": "ml"}, "l2 belongs"),
        ({"start": "pca"}, "none of 'svd', 'regression', 'random'"),
        ({"weights": (1, 2)}, "each of Y, X, Z"),
        ({"weights": {"Y": 1.0}}, "each of Y, X, Z"),
        ({"weights": (1, 0, 1)}, "positive"),
        ({"max_iter": 0}, "max_iter"),
        ({"start": []}, "empty"),
        ({"seed": "a"}, "seed='a'"),
        ({"start": LinearMixedForm(2)}, "fitted"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ArgumentError, match=message):
        LinearMixedForm(**{"rank": 1, **params}).fit(Y, X, Z)


def test_bad_uses():
    form = LinearMixedForm(2, max_iter=3000)
    with pytest.raises(ArgumentError, match="not fitted"):
        form.encode(X=X)
    form.fit(Y, X, Z)
    with pytest.raises(ArgumentError, match="at least one"):
        form.encode()
    with pytest.raises(ArgumentError, match="'W'"):
        form.transform(X=X, to="W")
    with pytest.raises(DataError, match="X has 5 columns and was fitted with 6"):
        form.encode(X=X[:, :5])
    with pytest.raises(DataError, match="rows"):
        form.encode(X=X, Z=Z[:4])
    with pytest.raises(ArgumentError, match="other columns"):
        LinearMixedForm(1, start=form).fit(Y, X, Z)
    with pytest.raises(DataError, match="only method"):
        LinearMixedForm(1, method="algorithm1").fit(changed(Y, np.nan), X, Z)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        LinearMixedForm(2, max_iter=1).fit(Y, X, Z)
    with pytest.raises(ArgumentError, match="held"):
        choose_rank(Y, X, Z, held="columns")
    with pytest.raises(ArgumentError, match="folds=1"):
        choose_rank(Y, X, Z, folds=1)
