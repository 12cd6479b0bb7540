"""Variance functions: standard deviations of rows as functions of parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

from ..correlation.base import complex_derivative
from ..support.arrays import BoolArray, FloatArray, IndexArray


class VarianceFunction(ABC):
    """ln of the standard deviation of every row, relative to σ, as an analytic function of φ."""

    names: tuple[str, ...]

    @abstractmethod
    def log_sd(self, phi: Any) -> Any:
        """ln standard deviation of each row, (n,)."""

    @abstractmethod
    def natural(self, phi: Any) -> Any:
        """Natural parameters."""

    @abstractmethod
    def parameters(self, natural: FloatArray) -> FloatArray:
        """φ from natural parameters."""

    @abstractmethod
    def starts(self) -> list[FloatArray]:
        """Values of φ from which searches start."""

    @abstractmethod
    def at_bound(self, phi: FloatArray) -> BoolArray:
        """Which natural parameters are at one of their bounds."""

    @abstractmethod
    def row_constants(self) -> FloatArray:
        """What the value of a row depends on beside φ, (n, c)."""

    @abstractmethod
    def subset(self, rows: slice | BoolArray | IndexArray) -> Self:
        """The function for some of the rows."""

    def log_sd_derivative(self, phi: FloatArray) -> FloatArray:
        """∂log_sd/∂φ, (parameters, n)."""
        return complex_derivative(self.log_sd, phi)

    def natural_derivative(self, phi: FloatArray) -> FloatArray:
        """∂natural_j/∂φ_i."""
        return complex_derivative(self.natural, phi)
