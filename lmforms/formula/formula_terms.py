"""A formula as terms that can be taken out or exchanged, and written as text again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import FormulaError
from .aliases import unaliased
from .formula_part import FormulaPart
from .formulaic_factors import own_factors, term_label
from .terms import BoundFormula, BoundRandomTerm

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor

_PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
"""Names that need no backticks."""


@dataclass(frozen=True)
class FormulaTerm:
    """A product of factors, such as ``x:f``.

    Attributes
    ----------
    text : str
        As a formula has it.
    label : str
        As tables have it.
    factors : frozenset of str
        The expressions of its factors.
    """

    text: str
    label: str
    factors: frozenset[str]

    def is_within(self, terms: Sequence[FormulaTerm]) -> bool:
        """Whether another of the terms has all of its factors, and more."""
        return any(self.factors < other.factors for other in terms)


@dataclass(frozen=True)
class RandomTermText:
    """A random term on one grouping factor.

    Attributes
    ----------
    intercept : bool
    effects : tuple of FormulaTerm
        What stands left of the bar, besides the intercept.
    group : str
        What stands right of it.
    factors : frozenset of str
        The expressions of the grouping factor's components.
    structure : str
        Name of the covariance structure.
    bar, prefix : str
        ``|`` or ``||``, and what stands before the parenthesis.
    given : str
        The term as it was written; empty if it has been changed.
    """

    intercept: bool
    effects: tuple[FormulaTerm, ...]
    group: str
    factors: frozenset[str]
    structure: str
    bar: str
    prefix: str
    given: str

    @property
    def key(self) -> tuple[str, bool, frozenset[frozenset[str]], frozenset[str]]:
        """What makes two terms the same, however they are written."""
        effects = frozenset(effect.factors for effect in self.effects)
        structure = self.structure if effects else "us"
        return structure, self.intercept, effects, self.factors

    def with_effects(self, intercept: bool, effects: Sequence[FormulaTerm]) -> RandomTermText:
        """The term with other effects; an intercept alone has no structure."""
        changed = replace(self, intercept=intercept, effects=tuple(effects), given="")
        return changed if effects else replace(changed, structure="us", bar="|", prefix="")

    @property
    def inner(self) -> str:
        """The term without its parentheses, such as ``0 + x | g``."""
        return f"{_sum(self.intercept, self.effects)} {self.bar} {self.group}"

    def __str__(self) -> str:
        return self.given or f"{self.prefix}({self.inner})"


@dataclass(frozen=True)
class FormulaTerms:
    """The terms of a formula, its sums of products multiplied out.

    Attributes
    ----------
    response : str
    intercept : bool
    fixed : tuple of FormulaTerm
    random : tuple of RandomTermText
    offsets : tuple of str
    """

    response: str
    intercept: bool
    fixed: tuple[FormulaTerm, ...]
    random: tuple[RandomTermText, ...]
    offsets: tuple[str, ...]

    @property
    def fixed_text(self) -> str:
        """The fixed part."""
        return _sum(self.intercept, self.fixed)

    def without_fixed(self, label: str) -> FormulaTerms:
        """The formula without the fixed term of a label."""
        return replace(self, fixed=tuple(t for t in self.fixed if t.label != label))

    def __str__(self) -> str:
        offsets = [f"offset({text})" for text in self.offsets]
        right = [self.fixed_text, *map(str, self.random), *offsets]
        return f"{self.response} ~ {' + '.join(right)}"


def formula_terms(bound: BoundFormula) -> FormulaTerms:
    """The terms of a bound formula.

    Examples
    --------
    >>> from lmforms.formula.bind import bind
    >>> from lmforms.formula.parse import parse_formula
    >>> formula = parse_formula("log(y) ~ x * f + (x || g/h) + offset(z)")
    >>> terms = formula_terms(bind(formula, ("y", "x", "f", "g", "h", "z")))
    >>> str(terms)
    'log(y) ~ x + f + x:f + (x || g) + (x || g:h) + offset(z)'
    >>> str(terms.without_fixed("x:f"))
    'log(y) ~ x + f + (x || g) + (x || g:h) + offset(z)'
    """
    formula = bound.formula
    intercept, fixed = _terms_of(bound.fixed, formula.fixed)
    return FormulaTerms(
        response=_one_expression(bound.response, formula.response),
        intercept=intercept,
        fixed=fixed,
        random=tuple(random_term(term, bound.random) for term in bound.random),
        offsets=tuple(
            _one_expression(parsed, part)
            for parsed, part in zip(bound.offsets, formula.offsets, strict=True)
        ),
    )


def random_term(term: BoundRandomTerm, among: Sequence[BoundRandomTerm]) -> RandomTermText:
    """A random term of those of a formula; one of several of ``(x | g/h)`` is written anew."""
    intercept, effects = _terms_of(term.expression, term.part)
    bar, prefix = term.bar_and_structure
    names = [f.expr for f in term.group]
    group = ":".join(_factor_text(f, term.group_part) for f in term.group)
    alone = sum(other.group_part is term.group_part for other in among) == 1
    as_is = alone and not _has_dot(term.expression, term.part)
    right = term.group_part.written() if as_is else group
    given = f"{prefix}({term.part.written()} {bar} {right}{term.options})"
    if not as_is and term.structure in ("us", "diag"):
        given = ""
    structure = term.structure + term.options
    return RandomTermText(
        intercept, effects, group, frozenset(names), structure, bar, prefix, given
    )


def _terms_of(parsed: SimpleFormula, part: FormulaPart) -> tuple[bool, tuple[FormulaTerm, ...]]:
    """Whether there is an intercept, and the other terms."""
    intercept, found = False, []
    for term in parsed:
        factors = own_factors(term)
        if not factors:
            intercept = True
            continue
        found.append(
            FormulaTerm(
                text=":".join(_factor_text(f, part) for f in factors),
                label=term_label(term),
                factors=frozenset(f.expr for f in factors),
            )
        )
    return intercept, tuple(found)


def _one_expression(parsed: SimpleFormula, part: FormulaPart) -> str:
    """The text of a response or an offset."""
    factors = [f for term in parsed for f in term.factors]
    if len(factors) == 1 and factors[0].eval_method.value == "lookup":
        return _quoted(unaliased(factors[0].expr))
    return part.written()


def _factor_text(factor: Factor, part: FormulaPart) -> str:
    """A factor as a formula has it: a column's name, or code as the user wrote it."""
    if factor.eval_method.value == "lookup":
        return _quoted(unaliased(factor.expr))
    place = factor.token
    return part.written(place.source_start, place.source_end + 1)


def _has_dot(parsed: SimpleFormula, part: FormulaPart) -> bool:
    """Whether a part has a ``.`` that stands for columns."""
    places = [f.token for term in parsed for f in own_factors(term)]
    return any(part.text[p.source_start : p.source_end + 1] == "." for p in places)


def _quoted(name: str) -> str:
    """A column's name, in backticks if a formula needs them."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    if "`" in name:
        raise FormulaError(
            f"the column {name!r} cannot be written in a formula, as its name has a backtick: "
            "rename it."
        )
    return f"`{name}`"


def _sum(intercept: bool, terms: Sequence[FormulaTerm]) -> str:
    """Terms joined by ``+``; the intercept is written where it stands alone."""
    texts = [term.text for term in terms]
    if not intercept:
        return " + ".join(["0", *texts])
    return " + ".join(texts) if texts else "1"
