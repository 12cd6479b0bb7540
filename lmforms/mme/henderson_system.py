"""The equations as arrays: (W'W + Σ)g = W'y, sparse.

Cheat sheet, section 4, where g is missing in print. With weights every row counts √w times,
so that W'W stands for W'R₀⁻¹W with R = σ²R₀. A term with a root L (K = LL') has coefficients
a of precision I in place of u = La, which needs no K⁻¹ and holds for any rank of K. A term of
variance zero has no coefficients, as its u is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ..engine.factor.marginal import MarginalAlgebra
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from ..varcomp import ComponentModel
from ..varcomp.component_problem import ComponentProblem

EQUATION_FORMS = ("ratio", "variance")
"""λ form: everything times σ², as on the cheat sheet; R⁻¹/G⁻¹ form: Henderson's."""


@dataclass(frozen=True, eq=False)
class HendersonSystem:
    """Rows times √w, and the penalties added to their cross-products.

    Attributes
    ----------
    y : ndarray (n,)
    W : sparse (n, p + m)
        X | Z_1L_1 | … | Z_rL_r.
    precisions : tuple of sparse
        Q_i of the coefficients of each term: K_i⁻¹, or I if there is a root.
    lambdas : ndarray (r,)
        λ_i = σ²/σ_i².
    spans : tuple of slice
        Of X and of each term among the coefficients.
    terms : tuple of int
        Which of the model's terms these are: those whose variance is not zero.
    residual : float
        σ².
    """

    y: FloatArray
    W: Any
    precisions: tuple[Any, ...]
    lambdas: FloatArray
    spans: tuple[slice, ...]
    terms: tuple[int, ...]
    residual: float

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return int(self.W.shape[1])

    @cached_property
    def Sigma(self) -> Any:
        """Σ = diag(0, Q_1λ_1, …, Q_rλ_r), sparse."""
        import scipy.sparse as sp

        p = self.spans[0].stop
        blocks = [q * ratio for q, ratio in zip(self.precisions, self.lambdas, strict=True)]
        return sp.block_diag([sp.csc_matrix((p, p)), *blocks], format="csc")

    @cached_property
    def C(self) -> Any:
        """C = W'W + Σ, sparse."""
        return (self.W.T @ self.W + self.Sigma).tocsc()

    @cached_property
    def r(self) -> FloatArray:
        """W'y."""
        return np.asarray(self.W.T @ self.y)

    @cached_property
    def squares(self) -> FloatArray:
        """w_j'w_j of each column."""
        return np.asarray(self.W.multiply(self.W).sum(axis=0)).ravel()

    @cached_property
    def diagonal(self) -> FloatArray:
        """Of C."""
        return np.asarray(self.squares + self.Sigma.diagonal())

    def times(self, g: FloatArray) -> FloatArray:
        """Cg, without C."""
        return np.asarray(self.W.T @ (self.W @ g) + self.Sigma @ g)

    def size_of(self, residuals: FloatArray) -> float:
        """√(r'D⁻¹r) with D the diagonal of C: a length that does not depend on units."""
        return float(np.sqrt(np.sum(residuals**2 / self.diagonal)))


def system_of(model: ComponentModel, variances: FloatArray) -> HendersonSystem:
    """The equations of a model at these variances (r + 1,), the residual's last."""
    import scipy.sparse as sp

    root = model.root_weights
    blocks, precisions, lambdas = [sp.csc_matrix(model.X)], [], []
    terms = tuple(int(i) for i in np.flatnonzero(variances[:-1] > 0))
    for i in terms:
        component = model.components[i]
        block = component.Z if component.root is None else component.Z @ component.root
        blocks.append(sp.csc_matrix(block))
        own = component.precision
        precisions.append(sp.identity(component.n_effects, format="csc") if own is None else own)
        lambdas.append(variances[-1] / variances[i])
    ends = np.cumsum([0, *(b.shape[1] for b in blocks)])
    return HendersonSystem(
        y=root * model.y,
        W=(sp.diags(root) @ sp.hstack(blocks)).tocsc(),
        precisions=tuple(precisions),
        lambdas=np.array(lambdas, dtype=np.float64),
        spans=tuple(slice(int(a), int(b)) for a, b in pairwise(ends)),
        terms=terms,
        residual=float(variances[-1]),
    )


def divisor(system: HendersonSystem, form: str) -> float:
    """The divisor of the λ form: 1, or σ² for the R⁻¹/G⁻¹ form."""
    return 1.0 if one_of("form", form, EQUATION_FORMS) == "ratio" else system.residual


def woodbury(problem: ComponentProblem, factor: MarginalAlgebra, x: FloatArray) -> FloatArray:
    """(V/σ²)⁻¹x = R₀^(−1/2)(I − ZΛA⁻¹Λ'Z')R₀^(−1/2)x, for x (n,) or (n, c).

    With rows times R₀^(−1/2) and the engine's A = Λ'Z'ZΛ + Q, where no λ is infinite; ZL takes the
    place of Z where there is a root.
    """
    whiten = problem.rows.residual.whiten
    out = whiten(x if x.ndim == 2 else x[:, None])
    blocks = problem.cp.scaling.whitened_matrices(problem.rows)
    right = [z.T @ out for z in blocks]
    right = [
        r if p.root is None else p.root.T @ r for r, p in zip(right, problem.priors, strict=True)
    ]
    right = [lam * r[:, None] for lam, r in zip(factor.lams, right, strict=True)]
    found = factor.solve(right) if blocks else []
    for z, b in zip(blocks, problem.system.level_effects([b[:, 0] for b in found]), strict=True):
        out = out - z @ b
    return np.asarray(whiten(out).reshape(x.shape))
