"""How a solver went: what all of them return, and when the iterative ones stop.

Both iterative solvers have one rule. With r = W'y − Cg, what the equations leave, and D the
diagonal of C, they stop when √(r'D⁻¹r) is no more than the tolerance times what it is at g = 0.
Neither the units of y nor those of X change that. The rule is about the equations: where columns
of W nearly depend on each other, coefficients may have fewer digits than the residual suggests.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ..errors import ConvergenceWarning
from ..support.arguments import share, whole
from ..support.arrays import FloatArray

TOLERANCE = 1e-12
"""Of the residual of the equations: their condition may cost four digits before results show it."""

EPSILON = float(np.finfo(np.float64).eps)
"""An updated residual below this says nothing: it is made afresh."""

GAIN = 0.5
"""Going on from a fresh residual must at least halve it; what does not has met rounding."""


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


def check_options(tolerance: float, most: int) -> None:
    """Refuse a tolerance or a number of iterations that means nothing."""
    share("tolerance", tolerance)
    whole("max_iterations", most, least=1)


def finished(
    g: FloatArray, method: str, trace: list[float], tolerance: float, most: int, remedy: str
) -> Iterations:
    """The outcome in words; it warns if the rule was not met.

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
        warnings.warn(message, ConvergenceWarning, stacklevel=5)
    return Iterations(g, method, converged, np.array(trace), message)
