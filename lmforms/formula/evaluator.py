"""Evaluate parsed formulas on a table: columns with names, ready for new data.

Stateful transforms (``scale``, ``poly``, ``bs`` …) remember what they learnt in a formulaic
``ModelSpec``; evaluating that on new data gives the same columns.
"""

from __future__ import annotations

import ast
import builtins
import copy
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from operator import itemgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..data.exact_columns import is_dates
from ..data.table import Table
from ..errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FormulaError,
    LmformsError,
    listed,
    near_matches,
    shortened,
)
from ..support.arrays import BoolArray, FloatArray
from .expression import Expression, evaluable, parse, stateful_calls
from .interaction_sizes import check_size
from .operators import HELPERS
from .piece import Piece, aliased, joined, needs_alias, unaliased
from .rowwise import depends_on_other_rows, is_elementwise
from .terms import factor_columns, factors_of, marked
from .transforms import FALLBACKS, HINTS, language

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor, Term


WIDEST = 2**53
"""Whole numbers up to this are floats without loss."""


class Scope(Mapping[str, Any]):
    """Names that calls in a formula may use: given ones above those of every formula.

    Parameters
    ----------
    given : mapping
        Functions and variables of the caller.
    python : bool
        Whether Python's own functions, such as ``round``, are among the names. Formulas from
        files do without.
    """

    def __init__(self, given: Mapping[str, Any] | None = None, *, python: bool = True) -> None:
        self.given = {} if given is None else dict(given)
        self._layers = [self.given, language(), FALLBACKS]
        if python:
            self._layers.append({k: v for k, v in vars(builtins).items() if k[0] != "_"})

    @classmethod
    def implicit(cls, variables: Mapping[str, Any], names: Iterable[str]) -> Scope:
        """The caller's variables among `names`, less what has a meaning in every formula.

        So a ``from math import log``, or a variable called ``C``, breaks no formula; to
        replace a transform, give it by ``context=``.
        """
        taken = language()
        return cls({n: variables[n] for n in names if n in variables and n not in taken})

    def __getitem__(self, name: str) -> Any:
        plain = unaliased(name)
        for names in self._layers:
            # what is called like a column, or like a variable, is meant as a function
            if plain in names and (name == plain or _can_be_called(names[plain])):
                return names[plain]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter({name for names in self._layers for name in names})

    def __len__(self) -> int:
        return len(list(iter(self)))


def _can_be_called(value: Any) -> bool:
    return callable(value) or isinstance(value, ModuleType)


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
    """

    values: FloatArray
    names: tuple[str, ...]
    spec: ModelSpec

    @property
    def is_categorical(self) -> bool:
        """Whether any of it comes from a factor."""
        states = [self.spec.encoder_state.get(f.expr) for f in factors_of(self.spec.formula)]
        return any(state is not None and state[0].value == "categorical" for state in states)

    def subset(self, rows: BoolArray) -> TermMatrix:
        """Some of the rows."""
        return replace(self, values=self.values[rows])


class Evaluator:
    """Evaluates formulas on one table; factors met twice are evaluated once.

    Parameters
    ----------
    table : Table
        Columns already of plain types (see :mod:`lmforms.data.frame`).
    scope : Scope
        The caller's names.
    contrasts : mapping of str to str or contrast object
        For columns used as factors.
    """

    def __init__(
        self,
        table: Table,
        scope: Scope,
        contrasts: Mapping[str, Any] | None = None,
    ) -> None:
        self.table = table
        self._scope = scope
        self._contrasts = contrasts or {}
        self._columns: dict[str, FloatArray | None] = {}
        self._learnt: dict[str, dict[str, Any]] = {"transform_state": {}, "encoder_state": {}}

    @cached_property
    def _whole(self) -> list[str]:
        """Columns of whole numbers."""
        dtypes = {name: column.dtype for name, column in self.table.items()}
        return [n for n, d in dtypes.items() if isinstance(d, np.dtype) and d.kind in "iu"]

    @cached_property
    def _wide(self) -> list[str]:
        """Columns of whole numbers that floats cannot hold."""
        values = {name: self.table[name].to_numpy() for name in self._whole}
        return [
            name
            for name, v in values.items()
            if len(v) and (int(v.max()) > WIDEST or int(v.min()) < -WIDEST)
        ]

    @cached_property
    def _materializer(self) -> Any:
        from formulaic.transforms import C
        from formulaic.utils.layered_mapping import LayeredMapping

        data = self.table.data
        data = data.astype(dict.fromkeys(self._whole, np.float64)) if self._whole else data
        days = [name for name in data if is_dates(self.table[name])]
        data = data.astype(dict.fromkeys(days, "datetime64[s]")) if days else data
        coded = {name: C(data[name], _contrast(name, c)) for name, c in self._contrasts.items()}
        given = {name: coded.get(name, data[name]) for name in data}
        aliases = {aliased(name): given[name] for name in given if needs_alias(name)}
        aliases |= {joined(name): given[name] for name in given if "." in name}
        context = LayeredMapping(coded, aliases, self._scope)
        made = _materializer_class()(data.drop(columns=list(coded)), context=context)
        made.run = self._run
        return made

    def _run(self, expr: str, spec: ModelSpec, *, labels: bool = False) -> Any:
        """What an expression of the formula gives; its transforms learn into `spec`."""
        expression = parse(expr)
        resolve = partial(self.resolve, expression)
        code = evaluable(expression, resolve, whole=self._whole, wide=self._wide, labels=labels)
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
            if isinstance(owner, ModuleType) or owner is language()["contr"]:
                return getattr(owner, node.attr, None)
        return None

    def _numbers(self, name: str) -> FloatArray | None:
        """A column of numbers as float64; None for anything else."""
        if name not in self._columns:
            values = None
            if name in self.table and name not in self._contrasts:
                dtype = self.table[name].dtype
                if isinstance(dtype, np.dtype) and dtype.kind in "fiu":
                    values = self.table[name].to_numpy(dtype=np.float64)
            self._columns[name] = values
        return self._columns[name]

    def _products(self, terms: Iterable[Term]) -> tuple[list[str], list[FloatArray]] | None:
        """Names and values when every term is 1 or a product of columns of numbers.

        formulaic would give the same; small models spend most of their time in it.
        """
        names, columns = [], []
        for term in terms:
            product: FloatArray | None = None
            parts = []
            for factor in term.factors:
                if factor.eval_method.value == "literal" and len(term.factors) == 1:
                    product = np.ones(self.table.n) if factor.expr == "1" else None
                    parts.append("Intercept")
                    break
                if factor.eval_method.value != "lookup":
                    return None
                values = self._numbers(unaliased(factor.expr))
                if values is None:
                    return None
                product = values if product is None else product * values
                parts.append(unaliased(factor.expr))
            if product is None:
                return None
            names.append(":".join(parts))
            columns.append(product)
        return names, columns

    def matrix(self, formula: SimpleFormula | ModelSpec, piece: Piece, what: str) -> TermMatrix:
        """The columns of a formula, or of the spec of an earlier evaluation.

        Parameters
        ----------
        formula : formulaic.SimpleFormula or formulaic.ModelSpec
        piece : Piece
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
            return TermMatrix(np.empty((n, 0)), (), formula)
        products = self._products(formula.formula)
        if products is not None:
            names, columns = products
            return TermMatrix(np.column_stack(columns), tuple(names), formula)
        try:
            with _quietly(), warnings.catch_warnings():
                warnings.simplefilter("error", DataMismatchWarning)
                made = self._materializer.get_model_matrix(formula)
                values = np.asarray(made)
        except LmformsError as exc:
            raise type(exc)(f"{what}: {exc}\n{piece.mark()}") from None
        except DataMismatchWarning as exc:
            raise DataError(f"{what}: {_first_sentence(exc)}.") from None
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, formula.formula, piece, what) from exc
        if len(set(made.model_spec.column_names)) < len(made.model_spec.column_names):
            names = list(made.model_spec.column_names)
            twice = next(name for name in names if names.count(name) > 1)
            raise piece.error(f"two columns of {what} are called `{twice}`: rename one.")
        if values.dtype.kind not in "fiub" or values.shape[0] != n:
            wrong = f"gives {values.dtype} values of shape {values.shape}"
            raise self._explained(TypeError(wrong), formula.formula, piece, what)
        spec = made.model_spec
        _refuse_alike(spec)
        for factor in factors_of(spec.formula):  # formulaic would leave it out in silence
            known = self._materializer.factor_cache.get(factor.expr)
            if known is not None and known.values.__wrapped__ is None:
                raise self._explained(TypeError("gives None"), [factor], piece, what)
            called = factor.eval_method.value == "python"
            if known is not None and called and known.metadata.kind.value == "categorical":
                absent = np.asarray(pd.isna(known.values.__wrapped__))
                if absent.ndim == 1 and absent.any():  # formulaic: as the reference level
                    wrong = f"gives missing labels in {int(absent.sum())} rows"
                    raise self._explained(TypeError(wrong), [factor], piece, what)
        return TermMatrix(
            values=np.ascontiguousarray(values, dtype=np.float64),
            names=tuple(unaliased(str(c)) for c in spec.column_names),
            spec=spec,
        )

    def factor(self, factor: Factor, piece: Piece) -> pd.Series:
        """The values of one component of a grouping factor."""
        if factor.eval_method.value == "lookup":
            name = unaliased(factor.expr)
            return self.table[name].rename(name)
        what = "the grouping factor"
        try:
            value = self.value(factor, labels=True)
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, [factor], piece, what) from exc
        if np.ndim(value) != 1 or len(value) != self.table.n:
            wrong = TypeError(f"gives a result of shape {np.shape(value)}")
            raise self._explained(wrong, [factor], piece, what)
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
        with _quietly():
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
        expression = parse(factor.expr)

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
        return depends_on_other_rows(evaluate, table)

    def _explained(
        self, exc: Exception, factors: Iterable[Any], piece: Piece, what: str
    ) -> DataError | FormulaError:
        """An error of the package that marks the factor at fault."""
        culprit, cause = None, exc
        called = factors if isinstance(factors, list) else factors_of(factors)
        called = [f for f in called if f.eval_method.value == "python"]
        for factor in called:
            try:
                value = self.value(factor)
                columns = value.values() if isinstance(value, dict) else [value]
                shape = next((np.shape(c) for c in columns), ())
                if len(shape) not in (1, 2) or shape[0] != self.table.n:
                    culprit, cause = factor, TypeError(f"gives a result of shape {shape}")
            except Exception as found:  # the same as `exc`, or one of several
                culprit, cause = factor, found
            if culprit is not None:
                break
        if culprit is None and len(called) == 1:
            culprit = called[0]
        shown = piece.mark() if culprit is None else marked(culprit, piece)
        name = "it" if culprit is None else f"`{shortened(unaliased(culprit.expr))}`"
        text = _reason(cause)
        unknown = _unknown_name(text)
        if unknown is not None:
            known = list(self.table)
            if unknown in HINTS:
                return ColumnError(
                    f"{what}: `{unknown}` of R is not available: {HINTS[unknown]}.\n{shown}"
                )
            return ColumnError(
                f"{what}: `{unknown}` is neither a column of the data nor a name in scope."
                f"{near_matches(unknown, known)} Columns used: {listed(known)}.\n{shown}"
            )
        return DataError(f"{what}: {name} cannot be evaluated: {text}.\n{shown}")


@lru_cache(maxsize=1)
def _materializer_class() -> Any:
    """formulaic's materializer, but booleans (columns or conditions) are factors, as in R."""
    from formulaic.materializers import PandasMaterializer
    from interface_meta import override

    class Materializer(PandasMaterializer):  # type: ignore[misc]
        run: Callable[[str, ModelSpec], Any]

        @override  # type: ignore[untyped-decorator]
        def _evaluate(self, expr: str, metadata: Any, spec: ModelSpec) -> Any:
            return self.run(expr, spec), set()

        @override  # type: ignore[untyped-decorator]
        def _is_categorical(self, values: Any) -> bool:
            bare = getattr(values, "__wrapped__", values)
            if pd.api.types.is_bool_dtype(getattr(bare, "dtype", None)):
                return True
            return bool(super()._is_categorical(values))

        @override  # type: ignore[untyped-decorator]
        def _get_scoped_terms(self, terms: Iterable[Term], ensure_full_rank: bool = True) -> Any:
            terms = list(terms)
            check_size(terms, self.factor_cache, self.nrows)
            return super()._get_scoped_terms(terms, ensure_full_rank)

    return Materializer


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings of whatever a formula calls: results are checked instead."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _refuse_alike(spec: ModelSpec) -> None:
    """Levels that differ but are written alike would share a column of X."""
    for expr, (_, state) in spec.encoder_state.items():
        levels = list(state.get("categories", ())) if isinstance(state, dict) else []
        text, count = max(Counter(map(str, levels)).items(), key=itemgetter(1), default=("", 0))
        if count > 1:
            raise DataError(
                f"`{unaliased(expr)}` has different levels that are all written {text!r}: "
                "make all of them text, or all numbers."
            )


def _first_sentence(exc: BaseException) -> str:
    return str(exc).split(". They")[0].split("\n")[0].rstrip(".")


def _reason(exc: BaseException) -> str:
    """The first line of an error, or what to do about it."""
    text = str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__
    if "truth value of a" in text:
        return "conditions on columns are written ifelse(x > 0, a, b), and joined by & and |"
    return text


def _unknown_name(message: str) -> str | None:
    """The name in ``name 'x' is not defined`` or formulaic's words for the same."""
    head, found, _ = message.partition("' is not defined")
    if found:
        return unaliased(head.rpartition("name '")[2])
    head, found, _ = message.partition("` is not present in the dataset")
    return head.rpartition("`")[2] if found else None


def check_contrasts(contrasts: Mapping[str, Any], table: Table) -> None:
    """Refuse contrasts for what is no factor.

    Raises
    ------
    DataError
        A column of numbers.
    ArgumentError
        A contrast that is none.
    """
    for name, contrast in contrasts.items():
        numeric = pd.api.types.is_numeric_dtype(table[name].dtype)
        if numeric and not pd.api.types.is_bool_dtype(table[name].dtype):
            raise DataError(
                f"contrasts: `{name}` holds numbers; make it a factor first, "
                f"data[{name!r}].astype('category')."
            )
        _contrast(name, contrast)


def _contrast(name: str, contrast: Any) -> Any:
    """A formulaic contrast from ``"sum"``, ``"contr.sum"``, an object or a matrix."""
    from formulaic.transforms import ContrastsRegistry
    from formulaic.transforms.contrasts import Contrasts

    if isinstance(contrast, (Contrasts, np.ndarray, dict)):
        return contrast
    if isinstance(contrast, type) and issubclass(contrast, Contrasts):
        return contrast()
    if isinstance(contrast, (list, tuple)) and np.ndim(contrast) == 2:
        return np.asarray(contrast, dtype=np.float64)
    key = contrast.removeprefix("contr.") if isinstance(contrast, str) else ""
    known = [k for k in vars(ContrastsRegistry) if not k.startswith("_") and k != "custom"]
    if key not in known:
        raise ArgumentError(
            f"contrasts: `{contrast}` for `{name}` is unknown.{near_matches(key, known)} "
            f"Use one of {', '.join(sorted(known))}, or a contrast matrix."
        )
    return getattr(ContrastsRegistry, key)
