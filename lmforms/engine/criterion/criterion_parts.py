"""The terms of the criterion apart: log-determinants and r², with σ profiled out or given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, pi


@dataclass(frozen=True)
class CriterionParts:
    """The terms of −2 × (restricted) log-likelihood at one θ, with β at its estimate.

    With V = σ²V₀,

        ln|A| − ln|Q ⊗ I| + ln|R| + [REML] ln|X'V₀⁻¹X| + ν ln(2πσ²) + r²/σ².

    Attributes
    ----------
    log_det : float
        ln|A|, less ln|Q ⊗ I| where levels are related: ln|V₀| − ln|R|.
    log_det_x : float
        ln|X'V₀⁻¹X|, a term of the criterion under REML only.
    log_det_residual : float
        ln|R|.
    r2 : float
        Penalised residual sum of squares.
    nu : int
        n, or n − p under REML.
    reml : bool
    """

    log_det: float
    log_det_x: float
    log_det_residual: float
    r2: float
    nu: int
    reml: bool

    @property
    def sigma2(self) -> float:
        """The σ² that minimises the criterion, r²/ν."""
        return self.r2 / self.nu

    @property
    def scaled_residual(self) -> float:
        """ν(1 + ln(2πr²/ν)), the term of σ² = r²/ν."""
        return self.nu * (1.0 + log(2.0 * pi * self.r2 / self.nu))

    @property
    def value(self) -> float:
        """The criterion at σ² = r²/ν."""
        return self._with(self.scaled_residual)

    def value_at(self, sigma2: float) -> float:
        """The criterion at another σ² > 0."""
        return self._with(self.nu * log(2.0 * pi * sigma2) + self.r2 / sigma2)

    def _with(self, residual: float) -> float:
        value = self.log_det + residual + self.log_det_residual
        return value + self.log_det_x if self.reml else value

    def in_units(self, y_scale: float, log_det_x_map: float) -> CriterionParts:
        """The terms for y times `y_scale`, and X = X̃A⁻¹ where these are for X̃.

        Parameters
        ----------
        y_scale : float
        log_det_x_map : float
            ln|det A|.
        """
        return replace(
            self,
            log_det_x=self.log_det_x - 2.0 * log_det_x_map,
            r2=self.r2 * y_scale**2,
        )
