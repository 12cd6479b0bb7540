"""A mixed-model formula as formulaic's terms, once the columns of the data are known.

:mod:`lmforms.formula.parse` splits the text, :mod:`lmforms.formula.bind` parses the parts, and
:mod:`lmforms.formula.evaluator` makes matrices of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .aliases import unaliased
from .formula_part import FormulaPart
from .formulaic_factors import group_name
from .parse import MixedFormula
from .plain_terms import PlainTerms

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor


@dataclass(frozen=True)
class BoundRandomTerm:
    """A random term for one grouping factor, its parts parsed.

    Attributes
    ----------
    expression : formulaic.SimpleFormula
        Left of the bar, with the implied intercept.
    group : tuple of formulaic Factor
        Their interaction is the grouping factor.
    structure : str
        Name of the covariance structure.
    label : str
        For messages and tables, such as ``Days | Subject``.
    part, group_part : FormulaPart
        Where expression and group stand, for messages.
    number : int, optional
        What stands after a comma, such as the rank of ``rr(0 + f | g, 2)``.
    options : str
        The comma and what follows it.
    """

    expression: SimpleFormula
    group: tuple[Factor, ...]
    structure: str
    label: str
    part: FormulaPart
    group_part: FormulaPart
    number: int | None = None
    options: str = ""

    @cached_property
    def identity(self) -> tuple[str, frozenset[str]]:
        """Expression and grouping factor: the same for equal terms."""
        return str(self.expression), frozenset(f.expr for f in self.group)

    @property
    def is_product(self) -> bool:
        """Whether it is a product of two structures, ``(us(a):ar1(b) | g)``."""
        return ":" in self.structure

    @property
    def left(self) -> str:
        """What stands left of the bar."""
        return self.part.written() if self.is_product else self.part.label

    @cached_property
    def group_name(self) -> str:
        """Name of the grouping factor, such as ``batch:cask``."""
        return group_name(self.group)

    @cached_property
    def written(self) -> str:
        """The term as the user wrote it, such as ``(Days || Subject)``, for messages."""
        return self.as_written_by(self.group_name)

    def as_written_by(self, group: str) -> str:
        """The term with `group` on the right of its bar."""
        bar, structure = self.bar_and_structure
        return f"{structure}({self.left} {bar} {group}{self.options})"

    @cached_property
    def text(self) -> str:
        """The term without its parentheses, such as ``Days || Subject``."""
        bar, structure = self.bar_and_structure
        return self.written if structure else f"{self.left} {bar} {self.group_name}"

    @cached_property
    def bar_and_structure(self) -> tuple[str, str]:
        """The bar, and the name in front of the parentheses, if one is written there."""
        between = self.part.source[max(self.part.origin) + 1 : min(self.group_part.origin)]
        bar = "||" if "||" in between else "|"
        plain = bar == "||" or self.structure == "us" or self.is_product
        return bar, "" if plain else self.structure


@dataclass(frozen=True)
class PlainFormula:
    """A formula of columns as they are.

    Attributes
    ----------
    distinct : tuple of PlainTerms
        The different parts.
    places : tuple of int
        Which of them are response, fixed part, random terms and offsets.
    first : tuple of int
        Where in `places` each of them is first.
    groups : tuple of tuple of str
        Columns of the grouping factor of each random term.
    """

    distinct: tuple[PlainTerms, ...]
    places: tuple[int, ...]
    first: tuple[int, ...]
    groups: tuple[tuple[str, ...], ...]

    @cached_property
    def grouping_columns(self) -> tuple[str, ...]:
        """The columns of all grouping factors, each once."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group))


@dataclass(frozen=True)
class RandomLayout:
    """The random terms of a formula by grouping factors.

    Attributes
    ----------
    apart : frozenset of int
        Places of the terms that have a grouping factor to themselves.
    labels : tuple of (str, str)
        Label of each term, and what messages call it.
    groups : tuple of int
        Grouping factor of each term.
    members : tuple of tuple of int
        Terms of each grouping factor.
    """

    apart: frozenset[int]
    labels: tuple[tuple[str, str], ...]
    groups: tuple[int, ...]
    members: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class BoundFormula:
    """A mixed-model formula, parsed with the names of the data's columns.

    Attributes
    ----------
    formula : MixedFormula
        The formula as text.
    response, fixed : formulaic.SimpleFormula
        The two sides.
    random : tuple of BoundRandomTerm
        One per random term and grouping factor, in the order of the formula.
    offsets : tuple of formulaic.SimpleFormula
        The ``offset(...)`` terms.
    columns : tuple of str
        Every column needed, in the order of the data.
    direct_columns : frozenset of str
        Columns used as such in the response, fixed part or a random expression (rather
        than inside a call): they must be numbers or factors.
    free_names : frozenset of str
        Names in calls that are no columns: functions and variables of the caller.
    """

    formula: MixedFormula
    response: SimpleFormula
    fixed: SimpleFormula
    random: tuple[BoundRandomTerm, ...]
    offsets: tuple[SimpleFormula, ...]
    columns: tuple[str, ...]
    direct_columns: frozenset[str]
    free_names: frozenset[str]

    def layout(self, related: Collection[str] = ()) -> RandomLayout:
        """The random terms by grouping factors: see :func:`random_layout`."""
        return random_layout(self.random, related) if related else self._unrelated_layout

    @cached_property
    def _unrelated_layout(self) -> RandomLayout:
        return random_layout(self.random)

    @cached_property
    def plain(self) -> PlainFormula | None:
        """The formula as one of columns as they are; None if there is a call in it."""
        random = [term.expression for term in self.random]
        found = map(PlainTerms.of, (self.response, self.fixed, *random, *self.offsets))
        parts = [terms for terms in found if terms is not None]
        factors = [factor for term in self.random for factor in term.group]
        is_plain = all(factor.eval_method.value == "lookup" for factor in factors)
        if not is_plain or len(parts) < 2 + len(random) + len(self.offsets):
            return None
        distinct = list(dict.fromkeys(parts))
        return PlainFormula(
            distinct=tuple(distinct),
            places=tuple(map(distinct.index, parts)),
            first=tuple(map(parts.index, distinct)),
            groups=tuple(tuple(unaliased(f.expr) for f in term.group) for term in self.random),
        )


# --- random terms by grouping factors -----------------------------------------------------------


def random_layout(random: Sequence[BoundRandomTerm], related: Collection[str] = ()) -> RandomLayout:
    """Group the terms of a formula.

    Parameters
    ----------
    random : sequence of BoundRandomTerm
    related : collection of str
        Grouping factors and terms whose levels have a known covariance. A term that is named
        itself, by its `text`, is apart from others on its grouping factor.

    Raises
    ------
    FormulaError
        A term is there twice.
    """
    apart = _terms_apart(random, related)
    _refuse_duplicates(random, apart)
    order: dict[object, int] = {}
    groups: list[int] = []
    members: list[list[int]] = []
    for i, term in enumerate(random):
        group = order.setdefault(i if i in apart else term.identity[1], len(order))
        if group == len(members):
            members.append([])
        members[group].append(i)
        groups.append(group)
    labels = _labels(random, apart)
    return RandomLayout(apart, labels, tuple(groups), tuple(map(tuple, members)))


def _terms_apart(random: Sequence[BoundRandomTerm], related: Collection[str]) -> frozenset[int]:
    """Places of the terms that `related` names themselves: of equal ones the first."""
    first: dict[str, int] = {}
    for i, term in enumerate(random):
        first.setdefault(term.text, i)
    return frozenset(i for text, i in first.items() if text in related)


def _refuse_duplicates(random: Sequence[BoundRandomTerm], apart: Collection[int]) -> None:
    """Refuse equal terms, unless their levels have different covariances."""
    seen: set[tuple[str, frozenset[str]]] = set()
    for i, term in enumerate(random):
        if i in apart:
            continue
        if term.identity in seen:
            raise term.part.error(
                f"the random term {term.written} is there twice: leave one out, or give the levels "
                f"of one a known covariance K, by relationship={{{term.text!r}: K}}."
            )
        seen.add(term.identity)


def _labels(
    random: Sequence[BoundRandomTerm], apart: Collection[int]
) -> tuple[tuple[str, str], ...]:
    """Label of each term, and what messages call it: no others are called like those in `apart`."""
    taken = {text for i in apart for text in (random[i].text, random[i].label)}
    out = []
    for i, term in enumerate(random):
        if i in apart:
            out.append((term.text, term.written))
        elif term.label in taken:
            out.append((f"{term.label} (unrelated)", f"unrelated {term.written}"))
        else:
            out.append((term.label, term.written))
    return tuple(out)
