r"""Errors of linear predictors of a generalised fit.

η̂ = x'β̂ + z'b̂, with b̂ the mode given ψ̂ = (θ̂, β̂, ω̂). Given ψ, b has the covariance
ΛA⁻¹Λ' around its mode; and ψ̂ has the covariance of the joint likelihood:

.. math::
    \operatorname{Var}(\hat η - η) = z'ΛA^{-1}Λ'z + g'\operatorname{Cov}(\hat ψ)\,g, \qquad
    g_i = x'\partial_i β + z'\frac{d\hat b}{dψ_i}, \quad
    \frac{d\hat b}{dψ_i} = \dot Λ\hat u + ΛA^{-1}\{Λ'Z'(\ell'_ω\dot ω - W(X\dot β + Z\dot Λ\hat u))
    + \dot Λ'Z'\ell'\}.

With ``nagq=0`` θ and ω count as known, and β has the covariance at them.

References
----------
Kass, Steffey (1989), *Approximate Bayesian inference in conditionally independent hierarchical
models*, JASA 84(407); Kristensen et al. (2016), J. Stat. Software 70(5), for its general form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...data.design_rows import DesignRows
from ...engine.linalg.threads import limited_blas_threads
from ...engine.rows import FactorRows
from ...errors import NumericalError
from ...glmm.estimate import GeneralizedEstimate
from ...glmm.weighted_rows import shrunk
from ...support.arrays import Blocks, FloatArray, IndexArray
from ...support.row_chunks import row_chunks


@dataclass(frozen=True, eq=False)
class PredictorErrors:
    """What errors of predictors of r rows are made of.

    Attributes
    ----------
    conditional : ndarray (r,)
        z'ΛA⁻¹Λ'z.
    slopes : ndarray (parameters, r)
        g.
    unknown : ndarray (r,)
        f'Σf: variance of random effects of which the data say nothing.
    unknown_slopes : ndarray (parameters, r)
        Its derivatives.
    covariance : ndarray (parameters, parameters)
        Of ψ̂, in the engine's units.
    """

    conditional: FloatArray
    slopes: FloatArray
    unknown: FloatArray
    unknown_slopes: FloatArray
    covariance: FloatArray

    def quadratic(self, slopes: FloatArray) -> FloatArray:
        """g'Cov(ψ̂)g, (r,), for any g (parameters, r)."""
        return np.asarray(np.einsum("ir,ij,jr->r", slopes, self.covariance, slopes, optimize=True))

    @property
    def known_variance(self) -> FloatArray:
        """Variance of the error of η̂ as far as unknown random effects are not concerned."""
        return np.asarray(np.maximum(self.conditional + self.quadratic(self.slopes), 0.0))


def predictor_errors(
    estimate: GeneralizedEstimate, rows: DesignRows, *, are_own: bool
) -> PredictorErrors:
    """Errors of predictors of rows.

    Parameters
    ----------
    estimate : GeneralizedEstimate
    rows : DesignRows
        Random effects of levels with the code −1 are unknown ones.
    are_own : bool
        The rows are all rows of the fit, with all random terms.

    Raises
    ------
    NumericalError
        The second derivatives of the likelihood are not those of a maximum.
    """
    problem, units = estimate.problem, estimate.problem.model.rows.scaling.units
    m, p = problem.n_theta, problem.p
    known, unknown = _bases(rows, "known"), _bases(rows, "unknown")
    with limited_blas_threads(problem.model.rows.system.largest):
        covariance = covariance_of_parameters(estimate)
        changes = changes_of_modes(estimate)
        conditional = np.zeros(len(rows.index))
        if known:
            conditional = _conditional(estimate, known, are_own)
    free, slopes = replace(rows, offset=np.zeros(len(rows.index))), []
    for i, change in enumerate(changes):
        beta = np.zeros(p)
        if m <= i < m + p:
            beta[i - m] = 1.0
        b = [c @ basis.linear.T for c, basis in zip(change, units.bases, strict=True)]
        slopes.append(free.linear_predictor(units.x.linear @ beta, b))
    variance, of_variance = _of_unknown(estimate, unknown, len(rows.index))
    stacked = np.array(slopes).reshape(len(changes), len(rows.index))
    return PredictorErrors(conditional, stacked, variance, of_variance, covariance)


def unknown_variance(estimate: GeneralizedEstimate, rows: DesignRows) -> FloatArray:
    """Variance of random effects of levels with the code −1, (r,)."""
    return _of_unknown(estimate, _bases(rows, "unknown"), len(rows.index))[0]


def _of_unknown(
    estimate: GeneralizedEstimate, unknown: list[tuple[IndexArray, FloatArray]], r: int
) -> tuple[FloatArray, FloatArray]:
    """f'λλ'f (r,) and its derivatives (parameters, r).

    Covariances of related levels have a mean diagonal of one in the engine's units.
    """
    problem, psi = estimate.problem, estimate.optimum.psi
    theta, bases = problem.split(psi)[0], problem.model.rows.scaling.units.bases
    variance, slopes = np.zeros(r), np.zeros((len(psi), r))
    each = zip(unknown, bases, problem.lams(theta), problem.derivatives(theta), strict=True)
    for ((_, f), unit, lam, derivatives), span in zip(each, problem.theta_slices(), strict=True):
        scaled = f @ unit.linear
        half = scaled @ lam
        variance += np.square(half).sum(axis=1)
        for i, d in zip(range(span.start, span.stop), derivatives, strict=True):
            slopes[i] = 2.0 * (half * (scaled @ d)).sum(axis=1)
    return variance, slopes


def covariance_of_parameters(estimate: GeneralizedEstimate) -> FloatArray:
    """Cov(ψ̂); with ``nagq=0`` of β alone.

    Raises
    ------
    NumericalError
        There are no standard errors.
    """
    if estimate.no_standard_errors:
        raise NumericalError(f"predict: {estimate.no_standard_errors}.")
    if estimate.nagq > 0:
        return estimate.joint_covariance
    m, p, size = estimate.problem.n_theta, estimate.problem.p, len(estimate.optimum.psi)
    inverse = estimate.problem.model.rows.scaling.units.x.inverse
    out = np.zeros((size, size))
    out[m : m + p, m : m + p] = inverse @ estimate.cov_beta @ inverse.T
    return out


def changes_of_modes(estimate: GeneralizedEstimate) -> list[list[FloatArray]]:
    """db̂/dψ_i in the engine's units, (q, k) of each grouping factor, for all i."""
    problem, mode = estimate.problem, estimate.optimum.mode
    rows, likelihood = problem.model.rows, problem.model.likelihood
    found, m = mode.derivatives, problem.n_theta
    spans, none = problem.theta_slices(), problem.no_effects()
    derivatives = problem.derivatives(problem.split(estimate.optimum.psi)[0])
    pull_of_rows = rows.z_transposed(found.values[1:2])
    out = []
    for g, span in enumerate(spans):
        for d in derivatives[g]:
            explicit = list(none)
            explicit[g] = mode.u[g] @ d.T
            right = _pulled(estimate, -mode.weights * rows.z_times(explicit))
            right[g] = right[g] + (pull_of_rows[g][..., 0] @ d)
            out.append([a + b for a, b in zip(explicit, _solved(estimate, right), strict=True)])
        assert len(out) == span.stop
    for column in rows.X.T:
        out.append(_solved(estimate, _pulled(estimate, -mode.weights * column)))
    columns = zip(likelihood.designs, likelihood.slices, strict=True)
    for j, (design, s) in enumerate(columns):
        ones = np.ones((rows.n, s.stop - s.start)) if design is None else design
        for column in ones.T:
            pull = found.parameters[j, 1] * column
            out.append(_solved(estimate, _pulled(estimate, pull)))
    assert len(out) == m + problem.p + likelihood.n_coefficients
    return out


def _pulled(estimate: GeneralizedEstimate, values: FloatArray) -> list[FloatArray]:
    """Λ'Z'v."""
    rows = estimate.problem.model.rows
    pulled = shrunk(estimate.optimum.mode.lams, rows.z_transposed(values[None]))
    return [x[..., 0] for x in pulled]


def _solved(estimate: GeneralizedEstimate, right: Blocks) -> list[FloatArray]:
    """ΛA⁻¹w."""
    found = estimate.optimum.mode.factor.solve([x[..., None] for x in right])
    return [x[..., 0] for x in found]


def _conditional(
    estimate: GeneralizedEstimate, known: list[tuple[IndexArray, FloatArray]], are_own: bool
) -> FloatArray:
    """z'ΛA⁻¹Λ'z, (r,)."""
    factor, rows = estimate.optimum.mode.factor, estimate.problem.model.rows
    if are_own:
        return rows.leverages(factor)
    units = rows.scaling.units
    scaled = [
        (codes, basis @ unit.linear)
        for (codes, basis), unit in zip(known, units.bases, strict=True)
    ]
    used = [g for g, (_, basis) in enumerate(scaled) if basis.any()]
    if not used:
        return np.zeros(len(known[0][0]))
    if len(used) == 1:
        codes, basis = scaled[used[0]]
        blocks = factor.level_blocks()[used[0]]
        return np.asarray(np.einsum("ra,rab,rb->r", basis, blocks[codes], basis, optimize=True))
    lams, shapes = estimate.optimum.mode.lams, [(f.n_levels, f.k) for f in rows.factors]
    parts = []
    for span in row_chunks(len(scaled[0][0]), sum(q * k for q, k in shapes)):
        z = []
        for (codes, basis), (q, k) in zip(scaled, shapes, strict=True):
            own = FactorRows(codes[span], q, basis[span]).matrix().toarray()
            z.append(own.T.reshape(q, k, -1))
        solved = factor.solve(shrunk(lams, z))
        parts.append(sum(np.einsum("qar,qar->r", x, y) for x, y in zip(z, solved, strict=True)))
    return np.concatenate(parts)


def _bases(rows: DesignRows, which: str) -> list[tuple[IndexArray, FloatArray]]:
    """Level of each row and columns of known or unknown random effects, by grouping factor.

    Incomplete rows have none.
    """
    out = []
    for group in rows.design.groups:
        n, k = len(rows.index), len(group.columns)
        basis, codes = np.zeros((n, k)), np.zeros(n, dtype=np.intp)
        for t, columns in zip(group.terms, group.covariance.column_slices(), strict=True):
            if t not in rows.terms:
                continue
            own = rows.terms[t]
            there = (own.codes >= 0) if which == "known" else (own.codes < 0)
            there = there & rows.complete
            basis[:, columns] = np.where(there[:, None], own.basis, 0.0)
            codes = np.maximum(codes, own.codes)  # one factor: the same level or −1
        out.append((codes, basis))
    return out
