"""Rows drawn by whole levels of a grouping factor, as rows of new levels.

A level that is drawn twice is two levels of the new data, and so is every level of a factor, and
every series of residuals, that lies within it. Factors that cross the one drawn keep their levels.

References
----------
Davison, Hinkley (1997), *Bootstrap Methods and their Application*, section 3.8.

Van der Leeden, Meijer, Busing (2008), *Resampling multilevel models*, in De Leeuw, Meijer (eds.),
*Handbook of Multilevel Analysis*, section 11.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ...data.design import Design, GroupingFactor
from ...engine.linalg.independent_columns import independent_columns
from ...errors import ArgumentError, ModelError, near_matches
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arguments import short_repr
from ...support.arrays import FloatArray, IndexArray
from ...support.column_table import Table

FEWEST_LEVELS = 2
"""Levels left in a factor that has a variance."""


@dataclass(frozen=True, eq=False)
class CasePlan:
    """Which rows belong to the levels that are drawn, and what lies within them.

    Attributes
    ----------
    state : FitState
    by : str
        Name of the grouping factor drawn.
    order, ends : ndarray of int (n,), (q + 1,)
        Rows sorted by level, and where the rows of each begin.
    nested : tuple of bool
        Of each grouping factor, whether its levels lie within those drawn.
    """

    state: FitState
    by: str
    order: IndexArray
    ends: IndexArray
    nested: tuple[bool, ...]

    @classmethod
    def of(cls, state: FitState, by: Any) -> CasePlan:
        """Check that the levels of a factor, the outermost by default, can be drawn.

        Raises
        ------
        ArgumentError
            There is no such factor, or none that the others lie within.
        ModelError
            Rows, effects or residuals of different levels are not independent.
        """
        group = _factor_drawn(state, by)
        q = len(group.labels)
        if q < FEWEST_LEVELS + 1:
            raise ModelError(
                f"bootstrap: `{group.name}` has {q} levels, and a case bootstrap draws levels. Use "
                "kind='parametric'."
            )
        nested = tuple(_is_within(g.codes, group.codes) for g in state.design.groups)
        for g, inner in zip(state.design.groups, nested, strict=True):
            if inner and g.name in state.relationship:
                raise ModelError(
                    f"bootstrap: levels of `{g.name}` are related, so that they cannot be drawn "
                    "independently. Use kind='parametric', or `by=` another grouping factor."
                )
        residual = state.residual
        within = residual.is_within(group.codes)
        if isinstance(residual, ParametricResidual) and residual.correlation is not None:
            within = _is_within(residual.series, group.codes)
        if not within:
            raise ModelError(
                f"bootstrap: residuals are correlated across levels of `{group.name}`, so that "
                "they cannot be drawn independently. Use kind='parametric'."
            )
        order = np.argsort(group.codes, kind="stable")
        ends = np.searchsorted(group.codes[order], np.arange(q + 1))
        return cls(state, group.name, order, ends, nested)

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.ends) - 1

    def label(self, j: int) -> str:
        """The j-th level as it is written in Python."""
        group = next(g for g in self.state.design.groups if g.name == self.by)
        level = group.levels[j]
        return repr(level.item() if isinstance(level, np.generic) else level)

    def draw(self, generator: np.random.Generator) -> IndexArray:
        """Levels drawn with replacement, (q,)."""
        return generator.integers(self.n_levels, size=self.n_levels)

    def matching_rows(self) -> IndexArray | None:
        """Rows of each level (q, rows of a level) in an order in which their designs are the same.

        None where levels differ in anything but the response and the offset, or another factor
        groups them too.
        """
        design, sizes = self.state.design, np.diff(self.ends)
        if len(design.groups) != 1 or (sizes != sizes[0]).any():
            return None
        variances = self.state.residual.variances()
        known = np.ones(design.n) if variances is None else variances
        columns = np.column_stack([design.X, design.basis(design.groups[0]), known])
        order = np.lexsort([*columns.T, design.groups[0].codes])
        rows = order.reshape(self.n_levels, -1)
        return rows if (columns[rows] == columns[rows[0]]).all() else None

    def design(self, levels: IndexArray) -> Design | None:
        """The design of some levels, each time as a new one.

        None where a factor is left with one level, or X loses a column.
        """
        old = self.state.design
        counts = np.diff(self.ends)[levels]
        starts = np.repeat(self.ends[levels] - np.append(0, np.cumsum(counts)[:-1]), counts)
        rows = self.order[starts + np.arange(len(starts))]
        drawn = np.repeat(np.arange(len(levels)), counts)
        groups = []
        for group, inner in zip(old.groups, self.nested, strict=True):
            codes = group.codes[rows]
            if inner:
                codes = _renumbered(drawn, codes)
                group = group.with_levels(pd.RangeIndex(codes.max() + 1))
            if len(np.unique(codes)) < FEWEST_LEVELS:
                return None
            groups.append(replace(group, codes=codes))
        fixed = replace(old.fixed, values=old.fixed.values[rows])
        made = replace(
            old,
            formula_data=_rows_of(old, rows),
            in_model=np.ones(len(rows), dtype=bool),
            y=self.state.response[rows],
            offset=old.offset[rows],
            fixed=fixed,
            offsets=tuple(replace(m, values=m.values[rows]) for m in old.offsets),
            terms=tuple(
                replace(t, matrix=replace(t.matrix, values=t.matrix.values[rows]))
                for t in old.terms
            ),
            groups=tuple(groups),
            **_residual_of(self.state, rows, drawn),
        )
        return made if _has_full_rank(made.X) else None


def _factor_drawn(state: FitState, by: Any) -> GroupingFactor:
    groups = state.design.groups
    if not groups:
        raise ModelError(
            "bootstrap: a case bootstrap draws levels of a grouping factor, and this model has "
            "none. Use kind='parametric' or 'residual'."
        )
    names = [g.name for g in groups]
    if by is not None:
        if by not in names:
            hint = near_matches(by, names) if isinstance(by, str) else ""
            raise ArgumentError(
                f"by={short_repr(by)} is no grouping factor of the model, which has "
                f"{', '.join(names)}.{hint}"
            )
        return groups[names.index(by)]
    outer = [g for g in groups if all(_is_within(h.codes, g.codes) for h in groups)]
    if not outer:
        raise ArgumentError(
            f"bootstrap: the grouping factors {', '.join(names)} are crossed. Say which levels a "
            f"case bootstrap draws, such as by={names[0]!r}: the others keep theirs."
        )
    return outer[0]


def _is_within(inner: IndexArray, outer: IndexArray) -> bool:
    """Whether all rows with one inner code have one outer code."""
    found = np.zeros(int(inner.max()) + 1, dtype=np.intp)
    found[inner] = outer
    return bool((found[inner] == outer).all())


def _renumbered(drawn: IndexArray, codes: IndexArray) -> IndexArray:
    """Codes 0, 1, … of the pairs that there are."""
    keys = drawn * (int(codes.max()) + 1) + codes
    return np.asarray(np.unique(keys, return_inverse=True)[1].reshape(-1), dtype=np.intp)


def _has_full_rank(X: FloatArray) -> bool:
    """Whether there are more rows than columns, and these are independent."""
    return len(X) > X.shape[1] and len(independent_columns(X)) == X.shape[1]


def _residual_of(state: FitState, rows: IndexArray, drawn: IndexArray) -> dict[str, Any]:
    """`residual` and `structure` of the design, with series of the new levels."""
    old, bound = state.design.residual, state.design.structure
    residual = old.subset(rows)
    if not isinstance(residual, ParametricResidual) or bound is None:
        return {"residual": residual}
    series = residual.series
    if residual.correlation is not None:
        series = _renumbered(drawn, series)
        residual = replace(residual, series=series, order=None, cells=None)
    own = replace(bound, points=bound.points[rows], series=series, variance=residual.variance)
    return {"residual": residual, "structure": own}


def _rows_of(design: Design, rows: IndexArray) -> Any:
    """The formula's data in the rows drawn, numbered."""
    frame = design.frame
    places = np.flatnonzero(design.in_model)[rows]
    index = pd.RangeIndex(len(rows))
    columns = {
        name: column.iloc[places].set_axis(index) for name, column in frame.table.columns.items()
    }
    extra = {name: values[places] for name, values in frame.extra.items()}
    table = Table(columns, index)
    made = replace(frame, table=table, complete=np.ones(len(rows), dtype=bool), extra=extra)
    return replace(design.formula_data, frame=made, rows=None)
