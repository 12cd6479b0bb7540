"""A variance-component model as the engine has it: sums, equations and units.

Every component is a grouping factor with one effect per level, so that θ_i² = γ_i = σ_i²/σ² in the
engine's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ..control import DEFAULT_MEMORY
from ..covariance import Diagonal
from ..engine.criterion.problem import Problem
from ..engine.exact_fit import CHECKED_RATIO, explained
from ..engine.factor import JointSystem, System
from ..engine.prior import Prior
from ..engine.residual_variance import EXPLAINED_BY_FIXED
from ..engine.rows import FactorRows, MatrixRows, ModelRows, RandomRows
from ..engine.solver_choice import exact_system
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.sums_of_rows import sums_of_rows
from ..errors import MemoryLimitError, ModelError
from ..residual import Independent, Weighted
from ..support.arrays import BoolArray, FloatArray
from .model import Component, ComponentModel
from .orthonormal_products import OrthonormalProducts, orthonormal_products

EXPLAINED_SHARE = 1e-10
"""X explains a component whose residual from X is below this share, in norm. Rounding leaves 1e-14;
a slope far from the origin has 1e-7."""


@dataclass(frozen=True, eq=False)
class ComponentProblem:
    """Cross-products and equations of a model.

    Attributes
    ----------
    model : ComponentModel
    rows : ModelRows
    priors : tuple of Prior
        Of each component, for levels of unit variance.
    cp : CrossProducts
        In the engine's units.
    memory : float
        Bytes that a factor may take.
    """

    model: ComponentModel
    rows: ModelRows
    priors: tuple[Prior, ...]
    cp: CrossProducts
    memory: float

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.cp.n

    @property
    def p(self) -> int:
        """Columns of X."""
        return self.cp.p

    @cached_property
    def system(self) -> System | JointSystem:
        """A = Λ'Z'R⁻¹ZΛ + Q, analysed.

        Raises
        ------
        MemoryLimitError
            Its factor does not fit.
        """
        try:
            return exact_system(self.cp, "auto", int(self.memory), self.priors)
        except MemoryLimitError:
            raise MemoryLimitError(
                f"the factor of the equations of {int(self.counts.sum()):,} random effects needs "
                f"more than the {self.memory / 2**30:.2g} GiB of `memory`: raise it, or use a "
                "sparse precision (Pedigree.as_relationship()), a low-rank root or fewer levels."
            ) from None

    def problem(self, reml: bool) -> Problem:
        """The engine's criterion."""
        return Problem(self.system, (Diagonal(1),) * len(self.priors), reml)

    @property
    def roots(self) -> list[Any]:
        """L of each component, or None."""
        return [prior.root for prior in self.priors]

    @cached_property
    def counts(self) -> FloatArray:
        """Effects of each component: the rank of K."""
        return np.array([len(f.zz) for f in self.cp.factors], dtype=np.float64)

    @cached_property
    def spans(self) -> list[slice]:
        """The effects of each component among those of all."""
        ends = np.cumsum([0, *self.counts]).astype(int)
        return [slice(a, b) for a, b in pairwise(ends)]

    # --- units ------------------------------------------------------------------------------

    @property
    def y_scale(self) -> float:
        """The unit of the response."""
        return float(self.cp.scaling.pilot.y_scale)

    @cached_property
    def effect_units(self) -> FloatArray:
        """Units of the effects of each component, (r,)."""
        maps = self.cp.scaling.units.bases
        return self.y_scale * np.array([float(m.matrix[0, 0]) for m in maps])

    @cached_property
    def variance_units(self) -> FloatArray:
        """Units of σ_1², …, σ_r², σ²: the user's variances are these times the engine's."""
        sizes = np.array([c.prior.size for c in self.model.components])
        return np.append(self.effect_units**2 / sizes, self.y_scale**2)

    @cached_property
    def unit_variances(self) -> FloatArray:
        """Mean variance of Z_iu_i for σ_i² = 1, (r,), about one."""
        means = np.array([float(f.zz.sum()) / self.n for f in self.cp.factors])
        return np.maximum(means, np.finfo(float).tiny)

    @property
    def given_x_variance(self) -> float:
        """The variance of y given X."""
        return self.n / (self.n - self.p)

    def level_effects(self, b: list[FloatArray]) -> list[FloatArray]:
        """u of each component in the user's units, from effects (q, 1) of the engine."""
        found = self.system.level_effects(b)
        return [
            unit * np.asarray(u)[:, 0] for u, unit in zip(found, self.effect_units, strict=True)
        ]

    def is_small(self, left: float) -> bool:
        """Whether residuals of this sum of squares may be rounding, to be checked by the rows."""
        pilot = self.cp.scaling.pilot
        size = pilot.y_scale * float(np.sqrt(max(left, 0.0) / self.n))
        return size <= CHECKED_RATIO * pilot.resolution

    # --- X ----------------------------------------------------------------------------------

    @cached_property
    def orthonormal(self) -> OrthonormalProducts:
        """Cross-products with an orthonormal X."""
        cp = self.cp
        if any(effects.any() for effects in cp.scaling.pilot.effects):
            structures = (Diagonal(1),) * len(self.priors)
            cp = sums_of_rows(self.rows, structures, self.roots, pilot=False, rotate=False)
        return orthonormal_products(cp)

    @cached_property
    def explained(self) -> BoolArray:
        """Components that lie in the span of X.

        The restricted likelihood does not depend on their variances, and the likelihood is highest
        with variances of zero.
        """
        whiten = self.rows.residual.whiten
        basis = np.linalg.qr(whiten(self.cp.scaling.units.x(self.rows.X)))[0]
        return np.array(
            [_is_explained(c, whiten, basis) for c in self.model.components], dtype=bool
        )


def component_problem(model: ComponentModel, memory: float = DEFAULT_MEMORY) -> ComponentProblem:
    """Sum up the rows of a model.

    Raises
    ------
    ModelError
        X explains the response exactly, or leaves no degrees of freedom.
    """
    n, p = model.X.shape
    if n <= p:
        raise ModelError(f"{n} rows and {p} columns of X leave nothing for the residuals.")
    rows = engine_rows(model)
    priors = tuple(c.prior.normalised() for c in model.components)
    structures = (Diagonal(1),) * len(priors)
    cp = sums_of_rows(rows, structures, [prior.root for prior in priors], rotate=False)
    problem = ComponentProblem(model, rows, priors, cp, memory)
    if problem.is_small(cp.rr[-1, -1]) and explained(rows).by_fixed:
        raise ModelError(EXPLAINED_BY_FIXED)
    return problem


def engine_rows(model: ComponentModel) -> ModelRows:
    """The rows of a model as the engine takes them."""
    residual = Independent() if model.weights is None else Weighted(model.weights)
    factors = tuple(_random_rows(c.Z) for c in model.components)
    return ModelRows(model.y, model.X, factors, residual, model.response_size)


def _random_rows(Z: Any) -> RandomRows:
    """Codes and basis where no row belongs to several levels."""
    import scipy.sparse as sp

    z = sp.csr_matrix(Z)
    if not z.has_canonical_format:
        z = z.copy()
        z.sum_duplicates()
    entries = np.diff(z.indptr)
    if (entries > 1).any():
        return MatrixRows(z)
    codes, basis = np.zeros(z.shape[0], dtype=np.intp), np.zeros((z.shape[0], 1))
    codes[entries == 1], basis[entries == 1, 0] = z.indices, z.data
    return FactorRows(codes, z.shape[1], basis)


def _is_explained(component: Component, whiten: Any, basis: FloatArray) -> bool:
    """Whether ZLa lies in the span of an orthonormal basis: tried with a random a."""
    a = np.random.default_rng(0).normal(size=component.n_effects)
    whole = left = whiten(component.Z @ component.effects(a))
    for _ in range(2):  # twice, to remove the rounding errors of the first projection
        left = left - basis @ (basis.T @ left)
    return bool(np.linalg.norm(left) <= EXPLAINED_SHARE * np.linalg.norm(whole))
