"""Sources of replicates: under the model, of its residuals, or of its cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...data.design import Design
from ...data.random_design import random_part
from ...engine.replication.draws import Drawer, Draws
from ...engine.replication.refits import BatchRefitter
from ...engine.replication.replicates import Replicates
from ...results.simulate import simulated
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from .case_resampling import CasePlan
from .refitters import RowRefitter
from .residual_resampling import ResidualDraws
from .row_sums import MOST_AT_A_TIME, MOST_DRAWN_NUMBERS, RowSums

Case = tuple[FloatArray, Design | None]
"""A response and its design, None for that of the fit."""


class SumsSource:
    """Responses drawn as their sums and refitted side by side: nothing grows with n."""

    def __init__(self, refitter: BatchRefitter, generator: np.random.Generator) -> None:
        n = refitter.problem.system.cp.n
        self._refitter = refitter
        self._drawer = Drawer(refitter.shared, refitter.lams(), n, generator)

    @property
    def step(self) -> int:
        """As many as are refitted side by side before an interrupt is heeded."""
        return min(self._refitter.batch_size, MOST_AT_A_TIME)

    def next(self, count: int) -> Replicates:
        """The next ones."""
        return self._refitter.fit(self._drawer.draw(count))


class ResidualSumsSource:
    """Responses of drawn effects and residuals, refitted side by side."""

    def __init__(
        self, state: FitState, refitter: BatchRefitter, generator: np.random.Generator
    ) -> None:
        self._sums, self._draws = RowSums(state, refitter), ResidualDraws(state, generator)
        bases = refitter.problem.system.cp.scaling.units.bases
        self._inverses = [basis.inverse / state.estimate.sigma for basis in bases]

    @property
    def step(self) -> int:
        """As many as are refitted side by side and are in memory as rows."""
        return self._sums.step

    def next(self, count: int) -> Replicates:
        """The next ones."""
        drawn = [self._draws.next() for _ in range(count)]
        effects = [
            np.stack([own[g] for own, _ in drawn]) @ inverse.T
            for g, inverse in enumerate(self._inverses)
        ]
        noise = self._sums.of(np.stack([rows for _, rows in drawn], axis=1))
        return self._sums.refitter.fit(Draws(effects, noise))


class MatchingCasesSource:
    """Levels of one design drawn with their responses, which are refitted side by side.

    Parameters
    ----------
    plan : CasePlan
    rows : ndarray of int (q, r)
        Its matching rows.
    sums : RowSums
    generator : numpy.random.Generator
    """

    def __init__(
        self, plan: CasePlan, rows: IndexArray, sums: RowSums, generator: np.random.Generator
    ) -> None:
        self._plan, self._rows, self._sums, self._generator = plan, rows, sums, generator

    @property
    def step(self) -> int:
        """As many as are refitted side by side and are in memory as rows."""
        return self._sums.step

    def next(self, count: int) -> Replicates:
        """The next ones."""
        state, rows = self._plan.state, self._rows
        offset = state.design.offset
        y, drawn = state.response - offset, np.empty((len(offset), count))
        for j in range(count):
            drawn[rows, j] = y[rows[self._plan.draw(self._generator)]]
        return self._sums.fit(drawn + offset[:, None])


class RowsSource:
    """Responses or whole cases, refitted one by one from the estimate.

    Parameters
    ----------
    cases : iterator of (ndarray, Design or None), or None where no model can be fitted
    refitter : RowRefitter
    """

    step = 1

    def __init__(self, cases: Iterator[Case | None], refitter: RowRefitter) -> None:
        self._cases, self._refitter = cases, refitter

    def next(self, count: int) -> Replicates:
        """The next ones."""
        out = Replicates.like(count, self._refitter.state.estimate)
        for j in range(count):
            case = next(self._cases)
            found = None if case is None else self._refitter.estimate(*case)
            if found is not None:
                out.put(j, found)
        return out


class FitSource:
    """The same as results with all their methods."""

    step = 1

    def __init__(self, cases: Iterator[Case | None], refitter: RowRefitter) -> None:
        self._cases, self._refitter = cases, refitter

    def next(self, count: int) -> list[Any]:
        """Results, None for those that failed."""
        out = []
        for _ in range(count):
            case = next(self._cases)
            fit = None if case is None else self._refitter.fit(*case)
            out.append(fit if fit is not None and fit.converged else None)
        return out


def parametric_cases(state: FitState, n: int, generator: np.random.Generator) -> Iterator[Case]:
    """n responses drawn under the model."""
    at_once = max(1, MOST_DRAWN_NUMBERS // state.design.n)
    for first in range(0, n, at_once):
        count = min(at_once, n - first)
        for y in simulated(state, count, generator, new_effects=True).T:
            yield y, None


def residual_cases(state: FitState, draws: ResidualDraws) -> Iterator[Case]:
    """Responses Xβ̂ + Zb* + e* + offset, without end."""
    design = state.design
    mean = design.X @ state.estimate.beta + design.offset
    while True:
        effects, rows = draws.next()
        yield mean + random_part(design, effects) + rows, None


def resampled_cases(plan: CasePlan, generator: np.random.Generator) -> Iterator[Case | None]:
    """Designs of levels drawn with replacement, without end."""
    while True:
        yield case_of(plan, plan.draw(generator))


def case_of(plan: CasePlan, levels: IndexArray) -> Case | None:
    """The rows of some levels."""
    design = plan.design(levels)
    return None if design is None else (design.y, design)
