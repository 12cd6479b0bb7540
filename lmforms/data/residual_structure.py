"""A residual structure bound to the columns of the data: numbers for the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..correlation import (
    ARMA,
    Antedependence,
    CompoundSymmetry,
    Correlation,
    Decay,
    Exponential,
    FirstOrder,
    Gaussian,
    Matern,
    MovingAverage,
    Product,
    Spherical,
    Toeplitz,
    UnstructuredCorrelation,
)
from ..correlation.nugget import WithNugget
from ..residual import Weighted
from ..residual.parametric import ParametricResidual
from ..residual.specification import FITTED, CorrelationTerm, ResidualSpec, VarianceTerm
from ..residual.variance_functions import (
    ConstantPowerVariance,
    ExponentialVariance,
    PowerVariance,
    StrataVariance,
    VarianceFunction,
    VarianceProduct,
)
from ..support.arrays import FloatArray, IndexArray
from ..support.column_table import Table
from .group_codes import group_codes
from .residual_checks import (
    check_lags,
    check_places,
    check_strata,
    check_variances,
    check_visit_pairs,
    positive_covariate,
    refuse_same_place,
    refuse_single_rows,
)
from .residual_columns import (
    Coordinates,
    coordinates,
    label_text,
    real_column,
    series_codes,
    sorted_rows,
)

DECAYS: dict[str, type[Decay]] = {
    "exp": Exponential,
    "gau": Gaussian,
    "sph": Spherical,
    "mat": Matern,
}


@dataclass(frozen=True, eq=False)
class BoundResidual:
    """A residual structure with the numbers of the rows of a model.

    Attributes
    ----------
    spec : ResidualSpec
    correlation : Correlation or None
        Of two rows of a series; None for independent ones.
    points : ndarray (n, d)
        Where the rows stand, the columns of the first factor of a product first.
    series : ndarray of int (n,)
    variance : VarianceFunction or None
    labels : tuple of tuple
        For each factor what visits 0 … k − 1 are called; empty for times and places.
    steps : tuple of float
        For each factor the length of a step of time in the units of its column.
    strata : tuple of str
        What the variances of ``idh`` are called, the first of which is σ².
    """

    spec: ResidualSpec
    correlation: Correlation | None
    points: FloatArray
    series: IndexArray
    variance: VarianceFunction | None
    labels: tuple[tuple[str, ...], ...] = ()
    steps: tuple[float, ...] = ()
    strata: tuple[str, ...] = ()

    @property
    def n_parameters(self) -> int:
        """Number of parameters φ."""
        parts = (self.correlation, self.variance)
        return sum(part.n_parameters for part in parts if part is not None)

    def parametric(self, weights: FloatArray | None) -> ParametricResidual:
        """R as the engine takes it, with known weights besides."""
        return ParametricResidual(
            correlation=self.correlation,
            points=self.points,
            series=self.series,
            variance=self.variance,
            weights=_checked_weights(weights),
        )


def _checked_weights(weights: FloatArray | None) -> FloatArray | None:
    return None if weights is None else Weighted(weights).weights


def bind_residual(spec: ResidualSpec, table: Table) -> BoundResidual:
    """Take the numbers of a residual structure from the columns of a table.

    Parameters
    ----------
    spec : ResidualSpec
    table : Table
        The rows of the model.

    Raises
    ------
    DataError
        A column cannot be what the structure takes it for, or two rows of a series have one place.
    ModelError
        The data say nothing about a parameter.

    Examples
    --------
    >>> import pandas as pd
    >>> from lmforms.residual import AR1
    >>> data = pd.DataFrame({"t": [2, 4, 8, 2], "g": ["a", "a", "a", "b"]})
    >>> bound = bind_residual(AR1("t", "g"), Table(dict(data), data.index))
    >>> bound.points.ravel(), bound.series, bound.steps
    (array([0., 1., 3., 0.]), array([0, 0, 0, 1]), (2.0,))
    """
    series, _ = series_codes(table, spec.group)
    placed = [coordinates(table, term, series) for term in spec.correlations]
    points = np.hstack([c.points for c in placed]) if placed else np.empty((table.n, 0))
    correlation = None
    if placed:
        refuse_single_rows(spec, series, points)
        refuse_same_place(spec, table, series, points)
        correlation = _correlation(spec, placed, series)
    variance, strata = _variance(spec, table)
    if variance is not None:
        check_variances(spec, variance)
    return BoundResidual(
        spec=spec,
        correlation=correlation,
        points=points,
        series=series if placed else np.arange(table.n),
        variance=variance,
        labels=tuple(c.labels for c in placed),
        steps=tuple(c.step for c in placed),
        strata=strata,
    )


def _correlation(spec: ResidualSpec, placed: list[Coordinates], series: IndexArray) -> Correlation:
    """The correlation function of the rows."""
    terms = spec.correlations
    inner_nugget = spec.nugget and len(terms) == 1 and terms[0].structure in DECAYS
    factors = [
        _factor(spec, term, own, series, nugget=inner_nugget)
        for term, own in zip(terms, placed, strict=True)
    ]
    found: Correlation = factors[0]
    if len(factors) == 2:
        split = placed[0].points.shape[1]
        labels = (" + ".join(terms[0].columns), " + ".join(terms[1].columns))
        found = Product(factors[0], factors[1], split, labels)
    return WithNugget(found) if spec.nugget and not inner_nugget else found


def _factor(
    spec: ResidualSpec,
    term: CorrelationTerm,
    own: Coordinates,
    series: IndexArray,
    *,
    nugget: bool,
) -> Correlation:
    """The correlation function of one structure, checked against the rows."""
    points, options = own.points, dict[str, Any](term.options)
    if term.structure in DECAYS:
        check_places(spec, term, points, series)
        return DECAYS[term.structure].of_points(
            points, series, axes=term.columns, nugget=nugget, **options
        )
    if term.facts.kind == "visit":
        check_visit_pairs(spec, term, own, series)
        if term.structure == "cs":
            return CompoundSymmetry(_most_visits(points, series))
        return _VISITS[term.structure](len(own.labels))
    span = int(points.max())
    lags = {"ar1": 0, "toep": span, "ma": options.get("q"), "arma": None}[term.structure]
    if term.structure == "arma":
        needed = options["p"] + options["q"]
        check_lags(spec, term, own, series, count=needed)
        return ARMA(options["p"], options["q"], span)
    check_lags(spec, term, own, series, every=int(lags or 0))
    if term.structure == "toep":
        return Toeplitz(span + 1)
    return FirstOrder() if term.structure == "ar1" else MovingAverage(options["q"])


_VISITS: dict[str, Callable[[int], Correlation]] = {
    "corsymm": UnstructuredCorrelation,
    "ante": Antedependence,
}


def _most_visits(points: FloatArray, series: IndexArray) -> int:
    """Most different visits of one series."""
    order, same = sorted_rows(series, points)
    return int(np.bincount(series[order][np.append(True, ~same)]).max())


# --- variances --------------------------------------------------------------------------------


def _variance(spec: ResidualSpec, table: Table) -> tuple[VarianceFunction | None, tuple[str, ...]]:
    """The variance function of the rows, and what the strata are called."""
    made: list[VarianceFunction] = []
    strata: tuple[str, ...] = ()
    for term in spec.variances:
        if term.function == "idh":
            codes, names = _strata(term, table)
            check_strata(term, codes, names)
            strata += names
            made.append(StrataVariance(codes, tuple(f"sd[{name}]" for name in names[1:])))
            continue
        x = real_column(table[term.columns[0]], str(term))
        if term.columns == (FITTED,) and term.function != "expvar":
            x = np.abs(x)
        if term.function == "expvar":
            made.append(ExponentialVariance(x))
            continue
        positive_covariate(term, x)
        kind = PowerVariance if term.function == "power" else ConstantPowerVariance
        made.append(kind(x))
    if not made:
        return None, ()
    return (made[0] if len(made) == 1 else VarianceProduct(tuple(made))), strata


def _strata(term: VarianceTerm, table: Table) -> tuple[IndexArray, tuple[str, ...]]:
    """Stratum of each row and what the strata are called."""
    coded = [group_codes(table[name]) for name in term.columns]
    codes, names = coded[0][0], [label_text(level) for level in coded[0][1]]
    for more, levels in coded[1:]:  # recoded at each step, so that no product overflows
        present, codes = np.unique(codes * len(levels) + more, return_inverse=True)
        pairs = [divmod(int(code), len(levels)) for code in present]
        names = [f"{names[i]}:{label_text(levels[j])}" for i, j in pairs]
    return codes.ravel(), tuple(names)
