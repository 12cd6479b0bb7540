"""Which rows are a cluster, and whether clusters are independent under the working model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...data.group_codes import group_codes
from ...errors import ColumnError, ModelError, listed, near_matches
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arrays import IndexArray
from ..degrees_of_freedom.connected_rows import RandomRows
from ..row_labels import labels_of_rows


@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition of the rows of a fit.

    Attributes
    ----------
    name : str
    codes : ndarray of int (n,)
        0 … count − 1, each with rows.
    count : int
    """

    name: str
    codes: IndexArray
    count: int


def clusters_of(state: FitState, random: Sequence[RandomRows], cluster: Any) -> Clusters:
    """The clusters that were asked for, checked.

    Parameters
    ----------
    state : FitState
    random : sequence of RandomRows
        Its rows by grouping factor.
    cluster : str, array or None
        A grouping factor, a column of the fit, or a label for each row. None for the grouping
        factor, or the series of the residuals, that all others are nested in.

    Raises
    ------
    ArgumentError, ColumnError
        There is no such factor or column.
    DataError
        Labels are missing, or not one for each row.
    ModelError
        Rows of different clusters are correlated; there is only one cluster.
    """
    if cluster is None:
        found = _outermost(state, random)
    else:
        found = _numbered(*_labels(state, cluster))
        reason = _why_correlated(state, random, found.codes)
        if reason:
            raise ModelError(
                f"cluster={found.name}: rows of different clusters are correlated, since {reason}. "
                f"{_advice(state, random)}"
            )
    if found.count < 2:
        raise ModelError(
            f"cluster={found.name}: all rows are one cluster; a robust covariance needs several."
        )
    return found


def _candidates(state: FitState) -> list[Clusters]:
    """The partitions of the rows that the model itself has."""
    residual, spec = state.residual, state.design.residual_spec
    out = [_numbered(group.factor, group.codes) for group in state.design.groups]
    if isinstance(residual, ParametricResidual) and spec is not None and spec.group:
        out.append(_numbered(":".join(spec.group), residual.series))
    return out


def _numbered(name: str, codes: Any) -> Clusters:
    used, numbers = np.unique(codes, return_inverse=True)
    return Clusters(name, numbers.ravel().astype(np.intp), len(used))


def _outermost(state: FitState, random: Sequence[RandomRows]) -> Clusters:
    candidates = _candidates(state)
    if not candidates:
        raise ModelError(
            "the model has no grouping factor to take clusters from: name them by cluster=."
        )
    for found in candidates:
        if not _why_correlated(state, random, found.codes):
            return found
    raise ModelError(_advice(state, random))


def _advice(state: FitState, random: Sequence[RandomRows]) -> str:
    candidates = _candidates(state)
    working = [c.name for c in candidates if not _why_correlated(state, random, c.codes)]
    if working:
        return f"Use cluster='{working[0]}'."
    way = "use the model's own covariance, with ddf='satterthwaite'."
    if not candidates:
        return f"The model has no grouping factor: {way}"
    reasons = [
        f"not by `{c.name}`, since {_why_correlated(state, random, c.codes)}" for c in candidates
    ]
    return (
        f"No factor of the model makes independent clusters: {'; '.join(reasons)}. "
        "Give a coarser factor as cluster=, which all of these are nested in, if there is one; "
        f"else {way}"
    )


def _why_correlated(state: FitState, random: Sequence[RandomRows], codes: IndexArray) -> str | None:
    """Why rows of different clusters are correlated; None if they are not."""
    for group, rows in zip(state.design.groups, random, strict=True):
        if not _is_within(rows.codes, codes):
            return f"levels of `{group.factor}` are in several of them"
        if rows.K is not None and _relates(rows, codes):
            return f"the relationship of `{group.name}` relates levels of different ones"
    if not state.residual.is_within(codes):
        return "the residuals of different ones are correlated"
    return None


def _is_within(inner: IndexArray, outer: IndexArray) -> bool:
    """Whether all rows with one inner code have one outer code."""
    first = np.full(int(inner.max(initial=-1)) + 1, -1)
    first[inner[::-1]] = outer[::-1]
    return bool((first[inner] == outer).all())


def _relates(rows: RandomRows, codes: IndexArray) -> bool:
    """Whether K has entries between levels of different clusters."""
    assert rows.K is not None
    levels, first = np.unique(rows.codes, return_index=True)
    of_level = codes[first]
    a, b = np.nonzero(rows.K[np.ix_(levels, levels)])
    return bool((of_level[a] != of_level[b]).any())


def _labels(state: FitState, cluster: Any) -> tuple[str, IndexArray]:
    """Name and codes of what was given as cluster=."""
    design = state.design
    if isinstance(cluster, str):
        for found in _candidates(state):
            if found.name == cluster:
                return cluster, found.codes
        table = design.frame.table
        if cluster not in table:
            known = [*(c.name for c in _candidates(state)), *table]
            raise ColumnError(
                f"cluster={cluster!r} is neither a grouping factor nor a column that the fit has."
                f"{near_matches(cluster, known)} It has {listed(list(dict.fromkeys(known)))}. A "
                f"column that the formula does not use is given itself: cluster=data[{cluster!r}]."
            )
        return cluster, group_codes(table[cluster][design.in_model])[0]
    labels = labels_of_rows("cluster", cluster, design)
    name = "the given labels" if labels.name is None else str(labels.name)
    return name, group_codes(labels.rename(name))[0]
