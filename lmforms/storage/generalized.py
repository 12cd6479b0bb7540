"""What a file of a generalised fit has besides that of a linear one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.design import Design
from ..data.observed_response import ObservedResponse
from ..data.theta_order import theta_in_formula_order
from ..errors import NumericalError
from ..glmm.estimate import GeneralizedEstimate
from ..glmm.families.base import Family
from ..glmm.families.links import LINKS, Link
from ..glmm.fit import checked_nagq, likelihood_of
from ..glmm.stored import StoredOptimum, estimate_of_stored
from ..relationship import Relationship
from ..results.state import FitState
from ..support.arrays import AnyArray, FloatArray
from .archive import Archive
from .families import are_family, decode_family, encode_family, link_name

AUXILIARY = ("dispersion", "zero_inflation")
"""Names that formulas of parameters beside the mean may have."""

ARRAYS = ("psi", "u", "eta", "gradient", "information")
"""Arrays of the optimum."""

FIGURE_TOLERANCE = 1e-6
"""Relative difference between stored and recomputed figures that counts as damage."""

MAX_FORMULA_LENGTH = 20_000
"""Characters, as of the formula of the mean."""


@dataclass(frozen=True)
class GeneralizedFacts:
    """The part of a header that only generalised fits have.

    Attributes
    ----------
    family : Family
    link : Link
    nagq : int
    auxiliary : dict of str to str
        Formulas of parameters beside the mean, as they were written.
    """

    family: Family
    link: Link
    nagq: int
    auxiliary: dict[str, str]


def encode_generalized(state: FitState) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Facts and arrays of a generalised fit.

    Raises
    ------
    DataError
        Its family or link has no name.
    """
    estimate: Any = state.estimate
    likelihood = estimate.likelihood
    facts = {
        "family": encode_family(likelihood.family),
        "link": link_name(likelihood.link),
        "nagq": int(estimate.nagq),
        "auxiliary": {
            name: formula.part.source
            for name, formula in state.design.formula_data.auxiliary.items()
        },
    }
    stored = StoredOptimum.of(estimate.optimum)
    arrays = {name: getattr(stored, name) for name in ARRAYS}
    return facts, {**arrays, "response": likelihood.response.y}


def decode_generalized(facts: dict[str, Any]) -> GeneralizedFacts:
    """Facts that :func:`are_generalized` has passed.

    Raises
    ------
    ArgumentError
        A given parameter is outside its range.
    """
    family, link = decode_family(facts["family"]), LINKS[facts["link"]]
    return GeneralizedFacts(family, link, facts["nagq"], facts["auxiliary"])


def are_generalized(value: Any) -> bool:
    """Whether a field of the header describes a generalised model; None for a linear one."""
    if value is None:
        return True
    return (
        isinstance(value, dict)
        and set(value) == {"family", "link", "nagq", "auxiliary"}
        and are_family(value["family"])
        and isinstance(value["link"], str)
        and value["link"] in LINKS
        and type(value["nagq"]) is int
        and value["nagq"] >= 0
        and isinstance(value["auxiliary"], dict)
        and set(value["auxiliary"]) <= set(AUXILIARY)
        and all(_is_formula(text) for text in value["auxiliary"].values())
    )


def _is_formula(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_FORMULA_LENGTH


def decode_estimate(
    archive: Archive,
    header: Any,
    family: Family,
    link: Link,
    design: Design,
    relationship: dict[str, Relationship],
) -> tuple[GeneralizedEstimate, ObservedResponse]:
    """The estimate of a file, checked against its figures, and the response fitted.

    Parameters
    ----------
    archive : Archive
    header : FitHeader
    family, link
        Of the model: an ordinal one knows its classes.
    design : Design
    relationship : dict of str to Relationship

    Raises
    ------
    DataError, ArgumentError, ModelError
        Something is not what the model needs.
    NumericalError
        The figures recomputed are not the stored ones.
    """
    observed = design.observed
    assert observed is not None
    response = archive.array("response", design.n)
    if not np.isfinite(response).all():
        raise archive.damaged("the response is not finite")
    observed = replace(observed, y=response)
    facts: GeneralizedFacts = header.generalized
    likelihood = likelihood_of(design, family, link, observed)
    numbers: dict[str, Any] = {name: archive.array(name) for name in ARRAYS}
    stored = StoredOptimum(**numbers, value=header.criterion, **header.optimum)
    nagq = checked_nagq(facts.nagq, design)
    estimate, value = estimate_of_stored(
        design, relationship, likelihood, stored, nagq=nagq, control=header.control
    )
    theta = theta_in_formula_order(design, estimate.theta)
    _check(value, header.criterion, theta, archive.array("theta", len(theta)), "θ")
    _check(value, header.criterion, estimate.beta, archive.array("beta", len(estimate.beta)), "β")
    return estimate, observed


def _check(
    value: float, stored_value: float, found: FloatArray, stored: FloatArray, name: str
) -> None:
    """Refuse figures that differ by more than rounding on another processor."""
    if not abs(value - stored_value) <= FIGURE_TOLERANCE * max(1.0, abs(value)):
        raise NumericalError(
            f"load: the criterion recomputed from the file is {value:.8g}, the stored one "
            f"{stored_value:.8g}: the file is damaged or a function in `context` differs."
        )
    size = np.abs(found).max(initial=0.0)
    if not (np.abs(found - stored) <= FIGURE_TOLERANCE * size).all():
        raise NumericalError(
            f"load: the {name} of the file are not those of its parameters in the engine's units: "
            "the file is damaged."
        )
