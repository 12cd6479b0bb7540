"""G-side structures: the relative covariance factor Λ of each grouping factor.

One class per structure. A grouping factor with several random terms has one :class:`Stacked`
structure, so that the engine sees one k×k factor λ per grouping factor, Λ = I_q ⊗ λ.

To add a structure: a file with a subclass of :class:`Covariance`, and a line in `STRUCTURES`.
"""

from __future__ import annotations

from .base import Covariance, Invariance, canonical_factor, regular_inverse
from .diagonal import Diagonal
from .stacked import Stacked
from .unstructured import Rotated, Unstructured

STRUCTURES: dict[str, type[Covariance]] = {"us": Unstructured, "diag": Diagonal}
"""Structures by the name they have in a formula."""

__all__ = [
    "STRUCTURES",
    "Covariance",
    "Diagonal",
    "Invariance",
    "Rotated",
    "Stacked",
    "Unstructured",
    "canonical_factor",
    "regular_inverse",
]
