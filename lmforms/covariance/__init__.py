"""G-side structures: the relative covariance factor Λ of each grouping factor.

One class per structure. A grouping factor with several random terms has one :class:`Stacked`
structure, so that the engine sees one k×k factor λ per grouping factor, Λ = I_q ⊗ λ. Names of
formulas are in :mod:`lmforms.covariance.structure_kinds`.
"""

from __future__ import annotations

from .base import SMALLEST_REGULAR, Covariance, Invariance, canonical_factor, regular_inverse
from .diagonal import Diagonal
from .loadings import FactorAnalytic, ReducedRank
from .natural_parameters import NaturalParameter
from .stacked import Stacked
from .structure_kinds import STRUCTURES, StructureKind
from .structured import Structured
from .unstructured import Rotated, Unstructured

__all__ = [
    "SMALLEST_REGULAR",
    "STRUCTURES",
    "Covariance",
    "Diagonal",
    "FactorAnalytic",
    "Invariance",
    "NaturalParameter",
    "ReducedRank",
    "Rotated",
    "Stacked",
    "StructureKind",
    "Structured",
    "Unstructured",
    "canonical_factor",
    "regular_inverse",
]
