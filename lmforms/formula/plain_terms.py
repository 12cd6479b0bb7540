"""Products of columns as they are: numbers and factors without calls, made without formulaic.

Small models spend most of their time in formulaic otherwise.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Levels, Table, texts_of
from .aliases import unaliased
from .coded_columns import CodedColumns, CodedFactor, Product, coded_columns
from .formulaic_factors import term_label
from .interaction_sizes import MAX_COLUMN_BYTES

if TYPE_CHECKING:
    from formulaic import SimpleFormula


@dataclass(frozen=True)
class PlainTerms:
    """A part of a formula whose terms are products of columns as they are.

    Attributes
    ----------
    products : tuple of tuple of str
        The columns of each term, in the order of the formula.
    labels : tuple of str
        Such as ``x:f``.
    """

    products: tuple[Product, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, formula: SimpleFormula) -> PlainTerms | None:
        """The terms of a parsed part; None if one of them is a call."""
        products = []
        for term in formula:
            methods = {factor.eval_method.value for factor in term.factors}
            if methods == {"lookup"}:
                products.append(tuple(unaliased(factor.expr) for factor in term.factors))
            elif [factor.expr for factor in term.factors] == ["1"]:
                products.append(())
            else:
                return None
        return cls(tuple(products), tuple(term_label(term) for term in formula))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once."""
        return tuple(dict.fromkeys(name for product in self.products for name in product))

    @cached_property
    def interactions(self) -> tuple[Product, ...]:
        """Terms of several columns."""
        return tuple(product for product in self.products if len(product) > 1)

    @cached_property
    def of_numbers(self) -> tuple[str, ...] | None:
        """What the columns are called where all are numbers; None if two have one name."""
        names = tuple(":".join(product) or "Intercept" for product in self.products)
        return names if len(set(names)) == len(names) else None


@dataclass(frozen=True, eq=False)
class PlainMatrix:
    """Columns of terms.

    Attributes
    ----------
    values : ndarray (n, k)
    names : tuple of str
    counts : tuple of int
        Columns of each term.
    is_categorical : bool
        Whether there is a factor among them.
    """

    values: FloatArray
    names: tuple[str, ...]
    counts: tuple[int, ...]
    is_categorical: bool


def _level_names(categories: pd.Index) -> tuple[str, ...] | None:
    """Levels that are text or whole numbers, as formulaic writes them; None for others."""
    dtype = categories.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iu":
        return tuple(map(str, categories.tolist()))
    levels = texts_of(categories)
    return tuple(levels) if set(map(type, levels)) == {str} else None


def plain_matrix(
    terms: PlainTerms, table: Table, contrasts: Collection[str] = ()
) -> PlainMatrix | None:
    """The columns of terms; None if they are not all of plain columns, too many or of one name.

    Parameters
    ----------
    terms : PlainTerms
    table : Table
    contrasts : collection of str
        Columns that have a coding of their own, and are not plain.
    """
    numbers: dict[str, FloatArray] = {}
    codes: dict[str, IndexArray] = {}
    levels: dict[str, tuple[str, ...]] = {}
    for name in terms.columns:
        column = None if name in contrasts else table.plain(name)
        if column is None:
            return None
        if isinstance(column, Levels):
            called = _level_names(column.dtype.categories)
            if called is None:
                return None
            codes[name], levels[name] = column.codes, called
        else:
            numbers[name] = column
    n = table.n
    if not levels:
        if terms.of_numbers is None:
            return None
        return _of_numbers(terms.of_numbers, terms.products, numbers, n)
    most = _most_columns(terms.interactions, levels)
    if 8.0 * n * most > MAX_COLUMN_BYTES:
        return None
    coded = coded_columns(terms.products, levels, most + sum(map(len, levels.values())))
    return None if coded is None else _of_factors(coded, codes, numbers, n)


def _of_numbers(
    names: tuple[str, ...],
    products: Sequence[Product],
    numbers: Mapping[str, FloatArray],
    n: int,
) -> PlainMatrix:
    k = len(names)
    values = np.empty((n, k))
    for j, product in enumerate(products):
        values[:, j] = _product(product, numbers) if product else 1.0
    return PlainMatrix(values, names, (1,) * k, is_categorical=False)


def _product(names: Product, numbers: Mapping[str, FloatArray]) -> FloatArray:
    """The product of columns of numbers; what is not finite is refused later."""
    first, *others = [numbers[name] for name in names]
    if not others:
        return first
    with np.errstate(all="ignore"):
        return reduce(operator.mul, others, first.astype(np.float64))


def _of_factors(
    coded: CodedColumns,
    codes: Mapping[str, IndexArray],
    numbers: Mapping[str, FloatArray],
    n: int,
) -> PlainMatrix:
    values = np.empty((n, len(coded.names)))
    for own, factors, start, stop in coded.blocks:
        if not factors:
            values[:, start] = _product(own, numbers) if own else 1.0
            continue
        block = values[:, start:stop]
        _fill_indicators(block, factors, codes)
        if own:
            with np.errstate(all="ignore"):
                block *= _product(own, numbers)[:, None]
    return PlainMatrix(values, coded.names, coded.counts, is_categorical=True)


def _most_columns(products: Iterable[Product], levels: Mapping[str, Sequence[str]]) -> int:
    """Columns that interactions have at most, as :mod:`.interaction_sizes` counts them."""
    most = 0
    for product in products:
        own = 1
        for name in product:
            if name in levels:
                own *= len(levels[name])
        most += own
    return most


def _fill_indicators(
    block: FloatArray, factors: Sequence[CodedFactor], codes: Mapping[str, IndexArray]
) -> None:
    """Write a one where a row has the combination of levels of a column, and else a zero."""
    (name, first, size), *others = factors
    if not others:
        np.equal(codes[name][:, None], np.arange(first, first + size), out=block)
        return
    combined: IndexArray | int = 0
    none: BoolArray | bool = False
    before = 1
    for name, first, size in factors:
        own = codes[name].astype(np.intp) - first
        combined = combined + before * own
        none = none | (own < 0)
        before *= size
    np.equal(np.where(none, -1, combined)[:, None], np.arange(before), out=block)
