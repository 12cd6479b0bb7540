"""y, X and Z of a model as a form takes them, the default rank and weights, and the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.random_design import random_design
from ..errors import ModelError
from ..latent.constant import constant_values
from ..latent.data import Modalities, Side, squared_norm
from ..latent.fitting import check_sizes
from ..latent.form import LinearMixedForm
from ..latent.inputs import Block, modalities
from ..support.arrays import FloatArray

if TYPE_CHECKING:
    from ..data.design import Design


COUNT = (0.01, 100.0, 1.0)
"""What Y, X and Z count in F, each in units of its ‖·‖².

A mixed model knows X exactly and y with noise. With equal weights the codes bend until they
reproduce that noise; so y may choose among the directions of X and Z and hardly make new ones."""

SETTLED = 3e-8
"""A sweep may change F by this share of what the variation of one response counts in it. Where
levels have equally many rows all directions of Z begin alike, and F, mostly what the rank leaves
of Z, seems to stand still long before H has turned to the one that y varies with."""

LOOSEST = 1e-9
"""The tolerance of a form without a mixed model."""

MOST = 20
"""Default ranks end here: a sweep costs rank² for each row."""

UNEVEN = 30.0
"""Directions of X whose sizes differ by less are no matter of units."""

CARRIED = 1e-8
"""Singular values below this share of the largest carry nothing."""


@dataclass(frozen=True, eq=False)
class FormInputs:
    """The designs of a model, and what makes its residuals alike.

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
        """The sides of a design.

        Raises
        ------
        ModelError
            One of them is empty.
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
        Z, names = random_design(design)
        variances = design.residual.variances()
        root = None if variances is None else 1.0 / np.sqrt(variances)
        return cls(design.X, Z, root, design.index, pd.Index(design.x_names), names)

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


def fitted_form(
    Y: FloatArray,
    names: pd.Index,
    sides: FormInputs,
    rank: int | None,
    params: Mapping[str, Any],
) -> LinearMixedForm:
    """The form of rows √w·(Y, X, Z).

    X may be an intercept alone, which :meth:`LinearMixedForm.fit` would refuse as constant.

    Parameters
    ----------
    Y : ndarray (n, m)
        Responses less offsets; NaN where missing.
    names : pandas.Index (m,)
    sides : FormInputs
    rank : int, optional
        All that X carries by default, at most what Z carries, and at most `MOST`.
    params : mapping
        Of :class:`LinearMixedForm`; `weights` and `tol` have defaults of their own here.

    Raises
    ------
    ArgumentError, DataError, ModelError
    """
    blocks = (
        Block("Y", Side.RESPONSE, sides.weighted(Y), sides.index, names),
        Block("X", Side.FIXED, sides.weighted(sides.X), sides.index, sides.x_names),
        Block("Z", Side.RANDOM, sides.weighted(sides.Z), sides.index, sides.z_names),
    )
    data = modalities(blocks)
    check_sizes(data, [b.name for b in blocks], 1)
    form = LinearMixedForm(1, tol=default_tolerance(Y, sides)).set_params(**params)
    if rank is None:
        X, Z = (b.values for b in blocks[1:])
        rank = default_rank(_varying(X) if form.method == "ml" else X, Z)
    form.set_params(rank=rank)
    if "weights" not in params:
        form.set_params(weights=default_weights(data))
    form._fit(blocks, data)
    return form


def _varying(X: FloatArray) -> FloatArray:
    """The columns of X that a likelihood does not leave out."""
    constants = constant_values(X)
    if not np.isnan(constants).any():
        raise ModelError(
            "forms: X has no column that varies, such as an intercept alone, and a likelihood "
            'cannot be fitted to it: use method="als".'
        )
    return X[:, np.isnan(constants)]


def default_weights(data: Modalities) -> tuple[float, ...]:
    """`COUNT`, each over ‖·‖² of its modality.

    Examples
    --------
    >>> default_weights(Modalities.of(np.ones((4, 1)), np.ones((4, 1)), np.ones((4, 1))))
    (0.0025, 25.0, 0.25)
    """
    return tuple(count / part.square for count, part in zip(COUNT, data))


def default_tolerance(Y: FloatArray, sides: FormInputs) -> float:
    """`LOOSEST` for several responses; for one, `SETTLED` of what its variation counts."""
    if Y.shape[1] > 1:
        return LOOSEST
    centred = (Y - np.nanmean(Y), Y)
    varies, whole = (squared_norm(np.nan_to_num(sides.weighted(A))) for A in centred)
    return min(LOOSEST, SETTLED * COUNT[0] * varies / whole)


def default_rank(X: FloatArray, Z: Any) -> int:
    """All that X carries, at most what Z carries, and at most `MOST`.

    Examples
    --------
    >>> default_rank(np.vander([1.0, 2.0, 3.0, 4.0], 2), np.eye(4))
    2
    """
    most = min(carried(X), MOST)
    # almost surely the product has as many directions as Z, up to `most`
    sketch = np.random.default_rng(0).standard_normal((Z.shape[1], most))
    return min(most, carried(np.asarray(Z @ sketch)))


def carried(A: FloatArray) -> int:
    """How many directions of a dense matrix differ from zero."""
    values = directions(A)
    return int(np.sum(values > CARRIED * values[0]))


def directions(A: FloatArray) -> FloatArray:
    """Singular values of a tall matrix, in descending order."""
    return np.asarray(np.linalg.svd(np.linalg.qr(A, mode="r"), compute_uv=False))


def barely_counts(form: LinearMixedForm, sides: FormInputs, Y: FloatArray) -> float | None:
    """Largest over smallest direction of X, if the smallest counts less in F than y does."""
    values = directions(sides.weighted(sides.X))
    own = squared_norm(np.nan_to_num(sides.weighted(Y)))
    ratio = float(values[0] / values[-1])
    small = form.weights_["X"] * values[-1] ** 2 < form.weights_["Y"] * own
    return ratio if small and ratio > UNEVEN else None
