r"""Ordered classes: cumulative link models.

A latent variable η + ε is cut by ascending thresholds, :math:`P(Y ≤ j) = F(c_j - η)`, and η has no
intercept. With :math:`a = c_y - η` and :math:`b = c_{y-1} - η` (infinite beyond the last and the
first class), the log-density is :math:`\ln P`, :math:`P = F(a) - F(b)`. Of

.. math::
    m_i = \frac{f^{(i-1)}(a) - f^{(i-1)}(b)}{P}

the derivatives in η are :math:`-m_1`, :math:`m_2 - m_1^2` and :math:`-m_3 + 3m_1m_2 - 2m_1^3`.

References
----------
McCullagh (1980), *Regression Models for Ordinal Data*, J. R. Stat. Soc. B 42(2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_expit, log_ndtr

from ...support.arrays import BoolArray, FloatArray
from .base import Family, LogDensity, Response, Rows
from .link_base import Link
from .links import LINKS
from .scales import Inner


@dataclass(frozen=True)
class Distribution:
    """Of the latent ε, by functions that are exact in the tails.

    Attributes
    ----------
    log_below, log_above : callable
        ln F and ln(1 − F).
    log_density : callable
        ln f.
    slopes : callable
        f'/f and f''/f.
    """

    log_below: Callable[[FloatArray], FloatArray]
    log_above: Callable[[FloatArray], FloatArray]
    log_density: Callable[[FloatArray], FloatArray]
    slopes: Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def _logistic_slopes(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    t = np.tanh(-0.5 * x)
    return t, t * t - 0.5 * (1.0 - t * t)


def _cauchy_slopes(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    whole = 1.0 + x * x
    return -2.0 * x / whole, (6.0 * x * x - 2.0) / whole / whole


def _gompertz_slopes(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    w = np.exp(x)
    return 1.0 - w, (1.0 - w) ** 2 - w


def _log_cauchy_below(x: FloatArray) -> FloatArray:
    tail = np.arctan2(1.0, np.abs(x)) / np.pi
    return np.asarray(np.where(x < 0.0, np.log(tail), np.log1p(-tail)))


DISTRIBUTIONS = {
    "logit": Distribution(
        log_expit,
        lambda x: log_expit(-x),
        lambda x: log_expit(x) + log_expit(-x),
        _logistic_slopes,
    ),
    "probit": Distribution(
        log_ndtr,
        lambda x: log_ndtr(-x),
        lambda x: -0.5 * (x * x + np.log(2.0 * np.pi)),
        lambda x: (-x, x * x - 1.0),
    ),
    "cloglog": Distribution(
        lambda x: np.log(-np.expm1(-np.exp(x))),
        lambda x: -np.exp(x),
        lambda x: x - np.exp(x),
        _gompertz_slopes,
    ),
    "cauchit": Distribution(
        _log_cauchy_below,
        lambda x: _log_cauchy_below(-x),
        lambda x: -np.log(np.pi) - np.log1p(x * x),
        _cauchy_slopes,
    ),
}
"""Of ε, by the link that it stands for."""


@dataclass(frozen=True)
class LatentLink(Link):
    """Of ordered classes: their "mean" is η itself, which the family's thresholds cut.

    Parameters
    ----------
    name : str
        Of the link whose distribution ε has.
    """

    name: str  # type: ignore[misc]
    exact = "identity"

    def of_mean(self, mean: FloatArray) -> FloatArray:
        return np.asarray(mean, dtype=np.float64)

    def mean(self, eta: FloatArray) -> FloatArray:
        return np.asarray(eta, dtype=np.float64)

    def _inner(self, kind: Inner, eta: FloatArray, order: int) -> list[FloatArray]:
        return self._exact(eta, order)

    def _exact(self, eta: FloatArray, order: int) -> list[FloatArray]:
        zero = np.zeros_like(eta)
        return [eta, np.ones_like(eta), zero, zero][: order + 1]


class Ordinal(Family):
    """Ordered classes, with thresholds as parameters.

    What other families call a mean is η here (:class:`LatentLink`).

    Parameters
    ----------
    classes : sequence of str
        Labels of the classes in their order.
    link : str

    Examples
    --------
    >>> family = Ordinal(["low", "middle", "high"])
    >>> family.parameter_names
    ('low|middle', 'middle|high')
    >>> family.probabilities(np.zeros(1), [np.array([-1.0]), np.array([1.0])]).round(3)
    array([[0.269, 0.462, 0.269]])
    """

    name = "ordinal"
    links = ("logit", "probit", "cloglog", "cauchit")
    discrete = True

    def __init__(self, classes: Sequence[Any] = (), link: str = "logit") -> None:
        self.classes = tuple(map(str, classes))
        self.own_parameters = tuple(
            f"{a}|{b}" for a, b in zip(self.classes[:-1], self.classes[1:], strict=True)
        )
        self.inner = link  # type: ignore[assignment]  # what is observed is η itself, cut by thresholds
        super().__init__()

    def __repr__(self) -> str:
        return f"Ordinal({list(self.classes)})"

    @property
    def distribution(self) -> Distribution:
        """Of ε."""
        return DISTRIBUTIONS[self.inner]

    def natural(self, omega: FloatArray) -> FloatArray:
        return np.asarray(omega, dtype=np.float64)

    def outside(self, response: Response) -> tuple[BoolArray, str]:
        y = response.y
        inside = (y >= 0) & (y < len(self.classes)) & (y == np.floor(y))
        return ~inside, f"codes 0 to {len(self.classes) - 1} of classes"

    def start_mean(self, response: Response) -> FloatArray:
        return np.zeros(len(response.y))

    def start_parameters(self, response: Response, mean: FloatArray) -> FloatArray:
        counts = np.bincount(response.y.astype(int), minlength=len(self.classes)) + 0.5
        share = np.cumsum(counts)[:-1] / counts.sum()
        return np.asarray(LINKS[self.inner].of_mean(share) + np.mean(mean))

    def bounds(
        self, response: Response, eta: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """c_y − η and c_{y−1} − η."""
        codes = response.y.astype(int)
        cuts = np.concatenate([[-np.inf], [float(w[0]) for w in omega], [np.inf]])
        return cuts[codes + 1] - eta, cuts[codes] - eta

    def density(
        self, response: Response, tau: FloatArray, omega: Sequence[FloatArray], order: int
    ) -> LogDensity:
        with np.errstate(all="ignore"):
            a, b = self.bounds(response, tau, omega)
            log_p = self._log_between(a, b)
            values, count = [log_p], len(omega)
            parameters = np.zeros((count, order, len(tau)))
            if order:
                (ra, da, ea), (rb, db, eb) = (self._ratios(x, log_p) for x in (a, b))
                m1, m2, m3 = ra - rb, da - db, ea - eb
                values += [-m1, m2 - m1 * m1, -m3 + 3.0 * m1 * m2 - 2.0 * m1**3]
                upper = _in_threshold(ra, da, ea, m1, m2)
                lower = [-x for x in _in_threshold(rb, db, eb, m1, m2)]
                codes = response.y.astype(int)
                for j in range(count):
                    at_upper, at_lower = codes == j, codes == j + 1
                    for row in range(order):
                        parameters[j, row, at_upper] = upper[row][at_upper]
                        parameters[j, row, at_lower] = lower[row][at_lower]
        return LogDensity(np.stack(values[: order + 1]), parameters)

    def _log_between(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """ln(F(a) − F(b)), from the nearer tail; NaN unless a > b."""
        law = self.distribution
        far = a + b > 0.0
        high = np.where(far, law.log_above(b), law.log_below(a))
        low = np.where(far, law.log_above(a), law.log_below(b))
        out = high + np.log(-np.expm1(low - high))
        return np.asarray(np.where(a > b, out, np.nan))

    def _ratios(self, x: FloatArray, log_p: FloatArray) -> tuple[FloatArray, ...]:
        """f, f' and f'' at a bound, over P."""
        density = np.exp(self.distribution.log_density(x) - log_p)
        first, second = self.distribution.slopes(x)
        finite = np.isfinite(x) & (density > 0.0)
        parts = (density, first * density, second * density)
        return tuple(np.where(finite, part, 0.0) for part in parts)

    def _rows(
        self, response: Response, tau: FloatArray, omega: list[FloatArray], order: int
    ) -> tuple[Rows, Sequence[Rows]]:
        raise NotImplementedError

    def probabilities(self, eta: FloatArray, omega: Sequence[FloatArray]) -> FloatArray:
        """Of each class, (n, C)."""
        out = np.empty((len(eta), len(self.classes)))
        for j in range(len(self.classes)):
            rows = Response(np.full(len(eta), float(j)))
            out[:, j] = np.exp(self.density(rows, eta, omega, 0).values[0])
        return out

    def expectation(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        """Mean code of the class."""
        return np.asarray(self.probabilities(mean, omega) @ np.arange(float(len(self.classes))))

    def variance(
        self, mean: FloatArray, omega: Sequence[FloatArray], trials: FloatArray | None = None
    ) -> FloatArray:
        """Of the code of the class."""
        shares = self.probabilities(mean, omega)
        codes = np.arange(float(len(self.classes)))
        return np.asarray(shares @ codes**2 - (shares @ codes) ** 2)

    def simulate(
        self,
        rng: np.random.Generator,
        mean: FloatArray,
        omega: Sequence[FloatArray],
        trials: FloatArray | None = None,
    ) -> FloatArray:
        shares = self.probabilities(mean, omega)
        below = np.cumsum(shares[:, :-1], axis=1)
        return np.asarray((rng.random(len(shares))[:, None] > below).sum(axis=1), dtype=np.float64)

    def cumulative(
        self, response: Response, mean: FloatArray, omega: Sequence[FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        a, b = self.bounds(response, mean, omega)
        with np.errstate(all="ignore"):
            below = self.distribution.log_below
            return np.exp(below(b)), np.exp(below(a))


def _in_threshold(
    r: FloatArray, d: FloatArray, e: FloatArray, m1: FloatArray, m2: FloatArray
) -> list[FloatArray]:
    """Derivatives of ℓ, ℓ' and ℓ'' in the upper bound, from f, f', f'' there; −1 times it below."""
    change = d - m1 * r
    return [r, -change, e - m2 * r - 2.0 * m1 * change]
