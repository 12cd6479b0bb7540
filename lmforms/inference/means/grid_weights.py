"""Weights by which the cells of a reference grid are averaged to marginal means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray
from .grid import ReferenceGrid
from .nesting import Nests

WEIGHTS = ("equal", "proportional", "cells", "outer", "flat")


@dataclass(frozen=True, eq=False)
class Averages:
    """Which cell of a grid counts how much in which mean.

    Attributes
    ----------
    codes : ndarray of int (m, kept predictors)
        Values that each mean is for; the first of the names kept varies fastest.
    mean : ndarray of int (cells,)
        The mean that a cell is part of.
    weight : ndarray (cells,)
        Its weight there; those of a mean add up to one.
    has_weight : ndarray of bool (m,)
        False where all weights of a mean are zero, so that there is none.
    """

    codes: IndexArray
    mean: IndexArray
    weight: FloatArray
    has_weight: BoolArray


def averages(grid: ReferenceGrid, keep: Sequence[str], weights: str) -> Averages:
    """Average a grid over all predictors but those named.

    Nested factors are averaged over first, within the levels of those that they are nested in.

    Parameters
    ----------
    grid : ReferenceGrid
    keep : sequence of str
        Predictors of the means; a nested one with all that it is nested in.
    weights : {"equal", "proportional", "cells", "outer", "flat"}
        Every level alike; by the frequencies of the combinations averaged over; by those of the
        cell; by products of the levels' own frequencies; cells with rows alike.

    References
    ----------
    Searle, Speed, Milliken (1980), *Population Marginal Means in the Linear Model*, The American
    Statistician 34.
    """
    names = grid.names
    numbers = {p.name for p in grid.predictors if not p.is_factor}
    codes, counts = grid.codes, grid.counts
    mean = np.arange(len(codes))
    weight = np.ones(len(codes))
    remaining = list(names)
    while over := _averaged_next(remaining, keep, grid.nests):
        within = [n for n in remaining if n not in over]
        groups = [n for n in within if any(n in grid.nests.get(o, ()) for o in over)]
        w = _stage_weights(
            counts,
            {n: codes[:, names.index(n)] for n in remaining},
            over,
            groups,
            weights,
            numbers,
        )
        target, first = _grouped(codes, [names.index(n) for n in within])
        total = np.bincount(target, w, minlength=len(first))
        with np.errstate(invalid="ignore"):
            w = w / total[target]
        weight = weight * w[mean]
        mean = target[mean]
        codes = codes[first]
        # numbers do not count: cells that differ in them have one set of rows
        share = np.ones(len(counts))
        for n in set(over) & numbers:
            share /= len(grid.predictor(n).chosen)
        counts = np.bincount(target, counts * share, minlength=len(first)).astype(np.float64)
        remaining = within
    columns = [names.index(n) for n in keep]
    order = np.lexsort(codes[:, columns].T) if columns else np.arange(len(codes))
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    mean = place[mean]
    lost = np.bincount(mean, np.isnan(weight), minlength=len(order)) > 0
    weight = np.where(np.isnan(weight), 0.0, weight)
    return Averages(codes[order][:, columns], mean, weight, ~lost)


def _averaged_next(remaining: Sequence[str], keep: Sequence[str], nests: Nests) -> list[str]:
    """Predictors to average over in one step: the most deeply nested ones first."""
    over = [n for n in remaining if n not in keep]
    if not over:
        return []
    depth = {n: len(nests.get(n, ())) for n in over}
    deepest = max(depth.values())
    return [n for n in over if depth[n] == deepest]


def _stage_weights(
    counts: FloatArray,
    codes: dict[str, IndexArray],
    over: Sequence[str],
    groups: Sequence[str],
    weights: str,
    numbers: set[str],
) -> FloatArray:
    """Weights, not yet of sum one, of cells that are averaged over some predictors.

    `groups` are the factors that the averaged ones are nested in.
    """
    if weights == "equal":
        return np.ones(len(counts))
    if weights == "flat":
        return (counts > 0).astype(np.float64)
    if weights == "cells":
        return counts
    factors = [n for n in over if n not in numbers]
    if weights == "proportional":
        return _margin(counts, [codes[n] for n in (*factors, *groups)])
    product = np.ones(len(counts))
    for n in factors:
        product = product * _margin(counts, [codes[m] for m in (n, *groups)])
    return product


def _margin(counts: FloatArray, columns: Sequence[IndexArray]) -> FloatArray:
    """Sum of the counts of all cells with the same codes, for each cell."""
    if not columns:
        return np.ones(len(counts))
    group, first = _grouped(np.stack(columns, axis=1), range(len(columns)))
    return np.asarray(np.bincount(group, counts, minlength=len(first))[group], dtype=np.float64)


def _grouped(codes: IndexArray, columns: Sequence[int] | range) -> tuple[IndexArray, IndexArray]:
    """Group of each row with equal codes in some columns, and the first row of each group."""
    chosen = codes[:, list(columns)]
    if not chosen.shape[1]:
        return np.zeros(len(codes), dtype=np.intp), np.zeros(1, dtype=np.intp)
    shape = tuple(chosen.max(axis=0) + 1)
    raveled = np.ravel_multi_index(tuple(chosen.T), shape)
    _, first, group = np.unique(raveled, return_index=True, return_inverse=True)
    return group.reshape(-1), first
