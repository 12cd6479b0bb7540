"""Evaluate parsed formulas on a table: columns with names, ready for new data.

Stateful transforms (``scale``, ``poly``, ``bs`` …) remember what they learnt in a formulaic
``ModelSpec``; evaluating that on new data gives the same columns.
"""

from __future__ import annotations

import ast
import copy
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, FormulaError, LmformsError
from ..support.column_table import MAX_EXACT_INTEGER, Levels, Table, is_dates
from .aliases import aliased, needs_alias, unaliased, without_dots
from .contrasts import contrast_object
from .elementwise_code import evaluable, stateful_calls
from .evaluation_errors import evaluation_error, first_sentence
from .expression import Expression, parse_code
from .formula_part import FormulaPart
from .formulaic_factors import factor_columns, factors_of
from .formulaic_materializer import materializer_class, without_warnings
from .operators import HELPERS
from .plain_terms import PlainMatrix, PlainTerms, plain_matrix
from .rowwise import depends_on_other_rows, is_elementwise
from .scope import Scope
from .term_matrix import EvaluatedTerms, TermMatrix
from .transforms import built_in_names
from .unknown_levels import unknown_levels

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor

Learnt = dict[str, dict[str, Any]]
"""The attributes ``transform_state`` and ``encoder_state`` of formulaic's ModelSpec."""


class Evaluator:
    """Evaluates formulas on one table; a factor that occurs twice is evaluated once.

    Parameters
    ----------
    table : Table
        Columns already of plain types (see :mod:`lmforms.data.frame`).
    scope : Scope
        The caller's names.
    contrasts : mapping of str to str or contrast object
        For columns used as factors.
    learnt : Learnt, optional
        What transforms and factors know from other rows.
    """

    def __init__(
        self,
        table: Table,
        scope: Scope,
        contrasts: Mapping[str, Any] | None = None,
        learnt: Learnt | None = None,
    ) -> None:
        self.table = table
        self._scope = scope
        self._contrasts = contrasts or {}
        self._learnt = {"transform_state": {}, "encoder_state": {}} if learnt is None else learnt

    @cached_property
    def _integers(self) -> list[str]:
        """Columns of whole numbers."""
        dtypes = {name: column.dtype for name, column in self.table.items()}
        return [n for n, d in dtypes.items() if isinstance(d, np.dtype) and d.kind in "iu"]

    @cached_property
    def _inexact_integers(self) -> list[str]:
        """Columns of whole numbers that floats cannot hold."""
        values = {name: self.table[name].to_numpy() for name in self._integers}
        return [
            name
            for name, v in values.items()
            if len(v) and (int(v.max()) > MAX_EXACT_INTEGER or int(v.min()) < -MAX_EXACT_INTEGER)
        ]

    @cached_property
    def _materializer(self) -> Any:
        from formulaic.transforms import C
        from formulaic.utils.layered_mapping import LayeredMapping

        data = self.table.data
        data = data.astype(dict.fromkeys(self._integers, np.float64)) if self._integers else data
        days = [name for name in data if is_dates(self.table[name])]
        data = data.astype(dict.fromkeys(days, "datetime64[s]")) if days else data
        coded = {
            name: C(data[name], contrast_object(name, c, data[name]))
            for name, c in self._contrasts.items()
        }
        given = {name: coded.get(name, data[name]) for name in data}
        aliases = {aliased(name): given[name] for name in given if needs_alias(name)}
        aliases |= {without_dots(name): given[name] for name in given if "." in name}
        context = LayeredMapping(coded, aliases, self._scope)
        made = materializer_class()(data.drop(columns=list(coded)), context=context)
        made.run = self._run
        return made

    def _run(self, expr: str, spec: ModelSpec, *, labels: bool = False) -> Any:
        """What an expression of the formula gives; its transforms learn into `spec`."""
        expression = parse_code(expr)
        resolve = partial(self.resolve, expression)
        code = evaluable(
            expression,
            resolve,
            integers=self._integers,
            inexact=self._inexact_integers,
            labels=labels,
        )
        code = stateful_calls(code, resolve, spec.transform_state)
        context = self._materializer.layered_context
        names = {
            node.id: context[name]
            for node in ast.walk(code)
            if isinstance(node, ast.Name)
            and (name := expression.quoted.get(node.id, node.id)) in context
        }
        own = {"__labels": self.table.__getitem__, "__state": spec.transform_state}
        own |= {"__spec": spec, "__context": context, "__builtins__": {}}
        try:
            return eval(compile(code, "<formula>", "eval"), {**names, **HELPERS, **own})
        except NameError as exc:
            if exc.name not in expression.quoted:
                raise
            raise NameError(f"name '{expression.name(exc.name)}' is not defined") from None

    def resolve(self, expression: Expression, node: ast.expr) -> Any:
        """The function or constant that a name or attribute in an expression stands for.

        None for columns and what is unknown.
        """
        if isinstance(node, ast.Name):
            name = expression.quoted.get(node.id, node.id)
            return None if name in self.table else self._scope.get(name)
        if isinstance(node, ast.Attribute):
            owner = self.resolve(expression, node.value)
            if isinstance(owner, ModuleType) or owner is built_in_names()["contr"]:
                return getattr(owner, node.attr, None)
        return None

    def _products(self, formula: SimpleFormula) -> PlainMatrix | None:
        """The columns of a formula if every term is 1 or a product of columns of numbers.

        formulaic would give the same; small models spend most of their time in it.
        """
        terms = PlainTerms.of(formula)
        if terms is None or any(self._has_levels(name) for name in terms.columns):
            return None
        return plain_matrix(terms, self.table, self._contrasts)

    def _has_levels(self, name: str) -> bool:
        """Whether a column is one of categories."""
        return name in self.table and isinstance(self.table.plain(name), Levels)

    def matrix(
        self, formula: SimpleFormula | ModelSpec, part: FormulaPart, what: str
    ) -> TermMatrix:
        """The columns of a formula, or of the spec of an earlier evaluation.

        Parameters
        ----------
        formula : formulaic.SimpleFormula or formulaic.ModelSpec
        part : FormulaPart
            Where it stands in the user's formula, and
        what : str
            what it is, for messages.

        Raises
        ------
        DataError
            An expression fails, gives something else than numbers, or meets a level that
            was not there when the spec was made.
        """
        from formulaic import ModelSpec
        from formulaic.errors import DataMismatchWarning

        if not isinstance(formula, ModelSpec):
            # shared by all parts of the formula, since a factor that two have is evaluated once
            formula = ModelSpec(formula, na_action="ignore", output="numpy", **self._learnt)
        elif formula.materializer_params is None:
            formula = formula.update(materializer_params={})
        n = self.table.n
        if not len(formula.formula):
            return TermMatrix(np.empty((n, 0)), (), EvaluatedTerms(formula))
        products = self._products(formula.formula)
        if products is not None:
            _refuse_same_names(products.names, part, what)
            return TermMatrix(products.values, products.names, EvaluatedTerms(formula))
        try:
            with without_warnings(), warnings.catch_warnings():
                warnings.simplefilter("error", DataMismatchWarning)
                made = self._materializer.get_model_matrix(formula)
                values = np.asarray(made)
        except LmformsError as exc:
            raise type(exc)(f"{what}: {exc}\n{part.mark()}") from None
        except DataMismatchWarning as exc:
            cache = self._materializer.factor_cache
            new = unknown_levels(factors_of(formula.formula), formula, cache)
            raise DataError(f"{what}: {new or f'{first_sentence(exc)}.'}") from None
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, factors_of(formula.formula), part, what) from exc
        spec = made.model_spec
        names = [unaliased(str(c)) for c in spec.column_names]
        _refuse_same_names(names, part, what)
        if values.dtype.kind not in "fiub" or values.shape[0] != n:
            wrong = TypeError(f"gives {values.dtype} values of shape {values.shape}")
            raise self._explained(wrong, factors_of(formula.formula), part, what)
        _refuse_same_text(spec)
        for factor in factors_of(spec.formula):
            problem = self._unusable(factor)
            if problem:
                raise self._explained(TypeError(problem), [factor], part, what)
        columns = np.ascontiguousarray(values, dtype=np.float64)
        return TermMatrix(columns, tuple(names), EvaluatedTerms(spec))

    def _unusable(self, factor: Factor) -> str:
        """What is wrong with the evaluated factor that formulaic would pass over in silence."""
        known = self._materializer.factor_cache.get(factor.expr)
        if known is None:
            return ""
        values = known.values.__wrapped__
        if values is None:  # formulaic would leave it out
            return "gives None"
        if factor.eval_method.value == "python" and known.metadata.kind.value == "categorical":
            absent = np.asarray(pd.isna(values))
            if absent.ndim == 1 and absent.any():  # formulaic: as the reference level
                return f"gives missing labels in {int(absent.sum())} rows"
        return ""

    def factor(self, factor: Factor, part: FormulaPart) -> pd.Series:
        """The values of one component of a grouping factor."""
        if factor.eval_method.value == "lookup":
            return self.table.named(unaliased(factor.expr))
        what = "the grouping factor"
        try:
            value = self.value(factor, labels=True)
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, [factor], part, what) from exc
        if np.ndim(value) != 1 or len(value) != self.table.n:
            wrong = TypeError(f"gives a result of shape {np.shape(value)}")
            raise self._explained(wrong, [factor], part, what)
        name = unaliased(factor.expr)
        if isinstance(value, pd.Series):
            return value.rename(name)
        return pd.Series(np.asarray(value), index=self.table.index, name=name)

    def value(
        self, factor: Factor, learnt: dict[str, Any] | None = None, *, labels: bool = False
    ) -> Any:
        """What the code of a factor gives; its transforms know `learnt`, and learn into it."""
        from formulaic import ModelSpec

        state = {} if learnt is None else learnt
        with without_warnings():
            value = self._run(
                factor.expr, ModelSpec(formula=[], transform_state=state), labels=labels
            )
        return getattr(value, "__wrapped__", value)

    def depends_on_other_rows(self, factor: Factor, spec: ModelSpec | None = None) -> bool:
        """Whether a factor's values on new rows would be another function of them.

        The evaluator's table holds the rows of the fit. What the transforms of `spec` learnt
        is remembered and does not count.
        """
        if factor.eval_method.value != "python":
            return False
        expression = parse_code(factor.expr)

        def is_column(identifier: str) -> bool:
            name = expression.name(identifier)
            return name in self.table and name not in self._contrasts

        if is_elementwise(expression.tree, is_column, partial(self.resolve, expression)):
            return False

        def evaluate(rows: Table) -> Any:
            learnt = {} if spec is None else copy.deepcopy(spec.transform_state)
            evaluator = Evaluator(rows, self._scope, self._contrasts)
            return evaluator.value(factor, learnt, labels=spec is None)

        used = factor_columns(factor)
        table = Table({n: v for n, v in self.table.items() if n in used}, self.table.index)
        known = self._materializer.factor_cache.get(factor.expr)
        values = None if known is None or spec is None else known.values.__wrapped__
        return depends_on_other_rows(evaluate, table, values)

    def _explained(
        self, exc: Exception, factors: Iterable[Factor], part: FormulaPart, what: str
    ) -> DataError | FormulaError:
        return evaluation_error(exc, factors, self.value, self.table, part, what)


def _refuse_same_names(names: Sequence[str], part: FormulaPart, what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise part.error(f"two columns of {what} are called `{twice[0]}`: rename one.")


def _refuse_same_text(spec: ModelSpec) -> None:
    """Levels that differ but are written alike would share a column of X."""
    for expr, (_, state) in spec.encoder_state.items():
        levels = list(state.get("categories", ())) if isinstance(state, dict) else []
        text, count = max(Counter(map(str, levels)).items(), key=itemgetter(1), default=("", 0))
        if count > 1:
            raise DataError(
                f"`{unaliased(expr)}` has different levels that are all written {text!r}: "
                "make all of them text, or all numbers."
            )
