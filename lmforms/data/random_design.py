"""Z of a design as one sparse matrix, its product with random effects, and where its terms are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import FloatArray
from .design import Design


def random_design(design: Design) -> tuple[Any, pd.MultiIndex]:
    """Z in the user's units, term by term and within a term level by level.

    Parameters
    ----------
    design : Design

    Returns
    -------
    Z : scipy.sparse.csr_array (n, q)
    names : pandas.MultiIndex (q,)
        Grouping factor, level and effect of each column.

    Examples
    --------
    >>> import lmforms as lf
    >>> model = lf.MixedModel("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff"))
    >>> Z, names = random_design(model.design)
    >>> Z.shape, names[0]
    ((30, 6), ('Batch', 'A', 'Intercept'))
    """
    import scipy.sparse as sp

    pieces = []
    names: list[tuple[str, Any, str]] = []
    for term in design.terms:
        group = design.groups[term.group]
        q, k = len(group.levels), len(term.columns)
        columns = (group.codes[:, None] * k + np.arange(k)).ravel()
        ends = np.arange(design.n + 1) * k
        values = term.matrix.values.ravel()
        pieces.append(sp.csr_array((values, columns, ends), shape=(design.n, q * k)))
        names += [(group.name, level, c) for level in group.levels for c in term.columns]
    Z = sp.hstack(pieces).tocsr() if pieces else sp.csr_array((design.n, 0))
    return Z, pd.MultiIndex.from_tuples(names, names=["group", "level", "effect"])


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
