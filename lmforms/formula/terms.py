"""The pieces of a formula as formulaic's terms, and the columns they need.

:mod:`lmforms.formula.parse` splits the text, this module parses the pieces, and
:mod:`lmforms.formula.evaluator` makes matrices of them. Apart from these two only
:mod:`lmforms.formula.transforms` and :mod:`lmforms.storage.safe_calls` import formulaic, for
its functions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import ColumnError, FormulaError, listed, near_matches, shortened
from .expression import label_names, names, parse
from .lexer import Token
from .parse import MixedFormula
from .piece import Piece, aliased, needs_alias, unaliased, with_functions_apart
from .term_algebra import expand
from .transforms import FALLBACKS

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor


@dataclass(frozen=True)
class BoundRandomTerm:
    """A random term for one grouping factor, its pieces parsed.

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
    piece, group_piece : Piece
        Where expression and group stand, for messages.
    """

    expression: SimpleFormula
    group: tuple[Factor, ...]
    structure: str
    label: str
    piece: Piece
    group_piece: Piece

    @property
    def group_name(self) -> str:
        """Name of the grouping factor, such as ``batch:cask``."""
        return group_name(self.group)

    @property
    def written(self) -> str:
        """The term as the user wrote it, such as ``(Days || Subject)``, for messages."""
        return self.as_written_by(self.group_name)

    def as_written_by(self, group: str) -> str:
        """The term with `group` on the right of its bar."""
        between = self.piece.source[max(self.piece.origin) + 1 : min(self.group_piece.origin)]
        bar = "||" if "||" in between else "|"
        inner = f"({self.piece.label} {bar} {group})"
        return inner if bar == "||" or self.structure == "us" else self.structure + inner


@dataclass(frozen=True)
class BoundFormula:
    """A mixed-model formula that has met the names of the data's columns.

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
    bare : frozenset of str
        Columns used as such in the response, fixed part or a random expression (rather
        than inside a call): they must be numbers or factors.
    outside : frozenset of str
        Names in calls that are no columns: functions and variables of the caller.
    """

    formula: MixedFormula
    response: SimpleFormula
    fixed: SimpleFormula
    random: tuple[BoundRandomTerm, ...]
    offsets: tuple[SimpleFormula, ...]
    columns: tuple[str, ...]
    bare: frozenset[str]
    outside: frozenset[str]


@lru_cache(maxsize=64)
def bind(
    formula: MixedFormula, columns: tuple[str, ...], *, reserved: tuple[str, ...] = ()
) -> BoundFormula:
    """Parse every piece of `formula` against the columns of the data.

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
        A piece cannot be parsed.
    ColumnError
        A name is not a column (with near matches).
    """
    formula = _apart(formula, (*columns, *FALLBACKS))
    response = _parse(formula.response, intercept=False)
    groups = [_parse_group(spec.group) for spec in formula.random]
    offsets = tuple(_parse(piece, intercept=False) for piece in formula.offsets)

    every_group = {f for alternatives in groups for factors in alternatives for f in factors}
    group_names = {name for factor in every_group for name in factor_columns(factor)}
    taken = columns_of(response) | group_names | set(reserved)
    available = [c for c in columns if c not in taken]
    fixed = _parse(formula.fixed, intercept=True, available=available)
    random: list[BoundRandomTerm] = []
    for spec, alternatives in zip(formula.random, groups, strict=True):
        expression = _parse(spec.expression, intercept=True, available=available)
        if not len(expression):
            raise spec.expression.error("no column on the left of the bar; write `1` or `0 + x`.")
        for factors in alternatives:
            name = group_name(factors)
            label = f"{spec.expression.label} | {name}"
            random.append(
                BoundRandomTerm(
                    expression, factors, spec.structure, label, spec.expression, spec.group
                )
            )
    _refuse_duplicates(random)
    _refuse_ambiguous_groups(random)

    bare: set[str] = set()
    used: set[str] = set(group_names)
    mentioned = {name for factor in every_group for name in _called(factor)}
    sides = [(response, formula.response), (fixed, formula.fixed)]
    sides += [(r.expression, r.piece) for r in random]
    sides += list(zip(offsets, formula.offsets, strict=True))
    texts: dict[str, str] = {}
    for parsed, piece in sides:
        for factor in factors_of(parsed):
            _refuse_ambiguous_name(factor, piece, texts, predictor=parsed is not response)
            _check_columns(factor, piece, columns)
            if parsed is not response:
                _refuse_response(factor, piece, response)
            used |= factor_columns(factor) & set(columns)
            mentioned |= factor_columns(factor) | _called(factor)
            if factor.eval_method.value == "lookup":
                bare.add(unaliased(factor.expr))
    for spec, alternatives in zip(formula.random, groups, strict=True):
        for factor in {f for fs in alternatives for f in fs}:
            _check_columns(factor, spec.group, columns)
            _refuse_response(factor, spec.group, response)
    return BoundFormula(
        formula=formula,
        response=response,
        fixed=fixed,
        random=tuple(random),
        offsets=offsets,
        columns=tuple(c for c in columns if c in used),
        bare=frozenset(bare),
        outside=frozenset(mentioned - set(columns)),
    )


def group_name(factors: Sequence[Factor]) -> str:
    """Name of a grouping factor, such as ``batch:cask``."""
    return ":".join(unaliased(f.expr) for f in factors)


def _apart(formula: MixedFormula, values: Sequence[str]) -> MixedFormula:
    """The formula with functions kept apart from columns and variables of the same name."""
    return replace(
        formula,
        response=with_functions_apart(formula.response, values),
        fixed=with_functions_apart(formula.fixed, values),
        random=tuple(
            replace(
                spec,
                expression=with_functions_apart(spec.expression, values),
                group=with_functions_apart(spec.group, values),
            )
            for spec in formula.random
        ),
        offsets=tuple(with_functions_apart(piece, values) for piece in formula.offsets),
    )


# --- parsing ----------------------------------------------------------------------------


def _parse(piece: Piece, *, intercept: bool, available: Sequence[str] = ()) -> SimpleFormula:
    """A piece as formulaic's terms."""
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor, Term

    expansion = expand(piece, intercept=intercept, available=available)
    terms = [Term([_factor(t, piece) for t in term]) for term in expansion.terms]
    one = [Term([Factor("1", eval_method="literal")])] if expansion.intercept else []
    return SimpleFormula([*one, *terms])


def _factor(token: Token, piece: Piece) -> Factor:
    """A name or call as formulaic's factor, its code read once to see that it can be."""
    from formulaic.parser.types import Factor
    from formulaic.parser.types import Token as Place

    method = "python" if token.kind == "python" else "lookup"
    name = aliased(token.text) if method == "lookup" and needs_alias(token.text) else token.text
    if method == "python":
        try:
            parse(name)
        except SyntaxError as exc:
            raise piece.error(
                f"`{shortened(unaliased(name))}` cannot be read: {exc.msg}.",
                token.start,
                token.stop,
            ) from None
    place = Place(name, source_start=token.start, source_end=token.stop - 1)
    return Factor(name, eval_method=method, token=place)


def _parse_group(piece: Piece) -> list[tuple[Factor, ...]]:
    """The grouping factors of ``a``, ``a:b``, ``a/b``, ``a*b`` …, each as its components."""
    expansion = expand(piece, intercept=False)
    for token in expansion.constants:
        raise piece.error(
            "a grouping factor is a column or an interaction of columns, not a number.",
            token.start,
            token.stop,
        )
    groups = [tuple(_factor(t, piece) for t in term) for term in expansion.terms]
    if not groups:
        raise piece.error("no grouping factor is left on the right of the bar.")
    return groups


def columns_of(parsed: SimpleFormula) -> set[str]:
    """Names that a parsed formula needs: columns, or variables of the caller."""
    return {name for factor in factors_of(parsed) for name in factor_columns(factor)}


def factors_of(parsed: SimpleFormula) -> Iterator[Factor]:
    """Every factor of a parsed formula, literals left out."""
    for term in parsed:
        for factor in term.factors:
            if factor.eval_method.value != "literal":
                yield factor


def factor_columns(factor: Factor) -> set[str]:
    """Names that one factor needs as values; names of functions it calls are not among them.

    (formulaic's own ``required_variables`` leaves out what stateful transforms need.)
    """
    if factor.eval_method.value == "lookup":
        return {unaliased(factor.expr)}
    return _names_in(factor)[0]


def label_columns(factor: Factor, *, grouping: bool) -> set[str]:
    """Columns that a factor uses as labels, not as numbers."""
    if factor.eval_method.value == "lookup":
        return factor_columns(factor) if grouping else set()
    return label_names(parse(factor.expr), grouping=grouping)


def _called(factor: Factor) -> set[str]:
    """Names of the functions (or modules) that a factor calls."""
    return set() if factor.eval_method.value != "python" else _names_in(factor)[1]


def _names_in(factor: Factor) -> tuple[set[str], set[str]]:
    """Names used as values and names called, in a factor that is code."""
    expression = parse(factor.expr)
    calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
    called = {id(_root(node.func)) for node in calls}
    methods = {id(_root(node.func)) for node in calls if isinstance(node.func, ast.Attribute)}
    found = list(names(expression))
    quoted = {
        str(node.args[0].value)
        for node in calls
        if isinstance(node.func, ast.Name)
        and node.func.id == "Q"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return (
        {expression.name(n.id) for n in found if id(n) not in called or id(n) in methods} | quoted,
        {expression.name(n.id) for n in found if id(n) in called},
    )


def _root(node: ast.expr) -> ast.expr:
    """``np`` of ``np.linalg.norm``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _check_columns(factor: Factor, piece: Piece, columns: Sequence[str]) -> None:
    """A bare name must be a column; names inside calls may come from the caller's scope."""
    name = unaliased(factor.expr)
    if factor.eval_method.value != "lookup" or name in columns:
        return
    raise ColumnError(
        f"`{name}` is not a column of the data.{near_matches(name, columns)} "
        f"Columns: {listed(columns)}.\n{marked(factor, piece)}"
    )


def _refuse_response(factor: Factor, piece: Piece, response: SimpleFormula) -> None:
    """A response cannot explain itself."""
    own = list(factors_of(response))
    if len(own) == 1 and factor.expr == own[0].expr:
        raise FormulaError(
            f"`{unaliased(factor.expr)}` is the response: leave it out on the right of `~`.\n"
            f"{marked(factor, piece)}"
        )


def marked(factor: Factor, piece: Piece) -> str:
    """The formula with carets under a factor."""
    token = factor.token
    if token is None or token.source_start is None:
        return piece.mark()
    return piece.mark(token.source_start, (token.source_end or token.source_start) + 1)


def _refuse_ambiguous_name(
    factor: Factor, piece: Piece, texts: dict[str, str], *, predictor: bool
) -> None:
    """Names that stand for two things; `texts` collects what each text has been."""
    name, method = unaliased(factor.expr), factor.eval_method.value
    if predictor and name == "Intercept" and method == "lookup":
        raise FormulaError(
            "a column called `Intercept` cannot be told from the model's own intercept: rename it."
            f"\n{marked(factor, piece)}"
        )
    if texts.setdefault(name, method) != method and not name.isidentifier():
        raise FormulaError(
            f"`{name}` is a column and a call of the same text: rename the column.\n"
            f"{marked(factor, piece)}"
        )


def _refuse_ambiguous_groups(random: Sequence[BoundRandomTerm]) -> None:
    """Results are found by the names of grouping factors: each must be one factor."""
    seen: dict[str, frozenset[str]] = {}
    for term in random:
        factors = frozenset(f.expr for f in term.group)
        if term.group_name == "Residual":
            raise term.group_piece.error(
                "a grouping factor called `Residual` cannot be told from the residuals in tables "
                "of variances: rename it."
            )
        if seen.setdefault(term.group_name, factors) != factors:
            raise term.group_piece.error(
                f"two grouping factors are called `{term.group_name}`: rename a column."
            )


def _refuse_duplicates(random: Sequence[BoundRandomTerm]) -> None:
    seen: set[tuple[str, frozenset[str]]] = set()
    for term in random:
        key = (str(term.expression), frozenset(f.expr for f in term.group))
        if key in seen:
            raise term.piece.error(f"the random term {term.written} is there twice: leave one out.")
        seen.add(key)
