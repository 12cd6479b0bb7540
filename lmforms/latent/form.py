"""`LinearMixedForm`: the estimator, with the conventions of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import ConvergenceWarning
from ..support.arguments import named_arguments
from ..support.caller import caller_depth
from .column_warnings import warn_of_columns
from .fitted_form import FittedForm, with_component_labels
from .fitting import best_fit
from .form_fit import FormFit
from .input_matrices import LabelledMatrix, check_vary, checked_matrices, modalities
from .modalities import Modalities, Side
from .options import Options
from .sklearn_parameters import Parameters


class LinearMixedForm(FittedForm, Parameters):
    """Y ≈ (K+H)α', X ≈ Kβ', Z ≈ Hu': matrices of the same rows, two latent codes.

    Of the fixed-like X and the random-like Z there may be several, each with its own loadings.

    Parameters
    ----------
    rank : int
        Number k of latent components; at most what X and Z carry.
    method : {"als", "ml", "algorithm1"}
        Exact block-coordinate descent on F; maximum likelihood of the covariance that the form
        implies; or the paper's iteration as corrected.
    weights : sequence or mapping, optional
        Weight of each modality in F, in order or by name. Default: 1/‖·‖² of each.
    ridge : float
        ρ of F, for "als".
    l1, l2 : float
        Elastic net on α, β, u, for "algorithm1".
    start : {"svd", "regression", "random"}, LinearMixedForm, or a list of these
        The aligned start from the leading vectors of X and Z; the same from those of X, and of Z
        beside what X leaves of Y; random codes; or the loadings of an earlier fit of this rank on
        the same columns. Of a list all are tried and the fit with the least F is kept.
    tol : float, optional
        Stop once a sweep lowers F by less than this share of F, 1e-9 by default; for "ml",
        five steps each −2 log-likelihood by less than this for each entry of the data, 1e-6.
    max_iter : int, optional
        Most sweeps; 500 by default, 2,000 for "ml", whose sweeps are shorter steps.
    seed : int, optional
        For random starts and randomised singular vectors; 0 if not given.

    Attributes
    ----------
    K_, H_ : (n, k)
        Codes, in canonical form; for "ml", E[K], E[H] given the row.
    alpha_, beta_, u_ : (m, k), (p, k), (q, k)
        Loadings of Y, X, Z. Where a side has several modalities, a dict of them.
    loadings_ : dict
        All loadings by the name of their modality.
    D_ : (m,)
        Mean squared residual of each column of Y; for "ml", its noise.
    variances_ : dict
        The same of all modalities.
    moments_ : (2k, 2k)
        Σ: second moments of (K, H) about zero; for "ml", their estimate.
    constants_ : dict
        The value of columns that were left out of the likelihood as they do not vary, NaN for all
        others; by modality.
    weights_ : Series
        By modality.
    objective_trace_ : ndarray
        F, sweep by sweep; for "ml", −2 log-likelihood.
    objective_ : float
    explained_ : Series
        1 − ‖residual‖²/‖·‖² by modality, about zero, of the columns that were not left out.
    status_ : FormStatus
    rank_ : int

    Notes
    -----
    There are no intercepts: centre columns whose means are not of interest. Rows and columns
    of frames keep their labels; with bare arrays the attributes are arrays. A sparse X or Z
    stays sparse; a sparse Y is made dense. Tall data are descended on through their
    cross-products, which are as large as the columns squared, and then on themselves.

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

    @named_arguments
    def __init__(
        self,
        rank: int,
        method: Literal["als", "ml", "algorithm1"] = "als",
        weights: Sequence[float] | Mapping[str, float] | None = None,
        ridge: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        start: Any = "svd",
        tol: float | None = None,
        max_iter: int | None = None,
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

    @named_arguments
    def fit(self, Y: Any, X: Any, Z: Any) -> LinearMixedForm:
        """Find codes and loadings.

        Parameters
        ----------
        Y : DataFrame or array (n, m)
            NaN where not measured ("als" only).
        X, Z : DataFrame, array or sparse matrix (n, p), (n, q)
            Or a list of these, called X1, X2, …, or a mapping from names to them.

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
            A parameter is out of its range, or not one of the method's; names are not unique.

        Warns
        -----
        ConvergenceWarning
            The tolerance was not met.
        ConstantColumnWarning
            Columns do not vary, and were left out of the likelihood ("ml").
        SingularWarning
            The codes explain columns exactly: their noise is at its floor ("ml").

        Examples
        --------
        >>> import lmforms as lf
        >>> rng = np.random.default_rng(0)
        >>> K, H = rng.normal(size=(2, 40, 2))
        >>> Y, image, sound, site = (
        ...     C @ rng.normal(size=(2, 5)) for C in (K + H, K, K, H))
        >>> form = lf.latent.LinearMixedForm(rank=2).fit(
        ...     Y, {"image": image, "sound": sound}, {"site": site})
        >>> guess = form.transform(X={"image": image}, Z={"site": site}, to="sound")
        >>> bool(np.allclose(guess, sound))
        True
        """
        checked = checked_matrices(Y, X, Z)
        data = modalities(checked)
        check_vary(checked)
        self._fit(checked, data)
        if not self.status_.converged:
            warnings.warn(self.status_.message, ConvergenceWarning, stacklevel=caller_depth())
        return self

    def _fit(self, matrices: tuple[LabelledMatrix, ...], data: Modalities) -> None:
        """Fit checked data; they may be constant."""
        options = Options.of(self.get_params())
        for start in options.starts:
            if isinstance(start, FittedForm) and hasattr(start, "_form_fit"):
                start._form_fit.check_same(matrices)
        estimate, weights = best_fit(data, [b.name for b in matrices], options)
        self._form_fit = fit = FormFit.of(matrices, data, estimate, weights, options.ridge)
        self.rank_, self.status_ = options.rank, estimate.status
        self.objective_trace_ = np.array(estimate.trace)
        self.objective_ = estimate.trace[-1]
        self.K_, self.H_ = (with_component_labels(A, fit.rows) for A in fit.codes)
        self.loadings_ = {
            p.name: with_component_labels(p.loading, p.columns) for p in fit.parts.values()
        }
        self.alpha_, self.beta_, self.u_ = (self._loadings_of(side) for side in Side)
        self.weights_, self.explained_ = (
            pd.Series({p.name: getattr(p, what) for p in fit.parts.values()}, name=what)
            for what in ("weight", "explained")
        )
        self.moments_ = fit.moments
        self.variances_, self.constants_ = (
            {p.name: _by_column(getattr(p, what), p.columns, name) for p in fit.parts.values()}
            for what, name in (("variances", "D"), ("constants", "constant"))
        )
        self.D_ = next(iter(self.variances_.values()))
        warn_of_columns(matrices, [estimate])

    def _loadings_of(self, side: Side) -> Any:
        """The loadings of a side: one matrix, or several by name."""
        found = {
            p.name: self.loadings_[p.name] for p in self._form_fit.parts.values() if p.side is side
        }
        return found if len(found) > 1 else next(iter(found.values()))


def _by_column(values: np.ndarray, columns: pd.Index | None, name: str) -> Any:
    return values if columns is None else pd.Series(values, columns, name=name)
