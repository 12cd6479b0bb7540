"""Cross-products as functions of the parameters φ of a residual structure, free of n.

Where R⁻¹(φ) = Σ_j c_j(φ)T_j with fixed T_j, rows are summed once for each T_j, and

    C(φ) = [Z R*]'R⁻¹(φ)[Z R*] = Σ_j c_j(φ)C_j.

Unequal variances of strata are such a structure, with T_j the identity on the rows of a stratum;
so is compound symmetry, with T_1 = I and T_2 = 1 for two rows of one group. Coefficients may be
negative and each T_j singular: only their sum has to be positive definite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...support.arrays import FloatArray
from .cross_products import CrossProducts


@dataclass(frozen=True, eq=False)
class ResidualTerms:
    """C_j of each term of R⁻¹(φ).

    Attributes
    ----------
    n : int
        Rows of the model.
    terms : tuple of CrossProducts
        In the same units, without pilot effects. Their own n and ln|R| are not used.
    """

    n: int
    terms: tuple[CrossProducts, ...]

    def at(self, coefficients: Sequence[float] | FloatArray, log_det: float) -> CrossProducts:
        """C(φ).

        Parameters
        ----------
        coefficients : sequence of float
            c_j(φ).
        log_det : float
            ln|R(φ)|.
        """
        first, *others = (
            term.times(float(c)) for term, c in zip(self.terms, coefficients, strict=True)
        )
        return replace(sum(others, start=first), n=self.n, log_det_residual=log_det)

    def __add__(self, other: ResidualTerms) -> ResidualTerms:
        pairs = zip(self.terms, other.terms, strict=True)
        return ResidualTerms(self.n + other.n, tuple(a + b for a, b in pairs))

    def __sub__(self, other: ResidualTerms) -> ResidualTerms:
        pairs = zip(self.terms, other.terms, strict=True)
        return ResidualTerms(self.n - other.n, tuple(a - b for a, b in pairs))
