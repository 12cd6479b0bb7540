r"""Tests of markers against a null model with one variance component.

With A, B, C of :mod:`.profiled_criteria` at τ and σ² = r²/ν:

* Wald: b = B/A, standard error σ/√A, t with n − p − 1 degrees of freedom;
* likelihood ratio: twice the difference of maximised log-likelihoods (ML), χ² with one;
* score: B²/(Aσ̂₀²) at the null model's τ̂ and σ̂₀², χ² with one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray
from .profiled_criteria import MarkerCriteria, ResponseCriteria, SpectralWeights
from .spectral import CovarianceSpectrum
from .tau_search import minimize_over_tau

Test = Literal["wald", "lrt", "score"]
Refit = Literal["each", "null"]

COLLINEAR_SHARE = 1e-7
"""A marker of which X leaves less than this share depends on X (as for columns of X)."""


@dataclass(frozen=True, eq=False)
class NullModel:
    """The model without markers, fitted.

    Attributes
    ----------
    spectrum : Spectrum
    reml : bool
    eta : ndarray (m,)
        Of the response.
    rest : ndarray (n,) or None
        Its residual from U.
    tau, sigma2, value : float
        τ̂₀, σ̂₀² and the criterion (in the response's own units).
    converged : bool
    """

    spectrum: CovarianceSpectrum
    reml: bool
    eta: FloatArray
    rest: FloatArray | None
    tau: float
    sigma2: float
    value: float
    converged: bool

    @classmethod
    def of(cls, spectrum: CovarianceSpectrum, y: FloatArray, reml: bool) -> NullModel:
        """Fit a projected response (n,)."""
        eta, rest = spectrum.rotate(y[:, None])
        rho = np.zeros(1) if rest is None else np.einsum("ij,ij->j", rest, rest)
        model = ResponseCriteria(spectrum, reml, eta**2, rho)
        found = minimize_over_tau(model, spectrum.values, spectrum.saturated)
        return cls(
            spectrum=spectrum,
            reml=reml,
            eta=eta[0],
            rest=None if rest is None else rest[:, 0],
            tau=float(found.tau[0]),
            sigma2=float(model.r2(found.tau)[0] / model.nu),
            value=float(found.value[0]),
            converged=bool(found.converged[0]),
        )


@dataclass(frozen=True, eq=False)
class MarkerTests:
    """Estimates of c markers; NaN where there are none."""

    effect: FloatArray
    se: FloatArray
    statistic: FloatArray
    p: FloatArray
    theta: FloatArray
    converged: BoolArray
    collinear: BoolArray

    @classmethod
    def empty(cls, count: int) -> MarkerTests:
        """Everything NaN."""
        flags = (np.zeros(count, dtype=bool) for _ in range(2))
        return cls(*(np.full(count, np.nan) for _ in range(5)), *flags)

    def put(self, where: IndexArray, **columns: FloatArray | BoolArray) -> None:
        """Fill in some markers."""
        for name, values in columns.items():
            getattr(self, name)[where] = values


def scan(
    null: NullModel, markers: FloatArray, usable: BoolArray, test: Test, refit: Refit
) -> MarkerTests:
    """Test whitened markers (n, c), one at a time.

    Parameters
    ----------
    null : NullModel
    markers : ndarray (n, c)
    usable : ndarray of bool (c,)
        False for markers that are not to be tested.
    test : {"wald", "lrt", "score"}
    refit : {"each", "null"}
        Whether τ is estimated with each marker, or the null model's is used.
    """
    from scipy.special import chdtrc, stdtr

    spectrum = null.spectrum
    out = MarkerTests.empty(markers.shape[1])
    whole = np.einsum("ij,ij->j", markers, markers)
    left = spectrum.project(markers)
    inside = np.einsum("ij,ij->j", left, left)
    good = inside > COLLINEAR_SHARE**2 * whole
    out.collinear[:] = usable & ~good
    where = np.flatnonzero(usable & good)
    if not len(where):
        return out
    scale = np.sqrt(inside[where] / spectrum.n)  # markers of size one
    model = _model(null, left[:, where] / scale)
    if refit == "each":
        found = minimize_over_tau(model, spectrum.values, spectrum.saturated)
        tau, value, converged = found.tau, found.value, found.converged
        a, b, c = model.products(tau)
    else:
        tau = np.full(len(where), null.tau)
        converged = np.full(len(where), null.converged)
        a, b, c = _at_null(model, null.tau)
        value = null.value + model.nu * np.log((c - b**2 / a) / c)
    if test == "score":
        sigma2 = np.full(len(where), null.sigma2)
        statistic = b**2 / (a * sigma2)
    else:
        sigma2 = (c - b**2 / a) / model.nu
        statistic = b / np.sqrt(a * sigma2)
    if test == "lrt":
        statistic = np.maximum(null.value - value, 0.0)
        statistic[~converged] = np.nan  # a likelihood without a maximum has no ratio
    df = spectrum.n - spectrum.p - 1
    p = 2.0 * stdtr(df, -np.abs(statistic)) if test == "wald" else chdtrc(1, statistic)
    out.put(
        where,
        effect=b / a / scale,
        se=np.sqrt(sigma2 / a) / scale,
        statistic=statistic,
        p=p,
        theta=np.sqrt(tau),
        converged=converged,
    )
    return out


def _model(null: NullModel, projected: FloatArray) -> MarkerCriteria:
    spectrum = null.spectrum
    g, rest = spectrum.rotate(projected)
    gg = gy = np.zeros(projected.shape[1])
    yy = 0.0
    if rest is not None and null.rest is not None:
        gg, gy = np.einsum("ij,ij->j", rest, rest), null.rest @ rest
        yy = float(null.rest @ null.rest)
    return MarkerCriteria(spectrum, null.reml, g, null.eta, gg, gy, yy)


def _at_null(model: MarkerCriteria, tau: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A, B and C of every marker at one τ: one weight for all."""
    u = SpectralWeights.at(np.array([tau]), model.spectrum.values).u[0]
    a = np.einsum("ij,ij,j->i", model.g, model.g, u) + model.gg
    b = model.g @ (u * model.y) + model.gy
    c = np.full(len(model), float(u @ model.y**2) + model.yy)
    return a, b, c
