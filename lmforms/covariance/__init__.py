"""G-side structures: the relative covariance factor Λ of each grouping factor.

One class per structure. A grouping factor that carries several random terms has their
structures stacked in one :class:`Stacked`, so that the engine sees one k×k factor λ per
grouping factor, Λ = I_q ⊗ λ, whatever the formula says.
"""

from __future__ import annotations

from .base import Covariance, canonical_factor, regular_inverse
from .diagonal import Diagonal
from .fixed import Fixed
from .rotated import Rotated, principal_chart
from .stacked import Stacked
from .unstructured import Unstructured

STRUCTURES: dict[str, type[Covariance]] = {"us": Unstructured, "diag": Diagonal}
"""Structures by the name they have in a formula."""

__all__ = [
    "STRUCTURES",
    "Covariance",
    "Diagonal",
    "Fixed",
    "Rotated",
    "Stacked",
    "Unstructured",
    "canonical_factor",
    "principal_chart",
    "regular_inverse",
]
