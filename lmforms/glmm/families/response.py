"""The response of a model, with what families compute of it once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...support.arrays import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Response:
    """The response as a family takes it.

    Attributes
    ----------
    y : ndarray (n,)
        Values; successes of binomial families.
    trials : ndarray (n,) or None
        Of binomial families.
    """

    y: FloatArray
    trials: FloatArray | None = None
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def subset(self, rows: slice | BoolArray) -> Response:
        """Some of the rows."""
        return Response(self.y[rows], None if self.trials is None else self.trials[rows])

    def once(self, name: Hashable, compute: Callable[[], Any]) -> Any:
        """What `compute` gives, computed at the first call with this name.

        For what depends on the response alone, as ln y! does: a search asks again and again.
        """
        if name not in self._kept:
            self._kept[name] = compute()
        return self._kept[name]

    def at(
        self, name: Hashable, parameters: Sequence[FloatArray], compute: Callable[[], Any]
    ) -> Any:
        """What `compute` gives; the last result is kept for as long as the parameters stay.

        For what depends on the response and on ω but not on the mean, which moves more often.
        """
        last = self._kept.get(name)
        if last is None or not all(np.array_equal(a, b) for a, b in zip(last[0], parameters)):
            last = ([np.array(p) for p in parameters], compute())
            self._kept[name] = last
        return last[1]

    def distinct(self) -> tuple[FloatArray, Any]:
        """The distinct values of y, and the position of each row's among them."""
        return self.once("distinct", lambda: np.unique(self.y, return_inverse=True))

    def of_trials(self) -> FloatArray:
        """Trials of each row, one if none are given."""
        return np.ones_like(self.y) if self.trials is None else self.trials
