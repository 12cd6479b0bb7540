"""Variance functions: standard deviations of rows as functions of parameters.

σ² is the variance where the function is 1: of the first stratum, at |x| = 1 for a power, at x = 0
for an exponential.

References
----------
Pinheiro, Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 5.2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from ..correlation.base import complex_derivative
from ..support.arrays import BoolArray, FloatArray, IndexArray

SMALLEST_RATIO, LARGEST_RATIO = 1e-6, 1e6
"""Ratios of standard deviations beyond these are reported as being at their bound."""


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
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest natural parameters."""

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

    @property
    def n_parameters(self) -> int:
        """Number of parameters φ."""
        return len(self.names)

    def log_sd_derivative(self, phi: FloatArray) -> FloatArray:
        """∂log_sd/∂φ, (parameters, n)."""
        return complex_derivative(self.log_sd, phi)

    def natural_derivative(self, phi: FloatArray) -> FloatArray:
        """∂natural_j/∂φ_i."""
        return complex_derivative(self.natural, phi)


@dataclass(frozen=True, eq=False)
class StrataVariance(VarianceFunction):
    """A standard deviation of its own in every stratum, relative to the first: ``idh(f)``.

    Parameters
    ----------
    codes : ndarray of int (n,)
        Stratum of each row, 0 … k − 1.
    names : tuple of str (k − 1,)
        Of the ratios of strata 1 … k − 1 to stratum 0.

    Examples
    --------
    >>> strata = StrataVariance(np.array([0, 1, 1]), ("sd[b]",))
    >>> np.exp(strata.log_sd(strata.parameters([2.0])))
    array([1., 2., 2.])
    """

    codes: IndexArray
    names: tuple[str, ...]

    def log_sd(self, phi: Any) -> Any:
        phi = np.asarray(phi)
        return np.concatenate([np.zeros(1, dtype=phi.dtype), phi])[self.codes]

    def natural(self, phi: Any) -> Any:
        return np.exp(phi)

    def parameters(self, natural: FloatArray) -> FloatArray:
        return np.log(np.asarray(natural, dtype=np.float64))

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.zeros(len(self.names)), np.full(len(self.names), np.inf)

    def starts(self) -> list[FloatArray]:
        return [np.zeros(len(self.names))]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        ratios = np.asarray(self.natural(phi))
        return np.asarray((ratios < SMALLEST_RATIO) | (ratios > LARGEST_RATIO))

    def row_constants(self) -> FloatArray:
        return self.codes.astype(np.float64)[:, None]

    def subset(self, rows: slice | BoolArray | IndexArray) -> StrataVariance:
        return replace(self, codes=self.codes[rows])

    def log_sd_derivative(self, phi: FloatArray) -> FloatArray:
        strata = np.arange(1, len(self.names) + 1)
        return (self.codes == strata[:, None]).astype(np.float64)


class _Unbounded(VarianceFunction):
    """One parameter δ, any real number: ln sd = δ z for known z."""

    x: FloatArray
    unit: float

    def natural(self, phi: Any) -> Any:
        return np.asarray(phi) / self.unit

    def parameters(self, natural: FloatArray) -> FloatArray:
        return np.asarray(natural, dtype=np.float64) * self.unit

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.array([-np.inf]), np.array([np.inf])

    def starts(self) -> list[FloatArray]:
        return [np.zeros(1), np.array([0.5]), np.array([-0.5])]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        return np.zeros(1, dtype=bool)

    def row_constants(self) -> FloatArray:
        return self.x[:, None]


@dataclass(frozen=True, eq=False)
class PowerVariance(_Unbounded):
    """Standard deviation x^δ of a positive covariate: ``power(x)``.

    Parameters
    ----------
    x : ndarray (n,)
    unit : float, optional
        φ = δ × unit. By default the standard deviation of ln x, so that φ is of order one.

    Examples
    --------
    >>> power = PowerVariance(np.array([1.0, 2.0, 4.0]))
    >>> np.exp(power.log_sd(power.parameters([0.5])))
    array([1.        , 1.41421356, 2.        ])
    """

    x: FloatArray
    unit: float = 0.0
    names = ("power",)

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", _spread(self._log_x))

    @cached_property
    def _log_x(self) -> FloatArray:
        return np.log(self.x)

    def log_sd(self, phi: Any) -> Any:
        return self.natural(phi)[0] * self._log_x

    def subset(self, rows: slice | BoolArray | IndexArray) -> PowerVariance:
        return replace(self, x=self.x[rows])


@dataclass(frozen=True, eq=False)
class ExponentialVariance(_Unbounded):
    """Standard deviation exp(δx) of a covariate: ``expvar(x)``.

    Parameters
    ----------
    x : ndarray (n,)
    unit : float, optional
        φ = δ × unit. By default the standard deviation of x.

    Examples
    --------
    >>> growth = ExponentialVariance(np.array([0.0, 1.0, 2.0]))
    >>> growth.log_sd(growth.parameters([0.5]))
    array([0. , 0.5, 1. ])
    """

    x: FloatArray
    unit: float = 0.0
    names = ("rate",)

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", _spread(self.x))

    def log_sd(self, phi: Any) -> Any:
        return self.natural(phi)[0] * self.x

    def subset(self, rows: slice | BoolArray | IndexArray) -> ExponentialVariance:
        return replace(self, x=self.x[rows])


@dataclass(frozen=True, eq=False)
class ConstantPowerVariance(VarianceFunction):
    """Standard deviation c + x^δ of a positive covariate, c > 0: ``constpower(x)``.

    Parameters
    ----------
    x : ndarray (n,)
    middle : float, optional
        Where starts are sought: by default the geometric mean of x.

    Examples
    --------
    >>> function = ConstantPowerVariance(np.array([1.0, 4.0]))
    >>> np.exp(function.log_sd(function.parameters([2.0, 0.5])))
    array([3., 4.])
    """

    x: FloatArray
    middle: float = 0.0
    names = ("const", "power")

    def __post_init__(self) -> None:
        if not self.middle:
            object.__setattr__(self, "middle", float(np.exp(self._log_x.mean())))

    @cached_property
    def _log_x(self) -> FloatArray:
        return np.log(self.x)

    def log_sd(self, phi: Any) -> Any:
        phi = np.asarray(phi)
        return np.log(np.exp(phi[0]) + np.exp(phi[1] * self._log_x))

    def natural(self, phi: Any) -> Any:
        phi = np.asarray(phi)
        return np.stack([np.exp(phi[0]), phi[1]])

    def parameters(self, natural: FloatArray) -> FloatArray:
        return np.array([np.log(natural[0]), natural[1]], dtype=np.float64)

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        return np.array([0.0, -np.inf]), np.array([np.inf, np.inf])

    def starts(self) -> list[FloatArray]:
        pairs = [(0.5, 1.0), (0.1, 0.5), (0.5, -0.5)]  # a share of the power in the middle, δ
        return [self.parameters([s * self.middle**d, d]) for s, d in pairs]  # type: ignore[arg-type]

    def at_bound(self, phi: FloatArray) -> BoolArray:
        """c is at zero where it is nothing beside the smallest power."""
        smallest = np.exp((phi[1] * self._log_x).min())
        return np.array([np.exp(phi[0]) < SMALLEST_RATIO * smallest, False])

    def row_constants(self) -> FloatArray:
        return self.x[:, None]

    def subset(self, rows: slice | BoolArray | IndexArray) -> ConstantPowerVariance:
        return replace(self, x=self.x[rows])


@dataclass(frozen=True, eq=False)
class VarianceProduct(VarianceFunction):
    """The product of variance functions.

    Parameters
    ----------
    factors : tuple of VarianceFunction

    Examples
    --------
    >>> strata = StrataVariance(np.array([0, 1]), ("sd[b]",))
    >>> both = VarianceProduct((strata, PowerVariance(np.array([1.0, 4.0]))))
    >>> both.names, np.exp(both.log_sd(both.parameters([3.0, 0.5])))
    (('sd[b]', 'power'), array([1., 6.]))
    """

    factors: tuple[VarianceFunction, ...]
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(name for factor in self.factors for name in factor.names)
        object.__setattr__(self, "names", names)

    def _split(self, values: Any) -> list[Any]:
        ends = np.cumsum([factor.n_parameters for factor in self.factors])[:-1]
        return np.split(np.asarray(values), ends)

    def log_sd(self, phi: Any) -> Any:
        return sum(f.log_sd(own) for f, own in zip(self.factors, self._split(phi), strict=True))

    def natural(self, phi: Any) -> Any:
        pairs = zip(self.factors, self._split(phi), strict=True)
        return np.concatenate([f.natural(own) for f, own in pairs])

    def parameters(self, natural: FloatArray) -> FloatArray:
        pairs = zip(self.factors, self._split(natural), strict=True)
        return np.concatenate([f.parameters(own) for f, own in pairs])

    def bounds(self) -> tuple[FloatArray, FloatArray]:
        low, high = zip(*(factor.bounds() for factor in self.factors), strict=True)
        return np.concatenate(low), np.concatenate(high)

    def starts(self) -> list[FloatArray]:
        first = [factor.starts()[0] for factor in self.factors]
        out = [np.concatenate(first)]
        for i, factor in enumerate(self.factors):
            for other in factor.starts()[1:]:
                out.append(np.concatenate([*first[:i], other, *first[i + 1 :]]))
        return out

    def at_bound(self, phi: FloatArray) -> BoolArray:
        pairs = zip(self.factors, self._split(phi), strict=True)
        return np.concatenate([f.at_bound(own) for f, own in pairs])

    def row_constants(self) -> FloatArray:
        return np.hstack([factor.row_constants() for factor in self.factors])

    def subset(self, rows: slice | BoolArray | IndexArray) -> VarianceProduct:
        return VarianceProduct(tuple(factor.subset(rows) for factor in self.factors))


def _spread(values: FloatArray) -> float:
    """Standard deviation, one where there is none."""
    return float(values.std()) or 1.0
