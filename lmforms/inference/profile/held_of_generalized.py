"""How each parameter of a generalised fit is held at a value.

All parameters are x = ψ = (θ, β, ω) in the engine's units. There is no σ: a standard deviation is
an entry of θ, after a change of basis of its term that puts its effect first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...covariance.structured import Structured
from ...covariance.unstructured import InBasis, Unstructured
from ...errors import ModelError
from ...glmm.problem import GeneralizedProblem
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..family_parameters import FamilyParameter, family_parameters
from ..generalized import generalized_estimate
from ..model_parameters import ModelParameter
from .held import Held
from .held_entries import HeldCorrelation, HeldEntry, with_entry, without
from .held_functions import HeldFunction, HeldNatural, NaturalFunction
from .held_of_fit import RIGHT_ANGLE, axes, level_sizes, place_of_term, with_part


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldPower(HeldEntry):
    """A standard deviation or loading unit · x_entry^power; τ is this entry.

    Attributes
    ----------
    unit : float
    power : int
    """

    unit: float
    power: int = 1

    def value(self, tau: float) -> float:
        return self.unit * tau**self.power

    def coordinate(self, value: float) -> float:
        return float(np.sign(value) * (abs(value) / self.unit) ** (1.0 / self.power))

    def position(self, x: FloatArray) -> float:
        return abs(float(x[self.entry])) if self.low == 0.0 else float(x[self.entry])


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOmega(HeldEntry):
    """A parameter of the family; τ is its ω.

    Attributes
    ----------
    parameter : FamilyParameter
    """

    parameter: FamilyParameter

    def value(self, tau: float) -> float:
        return self.parameter.value(tau)

    def coordinate(self, value: float) -> float:
        return self.parameter.omega(value)

    def position(self, x: FloatArray) -> float:
        return float(x[self.entry])


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldFixedEffect(Held):
    """A fixed effect c'β in the user's units; one of the engine's β, the pivot, follows from it.

    Attributes
    ----------
    row : ndarray
        c, as long as x.
    pivot : int
    """

    row: FloatArray
    pivot: int

    def value(self, tau: float) -> float:
        return tau

    def coordinate(self, value: float) -> float:
        return value

    def position(self, x: FloatArray) -> float:
        return float(self.row @ x)

    def _free(self, x: FloatArray) -> FloatArray:
        return without(x, self.pivot)

    def _place(self, tau: float, z: FloatArray) -> FloatArray:
        others = float(without(self.row, self.pivot) @ z)
        return with_entry(z, self.pivot, (tau - others) / self.row[self.pivot])

    def _jacobian(self, tau: float, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        J = np.delete(np.eye(len(x)), self.pivot, axis=1)
        J[self.pivot] = -without(self.row, self.pivot) / self.row[self.pivot]
        along = np.zeros(len(x))
        along[self.pivot] = 1.0 / self.row[self.pivot]
        return along, J


def generalized_held(state: FitState, parameter: ModelParameter) -> Held:
    """The parameter of a generalised fit, to be held at values.

    Parameters
    ----------
    state : FitState
    parameter : ModelParameter

    Raises
    ------
    ModelError
        There is no way to hold it.
    """
    estimate = generalized_estimate(state)
    problem = estimate.problem
    if parameter.kind == "fixed":
        return _fixed_effect(problem, parameter.first)
    if parameter.kind == "family":
        own = family_parameters(state)[parameter.first]
        start = problem.n_theta + problem.p
        return HeldOmega(_any(problem), entry=start + own.entry, parameter=own)
    if parameter.kind in ("sd", "cor"):
        return _of_unstructured(state, problem, parameter)
    return _of_structure(state, problem, parameter)


def _any(problem: GeneralizedProblem) -> Any:
    """The problem, of which coordinates need the number of parameters alone."""
    return problem


def _fixed_effect(problem: GeneralizedProblem, j: int) -> Held:
    m, p = problem.n_theta, problem.p
    row = np.zeros(problem.n_parameters)
    row[m : m + p] = problem.model.rows.scaling.units.x.linear[j]
    return HeldFixedEffect(_any(problem), row=row, pivot=int(np.abs(row).argmax()))


def _of_unstructured(
    state: FitState, problem: GeneralizedProblem, parameter: ModelParameter
) -> Held:
    bases = problem.model.rows.scaling.units.bases
    group, part, structure, start, basis = place_of_term(state, problem, bases, parameter.term)
    first, second = parameter.first, parameter.second
    unit = float(np.linalg.norm(basis[first])) / float(level_sizes(state)[group])
    if not isinstance(structure, Unstructured):  # independent effects
        return HeldPower(_any(problem), 0.0, closed=(True, False), entry=start + first, unit=unit)
    chosen = [first] if parameter.kind == "sd" else [first, second]
    if structure.k > 1:
        rotated = InBasis(structure.k, structure, axes(basis, chosen))
        problem = with_part(problem, group, part, rotated)
    if parameter.kind == "sd":
        return HeldPower(_any(problem), 0.0, closed=(True, False), entry=start, unit=unit)
    return HeldCorrelation(
        _any(problem),
        -RIGHT_ANGLE,
        RIGHT_ANGLE,
        (True, True),
        (start, start + 1),
        first=start + 1,
        second=start + structure.k,
    )


def _of_structure(state: FitState, problem: GeneralizedProblem, parameter: ModelParameter) -> Held:
    """Parameters of structures: standard deviations, loadings, correlations, ranges."""
    bases = problem.model.rows.scaling.units.bases
    group, _, structure, start, basis = place_of_term(state, problem, bases, parameter.term)
    relative = structure.relative_coordinates()
    if parameter.first < len(relative):
        own = relative[parameter.first]
        return HeldPower(
            _any(problem),
            -np.inf if own.is_signed else 0.0,
            closed=(not own.is_signed, False),
            positive=_positive(start, own.positive, own.entry),
            entry=start + own.entry,
            unit=float(basis[own.effect, own.effect]) / float(level_sizes(state)[group]),
            power=own.power,
        )
    if not isinstance(structure, Structured):
        raise ModelError(f"profile: {parameter.name} cannot be held. Take Wald intervals.")
    n = structure.n_deviations
    function = NaturalFunction(structure.correlation, parameter.first - n, start + n)
    x = generalized_estimate(state).optimum.psi
    entry = function.own_entry(x)
    if entry is not None:
        return HeldNatural.of(HeldNatural(_any(problem), entry=entry, function=function, at=x))
    low, high = function.bounds
    bound = RIGHT_ANGLE if np.isfinite(low) and np.isfinite(high) else np.inf
    return HeldFunction(_any(problem), -bound, bound, function=function).near(x)


def _positive(start: int, entries: Sequence[int], held: int) -> tuple[int, ...]:
    return tuple(start + i - int(i > held) for i in entries)
