"""Whether a model is a special case of another.

The fixed part: the columns of X of the smaller model, and the difference of the offsets, are linear
combinations of the columns of the larger. The random part: the covariance of the rows is
V = σ²R + Σ γ_k M_k, with a matrix M_k for each variance and covariance; the matrices of the
smaller model are linear combinations of those of the larger. Residual structures are compared by
:mod:`.nested_residuals`; what one says by a random effect and the other by its residuals is not
seen as the same. So ``(1 | g) + (1 | g:f)`` is seen to
be within ``(f | g)``. The matrices (n, n) are never made: their inner products are sums over the
cells of two grouping factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ...data.design import GroupingFactor, RandomTerm
from ...engine.linalg.independent_columns import independent_columns
from ...relationship import Relationship
from ...support.arrays import FloatArray, IndexArray
from .fits_compared import ComparedFit, fixed_columns, known_variances, same_numbers
from .nested_residuals import residual_nesting

OUTSIDE = 1e-8
"""A matrix of which more than this share of its squared size is outside a span is not in it."""

INDEPENDENT = 1e-12
"""Eigenvalues of the Gram matrix of unit matrices below this are zero."""

MOST_LEVELS = 2000
"""Known covariances of so many levels are compared as dense matrices if they have different
forms; larger ones then count as different."""


def why_not_nested(small: ComparedFit, large: ComparedFit) -> str:
    """Why a model is no special case of another, an empty string if it is one.

    Parameters
    ----------
    small, large : ComparedFit

    Returns
    -------
    str
        ``"its fixed effects"``, ``"its random effects"``, ``"its residuals"`` or nothing.
    """
    if not fixed_is_within(small, large):
        return "its fixed effects"
    if not random_is_within(small, large):
        return "its random effects"
    return "" if residual_nesting(small, large).within else "its residuals"


def fixed_is_within(small: ComparedFit, large: ComparedFit) -> bool:
    """Whether Xβ + offset of one model is a special case of another's."""
    X = fixed_columns(large)
    shift = small.state.design.offset[small.order] - large.state.design.offset[large.order]
    more = [fixed_columns(small)]
    if shift.any():
        more.append(shift[:, None])
    return bool((independent_columns(np.hstack([X, *more])) < X.shape[1]).all())


@dataclass(frozen=True, eq=False)
class _Block:
    """A random term as matrices M_ij with (M_ij)_rs = (B_ri B_sj + B_rj B_si)/2 within a level.

    Attributes
    ----------
    codes : ndarray of int (n,)
        Level of each row.
    B : ndarray (n, k)
    pairs : list of (int, int)
        Variances and covariances that the term has.
    known : Relationship or None
        Covariance of its levels.
    """

    codes: IndexArray
    B: FloatArray
    pairs: list[tuple[int, int]]
    known: Relationship | None

    @property
    def k(self) -> int:
        """Number of effects."""
        return self.B.shape[1]

    @property
    def is_unstructured(self) -> bool:
        """Whether it has all covariances."""
        return len(self.pairs) == self.k * (self.k + 1) // 2


def random_is_within(small: ComparedFit, large: ComparedFit) -> bool:
    """Whether the covariances of one model are linear combinations of another's."""
    inner, outer = _blocks(small), _blocks(large)
    if not inner:
        return True
    variances = known_variances(small)
    gram = gram_matrix(variances, [*outer, *inner])
    n_outer = 1 + sum(len(block.pairs) for block in outer)
    size = np.sqrt(np.diagonal(gram))
    gram = gram / np.outer(size, size)
    # the residuals' matrix is none of those that V is linear in where it has parameters, and
    # generalised models have none
    first = 1 if len(large.state.estimate.phi) or large.state.family is not None else 0
    G, C = gram[first:n_outer, first:n_outer], gram[first:n_outer, n_outer:]
    values, vectors = np.linalg.eigh(G)
    kept = values > INDEPENDENT * len(values)
    projected = (vectors[:, kept].T @ C) / np.sqrt(values[kept])[:, None]
    left = 1.0 - np.einsum("ij,ij->j", projected, projected)
    return bool((left <= OUTSIDE).all())


def one_variance_more(small: ComparedFit, large: ComparedFit) -> bool:
    """Whether a model has the random terms of another and one effect more.

    That is a term with one effect, or one effect more in one of the terms: then its variance is
    zero in the smaller model, on the boundary of the parameters, and so are its covariances.
    ``(1 | g) + (1 | g:f)`` is within ``(f | g)``, but not on its boundary.
    """
    more = list(_blocks(large))
    less = []
    for block in _blocks(small):
        same = next((b for b in more if _are_same(block, b)), None)
        if same is None:
            less.append(block)
        else:
            more.remove(same)
    if len(more) != 1 or len(less) > 1:
        return False
    if not less:
        return more[0].k == 1
    return more[0].k == less[0].k + 1 and _is_part(less[0], more[0])


def _are_same(a: _Block, b: _Block) -> bool:
    return a.k == b.k and len(a.pairs) == len(b.pairs) and _is_part(a, b)


def _is_part(a: _Block, b: _Block) -> bool:
    """Whether a term's effects are among those of another on the same levels."""
    if (a.known is None) != (b.known is None) or not np.array_equal(a.codes, b.codes):
        return False
    if not _same_levels(a, b):
        return False
    shares = (b.B.T @ a.B) ** 2  # columns have length 1; those of unstructured terms are orthogonal
    found = shares.sum(axis=0) if b.is_unstructured else shares.max(axis=0)
    return bool((1.0 - found <= OUTSIDE).all())


def _blocks(fit: ComparedFit) -> list[_Block]:
    design = fit.state.design
    return [_block(fit, term, design.groups[term.group]) for term in design.terms]


def _block(fit: ComparedFit, term: RandomTerm, group: GroupingFactor) -> _Block:
    """A term in a basis that suits its structure, so that units of predictors do not matter."""
    B = term.matrix.values[fit.order]
    if term.covariance.invariance == "linear":
        B = np.linalg.qr(B / np.linalg.norm(B, axis=0))[0]
        pairs = list(combinations_with_replacement(range(B.shape[1]), 2))
    else:
        B = B / np.linalg.norm(B, axis=0)
        pairs = [(i, i) for i in range(B.shape[1])] + term.covariance.covariances()
    return _Block(group.codes[fit.order], B, pairs, fit.state.relationship.get(group.name))


def gram_matrix(variances: FloatArray, blocks: Sequence[_Block]) -> FloatArray:
    """Inner products tr(MM') of the residuals' matrix and those of blocks, in this order.

    Parameters
    ----------
    variances : ndarray (n,)
        The diagonal of the residuals' matrix.
    blocks : sequence of _Block
    """
    ends = np.cumsum([1, *(len(block.pairs) for block in blocks)])
    out = np.zeros((ends[-1], ends[-1]))
    out[0, 0] = variances @ variances
    for a, block in enumerate(blocks):
        here = slice(ends[a], ends[a + 1])
        if block.known is None:
            weighted = block.B.T @ (variances[:, None] * block.B)
            out[0, here] = out[here, 0] = [weighted[i, j] for i, j in block.pairs]
        for b in range(a + 1):
            there = slice(ends[b], ends[b + 1])
            found = _inner_products(block, blocks[b])
            out[here, there], out[there, here] = found, found.T
    return out


def _inner_products(a: _Block, b: _Block) -> FloatArray:
    """tr(M_ij M_kl) for the pairs of two blocks: sums over the cells of their levels.

    Blocks of related levels are compared as if these were independent, and only with blocks of the
    same levels and covariance; any others are orthogonal to them.
    """
    if (a.known is None) != (b.known is None) or not _same_levels(a, b):
        return np.zeros((len(a.pairs), len(b.pairs)))
    cells, codes = np.unique(a.codes * (b.codes.max() + 1) + b.codes, return_inverse=True)
    k, m = a.B.shape[1], b.B.shape[1]
    sums = np.empty((len(cells), k, m))
    for i in range(k):
        for j in range(m):
            sums[:, i, j] = np.bincount(codes, a.B[:, i] * b.B[:, j], minlength=len(cells))
    flat = sums.reshape(len(cells), k * m)
    products = (flat.T @ flat).reshape(k, m, k, m)  # Σ S_ik S_jl at [i, k, j, l]
    return np.array(
        [
            [0.5 * (products[i, p, j, q] + products[i, q, j, p]) for p, q in b.pairs]
            for i, j in a.pairs
        ]
    ).reshape(len(a.pairs), len(b.pairs))


def _same_levels(a: _Block, b: _Block) -> bool:
    """Whether two blocks of related levels may be compared; True for unrelated ones."""
    if a.known is None or b.known is None:
        return True
    if not np.array_equal(a.codes, b.codes):
        return False
    return same_relationship(a.known, b.known)


def same_relationship(a: Relationship, b: Relationship) -> bool:
    """Whether two known covariances of levels are the same."""
    if a is b:
        return True
    if len(a) != len(b) or set(a.labels) != set(b.labels):
        return False
    if a.labels == b.labels and type(a.form) is type(b.form):
        first, second = a.form.given, b.form.given
        if first.shape != second.shape:
            return False
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            return same_numbers(first, second)
        size = max(abs(first).max(), abs(second).max())
        return bool(abs(first - second).max() <= 1e-10 * size)
    if len(a) > MOST_LEVELS:
        return False
    return same_numbers(a.dense(), b.aligned(a.labels).dense())
