"""The slow twin: Z as one dense matrix, modes by Newton steps with explicit inverses."""

from __future__ import annotations

import numpy as np
from dense import dense_z
from scipy.linalg import block_diag

from lmforms.control import Control
from lmforms.engine.prior import Precision
from lmforms.engine.rows import ModelRows
from lmforms.glmm.conditional_mode import ConditionalModel
from lmforms.glmm.likelihood import ConditionalLikelihood
from lmforms.glmm.problem import GeneralizedProblem
from lmforms.glmm.weighted_rows import WeightedRows
from lmforms.residual import Independent


def problem_of(likelihood, X, factors, covariances, offset=None, priors=(), control=None):
    """What is fitted, of arrays."""
    n = len(X)
    rows = ModelRows(np.arange(float(n)), X, tuple(factors), Independent())
    weighted = WeightedRows.of(rows, covariances, priors, control or Control())
    known = np.zeros(n) if offset is None else offset
    model = ConditionalModel(weighted, likelihood, known)
    return GeneralizedProblem(weighted.system, tuple(covariances), False, model)


def dense_parts(problem, psi):
    """ZΛ, the known part of η, and Q."""
    theta, beta, _ = problem.split(psi)
    rows = problem.model.rows
    blocks = []
    for f, lam in zip(rows.factors, problem.lams(theta), strict=True):
        blocks.append(dense_z(f, rows.n) @ np.kron(np.eye(f.n_levels), lam))
    Q = block_diag(
        *(
            np.kron(
                p.matrix.toarray() if isinstance(p, Precision) else np.eye(f.n_levels),
                np.eye(f.k),
            )
            for p, f in zip(rows.priors, rows.factors, strict=True)
        )
    )
    return np.hstack(blocks), problem.model.offset + rows.X @ beta, Q


def dense_mode(likelihood: ConditionalLikelihood, Z, fixed, Q, coefficients):
    """û and Z'WZ + Q there."""
    u = np.zeros(Z.shape[1])

    def objective(x):
        found = likelihood.at(fixed + Z @ x, coefficients, 2)
        return x @ Q @ x - 2.0 * found.total, found

    value, now = objective(u)
    for _ in range(500):
        A = Z.T @ (-now.values[2][:, None] * Z) + Q
        positive = Z.T @ (np.maximum(-now.values[2], 0.0)[:, None] * Z) + Q
        slope = Z.T @ now.values[1] - Q @ u
        is_regular = np.linalg.eigvalsh(A).min() > 0
        step = np.linalg.inv(A if is_regular else positive) @ slope
        share = 1.0
        while True:
            there, found = objective(u + share * step)
            if there <= value + 1e-12 * (1.0 + abs(value)) or share < 1e-12:
                break
            share *= 0.5
        u, value, now = u + share * step, there, found
        if slope @ step < 1e-22:
            break
    return u, Z.T @ (-now.values[2][:, None] * Z) + Q, value


def dense_laplace(problem, psi) -> float:
    """−2 log-likelihood by the Laplace approximation."""
    coefficients = problem.split(psi)[2]
    Z, fixed, Q = dense_parts(problem, psi)
    _, A, value = dense_mode(problem.model.likelihood, Z, fixed, Q, coefficients)
    return value + np.linalg.slogdet(A)[1] - np.linalg.slogdet(Q)[1]


def central(function, psi, step=1e-4):
    """Derivatives by Richardson's extrapolation of central differences."""
    out = []
    for e in np.eye(len(psi)):
        d = [
            (function(psi + h * e) - function(psi - h * e)) / (2.0 * h) for h in (step, step / 2.0)
        ]
        out.append((4.0 * d[1] - d[0]) / 3.0)
    return np.array(out)
