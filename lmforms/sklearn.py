"""`MixedRegressor`: a linear mixed model as an estimator of scikit-learn.

scikit-learn stands behind the extra ``pip install 'lmforms[sklearn]'``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from .control import Control
from .data.frame import Missing
from .data.input_table import native_table
from .data.output_table import with_columns_like
from .errors import ArgumentError, DataError, MissingPackageError
from .formula.parse import parse_formula
from .model import lmer
from .residual.specification import ResidualSpec
from .results.model_results import MixedModelResults
from .support.arguments import named_arguments
from .support.arrays import FloatArray, IndexArray

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_array,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError:
    raise MissingPackageError(
        "MixedRegressor stands on scikit-learn 1.6 or newer: pip install 'lmforms[sklearn]'."
    ) from None

_NAME = re.compile(r"`([^`]+)`|([^\W\d]\w*)")
"""A column's name as a formula has it."""


class MixedRegressor(RegressorMixin, BaseEstimator):
    """A linear mixed model as a regressor of scikit-learn.

    Parameters
    ----------
    formula : str
        As for :func:`lmforms.lmer`, for the columns of X: ``"y ~ x + (1 | g)"``, or ``"~ x + (1 |
        g)"`` for whatever y is given to `fit`. The columns of an array are x0, x1, ….
    reml : bool
    random : {"all", "none"} or sequence of str
        Random effects that predictions have, as for :meth:`lmforms.MixedModelResults.predict`.
    new_levels : {"zero", "raise"}
        Whether predictions for groups that were not in the fit have random effects 0, or are
        refused. Cross-validation by groups needs ``"zero"``.
    contrasts, missing, residual, relationship, method, control
        As for :func:`lmforms.lmer`. In new rows of a series with correlated residuals, what the
        observed ones say of them is predicted too, unless ``random="none"``.
    context : mapping, optional
        Functions and variables of yours that calls in the formula use. Those around the call are
        not looked up: a fit may run in another process.

    Attributes
    ----------
    fit_ : MixedModelResults
        The fitted model, with all its methods.
    response_ : str
        Name of the response in the fitted formula.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Columns of X but the response. Only if X had names.

    Raises
    ------
    FormulaError, ColumnError, DataError, ModelError, ArgumentError
        From `fit` and `predict`, as from :func:`lmforms.lmer`.
    MissingPackageError
        On import, without scikit-learn.

    Notes
    -----
    X is a table of pandas, polars or pyarrow, with all columns of the formula, or an array of
    numbers. It may have the response as a column, at fit and later: y can then be left out.

    ``sample_weight`` are the weights of :func:`lmforms.lmer`: residual variances are σ²/w. Rows of
    weight 0 are left out; rows that are predicted have weight 1.

    Examples
    --------
    >>> import lmforms as lf
    >>> from lmforms.sklearn import MixedRegressor
    >>> from sklearn.model_selection import GroupKFold, cross_val_score
    >>> sleep = lf.datasets.load("sleepstudy")
    >>> model = MixedRegressor("Reaction ~ Days + (Days | Subject)").fit(sleep)
    >>> model.fit_.params.round(2).tolist(), round(model.score(sleep), 2)
    ([251.41, 10.47], 0.83)
    >>> X, y = sleep[["Days", "Subject"]], sleep["Reaction"]
    >>> unnamed = MixedRegressor("~ Days + (Days | Subject)")
    >>> folds = GroupKFold(n_splits=6)
    >>> scores = cross_val_score(unnamed, X, y, groups=sleep["Subject"], cv=folds)
    >>> bool(0 < scores.mean() < 0.8)
    True
    """

    n_features_in_: int

    @named_arguments
    def __init__(
        self,
        formula: str,
        *,
        reml: bool = True,
        random: Literal["all", "none"] | Sequence[str] = "all",
        new_levels: Literal["zero", "raise"] = "zero",
        contrasts: Mapping[str, Any] | None = None,
        missing: Missing = "drop",
        residual: str | ResidualSpec | None = None,
        relationship: Mapping[str, Any] | None = None,
        method: str = "auto",
        control: Control | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.formula = formula
        self.reml = reml
        self.random = random
        self.new_levels = new_levels
        self.contrasts = contrasts
        self.missing = missing
        self.residual = residual
        self.relationship = relationship
        self.method = method
        self.control = control
        self.context = context

    @named_arguments
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> MixedRegressor:
        """Fit the model.

        Parameters
        ----------
        X : table or array (n, n_features)
        y : array (n,), optional
            The response; the column of X that the formula names by default.
        sample_weight : array (n,), optional

        Returns
        -------
        MixedRegressor
            Itself.
        """
        named = _response_of(self.formula)
        self.response_ = named or _free_name(y, X)
        table = self._features(X, reset=True)
        table = _with_column(table, self.response_, self._response(X, y))
        weights = None
        if sample_weight is not None:
            values = _check_sample_weight(sample_weight, table, ensure_non_negative=True)
            weights = _unused("sample_weight", table)
            table = _with_column(table, weights, values, np.flatnonzero(values > 0))
        self.fit_: MixedModelResults = lmer(
            self.formula if named else f"`{self.response_}` {self.formula.strip()}",
            table,
            weights=weights,
            context={} if self.context is None else self.context,
            **{name: getattr(self, name) for name in _OF_LMER},
        )
        return self

    @named_arguments
    def predict(self, X: Any) -> FloatArray:
        """Predict the response of rows.

        Parameters
        ----------
        X : table or array (rows, n_features)

        Returns
        -------
        ndarray (rows,)
            NaN where a predictor is missing.
        """
        check_is_fitted(self)
        table = self._features(X, reset=False)
        weights = self.fit_.state.design.formula_data.weights_column
        if weights is not None:
            table = _with_column(table, weights, np.ones(len(table)))
        found = self.fit_.predict(table, random=self.random, new_levels=self.new_levels)
        return np.asarray(found, dtype=np.float64)

    @named_arguments
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """R² of the predictions: 1 − Σw(y − ŷ)²/Σw(y − ȳ)².

        Parameters
        ----------
        X : table or array (rows, n_features)
        y : array (rows,), optional
            The response; the column of X that has its name by default.
        sample_weight : array (rows,), optional

        Returns
        -------
        float
        """
        check_is_fitted(self)
        return float(super().score(X, self._response(X, y), sample_weight))

    def _features(self, X: Any, *, reset: bool) -> Any:
        """X as a table without the response, its columns counted and named for scikit-learn."""
        if not _is_table(X):
            least = 2 if reset else 1
            options = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
            values = validate_data(self, X, reset=reset, ensure_min_samples=least, **options)
            return pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])])
        features = _without_column(X, self.response_)
        validate_data(self, features, reset=reset, skip_check_array=True)
        return features

    def _response(self, X: Any, y: Any) -> FloatArray:
        """The response, from y or from X, which must not contradict each other."""
        column = X[self.response_] if _has_column(X, self.response_) else None
        if y is None and column is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None and X "
                f"has no column `{self.response_}`."
            )
        options = {"ensure_2d": False, "dtype": np.float64, "ensure_all_finite": "allow-nan"}
        values = check_array(
            column_or_1d(column if y is None else y, warn=True), input_name="y", **options
        )
        check_consistent_length(X, values)
        if column is not None and y is not None:
            same = np.array_equal(values, np.asarray(column, dtype=np.float64), equal_nan=True)
            if not same:
                raise DataError(
                    f"y is not the column `{self.response_}` of X: leave one of them out."
                )
        return np.asarray(values)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = _response_of(self.formula) is None
        return tags


_OF_LMER = ("reml", "contrasts", "missing", "residual", "relationship", "method", "control")
"""Parameters that are passed on as they are."""


def _response_of(formula: Any) -> str | None:
    """Name of the response in the formula; None if it has no left side.

    Raises
    ------
    ArgumentError
        It is no column's name.
    """
    if isinstance(formula, str) and formula.lstrip().startswith("~"):
        return None
    label = parse_formula(formula).response.label
    found = _NAME.fullmatch(label)
    if found is None:
        raise ArgumentError(
            f"formula={formula!r}: the response `{label}` must be a column. Transform y before, or "
            "by sklearn.compose.TransformedTargetRegressor, so that predictions and scores are of "
            "the same response."
        )
    return found[1] or found[2]


def _free_name(y: Any, X: Any) -> str:
    """A name for a response without one in the formula: that of y, or one that X does not have."""
    name = getattr(y, "name", None)
    if isinstance(name, str) and name and "`" not in name:
        return name
    return _unused("y", X)


def _unused(name: str, X: Any) -> str:
    while _has_column(X, name):
        name += "_"
    return name


def _is_table(X: Any) -> bool:
    """Whether X has named columns; scikit-learn does not count numbers as names."""
    names = _names(X) if hasattr(X, "columns") else []
    return len(names) > 0 and all(isinstance(name, str) for name in names)


def _has_column(X: Any, name: str) -> bool:
    return _is_table(X) and name in _names(X)


def _names(X: Any) -> list[Any]:
    return list(getattr(X, "column_names", X.columns))  # pyarrow has columns without names


def _without_column(X: Any, name: str) -> Any:
    if name not in _names(X):
        return X
    if isinstance(X, pd.DataFrame):
        return X.drop(columns=name)
    return native_table(X).drop(name).to_native()


def _with_column(X: Any, name: str, values: FloatArray, rows: IndexArray | None = None) -> Any:
    """A table with one more column, or some rows of it."""
    rows = np.arange(len(values)) if rows is None else rows
    return with_columns_like(X, rows, {name: values[rows]})
