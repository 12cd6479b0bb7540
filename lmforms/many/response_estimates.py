"""`ResponseEstimates`: estimates of many responses as arrays, and their fit by a spectrum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..control import Control
from ..covariance import canonical_factor
from ..data.design import Design
from ..data.theta_order import theta_in_formula_order
from ..engine.batch.criterion import gls_estimates
from ..engine.batch.minima import Minima
from ..engine.batch.shared_sums import SharedSums
from ..engine.criterion.problem import Problem
from ..engine.exact_fit import ExactFitCheck
from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .degrees_of_freedom import DfPart, SpectralFits
from .profiled_criteria import ResponseCriteria, cache_blocks
from .response_products import ResponseProducts
from .spectral import CovarianceSpectrum
from .tau_search import HIGHEST_TAU, minimize_over_tau

TAU_MARGIN = 1e4
"""τ is searched up to this multiple of the ratio of explained to residual sums of squares."""


@dataclass(frozen=True, eq=False)
class ResponseEstimates:
    """Estimates of c responses; NaN where there are none.

    Attributes
    ----------
    theta : ndarray (c, n_theta)
        In the order of the formula.
    beta, se : ndarray (c, p)
    sigma, criterion : ndarray (c,)
    converged, singular, flat, degenerate : ndarray of bool (c,)
        `flat`: the variances are not identified. `degenerate`: constant, or
        explained exactly.
    """

    theta: FloatArray
    beta: FloatArray
    se: FloatArray
    sigma: FloatArray
    criterion: FloatArray
    converged: BoolArray
    singular: BoolArray
    flat: BoolArray
    degenerate: BoolArray

    @classmethod
    def empty(cls, count: int, n_theta: int, p: int) -> ResponseEstimates:
        """Everything NaN, to be filled in."""
        return cls(
            np.full((count, n_theta), np.nan),
            np.full((count, p), np.nan),
            np.full((count, p), np.nan),
            np.full(count, np.nan),
            np.full(count, np.nan),
            converged=np.zeros(count, dtype=bool),
            singular=np.zeros(count, dtype=bool),
            flat=np.zeros(count, dtype=bool),
            degenerate=np.ones(count, dtype=bool),
        )

    def put(self, where: IndexArray, part: ResponseEstimates) -> None:
        """Fill in the estimates of some responses."""
        for name in self.__dataclass_fields__:
            getattr(self, name)[where] = getattr(part, name)


def widened(
    part: ResponseEstimates, own: Design, full: Design
) -> tuple[ResponseEstimates, IndexArray]:
    """Fits of some rows, widened to all columns of the full design; NaN for columns they lack.

    Beside them the places of the own fixed effects among those of the full design.

    Raises
    ------
    ModelError
        The rows have a column that is not in the full design.
    """
    names = {name: j for j, name in enumerate(full.x_names)}
    entries = {entry: j for j, entry in enumerate(_entries(full))}
    try:
        fixed = [names[name] for name in own.x_names]
        random = [entries[entry] for entry in _entries(own)]
    except KeyError as missing:
        raise ModelError(f"{missing.args[0]} is a column of some rows only.") from None
    theta, beta, se = (
        np.full((len(part.sigma), count), np.nan)
        for count in (len(entries), len(names), len(names))
    )
    theta[:, random], beta[:, fixed], se[:, fixed] = part.theta, part.beta, part.se
    return replace(part, theta=theta, beta=beta, se=se), np.array(fixed, dtype=np.intp)


def _entries(design: Design) -> list[tuple[int, str, str]]:
    """Term, row and column of λ of every θ, in the order of the formula."""
    out = []
    for t, term in enumerate(design.terms):
        columns = term.columns
        if term.covariance.n_theta == len(columns):
            out += [(t, c, c) for c in columns]
        else:
            out += [(t, r, c) for j, c in enumerate(columns) for r in columns[j:]]
    return out


def estimates_of_minima(
    design: Design,
    problem: Problem,
    shared: SharedSums,
    found: Minima,
    products: ResponseProducts,
) -> ResponseEstimates:
    """The accepted minima of a batch in the user's units.

    Parameters
    ----------
    design : Design
    problem : Problem
        Of any of the responses.
    shared : SharedSums
    found : Minima
    products : ResponseProducts
        Of the same responses.
    """
    some = np.flatnonzero(found.accepted)
    at, own, nu = found.point.subset(some), products.subset(some), shared.nu
    units, cp = problem.system.cp.scaling.units, problem.system.cp
    beta, inverse_root = gls_estimates(shared, at)
    sigma = own.scale * np.sqrt(at.r2 / nu)
    linear = units.x.linear
    criterion = at.value + cp.log_det_residual + 2.0 * nu * np.log(own.scale)
    if shared.reml:
        criterion = criterion - 2.0 * units.x.log_determinant()
    thetas, slices = np.empty_like(at.theta), problem.theta_slices()
    for i, part in shared.by_factor():
        roots = canonical_factor(units.bases[i].linear @ part.lam(at.theta))
        for row, root in zip(thetas, roots, strict=True):
            row[part.theta] = problem.covariances[i].theta(root)
    places = theta_in_formula_order(design, [np.arange(s.start, s.stop) for s in slices])
    return ResponseEstimates(
        theta=thetas[:, places.astype(np.intp)],
        beta=(own.gamma + own.scale[:, None] * beta) @ linear.T,
        se=sigma[:, None] * np.sqrt(np.square(linear @ inverse_root).sum(axis=2)),
        sigma=sigma,
        criterion=criterion,
        converged=np.ones(len(some), dtype=bool),
        singular=found.singular[some],
        flat=np.zeros(len(some), dtype=bool),
        degenerate=np.zeros(len(some), dtype=bool),
    )


def constant_responses(Y: FloatArray) -> BoolArray:
    """Which columns have one value."""
    return np.asarray((Y[0] == Y).all(axis=0))


def spectral_fit(
    spectrum: CovarianceSpectrum,
    Y: FloatArray,
    usable: BoolArray,
    checked: ExactFitCheck,
    reml: bool,
    control: Control,
) -> tuple[ResponseEstimates, list[DfPart]]:
    """Fit whitened responses (n, c), less offsets, of a model with one component.

    Beside the estimates there is what the degrees of freedom are computed from: not for responses
    without a residual variance, whose standard errors mean nothing.

    Parameters
    ----------
    spectrum : Spectrum
    Y : ndarray (n, c)
    usable : ndarray of bool (c,)
        False for a response that is known not to have a fit.
    checked : ExactFitCheck
        Finds those that are explained exactly.
    reml : bool
    control : Control
        Its `singular` is used.
    """
    out = ResponseEstimates.empty(Y.shape[1], 1, spectrum.p)
    least = spectrum.pseudo_inverse @ Y
    left = spectrum.project(Y)
    total = np.einsum("ij,ij->j", left, left)
    good = np.flatnonzero(usable & np.isfinite(total))
    good = good[checked.leave_a_residual(np.sqrt(total[good] / spectrum.n), good)]
    if not len(good):
        return out, []
    scale = np.sqrt(total[good] / spectrum.n)
    eta, rest = spectrum.rotate(left[:, good] / scale)
    rho = np.zeros(len(good)) if rest is None else np.einsum("ij,ij->j", rest, rest)
    if rest is not None:
        inside = checked.leave_a_residual(scale * np.sqrt(rho / spectrum.n), good)
        good, scale, eta, rho = good[inside], scale[inside], eta[inside], rho[inside]
    responses = ResponseCriteria(spectrum, reml, eta**2, rho)
    with np.errstate(divide="ignore"):
        ratio = float((eta**2).sum(axis=1).max(initial=0.0) / rho.min(initial=np.inf))
    highest = HIGHEST_TAU
    if rest is not None and len(good):
        highest = max(highest, TAU_MARGIN * ratio)
    tau, value, converged, curvature = minimize_over_tau(
        responses, spectrum.values, spectrum.saturated, highest
    )
    sigma = scale * np.sqrt(responses.r2(tau) / responses.nu)
    theta = np.sqrt(tau)
    beta, variance = fixed_effects(spectrum, eta, tau)
    flat = np.full(len(good), reml and not len(spectrum.values))
    out.put(
        good,
        ResponseEstimates(
            theta=theta[:, None],
            beta=least[:, good].T - scale[:, None] * beta,
            se=sigma[:, None] * np.sqrt(variance),
            sigma=sigma,
            criterion=value + 2.0 * responses.nu * np.log(scale),
            converged=converged,
            singular=theta * spectrum.size < control.singular,
            flat=flat,
            degenerate=np.zeros(len(good), dtype=bool),
        ),
    )
    source = SpectralFits.of(spectrum, reml, tau[converged], curvature[converged])
    return out, [DfPart(good[converged], np.arange(spectrum.p), source)]


def fixed_effects(
    spectrum: CovarianceSpectrum, eta: FloatArray, tau: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The difference of β̂ from least squares, and Var(β̂)/σ², (c, p) each."""
    p = spectrum.p
    shift, variance = np.empty((len(tau), p)), np.empty((len(tau), p))
    for rows in cache_blocks(len(tau), len(spectrum.values)):
        t = tau[rows, None]
        w = t / (1.0 + t * spectrum.values)
        shift[rows] = (w * eta[rows]) @ spectrum.slopes.T
        variance[rows] = w @ spectrum.spread.T + spectrum.within + t * spectrum.hidden
    return shift, variance
