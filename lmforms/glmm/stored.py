"""An estimate from the numbers that describe it: no search, and no search for modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..control import Control
from ..data.design import Design
from ..engine.linalg.threads import limited_blas_threads
from ..errors import NumericalError
from ..relationship import Relationship
from ..support.arrays import FloatArray
from .conditional_mode import Mode
from .estimate import GeneralizedEstimate, objective_of
from .fit import problem_of_design
from .laplace import laplace
from .likelihood import ConditionalLikelihood
from .problem import GeneralizedProblem
from .search import GeneralizedOptimum

ETA_TOLERANCE = 1e-6
"""Difference of a linear predictor, relative to the largest, that is more than rounding."""


@dataclass(frozen=True, eq=False)
class StoredOptimum:
    """A :class:`.search.GeneralizedOptimum` as numbers, with arrays in the engine's units.

    Attributes
    ----------
    psi : ndarray
        (θ, β, ω).
    u : ndarray
        Modes û of all grouping factors, one after the other.
    eta : ndarray (n,)
        The linear predictor at the modes.
    gradient : ndarray
    information : ndarray
        A square matrix, by rows.
    value : float
    converged : bool
    message : str
    decrement : float
    n_evaluations : int
    trace : tuple of float
    """

    psi: FloatArray
    u: FloatArray
    eta: FloatArray
    gradient: FloatArray
    information: FloatArray
    value: float
    converged: bool
    message: str
    decrement: float
    n_evaluations: int
    trace: tuple[float, ...]

    @classmethod
    def of(cls, optimum: GeneralizedOptimum) -> StoredOptimum:
        """The numbers of an optimum."""
        mode = optimum.mode
        return cls(
            psi=optimum.psi,
            u=np.concatenate([np.empty(0), *(u.ravel() for u in mode.u)]),
            eta=mode.eta,
            gradient=optimum.gradient,
            information=optimum.information.ravel(),
            value=float(optimum.value),
            converged=bool(optimum.converged),
            message=optimum.message,
            decrement=float(optimum.decrement),
            n_evaluations=int(optimum.n_evaluations),
            trace=tuple(map(float, optimum.trace)),
        )


def estimate_of_stored(
    design: Design,
    relationship: Mapping[str, Relationship],
    likelihood: ConditionalLikelihood,
    stored: StoredOptimum,
    *,
    nagq: int,
    control: Control,
) -> tuple[GeneralizedEstimate, float]:
    """The estimate, and the criterion that its parameters and modes give here.

    Linear predictor, gradient, curvature and criterion are the stored ones, so that all that is
    computed from the estimate has the same digits as before.

    Raises
    ------
    ValueError
        Arrays are not of the sizes of the model, or not finite.
    NumericalError
        The linear predictor is not that of the parameters and modes, or the likelihood cannot be
        evaluated there.
    MemoryLimitError
    """
    problem, sizes = problem_of_design(design, relationship, likelihood, control)
    joint = nagq == 0
    _check_sizes(problem, stored, joint)
    with limited_blas_threads(problem.model.rows.system.largest):
        mode = _mode(problem, stored)
        objective = objective_of(nagq)
        value = laplace(mode)
        if objective is not None and nagq > 1:
            value = objective(problem, stored.psi, mode).value
    count = len(stored.gradient)
    optimum = GeneralizedOptimum(
        psi=stored.psi,
        value=stored.value,
        mode=mode,
        gradient=stored.gradient,
        information=stored.information.reshape(count, count),
        converged=stored.converged,
        message=stored.message,
        decrement=stored.decrement,
        n_evaluations=stored.n_evaluations,
        trace=stored.trace,
        joint=joint,
    )
    return GeneralizedEstimate(problem, optimum, nagq, control.singular, sizes), value


def _check_sizes(problem: GeneralizedProblem, stored: StoredOptimum, joint: bool) -> None:
    """Refuse arrays that are not those of the model."""
    count = problem.n_theta + problem.p + problem.n_coefficients
    searched = count - problem.p if joint else count
    wanted = {
        "psi": count,
        "u": sum(f.n_levels * f.k for f in problem.model.rows.factors),
        "eta": problem.model.rows.n,
        "gradient": searched,
        "information": searched**2,
    }
    for name, size in wanted.items():
        values = getattr(stored, name)
        if values.shape != (size,):
            raise ValueError(f"{name} has shape {values.shape}, not ({size},)")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} is not finite")


def _mode(problem: GeneralizedProblem, stored: StoredOptimum) -> Mode:
    """The mode with all that is computed there."""
    model = problem.model
    rows, likelihood = model.rows, model.likelihood
    theta, beta, coefficients = problem.split(stored.psi)
    lams = problem.lams(theta)
    u, start = [], 0
    for f in rows.factors:
        size = f.n_levels * f.k
        u.append(stored.u[start : start + size].reshape(f.n_levels, f.k))
        start += size
    b = [x @ lam.T for x, lam in zip(u, lams, strict=True)]
    eta = model.offset + rows.X @ beta + rows.z_times(b)
    if np.abs(eta - stored.eta).max() > ETA_TOLERANCE * (1.0 + np.abs(stored.eta).max()):
        raise NumericalError("the linear predictor is not that of the parameters and modes.")
    derivatives = likelihood.at(stored.eta, coefficients, 3)
    if not np.isfinite(derivatives.total):
        raise NumericalError("the likelihood of the rows is not finite.")
    factor = rows.factored(-derivatives.values[2], lams)
    penalty = sum(float(np.vdot(x, q)) for x, q in zip(u, rows.prior_times(u), strict=True))
    return Mode(lams, beta, coefficients, u, b, stored.eta, derivatives, factor, penalty)
