"""Accuracy of predicted effects: error variances, reliabilities, shrinkage."""

from __future__ import annotations

import numpy as np

from ..engine.factor import JointFactorization, JointSystem
from ..errors import ArgumentError
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from ..varcomp import Component, ComponentModel
from ..varcomp.component_problem import ComponentProblem
from ..varcomp.likelihood import Likelihood


def error_variances(likelihood: Likelihood) -> list[FloatArray]:
    """Var(u_j − û_j) of every level of each term: the diagonal of σ²C^ii.

    From the engine's factor, with S the predicted effects of the columns of X as responses,

        Var(u − û) = σ²L ΛA⁻¹Λ'L' + S (X'V⁻¹X)⁻¹ S',

    and L = I but for a term with a root, whose K⁻¹ need not exist.
    """
    problem, at = likelihood.problem, likelihood.at
    root = at.gls.inverse_root_x
    own = [block[:, 0, 0] for block in at.factor.level_blocks()]
    fixed = problem.system.level_effects([x[:, 0, :-1] @ root for x in at.effects])
    return [
        likelihood.scale * unit**2 * (block + (x**2).sum(axis=1))
        for unit, block, x in zip(problem.effect_units, own, fixed, strict=True)
    ]


def kernel_diagonals(problem: ComponentProblem) -> list[FloatArray]:
    """K_jj of every level of each term: 1 + F_j for animals of a pedigree."""
    out = []
    for i, component in enumerate(problem.model.components):
        root, system = component.root, problem.system
        if root is not None:
            squares = root**2 if isinstance(root, np.ndarray) else root.multiply(root)
            out.append(np.asarray(squares.sum(axis=1)).ravel())
        elif component.precision is None or not isinstance(system, JointSystem):
            out.append(np.ones(component.n_effects))
        else:  # at θ = 0 A is Q
            factor = JointFactorization(system, [np.zeros((1, 1))] * len(problem.priors))
            out.append(component.prior.size * factor.inverse_blocks(i)[:, 0, 0])
    return out


def reliabilities(
    problem: ComponentProblem, variances: FloatArray, pev: list[FloatArray]
) -> list[FloatArray]:
    """1 − PEV_j/(K_jjσ_i²) of every level of each term."""
    kernels = kernel_diagonals(problem)
    with np.errstate(divide="ignore", invalid="ignore"):
        return [
            np.where(k * v > 0, 1.0 - own / (k * v), np.nan)
            for own, k, v in zip(pev, kernels, variances[:-1], strict=True)
        ]


def shrinkage(
    model: ComponentModel, variances: FloatArray, name: str
) -> tuple[Component, FloatArray]:
    """w_j'w_j/(w_j'w_j + λ) of the levels of a term with K = I."""
    i = model.names.index(one_of("name", name, model.names))
    component = model.components[i]
    if component.root is not None or component.precision is not None:
        raise ArgumentError(
            f"the levels of `{name}` are related, so no level shrinks by its own rows alone: "
            "`reliability` says how well each is predicted."
        )
    weights = model.row_weights
    # times σ_i²/σ², so that a variance of zero gives zero
    counts = np.asarray(component.Z.multiply(component.Z).T @ weights)
    counts = counts * (variances[i] / variances[-1])
    return component, counts / (counts + 1.0)
