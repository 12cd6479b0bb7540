"""Numerical checks of the identities of the cheat sheet, as printed and as corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..support.arrays import FloatArray, as_dense
from ..varcomp import Component, ComponentModel
from ..varcomp.fit import RESIDUAL
from .solution import Solution

if TYPE_CHECKING:
    import pandas as pd


EQUAL_DEVIATION = 1e-8
"""Largest relative deviation of equal quantities where V is well conditioned: half the digits, as
V is inverted."""

ROUNDING = 10.0 * float(np.finfo(np.float64).eps)
"""This times the condition of V is the largest deviation where it exceeds `EQUAL_DEVIATION`."""

LARGEST_TOLERANCE = 1e-4
"""Quantities with a larger relative deviation are never called equal."""


class Claim(NamedTuple):
    """One statement of the cheat sheet.

    Attributes
    ----------
    section : int
    claim : str
        As printed, or as meant where it is only implied.
    deviation : float
    correct : str
        The statement that holds; empty if the claim does.
    correct_deviation : float
    """

    section: int
    claim: str
    deviation: float
    correct: str
    correct_deviation: float


def claims(
    model: ComponentModel,
    variances: Mapping[str, float],
    V: FloatArray,
    P: FloatArray,
    solution: Solution,
    C: Any,
    r: FloatArray,
) -> list[Claim]:
    """The claims of sections 2 to 4, and the trace that section 7 uses.

    Parameters
    ----------
    model : ComponentModel
    variances : mapping
        By name, the residual's included.
    V, P : ndarray (n, n)
        Computed without the equations.
    solution : Solution
        Of the equations.
    C : sparse (p + m, p + m)
        W'W + Σ.
    r : ndarray (p + m,)
        W'y.
    """
    y, X, w, sigma2 = model.y, model.X, model.row_weights, variances[RESIDUAL]
    V_inverse = np.linalg.inv(V)
    gls = np.asarray(np.linalg.solve(V, y - solution.fixed), dtype=np.float64)
    ZL, half = _scaled_designs(model, variances)
    yPy, PVP, e = y @ P @ y, P @ V @ P, solution.residuals
    log_det = float(np.linalg.slogdet(V / sigma2)[1])
    Xw, without_Zu = w[:, None] * X, y - (solution.fitted - solution.fixed)

    def holds(section: int, claim: str, deviation: float) -> Claim:
        return Claim(section, claim, deviation, "", deviation)

    return [
        holds(2, "PX = 0", _deviation(P @ X, 0.0, V_inverse @ X)),
        holds(2, "Py = V⁻¹(y − Xb)", _deviation(P @ y, gls)),
        Claim(2, "PVP = V", _deviation(PVP, V), "PVP = P", _deviation(PVP, P)),
        Claim(
            2,
            "y'Py = y'e",
            _deviation(yPy, y @ e),
            "y'Py = y'V⁻¹(y − Xb) = y'R₀⁻¹ê/σ²ₑ, ê = y − Xb − Zu",
            max(_deviation(yPy, y @ gls), _deviation(yPy, y @ (w * e) / sigma2)),
        ),
        Claim(
            2,
            "V⁻¹ = I − Z(Z'Z + K⁻¹)⁻¹Z'",
            _deviation(_woodbury(ZL, np.ones(model.n)), V_inverse),
            "(V/σ²ₑ)⁻¹ = R₀⁻¹ − R₀⁻¹Z(Z'R₀⁻¹Z + K⁻¹λ)⁻¹Z'R₀⁻¹",
            _deviation(_woodbury(half, w), sigma2 * V_inverse),
        ),
        Claim(
            2,
            "|V|: announced, not printed",
            np.nan,
            "ln|V/σ²ₑ| = ln|Z'R₀⁻¹Z + K⁻¹λ| + ln|K/λ| + ln|R₀|",
            _deviation(_log_det(half, w), log_det, max(1.0, abs(log_det))),
        ),
        holds(
            3,
            "u = σᵢ²KᵢZᵢ'V⁻¹(y − Xb)",
            _deviation(
                np.concatenate([np.empty(0), *solution.random_effects.values()]),
                _predictions(model, variances, gls),
            ),
        ),
        holds(3, "(X'X)b = X'(y − ΣZᵢuᵢ)", _deviation(Xw.T @ solution.fixed, Xw.T @ without_Zu)),
        Claim(
            4, "W'W + Σ = W'y", np.nan, "(W'W + Σ)g = W'y", _deviation(C @ solution.g.to_numpy(), r)
        ),
        holds(
            7,
            "tr(PV) = n − r, r the rank of X",
            _deviation(float(np.sum(P * V)), float(model.n - X.shape[1])),
        ),
    ]


def tolerance(V: FloatArray, weights: FloatArray, residual: float) -> float:
    """The largest deviation of equal quantities; cond(V) is at most ‖V‖₁ over its smallest R."""
    condition = np.abs(V).sum(axis=0).max() * weights.max() / residual
    return float(min(max(EQUAL_DEVIATION, ROUNDING * condition), LARGEST_TOLERANCE))


def _scaled_designs(
    model: ComponentModel, variances: Mapping[str, float]
) -> tuple[FloatArray, FloatArray]:
    """ZL and ZL·√γ, (n, m), so that V/σ² = R₀ + ZL·γ·L'Z'."""
    blocks, scales = [np.empty((model.n, 0))], [np.empty(0)]
    for c in model.components:
        root = _root(c)
        blocks.append(as_dense(c.Z @ root))
        scales.append(np.full(root.shape[1], np.sqrt(variances[c.name] / variances[RESIDUAL])))
    ZL = np.hstack(blocks)
    return ZL, ZL * np.concatenate(scales)


def _predictions(
    model: ComponentModel, variances: Mapping[str, float], gls: FloatArray
) -> FloatArray:
    """σ_i²K_iZ_i'V⁻¹(y − Xb) of all terms, from V⁻¹(y − Xb)."""
    out = [np.empty(0)]
    for c in model.components:
        root = _root(c)
        out.append(np.asarray(variances[c.name] * (root @ (root.T @ (c.Z.T @ gls)))))
    return np.concatenate(out)


def _root(component: Component) -> Any:
    """L with LL' = K."""
    import scipy.sparse as sp

    if component.root is not None:
        return component.root
    if component.precision is None:
        return sp.identity(component.n_effects, format="csr")
    return np.linalg.cholesky(component.covariance())


def table_of_claims(of: Sequence[Claim], tolerance: float) -> pd.DataFrame:
    """Claims as a table; a claim that is printed right is its own correct statement."""
    import pandas as pd

    return pd.DataFrame(
        {
            "section": [c.section for c in of],
            "claim": [c.claim for c in of],
            "holds": [c.deviation <= tolerance for c in of],
            "deviation": [c.deviation for c in of],
            "correct": [c.correct or c.claim for c in of],
            "correct_holds": [c.correct_deviation <= tolerance for c in of],
            "correct_deviation": [c.correct_deviation for c in of],
        }
    )


def _woodbury(half: FloatArray, weights: FloatArray) -> FloatArray:
    """(diag(1/w) + half·half')⁻¹."""
    wide = weights[:, None] * half
    inner = half.T @ wide + np.eye(half.shape[1])
    return np.asarray(np.diag(weights) - wide @ np.linalg.solve(inner, wide.T))


def _log_det(half: FloatArray, weights: FloatArray) -> float:
    """ln|diag(1/w) + half·half'|."""
    inner = half.T @ (weights[:, None] * half) + np.eye(half.shape[1])
    return float(np.linalg.slogdet(inner)[1] - np.log(weights).sum())


def _deviation(a: Any, b: Any, scale: Any = None) -> float:
    """Largest |a − b| relative to the largest entry of both, or of `scale`."""
    entries = max(_largest(a), _largest(b)) if scale is None else _largest(scale)
    return _largest(np.asarray(a) - b) / entries if entries else 0.0


def _largest(x: Any) -> float:
    """Largest absolute entry; zero if there is none."""
    return float(np.abs(x).max(initial=0.0))
