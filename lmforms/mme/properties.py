"""Which identities of the cheat sheet hold, as printed and as corrected, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..support.arrays import FloatArray
from ..varcomp import Component
from ..varcomp.fit import RESIDUAL

if TYPE_CHECKING:
    from .equations import MixedModelEquations


HOLDS = 1e-8
"""Largest relative deviation of what counts as equal: half the digits, as V is inverted …"""

ROUNDING = 10.0 * float(np.finfo(np.float64).eps)
"""… or this times the condition of V, if it is worse …"""

LAX = 1e-4
"""… but never more."""


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
class Pieces:
    """What the claims are about: dense, in the user's rows.

    Attributes
    ----------
    y, residuals, weights : ndarray (n,)
        `residuals` is y − Xb − Zu from the equations.
    X : ndarray (n, p)
    V, P : ndarray (n, n)
        Found without the equations.
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


def pieces(mme: MixedModelEquations) -> Pieces:
    """From V and P on one side, and from the solved equations on the other."""
    model, solution, V = mme.model, mme.solve(), mme.V
    gls = np.asarray(np.linalg.solve(V, model.y - solution.fixed), dtype=np.float64)
    weights = np.ones(model.n) if model.weights is None else model.weights
    predictors, blocks, scales = [], [np.empty((model.n, 0))], [np.empty(0)]
    for c in model.components:
        variance = mme.variances[c.name]
        root = _root(c)
        blocks.append(_dense(c.Z @ root))
        scales.append(np.full(root.shape[1], np.sqrt(variance / mme.variances[RESIDUAL])))
        u = variance * (root @ (root.T @ (c.Z.T @ gls)))
        predictors.append((solution.random_effects[c.name].to_numpy(), np.asarray(u)))
    unscaled = np.hstack(blocks)
    Xw = weights[:, None] * model.X
    return Pieces(
        y=model.y,
        residuals=solution.residuals,
        weights=weights,
        X=model.X,
        V=V,
        P=mme.P,
        predictors=predictors,
        half=unscaled * np.concatenate(scales),
        unscaled=unscaled,
        residual=mme.variances[RESIDUAL],
        gls=gls,
        normal=(Xw.T @ solution.fixed, Xw.T @ (model.y - (solution.fitted - solution.fixed))),
        equations=(mme.C() @ solution.g.to_numpy(), mme.r()),
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


def tolerance(x: Pieces) -> float:
    """What counts as equal here; the condition of V is at most ‖V‖₁ over its smallest R."""
    condition = np.abs(x.V).sum(axis=0).max() * x.weights.max() / x.residual
    return float(min(max(HOLDS, ROUNDING * condition), LAX))


def claims(x: Pieces) -> list[Claim]:
    """The claims of sections 2 to 4 and the trace behind section 7."""
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
        holds(2, "PX = 0", _apart(x.P @ x.X, 0.0, V_inverse @ x.X)),
        holds(2, "Py = V⁻¹(y − Xb)", _apart(x.P @ x.y, x.gls)),
        Claim(2, "PVP = V", _apart(PVP, x.V), "PVP = P", _apart(PVP, x.P)),
        Claim(
            2,
            "y'Py = y'e",
            _apart(yPy, x.y @ x.residuals),
            "y'Py = y'V⁻¹(y − Xb) = y'R₀⁻¹ê/σ²ₑ, ê = y − Xb − Zu",
            max(
                _apart(yPy, x.y @ x.gls),
                _apart(yPy, x.y @ (x.weights * x.residuals) / x.residual),
            ),
        ),
        Claim(
            2,
            "V⁻¹ = I − Z(Z'Z + K⁻¹)⁻¹Z'",
            _apart(_woodbury(x.unscaled, np.ones(n)), V_inverse),
            "(V/σ²ₑ)⁻¹ = R₀⁻¹ − R₀⁻¹Z(Z'R₀⁻¹Z + K⁻¹λ)⁻¹Z'R₀⁻¹",
            _apart(_woodbury(x.half, x.weights), x.residual * V_inverse),
        ),
        Claim(
            2,
            "|V|: announced, not printed",
            np.nan,
            "ln|V/σ²ₑ| = ln|Z'R₀⁻¹Z + K⁻¹λ| + ln|K/λ| + ln|R₀|",
            _apart(_log_det(x.half, x.weights), log_det, max(1.0, abs(log_det))),
        ),
        holds(3, "u = σᵢ²KᵢZᵢ'V⁻¹(y − Xb)", _apart(*predictors)),
        holds(3, "(X'X)b = X'(y − ΣZᵢuᵢ)", _apart(*x.normal)),
        Claim(4, "W'W + Σ = W'y", np.nan, "(W'W + Σ)g = W'y", _apart(*x.equations)),
        holds(7, "tr(PV) = n − r, r the rank of X", _apart(trace, float(n - p))),
    ]


def _woodbury(half: FloatArray, weights: FloatArray) -> FloatArray:
    """(diag(1/w) + half·half')⁻¹."""
    wide = weights[:, None] * half
    inner = half.T @ wide + np.eye(half.shape[1])
    return np.asarray(np.diag(weights) - wide @ np.linalg.solve(inner, wide.T))


def _log_det(half: FloatArray, weights: FloatArray) -> float:
    """ln|diag(1/w) + half·half'|."""
    inner = half.T @ (weights[:, None] * half) + np.eye(half.shape[1])
    return float(np.linalg.slogdet(inner)[1] - np.log(weights).sum())


def _apart(a: Any, b: Any, scale: Any = None) -> float:
    """Largest |a − b| relative to the largest entry of both, or of `scale`."""
    entries = max(_largest(a), _largest(b)) if scale is None else _largest(scale)
    return _largest(np.asarray(a) - b) / entries if entries else 0.0


def _largest(x: Any) -> float:
    """Largest absolute entry; zero if there is none."""
    return float(np.abs(x).max(initial=0.0))
