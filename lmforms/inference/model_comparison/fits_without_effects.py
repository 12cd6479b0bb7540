"""A generalised model without its random effects, for tests of the last of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.linalg.threads import limited_blas_threads
from ...glmm.families.base import Family
from ...glmm.likelihood import ConditionalLikelihood
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..generalized import generalized_estimate

STEPS = 100
HALVINGS = 40

DECREMENT = 1e-12
"""The criterion would fall by about this much at the last step."""

DIFFERENCE = 1e-5
"""Of gradients, for second derivatives in parameters of order one."""


@dataclass(frozen=True, eq=False)
class FixedEstimate:
    """Fixed effects and parameters of the family at the maximum of the likelihood.

    Attributes
    ----------
    beta : ndarray (p,)
    coefficients : ndarray
        Of the family's parameters.
    criterion : float
    converged : bool
    family : Family
    """

    beta: FloatArray
    coefficients: FloatArray
    criterion: float
    converged: bool
    family: Family

    reml = False
    is_factored = True
    criterion_se = 0.0
    residual = None
    n_theta = 0
    singular: tuple[tuple[int, int], ...] = ()
    unidentified: tuple[tuple[int, int], ...] = ()

    @property
    def phi(self) -> FloatArray:
        """Parameters of residual structures: there are none."""
        return np.empty(0)

    @property
    def n_of_rows(self) -> int:
        """Number of coefficients of the family's parameters."""
        return len(self.coefficients)


@dataclass(frozen=True, eq=False)
class FitWithoutEffects:
    """A fit of a model without random effects, as comparisons take it."""

    state: FitState


def fit_without_effects(state: FitState) -> FitWithoutEffects:
    """The model of a fit without its random effects, by maximum likelihood.

    Parameters
    ----------
    state : FitState
        Of a generalised model, at whose estimates the search begins.
    """
    estimate, design = generalized_estimate(state), state.design
    with limited_blas_threads(1):
        Q, R = np.linalg.qr(design.X)  # so that columns are of one size
        n = np.sqrt(design.n)
        start = np.concatenate([R @ estimate.beta / n, estimate.coefficients])
        found, value, converged = _maximised(estimate.likelihood, Q * n, design.offset, start)
        p = design.X.shape[1]
        beta = np.linalg.solve(R, found[:p] * n) if p else np.empty(0)
    fixed: Any = FixedEstimate(beta, found[p:], value, converged, estimate.family)
    reduced = replace(design, terms=(), groups=())
    return FitWithoutEffects(replace(state, design=reduced, estimate=fixed, relationship={}))


def _maximised(
    likelihood: ConditionalLikelihood, X: FloatArray, offset: FloatArray, start: FloatArray
) -> tuple[FloatArray, float, bool]:
    """Parameters (β, ω), −2 × log-likelihood there, and whether it is the minimum: Newton steps."""
    p = X.shape[1]

    def at(x: FloatArray) -> tuple[float, FloatArray]:
        found = likelihood.at(X @ x[:p] + offset, x[p:], 1)
        rows = [found.parameters[j, 0] for j in range(len(found.parameters))]
        gradient = np.concatenate([X.T @ found.values[1], likelihood.contracted(rows)])
        return -2.0 * found.total, -2.0 * gradient

    x, (value, gradient) = start, at(start)
    for _ in range(STEPS):
        H = np.empty((len(x), len(x)))
        for i in range(len(x)):
            move = np.zeros(len(x))
            move[i] = DIFFERENCE
            H[i] = (at(x + move)[1] - at(x - move)[1]) / (2.0 * DIFFERENCE)
        if not (np.isfinite(H).all() and np.isfinite(gradient).all()):
            return x, value, False
        values, vectors = np.linalg.eigh(0.5 * (H + H.T))
        floor = 1e-10 * max(float(np.abs(values).max(initial=0.0)), 1e-300)
        step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), floor))
        decrement = float(-gradient @ step)
        if decrement < DECREMENT * max(1.0, abs(value)):
            return x, value, bool((values > 0.0).all())
        for _ in range(HALVINGS):
            new, new_gradient = at(x + step)
            if np.isfinite(new) and new <= value:
                x, value, gradient = x + step, new, new_gradient
                break
            step = 0.5 * step
        else:
            return x, value, decrement < 1e-6
    return x, value, False
