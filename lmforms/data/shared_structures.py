"""Covariance structures that are the same for all random effects, made once.

They are values without labels or places, so that models share them with what they have computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..covariance import STRUCTURES, Covariance, Diagonal, Stacked, Unstructured

UNLABELLED = ("us", "diag")
"""Names of the structures that depend on the number of effects alone, of any number."""

CLASSES = frozenset((Unstructured, Diagonal))
"""Their classes."""

REMEMBERED_STRUCTURES = 64
"""Structures that are remembered, and as many stacks of them."""


@lru_cache(maxsize=REMEMBERED_STRUCTURES)
def unlabelled(structure: str, k: int) -> Covariance:
    """The structure of `UNLABELLED` for k effects."""
    return STRUCTURES[structure].make(np.arange(float(k))[:, None])


def stacked(parts: Sequence[Covariance]) -> Covariance:
    """Structures of the terms on one grouping factor.

    Examples
    --------
    >>> stacked([unlabelled("us", 2)]) is stacked([unlabelled("us", 2)])
    True
    """
    return _stacked(tuple(parts)) if CLASSES.issuperset(map(type, parts)) else Stacked.of(parts)


@lru_cache(maxsize=REMEMBERED_STRUCTURES)
def _stacked(parts: tuple[Covariance, ...]) -> Covariance:
    return Stacked.of(parts)
