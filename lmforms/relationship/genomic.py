"""Genomic relationship from markers, converted to double precision block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import RelationshipError
from ..support.arguments import named_arguments, one_of, whole_number
from ..support.arrays import AnyArray, BoolArray, FloatArray
from . import check
from .labels import checked_labels, named, values_of
from .matrix import Relationship
from .representations import DenseMatrix

BLOCK_ENTRIES = 1 << 22
"""Entries of a block of markers in double precision: 32 MB."""


@named_arguments
def vanraden(
    markers: Any,
    *,
    method: Literal[1, 2] = 1,
    frequencies: Any = None,
    labels: Any = None,
    missing: Literal["mean", "raise"] = "mean",
    monomorphic: Literal["raise", "drop"] = "raise",
) -> Relationship:
    r"""VanRaden's genomic relationship G of n individuals from m markers.

    With :math:`Z = M - 2p'` for allele counts M and allele frequencies p,

    .. math:: G_1 = \frac{ZZ'}{2\sum_j p_j(1-p_j)}, \qquad
              G_2 = \frac1m \sum_j \frac{z_j z_j'}{2p_j(1-p_j)}.

    Parameters
    ----------
    markers : DataFrame (n, m) or ndarray (n, m)
        Copies of one allele, 0 to 2 (dosages between are fine), of any numeric type; the index
        of a frame has the labels. NaN is missing.
    method : {1, 2}
        1 weights markers by their variance, 2 scales each to variance one.
    frequencies : sequence of m numbers, optional
        Frequencies of the counted allele in the base population, in the order of the columns,
        or a Series with their names; otherwise those of the markers that are given.
    labels : sequence of n values, optional
        For markers without an index.
    missing : {"mean", "raise"}
        Whether a missing count is replaced by 2p, which adds nothing to G, or refused.
    monomorphic : {"raise", "drop"}
        What is done with markers that do not vary (with `frequencies`: of frequency 0 or 1).

    Returns
    -------
    Relationship
        Dense. Without `frequencies`, G has the null vector 1: its rank is below n.

    Raises
    ------
    RelationshipError
        If counts are outside of 0 to 2, missing, or of markers that do not vary.

    References
    ----------
    VanRaden (2008), Efficient methods to compute genomic predictions, Journal of Dairy Science
    91, 4414–4423.

    Examples
    --------
    >>> counts = np.array([[0, 1, 2], [1, 1, 0], [2, 0, 1]], dtype=np.int8)
    >>> G = vanraden(counts, labels=["a", "b", "c"])
    >>> G.dense().round(3)
    array([[ 1.462, -0.615, -0.846],
           [-0.615,  0.769, -0.154],
           [-0.846, -0.154,  1.   ]])
    """
    method = 1 if whole_number("method", method, least=1, most=2) == 1 else 2
    one_of("missing", missing, ("mean", "raise"))
    one_of("monomorphic", monomorphic, ("raise", "drop"))
    columns = values_of(markers.columns) if hasattr(markers, "columns") else None
    matrix, labels = check.matrix_and_labels("markers", markers, labels)
    names = checked_labels(labels)
    counts = _checked_counts(matrix, len(names))
    found = _marker_summary(counts)
    marker = np.arange(counts.shape[1]) if columns is None else columns
    _check_marker_summary(found, marker, missing)
    if frequencies is None:
        p, flat = found.mean / 2.0, found.flat
    else:
        if columns is not None:
            import pandas as pd

            from ..data.align import in_name_order

            named_so = pd.Index(columns, tupleize_cols=False)
            frequencies = in_name_order("frequencies", frequencies, named_so)
        p = _checked_frequencies(frequencies, counts.shape[1])
        flat = (p <= 0.0) | (p >= 1.0)
    if flat.any() and monomorphic == "raise":
        culprits = [marker[j] for j in np.flatnonzero(flat)]
        raise RelationshipError(
            f"Markers that do not vary: {named([_plain(c) for c in culprits])}. "
            "`monomorphic='drop'` leaves them out."
        )
    if flat.all():
        raise RelationshipError("No marker varies.")
    return Relationship(names, DenseMatrix(_products(counts, p, ~flat, method)))


@dataclass(frozen=True, eq=False)
class _MarkerSummary:
    """Properties of the columns: means, missing values, constant, out of range."""

    mean: FloatArray
    gaps: BoolArray
    flat: BoolArray
    outside: BoolArray


def _checked_counts(matrix: Any, n: int) -> AnyArray:
    try:
        counts = matrix if isinstance(matrix, np.ma.MaskedArray) else np.asarray(matrix)
    except ValueError:
        raise RelationshipError("Markers must be a matrix (n, m), not lists of lengths.") from None
    if counts.ndim != 2 or counts.shape[1] == 0:
        raise RelationshipError(f"Markers must be (n, m); they have shape {counts.shape}.")
    if counts.shape[0] != n:
        raise RelationshipError(f"There are markers of {len(counts):,} rows, but {n:,} labels.")
    if isinstance(counts, np.ma.MaskedArray) and counts.dtype.kind in "biuf":
        if np.ma.is_masked(counts):
            wide = counts.astype(np.result_type(counts.dtype, np.float32))
            return np.asarray(np.ma.filled(wide, np.nan))
        return np.asarray(counts)
    if counts.dtype.kind == "O":  # nullable columns of pandas arrive as objects
        import pandas as pd

        counts = np.ma.filled(counts, np.nan)
        try:
            return check.real_numbers(np.where(pd.isna(counts), np.nan, counts), "Markers")
        except RelationshipError:
            raise RelationshipError("Markers must be numbers: copies of one allele.") from None
    if counts.dtype.kind not in "biuf":
        raise RelationshipError("Markers must be numbers: copies of one allele.")
    return counts


def _blocks(counts: AnyArray) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of columns in double precision, in the order of BLAS."""
    n, m = counts.shape
    step = max(1, BLOCK_ENTRIES // max(n, 1))
    for start in range(0, m, step):
        part = slice(start, min(start + step, m))
        yield part, np.array(counts[:, part], dtype=np.float64, order="F")


def _marker_summary(counts: AnyArray) -> _MarkerSummary:
    m = counts.shape[1]
    mean = np.empty(m)
    gaps, flat, outside = (np.empty(m, dtype=bool) for _ in range(3))
    for part, block in _blocks(counts):
        there = ~np.isnan(block)
        seen = there.sum(axis=0)
        low = np.where(there, block, np.inf).min(axis=0, initial=np.inf)
        high = np.where(there, block, -np.inf).max(axis=0, initial=-np.inf)
        total = np.where(there, block, 0.0).sum(axis=0)
        mean[part] = total / np.maximum(seen, 1)
        gaps[part] = seen < len(block)
        flat[part] = high <= low
        outside[part] = (seen > 0) & ((low < 0.0) | (high > 2.0))
    return _MarkerSummary(mean, gaps, flat, outside)


def _check_marker_summary(found: _MarkerSummary, marker: Any, missing: str) -> None:
    if found.outside.any():
        culprits = [_plain(marker[j]) for j in np.flatnonzero(found.outside)]
        raise RelationshipError(
            f"Markers must count copies of one allele, 0 to 2. Others are in {named(culprits)}. "
            "A code for missing counts must be NaN."
        )
    if missing == "raise" and found.gaps.any():
        culprits = [_plain(marker[j]) for j in np.flatnonzero(found.gaps)]
        raise RelationshipError(
            f"Counts are missing in {named(culprits)}. `missing='mean'` replaces them by 2p."
        )


def _checked_frequencies(frequencies: Any, m: int) -> FloatArray:
    p = check.real_numbers(frequencies, "The frequencies")
    if p.shape != (m,):
        raise RelationshipError(f"There are {m:,} markers, but frequencies of shape {p.shape}.")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        at = int(np.flatnonzero(~((p >= 0.0) & (p <= 1.0)))[0])
        raise RelationshipError(f"Frequencies must be from 0 to 1; that of marker {at} is {p[at]}.")
    return p


def _products(counts: AnyArray, p: FloatArray, use: BoolArray, method: int) -> FloatArray:
    """G (n, n): BLAS adds the products of each block onto one triangle."""
    from scipy.linalg.blas import dsyrk

    n = len(counts)
    variance = 2.0 * p * (1.0 - p)
    G = np.zeros((n, n), order="F")
    for part, block in _blocks(counts):
        block -= 2.0 * p[part]
        np.nan_to_num(block, copy=False, nan=0.0)
        if method == 2:
            block /= np.sqrt(np.where(use[part], variance[part], 1.0))
        block *= use[part]
        G = dsyrk(1.0, block, beta=1.0, c=G, lower=1, overwrite_c=1)
    G /= variance[use].sum() if method == 1 else use.sum()
    _mirror(G)
    return np.asarray(G)


def _mirror(G: FloatArray, step: int = 1024) -> None:
    """Copy the lower triangle onto the upper one, in place."""
    for start in range(0, len(G), step):
        own = slice(start, start + step)
        below = slice(start + step, None)
        G[own, below] = G[below, own].T
        square = G[own, own]
        square[...] = np.tril(square) + np.tril(square, -1).T


def _plain(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name
