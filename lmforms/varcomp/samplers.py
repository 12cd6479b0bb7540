r"""Draws of the random effects at given variances, β integrated out: three ways.

The posterior of v = (σ_1², …, σ²) and a (u = La, a_i ~ N(0, σ_i²Q_i⁻¹)) under flat β needs

    a | v, y,         which differs by sampler,
    v | a, y:         σ_i² ~ (a_i'Q_ia_i + S_iν_i)/χ²(q_i + ν_i),
                      σ² ~ (e'Se + Sν)/χ²(n − p + ν),    e = y − Za,  S = I − X̃X̃',
    β̃ | a, σ², y ~ N(X̃'(ỹ − Za), σ²I).

Cheat sheet, section 7, where β is drawn with u and e'e has n degrees of freedom: integrating it out
gives the same posterior in fewer steps. With M = DZ'ZD + Q of :mod:`.equations` and a = Db:

- `DiagonalSampler`, one component: in the basis of :mod:`.component_spectrum` the a_j are
  independent. Directions on which the data do not depend are integrated out too: q_i becomes the
  number of the others.
- `DenseSampler`: (β, b) as one block, from a Cholesky factor of M at every draw.
- `SparseSampler`: as one block too. The solution of the mixed-model equations is a draw if
  [X DZ]'ε + [0; Fz], with FF' = Q, is added to their right side (García-Cortés and Sorensen 1996,
  Genetics Selection Evolution 28, 121–126). That takes a sparse factor and one solve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .component_spectrum import affordable, diagonalised
from .equations import Equations
from .model import ComponentModel
from .sums import Sums

MOST_DIAGONALISED = 2_000
"""A sparse component is diagonalised up to this many effects: it takes seconds."""


class Sampler(ABC):
    """Draws in the units of the sums.

    Attributes
    ----------
    name : str
        For messages.
    degrees : ndarray (r + 1,)
        Numbers of squares in what :meth:`squares` returns.
    """

    name: str

    def __init__(self, sums: Sums, degrees: FloatArray) -> None:
        self.sums, self.degrees = sums, degrees

    @abstractmethod
    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw a, or its coordinates."""

    @abstractmethod
    def squares(self, effects: FloatArray) -> FloatArray:
        """a_i'Q_ia_i of every component, and e'Se."""

    @abstractmethod
    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draw the coefficients of X̃."""

    @abstractmethod
    def expanded(self, effects: FloatArray) -> FloatArray:
        """a (m,) from its coordinates."""


class DiagonalSampler(Sampler):
    """One component, diagonalised."""

    name = "diagonalised: one eigendecomposition, then independent effects"

    def __init__(self, model: ComponentModel, sums: Sums) -> None:
        self.spectrum = s = diagonalised(model, sums)
        super().__init__(sums, np.array([len(s.d), sums.n - sums.p], dtype=np.float64))
        self._root = np.sqrt(s.d)

    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        s, ratio = self.spectrum, variances[0] / variances[1]
        shrunk = 1.0 / (1.0 + ratio * s.d)
        noise = np.sqrt(variances[0] * shrunk) * rng.standard_normal(len(s.d))
        return np.asarray(ratio * shrunk * self._root * s.eta + noise)

    def squares(self, effects: FloatArray) -> FloatArray:
        left = self.spectrum.eta - self._root * effects
        return np.array([effects @ effects, left @ left + self.spectrum.residual_squares])

    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        own, s = rng.standard_normal((2, self.sums.p)), self.spectrum
        noise = np.sqrt(variances[0]) * s.x_root_outside @ own[0] + np.sqrt(variances[1]) * own[1]
        return np.asarray(noise - s.x_basis @ effects)

    def expanded(self, effects: FloatArray) -> FloatArray:
        return np.asarray(self.spectrum.basis @ effects)


class _Block(Sampler):
    """Any components: a itself, from the mixed-model equations."""

    def __init__(self, model: ComponentModel, equations: Equations) -> None:
        sums = equations.sums
        counts = [c.n_effects for c in model.components]
        super().__init__(sums, np.array([*counts, sums.n - sums.p], dtype=np.float64))
        self.equations = equations

    def squares(self, effects: FloatArray) -> FloatArray:
        s = self.sums
        own = effects * np.asarray(s.precision @ effects)
        moments = effects @ s.zr
        left = s.rr[s.p, s.p] - 2.0 * moments[s.p] + effects @ np.asarray(s.zz @ effects)
        left -= moments[: s.p] @ moments[: s.p]
        if not left > 0:
            raise NumericalError(
                "the residuals are lost in rounding: the random effects explain the response."
            )
        return np.array([*(own[span].sum() for span in s.spans), left])

    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        p = self.sums.p
        noise = np.sqrt(variances[-1]) * rng.standard_normal(p)
        return np.asarray(noise - effects @ self.sums.zr[:, :p])

    def expanded(self, effects: FloatArray) -> FloatArray:
        return effects

    def _fixed(self, xx: FloatArray, xy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The solution β of the equations after elimination of b, and their triangle."""
        try:
            lower = np.linalg.cholesky(0.5 * (xx + xx.T))
        except np.linalg.LinAlgError:
            raise NumericalError("X'V⁻¹X is not positive definite.") from None
        return np.asarray(np.linalg.solve(lower.T, np.linalg.solve(lower, xy))), np.asarray(lower)


class DenseSampler(_Block):
    """One dense Cholesky factor per draw."""

    name = "block draw of all coefficients by a dense Cholesky factor"

    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        from scipy.linalg import solve_triangular

        s, sigma = self.sums, np.sqrt(variances[-1])
        factored: Any = self.equations.factor(variances[:-1] / variances[-1])
        half = solve_triangular(
            factored.lower, factored.spread[:, None] * s.zr, lower=True, check_finite=False
        )
        moments = s.rr - half.T @ half
        beta, lower = self._fixed(moments[: s.p, : s.p], moments[: s.p, s.p])
        beta = beta + sigma * np.linalg.solve(lower.T, rng.standard_normal(s.p))
        right = half[:, s.p] - half[:, : s.p] @ beta + sigma * rng.standard_normal(s.m)
        b = solve_triangular(factored.lower, right, lower=True, trans="T", check_finite=False)
        return np.asarray(factored.spread * b)


class SparseSampler(_Block):
    """One sparse factor and one solve per draw."""

    name = "block draw of all coefficients by a sparse factor and a perturbed right side"

    def __init__(self, model: ComponentModel, equations: Equations) -> None:
        import scipy.sparse as sp

        super().__init__(model, equations)
        root = model.root_weights
        blocks = [c.shrunk((sp.diags(root) @ c.Z).T) for c in model.components]
        self._z_transposed = sp.vstack(blocks, format="csr")
        x = root[:, None] * model.X
        self._x = np.linalg.solve(self.sums.x_root.T, x.T).T if self.sums.p else x
        self._roots = [_sparse_root(c.precision) for c in model.components]

    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        s, sigma = self.sums, np.sqrt(variances[-1])
        factored = self.equations.factor(variances[:-1] / variances[-1])
        d, p = factored.spread, s.p
        noise = sigma * rng.standard_normal(s.n)
        inner = sigma * rng.standard_normal(s.m)
        for span, root in zip(s.spans, self._roots, strict=True):
            if root is not None:
                order, lower = root
                own = np.empty(span.stop - span.start)
                own[order] = lower @ inner[span]
                inner[span] = own
        right = d[:, None] * s.zr
        right[:, p] += d * (self._z_transposed @ noise) + inner
        solved = factored.solve(right)
        x_right = s.rr[:p, p] + self._x.T @ noise
        weighted = (d[:, None] * s.zr[:, :p]).T
        beta, _ = self._fixed(
            s.rr[:p, :p] - weighted @ solved[:, :p], x_right - weighted @ solved[:, p]
        )
        return np.asarray(d * (solved[:, p] - solved[:, :p] @ beta))


def _sparse_root(precision: Any) -> tuple[Any, Any] | None:
    """(order, L) with Q[order][:, order] = LL'; nothing for Q = I."""
    if precision is None:
        return None

    from ..engine.linalg.sparse_cholesky import cholesky_of

    cholesky, factored = cholesky_of(precision)
    return cholesky.order, factored.lower


def sampler_of(model: ComponentModel, sums: Sums) -> Sampler:
    """The fastest sampler for a model."""
    one = len(model.components) == 1 and affordable(sums)
    if one and (not sums.is_sparse or sums.m <= MOST_DIAGONALISED):
        return DiagonalSampler(model, sums)
    equations = Equations(sums)
    return (SparseSampler if equations.is_sparse else DenseSampler)(model, equations)
