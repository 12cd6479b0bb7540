"""Cross-products of a variance-component model, scaled to avoid cancellation.

Rows are multiplied by √w, X is replaced by an orthonormal basis X̃ of its columns, and y by its
standardised least-squares residuals ỹ. Estimation needs [Z X̃ ỹ]'[Z X̃ ỹ] only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.linalg.stable_columns import subtract_shift
from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray, as_dense
from .explained import must_check_rows, refuse_explained_by_fixed

if TYPE_CHECKING:
    from .model import Component, ComponentModel


EXPLAINED_SHARE = 1e-10
"""X explains a component whose residual from X is below this share, in norm. Rounding leaves 1e-14;
a slope far from the origin has 1e-7."""


@dataclass(frozen=True, eq=False)
class Sums:
    """[Z X̃ ỹ]'[Z X̃ ỹ], and the transformation to the user's units.

    Attributes
    ----------
    n, p : int
        Rows and columns of X.
    spans : tuple of slice
        The effects of each component among the m of all.
    zz : ndarray or sparse (m, m)
        Z'Z.
    precision : sparse (m, m)
        Q, block-diagonal over the components.
    log_det_precision, mean_effect_variances : ndarray (r,)
        ln|Q_i|, and the mean variance that Q_i gives an effect.
    zr : ndarray (m, p + 1)
        Z'[X̃ ỹ].
    rr : ndarray (p + 1, p + 1)
    x_root : ndarray (p, p)
        X = X̃ · x_root.
    shift : float
        Subtracted from y first.
    gamma : ndarray (p,)
        Least-squares coefficients of y less its shift.
    shift_beta : ndarray (p,)
        Least-squares coefficients of the shift.
    scale : float
        Standard deviation of the residuals: y − c − Xγ = scale · ỹ.
    log_det_residual : float
        −Σ ln w.
    explained : ndarray of bool (r,)
        Components that lie in the span of X: the restricted likelihood does not depend on their
        variances, and the likelihood is highest with variances of zero.
    """

    n: int
    p: int
    spans: tuple[slice, ...]
    zz: Any
    precision: Any
    log_det_precision: FloatArray
    mean_effect_variances: FloatArray
    zr: FloatArray
    rr: FloatArray
    x_root: FloatArray
    shift: float
    gamma: FloatArray
    shift_beta: FloatArray
    scale: float
    log_det_residual: float
    explained: BoolArray

    @property
    def m(self) -> int:
        """Random effects in all."""
        return int(self.zr.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether Z'Z is."""
        return not isinstance(self.zz, np.ndarray)

    @cached_property
    def unit_variances(self) -> FloatArray:
        """Mean variance of Z_iu_i for σ_i² = 1, (r,), roughly."""
        zz = self.zz.diagonal()
        means = np.array([zz[s].sum() / self.n for s in self.spans])
        return np.maximum(means * self.mean_effect_variances, np.finfo(float).tiny)

    def beta(self, inner: FloatArray) -> FloatArray:
        """Coefficients of X, (p,) or (p, r), from those of X̃ and ỹ."""
        back = (self.scale * np.linalg.solve(self.x_root, inner)).T + self.gamma
        return np.asarray((back + self.shift_beta).T)

    def criterion_shift(self, reml: bool) -> float:
        """The change of −2 ln L by the scaling."""
        nu = self.n - self.p if reml else self.n
        shift = 2.0 * nu * np.log(self.scale) + self.log_det_residual
        if reml:
            shift += 2.0 * float(np.log(np.abs(np.diag(self.x_root))).sum())
        return float(shift)


def sums_of(model: ComponentModel) -> Sums:
    """Sum up the rows of a model.

    Raises
    ------
    ModelError
        X explains the response exactly, or leaves no degrees of freedom.
    """
    import scipy.sparse as sp

    n, p = model.X.shape
    if n <= p:
        raise ModelError(f"{n} rows and {p} columns of X leave nothing for the residuals.")
    root = model.root_weights
    shift, constant = subtract_shift(model.y, model.X)
    X, y = root[:, None] * model.X, root * (model.y - shift)
    basis, x_root = np.linalg.qr(X) if p else (X, np.empty((0, 0)))
    gamma_inner = basis.T @ y
    left = y - basis @ gamma_inner
    left -= basis @ (basis.T @ left)
    scale = float(np.linalg.norm(left) / np.sqrt(n - p))
    if must_check_rows(model, scale):
        refuse_explained_by_fixed(model)
    right = np.column_stack([basis, left / scale])

    blocks = [sp.diags(root) @ c.Z for c in model.components]
    zr = [c.shrunk(z.T @ right) for c, z in zip(model.components, blocks, strict=True)]
    ends = np.cumsum([0, *(len(x) for x in zr)])
    precision = [
        sp.identity(len(x), format="csc") if c.precision is None else c.precision
        for c, x in zip(model.components, zr, strict=True)
    ]
    return Sums(
        n=n,
        p=p,
        spans=tuple(slice(int(a), int(b)) for a, b in pairwise(ends)),
        zz=_cross_products(model.components, blocks),
        precision=sp.block_diag(precision, format="csc") if precision else sp.csc_matrix((0, 0)),
        log_det_precision=np.array([c.log_det_precision for c in model.components]),
        mean_effect_variances=np.array([c.mean_effect_variance for c in model.components]),
        zr=np.concatenate(zr) if zr else np.empty((0, p + 1)),
        rr=right.T @ right,
        x_root=x_root,
        shift=float(shift),
        gamma=np.linalg.solve(x_root, gamma_inner) if p else np.empty(0),
        shift_beta=shift * constant,
        scale=scale,
        log_det_residual=-2.0 * float(np.log(root).sum()),
        explained=np.array([_is_explained(c, root, basis) for c in model.components], dtype=bool),
    )


def _cross_products(components: tuple[Component, ...], blocks: list[Any]) -> Any:
    """Z'Z of √w Z_i, shrunk by the roots: dense if a root is, else sparse."""
    import scipy.sparse as sp

    if not components:
        return np.empty((0, 0))
    rows = [
        [c.shrunk(d.shrunk((z.T @ w).T).T) for d, w in zip(components, blocks, strict=True)]
        for c, z in zip(components, blocks, strict=True)
    ]
    if any(isinstance(c.root, np.ndarray) for c in components):
        return np.block([[as_dense(block) for block in row] for row in rows])
    return sp.bmat(rows, format="csc")


def _is_explained(component: Component, root: FloatArray, basis: FloatArray) -> bool:
    """Whether √w ZLa lies in the span of an orthonormal basis: tried with a random a."""
    a = np.random.default_rng(0).normal(size=component.n_effects)
    whole = left = root * (component.Z @ component.effects(a))
    for _ in range(2):  # twice, to remove the rounding errors of the first projection
        left = left - basis @ (basis.T @ left)
    return bool(np.linalg.norm(left) <= EXPLAINED_SHARE * np.linalg.norm(whole))
