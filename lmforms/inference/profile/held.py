"""One parameter held at a value: coordinates in which it is one number, and the others are free.

All parameters of the criterion are x = (θ, φ), or (θ, φ, ln σ²) where the held parameter depends on
σ; the rest of σ and β is profiled out. A held parameter ψ has a coordinate τ of its own, chosen so
that the criterion is smooth in it up to and at the bounds of ψ, and x = x(τ, z) with free z. The
chain rule gives the derivatives in z,

    ∂d/∂z = J'g,    ∂²d/∂z² = J'HJ + Σ_k g_k ∂²x_k/∂z²,    J = ∂x/∂z,

and, at a minimum over z, the slope of the profile, g'∂x/∂τ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from ...engine.criterion.constraint_cross import constraint_cross
from ...engine.criterion.evaluate import Evaluation, differentiate, evaluate
from ...engine.criterion.given import NOTHING, Constraint, Given
from ...engine.criterion.gls import ConstrainedFit
from ...engine.criterion.problem import Problem
from ...errors import NumericalError
from ...support.arrays import FloatArray

MOST_ROUNDING = 1e-10
"""Share of the criterion by which rounding may move it: as σ goes to zero beside as many random
effects as rows, digits are lost, and ζ would follow rounding."""


@dataclass(frozen=True, eq=False)
class FreeDerivatives:
    """Derivatives in the free coordinates z, and the slope of the profile.

    Attributes
    ----------
    gradient, information, curvature_scale : ndarray (m,), (m, m), (m,)
        As of :class:`~lmforms.engine.criterion.information.LocalDerivatives`.
    slope : float
        In τ.
    cross : ndarray (m,)
        In τ and z.
    own : float
        Second derivative in τ, where the gradient is zero.
    along, jacobian : ndarray (n,), (n, m)
        ∂x/∂τ and ∂x/∂z.
    """

    gradient: FloatArray
    information: FloatArray
    curvature_scale: FloatArray
    slope: float
    cross: FloatArray
    own: float
    along: FloatArray
    jacobian: FloatArray

    @property
    def response(self) -> FloatArray:
        """dz/dτ of the minimum over z, where the information is the Hessian."""
        found = np.linalg.lstsq(self.information, self.cross, rcond=None)[0]
        return np.asarray(-found, dtype=np.float64)

    @property
    def of_minimum(self) -> float:
        """Second derivative in τ of the criterion minimised over z."""
        return self.own + float(self.cross @ self.response)

    @property
    def tangent(self) -> FloatArray:
        """dx/dτ of the minimum over z."""
        return self.along + self.jacobian @ self.response


@dataclass(frozen=True, eq=False)
class Held(ABC):
    """A held parameter of a problem.

    Attributes
    ----------
    problem : Problem
    low, high : float
        Bounds of τ.
    closed : tuple of two bool
        Whether the criterion can be evaluated at the bounds.
    positive : tuple of int
        Entries of z that are square roots, as what they stand for must not change its sign.
    """

    problem: Problem
    low: float = -np.inf
    high: float = np.inf
    closed: tuple[bool, bool] = (False, False)
    positive: tuple[int, ...] = ()

    with_scale = False
    """Whether ln σ² is one of x."""

    # --- what a held parameter must define --------------------------------------------------

    @abstractmethod
    def value(self, tau: float) -> float:
        """ψ in the user's units."""

    @abstractmethod
    def coordinate(self, value: float) -> float:
        """τ of a ψ within its bounds."""

    @abstractmethod
    def position(self, x: FloatArray) -> float:
        """τ at x."""

    @abstractmethod
    def _free(self, x: FloatArray) -> FloatArray:
        """z at x, before square roots are taken."""

    @abstractmethod
    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        """x."""

    @abstractmethod
    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """∂x/∂τ (n,) and ∂x/∂z (n, m)."""

    def _bend(self, tau: float, x: FloatArray, gradient: FloatArray) -> FloatArray | None:
        """Σ_k g_k ∂²x_k/∂z², None for zero."""
        return None

    def _cross_bend(self, tau: float, x: FloatArray, gradient: FloatArray) -> FloatArray | float:
        """Σ_k g_k ∂²x_k/∂τ∂z."""
        return 0.0

    # --- what follows from it -----------------------------------------------------------------

    @property
    def n_x(self) -> int:
        """Number of x."""
        return self.problem.n_parameters + int(self.with_scale)

    def near(self, x: FloatArray) -> Held:
        """The same in the coordinates that suit x."""
        return self

    def free(self, x: FloatArray) -> FloatArray:
        """z at x."""
        z = self._free(x)
        own = list(self.positive)
        z[own] = np.sqrt(np.abs(z[own]))
        return z

    def place(self, tau: float, z: FloatArray) -> FloatArray:
        """x at (τ, z)."""
        if self.positive:
            own, z = list(self.positive), z.copy()
            z[own] = z[own] ** 2
        return self._place(tau, z)

    def jacobian(self, tau: float, x: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """∂x/∂τ and ∂x/∂z."""
        along, J = self._jacobian(tau, x)
        if self.positive:
            own, J = list(self.positive), J.copy()
            J[:, own] *= 2.0 * z[own]
        return along, J

    def given(self, tau: float, x: FloatArray) -> Given:
        """What is given to the criterion."""
        return Given(sigma2=float(np.exp(x[-1]))) if self.with_scale else NOTHING

    def evaluate(self, tau: float, x: FloatArray) -> Evaluation:
        """The criterion at x.

        Raises
        ------
        NumericalError
            It cannot be evaluated there, or not to enough digits.
        """
        parameters = x[: self.problem.n_parameters]
        at = evaluate(self.problem, parameters, self.given(tau, x))
        if at.rounding > MOST_ROUNDING * max(1.0, abs(at.value)):
            raise NumericalError("the criterion has too few digits.")
        return at

    def derivatives(
        self, at: Evaluation, tau: float, x: FloatArray, z: FloatArray, exact: bool
    ) -> FreeDerivatives:
        """Derivatives at an evaluation.

        Parameters
        ----------
        at : Evaluation
        tau, x, z
            Where.
        exact : bool
            By the Hessian, not the average information.
        """
        found = differentiate(at, exact)
        g, H, scale = found.gradient, found.information, found.curvature_scale
        if self.with_scale:
            nu, n = found.gls.nu, len(g)
            squares = found.gls.r2 / found.sigma2
            g = np.append(g, nu - squares)
            joint = np.empty((n + 1, n + 1))
            joint[:n, :n], joint[n, n] = H, squares
            joint[n, :n] = joint[:n, n] = found.mixed
            H, scale = joint, np.append(scale, np.sqrt(nu))
        along, J = self._jacobian(tau, x)
        bend = self._bend(tau, x, g)
        gradient, HJ = J.T @ g, H @ J
        information, cross = J.T @ HJ, along @ HJ + self._cross_bend(tau, x, g)
        if bend is not None:
            information = information + bend
        size = np.sqrt((J**2).T @ scale**2)
        if self.positive:
            own = list(self.positive)
            factor = np.ones(len(z))
            factor[own] = 2.0 * z[own]
            information = factor[:, None] * information * factor
            information[own, own] += 2.0 * gradient[own]
            gradient = factor * gradient
            size[own] *= np.maximum(np.abs(factor[own]), 1.0)
            cross, J = cross * factor, J * factor
        slope, own_bend = float(g @ along), float(along @ H @ along)
        return FreeDerivatives(gradient, information, size, slope, cross, own_bend, along, J)


class Nothing(Held):
    """No parameter is held: for the minimum itself."""

    def value(self, tau: float) -> float:
        return tau

    def coordinate(self, value: float) -> float:
        return value

    def position(self, x: FloatArray) -> float:
        return 0.0

    def _free(self, x: FloatArray) -> FloatArray:
        return x.copy()

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        return z.copy()

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.zeros(len(x)), np.eye(len(x))


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldCoefficient(Nothing):
    """A fixed effect β_j = offset + unit c'β̃, in the user's units and in the engine's.

    Attributes
    ----------
    row : ndarray (p,)
        c.
    offset, unit : float
    estimate : float
        β̂_j.
    """

    row: FloatArray
    offset: float
    unit: float
    estimate: float

    def position(self, x: FloatArray) -> float:
        return self.estimate

    def given(self, tau: float, x: FloatArray) -> Given:
        return Given(constraint=Constraint(self.row, (tau - self.offset) / self.unit))

    def derivatives(
        self, at: Evaluation, tau: float, x: FloatArray, z: FloatArray, exact: bool
    ) -> FreeDerivatives:
        found = super().derivatives(at, tau, x, z, exact)
        assert isinstance(at.gls, ConstrainedFit)
        unit = at.sigma2 * self.unit
        return replace(
            found,
            slope=at.gls.slope / unit,
            own=at.gls.bend / (unit * self.unit),
            cross=constraint_cross(at) / self.unit,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldScale(Held):
    """σ; τ = ln σ² in the engine's units.

    Attributes
    ----------
    unit : float
        σ in the user's units over that in the engine's.
    """

    unit: float
    with_scale = True

    def value(self, tau: float) -> float:
        return float(self.unit * np.exp(0.5 * tau))

    def coordinate(self, value: float) -> float:
        return float(2.0 * np.log(value / self.unit))

    def position(self, x: FloatArray) -> float:
        return float(x[-1])

    def _free(self, x: FloatArray) -> FloatArray:
        return x[:-1].copy()

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        return np.append(z, tau)

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        unit = np.eye(len(x))
        return unit[-1], unit[:, :-1]
