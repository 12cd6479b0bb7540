r"""How far the Laplace approximation is from the likelihood, by quadrature at the same estimates.

With d_Q the criterion by quadrature, its gradient γ at the Laplace estimates ψ̂ and the covariance C
of these, a Newton step moves the estimates by −Cγ/2: in standard errors the shift of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...engine.linalg.threads import limited_blas_threads
from ...errors import NumericalError
from ...glmm.estimate import GeneralizedEstimate
from ...glmm.quadrature import quadrature_point
from ...support.arrays import FloatArray

NODES = {1: 15, 2: 9, 3: 5}
"""Of the quadrature in each direction, by the number of random effects of a level."""


@dataclass(frozen=True, eq=False)
class LaplaceAccuracy:
    """The Laplace approximation beside quadrature.

    Attributes
    ----------
    nodes : int
    difference : float
        Of −2 log-likelihood by quadrature from that by Laplace, at the same estimates.
    theta, beta, coefficients : ndarray
        Shifts of the estimates, in standard errors; zero where these count as known.
    """

    nodes: int
    difference: float
    theta: FloatArray
    beta: FloatArray
    coefficients: FloatArray


def laplace_accuracy(estimate: GeneralizedEstimate) -> LaplaceAccuracy | None:
    """The accuracy of a Laplace fit with one grouping factor of independent levels; else None.

    Raises
    ------
    NumericalError
        The criterion by quadrature or the standard errors cannot be computed.
    """
    problem, optimum = estimate.problem, estimate.optimum
    rows = problem.model.rows
    if estimate.nagq != 1 or len(rows.factors) != 1 or not rows.priors[0].has_unit_precision:
        return None
    number = NODES.get(rows.factors[0].k)
    if number is None:
        return None
    with limited_blas_threads(rows.system.largest):
        point = quadrature_point(problem, optimum.psi, optimum.mode, number)
    C = estimate.joint_covariance
    shift = -0.5 * C @ point.gradient
    m, p = problem.n_theta, problem.p
    linear = rows.scaling.units.x.linear
    error = np.sqrt(np.diag(C))
    shares = np.divide(shift, error, out=np.zeros_like(shift), where=error > 0.0)
    of_beta = linear @ shift[m : m + p]
    own = np.sqrt(np.diag(estimate.cov_beta))
    if not np.isfinite(shift).all():
        raise NumericalError("the gradient by quadrature is not finite.")
    return LaplaceAccuracy(
        nodes=number,
        difference=point.value - estimate.criterion,
        theta=shares[:m],
        beta=np.divide(of_beta, own, out=np.zeros_like(own), where=own > 0.0),
        coefficients=shares[m + p :],
    )
