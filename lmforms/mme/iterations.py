"""`Iterations`: the result of a solver, and the test of convergence of the iterative solvers.

Both iterative solvers use the same test. With the residual r = W'y − Cg and D the diagonal of C,
they stop when √(r'D⁻¹r) is at most the tolerance times its value at g = 0. This does not depend on
the units of y and X. The test is on the equations: where columns of W are nearly dependent, the
coefficients may have fewer correct digits than the residual suggests.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ..errors import ConvergenceWarning
from ..support.arguments import proportion, whole_number
from ..support.arrays import FloatArray
from ..support.caller import caller_depth

TOLERANCE = 1e-12
"""Of the residual of the equations: ill-conditioning may cost four digits without being visible."""

EPSILON = float(np.finfo(np.float64).eps)
"""An updated residual below this is rounding: it is computed anew."""

RESTART_REDUCTION = 0.5
"""A restart from a new residual must reduce it to this share; otherwise rounding limits it."""


@dataclass(frozen=True, eq=False)
class Iterations:
    """A solution of the equations, and how it was found.

    Attributes
    ----------
    g : ndarray (p + m,)
    method : str
    converged : bool
    trace : ndarray (t + 1,)
        √(r'D⁻¹r) relative to its value at g = 0, at the start and after each iteration.
    message : str
        Why it stopped, and the remedy if it should not have.
    """

    g: FloatArray
    method: str
    converged: bool
    trace: FloatArray
    message: str

    @property
    def n_iterations(self) -> int:
        """Iterations or sweeps; 0 for a direct solution."""
        return len(self.trace) - 1

    def __repr__(self) -> str:
        return (
            f"<Iterations by {self.method!r}: {len(self.g):,} unknowns, {self.n_iterations} "
            f"iterations, relative residual {self.trace[-1]:.2g}>"
        )


def check_options(tolerance: float, most: int) -> None:
    """Refuse an invalid tolerance or number of iterations."""
    proportion("tolerance", tolerance)
    whole_number("max_iterations", most, least=1)


def finished(
    g: FloatArray, method: str, trace: list[float], tolerance: float, most: int, remedy: str
) -> Iterations:
    """The result with its message; warns if the solver did not converge.

    `trace` ends with a residual that was computed anew from g.
    """
    converged = trace[-1] <= tolerance
    steps = len(trace) - 1
    if converged:
        message = f"Converged: relative residual {trace[-1]:.1e} after {steps:,} iterations."
    elif steps >= most:
        message = (
            f"Not converged: {steps:,} iterations leave a relative residual of {trace[-1]:.1e}, "
            f"more than {tolerance:.1e}. {remedy}"
        )
    else:
        message = (
            f"Not converged: rounding keeps the relative residual at {trace[-1]:.1e}, above "
            f"{tolerance:.1e}. Raise `tolerance`, or use method='direct'."
        )
    if not converged:
        warnings.warn(message, ConvergenceWarning, stacklevel=caller_depth())
    return Iterations(g, method, converged, np.array(trace), message)
