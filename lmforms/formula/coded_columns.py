"""Columns of terms with factors: what they are called, and what each is made of.

Which columns of a factor a term gets is formulaic's rule, asked once for terms of the same kind and
remembered by their names; names of columns are remembered by those of the levels.

References
----------
Chambers, Hastie (1992), *Statistical Models in S*, section 2.4, for the coding of factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from ..errors import LmformsError
from .aliases import RESERVED
from .formulaic_materializer import scoped_terms

REMEMBERED_CODINGS = 256
"""Lists of terms whose coding is remembered, by names of columns."""

REMEMBERED_NAMES = 64
"""Lists of terms whose columns are remembered, by names of columns and levels."""

MOST_REMEMBERED_COLUMNS = 1_000
"""Names of more columns are not remembered: they take more memory than time is saved."""

Product = tuple[str, ...]
"""Columns that a term multiplies; none for the intercept."""

Coded = tuple[tuple[str, bool], ...]
"""The same with the columns of each factor: all of its levels, or one less (True)."""


class CodedFactor(NamedTuple):
    """A factor in a product: its levels from `first` on have a column, `size` of them."""

    name: str
    first: int
    size: int


class ColumnBlock(NamedTuple):
    """Columns from `start` to `stop`: a product of numbers and of the levels of factors."""

    numbers: tuple[str, ...]
    factors: tuple[CodedFactor, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class CodedColumns:
    """Columns of a list of terms.

    Attributes
    ----------
    names : tuple of str
    counts : tuple of int
        Columns of each term.
    blocks : tuple of ColumnBlock
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    blocks: tuple[ColumnBlock, ...]


def coded_columns(
    products: tuple[Product, ...], levels: Mapping[str, tuple[str, ...]], most: int
) -> CodedColumns | None:
    """The columns of terms, at least one of them with a factor.

    Parameters
    ----------
    products : tuple of tuple of str
        The columns of each term.
    levels : mapping of str to tuple of str
        What the levels of those that are factors are called.
    most : int
        Number of columns that there are at most.

    Returns
    -------
    CodedColumns or None
        None if formulaic refuses the terms or passes over a level, or if two columns have one name.

    Examples
    --------
    >>> coded_columns(((), ("f",), ("f", "x")), {"f": ("a", "b")}, 5).names
    ('Intercept', 'f[T.b]', 'f[a]:x', 'f[b]:x')
    """
    make = _coded if most <= MOST_REMEMBERED_COLUMNS else _coded.__wrapped__
    return make(products, tuple(levels.items()))


@lru_cache(maxsize=REMEMBERED_NAMES)
def _coded(
    products: tuple[Product, ...], named: tuple[tuple[str, tuple[str, ...]], ...]
) -> CodedColumns | None:
    levels = dict(named)
    if any(map(_is_passed_over, chain(*levels.values()))):
        return None
    terms = coded_terms(products, frozenset(levels))
    if terms is None:
        return None
    names: list[str] = []
    counts, blocks = [], []
    for term in terms:
        before = len(names)
        for own in term:
            start = len(names)
            names += _names(own, levels)
            factors = [
                CodedFactor(name, int(reduced), len(levels[name]) - reduced)
                for name, reduced in own
                if name in levels
            ]
            numbers = [name for name, _ in own if name not in levels]
            blocks.append(ColumnBlock(tuple(numbers), tuple(factors), start, len(names)))
        counts.append(len(names) - before)
    if len(set(names)) < len(names):
        return None
    return CodedColumns(tuple(names), tuple(counts), tuple(blocks))


def _is_passed_over(level: str) -> bool:
    """Whether formulaic passes over a level, or would take it for an alias."""
    return level.startswith("__") or any(mark in level for mark in RESERVED)


def _names(own: Coded, levels: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of the columns of a product, those of the first factor changing fastest."""
    if not own:
        return ["Intercept"]
    names = [""]
    for name, reduced in reversed(own):
        if name in levels:
            mark = "T." if reduced else ""
            pieces = [f"{name}[{mark}{level}]" for level in levels[name][reduced:]]
        else:
            pieces = [name]
        names = [f"{piece}:{rest}" if rest else piece for rest in names for piece in pieces]
    return names


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
