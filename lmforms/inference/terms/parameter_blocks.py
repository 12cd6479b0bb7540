"""The over-parametrised design: one parameter for every combination of levels of each term.

Its estimable functions do not depend on how the factors are coded in a fit. With X_o the design
with an indicator column for every combination of levels (times the numbers of the term) and K the
coding of the fit, X = X_o K, an estimable function l'β_o is the function l'K β of the coefficients
β of the fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ...data.design import Design
from ...formula.coded_factors import CodedFactor, coded_factors
from ...formula.evaluator import Evaluator
from ...support.arrays import FloatArray, IndexArray
from .fixed_terms import FixedTerm

CHUNK = 4096
"""Rows whose columns are made at a time; more if there are many columns."""

DENSE_CODES = 4
"""Codes are counted in a table if it has at most this many times as many places as there are rows,
else sorted."""


@dataclass(frozen=True)
class Combinations:
    """Combinations of levels that occur, of the factors of one term.

    Attributes
    ----------
    of_row : ndarray of int (n,)
        Combination of each row.
    first : ndarray of int (combinations,)
        A row of each combination.
    possible : int
        Number of combinations of the levels.
    """

    of_row: IndexArray
    first: IndexArray
    possible: int

    @property
    def count(self) -> int:
        """Number of combinations that occur."""
        return len(self.first)


@dataclass(frozen=True)
class TermParameters:
    """The parameters of one term: those of its first combination of levels first.

    A parameter belongs to a combination of levels and a product of columns of numbers, each in
    units of its largest absolute value.

    Attributes
    ----------
    term : FixedTerm
    combinations : Combinations
    numbers : ndarray of int (k, number of numeric factors)
        Which column of each of its numbers, of all products of them.
    coding : ndarray (combinations × k, columns of all terms)
        Columns of X, before the rank check, as combinations of the parameters' columns: zero for
        those of other terms.
    treatment : ndarray (combinations × k, columns of all terms)
        The same for treatment contrasts of all factors.
    """

    term: FixedTerm
    combinations: Combinations
    numbers: IndexArray
    coding: FloatArray
    treatment: FloatArray


class OverParametrised:
    """Columns and coding of the over-parametrised design of a fit.

    Parameters
    ----------
    design : Design
    terms : sequence of FixedTerm
    """

    def __init__(self, design: Design, terms: Sequence[FixedTerm]) -> None:
        formula_data = design.formula_data
        table, rows = design.coding_rows
        evaluator = Evaluator(table, formula_data.scope, formula_data.contrasts)
        spec, part = design.fixed.spec, design.bound.formula.fixed
        self.n = int(np.count_nonzero(rows))
        self.factors = coded_factors(evaluator, spec, part, rows)
        self.scales = {
            expr: _largest(factor.values)
            for expr, factor in self.factors.items()
            if factor.values is not None
        }
        structures = [None] * len(terms) if spec.structure is None else spec.structure
        found = [
            combinations(self.n, [self.factors[e] for e in sorted(term.factors)]) for term in terms
        ]
        parts = list(zip(terms, structures, found, strict=True))
        own = _side_by_side([self._coding(*part, treatment=False) for part in parts])
        treatment = _side_by_side([self._coding(*part, treatment=True) for part in parts])
        self.parameters = tuple(
            TermParameters(term, found[i], self._numbers(term), own[i], treatment[i])
            for i, term in enumerate(terms)
        )

    def _numbers(self, term: FixedTerm) -> IndexArray:
        sizes = [range(self.factors[e].size) for e in sorted(term.numbers)]
        numbers = np.array(list(product(*sizes)), dtype=np.intp)
        return numbers.reshape(prod(map(len, sizes)), len(sizes))

    def _coding(
        self, term: FixedTerm, structure: Any, found: Combinations, *, treatment: bool
    ) -> FloatArray:
        """Columns of X of a term as combinations of the columns of its parameters."""
        numbers = self._numbers(term)
        scale = np.ones(len(numbers))
        for column, expr in enumerate(sorted(term.numbers)):
            scale *= self.scales[expr][numbers[:, column]]
        rows = np.tile(scale, found.count)[:, None]
        if structure is None:  # one column: a product of columns of numbers
            return rows
        parts = [
            _coded_columns(term, part, self.factors, found, numbers, treatment)
            for part in structure.scoped_terms
        ]
        return np.hstack([np.empty((len(rows), 0)), *parts]) * rows

    def number_products(self, parameters: TermParameters, rows: IndexArray) -> FloatArray:
        """Products of the numbers of a term on some rows, (rows, k), in units of their sizes."""
        values = np.ones((len(rows), len(parameters.numbers)))
        for column, expr in enumerate(sorted(parameters.term.numbers)):
            own = self.factors[expr].values
            assert own is not None
            values *= (own[rows] / self.scales[expr])[:, parameters.numbers[:, column]]
        return values

    def root(self) -> FloatArray:
        """R of X_o = QR, with numbers in units of their sizes."""
        return self._root(self.parameters, self._distinct_rows(), numbers=True)

    def indicator_root(self, parameters: Sequence[TermParameters]) -> FloatArray:
        """R of the indicators of the combinations of some terms, (at most their sum, their sum)."""
        rows = distinct(self.n, [p.combinations.of_row for p in parameters])[1]
        return self._root(parameters, rows, numbers=False)

    def _root(
        self, parameters: Sequence[TermParameters], rows: IndexArray, *, numbers: bool
    ) -> FloatArray:
        counts = [p.combinations.count * (len(p.numbers) if numbers else 1) for p in parameters]
        root: FloatArray = np.empty((0, sum(counts)))
        step = max(CHUNK, 2 * sum(counts))
        for start in range(0, len(rows), step):
            chunk = rows[start : start + step]
            parts = []
            for p in parameters:
                values = self.number_products(p, chunk) if numbers else np.ones((len(chunk), 1))
                columns = np.zeros((len(chunk), p.combinations.count, values.shape[1]))
                columns[np.arange(len(chunk)), p.combinations.of_row[chunk]] = values
                parts.append(columns.reshape(len(chunk), -1))
            root = np.asarray(np.linalg.qr(np.vstack([root, np.hstack(parts)]), mode="r"))
        return root

    def _distinct_rows(self) -> IndexArray:
        """A row of every kind: which repeats there are does not matter for the row space."""
        keys = []
        for factor in self.factors.values():
            if factor.codes is not None:
                keys.append(factor.codes)
            else:
                assert factor.values is not None
                keys += [np.unique(c, return_inverse=True)[1] for c in factor.values.T]
        return distinct(self.n, keys)[1]


def _largest(values: FloatArray) -> FloatArray:
    """Largest absolute value of each column; 1 for columns of zeros."""
    largest = np.abs(values).max(axis=0, initial=0.0)
    return np.where(largest > 0, largest, 1.0)


def _side_by_side(blocks: Sequence[FloatArray]) -> list[FloatArray]:
    """Each block among the columns of all of them, zeros elsewhere."""
    ends = np.cumsum([0, *(block.shape[1] for block in blocks)])
    out = []
    for block, start in zip(blocks, ends):
        wide = np.zeros((len(block), int(ends[-1])))
        wide[:, start : start + block.shape[1]] = block
        out.append(wide)
    return out


def combinations(n: int, factors: Sequence[CodedFactor]) -> Combinations:
    """The combinations of levels that occur in n rows; one for no factors."""
    codes = [f.codes for f in factors if f.codes is not None]
    of_row, first = distinct(n, codes)
    return Combinations(of_row, first, prod(f.size for f in factors))


def distinct(n: int, keys: Sequence[IndexArray]) -> tuple[IndexArray, IndexArray]:
    """Codes of the combinations of several codes, in lexical order, and the first row of each.

    Examples
    --------
    >>> distinct(3, [np.array([1, 0, 1]), np.array([2, 2, 2])])
    (array([1, 0, 1]), array([1, 0]))
    """
    combined, first = np.zeros(n, dtype=np.intp), np.zeros(min(n, 1), dtype=np.intp)
    for key in keys:
        size = int(key.max(initial=0)) + 1
        joint = combined * size + key
        if len(first) * size > DENSE_CODES * n:
            _, first, combined = np.unique(joint, return_index=True, return_inverse=True)
            continue
        places = np.full(len(first) * size, n, dtype=np.intp)
        places[joint[::-1]] = np.arange(n - 1, -1, -1)
        there = places < n
        first, combined = places[there], (np.cumsum(there) - 1)[joint]
    return combined, first


def _coded_columns(
    term: FixedTerm,
    scoped: Any,
    factors: Mapping[str, CodedFactor],
    found: Combinations,
    numbers: IndexArray,
    treatment: bool,
) -> FloatArray:
    """Columns of X of a part of a term as combinations of the columns of its parameters.

    The columns of its factors are multiplied, those of the first factor varying fastest.
    """
    order, k = sorted(term.numbers), len(numbers)
    coded = np.full((found.count * k, 1), float(scoped.scale))
    for factor in scoped.factors:
        expr = factor.factor.expr
        own = factors[expr]
        reduced = own.treatment if treatment else own.reduced
        full = np.eye(own.size) if treatment else own.full
        matrix = reduced if factor.reduced else full
        if own.codes is not None:
            rows = np.repeat(matrix[own.codes[found.first]], k, axis=0)
        else:
            rows = np.tile(matrix[numbers[:, order.index(expr)]], (found.count, 1))
        coded = (rows[:, :, None] * coded[:, None, :]).reshape(len(rows), -1)
    return coded
