"""Estimates for a design by a named estimator, for models of single variances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..control import METHODS_WITHOUT_START, Control
from ..engine.estimate import Estimate
from ..engine.estimate import estimate as engine_estimate
from ..errors import ArgumentError
from ..support.arrays import FloatArray
from .component_estimate import ComponentEstimate
from .equations import Equations
from .estimate_components import estimate
from .fit import VarCompFit, fit_at
from .likelihood import likelihood
from .model import ComponentModel, component_model
from .sums import sums_of

if TYPE_CHECKING:
    from ..data.design import Design
    from ..relationship import Relationship


def estimate_design(
    design: Design,
    relationship: Mapping[str, Relationship],
    y: FloatArray,
    *,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control,
    method: str,
) -> Estimate | ComponentEstimate:
    """Fit a design by a named estimator of variance components.

    Without known covariances the result is the engine's own at these variances.
    """
    if control.factor != "auto":
        raise ArgumentError(
            f"Control(factor={control.factor!r}) is for method='auto' without a relationship, or "
            "with a relationship for correlated effects: leave it out."
        )
    model = component_model(design, relationship, y)
    found = _fit_by_method(model, method, reml, start, control)
    related = ComponentEstimate(design, found, control.singular)
    if relationship:
        return related
    ordinary = engine_estimate(
        design.rows(y),
        [g.covariance for g in design.groups],
        reml=reml,
        control=control,
        at=related.theta,
    )
    report = related.report([g.name for g in design.groups])
    shift = ordinary.scaling.criterion_shift(ordinary.problem.nu, reml)
    status = replace(
        ordinary.optimum,
        converged=report.converged,
        message=report.message,
        n_evaluations=report.n_evaluations,
        decrement=report.decrement,
        trace=tuple(t - shift for t in report.trace),
    )
    return replace(ordinary, optimum=status, unidentified=related.unidentified)


def design_at(
    design: Design,
    relationship: Mapping[str, Relationship],
    y: FloatArray,
    theta: Sequence[FloatArray],
    reml: bool,
    control: Control,
) -> ComponentEstimate:
    """A design with known covariances at given θ, with β and σ² profiled out."""
    model = component_model(design, relationship, y)
    equations = Equations(sums_of(model), control.memory)
    ratios = np.append(np.concatenate(list(theta)) ** 2, 1.0)
    scale = likelihood(equations, ratios, reml).profiled_scale
    at = likelihood(equations, ratios * scale, reml)
    fit = fit_at(model, at, "given", "evaluated at given θ")
    return ComponentEstimate(design, fit, control.singular)


def _fit_by_method(
    model: ComponentModel,
    method: str,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control,
) -> VarCompFit:
    """The fit by a method, with the options that it takes."""
    variances = None
    if start is not None:
        ratios = np.concatenate([np.empty(0), *start]) ** 2
        variances = np.append(ratios, 1.0) * float(np.var(model.y)) / (1.0 + len(ratios))
    tolerance = control.tolerance if control.tolerance != Control.tolerance else None
    limit = control.max_evaluations if control.max_evaluations != Control.max_evaluations else None
    return estimate(
        model,
        "ai" if method == "auto" else method,
        reml=reml,
        start=variances,
        tolerance=None if method in METHODS_WITHOUT_START else tolerance,
        max_iterations=None if method in METHODS_WITHOUT_START else limit,
        memory=control.memory,
        seed=control.seed,
    )
