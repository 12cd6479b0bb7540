"""The parts of a formula parsed against the names of the data's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import ColumnError, FormulaError, listed, near_matches, shortened
from .aliases import aliased, needs_alias, unaliased
from .expression import parse_code
from .formula_part import FormulaPart, with_function_aliases
from .formulaic_factors import (
    called_names,
    columns_of,
    factor_columns,
    factors_of,
    group_name,
    mark_factor,
)
from .lexer import Token
from .parse import MixedFormula, parse_formula
from .term_algebra import expand
from .terms import BoundFormula, BoundRandomTerm
from .transforms import FALLBACKS

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor


REMEMBERED_BINDINGS = 64
"""Formulas that are remembered with their terms, by their text and the names of all columns."""

MOST_REMEMBERED_COLUMNS = 2_000
"""Names of more columns are not remembered: they take more memory than time is saved."""


def bind(
    formula: MixedFormula, columns: tuple[str, ...], *, reserved: tuple[str, ...] = ()
) -> BoundFormula:
    """Parse every part of `formula` against the columns of the data.

    Parameters
    ----------
    formula : MixedFormula
        From :func:`lmforms.formula.parse.parse_formula`.
    columns : tuple of str
        Names of the data's columns. ``.`` stands for all of them but the response, the
        grouping factors and `reserved`.
    reserved : tuple of str
        Columns that serve as weights or offset.

    Raises
    ------
    FormulaError
        A part cannot be parsed.
    ColumnError
        A name is not a column (with near matches).
    """
    make = _bound if len(columns) <= MOST_REMEMBERED_COLUMNS else _bound.__wrapped__
    return make(formula.source, columns, reserved)


@lru_cache(maxsize=REMEMBERED_BINDINGS)
def _bound(source: str, columns: tuple[str, ...], reserved: tuple[str, ...]) -> BoundFormula:
    formula = _with_function_aliases(parse_formula(source), (*columns, *FALLBACKS))
    response = _parse_response(formula)
    groups = [_parse_group(spec.group) for spec in formula.random]
    offsets = tuple(parse_terms(part, intercept=False) for part in formula.offsets)

    every_group = {f for alternatives in groups for factors in alternatives for f in factors}
    group_names = {name for factor in every_group for name in factor_columns(factor)}
    taken = columns_of(response) | group_names | set(reserved)
    available = [c for c in columns if c not in taken]
    fixed = parse_terms(formula.fixed, intercept=True, available=available)
    random: list[BoundRandomTerm] = []
    for spec, alternatives in zip(formula.random, groups, strict=True):
        expression = parse_terms(spec.expression, intercept=True, available=available)
        if not len(expression):
            raise spec.expression.error("no column on the left of the bar; write `1` or `0 + x`.")
        for factors in alternatives:
            name = group_name(factors)
            left = spec.expression
            text = left.written() if ":" in spec.structure else left.label
            label = f"{text} | {name}"
            random.append(
                BoundRandomTerm(
                    expression,
                    factors,
                    spec.structure,
                    label,
                    left,
                    spec.group,
                    spec.number,
                    spec.options,
                )
            )
    _refuse_ambiguous_groups(random)

    direct: set[str] = set()
    used: set[str] = set(group_names)
    names_in_calls = {name for factor in every_group for name in called_names(factor)}
    sides = [(response, formula.response), (fixed, formula.fixed)]
    sides += [(r.expression, r.part) for r in random]
    sides += list(zip(offsets, formula.offsets, strict=True))
    texts: dict[str, str] = {}
    for parsed, part in sides:
        for factor in factors_of(parsed):
            refuse_ambiguous_name(factor, part, texts, predictor=parsed is not response)
            check_columns(factor, part, columns)
            if parsed is not response:
                refuse_response(factor, part, response)
            used |= factor_columns(factor) & set(columns)
            names_in_calls |= factor_columns(factor) | called_names(factor)
            if factor.eval_method.value == "lookup":
                direct.add(unaliased(factor.expr))
    for spec, alternatives in zip(formula.random, groups, strict=True):
        for factor in {f for fs in alternatives for f in fs}:
            check_columns(factor, spec.group, columns)
            refuse_response(factor, spec.group, response)
    return BoundFormula(
        formula=formula,
        response=response,
        fixed=fixed,
        random=tuple(random),
        offsets=offsets,
        columns=tuple(c for c in columns if c in used),
        direct_columns=frozenset(direct),
        free_names=frozenset(names_in_calls - set(columns)),
    )


def _with_function_aliases(formula: MixedFormula, values: Sequence[str]) -> MixedFormula:
    """The formula with functions kept apart from columns and variables of the same name."""
    return replace(
        formula,
        response=with_function_aliases(formula.response, values),
        fixed=with_function_aliases(formula.fixed, values),
        random=tuple(
            replace(
                spec,
                expression=with_function_aliases(spec.expression, values),
                group=with_function_aliases(spec.group, values),
            )
            for spec in formula.random
        ),
        offsets=tuple(with_function_aliases(part, values) for part in formula.offsets),
        counts=tuple(with_function_aliases(part, values) for part in formula.counts),
    )


# --- parsing ----------------------------------------------------------------------------


def _parse_response(formula: MixedFormula) -> SimpleFormula:
    """The response as formulaic's terms: one, or those of ``cbind(successes, failures)``."""
    if not formula.counts:
        return parse_terms(formula.response, intercept=False)
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor, Term
    from formulaic.parser.types import Token as Place

    whole = formula.response
    found: dict[str, Factor] = {}
    for part in formula.counts:
        for factor in factors_of(parse_terms(part, intercept=False)):
            if factor.expr in found:
                raise whole.error(f"`{part.label}` is there twice: write successes and failures.")
            # its place in the whole response, which messages mark
            first = whole.origin.index(min(part.origin))
            last = max(i for i, at in enumerate(whole.origin) if at == max(part.origin))
            place = Place(factor.expr, source_start=first, source_end=last)
            method = factor.eval_method.value
            found[factor.expr] = Factor(factor.expr, eval_method=method, token=place)
    return SimpleFormula([Term([factor]) for factor in found.values()])


def parse_terms(
    part: FormulaPart, *, intercept: bool, available: Sequence[str] = ()
) -> SimpleFormula:
    """A part as formulaic's terms."""
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor, Term

    expansion = expand(part, intercept=intercept, available=available)
    terms = [Term([_factor(t, part) for t in term]) for term in expansion.terms]
    one = [Term([Factor("1", eval_method="literal")])] if expansion.intercept else []
    return SimpleFormula([*one, *terms])


def _factor(token: Token, part: FormulaPart) -> Factor:
    """A name or call as formulaic's factor; code that cannot be parsed is refused."""
    from formulaic.parser.types import Factor
    from formulaic.parser.types import Token as Place

    method = "python" if token.kind == "python" else "lookup"
    name = aliased(token.text) if method == "lookup" and needs_alias(token.text) else token.text
    if method == "python":
        try:
            parse_code(name)
        except SyntaxError as exc:
            raise part.error(
                f"`{shortened(unaliased(name))}` cannot be read: {exc.msg}.",
                token.start,
                token.stop,
            ) from None
    place = Place(name, source_start=token.start, source_end=token.stop - 1)
    return Factor(name, eval_method=method, token=place)


def _parse_group(part: FormulaPart) -> list[tuple[Factor, ...]]:
    """The grouping factors of ``a``, ``a:b``, ``a/b``, ``a*b`` …, each as its components."""
    expansion = expand(part, intercept=False)
    for token in expansion.constants:
        raise part.error(
            "a grouping factor is a column or an interaction of columns, not a number.",
            token.start,
            token.stop,
        )
    groups = [tuple(_factor(t, part) for t in term) for term in expansion.terms]
    if not groups:
        raise part.error("no grouping factor is left on the right of the bar.")
    return groups


def check_columns(factor: Factor, part: FormulaPart, columns: Sequence[str]) -> None:
    """A bare name must be a column; names inside calls may come from the caller's scope."""
    name = unaliased(factor.expr)
    if factor.eval_method.value != "lookup" or name in columns:
        return
    raise ColumnError(
        f"`{name}` is not a column of the data.{near_matches(name, columns)} "
        f"Columns: {listed(columns)}.\n{mark_factor(factor, part)}"
    )


def refuse_response(factor: Factor, part: FormulaPart, response: SimpleFormula) -> None:
    """Refuse the response as a predictor."""
    own = [known.expr for known in factors_of(response)]
    if factor.expr in own:
        what = "the response" if len(own) == 1 else "a part of the response"
        raise FormulaError(
            f"`{unaliased(factor.expr)}` is {what}: leave it out on the right of `~`.\n"
            f"{mark_factor(factor, part)}"
        )


def refuse_ambiguous_name(
    factor: Factor, part: FormulaPart, texts: dict[str, str], *, predictor: bool
) -> None:
    """Refuse names with two meanings; `texts` records the meaning of each name so far."""
    name, method = unaliased(factor.expr), factor.eval_method.value
    if predictor and name == "Intercept" and method == "lookup":
        raise FormulaError(
            "a column called `Intercept` cannot be told from the model's own intercept: rename it."
            f"\n{mark_factor(factor, part)}"
        )
    if texts.setdefault(name, method) != method and not name.isidentifier():
        raise FormulaError(
            f"`{name}` is a column and a call of the same text: rename the column.\n"
            f"{mark_factor(factor, part)}"
        )


def _refuse_ambiguous_groups(random: Sequence[BoundRandomTerm]) -> None:
    """Refuse two grouping factors of one name: results are looked up by these names."""
    seen: dict[str, frozenset[str]] = {}
    for term in random:
        factors = frozenset(f.expr for f in term.group)
        if term.group_name == "Residual":
            raise term.group_part.error(
                "a grouping factor called `Residual` cannot be told from the residuals in tables "
                "of variances: rename it."
            )
        if seen.setdefault(term.group_name, factors) != factors:
            raise term.group_part.error(
                f"two grouping factors are called `{term.group_name}`: rename a column."
            )
