"""Which rows are deleted together: single observations, levels of a factor, rows of equal value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...data.design import GroupingFactor
from ...data.group_codes import group_codes
from ...data.random_terms import is_told_within_levels
from ...errors import (
    ArgumentError,
    MemoryLimitError,
    ModelError,
    listed,
    near_matches,
)
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from ..row_labels import labels_of_rows

OBSERVATION = "observation"

COPIES = 5
"""Arrays of a covariance for each case that are in memory together."""


@dataclass(frozen=True, eq=False)
class Cases:
    """A partition of the rows.

    Attributes
    ----------
    by : str
        What makes the cases.
    labels : pandas.Index (m,)
    codes : ndarray of int (n,)
        Case of each row; every case has rows.
    """

    by: str
    labels: pd.Index
    codes: IndexArray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def order(self) -> IndexArray:
        """Rows case by case."""
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def counts(self) -> IndexArray:
        """Rows of each case."""
        return np.bincount(self.codes, minlength=len(self.labels))

    @property
    def are_single(self) -> bool:
        """Whether each case is one row."""
        return len(self.labels) == len(self.codes)

    def rows(self) -> Iterator[IndexArray]:
        """Rows of each case."""
        return iter(np.split(self.order, np.cumsum(self.counts)[:-1]))

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums of values (n, c) over the rows of each case, (m, c)."""
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        return np.asarray(np.add.reduceat(values[self.order], starts, axis=0))

    def of_levels(self, codes: IndexArray) -> tuple[IndexArray, IndexArray]:
        """Levels that have all their rows in one case: these cases, and the levels."""
        q = int(codes.max()) + 1
        first = np.full(q, len(self.labels), dtype=np.intp)
        last = np.full(q, -1, dtype=np.intp)
        np.minimum.at(first, codes, self.codes)
        np.maximum.at(last, codes, self.codes)
        levels = np.flatnonzero(first == last)
        return first[levels], levels

    def described(self, chosen: IndexArray) -> str:
        """Some of the cases for a message."""
        return f"{self.by} {listed([str(self.labels[i]) for i in chosen], 5)}"


def cases_of(state: FitState, by: Any) -> Cases:
    """The cases that `by` asks for.

    Parameters
    ----------
    state : FitState
    by : str or array (n,)
        See :meth:`lmforms.MixedModelResults.influence`.

    Raises
    ------
    ArgumentError
        No such column or grouping factor.
    DataError
        An array of another length, or with missing values.
    """
    design = state.design
    if not isinstance(by, str):
        values = labels_of_rows("influence: by", by, design)
        return _cases_of_values("part" if values.name is None else str(values.name), values)
    if by == OBSERVATION:
        return Cases(by, design.index, np.arange(design.n))
    group = next((g for g in design.groups if by in (g.name, g.factor)), None)
    if group is not None:
        return _cases_of_group(by, group)
    table = design.frame.table
    if by in table:
        return _cases_of_values(by, table[by][design.in_model])
    names = list(dict.fromkeys([g.name for g in design.groups] + list(table)))
    raise ArgumentError(
        f"influence: by={by!r} is neither 'observation' nor a grouping factor or a column of the "
        f"model.{near_matches(by, names)} It has {listed(names)}. For another column of the data "
        f"give its values: by=data[{by!r}]."
    )


def _cases_of_group(by: str, group: GroupingFactor) -> Cases:
    """Levels that have rows."""
    present = np.unique(group.codes)
    return Cases(by, group.levels[present], np.searchsorted(present, group.codes))


def _cases_of_values(by: str, values: pd.Series) -> Cases:
    codes, labels = group_codes(values.rename(by))
    return Cases(by, labels, codes)


# --- what may be deleted -----------------------------------------------------------------------


def check_cases(state: FitState, cases: Cases) -> None:
    """Refuse cases without which the model is none.

    Raises
    ------
    ModelError
        Without a case no rows would be left, too few rows for the fixed effects, or one level of a
        grouping factor.
    MemoryLimitError
        A covariance for each case takes too much memory.
    """
    design = state.design
    p = design.X.shape[1]
    left = design.n - cases.counts
    if not p:
        raise ModelError("influence is that on the fixed effects, and the model has none.")
    needed = 8.0 * COPIES * len(cases) * (p + 1) ** 2
    memory = state.control.memory
    if needed > memory:
        raise MemoryLimitError(
            f"influence: covariances of {p} fixed effects without each of {len(cases):,} parts "
            f"would take about {needed / 2**30:.2g} GiB, and {memory / 2**30:.2g} GiB are allowed. "
            "Delete larger parts, such as the levels of a grouping factor, or raise "
            "Control(memory=…)."
        )
    bad = np.flatnonzero(left <= p)
    if len(bad):
        raise ModelError(
            f"influence: without {cases.described(bad)} {int(left[bad[0]])} rows are left for {p} "
            "fixed effects. Delete smaller parts of the data."
        )
    for group in design.groups:
        told_within = all(is_told_within_levels(design.terms[t]) for t in group.terms)
        if told_within or group.name in state.relationship:
            continue
        present = len(np.unique(group.codes))
        gone = np.bincount(cases.of_levels(group.codes)[0], minlength=len(cases))
        bad = np.flatnonzero(present - gone < 2)
        if len(bad):
            raise ModelError(
                f"influence: without {cases.described(bad)} the grouping factor `{group.factor}` "
                "has fewer than two levels, and the model cannot be fitted. Delete smaller parts "
                f"of the data (by='observation'), or leave the term of `{group.factor}` out of "
                "the model."
            )


def are_closed(state: FitState, cases: Cases) -> bool:
    """Whether nothing connects the rows of a case with those of others: V is block-diagonal."""
    if state.relationship or not state.residual.is_within(cases.codes):
        return False
    groups = state.design.groups
    return all(len(cases.of_levels(g.codes)[0]) == len(np.unique(g.codes)) for g in groups)
