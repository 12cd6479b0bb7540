"""L_θ, the permuted Cholesky factor of Λ'Z'ZΛ + I, by block elimination."""

from __future__ import annotations

from .factorization import Factorization
from .system import BlockInfo, FactorMethod, System

__all__ = ["BlockInfo", "FactorMethod", "Factorization", "System"]
