"""Cross-products of a variance-component model, in units that do not cancel.

Rows are multiplied by √w, X is replaced by an orthonormal basis of its columns and y by what
least squares leave of it, in units of its spread: [Z X̃ ỹ]'[Z X̃ ỹ] is all that estimation needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.linalg.column_sizes import subtract_shift
from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray
from .explained import doubtful, refuse_explained_by_fixed

if TYPE_CHECKING:
    from .model import Component, ComponentModel


NOTHING_LEFT = 1e-10
"""X explains a component of which it leaves less than this share, in norm: rounding leaves 1e-14,
and a slope far from its origin is worth 1e-7."""


@dataclass(frozen=True, eq=False)
class Sums:
    """[Z X̃ ỹ]'[Z X̃ ỹ], and the way back to the user's units.

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
    log_det_precision, sizes_of_precision : ndarray (r,)
        ln|Q_i|, and the mean variance that Q_i gives an effect.
    zr : ndarray (m, p + 1)
        Z'[X̃ ỹ].
    rr : ndarray (p + 1, p + 1)
    x_root : ndarray (p, p)
        X = X̃ · x_root.
    shift : float
        Taken off y before anything else.
    gamma : ndarray (p,)
        Least-squares coefficients of the rest …
    shift_beta : ndarray (p,)
        … and those of the shift.
    scale : float
        Spread of what they left: y − c − Xγ = scale · ỹ.
    log_det_residual : float
        −Σ ln w.
    explained : ndarray of bool (r,)
        Components that lie in the span of X: the restricted likelihood does not know their
        variances, and the likelihood is highest without them.
    """

    n: int
    p: int
    spans: tuple[slice, ...]
    zz: Any
    precision: Any
    log_det_precision: FloatArray
    sizes_of_precision: FloatArray
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
    def sizes(self) -> FloatArray:
        """Mean variance of Z_iu_i for σ²_i = 1, roughly."""
        zz = self.zz.diagonal()
        means = np.array([zz[s].sum() / self.n for s in self.spans])
        return np.maximum(means * self.sizes_of_precision, np.finfo(float).tiny)

    def beta(self, inner: FloatArray) -> FloatArray:
        """Coefficients of X, (p,) or (p, r), from those of X̃ and ỹ."""
        back = (self.scale * np.linalg.solve(self.x_root, inner)).T + self.gamma
        return np.asarray((back + self.shift_beta).T)

    def criterion_shift(self, reml: bool) -> float:
        """What the units add to −2 ln L."""
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
    if doubtful(model, scale):
        refuse_explained_by_fixed(model)
    right = np.column_stack([basis, left / scale])

    blocks = [sp.diags(root) @ c.Z for c in model.components]
    zr, rows = [], []
    dense = any(isinstance(c.root, np.ndarray) for c in model.components)
    for c, z in zip(model.components, blocks, strict=True):
        zr.append(c.shrunk(z.T @ right))
        row = []
        for d, w in zip(model.components, blocks, strict=True):
            block = c.shrunk(d.shrunk((z.T @ w).T).T)
            row.append(block.toarray() if dense and sp.issparse(block) else block)
        rows.append(row)
    ends = np.cumsum([0, *(len(x) for x in zr)])
    if not model.components:
        zz: Any = np.empty((0, 0))
    elif dense:
        zz = np.block(rows)
    else:
        zz = sp.bmat(rows, format="csc")
    precision = [
        sp.identity(len(x), format="csc") if c.precision is None else c.precision
        for c, x in zip(model.components, zr, strict=True)
    ]
    return Sums(
        n=n,
        p=p,
        spans=tuple(slice(int(a), int(b)) for a, b in pairwise(ends)),
        zz=zz,
        precision=sp.block_diag(precision, format="csc") if precision else sp.csc_matrix((0, 0)),
        log_det_precision=np.array([c.log_det_precision for c in model.components]),
        sizes_of_precision=np.array([c.size_of_precision for c in model.components]),
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


def _is_explained(component: Component, root: FloatArray, basis: FloatArray) -> bool:
    """Whether √w ZLa lies in the span of an orthonormal basis: tried with a random a."""
    a = np.random.default_rng(0).normal(size=component.size)
    whole = left = root * (component.Z @ component.effects(a))
    for _ in range(2):  # again, for what rounding left of the first time
        left = left - basis @ (basis.T @ left)
    return bool(np.linalg.norm(left) <= NOTHING_LEFT * np.linalg.norm(whole))
