"""Parameters of correlation and variance functions held at a value: functions of some φ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray
from .held import Held
from .held_entries import HeldEntry

SECOND_STEP = 1e-4
"""Step of second derivatives, by central differences of exact first ones."""

MOST_STEPS, SOLVED = 60, 1e-13
"""Newton steps for the eliminated parameter, and the error of ψ at which they end."""

LEAST_SLOPE = 1e-7
"""A slope of ψ below this cannot be divided by: ψ is at its bound."""


@dataclass(frozen=True, eq=False)
class NaturalFunction:
    """A natural parameter as a function of φ.

    Attributes
    ----------
    part : Correlation or VarianceFunction
    index : int
        Of the natural parameter.
    start : int
        Where the φ of the part begin in x.
    """

    part: Any
    index: int
    start: int

    @property
    def places(self) -> slice:
        """Of its φ in x."""
        return slice(self.start, self.start + self.part.n_parameters)

    def value(self, x: FloatArray) -> float:
        """The parameter at x."""
        with np.errstate(all="ignore"):
            return float(np.asarray(self.part.natural(x[self.places]))[self.index])

    def slopes(self, x: FloatArray) -> FloatArray:
        """Its derivatives in its φ."""
        with np.errstate(all="ignore"):
            return np.asarray(self.part.natural_derivative(x[self.places])[:, self.index])

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest value."""
        low, high = self.part.bounds()
        return float(low[self.index]), float(high[self.index])

    def own_entry(self, x: FloatArray) -> int | None:
        """The entry of x that alone determines it, or None."""
        rng = np.random.default_rng(0)
        phi = x[self.places]
        used = np.zeros(len(phi), dtype=bool)
        for shift in (0.0, 0.3):
            moved = x.copy()
            moved[self.places] = phi + shift * rng.uniform(0.5, 1.0, len(phi))
            used |= self.slopes(moved) != 0.0
        entries = np.flatnonzero(used)
        return self.start + int(entries[0]) if len(entries) == 1 else None


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldNatural(HeldEntry):
    """A natural parameter that depends on one φ alone; τ is this φ.

    Attributes
    ----------
    function : NaturalFunction
    at : ndarray
        Some x, whose other φ do not matter.
    """

    function: NaturalFunction
    at: FloatArray

    def value(self, tau: float) -> float:
        x = self.at.copy()
        x[self.entry] = tau
        return self.function.value(x)

    def coordinate(self, value: float) -> float:
        function = self.function
        with np.errstate(all="ignore"):
            natural = np.array(function.part.natural(self.at[function.places]), dtype=np.float64)
            natural[function.index] = value
            try:
                phi = np.asarray(function.part.parameters(natural))
            except (np.linalg.LinAlgError, ValueError):
                return float("nan")
        return float(phi[self.entry - function.start])

    def position(self, x: FloatArray) -> float:
        tau = float(x[self.entry])
        if not np.isfinite(self.low) and not np.isfinite(self.high):
            return tau
        return self.coordinate(self.value(tau))  # angles are periodic

    @classmethod
    def of(cls, held: HeldNatural) -> HeldNatural:
        """The same with bounds of τ."""
        low, high = (held.coordinate(bound) for bound in held.function.bounds)
        closed = [
            bool(np.isfinite(tau) and np.isfinite(v) and abs(held.value(tau) - v) < 1e-9)
            for tau, v in zip((low, high), held.function.bounds, strict=True)
        ]
        low, high = (low if closed[0] else -np.inf), (high if closed[1] else np.inf)
        return replace(held, low=low, high=high, closed=(closed[0], closed[1]))


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldFunction(Held):
    """A parameter ψ that depends on several φ: one of them, the pivot, follows from the others.

    Attributes
    ----------
    function : NaturalFunction
    pivot : int
        Entry of x that is eliminated.
    guess : float
        Its value nearby.
    """

    function: NaturalFunction
    pivot: int = 0
    guess: float = 0.0

    @cached_property
    def _is_angle(self) -> bool:
        return bool(np.isfinite(self.function.bounds).all())

    def value(self, tau: float) -> float:
        if not self._is_angle:
            return tau
        low, high = self.function.bounds
        return float(0.5 * (low + high) + 0.5 * (high - low) * np.sin(tau))

    def coordinate(self, value: float) -> float:
        if not self._is_angle:
            return value
        low, high = self.function.bounds
        return float(np.arcsin(np.clip((2.0 * value - low - high) / (high - low), -1.0, 1.0)))

    def position(self, x: FloatArray) -> float:
        return self.coordinate(self.function.value(x))

    def near(self, x: FloatArray) -> HeldFunction:
        slopes = self.function.slopes(x)
        pivot = self.function.start + int(np.abs(slopes).argmax())
        return replace(self, pivot=pivot, guess=float(x[pivot]))

    def _free(self, x: FloatArray) -> FloatArray:
        return np.delete(x, self.pivot)

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        wanted = self.value(tau)
        x = np.insert(z, self.pivot, self.guess)
        own = self.pivot - self.function.start
        for _ in range(MOST_STEPS):
            miss = self.function.value(x) - wanted
            slope = self.function.slopes(x)[own]
            if abs(miss) <= SOLVED:
                return x
            if not abs(slope) > LEAST_SLOPE:
                break
            x[self.pivot] -= float(np.clip(miss / slope, -0.5, 0.5))
        raise NumericalError("the parameter cannot be held at this value.")

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        slopes = self.function.slopes(x)
        own = slopes[self.pivot - self.function.start]
        if not abs(own) > LEAST_SLOPE:
            raise NumericalError("the parameter is at its bound.")
        full = np.zeros(len(x))
        full[self.function.places] = slopes
        J = np.delete(np.eye(len(x)), self.pivot, axis=1)
        J[self.pivot] = -np.delete(full, self.pivot) / own
        along = np.zeros(len(x))
        low, high = self.function.bounds
        along[self.pivot] = (0.5 * (high - low) * np.cos(tau) if self._is_angle else 1.0) / own
        return along, J

    def _bend(self, tau: float, x: FloatArray, gradient: FloatArray) -> FloatArray:
        J = self._jacobian(tau, x)[1][self.function.places]
        return np.asarray(J.T @ self._pivot_curvature(x, gradient) @ J)

    def _cross_bend(self, tau: float, x: FloatArray, gradient: FloatArray) -> FloatArray:
        places = self.function.places
        along, J = self._jacobian(tau, x)
        return np.asarray(J[places].T @ self._pivot_curvature(x, gradient) @ along[places])

    def _pivot_curvature(self, x: FloatArray, gradient: FloatArray) -> FloatArray:
        """−(g_p/ψ_p) ∂²ψ, in the φ of the part: what the pivot's own curvature adds."""
        places = self.function.places
        n = places.stop - places.start
        second = np.empty((n, n))
        for i in range(n):
            step = np.zeros(len(x))
            step[places.start + i] = SECOND_STEP
            difference = self.function.slopes(x + step) - self.function.slopes(x - step)
            second[i] = difference / (2.0 * SECOND_STEP)
        own = self.function.slopes(x)[self.pivot - places.start]
        return np.asarray(-0.5 * gradient[self.pivot] / own * (second + second.T))
