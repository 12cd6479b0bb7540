r"""Links: what the linear predictor η says about the mean μ, and inner predictors τ given η.

A link has one inner predictor in which it is exact also in its tails: :math:`\ln(μ/(1 - μ))` for
links of probabilities, ln μ or μ for the others. The other inner predictors follow by the chain
rule, with functions that are exact in the tails themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from ...support.arrays import BoolArray, FloatArray
from .base import composed
from .scales import Inner

Rows = list[FloatArray]
"""A function and its derivatives."""


@dataclass(frozen=True)
class Link(ABC):
    """A link g, with η = g(μ).

    Examples
    --------
    >>> from lmforms.glmm.families.links import LINKS
    >>> link = LINKS["cloglog"]
    >>> link.mean(np.array([0.0])), link.of_mean(link.mean(np.array([0.0])))
    (array([0.63212056]), array([0.]))
    >>> LINKS["inverse"].inner("log", np.array([2.0, -1.0]), 1)
    array([[-0.69314718,         nan],
           [-0.5       ,         nan]])
    """

    name: ClassVar[str]
    exact: ClassVar[Inner]
    """The inner predictor that the link itself computes."""

    @abstractmethod
    def of_mean(self, mean: FloatArray) -> FloatArray:
        """η for a mean."""

    @abstractmethod
    def mean(self, eta: FloatArray) -> FloatArray:
        """μ for η; NaN where η is none of the link's."""

    @abstractmethod
    def _exact(self, eta: FloatArray, order: int) -> Rows:
        """The link's own inner predictor and its derivatives in η; NaN outside the range of η."""

    def inner(self, kind: Inner, eta: FloatArray, order: int) -> FloatArray:
        """τ and its derivatives in η.

        Parameters
        ----------
        kind : {"log", "logit", "identity"}
            τ as a function of the mean.
        eta : ndarray (n,)
        order : int
            0 to 3.

        Returns
        -------
        ndarray (order + 1, n)
            NaN or infinite where no mean has this η, or one that τ does not exist for.
        """
        eta = np.asarray(eta, dtype=np.float64)
        with np.errstate(all="ignore"):
            rows = self._inner(kind, eta, order)
        return np.stack([np.broadcast_to(row, eta.shape) for row in rows])

    def _inner(self, kind: Inner, eta: FloatArray, order: int) -> Rows:
        rows = self._exact(eta, order)
        if kind == self.exact:
            return rows
        return composed(_CONVERSIONS[self.exact, kind](rows[0], order), rows)

    def valid(self, kind: Inner, eta: FloatArray) -> BoolArray:
        """Whether η gives a mean that the inner predictor exists for.

        Examples
        --------
        >>> from lmforms.glmm.families.links import LINKS
        >>> LINKS["log"].valid("logit", np.array([-1.0, 0.0]))
        array([ True, False])
        """
        return np.isfinite(self.inner(kind, eta, 0)[0])

    def takes_all_numbers(self, kind: Inner) -> bool:
        """Whether predictors below and above 0 have such means.

        Examples
        --------
        >>> from lmforms.glmm.families.links import LINKS
        >>> LINKS["log"].takes_all_numbers("log"), LINKS["log"].takes_all_numbers("logit")
        (True, False)
        """
        return bool(self.valid(kind, np.array([-3.0, 3.0])).all())


# --- chain rule between inner predictors --------------------------------------------------


def _logit_to_log(t: FloatArray, order: int) -> Rows:
    q, p = expit(-t), expit(t)
    return [-np.logaddexp(0.0, -t), q, -p * q, -p * q * (q - p)][: order + 1]


def _logit_to_identity(t: FloatArray, order: int) -> Rows:
    q, p = expit(-t), expit(t)
    return [p, p * q, p * q * (q - p), p * q * (1.0 - 6.0 * p * q)][: order + 1]


def _log_to_identity(t: FloatArray, order: int) -> Rows:
    return [np.exp(t)] * (order + 1)


def _log_to_logit(t: FloatArray, order: int) -> Rows:
    missing = np.where(t < 0.0, -np.expm1(t), np.nan)  # 1 − μ
    odds = np.exp(t) / missing
    rows = [t - np.log(missing), 1.0 / missing, odds / missing, odds / missing * (1.0 + 2.0 * odds)]
    return rows[: order + 1]


def _identity_to_log(t: FloatArray, order: int) -> Rows:
    t = np.where(t > 0.0, t, np.nan)
    return [np.log(t), 1.0 / t, -1.0 / t**2, 2.0 / t**3][: order + 1]


def _identity_to_logit(t: FloatArray, order: int) -> Rows:
    t = np.where((t > 0.0) & (t < 1.0), t, np.nan)
    q = 1.0 - t
    rows = [
        np.log(t) - np.log1p(-t),
        1.0 / (t * q),
        (t - q) / (t * q) ** 2,
        2.0 / t**3 + 2.0 / q**3,
    ]
    return rows[: order + 1]


_CONVERSIONS: dict[tuple[Inner, Inner], Callable[[FloatArray, int], Rows]] = {
    ("logit", "log"): _logit_to_log,
    ("logit", "identity"): _logit_to_identity,
    ("log", "identity"): _log_to_identity,
    ("log", "logit"): _log_to_logit,
    ("identity", "log"): _identity_to_log,
    ("identity", "logit"): _identity_to_logit,
}
