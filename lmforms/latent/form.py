"""`LinearMixedForm`: the estimator, with the conventions of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import ConvergenceWarning
from . import facts
from .encoding import second_moments
from .fitting import Options, fitted_walk
from .inputs import Block, block, modalities
from .objective import Modalities
from .parameters import Parameters
from .uses import NAMES, FittedForm


class LinearMixedForm(FittedForm, Parameters):
    """Y ≈ (K+H)α', X ≈ Kβ', Z ≈ Hu': three matrices of the same rows, two latent codes.

    Parameters
    ----------
    rank : int
        Number k of latent components; at most what X and Z carry.
    method : {"als", "algorithm1"}
        Exact block-coordinate descent on F, or the paper's iteration as corrected.
    weights : tuple of three or mapping, optional
        What Y, X, Z count in F. Default: 1/‖·‖² of each.
    ridge : float
        ρ of F, for "als".
    l1, l2 : float
        Elastic net on α, β, u, for "algorithm1".
    start : {"svd", "random"}, LinearMixedForm, or a list of these
        The aligned start, random codes, or the loadings of an earlier fit of this rank on the
        same columns. Of a list all are tried and the fit with the least F is kept.
    tol : float
        Stop once a sweep lowers F by less than this share of F.
    max_iter : int
        Most sweeps.
    seed : int, optional
        For random starts and randomised singular vectors; 0 if not given.

    Attributes
    ----------
    K_, H_ : (n, k)
        Codes, in canonical form.
    alpha_, beta_, u_ : (m, k), (p, k), (q, k)
        Loadings of Y, X, Z.
    D_ : (m,)
        Mean squared residual of each column of Y.
    weights_ : Weights
    objective_trace_ : ndarray
        F, sweep by sweep.
    objective_ : float
    explained_ : Series
        1 − ‖residual‖²/‖·‖² of Y, X and Z, about zero.
    status_ : FormStatus
    rank_ : int

    Notes
    -----
    There are no intercepts: centre columns whose means are not of interest. Rows and columns
    of frames keep their labels; with bare arrays the attributes are arrays. A sparse X or Z
    stays sparse; a sparse Y is made dense.

    References
    ----------
    D. Banh, "Linear Mixed Forms".

    Examples
    --------
    >>> import lmforms as lf
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(2, 40, 2))
    >>> Y, X, Z = ((K + H) @ rng.normal(size=(2, 5)), K @ rng.normal(size=(2, 6)),
    ...            H @ rng.normal(size=(2, 7)))
    >>> form = lf.latent.LinearMixedForm(rank=2).fit(Y, X, Z)
    >>> bool(np.allclose(form.transform(X=X, Z=Z, to="Y"), Y))
    True
    """

    alpha_: Any
    beta_: Any
    u_: Any
    D_: Any

    def __init__(
        self,
        rank: int,
        method: Literal["als", "algorithm1"] = "als",
        weights: Sequence[float] | Mapping[str, float] | None = None,
        ridge: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        start: Any = "svd",
        tol: float = 1e-9,
        max_iter: int = 500,
        seed: int | None = None,
    ) -> None:
        self.rank = rank
        self.method = method
        self.weights = weights
        self.ridge = ridge
        self.l1 = l1
        self.l2 = l2
        self.start = start
        self.tol = tol
        self.max_iter = max_iter
        self.seed = seed

    def fit(self, Y: Any, X: Any, Z: Any) -> LinearMixedForm:
        """Find codes and loadings.

        Parameters
        ----------
        Y : DataFrame or array (n, m)
            NaN where not measured ("als" only).
        X, Z : DataFrame, array or sparse matrix (n, p), (n, q)

        Returns
        -------
        LinearMixedForm
            Itself.

        Raises
        ------
        DataError
            Rows differ, entries are missing or not numeric, a modality is constant.
        ModelError
            The rank is above what the data carry.
        ArgumentError
            A parameter is out of its range, or not one of the method's.
        """
        blocks = block(Y, "Y", missing=True), block(X, "X"), block(Z, "Z")
        self._fitted(blocks, modalities(*blocks))
        if not self.status_.converged:
            warnings.warn(self.status_.message, ConvergenceWarning, stacklevel=2)
        return self

    def _fitted(self, blocks: Sequence[Block], data: Modalities) -> LinearMixedForm:
        """Itself, fitted to data that were checked before; nothing is warned of."""
        options = Options.of(self.get_params())
        walk, weights = fitted_walk(data, options)
        codes, loadings = walk.codes, walk.loadings
        self.rank_, self.weights_, self.status_ = options.rank, weights, walk.status
        self.objective_trace_ = np.array(walk.trace)
        self.objective_ = walk.trace[-1]
        self.explained_ = pd.Series(facts.explained_shares(data, codes, loadings), name="explained")
        self._codes, self._loadings = codes, loadings
        self._moments = second_moments(codes)
        self._columns = {b.name: b.columns for b in blocks}
        self._variances = facts.residual_variances(data, codes, loadings)
        self._precisions = facts.noise_precisions(data, self._variances)
        rows = next((b.rows for b in blocks if b.rows is not None), None)
        self.K_, self.H_ = (self._labelled(A, rows) for A in codes)
        self.alpha_, self.beta_, self.u_ = (
            self._labelled(A, self._columns[name]) for A, name in zip(loadings, NAMES)
        )
        columns, D = self._columns["Y"], self._variances["Y"]
        self.D_ = D if columns is None else pd.Series(D, index=columns, name="D")
        self._rows = rows
        return self
