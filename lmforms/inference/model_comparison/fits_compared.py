"""The fits that a comparison is given: their names, and whether they are of the same data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ArgumentError, DataError, ModelError, listed, near_matches
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arguments import sequence, short_repr
from ...support.arrays import FloatArray, IndexArray
from ..generalized import generalized_estimate

SAME_NUMBERS = 1e-10
"""Relative difference up to which two responses, weights or columns are the same: a logarithm may
have been taken by another library."""


@dataclass(frozen=True, eq=False)
class ComparedFit:
    """A fit in a comparison.

    Attributes
    ----------
    name : str
    state : FitState
    order : ndarray of int (n,)
        Its rows in the order of those of the first fit.
    """

    name: str
    state: FitState
    order: IndexArray


def compared_fits(
    what: str,
    fits: Sequence[Any],
    named: Mapping[str, Any],
    names: Any,
    *,
    options: Sequence[str] = (),
    alone: str = "",
) -> list[ComparedFit]:
    """The fits of a comparison, two or more, checked to be of one response on the same rows.

    Parameters
    ----------
    what : str
        The function, for messages.
    fits : sequence
    named : mapping of str
        Further fits with their names.
    names : sequence of str or None
        Of `fits`; their formulas by default.
    options : sequence of str
        Further arguments of the function.
    alone : str
        What a message adds if there is one fit.

    Raises
    ------
    ArgumentError
        Something is no fit, there are fewer than two, or not as many names.
    ModelError
        θ of a model was given, not estimated.
    DataError
        Other rows or another response.
    """
    states = [_state(what, f"argument {i + 1}", fit) for i, fit in enumerate(fits)]
    if names is None:
        labels = _names_of(states)
    else:
        labels = [str(name) for name in sequence("names", names, "one name for each fit")]
        if len(labels) != len(states):
            raise ArgumentError(
                f"{what}: {len(labels)} names for {len(states)} fits; give one for each."
            )
    labels += list(named)
    options = ("names", *options)
    states += [
        _state(what, f"{name}=", fit, near_matches(name, options)) for name, fit in named.items()
    ]
    if len(states) < 2:
        hint = f" {alone}" if states and alone else ""
        raise ArgumentError(f"{what}: give two fits or more.{hint}")
    twice = [name for name in labels if labels.count(name) > 1]
    if twice:
        raise ArgumentError(f"{what}: two fits are called {twice[0]!r}: give them other names.")
    for label, state in zip(labels, states, strict=True):
        check_estimated(what, state, label)
    first = labels[0], states[0]
    return [
        ComparedFit(label, state, same_rows(what, first, (label, state)))
        for label, state in zip(labels, states, strict=True)
    ]


def check_estimated(what: str, state: FitState, name: str = "this model") -> None:
    """Refuse a model at a given θ, whose likelihood is not at its maximum.

    Raises
    ------
    ModelError
    """
    if not state.optimized:
        raise ModelError(
            f"{what}: θ of {name} was given, not estimated, so that its likelihood is not at its "
            "maximum: take the fit itself."
        )


def _state(what: str, where: str, fit: Any, hint: str = "") -> FitState:
    state = getattr(fit, "state", None)
    if isinstance(state, FitState):
        return state
    if isinstance(fit, (list, tuple)):
        raise ArgumentError(f"{what}: give the fits one by one, as in {what}(fit1, fit2).")
    raise ArgumentError(f"{what}: {where} is no fitted model: {short_repr(fit)}.{hint}")


def _names_of(states: Sequence[FitState]) -> list[str]:
    """Formulas, with the residual structures or families where formulas are the same."""
    formulas = [str(state.design.bound.formula) for state in states]
    residuals = [family_text(state) or str(state.design.residual_spec or "iid") for state in states]
    named = [
        f"{formula}, {residual}" if _differ(formula, formulas, residuals) else formula
        for formula, residual in zip(formulas, residuals, strict=True)
    ]
    return _distinct(named)


def family_text(state: FitState) -> str:
    """Family and link of a generalised fit; nothing for a linear one."""
    if state.family is None:
        return ""
    return f"{state.family.name}, {generalized_estimate(state).likelihood.link.name} link"


def _differ(formula: str, formulas: Sequence[str], residuals: Sequence[str]) -> bool:
    """Whether models of one formula have different residual structures or families."""
    return len({r for f, r in zip(formulas, residuals, strict=True) if f == formula}) > 1


def _distinct(names: list[str]) -> list[str]:
    """Names with a number where one is there several times."""
    return [
        f"{name} [{names[: i + 1].count(name)}]" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def same_rows(what: str, first: tuple[str, FitState], other: tuple[str, FitState]) -> IndexArray:
    """Where the rows of one fit are in another of the same response.

    Rows are matched by their labels if those are unique and the same in both, else one by one.

    Raises
    ------
    DataError
        Other rows, or another response.
    """
    (name, state), (other_name, other_state) = first, other
    n, m = state.design.n, other_state.design.n
    both = f"{name!r} and {other_name!r}"
    way = (
        "Fit both to the same rows: fit.update(formula) of the one with fewer keeps its rows, if "
        "it has all columns."
    )
    if n != m:
        raise DataError(f"{what}: {both} are fits to {n} and {m} rows. {way}")
    rows, labels = state.design.index, other_state.design.index
    known = rows.is_unique and labels.is_unique
    at = labels.get_indexer(rows) if known else np.full(n, -1)
    alike = bool((at >= 0).all())
    order = np.asarray(at if alike else np.arange(n), dtype=np.intp)
    if same_numbers(state.response, other_state.response[order]):
        return order
    if known and not alike:
        lost = [repr(label) for label in rows[at < 0][:6].tolist()]
        raise DataError(
            f"{what}: {both} are fits to different rows: {other_name!r} lacks {listed(lost, 5)}. "
            f"{way}"
        )
    raise DataError(f"{what}: {both} have different responses, so no likelihood of one compares.")


def same_numbers(a: FloatArray, b: FloatArray) -> bool:
    """Whether two arrays are the same but for rounding."""
    size = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return bool((np.abs(a - b) <= SAME_NUMBERS * size).all())


def check_weights(what: str, fits: Sequence[ComparedFit]) -> None:
    """Refuse fits whose known weights are not proportional to each other.

    Raises
    ------
    DataError
    """
    first = fits[0]
    base = known_variances(first)
    for fit in fits[1:]:
        ratio = known_variances(fit) / base
        if not same_numbers(ratio, np.full(len(ratio), ratio[0])):
            raise DataError(
                f"{what}: {first.name!r} and {fit.name!r} have different weights, so neither is "
                "within the other. lf.compare(…) compares them by AIC."
            )


def known_variances(fit: ComparedFit) -> FloatArray:
    """1/weights, in the order of the first fit's rows; estimated variances are not in them."""
    residual, n = fit.state.design.residual, fit.state.design.n
    if isinstance(residual, ParametricResidual):
        variances = None if residual.weights is None else 1.0 / residual.weights
    else:
        variances = residual.variances()
    found = np.ones(n) if variances is None else variances
    return np.asarray(found[fit.order], dtype=np.float64)


def fixed_columns(fit: ComparedFit) -> FloatArray:
    """X in the order of the first fit's rows."""
    return np.asarray(fit.state.design.X[fit.order])


def same_fixed_columns(a: ComparedFit, b: ComparedFit) -> bool:
    """Whether two fits have the same columns of X, in whatever order, so that REML compares."""
    names, others = a.state.design.x_names, b.state.design.x_names
    if set(names) != set(others):
        return False
    X, Y = fixed_columns(a), fixed_columns(b)
    return all(same_numbers(X[:, i], Y[:, others.index(name)]) for i, name in enumerate(names))


def check_reml(what: str, fits: Sequence[ComparedFit], way: str) -> None:
    """Refuse REML fits among ML fits, and REML fits with different columns of X.

    Parameters
    ----------
    what : str
    fits : sequence of ComparedFit
    way : str
        What to do about it.

    Raises
    ------
    ModelError
    """
    restricted = [fit for fit in fits if fit.state.estimate.reml]
    if not restricted:
        return
    rest = [fit for fit in fits if not fit.state.estimate.reml]
    if rest:
        raise ModelError(
            f"{what}: {restricted[0].name!r} is a REML fit and {rest[0].name!r} an ML fit: their "
            f"criteria are not of one kind. {way}"
        )
    first = restricted[0]
    for fit in restricted[1:]:
        if not same_fixed_columns(first, fit):
            raise ModelError(
                f"{what}: {first.name!r} and {fit.name!r} are REML fits with different fixed "
                "effects; their restricted likelihoods are of different data, and change with the "
                f"units of the predictors. {way}"
            )
