"""Random forms: shapes, sparsity, masks, weights."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from lmforms.latent.modalities import Modalities


def form_data(rng, n=40, sizes=(6, 7, 8), k=3, noise=0.0):
    """Y, X, Z of rank k with independent noise."""
    K, H = rng.normal(size=(2, n, k))
    codes = (K + H, K, H)
    return tuple(
        C @ rng.normal(size=(k, c)) + noise * rng.normal(size=(n, c)) for C, c in zip(codes, sizes)
    )


@st.composite
def problems(draw):
    """Modalities of any kind, weights, ridge and rank."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k = draw(st.integers(1, 3))
    n = draw(st.integers(2 * k + 2, 25))
    sizes = draw(st.integers(1, 6)), draw(st.integers(k, 7)), draw(st.integers(k, 7))
    Y, X, Z = form_data(rng, n, sizes, k, noise=draw(st.sampled_from([0.01, 0.3, 3.0])))
    if draw(st.booleans()):
        Z = sp.csr_array(np.where(rng.random(Z.shape) < 0.6, Z, 0.0))
    if draw(st.booleans()):
        X = sp.csr_array(X)
    seen = None
    if draw(st.booleans()):
        seen = rng.random(Y.shape) < draw(st.sampled_from([0.5, 0.9]))
        seen[0] = True
        Y = np.where(seen, Y, 0.0)
    weights = tuple(10.0 ** draw(st.integers(-3, 3)) for _ in range(3))
    ridge = draw(st.sampled_from([0.0, 1e-6, 0.1, 10.0]))
    return Modalities.of(Y, X, Z, seen), weights, ridge, k, rng
