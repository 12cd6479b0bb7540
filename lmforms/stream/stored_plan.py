"""A plan as JSON without any row, and the same plan of it again.

The formula is evaluated anew on columns of the same types that have no rows, by what its transforms
and factors had learnt. What cannot do without rows is given some with made-up values.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.frame import Frame
from ..data.read import FormulaData
from ..errors import DataError, FormulaError
from ..formula.aliases import unaliased
from ..formula.bind import bind
from ..formula.evaluator import Learnt
from ..formula.formulaic_factors import factor_columns, factors_of
from ..formula.parse import parse_formula
from ..formula.scope import Scope
from ..formula.term_matrix import EvaluatedTerms
from ..formula.terms import BoundFormula
from ..storage.header import MAX_FORMULA_LENGTH
from ..storage.index_json import decode_index, encode_index
from ..storage.plain_values import count_of, decode_value, encode_value
from ..storage.safe_expressions import ExpressionChecker
from ..storage.safe_formula import MAX_COLUMNS, names_from_context
from ..support.column_table import Table
from .made_up_rows import FEWEST_VALUES, made_up_rows
from .make_plan import plan_of
from .plan import Plan

if TYPE_CHECKING:
    from formulaic.parser.types import Factor

Facts = Mapping[str, Any]
"""A plan as JSON."""

OUTCOME = ("made", "transforms", "categories")
"""What must be the same once a formula was evaluated anew."""


def encode_plan(plan: Plan) -> dict[str, Any]:
    """A plan as JSON, without its scaling.

    Raises
    ------
    DataError
        A part of it cannot be written.
    """
    given, bound = plan.formula_data, plan.bound
    if len(given.formula.source) > MAX_FORMULA_LENGTH:
        raise DataError(
            f"save: the formula has {len(given.formula.source)} characters, and "
            f"{MAX_FORMULA_LENGTH} can be read back: use shorter names of columns, or `.`."
        )
    contrasts = {}
    for name, contrast in given.contrasts.items():
        if not isinstance(contrast, (str, np.ndarray, list, tuple)):
            raise DataError(
                f"save: the contrast object for `{name}` cannot be written; name it, as in "
                f"contrasts={{{name!r}: 'contr.sum'}}, or give its matrix."
            )
        contrasts[name] = _encoded(f"the contrasts of `{name}`", encode_value, contrast)
    transforms, categories = _learnt_by(plan)
    columns = []
    for name in dict.fromkeys([*bound.columns, *plan.beside]):
        kind = _encoded(f"the type of `{name}`", encode_index, _type_of(plan, name))
        columns.append({"name": name, "type": kind})
    return {
        "formula": given.formula.source,
        "weights_column": given.weights_column,
        "offset_column": given.offset_column,
        "contrasts": contrasts,
        "columns": columns,
        "factors": list(plan.factors),
        "levels": _encoded_indexes(plan.levels),
        "orders": _encoded_indexes(plan.orders),
        "transforms": {
            text: _encoded(f"what `{unaliased(text)}` has learnt", _encode_state, state)
            for text, state in transforms.items()
        },
        "categories": {
            text: _encoded(f"the levels of `{unaliased(text)}`", encode_index, _index(levels))
            for text, levels in categories.items()
        },
        "made": _made(plan),
    }


def decode_plan(facts: Facts, context: Mapping[str, Any], what: str) -> Plan:
    """The plan that :func:`encode_plan` described.

    Parameters
    ----------
    facts : mapping
    context : mapping
        Functions and variables of the user's own.
    what : str
        ``"save"`` or ``"load"``, for messages.

    Raises
    ------
    LmformsError
        The formula holds what no file may, a name is not in `context`, or something else comes out.
    """
    stored = _Stored.of(facts)
    lacking = [name for name in stored.free_names(context, what) if name not in context]
    if lacking:
        given = ", ".join(f"{name!r}: ..." for name in lacking)
        raise DataError(
            f"{what}: the formula {facts['formula']!r} uses {', '.join(map(repr, lacking))} from "
            f"your code; give load(path, context={{{given}}})."
        )
    failure: Exception | None = None
    for table in (stored.no_rows, stored.made_up_rows):
        try:
            plan = stored.plan(table, context)
        except MemoryError:
            raise
        except Exception as exc:  # functions of the user and formulaic can raise anything
            failure = exc
            continue
        again = encode_plan(plan)
        if all(again[name] == facts[name] for name in OUTCOME):
            return plan
        failure = None
    if what == "save":
        because = "" if failure is None else f": {failure}"
        raise DataError(
            "save: the formula cannot be set up again without the rows; compute what it calls as a "
            f"column before{because}"
        )
    because = f" ({failure})" if failure is not None else ""
    raise DataError(
        f"load: the formula {facts['formula']!r} does not give the columns and structures of the "
        f"sums{because}: functions in `context` differ, or the packages that evaluate formulas."
    )


def needed_names(facts: Facts, context: Mapping[str, Any], what: str) -> list[str]:
    """Names that a formula needs from ``context=``, once it is known to hold nothing forbidden."""
    return _Stored.of(facts).free_names(context, what)


# --- parts of a plan ----------------------------------------------------------------------------


def _learnt_by(plan: Plan) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """What transforms have learnt, and the levels of factors, by the text of each."""
    transforms: dict[str, Any] = {}
    categories: dict[str, list[Any]] = {}
    for matrix in plan.matrices:
        if not isinstance(matrix.terms, EvaluatedTerms):
            continue
        transforms |= matrix.spec.transform_state
        for text, (_, state) in matrix.spec.encoder_state.items():
            if "categories" in state:
                categories[text] = list(state["categories"])
    return transforms, categories


def _made(plan: Plan) -> dict[str, Any]:
    """Names and structures that come out of a formula."""
    return {
        "columns": [list(matrix.names) for matrix in plan.matrices],
        "groups": [
            [g.name, list(g.columns), type(g.covariance).__name__, g.covariance.n_theta]
            for g in plan.prototype.groups
        ],
    }


def _type_of(plan: Plan, name: str) -> pd.Index:
    """A column without rows; labels of grouping factors are those of the sums."""
    if name in plan.factors:
        return pd.CategoricalIndex([], dtype=plan.factors[name])
    table = plan.formula_data.frame.table
    if name not in table:  # weights or offset
        return pd.Index([], dtype=np.float64)
    dtype = table[name].dtype
    return pd.Index([], dtype=object if isinstance(dtype, pd.CategoricalDtype) else dtype)


def _index(levels: Sequence[Any]) -> pd.Index:
    """Levels as an index of one type, unless that would change one of them."""
    index = pd.Index(levels, tupleize_cols=False)
    if [str(x) for x in index] == [str(x) for x in levels]:
        return index
    return pd.Index(levels, dtype=object, tupleize_cols=False)


def _encoded(of: str, encode: Any, value: Any) -> Any:
    try:
        return encode(value)
    except DataError as exc:
        raise DataError(f"save: {of}: {exc}") from None


def _encoded_indexes(given: Mapping[str, pd.Index]) -> dict[str, Any]:
    return {name: _encoded(f"the levels of `{name}`", encode_index, x) for name, x in given.items()}


def _encode_state(state: Any) -> Any:
    _check_count(state)
    return encode_value(state)


def _check_count(state: Any) -> None:
    """The time that splines take grows with a power of the number of their knots."""
    if count_of(state) > MAX_COLUMNS:
        raise DataError(f"it has more than {MAX_COLUMNS} numbers.")


# --- a plan of the parts ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Stored:
    """What :func:`encode_plan` wrote, decoded.

    Attributes
    ----------
    facts : mapping
    bound : BoundFormula
    columns : dict of str to Index
        Without rows.
    """

    facts: Facts
    bound: BoundFormula
    columns: dict[str, pd.Index]

    @classmethod
    def of(cls, facts: Facts) -> _Stored:
        """Of the facts in a file."""
        columns = {own["name"]: _decoded(own["type"])[:0] for own in facts["columns"]}
        if len(columns) < len(facts["columns"]):
            raise DataError("two columns have one name.")
        beside = (facts["weights_column"], facts["offset_column"])
        reserved = tuple(name for name in beside if name is not None)
        if len(facts["formula"]) > MAX_FORMULA_LENGTH:
            raise DataError("the formula is too long.")
        try:
            parsed = parse_formula(facts["formula"])
            bound = bind(parsed, tuple(columns), reserved=reserved)
        except (RecursionError, MemoryError):
            raise FormulaError("load: the formula is nested too deeply.") from None
        return cls(facts, bound, {name: columns[name] for name in bound.columns})

    def free_names(self, context: Mapping[str, Any], what: str) -> list[str]:
        """Names that must come from `context`; formulas and levels are refused as those of fits."""
        table = self.made_up_rows
        names = names_from_context(self.bound, table, context, what)

        def distinct(columns: Collection[str]) -> int:
            return min(table.n, prod(int(table[name].nunique()) for name in columns))

        objects = [name for name, column in table.items() if column.dtype.kind == "O"]
        checker = ExpressionChecker(tuple(table), objects, context, distinct)
        for factor in _factors(self.bound):
            levels = self._levels(factor)
            if levels is None or factor.eval_method.value != "python":
                continue
            if len(levels) > max(2, checker.check(factor.expr).width):
                raise DataError(f"`{unaliased(factor.expr)}` has too many levels.")
        return names

    def _levels(self, factor: Factor) -> pd.Index | None:
        """Levels that a factor of the formula had."""
        found = self.facts["categories"].get(factor.expr)
        return None if found is None else _decoded(found)

    @property
    def no_rows(self) -> Table:
        """The columns as they are."""
        return made_up_rows(self.columns, 0)

    @cached_property
    def made_up_rows(self) -> Table:
        """Rows in which every level occurs, as far as :data:`.MAX_COLUMNS` are of interest."""
        counts = self._counts()
        n = max(2, min(max(counts.values(), default=0), MAX_COLUMNS + 1))
        return made_up_rows(self.columns, n, counts, self._inside())

    def _counts(self) -> dict[str, int]:
        """How many different values a column needs."""
        counts = {
            name: len(empty.dtype.categories)
            if isinstance(empty.dtype, pd.CategoricalDtype)
            else FEWEST_VALUES
            for name, empty in self.columns.items()
        }
        for factor in _factors(self.bound):
            levels = self._levels(factor)
            if levels is None:
                continue
            for name in factor_columns(factor) & set(counts):
                if not isinstance(self.columns[name].dtype, pd.CategoricalDtype):
                    counts[name] = max(counts[name], len(levels))
        return counts

    def _inside(self) -> dict[str, tuple[float, float]]:
        """Least and largest knot of the splines of each column."""
        found: dict[str, tuple[float, float]] = {}
        for text, encoded in self.facts["transforms"].items():
            state = decode_value(encoded)
            knots = state.get("knots", state.get("bounds"))
            if knots is None:
                continue
            names = [node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
            ends = float(np.min(knots)), float(np.max(knots))
            found |= dict.fromkeys(map(unaliased, names), ends)
        return found

    def learnt(self) -> Learnt:
        """States of the transforms, and levels of the factors, as formulaic has them."""
        from formulaic.parser.types import Factor

        transforms = {text: decode_value(x) for text, x in self.facts["transforms"].items()}
        for state in transforms.values():
            _check_count(state)
        categories = {}
        for factor in _factors(self.bound):
            levels = self._levels(factor)
            if levels is not None:
                known = {"categories": levels.tolist()}
                categories[factor.expr] = (Factor.Kind.CATEGORICAL, known)
        return {"transform_state": transforms, "encoder_state": categories}

    def plan(self, table: Table, context: Mapping[str, Any]) -> Plan:
        """The plan, by some rows or none."""
        facts, beside = self.facts, {}
        for name in ("weights", "offset"):
            if facts[f"{name}_column"] is not None:
                beside[name] = np.zeros(table.n)
        given = FormulaData(
            formula=parse_formula(facts["formula"]),
            bound=self.bound,
            frame=Frame(table, np.ones(table.n, dtype=bool), beside),
            scope=Scope(context, python=False),
            contrasts={name: decode_value(x) for name, x in facts["contrasts"].items()},
            offset_column=facts["offset_column"],
            missing="drop",
            weights_column=facts["weights_column"],
        )
        return plan_of(
            given,
            {name: self.columns[name].dtype for name in facts["factors"]},
            {name: _decoded(x) for name, x in facts["levels"].items()},
            {name: _decoded(x) for name, x in facts["orders"].items()},
            self.learnt(),
        )


def _factors(bound: BoundFormula) -> Iterator[Factor]:
    """All factors of a formula but those that group."""
    yield from factors_of(bound.response)
    yield from factors_of(bound.fixed)
    for parsed in bound.offsets:
        yield from factors_of(parsed)
    for term in bound.random:
        yield from factors_of(term.expression)


def _decoded(facts: Any) -> pd.Index:
    """Labels that are all written down: a range may have more than memory holds."""
    index = decode_index(facts)
    listed = index.categories if isinstance(index, pd.CategoricalIndex) else index
    if isinstance(listed, pd.RangeIndex):
        raise DataError("a range stands for labels.")
    return index
