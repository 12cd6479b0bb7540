"""From a design and a family to an estimate: the likelihood of the rows, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..control import Control
from ..data.design import Design
from ..data.label_messages import row_of
from ..data.observed_response import ObservedResponse, ResponseKind
from ..engine.rows import FactorRows, ModelRows
from ..errors import ArgumentError, DataError, ModelError
from ..relationship import Relationship
from ..relationship.priors import precisions_of
from ..residual import Independent
from ..support.arguments import whole_number
from ..support.arrays import FloatArray
from .estimate import GeneralizedEstimate, estimate_generalized
from .families.base import Family, Response
from .families.links import Link
from .families.ordinal import LatentLink, Ordinal
from .likelihood import ConditionalLikelihood
from .population import advice_on_links
from .problem import GeneralizedProblem, problem_of_rows

MOST_NODES = 100
"""Nodes of the quadrature in one direction: beyond, weights underflow."""

MOST_PRODUCT_NODES = 100_000
"""Nodes of a product rule, each of which evaluates all rows."""

MAKE_INVERTIBLE = (
    "Add a small number to its diagonal, such as K + 0.01 * np.eye(len(K)), or make one level of "
    "those that are copies of each other."
)
"""What to do about a covariance of levels without one."""

AUXILIARY = ("dispersion", "zero_inflation")
"""Arguments that are formulas of parameters beside the mean."""


def response_kind(family: Family) -> ResponseKind:
    """What the response of a family is read as."""
    if isinstance(family, Ordinal):
        return "ordinal"
    if family.takes_trials:
        return "trials"
    return "counts" if family.has_zero or family.discrete else "continuous"


def settled_family(design: Design, family: Family, link: Link) -> tuple[Design, Family, Link]:
    """The design, the family and the link, which know the classes of an ordinal response.

    Raises
    ------
    ModelError
    """
    if not isinstance(family, Ordinal):
        return design, family, link
    assert design.observed is not None
    classes = design.observed.levels or ()
    return design.with_thresholds(), Ordinal(classes, link.name), LatentLink(link.name)


def likelihood_of(
    design: Design, family: Family, link: Link, observed: ObservedResponse | None = None
) -> ConditionalLikelihood:
    """The likelihood of a design's rows, or of another response of them.

    Raises
    ------
    DataError
        A response that the family does not have.
    """
    seen = design.observed if observed is None else observed
    assert seen is not None
    response = Response(seen.y, seen.trials)
    outside, range_of = family.outside(response)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"the response `{design.bound.formula.response.label}` is {seen.y[first]:g} in "
            f"{row_of(design.index, first)}; the {family.name} family has {range_of}."
        )
    names = family.parameter_names
    designs: list[FloatArray | None] = [None] * len(names)
    for argument, part in design.auxiliary.items():
        designs[names.index(parameter_of(family, argument))] = part.X
    return ConditionalLikelihood(family, link, response, tuple(designs), seen.case_weights)


def parameter_of(family: Family, argument: str) -> str:
    """The parameter of a family that the formula given as `dispersion` or `zero_inflation` is of.

    Raises
    ------
    ArgumentError
        It has none, or its value is given.
    """
    names = family.parameter_names
    if argument == "zero_inflation":
        if "zero_inflation" in names:
            return "zero_inflation"
        raise ArgumentError(f"zero_inflation: the {family.name} family has no such parameter.")
    own = [name for name in names if name not in ("zero_inflation", "power", "df")]
    if own:
        return own[0]
    given = ", ".join(f"{k}={v:g}" for k, v in family.given.items())
    why = f"its parameter is given ({given})" if given else "it has no such parameter"
    raise ArgumentError(
        f"dispersion: a formula is not possible with the {family.name} family: {why}."
    )


def checked_nagq(nagq: Any, design: Design) -> int:
    """Nodes of the quadrature that suit a model.

    Raises
    ------
    ArgumentError, ModelError
    """
    number = whole_number("nagq", nagq, least=0)
    if number <= 1:
        return number
    if number > MOST_NODES:
        raise ArgumentError(f"nagq={number}: at most {MOST_NODES} nodes are possible.")
    if len(design.groups) > 1:
        names = ", ".join(g.name for g in design.groups)
        raise ModelError(
            f"nagq={number}: quadrature is for one grouping factor, and this model has "
            f"{len(design.groups)} ({names}). Use nagq=1, the Laplace approximation."
        )
    k = len(design.groups[0].columns) if design.groups else 0
    if number**k > MOST_PRODUCT_NODES:
        raise ModelError(
            f"nagq={number}: {k} random effects of a level make {number**k:,} nodes, and at most "
            f"{MOST_PRODUCT_NODES:,} are possible. Use fewer, or nagq=1."
        )
    return number


def advice_on_failure(likelihood: ConditionalLikelihood) -> str:
    """What to try where the likelihood could not be evaluated."""
    family, link = likelihood.family, likelihood.link
    if not link.takes_all_numbers(family.inner):
        return f"The {link.name} link has no mean for some predictors. {advice_on_links(family)}"
    return (
        "Look for responses or predictors of very different sizes, choose another family, or "
        "simplify the random effects."
    )


def fit_generalized(
    design: Design,
    relationship: Mapping[str, Relationship],
    likelihood: ConditionalLikelihood,
    *,
    nagq: int,
    control: Control,
    start: Sequence[FloatArray] | None = None,
) -> GeneralizedEstimate:
    """Fit a design.

    Raises
    ------
    ModelError, NumericalError, MemoryLimitError, RelationshipError
    """
    if nagq > 1 and relationship:
        raise ModelError("nagq: quadrature is for independent levels. Use nagq=1.")
    priors = precisions_of(design, relationship, MAKE_INVERTIBLE) if relationship else []
    covariances = [g.covariance for g in design.groups]
    return estimate_generalized(
        _rows(design, likelihood),
        likelihood,
        design.offset,
        covariances,
        nagq=nagq,
        control=control,
        priors=priors,
        start=start,
    )


def problem_of_design(
    design: Design,
    relationship: Mapping[str, Relationship],
    likelihood: ConditionalLikelihood,
    control: Control,
) -> tuple[GeneralizedProblem, FloatArray]:
    """The criterion of a design, and the sizes of its priors: see :func:`.problem_of_rows`."""
    priors = precisions_of(design, relationship, MAKE_INVERTIBLE) if relationship else []
    covariances = [g.covariance for g in design.groups]
    rows = _rows(design, likelihood)
    return problem_of_rows(rows, likelihood, design.offset, covariances, priors, control)


def _rows(design: Design, likelihood: ConditionalLikelihood) -> ModelRows:
    factors = [FactorRows(g.codes, g.labels.size, design.basis(g)) for g in design.groups]
    return ModelRows(likelihood.response.y, design.X, tuple(factors), Independent())
