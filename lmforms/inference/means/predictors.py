"""Predictors of the fixed part and the values that a reference grid gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...data.design import Design
from ...data.label_messages import named, other_type, values_of
from ...errors import ArgumentError, ColumnError, DataError, listed, near_matches
from ...formula.formulaic_factors import columns_of, factors_of, label_columns
from ...support.arguments import mapping, number, short_repr
from ...support.arrays import IndexArray


@dataclass(frozen=True, eq=False)
class Predictor:
    """A column of the fixed part, and its values in a reference grid.

    Attributes
    ----------
    name : str
    levels : Series (l,)
        Of a factor all levels, of a number its values in the grid; in the column's type.
    codes : ndarray of int (n,), or None
        Level of each row of the fit; None for a number.
    chosen : ndarray of int
        Levels that are in the grid.
    origin : {"levels", "mean", "at"}
        Where the values come from.
    two_values : bool
        Whether it is a number with two distinct values in the data.
    """

    name: str
    levels: pd.Series
    codes: IndexArray | None
    chosen: IndexArray
    origin: str
    two_values: bool = False

    @property
    def is_factor(self) -> bool:
        """Whether it has levels, rather than numbers."""
        return self.codes is not None

    @property
    def values(self) -> pd.Series:
        """Values in the grid."""
        return self.levels.iloc[self.chosen].reset_index(drop=True)

    @property
    def texts(self) -> list[str]:
        """Texts for the values in the grid."""
        return [f"{v:.10g}" if isinstance(v, float) else str(v) for v in self.values.tolist()]

    @property
    def labels(self) -> list[str]:
        """The same with the name before numbers."""
        return [f"{self.name}{text}" if _looks_numeric(text) else text for text in self.texts]


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def fixed_predictors(design: Design) -> list[str]:
    """Columns of the data in the fixed part, in the order of the data."""
    needed = columns_of(design.bound.fixed)
    return [name for name in design.bound.columns if name in needed]


def offset_names(design: Design) -> set[str]:
    """Columns of the formula's ``offset()`` terms."""
    return set().union(*(columns_of(o) for o in design.bound.offsets))


def offset_columns(design: Design) -> list[str]:
    """Columns of the formula's ``offset()`` terms that the fixed part does not have."""
    needed = offset_names(design)
    return [c for c in design.bound.columns if c in needed - columns_of(design.bound.fixed)]


def fixed_labels(design: Design) -> set[str]:
    """Columns of the fixed part that are used as labels, as in ``factor(x)``."""
    return {
        name
        for factor in factors_of(design.bound.fixed)
        for name in label_columns(factor, grouping=False)
    }


def is_label_column(column: pd.Series) -> bool:
    """Whether a column of the fit holds labels or booleans."""
    dtype = column.dtype
    return isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype)


def grid_predictors(design: Design, at: Any, what: str) -> tuple[Predictor, ...]:
    """The predictors of the fixed part with their values in the reference grid.

    Factors have the levels of the rows used, numbers their mean over these rows; `at` replaces
    either. Columns of an ``offset()`` are among them if `at` names one.

    Parameters
    ----------
    design : Design
    at : mapping of str to value or sequence of values, or None
    what : str
        Method that the user called, for messages.

    Raises
    ------
    ArgumentError, ColumnError, DataError
    """
    given = _given_values(design, at, what)
    names = fixed_predictors(design)
    if set(given) - set(names):
        names = [*names, *offset_columns(design)]
    labels = fixed_labels(design)
    return tuple(_predictor(design, name, name in labels, given.get(name), what) for name in names)


def given_predictors(design: Design, at: Any, what: str) -> tuple[Predictor, ...]:
    """The predictors that `at` names, with the values that it gives them: see above."""
    given = _given_values(design, at, what)
    labels = fixed_labels(design)
    return tuple(_predictor(design, n, n in labels, v, what) for n, v in given.items())


def _given_values(design: Design, at: Any, what: str) -> dict[str, Any]:
    given = {} if at is None else dict(mapping(f"{what}: at", at, "predictors to values"))
    names = [*fixed_predictors(design), *offset_columns(design)]
    for name in given:
        if name not in names:
            raise ColumnError(
                f"{what}: at names `{name}`, which is not a predictor of the fixed part."
                f"{near_matches(str(name), names)}{_known(names)}"
            )
    return given


def _known(names: list[str]) -> str:
    return f" Predictors: {listed(names)}." if names else " It has no predictors."


def _predictor(design: Design, name: str, as_label: bool, at: Any, what: str) -> Predictor:
    column = design.used_column(name)
    if len(column) != design.n:
        column = column[design.in_model]
    if as_label or is_label_column(column):
        return _factor(name, column, at, what)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(
            f"{what}: `{name}` holds neither numbers nor labels ({column.dtype}), so it has no "
            "mean: make a column of numbers of it, and fit with that."
        )
    observed = column.to_numpy(dtype=np.float64)
    two = len(np.unique(observed)) == 2
    if at is None:
        values = np.array([observed.mean()])
    else:
        values = np.array(
            [number(f"{what}: at[{name!r}]", v) for v in _listed_values(name, at, what)]
        )
        _refuse_repeated(name, values.tolist(), what)
    levels = pd.Series(values, name=name)
    origin = "mean" if at is None else "at"
    return Predictor(name, levels, None, np.arange(len(values)), origin, two)


def _factor(name: str, column: pd.Series, at: Any, what: str) -> Predictor:
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        codes = column.cat.codes.to_numpy(dtype=np.intp)
        levels = pd.Series(pd.Categorical(categories, dtype=column.dtype), name=name)
    else:
        found = np.unique(column.to_numpy())
        codes = np.searchsorted(found, column.to_numpy())
        levels = pd.Series(found, name=name).astype(column.dtype)
    if at is None:
        return Predictor(name, levels, codes, np.arange(len(levels)), "levels")
    known = levels.tolist()
    values = _listed_values(name, at, what)
    _refuse_repeated(name, values, what)
    # True == 1 in Python, but True is no level of a column of numbers
    absent = [v for v in values if not any(v == k and _same_kind(v, k) for k in known)]
    if absent:
        hint = near_matches(str(absent[0]), map(str, known))
        raise DataError(
            f"{what}: at[{name!r}] has values that are no levels: {named(absent)}. "
            f"It knows {named(known)}.{other_type(values_of(absent), known) or hint}"
        )
    chosen = np.array([known.index(v) for v in values], dtype=np.intp)
    return Predictor(name, levels, codes, chosen, "at")


def _same_kind(value: Any, level: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) == isinstance(level, bool)


def _listed_values(name: str, at: Any, what: str) -> list[Any]:
    """One value, or several, as a list."""
    if isinstance(at, (str, bytes)) or np.ndim(at) == 0:
        return [at.item() if isinstance(at, np.generic) else at]
    values = values_of(at)
    if not values:
        raise ArgumentError(f"{what}: at[{name!r}] is empty: at least one value is needed.")
    return values


def _refuse_repeated(name: str, values: list[Any], what: str) -> None:
    twice = [v for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise ArgumentError(f"{what}: at[{name!r}] has {twice[0]!r} twice.")


def chosen_names(argument: str, value: Any, names: list[str], what: str) -> list[str]:
    """Names of predictors given as one text or a sequence of texts.

    Raises
    ------
    ArgumentError
        Not texts, or a name twice.
    ColumnError
        No predictor of the fixed part.
    """
    if value is None:
        return []
    given = [value] if isinstance(value, str) else None
    if given is None:
        try:
            given = list(value)
        except TypeError:
            given = [value]
    for name in given:
        if not isinstance(name, str):
            raise ArgumentError(
                f"{what}: {argument}={short_repr(value)}: a name or a list of names is needed."
            )
        if name not in names:
            raise ColumnError(
                f"{what}: {argument} has `{name}`, which is not a predictor of the fixed part."
                f"{_formula_hint(name) or near_matches(name, names)}{_known(names)}"
            )
    twice = [name for i, name in enumerate(given) if name in given[:i]]
    if twice:
        raise ArgumentError(f"{what}: {argument} has `{twice[0]}` twice.")
    return given


def _formula_hint(name: str) -> str:
    if not set(name) & set("~|*:+"):
        return ""
    return " Formulas are not read here: give the factors as a list, and those of `|` as by=."
