"""Functions that name the columns of Z, find those of each term, and compute Zb."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray
from .design import Design


def random_names(design: Design) -> pd.MultiIndex:
    """Grouping factor, level and effect of each column of Z.

    Examples
    --------
    >>> import lmforms as lf
    >>> model = lf.MixedModel("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> random_names(model.design)[0]
    ('Batch', 'A', 'Intercept')
    """
    names = [
        (group.name, level, column)
        for term in design.terms
        for group in [design.groups[term.group]]
        for level in group.levels
        for column in term.columns
    ]
    return pd.MultiIndex.from_tuples(names, names=["group", "level", "effect"])


def random_part(design: Design, b: Sequence[FloatArray]) -> FloatArray:
    """Zb of random effects (levels, k) by grouping factor, (n,)."""
    out = np.zeros(design.n)
    for group, effects in zip(design.groups, b, strict=True):
        out += np.einsum("ik,ik->i", design.basis(group), effects[group.codes])
    return out


def term_columns(design: Design) -> list[tuple[int, slice]]:
    """The grouping factor of each term, and which of its effects are the term's.

    In the order of the formula: a grouping factor has the effects of all its terms side by side.
    """
    spans: dict[int, tuple[int, slice]] = {}
    for g, group in enumerate(design.groups):
        for t, columns in zip(group.terms, group.covariance.column_slices(), strict=True):
            spans[t] = g, columns
    return [spans[t] for t in range(len(design.terms))]
