"""Solvers of the equations: a direct factorisation, and preconditioned conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, listed
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from ..varcomp import ComponentModel
from ..varcomp.likelihood import Likelihood
from .gauss_seidel import gauss_seidel
from .henderson_system import HendersonSystem
from .iterations import EPSILON, RESTART_REDUCTION, TOLERANCE, Iterations, check_options, finished

Operator = Callable[[FloatArray], FloatArray]

MOST_ITERATIONS = 1_000
"""Default limit of conjugate-gradient iterations; with more, another preconditioner is better."""

METHOD_OPTIONS = {
    "direct": (),
    "pcg": ("tolerance", "max_iterations", "preconditioner"),
    "gauss_seidel": ("tolerance", "max_iterations", "compiled"),
}
"""Options of each method."""


def solve(
    method: str,
    system: HendersonSystem,
    model: ComponentModel,
    likelihood: Callable[[], Likelihood],
    options: dict[str, Any],
) -> Iterations:
    """Solve by the method of this name.

    Parameters
    ----------
    method : {"direct", "pcg", "gauss_seidel"}
    system : HendersonSystem
    model : ComponentModel
    likelihood : callable
        Returns the factored equations; called for the direct method only.
    options : dict

    Raises
    ------
    ArgumentError
        There is no such method, or it has no such option.
    """
    method = one_of("method", method, list(METHOD_OPTIONS))
    for name in options:
        if name not in METHOD_OPTIONS[method]:
            known = listed(METHOD_OPTIONS[method]) or "none"
            raise ArgumentError(f"method={method!r} has no option `{name}`; it has {known}.")
    if method == "direct":
        return direct(system, likelihood())
    if method == "pcg":
        return pcg(system, **options)
    return gauss_seidel(system, model, **options)


def direct(system: HendersonSystem, likelihood: Likelihood) -> Iterations:
    """From the engine's factor, X eliminated.

    Parameters
    ----------
    system : HendersonSystem
    likelihood : Likelihood
        At the same variances; terms whose variance is zero have no coefficients.
    """
    parts = [likelihood.coefficients[i] for i in system.terms]
    g = np.concatenate([likelihood.beta, *parts])
    start = system.size_of(system.r)
    left = system.size_of(system.r - system.times(g)) / start if start else 0.0
    message = f"Solved by a factor: relative residual {left:.1e}."
    return Iterations(g, "direct", True, np.array([left]), message)


def pcg(
    system: HendersonSystem,
    *,
    preconditioner: str = "jacobi",
    tolerance: float = TOLERANCE,
    max_iterations: int = MOST_ITERATIONS,
) -> Iterations:
    """Preconditioned conjugate gradients; C is multiplied with, never formed.

    Parameters
    ----------
    system : HendersonSystem
    preconditioner : {"jacobi", "block"}
        The diagonal of C, or its diagonal blocks: X'X and each Z_i'Z_i + Q_iλ_i, factored.
    tolerance : float
        See :mod:`.iterations` for the test. When the residual of the recurrence meets it, the true
        residual is computed, and the iteration is restarted if that does not.
    max_iterations : int

    References
    ----------
    Hestenes and Stiefel (1952); Strandén and Lidauer (1999), Journal of Dairy Science 82,
    2779–2787, for mixed-model equations.
    """
    check_options(tolerance, max_iterations)
    precondition = _preconditioner(system, preconditioner)
    start = system.size_of(system.r)
    g, trace = np.zeros(system.size), [1.0 if start else 0.0]
    before = np.inf
    while (
        trace[-1] > tolerance
        and len(trace) <= max_iterations
        and trace[-1] <= RESTART_REDUCTION * before
    ):
        before = trace[-1]
        _run(system, precondition, g, trace, start, tolerance, max_iterations)
        trace[-1] = system.size_of(system.r - system.times(g)) / start
    remedy = "Raise `max_iterations`, or try preconditioner='block' or method='direct'."
    return finished(g, "pcg", trace, tolerance, max_iterations, remedy)


def _run(
    system: HendersonSystem,
    precondition: Operator,
    g: FloatArray,
    trace: list[float],
    start: float,
    tolerance: float,
    most: int,
) -> None:
    """Iterate from g, in place, until the recurrence's residual is small."""
    left = system.r - system.times(g)
    solved = precondition(left)
    direction, product = solved, float(left @ solved)
    while len(trace) <= most and product > 0:
        image = system.times(direction)
        step = product / float(direction @ image)
        g += step * direction
        left = left - step * image
        trace.append(system.size_of(left) / start)
        if trace[-1] <= max(tolerance, EPSILON):
            return
        solved = precondition(left)
        last, product = product, float(left @ solved)
        direction = solved + (product / last) * direction


def _preconditioner(system: HendersonSystem, name: str) -> Operator:
    if one_of("preconditioner", name, ("jacobi", "block")) == "jacobi":
        return lambda x: x / system.diagonal
    from ..engine.linalg.sparse_cholesky import cholesky_of

    solvers = []
    for span in system.spans:
        columns = system.W[:, span]
        if columns.shape[1]:
            block = columns.T @ columns + system.Sigma[span, span]
            solvers.append((span, cholesky_of(block)[1].solve))

    def precondition(x: FloatArray) -> FloatArray:
        out = np.empty_like(x)
        for span, solve in solvers:
            out[span] = solve(x[span])
        return out

    return precondition
