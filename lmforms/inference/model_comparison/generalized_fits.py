"""Whether fits of generalised models can be compared, and whether their families are nested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...engine.linalg.independent_columns import independent_columns
from ...errors import DataError, ModelError
from ...glmm.families.base import Family
from ...glmm.families.truncation import Adapted
from ...glmm.families.zeros import ZeroInflated
from ...glmm.fit import parameter_of
from ...support.arrays import FloatArray
from ..generalized import generalized_estimate
from .fits_compared import ComparedFit, same_numbers

OVERDISPERSED = {
    "poisson": ("negative_binomial", "negative_binomial1"),
    "binomial": ("beta_binomial",),
}
"""Families that have one as their limit without overdispersion."""

BY_AIC = "lf.compare(…) compares them by AIC."


@dataclass(frozen=True)
class FamilyNesting:
    """How the family of a fit is within that of another.

    Attributes
    ----------
    within : bool
    bounds : tuple of str
        Parameters of the larger family that are at a bound in the smaller.
    """

    within: bool
    bounds: tuple[str, ...] = ()


OUTSIDE = FamilyNesting(False)


# --- what makes criteria comparable --------------------------------------------------------------


def check_generalized(what: str, fits: Sequence[ComparedFit]) -> bool:
    """Whether fits are of generalised models, checked to have criteria of one kind.

    Raises
    ------
    ModelError
        Linear and generalised models, different quadratures, or probabilities and densities.
    DataError
        Different numbers of trials, or weights of the rows.
    """
    general = [fit for fit in fits if fit.state.family is not None]
    if not general:
        return False
    linear = [fit for fit in fits if fit.state.family is None]
    if linear:
        raise ModelError(
            f"{what}: {linear[0].name!r} is a linear mixed model and {general[0].name!r} a "
            "generalised one, whose criteria are not of one kind: fit both by lf.glmer, with "
            "family='gaussian' for the first."
        )
    first = fits[0]
    for fit in fits[1:]:
        _check_pair(what, first, fit)
    return True


def _check_pair(what: str, first: ComparedFit, fit: ComparedFit) -> None:
    both = f"{first.name!r} and {fit.name!r}"
    a, b = generalized_estimate(first.state), generalized_estimate(fit.state)
    if a.nagq != b.nagq:
        raise ModelError(
            f"{what}: {both} have nagq={a.nagq} and nagq={b.nagq}: different approximations of the "
            f"likelihood. Fit both with the same: fit.refit(nagq={max(a.nagq, b.nagq)})."
        )
    if a.family.discrete != b.family.discrete:
        raise ModelError(
            f"{what}: {both} are of the {a.family.name} and the {b.family.name} family, of which "
            "one has probabilities and the other densities: their likelihoods do not compare."
        )
    seen, other = a.likelihood, b.likelihood
    rows = np.ones(first.state.design.n)
    for own, others, of in (
        (seen.response.trials, other.response.trials, "numbers of trials"),
        (seen.weights, other.weights, "weights"),
    ):
        x = rows if own is None else own
        y = rows if others is None else others
        if not same_numbers(x, y[fit.order]):
            raise DataError(f"{what}: {both} have different {of}, so no likelihood compares.")


# --- which model is within which -----------------------------------------------------------------


def check_families(what: str, small: ComparedFit, large: ComparedFit) -> None:
    """Refuse a test of models neither of whose families and links is within the other.

    Raises
    ------
    ModelError
    """
    both = f"{small.name!r} and {large.name!r}"
    a, b = generalized_estimate(small.state), generalized_estimate(large.state)
    links = [e.likelihood.link.name for e in (a, b)]
    if links[0] != links[1]:
        raise ModelError(
            f"{what}: {both} have different links ({links[0]} and {links[1]}), so neither is "
            f"within the other. {BY_AIC}"
        )
    if not (_nesting(a.family, b.family).within or _nesting(b.family, a.family).within):
        raise ModelError(
            f"{what}: {both} are of the families {a.family!r} and {b.family!r}, neither of which "
            f"is within the other. {BY_AIC}"
        )


def family_nesting(small: ComparedFit, large: ComparedFit) -> FamilyNesting:
    """Whether the family of a fit, with the formulas of its parameters, is within another's.

    Poisson is within the negative binomial family and binomial within beta-binomial, at no
    overdispersion; a family is within its zero-inflated one, at no added zeros. In a formula of
    such a parameter the bound needs a constant.
    """
    a, b = generalized_estimate(small.state).family, generalized_estimate(large.state).family
    found = _nesting(a, b)
    if not found.within:
        return OUTSIDE
    inner, outer = _designs(small), _designs(large)
    for name, X in outer.items():
        own = inner.get(name, np.ones((len(X), 1)))
        if not _is_within(own, X):
            return OUTSIDE
    return found


def has_same_family(small: ComparedFit, large: ComparedFit) -> bool:
    """Whether two fits have one family, with the same columns in the formulas of its parameters."""
    a, b = generalized_estimate(small.state).family, generalized_estimate(large.state).family
    inner, outer = _designs(small), _designs(large)
    return a == b and all(_is_within(X, inner[name]) for name, X in outer.items())


def _nesting(small: Family, large: Family) -> FamilyNesting:
    if small == large:
        return FamilyNesting(True)
    if isinstance(small, Adapted) and isinstance(large, Adapted) and type(small) is type(large):
        alike = small.given == large.given
        return _nesting(small.family, large.family) if alike else OUTSIDE
    if isinstance(large, ZeroInflated):
        below = _nesting(small, large.family)
        if not below.within or "zero_inflation" in large.given:
            return OUTSIDE
        return FamilyNesting(True, (*below.bounds, "zero_inflation"))
    if large.name in OVERDISPERSED.get(small.name, ()) and not large.given:
        return FamilyNesting(True, large.own_parameters[:1])
    return OUTSIDE


def _designs(fit: ComparedFit) -> dict[str, FloatArray]:
    """Columns of the family's parameters, in the order of the first fit's rows."""
    state = fit.state
    family = generalized_estimate(state).family
    ones = np.ones((state.design.n, 1))
    out = dict.fromkeys(family.parameter_names, ones)
    for argument, part in state.design.auxiliary.items():
        out[parameter_of(family, argument)] = part.X[fit.order]
    return out


def _is_within(inner: FloatArray, outer: FloatArray) -> bool:
    """Whether columns are combinations of others."""
    return bool((independent_columns(np.hstack([outer, inner])) < outer.shape[1]).all())


def bound_notes(small: ComparedFit, large: ComparedFit) -> list[str]:
    """That parameters of the larger family are at a bound in the smaller."""
    bounds = family_nesting(small, large).bounds
    if not bounds:
        return []
    more = " (with df = 1, half of it is that of ½χ²(0) + ½χ²(1))" if len(bounds) == 1 else ""
    return [
        f"In {small.name}, {' and '.join(bounds)} of {large.name} "
        f"{'is at its bound' if len(bounds) == 1 else 'are at their bounds'}, so that p_value is "
        f"conservative{more}."
    ]


def quadrature_notes(fits: Sequence[ComparedFit]) -> list[str]:
    """That fits without optimised fixed effects have lower likelihoods."""
    if generalized_estimate(fits[0].state).nagq:
        return []
    return ["nagq=0: likelihoods are not at their maximum in β; tests by nagq=1 are better."]
