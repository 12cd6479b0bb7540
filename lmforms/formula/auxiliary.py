"""Formulas of parameters beside the mean: right-hand sides such as ``dispersion="~ x"``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ColumnError, FormulaError, formula_error
from .aliases import unaliased
from .bind import check_columns, parse_terms, refuse_ambiguous_name, refuse_response
from .formula_part import FormulaPart, translated, with_function_aliases
from .formulaic_factors import called_names, columns_of, factor_columns, factors_of
from .lexer import Token, tokens_of
from .parse import TermSorter
from .terms import BoundFormula
from .token_groups import additive_terms, check_parentheses, token_error
from .transforms import FALLBACKS

if TYPE_CHECKING:
    from formulaic import SimpleFormula


@dataclass(frozen=True)
class AuxiliaryFormula:
    """The predictors of a parameter beside the mean, with the names of the data's columns.

    Attributes
    ----------
    name : str
        The argument that it was given as, such as ``dispersion``.
    part : FormulaPart
        The right-hand side as text; its ``source`` is what the user wrote.
    terms : formulaic.SimpleFormula
    columns : tuple of str
        The columns needed, in the order of the data.
    direct_columns : frozenset of str
        Those used as such, rather than inside a call.
    free_names : frozenset of str
        Names in calls that are no columns.
    """

    name: str
    part: FormulaPart
    terms: SimpleFormula
    columns: tuple[str, ...]
    direct_columns: frozenset[str]
    free_names: frozenset[str]

    def __str__(self) -> str:
        return " ".join(self.part.source.split())

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"the {self.name} formula"

    def check_response(self, bound: BoundFormula) -> None:
        """Refuse the response of a model as a predictor of one of its parameters.

        Raises
        ------
        FormulaError
        """
        with _named(self.name):
            for factor in factors_of(self.terms):
                refuse_response(factor, self.part, bound.response)


def bind_auxiliary(
    name: str,
    source: Any,
    bound: BoundFormula,
    columns: Sequence[str],
    *,
    reserved: Sequence[str] = (),
) -> AuxiliaryFormula:
    """Parse the formula of a parameter beside the mean.

    Parameters
    ----------
    name : str
        The argument that it was given as, for messages.
    source : str
        A right-hand side of fixed effects, ``"~ x + f"``.
    bound : BoundFormula
        The formula of the mean.
    columns : sequence of str
        Names of the data's columns. ``.`` stands for all of them but the response, the grouping
        factors and `reserved`.
    reserved : sequence of str

    Raises
    ------
    FormulaError
        There is no tilde, a response, a random term or an offset.
    ColumnError
        A name is not a column.

    Examples
    --------
    >>> from lmforms.formula.bind import bind
    >>> from lmforms.formula.parse import parse_formula
    >>> columns = ("y", "x", "g")
    >>> bound = bind(parse_formula("y ~ 1 + (1 | g)"), columns)
    >>> found = bind_auxiliary("dispersion", "~ log(x)", bound, columns)
    >>> [str(term) for term in found.terms], found.columns
    (['1', 'log(x)'], ('x',))
    """
    groups = {c for term in bound.random for f in term.group for c in factor_columns(f)}
    taken = columns_of(bound.response) | groups | set(reserved)
    with _named(name):
        part = with_function_aliases(_right_side(name, source), (*columns, *FALLBACKS))
        available = [c for c in columns if c not in taken]
        terms = parse_terms(part, intercept=True, available=available)
        if not len(terms):
            raise part.error("no column is left: write `~ 1` for one value of all rows.")
        texts: dict[str, str] = {}
        for factor in factors_of(terms):
            refuse_ambiguous_name(factor, part, texts, predictor=True)
            check_columns(factor, part, columns)
            refuse_response(factor, part, bound.response)
    factors = list(factors_of(terms))
    named = {n for f in factors for n in factor_columns(f)}
    called = {n for f in factors for n in called_names(f)}
    direct = {unaliased(f.expr) for f in factors if f.eval_method.value == "lookup"}
    return AuxiliaryFormula(
        name=name,
        part=part,
        terms=terms,
        columns=tuple(c for c in columns if c in named),
        direct_columns=frozenset(direct),
        free_names=frozenset((named | called) - set(columns)),
    )


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say in an error which argument the formula is."""
    try:
        yield
    except (FormulaError, ColumnError) as exc:
        raise type(exc)(f"{name}: {exc}") from None


def _right_side(name: str, source: Any) -> FormulaPart:
    """The text after the tilde, of fixed effects alone."""
    if not isinstance(source, str):
        raise FormulaError(f"a right-hand side such as '~ x' is needed, not {source!r}.")
    tokens = tokens_of(source, lambda text, i, j: formula_error(text, source, i, j))
    check_parentheses(tokens, source)
    right = _after_tilde(name, tokens, source)
    sorter = TermSorter(source)
    for sign, term in additive_terms(right):
        sorter.add(sign, term)
    if sorter.random:
        label = sorter.random[0].label
        raise FormulaError(
            f"the random term {label} is not possible here, where all effects are fixed: leave it "
            "out, or use its grouping factor as a fixed effect."
        )
    if sorter.offsets:
        label = sorter.offsets[0].label
        raise FormulaError(f"offset({label}) is not possible here: leave it out.")
    return translated(source, sorter.fixed)


def _after_tilde(name: str, tokens: Sequence[Token], source: str) -> Sequence[Token]:
    tildes = [i for i, token in enumerate(tokens) if token.is_operator("~")]
    if not tildes:
        text = source.strip() or "x"
        raise FormulaError(f"no `~` in {source!r}: write {name}='~ {text}'.")
    if len(tildes) > 1:
        raise token_error("a second `~`.", source, tokens[tildes[1]])
    if tildes[0]:
        right = source[tokens[tildes[0]].start :].strip()
        raise token_error(
            f"there is no response on the left of this `~`: write {name}={right!r}.",
            source,
            tokens[0],
            tokens[tildes[0] - 1],
        )
    if len(tokens) == 1:
        raise token_error("nothing on the right of `~`; write `~ 1`.", source, tokens[0])
    return tokens[1:]
