"""Covariance structures that are the same for all random effects, made once.

They are values without labels or places, so that models share them with what they have computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..covariance import STRUCTURES, Covariance, Diagonal, Stacked, Unstructured

STRUCTURES_BY_SIZE = ("us", "diag")
"""Names of the structures that depend on the number of effects alone, of any number."""

CLASSES_BY_SIZE = frozenset((Unstructured, Diagonal))
"""Their classes."""

REMEMBERED_STRUCTURES = 64
"""Structures that are remembered, and as many stacks of them."""


@lru_cache(maxsize=REMEMBERED_STRUCTURES)
def structure_of_size(structure: str, k: int) -> Covariance:
    """The structure of `STRUCTURES_BY_SIZE` for k effects."""
    return STRUCTURES[structure].make(np.arange(float(k))[:, None])


def stacked(parts: Sequence[Covariance]) -> Covariance:
    """Structures of the terms on one grouping factor.

    Examples
    --------
    >>> stacked([structure_of_size("us", 2)]) is stacked([structure_of_size("us", 2)])
    True
    """
    if CLASSES_BY_SIZE.issuperset(map(type, parts)):
        return _stacked(tuple(parts))
    return Stacked.of(parts)


@lru_cache(maxsize=REMEMBERED_STRUCTURES)
def _stacked(parts: tuple[Covariance, ...]) -> Covariance:
    return Stacked.of(parts)
