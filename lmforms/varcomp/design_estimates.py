"""Estimates for a design by a named estimator, for models of single variances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..control import METHODS_WITHOUT_START, Control
from ..engine.estimate import Estimate
from ..engine.estimate import estimate as engine_estimate
from ..engine.prior import Prior
from ..errors import ArgumentError
from ..support.arrays import FloatArray
from . import estimator_steps
from .estimate_components import estimate
from .fit import VarCompFit
from .model import ComponentModel, component_model

if TYPE_CHECKING:
    from ..data.design import Design
    from ..relationship import Relationship


def estimate_design(
    design: Design,
    relationship: Mapping[str, Relationship],
    priors: Sequence[Prior],
    y: FloatArray,
    *,
    reml: bool,
    start: Sequence[FloatArray] | None,
    control: Control,
    method: str,
) -> Estimate:
    """Fit a design by a named estimator: the engine's estimate at the variances that it finds."""
    if control.factor != "auto":
        raise ArgumentError(
            f"Control(factor={control.factor!r}) is for method='auto': leave it out."
        )
    found = _fit_by_method(component_model(design, relationship, y), method, reml, start, control)
    ends = np.cumsum([0, *(len(g.columns) for g in design.groups)])
    theta = np.sqrt(found.ratios.to_numpy())
    at = engine_estimate(
        design.rows(y),
        [g.covariance for g in design.groups],
        reml=reml,
        control=control,
        priors=priors,
        at=[theta[a:b] for a, b in pairwise(ends)],
    )
    shift = at.scaling.criterion_shift(at.problem.nu, reml)
    status = replace(
        at.optimum,
        converged=found.converged,
        message=f"{found.method}: {found.message}",
        n_evaluations=len(found.criteria),
        decrement=2.0 * estimator_steps.decrement(found.likelihood),
        trace=tuple(float(value) - shift for value in found.criteria),
    )
    return replace(at, optimum=status, unidentified=_unidentified(design, found))


def _unidentified(design: Design, found: VarCompFit) -> tuple[tuple[int, int], ...]:
    """(grouping factor, term) of the components along which the likelihood does not change."""
    out, first = [], 0
    for g, group in enumerate(design.groups):
        flat = found.flat[first : first + len(group.columns)]
        first += len(group.columns)
        for part, columns in enumerate(group.covariance.column_slices()):
            if flat[columns].any():
                out.append((g, part))
    return tuple(out)


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
        method,
        reml=reml,
        start=variances,
        tolerance=None if method in METHODS_WITHOUT_START else tolerance,
        max_iterations=None if method in METHODS_WITHOUT_START else limit,
        memory=control.memory,
        seed=control.seed,
    )
