"""Longer steps: the next loadings from the last few sweeps.

With θ the loadings and g(θ) those after a sweep, Anderson's rule looks for the combination of past
steps whose residual g(θ) − θ is least, and goes where that combination leads: towards a point
where nothing moves, which a saddle is too. There it is refused, as F would rise, and turned round:
what leads to a saddle leads away from it, by as much as the steps have been growing.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from .data import FloatArray
from .objective import Loadings

MEMORY = 8  # pairs looked back on; more gain little and cost a copy of the loadings each
RCOND = 1e-10


class Anderson:
    """The rule and its memory.

    Parameters
    ----------
    scales : array
        Units in which the loadings of each modality are compared.
    """

    def __init__(self, scales: npt.ArrayLike) -> None:
        self._scales = np.asarray(scales, dtype=np.float64)
        self._pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=MEMORY + 1)
        self._sense = 1.0

    def refused(self) -> None:
        """What was proposed would have raised F: turn round, and forget all but the last pair."""
        self._sense = -self._sense
        while len(self._pairs) > 1:
            self._pairs.popleft()

    def propose(self, loadings: Loadings, plain: Loadings) -> Loadings:
        """Loadings to try next; `plain` itself if nothing better is known.

        Parameters
        ----------
        loadings : Loadings
            Where the sweep started.
        plain : Loadings
            Where it ended.
        """
        image = self._joined(plain)
        self._pairs.append((image, image - self._joined(loadings)))
        if len(self._pairs) < 2:
            return plain
        images = np.stack([g for g, _ in self._pairs])
        rests = np.stack([f for _, f in self._pairs])
        steps = np.diff(rests, axis=0)
        gram = steps @ steps.T
        weights = np.linalg.pinv(gram, rcond=RCOND, hermitian=True) @ (steps @ rests[-1])
        if not np.isfinite(weights).all():
            return plain
        return self._split(images[-1] - self._sense * (weights @ np.diff(images, axis=0)), plain)

    def _joined(self, loadings: Loadings) -> FloatArray:
        return np.concatenate([s * A.ravel() for s, A in zip(self._scales, loadings)])

    def _split(self, joined: FloatArray, like: Loadings) -> Loadings:
        ends = np.cumsum([A.size for A in like])[:-1]
        found = np.split(joined, ends)
        return tuple(f.reshape(A.shape) / s for f, A, s in zip(found, like, self._scales))
