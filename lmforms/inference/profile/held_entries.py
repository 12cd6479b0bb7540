"""Parameters of random effects and residuals held at a value: maps of few entries of x."""

# methods that the base class documents
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.arrays import FloatArray
from .held import Held


def without(x: FloatArray, entry: int) -> FloatArray:
    """A copy of x without an entry (np.delete takes ten times as long)."""
    return np.concatenate((x[:entry], x[entry + 1 :]))


def with_entry(z: FloatArray, entry: int, value: float) -> FloatArray:
    """A copy of z with a number put before an entry."""
    return np.concatenate((z[:entry], (value,), z[entry:]))


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldEntry(Held):
    """A parameter that is one entry of x: τ is this entry.

    Attributes
    ----------
    entry : int
    """

    entry: int

    def _free(self, x: FloatArray) -> FloatArray:
        return without(x, self.entry)

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        return with_entry(z, self.entry, tau)

    @cached_property
    def _unit(self) -> tuple[FloatArray, FloatArray]:
        unit = np.eye(self.n_x)
        return unit[self.entry], np.delete(unit, self.entry, axis=1)

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._unit


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldDeviation(HeldEntry):
    """A standard deviation (or loading) unit · σ · θ_entry^power: τ is it^(1/power).

    At given τ the entry of θ falls as σ rises: θ_entry = τ σ^(−1/power).

    Attributes
    ----------
    unit : float
    power : int
    """

    unit: float
    power: int = 1
    with_scale = True

    def value(self, tau: float) -> float:
        return self.unit * tau**self.power

    def coordinate(self, value: float) -> float:
        return float(np.sign(value) * (abs(value) / self.unit) ** (1.0 / self.power))

    def position(self, x: FloatArray) -> float:
        tau = float(x[self.entry] * np.exp(0.5 * x[-1] / self.power))
        return abs(tau) if self.low == 0.0 else tau

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        return with_entry(z, self.entry, tau * np.exp(-0.5 * z[-1] / self.power))

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        along, J = self._unit
        J = J.copy()
        J[self.entry, -1] = -0.5 / self.power * x[self.entry]
        return along * np.exp(-0.5 * x[-1] / self.power), J

    def _bend(self, tau: float, x: FloatArray, gradient: FloatArray) -> FloatArray:
        out = np.zeros((len(x) - 1, len(x) - 1))
        out[-1, -1] = gradient[self.entry] * (0.5 / self.power) ** 2 * x[self.entry]
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldStratum(HeldEntry):
    """The standard deviation σ exp(φ_entry) of a stratum of the residuals; τ is its logarithm.

    Attributes
    ----------
    unit : float
        σ in the user's units over that in the engine's.
    """

    unit: float
    with_scale = True

    def value(self, tau: float) -> float:
        return float(self.unit * np.exp(tau))

    def coordinate(self, value: float) -> float:
        return float(np.log(value / self.unit))

    def position(self, x: FloatArray) -> float:
        return float(x[self.entry] + 0.5 * x[-1])

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        return with_entry(z, self.entry, tau - 0.5 * z[-1])

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        along, J = self._unit
        J = J.copy()
        J[self.entry, -1] = -0.5
        return along, J


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldCorrelation(Held):
    """The correlation ρ of the first two effects of an unstructured term; τ = arcsin ρ.

    With L₂₁ = rρ and L₂₂ = r√(1 − ρ²), r has the place of L₂₁ in z. L₁₁ and r are positive: of
    another sign they would describe −ρ.

    Attributes
    ----------
    first, second : int
        Entries of x that are L₂₁ and L₂₂.
    """

    first: int
    second: int

    def value(self, tau: float) -> float:
        return float(np.sin(tau))

    def coordinate(self, value: float) -> float:
        return float(np.arcsin(value))

    def position(self, x: FloatArray) -> float:
        return float(np.arctan2(x[self.first], abs(x[self.second])))

    def _free(self, x: FloatArray) -> FloatArray:
        z = without(x, self.second)
        z[self.first] = np.hypot(x[self.first], x[self.second])
        return z

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        r = z[self.first]
        x = with_entry(z, self.second, r * np.cos(tau))
        x[self.first] = r * np.sin(tau)
        return x

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        along, J = np.zeros(len(x)), np.delete(np.eye(len(x)), self.second, axis=1)
        J[self.first, self.first], J[self.second, self.first] = np.sin(tau), np.cos(tau)
        r = x[self.first] * np.sin(tau) + x[self.second] * np.cos(tau)
        along[self.first], along[self.second] = r * np.cos(tau), -r * np.sin(tau)
        return along, J
