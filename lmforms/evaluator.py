"""Evaluate parsed formulas on a table: columns with names, ready for new data.

Stateful transforms (``scale``, ``poly``, ``bs`` …) remember what they learnt in a formulaic
``ModelSpec``; evaluating that on new data gives the same columns.
"""

from __future__ import annotations

import builtins
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import ArgumentError, ColumnError, DataError, FormulaError, listed, near_matches
from .exact import is_dates
from .piece import Piece, aliased, needs_alias, unaliased
from .table import Table
from .terms import factors_of, marked

if TYPE_CHECKING:
    from formulaic import ModelSpec, SimpleFormula
    from formulaic.parser.types import Factor, Term

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
        if name != unaliased(name):
            return self._function(unaliased(name))
        if name in self.given:
            return self.given[name]
        if name == "factor":
            from formulaic.transforms import C

            return C
        return _R_NAMES[name]

    def _function(self, name: str) -> Any:
        """A function (or module) whose name is also a column's."""
        from formulaic.transforms import TRANSFORMS

        for names in (self, TRANSFORMS, vars(builtins)):
            if name in names:
                return names[name]
        raise KeyError(name)

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
    """

    values: FloatArray
    names: tuple[str, ...]
    spec: ModelSpec

    @property
    def is_categorical(self) -> bool:
        """Whether any of it comes from a factor."""
        kinds = [kind for kind, _ in self.spec.encoder_state.values()]
        return any(kind.value == "categorical" for kind in kinds)

    def subset(self, rows: npt.NDArray[np.bool_]) -> TermMatrix:
        """Some of the rows."""
        return replace(self, values=self.values[rows])


class Evaluator:
    """Evaluates formulas on one table; factors met twice are evaluated once.

    Parameters
    ----------
    table : Table
        Columns already of plain types (see :mod:`lmforms.frame`).
    scope : Scope
        The caller's names.
    contrasts : mapping of str to str or contrast object
        For columns used as factors.
    coded : collection of str
        Columns of whole numbers that calls make factors of; others enter calls as floats,
        so that no power overflows, and dates as moments, so that they have ``.dt``.
    """

    def __init__(
        self,
        table: Table,
        scope: Scope,
        contrasts: Mapping[str, Any] | None = None,
        coded: Collection[str] = (),
    ) -> None:
        self.table = table
        self._coded = coded
        self._scope = scope
        self._contrasts = contrasts or {}
        self._columns: dict[str, FloatArray | None] = {}

    @cached_property
    def _materializer(self) -> Any:
        from formulaic.transforms import C
        from formulaic.utils.layered_mapping import LayeredMapping

        data = self.table.data
        whole = [
            name
            for name, dtype in data.dtypes.items()
            if name not in self._coded and isinstance(dtype, np.dtype) and dtype.kind in "iu"
        ]
        data = data.astype(dict.fromkeys(whole, np.float64)) if whole else data
        days = [name for name in data if is_dates(data[name])]
        data = data.astype(dict.fromkeys(days, "datetime64[s]")) if days else data
        coded = {name: C(data[name], _contrast(name, c)) for name, c in self._contrasts.items()}
        aliases = {aliased(name): data[name] for name in data if needs_alias(name)}
        context = LayeredMapping(coded, aliases, self._scope)
        return _materializer_class()(data.drop(columns=list(coded)), context=context)

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
            formula = ModelSpec.from_spec(formula, na_action="ignore", output="numpy")
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
        except DataMismatchWarning as exc:
            raise DataError(f"{what}: {_first_sentence(exc)}.") from None
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, formula.formula, piece, what) from exc
        if values.dtype.kind not in "fiub" or values.shape[0] != n:
            wrong = f"gives {values.dtype} values of shape {values.shape}"
            raise self._explained(TypeError(wrong), formula.formula, piece, what)
        spec = made.model_spec
        _refuse_alike(spec)
        for factor in factors_of(spec.formula):  # formulaic would leave it out in silence
            known = self._materializer.factor_cache.get(factor.expr)
            if known is not None and known.values.__wrapped__ is None:
                raise self._explained(TypeError("gives None"), [factor], piece, what)
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
            value = self._value(factor)
        except Exception as exc:  # calls in a formula can raise anything
            raise self._explained(exc, [factor], piece, what) from exc
        if np.ndim(value) != 1 or len(value) != self.table.n:
            wrong = TypeError(f"gives a result of shape {np.shape(value)}")
            raise self._explained(wrong, [factor], piece, what)
        name = unaliased(factor.expr)
        if isinstance(value, pd.Series):
            return value.rename(name)
        return pd.Series(np.asarray(value), index=self.table.index, name=name)

    def _value(self, factor: Factor) -> Any:
        """What the Python code of a factor gives."""
        from formulaic import ModelSpec
        from formulaic.utils.stateful_transforms import stateful_eval

        env = self._materializer.layered_context
        with _quietly():
            value = stateful_eval(factor.expr, env, {}, {}, ModelSpec(formula=[]))
        return getattr(value, "__wrapped__", value)

    def _explained(
        self, exc: Exception, factors: Iterable[Any], piece: Piece, what: str
    ) -> DataError | FormulaError:
        """An error of the package that marks the factor at fault."""
        culprit, cause = None, exc
        for factor in factors if isinstance(factors, list) else factors_of(factors):
            if factor.eval_method.value != "python":
                continue
            try:
                value = self._value(factor)
                columns = value.values() if isinstance(value, dict) else [value]
                shape = next((np.shape(c) for c in columns), ())
                if len(shape) not in (1, 2) or shape[0] != self.table.n:
                    culprit, cause = factor, TypeError(f"gives a result of shape {shape}")
            except Exception as found:  # the same as `exc`, or one of several
                culprit, cause = factor, found
            if culprit is not None:
                break
        shown = piece.mark() if culprit is None else marked(culprit, piece)
        name = what if culprit is None else f"`{unaliased(culprit.expr)}`"
        text = str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__
        unknown = _unknown_name(text)
        if unknown is not None:
            known = list(self.table)
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
        @override  # type: ignore[untyped-decorator]
        def _is_categorical(self, values: Any) -> bool:
            bare = getattr(values, "__wrapped__", values)
            if pd.api.types.is_bool_dtype(getattr(bare, "dtype", None)):
                return True
            return bool(super()._is_categorical(values))

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
