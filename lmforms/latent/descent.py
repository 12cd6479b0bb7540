"""Downhill by sweeps, made longer: the walk that all exact methods share.

With θ what is iterated and g(θ) it after a sweep, Anderson's rule looks for the combination of past
steps whose residual g(θ) − θ is least, and goes where that combination leads: towards a point
where nothing moves, which a saddle is too. There it is refused, as the objective would rise, and
turned round: what leads to a saddle leads away from it, by as much as the steps have been growing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..support.arrays import FloatArray

MEMORY = 8  # pairs looked back on; more gain little and cost a copy of θ each
RCOND = 1e-10


Arrays = tuple[FloatArray, ...]


class Descent(NamedTuple):
    """Where a walk ended.

    Attributes
    ----------
    point : θ
    found
        What was found there beside the objective.
    trace : list of float
        The objective, sweep by sweep.
    accelerated, rejected : int
        Sweeps that Anderson's rule made longer, and proposals of it that were refused.
    enough : bool
        Whether the walk ended by its own tests.
    settled : bool
        Whether it ended because rounding decides if the objective falls.
    """

    point: Any
    found: Any
    trace: list[float]
    accelerated: int
    rejected: int
    enough: bool
    settled: bool


def descend(
    point: Any,
    evaluate: Callable[[Any], tuple[float, Any]],
    sweep: Callable[[Any], Any],
    scales: npt.ArrayLike,
    enough: Callable[[float, float], bool],
    max_iter: int,
    patience: int = 1,
    flat: Callable[[Any], Arrays] = tuple,
    restored: Callable[[Arrays, Any], Any] = lambda proposed, plain: proposed,
) -> Descent:
    """Sweeps until the objective falls no more, or by little enough.

    A proposal of the rule that would not lower the objective is replaced by the plain sweep.

    Parameters
    ----------
    point : θ
        Where to begin.
    evaluate : callable
        From θ to the objective and whatever a sweep needs.
    sweep : callable
        From that to the next θ, at which the objective is no higher.
    scales : array
        Units in which the arrays of θ are compared.
    enough : callable
        Of the objective and its last fall: whether to stop.
    max_iter : int
    patience : int
        How many times in a row it must say so.
    flat : callable
        From θ to arrays without constraints.
    restored : callable
        From what is proposed in such arrays, and the θ that a plain sweep gives, to a θ; None
        where it is none.

    Examples
    --------
    >>> found = descend((np.array([8.0]),), lambda p: (float(p[0][0]) ** 2, p),
    ...                 lambda p: (0.5 * p[0],), [1.0], lambda value, fall: value < 1e-6, 50)
    >>> found.enough, len(found.trace)
    (True, 3)
    """
    rule = Anderson(scales)
    value, found = evaluate(point)
    trace, accelerated, rejected, agreed = [value], 0, 0, 0
    for _ in range(max_iter):
        plain = sweep(found)
        proposed = rule.propose(flat(point), flat(plain))
        following, fresh, after = plain, np.inf, None
        if proposed is not None:
            trial = restored(proposed, plain)
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
        agreed = agreed + 1 if enough(value, fall) else 0
        if agreed == patience:
            return Descent(point, found, trace, accelerated, rejected, True, False)
    return Descent(point, found, trace, accelerated, rejected, False, False)


class Anderson:
    """The rule and its memory.

    Parameters
    ----------
    scales : array
        Units in which the arrays of θ are compared.
    """

    def __init__(self, scales: npt.ArrayLike) -> None:
        self._scales = np.asarray(scales, dtype=np.float64)
        self._pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=MEMORY + 1)
        self._sense = 1.0
        self._pause = self._left = 0

    def accepted(self) -> None:
        """What was proposed lowered the objective."""
        self._pause = 0

    def refused(self) -> None:
        """It would have risen: turn round, and gather new pairs, more each time in a row."""
        self._sense = -self._sense
        while len(self._pairs) > 1:
            self._pairs.popleft()
        self._left = self._pause
        self._pause = min(2 * self._pause + 1, MEMORY)

    def propose(self, start: Arrays, end: Arrays) -> Arrays | None:
        """θ to try next; None if nothing better than `end` is known.

        Parameters
        ----------
        start, end : tuple of ndarray
            Where the last sweep started, and where it ended.
        """
        image = self._joined(end)
        self._pairs.append((image, image - self._joined(start)))
        if self._left:
            self._left -= 1
            return None
        if len(self._pairs) < 2:
            return None
        images = np.stack([g for g, _ in self._pairs])
        rests = np.stack([f for _, f in self._pairs])
        steps = np.diff(rests, axis=0)
        gram = steps @ steps.T
        weights = np.linalg.pinv(gram, rcond=RCOND, hermitian=True) @ (steps @ rests[-1])
        found = images[-1] - self._sense * (weights @ np.diff(images, axis=0))
        return self._split(found, end) if np.isfinite(found).all() else None

    def _joined(self, point: Arrays) -> FloatArray:
        return np.concatenate([s * A.ravel() for s, A in zip(self._scales, point)])

    def _split(self, joined: FloatArray, like: Arrays) -> Arrays:
        ends = np.cumsum([A.size for A in like])[:-1]
        found = np.split(joined, ends)
        return tuple(f.reshape(A.shape) / s for f, A, s in zip(found, like, self._scales))
