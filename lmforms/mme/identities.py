"""Numerical checks of the identities of the cheat sheet, as printed and as corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..support.arrays import FloatArray
from ..varcomp import Component, ComponentModel
from ..varcomp.fit import RESIDUAL
from .solution import Solution

if TYPE_CHECKING:
    import pandas as pd


EQUAL_DEVIATION = 1e-8
"""Largest relative deviation of equal quantities: half the digits, as V is inverted …"""

ROUNDING = 10.0 * float(np.finfo(np.float64).eps)
"""… or this times the condition of V, if that is larger …"""

LARGEST_TOLERANCE = 1e-4
"""… but at most this."""


class Claim(NamedTuple):
    """One statement of the sheet.

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


@dataclass(frozen=True, eq=False)
class IdentityInputs:
    """The matrices that the claims compare: dense, in the user's rows.

    Attributes
    ----------
    y, residuals, weights : ndarray (n,)
        `residuals` is y − Xb − Zu from the equations.
    X : ndarray (n, p)
    V, P : ndarray (n, n)
        Computed without the equations.
    predictors : list of (u, σ_i²K_iZ_i'V⁻¹(y − Xb))
        From the equations and from V.
    half : ndarray (n, m)
        ZL·√γ, so that V/σ² = R₀ + half · half'.
    unscaled : ndarray (n, m)
        ZL.
    residual : float
        σ².
    gls : ndarray (n,)
        V⁻¹(y − Xb), with V solved densely.
    normal : tuple of ndarray (p,)
        X'R₀⁻¹Xb and X'R₀⁻¹(y − Zu).
    equations : tuple of ndarray (p + m,)
        (W'W + Σ)g and W'y.
    """

    y: FloatArray
    residuals: FloatArray
    weights: FloatArray
    X: FloatArray
    V: FloatArray
    P: FloatArray
    predictors: list[tuple[FloatArray, FloatArray]]
    half: FloatArray
    unscaled: FloatArray
    residual: float
    gls: FloatArray
    normal: tuple[FloatArray, FloatArray]
    equations: tuple[FloatArray, FloatArray]


def identity_inputs(
    model: ComponentModel,
    variances: Mapping[str, float],
    V: FloatArray,
    P: FloatArray,
    solution: Solution,
    C: Any,
    r: FloatArray,
) -> IdentityInputs:
    """From V and P on one side, and from the solved equations on the other.

    Parameters
    ----------
    model : ComponentModel
    variances : mapping
        By name, the residual's included.
    V, P : ndarray (n, n)
    solution : Solution
    C : sparse (p + m, p + m)
        W'W + Σ.
    r : ndarray (p + m,)
        W'y.
    """
    gls = np.asarray(np.linalg.solve(V, model.y - solution.fixed), dtype=np.float64)
    weights = np.ones(model.n) if model.weights is None else model.weights
    predictors, blocks, scales = [], [np.empty((model.n, 0))], [np.empty(0)]
    for c in model.components:
        variance = variances[c.name]
        root = _root(c)
        blocks.append(_dense(c.Z @ root))
        scales.append(np.full(root.shape[1], np.sqrt(variance / variances[RESIDUAL])))
        u = variance * (root @ (root.T @ (c.Z.T @ gls)))
        predictors.append((solution.random_effects[c.name].to_numpy(), np.asarray(u)))
    unscaled = np.hstack(blocks)
    Xw = weights[:, None] * model.X
    return IdentityInputs(
        y=model.y,
        residuals=solution.residuals,
        weights=weights,
        X=model.X,
        V=V,
        P=P,
        predictors=predictors,
        half=unscaled * np.concatenate(scales),
        unscaled=unscaled,
        residual=variances[RESIDUAL],
        gls=gls,
        normal=(Xw.T @ solution.fixed, Xw.T @ (model.y - (solution.fitted - solution.fixed))),
        equations=(C @ solution.g.to_numpy(), r),
    )


def _root(component: Component) -> Any:
    """L with LL' = K."""
    import scipy.sparse as sp

    if component.root is not None:
        return component.root
    if component.precision is None:
        return sp.identity(component.size, format="csr")
    return np.linalg.cholesky(component.covariance())


def _dense(matrix: Any) -> FloatArray:
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())


def tolerance(x: IdentityInputs) -> float:
    """The largest deviation of equal quantities; cond(V) is at most ‖V‖₁ over its smallest R."""
    condition = np.abs(x.V).sum(axis=0).max() * x.weights.max() / x.residual
    return float(min(max(EQUAL_DEVIATION, ROUNDING * condition), LARGEST_TOLERANCE))


def claims(x: IdentityInputs) -> list[Claim]:
    """The claims of sections 2 to 4, and the trace that section 7 uses."""
    n, p = x.X.shape
    V_inverse = np.linalg.inv(x.V)
    yPy = x.y @ x.P @ x.y
    PVP = x.P @ x.V @ x.P
    log_det = float(np.linalg.slogdet(x.V / x.residual)[1])
    trace = float(np.sum(x.P * x.V))

    def holds(section: int, claim: str, deviation: float) -> Claim:
        return Claim(section, claim, deviation, "", deviation)

    predictors = [np.concatenate(side) for side in zip(*x.predictors, strict=True)] or [
        np.zeros(1)
    ] * 2
    return [
        holds(2, "PX = 0", _deviation(x.P @ x.X, 0.0, V_inverse @ x.X)),
        holds(2, "Py = V⁻¹(y − Xb)", _deviation(x.P @ x.y, x.gls)),
        Claim(2, "PVP = V", _deviation(PVP, x.V), "PVP = P", _deviation(PVP, x.P)),
        Claim(
            2,
            "y'Py = y'e",
            _deviation(yPy, x.y @ x.residuals),
            "y'Py = y'V⁻¹(y − Xb) = y'R₀⁻¹ê/σ²ₑ, ê = y − Xb − Zu",
            max(
                _deviation(yPy, x.y @ x.gls),
                _deviation(yPy, x.y @ (x.weights * x.residuals) / x.residual),
            ),
        ),
        Claim(
            2,
            "V⁻¹ = I − Z(Z'Z + K⁻¹)⁻¹Z'",
            _deviation(_woodbury(x.unscaled, np.ones(n)), V_inverse),
            "(V/σ²ₑ)⁻¹ = R₀⁻¹ − R₀⁻¹Z(Z'R₀⁻¹Z + K⁻¹λ)⁻¹Z'R₀⁻¹",
            _deviation(_woodbury(x.half, x.weights), x.residual * V_inverse),
        ),
        Claim(
            2,
            "|V|: announced, not printed",
            np.nan,
            "ln|V/σ²ₑ| = ln|Z'R₀⁻¹Z + K⁻¹λ| + ln|K/λ| + ln|R₀|",
            _deviation(_log_det(x.half, x.weights), log_det, max(1.0, abs(log_det))),
        ),
        holds(3, "u = σᵢ²KᵢZᵢ'V⁻¹(y − Xb)", _deviation(*predictors)),
        holds(3, "(X'X)b = X'(y − ΣZᵢuᵢ)", _deviation(*x.normal)),
        Claim(4, "W'W + Σ = W'y", np.nan, "(W'W + Σ)g = W'y", _deviation(*x.equations)),
        holds(7, "tr(PV) = n − r, r the rank of X", _deviation(trace, float(n - p))),
    ]


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
