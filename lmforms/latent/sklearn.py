"""`FormRegressor`: a linear mixed form as an estimator of scikit-learn, with ``fit(X, y)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import ArgumentError, DataError, MissingPackageError
from ..support.arrays import AnyArray, FloatArray, IndexArray
from .column_sides import split_columns
from .constant_columns import constant_values
from .form import LinearMixedForm

try:
    from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise MissingPackageError(
        "FormRegressor stands on scikit-learn 1.6 or newer: pip install 'lmforms[sklearn]'."
    ) from None


TABLE = {"accept_sparse": "csr", "dtype": np.float64}
"""Options of scikit-learn's checks of X."""


class FormRegressor(RegressorMixin, TransformerMixin, BaseEstimator):
    """A linear mixed form as a regressor and transformer of scikit-learn.

    The columns of X are divided into the fixed side and the random side of the form. Rows are
    predicted from both, and transformed to their codes [K H].

    Parameters
    ----------
    rank : int
        Number k of latent components; at most the columns of either side.
    fixed, random : str, int, slice, sequence of these, boolean mask or function, optional
        Columns of either side: by name, by place, or a function of X that returns these, as for
        scikit-learn's ColumnTransformer. One may be left out: it is then all columns that the other
        does not have. With both given, columns in neither are not used.
    centre : {True, False, "y"}
        Subtract the means of the fit from X and y, from y only, or from neither. Predictions have
        the means of y added. X can be sparse unless this is True: it would not stay so.
    shrink : bool
        Codes by best linear prediction, as in :meth:`LinearMixedForm.encode`.
    method, weights, ridge, l1, l2, start, tol, max_iter, seed
        As for :class:`LinearMixedForm`; its Y is y, its X the fixed and its Z the random side.

    Attributes
    ----------
    form_ : LinearMixedForm
        The fit, with all its methods. With named columns its loadings are labelled.
    fixed_, random_ : ndarray of int
        Places of the columns of either side.
    X_mean_ : ndarray (n_features,)
    y_mean_ : float or ndarray (n_outputs,)
        The means that are subtracted; zeros where none are.
    n_iter_ : int
        Sweeps.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if X had names.

    Notes
    -----
    The weight of a side does not depend on its units, but within a side a column in small units has
    little weight: use a StandardScaler first where units differ. ``y`` must be complete, as
    scikit-learn requires; :class:`LinearMixedForm` accepts missing entries. Tables that are not of
    finite numbers are refused by scikit-learn's own validation, with its messages.

    A form decomposes all three matrices; it is not the least-squares regression of y on X. Where
    few columns carry what predicts y, it needs a high rank, or predicts poorly; ``method="ml"``
    predicts better than ``"als"`` as a rule.

    Raises
    ------
    ArgumentError
        A parameter is out of its range, or neither side is given.
    DataError
        A column is not there, a side is empty, X is sparse and ``centre=True``.
    ModelError
        The rank is above what a side carries.
    MissingPackageError
        On import, without scikit-learn.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from lmforms.latent.sklearn import FormRegressor
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(2, 80, 2))
    >>> noisy = lambda A: A + 0.1 * rng.normal(size=A.shape)
    >>> y, X, Z = (noisy(C @ rng.normal(size=(2, 6))) for C in (K + H, K, H))
    >>> model = FormRegressor(fixed=slice(0, 6), tol=1e-6)
    >>> search = GridSearchCV(model, {"rank": [1, 2]}, cv=4).fit(np.hstack([X, Z]), y)
    >>> search.best_params_, bool(search.best_score_ > 0.9)
    ({'rank': 2}, True)
    >>> search.best_estimator_.get_feature_names_out()
    array(['K1', 'K2', 'H1', 'H2'], dtype=object)
    """

    form_: LinearMixedForm
    n_features_in_: int

    def __init__(
        self,
        rank: int = 1,
        *,
        fixed: Any = None,
        random: Any = None,
        centre: bool | Literal["y"] = True,
        shrink: bool = True,
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
        self.fixed = fixed
        self.random = random
        self.centre = centre
        self.shrink = shrink
        self.method = method
        self.weights = weights
        self.ridge = ridge
        self.l1 = l1
        self.l2 = l2
        self.start = start
        self.tol = tol
        self.max_iter = max_iter
        self.seed = seed

    def fit(self, X: Any, y: Any) -> FormRegressor:
        """Divide the columns of X, centre, and fit the form.

        Parameters
        ----------
        X : DataFrame, array or sparse matrix (n, n_features)
        y : array (n,) or (n, n_outputs)

        Returns
        -------
        FormRegressor
            Itself.
        """
        if not isinstance(self.centre, (bool, np.bool_)) and not (
            isinstance(self.centre, str) and self.centre == "y"
        ):
            raise ArgumentError(f"centre={self.centre!r} is not one of True, False and 'y'.")
        self._check_sparse(X)
        given, rows = X, (X.index if isinstance(X, pd.DataFrame) else None)
        targets = y.columns if isinstance(y, pd.DataFrame) else None
        asked = {"multi_output": True, "y_numeric": True, "ensure_min_samples": 2}
        X, y = validate_data(self, X, y, **asked, **TABLE)
        y = np.asarray(y.toarray() if sp.issparse(y) else y, dtype=np.float64)
        self._choose(given)
        self.X_mean_ = X.mean(axis=0) if self._centres_X() else np.zeros(X.shape[1])
        self.y_mean_ = y.mean(axis=0) if self.centre else np.zeros(y.shape[1:])[()]
        names = getattr(self, "feature_names_in_", None)
        centred = _centred_values(X, self.X_mean_) if self._centres_X() else X
        sides = [
            _labelled(centred[:, chosen], rows, None if names is None else names[chosen])
            for chosen in (self.fixed_, self.random_)
        ]
        y = y.reshape(len(y), -1)
        y = _centred_values(y, self.y_mean_) if self.centre else y
        form = LinearMixedForm(**{name: getattr(self, name) for name in _shared()})
        self.form_ = form.fit(_labelled(y, rows, targets), *sides)
        self.n_iter_ = self.form_.status_.n_iter
        return self

    def predict(self, X: Any) -> FloatArray:
        """Y of rows from both of their sides: (K+H)α' and the means.

        Parameters
        ----------
        X : DataFrame, array or sparse matrix (rows, n_features)

        Returns
        -------
        ndarray (rows,) or (rows, n_outputs)
            Like the y of the fit.
        """
        codes = self._codes(X)
        guess = np.asarray(self.form_.decode(codes, to="Y"))
        shape = (len(guess), *np.shape(self.y_mean_))
        return guess.reshape(shape) + self.y_mean_

    def transform(self, X: Any) -> FloatArray:
        """Codes [K H] of rows from both of their sides, without their y.

        Parameters
        ----------
        X : DataFrame, array or sparse matrix (rows, n_features)

        Returns
        -------
        ndarray (rows, 2k)
            Or a frame, after ``set_output``. ``form_.K_`` and ``form_.H_`` are the codes of the
            rows of the fit with y taken into account.
        """
        return np.hstack(self._codes(X))

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Names of the codes: K1, …, Kk, H1, …, Hk.

        Parameters
        ----------
        input_features : sequence of str, optional
            Must be the names of the fit; they do not change the result.

        Returns
        -------
        ndarray of str (2k,)
        """
        check_is_fitted(self)
        if input_features is not None:
            known = getattr(self, "feature_names_in_", input_features)
            given = list(input_features) if np.iterable(input_features) else []
            if len(given) != self.n_features_in_ or given != list(known):
                raise DataError(
                    f"input_features= are not the {self.n_features_in_} columns of the fit."
                )
        ranks = range(1, self.form_.rank_ + 1)
        return np.array([f"{code}{j}" for code in "KH" for j in ranks], dtype=object)

    def _centres_X(self) -> bool:
        return isinstance(self.centre, (bool, np.bool_)) and bool(self.centre)

    def _check_sparse(self, X: Any) -> None:
        if sp.issparse(X) and self._centres_X():
            raise DataError(
                "X is sparse and centring would fill it: pass centre='y' to centre y only, "
                "centre=False, or a dense X."
            )

    def _choose(self, X: Any) -> None:
        """Positions of the columns of both sides; functions get X as the user gave it."""
        fixed, random = (s(X) if callable(s) else s for s in (self.fixed, self.random))
        names = getattr(self, "feature_names_in_", None)
        self.fixed_, self.random_ = split_columns(fixed, random, names, self.n_features_in_)

    def _centred(self, X: Any, chosen: IndexArray) -> Any:
        return X[:, chosen] if sp.issparse(X) else X[:, chosen] - self.X_mean_[chosen]

    def _codes(self, X: Any) -> Any:
        check_is_fitted(self)
        self._check_sparse(X)
        X = validate_data(self, X, reset=False, **TABLE)
        sides = (self._centred(X, chosen) for chosen in (self.fixed_, self.random_))
        return self.form_.encode(**dict(zip("XZ", sides)), shrink=self.shrink)

    def __sklearn_clone__(self) -> Any:
        """A clone keeps the fit given as `start=`; scikit-learn would clone it too, unfitted."""
        clone = super().__sklearn_clone__()
        clone.start = self.start
        return clone

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self._centres_X()
        tags.target_tags.multi_output = True
        return tags


def _centred_values(A: FloatArray, mean: Any) -> FloatArray:
    """A minus its means, with exact zeros in constant columns instead of rounding errors."""
    centred = A - mean
    centred[:, ~np.isnan(constant_values(A, beside=False))] = 0.0
    return centred


def _labelled(A: Any, rows: pd.Index | None, columns: Any) -> Any:
    """A frame where there are names of columns and A is dense."""
    return A if columns is None or sp.issparse(A) else pd.DataFrame(A, index=rows, columns=columns)


def _shared() -> list[str]:
    """Parameters that the regressor passes to the form."""
    return list(LinearMixedForm(1).get_params())
