"""The criterion of a fit over one or two θ: what its picture shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from ..data.theta_order import theta_by_group, theta_in_formula_order
from ..engine.criterion_of_theta import CriterionOfTheta
from ..errors import ArgumentError, ModelError, near_matches
from ..relationship.priors import priors_of
from ..support.arguments import sequence, short_repr
from ..support.arrays import FloatArray
from ..support.label_texts import with_subscript

FIRST_STEP = 0.05
"""First step of the search for the ends of an axis, as a share of θ."""

LEAST_SIZE = 0.1
"""θ below this take steps as if they were as large."""

MOST_DOUBLINGS, BISECTIONS = 9, 7
"""Most steps of that search, out and back: a criterion that hardly rises has an end too."""


@dataclass(frozen=True)
class ThetaEntry:
    """One θ.

    Attributes
    ----------
    name : str
        Such as ``θ₁``.
    meaning : str
        What it is, such as ``sd(Days | Subject)/σ``; empty where it has no short name.
    has_bound : bool
        Whether its sign does not matter, so that it is drawn from zero on.
    """

    name: str
    meaning: str
    has_bound: bool

    @property
    def label(self) -> str:
        """Name and meaning."""
        return f"{self.name} = {self.meaning}" if self.meaning else self.name


def theta_entries(design: Any) -> list[ThetaEntry]:
    """All θ of a model, in the order of the formula."""
    out: list[ThetaEntry] = []
    for term in design.terms:
        covariance, names = term.covariance, term.columns
        group = term.label.rpartition(" | ")[2]
        if not covariance.is_linear:
            own = [
                ThetaEntry("", f"parameter {i + 1} of {term.written}", False)
                for i in range(covariance.n_theta)
            ]
        else:
            slopes = covariance.derivative(np.ones(covariance.n_theta))
            in_row = (np.abs(slopes).sum(axis=0) > 0).sum(axis=1)
            own = [_linear_entry(slope, in_row, names, group) for slope in slopes]
        out += [
            replace(entry, name=with_subscript("θ", place))
            for place, entry in enumerate(own, len(out) + 1)
        ]
    return out


def _linear_entry(slope: FloatArray, in_row: Any, names: Sequence[str], group: str) -> ThetaEntry:
    """The meaning of a θ from ∂λ/∂θ."""
    rows, columns = np.nonzero(slope)
    on_diagonal = bool((rows == columns).all())
    if len(rows) > 1:
        return ThetaEntry("", "", on_diagonal)
    i, j = int(rows[0]), int(columns[0])
    if on_diagonal and in_row[i] == 1:
        return ThetaEntry("", f"sd({names[i]} | {group})/σ", True)
    return ThetaEntry("", f"λ({names[i]}, {names[j]} | {group})", on_diagonal)


def chosen_places(entries: Sequence[ThetaEntry], theta: Any) -> list[int]:
    """Places of one or two θ, given by number from 0, by name or by meaning.

    By default the first two that are standard deviations or the like, or all there are.

    Raises
    ------
    ArgumentError
    """
    if theta is None:
        if len(entries) <= 2:
            return list(range(len(entries)))
        bounded = [i for i, e in enumerate(entries) if e.has_bound]
        others = [i for i in range(len(entries)) if i not in bounded]
        return (bounded + others)[:2]
    is_one = isinstance(theta, (str, Integral))
    given = [theta] if is_one else sequence("theta", theta, "one or two θ")
    places = [_place(entries, one) for one in given]
    if not 1 <= len(set(places)) == len(places) <= 2:
        raise ArgumentError(f"theta={short_repr(theta)}: one or two different θ are drawn.")
    return places


def _place(entries: Sequence[ThetaEntry], given: Any) -> int:
    if isinstance(given, Integral) and not isinstance(given, bool):
        if 0 <= int(given) < len(entries):
            return int(given)
        raise ArgumentError(
            f"theta={given}: this model has {len(entries)} θ, counted from 0 to {len(entries) - 1}."
        )
    texts = [text for e in entries for text in (e.name, e.meaning, e.label) if text]
    for i, entry in enumerate(entries):
        plain = f"θ{i + 1}"
        if given in (entry.name, plain, entry.meaning, entry.label):
            return i
    hint = near_matches(given, texts) if isinstance(given, str) else ""
    known = ", ".join(repr(e.label) for e in entries)
    raise ArgumentError(f"theta={short_repr(given)}: this model has {known}.{hint}")


@dataclass(frozen=True, eq=False)
class Surface:
    """The criterion over one or two θ.

    Attributes
    ----------
    entries : list of ThetaEntry
        Those that vary.
    held : list of (ThetaEntry, float)
        The others, at the values of the fit.
    axes : list of ndarray
        Values of each θ.
    values : ndarray
        The criterion, (points,) or (points of the second, points of the first).
    estimate : ndarray
        θ of the fit.
    least : float
        The criterion there.
    steps : ndarray (k, m)
        Where the optimiser evaluated the criterion.
    heights : ndarray (k,)
        The criterion there, as the optimiser found it.
    """

    entries: list[ThetaEntry]
    held: list[tuple[ThetaEntry, float]]
    axes: list[FloatArray]
    values: FloatArray
    estimate: FloatArray
    least: float
    steps: FloatArray
    heights: FloatArray


def criterion_surface(
    fit: Any,
    theta: Any,
    limits: Any,
    points: int | None,
    rise: float,
    with_bar: Callable[[list[Any]], Any],
    with_steps: bool = False,
) -> Surface:
    """Evaluate the criterion of a fit over one or two θ, by default as far as the steps went.

    Raises
    ------
    ModelError
        The model has no θ, or was fitted by conjugate gradients.
    """
    state = fit.state
    if not state.estimate.is_factored:
        raise ModelError(
            "criterion: this model was fitted by conjugate gradients, which do not evaluate the "
            "criterion. Fit it with Control(factor='sparse') or 'dense' if memory allows."
        )
    entries = theta_entries(state.design)
    if not entries:
        raise ModelError("criterion: this model has no random terms, and so no θ to vary.")
    places = chosen_places(entries, theta)
    priors = priors_of(state.design, state.relationship)
    sizes = [prior.size for prior in priors] or [1.0] * len(state.design.groups)
    criterion = CriterionOfTheta(state.estimate, np.sqrt(sizes))
    estimate = np.asarray(fit.theta, dtype=np.float64)

    def at(values: FloatArray) -> float:
        moved = estimate.copy()
        moved[places] = values
        return criterion(theta_by_group(state.design, moved))

    steps = [
        (theta_in_formula_order(state.design, by_group)[places], value)
        for by_group, value in criterion.steps()
    ]
    visited = np.array([s for s, _ in steps]).reshape(len(steps), len(places))
    heights = np.array([value for _, value in steps])
    ends = limits
    if ends is None:
        ends = [
            _ends(at, estimate[places], i, entries[place].has_bound, rise)
            for i, place in enumerate(places)
        ]
        if with_steps:
            ends = _with_steps(np.array(ends), visited[lowest_so_far(heights)])
    count = points or (61 if len(places) == 1 else 25)
    axes = [np.linspace(low, high, count) for low, high in ends]
    grid = np.stack(np.meshgrid(*axes), axis=-1)
    flat = grid.reshape(-1, len(places))
    values = np.array([at(point) for point in with_bar(list(flat))]).reshape(grid.shape[:-1])
    return Surface(
        entries=[entries[p] for p in places],
        held=[(e, float(estimate[i])) for i, e in enumerate(entries) if i not in places],
        axes=axes,
        values=values,
        estimate=estimate[places],
        least=at(estimate[places]),
        steps=visited,
        heights=heights,
    )


def _ends(
    at: Callable[[FloatArray], float],
    estimate: FloatArray,
    i: int,
    has_bound: bool,
    rise: float,
) -> tuple[float, float]:
    """Where the criterion is about `rise` higher than at the estimate, at most down to a bound."""
    least = at(estimate)

    def higher(value: float) -> float:
        moved = estimate.copy()
        moved[i] = value
        return at(moved) - least

    ends = []
    for sign in (-1.0, 1.0):
        inside, outside = float(estimate[i]), float(estimate[i])
        step = FIRST_STEP * max(abs(float(estimate[i])), LEAST_SIZE)
        for _ in range(MOST_DOUBLINGS):
            outside = float(estimate[i]) + sign * step
            if has_bound and outside <= 0:
                outside = 0.0
            if higher(outside) > rise or outside == 0.0:
                break
            inside, step = outside, 2.0 * step
        if higher(outside) > rise:
            for _ in range(BISECTIONS):
                middle = 0.5 * (inside + outside)
                inside, outside = (inside, middle) if higher(middle) > rise else (middle, outside)
        ends.append(outside)
    return ends[0], ends[1]


def _with_steps(ends: FloatArray, steps: FloatArray) -> FloatArray:
    """Ends (m, 2) that take in steps (k, m) up to the length of each axis beyond it.

    Examples
    --------
    >>> _with_steps(np.array([[0.0, 2.0]]), np.array([[3.5], [9.0]]))
    array([[0. , 3.5]])
    """
    low, high = ends.T
    near = ((steps >= 2 * low - high) & (steps <= 2 * high - low)).all(axis=1)
    every = np.vstack([low, high, steps[near]])
    return np.column_stack([every.min(axis=0), every.max(axis=0)])


def lowest_so_far(heights: FloatArray) -> Any:
    """Places of evaluations that were lower than all before.

    Examples
    --------
    >>> lowest_so_far(np.array([3.0, 2.0, 2.5, 1.0]))
    array([0, 1, 3])
    """
    if not len(heights):
        return np.empty(0, dtype=np.intp)
    before = np.concatenate([[np.inf], np.minimum.accumulate(heights)[:-1]])
    return np.flatnonzero(heights < before)
