"""Quantile residuals: where each response lies among responses simulated from the model.

With k of n simulated values of row i below y_i and t equal to it,

    u_i = (k + U(1 + t)) / (n + 1),   U uniform on (0, 1),

which is uniform on (0, 1) if y_i and the simulated values have one distribution: the rank of y_i
among all n + 1 values is uniform, and U makes it continuous (Dunn and Smyth 1996).

Rotated residuals are those of L⁻¹(y − Xβ̂), with V = LL' the covariance of the response (new random
effects) or of its residuals (fitted ones). Under the model, at the true parameters, L⁻¹(y − Xβ) has
independent standard normal entries, and simulated ones are drawn as such.

References
----------
Dunn, Smyth (1996), *Randomized quantile residuals*, J. Computational and Graphical Statistics 5(3);
Hartig, *DHARMa: residual diagnostics for hierarchical regression models*, its vignette.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import ModelError, NumericalError
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..degrees_of_freedom.connected_rows import MOST_ROWS, connected_rows, random_rows
from ..degrees_of_freedom.residual_blocks import ResidualBlocks
from .variance_parts import residual_variances

MOST_RELATED = 10_000
"""Levels whose known covariance is made as a dense matrix of 800 MB."""

MOST_NUMBERS = 4_000_000
"""Simulated responses that are in memory together."""


@dataclass(frozen=True, eq=False)
class QuantileResiduals:
    """Quantile residuals and what the tests of them need.

    Attributes
    ----------
    scaled : ndarray (n,)
        u, in (0, 1).
    outside : ndarray of bool (n,)
        Responses below or above all simulated ones.
    dispersion : float
        Σ((y − μ)/s)², with μ and s the mean and standard deviation under the model.
    simulated_dispersion : ndarray (draws,)
        The same of each simulated response.
    """

    scaled: FloatArray
    outside: np.ndarray
    dispersion: float
    simulated_dispersion: FloatArray

    @property
    def draws(self) -> int:
        """Number of simulated responses."""
        return len(self.simulated_dispersion)


def quantile_residuals(
    observed: FloatArray,
    draw: Callable[[int], FloatArray],
    n: int,
    generator: np.random.Generator,
) -> QuantileResiduals:
    """Compare standardized residuals with simulated ones.

    Parameters
    ----------
    observed : ndarray (rows,)
        Residuals of mean 0 and variance 1 under the model.
    draw : callable
        From a number c to as many draws of them, (rows, c).
    n : int
        Number of draws.
    generator : numpy.random.Generator
        Of U.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> normal = lambda c: rng.standard_normal((3, c))
    >>> found = quantile_residuals(np.array([-9.0, 0.0, 9.0]), normal, 999, rng)
    >>> found.scaled.round(2), found.outside
    (array([0.  , 0.51, 1.  ]), array([ True, False,  True]))
    """
    below = np.zeros(len(observed), dtype=np.intp)
    equal = np.zeros(len(observed), dtype=np.intp)
    uniform = generator.uniform(size=len(observed))
    dispersions = []
    at_once = max(MOST_NUMBERS // max(len(observed), 1), 1)
    for start in range(0, n, at_once):
        values = draw(min(at_once, n - start))
        below += (values < observed[:, None]).sum(axis=1)
        equal += (values == observed[:, None]).sum(axis=1)
        dispersions.append(np.einsum("ij,ij->j", values, values))
    return QuantileResiduals(
        scaled=(below + uniform * (1 + equal)) / (n + 1),
        outside=(below == 0) & (equal == 0) | (below == n),
        dispersion=float(observed @ observed),
        simulated_dispersion=np.concatenate(dispersions),
    )


def rotated(state: FitState, values: FloatArray, *, new_effects: bool) -> FloatArray:
    """L⁻¹ times values, where V = LL' is the covariance of the response or of its residuals.

    Parameters
    ----------
    state : FitState
    values : ndarray (n, c)
    new_effects : bool
        V is that of the response; else that of its residuals given the random effects.

    Returns
    -------
    ndarray (n, c)

    Raises
    ------
    ModelError
        Too many rows depend on each other.
    NumericalError
        V is singular.
    """
    if new_effects:
        _refuse_many_related_levels(state)
    random = random_rows(state) if new_effects else []
    try:
        sets = connected_rows(state, random)
    except ModelError:
        raise ModelError(
            f"rotate=True takes sets of at most {MOST_ROWS:,} rows that depend on each other, and "
            "this model has a larger one. Use rotate=False."
        ) from None
    sigma2 = state.estimate.sigma**2
    blocks = ResidualBlocks(state.residual, sigma2)
    variances = residual_variances(state) if state.residual.by_row else None
    covariances = [sigma2 * lam @ lam.T for lam in state.estimate.lams]
    out = np.empty_like(values)
    for found in sets:
        P, m = found.first.shape
        step = max(1, MOST_NUMBERS // m**2)
        for start in range(0, P, step):
            patterns = found.first[start : start + step]
            if variances is None:
                V = blocks.values(patterns)
            else:
                V = variances[patterns][:, :, None] * np.eye(m)
            for r, covariance in zip(random, covariances):
                Z = r.basis[patterns]
                V += (Z @ covariance @ Z.swapaxes(1, 2)) * r.shared(patterns)
            try:
                inverse_root = np.tril(np.linalg.inv(np.linalg.cholesky(V)))
            except np.linalg.LinAlgError:
                raise NumericalError(
                    "the covariance of the response is singular at the estimates: use rotate=False."
                ) from None
            ends = np.searchsorted(found.which, start + np.arange(len(patterns) + 1))
            for root, a, b in zip(inverse_root, ends[:-1], ends[1:], strict=True):
                rows = found.rows[a:b]
                out[rows] = root @ values[rows]
    return out


def _refuse_many_related_levels(state: FitState) -> None:
    for name, known in state.relationship.items():
        if len(known) > MOST_RELATED:
            raise ModelError(
                f"rotate=True takes up to {MOST_RELATED:,} related levels, and `{name}` has "
                f"{len(known):,}. Use rotate=False."
            )
