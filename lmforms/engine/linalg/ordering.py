"""An order of elimination with little fill, from the pattern of a symmetric matrix alone."""

from __future__ import annotations

import numpy as np

from ...support.arrays import IntArray
from .compiled import compiled_kernels
from .elimination import EliminationTree, elimination_tree, tree_postorder
from .factor_pattern import PER_COLUMN

DENSE_ROW, DENSE_ROWS = 16, 10.0
"""Rows with more than DENSE_ROWS·√m neighbours, and DENSE_ROW at least, are eliminated last:
they touch nearly everything, and to update them again and again costs much and decides
nothing."""


def fill_reducing_order(
    indptr: IntArray, indices: IntArray, most: float = np.inf
) -> tuple[IntArray, EliminationTree]:
    """Approximate minimum degree, compiled; SuperLU's for patterns that do not repay numba.

    Parameters
    ----------
    indptr, indices : ndarray of int64 (m + 1,), ndarray of int32
        Lower triangle by columns with the whole diagonal, rows ascending.
    most : float
        Entries of L beyond which they are not counted to the end.

    Returns
    -------
    order : ndarray of int64 (m,)
    tree : EliminationTree
        In this order. Panels of L are long: subtrees are in one piece.

    References
    ----------
    Amestoy, Davis, Duff (1996), SIAM J. Matrix Anal. Appl. 17(4); (2004), *Algorithm 837*,
    ACM TOMS 30(3), for dense rows.
    """
    compiled = compiled_kernels("linalg.ordering_kernels", PER_COLUMN * len(indices))
    if compiled is None:
        order = _superlu_order(indptr, indices)
        return order, elimination_tree(indptr, indices, order, most)
    dense = max(DENSE_ROW, int(DENSE_ROWS * (len(indptr) - 1) ** 0.5))
    order = compiled.minimum_degree(indptr, indices, dense)
    tree = elimination_tree(indptr, indices, order, most)
    if not tree.complete:
        return order, tree
    within = tree_postorder(tree)
    return order[within], tree.permuted(within)


def _superlu_order(indptr: IntArray, indices: IntArray) -> IntArray:
    """SuperLU's order: an incomplete factorisation that drops everything orders as well."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import spilu

    m = len(indptr) - 1
    if m == 0:
        return np.empty(0, dtype=np.int64)
    lower = sp.csc_matrix((np.full(len(indices), -1.0), indices, indptr), shape=(m, m))
    full = lower + sp.tril(lower, -1).T
    full.setdiag(-np.asarray(full.sum(axis=0)).ravel() + 1.0)  # dominant
    factored = spilu(
        full.tocsc(),
        drop_tol=1.0,
        fill_factor=1.0,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.argsort(np.asarray(factored.perm_c, dtype=np.int64))
