"""Marginal means as linear functions of the fixed effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ...support.arrays import BoolArray, FloatArray, IndexArray
from ...tables.number_format import signed
from .contrasts import Label
from .defined_rows import defined_columns, defined_offset
from .grid import ReferenceGrid
from .grid_weights import averages
from .nesting import nesting_notes, term_columns
from .predictors import Predictor, offset_columns
from .rounding import rounding_of_means, rounding_of_slopes, without_rounding
from .slopes import data_range, slope_rows


@dataclass(frozen=True, eq=False)
class MarginalMeans:
    """Averages over a reference grid, m of them.

    Attributes
    ----------
    grid : ReferenceGrid
    spec, by : tuple of str
        What the means are of, and within the values of what they are compared.
    weights : str
    codes : ndarray of int (m, spec and by)
        Places among the values in the grid; the first name varies fastest.
    functions : ndarray (m, k)
        Of all columns of the fixed part.
    rounding : ndarray (m, k)
        Bounds of their rounding errors.
    offset : ndarray (m,)
    defined : ndarray of bool (m,)
        False where no row has any weight.
    slope_of : str or None
        The number, where they are slopes.
    """

    grid: ReferenceGrid
    spec: tuple[str, ...]
    by: tuple[str, ...]
    weights: str
    codes: IndexArray
    functions: FloatArray
    rounding: FloatArray
    offset: FloatArray
    defined: BoolArray
    slope_of: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All that the means are of."""
        return (*self.spec, *self.by)

    @cached_property
    def groups(self) -> list[IndexArray]:
        """Positions of the means of each combination of values of `by`."""
        by = self.codes[:, len(self.spec) :]
        if not by.shape[1]:
            return [np.arange(len(by))]
        _, inverse = np.unique(by[:, ::-1], axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        return [np.flatnonzero(inverse == g) for g in range(inverse.max() + 1)]

    @cached_property
    def labels(self) -> list[Label]:
        """Texts of the values of `spec`."""
        predictors = [self.grid.predictor(name) for name in self.spec]
        codes = self.codes[:, : len(self.spec)]
        shown, plain = (
            [" ".join(text[c] for text, c in zip(texts, row, strict=True)) for row in codes]
            for texts in ([p.labels for p in predictors], [p.texts for p in predictors])
        )
        return [Label(*both) for both in zip(shown, plain, strict=True)]

    def columns(self, names: Sequence[str], rows: IndexArray) -> dict[str, pd.Series]:
        """Values of some of the names in some of the means, as columns of a table."""
        out = {}
        for name in names:
            values = self.grid.predictor(name).values
            codes = self.codes[rows, self.names.index(name)]
            out[name] = values.iloc[codes].reset_index(drop=True)
        return out

    def notes(self) -> list[str]:
        """What was averaged over, what was held, and what interacts with it."""
        out = nesting_notes(self.grid.nests)
        rest = [p for p in self.grid.predictors if p.name not in self.names]
        over = [p.name for p in rest if len(p.chosen) > 1]
        if over:
            out.append(f"Averaged over {_quoted(over)}, weights: {self.weights}.")
        held = [p for p in rest if len(p.chosen) == 1 and (len(p.levels) > 1 or not p.is_factor)]
        shown = [p for p in self.grid.predictors if p.name in self.names and p.origin == "mean"]
        for p in (*held, *shown):
            out.append(_held(p))
        rest_names = [*over, *(p.name for p in held if p.name != self.slope_of)]
        touching = [name for name in rest_names if self._interacts(name)]
        if np.any(self.offset) and np.ptp(self.offset) == 0.0:
            out.append(f"The offset is held at its mean, {signed(self.offset[0], '.6g')}.")
        if touching:
            verb, it = ("interacts", "it") if len(touching) == 1 else ("interact", "them")
            out.append(
                f"{_quoted(touching)} {verb} with {_quoted(self.spec)}: differences between the "
                f"values vary with {it}."
            )
        return out

    def _interacts(self, name: str) -> bool:
        """Whether a predictor is in a term with one of `spec` (and is not nested in it)."""
        nested = {name, *self.grid.nests.get(name, ())}
        others = [
            s for s in self.spec if s not in nested and name not in self.grid.nests.get(s, ())
        ]
        terms = term_columns(self.grid.design)
        return any(name in term and bool(term & set(others)) for term in terms)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _held(p: Predictor) -> str:
    value = p.values.iloc[0]
    text = signed(value, ".6g") if isinstance(value, float) else str(value)
    if p.origin != "mean":
        return f"`{p.name}` is held at {text}."
    note = f"`{p.name}` is held at its mean, {text}."
    if p.two_values:
        note += f" It has two values: at={{'{p.name}': [...]}} takes both, as emmeans does."
    return note


def with_outer(names: Sequence[str], others: Sequence[str], grid: ReferenceGrid) -> list[str]:
    """Names, each with all that it is nested in behind it, unless that is there or in `others`."""
    out: list[str] = []
    for name in names:
        outer = [o for o in grid.nests.get(name, ()) if o not in (*names, *others)]
        out += [n for n in (name, *outer) if n not in out]
    return out


def marginal_means(
    grid: ReferenceGrid,
    spec: Sequence[str],
    by: Sequence[str],
    weights: str,
    slope_of: str | None = None,
) -> MarginalMeans:
    """Average a grid to means.

    Parameters
    ----------
    grid : ReferenceGrid
    spec, by : sequence of str
        What a nested factor is nested in is added.
    weights : str
        See :func:`lmforms.inference.means.grid_weights.averages`.
    slope_of : str, optional
        A number whose slopes are averaged, in the place of fitted values.
    """
    by = with_outer(by, (), grid)
    spec = with_outer(spec, by, grid)
    means = averages(grid, [*spec, *by], weights)
    functions, sizes = np.zeros((2, len(means.codes), grid.design.fixed.values.shape[1]))
    used = np.flatnonzero(means.weight != 0.0)
    for start in range(0, len(used), grid.cells_at_a_time):
        cells = used[start : start + grid.cells_at_a_time]
        table = grid.table(grid.codes[cells])
        if slope_of is None:
            rows = defined_columns(grid.design, table, grid.what)
        else:
            rows = slope_rows(grid.design, table, slope_of, grid.what)
        _add(functions, means.mean[cells], means.weight[cells], rows)
        _add(sizes, means.mean[cells], np.abs(means.weight[cells]), np.abs(rows))
    if slope_of is None:
        rounding = rounding_of_means(grid.design, sizes)
    else:
        rounding = rounding_of_slopes(grid.design, sizes, data_range(grid.design, slope_of))
    added = np.zeros(len(functions))
    if slope_of is None:
        values = grid_offset(grid)
        added += np.bincount(means.mean, means.weight * values, minlength=len(functions))
    return MarginalMeans(
        grid=grid,
        spec=tuple(spec),
        by=tuple(by),
        weights=weights,
        codes=means.codes,
        functions=without_rounding(functions, rounding),
        rounding=rounding,
        offset=added,
        defined=means.has_weight,
        slope_of=slope_of,
    )


def _add(total: FloatArray, target: IndexArray, weight: FloatArray, rows: FloatArray) -> None:
    """Add weighted rows to those of `total` that are their targets."""
    import scipy.sparse as sp

    where = np.arange(len(rows))
    shape = (len(total), len(rows))
    total += sp.csr_array((weight, (target, where)), shape=shape) @ rows


def grid_offset(grid: ReferenceGrid) -> FloatArray:
    """Offset of each cell: its mean over the rows, or what the values of `at` make it."""
    design = grid.design
    if not np.any(design.offset):
        return np.zeros(len(grid.codes))
    if not set(offset_columns(design)) & set(grid.names):
        return np.full(len(grid.codes), float(design.offset.mean()))
    given = design.frame.extra.get("offset", np.zeros(1))
    given = given[design.in_model] if len(given) > 1 else given
    return float(given.mean()) + defined_offset(design, grid.table(grid.codes), grid.what)
