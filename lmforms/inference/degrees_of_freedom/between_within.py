"""Between–within degrees of freedom of nested designs, as nlme counts them.

A term is estimated at the level of grouping within whose groups it does not change, or among the
rows if it changes in all. With m_i groups at level i (m of the rows = n) and p_i columns of X
estimated there,

    df_i = m_i − m_{i−1} − p_i,    m_0 = 1 with an intercept, which counts among the rows, else 0.

References
----------
Pinheiro, Bates (2000), *Mixed-Effects Models in S and S-PLUS*, section 2.4.2.
"""

from __future__ import annotations

import numpy as np

from ...data.design import Design
from ...errors import ModelError
from ...support.arrays import FloatArray, IndexArray

CONSTANT = 1e-9
"""A column varies within groups if its range there is above this share of its size."""


def between_within_df(design: Design) -> FloatArray:
    """Degrees of freedom of each column of X, (p,); NaN where none are left.

    Raises
    ------
    ModelError
        Grouping factors that are not nested.
    """
    levels = _nested_levels(design)
    counts = [*(int(codes.max()) + 1 for codes in levels), design.n]
    X, terms = design.X, design.fixed_terms
    innermost = len(levels)
    place = np.full(X.shape[1], innermost)
    for i in reversed(range(innermost)):
        place[_constant_columns(X, levels[i])] = i
    intercept = np.zeros(X.shape[1], dtype=bool)
    for label, columns in terms.items():
        if label == "Intercept":
            intercept[columns] = True
        elif len(columns):
            place[columns] = place[columns].max()
    place[intercept] = innermost
    before = [1 if intercept.any() else 0, *counts[:-1]]
    used = np.bincount(place[~intercept], minlength=len(counts))
    df = np.array(counts) - np.array(before) - used
    return np.where(df > 0, df, np.nan)[place].astype(np.float64)


def _nested_levels(design: Design) -> list[IndexArray]:
    """Codes of the grouping factors that have rows, the coarsest first, equal ones once."""
    coded: dict[int, list[tuple[str, IndexArray]]] = {}
    for group in design.groups:
        _, codes = np.unique(group.codes, return_inverse=True)
        coded.setdefault(int(codes.max()) + 1, []).append((group.factor, codes))
    out: list[tuple[str, IndexArray]] = []
    for count in sorted(coded):
        for name, codes in coded[count]:
            if out:
                coarser, above = out[-1]
                pairs = np.unique(np.stack([codes, above]), axis=1).shape[1]
                if pairs > count:
                    raise ModelError(
                        f"between-within degrees of freedom are defined for nested grouping "
                        f"factors; `{name}` and `{coarser}` are crossed. Use "
                        "ddf='satterthwaite' or ddf='kenward-roger'."
                    )
                if count == int(above.max()) + 1:
                    continue
            out.append((name, codes))
    return [codes for _, codes in out]


def _constant_columns(X: FloatArray, codes: IndexArray) -> IndexArray:
    """Columns that do not vary within groups."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sorted_rows = X[order]
    spread = np.maximum.reduceat(sorted_rows, starts) - np.minimum.reduceat(sorted_rows, starts)
    return np.flatnonzero(spread.max(axis=0) <= CONSTANT * np.abs(X).max(axis=0))
