"""`FormInputs`: X and Z of a model for a form, its default rank and weights, and its fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.design_rows import own_rows
from ..data.random_design import random_names
from ..errors import ModelError
from ..latent.constant_columns import constant_values
from ..latent.fitting import check_sizes
from ..latent.form import LinearMixedForm
from ..latent.input_matrices import LabelledMatrix, modalities
from ..latent.modalities import Modalities, Side, squared_norm
from ..support.arguments import whole_number
from ..support.arrays import FloatArray, as_dense

if TYPE_CHECKING:
    from ..data.design import Design


RELATIVE_WEIGHTS = (0.01, 1e6, 1.0)
"""Default weights of Y, X and Z in F, each times its ‖·‖², where K can span X.

In a mixed model X is known exactly and y has noise. With equal weights the codes would fit that
noise. With a small weight y chooses among the directions of Z, but hardly adds new ones. X counts
so much that even its smallest directions, as of a predictor that was not centred, are in K."""

LOW_RANK_WEIGHTS = (0.01, 100.0, 1.0)
"""The same where the rank is below that of X: y has to choose among the directions of X too."""

LARGEST_DENSE_RANDOM_PART = 3e7
"""Entries of Z up to which its projection on X is subtracted: it is dense then."""

RESPONSE_TOLERANCE = 3e-8
"""Tolerance for one response: a share of the part of F that is due to its variation. Where levels
have equally many rows, all directions of Z have equal size, and F consists mostly of the part of Z
beyond the rank. F then changes little long before H has turned to the direction of y."""

LARGEST_TOLERANCE = 1e-9
"""Default tolerance of a form that is fitted without a mixed model."""

LARGEST_DEFAULT_RANK = 20
"""A sweep costs rank² for each row."""

UNEVEN_DIRECTIONS_RATIO = 30.0
"""Singular values of X with a larger ratio suggest predictors in unequal units."""

NEGLIGIBLE_SINGULAR_VALUE = 1e-8
"""Singular values below this share of the largest are zero."""


@dataclass(frozen=True, eq=False)
class FormInputs:
    """The designs of a model, and the weights of its rows.

    Attributes
    ----------
    X : ndarray (n, p)
        Independent columns only.
    Z : scipy.sparse.csr_array (n, q)
        All random terms side by side.
    root : ndarray (n,) or None
        √w for a model with prior weights.
    index : pandas.Index (n,)
    x_names : pandas.Index (p,)
    z_names : pandas.MultiIndex (q,)
        Grouping factor, level, effect.
    """

    X: FloatArray
    Z: Any
    root: FloatArray | None
    index: pd.Index
    x_names: pd.Index
    z_names: pd.MultiIndex

    @classmethod
    def of(cls, design: Design) -> FormInputs:
        """The inputs of a form from a design.

        Raises
        ------
        ModelError
            There is no X or no Z, or the residuals have a structure with parameters.
        """
        if not design.terms:
            raise ModelError(
                "forms: the model has no random terms, so that there is no Z to put beside X. "
                "Fit it with one, such as (1 | g)."
            )
        if not design.X.shape[1]:
            raise ModelError(
                "forms: the model has no fixed effects, so that there is no X to put beside Z. "
                "Fit it with an intercept."
            )
        if len(design.residual.phi):
            raise ModelError(
                f"forms: this model has residual={str(design.residual_spec)!r}, and a form knows "
                "rows with weights at most. fit.update(residual=None).forms() is that of the model "
                "with independent residuals."
            )
        Z, names = own_rows(design).random_columns(), random_names(design)
        variances = design.residual.variances()
        root = None if variances is None else 1.0 / np.sqrt(variances)
        return cls(design.X, Z, root, design.index, pd.Index(design.x_names), names)

    @property
    def random_part_is_large(self) -> bool:
        """Whether Z stays sparse, with its projection on X."""
        return math.prod(self.Z.shape) > LARGEST_DENSE_RANDOM_PART

    def weighted(self, A: Any) -> Any:
        """√w times the rows of A."""
        if self.root is None:
            return A
        if isinstance(A, np.ndarray):
            return A * (self.root if A.ndim == 1 else self.root[:, None])
        return A.multiply(self.root[:, None]).tocsr()

    def unweighted(self, A: FloatArray) -> FloatArray:
        """The rows of A over √w."""
        return A if self.root is None else A / self.root[:, None]


def fit_form(
    Y: FloatArray, names: pd.Index, inputs: FormInputs, rank: int | None, params: Mapping[str, Any]
) -> LinearMixedForm:
    """The form of rows √w·(Y, X, Z), Z less its projection on X.

    With the default rank, weights and start K spans X, and H has the leading directions of Z beside
    the residuals of Y regressed on X. For one response this minimises F where X is exact; sweeps
    then change hardly anything.

    X may be an intercept alone, which :meth:`LinearMixedForm.fit` would refuse as constant.

    Parameters
    ----------
    Y : ndarray (n, m)
        Responses less offsets; NaN where missing.
    names : pandas.Index (m,)
    inputs : FormInputs
    rank : int, optional
        By default the rank of X, at most that of Z, and at most `LARGEST_DEFAULT_RANK`.
    params : mapping
        Of :class:`LinearMixedForm`; `weights`, `start` and `tol` have defaults of their own here.

    Raises
    ------
    ArgumentError, DataError, ModelError
    """
    if rank is not None:
        rank = whole_number("rank", rank, least=1)
    X = inputs.weighted(inputs.X)
    Z = inputs.weighted(inputs.Z)
    if not inputs.random_part_is_large:
        Z = apart_from(Z, X)
    blocks = (
        LabelledMatrix("Y", Side.RESPONSE, inputs.weighted(Y), inputs.index, names),
        LabelledMatrix("X", Side.FIXED, X, inputs.index, inputs.x_names),
        LabelledMatrix("Z", Side.RANDOM, Z, inputs.index, inputs.z_names),
    )
    data = modalities(blocks)
    check_sizes(data, [b.name for b in blocks], 1)
    form = LinearMixedForm(1, start="regression", tol=companion_tolerance(Y, inputs))
    form.set_params(**params)
    if rank is None:
        rank = default_rank(_varying(X) if form.method == "ml" else X, Z)
    rank = whole_number("rank", rank, least=1)
    form.set_params(rank=rank)
    if "weights" not in params:
        form.set_params(weights=companion_weights(data, rank))
    form._fit(blocks, data)
    return form


def apart_from(Z: Any, X: FloatArray) -> Any:
    """Z less its projection on X, dense.

    A direction v that is in X and in Z would leave F without a minimum: Kα' + cv and Hα' − cv fit y
    equally well, and the larger c, the less it costs to fit the noise of y.

    Raises
    ------
    ModelError
        Nothing is left.

    Examples
    --------
    >>> Z = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> apart_from(Z, np.ones((4, 1)))[:, 0].round(12).tolist()
    [0.5, 0.5, -0.5, -0.5]
    """
    basis = np.linalg.qr(X)[0]
    rest = as_dense(Z)
    size = np.linalg.norm(rest)
    for _ in range(2):  # the second time for the rounding of the first
        rest = rest - basis @ (basis.T @ rest)
    if np.linalg.norm(rest) < NEGLIGIBLE_SINGULAR_VALUE * size:
        raise ModelError(
            "forms: the fixed effects span Z, as they do with a grouping factor among them, so "
            "that a form has no random side. Leave out the fixed or the random effects of that "
            "factor."
        )
    return rest


def _varying(X: FloatArray) -> FloatArray:
    """The columns of X that a likelihood does not leave out."""
    constants = constant_values(X)
    if not np.isnan(constants).any():
        raise ModelError(
            "forms: X has no column that varies, such as an intercept alone, and a likelihood "
            'cannot be fitted to it: use method="als".'
        )
    return X[:, np.isnan(constants)]


def companion_weights(data: Modalities, rank: int) -> tuple[float, ...]:
    """Relative weights of a form of this rank, each over ‖·‖² of its modality.

    Examples
    --------
    >>> companion_weights(Modalities.of(np.ones((4, 1)), np.ones((4, 1)), np.ones((4, 1))), 1)
    (0.0025, 250000.0, 0.25)
    """
    spans = rank >= data.parts[1].shape[1]
    relative = RELATIVE_WEIGHTS if spans else LOW_RANK_WEIGHTS
    return tuple(count / part.square for count, part in zip(relative, data))


def companion_tolerance(Y: FloatArray, inputs: FormInputs) -> float:
    """The tolerance of F; for one response it depends on how much y's variation counts in F."""
    if Y.shape[1] > 1:
        return LARGEST_TOLERANCE
    centred = (Y - np.nanmean(Y), Y)
    varies, whole = (squared_norm(np.nan_to_num(inputs.weighted(A))) for A in centred)
    return min(LARGEST_TOLERANCE, RESPONSE_TOLERANCE * RELATIVE_WEIGHTS[0] * varies / whole)


def default_rank(X: FloatArray, Z: Any) -> int:
    """The rank of X, at most that of Z, and at most `LARGEST_DEFAULT_RANK`.

    Examples
    --------
    >>> default_rank(np.vander([1.0, 2.0, 3.0, 4.0], 2), np.eye(4))
    2
    """
    most = min(numerical_rank(X), LARGEST_DEFAULT_RANK)
    # almost surely the product has the rank of Z, up to `most`
    sketch = np.random.default_rng(0).standard_normal((Z.shape[1], most))
    return min(most, numerical_rank(np.asarray(Z @ sketch)))


def numerical_rank(A: FloatArray) -> int:
    """Number of nonzero singular values of a dense matrix."""
    values = singular_values(A)
    return int(np.sum(values > NEGLIGIBLE_SINGULAR_VALUE * values[0]))


def singular_values(A: FloatArray) -> FloatArray:
    """Singular values of a matrix with more rows than columns, in descending order."""
    return np.asarray(np.linalg.svd(np.linalg.qr(A, mode="r"), compute_uv=False))


def uneven_ratio(form: LinearMixedForm, inputs: FormInputs, Y: FloatArray) -> float | None:
    """Largest over smallest singular value of X, if the smallest has less weight in F than y."""
    values = singular_values(inputs.weighted(inputs.X))
    own = squared_norm(np.nan_to_num(inputs.weighted(Y)))
    ratio = float(values[0] / values[-1])
    small = form.weights_["X"] * values[-1] ** 2 < form.weights_["Y"] * own
    return ratio if small and ratio > UNEVEN_DIRECTIONS_RATIO else None
