"""The door to formulaic: parse pieces of a formula, find their columns, make matrices.

Nothing else in the package imports formulaic, except :mod:`lmforms.formula`, which uses
its tokens. Stateful transforms (``scale``, ``poly``, ``bs`` …) remember what they learnt
in a formulaic ``ModelSpec``, so new data meet the same columns.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import ArgumentError, ColumnError, DataError, FormulaError, near_matches
from .formula import MixedFormula, Piece, translated

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor

FloatArray = npt.NDArray[np.float64]

_R_NAMES: dict[str, Any] = {
    "TRUE": True,
    "FALSE": False,
    "pi": np.pi,
    **{
        name: getattr(np, name)
        for name in ("sqrt", "abs", "sin", "cos", "tan", "log1p", "expm1", "sign", "floor")
    },
}
"""What R users write without a prefix and formulaic does not know."""


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
    piece : Piece
        Where the expression stands, for messages.
    """

    expression: SimpleFormula
    group: tuple[Factor, ...]
    structure: str
    label: str
    piece: Piece

    @property
    def group_name(self) -> str:
        """Name of the grouping factor, such as ``batch:cask``."""
        return ":".join(f.expr for f in self.group)


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


def bind(
    formula: MixedFormula, columns: Sequence[str], *, reserved: Sequence[str] = ()
) -> BoundFormula:
    """Parse every piece of `formula` against the columns of the data.

    Parameters
    ----------
    formula : MixedFormula
        From :func:`lmforms.formula.parse_formula`.
    columns : sequence of str
        Names of the data's columns. ``.`` stands for all of them but the response, the
        grouping factors and `reserved`.
    reserved : sequence of str
        Columns that serve as weights or offset.

    Raises
    ------
    FormulaError
        A piece cannot be parsed.
    ColumnError
        A name is not a column (with near matches).
    """
    response = _parse(formula.response, intercept=False)
    groups = [_parse_group(spec.group) for spec in formula.random]
    offsets = tuple(_parse(piece, intercept=False) for piece in formula.offsets)

    group_names = {n for factors in groups for fs in factors for f in fs for n in factor_columns(f)}
    taken = {n for f in _factors(response) for n in factor_columns(f)} | group_names | set(reserved)
    available = [c for c in columns if c not in taken]
    fixed = _parse(formula.fixed, intercept=True, available=available)
    random: list[BoundRandomTerm] = []
    for spec, alternatives in zip(formula.random, groups, strict=True):
        expression = _parse(spec.expression, intercept=True, available=available)
        if not len(expression):
            raise spec.expression.error("no column on the left of the bar; write `1` or `0 + x`.")
        for factors in alternatives:
            name = ":".join(f.expr for f in factors)
            label = f"{spec.expression.label} | {name}"
            random.append(
                BoundRandomTerm(expression, factors, spec.structure, label, spec.expression)
            )
    _refuse_duplicates(random)

    bare: set[str] = set()
    used: set[str] = set(group_names)
    mentioned = {
        n for alternatives in groups for fs in alternatives for f in fs for n in _called(f)
    }
    sides = [(response, formula.response), (fixed, formula.fixed)]
    sides += [(r.expression, r.piece) for r in random]
    sides += list(zip(offsets, formula.offsets, strict=True))
    for parsed, piece in sides:
        for factor in _factors(parsed):
            _check_columns(factor, piece, columns)
            used |= factor_columns(factor) & set(columns)
            mentioned |= factor_columns(factor) | _called(factor)
            if factor.eval_method.value == "lookup":
                bare.add(factor.expr)
    for spec, alternatives in zip(formula.random, groups, strict=True):
        for factor in {f for fs in alternatives for f in fs}:
            _check_columns(factor, spec.group, columns)
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


# --- parsing ----------------------------------------------------------------------------


def _parse(piece: Piece, *, intercept: bool, available: Sequence[str] = ()) -> SimpleFormula:
    from formulaic import Formula
    from formulaic.errors import FormulaicError
    from formulaic.parser import DefaultFormulaParser

    parser = DefaultFormulaParser(include_intercept=intercept, feature_flags=set())
    context = {
        "__formulaic_variables_available__": list(available),
        "__formulaic_variables_used_lhs__": [],
    }
    try:
        return Formula(piece.text, _parser=parser, _context=context)
    except FormulaicError as exc:
        raise translated(exc, piece) from None
    except SyntaxError as exc:
        raise piece.error(f"not valid Python inside a call: {exc.msg}.") from None


def _parse_group(piece: Piece) -> list[tuple[Factor, ...]]:
    """The grouping factors of ``a``, ``a:b``, ``a/b``, ``a*b`` …, each as its components."""
    groups = []
    for term in _parse(piece, intercept=False):
        if any(f.eval_method.value == "literal" for f in term.factors):
            raise piece.error(
                "a grouping factor is a column or an interaction of columns, not a number."
            )
        groups.append(tuple(term.factors))
    if not groups:
        raise piece.error("no grouping factor is left on the right of the bar.")
    return groups


def columns_of(parsed: SimpleFormula) -> set[str]:
    """Names that a parsed formula needs: columns, or variables of the caller."""
    return {name for factor in _factors(parsed) for name in factor_columns(factor)}


def _factors(parsed: SimpleFormula) -> Iterator[Factor]:
    for term in parsed:
        for factor in term.factors:
            if factor.eval_method.value != "literal":
                yield factor


def factor_columns(factor: Factor) -> set[str]:
    """Names that one factor needs as values; names of functions it calls are not among them.

    (formulaic's own ``required_variables`` leaves out what stateful transforms need.)
    """
    if factor.eval_method.value == "lookup":
        return {factor.expr}
    return _names_in(factor)[0]


def _called(factor: Factor) -> set[str]:
    """Names of the functions (or modules) that a factor calls."""
    return set() if factor.eval_method.value != "python" else _names_in(factor)[1]


def _names_in(factor: Factor) -> tuple[set[str], set[str]]:
    """Names used as values and names called, in a factor that is Python code."""
    from formulaic.utils.code import sanitize_variable_names

    aliases: dict[str, str] = {}
    try:
        tree = ast.parse(sanitize_variable_names(factor.expr, {}, aliases), mode="eval")
    except SyntaxError:
        return set(), set()  # evaluating it will say what is wrong
    called = {id(_root(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return (
        {aliases.get(n.id, n.id) for n in names if id(n) not in called},
        {n.id for n in names if id(n) in called},
    )


def _root(node: ast.expr) -> ast.expr:
    """``np`` of ``np.linalg.norm``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def _check_columns(factor: Factor, piece: Piece, columns: Sequence[str]) -> None:
    """A bare name must be a column; names inside calls may come from the caller's scope."""
    if factor.eval_method.value != "lookup" or factor.expr in columns:
        return
    start = piece.text.find(factor.expr)
    stop = start + len(factor.expr) if start >= 0 else None
    shown = str(piece.error("", max(start, 0), stop)).strip("\n")
    raise ColumnError(
        f"`{factor.expr}` is not a column of the data.{near_matches(factor.expr, columns)} "
        f"Columns: {listed(columns)}.\n{shown}"
    )


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names for a message, shortened."""
    shown = ", ".join(str(n) for n in names[:most])
    return shown + (f", … ({len(names)} in all)" if len(names) > most else "")


def _refuse_duplicates(random: Sequence[BoundRandomTerm]) -> None:
    seen: set[tuple[str, frozenset[str]]] = set()
    for term in random:
        key = (str(term.expression), frozenset(f.expr for f in term.group))
        if key in seen:
            raise term.piece.error(f"the random term ({term.label}) is there twice.")
        seen.add(key)


# --- evaluation -------------------------------------------------------------------------


class Scope(Mapping[str, Any]):
    """Names that calls in a formula may use: given ones above those R users expect.

    Parameters
    ----------
    given : mapping
        Functions and variables of the caller.
    """

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        self.given = {} if given is None else dict(given)

    @classmethod
    def implicit(cls, variables: Mapping[str, Any], names: Iterable[str]) -> Scope:
        """The caller's variables among `names`, less what has a meaning in every formula.

        So a ``from math import log``, or a variable called ``C``, breaks no formula; to
        replace a transform, give it by ``context=``.
        """
        from formulaic.transforms import TRANSFORMS

        taken = {*TRANSFORMS, *_R_NAMES, "factor"}
        return cls({n: variables[n] for n in names if n in variables and n not in taken})

    def __getitem__(self, name: str) -> Any:
        if name in self.given:
            return self.given[name]
        if name == "factor":
            from formulaic.transforms import C

            return C
        return _R_NAMES[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.given, **_R_NAMES, "factor": None})

    def __len__(self) -> int:
        return len(list(iter(self)))


@dataclass(frozen=True)
class TermMatrix:
    """Columns that a piece of the formula gives on some data.

    Attributes
    ----------
    values : ndarray (n, k)
    names : tuple of str
        formulaic's column names.
    spec : formulaic.ModelSpec
        What the transforms learnt; evaluate it again on new data.
    terms : tuple of (str, int, int)
        Name of each term with the range of its columns.
    """

    values: FloatArray
    names: tuple[str, ...]
    spec: ModelSpec
    terms: tuple[tuple[str, int, int], ...]


class Evaluator:
    """Evaluates formulas on one data frame; factors met twice are evaluated once.

    Parameters
    ----------
    data : pandas.DataFrame
        Columns already of plain types (see :mod:`lmforms.frame`).
    scope : Scope
        The caller's names.
    contrasts : mapping of str to str or contrast object
        For columns used as factors.
    """

    def __init__(
        self, data: pd.DataFrame, scope: Scope, contrasts: Mapping[str, Any] | None = None
    ) -> None:
        from formulaic.materializers import PandasMaterializer
        from formulaic.transforms import C
        from formulaic.utils.layered_mapping import LayeredMapping

        self.data = data
        coded = {name: C(data[name], _contrast(name, c)) for name, c in (contrasts or {}).items()}
        context = LayeredMapping(coded, scope)
        self._materializer = PandasMaterializer(data.drop(columns=list(coded)), context=context)
        self._context = context

    def matrix(self, formula: SimpleFormula | ModelSpec, what: str) -> TermMatrix:
        """The columns of a formula, or of the spec of an earlier evaluation.

        Raises
        ------
        DataError
            An expression fails, gives something else than numbers, or meets a level that
            was not there when the spec was made.
        """
        from formulaic import ModelSpec
        from formulaic.errors import DataMismatchWarning, FormulaicError

        if not isinstance(formula, ModelSpec):
            for factor in _factors(formula):
                if factor.expr in self.data and pd.api.types.is_bool_dtype(
                    self.data[factor.expr].dtype
                ):
                    factor.kind = factor.Kind.CATEGORICAL
            formula = ModelSpec.from_spec(formula, na_action="ignore", output="numpy")
        elif formula.materializer_params is None:
            formula = formula.update(materializer_params={})
        n = len(self.data)
        if not len(formula.formula):
            return TermMatrix(np.empty((n, 0)), (), formula, ())
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", DataMismatchWarning)
                made = self._materializer.get_model_matrix(formula)
                values = np.asarray(made)
        except DataMismatchWarning as exc:
            raise DataError(f"{what}: {_first_sentence(exc)}.") from None
        except (FormulaicError, ValueError, TypeError, KeyError, NameError) as exc:
            raise self._explained(exc, what) from exc
        if values.dtype.kind not in "fiub" or values.shape[0] != n:
            raise DataError(
                f"{what} gives {values.dtype} values of shape {values.shape}; "
                f"numbers in {n} rows are needed."
            )
        spec = made.model_spec
        return TermMatrix(
            values=np.ascontiguousarray(values, dtype=np.float64),
            names=tuple(str(c) for c in spec.column_names),
            spec=spec,
            terms=tuple((str(t), ix.start, ix.stop) for t, ix in spec.term_slices.items()),
        )

    def factor(self, factor: Factor) -> pd.Series:
        """The values of one component of a grouping factor."""
        if factor.eval_method.value == "lookup":
            return self.data[factor.expr]
        from formulaic import ModelSpec
        from formulaic.utils.stateful_transforms import stateful_eval

        env = self._materializer.layered_context
        try:
            value = stateful_eval(factor.expr, env, {}, {}, ModelSpec(formula=[]))
        except Exception as exc:
            raise self._explained(exc, f"the grouping factor `{factor.expr}`") from exc
        value = getattr(value, "__wrapped__", value)
        values = pd.Series(np.asarray(value) if not isinstance(value, pd.Series) else value)
        if len(values) != len(self.data):
            raise DataError(
                f"the grouping factor `{factor.expr}` has {len(values)} values for "
                f"{len(self.data)} rows."
            )
        return values

    def _explained(self, exc: Exception, what: str) -> DataError | FormulaError:
        """An error of the package for whatever went wrong inside an expression."""
        cause = str(exc)
        unknown = _unknown_name(cause)
        if unknown is not None:
            known = [*map(str, self.data.columns)]
            return ColumnError(
                f"{what}: `{unknown}` is neither a column of the data nor a name in scope."
                f"{near_matches(unknown, known)} Columns: {listed(known)}."
            )
        return DataError(f"{what} cannot be evaluated: {cause.splitlines()[0] if cause else exc!r}")


def _first_sentence(exc: BaseException) -> str:
    return str(exc).split(". They")[0].split("\n")[0].rstrip(".")


def _unknown_name(message: str) -> str | None:
    """The name in ``name 'x' is not defined`` or formulaic's words for the same."""
    head, marker, _ = message.partition("' is not defined")
    if marker:
        return head.rpartition("name '")[2]
    head, marker, _ = message.partition("` is not present in the dataset")
    return head.rpartition("`")[2] if marker else None


def _contrast(name: str, contrast: Any) -> Any:
    """A formulaic contrast from ``"sum"``, ``"contr.sum"``, an object or a matrix."""
    from formulaic.transforms import ContrastsRegistry

    if not isinstance(contrast, str):
        return contrast
    key = contrast.removeprefix("contr.")
    try:
        return getattr(ContrastsRegistry, key)
    except AttributeError:
        known = [k for k in vars(ContrastsRegistry) if not k.startswith("_")]
        raise ArgumentError(
            f"contrasts: `{contrast}` for `{name}` is unknown.{near_matches(key, known)} "
            f"Use one of {', '.join(sorted(known))}, or a contrast matrix."
        ) from None
