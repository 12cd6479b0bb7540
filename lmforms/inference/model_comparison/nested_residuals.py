"""Whether the residual structure of a model is a special case of another's.

By the table :data:`WITHIN` for two correlations in the same columns and series, factor by factor
for products; independent rows are within every structure. A variance function is within another
one that has it as a factor, and within ``idh(f)`` if it is constant in the levels of f. Everything
else counts as not nested, so that no test is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data.group_codes import group_codes
from ...residual.parametric import ParametricResidual
from ...residual.specification import CorrelationTerm, ResidualSpec, VarianceTerm
from ...support.arrays import IndexArray
from ...support.column_table import Table
from .fits_compared import ComparedFit, same_numbers

WITHIN: dict[str, tuple[str, ...]] = {
    "ar1": ("arma", "toep", "ante", "corsymm"),
    "ma": ("arma", "toep", "corsymm"),
    "arma": ("toep", "corsymm"),
    "cs": ("toep", "corsymm"),
    "toep": ("corsymm",),
    "ante": ("corsymm",),
    "exp": ("ar1", "arma", "mat", "toep", "ante", "corsymm"),
    "gau": ("toep", "corsymm"),
    "sph": ("toep", "corsymm"),
    "mat": ("toep", "corsymm"),
}
"""Structures of the same column that have each one as a special case, whatever its parameters.

``ar1`` and ``exp`` are one correlation at whole times, but for ρ < 0. That ``exp`` is ``ar1`` and
others of this table holds in one coordinate.
"""

OF_ALL_PAIRS = ("toep", "corsymm")
"""Structures that a further independent part of the rows does not lead out of."""

INDEPENDENT = ResidualSpec()


@dataclass(frozen=True)
class ResidualNesting:
    """How a residual structure is within another.

    Attributes
    ----------
    within : bool
    bounds : tuple of str
        Parameters of the larger structure that are at a bound in the smaller, or say nothing.
    """

    within: bool
    bounds: tuple[str, ...] = ()


OUTSIDE = ResidualNesting(False)


def residual_spec(fit: ComparedFit) -> ResidualSpec:
    """The residual structure of a fit."""
    spec = fit.state.design.residual_spec
    return INDEPENDENT if spec is None else spec


def has_same_residuals(a: ComparedFit, b: ComparedFit) -> bool:
    """Whether two fits have one residual structure."""
    return residual_spec(a) == residual_spec(b) and _same_columns(a, b)


def residual_nesting(small: ComparedFit, large: ComparedFit) -> ResidualNesting:
    """Whether and how the residual structure of one model is within that of another.

    Parameters
    ----------
    small, large : ComparedFit
        With the same known weights.
    """
    if not _same_columns(small, large):
        return OUTSIDE
    inner, outer = residual_spec(small), residual_spec(large)
    if inner == outer:
        return ResidualNesting(True)
    correlations = _correlations(inner, outer)
    if not correlations.within or not _cs_is_valid(small, large):
        return OUTSIDE
    variances = _variances(small, large)
    if not variances.within:
        return OUTSIDE
    return ResidualNesting(True, correlations.bounds + variances.bounds)


# --- correlations ------------------------------------------------------------------------------


def _correlations(inner: ResidualSpec, outer: ResidualSpec) -> ResidualNesting:
    """The same for the correlations of two specifications."""
    a, b = inner.correlations, outer.correlations
    if not a:
        return ResidualNesting(True, _independence_bounds(outer) if b else ())
    if len(a) > len(b):
        return OUTSIDE
    if len(a) < len(b):
        return _line_of_product(inner, outer)
    if set(inner.group) != set(outer.group):
        return OUTSIDE
    if len(a) == 1:
        return _single(a[0], inner.nugget, b[0], outer.nugget)
    if inner.nugget and not outer.nugget:
        return OUTSIDE
    second = b if set(a[0].columns) == set(b[0].columns) else b[::-1]
    each = [_single(x, False, y, False) for x, y in zip(a, second, strict=True)]
    if not all(found.within for found in each):
        return OUTSIDE
    more = ("nugget",) if outer.nugget and not inner.nugget else ()
    return ResidualNesting(True, sum((found.bounds for found in each), more))


def _line_of_product(inner: ResidualSpec, outer: ResidualSpec) -> ResidualNesting:
    """``ar1(row | col)`` within ``ar1(row):ar1(col)``: no correlation in the other direction."""
    if inner.nugget and not outer.nugget:
        return OUTSIDE
    first = inner.correlations[0]
    for own, other in (outer.correlations, outer.correlations[::-1]):
        if set(inner.group) != {*outer.group, *other.columns}:
            continue
        found = _single(first, False, own, False)
        if found.within:
            more = ("nugget",) if outer.nugget and not inner.nugget else ()
            return ResidualNesting(True, found.bounds + _at_zero_range(other) + more)
    return OUTSIDE


def _single(
    a: CorrelationTerm, a_nugget: bool, b: CorrelationTerm, b_nugget: bool
) -> ResidualNesting:
    """One correlation within another, of the same series."""
    if set(a.columns) != set(b.columns):
        return OUTSIDE
    more = ("nugget",) if b_nugget and not a_nugget else ()
    if a.structure == b.structure:
        if not _options_allow(a, b) or (a_nugget and not b_nugget):
            return OUTSIDE
        return ResidualNesting(True, more)
    if b.structure not in WITHIN.get(a.structure, ()):
        return OUTSIDE
    in_line = len(a.columns) == 1  # in a plane only exp and Matérn have the same distances
    if not in_line and ((a.structure, b.structure) != ("exp", "mat") or not _options_allow(a, b)):
        return OUTSIDE
    if b.structure == "mat" and dict(b.options)["nu"] is not None:
        return OUTSIDE
    if b.structure == "arma" and not _order_allows(a, b):
        return OUTSIDE
    if a_nugget and not b_nugget and b.structure not in OF_ALL_PAIRS:
        return OUTSIDE
    return ResidualNesting(True, more)


def _options_allow(a: CorrelationTerm, b: CorrelationTerm) -> bool:
    """Whether the options of a structure make it no larger than another's."""
    own, other = dict(a.options), dict(b.options)
    for name in own.keys() & other.keys():
        if name in ("p", "q"):
            if own[name] > other[name]:  # type: ignore[operator]
                return False
        elif name == "per_axis":
            if own[name] and not other[name]:
                return False
        elif other[name] is not None and own[name] != other[name]:
            return False
    return True


def _order_allows(a: CorrelationTerm, b: CorrelationTerm) -> bool:
    """Whether an ARMA has the order for an autoregression or a moving average."""
    p, q = dict(b.options)["p"], dict(b.options)["q"]
    if a.structure == "ma":
        return int(q or 0) >= int(dict(a.options)["q"] or 0)
    return int(p or 0) >= 1


def _independence_bounds(spec: ResidualSpec) -> tuple[str, ...]:
    """Parameters at a bound where the rows of a structure are independent."""
    found = sum((_at_zero_range(term) for term in spec.correlations), ())
    return (*found, *(["nugget"] if spec.nugget and not found else []))


def _at_zero_range(term: CorrelationTerm) -> tuple[str, ...]:
    return ("range",) if term.facts.kind == "place" else ()


def _cs_is_valid(small: ComparedFit, large: ComparedFit) -> bool:
    """Whether an estimated uniform correlation is one for as many visits as the larger has.

    −1/(k − 1) is its bound for the k visits of a series, and higher for more of them.
    """
    structures = [term.structure for term in residual_spec(small).correlations]
    if "cs" not in structures or has_same_residuals(small, large):
        return True
    residual, bound = small.state.residual, large.state.design.structure
    if not isinstance(residual, ParametricResidual) or bound is None:
        return False
    if len(structures) > 1:
        return structures == [term.structure for term in residual_spec(large).correlations]
    visits = int(bound.points[:, 0].max()) + 1 if bound.points.shape[1] else 1
    return (
        bool(residual.natural[0] > -1.0 / max(visits - 1, 1))
        or residual_spec(large).correlations[0].structure == "cs"
    )


# --- variances ---------------------------------------------------------------------------------


def _variances(small: ComparedFit, large: ComparedFit) -> ResidualNesting:
    """The same for variance functions."""
    inner, outer = residual_spec(small).variances, residual_spec(large).variances
    rest = [term for term in inner if term not in outer]
    if not rest:
        more = [term for term in outer if term not in inner]
        free = any(term.function == "constpower" for term in more)
        return ResidualNesting(True, ("const",) if free else ())
    if len(rest) == 1 and rest[0].function == "power":
        above = VarianceTerm("constpower", rest[0].columns)
        if above in outer:
            return ResidualNesting(True, ("const",))
    table = _rows_used(small)
    strata = [_cells(table, term.columns) for term in outer if term.function == "idh"]
    columns = [_cells(table, term.columns) for term in rest]
    for codes in strata:
        if all(_is_constant_within(own, codes) for own in columns):
            return ResidualNesting(True)
    return OUTSIDE


def _cells(table: Table, columns: Sequence[str]) -> IndexArray:
    """Codes of the combinations of values of columns."""
    codes = np.zeros(table.n, dtype=np.intp)
    for name in columns:
        own = group_codes(table[name])[0]
        codes = np.unique(codes * (int(own.max()) + 1) + own, return_inverse=True)[1].ravel()
    return codes


def _is_constant_within(values: IndexArray, strata: IndexArray) -> bool:
    """Whether rows of one stratum have one value."""
    first = np.unique(strata, return_index=True)[1]
    return bool((values == values[first][strata]).all())


# --- rows --------------------------------------------------------------------------------------


def _rows_used(fit: ComparedFit) -> Table:
    design = fit.state.design
    return design.frame.with_categories_of(design.in_model).table.rows(design.in_model)


def _same_columns(a: ComparedFit, b: ComparedFit) -> bool:
    """Whether the columns that both structures name hold the same in both fits."""
    names = set(residual_spec(a).columns) & set(residual_spec(b).columns)
    first, second = _rows_used(a), _rows_used(b)
    return all(
        _same_values(first[n].to_numpy()[a.order], second[n].to_numpy()[b.order]) for n in names
    )


def _same_values(a: object, b: object) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype.kind in "iuf" and y.dtype.kind in "iuf":
        return same_numbers(x.astype(np.float64), y.astype(np.float64))
    return bool((x.astype(object) == y.astype(object)).all())
