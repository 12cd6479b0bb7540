"""Means on the scale of the response: inverses of its transformation, with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray

Derivatives = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""A function's values and its first three derivatives."""

Step = Callable[[FloatArray], Derivatives]


@dataclass(frozen=True, eq=False)
class ResponseScale:
    """The inverse h of a transformation of the response.

    Attributes
    ----------
    label : str
        The transformation as written, such as ``log(y)``.
    response : str
        What is transformed.
    steps : tuple of callable
        h is one after the other.
    least, most : float
        Range of the transformed response: h is not defined beyond.
    base : float
        If the transformation is the logarithm of the response to this base, up to constants;
        0 otherwise.
    factor : float
        What the logarithm is multiplied by.
    ratio : str
        What exponentials of differences are called, if not ratios of the response.
    notes : tuple of str
        What tables of means say besides.
    """

    label: str
    response: str
    steps: tuple[Step, ...]
    least: float
    most: float
    base: float = 0.0
    factor: float = 1.0
    ratio: str = ""
    notes: tuple[str, ...] = ()

    def inverse(self, eta: FloatArray) -> Derivatives:
        """h(η) and its first three derivatives; NaN beyond the range."""
        with np.errstate(all="ignore"):
            inside = (eta >= self.least) & (eta <= self.most)
            start = np.where(inside, eta, np.nan)
            one, zero = np.ones_like(start), np.zeros_like(start)
            found = (start, one, zero, zero)
            for step in self.steps:
                found = _composed(step(found[0]), found)
        return found

    def means(
        self, eta: FloatArray, std_error: FloatArray, sigma: float | None
    ) -> tuple[FloatArray, FloatArray]:
        """Means on the scale of the response and their standard errors by the delta method.

        With a standard deviation σ of the transformed response, means are h(η) + h''(η) σ²/2, by
        a Taylor series of second order.
        """
        h, first, second, third = self.inverse(eta)
        with np.errstate(invalid="ignore"):  # derivatives are infinite at the ends of the range
            if sigma is not None:
                h, first = h + 0.5 * sigma**2 * second, first + 0.5 * sigma**2 * third
            return h, np.abs(first) * std_error

    def limits(
        self, lower: FloatArray, upper: FloatArray, sigma: float | None
    ) -> tuple[FloatArray, FloatArray]:
        """Limits on the scale of the response; those beyond the range are put at its end."""
        ends = []
        for limit in (lower, upper):
            clipped = np.clip(limit, self.least, self.most)
            ends.append(self.means(clipped, np.zeros_like(clipped), sigma)[0])
        return np.fmin(*ends), np.where(np.isnan(ends).any(axis=0), np.nan, np.fmax(*ends))

    def ratios(
        self, difference: FloatArray, std_error: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Ratios from differences of logarithms, with standard errors by the delta method."""
        rate = np.log(self.base) / self.factor
        ratio = np.exp(rate * difference)
        return ratio, np.abs(rate) * ratio * std_error


def _composed(outer: Derivatives, inner: Derivatives) -> Derivatives:
    """Derivatives of f(g(x)) from those of f at g(x) and of g at x."""
    f, f1, f2, f3 = outer
    _, g1, g2, g3 = inner
    return f, f1 * g1, f2 * g1**2 + f1 * g2, f3 * g1**3 + 3.0 * f2 * g1 * g2 + f1 * g3


def affine(scale: float, shift: float) -> Step:
    """``scale * x + shift``."""

    def step(x: FloatArray) -> Derivatives:
        zero = np.zeros_like(x)
        return scale * x + shift, zero + scale, zero, zero

    return step


def power(p: float) -> Step:
    """``x ** p``."""

    def step(x: FloatArray) -> Derivatives:
        made = []
        factor, exponent = 1.0, p
        for _ in range(4):
            made.append(factor * x**exponent if factor else np.zeros_like(x))
            factor, exponent = factor * exponent, exponent - 1.0
        return made[0], made[1], made[2], made[3]

    return step


def exponential(base: float) -> Step:
    """``base ** x``."""
    rate = float(np.log(base))

    def step(x: FloatArray) -> Derivatives:
        value = np.exp(rate * x)
        return value, rate * value, rate**2 * value, rate**3 * value

    return step


def exponential_less_one(x: FloatArray) -> Derivatives:
    """``exp(x) - 1``."""
    value = np.exp(x)
    return np.expm1(x), value, value, value


def logarithm(x: FloatArray) -> Derivatives:
    """The natural logarithm."""
    return np.log(x), 1.0 / x, -1.0 / x**2, 2.0 / x**3


def sine(x: FloatArray) -> Derivatives:
    """The sine."""
    return np.sin(x), np.cos(x), -np.sin(x), -np.cos(x)
