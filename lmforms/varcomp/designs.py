"""From a design to a fit by a named estimator, for models of single variances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..control import Control
from ..errors import ArgumentError
from ..estimate import Estimate
from ..estimate import estimate as engine_estimate
from .emma import emma
from .equations import Equations
from .estimate import TOLERANCE, estimate
from .fit import VarCompFit
from .likelihood import likelihood
from .model import ComponentModel, component_model
from .report import ComponentEstimate
from .sums import sums_of

if TYPE_CHECKING:
    from ..design import Design
    from ..relationship import Relationship

FloatArray = npt.NDArray[np.float64]


def estimate_design(
    design: Design,
    relationship: Mapping[str, Relationship],
    y: FloatArray,
    *,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control | None,
    method: str,
) -> Estimate | ComponentEstimate:
    """Fit a design by a named estimator of variance components.

    Without known covariances the result is the engine's own at these variances.
    """
    options = control or Control()
    if options.factor != "auto":
        raise ArgumentError(
            f"Control(factor={options.factor!r}) is for method='auto' without a relationship."
        )
    model = replace(component_model(design, relationship), y=y - design.offset)
    found = _found(model, method, reml, start, control)
    related = ComponentEstimate(design, found, options.singular)
    if relationship:
        return related
    ordinary = engine_estimate(
        design.rows(y),
        [g.covariance for g in design.groups],
        reml=reml,
        control=options,
        start=related.theta,
        fixed_theta=True,
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
    return replace(ordinary, optimum=status, flat=related.flat)


def design_at(
    design: Design,
    relationship: Mapping[str, Relationship],
    y: FloatArray,
    theta: Sequence[FloatArray],
    reml: bool,
    control: Control,
) -> ComponentEstimate:
    """A design with known covariances at given θ, with β and σ² profiled out."""
    model = replace(component_model(design, relationship), y=y - design.offset)
    equations = Equations(sums_of(model), control.memory)
    ratios = np.append(np.concatenate(list(theta)) ** 2, 1.0)
    scale = likelihood(equations, ratios, reml).profiled_scale
    fit = _evaluated(model, equations, ratios * scale, reml, "given", "evaluated at given θ")
    return ComponentEstimate(design, fit, control.singular)


def _found(
    model: ComponentModel,
    method: str,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control | None,
) -> VarCompFit:
    """The fit by a method, with the options that it has."""
    if method in ("emma", "gibbs"):
        if start is not None:
            raise ArgumentError(f"start: method={method!r} has no use for one.")
        if method == "emma":
            return emma(model, reml=reml)
        return _joint_mode(model, reml, control or Control())
    variances = None
    if start is not None:
        ratios = np.concatenate([np.empty(0), *start]) ** 2
        variances = np.append(ratios, 1.0) * float(np.var(model.y)) / (1.0 + len(ratios))
    options = control or Control()
    return estimate(
        model,
        "ai" if method == "auto" else method,
        reml=reml,
        start=variances,
        tolerance=TOLERANCE if control is None else options.tolerance,
        max_iterations=None if control is None else options.max_evaluations,
        memory=options.memory,
    )


def _joint_mode(model: ComponentModel, reml: bool, control: Control) -> VarCompFit:
    """The joint posterior mode of the variances under flat priors, REML's twin."""
    from .gibbs import gibbs

    if not reml:
        raise ArgumentError("method='gibbs' has no counterpart of ML: leave reml=True.")
    drawn = gibbs(model, seed=control.seed)
    equations = Equations(sums_of(model), control.memory)
    variances = drawn.joint_mode.to_numpy() / equations.sums.scale**2
    chains, draws = drawn.variance_draws.shape[:2]
    message = (
        f"joint posterior mode of {chains} chains of {draws} draws with flat priors; "
        "lmforms.varcomp.gibbs gives the draws"
    )
    return _evaluated(model, equations, variances, reml, "gibbs", message)


def _evaluated(
    model: ComponentModel,
    equations: Equations,
    variances: FloatArray,
    reml: bool,
    method: str,
    message: str,
) -> VarCompFit:
    """A model at given variances, in the units of the sums."""
    at = likelihood(equations, variances, reml)
    return VarCompFit(
        model=model,
        method=method,
        reml=reml,
        steps=at.variances[None] * at.sums.scale**2,
        criteria=np.array([at.criterion + at.sums.criterion_shift(reml)]),
        kinds=("given",),
        converged=True,
        message=message,
        likelihood=at,
    )
