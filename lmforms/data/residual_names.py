"""What the parameters of a residual structure are called: visits by their labels."""

from __future__ import annotations

from itertools import pairwise

from ..correlation import (
    Antedependence,
    Correlation,
    Product,
    UnstructuredCorrelation,
)
from ..correlation.nugget import WithNugget
from ..correlation.product import labelled
from ..residual.variance_functions import StrataVariance, VarianceFunction, VarianceProduct
from .residual_structure import BoundResidual


def correlation_names(bound: BoundResidual) -> tuple[str, ...]:
    """Names of the parameters of the correlation, such as ``rho[week 1,week 2]``.

    Examples
    --------
    >>> import lmforms as lf
    >>> us = "us(age | Subject)"
    >>> model = lf.MixedModel("distance ~ age", lf.datasets.load("Orthodont"), residual=us)
    >>> correlation_names(model.design.structure)[:2]
    ('rho[8,10]', 'rho[8,12]')
    """
    if bound.correlation is None:
        return ()
    return _names(bound.correlation, bound.labels)


def _names(correlation: Correlation, labels: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    if isinstance(correlation, WithNugget):
        return (*_names(correlation.inner, labels), *correlation.names[-1:])
    if isinstance(correlation, Product):
        factors = zip((correlation.left, correlation.right), labels, correlation.labels)
        return tuple(
            labelled(name, label)
            for factor, visits, label in factors
            for name in _names(factor, (visits,))
        )
    visits = labels[0] if labels else ()
    if not visits:
        return correlation.names
    if isinstance(correlation, UnstructuredCorrelation):
        k = correlation.k
        return tuple(f"rho[{visits[j]},{visits[i]}]" for i in range(k) for j in range(i))
    if isinstance(correlation, Antedependence):
        return tuple(f"rho[{a},{b}]" for a, b in pairwise(visits))
    return correlation.names


def variance_factors(bound: BoundResidual) -> tuple[VarianceFunction, ...]:
    """The variance functions that are multiplied, in the order of the specification."""
    found = bound.variance
    if found is None:
        return ()
    return found.factors if isinstance(found, VarianceProduct) else (found,)


def own_strata(bound: BoundResidual) -> tuple[str, ...]:
    """Strata whose standard deviations are what a user reads: those of ``idh`` alone.

    None with several variance functions: then σ is where all of them are 1, and the parameters of
    ``idh`` are ratios to the first stratum.
    """
    factors = variance_factors(bound)
    alone = len(factors) == 1 and isinstance(factors[0], StrataVariance)
    return bound.strata if alone else ()


def variance_names(bound: BoundResidual) -> tuple[str, ...]:
    """Names of the parameters of the variance functions; ratios for strata of several."""
    names: list[str] = []
    first = 0
    for factor in variance_factors(bound):
        if isinstance(factor, StrataVariance):
            strata = bound.strata[first : first + len(factor.names) + 1]
            first += len(strata)
            names += [f"ratio[{stratum}]" for stratum in strata[1:]]
        else:
            names += factor.names
    return tuple(names)
