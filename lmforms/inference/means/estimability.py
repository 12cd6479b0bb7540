"""Which linear functions of the fixed effects the data determine, if X has dependent columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.design import Design
from ...support.arrays import BoolArray, FloatArray, IndexArray

ESTIMABLE = 1e-8
"""Largest share of the squared length of an estimable function that lies in the null space."""


@dataclass(frozen=True, eq=False)
class RowSpace:
    """The row space of all fixed-effects columns.

    Attributes
    ----------
    kept : ndarray of int (p,)
        Columns that are in the fit.
    scale : ndarray (k,)
        Root mean squares of all columns, by which they are divided.
    null : ndarray (k, k − p)
        Orthonormal basis of the null space of the scaled columns.
    """

    kept: IndexArray
    scale: FloatArray
    null: FloatArray

    def contains(self, functions: FloatArray) -> BoolArray:
        """Whether the rows of `functions` (r, k), of all columns, are estimable.

        A function l'β is estimable if l is in the row space of X, l'N = 0 for a basis N of its
        null space.

        References
        ----------
        Searle (1971), *Linear Models*, section 5.4.
        """
        if not self.null.shape[1]:
            return np.ones(len(functions), dtype=bool)
        scaled = functions / self.scale
        outside = np.einsum("ij,ij->i", scaled @ self.null, scaled @ self.null)
        return np.asarray(outside <= ESTIMABLE * np.einsum("ij,ij->i", scaled, scaled))

    def estimable_part(self, functions: FloatArray) -> FloatArray:
        """A basis (s, k) of the estimable functions among the combinations of some (r, k)."""
        if not self.null.shape[1] or not len(functions):
            return functions
        scaled = functions / self.scale
        size = np.linalg.norm(scaled, axis=1, keepdims=True)
        functions = functions / np.where(size > 0, size, 1.0)
        outside = (functions / self.scale) @ self.null
        left, values, _ = np.linalg.svd(outside)
        rank = int((values > np.sqrt(ESTIMABLE)).sum())
        return np.asarray(left[:, rank:].T @ functions)


def row_space(design: Design) -> RowSpace:
    """The row space of the fixed part of a design."""
    X, kept = design.fixed.values, design.x_kept
    k = X.shape[1]
    if len(kept) == k:
        return RowSpace(kept, np.ones(k), np.empty((k, 0)))
    scale = np.sqrt(np.einsum("ij,ij->j", X, X) / len(X))
    scale = np.where(scale > 0, scale, 1.0)
    dropped = np.setdiff1d(np.arange(k), kept)
    scaled = X / scale
    basis = np.zeros((k, len(dropped)))
    basis[kept] = np.linalg.lstsq(scaled[:, kept], scaled[:, dropped], rcond=None)[0]
    basis[dropped, np.arange(len(dropped))] = -1.0
    return RowSpace(kept, scale, np.linalg.qr(basis)[0])
