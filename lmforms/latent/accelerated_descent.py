"""Descent by sweeps with Anderson acceleration, shared by least squares and maximum likelihood.

Let θ be the iterate and g(θ) its value after a sweep. Anderson acceleration takes the combination
of past steps whose residual g(θ) − θ is least and proposes the θ that it leads to: an estimate of
a fixed point of g. A saddle point is a fixed point too. A proposal towards one raises the objective
and is refused; the next proposal is then taken in the opposite direction, away from the saddle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..support.arrays import FloatArray

HISTORY = 8
"""Number of pairs (θ, g(θ)) that are kept; more gain little and cost a copy of θ each."""

SINGULAR_VALUE_CUTOFF = 1e-10
"""Relative cutoff of singular values in the least-squares problem for the combination of steps."""


Arrays = tuple[FloatArray, ...]


class Descent(NamedTuple):
    """The end of a descent.

    Attributes
    ----------
    point : θ
    found
        The second value that `evaluate` returned there.
    trace : list of float
        The objective, sweep by sweep.
    accelerated, rejected : int
        Accelerated sweeps, and proposals that were refused.
    enough : bool
        Whether a test of convergence was met.
    cannot_fall : bool
        Whether it ended because the objective cannot fall any more in floating point.
    """

    point: Any
    found: Any
    trace: list[float]
    accelerated: int
    rejected: int
    enough: bool
    cannot_fall: bool


def descend(
    point: Any,
    evaluate: Callable[[Any], tuple[float, Any]],
    sweep: Callable[[Any], Any],
    scales: npt.ArrayLike,
    enough: Callable[[float, float], bool],
    max_iter: int,
    small_decreases: int = 1,
    as_arrays: Callable[[Any], Arrays] = tuple,
    from_arrays: Callable[[Arrays, Any], Any] = lambda proposed, plain: proposed,
) -> Descent:
    """Sweeps until the objective falls no more, or by little enough.

    A proposal that would not lower the objective is replaced by the plain sweep.

    Parameters
    ----------
    point : θ
        The starting value.
    evaluate : callable
        From θ to the objective and whatever a sweep needs.
    sweep : callable
        From that to the next θ, at which the objective is no higher.
    scales : array
        Factors that bring the arrays of θ to common units.
    enough : callable
        From the objective and its last decrease to whether to stop.
    max_iter : int
    small_decreases : int
        How many times in a row `enough` must be true.
    as_arrays : callable
        From θ to unconstrained arrays.
    from_arrays : callable
        From proposed arrays, and the θ of the plain sweep, to a θ; None where they are none.

    Examples
    --------
    >>> found = descend((np.array([8.0]),), lambda p: (float(p[0][0]) ** 2, p),
    ...                 lambda p: (0.5 * p[0],), [1.0], lambda value, fall: value < 1e-6, 50)
    >>> found.enough, len(found.trace)
    (True, 3)
    """
    rule = Anderson(scales)
    value, found = evaluate(point)
    trace, accelerated, rejected, in_a_row = [value], 0, 0, 0
    for _ in range(max_iter):
        plain = sweep(found)
        proposed = rule.propose(as_arrays(point), as_arrays(plain))
        following, fresh, after = plain, np.inf, None
        if proposed is not None:
            trial = from_arrays(proposed, plain)
            fresh, after = (np.inf, None) if trial is None else evaluate(trial)
            if fresh < value:
                accelerated, following = accelerated + 1, trial
                rule.accepted()
            else:
                rejected += 1
                rule.refused()
        if not fresh < value:
            fresh, after = evaluate(plain)
        if not fresh < value:
            return Descent(point, found, trace, accelerated, rejected, True, True)
        fall, value, point, found = value - fresh, fresh, following, after
        trace.append(value)
        in_a_row = in_a_row + 1 if enough(value, fall) else 0
        if in_a_row == small_decreases:
            return Descent(point, found, trace, accelerated, rejected, True, False)
    return Descent(point, found, trace, accelerated, rejected, False, False)


class Anderson:
    """Anderson acceleration and the past steps that it combines.

    Parameters
    ----------
    scales : array
        Factors that bring the arrays of θ to common units.
    """

    def __init__(self, scales: npt.ArrayLike) -> None:
        self._scales = np.asarray(scales, dtype=np.float64)
        self._pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=HISTORY + 1)
        self._direction = 1.0
        self._pause = self._waiting = 0

    def accepted(self) -> None:
        """The proposal lowered the objective."""
        self._pause = 0

    def refused(self) -> None:
        """The proposal would raise the objective.

        The direction is reversed and the pairs are dropped. Before the next proposal new pairs are
        gathered, more each time in a row.
        """
        self._direction = -self._direction
        while len(self._pairs) > 1:
            self._pairs.popleft()
        self._waiting = self._pause
        self._pause = min(2 * self._pause + 1, HISTORY)

    def propose(self, start: Arrays, end: Arrays) -> Arrays | None:
        """θ to try next; None if there is no proposal besides `end`.

        Parameters
        ----------
        start, end : tuple of ndarray
            θ before and after the last sweep.
        """
        image = self._joined(end)
        self._pairs.append((image, image - self._joined(start)))
        if self._waiting:
            self._waiting -= 1
            return None
        if len(self._pairs) < 2:
            return None
        images = np.stack([g for g, _ in self._pairs])
        rests = np.stack([f for _, f in self._pairs])
        steps = np.diff(rests, axis=0)
        gram = steps @ steps.T
        weights = np.linalg.pinv(gram, rcond=SINGULAR_VALUE_CUTOFF, hermitian=True) @ (
            steps @ rests[-1]
        )
        found = images[-1] - self._direction * (weights @ np.diff(images, axis=0))
        return self._split(found, end) if np.isfinite(found).all() else None

    def _joined(self, point: Arrays) -> FloatArray:
        return np.concatenate([s * A.ravel() for s, A in zip(self._scales, point)])

    def _split(self, joined: FloatArray, like: Arrays) -> Arrays:
        ends = np.cumsum([A.size for A in like])[:-1]
        found = np.split(joined, ends)
        return tuple(f.reshape(A.shape) / s for f, A, s in zip(found, like, self._scales))
