"""R-side structures: the covariance σ²R of the residuals, as a whitening of rows.

The engine only ever sees rows multiplied by R^(−1/2), so y = Xβ + Zb + e with
e ~ N(0, σ²R) becomes a model with independent residuals of variance σ².
"""

from __future__ import annotations

from .base import Residual
from .iid import Independent
from .known import Known
from .weights import Weighted

__all__ = ["Independent", "Known", "Residual", "Weighted"]
