"""The design of some rows: those of the fit, or new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .design import Design
from .random_design import random_names, term_columns


@dataclass(frozen=True, eq=False)
class TermRows:
    """A random term on some rows.

    Attributes
    ----------
    codes : ndarray of int (n,)
        Level of each row; −1 for a level that the fit does not have, and for incomplete rows.
    basis : ndarray (n, k)
    """

    codes: IndexArray
    basis: FloatArray


@dataclass(frozen=True, eq=False)
class DesignRows:
    """The columns of a model's design on some rows.

    Attributes
    ----------
    design : Design
        Of the fit.
    index : pandas.Index (n,)
    complete : ndarray of bool (n,)
        Rows without missing values; in the others X and the offset are NaN.
    X : ndarray (n, p)
    offset : ndarray (n,)
    terms : dict of int to TermRows
        Random terms, by their indices in the design.
    auxiliary : mapping of str to ndarray (n, k)
        Columns of the parameters beside the mean that were asked for; NaN in incomplete rows.
    """

    design: Design
    index: pd.Index
    complete: BoolArray
    X: FloatArray
    offset: FloatArray
    terms: dict[int, TermRows]
    auxiliary: Mapping[str, FloatArray] = field(default_factory=dict)

    def linear_predictor(self, beta: FloatArray, b: Sequence[FloatArray]) -> FloatArray:
        """Xβ + Zb + offset.

        Parameters
        ----------
        beta : ndarray (p,)
        b : sequence of ndarray (levels, k)
            Random effects of each grouping factor.
        """
        values = self.X @ beta + self.offset
        columns_of = term_columns(self.design)
        for t, rows in self.terms.items():
            g, columns = columns_of[t]
            effects = b[g][:, columns]
            known = rows.codes >= 0
            values[known] += np.einsum("ik,ik->i", rows.basis[known], effects[rows.codes[known]])
        return np.asarray(values)

    def random_columns(self) -> Any:
        """Z as a scipy.sparse.csr_array (n, q), term by term and within a term level by level.

        Columns of terms that are left out are zero, and so are rows of new levels.
        """
        import scipy.sparse as sp

        n = len(self.index)
        blocks = []
        for t, term in enumerate(self.design.terms):
            q, k = len(self.design.groups[term.group].labels), len(term.columns)
            if t not in self.terms:
                blocks.append(sp.csr_array((n, q * k)))
                continue
            rows = self.terms[t]
            known = rows.codes >= 0
            columns = (rows.codes[known, None] * k + np.arange(k)).ravel()
            ends = np.concatenate([[0], np.cumsum(known)]) * k
            values = rows.basis[known].ravel()
            blocks.append(sp.csr_array((values, columns, ends), shape=(n, q * k)))
        return sp.hstack(blocks).tocsr() if blocks else sp.csr_array((n, 0))


@dataclass(frozen=True, eq=False)
class DesignMatrices:
    """Matrices of some rows: the linear predictor is X β + Z b + offset.

    Attributes
    ----------
    X : DataFrame (n, p)
        Columns as in ``fit.params``; NaN in rows with missing values.
    Z : scipy.sparse.csr_array (n, q)
        Term by term and within a term level by level, as in ``fit.matrices``.
    offset : Series (n,)
    z_names : pandas.MultiIndex (q,)
        Grouping factor, level and effect of each column of Z.
    """

    X: pd.DataFrame
    Z: Any
    offset: pd.Series
    z_names: pd.MultiIndex

    def __repr__(self) -> str:
        (n, p), q = self.X.shape, self.Z.shape[1]
        absent = int(self.offset.isna().sum())
        noun = "row" if absent == 1 else "rows"
        gaps = f", {absent} {noun} with missing values" if absent else ""
        return (
            f"<DesignMatrices X beta + Z b + offset: n = {n}, p = {p}, q = {q}, "
            f"{self.Z.nnz} nonzeros in Z{gaps}>"
        )


def own_rows(
    design: Design, terms: Sequence[int] | None = None, unlabelled: Sequence[int] = ()
) -> DesignRows:
    """The rows of the fit, with all or some of the random terms.

    Those that are `unlabelled` have the code −1 in every row.
    """
    chosen = range(len(design.terms)) if terms is None else terms
    made = {}
    for t in (*chosen, *unlabelled):
        term = design.terms[t]
        codes = design.groups[term.group].codes
        if t not in chosen:
            codes = np.full(design.n, -1, dtype=np.intp)
        made[t] = TermRows(codes, term.matrix.values)
    return DesignRows(
        design=design,
        index=design.index,
        complete=np.ones(design.n, dtype=bool),
        X=design.X,
        offset=design.offset,
        terms=made,
        auxiliary={name: part.X for name, part in design.auxiliary.items()},
    )


def design_matrices(rows: DesignRows) -> DesignMatrices:
    """The matrices of some rows, labelled."""
    design = rows.design
    return DesignMatrices(
        X=pd.DataFrame(rows.X, index=rows.index, columns=design.x_names),
        Z=rows.random_columns(),
        offset=pd.Series(rows.offset, index=rows.index, name="offset"),
        z_names=random_names(design),
    )
