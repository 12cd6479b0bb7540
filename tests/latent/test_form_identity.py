"""The full expression of the paper: with inverses it holds, as printed it does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import DataError, ModelError
from lmforms.latent import LinearMixedForm
from lmforms.latent.form_identity import SeparateCodes
from lmforms.latent.modalities import Modalities

N, RANK = 60, 2


def measured(noise, columns=(5, 6, 7), seed=0):
    rng = np.random.default_rng(seed)
    K, H = rng.normal(size=(2, N, RANK))
    parts = [C @ rng.normal(size=(RANK, c)) for C, c in zip((K + H, K, H), columns)]
    return [A + noise * rng.normal(size=A.shape) for A in parts]


def pi(L):
    return np.linalg.pinv(np.asarray(L)).T


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
@pytest.mark.parametrize("method", ["als", "algorithm1", "ml"])
def test_without_noise_it_holds_with_inverses_only(method):
    form = LinearMixedForm(RANK, method=method).fit(*measured(0.0))
    share = form.form_identity().share
    assert share < (1e-6 if method == "ml" else 1e-20)  # likelihood keeps some noise
    assert form.form_identity(normalised=False).share > 0.1


def test_e_by_hand_where_there_is_noise():
    Y, X, Z = measured(0.3)
    form = LinearMixedForm(RANK).fit(Y, X, Z)
    left = Y @ pi(form.alpha_)
    identity = form.form_identity()
    e = left - X @ pi(form.beta_) - Z @ pi(form.u_)
    np.testing.assert_allclose(identity.e, e, atol=1e-12)
    assert identity.share == pytest.approx(np.sum(e**2) / np.sum(left**2), rel=1e-12)
    assert 0.001 < identity.share < 0.2
    said = f"e is 60×2, with a share of {identity.share:.3g}>"
    assert repr(identity) == f"<FormIdentity Yπ(α) = Xπ(β) + Zπ(u) + e: {said}"
    assert "(K+H)(α'α) = K(β'β) + H(u'u) + e: e is 60×2" in repr(form.form_identity(False))


def test_units_do_not_matter():
    Y, X, Z = measured(0.3)
    shares = {
        normalised: [
            LinearMixedForm(RANK, tol=1e-12).fit(c * Y, X, Z).form_identity(normalised).share
            for c in (0.01, 1.0, 100.0)
        ]
        for normalised in (True, False)
    }
    np.testing.assert_allclose(shares[True], shares[True][0], rtol=1e-5)
    assert max(shares[False]) > 10 * min(shares[False])


def test_modalities_of_a_side_have_one_code():
    Y, X, Z = measured(0.3)
    blocks = {"left": X[:, :3], "right": X[:, 3:]}
    form = LinearMixedForm(RANK, max_iter=3000).fit(Y, blocks, Z)
    roots = np.sqrt(form.weights_[["left", "right"]])
    beside = np.hstack([r * A for r, A in zip(roots, blocks.values())])
    loadings = np.vstack([r * form.beta_[name] for r, name in zip(roots, blocks)])
    e = Y @ pi(form.alpha_) - beside @ pi(loadings) - Z @ pi(form.u_)
    np.testing.assert_allclose(form.form_identity().e, e, atol=1e-10)


def test_a_response_thinner_than_the_rank_is_compared_where_it_is_determined():
    Y, X, Z = measured(0.0, columns=(1, 6, 7))
    form = LinearMixedForm(RANK).fit(Y, X, Z)
    identity = form.form_identity()
    assert identity.share < 1e-20
    along = form.alpha_[0] / np.linalg.norm(form.alpha_[0])
    np.testing.assert_allclose((form.K_ + form.H_) @ along, Y @ pi(form.alpha_) @ along, atol=1e-8)
    noisy = LinearMixedForm(RANK).fit(*measured(0.3, columns=(1, 6, 7))).form_identity()
    assert np.linalg.matrix_rank(noisy.e, tol=1e-10) == 1


def test_missing_entries_of_y():
    Y, X, Z = measured(0.0)
    gaps = Y.copy()
    gaps[0], gaps[1, 1:], gaps[2, 2:], gaps[3, 0] = np.nan, np.nan, np.nan, np.nan
    rows = pd.RangeIndex(100, 100 + N)
    form = LinearMixedForm(RANK, tol=1e-14, max_iter=5000)
    form.fit(*(pd.DataFrame(A, index=rows) for A in (gaps, X, Z)))
    identity = form.form_identity()
    assert identity.share < 1e-8
    assert identity.e.index.equals(rows)
    assert identity.e.isna().all(axis=1).tolist() == [True, True] + [False] * (N - 2)
    alpha = np.asarray(form.alpha_)
    for row, seen in ((2, slice(0, 2)), (3, slice(1, None)), (4, slice(None))):
        left = np.linalg.lstsq(alpha[seen], Y[row, seen], rcond=None)[0]
        e = left - X[row] @ pi(form.beta_) - Z[row] @ pi(form.u_)
        np.testing.assert_allclose(identity.e.iloc[row], e, atol=1e-9)


def test_where_it_is_undefined_it_says_so():
    Y, X, Z = measured(0.3)
    rng = np.random.default_rng(0)
    loadings = [rng.normal(size=(A.shape[1], RANK)) for A in (Y, X, Z)]
    loadings[1][:, 1] = 2 * loadings[1][:, 0]
    short = SeparateCodes(Modalities.of(Y, X, Z), tuple(loadings), (1.0, 1.0, 1.0))
    with pytest.raises(ModelError, match="β of X has rank 1"):
        short.identity()
    lonely = np.where(np.arange(5) == np.arange(N)[:, None] % 5, Y, np.nan)
    form = LinearMixedForm(RANK, ridge=0.01).fit(lonely, X, Z)
    with pytest.raises(DataError, match="no row has as many"):
        form.form_identity()
    assert form.form_identity(normalised=False).share > 0
    with pytest.raises(lf.errors.ArgumentError, match="normalised"):
        form.form_identity(normalised="no")
