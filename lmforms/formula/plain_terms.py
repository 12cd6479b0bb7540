"""Products of columns as they are: numbers and factors without calls, made without formulaic.

Small models spend most of their time in formulaic otherwise. Which columns of a factor a term
gets is formulaic's rule, asked once for terms of the same kind and remembered by their names.

References
----------
Chambers, Hastie (1992), *Statistical Models in S*, section 2.4, for the coding of factors.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import chain
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ..errors import LmformsError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from ..support.column_table import Levels, Table
from .aliases import RESERVED, unaliased
from .formulaic_factors import term_label
from .formulaic_materializer import scoped_terms
from .interaction_sizes import MAX_COLUMN_BYTES

if TYPE_CHECKING:
    from formulaic import SimpleFormula

REMEMBERED_CODINGS = 256
"""Lists of terms whose coding is remembered, by names of columns."""

Product = tuple[str, ...]
"""Columns that a term multiplies; none for the intercept."""

Coded = tuple[tuple[str, bool], ...]
"""The same with the columns of each factor: all of its levels, or one less (True)."""


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


class _Factor(NamedTuple):
    """Codes of the rows, and what the levels are called."""

    codes: IndexArray
    names: list[str]


def _level_names(categories: pd.Index) -> list[str] | None:
    """Levels that are text or whole numbers, as formulaic writes them; None for others."""
    levels = categories.tolist()
    if isinstance(categories.dtype, np.dtype) and categories.dtype.kind in "iu":
        return [str(level) for level in levels]
    # formulaic passes over names with two underscores in front
    plain = all(type(level) is str and not level.startswith("__") for level in levels)
    return levels if plain and not any(c in level for level in levels for c in RESERVED) else None


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
    levels: dict[str, _Factor] = {}
    for name in terms.columns:
        column = None if name in contrasts else table.plain(name)
        if column is None:
            return None
        if isinstance(column, Levels):
            called = _level_names(column.categories)
            if called is None:
                return None
            levels[name] = _Factor(column.codes, called)
        else:
            numbers[name] = column
    n = table.n
    if not levels:
        return (
            None
            if terms.of_numbers is None
            else _of_numbers(terms.of_numbers, terms.products, numbers, n)
        )
    coded = coded_terms(terms.products, frozenset(levels))
    if coded is None or 8.0 * n * _most_columns(terms, levels) > MAX_COLUMN_BYTES:
        return None
    named = [[_names(own, levels) for own in term] for term in coded]
    counts = tuple(sum(map(len, term)) for term in named)
    values = np.empty((n, sum(counts)))
    names: list[str] = []
    for own, own_names in zip(chain(*coded), chain(*named), strict=True):
        at = len(names)
        names += own_names
        product = _product([name for name, _ in own], numbers)
        if not any(name in levels for name, _ in own):
            values[:, at] = product
            continue
        block = values[:, at : len(names)]
        np.equal(_combined(own, levels)[:, None], np.arange(block.shape[1]), out=block)
        if isinstance(product, np.ndarray):
            with np.errstate(all="ignore"):
                block *= product[:, None]
    if len(set(names)) < len(names):
        return None
    return PlainMatrix(values, tuple(names), counts, is_categorical=True)


def _of_numbers(
    names: tuple[str, ...],
    products: Sequence[Product],
    numbers: Mapping[str, FloatArray],
    n: int,
) -> PlainMatrix:
    k = len(names)
    values = np.empty((n, k))
    for j, product in enumerate(products):
        one = len(product) == 1
        values[:, j] = numbers[product[0]] if one else _product(product, numbers)
    return PlainMatrix(values, names, (1,) * k, is_categorical=False)


def _product(product: Iterable[str], numbers: Mapping[str, FloatArray]) -> FloatArray | float:
    """The product of the columns of numbers, 1 for none; what is not finite is refused later."""
    factors = [numbers[name] for name in product if name in numbers]
    if len(factors) < 2:
        return factors[0] if factors else 1.0
    with np.errstate(all="ignore"):
        return np.asarray(reduce(operator.mul, factors, 1.0))


def _most_columns(terms: PlainTerms, levels: Mapping[str, _Factor]) -> int:
    """Columns that interactions have at most, as :mod:`.interaction_sizes` counts them."""
    return sum(
        prod(len(levels[name].names) for name in product if name in levels)
        for product in terms.products
        if len(product) > 1
    )


def _names(own: Coded, levels: Mapping[str, _Factor]) -> list[str]:
    """Names of the columns of a product, those of the first factor changing fastest."""
    if not own:
        return ["Intercept"]
    names = [""]
    for name, reduced in reversed(own):
        if name in levels:
            mark = "T." if reduced else ""
            pieces = [f"{name}[{mark}{level}]" for level in levels[name].names[reduced:]]
        else:
            pieces = [name]
        names = [f"{piece}:{rest}" if rest else piece for rest in names for piece in pieces]
    return names


def _combined(own: Coded, levels: Mapping[str, _Factor]) -> IndexArray:
    """Which column of a product each row has a one in; -1 for none."""
    combined: IndexArray | int = 0
    none: BoolArray | bool = False
    size = 1
    for name, reduced in own:
        if name not in levels:
            continue
        codes = levels[name].codes.astype(np.intp) - reduced
        combined = combined + size * codes
        none = none | (codes < 0)
        size *= len(levels[name].names) - reduced
    return np.where(none, -1, combined)


@lru_cache(maxsize=REMEMBERED_CODINGS)
def coded_terms(
    products: tuple[Product, ...], factors: frozenset[str]
) -> tuple[tuple[Coded, ...], ...] | None:
    """The products that the columns of each term come from; None if formulaic refuses.

    Parameters
    ----------
    products : tuple of tuple of str
        The columns of each term.
    factors : frozenset of str
        Those of them that are factors; at least one.

    Examples
    --------
    >>> coded_terms(((), ("f",), ("f", "x")), frozenset("f"))
    (((),), ((('f', True),),), ((('f', False), ('x', False)),))
    """
    try:
        return scoped_terms(products, factors)
    except LmformsError:
        return None
