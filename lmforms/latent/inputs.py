"""From what users hold to checked matrices with labels, or an error that names the culprit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..errors import DataError, listed
from .objective import Modalities


@dataclass(frozen=True, eq=False)
class Block:
    """One modality: values, and labels where the user gave some.

    Attributes
    ----------
    name : str
        Y, X or Z.
    values : ndarray or scipy.sparse.csr_array (n, c)
    rows, columns : pandas.Index or None
    """

    name: str
    values: Any
    rows: pd.Index | None = None
    columns: pd.Index | None = None

    def label(self, place: int) -> str:
        """What to call a column in a message."""
        return str(self.columns[place]) if self.columns is not None else f"column {place}"


def block(data: Any, name: str, missing: bool = False) -> Block:
    """A frame, array or sparse matrix as a :class:`Block` of finite floats.

    Parameters
    ----------
    data : DataFrame, Series, array or sparse matrix
    name : str
        For messages.
    missing : bool
        Whether NaN may stand in it.

    Raises
    ------
    DataError
        Not numeric, not two-dimensional, empty, or not finite.

    Examples
    --------
    >>> block([[1, 2], [3, 4]], "X").values
    array([[1., 2.],
           [3., 4.]])
    """
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if isinstance(data, pd.DataFrame):
        found = Block(name, _frame_values(data, name), data.index, data.columns)
    elif sp.issparse(data):
        found = Block(name, sp.csr_array(data).astype(np.float64))
    else:
        found = Block(name, _array_values(data, name))
    if 0 in found.values.shape:
        n, c = found.values.shape
        raise DataError(f"{name} is empty: {n} rows and {c} columns.")
    _check_finite(found, missing)
    return found


def modalities(Y: Block, X: Block, Z: Block) -> Modalities:
    """Three blocks of the same rows as what the numerical side sees.

    Raises
    ------
    DataError
        Row counts or row labels differ, a modality is constant, a column of Y is never seen.
    """
    check_rows([Y, X, Z])
    Y = dense(Y)
    seen = ~np.isnan(Y.values)
    for part in (Y, X, Z):
        _check_varies(part)
    if seen.all():
        return Modalities(Y.values, X.values, Z.values)
    unseen = [Y.label(int(j)) for j in np.flatnonzero(~seen.any(axis=0))]
    if unseen:
        raise DataError(f"Y has no known entry in {listed(unseen)}: drop what was never measured.")
    return Modalities(np.where(seen, Y.values, 0.0), X.values, Z.values, seen)


def check_rows(blocks: list[Block]) -> None:
    """Refuse blocks whose rows are not the same.

    Raises
    ------
    DataError
    """
    first = blocks[0]
    for other in blocks[1:]:
        n, r = first.values.shape[0], other.values.shape[0]
        if n != r:
            raise DataError(
                f"{first.name} has {n} rows and {other.name} has {r}: row i of each must be "
                "the same sample. Select the rows that all of them have."
            )
    labelled = [b for b in blocks if b.rows is not None]
    for other in labelled[1:]:
        if not labelled[0].rows.equals(other.rows):  # type: ignore[union-attr]
            raise DataError(
                f"{labelled[0].name} and {other.name} have different row labels. Put them in one "
                f"order, as in {other.name}.loc[{labelled[0].name}.index], or pass arrays."
            )


def check_columns(found: Block, expected: int, columns: pd.Index | None, place: str) -> None:
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


def dense(found: Block) -> Block:
    """The same block as an array."""
    if not sp.issparse(found.values):
        return found
    return Block(found.name, found.values.toarray(), found.rows, found.columns)


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


def _array_values(data: Any, name: str) -> np.ndarray:
    try:
        values = np.asarray(data)
        if np.iscomplexobj(values) or values.dtype.kind not in "biufO":
            raise TypeError(f"entries of type {values.dtype}")
        values = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} is not numeric ({error}): pass an array of numbers, a frame of numeric "
            "columns or a sparse matrix."
        ) from error
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise DataError(f"{name} has {values.ndim} dimensions; it must have rows and columns.")
    return values


def _check_finite(found: Block, missing: bool) -> None:
    A = found.values
    entries = A.data if sp.issparse(A) else A
    if np.isfinite(entries).all():
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


def _check_varies(found: Block) -> None:
    A = found.values
    if sp.issparse(A):
        varies = (A.max(axis=0) - A.min(axis=0)).count_nonzero() > 0
    else:  # a few rows tell as a rule
        varies = any(
            (np.fmax.reduce(rows, axis=0) > np.fmin.reduce(rows, axis=0)).any()
            for rows in (A[:1000], A)
        )
    if not varies:
        raise DataError(
            f"{found.name} is constant: none of its columns varies over the rows, so that there "
            "is nothing to decompose. Leave the intercept out and centre the columns instead."
        )
