"""The canonical form: one choice among codes and loadings that say the same.

For any invertible T the codes KT, HT with loadings LT⁻ᵀ leave every product, and
with ρ = 0 the objective F, as they are. The one reported is balanced:

    K'K + H'H = Σ_j w_jL_j'L_j = Λ,  diagonal and decreasing,

which one singular value decomposition gives. With a ridge the weights on the right are 1: of all
T this is the one at which the ridge is least, so that F does not rise.
"""

from __future__ import annotations

import numpy as np

from .objective import Codes, Loadings, Weights


def canonical(
    codes: Codes, loadings: Loadings, weights: Weights | None = None
) -> tuple[Codes, Loadings]:
    """Balanced codes and loadings with the same products.

    Signs are such that in each component the loading that is largest in absolute value, in units
    of √w, is positive. Components are unique if the entries of Λ differ.

    Parameters
    ----------
    codes : Codes
    loadings : Loadings
    weights : Weights, optional
        Default: 1 each.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> codes = Codes(rng.normal(size=(6, 2)), rng.normal(size=(6, 2)))
    >>> loadings = tuple(rng.normal(size=(c, 2)) for c in (3, 4, 5))
    >>> T = np.array([[2.0, 1.0], [0.0, -1.0]])
    >>> back = np.linalg.inv(T).T
    >>> other = Codes(*(A @ T for A in codes)), tuple(A @ back for A in loadings)
    >>> bool(np.allclose(canonical(codes, loadings)[0].K, canonical(*other)[0].K))
    True
    """
    roots = np.ones(len(loadings)) if weights is None else np.sqrt(weights)
    n = codes.K.shape[0]
    left, upper = np.linalg.qr(np.vstack(codes))
    right, lower = np.linalg.qr(np.vstack([r * A for r, A in zip(roots, loadings)]))
    u, values, vt = np.linalg.svd(upper @ lower.T)
    half = np.sqrt(values)
    stacked_codes, stacked = left @ (u * half), right @ (vt.T * half)
    strongest = np.abs(stacked).argmax(axis=0)
    signs = np.where(stacked[strongest, np.arange(len(half))] < 0, -1.0, 1.0)
    stacked_codes *= signs
    stacked *= signs
    ends = np.cumsum([A.shape[0] for A in loadings])[:-1]
    split = (A / r for A, r in zip(np.split(stacked, ends), roots))
    K, H = np.ascontiguousarray(stacked_codes[:n]), np.ascontiguousarray(stacked_codes[n:])
    return Codes(K, H), tuple(split)
