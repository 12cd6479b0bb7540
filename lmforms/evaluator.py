"""Evaluate parsed formulas on a data frame: columns with names, ready for new data.

Stateful transforms (``scale``, ``poly``, ``bs`` …) remember what they learnt in a formulaic
``ModelSpec``; evaluating that on new data gives the same columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import ArgumentError, ColumnError, DataError, FormulaError, listed, near_matches
from .formula import keyword_alias, unaliased

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

    def subset(self, rows: npt.NDArray[np.bool_]) -> TermMatrix:
        """Some of the rows."""
        return replace(self, values=self.values[rows])


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
        for name in data.columns:
            if name not in coded and pd.api.types.is_bool_dtype(data[name].dtype):
                coded[name] = C(data[name])  # booleans are factors, as in R
        aliases = {keyword_alias(name): data[name] for name in data if keyword_alias(name)}
        context = LayeredMapping(coded, aliases, scope)
        self._materializer = PandasMaterializer(data.drop(columns=list(coded)), context=context)

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
            names=tuple(unaliased(str(c)) for c in spec.column_names),
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
