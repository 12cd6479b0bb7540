r"""Functions whose obvious formulas cancel: logarithms less their first terms, ratios of gammas.

With :math:`s(x)` the error of Stirling's formula,
:math:`\ln Γ(x) = (x - 1/2) \ln x - x + \ln(2π)/2 + s(x)`, log-densities of gamma, beta and
negative binomial distributions become deviances, which are small near the mode, and few terms
:math:`s` (Loader, 2000, "Fast and accurate computation of binomial probabilities").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from ...support.arrays import BoolArray, FloatArray

HALF_LOG_TWO_PI = 0.5 * np.log(2.0 * np.pi)
# From here on the asymptotic series below reach double precision, with their third derivatives.
LARGE = 16.0
# Below this size the series of logarithms and exponentials need few terms, and above it the
# obvious formulas lose less than four bits.
SMALL = 0.25
# Of counts up to here, sums over the numbers below them are faster than polygamma functions, and
# all their terms have one sign.
_MOST_TERMS = 40
# B_{2k} / (2k (2k − 1)), the coefficients of x^{1 − 2k} in s(x)
STIRLING = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)


def _piecewise(
    first: BoolArray,
    on_first: Callable[[FloatArray], FloatArray],
    on_rest: Callable[[FloatArray], FloatArray],
    x: FloatArray,
) -> FloatArray:
    """One function where `first` holds and another elsewhere, each called for its own entries."""
    if first.all():
        return on_first(x)
    if not first.any():
        return on_rest(x)
    out = np.empty_like(x)
    out[first] = on_first(x[first])
    out[~first] = on_rest(x[~first])
    return out


def _polynomial(coefficients: Sequence[float], x: FloatArray) -> FloatArray:
    """Σ c_k x^k by Horner's rule."""
    total = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total *= x
        total += c
    return total


def log1p_minus(x: FloatArray) -> FloatArray:
    """``log1p(x) - x`` for x > −1, also near 0.

    Examples
    --------
    >>> round(float(log1p_minus(np.array(1e-10)) / -0.5e-20), 13)
    0.9999999999333
    """

    def series(x: FloatArray) -> FloatArray:
        # log1p(x) = 2 artanh(r), and 2r − x = −rx
        r = x / (2.0 + x)
        odd = _polynomial([1.0 / (2 * k + 3) for k in range(11)], r * r)
        return np.asarray(r * (2.0 * r * r * odd - x))

    x = np.asarray(x, dtype=np.float64)
    return _piecewise(np.abs(x) < SMALL, series, lambda x: np.log1p(x) - x, x)


def log_excess(x: FloatArray, logarithm: FloatArray) -> FloatArray:
    """``log1p(x) - x`` where the logarithm is known: it is taken far from 0, also near −1."""
    near = np.abs(x) < 2.0 * SMALL
    return np.where(near, log1p_minus(np.where(near, x, 0.0)), logarithm - x)


def divergence(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """``o log(o/e) - (o - e)`` of numbers o ≥ 0 and e > 0, at least 0.

    Examples
    --------
    >>> divergence(np.array([0.0, 2.0]), np.array([0.5, 1.0])).round(4)
    array([0.5   , 0.3863])
    """
    with np.errstate(all="ignore"):
        excess = log_excess((expected - observed) / observed, np.log(expected) - np.log(observed))
    return np.where(observed > 0.0, -observed * excess, expected)


def expm1_minus(x: FloatArray) -> FloatArray:
    """``expm1(x) - x``, also near 0.

    Examples
    --------
    >>> round(float(expm1_minus(np.array(1e-10)) / 0.5e-20), 13)
    1.0000000000333
    """

    def series(x: FloatArray) -> FloatArray:
        total = np.ones_like(x)
        for k in range(13, 2, -1):
            total *= x / k
            total += 1.0
        return np.asarray(0.5 * x * x * total)

    x = np.asarray(x, dtype=np.float64)
    return _piecewise(np.abs(x) < SMALL, series, lambda x: np.expm1(x) - x, x)


def softplus(x: FloatArray) -> FloatArray:
    """``log(1 + exp(x))``."""
    return np.asarray(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))))


def tails(x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """1/(1 + e^{−x}), its complement, and ln(1 + e^{−|x|}), each to full relative precision.

    Examples
    --------
    >>> [float(a) for a in tails(np.array(0.0))]
    [0.5, 0.5, 0.6931471805599453]
    """
    small = np.exp(-np.abs(x))
    log_term = np.log1p(small)
    large = 1.0 / (1.0 + small)
    small = small * large
    positive = x > 0.0
    return np.where(positive, large, small), np.where(positive, small, large), log_term


def stirling_error(x: FloatArray) -> FloatArray:
    """s(x), for x > 0; 0 at 0, where it stands for ln 0! of a count.

    Examples
    --------
    >>> float(12.0e8 * stirling_error(np.array(1e8)))
    1.0
    """

    def series(x: FloatArray) -> FloatArray:
        inverse = 1.0 / x
        return _polynomial(STIRLING, inverse * inverse) * inverse

    def direct(x: FloatArray) -> FloatArray:
        at = np.where(x == 0.0, 1.0, x)
        error = gammaln(at) - (at - 0.5) * np.log(at) + at - HALF_LOG_TWO_PI
        return np.where(x == 0.0, 0.0, error)

    x = np.asarray(x, dtype=np.float64)
    return _piecewise(x >= LARGE, series, direct, x)


def stirling_slope(x: FloatArray) -> FloatArray:
    """s'(x) = ψ(x) − ln x + 1/(2x)."""
    x = np.asarray(x, dtype=np.float64)
    return _piecewise(
        x >= LARGE,
        lambda x: _scaled_derivatives(x, 1)[0] / x,
        lambda x: digamma(x) - np.log(x) + 0.5 / x,
        x,
    )


def _scaled_derivatives(x: FloatArray, order: int) -> list[FloatArray]:
    """x s', x² s'', …, x^order s^(order) at large x: no power of x overflows."""
    inverse = 1.0 / x
    square = inverse * inverse
    powers = [1.0 - 2 * k for k in range(1, len(STIRLING) + 1)]
    coefficients, found = list(STIRLING), []
    for d in range(order):
        coefficients = [c * (p - d) for c, p in zip(coefficients, powers)]
        found.append(_polynomial(coefficients, square) * inverse)
    return found


def rising(y: FloatArray, r: FloatArray, order: int) -> list[FloatArray]:
    r"""A rising factorial relative to a power, with derivatives in the logarithm of its base.

    .. math:: R(y, r) = \ln Γ(y + r) - \ln Γ(r) - y \ln r = \sum_{j < y} \ln(1 + j / r)

    (the sum for counts y). All tend to 0 as r grows, without loss of digits.

    Parameters
    ----------
    y, r : ndarray
        y ≥ 0 and r > 0.
    order : int
        0 to 3.

    Returns
    -------
    list of ndarray
        R and its derivatives in ln r.

    Examples
    --------
    >>> R, slope = rising(np.array([2.0]), np.array([1e9]), 1)
    >>> round(float(R[0] * 1e9), 12), round(float(slope[0] * 1e9), 12)
    (0.9999999995, -0.999999999)
    """
    y, r = (np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(y, r))
    summed = (y <= _MOST_TERMS) & (y == np.floor(y))
    if summed.all():
        return list(_rising_by_sum(y, r, order))
    found = np.empty((order + 1, *y.shape))
    found[:, summed] = _rising_by_sum(y[summed], r[summed], order)
    found[:, ~summed] = _rising_by_stirling(y[~summed], r[~summed], order)
    return list(found)


def _rising_by_sum(y: FloatArray, r: FloatArray, order: int) -> FloatArray:
    """The sum over j < y; rows in the order of their counts, so that each j takes the first few."""
    found = np.zeros((order + 1, len(y)))
    # of small integers NumPy sorts by radix
    counts = y.astype(np.uint8)
    by_count = np.argsort(counts, kind="stable")[::-1]
    counts, r = counts[by_count], r[by_count]
    sums = np.zeros((order + 1, len(y)))
    last = len(y) - np.searchsorted(counts[::-1], np.arange(1, 2 + _MOST_TERMS), side="right")
    for j in range(1, _MOST_TERMS):
        n = last[j - 1]  # rows of counts above j
        if not n:
            break
        at = r[:n]
        sums[0, :n] += np.log1p(j / at)
        if order:
            share = j / (at + j)
            sums[1, :n] -= share
        if order > 1:
            bend = share * (at / (at + j))
            sums[2, :n] += bend
        if order > 2:
            sums[3, :n] += bend * (2.0 * share - 1.0)
    found[:, by_count] = sums
    return found


def _rising_by_stirling(y: FloatArray, r: FloatArray, order: int) -> FloatArray:
    """By Stirling's formula, and by ψ in derivatives at small r."""
    v = y / r
    log_v = np.log1p(v)
    found = np.empty((order + 1, *y.shape))
    found[0] = r * log1p_minus(v) + (y - 0.5) * log_v + stirling_error(y + r) - stirling_error(r)
    if order:
        large = r >= LARGE
        if large.any():
            found[1:, large] = _rising_slopes_large(y[large], r[large], order)
        if not large.all():
            found[1:, ~large] = _rising_slopes_small(y[~large], r[~large], order)
    return found


def _rising_slopes_large(y: FloatArray, r: FloatArray, order: int) -> list[FloatArray]:
    """From Stirling's formula, whose derivatives in ln r need no differences of large numbers."""
    v = y / r
    rest = 1.0 / (1.0 + v)  # r/(y + r)
    share = v * rest
    # r^d s^(d) at y + r, less those at r
    upper, lower = _scaled_derivatives(y + r, order), _scaled_derivatives(r, order)
    s = [rest**d * a - b for d, (a, b) in enumerate(zip(upper, lower), start=1)]
    found = [r * log1p_minus(v) + 0.5 * share + s[0]]
    if order > 1:
        # ln(1 + v) − v/(1 + v)
        bend = -log_excess(-share, -np.log1p(v))
        found.append(r * bend - 0.5 * share * rest + s[0] + s[1])
    if order > 2:
        turn = 0.5 * share * rest * (rest - share)
        found.append(r * (bend - share**2) + turn + s[0] + 3.0 * s[1] + s[2])
    return found


def _rising_slopes_small(y: FloatArray, r: FloatArray, order: int) -> list[FloatArray]:
    """By ψ, with the pole at r = 0 taken out: Γ(r) = Γ(1 + r) / r."""
    terms = [r * (digamma(y + r) - digamma(1.0 + r))]
    for d in range(1, order):
        terms.append(r ** (d + 1) * (polygamma(d, y + r) - polygamma(d, 1.0 + r)))
    found = [1.0 - y + terms[0]]
    if order > 1:
        found.append(terms[0] + terms[1])
    if order > 2:
        found.append(terms[0] + 3.0 * terms[1] + terms[2])
    return found
