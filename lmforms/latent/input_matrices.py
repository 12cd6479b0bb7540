"""The user's matrices, checked and with labels, or an error that names the column at fault.

X and Z may each be one matrix, a list of them or a mapping from names to them. One is called by
its letter, those of a list X1, X2, …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import ArgumentError, DataError, listed
from ..support.arrays import real_values
from .constant_columns import check_some_vary, constant_values
from .modalities import Modalities, Modality, Side


@dataclass(frozen=True, eq=False)
class LabelledMatrix:
    """One modality: values, and labels where the user gave some.

    Attributes
    ----------
    name : str
    side : Side
    values : ndarray or scipy.sparse.csr_array (n, c)
    rows, columns : pandas.Index or None
    """

    name: str
    side: Side
    values: Any
    rows: pd.Index | None = None
    columns: pd.Index | None = None

    def label(self, place: int) -> str:
        """The name of a column in a message."""
        return str(self.columns[place]) if self.columns is not None else f"column {place}"


def matrices_by_name(data: Any, letter: str) -> dict[str, Any]:
    """Matrices of one side by name.

    Parameters
    ----------
    data : a matrix, a list of matrices or None, or a mapping from names to matrices
    letter : str
        The name of a single matrix; in a list it is followed by a number.

    Raises
    ------
    ArgumentError
        A list or mapping is empty, or a name is not a string.

    Examples
    --------
    >>> several = [np.eye(2), None, np.ones((2, 3))]
    >>> list(matrices_by_name(np.eye(2), "X")), list(matrices_by_name(several, "X"))
    (['X'], ['X1', 'X3'])
    """
    if isinstance(data, Mapping):
        found = dict(data)
        odd = [repr(name) for name in found if not isinstance(name, str)]
        if odd:
            raise ArgumentError(f"The names in {letter} must be strings, not {listed(odd)}.")
    elif _is_list_of_matrices(data):
        found = {f"{letter}{i}": A for i, A in enumerate(data, 1) if A is not None}
    elif isinstance(data, (list, tuple)) and any(hasattr(A, "shape") for A in data):
        raise ArgumentError(
            f"{letter} is a list of which not all are matrices: put vectors side by side "
            "(numpy.column_stack), or give each as a matrix of one column."
        )
    else:
        return {letter: data}
    if not found:
        raise ArgumentError(f"{letter} holds no matrix: give one, or several in a list or mapping.")
    return found


def _is_list_of_matrices(data: Any) -> bool:
    """A list of numbers or of rows is one matrix."""
    if not isinstance(data, (list, tuple)):
        return False
    return all(A is None or len(getattr(A, "shape", ())) == 2 for A in data)


def checked_matrices(Y: Any, X: Any, Z: Any) -> tuple[LabelledMatrix, ...]:
    """All modalities of a fit, checked one by one, the response first.

    Raises
    ------
    ArgumentError
        Two have the same name.
    DataError
        See :func:`checked_matrix`.
    """
    fixed, random = matrices_by_name(X, "X"), matrices_by_name(Z, "Z")
    twice = [name for name in random if name in fixed] + [n for n in (*fixed, *random) if n == "Y"]
    if twice:
        raise ArgumentError(f"Two modalities are called {listed(twice)}: give each its own name.")
    return (
        checked_matrix(Y, "Y", Side.RESPONSE),
        *(checked_matrix(A, name, Side.FIXED) for name, A in fixed.items()),
        *(checked_matrix(A, name, Side.RANDOM) for name, A in random.items()),
    )


def checked_matrix(data: Any, name: str, side: Side) -> LabelledMatrix:
    """A frame, array or sparse matrix as a :class:`LabelledMatrix` of floats.

    They are finite, but for NaN in a response.

    Raises
    ------
    DataError
        Not numeric, not two-dimensional, empty, or not finite.

    Examples
    --------
    >>> checked_matrix([[1, 2], [3, 4]], "X", Side.FIXED).values
    array([[1., 2.],
           [3., 4.]])
    """
    if data is None:
        raise DataError(f"{name} is None: pass an array, a frame or a sparse matrix.")
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, pd.DataFrame):
        found = LabelledMatrix(name, side, _frame_values(data, name), data.index, data.columns)
    elif sp.issparse(data):
        values = _sparse_values(data, name)
        found = LabelledMatrix(name, side, values.toarray() if side is Side.RESPONSE else values)
    else:
        found = LabelledMatrix(name, side, _array_values(data, name))
    if 0 in found.values.shape:
        n, c = found.values.shape
        raise DataError(f"{name} is empty: {n} rows and {c} columns.")
    _check_finite(found)
    return found


def modalities(matrices: Sequence[LabelledMatrix]) -> Modalities:
    """Blocks of the same rows as numerical modalities.

    Raises
    ------
    DataError
        Row counts or row labels differ, or a column of Y has no known entry.
    """
    check_rows(matrices)
    for found in matrices:
        known = ~np.isnan(found.values).all(axis=0) if found.side is Side.RESPONSE else np.True_
        if not known.all():
            unseen = listed([found.label(int(j)) for j in np.flatnonzero(~known)])
            raise DataError(
                f"{found.name} has no known entry in {unseen}: drop what was never measured."
            )
    return Modalities(tuple(modality(found) for found in matrices))


def modality(found: LabelledMatrix) -> Modality:
    """Values with zeros for NaN, and the mask of those that are known."""
    if found.side is Side.RESPONSE and np.isnan(found.values).any():
        seen = ~np.isnan(found.values)
        return Modality(np.where(seen, found.values, 0.0), found.side, seen)
    return Modality(found.values, found.side)


def check_vary(matrices: Sequence[LabelledMatrix]) -> None:
    """Refuse a modality of which no column varies.

    Raises
    ------
    DataError
    """
    for found in matrices:
        check_some_vary(found.name, constant_values(found.values))


def check_rows(matrices: Sequence[LabelledMatrix]) -> None:
    """Refuse matrices whose rows are not the same.

    Raises
    ------
    DataError
    """
    first = matrices[0]
    for other in matrices[1:]:
        n, r = first.values.shape[0], other.values.shape[0]
        if n != r:
            raise DataError(
                f"{first.name} has {n} rows and {other.name} has {r}: row i of each must be "
                "the same sample. Select the rows that all of them have."
            )
    labelled = [b for b in matrices if b.rows is not None]
    for other in labelled[1:]:
        if not labelled[0].rows.equals(other.rows):  # type: ignore[union-attr]
            raise DataError(
                f"{labelled[0].name} and {other.name} have different row labels. Put them in one "
                f"order, as in {other.name}.loc[{labelled[0].name}.index], or pass arrays."
            )


def check_columns(
    found: LabelledMatrix, expected: int, columns: pd.Index | None, place: str
) -> None:
    """Refuse new rows whose columns are not those of the fit, which are at `place`.

    Raises
    ------
    DataError
    """
    count = found.values.shape[1]
    if count != expected:
        raise DataError(f"{found.name} has {count} columns and was fitted with {expected}.")
    if columns is not None and found.columns is not None and not columns.equals(found.columns):
        raise DataError(
            f"{found.name} has other columns than it was fitted with, or another order: "
            f"select them with {found.name}[{place}]."
        )


def _frame_values(data: pd.DataFrame, name: str) -> np.ndarray:
    odd = [str(c) for c, kind in zip(data.columns, data.dtypes) if not _numeric(kind)]
    if odd:
        raise DataError(
            f"{name} has columns that are not numeric: {listed(odd)}. Turn categories into "
            "indicator columns (pandas.get_dummies) and text into numbers first."
        )
    return np.ascontiguousarray(data.to_numpy(dtype=np.float64, na_value=np.nan))


def _numeric(kind: Any) -> bool:
    real = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    return bool(real or pd.api.types.is_bool_dtype(kind))


def _sparse_values(data: Any, name: str) -> sp.csr_array:
    if data.dtype.kind not in "biuf":
        raise DataError(f"{name} is not numeric: its entries are of type {data.dtype}.")
    column = data.reshape((-1, 1)) if data.ndim == 1 else data
    values = sp.csr_array(column).astype(np.float64, copy=False)
    if not values.has_canonical_format:  # entries of one place would count one by one in ‖·‖²
        values = values.copy()
        values.sum_duplicates()
    return values


def _array_values(data: Any, name: str) -> np.ndarray:
    try:
        values = np.ascontiguousarray(real_values(data))
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise DataError(
            f"{name} is not numeric ({error}): pass an array of numbers, a frame of numeric "
            "columns or a sparse matrix."
        ) from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise DataError(f"{name} has {values.ndim} dimensions; it must have rows and columns.")
    return values


def _check_finite(found: LabelledMatrix) -> None:
    A, missing = found.values, found.side is Side.RESPONSE
    entries = A.data if sp.issparse(A) else A
    if np.isfinite(np.vdot(entries, entries)):  # no mask as large as the data
        return
    bad = np.isinf(entries) if missing else ~np.isfinite(entries)
    if not bad.any():
        return
    places = np.unique(A.indices[bad]) if sp.issparse(A) else np.flatnonzero(bad.any(axis=0))
    names = listed([found.label(int(j)) for j in places])
    way = (
        "Write NaN where a response was not measured."
        if missing
        else "Only Y may have gaps: impute these entries or drop the rows."
    )
    raise DataError(f"{found.name} has missing or infinite entries in {names}. {way}")
