"""What the data must carry for a residual structure: checked before any fit.

Every function raises an error that names the column and a way out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError, ModelError
from ..residual.specification import CorrelationTerm, ResidualSpec, VarianceTerm
from ..residual.variance_functions import VarianceFunction
from ..support.arrays import FloatArray, IndexArray
from ..support.column_table import Table
from .residual_columns import Coordinates, sorted_rows

NEIGHBOURS = 10
"""Distances are counted between rows up to so far apart in the order of their series."""

SAME = 1e-9
"""Distances whose ratio differs from one by less are the same."""

CONFOUNDED = 1e-10
"""Share of a direction that the constant and the other parameters of the variances leave."""


def refuse_single_rows(spec: ResidualSpec, series: IndexArray, points: FloatArray) -> None:
    """Refuse series of one row each: nothing is correlated with anything."""
    if len(series) > int(series.max(initial=-1)) + 1:
        return
    group = ":".join(spec.group)
    raise ModelError(
        f"residual={str(spec)!r}: every `{group}` has one row, so that no correlation can be "
        "estimated. Name what repeats after the bar, or leave residual= out."
    )


def refuse_same_place(
    spec: ResidualSpec, table: Table, series: IndexArray, points: FloatArray
) -> None:
    """Refuse two rows of a series with the same time, visit or place."""
    order, same = sorted_rows(series, points)
    if not same.any():
        return
    first, second = sorted(order[[int(np.argmax(same)), int(np.argmax(same)) + 1]].tolist())
    names = [name for term in spec.correlations for name in term.columns]
    place = ", ".join(f"`{c}` {_value(table, c, first)}" for c in names)
    of = ", ".join(f"`{c}` {_value(table, c, first)}" for c in spec.group)
    apart = f"{':'.join(spec.group)}:plot" if spec.group else "plot"
    raise DataError(
        f"residual={str(spec)!r}: two rows have {place}{f' in {of}' if of else ''} (rows {first} "
        f"and {second} of those used; {int(same.sum())} such pairs in all): each place of a series "
        "has one row. Average them, or tell the series apart by another column, as in "
        f"`| {apart}`."
    )


def _value(table: Table, name: str, row: int) -> str:
    value = table[name].iloc[row]
    return str(value.item() if hasattr(value, "item") else value)


def _distinct(own: Coordinates, series: IndexArray) -> tuple[IndexArray, FloatArray]:
    """Series and points of different rows, sorted."""
    order, same = sorted_rows(series, own.points)
    chosen = order[np.append(True, ~same)[: len(order)]]
    return series[chosen], own.points[chosen]


def _refuse_one_place(
    spec: ResidualSpec, term: CorrelationTerm, series: IndexArray, what: str
) -> None:
    """Refuse a structure of places that never differ within a series."""
    if (np.diff(series) == 0).any():
        return
    name = " + ".join(term.columns)
    if len(spec.correlations) == 2:
        other = next(t for t in spec.correlations if t is not term)
        way = f"Leave it out: {other.written(other.structure, spec.group)}."
    else:
        way = "Leave residual= out, or name a column that varies."
    raise ModelError(
        f"residual={str(spec)!r}: `{name}` has one {what} in every series, so that "
        f"{term.structure}({name}) has nothing to be estimated from. {way}"
    )


def check_visit_pairs(
    spec: ResidualSpec, term: CorrelationTerm, own: Coordinates, series: IndexArray
) -> None:
    """Every pair of visits whose correlation is a parameter must be observed."""
    import scipy.sparse as sp

    where, visits = _distinct(own, series)
    _refuse_one_place(spec, term, where, "visit")
    if term.structure == "cs":
        return  # any two visits of a series tell its one correlation
    name, k = term.columns[0], len(own.labels)
    several = int((np.bincount(where) > 1).sum())
    alone = len(spec.correlations) == 1
    if term.structure == "corsymm" and alone and several < k:
        raise ModelError(
            f"residual={str(spec)!r}: {k} visits have {k * (k - 1) // 2} correlations, more than "
            f"{several} series with two rows or more can carry: at least {k} are needed. Use a "
            f"structure of fewer parameters, such as toep({name} | …) or ar1({name} | …)."
        )
    if term.structure == "ante" and spec.nugget and alone and k < 3:
        raise ModelError(
            f"residual={str(spec)!r}: one correlation does not tell ante() from an independent "
            "part: leave out `+ units`."
        )
    there = sp.csr_matrix((np.ones(len(where)), (where, visits[:, 0].astype(np.intp))))
    together = (there.T @ there).tolil()
    if term.structure == "ante":
        pairs = ((i, i + 1) for i in range(k - 1))
        other = f"cs({name} | …), or exp() of the times"
    else:
        pairs = ((i, j) for i in range(k) for j in range(i + 1, k))
        other = f"ar1({name} | …), cs({name} | …) or exp() of the times"
    for i, j in pairs:
        if not together[i, j]:
            raise ModelError(
                f"residual={str(spec)!r}: no series has both `{name}` {own.labels[i]} and "
                f"{own.labels[j]}, so that their correlation cannot be estimated. Use {other}."
            )


def check_lags(
    spec: ResidualSpec,
    term: CorrelationTerm,
    own: Coordinates,
    series: IndexArray,
    *,
    every: int = 0,
    count: int = 0,
) -> None:
    """Distances in time that must be observed: each one up to `every`, and `count` in all."""
    where, times = _distinct(own, series)
    _refuse_one_place(spec, term, where, "time")
    name = term.columns[0]
    if term.structure == "ar1" and spec.nugget and len(spec.correlations) == 1:
        count = 2
    if every + 2 > len(own.points):
        raise ModelError(
            f"residual={str(spec)!r}: {every} correlations are more than {len(own.points)} rows "
            f"carry. Use ar1({name}), or exp({name})."
        )
    span = int(times.max())
    keys = where * (2 * span + 2) + times[:, 0].astype(np.intp)
    found = 0
    for lag in range(1, span + 1):
        if lag > every and found >= count:
            return
        at = np.searchsorted(keys, keys + lag)
        there = bool((keys[np.minimum(at, len(keys) - 1)] == keys + lag).any())
        found += there
        if lag <= every and not there:
            apart = own.step * lag
            raise ModelError(
                f"residual={str(spec)!r}: no two rows of a series are {apart:g} apart in `{name}`, "
                f"so that the correlation of {term.structure}({name}) at this distance cannot be "
                f"estimated. Use ar1({name}) or exp({name}), or number the times in their order."
            )
    if every > span or count > found:
        raise ModelError(
            f"residual={str(spec)!r}: {max(every, count)} different distances in `{name}` are "
            f"needed within series, and there are {found}. Use fewer parameters, such as "
            f"ar1({name})."
        )


def check_places(
    spec: ResidualSpec, term: CorrelationTerm, points: FloatArray, series: IndexArray
) -> None:
    """As many different distances as parameters, and two values of each coordinate."""
    where, places = _distinct(Coordinates(points), series)
    _refuse_one_place(spec, term, where, "place")
    options = dict(term.options)
    steps = np.diff(places, axis=0)[np.diff(where) == 0]
    if options["per_axis"]:
        for j, name in enumerate(term.columns):
            if not steps[:, j].any():
                raise ModelError(
                    f"residual={str(spec)!r}: `{name}` has one value in every series, so that its "
                    "range cannot be estimated. Leave the coordinate out, or per_axis."
                )
    if len(spec.correlations) == 2:
        return
    needed = len(term.columns) if options["per_axis"] else 1
    needed += spec.nugget + (options.get("nu", 0.0) is None)
    found = np.empty(0)
    for shift in range(1, min(NEIGHBOURS, len(where) - 1) + 1):
        same = where[shift:] == where[:-shift]
        apart = np.linalg.norm(places[shift:] - places[:-shift], axis=1)[same]
        found = np.unique(np.append(found, apart))
        found = found[np.append(True, np.diff(found) > SAME * found[1:])] if len(found) else found
        if len(found) >= needed:
            return
    raise ModelError(
        f"residual={str(spec)!r}: {needed} parameters need as many different distances within "
        f"series, and there are {len(found)}. Leave out the "
        f"nugget, or use cs({term.columns[0]} | …)."
    )


# --- variances --------------------------------------------------------------------------------


def positive_covariate(term: VarianceTerm, x: FloatArray) -> None:
    """Refuse a covariate that is not positive: its powers are no standard deviations."""
    bad = x <= 0
    if not bad.any():
        return
    name = term.columns[0]
    raise DataError(
        f"residual: {term} needs positive numbers, and `{name}` is {x[bad][0]:g} in row "
        f"{int(np.argmax(bad))} of those used ({int(bad.sum())} rows are zero or negative). Use "
        f"expvar({name}), or a column of absolute values or of another origin."
    )


def check_strata(term: VarianceTerm, codes: IndexArray, names: tuple[str, ...]) -> None:
    """Two strata at least, of two rows each at least."""
    if len(names) < 2:
        raise ModelError(
            f"residual: {term} has one stratum, `{names[0]}`, whose variance is σ²: leave it out."
        )
    counts = np.bincount(codes, minlength=len(names))
    if counts.min() < 2:
        raise ModelError(
            f"residual: {term} has {len(names)} strata for {len(codes)} rows, and "
            f"`{names[int(np.argmin(counts))]}` has one row, from which no variance can be "
            "estimated. Join strata, or use a variance function of a covariate, such as power(x)."
        )


def check_variances(spec: ResidualSpec, variance: VarianceFunction) -> None:
    """Parameters of variances that can be told from σ² and from each other."""
    slopes: Any = variance.log_sd_derivative(variance.starts()[0])
    slopes = slopes - slopes.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(slopes).sum(axis=1))
    written = " * ".join(map(str, spec.variances))
    scale = np.sqrt(slopes.shape[1]) * CONFOUNDED
    if (size <= scale).any():
        name = variance.names[int(np.argmax(size <= scale))]
        raise ModelError(
            f"residual: {written} is the same in every row, so that `{name}` cannot be told from "
            "σ²: leave it out."
        )
    slopes = slopes / size[:, None]
    if np.linalg.eigvalsh(slopes @ slopes.T)[0] > CONFOUNDED:
        return
    way = (
        "leave one of them out"
        if len(spec.variances) > 1
        else "the covariate has too few different values: use idh() of it"
    )
    raise ModelError(
        f"residual: the parameters of {written} ({', '.join(variance.names)}) cannot be told "
        f"apart: {way}."
    )
