"""Hypotheses of terms from dense matrices, step by step as SAS defines them.

The over-parametrised design with all its rows, null spaces by singular values, pseudo-inverses:
the slow twin of :mod:`lmforms.inference.terms.term_contrasts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
import scipy.linalg

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Term:
    """Factors and columns of numbers of a term, as names of columns or lists of arrays."""

    factors: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def contains(self, other: Term) -> bool:
        return set(self.numbers) == set(other.numbers) and set(other.factors) < set(self.factors)


def columns_of(term: Term, data: pd.DataFrame, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """Products of indicators of all levels and of the numbers."""
    parts = [np.ones((len(data), 1))]
    parts += [pd.get_dummies(data[f]).to_numpy(dtype=float) for f in term.factors]
    parts += [numbers[x].reshape(len(data), -1) for x in term.numbers]
    return reduce(lambda a, b: (a[:, :, None] * b[:, None, :]).reshape(len(a), -1), parts)


def hypotheses(
    type: int,
    terms: Sequence[Term],
    data: pd.DataFrame,
    numbers: Mapping[str, np.ndarray],
    X: np.ndarray,
) -> list[np.ndarray]:
    """L of each term; rows of the columns of `X`, which span those of the terms."""
    blocks = [columns_of(term, data, numbers) for term in terms]
    of_term = np.repeat(np.arange(len(terms)), [b.shape[1] for b in blocks])
    Xo = np.hstack(blocks)
    out = []
    for i, term in enumerate(terms):
        contains = [other.contains(term) for other in terms]
        if type == 1:
            others = [j < i for j in range(len(terms))]
        else:
            others = [j != i and not contains[j] for j in range(len(terms))]
        outside = np.isin(of_term, np.flatnonzero(others))
        if type == 3:
            L = type_three(Xo, outside, of_term == i)
            L = L @ np.linalg.pinv(Xo, rcond=TOLERANCE) @ X
        else:
            before = _span(Xo[:, outside])
            rest = Xo[:, of_term == i]
            rest = rest - before @ (before.T @ rest)
            L = rest.T @ X
        out.append(L)
    return out


def _span(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis; old SciPy refuses no columns."""
    return scipy.linalg.orth(columns, rcond=TOLERANCE) if columns.size else columns


def type_three(Xo: np.ndarray, outside: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Estimable functions without parameters `outside`, orthogonal to those without `own` too."""
    rows = _span(Xo.T)
    allowed = rows @ _kernel(rows[outside])
    containing = rows @ _kernel(rows[outside | own])
    return (allowed - containing @ (containing.T @ allowed)).T


def _kernel(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what the rows of a matrix send to zero."""
    if not len(matrix):
        return np.eye(matrix.shape[1])
    _, values, rows = np.linalg.svd(matrix)
    rank = int((values > TOLERANCE).sum())
    return rows[rank:].T


def f_statistic(L: np.ndarray, beta: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """(Lβ)'(LΦL')⁻(Lβ)/r and r, the rank."""
    root = np.linalg.cholesky(covariance)
    u, values, _ = np.linalg.svd(L @ root, full_matrices=False)
    rank = int((values > 1e-8 * max(values.max(initial=0.0), 1e-300)).sum())
    if rank == 0 or values.max() < 1e-10:
        return np.nan, 0
    scores = (u.T @ (L @ beta))[:rank] / values[:rank]
    return float(scores @ scores) / rank, rank
