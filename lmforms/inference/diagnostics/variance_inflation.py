"""Variance inflation of the fixed effects, term by term.

With C the correlation matrix of the coefficients without the intercept, C₁₁ that of a term's d
coefficients and C₂₂ that of all others,

    GVIF = |C₁₁| |C₂₂| / |C|,

which does not depend on the basis of a term's columns. GVIF^(1/(2d)) is, per coefficient, how much
wider a confidence interval is than if the term were orthogonal to the others; for one coefficient
GVIF is the usual variance inflation factor and this its root.

References
----------
Fox, Monette (1992), *Generalized collinearity diagnostics*, J. American Statistical Association
87(417).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray, IndexArray


@dataclass(frozen=True)
class Inflation:
    """Variance inflation of one term.

    Attributes
    ----------
    term : str
    df : int
        Coefficients of the term.
    gvif : float
    """

    term: str
    df: int
    gvif: float

    @property
    def root(self) -> float:
        """GVIF^(1/(2 df)), which terms of any size have on one scale."""
        return float(self.gvif ** (0.5 / self.df))


def variance_inflation(
    covariance: FloatArray, terms: Mapping[str, IndexArray]
) -> tuple[Inflation, ...]:
    """Variance inflation of each term.

    Parameters
    ----------
    covariance : ndarray (p, p)
        Of the coefficients.
    terms : mapping of str to ndarray of int
        Coefficients of each term, the intercept left out.

    Examples
    --------
    >>> C = np.array([[1.0, 0.6], [0.6, 1.0]])
    >>> round(variance_inflation(C, {"a": np.array([0]), "b": np.array([1])})[0].gvif, 4)
    1.5625
    """
    used = np.concatenate([np.empty(0, dtype=np.intp), *terms.values()])
    sd = np.sqrt(np.diag(covariance))
    C = covariance / np.outer(sd, sd)
    whole = _log_determinant(C, used)
    out = []
    for name, own in terms.items():
        others = used[~np.isin(used, own)]
        log_gvif = _log_determinant(C, own) + _log_determinant(C, others) - whole
        out.append(Inflation(name, len(own), float(np.exp(log_gvif))))
    return tuple(out)


def _log_determinant(matrix: FloatArray, chosen: IndexArray) -> float:
    return float(np.linalg.slogdet(matrix[np.ix_(chosen, chosen)])[1])
